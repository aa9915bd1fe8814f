"""Replies: codes, texts, and that no stranger's words get out of line."""

from __future__ import annotations

import re
from dataclasses import fields

import hypothesis.strategies as st
import pytest
from hypothesis import given
from support.verdicts import verdict

from senderid_fast.errors import InputError
from senderid_fast.receiver.replies import FIELDS, Codes, Replies, Reply, ReplyTexts
from senderid_fast.results import Reason, Result, Scope

IP = "192.0.2.9"


def codes(reply: Reply) -> str:
    return f"{reply.code} {reply.enhanced}"


@pytest.mark.parametrize(
    ("result", "permanent", "rfc7372", "rfc7208"),
    [
        ("fail", True, "550 5.7.23", "550 5.7.1"),
        ("fail", False, "451 4.7.1", "451 4.7.1"),
        ("softfail", True, "550 5.7.1", "550 5.7.1"),
        ("none", True, "550 5.7.1", "550 5.7.1"),
        ("temperror", False, "451 4.7.24", "451 4.4.3"),
        ("permerror", True, "550 5.7.24", "550 5.5.2"),
        ("permerror", False, "451 4.7.24", "451 4.5.2"),
    ],
)
@pytest.mark.parametrize("identity", ["helo", "mailfrom", "host"])
def test_codes_of_spf(
    identity: str, result: str, permanent: bool, rfc7372: str, rfc7208: str
) -> None:
    found = verdict(identity, result)
    assert codes(Replies().refusal(found, IP, permanent=permanent)) == rfc7372
    old = Replies(Codes.RFC7208)
    assert codes(old.refusal(found, IP, permanent=permanent)) == rfc7208


@given(
    st.sampled_from(list(Result)),
    st.sampled_from(list(Scope)),
    st.booleans(),
    st.sampled_from(list(Codes)),
    st.sampled_from(["helo", "mailfrom", "pra", "host"]),
)
def test_the_classes_of_both_codes_agree(
    result: Result, scope: Scope, permanent: bool, kind: Codes, identity: str
) -> None:
    reply = Replies(kind).refusal(verdict(identity, result, scope=scope), IP, permanent=permanent)
    assert str(reply.code)[0] == reply.enhanced[0] == ("5" if permanent else "4")


def test_a_reply_of_two_classes_cannot_be_made() -> None:
    with pytest.raises(InputError, match=r"^enhanced: must be of the class of 550, is '4\.7\.23'"):
        Reply(550, "4.7.23", ("no",))


@pytest.mark.parametrize(
    ("code", "enhanced", "lines"),
    [
        (55, "5.7.1", ("x",)),
        (True, "5.7.1", ("x",)),
        (550, "5.7", ("x",)),
        (550, "5.7.1\r\n", ("x",)),
        (550, "5.7.1", ()),
        (550, "5.7.1", (" ",)),
        (550, "5.7.1", "text"),
    ],
)
def test_what_is_no_reply(code: int, enhanced: str, lines: tuple[str, ...]) -> None:
    with pytest.raises(InputError):
        Reply(code, enhanced, lines)


def test_texts_of_spf() -> None:
    found = verdict("mailfrom", "fail", detail='"-all" of sender.example matches')
    assert str(Replies().refusal(found, IP, permanent=True)) == (
        "550 5.7.23 SPF MAIL FROM check failed: 192.0.2.9 is not allowed to use sender.example\n"
        '550 5.7.23 "-all" of sender.example matches'
    )


def test_an_explanation_is_told_as_the_domains_own_words() -> None:
    found = verdict("helo", "fail", explanation="See http://sender.example/why")
    reply = Replies(Codes.RFC7208).refusal(found, IP, permanent=True)
    assert reply.wire() == (
        b"550-5.7.1 SPF HELO check failed: 192.0.2.9 is not allowed to use sender.example\r\n"
        b"550 5.7.1 The domain sender.example explains: See http://sender.example/why\r\n"
    )


@pytest.mark.parametrize(
    ("found", "permanent", "text"),
    [
        (
            verdict("pra", "fail", explanation="Ask us"),
            True,
            "550 5.7.1 Sender ID (PRA) Not Permitted - The domain sender.example explains: Ask us",
        ),
        (
            verdict("mailfrom", "fail", scope=Scope.MFROM, detail="why"),
            True,
            "550 5.7.1 Sender ID (MAIL FROM) Not Permitted - why",
        ),
        (
            verdict("host", "fail", scope=Scope.PRA, reason=Reason.NO_DOMAIN, detail="why"),
            True,
            "550 5.7.1 Sender ID (PRA) Domain Does Not Exist - why",
        ),
        (
            verdict("pra", "temperror"),
            False,
            "450 4.4.3 Sender ID check is temporarily unavailable",
        ),
        (
            verdict("pra", "none", "", reason=Reason.NO_PRA),
            True,
            "550 5.7.1 Missing Purported Responsible Address",
        ),
        (
            verdict("pra", "fail", reason=Reason.SUBMITTER_MISMATCH),
            True,
            "550 5.7.1 Submitter does not match header.",
        ),
        (
            verdict("pra", "permerror", detail="why"),
            True,
            "550 5.7.1 Sender ID (PRA) permerror - why",
        ),
    ],
)
def test_texts_of_sender_id(found: object, permanent: bool, text: str) -> None:
    assert str(Replies().refusal(found, IP, permanent=permanent)) == text  # type: ignore[arg-type]


