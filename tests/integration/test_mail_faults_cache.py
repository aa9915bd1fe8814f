"""The services beside a real Postfix while their shared cache goes away, fills up, or is damaged.

What may live here: faults of the cache. It is there to save questions: no stamp depends on it.
"""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest
from support.mailsite import Kind, site
from support.services import eventually
from support.valkey import Server

KINDS = ["milter", "policyd"]
EACH = 40


@pytest.mark.parametrize("kind", KINDS)
def test_a_cache_server_that_goes_and_comes_back(kind: Kind, tmp_path: Path) -> None:
    with site(kind) as here, Server(tmp_path) as cache:
        here.configure(
            process="workers = 2", more=f'[cache]\nurl = "valkey://127.0.0.1:{cache.port}"'
        )
        here.start()
        sendings = [here.send(EACH)]
        assert eventually(cache.client().dbsize) > 0
        sending = here.sending(3 * EACH)
        sending.wait_for(EACH // 2)
        cache.stop()
        sending.wait_for(EACH)
        cache.start()  # with nothing in it
        sending.join()
        sendings.append(sending)
        client = cache.client()

        def written() -> bool:
            if not client.dbsize():
                sendings.append(here.send(8))
            return bool(client.dbsize())

        eventually(written)
        assert here.check(*sendings) == 0
        assert here.service.stop() == 0


def files(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file()]


DAMAGE = ["removed", "garbage", "emptied", "folder-removed", "halved"]


def damage(folder: Path, how: str) -> None:
    """Do so to the files while processes have them open and mapped."""
    if how == "folder-removed":
        shutil.rmtree(folder)
        return
    for file in files(folder):
        if how == "removed":
            file.unlink()
        elif how == "emptied":
            os.truncate(file, 0)
        elif how == "halved":
            os.truncate(file, file.stat().st_size // 2)
        else:
            with file.open("r+b") as octets:
                octets.write(b"\xa5" * file.stat().st_size)


@pytest.mark.parametrize("how", DAMAGE)
@pytest.mark.parametrize("kind", KINDS)
def test_a_cache_on_disk_that_is_damaged(kind: Kind, how: str) -> None:
    pytest.importorskip("lmdb")
    with site(kind) as here:
        folder = here.folder / "cache"
        here.configure(process="workers = 2", more=f'[cache]\nurl = "lmdb:{folder}"')
        here.start()
        sendings = [here.send(EACH)]
        eventually(lambda: files(folder))
        sending = here.sending(3 * EACH)
        sending.wait_for(EACH // 2)
        damage(folder, how)
        sending.join()
        sendings += [sending, here.send(EACH)]
        assert here.check(*sendings) == 0
        assert here.service.stop() == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_cache_on_disk_that_is_full(kind: Kind) -> None:
    pytest.importorskip("lmdb")
    with site(kind) as here:
        folder = here.folder / "cache"
        more = f'[cache]\nurl = "lmdb:{folder}"\nmax_octets = 1_048_576'
        here.configure(process="workers = 2", more=more)
        here.start()
        sending = here.send(6 * EACH)
        assert here.check(sending) == 0
        assert sum(file.stat().st_blocks * 512 for file in files(folder)) <= 2 << 20
        assert here.service.stop() == 0


def test_a_worker_that_finds_no_cache() -> None:
    """It was there when the service started. The worker that takes the place of another one goes on
    without it, and has it again with a reload."""
    pytest.importorskip("lmdb")
    with site("milter") as here:
        folder = here.folder / "cache"
        here.configure(more=f'[cache]\nurl = "lmdb:{folder}"')
        here.start()
        sendings = [here.send(EACH)]
        shutil.rmtree(folder)
        folder.write_bytes(b"no folder")
        sending = here.sending(2 * EACH)
        sending.wait_for(4)
        os.kill(here.service.workers()[0], signal.SIGKILL)
        sending.join()
        sendings.append(sending)
        assert here.count("the cache cannot be used: this worker goes on without it") == 1
        assert here.count("another one is started") == 1
        folder.unlink()
        here.reload()
        sendings.append(here.send(EACH))
        eventually(lambda: files(folder))
        assert here.check(*sendings) == 0
        assert here.service.stop() == 0
