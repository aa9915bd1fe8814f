"""python -m senderid_fast: the same as the command senderid-fast.

What may live here: the call of program().
"""

from senderid_fast.cli import program

if __name__ == "__main__":
    program()
