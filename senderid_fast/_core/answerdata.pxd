# Answers in compiled form.
from libc.stdint cimport int8_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from senderid_fast._core.cidr cimport u128
from senderid_fast._core.names cimport sf_fold, sf_same
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

# What an answer holds, by its type.
ctypedef union Payload:
    const uint32_t *ip4       # A: sorted
    const u128 *ip6           # AAAA: sorted
    const NameData *names     # MX by preference and name, PTR as they came
    RecordData **records      # TXT: those that apply to some scope; several texts lie behind them

# One block of memory. Its first part belongs to the store that holds it (answers.pyx), and changes; the
# rest never does after it is made. The name stands behind it.
ctypedef struct AnswerData:
    int refs
    uint32_t size             # octets of the block
    void *policies            # PolicyData of this host, changed under the lock of the store
    uint32_t heat             # evaluations without a table
    uint8_t used              # since the hand of the clock passed
    uint8_t stood             # a policy table stands on it
    uint8_t interned          # its records are shared with others of its store
    uint8_t name_length
    uint64_t hash             # of name and type
    int64_t expires           # nanoseconds, on the clock of whoever calls
    int64_t over              # by so much its time to live is over when it expires; 0: it is not stale
    Payload payload
    const uint8_t *text       # TXT: the only record, if it is not too long; errors: for people
    uint32_t ttl              # seconds, for export
    uint16_t text_length
    uint16_t count            # records
    uint16_t rrtype
    uint8_t status            # AnswerStatus
    uint8_t record_count      # TXT: of payload.records
    int8_t[3] selected        # TXT: which of payload.records applies to spf, mfrom, pra; or a Selection
    uint8_t several           # TXT: texts of which more than one applies lie behind the records

cdef inline const uint8_t *answer_name(const AnswerData *answer) noexcept nogil:
    return <const uint8_t *>(answer + 1)

cdef inline RecordData *answer_record(const AnswerData *answer, int scope) noexcept nogil:
    """The record that applies to the scope (position in results.Scope), or NULL."""
    return answer.payload.records[answer.selected[scope]] if answer.selected[scope] >= 0 else NULL

cdef inline uint64_t question_hash(uint64_t name_hash, int rrtype) noexcept nogil:
    return sf_fold(name_hash, <uint64_t>0x9E3779B97F4A7C15 + 2 * <uint64_t>rrtype) | 1

cdef inline bint answer_is_for(const AnswerData *answer, uint64_t hash, int rrtype, const uint8_t *name,
                               int length) noexcept nogil:
    return (answer.hash == hash and answer.rrtype == rrtype and answer.name_length == length
            and sf_same(answer_name(answer), name, length))

cdef inline int64_t expiry_of(double ttl, double min_ttl, double max_ttl, int64_t now) noexcept:
    """As answerdata.expiry(). Settings bound max_ttl, so that nothing overflows here."""
    if ttl != ttl:
        return now                                       # no number: good for the one who asked alone
    return now + <int64_t>(min(max(ttl, min_ttl), max_ttl) * 1e9)

cdef void answer_retain(AnswerData *answer) noexcept nogil
cdef void answer_release(AnswerData *answer) noexcept nogil
cdef object question_object(const uint8_t *name, int length, int rrtype)
cdef AnswerData *answer_compile(question, answer, int64_t expires) except NULL
cdef object answer_records(const AnswerData *answer)
