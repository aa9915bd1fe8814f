"""Batch: the rows of a record batch, checked without the GIL and without an object for each.

What may live here: the way from columns to checks and back to columns. No rule of SPF, no waiting, no
clock: a driver (senderid_fast.batch) asks what is open.

Theory of operation. A batch is cut into parts of neighbouring rows, one for each thread. Rows are
prepared in blocks: first the identities of a block are read and their names hashed, then the answers
that they start from are fetched into the cache, then each is evaluated. A check that lacks an answer
is put on the waiting list of its part with its question, and runs again, from the top, when answers
have come. What the rows give does not depend on how the batch was cut.
"""

from libc.stdint cimport INT64_MAX, int8_t, int64_t, uint8_t, uint32_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcpy

from senderid_fast._core.answerdata cimport question_object
from senderid_fast._core.answers cimport Area, AnswerStore, sf_read_lock, sf_read_unlock
from senderid_fast._core.arrow cimport COLUMN_NUMBER, Column, column_at
from senderid_fast._core.asking cimport MISSING, SCOPE_NUMBER_PRA
from senderid_fast._core.checks cimport Evaluator
from senderid_fast._core.cidr cimport FAMILY_IP4, FAMILY_NONE, address_from_octets, address_parse
from senderid_fast._core.evaluator cimport evaluate_held
from senderid_fast._core.fetched cimport fetched_free
from senderid_fast._core.headers cimport PRA_FOUND, pra_select
from senderid_fast._core.identities cimport (
    IDENTITY_INVALID, IDENTITY_NO_PRA, IDENTITY_OK, has_u_labels, identity_of_helo, identity_of_mail_from,
    identity_of_none, identity_of_pra,
)
from senderid_fast._core.outcomes cimport (
    PUT_DONE, PUT_NO_MEMORY, TEXT_COUNT, Octets, OutcomeData, Outcomes, bits_of, octets_of_size, outcome_copy,
    outcome_gather, outcome_lengths, outcome_put, put_raise,
)
from senderid_fast._core.policies cimport policy_settle
from senderid_fast._core.pra cimport PRA_NOT_ASCII, pra_converted, pra_domain
from senderid_fast._core.prefetching cimport prefetch_block
from senderid_fast._core.preparing cimport (
    check_expire, check_identify, check_refuse, check_refuse_ip, check_set_up,
)
from senderid_fast._core.verdict cimport KIND_HELO, KIND_MAIL_FROM, KIND_PRA
from senderid_fast._core.waiting cimport (
    NO_MEMORY, NO_QUESTION, QUESTION_ANSWERED, QUESTION_NEW, QUESTION_OPEN, Item, Wanted, questions_add,
    questions_free,
)

from senderid_fast.errors import InputError

cdef enum:
    CONVERTED_MOST = 4096     # octets of a mailbox with U-labels: a_labels leaves a longer one too long


