"""A line of the log: its fields as key=value pairs or as JSON, in visible ASCII with spaces.

What may live here: how a value is written, and how long it and a line may be. When there is a line, and where
it goes, is known in service/. Values come from strangers: none is looked at beyond VALUE_MOST octets, and no
octet is written before there is room for all that may become of its value.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy

from senderid_fast._core.escaping cimport Writing, put, reserve, utf8_write, writing_begin, writing_end

cdef extern from "Python.h":
    bint PyUnicode_IS_ASCII(object text) noexcept
    Py_ssize_t PyUnicode_GET_LENGTH(object text) noexcept
    int PyUnicode_KIND(object text) noexcept
    void *PyUnicode_DATA(object text) noexcept
    uint32_t PyUnicode_READ(int kind, void *data, Py_ssize_t at) noexcept

cdef enum:
    MOST = 256             # octets of a value
    SHORT = 32             # octets of a value in a line that would be too long
    LINE = 4_000           # octets: a pipe takes 4,096 at once; <6> and the line end are the sink's
    # What an octet can be.
    BARE = 1               # in a pair: needs no quotes
    QUOTED = 2             # in a pair: stands for itself between quotes
    TEXT = 4               # in JSON: stands for itself

VALUE_MOST = MOST
LINE_MOST = LINE

cdef char *DIGITS = b"0123456789abcdef"
cdef uint8_t[256] KINDS


cdef void fill_kinds() noexcept:
    cdef int octet
    for octet in range(256):
        KINDS[octet] = 0
        if c' ' <= octet <= c'~' and octet != c'"' and octet != c'\\':
            KINDS[octet] = QUOTED | TEXT
            if octet != c' ' and octet != c'=':
                KINDS[octet] |= BARE


fill_kinds()


def write_line(time, level, fields, bint as_json):
    """The line, without an end: time, level and the fields, without those that are None.

    A field is a key in ASCII that needs no quotes, and str, octets, a number or None. A line that would be
    longer than LINE_MOST has values of SHORT octets.
    """
    cdef Writing line
    cdef dict pairs = fields if type(fields) is dict else dict(fields)
    writing_begin(&line)
    try:
        put_line(&line, time, level, pairs, MOST, as_json)
        if line.length > LINE:
            line.length = 0
            put_line(&line, time, level, pairs, SHORT, as_json)
            if not as_json:  # this may end anywhere
                line.length = min(line.length, <size_t>LINE)
        return PyBytes_FromStringAndSize(<const char *>line.octets, line.length)
    finally:
        writing_end(&line)


cdef int put_line(Writing *line, time, level, dict pairs, Py_ssize_t most, bint as_json) except -1:
    if as_json:
        put(line, b"{", 1)
    if time is not None:
        put_field(line, "time", time, most, as_json)
    put_field(line, "level", level, most, as_json)
    for key, value in pairs.items():
        if value is not None:
            put_field(line, key, value, most, as_json)
            if line.length > LINE and most != SHORT:
                return 0
    if as_json:
        put(line, b"}", 1)
    return 0


cdef int put_field(Writing *line, key, value, Py_ssize_t most, bint as_json) except -1:
    if type(key) is not str or not PyUnicode_IS_ASCII(key):
        raise TypeError("the keys of a line must be str, in ASCII")
    if line.length > <size_t>as_json:  # JSON begins with a brace
        put(line, b"," if as_json else b" ", 1)
    if as_json:
        put(line, b'"', 1)
    put(line, PyUnicode_DATA(key), PyUnicode_GET_LENGTH(key))
    if as_json:
        put(line, b'":', 2)
    else:
        put(line, b"=", 1)
    return put_value(line, value, most, as_json)


cdef int put_value(Writing *line, value, Py_ssize_t most, bint as_json) except -1:
    """Write a value, and no more than most octets of it: its first ones and "..."."""
    cdef uint8_t[4 * (MOST + 1)] encoded
    cdef const uint8_t *octets
    cdef Py_ssize_t length, left
    cdef bint is_cut
    if isinstance(value, str):
        length = PyUnicode_GET_LENGTH(value)
        if PyUnicode_IS_ASCII(value):
            octets = <const uint8_t *>PyUnicode_DATA(value)
        else:
            # A character has an octet at least: one more than most, so that it is seen to be cut.
            octets, length = encoded, encode(value, min(length, most + 1), encoded)
    elif isinstance(value, bytes):
        octets, length = <const uint8_t *>PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value)
    elif isinstance(value, (int, float)):
        return put_number(line, str(value))
    else:
        raise TypeError(f"a value of a line must be str, bytes, int, float or None, is {type(value).__name__}")
    is_cut = length > most
    left = most - 3 if is_cut else length
    reserve(line, 6 * left + 5)  # all escaped, the quotes, "..."
    if as_json:
        put_text(line, octets, left, is_cut)
    else:
        put_octets(line, octets, left, is_cut)
    return 0


cdef int put_number(Writing *line, text) except -1:
    """A number as Python writes it."""
    if not PyUnicode_IS_ASCII(text):
        raise ValueError("a number of a line must be ASCII")
    return put(line, PyUnicode_DATA(text), PyUnicode_GET_LENGTH(text))


cdef Py_ssize_t encode(text, Py_ssize_t length, uint8_t *out) noexcept:
    """The first characters in UTF-8, four octets at most for each.

    U+DC80 to U+DCFF stand for octets, as with "surrogateescape", unless there is another half of a surrogate
    pair, which no octets stand for: then all are written as if they were characters.
    """
    cdef int kind = PyUnicode_KIND(text)
    cdef void *data = PyUnicode_DATA(text)
    cdef Py_ssize_t at, end = 0
    cdef uint32_t c
    cdef bint escaped = True
    for at in range(length):
        c = PyUnicode_READ(kind, data, at)
        if 0xD800 <= c < 0xDC80 or 0xDD00 <= c < 0xE000:
            escaped = False
            break
    for at in range(length):
        c = PyUnicode_READ(kind, data, at)
        if escaped and 0xDC80 <= c < 0xDD00:
            out[end] = <uint8_t>(c & 0xFF)
            end += 1
        else:
            end += utf8_write(c, out + end)
    return end


# ---- values, once there is room for them ------------------------------------------------------


cdef void put_octets(Writing *line, const uint8_t *octets, Py_ssize_t length, bint is_cut) noexcept:
    r"""In quotes where it needs them; in there " and \ have a \ before them, and any other octet that is not
    visible ASCII or a space is \xNN."""
    cdef Py_ssize_t at = 0
    cdef uint8_t octet
    while at < length and KINDS[octets[at]] & BARE:
        at += 1
    if at == length > 0:
        put_known(line, octets, length)
        put_dots(line, is_cut)
        return
    put_octet(line, c'"')
    for at in range(length):
        octet = octets[at]
        if KINDS[octet] & QUOTED:
            put_octet(line, octet)
        elif octet == c'"' or octet == c'\\':
            put_octet(line, c'\\')
            put_octet(line, octet)
        else:
            put_known(line, b"\\x", 2)
            put_digits(line, octet, 2)
    put_dots(line, is_cut)
    put_octet(line, c'"')


cdef void put_text(Writing *line, const uint8_t *octets, Py_ssize_t length, bint is_cut) noexcept:
    r"""A string of JSON (RFC 8259 7) in ASCII; octets that are no UTF-8 are the text \xNN in it."""
    cdef Py_ssize_t at = 0, run
    cdef uint32_t code
    cdef uint8_t octet
    put_octet(line, c'"')
    while at < length:
        run = at
        while at < length and KINDS[octets[at]] & TEXT:
            at += 1
        put_known(line, octets + run, at - run)
        if at == length:
            break
        octet = octets[at]
        if octet < 0x80:
            put_escaped(line, octet)
            at += 1
            continue
        run = character(octets + at, length - at, &code)
        if run == 0:
            put_known(line, b"\\\\x", 3)
            put_digits(line, octet, 2)
            run = 1
        elif code < 0x10000:
            put_code(line, code)
        else:
            put_code(line, 0xD800 + (code - 0x10000 >> 10))
            put_code(line, 0xDC00 + (code - 0x10000 & 0x3FF))
        at += run
    put_dots(line, is_cut)
    put_octet(line, c'"')


cdef void put_escaped(Writing *line, uint8_t octet) noexcept:
    """One of the characters of ASCII that have a form of their own, or a control."""
    cdef uint8_t letter = octet
    if octet == c'\n':
        letter = c'n'
    elif octet == c'\r':
        letter = c'r'
    elif octet == c'\t':
        letter = c't'
    elif octet == c'\f':
        letter = c'f'
    elif octet == c'\b':
        letter = c'b'
    elif octet != c'"' and octet != c'\\':
        put_code(line, octet)
        return
    put_octet(line, c'\\')
    put_octet(line, letter)


# RFC 3629 4: what is not of this form is no character.
cdef Py_ssize_t character(const uint8_t *octets, Py_ssize_t left, uint32_t *code) noexcept:
    """How many octets the character has that begins there with one beyond ASCII; 0: none does."""
    cdef Py_ssize_t count, at
    cdef uint32_t lowest
    if 0xC2 <= octets[0] < 0xE0:
        count, code[0], lowest = 2, octets[0] & 0x1F, 0x80
    elif 0xE0 <= octets[0] < 0xF0:
        count, code[0], lowest = 3, octets[0] & 0x0F, 0x800
    elif 0xF0 <= octets[0] < 0xF5:
        count, code[0], lowest = 4, octets[0] & 0x07, 0x10000
    else:
        return 0
    if left < count:
        return 0
    for at in range(1, count):
        if octets[at] & 0xC0 != 0x80:
            return 0
        code[0] = code[0] << 6 | octets[at] & 0x3F
    if code[0] < lowest or 0xD800 <= code[0] < 0xE000 or code[0] > 0x10FFFF:
        return 0
    return count


# ---- octets -----------------------------------------------------------------------------------


cdef inline void put_known(Writing *line, const void *octets, Py_ssize_t length) noexcept:
    """As put() of escaping.pyx, where reserve() has been called."""
    memcpy(line.octets + line.length, octets, length)
    line.length += length


cdef inline void put_octet(Writing *line, uint8_t octet) noexcept:
    line.octets[line.length] = octet
    line.length += 1


cdef void put_dots(Writing *line, bint is_cut) noexcept:
    if is_cut:
        put_known(line, b"...", 3)


cdef void put_code(Writing *line, uint32_t code) noexcept:
    put_known(line, b"\\u", 2)
    put_digits(line, code, 4)


cdef void put_digits(Writing *line, uint32_t number, int count) noexcept:
    while count:
        count -= 1
        put_octet(line, <uint8_t>DIGITS[number >> 4 * count & 0xF])
