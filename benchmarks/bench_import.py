"""What `import senderid_fast` adds to the start of Python, in milliseconds.

    python benchmarks/bench_import.py [--runs 20]

Each run starts two fresh interpreters, one bare and one that imports; medians are compared, since a
start is rarely undisturbed. It is a script of its own: within pytest the package is there already.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
STATEMENTS = {"bare": "pass", "import": "import senderid_fast"}


def start(statement: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], cwd=ROOT, check=True)
    return (time.perf_counter() - began) * 1e3


def measure(runs: int) -> dict[str, float]:
    """Medians in ms. The first of each, which fills the file cache, is thrown away."""
    taken: dict[str, list[float]] = {name: [] for name in STATEMENTS}
    for _ in range(runs + 1):
        for name, statement in STATEMENTS.items():
            taken[name].append(start(statement))
    medians = {name: statistics.median(times[1:]) for name, times in taken.items()}
    differences = [after - before for before, after in zip(*taken.values(), strict=True)][1:]
    return medians | {
        "added": medians["import"] - medians["bare"],
        "added_min": min(differences),
        "added_max": max(differences),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--runs", type=int, default=20)
    options = parser.parse_args()
    figures = measure(options.runs)
    print(json.dumps({name: round(value, 1) for name, value in figures.items()}))


if __name__ == "__main__":
    main()
