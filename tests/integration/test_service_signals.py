"""A service under signals, with messages in hand: nothing is lost, nothing hangs."""

from __future__ import annotations

import contextlib
import fcntl
import os
import resource
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.services import ROOT, Service, answer, ask, eventually, running


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    yield from running(tmp_path)


@pytest.fixture(params=["asyncio", "uvloop"])
def loop(request: pytest.FixtureRequest) -> dict[str, str]:
    """The environment for a loop of asyncio's own, and for one of uvloop."""
    if request.param == "uvloop":
        pytest.importorskip("uvloop")
    return {"ECHO_LOOP": request.param}


def test_it_starts_serves_and_stops(service: Service) -> None:
    service.start()
    assert service.check()[::2] == ["one.example", "accept"]
    assert service.stop() == 0
    assert not service.path.exists()
    assert service.wait_for("STOPPING=1")
    for words in ("service starts", "service is ready", "worker ends", "service has stopped"):
        assert f'event="{words}"' in service.log


@contextlib.contextmanager
def starting(service: Service) -> Iterator[None]:
    """A service that has its socket, and waits for a cache that another process has for itself."""
    folder = service.folder / "cache"
    folder.mkdir()
    service.configure(more=f'[cache]\nurl = "lmdb:{folder}"')
    with (folder / "users").open("wb") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        service.start(ready=False)
        eventually(service.path.exists)
        yield


def test_a_reload_that_is_wanted_too_early_is_done(service: Service) -> None:
    pytest.importorskip("lmdb")
    with starting(service):
        text = service.config.read_text()
        service.config.write_text(text.replace("one.example", "two.example"))
        service.signal(signal.SIGHUP)
    service.wait_for("READY=1")
    eventually(lambda: service.check()[0] == "two.example")
    assert service.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_service_that_is_stopped_while_it_starts(service: Service, number: int) -> None:
    pytest.importorskip("lmdb")
    with starting(service):
        service.signal(number)
        assert service.wait() == 0
    assert not service.path.exists()


def test_stopping_finishes_what_is_in_hand(service: Service, loop: dict[str, str]) -> None:
    service.start(environ=loop)
    with service.connect() as busy, service.connect() as idle:
        busy.sendall(b"check 1 a@b..c\n")
        eventually(service.check)  # the worker has read it by now
        service.signal(signal.SIGTERM)
        service.wait_for("STOPPING=1")
        # Nobody can come any more, but who is there gets an answer.
        eventually(lambda: not service.path.exists())
        assert answer(busy)[::2] == ["one.example", "accept"]
        assert answer(idle) == []
    assert service.wait() == 0
    assert "in_hand=1 cut_off=0" in service.log


def test_what_takes_longer_than_the_grace_is_cut_off(service: Service) -> None:
    service.configure(process="grace_seconds_is = 1")
    service.config.write_text(
        service.config.read_text().replace("grace_seconds = 10", "").replace("_is", "")
    )
    service.start()
    with service.connect() as busy:
        busy.sendall(b"check 600 \n")
        service.check()
        assert service.stop() == 0
        assert answer(busy) == []
    assert "in_hand=1 cut_off=1" in service.log


def test_a_second_signal_ends_it_at_once(service: Service) -> None:
    service.start()
    with service.connect() as busy:
        busy.sendall(b"check 600 \n")
        service.check()
        service.signal(signal.SIGTERM)
        service.wait_for("STOPPING=1")
        service.signal(signal.SIGINT)
        assert service.wait() == 128 + signal.SIGINT
    assert not service.path.exists()


def test_a_reload_changes_the_settings_and_keeps_connections(
    service: Service, loop: dict[str, str]
) -> None:
    service.configure(process="workers = 2")
    service.start(environ=loop)
    with service.connect() as open_before, service.connect() as busy:
        assert ask(open_before)[0] == "one.example"
        busy.sendall(b"check 1 \n")
        service.check()
        service.configure("two.example", process="workers = 2")
        service.signal(signal.SIGHUP)
        service.wait_for("RELOADING=1")
        assert "MONOTONIC_USEC=" in service.notified[-1]
        service.wait_for("READY=1")
        assert ask(open_before)[0] == "two.example"  # on the connection that it had
        assert answer(busy)[0] == "one.example"  # a message ends as it began
        assert service.check()[0] == "two.example"
    # A worker that takes the place of another has the new settings.
    for number in service.workers():
        os.kill(number, signal.SIGKILL)
    assert eventually(service.check)[0] == "two.example"


