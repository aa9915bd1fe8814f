"""Python's email.parser.BytesHeaderParser with email.utils.getaddresses."""

from __future__ import annotations

import platform
from email.message import Message
from email.parser import BytesHeaderParser
from email.utils import getaddresses

from benchmarks.headers.drivers.harness import Answer, drive

TRACE = ("received", "return-path")
PARSER = BytesHeaderParser()


def select(message: Message) -> tuple[str, str] | None:
    """The field that RFC 4407 2 selects: its name and body."""
    resent_from = None
    senders: list[tuple[str, str]] = []
    authors: list[tuple[str, str]] = []
    # raw_items() does not make Header objects of fields that are not ASCII.
    for written, body in message.raw_items():
        name = written.lower()
        if name in TRACE:
            if resent_from:
                break  # step 1: what stands below belongs to an older block
        elif name in {"resent-sender", "resent-from", "sender", "from"}:
            if not body.strip(" \t\r\n"):
                continue
            if name == "resent-sender":
                return name, body
            if name == "resent-from":
                resent_from = resent_from or (name, body)
            else:
                (senders if name == "sender" else authors).append((name, body))
    if resent_from:
        return resent_from
    fields = senders or authors
    return fields[0] if len(fields) == 1 else None


def pra(section: bytes) -> tuple[str | None, str | None]:
    field = select(PARSER.parsebytes(section))
    if field is None:
        return None, None
    addresses = getaddresses([field[1]])
    if len(addresses) != 1:
        return field[0], None
    mailbox = addresses[0][1]
    _, at, domain = mailbox.rpartition("@")
    return field[0], mailbox if at and domain and not domain.startswith("[") else None


def one_pass(sections: list[bytes]) -> None:
    for section in sections:
        pra(section)


def answers(sections: list[bytes]) -> list[Answer]:
    found = map(pra, sections)
    return [(name, box.encode("utf-8", "surrogateescape") if box else None) for name, box in found]


if __name__ == "__main__":
    drive("python-email", platform.python_version(), one_pass, answers)
