"""LmdbCache: what it keeps, what goes, forks, and places where it cannot be."""

from __future__ import annotations

import asyncio
import builtins
import errno
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.caches import cached, keep, names_in, put, question
from support.scripted import Scripted, forked, policy, run_threads, zone_reply

import senderid_fast as sf
from senderid_fast.cache import CachedAnswer, LmdbCache

MIB = 1 << 20
RECORD = b"v=spf1 -all"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def cache(folder: Path) -> Iterator[LmdbCache]:
    made = LmdbCache(folder, max_octets=MIB)
    yield made
    made.close()


class TestKeeping:
    def test_what_was_put_is_found(self, cache: LmdbCache) -> None:
        answers = {
            question("a.example"): cached(RECORD, b"other"),
            question("a.example", "A"): cached("192.0.2.1", "192.0.2.2"),
            question("a.example", "MX"): cached((10, "mx.a.example"), (20, "")),
            question("none.example"): CachedAnswer(
                sf.Answer(sf.Status.NXDOMAIN, (), 60), time.time()
            ),
        }
        put(cache, *answers.items())
        found = cache.get_many([*answers, question("b.example")], 0)
        assert {each: answer.answer for each, answer in found.items()} == {
            each: answer.answer for each, answer in answers.items()
        }
        assert all(abs(found[each].fetched_at - answers[each].fetched_at) < 0.001 for each in found)
        assert asyncio.run(cache.get_many_async(list(answers))) == found
        assert dict(cache.entries()) == found

    def test_the_last_answer_counts(self, cache: LmdbCache) -> None:
        for number in range(5):
            keep(cache, "a.example", record=b"%d" % number)
        found = cache.get_many([question("a.example")])
        assert found[question("a.example")].answer.records == (b"4",)
        assert cache.statistics()["entries"] == 1

    def test_what_is_over_is_none(self, cache: LmdbCache) -> None:
        put(
            cache,
            (question("over.example"), cached(RECORD, ttl=10, age=11)),
            (question("nearly.example"), cached(RECORD, ttl=60, age=11)),
        )
        asked = [question("over.example"), question("nearly.example")]
        assert list(cache.get_many(asked)) == asked[1:]
        assert names_in(cache) == ["nearly.example"]

    def test_what_is_no_question_or_answer_is_dropped(self, cache: LmdbCache) -> None:
        put(cache, (question("x" * 254), cached(RECORD)), (question("a.example"), cached("text")))
        assert cache.get_many([question("x" * 254), question("a.example")]) == {}
        assert cache.statistics()["dropped"] == 2

    def test_another_object_and_process_find_it(self, cache: LmdbCache, folder: Path) -> None:
        keep(cache, "a.example")
        again = LmdbCache(folder, max_octets=MIB)
        assert len(again.get_many([question("a.example")])) == 1
        code = (
            "import sys, senderid_fast as sf; from senderid_fast.cache import LmdbCache\n"
            "cache = LmdbCache(sys.argv[1])\n"
            "print(*cache.get_many([sf.Question('a.example', sf.RRType.TXT)]))\n"
            "print(cache.statistics()['limit'])\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True
        )
        # The size is that of the process which had it open before.
        assert done.stdout.split("\n")[1] == str(MIB)
        assert "a.example" in done.stdout

    def test_it_can_be_used_again_after_it_was_closed(self, cache: LmdbCache) -> None:
        keep(cache, "a.example")
        cache.close()
        cache.close()
        assert len(cache.get_many([question("a.example")])) == 1
        keep(cache, "b.example")
        assert names_in(cache) == ["a.example", "b.example"]

    def test_it_pickles_by_its_settings(self, cache: LmdbCache, folder: Path) -> None:
        again = pickle.loads(pickle.dumps(cache))
        assert again == cache
        assert hash(again) == hash(cache)
        assert again != LmdbCache(folder, max_octets=2 * MIB)
        assert str(folder) in repr(cache)
        engine = sf.Engine(sf.ZoneResolver({}), cache=cache)
        assert pickle.loads(pickle.dumps(engine)).settings == engine.settings

    def test_threads_read_and_write_at_once(self, cache: LmdbCache) -> None:
        def work(number: int) -> None:
            for count in range(200):
                name = f"d{count}.t{number}.example"
                cache.put_many([(question(name), cached(name.encode()))])
                found = cache.get_many([question(f"d{count // 2}.t{number}.example")])
                for asked, answer in found.items():
                    assert answer.answer.records == (asked.name.encode(),)

        run_threads(6, work)
        assert cache.flush(20)
        assert cache.statistics()["entries"] == 1_200


