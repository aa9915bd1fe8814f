"""Fixtures of several unit tests.

clock       time that moves when it is told to
both_loops  the loops of asyncio and uvloop, for support.milterserved.run()
"""

from __future__ import annotations

import pytest
from support.milterserved import Loops
from support.scripted import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    import senderid_fast.batch  # noqa: F401 - so that the clock stands in for its, too

    return Clock(monkeypatch)


@pytest.fixture(params=["asyncio", "uvloop"])
def both_loops(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service runs on uvloop where that is installed."""
    if request.param == "uvloop":
        uvloop = pytest.importorskip("uvloop")
        monkeypatch.setattr(Loops, "make", staticmethod(uvloop.new_event_loop))
