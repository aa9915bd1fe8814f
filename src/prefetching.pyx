"""Memory that the rows of a block will need, loaded before they are evaluated.

What may live here: looking at what is in the store, and asking the processor for it. Nothing is
decided, and nothing depends on it but time.
"""

from senderid_fast._core.answerdata cimport TYPE_TXT, answer_record, question_hash
from senderid_fast._core.answers cimport Area
from senderid_fast._core.columns cimport ROW_READY, Part, Row, sf_prefetch
from senderid_fast._core.policydata cimport PolicyData


cdef void prefetch_block(Part *part, const Area *area, int count) noexcept nogil:
    """Begin to load from memory what the rows of a block begin with: slot, answer, record, table. Each
    step goes through all rows, as the next step reads what the last one began to load."""
    cdef Row *row
    cdef const PolicyData *policy
    cdef size_t at
    cdef int i, scope
    for i in range(count):
        row = &part.rows[i]
        row.answer = NULL
        row.record = NULL
        if row.state == ROW_READY:
            row.hash = question_hash(row.check.domain_hash, TYPE_TXT)
            sf_prefetch(&area.slots[row.hash & area.mask])
    for i in range(count):
        row = &part.rows[i]
        if row.state == ROW_READY:
            at = row.hash & area.mask
            while area.slots[at].hash and area.slots[at].hash != row.hash:
                at = (at + 1) & area.mask
            if area.slots[at].hash:
                row.answer = area.slots[at].answer
                sf_prefetch(row.answer)
                sf_prefetch(<const char *>row.answer + 64)
    for i in range(count):
        row = &part.rows[i]
        if row.answer != NULL and row.answer.rrtype == TYPE_TXT and row.answer.record_count:
            scope = row.check.scope
            row.record = answer_record(row.answer, scope)
            if row.record != NULL:
                sf_prefetch(row.record)
                sf_prefetch(<const char *>row.record + 64)
    for i in range(count):
        row = &part.rows[i]
        if row.record != NULL:
            sf_prefetch(row.record.terms)
            sf_prefetch(row.record.text)
            sf_prefetch(row.record.text + row.record.text_length)
            policy = <const PolicyData *>(
                row.record.policies if row.record.policies != NULL else row.answer.policies)
            if policy != NULL:
                sf_prefetch(policy)
                sf_prefetch(<const char *>policy + 128)
                sf_prefetch(<const char *>policy + 192)
