"""Columns of text and of octets, read through the Arrow C data interface.

What may live here: finding the octets of a row in whatever layout the column has. No package of
Arrow is needed; what the octets mean is not known here. The interface is stable by promise
(https://arrow.apache.org/docs/format/CDataInterface.html), and its producer is trusted, as it is in
this process: what a buffer holds can be anything, but offsets are taken to lie within it.
"""

from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.stdint cimport (
    int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t,
)
from libc.stdlib cimport strtoll
from libc.string cimport memcpy, memset, strcmp, strncmp

from senderid_fast.errors import InputError

cdef extern from *:
    """
    #ifndef ARROW_C_DATA_INTERFACE
    #define ARROW_C_DATA_INTERFACE
    struct ArrowSchema {
        const char *format;
        const char *name;
        const char *metadata;
        int64_t flags;
        int64_t n_children;
        struct ArrowSchema **children;
        struct ArrowSchema *dictionary;
        void (*release)(struct ArrowSchema *);
        void *private_data;
    };
    struct ArrowArray {
        int64_t length;
        int64_t null_count;
        int64_t offset;
        int64_t n_buffers;
        int64_t n_children;
        const void **buffers;
        struct ArrowArray **children;
        struct ArrowArray *dictionary;
        void (*release)(struct ArrowArray *);
        void *private_data;
    };
    #endif
    """
    struct ArrowSchema:
        const char *format
        ArrowSchema *dictionary
    struct ArrowArray:
        int64_t length
        int64_t offset
        int64_t n_buffers
        const void **buffers
        ArrowArray *dictionary

cdef dict INDEX_KINDS = {
    b"c": INDEX_INT8, b"C": INDEX_UINT8, b"s": INDEX_INT16, b"S": INDEX_UINT16,
    b"i": INDEX_INT32, b"I": INDEX_UINT32, b"l": INDEX_INT64, b"L": INDEX_INT64,
}


cdef class Column:
    """A column of a record batch.

    name       for messages
    capsules   what __arrow_c_array__() of the column gives; None: every row is null
    rows       how many rows it has
    addresses  fixed_size_binary and uint32 are taken, as columns of addresses have them
    Raises InputError, which names the column, for a type that cannot be read.
    """

    def __init__(self, str name not None, capsules, int64_t rows, bint addresses=False):
        cdef const ArrowSchema *schema
        cdef const ArrowArray *array
        self.name = name
        self.rows = rows
        self.capsules = capsules
        memset(&self.data, 0, sizeof(ColumnData))
        if capsules is None:
            return
        schema = <const ArrowSchema *>PyCapsule_GetPointer(capsules[0], b"arrow_schema")
        array = <const ArrowArray *>PyCapsule_GetPointer(capsules[1], b"arrow_array")
        if array.length != rows:
            raise InputError(name, f"has {array.length} rows where the others have {rows}")
        if schema.dictionary != NULL and array.dictionary != NULL:
            if <bytes>schema.format not in INDEX_KINDS:
                raise InputError(name, f"has indices of the Arrow type {(<bytes>schema.format)!a:.50}")
            self.data.index_kind = INDEX_KINDS[<bytes>schema.format]
            self.data.index_offset = array.offset
            self.data.index_validity = <const uint8_t *>array.buffers[0]
            self.data.indices = array.buffers[1]
            schema = schema.dictionary
            array = array.dictionary
        self.read(schema, array, addresses)

    cdef int read(self, const void *of_schema, const void *of_array, bint addresses) except -1:
        cdef ColumnData *data = &self.data
        cdef const ArrowArray *array = <const ArrowArray *>of_array
        cdef const char *form = (<const ArrowSchema *>of_schema).format
        data.length = array.length
        data.offset = array.offset
        if strcmp(form, b"n") == 0:
            data.kind = COLUMN_NULL
            return 0
        data.packed = form[0] == c'z' or form[0] == c'w' or strcmp(form, b"vz") == 0
        if strcmp(form, b"u") == 0 or strcmp(form, b"z") == 0:
            data.kind = COLUMN_SHORT
        elif strcmp(form, b"U") == 0 or strcmp(form, b"Z") == 0:
            data.kind = COLUMN_LARGE
            data.packed = form[0] == c'Z'
        elif strcmp(form, b"vu") == 0 or strcmp(form, b"vz") == 0:
            data.kind = COLUMN_VIEW
        elif strncmp(form, b"w:", 2) == 0 and addresses:
            data.kind = COLUMN_FIXED
            data.width = strtoll(form + 2, NULL, 10)
        elif strcmp(form, b"I") == 0 and addresses:
            data.kind = COLUMN_NUMBER
        else:
            others = ", fixed_size_binary(4 or 16), uint32" if addresses else ""
            raise InputError(
                self.name,
                f"is of a type that cannot be checked (Arrow's {(<bytes>form)!a:.50}): cast it to string, "
                f"binary{others}, or a dictionary of one of them",
            )
        data.validity = <const uint8_t *>array.buffers[0]
        data.values = array.buffers[1]
        if data.kind == COLUMN_SHORT or data.kind == COLUMN_LARGE:
            data.octets = <const uint8_t *>array.buffers[2]
            if data.kind == COLUMN_SHORT and data.validity == NULL and data.index_kind == INDEX_NONE:
                data.plain = <const int32_t *>data.values + data.offset
        elif data.kind == COLUMN_VIEW:
            data.buffers = <const uint8_t **>(array.buffers + 2)
            data.buffer_count = array.n_buffers - 3     # the last one has the lengths of the others
        return 0

    def value(self, int64_t row):
        """The octets of a row, or None if it is null."""
        cdef const uint8_t *at = NULL
        cdef size_t length = 0
        if not 0 <= row < self.rows:
            raise IndexError(row)
        if not column_at(&self.data, row, &at, &length):
            return None
        return (<const char *>at)[:length]


