"""Macro expansion against a plain transcription of RFC 7208 7.3, and macros that mean harm."""

from __future__ import annotations

import ipaddress
import re
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from support import strategies
from support.scripted import IP, Scripted, policy, zone_reply

import senderid_fast as sf
from senderid_fast._core.macros import expand

EXPAND = re.compile(r"%(?:([%_-])|\{([a-z])([0-9]*)(r?)([.\-+,/_=]*)\})", re.IGNORECASE)


def value_of(letter: str, values: dict[str, str]) -> str:
    """RFC 7208 7.2."""
    local, _, domain = values["sender"].rpartition("@")
    ip = ipaddress.ip_address(values["ip"])
    mapped = getattr(ip, "ipv4_mapped", None)
    ip = mapped or ip
    match letter:
        case "s":
            return values["sender"]
        case "l":
            return local
        case "o":
            return domain
        case "d":
            return values["domain"]
        case "i":
            four = ip.version == 4
            return str(ip) if four else ".".join(ip.exploded.replace(":", ""))
        case "p":
            return values.get("p", "unknown")
        case "v":
            return "in-addr" if ip.version == 4 else "ip6"
        case _:
            return values["helo"]


def transformed(match: re.Match[str], values: dict[str, str]) -> str:
    """RFC 7208 7.3."""
    escape, letter, digits, reverse, delimiters = match.groups()
    if escape:
        return {"%": "%", "_": " ", "-": "%20"}[escape]
    value = value_of(letter.lower(), values)
    if digits or reverse or delimiters:
        parts = re.split("[" + re.escape(delimiters or ".") + "]", value)
        if reverse:
            parts.reverse()
        if digits:
            parts = parts[-min(int(digits), len(parts)) :]
        value = ".".join(parts)
    return quote(value, safe="") if letter.isupper() else value


def name_of(macro_string: str, values: dict[str, str]) -> bytes | None:
    """The target-name: expanded, cut to 253 octets, in lower case; None if it is no name."""
    octets = EXPAND.sub(lambda match: transformed(match, values), macro_string).encode()
    octets = octets[:-1] if len(octets) > 1 and octets.endswith(b".") else octets
    while len(octets) > 253:
        _, dot, octets = octets.partition(b".")
        if not dot:
            return None
    labels = octets.split(b".")
    return octets.lower() if all(0 < len(label) < 64 for label in labels) else None


texts = st.one_of(
    st.text("ab.-+,/_=", min_size=1, max_size=20),
    st.text("ab.", min_size=1, max_size=400),
    st.lists(st.text("abc-_", min_size=1, max_size=9), min_size=1, max_size=60).map(".".join),
    st.text(min_size=1, max_size=12).filter(lambda text: text.isprintable()),
)
values_of_a_check = st.fixed_dictionaries(
    {
        "sender": st.tuples(texts, texts.filter(lambda text: "@" not in text)).map("@".join),
        "domain": st.lists(st.text("abc-", min_size=1, max_size=20), min_size=2, max_size=8).map(
            ".".join
        ),
        "helo": texts,
        "ip": st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str),
        "p": st.sampled_from(["unknown", "mta.relay.example"]),
    }
)


@given(strategies.macro_strings, values_of_a_check)
@example("%{ir}.%{v}._spf.%{d2}", {"sender": "a@b", "domain": "a.b.c", "helo": "h", "ip": "::1"})
@example("%{lr-}", {"sender": "--a-@b", "domain": "a.b", "helo": "h", "ip": "1.2.3.4"})
@example("%{h255}", {"sender": "a@b", "domain": "a.b", "helo": "x." * 300, "ip": "1.2.3.4"})
@example("%{h1r.}", {"sender": "a@b", "domain": "a.b", "helo": ".a.b", "ip": "1.2.3.4"})
def test_expansion(macro_string: str, values: dict[str, str]) -> None:
    assume(len(macro_string) <= 4096)
    assert expand(macro_string.encode(), values) == name_of(macro_string, values)


EXAMPLE = {
    "sender": "strong-bad@email.example.com",
    "domain": "email.example.com",
    "helo": "mx.example.org",
    "ip": "192.0.2.3",
}
SIX = {**EXAMPLE, "ip": "2001:db8::cb01"}
NIBBLES = "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2"


