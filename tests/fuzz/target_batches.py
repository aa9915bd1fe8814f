"""Target: policy tables, fetched answers and batches over a scripted DNS (script.py).

For the client of the script and some others: an engine without tables, one that makes a table of
every policy at once, one whose answers were fetched before, and check_batch must say the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from unittest import mock

import pyarrow as pa

import senderid_fast as sf
from fuzz.script import Script, read_script
from senderid_fast import engine_base

__all__ = ["batches"]

OTHERS = ("192.0.2.1", "192.0.2.255", "0.0.0.0", "255.255.255.255", "2001:db8::1", "::", "no ip")


def batches(data: bytes) -> None:
    """However a check is run, its outcome is the same."""
    script = read_script(data)
    scope = list(sf.Scope)[script.method % 3]
    plain = _engine(script, policy_tables=False)
    with mock.patch.object(engine_base, "HEAT_FOR_TABLE", 1):
        tabled = _engine(script)
        small = _engine(script, store_octets=1 << 16)
    fetched = _engine(script)
    fetched.fetch([script.domain, script.helo], scope)
    checks: list[tuple[Any, ...]] = [
        (ip, script.domain, script.mailbox, script.helo, scope)
        for ip in (script.ip, *OTHERS)
        if ip != "no ip"
    ]
    for check in checks:
        expected = _shown(script, plain.check_host(*check))
        for engine in (tabled, small, tabled, small, tabled, fetched):
            assert _shown(script, engine.check_host(*check)) == expected
        assert small.statistics()["octets"] <= 1 << 16

    table = pa.table(
        {
            "ip": pa.array([str(ip) for ip in OTHERS] * 5, pa.string()),
            "helo": pa.array([script.helo, None] * 17 + [b""], pa.binary()),
            "mail_from": pa.array(
                [script.mailbox, b"", None, b"a@b.example", b"<>"] * 7, pa.binary()
            ),
            "headers": pa.array(
                [data, b"From: " + script.mailbox, b"", None, data[3:]] * 7, pa.binary()
            ),
        }
    )
    one = plain.check_batch(table, threads=1, helo_result=True, counts=True)
    assert tabled.check_batch(table, threads=1, helo_result=True, counts=True) == one
    assert small.check_batch(table, threads=1, helo_result=True, counts=True) == one


class _Together:
    """The script as a resolver that answers many questions in one call: no threads."""

    def __init__(self, script: Script) -> None:
        self.resolve = script.resolve

    def resolve_many(self, questions: Sequence[sf.Question], timeout: float) -> list[sf.Answer]:
        answers = []
        for question in questions:
            try:
                answers.append(self.resolve(question, timeout))
            except Exception as error:  # noqa: BLE001 - as the engine does for a single question
                answers.append(sf.Answer(sf.Status.ERROR, detail=f"the resolver raised {error!r}"))
        return answers


def _shown(script: Script, verdict: sf.Verdict) -> dict[str, Any]:
    fields = verdict.as_dict()
    if script.has_time:
        del fields["explanation"]
    return fields


def _engine(script: Script, **options: Any) -> sf.Engine:
    return sf.Engine(script, limits=script.limits, plain_for_pra=bool(script.method & 8), **options)
