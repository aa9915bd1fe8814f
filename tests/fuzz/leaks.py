"""Whether checks leave memory behind: python -m fuzz.leaks [CHECKS].

Runs the seeds of the targets over and over and compares the memory in use after a warm-up with that
at the end. Under the address sanitizer the octets in use are exact; else the resident size counts.
"""

from __future__ import annotations

import ctypes
import gc
import resource
import sys
import time
from pathlib import Path

import senderid_fast as sf
from fuzz.script import read_script
from fuzz.seeds import seeds_of
from fuzz.targets import TARGETS

__all__ = ["main"]

# Of noise: interned objects, caches of re and pickle, and the allocator's own rounding.
SLACK_EXACT = 128 << 10
SLACK_RESIDENT = 4 << 20


def _in_use() -> tuple[int, int]:
    """Octets in use, and how far two readings may be apart without a leak."""
    gc.collect()
    try:
        exact = ctypes.CDLL(None).__sanitizer_get_current_allocated_bytes
    except AttributeError:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * resource.getpagesize(), SLACK_RESIDENT
    exact.restype = ctypes.c_size_t
    return int(exact()), SLACK_EXACT


def _checks(times: int) -> int:
    """Single checks over scripts, each with an engine that lives for a few hundred of them."""
    scripts = [read_script(seed) for seed in seeds_of("checks")]
    done = 0
    while done < times:
        for script in scripts:
            engine = sf.Engine(script, limits=script.limits, store_octets=1 << 16)
            for number in range(100):
                text = f"u{number}@a.example"
                engine.check_mail_from(script.ip, text, script.helo)
                engine.trace_host(script.ip, "a.example", text, script.helo).as_dict()
                engine.check_host(script.ip, script.domain, script.mailbox).as_dict()
            script.asked.clear()
            done += 300
    return done


def _targets(times: int) -> int:
    """The targets themselves: parsing, macros and junk answers as well."""
    done = 0
    seeds = [(run, seed) for name, run in TARGETS.items() for seed in seeds_of(name)]
    while done < times:
        for run, seed in seeds:
            run(seed)
        done += len(seeds)
    return done


def main(times: int) -> int:
    """0 if nothing grew."""
    leaks = 0
    for run, share in ((_checks, times), (_targets, times // 20)):
        # Twice, for what is made on first use.
        for _ in range(2):
            run(share // 20)
        before, slack = _in_use()
        began = time.monotonic()
        done = run(share)
        after, _ = _in_use()
        grown = after - before
        leaks += grown > slack
        print(
            f"{run.__name__[1:]}: {done:,} runs in {time.monotonic() - began:.0f} s, "
            f"memory in use grew by {grown:,} octets from {before:,}"
        )
    return 1 if leaks else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 200_000))
