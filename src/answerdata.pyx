"""An answer in compiled form: one block of memory that never changes.

What may live here: the life of an answer, and the way to it from questions.Answer and back; for how long a
resolver's answer is good, and which are errors. How it lies in memory is in answerblocks.pyx.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from senderid_fast._core.answerblocks cimport (
    NAMES_MOST, block_of_addresses, block_of_names, block_of_nothing, block_of_texts, block_payload, block_sort,
)
from senderid_fast._core.cidr cimport (
    ADDRESS_TEXT, FAMILY_IP4, FAMILY_IP6, Address, address_from_octets, address_write_readable, ip4_parse,
    ip6_parse, u128,
)
from senderid_fast._core.names cimport NAME_MAX
from senderid_fast._core.records cimport record_release, sf_release, sf_retain

from senderid_fast.questions import Answer, Question, RRType, StaleAnswer, Status

cdef object new_tuple = tuple.__new__
cdef dict RRTYPES = {int(rrtype): rrtype for rrtype in RRType}
cdef object OK = Status.OK
cdef object NODATA = Status.NODATA
cdef object NXDOMAIN = Status.NXDOMAIN
cdef object ERROR = Status.ERROR
cdef dict STATUS_NUMBERS = {status: number for number, status in enumerate(Status)}

cdef enum:
    RECORDS_MOST = 0xFFFF


cdef void answer_retain(AnswerData *answer) noexcept nogil:
    sf_retain(&answer.refs)


cdef void answer_release(AnswerData *answer) noexcept nogil:
    cdef int i
    if answer == NULL or sf_release(&answer.refs) != 0:
        return
    if answer.rrtype == TYPE_TXT:
        for i in range(answer.record_count):
            record_release(answer.payload.records[i])
    free(answer)


cdef const uint8_t *octets_at(bytes octets) except NULL:
    return <const uint8_t *><const char *>octets


cdef object question_object(const uint8_t *name, int length, int rrtype):
    """questions.Question for a name and a type that the core has."""
    return new_tuple(Question, ((<const char *>name)[:length].decode("latin-1"), RRTYPES[rrtype]))


cdef bytes name_octets(str name):
    # One character is one octet (questions.Question); what is none cannot be a DNS name.
    return name.encode("latin-1")


cdef AnswerData *made(AnswerData *answer) except NULL:
    if answer == NULL:
        raise MemoryError
    return answer


cdef bytes packed_octets(record, Py_ssize_t length):
    """The octets of an address that is given as such; None if it is given as text."""
    octets = getattr(record, "packed", record)     # ipaddress.IPv4Address, IPv6Address
    if isinstance(octets, str):
        return None
    if isinstance(octets, bytes) and len(<bytes>octets) == length:
        return octets
    raise ValueError(f"{record!a:.100} is no address")


cdef AnswerData *compile_a(bytes name, tuple records, int64_t expires) except NULL:
    cdef AnswerData *answer = made(block_of_addresses(octets_at(name), len(name), TYPE_A, len(records), expires))
    cdef uint32_t *out = <uint32_t *>block_payload(answer)
    cdef Address address
    cdef bytes text
    try:
        for record in records:
            text = packed_octets(record, 4)
            if text is not None:
                address_from_octets(octets_at(text), 4, &address)
                out[0] = address.ip4
                out += 1
                continue
            text = (<str>record).encode("ascii")
            if not ip4_parse(octets_at(text), len(text), out):
                raise ValueError(f"{record!a:.100} is no IPv4 address")
            out += 1
    except BaseException:
        answer_release(answer)
        raise
    block_sort(answer)
    return answer


cdef AnswerData *compile_aaaa(bytes name, tuple records, int64_t expires) except NULL:
    cdef AnswerData *answer = made(block_of_addresses(octets_at(name), len(name), TYPE_AAAA, len(records), expires))
    cdef u128 *out = <u128 *>block_payload(answer)
    cdef bytes text
    cdef uint8_t octet
    try:
        for record in records:
            text = packed_octets(record, 16)
            if text is not None:
                out[0] = 0
                for octet in text:
                    out[0] = out[0] << 8 | octet
                out += 1
                continue
            text = (<str>record).encode("ascii")
            if not ip6_parse(octets_at(text), len(text), out):
                raise ValueError(f"{record!a:.100} is no IPv6 address")
            out += 1
    except BaseException:
        answer_release(answer)
        raise
    block_sort(answer)
    return answer


cdef AnswerData *compile_texts(bytes name, int rrtype, list records, int64_t expires) except NULL:
    """An answer of records that are octets: texts, or names."""
    cdef size_t count = len(records), i
    cdef const uint8_t **texts = <const uint8_t **>malloc((count + 1) * sizeof(void *))
    cdef size_t *lengths = <size_t *>malloc((count + 1) * sizeof(size_t))
    cdef bytes text
    try:
        if texts == NULL or lengths == NULL:
            raise MemoryError
        for i in range(count):
            text = records[i]
            texts[i] = octets_at(text)
            lengths[i] = len(text)
        if rrtype == TYPE_TXT:
            return made(block_of_texts(octets_at(name), len(name), texts, lengths, count, expires))
        return made(block_of_names(octets_at(name), len(name), rrtype, texts, lengths, count, expires))
    finally:
        free(texts)
        free(lengths)


cdef AnswerData *compile_names(bytes name, int rrtype, list names, int64_t expires) except NULL:
    return compile_texts(name, rrtype, [name_octets(<str?>each) for each in names[:NAMES_MOST]], expires)


cdef list texts_joined(const uint8_t *at):
    cdef list texts = []
    cdef uint32_t count, length
    memcpy(&count, at, 4)
    at += 4
    for _ in range(count):
        memcpy(&length, at, 4)
        texts.append((<const char *>at)[4:4 + length])
        at += 4 + length
    return texts


cdef object answer_records(const AnswerData *answer):
    """The records of an answer as in questions.Answer, as far as they matter to a check.

    TXT records that are neither of ours nor an explanation are gone; an empty one stands for them,
    so that none of the others looks like the only one. The preferences of exchanges are made up, in
    their order.
    """
    cdef list out = []
    cdef Address address
    cdef uint8_t[ADDRESS_TEXT] text
    cdef uint32_t i
    if answer.status != STATUS_OK:
        return ()
    if answer.rrtype == TYPE_TXT:
        if answer.several:
            out = texts_joined(<const uint8_t *>(answer.payload.records + answer.record_count))
        else:
            for i in range(answer.record_count):
                record = answer.payload.records[i]
                out.append((<const char *>record.text)[:record.text_length])
            if answer.text != NULL and not out:
                out.append((<const char *>answer.text)[:answer.text_length])
        if answer.count > <Py_ssize_t>len(out) or not out:
            out.append(b"")
            if answer.count == 1 and len(out) == 1:
                out.append(b"")                          # one text that was too long to be kept
        return tuple(out)
    for i in range(answer.count):
        if answer.rrtype == TYPE_A:
            address.family, address.ip4 = FAMILY_IP4, answer.payload.ip4[i]
        elif answer.rrtype == TYPE_AAAA:
            address.family, address.ip6 = FAMILY_IP6, answer.payload.ip6[i]
        else:
            name = (<const char *>answer.payload.names[i].octets)[:answer.payload.names[i].length].decode("latin-1")
            out.append((i, name or ".") if answer.rrtype == TYPE_MX else name or ".")
            continue
        out.append((<const char *>text)[:address_write_readable(&address, text)].decode("ascii"))
    return tuple(out)


cdef AnswerData *compile_empty(bytes name, int rrtype, int status, bytes detail, int64_t expires) except NULL:
    return made(block_of_nothing(octets_at(name), len(name), rrtype, status, octets_at(detail), len(detail),
                                 expires))


cdef str words_of(error):
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:
        return type(error).__name__


cdef AnswerData *answer_compile(question, answer, int64_t expires) except NULL:
    """An answer's compiled form; the reference belongs to the caller.

    Whatever a resolver says that cannot be read is an error of DNS (STATUS_MALFORMED), not ours.
    A StaleAnswer is stale from now on; for how long it has been, only the store can tell (AnswerStore.keep).
    """
    cdef AnswerData *data = answer_read(question, answer, expires)
    if type(answer) is StaleAnswer:
        data.over = 1
    return data


cdef AnswerData *answer_read(question, answer, int64_t expires) except NULL:
    cdef int rrtype = question.rrtype
    cdef bytes name = name_octets(question.name)
    if not 0 < len(name) <= NAME_MAX:
        raise ValueError(f"{question.name!r} is no name of 1 to {NAME_MAX} octets")
    try:
        status = answer.status
        if type(status) is not Status:
            status = Status(status)
        if status is not OK:
            detail = str(answer.detail).encode("utf-8", "replace")[:500]
            return compile_empty(name, rrtype, STATUS_NUMBERS[status], detail, expires)
        records = answer.records
        if not isinstance(records, (tuple, list)):
            raise TypeError(f"records is {type(records).__name__}, not a tuple")
        records = tuple(records)
        if len(records) > RECORDS_MOST and rrtype != TYPE_MX and rrtype != TYPE_PTR:
            raise ValueError(f"{len(records)} records, more than a message can hold")
        if not records:
            return compile_empty(name, rrtype, STATUS_NODATA, b"", expires)
        if rrtype == TYPE_TXT:
            return compile_texts(name, rrtype, list(records), expires)
        if rrtype == TYPE_A:
            return compile_a(name, records, expires)
        if rrtype == TYPE_AAAA:
            return compile_aaaa(name, records, expires)
        if rrtype == TYPE_MX:
            # RFC 7208 5.4 takes exchanges in any order; by preference and name, so that the order
            # of an answer never matters.
            exchanges = sorted([(int(preference), exchange) for preference, exchange in records])
            return compile_names(name, rrtype, [exchange for _, exchange in exchanges], expires)
        return compile_names(name, rrtype, list(records), expires)
    except Exception as error:
        # Anything: a field of a stranger's object may raise what it likes.
        detail = f"the resolver's answer cannot be read: {words_of(error)}".encode("utf-8", "replace")[:500]
        return compile_empty(name, rrtype, STATUS_MALFORMED, detail, expires)


def expiry(ttl, double min_ttl, double max_ttl, int64_t now):
    """Until when an answer may be used that came now with this time to live, in nanoseconds. A ttl that is
    no number raises what it raises."""
    return expiry_of(float(ttl), min_ttl, max_ttl, now)


def failures(list answers not None):
    """How many of a resolver's answers are errors of DNS; what is no answer becomes one, in its place."""
    cdef Py_ssize_t i, failed = 0
    for i in range(len(answers)):
        answer = answers[i]
        if answer is None:
            answers[i] = Answer(ERROR, detail="the resolver returned None")
            failed += 1
            continue
        try:
            status = answer.status
            if status is not OK and status is not NODATA and status is not NXDOMAIN:
                failed += Status(status).is_error
        except Exception:                                # a field of a stranger's object may raise anything
            failed += 1
    return failed
