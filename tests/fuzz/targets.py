"""The targets by name. Each takes any octets, and raises if a property does not hold."""

from __future__ import annotations

from collections.abc import Callable

from fuzz.target_answers import answers
from fuzz.target_batches import batches
from fuzz.target_checks import checks
from fuzz.target_codec import codec
from fuzz.target_headers import headers
from fuzz.target_loglines import loglines
from fuzz.target_macros import macros
from fuzz.target_milter import milter
from fuzz.target_packets import packets
from fuzz.target_policyd import policyd
from fuzz.target_receiver import receiver
from fuzz.target_tokenizer import tokenizer
from fuzz.target_wire import wire

__all__ = ["TARGETS"]

TARGETS: dict[str, Callable[[bytes], None]] = {
    "tokenizer": tokenizer,
    "macros": macros,
    "checks": checks,
    "batches": batches,
    "answers": answers,
    "codec": codec,
    "headers": headers,
    "loglines": loglines,
    "policyd": policyd,
    "packets": packets,
    "milter": milter,
    "receiver": receiver,
    "wire": wire,
}
