"""The cases that a Go implementation of SPF adds to the OpenSPF suites; not ours to ship.

Some of them use names of one label, which RFC 7208 does not take: a <domain> must have several
(4.3), and a domain-spec must have a dot (7.1; the OpenSPF suite has a-only-toplabel for it). These
run twice: as they are, for the result that the RFC wants, and with their names moved below "test",
for the result that the case wants.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from support.drivers import Check
from support.openspf import Case, compare, load
from support.shared import SHARED

SUITE = "conformance/blitiri/blitirispf-tests.yml"
CASES = 21

# The result of the RFC, and its section, for the cases with names of one label.
ONE_LABEL = {
    "resolution-with-10-lookups": ("permerror", "7.1"),
    "mx-resolution-10-terms": ("none", "4.3"),
    "mx-resolution-11-terms": ("none", "4.3"),
    "one-mx-not-found": ("none", "4.3"),
    "all-mx-not-found": ("none", "4.3"),
    "include-not-found": ("none", "4.3"),
    "redirect-not-found": ("none", "4.3"),
}

# Cases that stand on another count of void lookups (RFC 7208 4.6.4, a SHOULD): the hosts of all ten
# mx terms have no address, so that each term is void.
BY_VOID_LOOKUPS = {"mx-resolution-10-terms": ("permerror",)}


def _cases() -> list[Case]:
    path = SHARED / SUITE
    return load(path) if path.is_file() else []


ALL = _cases()
needs_suite = pytest.mark.skipif(not ALL, reason=f"../shared/{SUITE} is not there")


def _below_test(name: str) -> str:
    return name if "." in name else f"{name}.test"


def _moved(data: Any) -> Any:
    """Record data with its names of one label moved below "test"."""
    if isinstance(data, list):  # MX
        return [data[0], _below_test(data[1])]
    return re.sub(r"(?<!v)([:=])([a-z]+[0-9]*)(?= |\Z)", r"\1\2.test", data)


def _several_labels(case: Case) -> Case:
    zone = {
        _below_test(name): [
            {rrtype: _moved(data) for rrtype, data in record.items()} for record in records
        ]
        for name, records in case.zone.items()
    }
    local, _, domain = case.mail_from.rpartition("@")
    return replace(case, zone=zone, mail_from=f"{local}@{_below_test(domain)}")


@needs_suite
def test_suite_is_complete() -> None:
    assert len(ALL) == CASES
    assert ONE_LABEL.keys() <= {case.name for case in ALL}


@needs_suite
@pytest.mark.parametrize("case", ALL, ids=lambda case: case.id)
def test_blitiri(check: Check, case: Case) -> None:
    if case.name in ONE_LABEL:
        results = BY_VOID_LOOKUPS.get(case.name, case.results)
        case = replace(_several_labels(case), results=results)
    wrong = compare(case, check(case.zone, case.ip, case.helo, case.mail_from))
    assert not wrong, f"{case.scenario}: {case.name}: {wrong}"


@needs_suite
@pytest.mark.parametrize(
    "case", [case for case in ALL if case.name in ONE_LABEL], ids=lambda case: case.id
)
def test_names_of_one_label(check: Check, case: Case) -> None:
    result, section = ONE_LABEL[case.name]
    verdict = check(case.zone, case.ip, case.helo, case.mail_from)
    assert str(verdict.result) == result, f"{case.name} (RFC 7208 {section})"
