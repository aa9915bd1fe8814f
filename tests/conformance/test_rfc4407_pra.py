"""The Purported Responsible Address (RFC 4407 2), vector by vector.

data/rfc4407-pra.yml is written from the text of the RFC; data/pra-kinds.yml holds the kinds of
messages that users of mail software report, each with its siblings. Each message is read by
extract_pra() and by the engine, which has to say the same.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.scripted import IP, WAYS, ask

import senderid_fast as sf

DATA = Path(__file__).resolve().parent / "data"
RFC_CASES = 115
KINDS = 250  # at least
ANY = "any"
"""Of a mailbox whose text is the same as in the field: only its parts are of interest."""


@dataclass(frozen=True)
class Message:
    """A header section and what RFC 4407 makes of it."""

    id: str
    section: bytes
    failure: str | None
    header: str | None
    index: int | None
    mailbox: str | None = None
    local_part: str | None = None
    domain: str | None = None
    why: str = ""


def _rfc_messages() -> list[Message]:
    document = yaml.safe_load((DATA / "rfc4407-pra.yml").read_text(encoding="utf-8"))
    return [
        Message(
            id=test["id"],
            section=(
                base64.b64decode(test["message_b64"])
                if "message_b64" in test
                else test["message"].encode("utf-8")
            ),
            failure=test.get("failure"),
            header=test.get("header"),
            index=test.get("header_index"),
            mailbox=test.get("mailbox"),
            local_part=test.get("local_part"),
            domain=test.get("domain"),
            why=f"{'; '.join(test['cites'])} {test.get('note', '')}".rstrip(),
        )
        for test in document["tests"]
    ]


def _sections(vector: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if "each" in vector:
        for name, body in vector["each"].items():
            yield f"{vector['id']}-{name}", f"From: {body}\r\n\r\n"
    elif "message" in vector:
        yield vector["id"], vector["message"]
    else:
        fields = "".join(f"{name}: {body}\r\n" for name, body in vector["fields"])
        yield vector["id"], f"{fields}\r\n"


def _kinds() -> Iterator[Message]:
    for family in yaml.safe_load((DATA / "pra-kinds.yml").read_text(encoding="utf-8")):
        for vector in family["vectors"]:
            assert ("pra" in vector) != ("failure" in vector), vector["id"]
            mailbox = vector.get("pra")
            local, _, domain = (mailbox or "").rpartition("@")
            taken = mailbox is not None or "header" in vector
            for name, section in _sections(vector):
                yield Message(
                    id=name,
                    section=section.encode("latin-1"),
                    failure=vector.get("failure"),
                    header=vector.get("header", "from") if taken else None,
                    index=vector.get("index", 0) if taken else None,
                    mailbox=mailbox,
                    local_part=vector.get("local_part", local) or None,
                    domain=vector.get("domain", domain) or None,
                    why=f"{family['rfc']} {vector.get('why', '')}".rstrip(),
                )


RFC_MESSAGES = _rfc_messages()
KIND_MESSAGES = list(_kinds())
ALL = RFC_MESSAGES + KIND_MESSAGES
every_message = pytest.mark.parametrize("message", ALL, ids=lambda message: message.id)


def test_all_are_there() -> None:
    assert len(RFC_MESSAGES) == RFC_CASES
    assert len(KIND_MESSAGES) >= KINDS
    names = [message.id for message in ALL]
    assert len(set(names)) == len(names)


def _outcome(section: bytes) -> sf.Pra | sf.NoPra:
    try:
        return sf.extract_pra(section)
    except sf.NoPra as error:
        return error


def _compare(message: Message, pra: sf.Pra) -> None:
    assert message.failure is None, f"{message.why}: {pra!r}"
    assert (pra.header, pra.header_index) == (message.header, message.index), message.why
    if message.mailbox != ANY:
        assert pra.mailbox == message.mailbox, message.why
    if message.local_part is not None:
        assert pra.local_part == message.local_part, message.why
    assert pra.domain == message.domain, message.why


@every_message
def test_extract_pra(message: Message) -> None:
    found = _outcome(message.section)
    if isinstance(found, sf.Pra):
        _compare(message, found)
    else:
        assert str(found.reason) == message.failure, message.why
        assert isinstance(found.reason, sf.PraFailure)
        assert (found.header, found.header_index) == (message.header, message.index), message.why
        assert str(found).startswith(f"no Purported Responsible Address: {message.failure}")


@every_message
def test_header_index_is_that_of_header_fields(message: Message) -> None:
    fields = sf.header_fields(message.section)
    if message.index is not None:
        assert fields[message.index][0].lower() == message.header
    if message.failure == "no-header":
        senders = ("from", "sender", "resent-from", "resent-sender")
        assert all(not body.strip() for name, body, _, _ in fields if name.lower() in senders)


@pytest.mark.parametrize("way", WAYS)
def test_every_message_through_an_engine(way: str) -> None:
    """check_pra() takes the same PRA and asks for its domain; without one it asks nothing."""
    for message in ALL:
        verdict = ask(way, sf.ZoneResolver({}), "pra", IP, message.section)
        assert verdict.identity == "pra"
        assert verdict.scope is sf.Scope.PRA
        if message.failure is None:
            assert verdict.pra is not None
            _compare(message, verdict.pra)
            assert verdict.pra_failure is None
            assert verdict.domain == message.domain
            # No domain exists here: fail (RFC 4406 4.3); what is no domain: none (RFC 7208 4.3).
            assert verdict.reason in (sf.Reason.NO_DOMAIN, sf.Reason.INVALID_DOMAIN), message.id
        else:
            assert (verdict.result, verdict.reason) == (sf.Result.NONE, sf.Reason.NO_PRA)
            assert verdict.pra is None
            assert str(verdict.pra_failure) == message.failure, message.id
