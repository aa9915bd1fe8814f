# A check: what is asked, what has been counted, what came of it.
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from senderid_fast._core.answerdata cimport AnswerData
from senderid_fast._core.answers cimport StoreData
from senderid_fast._core.cidr cimport Address, u128
from senderid_fast._core.fetched cimport Fetched
from senderid_fast._core.macros cimport MacroValues
from senderid_fast._core.recorder cimport Event, Recorder
from senderid_fast._core.records cimport RecordData
from senderid_fast._core.tokenizer cimport Term

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
    REASON_NO_PRA
    REASON_SUBMITTER_MISMATCH
    REASON_INVALID_IP
    REASON_CHECK_FAILED

cdef enum:
    MISSING = -1            # instead of a result: an answer is not known yet
    NAME_ROOM = 256
    WALK_GROUNDS = 128      # answers that a policy table can stand on
    CLOSURE_MOST = 4096     # questions, and terms, of one closure
    VISITS_MOST = 4096      # included hosts in one; ten look-ups lead to 1,023 at most
    SCOPE_NUMBER_PRA = 2    # position in results.Scope

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

# A walk over the addresses of a policy (policies.pyx): what one evaluation says is good for all
# addresses from the client's to last.
ctypedef struct Walk:
    u128 last
    int64_t expires         # of the first answer to expire among those that were used
    uint64_t[WALK_GROUNDS] grounds      # hashes of these answers
    uint32_t stamp          # of the grounds, when each was used first
    int ground_count
    int steps               # questions, macros, runs of networks and modifiers, over all evaluations
    bint bound              # another host with the same record would come to something else
    bint unknown            # stopped at an answer that is not known, is an error, or is stale
    bint full               # there was no room for all grounds: no table

# A term whose name depends on the message, met by a closure.
ctypedef struct OpenTerm:
    RecordData *record      # retained
    int term
    int host_length
    uint8_t[NAME_ROOM] host

# What the policies of a domain can lead to (closures.pyx): questions without an answer, and terms
# that need a message. Ahead: what one check may ask next, so its own client and sender count, and
# a term that is known to match is the last.
ctypedef struct Closure:
    QuestionData *questions
    OpenTerm *terms
    int question_count
    int question_room
    int term_count
    int term_room
    int depth               # of includes
    int visits              # of included hosts
    int ahead               # the questions that are wanted of one check; 0: those of every check
    bint full               # there were too many, or no memory

# One check. Pointers are borrowed; the caller keeps what they point to.
ctypedef struct CheckData:
    # what is asked
    Address ip
    MacroValues values
    LimitsData limits
    StoreData *store
    AnswerData **pins       # answers fetched for this check, good whatever their time to live
    const Fetched *fetched  # the same for many checks that run together (columns.pyx); NULL: none
    Recorder *recorder      # NULL but in a trace
    Walk *walk              # NULL but while a policy table is made
    Closure *closure        # NULL but while questions are collected
    int64_t now
    uint64_t domain_hash
    int pin_count
    int domain_length
    int scope               # position of results.Scope
    bint plain_for_pra      # RFC 4406 4.4: v=spf1 may stand in for scope pra
    bint local_is_ascii     # RFC 8616 4
    bint no_explanation     # exp= is not wanted: it is not asked for
    bint brief              # nobody will ask where a check was decided: place and target stay empty
    const uint8_t *domain
    # what came of it
    int result
    int reason
    int lookups
    int void_lookups
    bint stale              # an answer took part whose time to live was over
    int term                # that decided, in record; or -1
    RecordData *record      # retained by evaluate() for the caller
    AnswerData *trouble     # the error of DNS that decided, likewise
    int place_length        # the domain whose record was being evaluated when it was decided
    uint8_t[NAME_ROOM] place
    int target_length       # the name that a term was about, where that tells more
    uint8_t[NAME_ROOM] target
    int explanation_length  # -1: none
    AnswerData *hot         # evaluated so often that a policy table is due (policies.pyx); retained
    QuestionData question   # that has no answer yet, when evaluate() returns MISSING
    uint8_t[NAME_ROOM] validated

# A name that is or may be asked about.
ctypedef struct Target:
    const uint8_t *name
    uint64_t hash
    int length
    int area                # of the store: 1 for names made for one message

cdef enum TargetOutcome:
    TARGET_MISSING = -1
    TARGET_NONE = 0         # not a name: the term does not match
    TARGET_NAME = 1

cdef enum AskOutcome:
    ASK_MISSING = -1
    ASK_ANSWERED = 0
    ASK_ERROR = 1

cdef Event *note(CheckData *check, int kind, RecordData *record, int term) noexcept nogil
cdef int ask(CheckData *check, int rrtype, const Target *target, AnswerData **answer) noexcept nogil
cdef bint closes(const CheckData *check) noexcept nogil
cdef void closure_term(CheckData *check, RecordData *record, int term, const Target *host) noexcept nogil
cdef void walk_ground(CheckData *check, uint64_t hash) noexcept nogil
cdef void set_place(CheckData *check, const uint8_t *name, int length) noexcept nogil
cdef int throw(CheckData *check, int result, int reason, RecordData *record, int term,
               const Target *host) noexcept nogil
cdef int throw_dns_error(CheckData *check, AnswerData *answer, RecordData *record, int term,
                         const Target *host) noexcept nogil
cdef int spend_lookup(CheckData *check, RecordData *record, int term, const Target *host) noexcept nogil
cdef int spend_void(CheckData *check, RecordData *record, int term, const Target *host) noexcept nogil
cdef bint holds(CheckData *check, const AnswerData *answer, int prefix4, int prefix6) noexcept nogil
cdef int validate_name(CheckData *check, const Target *wanted, bint any_name, Target *validated,
                       AnswerData **pointers, int *empty) noexcept nogil
cdef int set_validated(CheckData *check, const Target *host) noexcept nogil
cdef int target_of(CheckData *check, RecordData *record, const Term *term, const Target *host,
                   uint8_t *room, Target *target) noexcept nogil
