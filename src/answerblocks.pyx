"""Answers as blocks of memory, made from values in C: addresses, names, texts.

What may live here: how the parts of an answer are laid out. Who reads them from where is the matter of
answerdata.pyx (from questions.Answer) and of packed.pyx (from the octets of a cache). No Python. The one
rule of SPF is which record of a TXT answer applies: that is worked out once, when the answer comes.
"""

from libc.stdint cimport int8_t, int64_t, uint8_t, uint16_t, uint32_t
from libc.stdlib cimport malloc, qsort
from libc.string cimport memcpy, memset

from senderid_fast._core.answerdata cimport (
    STATUS_OK, TYPE_A, TYPE_AAAA, TYPE_TXT, AnswerData, NameData, answer_name, answer_release, question_hash,
)
from senderid_fast._core.cidr cimport u128
from senderid_fast._core.macros cimport EXPLANATION_TEXT_MAX
from senderid_fast._core.names cimport NAME_BUFFER, name_key, name_normalise, sf_hash
from senderid_fast._core.records cimport SELECT_NONE, RecordData, record_parse, select_index
from senderid_fast._core.tokenizer cimport SCOPE_SPF, version_parse

cdef enum:
    SCOPE_COUNT = 3


cdef inline size_t aligned(size_t size) noexcept nogil:
    return (size + 15) & ~<size_t>15


cdef inline size_t payload_at(size_t name_length, int rrtype) noexcept nogil:
    cdef size_t at = sizeof(AnswerData) + name_length
    return aligned(at) if rrtype == TYPE_AAAA else (at + 7) & ~<size_t>7


cdef AnswerData *block_new(const uint8_t *name, size_t name_length, int rrtype, int status, size_t payload,
                           int64_t expires) noexcept nogil:
    """An answer with room for payload octets behind its name, aligned for what its type holds."""
    cdef size_t size = payload_at(name_length, rrtype) + payload
    cdef AnswerData *answer = <AnswerData *>malloc(size)
    if answer == NULL:
        return NULL
    memset(answer, 0, sizeof(AnswerData))
    memcpy(answer + 1, name, name_length)
    answer.refs = 1
    answer.size = <uint32_t>size
    answer.name_length = <uint8_t>name_length
    answer.rrtype = <uint16_t>rrtype
    answer.status = <uint8_t>status
    answer.expires = expires
    answer.hash = question_hash(sf_hash(answer_name(answer), name_length, name_key), rrtype)
    return answer


cdef void *block_payload(AnswerData *answer) noexcept nogil:
    return <char *>answer + payload_at(answer.name_length, answer.rrtype)


cdef AnswerData *block_of_nothing(const uint8_t *name, size_t name_length, int rrtype, int status,
                                  const uint8_t *detail, size_t length, int64_t expires) noexcept nogil:
    """An answer without records, or an error with its words for people."""
    cdef AnswerData *answer = block_new(name, name_length, rrtype, status, length, expires)
    if answer == NULL:
        return NULL
    if length:
        memcpy(block_payload(answer), detail, length)
    answer.text = <const uint8_t *>block_payload(answer)
    answer.text_length = <uint16_t>length
    return answer


cdef AnswerData *block_of_addresses(const uint8_t *name, size_t name_length, int rrtype, size_t count,
                                    int64_t expires) noexcept nogil:
    """Room for the addresses of A (uint32_t) or AAAA (u128). Write them, then call block_sort."""
    cdef size_t each = sizeof(uint32_t) if rrtype == TYPE_A else sizeof(u128)
    cdef AnswerData *answer = block_new(name, name_length, rrtype, STATUS_OK, count * each, expires)
    if answer == NULL:
        return NULL
    answer.count = <uint16_t>count
    answer.payload.ip4 = <const uint32_t *>block_payload(answer)
    return answer


cdef int ip4_order(const void *left, const void *right) noexcept nogil:
    cdef uint32_t a = (<const uint32_t *>left)[0]
    cdef uint32_t b = (<const uint32_t *>right)[0]
    return -1 if a < b else a > b


cdef int ip6_order(const void *left, const void *right) noexcept nogil:
    cdef u128 a = (<const u128 *>left)[0]
    cdef u128 b = (<const u128 *>right)[0]
    return -1 if a < b else a > b


cdef void block_sort(AnswerData *answer) noexcept nogil:
    """Put the addresses of an answer in order."""
    if answer.count < 2:
        return
    if answer.rrtype == TYPE_A:
        qsort(block_payload(answer), answer.count, sizeof(uint32_t), ip4_order)
    else:
        qsort(block_payload(answer), answer.count, sizeof(u128), ip6_order)