class TestRoom:
    def test_the_oldest_go_when_it_is_full(self, cache: LmdbCache, folder: Path) -> None:
        for first in range(0, 4_000, 100):
            keep(cache, *(f"d{number}.example" for number in range(first, first + 100)))
            keep(cache, f"big{first}.example", record=b"x" * 9_000)
            assert (folder / "data.mdb").stat().st_size <= MIB
        counts = cache.statistics()
        assert counts["octets"] <= counts["limit"] == MIB
        assert counts["evicted"] > 1_000
        assert counts["dropped"] == counts["write_failures"] == 0
        assert counts["entries"] + counts["evicted"] == counts["written"] == 4_040
        # Just the last ones are there, all of them.
        there = {name for name in names_in(cache) if name.startswith("d")}
        assert there == {f"d{number}.example" for number in range(4_000 - len(there), 4_000)}

    def test_an_answer_that_is_too_large_is_dropped(self, cache: LmdbCache) -> None:
        keep(cache, "large.example", record=b"x" * 40_000)
        keep(cache, "small.example")
        assert names_in(cache) == ["small.example"]
        assert cache.statistics()["dropped"] == 1

    def test_more_than_may_wait_is_dropped(self, folder: Path, monkeypatch: Any) -> None:
        cache = LmdbCache(folder, max_octets=MIB, most_waiting=100)
        with cache._files.write_lock:  # the thread that writes has to wait
            cache.put_many((question(f"d{n}.example"), cached(RECORD)) for n in range(5_000))
            cache.put_many((question(f"e{n}.example"), cached(RECORD)) for n in range(5_000))
            assert len(cache.get_many([question("d0.example")])) == 0  # reading does not wait
        assert cache.flush(20)
        counts = cache.statistics()
        assert 100 <= counts["written"] <= 200  # what was under way, and what waited
        assert counts["written"] + counts["dropped"] == 10_000
        cache.close()

    def test_a_reader_that_was_killed_does_not_keep_room(
        self, cache: LmdbCache, folder: Path
    ) -> None:
        keep(cache, "a.example")
        code = (
            "import os, sys; from senderid_fast.cache import LmdbCache\n"
            "cache = LmdbCache(sys.argv[1])\n"
            "reading = cache._files.opened().env.begin()\n"
            "os.kill(os.getpid(), 9)\n"
        )
        subprocess.run([sys.executable, "-c", code, str(folder)], check=False)
        for first in range(0, 3_000, 50):
            keep(cache, *(f"d{n}.example" for n in range(first, first + 50)), record=b"x" * 500)
        counts = cache.statistics()
        assert counts["write_failures"] == 0
        assert counts["entries"] > 500


class TestPurge:
    NAMES = ("example", "a.example", "b.a.example", "c.b.a.example", "ba.example", "a.example.org")

    @pytest.mark.parametrize(
        ("domain", "below", "left"),
        [
            ("a.example", True, ("example", "ba.example", "a.example.org")),
            ("a.example", False, (*NAMES[:1], *NAMES[2:])),
            ("example", True, ("a.example.org",)),
            ("x.example", True, NAMES),
            (None, True, ()),
        ],
    )
    def test_a_domain(
        self, cache: LmdbCache, domain: str | None, below: bool, left: tuple[str, ...]
    ) -> None:
        keep(cache, *self.NAMES)
        put(cache, (question("a.example", "MX"), cached((10, "m.example"))))
        gone = len(self.NAMES) + 1 - len(left) - ("a.example" in left)
        assert cache.purge(domain, below=below) == gone
        assert set(names_in(cache)) == set(left)
        # Neither table keeps anything of them.
        opened = cache._files.opened()
        with opened.env.begin() as transaction:
            counts = {transaction.stat(db)["entries"] for db in (opened.answers, opened.times)}
        assert counts == {cache.statistics()["entries"]}

    def test_many(self, cache: LmdbCache) -> None:
        keep(cache, *(f"d{number}.example" for number in range(2_000)))
        assert len(names_in(cache)) == 2_000
        assert cache.purge() == 2_000
        assert cache.statistics()["octets"] == 0


