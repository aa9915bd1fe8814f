"""The board of counters, the page of metrics, and the HTTP around them."""

from __future__ import annotations

import asyncio
import math
import os
import re
from pathlib import Path

import pytest

from senderid_fast.service import families
from senderid_fast.service.counters import Board, State
from senderid_fast.service.endpoint import MOST_CONNECTIONS, MOST_OCTETS, Endpoint, Page
from senderid_fast.service.metrics import page

ROOT = Path(__file__).parents[2]
SAMPLE = re.compile(r'senderid_fast_(\w+)(?:\{((?:\w+="(?:[^"\\]|\\.)*",?)*)\})? (\S+)')


def samples(text: str) -> dict[tuple[str, str], float]:
    """The samples of a page, each line of which must be of the format."""
    found: dict[tuple[str, str], float] = {}
    typed: dict[str, str] = {}
    assert text.endswith("\n")
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in typed
            typed[name] = kind
        elif not line.startswith("# HELP "):
            match = SAMPLE.fullmatch(line)
            assert match, line
            name = match[1]
            family = re.sub(r"_(bucket|sum|count)$", "", name)
            assert (
                f"senderid_fast_{name}" in typed or typed[f"senderid_fast_{family}"] == "histogram"
            )
            key = (name, match[2] or "")
            assert key not in found
            found[key] = float(match[3])
    return found


def test_the_page_has_what_was_counted_by_all() -> None:
    board = Board(2)
    for slot in board.workers:
        slot.add(families.CHECKS, ("pra", "softfail"))
        slot.set(families.CONNECTIONS, 3)
        for seconds in (0.0001, 0.0005, 0.003, 7, 100):
            slot.observe(families.SECONDS, seconds, ("policyd",))
    board.workers[1].state = State.SERVING
    found = samples(page(board, "1.2", 5.25))
    assert found["checks_total", 'identity="pra",result="softfail"'] == 2
    assert found["checks_total", 'identity="pra",result="pass"'] == 0
    assert found["connections", ""] == 6
    assert found["start_time_seconds", ""] == 5.25
    assert found["workers", 'state="serving"'] == 1
    assert found["workers", 'state="down"'] == 1
    labels = 'service="policyd"'
    buckets = {
        float(key[1].rpartition('le="')[2][:-1].replace("+Inf", "inf")): value
        for key, value in found.items()
        if key[0] == "message_seconds_bucket" and labels in key[1]
    }
    assert list(buckets) == sorted(buckets)
    assert buckets[0.0005] == 4  # the bound itself is within
    assert buckets[0.0025] == 4
    assert buckets[0.005] == 6
    assert buckets[10] == 8
    assert buckets[math.inf] == 10 == found["message_seconds_count", labels]
    assert found["message_seconds_sum", labels] == pytest.approx(2 * 107.0036)
    assert found["message_seconds_count", 'service="milter"'] == 0


def test_labels_are_few_and_known() -> None:
    for family in families.FAMILIES:
        assert family.size <= 60
        assert family.name.endswith("_total") == (family.kind == "counter")
    slot = Board(1).workers[0]
    slot.add(families.MESSAGES, ("milter", 'evil"\n'))
    assert slot.get(families.MESSAGES, ("milter", "other")) == 1


def test_every_metric_is_documented() -> None:
    text = (ROOT / "docs" / "operations.md").read_text("utf-8")
    table = set(re.findall(r"^\| `senderid_fast_(\w+)`", text, re.M))
    names = {family.name for family in families.FAMILIES}
    assert table == names | {"build_info", "start_time_seconds", "workers"}


def test_processes_share_the_board_and_a_new_one_goes_on() -> None:
    board = Board(1)
    slot = board.workers[0]
    for _ in range(2):
        child = os.fork()
        if child == 0:
            slot.begin(os.getpid(), 1)
            slot.add(families.OPENED, amount=5)
            slot.add(families.CONNECTIONS, amount=5)
            slot.state = State.SERVING
            os._exit(0)
        os.waitpid(child, 0)
        assert slot.process == child
        assert slot.state == State.SERVING
    assert board.sum(families.OPENED) == 10  # no counter falls
    assert board.sum(families.CONNECTIONS) == 5  # but what is open ended with its process
    slot.begin(0, 2)
    assert slot.state == State.NONE
    assert slot.generation == 2
    assert board.sum(families.CONNECTIONS) == 0


# ---- HTTP -------------------------------------------------------------------------------------


async def hello(query: str) -> Page:
    if query == "fail":
        raise RuntimeError("secret")
    return Page(200, "text/plain", f"hello {query}\n")


async def exchange(*requests: bytes, wait: float = 0.0) -> list[bytes]:
    """What comes back to each request, sent over connections of their own at the same time."""
    endpoint = Endpoint({"/hello": hello})
    server = await asyncio.get_running_loop().create_server(endpoint.protocol, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    async def one(octets: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for octet in (octets[:7], octets[7:]):
            writer.write(octet)
            await asyncio.sleep(wait)
        try:
            return await asyncio.wait_for(reader.read(), 20)
        except ConnectionError:
            return b""
        finally:
            writer.close()

    async with server:
        return list(await asyncio.gather(*map(one, requests)))


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"GET /hello HTTP/1.1", 200),
        (b"GET /hello?a=b HTTP/1.0", 200),
        (b"GET /hello?fail HTTP/1.1", 500),
        (b"GET / HTTP/1.1", 404),
        (b"POST /hello HTTP/1.1", 405),
        (b"DELETE /hello HTTP/1.1", 405),
        (b"GET /hello HTTP/2.0", 505),
        (b"GET /hello", 400),
        (b"\xff\x00\x1b", 400),
        (b"GET /" + b"x" * MOST_OCTETS + b" HTTP/1.1", 431),
    ],
)
def test_requests(request_line: bytes, status: int) -> None:
    (reply,) = asyncio.run(exchange(request_line + b"\r\nHost: x\r\n\r\n", wait=0.02))
    head, _, body = reply.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert int(re.search(rb"Content-Length: (\d+)", head)[1]) == len(body)  # type: ignore[index]
    assert b"secret" not in body
    assert (b"Allow: GET" in head) == (status == 405)


def test_silent_and_too_many_clients_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("senderid_fast.service.endpoint.SECONDS", 0.5)
    good = b"GET /hello HTTP/1.1\r\n\r\n"
    silent = [b"GET /hello HTTP/1.1\r\n"] * MOST_CONNECTIONS
    replies = asyncio.run(exchange(*silent, good, good))
    assert replies == [b""] * (MOST_CONNECTIONS + 2)
    assert asyncio.run(exchange(good))[0].endswith(b"hello \n")
