"""The milter as a service beside a real Postfix, with everything that can happen to a service while
mail comes: what Postfix accepts is delivered once, and stamped."""

from __future__ import annotations

import os
import signal
import sys
import threading

from support.mailservers import open_folder
from support.postfix import Postfix
from support.services import eventually, running
from support.smtp import Client

EACH = 25
CLIENTS = 4
MILTER = [sys.executable, "-m", "senderid_fast", "milter", "--config"]
MESSAGE = b"Message-Id: <%d.%d@user.invalid>\nFrom: <a@user.invalid>\nSubject: x\n\nHello\n"


def test_no_message_is_lost_whatever_happens_to_the_service() -> None:
    accepted: list[bytes] = []
    failures: list[BaseException] = []

    def send(port: int, number: int) -> None:
        try:
            for count in range(EACH):
                message = MESSAGE % (number, count)
                while True:  # as a mail server does that is told to try again
                    try:
                        with Client(port, "mail.user.invalid") as client:
                            code = client.send(
                                "a@user.invalid", ["b@example.org"], message
                            ).last.code
                    except (OSError, EOFError):
                        continue
                    assert code // 100 in (2, 4), code
                    if code == 250:
                        accepted.append(message.partition(b"\n")[0])
                        break
        except BaseException as error:  # noqa: BLE001 - told below
            failures.append(error)

    with open_folder("service-") as folder:
        for service in running(folder):
            settings = 'workers = 2\nsocket_mode = "0666"'
            text = 'internal = ""\nown_names = "mx.example.org"'
            service.configure("mx.example", process=settings)
            old = service.config.read_text()
            service.config.write_text(old.replace("[dns]", f"{text}\n[dns]"))
            service.start(command=MILTER)
            milters = [f"unix:{service.path}"]
            wanted = {"milter_default_action": "tempfail", "milter_connect_timeout": "10s"}
            with Postfix(milters=milters, settings=wanted) as postfix:
                threads = [
                    threading.Thread(target=send, args=(postfix.port, number))
                    for number in range(CLIENTS)
                ]
                for thread in threads:
                    thread.start()
                for turn in range(1, 5):
                    eventually(lambda turn=turn: failures or len(accepted) > turn * 15)
                    service.signal(signal.SIGHUP)
                    os.kill(eventually(service.workers)[0], signal.SIGKILL)
                    if turn % 2:
                        assert service.stop() == 0
                        service.start(command=MILTER)
                for thread in threads:
                    thread.join(100)
                assert not failures
                delivered = postfix.wait_delivered(CLIENTS * EACH)
                assert service.stop() == 0
    assert len(accepted) == CLIENTS * EACH
    ids = [message.all("Message-Id")[0] for message in delivered]
    assert sorted(f"Message-Id: {each}".encode() for each in ids) == sorted(accepted)
    for message in delivered:
        (found,) = message.all("Authentication-Results")
        assert found.startswith("mx.example; spf=temperror")
