"""ZoneResolver.from_file: master files (RFC 1035 5, RFC 2308, RFC 4592) and JSON lines."""

from __future__ import annotations

import gzip
import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from senderid_fast.errors import ZoneError
from senderid_fast.questions import Answer, Question, RRType, Status
from senderid_fast.resolver import ZoneResolver

TXT, A, AAAA, MX, PTR = RRType.TXT, RRType.A, RRType.AAAA, RRType.MX, RRType.PTR

MASTER = rb"""
; two zones in one file
$ORIGIN one.example.
$TTL 1h
@       IN SOA ns hostmaster ( 2026010101 ; serial
                1d 2h 4w
                5m )  ; MINIMUM
        NS  ns
        TXT "v=spf1 " "mx; " ( "a:\"x\""
              " -all" )
        MX  10 mail
        IN 60 MX 20 mail.two.example.
        TYPE65280 \# 2 abcd
        HINFO "a b" c
        SPF "v=spf1 +all"
mail    300 IN A 192.0.2.1
        A 192.0.2.2
        A 192.0.2.2
        AAAA 2001:DB8::1
word    TXT v=spf1
\233\.x TXT "\233\\" ""
caf%    TXT "caf%"
www     60 CNAME mail
deep.er A 192.0.2.3
*.wild  TXT "any"
host.wild A 192.0.2.4
*.alias CNAME mail

$ORIGIN two.example.
@       SOA ns hostmaster 1 1 1 1 9
MAIL    A 192.0.2.9
0.2.192.in-addr.arpa. PTR Mail
null    MX 0 .
away    CNAME mail.one.example.
""".replace(b"%", "\u00e9".encode())


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., ZoneResolver]:
    def write_and_read(octets: bytes, name: str = "test.zone", **options: Any) -> ZoneResolver:
        path = tmp_path / name
        path.write_bytes(gzip.compress(octets) if name.endswith(".gz") else octets)
        return ZoneResolver.from_file(path, **options)

    return write_and_read


@pytest.fixture
def master(load: Callable[..., ZoneResolver]) -> ZoneResolver:
    return load(MASTER)


@pytest.mark.parametrize(
    ("name", "rrtype", "records", "ttl"),
    [
        ("one.example", TXT, (b'v=spf1 mx; a:"x" -all',), 3600),
        ("one.example", MX, ((10, "mail.one.example"), (20, "mail.two.example")), 60),
        ("mail.one.example", A, ("192.0.2.1", "192.0.2.2"), 300),
        ("mail.one.example", AAAA, ("2001:db8::1",), 3600),
        ("word.one.example", TXT, (b"v=spf1",), 3600),
        ("\u00e9.x.one.example", TXT, (b"\xe9\\",), 3600),
        ("caf\u00c3\u00a9.one.example", TXT, (b"caf\xc3\xa9",), 3600),
        ("www.one.example", A, ("192.0.2.1", "192.0.2.2"), 60),
        ("x.wild.one.example", TXT, (b"any",), 3600),
        ("y.x.wild.one.example", TXT, (b"any",), 3600),
        ("x.alias.one.example", AAAA, ("2001:db8::1",), 3600),
        ("mail.two.example", A, ("192.0.2.9",), 3600),
        ("0.2.192.in-addr.arpa", PTR, ("mail.two.example",), 3600),
        ("null.two.example", MX, ((0, ""),), 3600),
        ("away.two.example", A, ("192.0.2.1", "192.0.2.2"), 300),
    ],
)
def test_master_file(
    master: ZoneResolver, name: str, rrtype: RRType, *, records: Any, ttl: int
) -> None:
    assert master.resolve(Question(name, rrtype), 1) == Answer(Status.OK, records, ttl)


@pytest.mark.parametrize(
    ("name", "status", "ttl"),
    [
        ("missing.one.example", Status.NXDOMAIN, 300),  # RFC 2308 5, by zone
        ("missing.two.example", Status.NXDOMAIN, 9),
        ("mail.one.example", Status.NODATA, 300),
        ("er.one.example", Status.NODATA, 300),  # RFC 4592 2.2.2: it has names below it
        ("x.deep.er.one.example", Status.NXDOMAIN, 300),
        ("wild.one.example", Status.NODATA, 300),
        # RFC 4592 2.2.1: a name that exists, and what is below it, are none of the wildcard's.
        ("host.wild.one.example", Status.NODATA, 300),
        ("x.host.wild.one.example", Status.NXDOMAIN, 300),
        ("example.org", Status.NXDOMAIN, 3600),
    ],
)
def test_master_file_without_records(
    master: ZoneResolver, name: str, status: Status, ttl: int
) -> None:
    assert master.resolve(Question(name, TXT), 1) == Answer(status, ttl=ttl)


