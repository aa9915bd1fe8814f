"""python -m senderid_fast: the same as the command senderid-fast.

What may live here: the call of main().
"""

import sys

from senderid_fast.cli import main

if __name__ == "__main__":
    sys.exit(main())
