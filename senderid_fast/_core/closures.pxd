from senderid_fast._core.asking cimport CheckData

cdef list questions_ahead(const CheckData *check, int most)