@pytest.mark.parametrize(
    ("macro_string", "values", "name"),
    [
        # RFC 7208 7.4
        ("%{o}", EXAMPLE, "email.example.com"),
        ("%{d4}", EXAMPLE, "email.example.com"),
        ("%{d1}", EXAMPLE, "com"),
        ("%{dr}", EXAMPLE, "com.example.email"),
        ("%{d2r}", EXAMPLE, "example.email"),
        ("%{l}", EXAMPLE, "strong-bad"),
        ("%{l-}", EXAMPLE, "strong.bad"),
        ("%{lr-}", EXAMPLE, "bad.strong"),
        ("%{l1r-}", EXAMPLE, "strong"),
        ("%{ir}.%{v}._spf.%{d2}", EXAMPLE, "3.2.0.192.in-addr._spf.example.com"),
        ("%{lr-}.lp._spf.%{d2}", EXAMPLE, "bad.strong.lp._spf.example.com"),
        (
            "%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}",
            EXAMPLE,
            "3.2.0.192.in-addr.strong.lp._spf.example.com",
        ),
        ("%{d2}.trusted-domains.example.net", EXAMPLE, "example.com.trusted-domains.example.net"),
        ("%{ir}.%{v}._spf.%{d2}", SIX, f"{NIBBLES}.ip6._spf.example.com"),
        # more digits than parts, delimiters, capitals
        ("%{d99999999999999999999}", EXAMPLE, "email.example.com"),
        ("%{d256}", EXAMPLE, "email.example.com"),
        ("%{d00001}", EXAMPLE, "com"),
        ("%{d-}", EXAMPLE, "email.example.com"),
        ("%{L}.x", {**EXAMPLE, "sender": "a/b c@x"}, "a%2fb%20c.x"),
        ("%{S}", {**EXAMPLE, "sender": "\u00e9@x"}, "%c3%a9%40x"),
        ("%{h}", {**EXAMPLE, "helo": "Mx.Example."}, "mx.example"),
        ("a.%%.%_.%-.b", EXAMPLE, "a.%. .%20.b"),
        # no names
        ("%{h}", {**EXAMPLE, "helo": ""}, None),
        ("%{h}", {**EXAMPLE, "helo": "a..b"}, None),
        ("%{h}", {**EXAMPLE, "helo": "x" * 64}, None),
        ("%{h}", {**EXAMPLE, "helo": "x" * 254}, None),
        ("%{h}", {**EXAMPLE, "helo": ".a"}, None),
        ("%{l.}.x", {**EXAMPLE, "sender": ".@x"}, None),
        ("", EXAMPLE, None),
    ],
)
def test_examples(macro_string: str, values: dict[str, str], name: str | None) -> None:
    assert expand(macro_string.encode(), values) == (name.encode() if name else None)
    assert name_of(macro_string, values) == (name.encode() if name else None)


@pytest.mark.parametrize("length", range(245, 262))
def test_names_are_cut_at_labels(length: int) -> None:
    """RFC 7208 7.3: whole labels go from the left until 253 octets are left."""
    helo = ("abcdefg." * 40)[-length:].lstrip(".")
    values = {**EXAMPLE, "helo": helo.removesuffix(".") + "z"}
    name = expand(b"%{h}", values)
    assert name == name_of("%{h}", values)
    assert name is not None
    assert 245 <= len(name) <= 253


@pytest.mark.parametrize("piece", ["%{d}.", "%{l1}.", "%{h3r-}.", "a%{l}", "%%.", "%{h1r.}", "%_"])
@pytest.mark.parametrize("tail", ["", "x", ".", ".x.example"])
@pytest.mark.parametrize("count", [8, 9, 15, 16, 17, 18, 60, 300])
def test_of_many_macros_the_last_count(piece: str, tail: str, count: int) -> None:
    """RFC 7208 7.3: what is cut off need not be expanded, and is not where there is much of it."""
    for helo in ("mta.relay.example", ".mta.example", "h"):
        values = {**EXAMPLE, "helo": helo}
        for macro_string in (piece * count + tail, "%{d}." + piece * count + "%{d}" + tail):
            assert expand(macro_string.encode(), values) == name_of(macro_string, values)


