"""Reading the fields of real messages (see tests/support/shared.py for where they are)."""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from collections.abc import Iterator

from support.shared import gzip_lines, shared_file

import senderid_fast as sf
from senderid_fast.receiver.reading import (
    read_authentication_results,
    read_received_spf,
)
from senderid_fast.receiver.removal import forged_fields

CORPUS = shared_file("corpus/headers.jsonl.gz")
FIELD_END = re.compile(rb"\r?\n(?![ \t])")


def headers() -> Iterator[list[tuple[str, bytes]]]:
    for line in gzip_lines(CORPUS):
        fields = FIELD_END.split(base64.b64decode(json.loads(line)["raw"]))
        pairs = (field.partition(b":") for field in fields)
        yield [(name.decode("latin-1"), body) for name, _, body in pairs]


def test_real_fields_are_read_or_refused() -> None:
    seen: Counter[str] = Counter()
    spf_results: Counter[str] = Counter()
    for fields in headers():
        for name, body in fields:
            lower = name.strip().lower()
            try:
                if lower == "received-spf":
                    seen["spf"] += 1
                    found = read_received_spf(body)
                    spf_results[found.result] += 1
                    seen["spf read"] += 1
                elif lower == "authentication-results":
                    seen["results"] += 1
                    results = read_authentication_results(body)
                    assert results.authserv_id or results.results
                    seen["results read"] += 1
            except sf.InputError as error:
                assert error.field == "body"  # noqa: PT017
    assert seen["spf"] > 500
    assert seen["results"] > 900
    assert seen["spf read"] / seen["spf"] > 0.98
    assert seen["results read"] / seen["results"] > 0.95
    assert set(spf_results) >= {"pass", "fail", "softfail", "neutral", "none", "temperror"}


def test_all_fields_of_one_service_are_found() -> None:
    ours = "smtp.subspace.kernel.org"
    found = written = others = 0
    for fields in headers():
        forged = set(forged_fields(fields, ours))
        for position, (name, body) in enumerate(fields):
            if name.strip().lower() == "authentication-results":
                own = body.split(b";")[0].strip() == ours.encode()
                written += own
                found += own and position in forged
                others += position in forged and not own and readable(body)
    assert written == found > 100
    assert others == 0


def readable(body: bytes) -> bool:
    """Whether it can be read, and is of a version that is known: else it may have to go."""
    try:
        return read_authentication_results(body).version == 1
    except sf.InputError:
        return False