cdef AnswerData *block_of_names(const uint8_t *name, size_t name_length, int rrtype, const uint8_t **names,
                                const size_t *lengths, size_t count, int64_t expires) noexcept nogil:
    """An answer of names, NAMES_MOST at most, each as DNS has it: what is no name is kept as empty."""
    cdef uint8_t[NAME_BUFFER] buffer
    cdef AnswerData *answer
    cdef NameData *out
    cdef uint8_t *at
    cdef size_t i, total = 0
    cdef int length
    count = min(count, <size_t>NAMES_MOST)
    for i in range(count):
        total += lengths[i]
    answer = block_new(name, name_length, rrtype, STATUS_OK, count * sizeof(NameData) + total, expires)
    if answer == NULL:
        return NULL
    out = <NameData *>block_payload(answer)
    at = <uint8_t *>(out + count)
    answer.payload.names = out
    answer.count = <uint16_t>count
    for i in range(count):
        length = name_normalise(names[i], lengths[i], buffer)
        memcpy(at, buffer, length)
        out.octets = at
        out.length = <uint8_t>length
        out.hash = sf_hash(at, length, name_key)
        at += length
        out += 1
    return answer


cdef bint is_ours(const uint8_t *text, size_t length) noexcept nogil:
    cdef int scopes
    return version_parse(text, length, &scopes) != 0


cdef size_t texts_size(const uint8_t **texts, const size_t *lengths, size_t count, uint32_t *ours) noexcept nogil:
    """The octets that texts_write takes, and for how many texts."""
    cdef size_t i, size = 4
    ours[0] = 0
    for i in range(count):
        if is_ours(texts[i], lengths[i]):
            ours[0] += 1
            size += 4 + lengths[i]
    return size


cdef void texts_write(const uint8_t **texts, const size_t *lengths, size_t count, uint32_t ours,
                      uint8_t *at) noexcept nogil:
    """The records with a version of ours, each behind its length: where several apply, none is parsed,
    but they are kept for export."""
    cdef uint32_t length
    cdef size_t i
    memcpy(at, &ours, 4)
    at += 4
    for i in range(count):
        if is_ours(texts[i], lengths[i]):
            length = <uint32_t>lengths[i]
            memcpy(at, &length, 4)
            memcpy(at + 4, texts[i], length)
            at += 4 + length


cdef AnswerData *block_of_texts(const uint8_t *name, size_t name_length, const uint8_t **texts,
                                const size_t *lengths, size_t count, int64_t expires) noexcept nogil:
    """Select the record of each scope (RFC 7208 4.5, RFC 4406 4.4) and parse what was selected."""
    cdef int8_t[SCOPE_COUNT] selected
    cdef int[SCOPE_COUNT] chosen                         # indexes of the records that apply
    cdef int scope, index, i, chosen_count = 0
    cdef uint32_t ours = 0
    cdef size_t kept = 0
    cdef bint several = False
    cdef AnswerData *answer
    cdef RecordData *record
    cdef uint8_t *behind
    for scope in range(SCOPE_COUNT):
        index = select_index(texts, lengths, <int>count, SCOPE_SPF << scope)
        several = several or (index < 0 and index != SELECT_NONE)
        selected[scope] = <int8_t>index
        if index < 0:
            continue
        for i in range(chosen_count):
            if chosen[i] == index:
                selected[scope] = <int8_t>i
                break
        else:
            selected[scope] = <int8_t>chosen_count
            chosen[chosen_count] = index
            chosen_count += 1
    if several:
        kept = texts_size(texts, lengths, count, &ours)
    elif count == 1 and chosen_count == 0 and lengths[0] <= EXPLANATION_TEXT_MAX:
        kept = lengths[0]                                # an explanation, maybe
    answer = block_new(name, name_length, TYPE_TXT, STATUS_OK, chosen_count * sizeof(void *) + kept, expires)
    if answer == NULL:
        return NULL
    answer.count = <uint16_t>count
    answer.payload.records = <RecordData **>block_payload(answer)
    memcpy(answer.selected, selected, sizeof(selected))
    answer.several = several
    for i in range(chosen_count):
        record = record_parse(texts[chosen[i]], lengths[chosen[i]])
        if record == NULL:
            answer_release(answer)
            return NULL
        answer.payload.records[i] = record
        answer.record_count += 1
    behind = <uint8_t *>(answer.payload.records + chosen_count)
    if several:
        texts_write(texts, lengths, count, ours, behind)
    elif kept:
        memcpy(behind, texts[0], kept)
    # RFC 7208 6.2: an explanation is the only TXT record at its name.
    if count == 1 and lengths[0] <= EXPLANATION_TEXT_MAX:
        answer.text_length = <uint16_t>lengths[0]
        answer.text = behind
        if chosen_count:
            answer.text = answer.payload.records[0].text
    return answer
