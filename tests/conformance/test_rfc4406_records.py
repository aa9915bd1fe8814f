"""Sender ID records (RFC 4406): which one applies (4.4), and what it says under a scope (4).

data/rfc4406-records.yml is written from the text of the RFC; the two cases of the Perl module
Mail::SPF are not ours to ship.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.openspf import Case, compare, load
from support.scripted import WAYS, Scripted, ask, zone_reply
from support.shared import SHARED

import senderid_fast as sf

DATA = Path(__file__).resolve().parent / "data" / "rfc4406-records.yml"
SELECTIONS = 76
EVALUATIONS = 32
DOMAIN = "select.example"
IP = "192.0.2.77"
HELO = "h.example"
# Identities whose domain no DNS name can be: none either way, but a message with it has no PRA
# (RFC 4407 2 step 5), while check_host() may still be asked about it (RFC 7208 4.3).
NO_DNS_NAME = {"pra-domain-long-label"}

Selection = dict[str, Any]


@dataclass(frozen=True)
class Evaluation:
    """check_host() with a scope, over a zone."""

    name: str
    zone: dict[str, Any]
    test: dict[str, Any]

    @property
    def wanted(self) -> Case:
        explanation = self.test.get("explanation")
        return Case(
            scenario="rfc4406-records",
            name=self.name,
            zone=self.zone,
            ip=self.test["host"],
            helo=self.test["helo"],
            mail_from=self.test["identity"],
            results=(self.test["result"],),
            # An empty text stands for the receiver's own.
            explanation=None if explanation is None else explanation or "DEFAULT",
        )


def _evaluations(document: dict[str, Any]) -> list[Evaluation]:
    return [
        Evaluation(name, part["zonedata"], test)
        for part in document["evaluation"]
        for name, test in part["tests"].items()
    ]


DOCUMENT = yaml.safe_load(DATA.read_text(encoding="utf-8"))
ALL_SELECTIONS: list[Selection] = DOCUMENT["selection"]
ALL_EVALUATIONS = _evaluations(DOCUMENT)


def test_all_are_there() -> None:
    assert len(ALL_SELECTIONS) == SELECTIONS
    assert len(ALL_EVALUATIONS) == EVALUATIONS
    names = [case["id"] for case in ALL_SELECTIONS] + [case.name for case in ALL_EVALUATIONS]
    assert len(set(names)) == len(names)


def _octets(record: str | list[str]) -> bytes:
    """A TXT record's strings joined, in UTF-8 as the file is."""
    return ("".join(record) if isinstance(record, list) else record).encode("utf-8")


def _wanted(case: Selection) -> tuple[str, bytes | None]:
    """(expect, record), for a receiver that asks for TXT only (RFC 7208 3.1)."""
    expect: str = case["expect_txt_only"] if "expect_txt_only" in case else case["expect"]
    record: str | None = case.get("record_txt_only", case.get("record"))
    return expect, None if record is None else record.encode("utf-8")


def _rrset(case: Selection) -> list[bytes]:
    return [_octets(record) for record in case["txt"]]


@pytest.mark.parametrize(
    "case", [case for case in ALL_SELECTIONS if "txt" in case], ids=lambda case: case["id"]
)
def test_select_record(case: Selection) -> None:
    """In whatever order the answer has the records."""
    expect, record = _wanted(case)
    for rrset in permutations(_rrset(case)):
        if expect == "permerror":
            with pytest.raises(sf.RecordSelectionError) as caught:
                sf.select_record(rrset, sf.Scope(case["scope"]))
            assert set(caught.value.records) <= set(rrset)
            assert len(caught.value.records) > 1
        else:
            assert expect in ("use", "none")
            assert sf.select_record(rrset, sf.Scope(case["scope"])) == record, case["cites"]


def _reply(case: Selection, rrset: tuple[bytes, ...]) -> Scripted:
    status = {"NXDOMAIN": sf.Status.NXDOMAIN, "TIMEOUT": sf.Status.TIMEOUT}
    answer = sf.Answer(status[case["rcode"]] if "rcode" in case else sf.Status.OK, rrset, 60)
    return Scripted(lambda question, timeout: answer)