def test_origin_and_ttl_options(load: Callable[..., ZoneResolver]) -> None:
    octets = b"@ TXT a\nx TXT b\ny. 5 TXT c\nz TXT d\n"
    zone = load(octets, origin="Example.org", ttl=99)
    assert zone.resolve(Question("example.org", TXT), 1) == Answer(Status.OK, (b"a",), 99)
    assert zone.resolve(Question("x.example.org", TXT), 1).records == (b"b",)
    assert zone.resolve(Question("y", TXT), 1).ttl == 5
    # RFC 1035 5.1: an omitted TTL is the last one stated.
    assert zone.resolve(Question("z.example.org", TXT), 1).ttl == 5
    assert load(octets).resolve(Question("x", TXT), 1).records == (b"b",)


@pytest.mark.parametrize(
    ("octets", "line", "problem"),
    [
        (b" A 192.0.2.1\n", 1, "the first record has no name"),
        (b"\n\nx A 192.0.2.300\n", 3, "A data must be such an address"),
        (b"x A 192.0.2.1 192.0.2.2\n", 1, "A takes one word"),
        (b'x TXT "open\ny TXT "closed"\n', 1, "a quoted string has no end"),
        (b"x TXT\n", 1, "TXT takes strings"),
        (b"x TXT " + b"a" * 256 + b"\n", 1, "at most 255 octets"),
        (b"x TXT \\256\n", 1, "the escape \\256 is above 255"),
        (b"x TXT a\\\n", 1, "a backslash ends the line"),
        (b"x TXT \\# 1 00\n", 1, "RFC 3597"),
        (b"x TYPE16 \\# 1 00\n", 1, "TYPE16 is written with its name"),
        (b"\nx TXT ( a\nb\n", 2, "a parenthesis is not closed"),
        (b"x TXT a\ny TXT ( a ( b ) )\n", 2, "the parentheses do not match"),
        (b"x TXT a )\n", 1, "the parentheses do not match"),
        (b"x MX mail\n", 1, "MX takes a preference and a name"),
        (b"x MX ten mail\n", 1, "MX takes a preference and a name"),
        (b"x MX 65536 mail\n", 1, "at most 65535"),
        (b"x MX 10 a..b\n", 1, "is no DNS name"),
        (b"x CNAME y\nx A 192.0.2.1\n", 2, "a CNAME stands next to other data"),
        (b"x A 192.0.2.1\nx CNAME y\n", 2, "a CNAME stands next to other data"),
        (b"x CNAME y\nx CNAME z\n", 2, "to another CNAME"),
        (b"x SOA ns host 1 2 3 4\n", 1, "SOA takes"),
        (b"x 10\n", 1, "the record has no type"),
        (b'x "TXT" a\n', 1, "the record has no type"),
        (b"x 1y TXT a\n", 1, "is no TTL"),
        (b"x CH TXT a\n", 1, "class CH"),
        (b"x ;TXT a\n", 1, "the record has no type"),
        (b"x T_T a\n", 1, "'T_T' is no record type"),
        (b"a\\.. TXT a\n\\..b TXT b\n..\\c TXT d\n", 3, "is no DNS name"),
        (b"x" * 64 + b" TXT a\n", 1, "is no DNS name"),
        (b"$ORIGIN a..b\n", 1, "is no DNS name"),
        (b"$TTL\n", 1, "$TTL takes one word"),
        (b"$INCLUDE other.zone\n", 1, "$INCLUDE is not read"),
        (b"$GENERATE 1-9 h$ A 192.0.2.$\n", 1, "$GENERATE is not read"),
    ],
)
def test_wrong_master_file(
    load: Callable[..., ZoneResolver], tmp_path: Path, octets: bytes, *, line: int, problem: str
) -> None:
    with pytest.raises(ZoneError) as caught:
        load(octets)
    assert caught.value.source == str(tmp_path / "test.zone")
    assert caught.value.place == f"line {line}"
    assert problem in caught.value.problem


def test_escaped_dots(load: Callable[..., ZoneResolver]) -> None:
    r"""A name that ends in "\." is relative; a dot in a label shows as any other."""
    zone = load(b"$ORIGIN example.\na\\.b TXT 1\nc\\. TXT 2\nd\\.e. TXT 3\n")
    for name, record in (("a.b.example", b"1"), ("c..example", b"2"), ("d.e", b"3")):
        assert zone.resolve(Question(name, TXT), 1).records == (record,)


def test_line_ends_and_last_line(load: Callable[..., ZoneResolver]) -> None:
    zone = load(b"x.example. TXT a\r\n\r\n\tTXT b\r\n; c\r\ny.example. TXT d")
    assert zone.resolve(Question("x.example", TXT), 1).records == (b"a", b"b")
    assert zone.resolve(Question("y.example", TXT), 1).records == (b"d",)


