"""The fields of Exchange and Hotmail, and MAPI's numbers."""

from __future__ import annotations

import pytest
from support.outcomes import Address, Said

import senderid_fast as sf
from senderid_fast.receiver.stamps import (
    SenderIdStatus,
    antispam_report,
    exchange_fields,
    mapi_number,
    sender_id_status,
    sid_fields,
    status_of_mapi_number,
)


def said(result: str, reason: sf.Reason = sf.Reason.MATCHED, mailbox: str | None = None) -> Said:
    pra = Address("from", mailbox) if mailbox else None
    return Said(sf.Result(result), reason, sf.Scope.PRA, "pra", pra=pra)


@pytest.mark.parametrize(
    ("result", "status"),
    [
        ("pass", "Pass"),
        ("neutral", "Neutral"),
        ("softfail", "SoftFail"),
        ("fail", "Fail"),
        ("none", "None"),
        ("temperror", "TempError"),
        ("permerror", "PermError"),
    ],
)
def test_statuses(result: str, status: str) -> None:
    assert sender_id_status(said(result)) == status
    assert antispam_report(said(result)) == f"SID:SenderIDStatus {status}"


@pytest.mark.parametrize("reason", [sf.Reason.NO_PRA, sf.Reason.NO_DOMAIN])
def test_no_pra_and_no_domain_are_fail(reason: sf.Reason) -> None:
    assert sender_id_status(said("none", reason)) == "Fail"


def test_exchange_fields() -> None:
    name = "X-MS-Exchange-Organization-"
    assert exchange_fields(said("pass", mailbox="a@b.example"), report=True) == (
        (f"{name}SenderIdResult", "Pass"),
        (f"{name}PRD", "b.example"),
        (f"{name}Antispam-Report", "SID:SenderIDStatus Pass"),
    )
    assert exchange_fields(said("none", sf.Reason.NO_PRA)) == ((f"{name}SenderIdResult", "Fail"),)


def test_sid_fields() -> None:
    assert sid_fields(said("softfail", mailbox="a@b.example")) == (
        ("X-SID-PRA", "a@b.example"),
        ("X-SID-Result", "SOFTFAIL"),
    )
    assert sid_fields(said("none", sf.Reason.NO_PRA)) == (("X-SID-Result", "NONE"),)


def test_what_senders_chose_is_escaped() -> None:
    hostile = said("pass", mailbox="a\r\nX: y@b\r\nY: =?utf-8?q?z?=\xe9")
    for field in (*exchange_fields(hostile), *sid_fields(hostile)):
        assert field.body.isascii()
        assert field.body.isprintable()
        assert "=?" not in field.body
    assert (
        exchange_fields(said("pass", mailbox="a@b\xfccher.example"))[1][1]
        == "xn--bcher-kva.example"
    )
    assert exchange_fields(said("pass", mailbox="a@b.\xe9xample"), eai=True)[1][1] == "b.\xe9xample"


def test_numbers_of_mapi() -> None:
    order = ["Neutral", "Pass", "Fail", "SoftFail", "None", "TempError", "PermError"]
    assert [mapi_number(SenderIdStatus(word)) for word in order] == [1, 2, 3, 4, 5, 6, 7]
    high = [mapi_number(SenderIdStatus(word), high_bit=True) for word in order]
    assert high == [1, 2, 3, 4, 5, 0x80000006, 0x80000007]
    for status in SenderIdStatus:
        for high_bit in (False, True):
            number = mapi_number(status, high_bit=high_bit)
            signed = number - 2**32 if number >= 2**31 else number
            assert status_of_mapi_number(number) is status
            assert status_of_mapi_number(signed) is status
    for number in (0, 8, -1, 0x80000001, 0x80000008, 2**64):
        with pytest.raises(sf.InputError):
            status_of_mapi_number(number)
