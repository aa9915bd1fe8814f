"""What a caller or a stranger hands to a check: a verdict or InputError, and nothing breaks."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from support.scripted import IP, WAYS, Scripted, ask, zone_reply

import senderid_fast as sf

ZONE: dict[str, list[Any]] = {
    "a.example": [{"TXT": "v=spf1 exists:%{l}.%{h}.made.example +all"}],
    "mta.relay.example": [{"TXT": "v=spf1 +all"}],
}
GOOD = ("host", IP, "a.example", "user@a.example", "mta.relay.example")
FIELDS: dict[str, Callable[[Any], tuple[Any, ...]]] = {
    "domain": lambda text: ("host", IP, text, "u@a.example", "h.example"),
    "sender": lambda text: ("host", IP, "a.example", text, "h.example"),
    "helo": lambda text: ("host", IP, "a.example", "u@a.example", text),
    "helo ": lambda text: ("helo", IP, text),
    "helo  ": lambda text: ("mail_from", IP, "", text),
    "mail_from": lambda text: ("mail_from", IP, text, "h.example"),
}


def both_ways(engine: sf.Engine, call: tuple[Any, ...]) -> sf.Verdict:
    """The verdict of a check and of its trace, which are the same."""
    method, *args = call
    verdict = getattr(engine, f"check_{method}")(*args)
    assert isinstance(verdict, sf.Verdict)
    assert getattr(engine, f"trace_{method}")(*args).verdict == verdict
    return verdict


def is_fit_to_be_told(verdict: sf.Verdict) -> None:
    """Every field can be read and logged, whatever the client said."""
    values = json.loads(json.dumps(verdict.as_dict()))
    assert values["result"] == verdict.result
    assert verdict.detail.isprintable()
    assert isinstance(verdict.domain, str)
    assert isinstance(verdict.sender, str)
    assert isinstance(repr(verdict), str)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("value", [5, 1.5, True, ["a.example"], {}, object(), memoryview(b"x")])
def test_wrong_types(way: str, field: str, value: Any) -> None:
    resolver = sf.ZoneResolver(ZONE)
    with pytest.raises(sf.InputError) as caught:
        ask(way, resolver, *FIELDS[field](value))
    assert caught.value.field == field.strip()
    assert type(value).__name__ in str(caught.value)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("field", "call"),
    [("domain", ("host", IP, None)), ("mail_from", ("mail_from", IP, None, "h.example"))],
)
def test_none_where_something_is_needed(way: str, field: str, call: Any) -> None:
    with pytest.raises(sf.InputError) as caught:
        ask(way, sf.ZoneResolver(ZONE), *call)
    assert caught.value.field == field


ADDRESSES: list[Any] = [
    *(None, 5, 3.5, [], {}, object(), "", b"", " ", "192.0.2", "192.0.2.1.1", "192.0.2.256"),
    *("192.0.2.01", "192.0.2.1 ", " 192.0.2.1", "192.0.2.1\0", "192.0.2.1\n", "0xc0.0.2.1"),
    *("192.0.2.1/24", "192.0.2.1:25", "[192.0.2.1]", "3221225985", "192.0.2.1%eth0", "a.example"),
    *(":", ":::", "1::2::3", "12345::", "::1%", "2001:db8:1:2:3:4:5:6:7", "::ffff:1.2.3"),
    *(b"\x01", b"192.0.2.1", b"\0" * 5, b"\0" * 15, b"\0" * 17, bytearray(4), memoryview(b"1234")),
    *("\uff11\uff19\uff12.0.2.1", "192.0.2.\u0661", "\ud800", "1" * 1024, "1" * 65536),
    *(b"1" * 65536, ":" * (1 << 20)),
]


@pytest.mark.parametrize("method", ["host", "helo", "mail_from"])
@pytest.mark.parametrize("ip", ADDRESSES, ids=lambda ip: ascii(ip)[:30])
def test_what_is_no_address(ip: Any, method: str) -> None:
    engine = sf.Engine(sf.ZoneResolver(ZONE))
    for kind in ("check", "trace"):
        with pytest.raises(sf.InputError) as caught:
            getattr(engine, f"{kind}_{method}")(ip, "a.example")
        assert caught.value.field == "ip"
        assert len(str(caught.value)) < 1000
    assert engine.check_host(IP, "a.example").result == "pass"


SHAPES: dict[str, Callable[[int], str | bytes]] = {
    "letters": lambda size: "x" * size,
    "labels": lambda size: ("x." * size)[:size],
    "long labels": lambda size: ("x" * 64 + "." + "y" * size)[-size:] + ".example",
    "dots": lambda size: "." * size,
    "signs": lambda size: "@" * size,
    "quotes": lambda size: ('"' * size) + "@a.example",
    "backslashes": lambda size: '"' + "\\" * size + '"@a.example',
    "angles": lambda size: "<" * size + ">" * size,
    "local part": lambda size: "x" * size + "@a.example",
    "domain": lambda size: "u@" + "x" * size + ".example",
    "octets": lambda size: b"\xff" * size,
    "letters of others": lambda size: "\u00e9" * size + ".example",
    "NULs": lambda size: b"\0" * size,
}


@pytest.mark.parametrize("size", [254, 1024, 1025, 1 << 16, 1 << 20])
@pytest.mark.parametrize("shape", SHAPES)
def test_whatever_is_too_long(shape: str, size: int) -> None:
    """RFC 7208 4.3: no domain name; what is not the domain does no harm."""
    engine = sf.Engine(sf.ZoneResolver(ZONE))
    expected = both_ways(engine, GOOD)
    text = SHAPES[shape](size)
    for field, call in FIELDS.items():
        verdict = both_ways(engine, call(text))
        is_fit_to_be_told(verdict)
        if field in ("sender", "helo"):
            assert verdict.result == "pass"
        else:
            assert verdict.result in ("none", "pass" if "@a.example" in str(text) else "none")
            assert verdict.result == "pass" or verdict.reason in (
                *(sf.Reason.INVALID_DOMAIN, sf.Reason.NO_IDENTITY, sf.Reason.NO_DOMAIN),
            )
    assert both_ways(engine, GOOD) == expected


@pytest.mark.parametrize("size", [1000, 1 << 16, 1 << 20])
def test_a_stranger_does_not_decide_how_long_a_log_line_is(size: int) -> None:
    engine = sf.Engine(sf.ZoneResolver(ZONE))
    for text in ("x" * size, "\u00e9" * size, b"\0" * size):
        for call in (("host", IP, text), ("helo", IP, text), ("mail_from", IP, text)):
            assert len(both_ways(engine, call).detail) < 2000


@pytest.mark.parametrize(
    "domain",
    [
        *(".", "..", ".a.example", "a..example", "example", "a.example..", "x" * 64 + ".example"),
        *("a.0", "192.0.2.1", "[192.0.2.1]", "a.example-", "-", "a b.example", "a.exa mple"),
        *("a\0.example", "a.example\0", "a\r.example", "a\n.example", "a.example\n", "\ta.example"),
        *("a\x7f.example", "\ud800.example", "\udcff.example", "a.ex\ud83d.test", "\ufffd.example"),
        *(b"\xff.example", b"a.example\xe9", b"a\x80.example", "a@a.example", "a(b).example"),
        *("a.example:25", "a;b.example", '"a".example', "xn--\u00fc.example", "\u2025.example"),
        ".".join(["x" * 50] * 6),
    ],
    ids=ascii,
)
def test_what_is_no_domain(domain: str | bytes) -> None:
    """RFC 7208 4.3: none, without a question."""
    resolver = Scripted(zone_reply(ZONE))
    engine = sf.Engine(resolver)
    verdict = both_ways(engine, ("host", IP, domain, "u@a.example", "h.example"))
    assert (verdict.result, verdict.reason) == ("none", sf.Reason.INVALID_DOMAIN)
    assert resolver.questions == []
    is_fit_to_be_told(verdict)
    assert verdict.detail.isascii()
    assert both_ways(engine, ("helo", IP, domain)).result == "none"
    assert resolver.questions == []


@pytest.mark.parametrize("octet", [0, 9, 10, 13, 27, 127, 128, 0xE9, 255])
@pytest.mark.parametrize("field", FIELDS)
def test_any_octet_anywhere(field: str, octet: int) -> None:
    resolver = Scripted(zone_reply(ZONE))
    engine = sf.Engine(resolver)
    octets = b"us" + bytes([octet]) + b"er@a.example"
    for value in (octets, octets.decode("latin-1"), octets.decode("utf-8", "surrogateescape")):
        verdict = both_ways(engine, FIELDS[field](value))
        is_fit_to_be_told(verdict)
        assert verdict.result == ("pass" if field in ("sender", "helo", "mail_from") else "none")
    assert both_ways(engine, GOOD).result == "pass"


@pytest.mark.parametrize("size", [1 << 10, 1 << 16, 1 << 20])
def test_long_names_are_not_made_into_a_labels(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Converting is slow: it is for what may be a name (RFC 5890 4.4: 252 octets of U-labels)."""
    labels: list[str] = []

    def count(label: str) -> bytes:
        labels.append(label)
        return b"xn--x"

    monkeypatch.setattr("senderid_fast.identities._a_label", count)
    engine = sf.Engine(sf.ZoneResolver(ZONE))
    text = "\u00e9." * (size // 3) + "example"
    for field in ("domain", "sender", "mail_from"):
        for value in (text, "u@" + text):
            both_ways(engine, FIELDS[field](value))
    assert len(labels) < 10_000


@pytest.mark.parametrize("local", [b"us\xe9r", "us\u00e9r".encode(), b"\xff\xfe", b'"\xe9"'])
def test_a_local_part_beyond_ascii_makes_no_name(local: bytes) -> None:
    """RFC 8616 4: a term with %{l} or %{s} does not match; the next term is looked at."""
    zone = {"a.example": [{"TXT": "v=spf1 exists:%{l}.x.example exists:%{s}.x.example ~all"}]}
    resolver = Scripted(zone_reply(zone))
    engine = sf.Engine(resolver)
    verdict = both_ways(engine, ("mail_from", IP, local + b"@a.example", "h.example"))
    assert (verdict.result, verdict.lookups) == ("softfail", 2)
    assert resolver.counts == {"a.example TXT": 1}
    assert verdict.sender.encode("utf-8", "surrogateescape") == (local.strip(b'"') + b"@a.example")


@pytest.mark.parametrize("text", ["us\udce9r@a.example", "\udcff\udcfe@a.example"])
def test_escaped_octets_come_back_as_they_were(text: str) -> None:
    """Text in which surrogates stand for octets that are not UTF-8 (PEP 383)."""
    verdict = sf.Engine(sf.ZoneResolver(ZONE)).check_mail_from(IP, text)
    assert verdict.sender == text


@pytest.mark.parametrize("size", [1, 63, 64, 200, 253, 1024, 1 << 16])
def test_a_helo_of_any_length_in_a_macro(size: int) -> None:
    """RFC 7208 7.3, 4.8: labels go from the left; what is no name is not asked."""
    zone = {"a.example": [{"TXT": "v=spf1 exists:%{h}.x.example -all"}]}
    resolver = Scripted(zone_reply(zone))
    engine = sf.Engine(resolver)
    for helo in ("h" * size, ("h." * size)[:size], "h." * size, "%{h}" * size):
        verdict = both_ways(engine, ("host", IP, "a.example", "u@a.example", helo))
        assert verdict.result == "fail"
    for question in resolver.questions:
        assert 0 < len(question.name) <= 253
        assert all(0 < len(label) < 64 for label in question.name.split("."))


@pytest.mark.parametrize(
    ("field", "make"),
    [
        ("resolver", lambda: sf.Settings(resolver=5)),
        ("resolver", lambda: sf.Engine(object())),  # type: ignore[arg-type]
        ("limits", lambda: sf.Settings(limits=20)),  # type: ignore[arg-type]
        ("lookups", lambda: sf.Limits(lookups=-1)),
        ("lookups", lambda: sf.Limits(lookups=101)),
        ("lookups", lambda: sf.Limits(lookups=True)),
        ("void_lookups", lambda: sf.Limits(void_lookups=2.0)),  # type: ignore[arg-type]
        ("mx_names", lambda: sf.Limits(mx_names="10")),  # type: ignore[arg-type]
        ("ptr_names", lambda: sf.Limits(ptr_names=None)),  # type: ignore[arg-type]
        ("seconds", lambda: sf.Limits(seconds=0)),
        ("seconds", lambda: sf.Limits(seconds=-1)),
        ("seconds", lambda: sf.Limits(seconds=86_401)),
        ("seconds", lambda: sf.Limits(seconds=float("nan"))),
        ("seconds", lambda: sf.Limits(seconds=float("inf"))),
        ("seconds", lambda: sf.Limits(seconds=10**400)),
        ("seconds", lambda: sf.Limits(seconds=True)),
        ("min_ttl", lambda: sf.Settings(min_ttl=-1)),
        ("min_ttl", lambda: sf.Settings(min_ttl=61, max_ttl=60)),
        ("min_ttl", lambda: sf.Settings(min_ttl=10**400)),
        ("max_ttl", lambda: sf.Settings(max_ttl=604_801)),
        ("max_ttl", lambda: sf.Settings(max_ttl="60")),  # type: ignore[arg-type]
        ("failure_ttl", lambda: sf.Settings(failure_ttl=301)),  # RFC 2308 7
        ("store_octets", lambda: sf.Settings(store_octets=65_535)),
        ("store_octets", lambda: sf.Settings(store_octets=1e9)),  # type: ignore[arg-type]
        ("receiver", lambda: sf.Settings(receiver="")),
        ("receiver", lambda: sf.Settings(receiver="m\u00fc.example")),
        ("receiver", lambda: sf.Settings(receiver="a\r\nb")),
        ("receiver", lambda: sf.Settings(receiver="x" * 254)),
        ("receiver", lambda: sf.Settings(receiver=b"mx")),  # type: ignore[arg-type]
        ("plain_for_pra", lambda: sf.Settings(plain_for_pra=1)),  # type: ignore[arg-type]
    ],
)
def test_settings_that_cannot_be(field: str, make: Any) -> None:
    with pytest.raises(sf.InputError) as caught:
        make()
    assert caught.value.field == field
    assert str(caught.value).startswith(f"{field}: ")
