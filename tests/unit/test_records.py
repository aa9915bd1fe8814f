"""Record, Term, parse_record and select_record: every attribute, and where each error is."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from support import strategies

import senderid_fast as sf

FIELDS = (
    *("text", "offset", "name", "qualifier", "domain_spec", "network", "value"),
    *("prefix4", "prefix6", "is_modifier"),
)
# term -> (name, qualifier, domain_spec, network, value, prefix4, prefix6, shortest form)
TERMS: dict[str, tuple[Any, ...]] = {
    "all": ("all", "+", None, None, None, None, None, "all"),
    "+ALL": ("all", "+", None, None, None, None, None, "all"),
    "-all": ("all", "-", None, None, None, None, None, "-all"),
    "~all": ("all", "~", None, None, None, None, None, "~all"),
    "?all": ("all", "?", None, None, None, None, None, "?all"),
    "include:b.example": ("include", "+", "b.example", None, None, None, None, "include:b.example"),
    "a": ("a", "+", None, None, None, 32, 128, "a"),
    "-A:b.example": ("a", "-", "b.example", None, None, 32, 128, "-a:b.example"),
    "a/24": ("a", "+", None, None, None, 24, 128, "a/24"),
    "a/0//0": ("a", "+", None, None, None, 0, 0, "a/0//0"),
    "a/32//128": ("a", "+", None, None, None, 32, 128, "a"),
    "a//64": ("a", "+", None, None, None, 32, 64, "a//64"),
    "a:b.example/24//64": ("a", "+", "b.example", None, None, 24, 64, "a:b.example/24//64"),
    "a:b/c.example/24": ("a", "+", "b/c.example", None, None, 24, 128, "a:b/c.example/24"),
    "a:b/24.example": ("a", "+", "b/24.example", None, None, 32, 128, "a:b/24.example"),
    "a:%{d}/24": ("a", "+", "%{d}", None, None, 24, 128, "a:%{d}/24"),
    "a:%{d2}//9": ("a", "+", "%{d2}", None, None, 32, 9, "a:%{d2}//9"),
    "a:b.example.": ("a", "+", "b.example.", None, None, 32, 128, "a:b.example."),
    "a:b.x1": ("a", "+", "b.x1", None, None, 32, 128, "a:b.x1"),
    "mx": ("mx", "+", None, None, None, 32, 128, "mx"),
    "?MX:b.example//64": ("mx", "?", "b.example", None, None, 32, 64, "?mx:b.example//64"),
    "ptr": ("ptr", "+", None, None, None, None, None, "ptr"),
    "~ptr:b.example": ("ptr", "~", "b.example", None, None, None, None, "~ptr:b.example"),
    "ip4:192.0.2.1": ("ip4", "+", None, "192.0.2.1", None, 32, None, "ip4:192.0.2.1"),
    "-IP4:192.0.2.9/24": ("ip4", "-", None, "192.0.2.9/24", None, 24, None, "-ip4:192.0.2.9/24"),
    "ip6:2001:DB8::": ("ip6", "+", None, "2001:db8::", None, None, 128, "ip6:2001:db8::"),
    "ip6:::/0": ("ip6", "+", None, "::/0", None, None, 0, "ip6:::/0"),
    "ip6:::1.2.3.4/96": ("ip6", "+", None, "::1.2.3.4/96", None, None, 96, "ip6:::1.2.3.4/96"),
    "exists:%{i}.x.example": (
        "exists",
        "+",
        "%{i}.x.example",
        *[None] * 4,
        "exists:%{i}.x.example",
    ),
    "exists:%%": ("exists", "+", "%%", None, None, None, None, "exists:%%"),
    "redirect=b.example": ("redirect", None, "b.example", *[None] * 4, "redirect=b.example"),
    "Redirect=%{d}": ("redirect", None, "%{d}", *[None] * 4, "redirect=%{d}"),
    "exp=a=b:c/d.example": ("exp", None, "a=b:c/d.example", *[None] * 4, "exp=a=b:c/d.example"),
    "ra=x": ("ra", None, None, None, "x", None, None, "ra=x"),
    "all=x": ("all", None, None, None, "x", None, None, "all=x"),
    "ip4=192.0.2.1": ("ip4", None, None, None, "192.0.2.1", None, None, "ip4=192.0.2.1"),
    "x=": ("x", None, None, None, "", None, None, "x="),
    "x-y_z.0=%{c}%_": ("x-y_z.0", None, None, None, "%{c}%_", None, None, "x-y_z.0=%{c}%_"),
    "RP=Post": ("rp", None, None, None, "Post", None, None, "rp=Post"),
}


@pytest.mark.parametrize("text", TERMS)
def test_terms(text: str) -> None:
    name, qualifier, domain_spec, network, value, prefix4, prefix6, shortest = TERMS[text]
    (term,) = sf.parse_record(f"v=spf1  {text} ".encode()).terms
    given_fields = {field: getattr(term, field) for field in FIELDS}
    assert given_fields == {
        **{"text": text, "offset": 8, "name": name, "qualifier": qualifier},
        **{"domain_spec": domain_spec, "network": network, "value": value},
        **{"prefix4": prefix4, "prefix6": prefix6, "is_modifier": qualifier is None},
    }
    assert str(term) == shortest
    assert repr(term) == f"<Term {text!r} at 8>"
    (same,) = sf.parse_record(f"v=spf1 {shortest}").terms
    assert same == term
    assert hash(same) == hash(term)
    assert str(same) == shortest
    assert term != shortest
    with pytest.raises(AttributeError):
        setattr(term, "name", "all")  # noqa: B010 - whatever its stub says


def test_a_record() -> None:
    octets = b"V=SPF1 +A/32  -ip4:192.0.2.0/24 ~ALL "
    record = sf.parse_record(octets)
    assert bytes(record) == octets
    assert str(record) == "v=spf1 a -ip4:192.0.2.0/24 ~all"
    assert repr(record) == f"<Record {octets!r}>"
    assert (record.version, record.scopes) == ("v=spf1", (sf.Scope.SPF,))
    assert [(term.text, term.offset) for term in record.terms] == [
        ("+A/32", 7),
        ("-ip4:192.0.2.0/24", 14),
        ("~ALL", 32),
    ]
    same = sf.parse_record(str(record))
    assert same == record
    assert hash(same) == hash(record)
    assert record != sf.parse_record("v=spf1 a")
    assert record != str(record)
    with pytest.raises(TypeError, match="parse_record"):
        sf.Record()
    with pytest.raises(AttributeError):
        record.version = "v=spf2"  # type: ignore[misc]


def test_what_the_terms_say_outlives_the_record() -> None:
    terms = sf.parse_record("v=spf1 a:b.example -all").terms
    assert [str(term) for term in terms] == ["a:b.example", "-all"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("v=spf1 ip4:192.0.2.1/32", "v=spf1 ip4:192.0.2.1"),
        ("v=spf1 ip6:2001:db8::/128", "v=spf1 ip6:2001:DB8::"),
        ("v=spf1 +a", "v=spf1  A"),
        ("v=spf1 Foo=bar", "v=spf1 foo=bar"),
    ],
)
def test_records_that_say_the_same_are_equal(one: str, other: str) -> None:
    assert sf.parse_record(one) == sf.parse_record(other)
    assert hash(sf.parse_record(one)) == hash(sf.parse_record(other))


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_octets_of_any_type(kind: Any) -> None:
    assert bytes(sf.parse_record(kind(b"v=spf1 -all"))) == b"v=spf1 -all"
    assert sf.select_record([kind(b"v=spf1 -all"), kind(b"x")]) == b"v=spf1 -all"


@pytest.mark.parametrize("value", [None, 5, ["v=spf1"], object()])
def test_octets_of_no_type(value: Any) -> None:
    with pytest.raises(sf.InputError) as caught:
        sf.parse_record(value)
    assert caught.value.field == "octets"
    with pytest.raises(sf.InputError) as caught:
        sf.select_record([b"v=spf1 -all", value])
    assert caught.value.field == "txt_rrset"


@pytest.mark.parametrize("value", [None, 5, object()])
def test_what_is_no_set_of_records(value: Any) -> None:
    with pytest.raises(sf.InputError) as caught:
        sf.select_record(value)
    assert caught.value.field == "txt_rrset"


@pytest.mark.parametrize("text", [b"v=spf1 -all", "v=spf1 -all"])
def test_one_record_is_no_set_of_records(text: Any) -> None:
    """A forgotten pair of brackets is not "no record"."""
    with pytest.raises(sf.InputError) as caught:
        sf.select_record(text)
    assert caught.value.field == "txt_rrset"


SPF, MFROM, PRA = sf.Scope.SPF, sf.Scope.MFROM, sf.Scope.PRA


@pytest.mark.parametrize(
    ("text", "version", "scopes"),
    [
        ("v=spf1", "v=spf1", (SPF,)),
        ("V=Spf1 ", "v=spf1", (SPF,)),
        ("spf2.0/mfrom", "spf2.0/mfrom", (MFROM,)),
        ("SPF2.0/PRA,mfrom a", "spf2.0/pra,mfrom", (MFROM, PRA)),
        ("spf2.1/pra,x-y -all", "spf2.1/pra,x-y", (PRA,)),
        ("spf2.0/other", "spf2.0/other", ()),
    ],
)
def test_versions(text: str, version: str, scopes: tuple[sf.Scope, ...]) -> None:
    """RFC 7208 4.5, RFC 4406 3.1."""
    record = sf.parse_record(text)
    assert (record.version, record.scopes) == (version, scopes)
    for scope in sf.Scope:
        if scope in scopes or SPF in scopes:
            assert sf.parse_record(text, scope) == record
        else:
            with pytest.raises(sf.RecordSyntaxError) as caught:
                sf.parse_record(text, scope=scope)
            assert caught.value.section == "RFC 4406 3.1"


@pytest.mark.parametrize("text", ["v=spf1 -all", "spf2.0/pra -all"])
@pytest.mark.parametrize("scope", ["", "spf1", 5, b"spf", []])
def test_a_scope_that_is_none(text: str, scope: Any) -> None:
    with pytest.raises(sf.InputError) as caught:
        sf.parse_record(text, scope=scope)
    assert caught.value.field == "scope"
    with pytest.raises(sf.InputError) as caught:
        sf.select_record([text], scope)
    assert caught.value.field == "scope"


P1, P2 = b"v=spf1 a", b"V=SPF1 -all"
M, R, B = b"spf2.0/mfrom a", b"SPF2.0/pra a", b"spf2.0/pra,mfrom a"


@pytest.mark.parametrize(
    ("rrset", "chosen"),
    [
        # rrset -> the record (or how many apply) for spf, mfrom, pra
        ([], (None, None, None)),
        ([b"", b"x", b"v=spf10 a", b" v=spf1", b"v=spf1\ta", b"v=spf1\0"], (None, None, None)),
        ([b"spf2.0", b"spf2.0/", b"spf2./pra", b"spf2.0/pra,", b"spf2.0/9"], (None, None, None)),
        ([P1], (P1, P1, P1)),
        ([b"x", P1, b"y"], (P1, P1, P1)),
        ([P1, P2], (2, 2, 2)),
        ([P1, P1, P1], (3, 3, 3)),
        ([P1, M], (P1, M, P1)),
        ([M, P1], (P1, M, P1)),
        ([P1, R], (P1, P1, R)),
        ([P1, B], (P1, B, B)),
        ([R, M], (None, M, R)),
        ([R, B], (None, B, 2)),
        ([M, R, B], (None, 2, 2)),
        ([P1, P2, R], (2, 2, R)),
        ([P1, P2, R, R, M], (2, M, 2)),
        ([P1, R, R, b"other"], (P1, P1, 2)),
    ],
)
def test_selection(rrset: list[bytes], chosen: tuple[Any, ...]) -> None:
    """RFC 7208 4.5, RFC 4406 4.4; the order of the records is of no matter."""
    for scope, right in zip(sf.Scope, chosen, strict=True):
        for order in (rrset, rrset[::-1], tuple(rrset), iter(rrset)):
            if not isinstance(right, int):
                assert sf.select_record(order, scope) == right
                continue
            with pytest.raises(sf.RecordSelectionError) as caught:
                sf.select_record(order, scope)
            error = caught.value
            assert len(error.records) == right
            assert str(right) in str(error)
            assert error.section == ("RFC 7208 4.5" if scope is SPF else "RFC 4406 4.4")


def test_nothing_of_the_terms_is_looked_at_in_a_selection() -> None:
    assert sf.select_record([b"v=spf1 %%%{\xff\0"]) == b"v=spf1 %%%{\xff\0"


@given(strategies.records)
def test_a_record_is_what_its_shortest_form_is(octets: bytes) -> None:
    record = sf.parse_record(octets)
    short = sf.parse_record(str(record))
    assert short == record
    assert str(short) == str(record)
    assert len(str(record)) <= len(octets)
    assert (short.scopes, short.version) == (record.scopes, record.version)
    for term, same in zip(record.terms, short.terms, strict=True):
        assert octets[term.offset : term.offset + len(term.text)].decode() == term.text
        for field in ("name", "qualifier", "domain_spec", "value", "prefix4", "prefix6"):
            assert getattr(term, field) == getattr(same, field)


LONG = {
    "letters": "a" * 59_990,
    "spaces": " " * 59_000 + "x=y",
    "short terms": "a " * 29_990,
    "colons": "a: " * 19_000,
    "empty a": "a:" * 29_000,
    "digits": "a/" + "1" * 59_000,
    "digits of a macro": "a:%{d" + "1" * 59_000 + "}",
    "delimiters": "a:%{d" + "." * 59_000 + "}",
    "reversed": "a:%{d" + "r" * 59_000 + "}",
    "escapes": "a:" + "%%" * 29_000,
    "macros": "x=" + "%{d}" * 14_000,
    "open braces": "x=" + "%{" * 29_000,
    "networks": "ip4:0.0.0.0 " * 4_900,
    "networks of one": " ".join(f"ip4:10.{n >> 8}.{n & 255}.0/24" for n in range(3_000)),
    "nested networks": " ".join(f"ip4:10.0.0.0/{32 - n % 33}" for n in range(3_000)),
    "short networks": "ip6::: " * 8_500,
    "dots": "a:" + "." * 59_000,
    "labels": "a:" + "x." * 29_000 + "example",
    "slashes": "a:" + "/" * 59_000,
    "modifiers": "x=y " * 14_000,
    "signs": "+" * 59_000,
    "equals": "=" * 59_000,
    "NULs": "\0" * 59_000,
}


@pytest.mark.parametrize("shape", LONG)
def test_long_records_take_linear_time(shape: str) -> None:
    """Anything quadratic would take minutes: a hundred times 60,000 octets."""
    octets = b"v=spf1 " + LONG[shape].encode()
    assert 19_000 < len(octets) <= 65_535

    def outcome() -> int:
        try:
            return len(sf.parse_record(octets).terms)
        except sf.RecordSyntaxError as error:
            return -error.offset

    first = outcome()
    assert all(outcome() == first for _ in range(100))