def test_several_failures() -> None:
    found = [verdict("mailfrom", "fail"), verdict("helo", "permerror", "mx.example")]
    text = (
        "Multiple authentication checks failed: MAIL FROM fail for sender.example; HELO permerror"
    )
    assert str(Replies().several(found, IP)) == f"550 5.7.26 {text} for mx.example"
    assert codes(Replies(Codes.RFC7208).several(found, IP)) == "550 5.7.1"


def test_no_default_text_sends_people_to_a_web_site() -> None:
    texts = [getattr(ReplyTexts(), each.name) for each in fields(ReplyTexts)]
    assert not [text for text in texts if re.search(r"https?:|www\.|\.(com|org|net)\b", text)]
    # Each stands by itself: who, from where, what, why.
    for name in ("fail", "other"):
        assert {"{identity}", "{ip}", "{domain}"} <= set(
            re.findall(r"\{\w+\}", getattr(ReplyTexts(), name))
        )


def test_own_texts() -> None:
    texts = ReplyTexts(fail="{{no}} {result}: {reason}, {detail}\nSee http://us.example/?ip={ip}")
    reply = Replies(texts=texts).refusal(verdict("helo", "fail", detail="d"), IP, permanent=True)
    assert reply.lines == ("{no} fail: Not Permitted, d", "See http://us.example/?ip=192.0.2.9")


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("fail", "", "must be text"),
        ("fail", 7, "must be text"),
        ("fail", "{sender}", r"\{sender\} is no field; a field is one of domain, ip, result"),
        ("fail", "{}", r"\{\} is no field"),
        ("fail", "{0}", r"\{0\} is no field"),
        ("fail", "{domain.__class__}", "is no field"),
        ("fail", "{domain[0]}", "is no field"),
        ("fail", "{domain!r}", "is no field"),
        ("fail", "{domain:>99999999}", "is no field"),
        ("fail", "{domain", "is no template"),
        ("fail", "}", "is no template"),
        ("fail", "caf\xe9", "must be visible ASCII"),
        ("fail", "one\r\n250 two", "must be visible ASCII"),
        ("explained", "{explanation}", r"must hold \{domain\}"),
        ("explained", "{domain} says", r"must hold \{explanation\}"),
        ("unexplained", "{explanation}", r"must not hold \{explanation\}"),
    ],
)
def test_templates_are_checked_when_they_are_set(name: str, text: object, problem: str) -> None:
    with pytest.raises(InputError, match=f"^{name}: .*{problem}"):
        ReplyTexts(**{name: text})  # type: ignore[arg-type]


LINE = re.compile(rb"[2-5][0-9]{2}[ -][245]\.[0-9]{1,3}\.[0-9]{1,3} [ -~]+\r\n")


@given(st.text(max_size=600), st.text(max_size=3000), st.text(max_size=50), st.text(max_size=600))
def test_whatever_strangers_choose_stays_in_its_line(
    domain: str, explanation: str, ip: str, detail: str
) -> None:
    texts = ReplyTexts(fail=" ".join(f"{{{name}}}" for name in FIELDS) + "\n{explanation}")
    for identity in ("helo", "pra"):
        found = verdict(identity, "fail", domain, explanation=explanation, detail=detail)
        for reply in (
            Replies(texts=texts).refusal(found, ip, permanent=True),
            Replies(texts=texts).several([found, found], ip),
        ):
            wire = reply.wire()
            lines = wire.splitlines(keepends=True)
            assert b"".join(lines) == wire
            assert all(LINE.fullmatch(line) and len(line) <= 502 for line in lines)
            assert [line[3:4] for line in lines] == [b"-"] * (len(lines) - 1) + [b" "]
            assert len({line[:3] for line in lines}) == 1


@given(st.text(st.sampled_from("ab \r\n\0\xe9{}%"), max_size=2000))
def test_a_split_text_loses_nothing_but_spaces(text: str) -> None:
    reply = Reply(550, "5.7.1", (text, "x"))
    shown = "".join(
        c if " " <= c <= "~" else "".join(f"\\x{o:02x}" for o in c.encode()) for c in text
    )
    if len(shown) < 5000:
        assert "".join(reply.lines).replace(" ", "") == shown.replace(" ", "") + "x"


def test_no_word_is_broken_where_there_are_spaces() -> None:
    reply = Reply(550, "5.7.1", (" ".join(["explanation"] * 200),))
    assert set(" ".join(reply.lines).split(" ")) == {"explanation"}
    assert reply.text == " ".join(["explanation"] * 200)


def test_a_reply_has_a_bounded_number_of_lines() -> None:
    assert len(Reply(550, "5.7.1", ("x" * 8000,) * 9).lines) == 20


@pytest.mark.parametrize("wrong", [{"codes": "rfc1"}, {"texts": {}}])
def test_what_is_no_setting(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError, match=f"^{next(iter(wrong))}: must be"):
        Replies(**wrong)  # type: ignore[arg-type]
    assert Replies(codes="rfc7208").codes is Codes.RFC7208  # type: ignore[arg-type]
