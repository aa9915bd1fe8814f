"""check_batch: what goes in as columns, and what comes out beside them."""

from __future__ import annotations

import ipaddress
import sys
from typing import Any

import pyarrow as pa
import pytest
from support.batches import expected_row, row_of

import senderid_fast as sf

ZONE: dict[str, Any] = {
    "example.com": [
        {"TXT": "v=spf1 mx include:_spf.example.net -all exp=why.example.com"},
        {"MX": [10, "mx.example.com"]},
    ],
    "mx.example.com": [{"A": "192.0.2.1"}, {"AAAA": "2001:db8::1"}],
    "_spf.example.net": [{"TXT": "v=spf1 ip4:198.51.100.0/24 ~all"}],
    "why.example.com": [{"TXT": "%{i} is no sender of %{d}"}],
    "mta.example.org": [{"TXT": "v=spf1 ip4:203.0.113.0/24 ?all"}],
    "xn--bcher-kva.example": [{"TXT": "v=spf1 ip6:2001:db8::/32 -all"}],
    "slow.example": ["TIMEOUT"],
    "bad.example": [{"TXT": "v=spf1 ip4:192.0.2.0/33"}],
}
IPS = ["198.51.100.7", "203.0.113.9", "2001:db8::1", "::ffff:192.0.2.1", "192.0.2.1"] * 3
HELOS = ["mta.example.org", None, "", "mail", "example.com"] * 3
PATHS = [
    "user@example.com", "user@bücher.example", "<>", None, "x@slow.example",
    "x@bad.example", "<U@EXAMPLE.com>", "", "@example.com", "no-such@gone.example",
    "x@[192.0.2.1]", "x", "x@mta.example.org", '"a b"@example.com', "x@example.com.",
]  # fmt: skip
HEADERS = [
    b"From: a@example.com\r\n",
    None,
    b"",
    b"From: a@b.example, c@d.example\n",
    b"Sender: x@mta\n",
] * 3


def engine(**settings: Any) -> sf.Engine:
    return sf.Engine(sf.ZoneResolver(ZONE), **settings)


def table(**columns: Any) -> pa.Table:
    given = {"ip": IPS, "helo": HELOS, "mail_from": PATHS, "headers": HEADERS} | columns
    return pa.table({name: values for name, values in given.items() if values is not None})


ALL: dict[str, Any] = {"helo_result": True, "counts": True, "explanations": True}


def test_every_column_is_that_of_the_single_checks() -> None:
    got = engine().check_batch(table(), **ALL)
    single = engine()
    for row, of_row in enumerate(zip(IPS, HELOS, PATHS, HEADERS, strict=True)):
        assert row_of(got, row) == expected_row(single, *of_row), of_row
    assert len(set(got.column("spf_reason").to_pylist())) >= 6


def test_columns_that_come_in_come_out_first_and_unchanged() -> None:
    given = table(n=list(range(15)), note=pa.array(["a", None, "b"] * 5).dictionary_encode())
    got = engine().check_batch(given, threads=1)
    assert got.schema.names[:6] == given.schema.names
    for name in given.schema.names:
        assert got.column(name).equals(given.column(name))
        assert got.schema.field(name).equals(given.schema.field(name))
    assert got.schema.names[6:11] == [
        "spf_result", "spf_scope", "spf_reason", "spf_domain", "spf_mechanism",
    ]  # fmt: skip
    got.validate(full=True)


def as_kinds(values: list[Any]) -> list[pa.Array]:
    """The same column in every layout that text can have."""
    plain = pa.array(values, pa.string())
    binary = plain.cast(pa.binary())
    arrays = [plain, plain.cast(pa.large_string()), plain.cast(pa.string_view())]
    arrays += [binary, binary.cast(pa.large_binary()), binary.cast(pa.binary_view())]
    for kind in (pa.int8(), pa.uint8(), pa.int16(), pa.uint16(), pa.int32(), pa.uint32()):
        encoded = plain.dictionary_encode()
        arrays.append(
            pa.DictionaryArray.from_arrays(encoded.indices.cast(kind), encoded.dictionary)
        )
    for kind in (pa.int64(), pa.uint64()):
        encoded = plain.cast(pa.large_string()).dictionary_encode()
        arrays.append(
            pa.DictionaryArray.from_arrays(encoded.indices.cast(kind), encoded.dictionary)
        )
    sliced = pa.array(["x", None, *encoded.dictionary.to_pylist(), "y"])
    arrays.append(pa.DictionaryArray.from_arrays(encoded.indices, sliced[2:]))
    return arrays


