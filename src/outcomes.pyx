"""What came of the rows of a batch, as columns.

What may live here: the memory of result columns, and how Python gets it. Each row is written once, by
whichever thread has it, in any order; text goes to an arena of that thread, and is put in the order
of the rows at the end. Nothing is decided here.
"""

from cpython.buffer cimport PyBuffer_FillInfo
from libc.stdint cimport UINT32_MAX, int8_t, int64_t, uint8_t, uint16_t, uint32_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy, memset

from senderid_fast._core.asking cimport CheckData
from senderid_fast._core.tokenizer cimport Term

from senderid_fast.errors import InputError


cdef class Octets:
    """Memory that Python may read without a copy."""

    def __init__(self):
        raise TypeError("the octets of a column come from a Batch")

    def __dealloc__(self):
        free(self.at)

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        PyBuffer_FillInfo(buffer, self, self.at, self.size, True, flags)

    def __len__(self):
        return self.size


cdef Octets octets_of_size(size_t size, int fill):
    """New memory of that size, every octet of which is fill."""
    cdef Octets octets = Octets.__new__(Octets)
    octets.at = malloc(size if size else 1)
    if octets.at == NULL:
        raise MemoryError
    memset(octets.at, fill, size)
    octets.size = <Py_ssize_t>size
    return octets


cdef int put_raise(int outcome) except -1 with gil:
    """Raise what a PutOutcome says."""
    if outcome == PUT_TOO_MUCH:
        raise InputError("data", "gives more than 2 GiB of text in one batch: pass a Table or a reader, "
                                 "and keep batch_rows small")
    raise MemoryError


cdef inline int arena_put(Arena *arena, const uint8_t *octets, size_t length) noexcept nogil:
    cdef size_t room = arena.room
    cdef uint8_t *more
    if arena.used + length > room:
        room = max(2 * room, arena.used + length + 65536)
        if room > UINT32_MAX:
            return PUT_TOO_MUCH
        more = <uint8_t *>realloc(arena.octets, room)
        if more == NULL:
            return PUT_NO_MEMORY
        arena.octets = more
        arena.room = room
    memcpy(arena.octets + arena.used, octets, length)
    arena.used += length
    return PUT_DONE


cdef class Outcomes:
    """The columns of one identity: HELO, MAIL FROM or PRA.

    counts, stale, explanations  whether these are kept
    """

    def __init__(self, int64_t rows, bint counts, bint stale, bint explanations):
        cdef int column
        self.rows = rows
        self.results = octets_of_size(rows, 0xFF)             # MISSING
        self.reasons = octets_of_size(rows, 0)
        self.data.results = <int8_t *>self.results.at
        self.data.reasons = <int8_t *>self.reasons.at
        if counts:
            self.lookups = octets_of_size(2 * rows, 0)
            self.void_lookups = octets_of_size(2 * rows, 0)
            self.data.lookups = <uint16_t *>self.lookups.at
            self.data.void_lookups = <uint16_t *>self.void_lookups.at
        if stale:
            self.stale = octets_of_size(rows, 0)
            self.data.stale = <int8_t *>self.stale.at
        for column in range(TEXT_COUNT if explanations else <int>TEXT_EXPLANATION):
            self.data.starts[column] = <uint32_t *>malloc(4 * rows + 4)
            self.data.lengths[column] = <uint16_t *>malloc(2 * rows + 2)
            if self.data.starts[column] == NULL or self.data.lengths[column] == NULL:
                raise MemoryError
            memset(self.data.lengths[column], 0xFF, 2 * rows)      # TEXT_NULL

    def __dealloc__(self):
        cdef int column
        for column in range(TEXT_COUNT):
            free(self.data.starts[column])
            free(self.data.lengths[column])


cdef inline int put_text(OutcomeData *out, int column, Arena *arena, int64_t row, const uint8_t *octets,
                         size_t length) noexcept nogil:
    out.starts[column][row] = <uint32_t>arena.used
    out.lengths[column][row] = <uint16_t>length
    return arena_put(arena, octets, length)