@pytest.mark.parametrize(
    "macro_string",
    ["%", "%a", "%{", "%{d", "%{d-", "%{}", "%{x}", "%{d0}", "%{c}", "%{T}", "%{r}", "a b", "\x7f"],
)
def test_bad_syntax(macro_string: str) -> None:
    with pytest.raises(ValueError, match="macro_string"):
        expand(macro_string.encode(), EXAMPLE)
    with pytest.raises(ValueError, match="4096"):
        expand(b"x" * 4097, EXAMPLE)


# --- macros that mean harm, through a whole check ------------------------------------------------

HOSTILE = [
    *("exists:%{S}.x.example", "exists:%{L}.x.example", "exists:%{H}%{H}%{H}.x.example"),
    *("exists:%{l127r.-+,/_=}.x.example", "exists:%{s" + "." * 255 + "}", "a:%{h1r-}.x.example"),
    *("exists:" + "%{l}" * 1000 + ".x.example", "exists:" + "%%" * 2000, "a:%{hr" + "_" * 9 + "}"),
    *("exists:%{d" + "9" * 4000 + "}", "redirect=" + "%{H}" * 1000, "mx:" + "%{i}." * 700 + "ex"),
    *("exp=" + "%{S}" * 1000 + ".x.example", "exists:" + "a" * 4000 + ".ex", "a:" + "%_" * 999),
]
SENDERS: list[bytes] = [
    b"\xff" * 64 + b"@a.example",
    b"." * 64 + b"@a.example",
    b"-+,/_=." * 9 + b"@a.example",
    bytes(range(1, 64)) + b"@a.example",
    b"a@" * 500 + b"a.example",
    b'"' + b"\\\\" * 300 + b'"@a.example',
    b"%{s}%{l}%%%_" * 20 + b"@a.example",
]


@pytest.mark.parametrize("term", HOSTILE, ids=lambda term: term[:24])
@pytest.mark.parametrize("sender", SENDERS, ids=lambda sender: ascii(sender)[:16])
def test_no_macro_makes_more_than_a_name(term: str, sender: bytes) -> None:
    """RFC 7208 7.3, 11.5.3: whatever comes in, names of 253 octets go out, or none."""
    resolver = Scripted(zone_reply({"a.example": [{"TXT": f"v=spf1 ?{term} -all"}]}))
    if "=" in term[:9]:
        resolver = Scripted(zone_reply({"a.example": [{"TXT": f"v=spf1 -ip4:192.0.2.1 {term}"}]}))
    engine = sf.Engine(resolver)
    for helo in (sender, sender * 3, b"h" * 64 + b".example", b"." * 1024, b"\0" * 300):
        for ip in (IP, "2001:db8::1"):
            verdict = engine.check_mail_from(ip, sender, helo)
            # Either the names lead nowhere, or a redirect does.
            assert verdict.result in ("fail", "permerror", "neutral")
            assert engine.trace_mail_from(ip, sender, helo).verdict == verdict
    for question in resolver.questions:
        assert 0 < len(question.name.encode("latin-1")) <= 253
        assert all(0 < len(label) < 64 for label in question.name.split("."))


@pytest.mark.parametrize(
    "text",
    [
        *("%{S}" * 2000, "%{L127r.-+,/_=}" * 500, "%{H}" * 2048, "x" * 8192, "%%" * 4096, "%"),
        *(
            "%{i}" * 2048,
            "%{h}" + "." * 8000,
            "%{d" + "9" * 8000 + "}",
            "a" * 255 + "%",
            "%{R}" * 99,
        ),
    ],
    ids=lambda text: text[:16],
)
@pytest.mark.parametrize("sender", SENDERS, ids=lambda sender: ascii(sender)[:16])
def test_an_explanation_is_bounded_and_visible(text: str, sender: bytes) -> None:
    def reply(question: sf.Question, timeout: float) -> Any:
        return policy(text if question.name == "w.example" else "v=spf1 -all exp=w.example")

    verdict = sf.Engine(Scripted(reply)).check_mail_from("2001:db8::1", sender, sender)
    assert verdict.result == "fail"
    explanation = verdict.explanation
    if explanation is not None:
        assert 0 < len(explanation) <= 4096
        assert explanation.isascii()
        assert explanation.isprintable()
