# Answers in compiled form.
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from senderid_fast._core.cidr cimport u128
from senderid_fast._core.records cimport RecordData

# The positions of questions.Status.
cdef enum AnswerStatus:
    STATUS_OK
    STATUS_NODATA
    STATUS_NXDOMAIN
    STATUS_SERVFAIL       # from here on: errors
    STATUS_REFUSED
    STATUS_TIMEOUT
    STATUS_MALFORMED
    STATUS_ERROR

# DNS's numbers, as in questions.RRType.
cdef enum QuestionType:
    TYPE_A = 1
    TYPE_PTR = 12
    TYPE_MX = 15
    TYPE_TXT = 16
    TYPE_AAAA = 28

# An exchange of MX, or a name of PTR.
ctypedef struct NameData:
    uint64_t hash
    const uint8_t *octets     # normalised
    uint8_t length            # 0: a null MX (RFC 7505), or no DNS name

# Which record applies to a scope: a record, or a Selection.
ctypedef struct ScopeData:
    RecordData *record        # NULL: none or several
    int selection

# One block of memory, never changed but for refs and used.
ctypedef struct AnswerData:
    int refs
    uint32_t size             # octets of the block and of the records that came with it
    uint64_t hash             # of name and type
    int64_t expires           # nanoseconds, on the clock of whoever calls
    const uint8_t *name
    const uint32_t *ip4       # A: sorted
    const u128 *ip6           # AAAA: sorted
    const NameData *names     # MX by preference and name, PTR as they came
    const ScopeData *scopes   # TXT: spf, mfrom, pra
    const uint8_t *text       # TXT: the only record, if it is not too long; errors: for people
    uint32_t text_length
    uint32_t count            # records
    uint16_t rrtype
    uint8_t name_length
    uint8_t status            # AnswerStatus
    uint8_t used              # since the hand of the clock passed

cdef uint64_t question_hash(uint64_t name_hash, int rrtype) noexcept nogil
cdef bint answer_is_for(const AnswerData *answer, uint64_t hash, int rrtype, const uint8_t *name,
                        int length) noexcept nogil
cdef void answer_retain(AnswerData *answer) noexcept nogil
cdef void answer_release(AnswerData *answer) noexcept nogil
cdef AnswerData *answer_compile(question, answer, int64_t expires) except NULL
