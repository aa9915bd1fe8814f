"""An answer in compiled form: one block of memory that never changes.

What may live here: how an answer lies in memory, and the way there from questions.Answer. No rule of
SPF but which record of a TXT answer applies: that is worked out once, when the answer comes.
"""

from libc.stdint cimport int8_t, int64_t, uint8_t, uint16_t, uint32_t
from libc.stdlib cimport free, malloc, qsort
from libc.string cimport memcpy, memset

from senderid_fast._core.cidr cimport (
    ADDRESS_TEXT, FAMILY_IP4, FAMILY_IP6, Address, address_from_octets, address_write_readable, ip4_parse,
    ip6_parse, u128,
)
from senderid_fast._core.macros cimport EXPLANATION_TEXT_MAX
from senderid_fast._core.names cimport NAME_BUFFER, NAME_MAX, name_key, name_normalise, sf_hash
from senderid_fast._core.records cimport (
    SELECT_NONE, RecordData, record_parse, record_release, select_index, sf_release, sf_retain,
)
from senderid_fast._core.tokenizer cimport SCOPE_SPF, version_parse, version_parse

from senderid_fast.questions import StaleAnswer, Status

cdef dict STATUS_NUMBERS = {status: number for number, status in enumerate(Status)}

cdef enum:
    SCOPE_COUNT = 3
    RECORDS_MOST = 0xFFFF
    NAMES_MOST = 1000         # of MX or PTR kept: the limits of a check are far below


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


cdef int ip4_order(const void *left, const void *right) noexcept nogil:
    cdef uint32_t a = (<const uint32_t *>left)[0]
    cdef uint32_t b = (<const uint32_t *>right)[0]
    return -1 if a < b else a > b


cdef int ip6_order(const void *left, const void *right) noexcept nogil:
    cdef u128 a = (<const u128 *>left)[0]
    cdef u128 b = (<const u128 *>right)[0]
    return -1 if a < b else a > b


cdef inline size_t aligned(size_t size) noexcept nogil:
    return (size + 15) & ~<size_t>15


cdef bytes name_octets(str name):
    # One character is one octet (questions.Question); what is none cannot be a DNS name.
    return name.encode("latin-1")


cdef inline size_t payload_at(size_t name_length, int rrtype) noexcept nogil:
    cdef size_t at = sizeof(AnswerData) + name_length
    return aligned(at) if rrtype == TYPE_AAAA else (at + 7) & ~<size_t>7


cdef AnswerData *answer_block(bytes name, int rrtype, int status, size_t payload, int64_t expires) except NULL:
    """An answer with room for payload octets behind its name, aligned for what its type holds."""
    cdef size_t size = payload_at(len(name), rrtype) + payload
    cdef AnswerData *answer = <AnswerData *>malloc(size)
    if answer == NULL:
        raise MemoryError
    memset(answer, 0, sizeof(AnswerData))
    memcpy(answer + 1, <const char *>name, len(name))
    answer.refs = 1
    answer.size = <uint32_t>size
    answer.name_length = <uint8_t>len(name)
    answer.rrtype = <unsigned short>rrtype
    answer.status = <uint8_t>status
    answer.expires = expires
    answer.hash = question_hash(sf_hash(answer_name(answer), len(name), name_key), rrtype)
    return answer


cdef inline void *payload_of(AnswerData *answer) noexcept nogil:
    return <char *>answer + payload_at(answer.name_length, answer.rrtype)


cdef bytes packed_octets(record, Py_ssize_t length):
    """The octets of an address that is given as such; None if it is given as text."""
    octets = getattr(record, "packed", record)     # ipaddress.IPv4Address, IPv6Address
    if isinstance(octets, str):
        return None
    if isinstance(octets, bytes) and len(<bytes>octets) == length:
        return octets
    raise ValueError(f"{record!a:.100} is no address")


cdef AnswerData *compile_a(bytes name, tuple records, int64_t expires) except NULL:
    cdef AnswerData *answer = answer_block(name, TYPE_A, STATUS_OK, len(records) * sizeof(uint32_t), expires)
    cdef uint32_t *out = <uint32_t *>payload_of(answer)
    cdef Address address
    cdef bytes text
    try:
        for record in records:
            text = packed_octets(record, 4)
            if text is not None:
                address_from_octets(<const uint8_t *><const char *>text, 4, &address)
                out[0] = address.ip4
                out += 1
                continue
            text = (<str>record).encode("ascii")
            if not ip4_parse(<const uint8_t *><const char *>text, len(text), out):
                raise ValueError(f"{record!a:.100} is no IPv4 address")
            out += 1
    except BaseException:
        answer_release(answer)
        raise
    answer.payload.ip4 = <const uint32_t *>payload_of(answer)
    answer.count = <uint16_t>len(records)
    qsort(payload_of(answer), answer.count, sizeof(uint32_t), ip4_order)
    return answer


