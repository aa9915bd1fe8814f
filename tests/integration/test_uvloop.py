"""Checks under uvloop: AsyncEngine and UdpResolver need of a loop what every loop has."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from support.faulty import BEHAVIOURS, free_port, run_faulty_server

import senderid_fast as sf
from senderid_fast.resolver import UdpResolver

uvloop = pytest.importorskip("uvloop")


def run(work: Any) -> Any:
    """The result of a coroutine, run by a loop of uvloop."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, uvloop.Loop)
        return runner.run(work)


async def results(resolver: UdpResolver, domains: list[str]) -> list[str]:
    limits = sf.Limits(seconds=5)
    async with sf.AsyncEngine(resolver, limits=limits) as engine:
        checks = (engine.check_mail_from("192.0.2.1", f"a@{domain}") for domain in domains)
        verdicts = await asyncio.gather(*checks)
    return [str(verdict.result) for verdict in verdicts]


def test_many_checks_at_once(faulty_server: Any) -> None:
    server = faulty_server({"*": "good"})
    resolver = UdpResolver([server.address], try_seconds=2)
    domains = [f"d{number}.example" for number in range(200)]
    # Loop after loop: the sockets of one that is closed are not used in the next.
    for _ in range(3):
        assert run(results(resolver, domains)) == ["pass"] * 200
    assert resolver.statistics()["answered"] >= 600
    resolver.close()


def test_answers_that_are_asked_for_over_tcp(faulty_server: Any) -> None:
    server = faulty_server({"*": "truncated"})
    resolver = UdpResolver([server.address], try_seconds=2)
    assert run(results(resolver, ["a.example", "b.example"])) == ["pass"] * 2
    assert resolver.statistics()["truncated"] >= 2


def test_a_server_that_says_nothing(faulty_server: Any) -> None:
    server = faulty_server({"mute.example": "silent", "*": "good"})
    resolver = UdpResolver([server.address], try_seconds=0.1, tries=2)
    assert run(results(resolver, ["mute.example", "a.example"])) == ["temperror", "pass"]


def test_nothing_is_left_of_a_check_that_is_cancelled(faulty_server: Any) -> None:
    server = faulty_server({"*": "silent"})
    resolver = UdpResolver([server.address], try_seconds=2)

    async def cancelled() -> set[Any]:
        async with sf.AsyncEngine(resolver) as engine:
            check = asyncio.ensure_future(engine.check_mail_from("192.0.2.1", "a@a.example"))
            await asyncio.sleep(0.05)
            check.cancel()
            with pytest.raises(asyncio.CancelledError):
                await check
            await asyncio.sleep(0)
            return asyncio.all_tasks() - {asyncio.current_task()}

    assert run(cancelled()) == set()


def test_a_server_that_comes_back() -> None:
    """While nobody listens there, each socket is told so: uvloop reads no more from it then."""
    port = free_port()
    behaviours = {"*": BEHAVIOURS["good"]}
    resolver = UdpResolver([f"127.0.0.1:{port}"], try_seconds=1, tries=2)

    async def turns() -> None:
        for turn in range(3):
            with run_faulty_server(behaviours, port):
                domains = [f"d{turn}.{number}.example" for number in range(20)]
                assert await results(resolver, domains) == ["pass"] * 20
            domains = [f"e{turn}.{number}.example" for number in range(20)]
            assert await results(resolver, domains) == ["temperror"] * 20

    run(turns())
    assert resolver.statistics()["timed_out"] == 0
