"""LmdbCache: files that are damaged, or of something else, and what becomes of them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import lmdb
import pytest
from support.caches import keep, names_in, question
from support.scripted import Scripted, policy

import senderid_fast as sf
from senderid_fast.cache import LmdbCache
from senderid_fast.errors import CacheError

MIB = 1 << 20


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def cache(folder: Path) -> Iterator[LmdbCache]:
    made = LmdbCache(folder, max_octets=MIB)
    yield made
    made.close()


DAMAGES = {
    "text": lambda octets: b"this is no database\n" * 500,
    "one octet": lambda octets: b"x",
    "half": lambda octets: octets[: len(octets) // 2],
    "zeros inside": lambda octets: octets[:8_192] + bytes(len(octets) - 8_192),
    "noise inside": lambda octets: octets[:8_192] + os.urandom(len(octets) - 8_192),
    "noise in the head": lambda octets: os.urandom(8_192) + octets[8_192:],
    "another version": lambda octets: octets[:20] + b"\x09" + octets[21:],
    "noise": lambda octets: os.urandom(len(octets)),
}


class TestDamage:
    @pytest.mark.parametrize("kind", DAMAGES)
    def test_a_damaged_file_is_moved_aside(self, folder: Path, kind: str) -> None:
        cache = LmdbCache(folder, max_octets=MIB)
        keep(cache, *(f"d{number}.example" for number in range(1_000)))
        cache.close()
        data = folder / "data.mdb"
        damaged = DAMAGES[kind](data.read_bytes())
        data.write_bytes(damaged)
        again = LmdbCache(folder, max_octets=MIB)
        assert again.get_many([question("d1.example")]) == {}
        keep(again, "d1.example")
        assert names_in(again) == ["d1.example"]
        assert again.statistics()["moved_aside"] >= 1
        assert (folder.with_name("cache.damaged") / "data.mdb").read_bytes() == damaged
        again.close()

    def test_one_copy_of_damaged_files_is_kept(self, folder: Path) -> None:
        for number in range(3):
            LmdbCache(folder, max_octets=MIB).close()
            (folder / "data.mdb").write_bytes(b"%d" % number * 9_000)
        LmdbCache(folder, max_octets=MIB).close()
        kept = folder.with_name("cache.damaged") / "data.mdb"
        assert kept.read_bytes() == b"2" * 9_000
        assert {each.name for each in folder.parent.iterdir()} == {"cache", "cache.damaged"}

    def test_the_database_of_something_else_is_moved_aside(self, folder: Path) -> None:
        folder.mkdir()
        with lmdb.open(str(folder)) as other, other.begin(write=True) as transaction:
            transaction.put(b"key", b"value")
        cache = LmdbCache(folder, max_octets=MIB)
        keep(cache, "a.example")
        assert names_in(cache) == ["a.example"]
        with lmdb.open(str(folder.with_name("cache.damaged"))) as other, other.begin() as reading:
            assert reading.get(b"key") == b"value"
        cache.close()

    def test_entries_that_were_changed_are_dropped(self, cache: LmdbCache) -> None:
        names = [f"d{number}.example" for number in range(20)]
        keep(cache, *names)
        opened = cache._files.opened()
        with opened.env.begin(write=True, db=opened.answers) as transaction:
            items = list(transaction.cursor())
            for number, (key, value) in enumerate(items):
                changed = bytearray(value)
                changed[number % len(changed)] ^= 1
                transaction.put(key, bytes(changed))
        assert cache.get_many([question(name) for name in names]) == {}
        assert cache.statistics()["dropped"] == 20
        # The value of another name is none either.
        with opened.env.begin(write=True, db=opened.answers) as transaction:
            transaction.put(items[0][0], items[1][1])
        assert names_in(cache) == []
        keep(cache, *names)
        assert len(names_in(cache)) == 20

    def test_a_file_that_another_process_has_open_is_left_to_it(
        self, cache: LmdbCache, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """LMDB finds its file damaged while it is in use: nobody's files are taken away."""
        keep(cache, "a.example")
        code = (
            "import sys; from senderid_fast.cache import LmdbCache\n"
            "cache = LmdbCache(sys.argv[1]); print('ready', flush=True); sys.stdin.read()\n"
        )
        with subprocess.Popen(
            [sys.executable, "-c", code, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as other:
            assert other.stdout is not None
            assert other.stdin is not None
            assert other.stdout.readline() == b"ready\n"
            with pytest.raises(CacheError, match="is damaged: torn"):
                cache._damaged(lmdb.CorruptedError("torn"))
            engine = sf.Engine(Scripted(lambda *_: policy("v=spf1 +all")), cache=cache)
            assert engine.check_host("192.0.2.1", "a.example").result == "pass"
            assert engine.statistics()["cache_failures"] == 1
            assert cache.statistics()["moved_aside"] == 0
            other.stdin.close()
        cache._files._unusable_until = 0.0
        assert cache.get_many([question("a.example")]) == {}
        assert cache.statistics()["moved_aside"] == 1
        assert folder.with_name("cache.damaged").exists()

    def test_files_that_were_left_in_order_are_not_looked_over(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import lmdb.verify

        looked: list[str] = []
        verify = lmdb.verify.verify
        monkeypatch.setattr(
            lmdb.verify, "verify", lambda path, subdir: looked.append(path) or verify(path, subdir)
        )
        cache = LmdbCache(folder, max_octets=MIB)
        keep(cache, "a.example")
        cache.close()
        assert cache.get_many([question("a.example")])
        cache.close()
        assert looked == []
        (folder / "checked").unlink()
        assert cache.get_many([question("a.example")])
        assert len(looked) == 1
        cache.close()