KINDS = range(len(as_kinds(["x"])))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("offset", [0, 1, 9])
def test_every_layout_of_text_and_every_slice_of_it(kind: int, offset: int) -> None:
    given = table()
    want = engine().check_batch(given, **ALL)
    columns = {}
    for name in given.schema.names:
        values = given.column(name).to_pylist()
        text = [value.decode() if isinstance(value, bytes) else value for value in values]
        # Binary addresses are packed ones: test_packed_addresses has them.
        kind_of_name = 0 if name == "ip" and kind in (3, 4, 5) else kind
        # Rows of another batch stand before these, and are sliced off.
        columns[name] = as_kinds([*(["pad", None] * 5)[:offset], *text])[kind_of_name][offset:]
    got = engine().check_batch(pa.table(columns), **ALL)
    names = want.schema.names[4:]
    assert got.select(names).to_pydict() == want.select(names).to_pydict()


def packed(ip: str | None) -> bytes | None:
    return None if ip is None else ipaddress.ip_address(ip).packed


@pytest.mark.parametrize(
    ("ips", "kind"),
    [
        (["192.0.2.1", None, "203.0.113.9"], pa.binary(4)),
        (["2001:db8::1", None, "::ffff:192.0.2.1"], pa.binary(16)),
        (["2001:db8::1", None, "192.0.2.1"], pa.binary()),
        (["2001:db8::1", None, "192.0.2.1"], pa.large_binary()),
        (["2001:db8::1", None, "192.0.2.1"], pa.binary_view()),
    ],
    ids=str,
)
def test_packed_addresses(ips: list[str | None], kind: pa.DataType) -> None:
    paths = ["user@example.com"] * 3
    text = pa.table({"ip": ips, "mail_from": paths})
    octets = pa.table({"ip": pa.array([packed(ip) for ip in ips], kind), "mail_from": paths})
    want = engine().check_batch(text).to_pydict()
    got = engine().check_batch(octets).to_pydict()
    assert got["spf_result"] == want["spf_result"]
    assert want["spf_reason"][1] == "invalid-ip"
    if kind == pa.binary_view():
        return  # pyarrow makes no dictionaries of these
    encoded = octets.set_column(0, "ip", octets.column(0).combine_chunks().dictionary_encode())
    assert engine().check_batch(encoded).to_pydict()["spf_result"] == want["spf_result"]


def test_addresses_as_numbers() -> None:
    numbers = pa.array(
        [int(ipaddress.ip_address(ip)) for ip in ("192.0.2.1", "203.0.113.9")], pa.uint32()
    )
    got = engine().check_batch(pa.table({"ip": numbers, "mail_from": ["u@example.com"] * 2}))
    assert got.column("spf_result").to_pylist() == ["pass", "fail"]


def test_a_row_at_fault_is_none_and_the_others_go_on() -> None:
    ips = ["198.51.100.7", None, "", "300.1.1.1", "198.51.100.7 ", "[::1]", "198.51.100.7"]
    got = engine().check_batch(pa.table({"ip": ips, "mail_from": ["u@example.com"] * 7}))
    assert got.column("spf_result").to_pylist() == ["pass", *["none"] * 5, "pass"]
    assert got.column("spf_reason").to_pylist()[1:6] == ["invalid-ip"] * 5
    wrong = pa.table(
        {"ip": pa.array([b"abc", b"\xc0\0\2\1"], pa.binary()), "mail_from": ["u@example.com"] * 2}
    )
    assert engine().check_batch(wrong).column("spf_reason").to_pylist() == ["invalid-ip", "matched"]


def test_a_null_reverse_path_is_checked_as_helo() -> None:
    paths = [None, "", "<>", "postmaster@example.com"]
    given = pa.table({"ip": ["192.0.2.1"] * 4, "helo": ["example.com"] * 4, "mail_from": paths})
    got = engine().check_batch(given, **ALL).to_pydict()
    assert got["spf_scope"] == ["helo", "helo", "helo", "mfrom"]
    assert got["spf_domain"] == ["example.com"] * 4
    for name in ("result", "reason", "mechanism"):
        assert got[f"helo_{name}"] == got[f"spf_{name}"]


def test_without_a_helo_column_every_helo_is_null() -> None:
    given = pa.table({"ip": ["192.0.2.1"] * 2, "mail_from": [None, "u@example.com"]})
    got = engine().check_batch(given, helo_result=True).to_pydict()
    assert got["spf_reason"] == ["no-identity", "matched"]
    assert got["helo_reason"] == ["no-identity", "no-identity"]
    nulls = given.append_column("helo", pa.nulls(2))
    assert engine().check_batch(nulls).to_pydict()["spf_reason"] == got["spf_reason"]


