"""senderid-fast cache: what it shows, fills and removes, and what it says to wrong input."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from support.caches import cached, question

import senderid_fast as sf
from senderid_fast.cache import CachedAnswer, LmdbCache
from senderid_fast.cli import main

ZONE = """\
$ORIGIN a.example.
$TTL 3600
@      TXT "v=spf1 a:h.a.example include:b.example -all"
h      A   192.0.2.1
b.example. TXT "v=spf1 -all"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("a.zone").write_text(ZONE)
    Path("domains").write_text("# domains\n\na.example\nA.Example.\n")
    return tmp_path


@pytest.fixture
def filled(folder: Path) -> LmdbCache:
    cache = LmdbCache(folder / "cache")
    cache.put_many(
        [
            (question("a.example"), cached(b"v=spf1 mx -all", b"a \xff\x1b[31m")),
            (question("a.example", "MX"), cached((10, "mx.a.example"), (20, ""))),
            (question("mx.a.example", "A"), cached("192.0.2.1")),
            (question("b\x1b.example"), cached(b"x")),
            (
                question("no.example"),
                CachedAnswer(sf.Answer(sf.Status.NXDOMAIN, (), 60), time.time()),
            ),
            (
                question("bad.example"),
                CachedAnswer(sf.Answer(sf.Status.SERVFAIL, (), 5, "\x1b is bad"), time.time()),
            ),
        ]
    )
    assert cache.flush(10)
    cache.close()
    return cache


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = main(["cache", *arguments, "--cache", "lmdb:cache"])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


class TestLooking:
    def test_stats(self, capsys: pytest.CaptureFixture[str], filled: LmdbCache) -> None:
        status, out, _ = run(capsys, "stats", "--json")
        assert status == 0
        found = json.loads(out)
        assert found["answers"] == 6
        assert found["types"] == {"A": 1, "MX": 1, "TXT": 4}
        assert found["statuses"] == {"nxdomain": 1, "ok": 4, "servfail": 1}
        assert found["octets"] > 0
        assert found["unreadable"] == 0
        status, out, _ = run(capsys, "stats")
        assert status == 0
        assert out.startswith("answers     6\n  A         1\n")

    def test_list(self, capsys: pytest.CaptureFixture[str], filled: LmdbCache) -> None:
        _, out, _ = run(capsys, "list")
        assert out.splitlines() == [
            "a.example MX ok, 2 records",
            "a.example TXT ok, 2 records",
            "mx.a.example A ok, 1 record",
            r"b\x1b.example TXT ok, 1 record",
            "bad.example TXT servfail",
            "no.example TXT nxdomain",
        ]
        _, out, _ = run(capsys, "list", "--below", "A.example.")
        assert len(out.splitlines()) == 3

    def test_get(self, capsys: pytest.CaptureFixture[str], filled: LmdbCache) -> None:
        status, out, _ = run(capsys, "get", "A.EXAMPLE.")
        assert status == 0
        lines = out.splitlines()
        assert lines[1:3] == ["    10 mx.a.example", "    20 ."]
        assert lines[3].startswith("a.example TXT ok (from 20")
        assert lines[3].endswith(" on for 300 s)")
        assert lines[4:] == ["    v=spf1 mx -all", r"    a \xff\x1b[31m"]
        _, out, _ = run(capsys, "get", "bad.example", "TXT")
        assert out.startswith(r"bad.example TXT servfail: \x1b is bad (from ")
        assert run(capsys, "get", "a.example", "A")[:2] == (3, "")
        _, out, _ = run(capsys, "get", "a.example", "MX", "--json")
        assert json.loads(out)["records"] == ["10 mx.a.example", "20 ."]


class TestChanging:
    def test_purge(self, capsys: pytest.CaptureFixture[str], filled: LmdbCache) -> None:
        assert run(capsys, "purge", "mx.a.example")[:2] == (0, "1 removed\n")
        assert run(capsys, "purge", "--below", "a.example")[:2] == (0, "2 removed\n")
        assert run(capsys, "purge", "--all")[:2] == (0, "3 removed\n")
        assert run(capsys, "list")[:2] == (0, "")

    def test_what_is_exported_can_be_imported(
        self, capsys: pytest.CaptureFixture[str], filled: LmdbCache
    ) -> None:
        before = {each: found.answer for each, found in filled.entries()}
        filled.close()
        _, lines, _ = run(capsys, "export")
        over = json.loads(lines.splitlines()[0])
        over |= {"name": "over.example", "fetched_at": "2020-01-01T00:00:00Z"}
        Path("all.jsonl").write_text(lines + json.dumps(over) + "\n")
        run(capsys, "purge", "--all")
        status, out, _ = run(capsys, "import", "all.jsonl")
        assert (status, out) == (0, "6 put, 1 over, 0 dropped\n")
        assert {each: found.answer for each, found in filled.entries()} == before
        filled.close()

    def test_warm(self, capsys: pytest.CaptureFixture[str], folder: Path) -> None:
        status, out, _ = run(capsys, "warm", "domains", "--zone", "a.zone")
        assert status == 0
        assert out.splitlines() == [
            "domains     2",
            "asked       4, of which failed 0",
            "there       0",
            "written     4",
            "open terms  0, which need a message",
        ]
        _, out, _ = run(capsys, "warm", "domains", "--zone", "a.zone")
        assert out.splitlines()[1:4] == [
            "asked       0, of which failed 0",
            "there       4",
            "written     0",
        ]


class TestWrongInput:
    @pytest.mark.usefixtures("folder")
    def test_looking_makes_no_cache(self, capsys: pytest.CaptureFixture[str]) -> None:
        for action in (["stats"], ["list"], ["get", "a.example"], ["purge", "--all"], ["export"]):
            status, out, err = run(capsys, *action)
            assert (status, out) == (2, "")
            assert err == "senderid-fast: error: --cache: there is no folder cache\n"
        assert not Path("cache").exists()

    @pytest.mark.parametrize(
        ("arguments", "problem"),
        [
            (["stats", "--cache", "x"], "--cache: must be lmdb:/path, valkey://host:port or"),
            (["stats", "--cache", "lmdb:"], "--cache: must be lmdb:/path"),
            (["stats", "--cache", "valkey://"], "--cache: must be valkey://host:port"),
            (["stats"], "the following arguments are required: --cache"),
            (["purge", "--cache", "lmdb:cache"], "one of the arguments NAME --below --all"),
            (["stats", "--cache", "lmdb:cache", "--prefix", "x"], "--prefix: is for caches in a"),
            (["stats", "--cache", "valkey://h", "--max-octets", "7"], "--max-octets: is for"),
            (["warm", "domains", "--cache", "lmdb:c", "--max-octets", "7"], "--max-octets: must"),
            (["warm", "nothing", "--cache", "lmdb:c", "--zone", "a.zone"], "FILE: cannot read"),
            (["import", "nothing.jsonl", "--cache", "lmdb:c"], "nothing.jsonl"),
            (["get", ".", "--cache", "lmdb:cache"], "NAME: must be a domain name"),
            (["get", "a", "SRV", "--cache", "lmdb:cache"], "invalid choice: 'SRV'"),
            (["get", "a", "--cache", "valkey://127.0.0.1:1"], "valkey://127.0.0.1:1: Connection"),
        ],
    )
    def test_options(
        self,
        capsys: pytest.CaptureFixture[str],
        filled: LmdbCache,
        arguments: list[str],
        problem: str,
    ) -> None:
        assert main(["cache", *arguments]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert problem in captured.err
        assert captured.err.startswith("senderid-fast: error: ")
        assert captured.err.count("\n") == 1
