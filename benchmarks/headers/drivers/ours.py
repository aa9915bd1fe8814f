"""senderid_fast: extract_pra() a message from Python; its core alone; and check_message()."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import version

import senderid_fast as sf
from benchmarks.headers.drivers.harness import Answer, drive
from senderid_fast._core import pra as core

__all__ = ["CLIENT", "HELO", "Everywhere"]

CLIENT, HELO = "192.0.2.25", "mail.example.net"
POLICY = b"v=spf1 ip4:192.0.2.0/24 -all"


class Everywhere:
    """A resolver for which every name has the same policy."""

    def resolve(self, question: sf.Question, timeout: float) -> sf.Answer:
        if question.rrtype is sf.RRType.TXT:
            return sf.Answer(sf.Status.OK, (POLICY,), ttl=86_400)
        return sf.Answer(sf.Status.NODATA, ttl=86_400)


def extract_pass(sections: list[bytes]) -> None:
    extract_pra, no_pra = sf.extract_pra, sf.NoPra
    for section in sections:
        try:  # noqa: SIM105 - suppress() is called for every message, and is slow
            # A Pra makes its text when it is asked for; the other parsers give a text as well.
            extract_pra(section).mailbox  # noqa: B018
        except no_pra:
            pass


def extract_answers(sections: list[bytes]) -> list[Answer]:
    answers: list[Answer] = []
    for section in sections:
        try:
            pra = sf.extract_pra(section)
            answers.append((pra.header, pra.mailbox.encode("utf-8", "surrogateescape")))
        except sf.NoPra as error:
            answers.append((error.header, None))
    return answers


def core_answers(sections: list[bytes]) -> list[Answer]:
    """Those of extract_pra(), as far as the core tells: how many messages have a PRA."""
    answers = extract_answers(sections)
    # The core says "found" before a name that is not ASCII is seen to have no A-labels.
    found = sum(mailbox is not None for _, mailbox in answers)
    unconverted = sum(
        mailbox is None and not section.isascii()
        for section, (_, mailbox) in zip(sections, answers, strict=True)
    )
    if not found <= core.rehearse(sections, 1) <= found + unconverted:
        sys.exit("the core does not find as many as extract_pra()")
    return answers


def envelopes(sections: list[bytes]) -> list[tuple[str, bytes]]:
    """A reverse-path of the PRA's own domain for each section, as most messages have."""
    found = []
    for section in sections:
        try:
            domain = sf.extract_pra(section).domain
        except sf.NoPra:
            domain = "example.org"
        found.append((f"bounces@{domain}", section))
    return found


class Message:
    """check_message() with all answers in the engine's store after the first pass."""

    def __init__(self) -> None:
        self.engine = sf.Engine(resolver=Everywhere())
        self.messages: list[tuple[str, bytes]] = []

    def answers(self, sections: list[bytes]) -> list[Answer]:
        self.messages = envelopes(sections)
        answers: list[Answer] = []
        for mail_from, section in self.messages:
            verdict = self.engine.check_message(CLIENT, HELO, mail_from, section).pra
            assert verdict is not None
            # Who has no PRA has no pass; and a name that is no domain name has none either.
            assert verdict.pra is not None or verdict.result is sf.Result.NONE, verdict
            answers.append(of_verdict(verdict, section))
        return answers

    def one_pass(self, sections: list[bytes]) -> None:
        check = self.engine.check_message
        for mail_from, section in self.messages:
            check(CLIENT, HELO, mail_from, section)


def of_verdict(verdict: sf.Verdict, section: bytes) -> Answer:
    if verdict.pra is not None:
        return verdict.pra.header, verdict.pra.mailbox.encode("utf-8", "surrogateescape")
    return extract_answers([section])[0][0], None


def main(variant: str) -> None:
    one_pass: Callable[[list[bytes]], object] = extract_pass
    answers = extract_answers
    if variant == "core":
        if not hasattr(core, "rehearse"):
            sys.exit("this build of the core has no rehearse()")

        def core_pass(sections: list[bytes]) -> int:
            return core.rehearse(sections, 1)

        one_pass, answers = core_pass, core_answers
    elif variant == "message":
        message = Message()
        one_pass, answers = message.one_pass, message.answers
    drive(f"senderid_fast-{variant}", version("senderid-fast"), one_pass, answers)


if __name__ == "__main__":
    main(sys.argv[4] if len(sys.argv) > 4 else "pra")
