"""Exit statuses of all commands.

What may live here: the numbers. They are an interface: scripts rely on them, so they never change.
"""

from __future__ import annotations

from senderid_fast.results import Result

__all__ = [
    "BAD_INPUT",
    "DONE",
    "INTERRUPTED",
    "INVALID_RECORD",
    "NO_READER",
    "OF_ACTION",
    "OF_RESULT",
    "STATUS_HELP",
    "TROUBLE",
]

DONE = 0
TROUBLE = 1  # something that should not happen
INVALID_RECORD = 1  # of the command record
BAD_INPUT = 2
INTERRUPTED = 130  # 128 + SIGINT, as shells say it
NO_READER = 141  # 128 + SIGPIPE

# With --exit-code: a status for each result.
OF_RESULT = {
    Result.PASS: 0,
    Result.FAIL: 3,
    Result.SOFTFAIL: 4,
    Result.NEUTRAL: 5,
    Result.NONE: 6,
    Result.TEMPERROR: 7,
    Result.PERMERROR: 8,
}

# With --exit-code of the command verify: a status for each action (receiver.actions), the highest
# for the strictest.
OF_ACTION = {"accept": 0, "mark": 10, "defer": 11, "discard": 12, "reject": 13}

STATUS_HELP = """\
exit status:
  0 for every result. With --exit-code: pass 0, fail 3, softfail 4, neutral 5,
  none 6, temperror 7, permerror 8. Input that cannot be used 2, anything unexpected 1.
"""
