# Policy tables: what a whole policy says to every address of a family.
from libc.stdint cimport int16_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from senderid_fast._core.cidr cimport FAMILY_IP4, Address, u128
from senderid_fast._core.records cimport RecordData
from senderid_fast._core.tables cimport range_of4, range_of6

cdef enum:
    POLICY_DEPENDS = 0xFF     # instead of a result: ask the evaluator
    POLICY_NO_RECORD = 0xFFFF
    POLICY_OWN_RECORD = 0xFFFE

# What check_host() comes to for the addresses of a range.
ctypedef struct PolicyOutcome:
    uint8_t result            # or POLICY_DEPENDS
    uint8_t reason
    uint8_t lookups
    uint8_t void_lookups
    uint8_t explains          # fail, and the record that decided has exp=
    uint8_t unknown           # of POLICY_DEPENDS: only because an answer was not known
    uint8_t place_length
    uint8_t target_length
    uint16_t record           # that decided: of records, or POLICY_..._RECORD
    int16_t term
    uint32_t place            # in names
    uint32_t target
    uint32_t place_is_host    # the place is whatever host the table is asked for

# What a table was made under; another check does not use it.
ctypedef struct PolicyKey:
    int lookups
    int void_lookups
    int mx_names
    int ptr_names
    uint8_t scope
    uint8_t family
    uint8_t plain_for_pra
    uint8_t reserved

# One block of memory. It belongs to its place in a store, and is read under the lock of the store.
ctypedef struct PolicyData:
    PolicyKey key
    uint32_t checked          # the state of the grounds when they were looked at last
    int64_t expires           # with the first answer it stands on
    PolicyData *next
    uint32_t used             # since the hand of the clock passed
    int count                 # ranges
    const uint16_t *places    # which of outcomes each range has
    const PolicyOutcome *outcomes
    # From here on what a check seldom needs: the first 64 octets come into the cache together.
    const uint8_t *names
    RecordData **records      # retained; not the record whose table it is
    const uint64_t *grounds   # hashes of the answers it stands on
    int record_count
    int ground_count
    uint32_t stamp            # of the answers it stands on (sharing.pyx)
    uint32_t size             # octets of the block
    uint32_t misses           # checks that met an answer that was not known

# Behind the struct, from a multiple of 16, stand uint32_t or u128 by family: where each range begins,
# the first at 0.
cdef inline const void *policy_starts(const PolicyData *policy) noexcept nogil:
    return <const char *>policy + ((sizeof(PolicyData) + 15) & ~<size_t>15)

cdef inline const PolicyOutcome *policy_outcome(const PolicyData *policy, const Address *ip,
                                                Address *last) noexcept nogil:
    """What the policy says to ip, which is of the table's family. last, if it is not NULL, becomes the
    last address behind ip with the same outcome."""
    cdef int at
    if ip.family == FAMILY_IP4:
        at = range_of4(<const uint32_t *>policy_starts(policy), policy.count, ip.ip4)
        if last != NULL:
            last.ip4 = <uint32_t>0xFFFFFFFF
            if at + 1 < policy.count:
                last.ip4 = (<const uint32_t *>policy_starts(policy))[at + 1] - 1
    else:
        at = range_of6(<const u128 *>policy_starts(policy), policy.count, ip.ip6)
        if last != NULL:
            last.ip6 = ~<u128>0
            if at + 1 < policy.count:
                last.ip6 = (<const u128 *>policy_starts(policy))[at + 1] - 1
    return &policy.outcomes[policy.places[at]]

cdef size_t policies_free(void **policies, size_t *count) noexcept nogil
