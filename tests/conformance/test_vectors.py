"""The project's own vectors (tests/vectors), through each driver."""

from __future__ import annotations

import pytest
from support.drivers import Check, RecordingResolver
from support.openspf import compare
from support.vectors import Vector, load_vectors


@pytest.mark.parametrize("vector", load_vectors(), ids=lambda vector: vector.name)
def test_vector(check: Check, vector: Vector) -> None:
    resolver = RecordingResolver(vector.zone)
    verdict = check(resolver, vector.ip, vector.helo, vector.mail_from)
    where = f"{vector.scenario} (RFC {vector.section}) {vector.why}".rstrip()
    wrong = compare(vector, verdict)
    assert not wrong, f"{where}: {wrong}"
    if vector.lookups is not None:
        assert verdict.lookups == vector.lookups, where
    if vector.void_lookups is not None:
        assert verdict.void_lookups == vector.void_lookups, where
    assert not vector.not_queried & resolver.names, where
