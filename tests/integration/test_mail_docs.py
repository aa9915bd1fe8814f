"""What docs/postfix.md and docs/sendmail.md tell people to write, with the servers themselves."""

from __future__ import annotations

import asyncio
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from support.mailservers import CHECKOUT, open_folder, program
from support.policyd import Served, Service, recorded
from support.postfix import Postfix
from support.sendmail import Sendmail
from support.smtp import Client, swaks

POSTFIX = (CHECKOUT / "docs" / "postfix.md").read_text("utf-8")
SENDMAIL = (CHECKOUT / "docs" / "sendmail.md").read_text("utf-8")
README = (CHECKOUT / "README.md").read_text("utf-8")
ZONE = {"example.com": [{"TXT": "v=spf1 ip4:192.0.2.1 -all"}]}


def blocks(document: str, language: str) -> list[str]:
    pattern = rf"^( *)```{language}\n(.*?)^\1```$"
    return [found[1] for found in re.findall(pattern, document, re.M | re.S)]


def settings_of(text: str) -> dict[str, str]:
    """Lines of main.cf."""
    joined = re.sub(r"\n\s+", " ", text)
    return dict(re.split(r"\s*=\s*", line, maxsplit=1) for line in joined.splitlines())


def policy_settings() -> dict[str, str]:
    (text,) = blocks(POSTFIX, "ini")
    return settings_of(text)


def test_postfix_knows_every_setting() -> None:
    commands = re.findall(r"postconf -e '(.*?)'", POSTFIX)
    assert len(commands) == 3
    (lines,) = blocks(README, "ini")
    assert lines.splitlines() == commands[:2]
    named = policy_settings() | settings_of("\n".join(commands))
    mentioned = set(re.findall(r"`((?:smtpd|milter|non_smtpd|internal_mail)_\w+)", POSTFIX))
    every = subprocess.run(
        [program("postconf", "postfix"), "-d"], check=True, capture_output=True, text=True
    ).stdout
    known = {line.partition(" =")[0] for line in every.splitlines()}
    assert len(mentioned) > 10
    assert mentioned | set(named) <= known


def test_defaults_of_postfix_are_what_is_said_of_them() -> None:
    with Postfix() as postfix:
        assert postfix.get("milter_protocol") == "6"
        assert postfix.get("milter_command_timeout") == "30s"
        assert postfix.get("milter_content_timeout") == "300s"
        assert postfix.get("milter_default_action") == "tempfail"
        assert postfix.get("smtpd_policy_service_timeout") == "100s"
        assert postfix.get("smtpd_policy_service_max_ttl") == "1000s"
        assert postfix.get("smtpd_policy_service_default_action") == (
            "451 4.3.5 Server configuration problem"
        )


def test_the_policy_service_as_it_is_told() -> None:
    """From the settings of the page to the reply that it shows."""
    policy = tomllib.loads(blocks(POSTFIX, "toml")[0])["policy"]
    swaks_options = re.search(r"^swaks --server 127.0.0.1 (.*)$", POSTFIX, re.M)
    assert swaks_options is not None
    words = swaks_options[1].split()
    given = dict(zip(words[::2], words[1::2], strict=True))
    shown = re.search(r"<\*\* 550 .* rejected: .*$", POSTFIX, re.M)
    assert shown is not None
    with Postfix(settings=policy_settings()) as postfix:
        folder = postfix.folder / "queue" / "senderid-fast"
        folder.mkdir(mode=0o755)
        with Served(folder / "policyd.sock", ZONE, policy=policy) as served:

            def send() -> str:
                sent = swaks(
                    postfix.port,
                    given["--from"],
                    given["--to"],
                    *("--helo", given["--helo"], "--xclient-addr", given["--xclient-addr"]),
                )
                return sent.transcript

            send()
            (message,) = postfix.wait_delivered(1)
            assert message.all("Received-SPF")[0].startswith("fail (mx.example.net: domain of ")
            line = served.application.lines[0]
            assert line.outcome.decision.reason == "test only: mailfrom.fail = reject"
            served.use(policy=policy | {"test_only": False})
            assert shown[0] in send().splitlines()


def test_asking_by_hand() -> None:
    asked = re.search(r"^printf '(.*)' \|$", POSTFIX, re.M)
    shown = re.search(r"^action=(550 .*)$", POSTFIX, re.M)
    assert asked is not None
    assert shown is not None

    async def run() -> str:
        application = recorded(ZONE, policy={"mailfrom": {"fail": "reject"}})
        async with Service(application) as service:
            talk = await service.connect()
            talk.send(asked[1].replace("\\n", "\n").encode())
            talk.writer.write_eof()
            return (await talk.rest()).decode("ascii")

    assert asyncio.run(run()) == f"action={shown[1]}\n\n"


@pytest.mark.parametrize(
    "document", [POSTFIX, SENDMAIL, README], ids=["postfix", "sendmail", "readme"]
)
def test_the_configuration_can_be_used(document: str, tmp_path: Path) -> None:
    config = pytest.importorskip("senderid_fast.config")
    text = "\n".join(blocks(document, "toml"))
    file = tmp_path / "senderid-fast.toml"
    file.write_text(text)
    loaded = config.load(file, environ={})
    assert loaded.receiver().policy.test_only
    assert loaded.cautions() == ()


def filter_line(folder: Path) -> str:
    (line,) = blocks(SENDMAIL, "m4")
    assert "S=local:/run/senderid-fast/milter.sock" in line
    return line.replace("/run/senderid-fast", str(folder))


def test_the_filter_of_sendmail() -> None:
    """The line is read, and F=T means what is said of it."""
    with open_folder() as folder:
        with (
            Sendmail(settings=[filter_line(folder)]) as sendmail,
            Client(sendmail.port, source="127.0.0.7") as client,
        ):
            sent = client.send("user@example.com", ["bob@example.org"], b"Subject: x\n\nx\n")
        assert str(sent.mail) in SENDMAIL
