"""Pra, extract_pra and header_fields: header sections as Python sees them.

What may live here: reading out what headers.pyx and mailboxes.pyx found. Names that are not ASCII
become A-labels by a function of the caller's, since this needs tables that the core does not hold.
"""

cimport cython
from libc.stdint cimport uint8_t
from libc.stdlib cimport free, malloc

from senderid_fast._core.headers cimport (
    PRA_FAIL_MALFORMED, PRA_FOUND, PRA_NO_HEADER, FieldData, PraData, Scanner, pra_select, scanner_begin,
    scanner_next,
)
from senderid_fast._core.names cimport NAME_BUFFER, name_normalise, sf_is_ascii

from senderid_fast.errors import InputError, NoPra
from senderid_fast.results import PraFailure

cdef tuple FAILURES = tuple(PraFailure)
cdef tuple HEADERS = ("resent-sender", "resent-from", "sender", "from")


cdef str text_of(bytes octets):
    return octets.decode("utf-8", "surrogateescape")


@cython.no_gc
cdef class Pra:
    """The Purported Responsible Address of a message (RFC 4407 2).

    header        the field it was taken from: "resent-sender", "resent-from", "sender" or "from"
    header_index  the position of that field among the fields, from 0
    mailbox       local part, "@" and domain, without comments and folding, else as written
    local_part    the text of the local part, without quotes and backslashes
    domain        in lower case, with A-labels, without a final dot
    """

    def __init__(self):
        raise TypeError("a Pra comes from extract_pra() or from an Engine")

    @property
    def header(self):
        """The name of the field it was taken from, in lower case."""
        return HEADERS[self.data.header]

    @property
    def header_index(self):
        """The position of that field among the fields of the section, from 0."""
        return self.data.index

    @property
    def mailbox(self):
        """The mailbox as written, without comments and folding."""
        return text_of((<const char *>self.data.mailbox.text)[:self.data.mailbox.length])

    @property
    def local_part(self):
        """The text of the local part."""
        return text_of((<const char *>self.data.mailbox.unquoted)[:self.data.mailbox.unquoted_length])

    @property
    def domain(self):
        """The purported responsible domain (RFC 4405 1): lower case, A-labels."""
        return self.ascii_domain.decode("ascii")

    def __eq__(self, other):
        if not isinstance(other, Pra):
            return NotImplemented
        return (self.header, self.mailbox) == (other.header, other.mailbox)

    def __hash__(self):
        return hash((self.header, self.mailbox))

    def __repr__(self):
        return f"<Pra {self.mailbox!a} from {self.header}>"

    def __reduce__(self):
        return restore, (self.header, self.mailbox, self.header_index, self.ascii_domain)


def restore(str header not None, str mailbox not None, int index, bytes ascii_domain not None):
    """A Pra as it was pickled."""
    cdef bytes section = f"{header}: ".encode("ascii") + mailbox.encode("utf-8", "surrogateescape")
    cdef Pra pra = extract(section, lambda written: ascii_domain)
    pra.data.index = index
    return pra


cdef int pra_domain(PraData *data, uint8_t *name) noexcept nogil:
    """Write the domain in lower case to name (NAME_BUFFER octets): its length, 0 if there is no PRA, or
    PRA_NOT_ASCII. A domain that is no DNS name makes the outcome a failure."""
    cdef int start, length
    cdef const uint8_t *written
    if data.outcome != PRA_FOUND:
        return 0                                  # the mailbox may be that of another section
    start = data.mailbox.local_length + 1
    written = data.mailbox.text + start
    if not sf_is_ascii(written, data.mailbox.length - start):
        return PRA_NOT_ASCII
    length = name_normalise(written, data.mailbox.length - start, name)
    if length == 0:
        data.outcome = PRA_FAIL_MALFORMED
    return length


cdef int pra_converted(PraData *data, a_labels, uint8_t *name) except -1:
    """The same for a domain that is not ASCII, with A-labels."""
    cdef int start = data.mailbox.local_length + 1, length
    cdef bytes converted = a_labels((<const char *>data.mailbox.text)[start:data.mailbox.length])
    length = name_normalise(<const uint8_t *><const char *>converted, len(converted), name)
    if length == 0 or not sf_is_ascii(name, length):
        data.outcome = PRA_FAIL_MALFORMED         # RFC 8616 4: what has no A-labels is no domain
        return 0
    return length


cdef Pra pra_of(bytes section, a_labels):
    """What the section gives: a Pra whose data.outcome may be a failure."""
    cdef Pra pra = Pra.__new__(Pra)
    cdef uint8_t[NAME_BUFFER] name
    cdef int length
    pra_select(<const uint8_t *><const char *>section, len(section), &pra.data)
    length = pra_domain(&pra.data, name)
    if length == PRA_NOT_ASCII:
        length = pra_converted(&pra.data, a_labels, name)
    if length:
        pra.ascii_domain = (<const char *>name)[:length]
    return pra


cdef bytes section_of(headers):
    if isinstance(headers, bytes):
        return headers
    if isinstance(headers, (bytearray, memoryview)):
        return bytes(headers)
    raise InputError("headers", f"must be the octets of a header section, is {type(headers).__name__}")


cdef object no_pra(Pra pra):
    """The exception that says why there is none."""
    failure = FAILURES[pra.data.outcome - 1]
    if pra.data.header == PRA_NO_HEADER:
        return NoPra(failure)
    return NoPra(failure, HEADERS[pra.data.header], pra.data.index)


def extract(headers, a_labels):
    """extract_pra (senderid_fast.identities), given the function that makes A-labels."""
    cdef Pra pra = pra_of(section_of(headers), a_labels)
    if pra.data.outcome != PRA_FOUND:
        raise no_pra(pra)
    return pra


def header_fields(headers):
    """The fields of a header section from the top (RFC 5322 2.2): a list of (name, body, start, end).

    name  as written; body  behind the colon, folds included, as octets; start and end  where the
    field with its line end is in headers. The list ends where the header section does.
    """
    cdef bytes section = section_of(headers)
    cdef const uint8_t *text = <const uint8_t *><const char *>section
    cdef Scanner scanner
    cdef FieldData field
    cdef list fields = []
    scanner_begin(&scanner, text, len(section))
    while scanner_next(&scanner, &field):
        fields.append((
            (<const char *>field.name)[:field.name_length].decode("latin-1"),
            (<const char *>field.body)[:field.body_length],
            <Py_ssize_t>(field.name - text), <Py_ssize_t>(scanner.at - text),
        ))
    return fields


def rehearse(list sections not None, int count):
    """Choose the PRA of each section count times without the GIL, for benchmarks of that alone. How
    many of the sections have one."""
    cdef Py_ssize_t total = len(sections), i
    cdef const uint8_t **texts = <const uint8_t **>malloc((total + 1) * sizeof(void *))
    cdef size_t *lengths = <size_t *>malloc((total + 1) * sizeof(size_t))
    cdef PraData data
    cdef bytes section                            # the list keeps them all alive
    cdef int found = 0
    try:
        if not texts or not lengths:
            raise MemoryError
        for i in range(total):
            section = sections[i]
            texts[i] = <const uint8_t *><const char *>section
            lengths[i] = len(section)
        with nogil:
            for _ in range(count):
                found = 0
                for i in range(total):
                    pra_select(texts[i], lengths[i], &data)
                    found += data.outcome == PRA_FOUND
    finally:
        free(texts)
        free(lengths)
    return found
