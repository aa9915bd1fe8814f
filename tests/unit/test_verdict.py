"""Verdict: what it says for each reason, and that it is a value."""

from __future__ import annotations

import json
import pickle
import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from support.scripted import IP, WAYS, Scripted, ask, policy, zone_reply

import senderid_fast as sf

HEADERS = Path(sf.__file__).parent / "_core"
ELSEWHERE = {"A": "198.51.100.9"}


class Case(NamedTuple):
    """What is asked, and what the verdict is to say."""

    reason: sf.Reason
    result: str
    zone: dict[str, Any]
    mechanism: str | None = None
    counts: tuple[int, int] = (0, 0)
    words: tuple[str, ...] = ()
    domain: str = "a.example"
    helo: str = "mta.relay.example"
    limits: sf.Limits = sf.Limits()


def spf(text: str, **names: list[Any]) -> dict[str, Any]:
    return {"a.example": [{"TXT": text}], **{f"{n}.example": data for n, data in names.items()}}


CASES = [
    Case(
        sf.Reason.MATCHED,
        "pass",
        spf("v=spf1 ip4:192.0.2.0/24 -all"),
        "ip4:192.0.2.0/24",
        words=('"ip4:192.0.2.0/24" of a.example matches',),
    ),
    Case(
        sf.Reason.MATCHED,
        "fail",
        spf("v=spf1 redirect=b.example", b=[{"TXT": "v=spf1 -all"}]),
        "-all",
        (1, 0),
        ('"-all" of b.example',),
    ),
    Case(
        sf.Reason.DEFAULT,
        "neutral",
        spf("v=spf1 a:h.example", h=[ELSEWHERE]),
        None,
        (1, 0),
        ("a.example",),
    ),
    Case(sf.Reason.NO_IDENTITY, "none", {}, domain="", words=("no domain",)),
    Case(sf.Reason.INVALID_DOMAIN, "none", {}, domain="localhost", words=("localhost",)),
    Case(sf.Reason.NO_DOMAIN, "none", {}, words=("a.example does not exist",)),
    Case(
        sf.Reason.NO_RECORD,
        "none",
        {"a.example": [ELSEWHERE, {"TXT": "v=spf10 +all"}]},
        words=("a.example has no SPF record",),
    ),
    Case(
        sf.Reason.DNS_ERROR,
        "temperror",
        spf("v=spf1 a:h.example +all", h=["SERVFAIL"]),
        "a:h.example",
        (1, 0),
        ("h.example A",),
    ),
    Case(
        sf.Reason.DNS_ERROR,
        "temperror",
        spf("v=spf1 include:b.example", b=[{"TXT": "v=spf1 mx:h.example -all"}], h=["REFUSED"]),
        "mx:h.example",
        (2, 0),
        ("h.example MX", '"mx:h.example" of b.example'),
    ),
    Case(sf.Reason.DNS_TIMEOUT, "temperror", {"a.example": ["TIMEOUT"]}, words=("a.example TXT",)),
    Case(
        sf.Reason.TIME_LIMIT,
        "temperror",
        spf("v=spf1 +all"),
        words=("1e-06 s",),
        limits=sf.Limits(seconds=1e-6),
    ),
    Case(
        sf.Reason.RESOLVER_FAILED, "temperror", {"a.example": ["ERROR"]}, words=("a.example TXT",)
    ),
    Case(
        sf.Reason.MULTIPLE_RECORDS,
        "permerror",
        {"a.example": [{"TXT": "v=spf1 -all"}, {"TXT": "v=spf1 -all"}]},
        words=("a.example", "more than one"),
    ),
    Case(
        sf.Reason.SYNTAX_ERROR,
        "permerror",
        spf("v=spf1 +all a:%(d}.example"),
        words=("a.example", '"a:%(d}.example"', "octet 14", "RFC 7208 7.1"),
    ),
    Case(
        sf.Reason.LOOKUP_LIMIT,
        "permerror",
        spf("v=spf1 " + " ".join(f"?a:h.example/{n}" for n in range(20, 31)), h=[ELSEWHERE]),
        "?a:h.example/30",
        (11, 0),
        ("10", '"?a:h.example/30"'),
    ),
    Case(
        sf.Reason.VOID_LOOKUP_LIMIT,
        "permerror",
        spf("v=spf1 a:n1.example mx:n2.example exists:n3.example +all"),
        "exists:n3.example",
        (3, 3),
        ("limit of 2", '"exists:n3.example"'),
    ),
    Case(
        sf.Reason.MX_LIMIT,
        "permerror",
        spf("v=spf1 mx:b.example +all", b=[{"MX": [n, f"m{n}.b.example"]} for n in range(11)]),
        "mx:b.example",
        (1, 0),
        ("more than 10",),
    ),
    Case(
        sf.Reason.INCLUDE_NONE,
        "permerror",
        spf("v=spf1 include:b.example +all", b=[ELSEWHERE]),
        "include:b.example",
        (1, 0),
        ("b.example has no SPF record",),
    ),
    Case(
        sf.Reason.REDIRECT_NONE,
        "permerror",
        spf("v=spf1 redirect=b.example"),
        "redirect=b.example",
        (1, 0),
        ("b.example has no SPF record", "a.example"),
    ),
    Case(
        sf.Reason.INVALID_TARGET,
        "permerror",
        spf("v=spf1 redirect=%{h}"),
        "redirect=%{h}",
        (1, 0),
        ('"redirect=%{h}" of a.example',),
        helo="two..dots",
    ),
]


