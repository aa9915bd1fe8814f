# Header fields that say what was found, and folding.
from libc.stdint cimport uint8_t

from senderid_fast._core.escaping cimport Writing

cdef int put_folded(Writing *out, size_t used, const uint8_t *body, size_t length,
                    const char *line_end, size_t ending) except -1
