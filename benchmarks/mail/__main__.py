"""python -m benchmarks.mail: see run.py."""

import sys

from benchmarks.mail.run import main

if __name__ == "__main__":
    sys.exit(main())
