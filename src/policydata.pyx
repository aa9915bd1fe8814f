"""A policy table in memory: a whole policy as sorted ranges of addresses, each with its outcome.

What may live here: how a table lies in memory and how it is freed; its search is in the .pxd, to be
compiled into its callers. How one is made is in
policies.pyx, when it is good in evaluator.pyx, how long it lives in answers.pyx.
"""

from libc.stdlib cimport free

from senderid_fast._core.records cimport record_release


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
