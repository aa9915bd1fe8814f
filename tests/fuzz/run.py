"""Run one target under libFuzzer, which atheris brings.

    python -m fuzz.run TARGET [libFuzzer options]

Meant for scripts/fuzz.sh: coverage comes from the C code of the core, which must have been compiled
with -fsanitize=fuzzer-no-link, and from the Python modules of what mail servers speak.
"""

from __future__ import annotations

import sys

import atheris  # type: ignore[import-untyped,unused-ignore,import-not-found]

with atheris.instrument_imports(include=["senderid_fast.milter"]):
    from fuzz.targets import TARGETS

if __name__ == "__main__":
    target = TARGETS[sys.argv.pop(1)]
    atheris.Setup(sys.argv, target)
    atheris.Fuzz()