def _verdict_of_record(record: bytes, scope: str) -> tuple[str, str]:
    """What a record says when it is alone: then it is the one that applies."""
    verdict = ask(
        "sync",
        Scripted(lambda question, timeout: sf.Answer(sf.Status.OK, (record,), 60)),
        *("host", IP, DOMAIN, f"u@{DOMAIN}", HELO, sf.Scope(scope)),
    )
    return str(verdict.result), verdict.mechanism or str(verdict.reason)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", ALL_SELECTIONS, ids=lambda case: case["id"])
def test_selection_through_an_engine(way: str, case: Selection) -> None:
    expect, record = _wanted(case)
    args = (IP, DOMAIN, f"u@{DOMAIN}", HELO, sf.Scope(case["scope"]))
    rrset = () if "rcode" in case else tuple(_rrset(case))
    resolver = _reply(case, rrset)
    verdict = ask(way, resolver, "host", *args)
    assert verdict.scope is sf.Scope(case["scope"])
    assert all(question.rrtype is sf.RRType.TXT for question in resolver.questions)
    if expect == "use":
        assert record is not None
        found = str(verdict.result), verdict.mechanism or str(verdict.reason)
        assert found == _verdict_of_record(record, case["scope"]), case["cites"]
        reasons = {sf.Reason.MATCHED, sf.Reason.DEFAULT, sf.Reason.SYNTAX_ERROR}
        assert verdict.reason in reasons
    else:
        assert str(verdict.result) == expect, case["cites"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", ALL_EVALUATIONS, ids=lambda case: case.name)
def test_evaluation(way: str, case: Evaluation) -> None:
    test = case.test
    domain = test["identity"].rpartition("@")[2]
    args = (test["host"], domain, test["identity"], test["helo"], sf.Scope(test["scope"]))
    verdict = ask(way, sf.ZoneResolver(case.zone), "host", *args)
    wrong = compare(case.wanted, verdict)
    assert not wrong, f"{test['cites']}: {wrong}"
    assert verdict.scope is sf.Scope(test["scope"])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "case",
    [case for case in ALL_EVALUATIONS if case.test["scope"] == "pra"],
    ids=lambda case: case.name,
)
def test_evaluation_of_a_message(way: str, case: Evaluation) -> None:
    """The identity as the PRA of a message: RFC 4406 4.1."""
    headers = f"From: <{case.test['identity']}>\r\n\r\n".encode()
    resolver = sf.ZoneResolver(case.zone)
    verdict = ask(way, resolver, "pra", case.test["host"], headers, case.test["helo"])
    wrong = compare(case.wanted, verdict)
    assert not wrong, f"{case.test['cites']}: {wrong}"
    if case.name in NO_DNS_NAME:
        assert verdict.pra_failure is sf.PraFailure.MALFORMED
    else:
        assert verdict.pra is not None
        assert verdict.pra.mailbox == case.test["identity"]


def test_an_eai_local_part_asks_nothing() -> None:
    """RFC 8616 4: a term with %{l} does not match, and no query is sent for it."""
    case = next(case for case in ALL_EVALUATIONS if case.name == "eai-local-part-never-matches")
    headers = f"From: {case.test['identity']}\r\n\r\n".encode()
    resolver = Scripted(zone_reply(case.zone))
    ask("sync", resolver, "pra", case.test["host"], headers)
    assert [question.name for question in resolver.questions] == ["p10.example"]


MAIL_SPF = "conformance/mail-spf/rfc4406-tests.yml"
MAIL_SPF_CASES = load(SHARED / MAIL_SPF) if (SHARED / MAIL_SPF).is_file() else []
needs_mail_spf = pytest.mark.skipif(not MAIL_SPF_CASES, reason=f"../shared/{MAIL_SPF} is not there")


@needs_mail_spf
def test_mail_spf_is_complete() -> None:
    assert len(MAIL_SPF_CASES) == 2


@needs_mail_spf
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", MAIL_SPF_CASES, ids=lambda case: case.id)
def test_mail_spf(way: str, case: Case) -> None:
    """Their identity is MAIL FROM under the scope of its name."""
    domain = case.mail_from.rpartition("@")[2]
    args = (case.ip, domain, case.mail_from, case.helo, sf.Scope.MFROM)
    wrong = compare(case, ask(way, sf.ZoneResolver(case.zone), "host", *args))
    assert not wrong, f"RFC 4406 {case.section}: {wrong}"
