# Answers as blocks of memory, made from values in C. NULL: there is no memory.
from libc.stdint cimport int64_t, uint8_t

from senderid_fast._core.answerdata cimport AnswerData

cdef enum:
    NAMES_MOST = 1000         # of MX or PTR kept: the limits of a check are far below

cdef AnswerData *block_new(const uint8_t *name, size_t name_length, int rrtype, int status, size_t payload,
                           int64_t expires) noexcept nogil
cdef void *block_payload(AnswerData *answer) noexcept nogil
cdef AnswerData *block_of_nothing(const uint8_t *name, size_t name_length, int rrtype, int status,
                                  const uint8_t *detail, size_t length, int64_t expires) noexcept nogil
cdef AnswerData *block_of_addresses(const uint8_t *name, size_t name_length, int rrtype, size_t count,
                                    int64_t expires) noexcept nogil
cdef void block_sort(AnswerData *answer) noexcept nogil
cdef AnswerData *block_of_names(const uint8_t *name, size_t name_length, int rrtype, const uint8_t **names,
                                const size_t *lengths, size_t count, int64_t expires) noexcept nogil
cdef AnswerData *block_of_texts(const uint8_t *name, size_t name_length, const uint8_t **texts,
                                const size_t *lengths, size_t count, int64_t expires) noexcept nogil