class TestForks:
    def test_parent_and_child_go_on(self, cache: LmdbCache) -> None:
        keep(cache, "a.example")

        def child() -> bool:
            keep(cache, "child.example")
            return sorted(names_in(cache)) == ["a.example", "child.example"]

        assert forked(child)
        keep(cache, "parent.example")
        assert sorted(names_in(cache)) == ["a.example", "child.example", "parent.example"]

    def test_forks_while_threads_read_and_write(self, cache: LmdbCache) -> None:
        done: list[bool] = []

        def work(number: int) -> None:
            if number == 0:
                done.extend(
                    forked(lambda: not keep(cache, "c.example") and bool(names_in(cache)))
                    for _ in range(10)
                )
                return
            while len(done) < 10:
                keep(cache, f"t{number}.example")
                assert cache.get_many([question(f"t{number}.example")])

        run_threads(4, work)
        assert done == [True] * 10
        assert cache.statistics()["write_failures"] == 0

    def test_an_engine_and_its_child(self, cache: LmdbCache) -> None:
        engine = sf.Engine(
            Scripted(zone_reply({"a.example": [{"TXT": "v=spf1 -all"}]})), cache=cache
        )
        assert engine.check_host("192.0.2.1", "a.example").result == "fail"
        assert cache.flush(10)
        engine.clear()

        def child() -> bool:
            verdict = engine.check_host("192.0.2.1", "a.example")
            return verdict.result == "fail" and engine.statistics()["asked"] == 1

        assert forked(child)


class TestPlaces:
    def test_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("text")
        with pytest.raises(
            sf.InputError, match=r"a folder of the cache's own; .* is a file"
        ) as error:
            LmdbCache(tmp_path / "file")
        assert error.value.field == "path"
        assert (tmp_path / "file").read_text() == "text"

    def test_a_folder_with_something_else(self, tmp_path: Path) -> None:
        (tmp_path / "letter.txt").write_text("text")
        with pytest.raises(sf.InputError, match=r"in .* is 'letter.txt'"):
            LmdbCache(tmp_path)
        assert [each.name for each in tmp_path.iterdir()] == ["letter.txt"]

    def test_below_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("text")
        with pytest.raises(sf.InputError):
            LmdbCache(tmp_path / "file" / "cache")

    @pytest.mark.parametrize("path", ["", None, 7])
    def test_what_is_no_path(self, path: Any) -> None:
        with pytest.raises(sf.InputError, match="must be the path of a folder"):
            LmdbCache(path)

    @pytest.mark.parametrize("octets", [0, MIB - 1, 1 << 41, "1", 1e7, None])
    def test_sizes(self, folder: Path, octets: Any) -> None:
        with pytest.raises(sf.InputError, match="must be a whole number") as error:
            LmdbCache(folder, max_octets=octets)
        assert error.value.field == "max_octets"

    def test_only_its_owner_may_read_it(self, cache: LmdbCache, folder: Path) -> None:
        keep(cache, "a.example")
        assert folder.stat().st_mode & 0o777 == 0o700
        assert {each.stat().st_mode & 0o077 for each in folder.iterdir()} == {0}

    def test_a_folder_that_is_taken_away_does_not_fail_a_check(
        self, cache: LmdbCache, folder: Path
    ) -> None:
        import shutil

        keep(cache, "a.example")
        cache.close()
        shutil.rmtree(folder)
        folder.write_text("now it is a file")
        engine = sf.Engine(Scripted(lambda *_: policy("v=spf1 +all")), cache=cache)
        assert engine.check_host("192.0.2.1", "b.example").result == "pass"
        cache.flush(10)
        counts = engine.statistics()
        assert counts["cache_failures"] == 2  # one of reading, one of writing
        assert counts["cache_dropped"] == 1

    def test_a_full_disk_is_told_and_ends_nothing(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What LMDB writes through memory has its room before: without it that is SIGBUS."""
        wanted: list[int] = []

        def full(_handle: int, _offset: int, octets: int) -> None:
            wanted.append(octets)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with monkeypatch.context() as patch:
            patch.setattr(os, "posix_fallocate", full)
            with pytest.raises(sf.InputError, match="cannot be used: No space left"):
                LmdbCache(folder)
        cache = LmdbCache(folder)
        state = (folder / "lock.mdb").stat()
        cache.close()
        (octets,) = wanted
        assert state.st_size - octets < 4096
        assert state.st_blocks * 512 >= octets

    @pytest.mark.parametrize("number", [errno.EOPNOTSUPP, errno.EINVAL])
    def test_a_disk_that_keeps_no_room(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, number: int
    ) -> None:
        def unknown(*_: int) -> None:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, "posix_fallocate", unknown)
        cache = LmdbCache(folder)
        keep(cache, "a.example")
        assert names_in(cache) == ["a.example"]
        cache.close()

    def test_a_missing_package_is_named(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = builtins.__import__

        def without(name: str, *rest: Any) -> Any:
            if name.startswith("lmdb"):
                raise ImportError(name)
            return real(name, *rest)

        monkeypatch.setattr(builtins, "__import__", without)
        with pytest.raises(sf.MissingExtraError, match=r"senderid-fast\[lmdb\]"):
            LmdbCache(folder)
