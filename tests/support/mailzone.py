"""A zone of many names whose results are known, messages from there, and a DNS server that fails.

What may live here: what a message is to be stamped with, as Engine finds it over the zone, and a
server that tells the zone over UDP and TCP in whatever way it is told to.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype

from senderid_fast import Engine, ZoneResolver
from senderid_fast.questions import Question, RRType, Status

from .faulty import (
    BEHAVIOURS,
    LATE_SECONDS,
    Reply,
    Several,
    free_port,
    make_reply,
    run_faulty_server,
)
from .mailservers import Delivered

__all__ = [
    "AUTHSERV_ID",
    "CLIENT",
    "KINDS",
    "NAMES",
    "ZONE",
    "Mail",
    "ZoneServer",
    "stamps",
    "truth",
    "wrong_stamps",
]

AUTHSERV_ID = "mx.site.example"
CLIENT = "192.0.2.1"
HELO = "mail.site.example"
RECIPIENT = "bob@example.org"
NAMES = 400  # of each kind, so that what is asked is seldom known already
KINDS = ("pass", "fail", "softfail", "neutral", "permerror", "none", "included", "mx")
_RECORDS = {
    "pass": "v=spf1 ip4:192.0.2.0/24 -all",
    "fail": "v=spf1 ip4:198.51.100.0/24 -all",
    "softfail": "v=spf1 ip4:198.51.100.0/24 ~all",
    "neutral": "v=spf1 ?all",
    "permerror": "v=spf1 nonsense:x -all",
    "included": "v=spf1 include:n{}.fail.example include:n{}.pass.example -all",
    "mx": "v=spf1 mx -all",
}


def _zone() -> dict[str, list[dict[str, Any]]]:
    zone: dict[str, list[dict[str, Any]]] = {HELO: [{"TXT": _RECORDS["pass"]}]}
    for number in range(NAMES):
        for kind in KINDS:
            record = _RECORDS.get(kind)
            found: list[dict[str, Any]] = [] if record is None else [{"TXT": record}]
            zone[f"n{number}.{kind}.example"] = found
            if record is None:
                found.append({"A": "192.0.2.1"})
            elif "{}" in record:
                found[0] = {"TXT": record.format(number, number)}
        zone[f"n{number}.mx.example"].append({"MX": [10, f"a{number}.mx.example"]})
        zone[f"a{number}.mx.example"] = [{"A": "192.0.2.1"}]
    return zone


ZONE = ZoneResolver(_zone(), ttl=300)


class Mail(NamedTuple):
    """One message: who says to send it, and who is said to have written it."""

    number: int

    @property
    def kind(self) -> str:
        return KINDS[self.number % len(KINDS)]

    @property
    def mail_from(self) -> str:
        return f"user@n{self.number % NAMES}.{self.kind}.example"

    @property
    def author(self) -> str:
        kind = KINDS[self.number // len(KINDS) % len(KINDS)]
        return f"user@n{self.number * 7 % NAMES}.{kind}.example"

    @property
    def id(self) -> str:
        return f"<{self.number}@site.example>"

    @property
    def body(self) -> bytes:
        return b"Message %d.\n" % self.number

    @property
    def text(self) -> bytes:
        """The message, with stamps that somebody has forged."""
        header = (
            f"Authentication-Results: {AUTHSERV_ID}; spf=pass smtp.mailfrom=forged.example\n"
            f"From: <{self.author}>\nTo: <{RECIPIENT}>\nMessage-Id: {self.id}\n"
            "Date: Thu, 1 Jan 2026 00:00:00 +0000\n"
        )
        return header.encode() + b"\n" + self.body


_ENGINE = Engine(ZONE)


def truth(mail: Mail) -> dict[str, str]:
    """The results of each identity, as Engine finds them over the zone without any network."""
    verdicts = _ENGINE.check_message(CLIENT, HELO, mail.mail_from, mail.text)
    assert verdicts.mail_from is not None
    assert verdicts.pra is not None
    return {"mailfrom": str(verdicts.mail_from.result), "pra": str(verdicts.pra.result)}


_AUTHENTICATION = {
    "mailfrom": re.compile(r"\bspf=(\w+)(?: \([^)]*\))?[^;]* smtp\.mailfrom=([\w.]+)"),
    "pra": re.compile(r"\bsender-id=(\w+)(?: \([^)]*\))?[^;]* header\.from=([\w.]+)"),
}


def stamps(
    message: Delivered, kind: str = "milter", name: str = AUTHSERV_ID
) -> tuple[Mail, dict[str, str]]:
    """Which message it is, and the results it is stamped with by a service of that name.

    Whatever else is wrong with it fails here: a stamp too many or too few, one that speaks of
    another domain, the forged one, or octets that are not as they were sent.
    """
    mail = Mail(int(message.all("Message-Id")[0].strip("<>").partition("@")[0]))
    assert message.body == mail.body
    assert message.all("From") == [f"<{mail.author}>"]
    (field,) = message.all("Received-SPF")
    match = re.match(rf"(\w+) \({re.escape(name)}: .*; identity=(\w+)", field)
    assert match, field
    assert match[2] == "mailfrom"
    assert f'envelope-from="{mail.mail_from}"' in field
    found = {"received-spf": match[1]}
    (field,) = message.all("Authentication-Results")
    if kind == "policyd":  # it can put in one field, and take none away
        assert "forged.example" in field
        return mail, found
    assert field.startswith(f"{name}; "), field
    for identity, pattern in _AUTHENTICATION.items():
        match = pattern.search(field)
        assert match, field
        address = mail.mail_from if identity == "mailfrom" else mail.author
        assert address.endswith(f"@{match[2]}"), field
        found[identity] = match[1]
    return mail, found


def wrong_stamps(mail: Mail, results: dict[str, str]) -> list[tuple[str, str, str]]:
    """Those that are not as Engine has it: identity, what is stamped, what is true."""
    right = truth(mail)
    right["received-spf"] = right["mailfrom"]
    return [
        (identity, result, right[identity])
        for identity, result in results.items()
        if result != right[identity]
    ]


# ---- DNS -----------------------------------------------------------------------------------------


def tell(query: dns.message.Message, tcp: bool = False) -> bytes:
    """What the zone says."""
    name = query.question[0].name.to_text(omit_final_dot=True)
    kind = RRType[query.question[0].rdtype.name]
    answer = ZONE.resolve(Question(name, kind), 1.0)
    texts = []
    for record in answer.records:
        if isinstance(record, bytes):
            texts.append('"' + record.decode("ascii") + '"')
        else:
            texts.append(" ".join(map(str, record)) + "." if isinstance(record, tuple) else record)
    reply = make_reply(query, ("", kind.name, *texts)) if texts else make_reply(query)
    if answer.status is Status.NXDOMAIN:
        reply.set_rcode(dns.rcode.NXDOMAIN)
    return bytes(reply.to_wire())


LIE = '"v=spf1 +all"'


def lying(query: dns.message.Message, tcp: bool) -> Reply:
    """The truth, with records that nobody asked for, after packets of somebody who guesses."""
    owner = query.question[0].name.to_text()
    poison = make_reply(query, (owner, "TXT", LIE), ("other.example.", "TXT", LIE))
    true = dns.message.from_wire(tell(query))
    true.authority += poison.answer
    true.additional += poison.answer
    false = make_reply(query, ("", "TXT", LIE)).to_wire()
    other = dns.message.make_query("n0.other.example.", "TXT", id=query.id)
    end = 12 + len(query.question[0].name.to_wire())
    guesses = [
        *(((query.id + n * 4099) % 0x10000).to_bytes(2, "big") + false[2:] for n in range(1, 9)),
        make_reply(other, ("", "TXT", LIE)).to_wire(),
        false[:end] + b"\x00\x63" + false[end + 2 :],  # another type
        false[: end + 2] + b"\x00\x03" + false[end + 4 :],  # another class
        false[:2] + b"\x01" + false[3:],  # a question
        false[:11],
        b"",
    ]
    return Several([*guesses, true.to_wire()])


def slow(query: dns.message.Message, tcp: bool) -> Reply:
    time.sleep(LATE_SECONDS)
    return tell(query)


def truncated(query: dns.message.Message, tcp: bool) -> Reply:
    """The truth, but over TCP alone."""
    if tcp:
        return tell(query)
    reply = dns.message.from_wire(tell(query))
    reply.flags |= dns.flags.TC
    reply.answer.clear()
    return bytes(reply.to_wire())


WAYS = {
    "good": tell,
    "lying": lying,
    "slow": slow,
    "truncated": truncated,
    **{
        name: BEHAVIOURS[name]
        for name in ("garbage", "noise", "wrong-id", "wrong-question", "silent", "servfail")
    },
}


class ZoneServer:
    """Tells the zone in the way that ``way`` names. It can be away, and come back."""

    def __init__(self) -> None:
        self.port = free_port()
        self.way = "good"
        self._stack = ExitStack()

    def start(self) -> None:
        self._stack.enter_context(run_faulty_server({"*": self._reply}, self.port))

    def stop(self) -> None:
        """Nobody listens there any more."""
        self._stack.close()

    def _reply(self, query: dns.message.Message, tcp: bool) -> Reply:
        return WAYS[self.way](query, tcp)


@contextmanager
def zone_server() -> Iterator[ZoneServer]:
    server = ZoneServer()
    server.start()
    try:
        yield server
    finally:
        server.stop()
