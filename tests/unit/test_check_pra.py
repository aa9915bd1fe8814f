"""check_pra() and trace_pra(): the PRA of a message under scope pra (RFC 4406 4, RFC 4407 2)."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from support.scripted import IP, WAYS, Scripted, ask, zone_reply

import senderid_fast as sf

OTHER_IP = "198.51.100.9"
HELO = "mta.relay.example"
MESSAGE = b"Received: from a by b\r\nFrom: Ann <ann@one.example>\r\n\r\nbody\r\n"
ZONE: dict[str, list[Any]] = {
    "one.example": [{"TXT": "v=spf1 ip4:192.0.2.1 -all exp=why.example"}],
    "why.example": [{"TXT": "%{s} %{l} %{o} %{d} %{i} %{h}"}],
}


def _from(mailbox: str) -> bytes:
    return f"From: {mailbox}\r\n\r\n".encode()


@pytest.mark.parametrize("way", WAYS)
def test_the_fields_of_a_verdict(way: str) -> None:
    verdict = ask(way, sf.ZoneResolver(ZONE), "pra", IP, MESSAGE, HELO)
    assert (verdict.result, verdict.reason) == (sf.Result.PASS, sf.Reason.MATCHED)
    assert (verdict.scope, verdict.identity) == (sf.Scope.PRA, "pra")
    assert (verdict.domain, verdict.sender) == ("one.example", "ann@one.example")
    assert verdict.mechanism == "ip4:192.0.2.1"
    assert verdict.pra == sf.extract_pra(MESSAGE)
    assert verdict.pra is not None
    assert verdict.pra.header_index == 1
    assert verdict.pra_failure is None
    values = verdict.as_dict()
    assert values["scope"] == values["identity"] == "pra"
    assert values["pra"] == {"header": "from", "header_index": 1, "mailbox": "ann@one.example"}
    assert values["pra_failure"] is None


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("failure", sf.PraFailure)
def test_a_message_without_a_pra(way: str, failure: sf.PraFailure) -> None:
    """RFC 4407 2 step 6: none, nothing is asked, and the verdict says why."""
    headers = {
        "no-header": b"To: ann@one.example",
        "multiple-sender": b"Sender: a@one.example\nSender: b@one.example",
        "multiple-from": b"From: a@one.example\nFrom: b@one.example",
        "multiple-mailboxes": b"From: a@one.example, b@one.example",
        "no-domain": b"From: ann",
        "group": b"From: Team: a@one.example;",
        "malformed": b"From: <a@one.example",
    }
    resolver = Scripted(zone_reply(ZONE))
    verdict = ask(way, resolver, "pra", IP, headers[failure], HELO)
    assert resolver.questions == []
    assert (verdict.result, verdict.reason) == (sf.Result.NONE, sf.Reason.NO_PRA)
    assert (verdict.scope, verdict.identity) == (sf.Scope.PRA, "pra")
    assert verdict.pra is None
    assert verdict.pra_failure is failure
    assert (verdict.domain, verdict.sender, verdict.mechanism) == ("", "", None)
    assert str(failure) in verdict.detail
    assert verdict.as_dict()["pra"] is None
    assert verdict.as_dict()["pra_failure"] == str(failure)


@pytest.mark.parametrize(
    ("records", "settings", "result", "reason"),
    [
        # RFC 4406 4.4: step 4 prefers spf2.0 of the scope; v=spf1 is for it otherwise (3.4).
        (["spf2.0/pra ?ip4:192.0.2.1", "v=spf1 -all"], {}, "neutral", "matched"),
        (["v=spf1 -all", "spf2.0/pra ?ip4:192.0.2.1"], {}, "neutral", "matched"),
        (["spf2.0/mfrom -all", "v=spf1 +all"], {}, "pass", "matched"),
        (["spf2.0/mfrom,pra -all", "v=spf1 +all"], {}, "fail", "matched"),
        (["spf2.0/mfrom -all"], {}, "none", "no-record"),
        (["v=spf1 +all"], {}, "pass", "matched"),
        (["spf2.0/pra -all", "spf2.0/pra,mfrom +all"], {}, "permerror", "multiple-records"),
        (
            ["spf2.0/pra -all", "spf2.1/pra -all", "v=spf1 +all"],
            {},
            *("permerror", "multiple-records"),
        ),
        (["spf2.0/pra x=1 ip4:192.0.2.1 -all"], {}, "pass", "matched"),
        (["spf2.0/pra bogus:x -all", "v=spf1 +all"], {}, "permerror", "syntax-error"),
        (["spf2.0/pra"], {}, "neutral", "default"),
        ([], {}, "none", "no-record"),
        # Without v=spf1 for this scope, which SPF's publishers never agreed to (IESG note).
        (["v=spf1 +all"], {"plain_for_pra": False}, "none", "no-record"),
        (["v=spf1 +all", "v=spf1 -all"], {"plain_for_pra": False}, "none", "no-record"),
        (["v=spf1 +all", "spf2.0/mfrom +all"], {"plain_for_pra": False}, "none", "no-record"),
        (["v=spf1 -all", "spf2.0/pra +all"], {"plain_for_pra": False}, "pass", "matched"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("way", WAYS)
def test_which_record_is_used(
    way: str, records: list[str], settings: dict[str, Any], result: str, reason: str
) -> None:
    zone = {"two.example": [*({"TXT": record} for record in records), {"A": OTHER_IP}]}
    verdict = ask(way, sf.ZoneResolver(zone), "pra", IP, _from("a@two.example"), **settings)
    assert (verdict.result, verdict.reason) == (result, reason)


def test_mail_from_is_checked_by_its_own_record() -> None:
    """RFC 4406 4.4 is for the scopes of Sender ID; a MAIL FROM check of SPF sees v=spf1 only."""
    records = ["spf2.0/pra,mfrom +all", "v=spf1 -all"]
    engine = sf.Engine(sf.ZoneResolver({"two.example": [{"TXT": text} for text in records]}))
    assert engine.check_pra(IP, _from("a@two.example")).result == "pass"
    assert engine.check_mail_from(IP, "a@two.example").result == "fail"
    assert engine.check_host(IP, "two.example", scope=sf.Scope.MFROM).result == "pass"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("include", "result"),
    [("include:gone.example +all", "pass"), ("redirect=gone.example", "fail")],
)
def test_nxdomain_within_a_record(way: str, include: str, result: str) -> None:
    """RFC 4406 4.3 changes check_host() itself: fail, so an include does not match."""
    zone = {"two.example": [{"TXT": f"spf2.0/pra {include}"}]}
    assert ask(way, sf.ZoneResolver(zone), "pra", IP, _from("a@two.example")).result == result


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("settings", [{}, {"plain_for_pra": False}])
def test_a_domain_that_does_not_exist_is_fail(way: str, settings: dict[str, Any]) -> None:
    """RFC 4406 4.3."""
    resolver = sf.ZoneResolver({})
    verdict = ask(way, resolver, "pra", IP, _from("a@gone.example"), HELO, **settings)
    assert (verdict.result, verdict.reason) == (sf.Result.FAIL, sf.Reason.NO_DOMAIN)
    assert (verdict.domain, verdict.mechanism, verdict.explanation) == ("gone.example", None, None)
    mail_from = ask(way, resolver, "mail_from", IP, "a@gone.example", HELO)
    assert (mail_from.result, mail_from.reason) == (sf.Result.NONE, sf.Reason.NO_DOMAIN)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("status", "reason"),
    [(sf.Status.TIMEOUT, sf.Reason.DNS_TIMEOUT), (sf.Status.SERVFAIL, sf.Reason.DNS_ERROR)],
)
def test_dns_without_an_answer_is_temperror(way: str, status: sf.Status, reason: sf.Reason) -> None:
    resolver = Scripted(lambda question, timeout: sf.Answer(status))
    verdict = ask(way, resolver, "pra", IP, MESSAGE, HELO)
    assert (verdict.result, verdict.reason) == (sf.Result.TEMPERROR, reason)
    assert verdict.pra is not None


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("mailbox", ["a@localhost", "a@192.0.2.1", "a@one.example-", "a@b.c_d"])
def test_a_domain_that_cannot_be_checked_is_none(way: str, mailbox: str) -> None:
    """There is a PRA; it is check_host() that cannot say anything (RFC 7208 4.3)."""
    resolver = Scripted(zone_reply(ZONE))
    verdict = ask(way, resolver, "pra", IP, _from(mailbox), HELO)
    assert resolver.questions == []
    assert (verdict.result, verdict.reason) == (sf.Result.NONE, sf.Reason.INVALID_DOMAIN)
    assert verdict.pra is not None
    assert verdict.pra.mailbox == mailbox
    assert verdict.pra_failure is None


def _explained(way: str, mailbox: str, text: str = "[%{s}] [%{l}] [%{o}] [%{d}]") -> str | None:
    """What a record of the mailbox's domain says of its macros."""
    policy = [{"TXT": "spf2.0/pra -all exp=text.example"}]
    zone = {
        "one.example": policy,
        "xn--bcher-kva.example": policy,
        "text.example": [{"TXT": text}],
    }
    return ask(way, sf.ZoneResolver(zone), "pra", IP, _from(mailbox), HELO).explanation


