"""Queries under way: which id is whose, which server is next, when a try is over.

What may live here: the state of questions between being asked and being answered. No socket (a driver
sends what fill() wrote and hands back what came), no clock (every time is an argument, in nanoseconds).

An answer counts only if it came over the very port that its query went out by, with its id, in time,
and with its question (RFC 5452 9.1). All else is dropped, and the query waits on: whoever forges an
answer must not end the wait for the true one.
"""

from collections import deque

from libc.stdint cimport int64_t, uint8_t

from senderid_fast._core.datagrams cimport BATCH, Datagrams, datagram
from senderid_fast._core.queries cimport ONE, Line, Port, Query, Servers
from senderid_fast._core.wire cimport (
    READ_ODD, READ_REFUSED, READ_SERVFAIL, READ_STRAY, READ_TRUNCATED, Outcome, answer_object, answer_read,
    query_write, question_name,
)
from senderid_fast._core.wireform cimport Reading, two

cdef enum:
    ROUNDS_MOST = 10
    WINDOW_LEAST = 8
    GROWTH = 2                # of the window, when as many answers came as are in it
    ID_OCTETS = 2048          # drawn at a time

cdef int64_t LOOKED = 20_000_000           # nanoseconds between looks at questions that wait to be sent


cdef class Flights:
    """The queries of one exchange, which one thread at a time drives.

    servers      shared with other exchanges
    rounds       how often the servers are gone through
    in_flight    how many are under way at most
    nanoseconds  how long an answer is waited for in the first round; twice as long in each further one
    random       gives so many octets that nobody can guess
    """

    cdef Servers servers
    cdef object random
    cdef bytes octets                     # random ones
    cdef int octets_used
    cdef int rounds
    cdef int64_t nanoseconds
    cdef readonly int under_way
    cdef readonly int in_flight
    cdef double window                    # of these, how many now
    cdef int64_t calm                     # until then the window was made smaller
    cdef readonly list finished
    cdef readonly list aside              # what is not read here: (query, server, over TCP, octets)
    cdef object ready                     # deque: no server yet
    cdef list outgoing                    # by server: deque
    cdef list filled                      # what is in the batch to send
    cdef list lines                       # by round
    cdef int64_t look
    cdef long long sent, answered, retried, timed_out, truncated, odd, late, forged
    cdef Reading reading

    def __init__(self, Servers servers not None, int rounds, int64_t nanoseconds, int in_flight, random):
        if not 1 <= rounds <= ROUNDS_MOST:
            raise ValueError(f"from 1 to {ROUNDS_MOST} rounds")
        self.servers = servers
        self.rounds = rounds
        self.nanoseconds = nanoseconds
        self.in_flight = in_flight
        self.window = in_flight
        self.random = random
        self.octets = b""
        self.finished = []
        self.aside = []
        self.ready = deque()
        self.outgoing = [deque() for _ in range(servers.count)]
        self.filled = []
        self.lines = [Line() for _ in range(rounds)]

    @property
    def waiting(self):
        """How many questions wait to be sent."""
        return len(self.ready) + sum([len(one) for one in self.outgoing])

    @property
    def room(self):
        """How many more may be sent now."""
        return max(<int>self.window - self.under_way, 0)

    cpdef Query add(self, question, int64_t deadline):
        """Take a question; it is finished by ``deadline``. One that is no DNS name is put aside."""
        cdef Query query = Query.__new__(Query)
        query.question = question
        query.deadline = deadline
        query.rrtype = question.rrtype
        query.name_length = question_name(question.name, query.name)
        if query.name_length == 0 or not 0 < query.rrtype <= 0xFFFF:
            self.aside.append((query, 0, False, None))
        else:
            query.start = self.servers.first(query.name, query.name_length)
            self.ready.append(query)
        return query

    def claim(self, dict under_way not None, questions, places, int64_t deadline, owner):
        """Take those of the questions at these places that nobody has under way, and note them there.

        owner  whose they are
        The others: (place, Query) of each.
        """
        cdef Query query
        cdef list others = []
        for place in places:
            question = questions[place]
            found = under_way.get(question)
            if found is not None:
                others.append((place, found))
                continue
            query = self.add(question, deadline)
            query.index = place
            query.owner = owner
            under_way[question] = query
        return others

    def settle(self, dict under_way not None, list answers not None):
        """Put the answers of what is finished to their places. What somebody waits for, or has no answer,
        is returned: the caller has to see to it."""
        cdef Query query
        cdef list left = []
        for query in self.finished:
            if query.answer is None or query.waiters is not None:
                left.append(query)
                continue
            answers[query.index] = query.answer
            query.owner = None            # it may hold this query: nobody else would break that circle
            del under_way[query.question]
        self.finished.clear()
        return left

    def clear(self):
        """Forget every question. What is under way holds others (its port, the next in its line), and these
        are out of the sight of the garbage collector."""
        cdef Line line
        for line in self.lines:
            while line.head is not None:
                self.land(line.head, False)
        self.ready.clear()
        for queue in self.outgoing:
            queue.clear()
        self.filled.clear()
        self.finished.clear()
        self.aside.clear()

    def assign(self, int most, int64_t now):
        """Choose servers for as many questions that wait. The servers that something is to go to."""
        cdef Query query
        cdef int server
        while self.ready and most > 0:
            query = self.ready.popleft()
            server = self.servers.choose(query, self.rounds, now) if now < query.deadline else -1
            if server < 0:
                self.finish(query, None, now >= query.deadline)
                continue
            query.asked |= ONE << server
            (<object>self.outgoing[server]).append(query)
            most -= 1
        return [server for server in range(self.servers.count) if self.outgoing[server]]

    def fill(self, Datagrams datagrams not None, Port port not None, int64_t now):
        """Write queries that go to the port's server, as many as there is room for. Their number."""
        cdef Query query
        cdef object outgoing = self.outgoing[port.server]
        datagrams.count = 0
        self.filled.clear()
        while outgoing and datagrams.count < BATCH:
            query = outgoing.popleft()
            query.id = self.new_id(port)
            query.port = port
            query.sent = now
            query.due = min(now + (self.nanoseconds << query.round), query.deadline)
            port.ids[query.id] = query
            port.open += 1
            port.asked += 1
            (<Line>self.lines[query.round]).append(query)
            datagrams.lengths[datagrams.count] = query_write(
                query.name, query.name_length, query.rrtype, query.id, datagram(datagrams, datagrams.count))
            datagrams.count += 1
            self.filled.append(query)
        self.under_way += datagrams.count
        self.sent += datagrams.count
        return datagrams.count

    def unsent(self, int begin):
        """Those of the last fill() from ``begin`` on were not sent: they wait again."""
        cdef Query query
        for query in reversed(self.filled[begin:]):
            if query.port is not None:
                (<object>self.outgoing[query.port.server]).appendleft(query)
                self.land(query, False)
                self.sent -= 1

    cdef int new_id(self, Port port) except -1:
        cdef int id
        while True:
            if self.octets_used + 2 > len(self.octets):
                self.octets, self.octets_used = self.random(ID_OCTETS), 0
            id = two(<const uint8_t *><const char *>self.octets + self.octets_used)
            self.octets_used += 2
            if id not in port.ids:
                return id

    cdef int land(self, Query query, bint expected) except -1:
        """The try is over. expected: an answer may still come, and would be late."""
        cdef Port port = query.port
        (<Line>self.lines[query.round]).remove(query)
        if expected:
            port.ids[query.id] = None
        else:
            del port.ids[query.id]
        port.open -= 1
        self.under_way -= 1
        query.port = None
        return 0

    cdef int finish(self, Query query, answer, bint late) except -1:
        query.answer = answer
        query.late = late
        self.finished.append(query)
        return 0

    cdef int fail(self, Query query, int server, str word, detail) except -1:
        if query.failures is None:
            query.failures = []
        query.failures.append((server, word, detail))
        return 0

    cdef int again(self, Query query) except -1:
        self.retried += 1
        self.ready.appendleft(query)
        return 0

    def take(self, Datagrams datagrams not None, Port port not None, int64_t now):
        """Take what came over a port."""
        cdef int number
        for number in range(datagrams.count):
            self.take_one(datagram(datagrams, number), datagrams.lengths[number], port, now)

    cdef int take_one(self, const uint8_t *octets, size_t length, Port port, int64_t now) except -1:
        cdef Outcome outcome
        cdef Query query
        cdef int id = two(octets) if length > 1 else -1
        found = port.ids.get(id, self)
        if found is None:
            del port.ids[id]
            self.late += 1
            # The server answers, and takes longer than it is waited for: it has too much to do.
            if now >= self.calm:
                self.window = max(self.window / 2, min(<int>WINDOW_LEAST, self.in_flight))
                self.calm = now + self.nanoseconds
            return 0
        outcome = READ_STRAY
        if found is not self:
            query = found
            outcome = answer_read(octets, length, query.name, query.name_length, query.rrtype, id, &self.reading)
        if outcome == READ_STRAY:
            self.forged += 1
            port.strays += 1
            return 0
        self.land(query, False)
        self.servers.answered(port.server, now)
        self.answered += 1
        self.window = min(self.window + GROWTH / self.window, self.in_flight)
        if outcome == READ_TRUNCATED:
            self.truncated += 1
            self.aside.append((query, port.server, True, None))
        elif outcome == READ_ODD:
            self.odd += 1
            self.aside.append((query, port.server, False, (<const char *>octets)[:length]))
        elif outcome == READ_SERVFAIL or outcome == READ_REFUSED:
            query.failed |= ONE << port.server
            self.fail(query, port.server, "servfail" if outcome == READ_SERVFAIL else "refused", None)
            self.again(query)
        else:
            self.finish(query, answer_object(octets, &self.reading, outcome), False)
        return 0

    def broken(self, int server, Port port, str sentence not None, int64_t now):
        """A server cannot be asked: what was to go to it, or went out by the port, goes to another."""
        cdef Query query
        cdef list lost = list(self.outgoing[server])
        self.servers.broke(server, now)
        (<object>self.outgoing[server]).clear()
        if port is not None:
            for query in [one for one in port.ids.values() if one is not None]:
                self.land(query, False)
                lost.append(query)
        for query in lost:
            query.failed |= ONE << server
            self.fail(query, server, "error", sentence)
            self.again(query)

    def expire(self, int64_t now):
        """End the tries whose time is over, and the questions whose time is over."""
        cdef Query query
        cdef Line line
        cdef int server
        for line in self.lines:
            while line.head is not None and line.head.due <= now:
                query = line.head
                server = query.port.server
                self.land(query, True)
                self.timed_out += 1
                self.servers.was_silent(server, query.sent, now)
                self.fail(query, server, "timeout", (query.due - query.sent) / 1e9)
                if now >= query.deadline:
                    self.finish(query, None, True)
                else:
                    self.again(query)
        if now >= self.look:
            self.look = now + LOOKED
            for queue in (self.ready, *self.outgoing):
                for _ in range(len(queue)):
                    query = queue.popleft()
                    if query.deadline <= now:
                        self.finish(query, None, True)
                    else:
                        queue.append(query)

    def next_due(self, int64_t now):
        """When expire() has something to do, at the latest; -1: never."""
        cdef Line line
        cdef int64_t due = -1
        for line in self.lines:
            if line.head is not None and (due < 0 or line.head.due < due):
                due = line.head.due
        if self.waiting and (due < 0 or due > now + LOOKED):
            due = now + LOOKED
        return due

    def counts(self):
        """What happened so far, by name."""
        return {
            "sent": self.sent, "answered": self.answered, "retried": self.retried, "timed_out": self.timed_out,
            "truncated": self.truncated, "odd": self.odd, "late": self.late, "forged": self.forged,
        }
