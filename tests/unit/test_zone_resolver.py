"""ZoneResolver from a mapping: the OpenSPF form, its words and its convention for SPF records."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
from typing import Any

import pytest

from senderid_fast.errors import InputError, ZoneError
from senderid_fast.questions import Answer, Question, RRType, Status
from senderid_fast.resolver import AsyncResolver, Resolver, ZoneResolver

TXT, A, AAAA, MX, PTR = RRType.TXT, RRType.A, RRType.AAAA, RRType.MX, RRType.PTR


def ask(zonedata: Any, name: str, rrtype: RRType = TXT, **options: Any) -> Answer:
    resolver = ZoneResolver(zonedata, **options)
    question = Question(name, rrtype)
    answer = resolver.resolve(question, 1.0)
    assert asyncio.run(resolver.resolve_async(question, 1.0)) == answer
    return answer


@pytest.mark.parametrize(
    ("rrtype", "data", "record"),
    [
        (TXT, "v=spf1 -all", b"v=spf1 -all"),
        (TXT, ["v=spf1 ", "-all"], b"v=spf1 -all"),
        (TXT, [b"v=spf1 ", "\u00ff"], b"v=spf1 \xff"),
        (TXT, b"\x00\xff", b"\x00\xff"),
        (TXT, "", b""),
        (TXT, [], b""),
        (TXT, ["TIMEOUT"], b"TIMEOUT"),
        (A, "192.0.2.1", "192.0.2.1"),
        (AAAA, "2001:DB8:0::1", "2001:db8::1"),
        (MX, [10, "Mail.Example."], (10, "mail.example")),
        (MX, (0, "."), (0, "")),
        (PTR, "Host.Example.", "host.example"),
    ],
)
def test_data(rrtype: RRType, data: Any, record: Any) -> None:
    answer = ask({"x.example": [{rrtype.name: data}]}, "x.example", rrtype)
    assert answer == Answer(Status.OK, (record,), 3600)


def test_records_keep_their_order_and_number() -> None:
    """Two equal SPF records are permerror (RFC 7208 4.5), so none may get lost."""
    entries = [{"TXT": "b"}, {"TXT": "a"}, {"TXT": "b"}]
    assert ask({"x.example": entries}, "x.example").records == (b"b", b"a", b"b")


def test_names() -> None:
    zone = {
        "Mail.Example.": [{"TXT": "1"}],
        "\u00c9.example": [{"TXT": "2"}],
        b"\xff": {"TXT": "3"},
    }
    assert ask(zone, "mail.example").records == (b"1",)
    assert ask(zone, "MAIL.example.").records == (b"1",)
    assert ask(zone, "\u00c9.EXAMPLE").records == (b"2",)
    # RFC 4343: only ASCII letters have case.
    assert ask(zone, "\u00e9.example").status is Status.NXDOMAIN
    assert ask(zone, "\u00ff").records == (b"3",)
    assert ask(zone, "\u0100").status is Status.NXDOMAIN


def test_missing_name_and_missing_type() -> None:
    zone: Any = {"a.b.example": [{"A": "192.0.2.1"}], "none.example": [], "*.example": {"TXT": "w"}}
    assert ask(zone, "missing.example", ttl=7) == Answer(Status.NXDOMAIN, ttl=7)
    assert ask(zone, "b.example").status is Status.NXDOMAIN
    assert ask(zone, "a.b.example", ttl=7) == Answer(Status.NODATA, ttl=7)
    assert ask(zone, "none.example").status is Status.NODATA


@pytest.mark.parametrize("word", ["TIMEOUT", "SERVFAIL", "REFUSED", "MALFORMED", "ERROR"])
@pytest.mark.parametrize(
    "entries", ["{}", ["{}"], [{"{}": True}], [{"TXT": "{}"}], [{"TXT": "x"}, {"TXT": "{}"}]]
)
def test_error_words(word: str, entries: Any) -> None:
    entries = json.loads(json.dumps(entries).replace("{}", word))
    answer = ask({"x.example": entries}, "x.example")
    detail = f"the zone data says {word} for x.example"
    assert answer == Answer(Status[word], detail=detail)


def test_word_is_for_types_without_data() -> None:
    zone = {"x.example": [{"A": "192.0.2.1"}, {"MX": "SERVFAIL"}, "TIMEOUT"]}
    assert ask(zone, "x.example", A).records == ("192.0.2.1",)
    assert ask(zone, "x.example", MX).status is Status.SERVFAIL
    assert ask(zone, "x.example", TXT).status is Status.TIMEOUT
    assert ask({"x.example": [{"A": "NXDOMAIN"}]}, "x.example", A, ttl=5) == Answer(
        Status.NXDOMAIN, ttl=5
    )


@pytest.mark.parametrize(
    ("entries", "records"),
    [
        ([{"SPF": "v=spf1 -all"}], (b"v=spf1 -all",)),
        ([{"SPF": "a"}, {"SPF": ["b", "c"]}], (b"a", b"bc")),
        ([{"SPF": "a"}, {"TXT": "b"}], (b"b",)),
        ([{"TXT": "b"}, {"SPF": "a"}], (b"b",)),
        ([{"SPF": "a"}, {"TXT": "NONE"}], ()),
        ([{"SPF": "a"}, {"A": "192.0.2.1"}], (b"a",)),
    ],
)
def test_spf_stands_for_txt(entries: Any, records: tuple[bytes, ...]) -> None:
    answer = ask({"x.example": entries}, "x.example")
    assert answer.records == records
    assert answer.status is (Status.OK if records else Status.NODATA)


def test_spf_words() -> None:
    """As in the suites: the SPF query times out, so there is no telling about TXT."""
    assert ask({"x.example": [{"SPF": "TIMEOUT"}]}, "x.example").status is Status.TIMEOUT
    zone = {"x.example": [{"SPF": "a"}, {"TXT": "NONE"}, "TIMEOUT"]}
    assert ask(zone, "x.example").status is Status.TIMEOUT


def test_alias() -> None:
    zone: Any = {
        "a.example": [{"CNAME": "B.example."}],
        "b.example": {"CNAME": "c.example"},
        "c.example": [{"TXT": "x"}, {"A": "TIMEOUT"}],
        "gone.example": [{"CNAME": "missing.example"}],
    }
    assert ask(zone, "a.example") == Answer(Status.OK, (b"x",), 3600)
    assert ask(zone, "a.example", MX).status is Status.NODATA
    assert ask(zone, "a.example", A).status is Status.TIMEOUT
    assert ask(zone, "gone.example").status is Status.NXDOMAIN


def test_alias_loop_and_length() -> None:
    loop = {"a.example": [{"CNAME": "b.example"}], "b.example": [{"CNAME": "a.example"}]}
    answer = ask(loop, "a.example")
    assert answer.status is Status.SERVFAIL
    assert "a.example" in answer.detail
    assert ask({"a": [{"CNAME": "a"}]}, "a").status is Status.SERVFAIL
    chain: Any = {f"n{number}": [{"CNAME": f"n{number + 1}"}] for number in range(17)}
    chain["n17"] = [{"TXT": "end"}]
    assert ask(chain, "n1").records == (b"end",)
    assert ask(chain, "n0").status is Status.SERVFAIL


@pytest.mark.parametrize(
    ("zonedata", "place", "problem"),
    [
        ([], "", "must be a mapping"),
        ({1: []}, "1", "a name must be text"),
        ({"\u0100": []}, "\\u0100", "U+00FF"),
        ({"x": 1}, "x", "list of {TYPE: data}"),
        ({"x": b"TXT"}, "x", "list of {TYPE: data}"),
        ({"x": None}, "x", "list of {TYPE: data}"),
        ({"x": [1]}, "x", "an entry must be"),
        ({"x": ["SOON"]}, "x", "the word must be one of"),
        ({"x": [{"TIMEOUT": False}]}, "x", "TIMEOUT takes no data but true"),
        ({"x": [{"NS": "y"}]}, "x", "'NS' is none of"),
        ({"x": [{1: "y"}]}, "x", "1 is none of"),
        ({"x": [{"TXT": 1}]}, "x", "TXT data must be"),
        ({"x": [{"TXT": ["a", None]}]}, "x", "TXT data must be"),
        ({"x": [{"TXT": "\u20ac"}]}, "x", "U+00FF"),
        ({"x": [{"A": "192.0.2.256"}]}, "x", "A data must be"),
        ({"x": [{"A": "2001:db8::1"}]}, "x", "A data must be"),
        ({"x": [{"AAAA": "fe80::1%eth0"}]}, "x", "AAAA data must be"),
        ({"x": [{"A": 1}]}, "x", "A data must be"),
        ({"x": [{"MX": "mail.example"}]}, "x", "MX data must be"),
        ({"x": [{"MX": ["10", "mail.example"]}]}, "x", "MX data must be"),
        ({"x": [{"MX": [65536, "mail.example"]}]}, "x", "MX data must be"),
        ({"x": [{"MX": [True, "mail.example"]}]}, "x", "MX data must be"),
        ({"x": [{"MX": [1, 2]}]}, "x", "a name must be text"),
        ({"x": [{"PTR": ["y"]}]}, "x", "a name must be text"),
        ({"x": [{"CNAME": "y"}, {"CNAME": "z"}]}, "x", "more than one CNAME"),
        ({"x\n": [{"A": ""}]}, "x\\n", "A data must be"),
    ],
)
def test_wrong_data(zonedata: Any, place: str, problem: str) -> None:
    with pytest.raises(ZoneError) as caught:
        ZoneResolver(zonedata)
    assert (caught.value.source, caught.value.place) == ("zonedata", place)
    assert problem in caught.value.problem


@pytest.mark.parametrize("ttl", [-1, 2**31, True, 1.0, None])
def test_wrong_ttl(ttl: Any) -> None:
    with pytest.raises(InputError) as caught:
        ZoneResolver({}, ttl=ttl)
    assert caught.value.field == "ttl"


def test_data_is_copied() -> None:
    zone: dict[str, list[Any]] = {"x.example": [{"TXT": ["a"]}]}
    resolver = ZoneResolver(zone)
    zone["x.example"][0]["TXT"][0] = "b"
    zone["x.example"].append({"A": "192.0.2.1"})
    assert resolver.resolve(Question("x.example", TXT), 1).records == (b"a",)
    assert resolver.resolve(Question("x.example", A), 1).status is Status.NODATA


def test_equality_hash_and_pickle() -> None:
    zone = {"x.example": [{"TXT": "a"}, "TIMEOUT"], "y.example": [{"CNAME": "x.example"}]}
    resolver = ZoneResolver(zone)
    for same in (
        ZoneResolver(zone),
        ZoneResolver({"Y.example": zone["y.example"], "x.example.": zone["x.example"]}),
        pickle.loads(pickle.dumps(resolver)),
        copy.deepcopy(resolver),
    ):
        assert same == resolver
        assert hash(same) == hash(resolver)
        assert same.resolve(Question("y.example", TXT), 1).records == (b"a",)
    others = [ZoneResolver({}), ZoneResolver(zone, ttl=1), ZoneResolver({**zone, "x.example": []})]
    assert all(other != resolver for other in others)
    assert resolver != zone


def test_empty_zone_is_a_resolver() -> None:
    resolver = ZoneResolver({})
    assert isinstance(resolver, Resolver)
    assert isinstance(resolver, AsyncResolver)
    assert bool(resolver)
    assert len(resolver) == 0
    assert resolver.resolve(Question("x.example", TXT), 1) == Answer(Status.NXDOMAIN, ttl=3600)
