"""What a check is asked: from an identity to a CheckData, for single checks and for rows.

What may live here: filling a CheckData in, and the outcomes of checks that are not evaluated: refused
for what the session gave, or out of time. Nothing that asks or decides.
"""

from libc.stdint cimport int64_t, uint8_t
from libc.string cimport memset

from senderid_fast._core.answers cimport StoreData
from senderid_fast._core.asking cimport (
    REASON_INVALID_DOMAIN, REASON_INVALID_IP, REASON_NO_IDENTITY, REASON_NO_PRA, REASON_SUBMITTER_MISMATCH,
    REASON_TIME_LIMIT, RESULT_FAIL, RESULT_NONE, RESULT_TEMPERROR, CheckData,
)
from senderid_fast._core.identities cimport (
    IDENTITY_ABSENT, IDENTITY_MISMATCH, IDENTITY_NO_PRA, MAILBOX_MAX, Identity,
)


cdef void check_set_up(CheckData *check, const Common *common, StoreData *store, int64_t now,
                       int64_t unix_nanoseconds) noexcept nogil:
    """Set what does not depend on the session. One CheckData may then serve many checks in turn."""
    memset(&check.values, 0, sizeof(check.values))
    check.now = now
    check.store = store
    check.plain_for_pra = common.plain_for_pra
    check.limits = common.limits
    check.values.ip = &check.ip
    check.values.receiver = common.receiver
    check.values.receiver_length = common.receiver_length
    check.values.unix_time = unix_nanoseconds // 1000000000
    check.pins = NULL
    check.pin_count = 0
    check.fetched = NULL
    check.walk = NULL
    check.closure = NULL
    check.no_explanation = False
    check.brief = False
    check.recorder = NULL


cdef void check_identify(CheckData *check, const Identity *identity, const uint8_t *helo, size_t helo_length,
                         int scope) noexcept nogil:
    """Set what the session gave, but for the address. identity and helo are borrowed."""
    check.domain = <const uint8_t *>identity.domain
    check.domain_length = identity.domain_length
    check.domain_hash = identity.domain_hash
    check.local_is_ascii = identity.local_is_ascii
    check.scope = scope
    check.values.sender = identity.sender
    check.values.sender_length = identity.sender_length
    check.values.local_length = identity.local_length
    # 7.3: a final dot means nothing; an over-long HELO string is no name that a macro could give.
    if helo_length > 1 and helo[helo_length - 1] == c'.':
        helo_length -= 1
    check.values.helo = helo
    check.values.helo_length = <int>helo_length if helo_length <= MAILBOX_MAX else 0


cdef inline void end(CheckData *check, int result, int reason) noexcept nogil:
    check.result = result
    check.reason = reason
    check.place_length = check.target_length = 0
    check.explanation_length = -1
    check.record = NULL
    check.trouble = NULL
    check.term = -1


cdef void check_refuse(CheckData *check, int fault) noexcept nogil:
    """4.3: none, without a question. fault is an IdentityFault."""
    cdef int result = RESULT_NONE, reason = REASON_INVALID_DOMAIN
    if fault == IDENTITY_ABSENT:
        reason = REASON_NO_IDENTITY
    elif fault == IDENTITY_NO_PRA:
        reason = REASON_NO_PRA
    elif fault == IDENTITY_MISMATCH:
        result = RESULT_FAIL                       # RFC 4405 4.2: the message must be rejected
        reason = REASON_SUBMITTER_MISMATCH
    end(check, result, reason)
    check.lookups = check.void_lookups = 0
    check.stale = False


cdef void check_refuse_ip(CheckData *check) noexcept nogil:
    """A row without an address: check_host() (4.1) cannot be called, which is as if it said nothing."""
    end(check, RESULT_NONE, REASON_INVALID_IP)
    check.lookups = check.void_lookups = 0
    check.stale = False


cdef void check_expire(CheckData *check) noexcept nogil:
    """4.6.4: it took too long. What was counted so far stays."""
    end(check, RESULT_TEMPERROR, REASON_TIME_LIMIT)
