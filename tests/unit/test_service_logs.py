"""Log lines: whatever strangers send, one line comes of it that can be read back."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import shlex
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from senderid_fast import AsyncEngine, ZoneResolver
from senderid_fast.errors import ServiceError
from senderid_fast.messages import MessageVerdict
from senderid_fast.receiver import ReceiverPolicy, decide
from senderid_fast.reception.envelope import Envelope
from senderid_fast.reception.outcome import Outcome
from senderid_fast.reception.receiver import Receiver
from senderid_fast.service import families
from senderid_fast.service.application import Books, ServiceApplication
from senderid_fast.service.counters import Board
from senderid_fast.service.logs import BURST, LINE_MOST, VALUE_MOST, Bridge, Log
from senderid_fast.service.sinks import open_sink

HOSTILE = b'a\r\nlevel=error event="forged" \x1b[2J\x00\x7f\x85\xff\\\xe2\x80\xae@x'


class Memory:
    """A sink that keeps lines."""

    has_time = True

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.works = True

    def write(self, level: str, line: bytes) -> bool:
        if self.works:
            self.lines.append(line)
        return self.works

    def reopen(self) -> bool:
        return True

    def close(self) -> None:
        pass


def written(form: str, **fields: Any) -> bytes:
    sink = Memory()
    Log(sink, form).line("info", fields)
    (line,) = sink.lines
    return line


def read_back(line: bytes) -> dict[str, bytes]:
    """A plain line as who reads it would: pairs of a key and a value, in quotes or not."""
    found = {}
    rest = line.decode("ascii")
    while rest:
        match = re.match(r'(\w+)=(?:"((?:[^"\\]|\\.)*)"|([!-~]*))(?: |$)', rest)
        assert match, rest
        value = match[3] if match[2] is None else match[2]
        octets = re.sub(
            rb"\\(?:x([0-9a-f]{2})|(.))",
            lambda each: bytes.fromhex(each[1].decode()) if each[1] else each[2],
            value.encode(),
            flags=re.DOTALL,
        )
        found[match[1]] = octets
        rest = rest[match.end() :]
    return found


@given(st.binary(max_size=VALUE_MOST) | st.text(max_size=VALUE_MOST // 4))
def test_plain_lines_can_be_read_back(value: bytes | str) -> None:
    line = written("plain", value=value, next="x")
    assert re.fullmatch(rb"[ -~]*", line)
    octets = value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
    assert read_back(line) == {"level": b"info", "value": octets, "next": b"x"}


@given(st.binary() | st.text())
def test_json_lines_are_json_in_ascii(value: bytes | str) -> None:
    line = written("json", value=value, number=1.5, nothing=None)
    assert re.fullmatch(rb"[ -~]*", line)
    found = json.loads(line)
    assert found["number"] == 1.5
    assert "nothing" not in found
    if isinstance(value, bytes) and len(value) <= VALUE_MOST:
        assert found["value"] == value.decode("utf-8", "backslashreplace")


@pytest.mark.parametrize("form", ["plain", "json"])
@settings(max_examples=25)
@given(values=st.lists(st.binary(min_size=200, max_size=400), min_size=14, max_size=16))
def test_lines_are_bounded(form: str, values: list[bytes]) -> None:
    line = written(form, **{f"value_{number}": value for number, value in enumerate(values)})
    assert len(line) <= LINE_MOST
    if form == "json":
        assert len(json.loads(line)) == len(values) + 1


@pytest.mark.parametrize("form", ["plain", "json"])
def test_a_long_value_is_cut(form: str) -> None:
    line = written(form, value=b"x" * 10_000)
    assert line.rstrip(b'"}').endswith(b"x...")
    assert len(line) < VALUE_MOST + 50


def test_levels() -> None:
    sink = Memory()
    log = Log(sink, level="warning")
    log.event("info", "not this")
    log.event("warning", "this")
    log.set_up("json", "debug")
    log.event("debug", "and this")
    assert [b"this" in line for line in sink.lines] == [True, True]
    assert json.loads(sink.lines[1]) == {"level": "debug", "event": "and this"}


def test_what_strangers_cause_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1_000.0]
    monkeypatch.setattr("senderid_fast.service.logs.monotonic", lambda: now[0])
    sink = Memory()
    log = Log(sink)
    for _ in range(1_000):
        log.limited("warning", "one", "again")
    assert len(sink.lines) == BURST
    log.limited("warning", "another", "of another kind")
    assert len(sink.lines) == BURST + 1
    now[0] += 6.5
    log.limited("warning", "one", "again")
    assert sink.lines[-1].endswith(b"event=again left_out=990")
    now[0] += 3_600
    for _ in range(1_000):
        log.limited("warning", "one", "again")
    assert len(sink.lines) == 2 * BURST + 2


def test_lost_lines_are_counted() -> None:
    sink, lost = Memory(), []
    log = Log(sink, lost=lambda: lost.append(1))
    sink.works = False
    log.event("info", "gone")
    log.line("info", {"odd": object()})  # type: ignore[dict-item]
    assert len(lost) == 2
    sink.works = True
    log.event("info", "here again")
    assert len(sink.lines) == 1


def test_the_logging_of_libraries_comes_to_the_same_place() -> None:
    sink = Memory()
    record = logging.LogRecord("asyncio", logging.ERROR, "x.py", 7, "%s: odd\n", ("it",), None)
    try:
        int("cause")
    except ValueError as error:
        record.exc_info = (ValueError, error, error.__traceback__)
    Bridge(Log(sink)).emit(record)
    (line,) = sink.lines
    assert line.startswith(rb'level=error event="it: odd\x0a" logger=asyncio problem="ValueError')
    assert b"place=test_service_logs.py:" in line


# ---- where to ---------------------------------------------------------------------------------


def test_a_file_is_written_on_and_opened_anew(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("before\n")
    log = Log(open_sink(str(path), "x"))
    log.event("info", "one")
    path.rename(tmp_path / "log.1")
    log.event("info", "two")
    log.reopen()
    log.event("info", "three")
    assert re.fullmatch(
        r"before\ntime=[-\dT:.]+Z level=info event=one\ntime=\S+ level=info event=two\n",
        (tmp_path / "log.1").read_text(),
    )
    assert path.read_text().endswith("event=three\n")
    assert path.stat().st_mode & 0o777 == 0o640 & ~_umask()


def _umask() -> int:
    before = os.umask(0)
    os.umask(before)
    return before


def test_a_file_that_cannot_be_opened_again_is_written_on(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    lost: list[int] = []
    log = Log(open_sink(str(folder / "log"), "x"), lost=lambda: lost.append(1))
    folder.rename(tmp_path / "moved")
    log.reopen()
    log.event("info", "still here")
    assert lost == [1]
    assert "still here" in (tmp_path / "moved" / "log").read_text()


def test_a_full_disk_loses_lines_and_nothing_else() -> None:
    lost: list[int] = []
    log = Log(open_sink("/dev/full", "x"), lost=lambda: lost.append(1))
    for _ in range(3):
        log.event("info", "no room")
    assert len(lost) == 3


@pytest.mark.parametrize("path", ["/nowhere/at/all", "/", "relative"])
def test_a_file_that_cannot_be_opened_is_told(path: str) -> None:
    with pytest.raises(ServiceError, match=r"^log\.to: "):
        open_sink(path, "x")


@contextmanager
def standard_error() -> Iterator[int]:
    """A pipe in the place of standard error; its end to read from."""
    saved = os.dup(2)
    read, write = os.pipe()
    os.dup2(write, 2)
    os.close(write)
    try:
        yield read
    finally:
        os.dup2(saved, 2)
        os.close(saved)


def test_a_full_pipe_does_not_hold_us_up() -> None:
    with standard_error() as pipe:
        read_too_late(pipe)


def read_too_late(pipe: int) -> None:
    lost: list[int] = []
    log = Log(open_sink("stderr", "x"), lost=lambda: lost.append(1))
    for _ in range(2_000):  # nobody reads
        log.event("info", "x" * 200)
    assert lost
    before = len(lost)
    lines = os.read(pipe, 1 << 20).split(b"\n")
    assert all(line.endswith(b"x" * 200) for line in lines[:-1])  # each is whole
    log.event("info", "read again")
    assert len(lost) == before
    os.close(pipe)
    log.event("info", "nobody is there")
    assert len(lost) == before + 1


def test_syslog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "dev-log"
    monkeypatch.setattr("senderid_fast.service.sinks.SYSLOG", str(path))
    lost: list[int] = []
    log = Log(open_sink("syslog", "senderid-fast-milter"), lost=lambda: lost.append(1))
    log.event("info", "nobody listens yet")
    assert lost == [1]
    for _ in range(2):  # the daemon is started, and started again
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
            daemon.bind(str(path))
            daemon.settimeout(5)
            log.event("error", "two words")
            line = daemon.recv(9_999).decode()
            words = f"<19>senderid-fast-milter[{os.getpid()}]: level=error event="
            assert line == f'{words}"two words"'
            for _ in range(2_000):  # it stands still
                log.event("info", "x" * 200)
        path.unlink()
    assert len(lost) > 2_000
    log.close()


# ---- messages ---------------------------------------------------------------------------------

ZONE = {
    "pass.example": [{"TXT": "v=spf1 ip4:192.0.2.1 -all"}],
    "fail.example": [{"TXT": "v=spf1 -all"}],
}


async def message(
    sink: Memory, envelope: Envelope, action: str = "accept", form: str = "plain", **changes: Any
) -> Board:
    """The line that a message gets, and what is counted of it."""
    board = Board(1)
    books = Books("milter", board, board.workers[0], Log(sink, form), 10)
    async with AsyncEngine(ZoneResolver(ZONE)) as engine:
        application = ServiceApplication(books, Receiver("mx.example"), engine, 1 << 20, 60)
        helo = await engine.check_helo("192.0.2.1", envelope.helo)
        mail_from = await engine.check_mail_from("192.0.2.1", envelope.mail_from, envelope.helo)
        pra = await engine.check_pra("192.0.2.1", b"From: <x@fail.example>\r\n\r\n")
        verdicts = MessageVerdict("192.0.2.1", helo, mail_from, pra)
        decision = decide(ReceiverPolicy(), verdicts)
        values = {"verdicts": verdicts, "seconds": 0.0123, **changes}
        outcome = Outcome(None, values.pop("skipped", None), decision=decision, **values)
        application.done("milter", envelope, outcome, action)
    return board


def test_a_message() -> None:
    sink = Memory()
    envelope = Envelope(
        "192.0.2.1",
        b"fail.example",
        b"<user@pass.example>",
        queue_id="4XyZ1",
        connection="c.example",
    )
    board = asyncio.run(message(sink, envelope))
    (line,) = sink.lines
    assert shlex.split(line.decode()) == [
        "level=info",
        "service=milter",
        "queue_id=4XyZ1",
        "client=192.0.2.1",
        "connection=c.example",
        "helo=fail.example",
        "mail_from=<user@pass.example>",
        "helo_result=fail",
        "mail_from_result=pass",
        "pra=x@fail.example",
        "pra_result=fail",
        "action=accept",
        "decided=mark",
        "reason=pra.fail = mark",
        'detail="-all" of fail.example matches',
        "seconds=0.0123",
    ]
    slot = board.workers[0]
    assert slot.get(families.CHECKS, ("helo", "fail")) == 1
    assert slot.get(families.CHECKS, ("mailfrom", "pass")) == 1
    assert slot.get(families.CHECKS, ("pra", "fail")) == 1
    assert slot.get(families.MESSAGES, ("milter", "accept")) == 1
    assert sum(board.total(families.MESSAGES)) == 1


@pytest.mark.parametrize("form", ["plain", "json"])
def test_a_hostile_message_has_one_line(form: str) -> None:
    sink = Memory()
    envelope = Envelope(
        "192.0.2.1",
        HOSTILE,
        HOSTILE * 100,
        queue_id=HOSTILE.decode("latin-1"),
        connection=HOSTILE.decode("utf-8", "surrogateescape"),
    )
    asyncio.run(message(sink, envelope, form=form))
    (line,) = sink.lines
    assert re.fullmatch(rb"[ -~]*", line)
    if form == "plain":
        found = read_back(line)
        assert found["helo"] == HOSTILE == found["connection"]
        assert found["level"] == b"info"
        assert "event" not in found
    else:
        assert json.loads(line)["helo"] == HOSTILE.decode("utf-8", "backslashreplace")


def test_trouble_and_what_is_skipped() -> None:
    sink = Memory()
    envelope = Envelope(None, None, b"", authenticated=True)
    changes = {"verdicts": None, "skipped": "authenticated", "trouble": "the time was over"}
    board = asyncio.run(message(sink, envelope, "a word that nobody knows", **changes))
    (line,) = sink.lines
    assert b"level=warning" in line
    assert b'skipped=authenticated trouble="the time was over" authenticated=yes' in line
    slot = board.workers[0]
    assert slot.get(families.SKIPPED, ("milter",)) == slot.get(families.TROUBLE, ("milter",)) == 1
    assert slot.get(families.MESSAGES, ("milter", "other")) == 1
