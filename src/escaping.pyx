"""What may stand in a header field, and how: the one place where it is decided.

What may live here: making text of strangers fit for a field (RFC 5322 3.2, RFC 2045 5.1). Which fields are
written, what they say and how they are folded is in fields.pyx, and in receiver/stamps.py.

HELO names, mailboxes, domains and records are chosen by strangers. Two steps keep them in bounds: text is
made *visible*, that is nothing but printed characters on one line and of a bounded length, and then it is
written in a Form, which hides the characters with a meaning of their own. Nearly all text is printed ASCII
within its limit: one look at each octet tells so, and it is written from where it lies.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_Check, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.unicode cimport (
    PyUnicode_Check, PyUnicode_DATA, PyUnicode_DecodeUTF8, PyUnicode_FromObject, PyUnicode_GET_LENGTH,
    PyUnicode_KIND, PyUnicode_READ,
)
from libc.stdint cimport SIZE_MAX, uint8_t, uint32_t
from libc.string cimport memcpy, strlen

cdef extern from "Python.h":
    bint PyUnicode_IS_ASCII(object text) noexcept

cdef extern from *:
    """
    /* What octets may be part of. Octets above 0x7F are those of UTF-8, of which visible text has only printed
       characters: RFC 6532 3.2 and RFC 8601 2.5 have them wherever ASCII can stand.
         SF_PRINTED   printed ASCII
         SF_ATOM      RFC 5322 3.2.3, atext. Without "?": a value of atoms such as ?utf-8?q?a?= would be an
                      encoded word (RFC 2047 2) with the "=" before it, and readers that decode those would find
                      any text that it holds
         SF_TOKEN     RFC 2045 5.1: any CHAR except SPACE, CTLs and tspecials
         SF_DOMAIN    RFC 6376 3.5, sub-domain; "_" is seen in names of hosts
         SF_HIDDEN_Q  not by itself in a quoted-string
         SF_HIDDEN_C  not by itself in a comment */
    enum { SF_PRINTED = 1, SF_ATOM = 2, SF_TOKEN = 4, SF_DOMAIN = 8, SF_HIDDEN_Q = 16, SF_HIDDEN_C = 32 };
    #define SF_ALNUM (SF_PRINTED | SF_ATOM | SF_TOKEN | SF_DOMAIN)
    #define SF_BOTH (SF_PRINTED | SF_ATOM | SF_TOKEN)
    static const uint8_t sf_may[256] = {
        ['a' ... 'z'] = SF_ALNUM, ['A' ... 'Z'] = SF_ALNUM, ['0' ... '9'] = SF_ALNUM,
        ['-'] = SF_ALNUM, ['_'] = SF_ALNUM, [0x80 ... 0xFF] = SF_ATOM | SF_TOKEN | SF_DOMAIN,
        ['!'] = SF_BOTH, ['#'] = SF_BOTH, ['$'] = SF_BOTH, ['%'] = SF_BOTH, ['&'] = SF_BOTH, [39] = SF_BOTH,
        ['*'] = SF_BOTH, ['+'] = SF_BOTH, ['^'] = SF_BOTH, ['`'] = SF_BOTH, ['{'] = SF_BOTH, ['|'] = SF_BOTH,
        ['}'] = SF_BOTH, ['~'] = SF_BOTH, ['/'] = SF_PRINTED | SF_ATOM, ['='] = SF_PRINTED | SF_ATOM,
        ['.'] = SF_PRINTED | SF_TOKEN, [' '] = SF_PRINTED, [','] = SF_PRINTED, [':'] = SF_PRINTED,
        [';'] = SF_PRINTED, ['<'] = SF_PRINTED, ['>'] = SF_PRINTED, ['?'] = SF_PRINTED, ['@'] = SF_PRINTED,
        ['['] = SF_PRINTED, [']'] = SF_PRINTED, ['"'] = SF_PRINTED | SF_HIDDEN_Q,
        ['('] = SF_PRINTED | SF_HIDDEN_C, [')'] = SF_PRINTED | SF_HIDDEN_C,
        [92] = SF_PRINTED | SF_HIDDEN_Q | SF_HIDDEN_C,
    };
    """
    const uint8_t *sf_may
    enum:
        SF_PRINTED
        SF_ATOM
        SF_TOKEN
        SF_DOMAIN
        SF_HIDDEN_Q
        SF_HIDDEN_C

# At the end of what was cut off; no domain name ends so.
cdef const char *CUT = b"..."
cdef enum:
    CUT_LENGTH = 3
MARK = CUT.decode("ascii")


# Octets being written ------------------------------------------------------------------------------

cdef void writing_begin(Writing *out) noexcept:
    out.octets, out.length, out.room = out.first, 0, WRITING_ROOM


cdef void writing_end(Writing *out) noexcept:
    if out.octets != out.first:
        PyMem_Free(out.octets)


cdef str writing_text(Writing *out):
    return PyUnicode_DecodeUTF8(<const char *>out.octets, out.length, "surrogatepass")


cdef int reserve(Writing *out, size_t more) except -1:
    """Make room for so many octets more."""
    cdef uint8_t *larger
    if more <= out.room - out.length:
        return 0
    if more > SIZE_MAX // 4 - out.length:
        raise MemoryError
    more = 2 * (out.length + more)
    larger = <uint8_t *>PyMem_Malloc(more)
    if larger == NULL:
        raise MemoryError
    memcpy(larger, out.octets, out.length)
    writing_end(out)
    out.octets, out.room = larger, more
    return 0


cdef int put(Writing *out, const void *octets, size_t length) except -1:
    reserve(out, length)
    memcpy(out.octets + out.length, octets, length)
    out.length += length
    return 0


cdef int put_word(Writing *out, const char *word) except -1:
    """A word of ours, as it is."""
    return put(out, word, strlen(word))


# What text is --------------------------------------------------------------------------------------

cdef inline const uint8_t *octets_of(value, Py_ssize_t *length) noexcept:
    """Where the octets of bytes, or of text that is ASCII, lie; NULL for other values."""
    if PyUnicode_Check(value):
        length[0] = PyUnicode_GET_LENGTH(value)
        return <const uint8_t *>PyUnicode_DATA(value) if PyUnicode_IS_ASCII(value) else NULL
    if PyBytes_Check(value):
        length[0] = PyBytes_GET_SIZE(value)
        return <const uint8_t *>PyBytes_AS_STRING(value)
    return NULL


cdef inline bint is_all(const uint8_t *octets, size_t length, int kind) noexcept:
    cdef size_t i
    for i in range(length):
        if not sf_may[octets[i]] & kind:
            return False
    return True


# dot-atom-text = 1*atext *("." 1*atext)                                            RFC 5322 3.2.3
# domain-name   = sub-domain 1*("." sub-domain)                                     RFC 6376 3.5
cdef bint is_dotted(const uint8_t *octets, size_t length, int kind) noexcept:
    cdef size_t i
    cdef bint dot = True
    for i in range(length):
        if octets[i] == c'.':
            if dot:
                return False
            dot = True
        elif sf_may[octets[i]] & kind:
            dot = False
        else:
            return False
    return not dot


# How it is written ---------------------------------------------------------------------------------

cdef int put_hiding(Writing *out, const uint8_t *octets, size_t length, int hidden) except -1:
    """With a backslash before what is hidden, and before what would make "=?", the start of an encoded word."""
    cdef size_t i
    cdef uint8_t c, before = 0
    cdef uint8_t *at
    if length > SIZE_MAX // 4:
        raise MemoryError
    reserve(out, 2 * length)
    at = out.octets + out.length
    for i in range(length):
        c = octets[i]
        if sf_may[c] & hidden or (c == c'?' and before == c'='):
            at[0] = c'\\'
            at += 1
        at[0] = before = c
        at += 1
    out.length = at - out.octets
    return 0


cdef int put_form(Writing *out, const uint8_t *octets, size_t length, Form form) except -1:
    """Visible text in a form."""
    if (form == AS_IT_IS or form == ATOM_OR_QUOTED and is_dotted(octets, length, SF_ATOM)
            or form == TOKEN_OR_QUOTED and length and is_all(octets, length, SF_TOKEN)):
        return put(out, octets, length)
    if form == IN_COMMENT:
        return put_hiding(out, octets, length, SF_HIDDEN_C)
    put(out, b'"', 1)
    put_hiding(out, octets, length, SF_HIDDEN_Q)
    return put(out, b'"', 1)


cdef int put_value(Writing *out, value, Py_ssize_t limit, bint eai, Form form) except -1:
    """Any text, made visible, in a form."""
    cdef Py_ssize_t length = 0
    cdef const uint8_t *octets = octets_of(value, &length)
    cdef Writing shown
    if octets != NULL and length <= limit and is_all(octets, length, SF_PRINTED):
        return put_form(out, octets, length, form)
    if form == AS_IT_IS:
        return put_visible(out, text_of(value, limit), limit, eai)
    writing_begin(&shown)
    try:
        put_visible(&shown, text_of(value, limit), limit, eai)
        return put_form(out, shown.octets, shown.length, form)
    finally:
        writing_end(&shown)


cdef str text_of(value, Py_ssize_t limit):
    """A value as text; of octets no more than what makes limit + 1 characters, of four octets at most."""
    if PyUnicode_Check(value):
        return PyUnicode_FromObject(value)
    if limit < len(value):
        value = value[:4 * (max(limit, 0) + 1)]
    return value.decode("utf-8", "surrogateescape")


cdef int put_visible(Writing *out, str text, Py_ssize_t limit, bint eai) except -1:
    """See visible()."""
    cdef size_t start = out.length, kept = out.length, most = max(limit, 0), used
    cdef Py_ssize_t i, length = len(text)
    cdef int kind = PyUnicode_KIND(text)
    cdef const void *data = PyUnicode_DATA(text)
    cdef uint32_t c
    # The octets are at least as many as the characters: more of them need not be looked at.
    for i in range(length if length <= <Py_ssize_t>most else <Py_ssize_t>most + 1):
        c = PyUnicode_READ(kind, data, i)
        put_character(out, c, 0x20 <= c <= 0x7E or (eai and (<Py_UCS4>c).isprintable()))
        used = out.length - start
        if used > most:
            out.length = kept
            return put(out, CUT, min(<size_t>CUT_LENGTH, most - (kept - start)))
        if used + CUT_LENGTH <= most:
            kept = out.length
    return 0


cdef int put_character(Writing *out, uint32_t c, bint printed) except -1:
    """A character in UTF-8, or each octet of it as \\xNN."""
    cdef uint8_t[4] octets
    cdef const char *digits = b"0123456789abcdef"
    cdef int i, length = utf8_write(c, octets)
    if printed:
        return put(out, octets, length)
    if 0xDC80 <= c <= 0xDCFF:         # PEP 383: an octet that is no UTF-8
        octets[0], length = <uint8_t>(c & 0xFF), 1
    for i in range(length):
        put(out, b"\\x", 2)
        put(out, digits + (octets[i] >> 4), 1)
        put(out, digits + (octets[i] & 15), 1)
    return 0


cdef int utf8_write(uint32_t c, uint8_t *octets) noexcept:
    # UTF8-octets, RFC 3629 4; of halves of surrogate pairs what they would be.
    if c < 0x80:
        octets[0] = <uint8_t>c
        return 1
    if c < 0x800:
        octets[0] = <uint8_t>(0xC0 | c >> 6)
        octets[1] = <uint8_t>(0x80 | c & 0x3F)
        return 2
    if c < 0x10000:
        octets[0] = <uint8_t>(0xE0 | c >> 12)
        octets[1] = <uint8_t>(0x80 | c >> 6 & 0x3F)
        octets[2] = <uint8_t>(0x80 | c & 0x3F)
        return 3
    octets[0] = <uint8_t>(0xF0 | c >> 18)
    octets[1] = <uint8_t>(0x80 | c >> 12 & 0x3F)
    octets[2] = <uint8_t>(0x80 | c >> 6 & 0x3F)
    octets[3] = <uint8_t>(0x80 | c & 0x3F)
    return 4


# pvalue = [CFWS] ( value / [ [ local-part ] "@" ] domain-name ) [CFWS]             RFC 8601 2.2
cdef int put_mailbox(Writing *out, value, Py_ssize_t limit, bint eai, a_labels) except -1:
    """See mailbox_or_quoted()."""
    cdef Py_ssize_t length = 0, at
    cdef const uint8_t *octets = octets_of(value, &length)
    if octets != NULL and length <= limit:
        at = length - 1
        while at >= 0 and octets[at] != c'@':
            at -= 1
        if (is_dotted(octets + at + 1, length - at - 1, SF_DOMAIN)
                and is_all(octets, length, SF_PRINTED) and (at < 1 or octets[0] != c'"')):
            if at >= 0:
                put_form(out, octets, at, ATOM_OR_QUOTED)
                octets, length = octets + at, length - at
            return put(out, octets, length)
    return put_odd_mailbox(out, text_of(value, limit), limit, eai, a_labels)


cdef int put_odd_mailbox(Writing *out, str text, Py_ssize_t limit, bint eai, a_labels) except -1:
    cdef Writing shown
    if len(text) > limit:
        return put_value(out, text, limit, eai, IN_QUOTES)
    local, at, domain = text.rpartition("@")
    if not (eai or domain.isascii()):
        domain = a_labels(domain.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")
    writing_begin(&shown)
    try:
        put_visible(&shown, domain, limit, eai)
        if not is_dotted(shown.octets, shown.length, SF_DOMAIN):
            return put_value(out, text, limit, eai, IN_QUOTES)
        if at:
            put_value(out, unquoted(local), limit, eai, ATOM_OR_QUOTED)
            put(out, b"@", 1)
        return put(out, shown.octets, shown.length)
    finally:
        writing_end(&shown)


# For Python ----------------------------------------------------------------------------------------

cdef str written(value, Py_ssize_t limit, bint eai, Form form):
    cdef Writing out
    writing_begin(&out)
    try:
        put_value(&out, value, limit, eai, form)
        return writing_text(&out)
    finally:
        writing_end(&out)


cdef str in_form(given, const char *before, Form form, const char *behind):
    """Text that is visible already."""
    cdef Writing out
    cdef Py_ssize_t length = 0
    cdef str text = PyUnicode_FromObject(given)
    cdef const uint8_t *octets = octets_of(text, &length)
    cdef bytes encoded
    if octets == NULL:
        encoded = text.encode("utf-8", "surrogatepass")
        octets = octets_of(encoded, &length)
    writing_begin(&out)
    try:
        put_word(&out, before)
        put_form(&out, octets, length, form)
        put_word(&out, behind)
        return writing_text(&out)
    finally:
        writing_end(&out)


cdef object made_visible(value, Py_ssize_t limit, bint eai):
    """Text that is visible is given back itself."""
    cdef Py_ssize_t length = 0
    cdef const uint8_t *octets = octets_of(value, &length)
    if PyUnicode_Check(value) and octets != NULL and length <= limit and is_all(octets, length, SF_PRINTED):
        return value
    return written(value, limit, eai, AS_IT_IS)


def visible(value, Py_ssize_t limit, *, bint eai=False):
    r"""The value as one line of printed characters, of at most ``limit`` octets.

    Any other octet is written \xNN: controls, line ends and, unless ``eai``, all that is not ASCII. With
    ``eai`` (RFC 6532) printed characters of every script stay, but none that change the direction of text or
    end a line. What is longer than ``limit`` is cut, and ends with "...".
    """
    return made_visible(value, limit, eai)


def value_in_bounds(value, Py_ssize_t limit, *, bint eai=False):
    """What dot_atom_or_quoted() makes of what visible() makes of a value."""
    return written(value, limit, eai, ATOM_OR_QUOTED)


# The next four take what visible() gave.


def quoted_string(text):
    """RFC 5322 3.2.4: quoted-string = DQUOTE *([FWS] qcontent) [FWS] DQUOTE."""
    return in_form(text, b"", IN_QUOTES, b"")


def comment(text):
    """RFC 5322 3.2.2: comment = "(" *([FWS] ccontent) [FWS] ")"."""
    return in_form(text, b"(", IN_COMMENT, b")")


def dot_atom_or_quoted(text):
    """A value of Received-SPF (RFC 7208 9.1): dot-atom / quoted-string."""
    return in_form(text, b"", ATOM_OR_QUOTED, b"")


def token_or_quoted(text):
    """A value of Authentication-Results (RFC 8601 2.2; RFC 2045 5.1): token / quoted-string."""
    return in_form(text, b"", TOKEN_OR_QUOTED, b"")


def mailbox_or_quoted(value, Py_ssize_t limit, bint eai, a_labels):
    """A pvalue (RFC 8601 2.2): [ [ local-part ] "@" ] domain-name, else a quoted-string.

    The value is as the stranger gave it, with or without a local part. Unless ``eai``, U-labels become
    A-labels: a name that everybody can look up, rather than escapes.

    a_labels  makes A-labels of octets, as a core without tables cannot
    """
    cdef Writing out
    writing_begin(&out)
    try:
        put_mailbox(&out, value, limit, eai, a_labels)
        return writing_text(&out)
    finally:
        writing_end(&out)


def unquoted(text):
    """What a quoted-string stands for; other text as it is."""
    cdef str whole = PyUnicode_FromObject(text)
    cdef Py_ssize_t i = 1, length = len(whole)
    cdef list meant = []
    if length < 2 or whole[0] != u'"':
        return whole
    while i < length and whole[i] != u'"':
        if whole[i] == u"\\":
            i += 1
        if i < length:
            meant.append(whole[i])
        i += 1
    return "".join(meant) if i == length - 1 else whole
