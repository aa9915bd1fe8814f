# What a, exists, mx and ptr make of answers: a TermOutcome.
from senderid_fast._core.asking cimport CheckData, Target
from senderid_fast._core.records cimport RecordData

cdef int a_matches(CheckData *check, RecordData *record, int index, const Target *host,
                   const Target *target) noexcept nogil
cdef int mx_matches(CheckData *check, RecordData *record, int index, const Target *host,
                    const Target *target) noexcept nogil
cdef int ptr_matches(CheckData *check, RecordData *record, int index, const Target *host,
                     const Target *target) noexcept nogil
