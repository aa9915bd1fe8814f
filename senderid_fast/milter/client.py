"""Client: what an MTA has told of an SMTP client before there is a message.

What may live here: that, and the envelope that MAIL makes of it. What is answered is in session.py.
"""

from __future__ import annotations

from senderid_fast.milter.codec import Command, read_connect, read_macros, read_strings
from senderid_fast.receiver.networks import number_of
from senderid_fast.reception.envelope import Envelope

__all__ = ["MACROS", "Client"]

# Whether the client has authenticated itself is known at MAIL. Postfix makes up the queue id when
# it has a recipient, so there it comes with BODYEOB; Sendmail has it at MAIL.
MACROS = frozenset({Command.MAIL, Command.BODYEOB})
_MAIL = b"M"
_WORDS_MOST = 255  # octets of a name
_ADDRESS_MOST = 128  # octets of an address and its zone


class Client:
    """One SMTP client.

    ip     its address; None if there is none: a local socket, a family that the MTA does not know
    helo   the name of its last HELO or EHLO
    words  how the MTA names it, for logs
    """

    __slots__ = ("_macros", "helo", "ip", "words")

    def __init__(self) -> None:
        self.ip: str | None = None
        self.helo: bytes | None = None
        self.words = ""
        self._macros: dict[bytes, bytes] = {}

    def connect(self, data: bytes) -> str | None:
        """Take the data of CONNECT. Returns what is wrong with the address; None if nothing is.

        Raises MilterFault.
        """
        client = read_connect(data)
        self.words = client.name[:_WORDS_MOST].decode("utf-8", "backslashreplace")
        if client.family not in (b"4", b"6"):
            return None
        self.ip = _address(client.address)
        return f"CONNECT: {client.address!r} is no address" if self.ip is None else None

    def macros(self, data: bytes) -> str:
        """Take the data of MACRO. Returns the queue id, or "". Raises MilterFault.

        Those for MAIL hold for the next MAIL alone.
        """
        macros = read_macros(data)
        if data[:1] == _MAIL:
            self._macros = macros
        return macros.get(b"i", b"").decode("ascii", "backslashreplace")

    def envelope(self, data: bytes, queue_id: str) -> Envelope:
        """The envelope, by the data of MAIL. Raises MilterFault."""
        path, *parameters = read_strings("MAIL", data)
        submitter, eai = None, False
        for parameter in parameters:
            keyword, _, value = parameter.partition(b"=")
            keyword = keyword.upper()
            if keyword == b"SMTPUTF8":  # RFC 6531 3.4
                eai = True
            elif keyword == b"SUBMITTER" and submitter is None:  # RFC 4405 4
                submitter = value
        macros, self._macros = self._macros, {}
        authenticated = bool(macros and (macros.get(b"auth_authen") or macros.get(b"auth_type")))
        return Envelope(
            self.ip, self.helo, path, (), submitter, authenticated, eai, queue_id, self.words
        )

    def next_message(self) -> None:
        """The message ended: what was said for it alone is forgotten."""
        self._macros = {}


def _address(octets: bytes) -> str | None:
    """An address as text; None if it is none. Sendmail writes "IPv6:" before one of version 6."""
    if octets[:5].lower() == b"ipv6:":
        octets = octets[5:]
    if len(octets) > _ADDRESS_MOST:
        return None
    text = octets.decode("ascii", "replace").partition("%")[0]  # a zone is of this host alone
    return text if number_of(text) is not None and text == text.strip() else None
