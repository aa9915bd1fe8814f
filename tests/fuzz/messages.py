"""Millions of random DNS messages, read by the compiled codec in one loop.

    python -m fuzz.messages [MESSAGES [SEED]]

Beside the target `wire`, which has dnspython read each input, too, and so comes to some hundred a
second: here one in COMPARED is compared, and one in TABLED goes through the table of queries. What
is looked for first is what the sanitizers of scripts/fuzz.sh see. Nothing but the seed chooses: a
run that ends in a crash is repeated by its seed.
"""

from __future__ import annotations

import random
import secrets
import sys
import time
from collections import Counter

from support.wire import agrees, dnspython_reads, message, mutated, question_of

from fuzz.seeds import seeds_of
from fuzz.target_wire import DEFAULT, table
from senderid_fast._core.wire import read_answer
from senderid_fast.questions import Question

__all__ = ["main"]

SOURCES = 400  # messages that are changed, at a time
FRESH = 2_000  # one of them is another one, so often
COMPARED = 500
TABLED = 20
REPORTED = 1_000_000
ANSWERS = b"\x81\x80\0\1\0\2\0\1\0\1"  # the header of an answer, behind the id

Source = tuple[Question, int, bytes]


def _message(choose: random.Random) -> Source:
    """One that is read here, mostly."""
    return message(choose, rare=choose.random() < 0.1)


def _sources(choose: random.Random) -> list[Source]:
    """Sensible messages, and the seeds of the target."""
    sources = [_message(choose) for _ in range(SOURCES)]
    for seed in seeds_of("wire"):
        question = question_of(seed) or DEFAULT
        sources.append((question, int.from_bytes(seed[:2], "big"), seed))
    return sources


def _changed(source: Source, other: bytes, choose: random.Random) -> bytes:
    """Octets that may be an answer to the source's question."""
    octets = source[2]
    behind = 12 + len(source[0].name) + 6  # the question, with its type and class
    match choose.randrange(8):
        case 0:
            return octets[: choose.randrange(len(octets) + 1)]
        case 1:
            at = choose.randrange(len(octets) + 1)
            return octets[:at] + other[choose.randrange(len(other) + 1) :]
        case 2:
            return octets[:2] + ANSWERS + octets[12:behind] + choose.randbytes(choose.randrange(90))
        case 3:
            return mutated(mutated(octets, choose), choose)
        case 4:
            return mutated(octets, choose)
    # Most of what follows keeps its form, so that the reading goes on to the end.
    data = bytearray(octets)
    for _ in range(choose.randrange(3)):
        data[choose.randrange(min(behind, len(data) - 1), len(data))] = choose.randrange(256)
    return bytes(data)


def main(messages: int, seed: int) -> int:
    """Read so many; how many were read to an answer. Raises AssertionError for a wrong one."""
    choose = random.Random(seed)
    sources = _sources(choose)
    kinds: Counter[str] = Counter()
    began = time.monotonic()
    for number in range(messages):
        source = choose.choice(sources)
        question, query_id, _ = source
        octets = _changed(source, choose.choice(sources)[2], choose)
        ours = read_answer(octets, question.name, question.rrtype, query_id)
        kinds[ours if isinstance(ours, str) else str(ours.status)] += 1
        if number % COMPARED == 0:
            theirs = dnspython_reads(octets, question, query_id)
            assert agrees(ours, theirs), (seed, number, octets, question, ours, theirs)
        if number % TABLED == 0:
            own_id = int.from_bytes(octets[:2], "big")  # the table has no other query
            table(octets, question, read_answer(octets, question.name, question.rrtype, own_id))
        if number % FRESH == 0:
            sources[choose.randrange(len(sources))] = _message(choose)
        if (number + 1) % REPORTED == 0:
            print(f"messages: {number + 1:,} in {time.monotonic() - began:.0f} s", flush=True)
    read = sum(count for kind, count in kinds.items() if kind in ("ok", "nodata", "nxdomain"))
    shares = ", ".join(f"{kind} {count:,}" for kind, count in kinds.most_common())
    print(f"messages: {messages:,} with seed {seed}: {shares}")
    return read


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000_000
    number = int(sys.argv[2]) if len(sys.argv) > 2 else secrets.randbits(32)
    print(f"messages: {count:,} with seed {number}", flush=True)
    main(count, number)