cdef AnswerData *compile_aaaa(bytes name, tuple records, int64_t expires) except NULL:
    cdef AnswerData *answer = answer_block(name, TYPE_AAAA, STATUS_OK, len(records) * sizeof(u128), expires)
    cdef u128 *out = <u128 *>payload_of(answer)
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
            if not ip6_parse(<const uint8_t *><const char *>text, len(text), out):
                raise ValueError(f"{record!a:.100} is no IPv6 address")
            out += 1
    except BaseException:
        answer_release(answer)
        raise
    answer.payload.ip6 = <const u128 *>payload_of(answer)
    answer.count = <uint16_t>len(records)
    qsort(payload_of(answer), answer.count, sizeof(u128), ip6_order)
    return answer


cdef AnswerData *compile_names(bytes name, int rrtype, list names, int64_t expires) except NULL:
    cdef uint8_t[NAME_BUFFER] buffer
    cdef list octets = [name_octets(<str?>each) for each in names[:NAMES_MOST]]
    cdef size_t total = 0
    cdef int length
    cdef bytes text
    cdef AnswerData *answer
    cdef NameData *out
    cdef uint8_t *at
    for text in octets:
        total += len(text)
    answer = answer_block(name, rrtype, STATUS_OK, len(octets) * sizeof(NameData) + total, expires)
    out = <NameData *>payload_of(answer)
    at = <uint8_t *>(out + len(octets))
    answer.payload.names = out
    answer.count = <uint16_t>len(octets)
    for text in octets:
        length = name_normalise(<const uint8_t *><const char *>text, len(text), buffer)
        memcpy(at, buffer, length)
        out.octets = at
        out.length = <uint8_t>length
        out.hash = sf_hash(at, length, name_key)
        at += length
        out += 1
    return answer


cdef AnswerData *compile_txt(bytes name, tuple records, int64_t expires) except NULL:
    """Select the record of each scope (RFC 7208 4.5, RFC 4406 4.4) and parse what was selected."""
    cdef int count = <int>len(records), i, scope, index
    cdef int8_t[SCOPE_COUNT] selected
    cdef list chosen = []                                # indexes of the records that apply
    cdef bytes text, kept = b""
    cdef AnswerData *answer = NULL
    cdef RecordData *record
    cdef const uint8_t **texts = <const uint8_t **>malloc((count + 1) * sizeof(void *))
    cdef size_t *lengths = <size_t *>malloc((count + 1) * sizeof(size_t))
    cdef bint several = False
    try:
        if texts == NULL or lengths == NULL:
            raise MemoryError
        for i in range(count):
            text = records[i]
            texts[i] = <const uint8_t *><const char *>text
            lengths[i] = len(text)
        for scope in range(SCOPE_COUNT):
            index = select_index(texts, lengths, count, SCOPE_SPF << scope)
            if index >= 0 and index not in chosen:
                chosen.append(index)
            several = several or (index < 0 and index != SELECT_NONE)
            selected[scope] = <int8_t>(chosen.index(index) if index >= 0 else index)
        if several:
            kept = joined_texts(records)
        elif count == 1 and not chosen and lengths[0] <= EXPLANATION_TEXT_MAX:
            kept = records[0]                            # an explanation, maybe
        answer = answer_block(name, TYPE_TXT, STATUS_OK, len(chosen) * sizeof(void *) + len(kept), expires)
        answer.count = <uint16_t>count
        answer.payload.records = <RecordData **>payload_of(answer)
        memcpy(answer.selected, selected, sizeof(selected))
        answer.several = several
        for index in chosen:
            record = record_parse(texts[index], lengths[index])
            if record == NULL:
                raise MemoryError
            answer.payload.records[answer.record_count] = record
            answer.record_count += 1
        memcpy(answer.payload.records + answer.record_count, <const char *>kept, len(kept))
        # RFC 7208 6.2: an explanation is the only TXT record at its name.
        if count == 1 and lengths[0] <= EXPLANATION_TEXT_MAX:
            answer.text_length = <uint16_t>lengths[0]
            answer.text = <const uint8_t *>(answer.payload.records + answer.record_count)
            if answer.record_count:
                answer.text = answer.payload.records[0].text
    except BaseException:
        answer_release(answer)
        raise
    finally:
        free(texts)
        free(lengths)
    return answer


cdef bytes joined_texts(tuple records):
    """The records with a version of ours, each behind its length: where several apply, none is parsed,
    but they are kept for export."""
    cdef list parts = []
    cdef int scopes
    cdef bytes text
    for text in records:
        if version_parse(<const uint8_t *><const char *>text, len(text), &scopes):
            parts.append(number_octets(len(text)) + text)
    return number_octets(len(parts)) + b"".join(parts)


cdef bytes number_octets(Py_ssize_t number):
    return number.to_bytes(4, "little")


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
    cdef AnswerData *answer = answer_block(name, rrtype, status, len(detail), expires)
    memcpy(payload_of(answer), <const char *>detail, len(detail))
    answer.text = <const uint8_t *>payload_of(answer)
    answer.text_length = <uint16_t>len(detail)
    return answer


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
        status = Status(answer.status)
        if status is not Status.OK:
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
            return compile_txt(name, records, expires)
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
