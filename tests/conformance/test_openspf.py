"""The OpenSPF test suites for RFC 7208 and RFC 4408, in full.

The older suite holds too: where RFC 4408 was unclear its cases allow several results, and that
which RFC 7208 settled on is among them.

The files are fetched (see support/fetch.py) and kept in .cache/. Where they cannot be had this
module fails: a run without the suite would say nothing about conformance.
"""

from __future__ import annotations

import pytest
from support.drivers import Check
from support.fetch import FetchError, openspf_suite
from support.openspf import Case, compare, load

RFC_7208_CASES = 203
RFC_4408_CASES = 191


def _suite(name: str) -> tuple[list[Case], str]:
    """The cases, or none and why: an error here would keep all other tests from running."""
    try:
        return load(openspf_suite(name)), ""
    except FetchError as error:
        return [], str(error)


RFC_7208, WITHOUT_7208 = _suite("rfc7208-tests.yml")
RFC_4408, WITHOUT_4408 = _suite("rfc4408-tests.yml")


def test_suites_are_complete() -> None:
    assert len(RFC_7208) == RFC_7208_CASES, WITHOUT_7208
    assert len(RFC_4408) == RFC_4408_CASES, WITHOUT_4408


@pytest.mark.parametrize("case", RFC_7208, ids=lambda case: case.id)
def test_rfc7208(check: Check, case: Case) -> None:
    verdict = check(case.zone, case.ip, case.helo, case.mail_from)
    wrong = compare(case, verdict)
    assert not wrong, f"{case.scenario}: {case.name} (RFC 7208 {case.section}): {wrong}"


@pytest.mark.parametrize("case", RFC_4408, ids=lambda case: case.id)
def test_rfc4408(check: Check, case: Case) -> None:
    verdict = check(case.zone, case.ip, case.helo, case.mail_from)
    wrong = compare(case, verdict)
    assert not wrong, f"{case.scenario}: {case.name} (RFC 4408 {case.section}): {wrong}"
