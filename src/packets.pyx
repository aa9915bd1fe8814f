"""The packets of the milter protocol, and the header fields in them: octets to objects, one by one.

What may live here: the loop over packets and the form of a field, since both run for everything that an MTA
tells. What packets mean is known in milter/. Nothing is asked, and no octet is looked at before its length
is known to be there.

A packet: a length (32 bits, big-endian), a code of one octet, then data; the length counts code and data.
"""

from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_GET_SIZE
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_DecodeLatin1
from libc.stdint cimport uint8_t
from libc.string cimport memchr, memcpy

cdef enum:
    HEAD = 4               # octets of the length
    MACRO = 0x44           # "D"


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

    def __iter__(self):
        return self

    def __next__(self):
        """The code and the data of the next packet that is all there."""
        cdef const uint8_t *octets
        cdef const uint8_t *packet
        cdef Py_ssize_t length, end
        if type(self._data) is bytes:
            octets, end = <const uint8_t *>PyBytes_AS_STRING(self._data), PyBytes_GET_SIZE(self._data)
        else:
            octets, end = <const uint8_t *>PyByteArray_AS_STRING(self._data), PyByteArray_GET_SIZE(self._data)
        while end - self._at >= HEAD:
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
            return packet[0], PyBytes_FromStringAndSize(<const char *>packet + 1, length - 1)
        if self._at == end:
            self.drop()  # so that an idle connection holds nothing
        raise StopIteration

    cdef inline bint _wanted_of(self, uint8_t code) noexcept:
        return PyBytes_AS_STRING(self._wanted)[code] != 0


# HEADER:   name NUL value NUL
def read_field(bytes data not None):
    """The name in Latin-1, the value, and the octets "name: value" LF that they make in a header section.

    These are b"" if the name is none (RFC 5322 2.2: visible ASCII without the colon; anything else would
    end the section to those who read it), and None if lines of the value would not go on with white space:
    they would be fields, or end the section. None in place of all: the data is not two texts, each ended by NUL.
    """
    cdef const char *octets = PyBytes_AS_STRING(data)
    cdef Py_ssize_t length = PyBytes_GET_SIZE(data), named, valued
    cdef const char *end_of_name = <const char *>memchr(octets, 0, length)
    cdef const char *value
    cdef char *out
    if end_of_name == NULL:
        return None
    named = end_of_name - octets
    value = end_of_name + 1
    valued = length - named - 2
    if valued < 0 or <const char *>memchr(value, 0, valued + 1) != value + valued:
        return None
    text = PyUnicode_DecodeLatin1(octets, named, NULL)
    body = PyBytes_FromStringAndSize(value, valued)
    if not is_name(<const uint8_t *>octets, named):
        return text, body, b""
    if not goes_on(value, valued):
        return text, body, None
    line = PyBytes_FromStringAndSize(NULL, named + valued + 3)
    out = PyBytes_AS_STRING(line)
    memcpy(out, octets, named)
    memcpy(out + named, b": ", 2)
    memcpy(out + named + 2, value, valued)
    out[named + 2 + valued] = c'\n'
    return text, body, line


cdef bint is_name(const uint8_t *octets, Py_ssize_t length) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(length):
        if octets[i] <= c' ' or octets[i] >= 0x7F or octets[i] == c':':
            return False
    return length > 0


cdef bint goes_on(const char *value, Py_ssize_t length) noexcept nogil:
    """Whether white space follows each line end in a value, so that it has no empty line: that would end the
    section (RFC 5322 2.1)."""
    cdef Py_ssize_t i = 0
    if memchr(value, c'\n', length) == NULL and memchr(value, c'\r', length) == NULL:
        return True
    while i < length:
        if value[i] == c'\n' or value[i] == c'\r':
            while i < length and value[i] == c'\r':
                i += 1
            if i < length and value[i] == c'\n':
                i += 1
            if i == length or (value[i] != c' ' and value[i] != c'\t'):
                return False
        i += 1
    return True
