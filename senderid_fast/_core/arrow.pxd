# Columns of text and of octets, read through the Arrow C data interface.
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t

# What a column is made of.
cdef enum ColumnKind:
    COLUMN_NULL               # every row is null
    COLUMN_SHORT              # utf8, binary: offsets of 32 bits
    COLUMN_LARGE              # large_utf8, large_binary: of 64 bits
    COLUMN_VIEW               # utf8_view, binary_view
    COLUMN_FIXED              # fixed_size_binary
    COLUMN_NUMBER             # uint32

# How wide the indices of a dictionary are.
cdef enum IndexKind:
    INDEX_NONE                # no dictionary: the rows are the values
    INDEX_INT8
    INDEX_UINT8
    INDEX_INT16
    INDEX_UINT16
    INDEX_INT32
    INDEX_UINT32
    INDEX_INT64               # and uint64: a dictionary has not so many values that they differ

# The values of a column; of a dictionary, the values it has.
ctypedef struct ColumnData:
    int kind                  # ColumnKind
    int index_kind            # IndexKind
    bint packed               # octets, not text
    int64_t length            # values
    int64_t offset            # of the first value
    int64_t width             # COLUMN_FIXED: octets of a value
    const uint8_t *validity   # NULL: no value is null
    const void *values        # offsets, views or the values themselves
    const int32_t *plain      # COLUMN_SHORT without nulls and dictionary: the offsets of row 0; else NULL
    const uint8_t *octets     # what offsets point into
    const uint8_t **buffers   # COLUMN_VIEW: what views point into
    int64_t buffer_count
    int64_t index_offset
    const uint8_t *index_validity
    const void *indices

cdef class Column:
    cdef ColumnData data
    cdef readonly int64_t rows
    cdef readonly str name
    cdef object capsules      # own what data points into
    cdef int read(self, const void *schema, const void *array, bint addresses) except -1

cdef inline bint bit_is_set(const uint8_t *bits, int64_t at) noexcept nogil:
    return bits[at >> 3] >> (at & 7) & 1

cdef bint column_find(const ColumnData *column, int64_t row, const uint8_t **at, size_t *length) noexcept nogil

cdef inline bint column_at(const ColumnData *column, int64_t row, const uint8_t **at,
                           size_t *length) noexcept nogil:
    """Find the octets of a row; False if it is null. A COLUMN_NUMBER gives its four octets in host order."""
    if column.plain == NULL:
        return column_find(column, row, at, length)
    at[0] = column.octets + column.plain[row]
    length[0] = <size_t>(column.plain[row + 1] - column.plain[row])
    return True
