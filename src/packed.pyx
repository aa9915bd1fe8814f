"""Answers as octets in a shared cache, in compiled form: a key is written, a value is read.

What may live here: the reader of the form that cache/codec.py defines. Nothing is asked here.

Octets come from strangers. What is read here means what codec.py would have read, for a test compares
them; whatever this module is not sure of is left to that, which also counts what is dropped. Not read
here though they may be good: names and words that are not ASCII, and more than RECORDS_READ records.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy

from senderid_fast._core.answerblocks cimport (
    block_of_addresses, block_of_names, block_of_nothing, block_of_texts, block_payload, block_sort,
)
from senderid_fast._core.answerdata cimport (
    STATUS_ERROR, STATUS_MALFORMED, STATUS_NODATA, STATUS_NXDOMAIN, STATUS_OK, STATUS_REFUSED, STATUS_SERVFAIL,
    STATUS_TIMEOUT, TYPE_A, TYPE_AAAA, TYPE_MX, TYPE_TXT, AnswerData, answer_compile, answer_name,
    answer_records, answer_release,
)
from senderid_fast._core.cidr cimport ip4_parse, ip6_parse, u128
from senderid_fast._core.names cimport NAME_MAX, sf_is_ascii

from senderid_fast.questions import Status

cdef tuple STATUSES = tuple(Status)

# As in cache/codec.py; a test compares them.
cdef enum:
    FORMAT = 1
    VALUE_MOST = 1 << 17
    RECORD_MOST = 65535
    DETAIL_MOST = 4096
    DETAIL_KEPT = 500         # as answer_compile keeps it
    TTL_MOST = 604800

# Integers up to this are themselves as floating-point numbers, as codec.py compares them.
cdef uint64_t MILLISECONDS_MOST = <uint64_t>1 << 53


# --- msgpack -------------------------------------------------------------------------------------

ctypedef struct Cursor:
    const uint8_t *at
    const uint8_t *end


cdef inline bint big_endian(Cursor *cursor, int size, uint64_t *out) noexcept nogil:
    """A number of so many octets, which stand at the cursor."""
    cdef int i
    if cursor.end - cursor.at < size:
        return False
    out[0] = 0
    for i in range(size):
        out[0] = out[0] << 8 | cursor.at[i]
    cursor.at += size
    return True


cdef inline bint number_read(Cursor *cursor, uint64_t *out) noexcept nogil:
    """positive fixint, uint 8, 16, 32 and 64. A signed form is never written, and left to codec.py."""
    cdef uint8_t kind
    if cursor.at == cursor.end:
        return False
    kind = cursor.at[0]
    cursor.at += 1
    if kind < 0x80:
        out[0] = kind
        return True
    return 0xCC <= kind <= 0xCF and big_endian(cursor, 1 << (kind - 0xCC), out)


cdef inline bint array_read(Cursor *cursor, uint64_t *count) noexcept nogil:
    """fixarray, array 16 and 32: how many elements follow."""
    cdef uint8_t kind
    if cursor.at == cursor.end:
        return False
    kind = cursor.at[0]
    cursor.at += 1
    if 0x90 <= kind <= 0x9F:
        count[0] = kind & 0x0F
        return True
    return 0xDC <= kind <= 0xDD and big_endian(cursor, 2 << (kind - 0xDC), count)


cdef inline bint span_read(Cursor *cursor, bint is_text, uint32_t most, Span *out) noexcept nogil:
    """str (fixstr, str 8, 16 and 32; ASCII only) or bin (8, 16 and 32), of so many octets at most."""
    cdef uint8_t kind, first = 0xD9 if is_text else 0xC4
    cdef uint64_t length
    if cursor.at == cursor.end:
        return False
    kind = cursor.at[0]
    cursor.at += 1
    if is_text and 0xA0 <= kind <= 0xBF:
        length = kind & 0x1F
    elif not first <= kind <= first + 2 or not big_endian(cursor, 1 << (kind - first), &length):
        return False
    if length > most or length > <uint64_t>(cursor.end - cursor.at):
        return False
    out.at = cursor.at
    out.length = <uint32_t>length
    cursor.at += length
    return not is_text or sf_is_ascii(out.at, out.length)


# --- a value -------------------------------------------------------------------------------------

cdef inline int status_of(const Span *word) noexcept nogil:
    """The AnswerStatus of a word, those that come often first; -1: it is none."""
    if word.length == 2 and memcmp(word.at, "ok", 2) == 0:
        return STATUS_OK
    if word.length == 6 and memcmp(word.at, "nodata", 6) == 0:
        return STATUS_NODATA
    if word.length == 8 and memcmp(word.at, "nxdomain", 8) == 0:
        return STATUS_NXDOMAIN
    if word.length == 8 and memcmp(word.at, "servfail", 8) == 0:
        return STATUS_SERVFAIL
    if word.length == 7 and memcmp(word.at, "refused", 7) == 0:
        return STATUS_REFUSED
    if word.length == 7 and memcmp(word.at, "timeout", 7) == 0:
        return STATUS_TIMEOUT
    if word.length == 9 and memcmp(word.at, "malformed", 9) == 0:
        return STATUS_MALFORMED
    if word.length == 5 and memcmp(word.at, "error", 5) == 0:
        return STATUS_ERROR
    return -1


cdef inline bint record_read(Cursor *cursor, int rrtype, Span *record) noexcept nogil:
    cdef uint64_t pair, preference
    record.preference = 0
    if rrtype == TYPE_TXT:
        return span_read(cursor, False, RECORD_MOST, record)
    if rrtype == TYPE_MX:
        if not array_read(cursor, &pair) or pair != 2 or not number_read(cursor, &preference):
            return False
        if preference > 0xFFFF:
            return False
        record.preference = <uint32_t>preference
    return span_read(cursor, True, NAME_MAX, record)


cdef bint packed_read(const uint8_t *octets, size_t length, int rrtype, Packed *packed) noexcept nogil:
    """Whether the octets are a value of this type for sure; then packed has its fields. What is in an
    address is looked at by packed_compile."""
    cdef Cursor cursor
    cdef Span word
    cdef uint64_t number
    cdef int i
    cursor.at = octets
    cursor.end = octets + length
    if length > VALUE_MOST or not array_read(&cursor, &number) or number != 6:
        return False
    if not number_read(&cursor, &number) or number != FORMAT:
        return False
    if not span_read(&cursor, True, 16, &word):
        return False
    packed.status = status_of(&word)
    if packed.status < 0:
        return False
    if not number_read(&cursor, &packed.milliseconds) or packed.milliseconds > MILLISECONDS_MOST:
        return False
    if not number_read(&cursor, &number) or number > TTL_MOST:
        return False
    packed.ttl = <uint32_t>number
    if not array_read(&cursor, &number) or number > RECORDS_READ or (number and packed.status != STATUS_OK):
        return False
    packed.count = <int>number
    for i in range(packed.count):
        if not record_read(&cursor, rrtype, &packed.records[i]):
            return False
    return span_read(&cursor, True, DETAIL_MOST, &packed.detail) and cursor.at == cursor.end


cdef inline bint goes_before(const Span *left, const Span *right) noexcept nogil:
    """By preference and name, so that the order of an answer never matters (RFC 7208 5.4)."""
    cdef int order
    if left.preference != right.preference:
        return left.preference < right.preference
    order = memcmp(left.at, right.at, min(left.length, right.length))
    return order < 0 or (order == 0 and left.length < right.length)


cdef void exchanges_sort(Packed *packed) noexcept nogil:
    cdef Span one
    cdef int i, at
    for i in range(1, packed.count):
        one = packed.records[i]
        at = i
        while at > 0 and goes_before(&one, &packed.records[at - 1]):
            packed.records[at] = packed.records[at - 1]
            at -= 1
        packed.records[at] = one


cdef AnswerData *packed_compile(Packed *packed, const uint8_t *name, int length, int rrtype, int64_t expires,
                                bint *is_sure) noexcept nogil:
    """The answer to the question for a name and type; the reference belongs to the caller. NULL: there is
    no memory, or, if is_sure is false, it is left to codec.py."""
    cdef const uint8_t *texts[RECORDS_READ]
    cdef size_t[RECORDS_READ] lengths
    cdef AnswerData *answer
    cdef Span *record
    cdef int i
    cdef bint good
    is_sure[0] = True
    if packed.status != STATUS_OK:
        return block_of_nothing(name, length, rrtype, packed.status, packed.detail.at,
                                min(packed.detail.length, <uint32_t>DETAIL_KEPT), expires)
    if packed.count == 0:
        return block_of_nothing(name, length, rrtype, STATUS_NODATA, NULL, 0, expires)
    if rrtype == TYPE_A or rrtype == TYPE_AAAA:
        answer = block_of_addresses(name, length, rrtype, packed.count, expires)
        if answer == NULL:
            return NULL
        for i in range(packed.count):
            record = &packed.records[i]
            if rrtype == TYPE_A:
                good = ip4_parse(record.at, record.length, <uint32_t *>block_payload(answer) + i)
            else:
                good = ip6_parse(record.at, record.length, <u128 *>block_payload(answer) + i)
            if not good:
                is_sure[0] = False
                answer_release(answer)
                return NULL
        block_sort(answer)
        return answer
    if rrtype == TYPE_MX:
        exchanges_sort(packed)
    for i in range(packed.count):
        texts[i] = packed.records[i].at
        lengths[i] = packed.records[i].length
    if rrtype == TYPE_TXT:
        return block_of_texts(name, length, texts, lengths, packed.count, expires)
    return block_of_names(name, length, rrtype, texts, lengths, packed.count, expires)


# --- a key ---------------------------------------------------------------------------------------

cdef int key_write(const uint8_t *name, int length, int rrtype, uint8_t *out) noexcept nogil:
    """Write the key of a question to out (KEY_BUFFER octets): the labels from the root on, then the
    type. Its length."""
    cdef int end = length, start = length, n = 0
    while True:
        if start == 0 or name[start - 1] == c'.':
            memcpy(out + n, name + start, end - start)
            n += end - start
            if start == 0:
                break
            out[n] = c'.'
            n += 1
            end = start - 1
        start -= 1
    out[n] = 0
    out[n + 1] = <uint8_t>rrtype
    return n + 2


# --- for tests and benchmarks --------------------------------------------------------------------

cdef tuple form_of(const AnswerData *answer):
    """All that an answer says, as Python has it."""
    text = None if answer.text == NULL else (<const char *>answer.text)[:answer.text_length]
    selected = None
    if answer.rrtype == TYPE_TXT and answer.status == STATUS_OK:
        selected = (answer.selected[0], answer.selected[1], answer.selected[2])
    return ((<const char *>answer_name(answer))[:answer.name_length], answer.rrtype, STATUSES[answer.status],
            answer.count, answer.record_count, bool(answer.several), answer.size, selected, text,
            answer_records(answer))


def key(bytes name not None, int rrtype):
    """The key of a question for a name of 253 octets at most."""
    cdef uint8_t[KEY_BUFFER] out
    if len(name) > NAME_MAX:
        raise ValueError("name: is too long")
    return (<char *>out)[:key_write(<const uint8_t *><const char *>name, <int>len(name), rrtype, out)]


def read(bytes octets not None, question not None, double now):
    """What a value says, if it is read here: (milliseconds, ttl, form), where form is that of form() for
    the same answer. None: it is left to codec.py. now: seconds of Unix time."""
    cdef bytes name = question.name.encode("latin-1")
    cdef int rrtype = question.rrtype
    cdef Packed packed
    cdef AnswerData *answer
    cdef bint is_sure
    if not 0 < len(name) <= NAME_MAX:
        raise ValueError("question: is of no name")
    if not packed_read(<const uint8_t *><const char *>octets, len(octets), rrtype, &packed):
        return None
    if packed.milliseconds > (now + SKEW) * 1000.0:
        return None
    answer = packed_compile(&packed, <const uint8_t *><const char *>name, <int>len(name), rrtype, 0, &is_sure)
    if answer == NULL:
        if is_sure:
            raise MemoryError
        return None
    try:
        return packed.milliseconds, packed.ttl, form_of(answer)
    finally:
        answer_release(answer)


def form(question not None, answer not None):
    """The form that the core makes of a questions.Answer."""
    cdef AnswerData *data = answer_compile(question, answer, 0)
    try:
        return form_of(data)
    finally:
        answer_release(data)


def rehearse(bytes octets not None, question not None, int count):
    """Read a value and compile its answer so many times, for benchmarks of the reader alone. How many
    answers came of it."""
    cdef bytes name = question.name.encode("latin-1")
    cdef const uint8_t *name_at = <const uint8_t *>name
    cdef const uint8_t *at = <const uint8_t *>octets
    cdef int rrtype = question.rrtype, length = <int>len(name), done = 0
    cdef size_t size = len(octets)
    cdef Packed packed
    cdef AnswerData *answer
    cdef bint is_sure
    if not 0 < len(name) <= NAME_MAX:
        raise ValueError("question: is of no name")
    with nogil:
        for _ in range(count):
            if packed_read(at, size, rrtype, &packed):
                answer = packed_compile(&packed, name_at, length, rrtype, 0, &is_sure)
                done += answer != NULL
                answer_release(answer)
    return done