def test_other_names_and_a_prefix() -> None:
    given = table().rename_columns(["client", "hello", "path", "top"])
    named = {"ip": "client", "helo": "hello", "mail_from": "path", "headers": "top"}
    got = engine().check_batch(given, **named, prefix="x_")
    want = engine().check_batch(table())
    assert got.column("x_spf_result").equals(want.column("spf_result"))
    assert got.column("x_pra_domain").equals(want.column("pra_domain"))


def test_headers_are_read_only_if_they_are_there() -> None:
    assert "pra_result" not in engine().check_batch(table(headers=None)).schema.names
    assert "spf_lookups" not in engine().check_batch(table()).schema.names


@pytest.mark.parametrize(
    ("columns", "options", "field", "words"),
    [
        ({"ip": None}, {}, "ip", "is no column"),
        ({"mail_from": None}, {}, "mail_from", "is no column"),
        ({}, {"headers": "top"}, "top", "is no column"),
        ({"ip": [1.5] * 15}, {}, "ip", "cast it to string"),
        ({"ip": [7] * 15}, {}, "ip", "uint32"),
        ({"helo": [1] * 15}, {}, "helo", "cast it to string"),
        ({"mail_from": [["a"]] * 15}, {}, "mail_from", "cast it to string"),
        ({"spf_result": ["x"] * 15}, {}, "spf_result", "prefix"),
        ({}, {"threads": 0}, "threads", "1 to 1024"),
        ({}, {"batch_rows": 0}, "batch_rows", "whole number"),
        ({}, {"missing": "guess"}, "missing", '"ask" or "emit"'),
        ({}, {"answers": {}}, "answers", "store"),
        ({}, {"prefix": 3}, "prefix", "text"),
    ],
)
def test_what_the_caller_has_to_mend(
    columns: dict[str, Any], options: dict[str, Any], field: str, words: str
) -> None:
    with pytest.raises(sf.InputError, match=words) as raised:
        engine().check_batch(table(**columns), **options)
    assert raised.value.field == field


def test_data_that_is_no_columns() -> None:
    with pytest.raises(sf.InputError, match="data: must be a Table"):
        engine().check_batch([("192.0.2.1", "u@example.com")])
    twice = pa.Table.from_arrays([pa.array(["192.0.2.1"])] * 3, ["ip", "ip", "mail_from"])
    with pytest.raises(sf.InputError, match="ip: is the name of several columns"):
        engine().check_batch(twice)


def test_without_pyarrow_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(sf.MissingExtraError, match=r"senderid-fast\[batch\]"):
        engine().check_batch(object())


def test_a_record_batch_gives_a_record_batch_and_no_rows_give_none() -> None:
    batch = table().to_batches()[0]
    got = engine().check_batch(batch)
    assert isinstance(got, pa.RecordBatch)
    assert pa.Table.from_batches([got]).equals(engine().check_batch(table()))
    assert engine().check_batch(batch.slice(0, 0)).num_rows == 0
    assert engine().check_batch(table().slice(0, 0)).schema.equals(got.schema)


def test_a_term_of_a_stranger_that_is_too_long_is_cut() -> None:
    term = "exists:" + "%{d}." * 2_000 + "example.com"
    zone = {
        "long.example": [{"TXT": [f"v=spf1 {'x=' + 'y' * 100} -{term[:60_000]} -all"[:60_000]]}]
    }
    given = pa.table({"ip": ["192.0.2.1"] * 3, "mail_from": ["u@long.example"] * 3})
    resolver = sf.ZoneResolver(zone)
    got = sf.Engine(resolver, limits=sf.Limits(lookups=0)).check_batch(given)
    single = sf.Engine(resolver, limits=sf.Limits(lookups=0)).check_mail_from(
        "192.0.2.1", "u@long.example"
    )
    assert single.mechanism is not None
    assert len(single.mechanism) > 512
    assert got.column("spf_mechanism").to_pylist() == [single.mechanism[:512]] * 3


@pytest.mark.parametrize("library", ["polars", "pandas", "duckdb"])
def test_frames_of_other_libraries(library: str) -> None:
    module = pytest.importorskip(library)
    columns = table(headers=None)
    want = engine().check_batch(columns).to_pydict()
    data: Any
    if library == "polars":
        data = module.DataFrame(
            {name: columns.column(name).to_pylist() for name in columns.schema.names}
        )
    elif library == "pandas":
        data = columns.to_pandas()
    else:
        data = module.sql("select * from columns")
    got = engine().check_batch(data)
    assert isinstance(got, pa.RecordBatchReader)
    assert got.read_all().to_pydict() == want
