"""senderid_fast: SPF (RFC 7208) and Sender ID (RFC 4406) evaluation with a compiled core.

The public names, and nothing else.
"""

from senderid_fast._core.pra import Pra, header_fields
from senderid_fast._core.terms import Record, Term, parse_record, select_record
from senderid_fast._core.verdict import Verdict
from senderid_fast.async_engine import AsyncEngine
from senderid_fast.engine import Engine, engine_for
from senderid_fast.errors import (
    InputError,
    MissingExtraError,
    NoPra,
    RecordSelectionError,
    RecordSyntaxError,
    SenderIDError,
    ZoneError,
)
from senderid_fast.identities import extract_pra
from senderid_fast.messages import MessageVerdict
from senderid_fast.questions import Answer, Question, RRType, Status
from senderid_fast.resolver import AsyncResolver, Resolver, SystemResolver, ZoneResolver
from senderid_fast.results import PraFailure, Reason, Result, Scope
from senderid_fast.settings import Limits, Settings
from senderid_fast.tracing import Step, Trace

__all__ = [
    "Answer",
    "AsyncEngine",
    "AsyncResolver",
    "Engine",
    "InputError",
    "Limits",
    "MessageVerdict",
    "MissingExtraError",
    "NoPra",
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
    "Scope",
    "SenderIDError",
    "Settings",
    "Status",
    "Step",
    "SystemResolver",
    "Term",
    "Trace",
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
