"""Metrics, health and the log of a service that runs."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.services import Service, ask, eventually, running


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    for each in running(tmp_path):
        each.configure(
            process="workers = 2",
            more=f'[metrics]\nlisten = "unix:{tmp_path}/metrics.sock"\n'
            f'[log]\nto = "{tmp_path}/log"\nformat = "json"',
        )
        yield each


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text("ascii").splitlines()]


def test_what_all_workers_did_is_counted(service: Service) -> None:
    service.start()
    seen = set()
    for _ in range(200):
        seen.add(service.check(sender=b"a@b..c")[1])
    for _ in range(5):  # one after another: each of the two gets some
        with service.connect() as one, service.connect() as other:
            seen |= {ask(one)[1], ask(other)[1]}
    assert service.metric('messages_total{service="milter",action="accept"}') == 210
    assert service.metric('checks_total{identity="mailfrom",result="none"}') == 210
    assert service.metric('message_seconds_count{service="milter"}') == 210
    assert service.metric("connections_total") == 210
    assert eventually(lambda: service.metric("connections") == 0)
    assert service.metric('workers{state="serving"}') == 2
    assert service.metric('reloads_total{outcome="done"}') == 0
    # A worker takes what it has counted with it to the one in its place.
    os.kill(int(seen.pop()), signal.SIGKILL)
    eventually(lambda: service.metric("worker_restarts_total") == 1)
    eventually(lambda: service.metric('workers{state="serving"}') == 2)
    service.check()
    assert service.metric('messages_total{service="milter",action="accept"}') == 211
    service.signal(signal.SIGHUP)
    eventually(lambda: service.metric('reloads_total{outcome="done"}') == 1)
    service.config.write_text("nonsense")
    service.signal(signal.SIGHUP)
    eventually(lambda: service.metric('reloads_total{outcome="refused"}') == 1)
    assert service.stop() == 0


def test_questions_of_dns_are_counted(service: Service) -> None:
    service.start()
    service.check(sender=b"user@example.invalid")  # nobody is at 127.0.0.1:1
    eventually(lambda: service.metric("dns_questions_total") >= 1)
    assert service.metric("dns_failures_total") >= 1
    assert service.metric('checks_total{identity="mailfrom",result="temperror"}') == 1


def test_health_and_readiness(service: Service) -> None:
    service.start()
    assert service.get("/healthz") == (200, "ok\n")
    assert service.get("/readyz") == (200, "ok\n")
    status, text = service.get("/readyz?dns")
    assert status == 503
    assert text.startswith("DNS: ")
    assert service.get("/else")[0] == 404
    assert service.get("/metrics", "POST")[0] == 405
    service.path.rename(service.path.with_name("moved"))
    status, text = service.get("/readyz")
    assert status == 503
    assert text.startswith(f"unix:{service.path}: the socket file is not there any more")
    service.path.with_name("moved").rename(service.path)
    assert service.get("/readyz") == (200, "ok\n")
    # It answers when no worker does.
    for number in set(service.workers()) - {observer(service)}:
        os.kill(number, signal.SIGSTOP)
    assert service.get("/metrics")[0] == 200


def observer(service: Service) -> Any:
    """The last process that is started at first."""
    return eventually(lambda: len(service.workers()) == 3 and service.workers()[-1])


def test_the_observer_is_replaced_too(service: Service) -> None:
    service.start()
    os.kill(observer(service), signal.SIGKILL)
    assert eventually(lambda: service.get("/healthz")) == (200, "ok\n")
    assert service.metric("worker_restarts_total") == 1


def test_the_log_file_is_rotated(service: Service, tmp_path: Path) -> None:
    service.start()
    log = tmp_path / "log"
    service.check(sender=b'evil\r\0"\x1b\xff@b..c')
    log.rename(tmp_path / "log.1")
    service.check()
    before = lines(tmp_path / "log.1")
    assert [each["event"] for each in before if "event" in each][:2] == [
        "service starts",
        *(["the service runs as root: set process.user"] if os.geteuid() == 0 else []),
        "service is ready",
    ][:2]
    messages = [each for each in before if "mail_from" in each]
    assert [each["mail_from"] for each in messages] == ['evil\r\0"\x1b\\xff@b..c', ""]
    assert messages[0]["queue_id"] == "4XyZ"
    assert messages[0]["action"] == "accept"
    service.signal(signal.SIGHUP)
    service.wait_for("RELOADING=1")
    service.wait_for("READY=1")
    for _ in range(20):
        service.check()
    assert lines(tmp_path / "log.1")[-1].get("event") != "reload is done"
    assert len([each for each in lines(log) if "mail_from" in each]) == 20
    assert service.stop() == 0


def test_a_log_that_cannot_be_written_is_no_reason_to_stop(service: Service) -> None:
    text = service.config.read_text()
    service.config.write_text(text.replace(f'to = "{service.folder}/log"', 'to = "/dev/full"'))
    service.start()
    for _ in range(10):
        assert service.check()[0] == "one.example"
    assert service.metric("log_lines_lost_total") >= 10
    assert service.stop() == 0
    assert service.log == "senderid-fast: warning: log.to: /dev/full takes no lines\n"
