# Policy tables: what a whole policy says to every address of a family.
from libc.stdint cimport int16_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from senderid_fast._core.cidr cimport Address
from senderid_fast._core.records cimport RecordData

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
    PolicyData *next
    int64_t expires           # with the first answer it stands on
    PolicyKey key
    uint32_t size             # octets of the block
    uint32_t stamp            # of the answers it stands on (Grounds in answers.pxd)
    uint32_t checked          # the state of the grounds when that was looked at last
    uint32_t misses           # checks that met an answer that was not known
    uint32_t used             # since the hand of the clock passed
    int count                 # ranges
    int ground_count
    int record_count
    const void *starts        # uint32_t or u128 by family: where each range begins, the first at 0
    const uint16_t *places    # which of outcomes each range has
    const PolicyOutcome *outcomes
    const uint64_t *grounds   # hashes of the answers it stands on
    RecordData **records      # retained; not the record whose table it is
    const uint8_t *names

cdef const PolicyOutcome *policy_outcome(const PolicyData *policy, const Address *ip, Address *last) noexcept nogil
cdef size_t policies_free(void **policies, size_t *count) noexcept nogil
