"""Each fuzz target over its seeds and a few thousand random mutations of them.

The long runs, with coverage and sanitizers, are those of scripts/fuzz.sh.
"""

from __future__ import annotations

import random
import re
import time
from pathlib import Path

import pytest

from fuzz.messages import main
from fuzz.seeds import seeds_of
from fuzz.targets import TARGETS

MUTATIONS = 2_000
SECONDS = 4.0  # for each target, on a slow machine; the mutations come in the same order always
DICTIONARY = Path(__file__).with_name("spf.dict")


def _tokens() -> list[bytes]:
    entries = re.findall(r'^\w+="(.*)"$', DICTIONARY.read_text("ascii"), re.MULTILINE)
    return [entry.encode().decode("unicode_escape").encode("latin-1") for entry in entries]


def _mutated(seeds: list[bytes], tokens: list[bytes], choose: random.Random) -> bytes:
    data = bytearray(choose.choice(seeds))
    for _ in range(choose.randrange(1, 6)):
        at = choose.randrange(len(data) + 1)
        match choose.randrange(5):
            case 0:
                data[at : at + 1] = bytes([choose.randrange(256)])
            case 1:
                data[at:at] = choose.choice(tokens)
            case 2:
                del data[at : at + choose.randrange(1, 9)]
            case 3:
                other = choose.choice(seeds)
                data[at:] = other[choose.randrange(len(other) + 1) :]
            case _:
                start = choose.randrange(len(data) + 1)
                data[at:at] = data[start : start + choose.randrange(40)]
    return bytes(data)


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_keep_the_properties(name: str) -> None:
    seeds = seeds_of(name)
    assert seeds
    for seed in seeds:
        TARGETS[name](seed)


@pytest.mark.parametrize("name", TARGETS)
def test_mutations_of_seeds_keep_the_properties(name: str) -> None:
    choose = random.Random(7208)
    seeds, tokens = seeds_of(name), _tokens()
    end = time.monotonic() + SECONDS
    for _ in range(MUTATIONS):
        data = _mutated(seeds, tokens, choose)
        try:
            TARGETS[name](data)
        except Exception as error:
            error.add_note(f"the input is {data!r}")
            raise
        if time.monotonic() > end:
            break


def test_random_messages_are_read_in_a_loop() -> None:
    """Many of them to their end, so that the long run is one over the whole of the codec."""
    assert main(5_000, 1035) > 500