cdef inline int64_t index_at(const ColumnData *column, int64_t row) noexcept nogil:
    if column.index_kind == INDEX_INT8:
        return (<const int8_t *>column.indices)[row]
    if column.index_kind == INDEX_UINT8:
        return (<const uint8_t *>column.indices)[row]
    if column.index_kind == INDEX_INT16:
        return (<const int16_t *>column.indices)[row]
    if column.index_kind == INDEX_UINT16:
        return (<const uint16_t *>column.indices)[row]
    if column.index_kind == INDEX_INT32:
        return (<const int32_t *>column.indices)[row]
    if column.index_kind == INDEX_UINT32:
        return (<const uint32_t *>column.indices)[row]
    return (<const int64_t *>column.indices)[row]


cdef bint column_find(const ColumnData *column, int64_t row, const uint8_t **at, size_t *length) noexcept nogil:
    """column_at() for a column of any layout."""
    cdef int64_t start, end
    cdef int32_t size
    cdef int32_t[2] place
    cdef const uint8_t *view
    if column.index_kind != INDEX_NONE:
        row += column.index_offset
        if column.index_validity != NULL and not bit_is_set(column.index_validity, row):
            return False
        row = index_at(column, row)
        if row < 0 or row >= column.length:
            return False
    row += column.offset
    if column.validity != NULL and not bit_is_set(column.validity, row):
        return False
    if column.kind == COLUMN_SHORT:
        start = (<const int32_t *>column.values)[row]
        end = (<const int32_t *>column.values)[row + 1]
        at[0] = column.octets + start
        length[0] = <size_t>(end - start)
    elif column.kind == COLUMN_LARGE:
        start = (<const int64_t *>column.values)[row]
        end = (<const int64_t *>column.values)[row + 1]
        at[0] = column.octets + start
        length[0] = <size_t>(end - start)
    elif column.kind == COLUMN_VIEW:
        view = <const uint8_t *>column.values + 16 * row
        memcpy(&size, view, 4)
        length[0] = <size_t>size
        at[0] = view + 4
        if size > 12:
            memcpy(place, view + 8, 8)
            if place[0] < 0 or place[0] >= column.buffer_count:
                return False
            at[0] = column.buffers[place[0]] + place[1]
    elif column.kind == COLUMN_FIXED:
        at[0] = <const uint8_t *>column.values + column.width * row
        length[0] = <size_t>column.width
    elif column.kind == COLUMN_NUMBER:
        at[0] = <const uint8_t *>column.values + 4 * row
        length[0] = 4
    else:
        return False
    return True
