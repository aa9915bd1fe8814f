"""What a service adds to a message: counting it, and its log line, in both forms."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import senderid_fast as sf
from senderid_fast.async_engine import AsyncEngine
from senderid_fast.receiver import ReceiverPolicy, decide
from senderid_fast.reception.envelope import Envelope
from senderid_fast.reception.outcome import Outcome
from senderid_fast.reception.receiver import Receiver
from senderid_fast.service import families
from senderid_fast.service.application import Books, ServiceApplication
from senderid_fast.service.counters import Board
from senderid_fast.service.logs import Log
from senderid_fast.service.sinks import open_sink

MESSAGES = 1_000
ZONE = {"example.com": [{"TXT": "v=spf1 ip4:192.0.2.0/24 -all"}]}


def messages() -> list[tuple[Envelope, Outcome]]:
    """Messages that all differ, and what was found out about them."""
    engine = sf.Engine(sf.ZoneResolver(ZONE))
    found = []
    for number in range(MESSAGES):
        ip, sender = f"192.0.2.{number % 250}", f"user{number}@example.com"
        header = f"From: <{sender}>\r\n\r\n".encode()
        verdicts = engine.check_message(ip, f"mail{number}.example.com", sender, header)
        decision = decide(ReceiverPolicy(), verdicts)
        envelope = Envelope(
            ip, b"mail%d.example.com" % number, sender.encode(), queue_id=f"4Xy{number}"
        )
        found.append((envelope, Outcome(None, None, verdicts, decision, seconds=0.01)))
    return found


@pytest.mark.benchmark(group=f"{MESSAGES:,} messages answered", timer=time.process_time)
@pytest.mark.parametrize("form", ["plain", "json", "none"])
def test_done(benchmark: BenchmarkFixture, form: str, tmp_path: Path) -> None:
    board = Board(2)
    log = Log(open_sink(str(tmp_path / "log"), "x"), "json" if form == "json" else "plain")
    books = Books("milter", board, board.workers[0], log, 1_000)
    books.messages = form != "none"
    engine = AsyncEngine(sf.ZoneResolver({}))
    application = ServiceApplication(books, Receiver("mx.example"), engine, 1 << 20, 60)
    found = messages()

    def run() -> None:
        for envelope, outcome in found:
            application.done("milter", envelope, outcome, "accept")

    benchmark(run)
    counted = board.total(families.MESSAGES)
    assert sum(counted) == sum(board.total(families.SECONDS)[:17])
    written = (tmp_path / "log").read_bytes().count(b"\n")
    assert written == (0 if form == "none" else sum(counted))
    log.close()