def test_every_reason_has_a_case() -> None:
    of_the_pra = {sf.Reason.NO_PRA, sf.Reason.SUBMITTER_MISMATCH}  # see test_check_pra.py
    of_a_row = {sf.Reason.INVALID_IP}  # see test_check_batch.py
    of_a_message = {sf.Reason.CHECK_FAILED}  # see test_reception_trouble.py
    others = of_the_pra | of_a_row | of_a_message
    assert {case.reason for case in CASES} == set(sf.Reason) - others


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.reason}-{case.mechanism}")
def test_what_a_verdict_says(case: Case, way: str) -> None:
    resolver = sf.ZoneResolver(case.zone)
    verdict = ask(
        way,
        resolver,
        "host",
        *(IP, case.domain, "user@sender.example", case.helo),
        limits=case.limits,
    )
    assert verdict.reason is case.reason
    assert verdict.result == case.result
    assert verdict.mechanism == case.mechanism
    assert (verdict.lookups, verdict.void_lookups) == case.counts
    assert (verdict.scope, verdict.identity) == (sf.Scope.SPF, "host")
    assert (verdict.domain, verdict.sender) == (case.domain, "user@sender.example")
    assert verdict.explanation is None
    for words in case.words:
        assert words in verdict.detail
    assert verdict.detail.isprintable()
    assert not re.search(r"(?<!%)\{\w", verdict.detail), "a word was not filled in"
    assert json.loads(json.dumps(verdict.as_dict()))["reason"] == case.reason


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.reason}-{case.mechanism}")
def test_a_verdict_is_a_value(case: Case) -> None:
    def make() -> sf.Verdict:
        return ask(
            "sync",
            sf.ZoneResolver(case.zone),
            "host",
            *(IP, case.domain, None, case.helo),
            limits=case.limits,
        )

    verdict, same = make(), make()
    again = pickle.loads(pickle.dumps(verdict))
    for other in (same, again, pickle.loads(pickle.dumps(again))):
        assert other is not verdict
        assert other == verdict
        assert hash(other) == hash(verdict)
        assert other.as_dict() == verdict.as_dict()
        assert repr(other) == repr(verdict)
    assert verdict.detail in repr(verdict)
    assert verdict != "pass"
    different = ask("sync", sf.ZoneResolver(spf("v=spf1 ?ip4:192.0.2.77/24")))
    assert verdict != different


def test_a_verdict_cannot_be_made_or_changed() -> None:
    verdict = ask("sync", sf.ZoneResolver(spf("v=spf1 -all")))
    with pytest.raises(TypeError, match="Engine"):
        sf.Verdict()
    with pytest.raises(AttributeError):
        verdict.result = sf.Result.PASS  # type: ignore[misc]
    with pytest.raises(AttributeError):
        verdict.note = "x"  # type: ignore[attr-defined]


def test_the_time_limit_is_told_in_seconds() -> None:
    """RFC 7208 4.6.4: the limit of the check, not another of the limits."""
    limits = sf.Limits(lookups=7, void_lookups=3, mx_names=5, ptr_names=6, seconds=1e-7)
    verdict = ask("sync", sf.ZoneResolver(spf("v=spf1 -all")), limits=limits)
    assert verdict.reason is sf.Reason.TIME_LIMIT
    assert "1e-07 s" in verdict.detail


def test_a_verdict_outlives_its_engine_and_its_answers() -> None:
    engine = sf.Engine(sf.ZoneResolver(spf("v=spf1 -ip4:192.0.2.0/24")))
    verdict = engine.check_host(IP, "a.example")
    engine.close()
    del engine
    assert verdict.mechanism == "-ip4:192.0.2.0/24"
    assert verdict.detail == '"-ip4:192.0.2.0/24" of a.example matches'


