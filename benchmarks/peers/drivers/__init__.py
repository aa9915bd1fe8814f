"""The drivers: one file a peer, all called alike, each in its own language.

    driver DATA VERDICTS PASSES

A driver reads DATA/zone.json or DATA/zone.tsv and DATA/connections.tsv, checks every connection
once and writes one word a line to VERDICTS (the seven results of RFC 7208 2.6), then checks them
all PASSES times more and prints one line of JSON:

    peer, version, checks             who, and how many checks a pass has
    cpu_seconds, wall_seconds         one figure a pass; CPU time of the whole process counts
    rss_kib                           the peak of resident memory, VmHWM

Python drivers run as modules (python -m benchmarks.peers.drivers.pyspf), in the peer's environment.
"""
