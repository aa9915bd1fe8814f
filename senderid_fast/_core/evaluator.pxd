# check_host(): one evaluation of one check (RFC 7208 4 to 7, RFC 4406 4).
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint64_t

from senderid_fast._core.answers cimport AnswerData, StoreData
from senderid_fast._core.cidr cimport Address
from senderid_fast._core.macros cimport MacroValues
from senderid_fast._core.recorder cimport Recorder
from senderid_fast._core.records cimport RecordData

# The positions of results.Result.
cdef enum ResultNumber:
    RESULT_NONE
    RESULT_NEUTRAL
    RESULT_PASS
    RESULT_FAIL
    RESULT_SOFTFAIL
    RESULT_TEMPERROR
    RESULT_PERMERROR

# The positions of results.Reason.
cdef enum ReasonNumber:
    REASON_MATCHED
    REASON_DEFAULT
    REASON_NO_IDENTITY
    REASON_INVALID_DOMAIN
    REASON_NO_DOMAIN
    REASON_NO_RECORD
    REASON_DNS_ERROR
    REASON_DNS_TIMEOUT
    REASON_TIME_LIMIT
    REASON_RESOLVER_FAILED
    REASON_MULTIPLE_RECORDS
    REASON_SYNTAX_ERROR
    REASON_LOOKUP_LIMIT
    REASON_VOID_LOOKUP_LIMIT
    REASON_MX_LIMIT
    REASON_INCLUDE_NONE
    REASON_REDIRECT_NONE
    REASON_INVALID_TARGET

cdef enum:
    MISSING = -1            # instead of a result: an answer is not known yet
    NAME_ROOM = 256

# What becomes of a term (RFC 7208 4.6.2).
cdef enum TermOutcome:
    TERM_MISSING = -1
    TERM_NO_MATCH = 0
    TERM_MATCH = 1
    TERM_THROWS = 2         # temperror or permerror: check.result has which

ctypedef struct LimitsData:
    int lookups
    int void_lookups
    int mx_names
    int ptr_names

ctypedef struct QuestionData:
    uint64_t hash           # of the name
    int rrtype
    int length
    int area
    uint8_t[NAME_ROOM] name

# One check. Pointers are borrowed; the caller keeps what they point to.
ctypedef struct CheckData:
    # what is asked
    Address ip
    MacroValues values
    LimitsData limits
    StoreData *store
    AnswerData **pins       # answers fetched for this check, good whatever their time to live
    Recorder *recorder      # NULL but in a trace
    int64_t now
    uint64_t domain_hash
    int pin_count
    int domain_length
    int scope               # position of results.Scope
    bint plain_for_pra      # RFC 4406 4.4: v=spf1 may stand in for scope pra
    bint local_is_ascii     # RFC 8616 4
    uint8_t[NAME_ROOM] domain
    # what came of it
    int result
    int reason
    int lookups
    int void_lookups
    int term                # that decided, in record; or -1
    RecordData *record      # retained by evaluate() for the caller
    AnswerData *trouble     # the error of DNS that decided, likewise
    int place_length        # the domain whose record was being evaluated when it was decided
    uint8_t[NAME_ROOM] place
    int target_length       # the name that a term was about, where that tells more
    uint8_t[NAME_ROOM] target
    int explanation_length  # -1: none
    QuestionData question   # that has no answer yet, when evaluate() returns MISSING
    uint8_t[NAME_ROOM] validated

cdef int evaluate(CheckData *check, uint8_t *explanation) noexcept nogil
