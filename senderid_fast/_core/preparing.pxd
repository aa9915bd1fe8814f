# What a check is asked, how it is refused and how it expires: for single checks and for rows.
from libc.stdint cimport int64_t, uint8_t

from senderid_fast._core.answers cimport StoreData
from senderid_fast._core.asking cimport CheckData, LimitsData
from senderid_fast._core.identities cimport Identity

# What all checks of an Evaluator share.
ctypedef struct Common:
    LimitsData limits
    const uint8_t *receiver
    int receiver_length
    bint plain_for_pra

cdef void check_set_up(CheckData *check, const Common *common, StoreData *store, int64_t now,
                       int64_t unix_nanoseconds) noexcept nogil
cdef void check_identify(CheckData *check, const Identity *identity, const uint8_t *helo, size_t helo_length,
                         int scope) noexcept nogil
cdef void check_refuse(CheckData *check, int fault) noexcept nogil
cdef void check_refuse_ip(CheckData *check) noexcept nogil
cdef void check_expire(CheckData *check) noexcept nogil