def test_a_broken_configuration_is_refused_and_the_old_one_stays(service: Service) -> None:
    service.start()
    before = service.workers()
    service.config.write_text("[receiver]\nauthserv_id = 7\nwhat = 1\n")
    service.signal(signal.SIGHUP)
    service.wait_for("RELOADING=1")
    assert "reload refused" in service.wait_for("READY=1")
    assert service.check()[0] == "one.example"
    assert service.workers() == before
    assert service.log.count("reload refused") == 2  # each problem has a line
    assert f"{service.config}:3: receiver.what: unknown" in service.log
    service.configure("two.example")
    service.signal(signal.SIGHUP)
    service.wait_for("READY=1")
    assert service.check()[0] == "two.example"


def test_what_a_reload_cannot_change_is_told(service: Service) -> None:
    service.start()
    service.configure(process="workers = 3")
    service.signal(signal.SIGHUP)
    service.wait_for("RELOADING=1")
    service.wait_for("READY=1")
    assert "process.workers changes when the service is started again" in service.log
    assert len(service.workers()) == 1


def test_a_killed_worker_is_replaced(service: Service) -> None:
    service.start()
    for _ in range(3):
        (worker,) = eventually(service.workers)
        os.kill(worker, signal.SIGKILL)
        # Clients wait in the queue of the socket meanwhile: none is turned away.
        assert int(service.check()[1]) != worker
    assert "worker 1 has ended: signal 9: another one is started" in service.log
    assert service.stop() == 0


