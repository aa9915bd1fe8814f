"""Who takes part: with answers known, and asking DNS; and who is missing, and why.

What may live here: lists. How a peer is built stands in prepare.py.
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.peers.prepare import (
    Peer,
    prepare_go,
    prepare_libspf2,
    prepare_mail_spf,
    prepare_node,
    prepare_ours,
    prepare_pyspf,
    prepare_rust,
)

__all__ = ["COLD", "NOT_RUN", "OURS", "PEERS", "Cold"]

OURS = "senderid_fast"
MAIL_AUTH = prepare_rust("peer_mail_auth")

PEERS = (
    Peer(OURS, "Cython", prepare_ours(""), passes=15, even=True),
    Peer(f"{OURS}-batch", "Cython", prepare_ours("batch"), 15, ("batch",), even=True),
    Peer(
        f"{OURS}-batch-no-tables",
        "Cython",
        prepare_ours("batch-no-tables"),
        15,
        ("batch-no-tables",),
        even=True,
    ),
    Peer(
        f"{OURS}-batch-2-threads",
        "Cython",
        prepare_ours("batch-2-threads"),
        15,
        ("batch-2-threads",),
        even=True,
        cores=2,
    ),
    Peer("mail-auth", "Rust", MAIL_AUTH, passes=15, even=True),
    Peer("mail-auth-expiring", "Rust", MAIL_AUTH, 15, ("expiring",), even=True),
    Peer("viaspf", "Rust", prepare_rust("peer_viaspf"), even=True),
    Peer("libspf2", "C", prepare_libspf2, even=True),
    Peer("go-spf", "Go", prepare_go, even=True),
    Peer("mailauth", "JavaScript", prepare_node, passes=1, share=5),
    Peer("pyspf", "Python", prepare_pyspf, passes=1, share=5),
    Peer("Mail::SPF", "Perl", prepare_mail_spf, passes=1, share=50),
)


@dataclass(frozen=True)
class Cold:
    """A peer as it asks DNS: its best concurrency of those tried, and how many checks it gets."""

    peer: Peer
    name: str
    how: str
    tasks: int
    checks: int
    variant: tuple[str, ...] = ()


PEER = {peer.name: peer for peer in PEERS}

COLD = (
    Cold(PEER[OURS], f"{OURS}-batch", "one check_batch(), UdpResolver", 1, 20_000, ("batch",)),
    Cold(PEER[OURS], f"{OURS}-async", "tasks, UdpResolver", 256, 20_000, ("async",)),
    Cold(PEER[OURS], f"{OURS}-threads", "threads, UdpResolver", 8, 10_000, ("threads",)),
    Cold(PEER[OURS], OURS, "threads, SystemResolver (dnspython)", 4, 4_000),
    Cold(PEER["libspf2"], "libspf2", "threads, each with its cache", 8, 20_000),
    Cold(PEER["mail-auth"], "mail-auth", "tasks, hickory's cache and its own", 32, 20_000),
    Cold(PEER["go-spf"], "go-spf", "goroutines, no cache", 64, 10_000),
    Cold(PEER["mailauth"], "mailauth", "promises, no cache", 64, 4_000),
    Cold(PEER["pyspf"], "pyspf", "threads, no cache", 4, 1_500),
    Cold(PEER["Mail::SPF"], "Mail::SPF", "one at a time, no cache", 1, 600),
)

# What a reader may look for in the tables and does not find.
NOT_RUN = {
    "mail-auth called from Python": "there is no Python package of it (PyPI has no mail-auth), "
    "so its figures are those of a Rust caller, without the cost of a call from Python",
    "rspamd": "its SPF module runs only inside rspamd's own worker, which is asked over HTTP for a "
    "whole message; and with answers known it looks an address up in a list that it flattened from "
    "the policy, for which there is no check_host() to compare",
    "viaspf, cold": "it brings no resolver of its own but an adapter to hickory, which is measured "
    "with mail-auth",
    "mailauth 7": "it wants Node.js 22.19; the last 4.x is measured, which runs on Debian's",
}