@pytest.mark.parametrize(
    ("mailbox", "explanation"),
    [
        ("Ann <ann@one.example>", "[ann@one.example] [ann] [one.example] [one.example]"),
        ("A.B@ONE.Example.", "[A.B@one.example] [A.B] [one.example] [one.example]"),
        ('"ann b"@one.example', "[ann b@one.example] [ann b] [one.example] [one.example]"),
        (r'"a\"b\\c"@one.example', r'[a"b\c@one.example] [a"b\c] [one.example] [one.example]'),
        ('"x@y"@one.example', "[x@y@one.example] [x@y] [one.example] [one.example]"),
        ('a."b c"@one.example', "[a.b c@one.example] [a.b c] [one.example] [one.example]"),
        ("ann (x) @ one . example", "[ann@one.example] [ann] [one.example] [one.example]"),
        # RFC 8616 4: A-labels in %{o} and %{d}
        (
            "ann@bücher.example",
            "[ann@xn--bcher-kva.example] [ann] [xn--bcher-kva.example] [xn--bcher-kva.example]",
        ),
        # RFC 7208 4.3: without a local part, postmaster
        ('""@one.example', "[postmaster@one.example] [postmaster] [one.example] [one.example]"),
        # RFC 8616 4: what is not ASCII is not put into an explanation
        ("用户@one.example", None),
    ],
)
@pytest.mark.parametrize("way", WAYS)
def test_macros_are_of_the_pra(way: str, mailbox: str, explanation: str | None) -> None:
    """RFC 4406 4.1: <sender> is the PRA; RFC 7208 7.2."""
    assert _explained(way, mailbox) == explanation


