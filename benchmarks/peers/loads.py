"""The loads: which zone, which connections, and how they are drawn.

What may live here: their sizes and where their data lie. What is in the zone stands in zone.py.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.peers import zone
from benchmarks.peers.prepare import BUILD

__all__ = ["LOADS", "Load", "quick"]


@dataclass(frozen=True)
class Load:
    name: str
    title: str
    domains: int
    connections: int
    draw: str

    def size(self) -> str:
        return f"{self.domains:,} domains, {self.connections:,} connections"

    def world(self) -> zone.World:
        return zone.generate(self.domains, self.connections, self.draw)

    def data(self, world: zone.World) -> Path:
        """The folder with the files of the drivers, written if they are not there as they must."""
        folder = BUILD / f"data-{self.draw}-{self.domains}-{self.connections}"
        stamp = folder / "made-by"
        maker = hashlib.sha256(Path(zone.__file__).read_bytes()).hexdigest()
        if not stamp.exists() or stamp.read_text(encoding="ascii") != maker:
            zone.write(world, folder)
            stamp.write_text(maker, encoding="ascii")
        return folder


LOADS = {
    load.name: load
    for load in (
        Load("zipf", "a busy receiver", 2_000, 50_000, "zipf"),
        Load("even", "domains without a favourite", 200_000, 200_000, "even"),
        Load("cold", "every domain new", 20_000, 20_000, "once"),
    )
}


def quick(load: Load) -> Load:
    """The same, small enough for a smoke test."""
    return replace(load, domains=200, connections=200 if load.draw == "once" else 2_000)
