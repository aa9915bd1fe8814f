# Records as Python sees them.
from senderid_fast._core.records cimport RecordData

cdef class Record:
    cdef RecordData *data

cdef tuple fault_of(const RecordData *record)
cdef bytes octets_of_text(str text)