def test_json_lines(load: Callable[..., ZoneResolver]) -> None:
    rows = [
        ["A.example.", "txt", "v=spf1 -all", "synthetic"],
        ["a.example", "TXT", ["caf\u00e9", "!"]],
        ["a.example", "MX", [10, "mail.a.example"]],
        ["b.example", "TXT", "TIMEOUT"],
        ["c.example", "SPF", "v=spf1 -all"],
        ["d.example", "CNAME", "a.example"],
        ["e.example", "TXT", "\u20ac"],
        ["\u0434.example", "TXT", "x"],
    ]
    octets = "\n\n".join(json.dumps(row) for row in rows).encode()
    for name in ("zone.jsonl", "zone.jsonl.gz"):
        zone = load(octets, name, ttl=60)
        records = (b"v=spf1 -all", b"caf\xe9!")
        assert zone.resolve(Question("a.example", TXT), 1) == Answer(Status.OK, records, 60)
        assert zone.resolve(Question("d.example", MX), 1).records == ((10, "mail.a.example"),)
        assert zone.resolve(Question("b.example", TXT), 1).status is Status.TIMEOUT
        # Type 99 is not asked for (RFC 7208 3.1): the name is there, a TXT record is not.
        assert zone.resolve(Question("c.example", TXT), 1).status is Status.NODATA
        assert zone.resolve(Question("e.example", TXT), 1).records == ("\u20ac".encode(),)
        octets_of_name = "\u0434.example".encode().decode("latin-1")
        assert zone.resolve(Question(octets_of_name, TXT), 1).records == (b"x",)
        assert zone.resolve(Question("example", TXT), 1).status is Status.NXDOMAIN


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"{", "Expecting"),
        (b"{}", "must be [name, type, data]"),
        (b'["x", "TXT"]', "must be [name, type, data]"),
        (b'["x", 1, "a"]', "must be [name, type, data]"),
        (b'[1, "TXT", "a"]', "a name must be text"),
        (b'["x", "T T", "a"]', "'T T' is no record type"),
        (b'["x", "A", "a"]', "A data must be"),
        (b'["x", "TXT", "\xff"]', "decode"),
        (b'["x", "TXT", "\\ud800"]', "surrogates"),
        (b"[" * 100_000, "recursion"),
    ],
)
def test_wrong_json_line(load: Callable[..., ZoneResolver], line: bytes, problem: str) -> None:
    with pytest.raises(ZoneError) as caught:
        load(b'["a", "A", "192.0.2.1"]\n' + line + b"\n", "zone.jsonl")
    assert caught.value.place == "line 2"
    assert problem in caught.value.problem


def test_unreadable_files(tmp_path: Path, load: Callable[..., ZoneResolver]) -> None:
    with pytest.raises(ZoneError, match="cannot be read"):
        ZoneResolver.from_file(tmp_path / "missing.zone")
    (tmp_path / "bad.zone.gz").write_bytes(b"no gzip")
    with pytest.raises(ZoneError, match="cannot be read"):
        ZoneResolver.from_file(tmp_path / "bad.zone.gz")
    (tmp_path / "cut.zone.gz").write_bytes(gzip.compress(b"x TXT a\n" * 999)[:-20])
    with pytest.raises(ZoneError, match="cannot be read"):
        ZoneResolver.from_file(str(tmp_path / "cut.zone.gz"))
    with pytest.raises(ZoneError, match="origin"):
        load(b"", origin="a..b")


def test_size_is_bounded(
    load: Callable[..., ZoneResolver], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("senderid_fast.resolver.zonefile.MAX_OCTETS", 1000)
    assert len(load(b"x TXT a\n" * 100, "small.zone.gz")) == 1
    for name in ("big.zone.gz", "big.jsonl", "big.jsonl.gz"):
        with pytest.raises(ZoneError, match="more than 1000 octets"):
            load(b" " * 1000, name)


def test_file_resolver_is_a_value(load: Callable[..., ZoneResolver]) -> None:
    one, same, other = load(MASTER), load(MASTER), load(MASTER + b"x A 192.0.2.1\n")
    assert one == same == pickle.loads(pickle.dumps(one))
    assert hash(one) == hash(same)
    assert one != other


def test_nothing_heavy_is_imported(tmp_path: Path) -> None:
    """Neither by importing the package nor by reading a file."""
    (tmp_path / "test.zone").write_bytes(MASTER)
    code = (
        "import sys\n"
        "from senderid_fast.resolver import SystemResolver, ZoneResolver\n"
        "SystemResolver(['127.0.0.1'])\n"
        f"ZoneResolver.from_file({str(tmp_path / 'test.zone')!r})\n"
        "print(sorted({'dns', 'asyncio', 'yaml'} & sys.modules.keys()))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert run.stdout == "[]\n"