def test_killed_under_load_no_client_waits_for_ever(service: Service) -> None:
    service.configure(process="workers = 2")
    service.start()
    stop = threading.Event()
    answered: list[int] = []
    failures: list[BaseException] = []

    def client() -> None:
        try:
            count = 0
            done = False
            while not done:  # its last answer is one from after the killing
                done = stop.is_set()
                try:
                    count += bool(service.check())
                except ConnectionError:
                    done = False  # its worker was killed: a mail server tries again
            answered.append(count)
        except BaseException as error:  # noqa: BLE001 - told below
            failures.append(error)

    threads = [threading.Thread(target=client) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(5):
        os.kill(eventually(service.workers)[0], signal.SIGKILL)
        service.signal(signal.SIGHUP)
        eventually(lambda: len(service.workers()) == 2)
    service.check()
    stop.set()
    for thread in threads:
        thread.join(60)
    assert not failures
    assert len(answered) == 4
    assert all(answered)
    assert service.stop() == 0


def test_workers_end_when_the_supervisor_is_killed(service: Service) -> None:
    service.configure(process="workers = 2", more=f'[metrics]\nlisten = "unix:{service.folder}/m"')
    service.start()
    children = eventually(lambda: len(service.workers()) == 3 and service.workers())
    service.signal(signal.SIGKILL)
    service.wait()
    eventually(lambda: not any(alive(number) for number in children))


def alive(number: int) -> bool:
    try:
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def test_a_worker_that_cannot_start_ends_the_service(service: Service, tmp_path: Path) -> None:
    program = tmp_path / "failing.py"
    program.write_text(
        "import sys\n"
        "from senderid_fast.config import load\n"
        "from senderid_fast.service.serving import serve\n"
        "def server(current, config):\n"
        "    raise RuntimeError('no server today')\n"
        "sys.exit(serve('milter', server, lambda: load(sys.argv[1])))\n"
    )
    service.start(command=[sys.executable, str(program)], ready=False)
    assert service.wait() == 1
    assert "RuntimeError: no server today" in service.log
    assert "worker 1 cannot be started" in service.log
    assert not service.path.exists()


def test_the_watchdog_of_systemd_is_fed(service: Service) -> None:
    service.start(environ={"WATCHDOG_USEC": "400000"})
    for _ in range(3):
        service.wait_for("WATCHDOG=1")


def test_signals_of_a_terminal_reach_the_supervisor_alone(service: Service) -> None:
    service.start(start_new_session=True)
    with service.connect() as busy:
        busy.sendall(b"check 0.5 \n")
        service.check()
        assert service.process is not None
        os.killpg(service.process.pid, signal.SIGINT)  # as Ctrl-C does
        assert answer(busy)[0] == "one.example"
    assert service.wait() == 0


def test_garbage_is_a_fault_and_the_others_go_on(service: Service, loop: dict[str, str]) -> None:
    service.configure(more=f'[metrics]\nlisten = "unix:{service.folder}/metrics.sock"')
    service.start(environ=loop)
    with service.connect() as good:
        for _ in range(50):
            with service.connect() as bad, bad:
                bad.sendall(b"\x00\xff\x1b[2J\n")
                with contextlib.suppress(ConnectionResetError):
                    assert bad.recv(1) == b""
        assert ask(good)[0] == "one.example"
    assert eventually(lambda: service.metric('faults_total{service="milter"}')) == 50
    lines = [line for line in service.log.splitlines() if "no command" in line]
    assert 10 <= len(lines) <= 12  # the rest is left out
    assert r"\\x1b[2J" in lines[0]


def test_no_file_descriptors_left(service: Service, loop: dict[str, str]) -> None:
    """The socket stays ready while nothing can be accepted: it must not be tried all the time."""
    service.configure(more=f'[metrics]\nlisten = "unix:{service.folder}/metrics.sock"')
    service.start(environ=loop)
    worker = int(service.check()[1])
    used = len(list(Path(f"/proc/{worker}/fd").iterdir()))
    resource.prlimit(worker, resource.RLIMIT_NOFILE, (used + 3, used + 3))
    clients: list[socket.socket] = []
    try:
        with service.connect() as first:
            assert ask(first)
            clients += [service.connect() for _ in range(10)]
            assert eventually(lambda: service.metric("accept_errors_total"))
            assert ask(first)  # who is there is served
            lines = [line for line in service.log.splitlines() if "no connection can be" in line]
            assert "Too many open files" in lines[0]
            assert len(lines) <= 10
            for each in clients[:-1]:
                each.close()
            # Those that wait get their turn.
            assert ask(clients[-1])[0] == "one.example"
        cpu = Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()
        assert int(cpu[11]) + int(cpu[12]) < 10 * os.sysconf("SC_CLK_TCK")
    finally:
        for each in clients:
            each.close()
    assert service.stop() == 0


def test_too_many_connections(service: Service, loop: dict[str, str]) -> None:
    service.configure(
        process="max_connections = 3",
        more=f'[metrics]\nlisten = "unix:{service.folder}/metrics.sock"',
    )
    service.start(environ=loop)
    clients = [service.connect() for _ in range(3)]
    try:
        assert all(ask(each) for each in clients)
        with service.connect() as one_more:
            assert one_more.recv(1) == b""
        assert service.metric("connections_refused_total") == 1
        assert service.metric("connections") == 3
        clients.pop().close()
        assert eventually(service.check)
    finally:
        for each in clients:
            each.close()


def test_a_worker_that_hangs_is_killed(service: Service, tmp_path: Path) -> None:
    program = tmp_path / "hanging.py"
    program.write_text(
        "import sys\n"
        f"sys.path.insert(0, {str(ROOT / 'tests')!r})\n"
        "from senderid_fast.service import supervising\n"
        "from support import echoserver\n"
        "supervising.HUNG = 3.0\n"
        "sys.exit(echoserver.main(*sys.argv[1:]))\n"
    )
    service.start(command=[sys.executable, str(program)])
    before = service.check()[1]
    with service.connect() as sock:
        sock.sendall(b"hang\n")
        assert answer(sock) == []
    assert service.check()[1] != before
    assert "worker 1 gives no sign of life: it is killed" in service.log


def test_no_descriptor_is_left_behind_by_reloads(service: Service) -> None:
    service.configure(more=f'[cache]\nurl = "lmdb:{service.folder}/cache"')
    service.start()
    worker = int(service.check()[1])
    assert service.process is not None

    def descriptors() -> list[int]:
        return [
            len(list(Path(f"/proc/{number}/fd").iterdir()))
            for number in (worker, service.process.pid)  # type: ignore[union-attr]
        ]

    first: list[int] = []

    def no_more() -> bool:
        """The connection of the check may be open for a moment yet."""
        return all(now <= then for now, then in zip(descriptors(), first, strict=True))

    for turn in range(4):  # the engine is replaced in each turn
        more = f'[cache]\nurl = "lmdb:{service.folder}/cache"\n[limits]\nlookups = {turn + 3}'
        service.configure(f"turn-{turn}.example", more=more)
        service.signal(signal.SIGHUP)
        service.wait_for("RELOADING=1")
        service.wait_for("READY=1")
        assert service.check()[:2] == [f"turn-{turn}.example", str(worker)]
        if not first:
            first += descriptors()
        eventually(no_more)
    assert service.stop() == 0


def test_reloads_under_load_drop_no_connection(service: Service) -> None:
    service.configure(process="workers = 2")
    service.start()
    stop = threading.Event()
    latest = ["", "", "", ""]
    failures: list[BaseException] = []

    def client(number: int) -> None:
        try:
            with service.connect() as sock:
                while not stop.is_set():
                    latest[number] = ask(sock)[0]
        except BaseException as error:  # noqa: BLE001 - told below
            failures.append(error)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    try:
        for turn in range(6):
            name = f"turn-{turn}.example"
            service.configure(name, process="workers = 2")
            service.signal(signal.SIGHUP)
            service.wait_for("RELOADING=1")
            service.wait_for("READY=1")
            # Each sees the new settings, on the one connection that it has.
            eventually(lambda name=name: failures or latest == [name] * 4)
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
    assert not failures
    assert "late=" not in service.log
    assert service.stop() == 0