cdef int outcome_put(OutcomeData *out, Arena *arenas, int64_t row, const CheckData *check, const uint8_t *domain,
                     int domain_length, const uint8_t *explanation) noexcept nogil:
    """Write the outcome of a row. arenas are those of its part, one for each column of text. A PutOutcome."""
    cdef const Term *term
    cdef int put = PUT_DONE
    out.reasons[row] = <int8_t>check.reason
    if out.lookups != NULL:
        out.lookups[row] = <uint16_t>check.lookups
        out.void_lookups[row] = <uint16_t>check.void_lookups
    if out.stale != NULL:
        out.stale[row] = check.stale
    if domain_length:
        put = put_text(out, TEXT_DOMAIN, &arenas[TEXT_DOMAIN], row, domain, domain_length)
    if put == PUT_DONE and check.record != NULL and check.term >= 0:
        term = &check.record.terms[check.term]
        # A stranger's term of 60,000 octets would be in every row: it is cut.
        put = put_text(out, TEXT_MECHANISM, &arenas[TEXT_MECHANISM], row, check.record.text + term.offset,
                       min(<size_t>term.length, <size_t>MECHANISM_MOST))
    if put == PUT_DONE and out.starts[TEXT_EXPLANATION] != NULL and check.explanation_length >= 0:
        put = put_text(out, TEXT_EXPLANATION, &arenas[TEXT_EXPLANATION], row, explanation,
                       check.explanation_length)
    out.results[row] = <int8_t>check.result
    return put


cdef int outcome_copy(OutcomeData *out, Arena *arenas, const OutcomeData *other, const Arena *others,
                      int64_t row) noexcept nogil:
    """Write what other, whose text is in others, has for the row. A PutOutcome."""
    cdef int column, put = PUT_DONE
    for column in range(TEXT_COUNT):
        if (put == PUT_DONE and out.starts[column] != NULL and other.starts[column] != NULL
                and other.lengths[column][row] != TEXT_NULL):
            put = put_text(out, column, &arenas[column], row,
                           others[column].octets + other.starts[column][row], other.lengths[column][row])
    if out.lookups != NULL and other.lookups != NULL:
        out.lookups[row] = other.lookups[row]
        out.void_lookups[row] = other.void_lookups[row]
    if out.stale != NULL and other.stale != NULL:
        out.stale[row] = other.stale[row]
    out.reasons[row] = other.reasons[row]
    out.results[row] = other.results[row]
    return put


cdef void outcome_gather(const OutcomeData *data, int column, const Arena *arena, int64_t first, int64_t last,
                         bint in_order, uint8_t *out) noexcept nogil:
    """Write the text of the rows from first to before last in their order."""
    cdef int64_t row
    cdef uint16_t length
    if in_order:
        if arena.used:
            memcpy(out, arena.octets, arena.used)
        return
    for row in range(first, last):
        length = data.lengths[column][row]
        if length != TEXT_NULL:
            memcpy(out, arena.octets + data.starts[column][row], length)
            out += length


cdef tuple bits_of(const int8_t *results, const int8_t *codes, int64_t rows):
    """(bits, count) of the rows whose result is known and that have a code; bits is None if all do."""
    cdef Octets bits = octets_of_size((rows + 7) // 8, 0)
    cdef uint8_t *out = <uint8_t *>bits.at
    cdef int64_t row, count = 0
    cdef int known
    for row in range(rows):
        known = results[row] >= 0 and codes[row] >= 0
        out[row >> 3] |= <uint8_t>(known << (row & 7))
        count += known
    return (None if count == rows else bits), count


cdef void outcome_lengths(const OutcomeData *data, int column, int64_t rows, uint32_t *offsets,
                          uint8_t *bits) noexcept nogil:
    """Offsets and validity of a column of text from the length of each row."""
    cdef const uint16_t *lengths = data.lengths[column]
    cdef int64_t row
    cdef uint32_t at = 0
    cdef uint32_t known
    for row in range(rows):
        known = lengths[row] != TEXT_NULL
        at += lengths[row] if known else 0
        offsets[row + 1] = at
        bits[row >> 3] |= <uint8_t>(known << (row & 7))
