"""senderid_fast by its Python API: one call a check, all answers in the engine's store."""

from __future__ import annotations

from importlib.metadata import version

import senderid_fast as sf
from benchmarks.peers.drivers.harness import Check, Zone, drive


def prepare(zone: Zone) -> Check[sf.Verdict]:
    return sf.Engine(resolver=sf.ZoneResolver(zone)).check_mail_from


if __name__ == "__main__":
    drive("senderid_fast", version("senderid-fast"), prepare, lambda verdict: str(verdict.result))