def test_the_words_of_a_failing_server_reach_the_detail() -> None:
    def reply(question: sf.Question, timeout: float) -> sf.Answer:
        if question.rrtype is sf.RRType.TXT:
            return policy("v=spf1 mx:b.example -all")
        return sf.Answer(sf.Status.REFUSED, detail="192.0.2.53:53 refuses {braces} %s")

    verdict = ask("sync", Scripted(reply))
    assert verdict.reason is sf.Reason.DNS_ERROR
    assert "b.example MX" in verdict.detail
    assert verdict.detail.endswith("192.0.2.53:53 refuses {braces} %s")


def test_the_explanation_is_the_one_of_the_failing_record() -> None:
    zone = spf(
        "v=spf1 include:b.example -all exp=why.example",
        b=[{"TXT": "v=spf1 -all exp=other.example"}],
        why=[{"TXT": "%{i} may not send for %{d} (%{h}), asks %{r}"}],
        other=[{"TXT": "never"}],
    )
    verdict = ask("sync", sf.ZoneResolver(zone), receiver="mx.receiver.example")
    assert verdict.result == "fail"
    # RFC 7208 6.2: of the record whose term matched, not of one it includes
    assert verdict.explanation == (
        "192.0.2.1 may not send for a.example (mta.relay.example), asks mx.receiver.example"
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("bad %{x}", "no such letter"),
        ("50% off", "a stray percent sign"),
        ("caf\u00e9", "not ASCII"),
        ("tab\there", "a control character"),
        ("%{S}" * 1000, "too long when expanded"),
        ("x" * 60_000, "too long in DNS"),
        ("%{s", "not closed"),
    ],
    ids=lambda text: text[:12],
)
def test_a_broken_explanation_changes_no_result(text: str, why: str) -> None:
    """RFC 7208 6.2: as if there were no exp=."""

    def reply(question: sf.Question, timeout: float) -> sf.Answer:
        return policy("v=spf1 -all exp=why.example" if question.name == "a.example" else text)

    verdict = ask("sync", Scripted(reply))
    assert (verdict.result, verdict.explanation) == ("fail", None), why


@pytest.mark.parametrize("octet", [0x00, 0x0D, 0x0A, 0x1B, 0x7F, 0x85, 0xFF])
def test_what_a_client_says_reaches_no_explanation_unless_it_is_visible(octet: int) -> None:
    """RFC 7208 11.5.2: the HELO string is the client's, and explanations go into replies."""
    reply = zone_reply(
        spf("v=spf1 -all exp=why.example", why=[{"TXT": "you said %{h}"}]),
    )
    engine = sf.Engine(Scripted(reply))
    helo = b"mta" + bytes([octet]) + b".example"
    verdict = engine.check_mail_from(IP, "u@a.example", helo)
    assert (verdict.result, verdict.explanation) == ("fail", None)
    # A capital letter asks for URL escaping (RFC 7208 7.3), which makes it visible.
    reply = zone_reply(spf("v=spf1 -all exp=why.example", why=[{"TXT": "you said %{H}"}]))
    verdict = sf.Engine(Scripted(reply)).check_mail_from(IP, "u@a.example", helo)
    assert verdict.explanation == f"you said mta%{octet:02X}.example"


def enumerations() -> dict[str, list[tuple[str, int]]]:
    """name of each named enum of the .pxd files -> its members with their values."""
    found: dict[str, list[tuple[str, int]]] = {}
    for header in sorted(HEADERS.glob("*.pxd")):
        text = header.read_text(encoding="utf-8")
        for name, body in re.findall(r"^cdef enum (\w+):[^\n]*\n((?:[ ]{4}.*\n)+)", text, re.M):
            value = -1
            for line in body.splitlines():
                member, _, given = line.partition("#")[0].strip().partition("=")
                value = int(given) if given.strip() else value + 1
                found.setdefault(name, []).append((member.strip(), value))
    return found


@pytest.mark.parametrize(
    ("enumeration", "prefix", "words"),
    [
        ("ResultNumber", "RESULT", list(sf.Result)),
        ("ReasonNumber", "REASON", list(sf.Reason)),
        ("AnswerStatus", "STATUS", list(sf.Status)),
    ],
)
def test_the_core_counts_words_as_python_does(
    enumeration: str, prefix: str, words: list[Any]
) -> None:
    assert enumerations()[enumeration] == [
        (f"{prefix}_{word.name}", number) for number, word in enumerate(words)
    ]


def test_the_core_has_the_numbers_of_dns_and_of_scopes() -> None:
    headers = enumerations()
    assert dict(headers["QuestionType"]) == {f"TYPE_{each.name}": each for each in sf.RRType}
    assert headers["ScopeBit"] == [
        (f"SCOPE_{scope.name}", 1 << number) for number, scope in enumerate(sf.Scope)
    ]
