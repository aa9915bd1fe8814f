"""Envelope: what a session told about one message.

What may live here: plain values, in octets as they came. Nothing of ours is imported.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Envelope"]


class Envelope(NamedTuple):
    """What the client and the mail server said before the message itself.

    ip             the address that connected, as text; None if no Internet client did (a unix
                   socket, an unknown address): then nothing is checked
    helo           the name of HELO or EHLO
    mail_from      the reverse-path with or without "<>"; b"" is the null reverse-path
    recipients     forward-paths, with or without "<>"
    submitter      what follows "SUBMITTER=" in MAIL, still in xtext (RFC 4405 4)
    authenticated  the client has authenticated itself (RFC 4954)
    eai            the message is internationalised: MAIL had SMTPUTF8 (RFC 6531)
    queue_id       the mail server's name for the message, for logs
    connection     words about the connection, for logs, such as the client's name in DNS

    Any octets may be in it.
    """

    ip: str | None
    helo: bytes | None
    mail_from: bytes
    recipients: tuple[bytes, ...] = ()
    submitter: bytes | None = None
    authenticated: bool = False
    eai: bool = False
    queue_id: str = ""
    connection: str = ""
