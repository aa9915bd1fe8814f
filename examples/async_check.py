"""Check several connections at once with asyncio. Without a resolver: that of the system."""

import asyncio
from pathlib import Path

from senderid_fast import AsyncEngine, ZoneResolver

CONNECTIONS = [
    ("192.0.2.10", "alice@plain.example", "mail.plain.example"),
    ("203.0.113.99", "orders@shop.example", "dialup.elsewhere.example"),
    ("192.0.2.1", "heidi@broken.example", "a.broken.example"),
]


async def main() -> None:
    resolver = ZoneResolver.from_file(Path(__file__).with_name("example.zone"))
    async with AsyncEngine(resolver) as engine:
        checks = [engine.check_mail_from(*connection) for connection in CONNECTIONS]
        for verdict in await asyncio.gather(*checks):
            print(f"{verdict.result:<9}  {verdict.sender}  lookups: {verdict.lookups}")


asyncio.run(main())
