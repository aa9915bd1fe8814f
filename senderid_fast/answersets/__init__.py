"""Answers of DNS as data: kept as a set, written to files, recorded from a run, replayed.

What may live here: nothing but the public names, which are imported when they are asked for; they
need pyarrow.
"""

from typing import TYPE_CHECKING

from senderid_fast.lazily import importer

if TYPE_CHECKING:
    from senderid_fast.answersets.answerset import AnswerSet
    from senderid_fast.answersets.recording import AnswerCollector, RecordingResolver
    from senderid_fast.answersets.schema import answers_schema
    from senderid_fast.answersets.streams import AnswerWriter

__all__ = [
    "AnswerCollector",
    "AnswerSet",
    "AnswerWriter",
    "RecordingResolver",
    "answers_schema",
]

if not TYPE_CHECKING:
    __getattr__ = importer(
        globals(),
        {
            "AnswerCollector": "senderid_fast.answersets.recording",
            "AnswerSet": "senderid_fast.answersets.answerset",
            "AnswerWriter": "senderid_fast.answersets.streams",
            "RecordingResolver": "senderid_fast.answersets.recording",
            "answers_schema": "senderid_fast.answersets.schema",
        },
    )