@pytest.mark.parametrize("way", WAYS)
def test_macros_of_the_session(way: str) -> None:
    text = "%{i} %{h} %{c} %{v} %{l1r+}"
    assert _explained(way, "a+b@one.example", text) == f"{IP} {HELO} {IP} in-addr a"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("mailbox", "names", "result"),
    [
        ("ann@one.example", ["one.example", "ann.ok.example"], "pass"),
        ("用户@one.example", ["one.example"], "fail"),
        ("\udcff@one.example", ["one.example"], "fail"),
    ],
    ids=ascii,
)
def test_a_local_part_in_utf_8_matches_nothing(
    way: str, mailbox: str, names: list[str], result: str
) -> None:
    """RFC 8616 4: a term with %{s} or %{l} does not match, and asks nothing."""
    zone = {
        "one.example": [{"TXT": "spf2.0/pra exists:%{l}.ok.example -all"}],
        "ann.ok.example": [{"A": "127.0.0.2"}],
    }
    resolver = Scripted(zone_reply(zone))
    headers = f"From: {mailbox}".encode("utf-8", "surrogateescape")
    assert ask(way, resolver, "pra", IP, headers).result == result
    assert [question.name for question in resolver.questions] == names


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "submitter",
    [
        "ann@one.example",
        b"ann@one.example",
        "ann@ONE.Example",
        '"ann"@one.example',
        "ann@one.example.",
    ],
)
def test_a_submitter_that_is_the_pra(way: str, submitter: str | bytes) -> None:
    """RFC 5321 2.4: the domain without case, the local part with it."""
    verdict = ask(way, sf.ZoneResolver(ZONE), "pra", IP, MESSAGE, HELO, submitter)
    assert (verdict.result, verdict.reason) == (sf.Result.PASS, sf.Reason.MATCHED)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "submitter",
    [
        *("ben@one.example", "ann@two.example", "Ann@one.example", "ann", "@one.example", ""),
        *("<>", "one.example", "ann@one.example.two", "ann@one.exampl", "a" * 2000, "\0", "用户@b"),
        *("ann@one.example\0", " ann@one.example", b"ann@one.example\xff"),
    ],
    ids=lambda submitter: ascii(submitter)[:30],
)
def test_a_submitter_that_is_another(way: str, submitter: str | bytes) -> None:
    """RFC 4405 4.2: the message must be rejected, whatever the policy of the domain says."""
    resolver = Scripted(zone_reply(ZONE))
    verdict = ask(way, resolver, "pra", IP, MESSAGE, HELO, submitter)
    assert resolver.questions == []
    assert (verdict.result, verdict.reason) == (sf.Result.FAIL, sf.Reason.SUBMITTER_MISMATCH)
    assert (verdict.domain, verdict.sender) == ("one.example", "ann@one.example")
    assert (verdict.mechanism, verdict.explanation) == (None, None)
    assert verdict.pra == sf.extract_pra(MESSAGE)
    assert verdict.pra_failure is None


