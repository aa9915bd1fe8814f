"""A mail server with aiosmtpd that checks what it receives.

    python examples/aiosmtpd_server.py          serves at 127.0.0.1:8025 until it is interrupted
    python examples/aiosmtpd_server.py --try    sends itself messages, shows what comes of them

It needs the extra: pip install 'senderid-fast[aiosmtpd]'. It answers from example.zone; for real
mail, leave ``ZoneResolver`` out: DNS is asked then.
"""

import asyncio
import smtplib
import sys
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP

from senderid_fast import AsyncEngine, ZoneResolver
from senderid_fast.aiosmtpd import SenderIdHandler
from senderid_fast.receiver import ReceiverPolicy, TrustedRelays
from senderid_fast.reception import Receiver

HERE = "mx.receiver.example"
MESSAGES = Path(__file__).with_name("messages")


class Show:
    """The handler within. A real one would deliver; this one prints the header."""

    async def handle_DATA(self, server: object, session: object, envelope: Any) -> str:
        header = envelope.content.partition(b"\r\n\r\n")[0]
        print(header.decode("utf-8", "replace").replace("\r\n", "\n"))
        return "250 OK"


def try_it(port: int) -> None:
    """Be the relay in front, which has written the Received fields of these messages."""
    with smtplib.SMTP("127.0.0.1", port, local_hostname="mx.receiver.example") as client:
        for mail_from, name in (
            ("alice@plain.example", "honest.eml"),
            ("bounce-4711@blast.example", "spoofed.eml"),
        ):
            print(f"--- {name}")
            try:
                client.sendmail(mail_from, ["bob@receiver.example"], (MESSAGES / name).read_text())
            except smtplib.SMTPResponseException as refused:
                print(refused.smtp_code, refused.smtp_error.decode())


async def main() -> None:
    zone = ZoneResolver.from_file(Path(__file__).with_name("example.zone"))
    # Reject what fails; and do so for both identities that a reader may see.
    policy = ReceiverPolicy.from_mapping(
        {"mailfrom": {"fail": "reject"}, "pra": {"fail": "reject"}}
    )
    # What connects from this host is a relay of ours: the client is in its Received field.
    relays = TrustedRelays(["127.0.0.1", "203.0.113.128/28"])
    receiver = Receiver(HERE, policy=policy, relays=relays)
    trying = sys.argv[1:] == ["--try"]
    async with AsyncEngine(zone) as engine:
        handler = SenderIdHandler(receiver, engine, Show())
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: SMTP(handler, hostname=HERE, loop=loop), "127.0.0.1", 0 if trying else 8025
        )
        async with server:
            if trying:
                await asyncio.to_thread(try_it, server.sockets[0].getsockname()[1])
            else:
                await server.serve_forever()


asyncio.run(main())
