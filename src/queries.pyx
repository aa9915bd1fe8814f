"""The parts that a table of queries is made of: servers, ports, queries, lines of them.

What may live here: which server is next, and what is kept of a query. The table itself is in flights.pyx.
"""

cimport cython
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from senderid_fast._core.names cimport sf_hash

cdef enum:
    SILENT_MOST = 3           # unanswered queries in a row, and the server is avoided
    FIRST = 0                 # strategies, as in resolver/udp_home.py
    IN_TURN = 1
    BY_HASH = 2

cdef int64_t AVOIDED = 5_000_000_000       # nanoseconds for which a silent server is not asked
cdef int64_t PROBED = 1_000_000_000        # nanoseconds between single queries to one that was silent
# A name goes to the same server in every process: this key is no secret.
cdef uint64_t SHARED_KEY = <uint64_t>0x9E3779B97F4A7C15


cdef class Servers:
    """Which servers answer. One object for all exchanges of a process.

    strategy  where a question begins: 0 the first server, 1 each in turn, 2 by a hash of the name
    """

    def __init__(self, int count, int strategy):
        if not 1 <= count <= SERVERS_MOST:
            raise ValueError(f"from 1 to {SERVERS_MOST} servers")
        self.count = count
        self.strategy = strategy
        self.turn = 0
        memset(self.heard, 0, sizeof(self.heard))
        memset(self.avoided, 0, sizeof(self.avoided))
        memset(self.silent, 0, sizeof(self.silent))

    def avoids(self, int server, int64_t now):
        """Whether a server is not asked for the time being."""
        return self.silent[server] >= SILENT_MOST and now < self.avoided[server]

    cdef int first(self, const uint8_t *name, int length) noexcept:
        if self.strategy == IN_TURN:
            self.turn += 1
            return <int>((self.turn - 1) % <uint32_t>self.count)
        if self.strategy == BY_HASH:
            return <int>(sf_hash(name, length, SHARED_KEY) % <uint64_t>self.count)
        return 0

    cdef bint is_good(self, int server, int64_t now) noexcept:
        return self.silent[server] < SILENT_MOST or now >= self.avoided[server]

    cdef void answered(self, int server, int64_t now) noexcept:
        self.heard[server] = now
        self.silent[server] = 0

    cdef void was_silent(self, int server, int64_t sent, int64_t now) noexcept:
        # What was lost while the server answered others says nothing about the server.
        if sent >= self.heard[server]:
            self.silent[server] = min(self.silent[server] + 1, <int>SILENT_MOST)
            self.avoided[server] = now + AVOIDED

    cdef void broke(self, int server, int64_t now) noexcept:
        """The network says that nobody is there."""
        self.silent[server] = SILENT_MOST
        self.avoided[server] = now + AVOIDED

    cdef int choose(self, Query query, int rounds, int64_t now) noexcept:
        """The server that a query goes to next; -1: none is left.

        Silent servers come last of all; one whose time is over gets a single query to try.
        """
        cdef int i, server
        cdef uint32_t bit
        cdef bint good
        while True:
            good = False
            for i in range(self.count):
                server = (query.start + i) % self.count
                bit = ONE << server
                if query.failed & bit or not self.is_good(server, now):
                    continue
                good = True
                if not query.asked & bit:
                    if self.silent[server] >= SILENT_MOST:
                        self.avoided[server] = now + PROBED
                    return server
            if not good or query.round == rounds - 1:
                for i in range(self.count):
                    server = (query.start + i) % self.count
                    if not (query.asked | query.failed) & ONE << server:
                        return server
            if query.round == rounds - 1 or query.failed == <uint32_t>((ONE << self.count) - 1):
                return -1
            query.round += 1
            query.asked = 0


cdef class Port:
    """A connected socket, and the ids that are in use on it."""

    def __init__(self, socket, int server, born):
        self.socket = socket
        self.file = socket.fileno()
        self.server = server
        self.born = born
        self.ids = {}


@cython.no_gc
cdef class Query:
    """One question under way. ``answer`` is there when it is finished and did not fail.

    There are many, and each lives for a round trip: the garbage collector would look at them again and
    again. So nothing leads from a query back to it for good: whoever drops an Exchange breaks what goes
    in circles (Flights.clear), what is finished has no owner, and waiters hold no task.
    """


cdef class Line:
    cdef int append(self, Query query) except -1:
        """Behind all that are due no later: nearly always at the end."""
        cdef Query before = self.tail
        while before is not None and before.due > query.due:
            before = before.previous
        query.previous = before
        query.next = self.head if before is None else before.next
        if query.next is None:
            self.tail = query
        else:
            query.next.previous = query
        if before is None:
            self.head = query
        else:
            before.next = query
        return 0

    cdef int remove(self, Query query) except -1:
        if query.previous is None:
            self.head = query.next
        else:
            query.previous.next = query.next
        if query.next is None:
            self.tail = query.previous
        else:
            query.next.previous = query.previous
        query.previous = query.next = None
        return 0