@pytest.mark.parametrize(
    ("mailbox", "submitter", "same"),
    [
        ('"ann b"@one.example', '"ann b"@one.example', True),
        ('"ann b"@one.example', '"ann\\ b"@one.example', True),
        ('"ann b"@one.example', '"annb"@one.example', False),
        ("ann@bücher.example", "ann@xn--bcher-kva.example", True),
        ("ann@xn--bcher-kva.example", "ann@BÜCHER.example", True),
        ("用户@one.example", "用户@one.example", True),
        ("用户@one.example", "用@one.example", False),
        ("postmaster@one.example", "postmaster@one.example", True),
        # SUBMITTER is a Mailbox (RFC 4405 4.1): it has a local part, and none is put in its place
        ("postmaster@one.example", "one.example", False),
        ("postmaster@one.example", "@one.example", False),
        ('""@one.example', '""@one.example', True),
        ('""@one.example', "postmaster@one.example", False),
        ("postmaster@one.example", '""@one.example', False),
        ('""@one.example', '""@two.example', False),
    ],
)
def test_how_a_submitter_is_compared(mailbox: str, submitter: str, same: bool) -> None:
    verdict = ask("sync", sf.ZoneResolver({}), "pra", IP, _from(mailbox), HELO, submitter)
    assert (verdict.reason is not sf.Reason.SUBMITTER_MISMATCH) == same


@pytest.mark.parametrize("submitter", ["a@b.example", "", "one.example"])
def test_a_submitter_of_a_message_without_a_pra(submitter: str) -> None:
    """RFC 4405 4.2: another reply; so the reason is no-pra, not a mismatch."""
    verdict = ask("sync", sf.ZoneResolver({}), "pra", IP, b"From: root", HELO, submitter)
    assert verdict.reason is sf.Reason.NO_PRA
    assert verdict.pra_failure is sf.PraFailure.NO_DOMAIN


@pytest.mark.parametrize(
    "args", [(MESSAGE,), (b"",), (MESSAGE, HELO, "x@y.example"), (_from("a@localhost"),)], ids=ascii
)
def test_a_verdict_is_pickled(args: tuple[Any, ...]) -> None:
    verdict = ask("sync", sf.ZoneResolver(ZONE), "pra", OTHER_IP, *args)
    again = pickle.loads(pickle.dumps(verdict))
    assert again == verdict
    assert hash(again) == hash(verdict)
    assert again.as_dict() == verdict.as_dict()
    assert (again.pra, again.pra_failure) == (verdict.pra, verdict.pra_failure)
    if verdict.pra is not None:
        assert again.pra.header_index == verdict.pra.header_index
    assert (again.detail, again.sender) == (verdict.detail, verdict.sender)


def test_verdicts_of_different_pras_differ() -> None:
    engine = sf.Engine(sf.ZoneResolver(ZONE))
    first = engine.check_pra(IP, MESSAGE)
    assert first == engine.check_pra(IP, MESSAGE)
    assert first != engine.check_pra(IP, _from("ben@one.example"))
    assert first != engine.check_mail_from(IP, "ann@one.example")
    assert engine.check_pra(IP, b"") != engine.check_pra(IP, b"From: a@b\nFrom: c@d")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("args", "field"),
    [
        (("no address", MESSAGE), "ip"),
        ((None, MESSAGE), "ip"),
        ((IP, "From: a@b"), "headers"),
        ((IP, None), "headers"),
        ((IP, MESSAGE, 3), "helo"),
        ((IP, MESSAGE, None, 3), "submitter"),
        ((IP, b"", None, []), "submitter"),
    ],
    ids=repr,
)
def test_arguments_of_wrong_types(way: str, args: tuple[Any, ...], field: str) -> None:
    with pytest.raises(sf.InputError) as caught:
        ask(way, sf.ZoneResolver(ZONE), "pra", *args)
    assert caught.value.field == field


def test_a_trace() -> None:
    engine = sf.Engine(sf.ZoneResolver(ZONE))
    trace = engine.trace_pra(OTHER_IP, MESSAGE, HELO)
    assert trace.verdict == engine.check_pra(OTHER_IP, MESSAGE, HELO)
    assert trace.questions == ("one.example TXT", "why.example TXT")
    steps = [(step.kind, step.text, step.outcome) for _, step in trace.walk()]
    assert steps[0] == ("host", "one.example", "fail")
    assert ("term", "-all", "match") in steps
    for args in ((b"",), (MESSAGE, HELO, "x@y.example")):
        nothing = engine.trace_pra(IP, *args)
        assert nothing.questions == ()
        assert nothing.verdict == engine.check_pra(IP, *args)
