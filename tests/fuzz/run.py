"""Run one target under libFuzzer, which atheris brings.

    python -m fuzz.run TARGET [libFuzzer options]

Meant for scripts/fuzz.sh: coverage comes from the C code of the core, which must have been compiled
with -fsanitize=fuzzer-no-link. Python is instrumented for the targets that are mostly Python; it
would make the others slow.
"""

from __future__ import annotations

import sys
from contextlib import nullcontext

import atheris  # type: ignore[import-untyped,unused-ignore,import-not-found]

IN_PYTHON = ("milter",)

if __name__ == "__main__":
    name = sys.argv.pop(1)
    with (
        atheris.instrument_imports(include=["senderid_fast"])
        if name in IN_PYTHON
        else nullcontext()
    ):
        from fuzz.targets import TARGETS
    atheris.Setup(sys.argv, TARGETS[name])
    atheris.Fuzz()
