"""senderid_fast: SPF (RFC 7208) and Sender ID (RFC 4406) evaluation with a compiled core.

The public names, and nothing else.
"""

from typing import TYPE_CHECKING

from senderid_fast._core.pra import Pra, header_fields
from senderid_fast._core.terms import Record, Term, parse_record, select_record
from senderid_fast._core.verdict import Verdict
from senderid_fast.async_engine import AsyncEngine
from senderid_fast.closure import Closure, OpenTerm
from senderid_fast.engine import Engine, engine_for
from senderid_fast.errors import (
    FileError,
    InputError,
    MissingExtraError,
    NoPra,
    RecordSelectionError,
    RecordSyntaxError,
    RowsError,
    SenderIDError,
    ZoneError,
)
from senderid_fast.identities import extract_pra
from senderid_fast.lazily import importer
from senderid_fast.messages import MessageVerdict
from senderid_fast.questions import Answer, Question, RRType, Status
from senderid_fast.resolver.base import AsyncResolver, Resolver
from senderid_fast.results import PraFailure, Reason, Result, Scope

if TYPE_CHECKING:
    from senderid_fast.answersets.answerset import AnswerSet
    from senderid_fast.resolver.system import SystemResolver
    from senderid_fast.resolver.udp import UdpResolver
    from senderid_fast.resolver.zone import ZoneResolver
    from senderid_fast.settings import Limits, Settings
    from senderid_fast.tracing import Step, Trace

__all__ = [
    "Answer",
    "AnswerSet",
    "AsyncEngine",
    "AsyncResolver",
    "Closure",
    "Engine",
    "FileError",
    "InputError",
    "Limits",
    "MessageVerdict",
    "MissingExtraError",
    "NoPra",
    "OpenTerm",
    "Pra",
    "PraFailure",
    "Question",
    "RRType",
    "Reason",
    "Record",
    "RecordSelectionError",
    "RecordSyntaxError",
    "Resolver",
    "Result",
    "RowsError",
    "Scope",
    "SenderIDError",
    "Settings",
    "Status",
    "Step",
    "SystemResolver",
    "Term",
    "Trace",
    "UdpResolver",
    "Verdict",
    "ZoneError",
    "ZoneResolver",
    "engine_for",
    "extract_pra",
    "header_fields",
    "parse_record",
    "select_record",
]

__version__ = "0.1.0"

# Each of these brings a part of the standard library that a program which only parses records, or
# has a resolver of its own, may never need.
if not TYPE_CHECKING:  # a type checker would take every name for one of these
    __getattr__ = importer(
        globals(),
        {
            "AnswerSet": "senderid_fast.answersets.answerset",
            "Limits": "senderid_fast.settings",
            "Settings": "senderid_fast.settings",
            "Step": "senderid_fast.tracing",
            "SystemResolver": "senderid_fast.resolver.system",
            "Trace": "senderid_fast.tracing",
            "UdpResolver": "senderid_fast.resolver.udp",
            "ZoneResolver": "senderid_fast.resolver.zone",
        },
    )


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
