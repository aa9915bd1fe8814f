"""Run one target under libFuzzer, which atheris brings.

    python -m fuzz.run TARGET [libFuzzer options]

Meant for scripts/fuzz.sh: coverage comes from the C code of the core alone, which must have been
compiled with -fsanitize=fuzzer-no-link; this module's own Python is not instrumented.
"""

from __future__ import annotations

import sys

import atheris  # type: ignore[import-untyped,unused-ignore,import-not-found]

from fuzz.targets import TARGETS

if __name__ == "__main__":
    target = TARGETS[sys.argv.pop(1)]
    atheris.Setup(sys.argv, target)
    atheris.Fuzz()
