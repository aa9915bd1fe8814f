"""The packets of the milter protocol, and the header fields in them, both ways, one by one.

What may live here: the loop over packets and the form of a field, since both run for everything that an MTA
tells, and the packets that add fields, since most messages get some. What packets mean is known in milter/.
Nothing is asked, and no octet is looked at before its length is known to be there.

A packet: a length (32 bits, big-endian), a code of one octet, then data; the length counts code and data.
"""

from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_GET_SIZE
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_AsUTF8AndSize, PyUnicode_DecodeLatin1
from libc.stdint cimport uint8_t
from libc.string cimport memchr, memcpy

from senderid_fast._core.escaping cimport Writing, put, writing_begin, writing_end
from senderid_fast._core.fields cimport put_folded

cdef enum:
    HEAD = 4               # octets of the length
    MACRO = 0x44           # "D"
    HEADER = 0x4C          # "L"


cdef class PacketReader:
    """Octets as they come, and the packets in them.

    most    octets that the length of a packet may say. Nothing is kept of one that says more
    wanted  256 octets: those of commands whose macros are wanted are not zero; other macros are passed over
    fault   makes the exception that is raised for a length that cannot be
    """

    cdef object _data          # bytes, or a bytearray that grows
    cdef Py_ssize_t _at        # what is before it has been given out
    cdef Py_ssize_t _most
    cdef bytes _wanted
    cdef object _fault
    cdef HeaderFields _fields  # where those of a message go; None: they are given out

    def __init__(self, Py_ssize_t most, bytes wanted not None, fault):
        if PyBytes_GET_SIZE(wanted) != 256:
            raise ValueError("wanted must have 256 octets")
        self._data, self._at = b"", 0
        self._most, self._wanted, self._fault = most, wanted, fault

    @property
    def held(self):
        """Octets that no packet has been made of."""
        return len(self._data) - self._at

    def feed(self, bytes data not None):
        """Take octets from the MTA."""
        if self._at == len(self._data):
            self._data = data  # nearly always whole packets come, and nothing is copied
        else:
            # A bytearray grows in place: a packet in many small pieces is not copied for each.
            if type(self._data) is not bytearray:
                self._data = bytearray(self._data[self._at:])
            elif self._at:
                del self._data[:self._at]
            self._data += data
        self._at = 0

    def drop(self):
        """Forget what is held."""
        self._data, self._at = b"", 0

    def collect(self, HeaderFields fields):
        """From now on put the data of HEADER there, as far as it is taken, and give out what is left; None: all."""
        self._fields = fields

    def __iter__(self):
        return self

    def __next__(self):
        """The code and the data of the next packet that is all there."""
        cdef const uint8_t *octets
        cdef const uint8_t *packet
        cdef Py_ssize_t length, end
        cdef HeaderFields fields
        while True:
            # Anew for each packet: keeping a field can start the garbage collector, and with it code that
            # feeds or drops.
            if type(self._data) is bytes:
                octets, end = <const uint8_t *>PyBytes_AS_STRING(self._data), PyBytes_GET_SIZE(self._data)
            else:
                octets, end = <const uint8_t *>PyByteArray_AS_STRING(self._data), PyByteArray_GET_SIZE(self._data)
            if end - self._at < HEAD:
                break
            packet = octets + self._at
            length = (<Py_ssize_t>packet[0] << 24 | <Py_ssize_t>packet[1] << 16
                      | <Py_ssize_t>packet[2] << 8 | packet[3])
            if not 0 < length <= self._most:
                self.drop()
                raise self._fault(length)
            if length > end - self._at - HEAD:
                break
            self._at += HEAD + length
            packet += HEAD
            if packet[0] == MACRO and length > 1 and not self._wanted_of(packet[1]):
                continue
            if packet[0] == HEADER and self._fields is not None:
                fields = self._fields
                if fields.take(<const char *>packet + 1, length - 1):
                    continue
            return packet[0], PyBytes_FromStringAndSize(<const char *>packet + 1, length - 1)
        if self._at == end:
            self.drop()  # so that an idle connection holds nothing
        raise StopIteration

    cdef inline bint _wanted_of(self, uint8_t code) noexcept:
        return PyBytes_AS_STRING(self._wanted)[code] != 0


cdef class HeaderFields:
    """The header fields that an MTA tells one by one.

    room    octets of HEADER that may be taken, of all fields together
    most    fields that may be taken
    fields  their names (in Latin-1) and values, from the top
    """

    cdef readonly list fields
    cdef list _lines
    cdef Py_ssize_t _room, _most

    def __init__(self, Py_ssize_t room, Py_ssize_t most):
        self.fields, self._lines = [], []
        self._room, self._most = room, most

    def add(self, bytes data not None):
        """Take the data of HEADER. False: there is no more room, or it is not the data of HEADER."""
        return self.take(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))

    cdef bint take(self, const char *octets, Py_ssize_t length) except -1:
        cdef Py_ssize_t named = name_length(octets, length)
        if named < 0:
            return False
        if length >= self._room or len(self.fields) >= self._most:
            self._room = 0  # what does not fit ends the section: nothing below it is taken
            return False
        # The octets are done with before a tuple is made, which can start the garbage collector.
        name, value, line = name_of(octets, named), value_of(octets, named, length), line_of(octets, named, length)
        self._room -= length + 1
        self._lines.append(line)
        self.fields.append((name, value))
        return True

    def octets(self):
        """The octets of the header section that the fields make."""
        return b"".join(self._lines)

    def clear(self):
        """Forget them, and take no more."""
        self.fields.clear()
        self._lines.clear()
        self._room = 0


