"""A milter on pymilter with our decisions: Engine called in a thread of libmilter for each session.

    python -m benchmarks.mail.drivers.with_pymilter unix:/path 127.0.0.1:53 mx.example.org
    python -m benchmarks.mail.drivers.with_pymilter inet:8891@127.0.0.1 127.0.0.1:53 mx.example.org

Each message has its three checks, its decision, its two fields at the top, and loses those that
claim to be ours. Nothing is asked of the mail server that is not needed, as pymilter has it.
"""

from __future__ import annotations

import sys
from typing import Any

import Milter  # type: ignore[import-not-found]

import senderid_fast as sf
from senderid_fast import receiver

POLICY = receiver.ReceiverPolicy()


class Filter(Milter.Base):  # type: ignore[misc]
    """One session; the class knows the engine and the name of the server."""

    engine: sf.Engine
    name: str

    @Milter.noreply
    def connect(self, host: str, family: str, address: Any) -> int:
        self.ip = address[0] if isinstance(address, tuple) else "127.0.0.1"
        return int(Milter.CONTINUE)

    @Milter.noreply
    def hello(self, name: str) -> int:
        self.helo = name
        return int(Milter.CONTINUE)

    @Milter.noreply
    def envfrom(self, sender: str, *parameters: str) -> int:
        self.mail_from = sender.removeprefix("<").removesuffix(">")
        self.recipients: list[str] = []
        self.fields: list[tuple[str, bytes]] = []
        return int(Milter.CONTINUE)

    @Milter.noreply
    def envrcpt(self, recipient: str, *parameters: str) -> int:
        self.recipients.append(recipient.removeprefix("<").removesuffix(">"))
        return int(Milter.CONTINUE)

    @Milter.nocallback
    def data(self) -> int:
        return int(Milter.CONTINUE)

    @Milter.noreply
    @Milter.decode("bytes")
    def header(self, name: str, value: bytes) -> int:
        self.fields.append((name, value))
        return int(Milter.CONTINUE)

    @Milter.nocallback
    def eoh(self) -> int:
        return int(Milter.CONTINUE)

    @Milter.nocallback
    def body(self, octets: bytes) -> int:
        return int(Milter.CONTINUE)

    @Milter.nocallback
    def unknown(self, command: str) -> int:
        return int(Milter.CONTINUE)

    def eom(self) -> int:
        header = b"".join(b"%s: %s\r\n" % (name.encode(), body) for name, body in self.fields)
        found = self.engine.check_message(self.ip, self.helo, self.mail_from, header + b"\r\n")
        decision = receiver.decide(POLICY, found, self.recipients, self.ip)
        if decision.action is receiver.Action.REJECT and decision.reply is not None:
            reply = decision.reply
            self.setreply(str(reply.code), reply.enhanced, *reply.lines)
            return int(Milter.REJECT)
        for position in receiver.forged_fields(self.fields, self.name):
            name = self.fields[position][0]
            same = [
                at for at, (other, _) in enumerate(self.fields) if other.lower() == name.lower()
            ]
            self.chgheader(name, same.index(position) + 1, "")
        checked = [one for one in (found.helo, found.mail_from, found.pra) if one is not None]
        assert found.mail_from is not None  # no relay is trusted, so nothing is left unchecked
        spf = receiver.received_spf(
            found.mail_from,
            ip=self.ip,
            helo=self.helo,
            mail_from=self.mail_from,
            receiver=self.name,
        )
        results = receiver.authentication_results(self.name, *checked)
        for field in (spf, results):
            self.addheader(field.name, field.folded("\n"), 0)
        return int(Milter.ACCEPT)


def main() -> None:
    place, server, Filter.name = sys.argv[1:]
    Filter.engine = sf.Engine(sf.UdpResolver([server]))
    Milter.factory = Filter
    Milter.set_flags(Milter.ADDHDRS + Milter.CHGHDRS)
    Milter.runmilter("with-pymilter", place, 240)


if __name__ == "__main__":
    main()
