"""The drivers: one file a peer, all called alike, each in its own language.

    driver DATA VERDICTS PASSES [VARIANT]
    driver DATA VERDICTS cold PORT TASKS CHECKS [VARIANT]

With PASSES, answers are known: a driver reads DATA/zone.json or DATA/zone.tsv and
DATA/connections.tsv, checks every connection once and writes one word a line to VERDICTS (the seven
results of RFC 7208 2.6), then checks them all PASSES times more.

With cold, it asks the DNS server at 127.0.0.1:PORT by its own resolver and checks the first CHECKS
connections once, TASKS of them at a time, in one timed pass. What it caches, it caches as it would
in service.

Either prints one line of JSON:

    peer, version, checks             who, and how many checks a pass has
    cpu_seconds, wall_seconds         one figure a pass; CPU time of the whole process counts
    rss_kib                           the peak of resident memory while timed: before that, a driver
                                      frees what only loading needed, and sets VmHWM back

Python drivers run as modules (python -m benchmarks.peers.drivers.pyspf), in the peer's environment.
"""
