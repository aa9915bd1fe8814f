"""python -m benchmarks.headers: see run.py."""

import sys

from benchmarks.headers.run import main

if __name__ == "__main__":
    sys.exit(main())