cdef class Batch:
    """One batch under way.

    evaluator     whose limits and settings apply
    store         the AnswerStore that is consulted, at the time now (nanoseconds)
    unix          Unix time in nanoseconds, for %{t}
    limit         nanoseconds that the questions of one check may take (RFC 7208 4.6.4)
    ip, mail_from, helo   Columns; headers  a Column, or None: no PRA is checked
    parts         how many threads will work
    """

    def __init__(self, Evaluator evaluator not None, AnswerStore store not None, int64_t now, int64_t unix,
                 int64_t limit, Column ip not None, Column mail_from not None, Column helo not None,
                 Column headers, bint helo_result, bint counts, bint stale, bint explanations, int parts):
        cdef int64_t each
        cdef int i, j
        cdef Part *part
        self.evaluator = evaluator
        self.store = store
        self.ip, self.mail_from, self.helo, self.headers = ip, mail_from, helo, headers
        self.rows = ip.rows
        self.limit = limit
        self.explanations = explanations
        self.routes = {}
        of_mail_from = Outcomes(self.rows, counts, stale, explanations)
        of_helo = Outcomes(self.rows, False, stale, False) if helo_result else None
        of_pra = None if headers is None else Outcomes(self.rows, False, stale, False)
        self.owned = (None, of_helo, of_mail_from, of_pra)
        for i in range(4):
            self.outcomes[i] = NULL if self.owned[i] is None else &(<Outcomes>self.owned[i]).data
        self.scopes = octets_of_size(self.rows, 0)
        self.as_mail_from = <int8_t *>self.scopes.at
        if headers is not None:
            self.pra_headers = octets_of_size(self.rows, 0xFF)
            self.pra_failures = octets_of_size(self.rows, 0xFF)
        # Whole blocks in each part, so that questions are found in the same order however many there are.
        parts = max(parts, 1)
        each = (self.rows + parts - 1) // parts
        each = max((each + BLOCK_ROWS - 1) // BLOCK_ROWS * BLOCK_ROWS, <int64_t>BLOCK_ROWS)
        self.part_count = <int>max((self.rows + each - 1) // each, <int64_t>1)
        self.kept = [[None] * BLOCK_ROWS for _ in range(self.part_count)]
        self.parts = <Part *>calloc(self.part_count, sizeof(Part))
        if self.parts == NULL:
            raise MemoryError
        for i in range(self.part_count):
            part = &self.parts[i]
            part.number = i
            part.first = part.reached = i * each
            part.last = min(part.first + each, self.rows)
            part.in_order = True
            for j in range(BLOCK_ROWS):
                check_set_up(&part.rows[j].check, &evaluator.common, &store.data, now, unix)
                part.rows[j].check.fetched = &self.fetched
                part.rows[j].check.brief = True

    def __dealloc__(self):
        cdef int i, j, k
        fetched_free(&self.fetched)
        if self.parts == NULL:
            return
        for i in range(self.part_count):
            questions_free(&self.parts[i].questions)
            free(self.parts[i].waiting)
            for j in range(4):
                for k in range(TEXT_COUNT):
                    free(self.parts[i].arenas[j][k].octets)
        free(self.parts)

    def run(self, int number, int64_t most=INT64_MAX):
        """Check the rows of one part: those that wait, if there are any, and so many of those whose turn
        has not come."""
        if not 0 <= number < self.part_count:
            raise IndexError(number)
        with nogil:
            self.run_again(&self.parts[number])
            self.run_first(&self.parts[number], most)

    @property
    def begun(self):
        """Whether the turn of every row has come."""
        cdef int i
        for i in range(self.part_count):
            if self.parts[i].reached < self.parts[i].last:
                return False
        return True

    @property
    def waiting(self):
        """How many checks wait for an answer."""
        cdef int i
        cdef int64_t count = 0
        for i in range(self.part_count):
            count += self.parts[i].waiting_count
        return count

    @property
    def open(self):
        """How many questions of the parts have no answer yet."""
        cdef int i, count = 0
        for i in range(self.part_count):
            count += self.parts[i].questions.open
        return count

    def questions(self):
        """The questions that came up since the last call, each once, in the order of the rows."""
        cdef int i, number
        cdef Part *part
        cdef Wanted *wanted
        cdef list fresh = []
        for i in range(self.part_count):
            part = &self.parts[i]
            for number in range(part.questions.handed, part.questions.count):
                wanted = &part.questions.wanted[number]
                if wanted.state != QUESTION_NEW:
                    continue                             # a cache had it
                question = question_object(part.questions.names + wanted.name, wanted.length, wanted.rrtype)
                wanted.state = QUESTION_OPEN
                if question not in self.routes:
                    self.routes[question] = []
                    fresh.append(question)
                self.routes[question].append((i, number))
            part.questions.handed = part.questions.count
        return fresh

    def expire(self):
        """From now on, what lacks an answer is temperror (RFC 7208 4.6.4): run every part once more."""
        self.expiring = True

    # --- the kernel ------------------------------------------------------------------------------

    cdef int run_first(self, Part *part, int64_t most) except -1 nogil:
        cdef int64_t first = part.reached
        cdef int64_t last = part.last if part.last - first < most else first + most
        cdef int count, i
        while first < last:
            count = <int>min(last - first, <int64_t>BLOCK_ROWS)
            for i in range(count):
                part.rows[i].loaded = False
            # MAIL FROM comes first: what it gave may be that of HELO as well.
            self.run_kind(part, KIND_MAIL_FROM, first, count)
            self.run_kind(part, KIND_HELO, first, count)
            self.run_kind(part, KIND_PRA, first, count)
            first += count
            part.reached = first
        return 0

    cdef int run_kind(self, Part *part, int kind, int64_t first, int count) except -1 nogil:
        cdef int i
        if self.outcomes[kind] == NULL:
            return 0
        for i in range(count):
            part.rows[i].item.row = first + i
            part.rows[i].item.kind = kind
            part.rows[i].item.spent = 0
            part.rows[i].item.question = NO_QUESTION
        return self.run_block(part, count)

    cdef int run_again(self, Part *part) except -1 nogil:
        # The list is written anew where it was read: each check that is read puts back one at most.
        cdef int64_t at = 0, total = part.waiting_count
        cdef int count, state
        cdef Item *item
        cdef Wanted *wanted
        part.waiting_count = 0
        if total:
            part.in_order = False
        while at < total:
            count = 0
            while at < total and count < BLOCK_ROWS:
                item = &part.waiting[at]
                at += 1
                if item.question >= 0:
                    wanted = &part.questions.wanted[item.question]
                    state = wanted.state
                    if state < QUESTION_ANSWERED and not self.expiring:
                        part.waiting[part.waiting_count] = item[0]
                        part.waiting_count += 1
                        continue
                    if state >= QUESTION_ANSWERED:
                        item.spent += wanted.took
                part.rows[count].loaded = False
                part.rows[count].item = item[0]
                count += 1
            self.run_block(part, count)
        return 0

    cdef int run_block(self, Part *part, int count) except -1 nogil:
        cdef int i, put = PUT_DONE
        cdef Row *row
        cdef Area *area = &self.store.data.areas[0]
        for i in range(count):
            self.prepare(part, i)
        sf_read_lock(&self.store.data.lock)
        if area.slots != NULL:
            prefetch_block(part, area, count)
        for i in range(count):
            row = &part.rows[i]
            if row.state == ROW_READY and evaluate_held(&row.check, part.explanation) == MISSING:
                put = self.wait(part, row)
            else:
                put = self.put(part, row)
            if row.check.hot != NULL:
                sf_read_unlock(&self.store.data.lock)
                policy_settle(&row.check)
                sf_read_lock(&self.store.data.lock)
            if put != PUT_DONE:
                break
        sf_read_unlock(&self.store.data.lock)
        # Raising takes the GIL, which a thread may have that waits until it can write to the store.
        if put != PUT_DONE:
            put_raise(put)
        return 0

    cdef int wait(self, Part *part, Row *row) noexcept nogil:
        """Put a check on the waiting list, or end it: its time may be over. A PutOutcome."""
        cdef Item *more
        cdef int64_t room
        cdef int number = questions_add(&part.questions, &row.check.question)
        if number == NO_MEMORY:
            return PUT_NO_MEMORY
        if self.expiring or row.item.spent >= self.limit or (
                number >= 0 and part.questions.wanted[number].state >= QUESTION_ANSWERED):
            # (Answered, and yet not there: the memory for it could not be had.)
            check_expire(&row.check)
            return self.put(part, row)
        if part.waiting_count == part.waiting_room:
            room = max(2 * part.waiting_room, <int64_t>256)
            more = <Item *>realloc(part.waiting, room * sizeof(Item))
            if more == NULL:
                return PUT_NO_MEMORY
            part.waiting = more
            part.waiting_room = room
        row.item.question = number
        part.waiting[part.waiting_count] = row.item
        part.waiting_count += 1
        return PUT_DONE

    cdef int put(self, Part *part, Row *row) noexcept nogil:
        """Write what came of a check. A PutOutcome."""
        cdef int kind = row.item.kind
        cdef const uint8_t *domain = row.check.domain
        cdef int length = row.check.domain_length
        if row.state == ROW_SAME:
            return outcome_copy(self.outcomes[kind], part.arenas[kind], self.outcomes[<int>KIND_MAIL_FROM],
                                part.arenas[<int>KIND_MAIL_FROM], row.item.row)
        if kind == KIND_PRA and length == 0 and row.identity.sender_length:
            # A PRA whose domain cannot be checked is a PRA all the same.
            domain = row.identity.sender + row.identity.local_length + 1
            length = row.identity.sender_length - row.identity.local_length - 1
        return outcome_put(self.outcomes[kind], part.arenas[kind], row.item.row, &row.check, domain, length,
                           part.explanation)

    cdef int load(self, Row *row) except -1 nogil:
        """Read the address and the HELO name of a row."""
        cdef const uint8_t *at = NULL
        cdef size_t length = 0
        row.loaded = True
        row.check.ip.family = FAMILY_NONE
        if column_at(&self.ip.data, row.item.row, &at, &length):
            if self.ip.data.kind == COLUMN_NUMBER:
                memcpy(&row.check.ip.ip4, at, 4)
                row.check.ip.ip6 = 0
                row.check.ip.family = FAMILY_IP4
            elif self.ip.data.packed:
                address_from_octets(at, length, &row.check.ip)
            elif not address_parse(at, length, &row.check.ip):
                row.check.ip.family = FAMILY_NONE
        row.helo_length = 0
        if not column_at(&self.helo.data, row.item.row, &row.helo, &row.helo_length):
            row.helo_length = 0
        return 0

    cdef int prepare(self, Part *part, int i) except -1 nogil:
        """Find out what a row asks."""
        cdef Row *row = &part.rows[i]
        cdef const uint8_t *at = NULL
        cdef size_t length = 0
        cdef int kind = row.item.kind, scope = 0
        cdef int64_t number = row.item.row
        row.check.hot = NULL
        if not row.loaded:
            self.load(row)
        if kind == KIND_MAIL_FROM:
            if not column_at(&self.mail_from.data, number, &at, &length):
                length = 0
            identity_of_mail_from(at, length, row.helo, row.helo_length, &row.identity)
            if row.identity.fault == IDENTITY_INVALID and length <= CONVERTED_MOST and has_u_labels(at, length):
                self.convert(part, i, &at, &length)
                identity_of_mail_from(at, length, row.helo, row.helo_length, &row.identity)
            self.as_mail_from[number] = not row.identity.by_helo
        elif kind == KIND_HELO:
            if not self.as_mail_from[number] and self.outcomes[<int>KIND_MAIL_FROM].results[number] != MISSING:
                row.state = ROW_SAME
                return 0
            identity_of_helo(row.helo, row.helo_length, &row.identity)
        else:
            scope = SCOPE_NUMBER_PRA
            self.select(part, row)
        row.check.no_explanation = kind != KIND_MAIL_FROM or not self.explanations
        check_identify(&row.check, &row.identity, row.helo, row.helo_length, scope)
        row.state = ROW_READY
        if row.check.ip.family == FAMILY_NONE:
            check_refuse_ip(&row.check)
            row.state = ROW_REFUSED
        elif row.identity.fault != IDENTITY_OK:
            check_refuse(&row.check, row.identity.fault)
            row.state = ROW_REFUSED
        return 0

    cdef int select(self, Part *part, Row *row) except -1 nogil:
        """The identity of the PRA of a header section."""
        cdef uint8_t[256] name
        cdef const uint8_t *at = NULL
        cdef size_t length = 0
        cdef int name_length
        if not column_at(&self.headers.data, row.item.row, &at, &length):
            length = 0
        pra_select(at, length, &part.pra)
        name_length = pra_domain(&part.pra, name)
        if name_length == PRA_NOT_ASCII:
            name_length = self.convert_pra(part, name)
        if part.pra.outcome != PRA_FOUND:
            (<int8_t *>self.pra_failures.at)[row.item.row] = <int8_t>(part.pra.outcome - 1)
            identity_of_none(IDENTITY_NO_PRA, &row.identity)
        else:
            (<int8_t *>self.pra_headers.at)[row.item.row] = <int8_t>part.pra.header
            identity_of_pra(part.pra.mailbox.unquoted, part.pra.mailbox.unquoted_length, name, name_length,
                            &row.identity)
        return 0

    cdef int convert(self, Part *part, int i, const uint8_t **at, size_t *length) except -1 with gil:
        cdef bytes converted = self.evaluator.a_labels((<const char *>at[0])[:length[0]])
        self.kept[part.number][i] = converted
        at[0] = <const uint8_t *><const char *>converted
        length[0] = len(converted)
        return 0

    cdef int convert_pra(self, Part *part, uint8_t *name) except -2 with gil:
        return pra_converted(&part.pra, self.evaluator.a_labels, name)

    # --- the columns that come out ---------------------------------------------------------------

    def codes(self, int kind, str which not None):
        """A column of numbers: results, reasons, lookups, void_lookups or stale of an identity (a position
        of verdict.IDENTITIES)."""
        cdef Outcomes outcomes = self.owned[kind]
        return {"results": outcomes.results, "reasons": outcomes.reasons, "lookups": outcomes.lookups,
                "void_lookups": outcomes.void_lookups, "stale": outcomes.stale}[which]

    @property
    def scope_codes(self):
        """Of each row, 1 if MAIL FROM was checked as such, and 0 if HELO stood in for it."""
        return self.scopes

    @property
    def pra_codes(self):
        """The positions of the field and of the PraFailure of each row, -1 for none."""
        return self.pra_headers, self.pra_failures

    def known(self, int kind):
        """(bits, count) of the rows whose outcome is known, as Arrow has them; bits is None if all are."""
        cdef Outcomes outcomes = self.owned[kind]
        return bits_of(outcomes.data.results, outcomes.data.results, self.rows)

    def given(self, int kind, Octets codes not None):
        """The same for those of the rows that have a code."""
        cdef Outcomes outcomes = self.owned[kind]
        return bits_of(outcomes.data.results, <const int8_t *>codes.at, self.rows)

    def text(self, int kind, int column):
        """(bits, offsets, octets) of a column of text (0 domain, 1 mechanism, 2 explanation)."""
        cdef Outcomes outcomes = self.owned[kind]
        cdef OutcomeData *data = &outcomes.data
        cdef size_t total = 0
        cdef int i
        cdef Octets octets, offsets, bits
        cdef Part *part
        cdef uint8_t *out
        for i in range(self.part_count):
            total += self.parts[i].arenas[kind][column].used
        if total > 0x7FFFFFFF:
            raise InputError("data", "gives more than 2 GiB of text in one batch: pass a Table or a reader")
        octets = octets_of_size(total, 0)
        offsets = octets_of_size(4 * (self.rows + 1), 0)
        bits = octets_of_size((self.rows + 7) // 8, 0)
        out = <uint8_t *>octets.at
        with nogil:
            for i in range(self.part_count):
                part = &self.parts[i]
                outcome_gather(data, column, &part.arenas[kind][column], part.first, part.last, part.in_order,
                               out)
                out += part.arenas[kind][column].used
            outcome_lengths(data, column, self.rows, <uint32_t *>offsets.at, <uint8_t *>bits.at)
        return bits, offsets, octets
