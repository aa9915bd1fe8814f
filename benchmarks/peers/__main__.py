"""python -m benchmarks.peers: see run.py."""

import sys

from benchmarks.peers.run import main

if __name__ == "__main__":
    sys.exit(main())
