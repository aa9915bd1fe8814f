"""The fields that Exchange Server and Hotmail write for Sender ID, and the numbers of MAPI for it.

What may live here: how Microsoft's software spells a verdict. Nothing here is of an RFC; the
documents are named at each rule. Received-SPF and Authentication-Results are in fields.py.
"""

from __future__ import annotations

from enum import StrEnum

from senderid_fast._core.fields import domain_of
from senderid_fast._core.verdict import Verdict
from senderid_fast.errors import InputError
from senderid_fast.receiver.escaping import mailbox_or_quoted
from senderid_fast.receiver.fields import Field
from senderid_fast.results import Reason, Result

__all__ = [
    "SenderIdStatus",
    "antispam_report",
    "exchange_fields",
    "mapi_number",
    "sender_id_status",
    "sid_fields",
    "status_of_mapi_number",
]

_MAILBOX_LIMIT = 320


class SenderIdStatus(StrEnum):
    """Exchange's Sender ID status, as its fields spell it; in the order of MAPI's numbers."""

    NEUTRAL = "Neutral"
    PASS = "Pass"
    FAIL = "Fail"
    SOFTFAIL = "SoftFail"
    NONE = "None"
    TEMPERROR = "TempError"
    PERMERROR = "PermError"


_STATUSES = {Result(status.lower()): status for status in SenderIdStatus}
# PidTagSenderIdStatus: MS-OXOMSG 2.2.1.80 counts on to 6 and 7, MS-OXCMAIL 2.2.3.2.20 has the high
# bit with these two.
_NUMBERS = {status: number for number, status in enumerate(SenderIdStatus, 1)}
_HIGH_BIT = 0x80000000
_WITH_HIGH_BIT = (SenderIdStatus.TEMPERROR, SenderIdStatus.PERMERROR)


def sender_id_status(verdict: Verdict) -> SenderIdStatus:
    """The status of Exchange for a verdict (Exchange Server, "Sender ID": the status values).

    Fail is also that the message has no PRA, and that the domain does not exist, which are no fail
    to RFC 4406 or only under scope pra.
    """
    if verdict.reason in (Reason.NO_PRA, Reason.NO_DOMAIN):
        return SenderIdStatus.FAIL
    return _STATUSES[verdict.result]


def antispam_report(verdict: Verdict) -> str:
    """The part of X-MS-Exchange-Organization-Antispam-Report that is Sender ID's.

    The parts of a report are joined by ";" (Exchange Server, "Anti-spam stamps").
    """
    return f"SID:SenderIDStatus {sender_id_status(verdict)}"


def exchange_fields(
    verdict: Verdict, *, report: bool = False, eai: bool = False
) -> tuple[Field, ...]:
    """The fields in which Exchange keeps a verdict (Exchange Server, "Anti-spam stamps").

    X-MS-Exchange-Organization-SenderIdResult, -PRD if the message has a purported responsible
    domain, and with ``report`` an -Antispam-Report that holds nothing else.
    """
    fields = [Field("X-MS-Exchange-Organization-SenderIdResult", str(sender_id_status(verdict)))]
    pra = verdict.pra
    if pra is not None:
        domain = mailbox_or_quoted(domain_of(pra), _MAILBOX_LIMIT, eai=eai)
        fields.append(Field("X-MS-Exchange-Organization-PRD", domain))
    if report:
        name = "X-MS-Exchange-Organization-Antispam-Report"
        fields.append(Field(name, antispam_report(verdict)))
    return tuple(fields)


def sid_fields(verdict: Verdict, *, eai: bool = False) -> tuple[Field, ...]:
    """X-SID-PRA, if the message has a PRA, and X-SID-Result, as Hotmail wrote them.

    Results are in capitals. In messages of Hotmail, no PRA always goes with NONE.
    """
    pra = verdict.pra
    if pra is None:
        return (Field("X-SID-Result", SenderIdStatus.NONE.upper()),)
    mailbox = mailbox_or_quoted(pra.mailbox, _MAILBOX_LIMIT, eai=eai)
    return (
        Field("X-SID-PRA", mailbox),
        Field("X-SID-Result", sender_id_status(verdict).upper()),
    )


def mapi_number(status: SenderIdStatus, *, high_bit: bool = False) -> int:
    """PidTagSenderIdStatus for a status.

    high_bit  0x80000006 and 0x80000007 for TempError and PermError (MS-OXCMAIL 2.2.3.2.20), in
              place of 6 and 7 (MS-OXOMSG 2.2.1.80)
    """
    number = _NUMBERS[status]
    return number | _HIGH_BIT if high_bit and status in _WITH_HIGH_BIT else number


def status_of_mapi_number(number: int) -> SenderIdStatus:
    """The status of a PidTagSenderIdStatus, in either form; raises InputError.

    The property is of 32 bits, so that with the high bit it may be given as a negative number.
    """
    for status, known in _NUMBERS.items():
        forms = [known]
        if status in _WITH_HIGH_BIT:
            forms += [known | _HIGH_BIT, known - _HIGH_BIT]
        if number in forms:
            return status
    raise InputError("number", f"{number} is no Sender ID status")
