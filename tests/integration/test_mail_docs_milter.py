"""docs/postfix.md from the configuration to the first stamped message, and on to refusing: with the
service as it is started, and Postfix and swaks as they are told."""

from __future__ import annotations

import os
import pwd
import re
import shlex
import signal
import sys

import dns.message
from support.faulty import Reply, free_port, make_reply, run_faulty_server
from support.mailservers import CHECKOUT, need_root, open_folder
from support.postfix import Postfix
from support.services import running
from support.smtp import swaks

POSTFIX = (CHECKOUT / "docs" / "postfix.md").read_text("utf-8")
MILTER = [sys.executable, "-m", "senderid_fast", "milter", "--config"]
FOLDER = "/var/spool/postfix/senderid-fast"
PAIR = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*"|[^ ]*)')
AT_TIMES = ("time", "queue_id", "seconds")  # what is never the same twice


def after(heading: str) -> list[str]:
    """The blocks below a heading, without the words that name their language."""
    section = POSTFIX.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return [text for _, text in re.findall(r"^```(\w*)\n(.*?)^```$", section, re.M | re.S)]


def pairs(line: str) -> dict[str, str]:
    return dict(PAIR.findall(line))


def test_from_the_configuration_to_refusing() -> None:
    need_root()
    toml = after("The service")[1]
    assert FOLDER in toml
    _, command, fields, line = after("The first stamped message")
    options = shlex.split(command)
    given = dict(zip(options[1::2], options[2::2], strict=True))
    assert given.pop("--server") == "127.0.0.1"
    (refused,) = [each for each in after("From telling to refusing") if each.startswith("<**")]
    sent = (
        given.pop("--from"),
        given.pop("--to"),
        *(word for pair in given.items() for word in pair),
    )

    def reply(query: dns.message.Message, _tcp: bool) -> Reply:
        record = ("", "TXT", '"v=spf1 ip4:192.0.2.1 -all"')
        is_it = query.question[0].name.to_text() == "example.com."
        return bytes(make_reply(query, *[record] * is_it).to_wire())

    port = free_port()
    with open_folder("docs-") as folder, run_faulty_server({"*": reply}, port):
        os.chown(folder, pwd.getpwnam("nobody").pw_uid, -1)
        milters = {"smtpd_milters": f"unix:{folder}/milter.sock", "milter_default_action": "accept"}
        for service in running(folder):
            text = toml.replace(FOLDER, str(folder)).replace('"senderid-fast"', '"nobody"')
            text += f'[dns]\nservers = ["127.0.0.1:{port}"]\n'
            service.config.write_text(text)
            service.config.chmod(0o644)
            service.start(command=MILTER)
            with Postfix(settings=milters) as postfix:
                swaks(postfix.port, *sent)
                (message,) = postfix.wait_delivered(1)  # its line was written before
                top = message.octets.decode().partition("\nDelivered-To: bob@example.org\n")[2]
                assert top.startswith(fields)
                logged = pairs(message_lines(service.log)[0])
                wanted = pairs(line)
                assert list(logged) == list(wanted)
                for key in AT_TIMES:
                    del logged[key], wanted[key]
                assert logged == wanted

                service.config.write_text(text.replace("test_only = true", "test_only = false"))
                service.signal(signal.SIGHUP)
                service.wait_for("RELOADING=1")
                service.wait_for("READY=1")
                assert refused in swaks(postfix.port, *sent).transcript
                assert postfix.delivered() == [message]
            assert service.stop() == 0


def message_lines(log: str) -> list[str]:
    return [line for line in log.splitlines() if " action=" in line]