def read_field(bytes data not None):
    """The name in Latin-1 and the value in the data of HEADER; None if it is not two texts, each ended by NUL."""
    cdef const char *octets = PyBytes_AS_STRING(data)
    cdef Py_ssize_t length = PyBytes_GET_SIZE(data), named = name_length(octets, length)
    if named < 0:
        return None
    return name_of(octets, named), value_of(octets, named, length)


# HEADER:   name NUL value NUL
cdef Py_ssize_t name_length(const char *octets, Py_ssize_t length) noexcept nogil:
    """-1: that is not what the data is."""
    cdef const char *end = <const char *>memchr(octets, 0, length)
    cdef const char *value
    cdef Py_ssize_t valued
    if end == NULL:
        return -1
    value = end + 1
    valued = length - (end - octets) - 2
    if valued < 0 or <const char *>memchr(value, 0, valued + 1) != value + valued:
        return -1
    return end - octets


cdef inline str name_of(const char *octets, Py_ssize_t named):
    return PyUnicode_DecodeLatin1(octets, named, NULL)


cdef inline bytes value_of(const char *octets, Py_ssize_t named, Py_ssize_t length):
    return PyBytes_FromStringAndSize(octets + named + 1, length - named - 2)


cdef bytes line_of(const char *octets, Py_ssize_t named, Py_ssize_t length):
    """The octets "name: value" LF of a header section.

    b"" if the name is none (RFC 5322 2.2: visible ASCII without the colon): anything else would end the section
    to those who read it. So would an empty line in the value, and one that does not begin with white space would
    be a field of its own: the first goes, the second gets a space.
    """
    cdef const char *value = octets + named + 1
    cdef Py_ssize_t valued = length - named - 2, written
    cdef bytes line
    cdef char *out
    if not is_name(<const uint8_t *>octets, named):
        return b""
    written = mended(value, valued, NULL)
    line = PyBytes_FromStringAndSize(NULL, named + written + 3)
    out = PyBytes_AS_STRING(line)
    memcpy(out, octets, named)
    memcpy(out + named, b": ", 2)
    mended(value, valued, out + named + 2)
    out[named + 2 + written] = c'\n'
    return line


# INSHEADER: u32 index, name NUL value NUL
def insert_fields(fields):
    """The packets that add fields, each a name and a body, above all others; the first at the very top.

    Each goes to the top, so the one to stand there goes last: other indexes would count the MTA's own fields,
    and MTAs differ in which those are. Bodies are folded, their lines parted by LF.
    """
    cdef Writing out
    writing_begin(&out)
    try:
        for name, body in reversed(fields):
            put_inserted(&out, name, body)
        return PyBytes_FromStringAndSize(<const char *>out.octets, out.length)
    finally:
        writing_end(&out)


cdef int put_inserted(Writing *out, name, body) except -1:
    cdef size_t start = out.length, value
    cdef Py_ssize_t named = 0, length = 0
    cdef const uint8_t *of_name = <const uint8_t *>PyUnicode_AsUTF8AndSize(name, &named)
    cdef const uint8_t *of_body = <const uint8_t *>PyUnicode_AsUTF8AndSize(body, &length)
    cdef const uint8_t *end
    if not is_name(of_name, named):
        raise ValueError(f"{name!r} is no name of a field")
    put(out, b"\0\0\0\0i\0\0\0\0", 9)
    put(out, of_name, named)
    put(out, b"\0", 1)
    value = out.length
    put_folded(out, named + 2, of_body, length, b"\n", 1)
    end = <const uint8_t *>memchr(out.octets + value, 0, out.length - value)
    if end != NULL:
        out.length = end - out.octets            # the MTA would not see what comes after it
    put(out, b"\0", 1)
    length_write(out.octets + start, out.length - start - HEAD)
    return 0


cdef void length_write(uint8_t *octets, size_t length) noexcept:
    octets[0], octets[1] = <uint8_t>(length >> 24), <uint8_t>(length >> 16)
    octets[2], octets[3] = <uint8_t>(length >> 8), <uint8_t>length


cdef bint is_name(const uint8_t *octets, Py_ssize_t length) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(length):
        if octets[i] <= c' ' or octets[i] >= 0x7F or octets[i] == c':':
            return False
    return length > 0


cdef Py_ssize_t mended(const char *value, Py_ssize_t length, char *out) noexcept nogil:
    """The octets of a value whose lines all begin with white space, written to out unless that is NULL."""
    cdef Py_ssize_t i = 0, line, n = 0
    if memchr(value, c'\n', length) == NULL and memchr(value, c'\r', length) == NULL:
        if out != NULL:
            memcpy(out, value, length)
        return length
    while i < length:
        if value[i] != c'\n' and value[i] != c'\r':
            if out != NULL:
                out[n] = value[i]
            i += 1
            n += 1
            continue
        line = i
        while line < length and value[line] == c'\r':
            line += 1
        if line < length and value[line] == c'\n':
            line += 1
        if line < length and is_blank(value[line]):
            if out != NULL:
                memcpy(out + n, value + i, line - i)
            n += line - i
            i = line
            continue
        while line < length and (value[line] == c'\n' or value[line] == c'\r'):
            line += 1
        if out != NULL:
            out[n] = c'\n'
        n += 1
        if line == length or not is_blank(value[line]):
            if out != NULL:
                out[n] = c' '
            n += 1
        i = line
    return n


cdef inline bint is_blank(char octet) noexcept nogil:
    return octet == c' ' or octet == c'\t'
