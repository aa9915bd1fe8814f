"""Fixtures that every test may use."""

from __future__ import annotations

import hypothesis
import pytest
from support.drivers import DRIVERS, Check

# A deadline per example measures the machine, not the code; pytest-timeout bounds each test.
hypothesis.settings.register_profile("project", deadline=None)
# pytest tests/property --hypothesis-profile=long --timeout=0
hypothesis.settings.register_profile("long", deadline=None, max_examples=5_000)
hypothesis.settings.load_profile("project")


@pytest.fixture(params=list(DRIVERS))
def check(request: pytest.FixtureRequest) -> Check:
    """check(zone, ip, helo, mail_from) -> Verdict, once through each of the three drivers."""
    driver: Check = DRIVERS[request.param]
    return driver
