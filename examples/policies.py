"""Check one connection against the policies of example.zone, and say why."""

from pathlib import Path

from senderid_fast import Engine, ZoneResolver

engine = Engine(ZoneResolver.from_file(Path(__file__).with_name("example.zone")))
verdict = engine.check_mail_from("192.0.2.10", "alice@plain.example", "mail.plain.example")
print(f"{verdict.result}: {verdict.detail}")
