"""Writing what a receiver says of a message: Received-SPF and Authentication-Results.

What may live here: these two fields (RFC 7208 9.1; RFC 8601) and the form in which fields are
handed out. Their bodies are written by the core (src/fields.pyx), the fields of Exchange are in
stamps.py.
"""

from __future__ import annotations

import ipaddress
from typing import NamedTuple

from senderid_fast._core import fields as _core
from senderid_fast._core.fields import fold
from senderid_fast._core.verdict import Verdict
from senderid_fast.identities import a_labels

__all__ = [
    "Field",
    "authentication_results",
    "received_spf",
]


class Field(NamedTuple):
    """A header field to be added.

    The body is one line, without any line end; where it may be folded is for ``folded`` to know.
    """

    name: str
    body: str

    def folded(self, line_end: str = "\r\n") -> str:
        """The body, folded; without the name and without a line end at its end.

        A milter hands over header bodies so, with line_end="\\n".
        """
        return fold(self.name, self.body, line_end)

    def text(self, line_end: str = "\r\n") -> str:
        """The whole field as it stands in a message, folded, with its last line end."""
        return f"{self.name}: {self.folded(line_end)}{line_end}"

    def __str__(self) -> str:
        """The field as one line, as a policy server of Postfix hands it over."""
        return f"{self.name}: {self.body}"


# What Field() does by way of a function that NamedTuple makes, at half the cost.
_new = tuple.__new__

IPAddress = str | bytes | ipaddress.IPv4Address | ipaddress.IPv6Address


def received_spf(
    verdict: Verdict,
    *,
    ip: IPAddress,
    helo: str | bytes | None,
    mail_from: str | bytes | None,
    receiver: str,
    eai: bool = False,
) -> Field:
    """The Received-SPF field of a check (RFC 7208 9.1).

    ip         the client's address
    helo       the name of HELO or EHLO; left out if None
    mail_from  the reverse-path, with or without "<>"; "" is the null path; left out if None
    receiver   the name of this host
    eai        the message is internationalised: UTF-8 may stand in its header (RFC 6532)
    """
    body = _core.received_spf(verdict, ip, helo, mail_from, receiver, eai)
    return _new(Field, ("Received-SPF", body))


def authentication_results(
    authserv_id: str,
    *verdicts: Verdict,
    version: int | None = None,
    with_helo: bool = False,
    local_parts: bool = False,
    reasons: bool = False,
    eai: bool = False,
) -> Field:
    """The Authentication-Results field of some checks (RFC 8601 2.2; RFC 5451 for Sender ID).

    authserv_id  the identifier of this service (RFC 8601 2.5)
    verdicts     of HELO, MAIL FROM, PRA, in any order; MAIL FROM is written first. None: "none"
    version      of the field, written if given
    with_helo    write the result for HELO beside one for MAIL FROM; alone it always is
    local_parts  write mailboxes; without it domains (RFC 8601 2.7.2)
    reasons      write why each result came about
    eai          the message is internationalised: UTF-8 may stand in its header (RFC 6532)
    """
    body = _core.authentication_results(
        authserv_id, verdicts, version, with_helo, local_parts, reasons, eai, a_labels
    )
    return _new(Field, ("Authentication-Results", body))
