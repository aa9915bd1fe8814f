"""The seeds of each target: those in seeds/, and records of others where they are at hand.

seeds/TARGET.txt has one seed a paragraph. Backslashes are as in Python; lines that begin with "# "
are for people.

    python -m fuzz.seeds FOLDER     writes one file for each seed, as libFuzzer wants them
"""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

from fuzz.targets import TARGETS

__all__ = ["seeds_of"]

HERE = Path(__file__).resolve().parent
SAME = {"batches": "checks", "packets": "milter"}  # targets that read what others read


def seeds_of(target: str) -> list[bytes]:
    """All seeds of a target."""
    target = SAME.get(target, target)
    return [*_own(target), *_adapted(target)]


def _own(target: str) -> Iterator[bytes]:
    text = (HERE / "seeds" / f"{target}.txt").read_text("ascii")
    for paragraph in text.split("\n\n"):
        lines = [line for line in paragraph.strip("\n").split("\n") if not line.startswith("# ")]
        if lines:
            yield "\n".join(lines).encode().decode("unicode_escape").encode("latin-1")


def _adapted(target: str) -> Iterator[bytes]:
    """The fuzz corpus of blitiri.com.ar/go/spf, whose entries are records, if it is there."""
    for record in _go_corpus():
        if target == "tokenizer":
            yield record
        elif target == "checks" and b"\n" not in record:
            raw = b"".join(b"\xff" + bytes([c]) if c >= 0x80 else bytes([c]) for c in record)
            yield b"51002\nuser@a.example\nmail.a.example\na.example\naT" + raw
        elif target == "macros" and b"%" in record:
            macro = record.strip().rpartition(b" ")[2]
            yield macro + b"\nuser@a.example\nmail.a.example\na.b.example\n192.0.2.1"


def _go_corpus() -> Iterator[bytes]:
    """Entries of the form: a line "go test fuzz v1", then string("...") or []byte("...")."""
    # The checkout, or a copy of it that scripts/fuzz.sh made below it.
    for parent in HERE.parents:
        folder = parent / "shared" / "conformance" / "blitiri" / "fuzz"
        if folder.is_dir():
            break
    else:
        return
    for path in sorted(folder.iterdir()):
        for line in path.read_text("utf-8").splitlines()[1:]:
            literal = line[line.find("(") + 1 : line.rfind(")")]
            try:
                # Go's escapes are among Python's, but for what stands for an octet from 0x80 on.
                yield ast.literal_eval(literal).encode("utf-8", "surrogatepass")
            except (SyntaxError, ValueError):
                continue


def main(folder: Path) -> None:
    """Write the seeds of every target to folder/TARGET."""
    for target in TARGETS:
        place = folder / target
        place.mkdir(parents=True, exist_ok=True)
        for seed in seeds_of(target):
            (place / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
