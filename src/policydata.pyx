"""A policy table in memory: a whole policy as sorted ranges of addresses, each with its outcome.

What may live here: how a table lies in memory and how it is searched. How one is made is in
policies.pyx, when it is good in evaluator.pyx, how long it lives in answers.pyx.
"""

from libc.stdint cimport uint32_t
from libc.stdlib cimport free

from senderid_fast._core.cidr cimport FAMILY_IP4, Address, u128
from senderid_fast._core.records cimport record_release
from senderid_fast._core.tables cimport range_of4, range_of6


cdef const PolicyOutcome *policy_outcome(const PolicyData *policy, const Address *ip, Address *last) noexcept nogil:
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


cdef size_t policies_free(void **policies, size_t *count) noexcept nogil:
    """Free the tables of one place and forget them; how many octets that was, count less them. The
    caller holds the lock of the store for writing, so that nobody reads them."""
    cdef PolicyData *policy = <PolicyData *>policies[0]
    cdef PolicyData *next
    cdef size_t octets = 0
    cdef int i
    policies[0] = NULL
    while policy != NULL:
        next = policy.next
        octets += policy.size
        count[0] -= 1
        for i in range(policy.record_count):
            record_release(policy.records[i])
        free(policy)
        policy = next
    return octets
