"""Two runs over the same rows compared: which results differ, in which rows, of which domains.

What may live here: nothing but the public names, which are imported when they are asked for.
"""

from typing import TYPE_CHECKING

from senderid_fast.lazily import importer

if TYPE_CHECKING:
    from senderid_fast.comparing.findings import Change, Comparison, Transition, Verdicts
    from senderid_fast.comparing.runs import compare_answers, compare_runs

__all__ = [
    "Change",
    "Comparison",
    "Transition",
    "Verdicts",
    "compare_answers",
    "compare_runs",
]

if not TYPE_CHECKING:
    __getattr__ = importer(
        globals(),
        {
            "Change": "senderid_fast.comparing.findings",
            "Comparison": "senderid_fast.comparing.findings",
            "Transition": "senderid_fast.comparing.findings",
            "Verdicts": "senderid_fast.comparing.findings",
            "compare_answers": "senderid_fast.comparing.runs",
            "compare_runs": "senderid_fast.comparing.runs",
        },
    )
