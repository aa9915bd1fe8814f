# Servers, ports, queries and lines of them. No input or output, no clock.
from libc.stdint cimport int64_t, uint8_t, uint32_t

from senderid_fast._core.wireform cimport WIRE_NAME_BUFFER

cdef enum:
    SERVERS_MOST = 16
    ONE = 1                   # the bit of server 0

cdef class Servers:
    cdef readonly int count
    cdef int strategy
    cdef uint32_t turn
    cdef int64_t[SERVERS_MOST] heard          # when a server last answered
    cdef int64_t[SERVERS_MOST] avoided        # until then it is not asked
    cdef int[SERVERS_MOST] silent             # queries without an answer since it last answered

    cdef int first(self, const uint8_t *name, int length) noexcept
    cdef bint is_good(self, int server, int64_t now) noexcept
    cdef void answered(self, int server, int64_t now) noexcept
    cdef void was_silent(self, int server, int64_t sent, int64_t now) noexcept
    cdef void broke(self, int server, int64_t now) noexcept
    cdef int choose(self, Query query, int rounds, int64_t now) noexcept

cdef class Port:
    cdef readonly object socket
    cdef readonly int file
    cdef readonly int server
    cdef readonly int open                    # queries
    cdef readonly int asked                   # queries so far
    cdef readonly int strays                  # datagrams that answer nothing
    cdef readonly object born
    cdef dict ids                             # id -> Query; None: it has timed out

cdef class Query:
    cdef readonly object question
    cdef readonly list failures               # (server, word, seconds or sentence)
    cdef public object answer
    cdef public object waiters
    cdef public object owner                  # the run that asks
    cdef public Py_ssize_t index
    cdef readonly bint late                   # its time was over
    cdef Query previous
    cdef Query next
    cdef Port port
    cdef int64_t sent
    cdef int64_t due
    cdef readonly int64_t deadline
    cdef uint32_t asked                       # servers of this round
    cdef uint32_t failed                      # servers that will not be asked again
    cdef int rrtype
    cdef int id
    cdef int start
    cdef int round
    cdef int name_length
    cdef uint8_t[WIRE_NAME_BUFFER] name

# Queries by the time at which their try is over.
cdef class Line:
    cdef Query head
    cdef Query tail

    cdef int append(self, Query query) except -1
    cdef int remove(self, Query query) except -1
