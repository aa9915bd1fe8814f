"""A record as people read it: Record, Term, parse_record, select_record.

What may live here: the Python face of records.pyx, and what each syntax fault is called. The
grammar itself is in tokenizer.pyx; nothing is parsed here a second time but to cut a term's text.
"""

from libc.stdint cimport uint8_t
from libc.stdlib cimport free, malloc

from senderid_fast._core.records cimport (
    SELECT_MULTIPLE, SELECT_MULTIPLE_PLAIN, SELECT_NONE, RecordData, record_parse, record_release, select_index,
)
from senderid_fast._core.tokenizer cimport (
    SCOPE_MFROM, SCOPE_PRA, SCOPE_SPF, TERM_A, TERM_IP4, TERM_IP6, TERM_MX, TERM_REDIRECT, TERM_UNKNOWN,
    version_parse,
)
from senderid_fast._core.tokenizer cimport Term as TermData

from senderid_fast.errors import InputError, RecordSelectionError, RecordSyntaxError
from senderid_fast.results import Scope


# What a SyntaxFault means: the section that is broken, and a sentence that says what to do.
cdef list FAULTS = [
    ("", ""),
    ("RFC 7208 4.5", 'a record begins with "v=spf1" and a space, or with "spf2.0/" and scopes'),
    ("RFC 7208 3.4", "a record of more than 65535 octets cannot stand in DNS"),
    ("RFC 7208 12", "only visible ASCII characters may stand in a term, and only spaces between terms"),
    ("RFC 7208 4.6.1", "a modifier takes no qualifier: remove the sign before its name"),
    ("RFC 7208 4.6.1", "a modifier's name begins with a letter, and letters, digits, hyphens, "
                       "underscores and dots follow"),
    ("RFC 7208 4.6.1", "there is no such mechanism"),
    ("RFC 7208 5", "this mechanism does not take what follows its name"),
    ("RFC 7208 5", 'this mechanism needs a ":" and an argument'),
    ("RFC 7208 7.1", "the domain name is missing"),
    ("RFC 7208 7.1", "a domain name ends in a dot and a top-level label that is not all digits, or in a macro"),
    ("RFC 7208 5.6", 'after "/" comes a number from 0 to 32 without leading zeros'),
    ("RFC 7208 5.6", 'the length of an IPv6 network is a number from 0 to 128 without leading zeros'),
    ("RFC 7208 5.6", "this is no IPv4 address: four numbers from 0 to 255 without leading zeros"),
    ("RFC 7208 5.6", "this is no IPv6 address"),
    ("RFC 7208 6", "redirect= and exp= may stand once each in a record"),
    ("RFC 7208 7.1", 'a "%" is followed by "{", "%", "_" or "-"'),
    ("RFC 7208 7.2", "there is no such macro letter"),
    ("RFC 7208 7.2", "the macro letters c, r and t may stand only in the text of an explanation"),
    ("RFC 7208 7.3", "the number of parts in a macro is not zero"),
    ("RFC 7208 7.1", 'a macro is "%{", a letter, digits, "r", delimiters and "}", in this order'),
]

cdef tuple NAMES = ("all", "include", "a", "mx", "ptr", "ip4", "ip6", "exists", "redirect", "exp", "")


cdef tuple fault_of(const RecordData *record):
    """(section, problem, offset, text of the term) of a record that has a fault."""
    cdef int start = record.error_offset, end
    cdef int length = <int>record.text_length
    start = min(start, length)
    end = start
    while start > 0 and record.text[start - 1] != c' ':
        start -= 1
    while end < length and record.text[end] != c' ':
        end += 1
    section, problem = FAULTS[record.error]
    return (section, problem, <int>record.error_offset,
            (<const char *>record.text)[start:end].decode("latin-1"))


cdef class Term:
    """One term of a record (RFC 7208 4.6.1).

    text         as it stands in the record
    offset       of its first octet in the record
    name         "ip4", "redirect", ... in lower case
    qualifier    "+", "-", "~" or "?" of a mechanism ("+" if none is written); None for a modifier
    domain_spec  the domain-spec as written (a, mx, include, ptr, exists, redirect, exp), or None
    network      of ip4 and ip6: address and length as written, or None
    value        of an unknown modifier: what stands behind the "=", or None
    prefix4, prefix6   CIDR lengths of a, mx, ip4 (0 to 32) and a, mx, ip6 (0 to 128), or None

    str(term) is its shortest form; terms are equal if these are.
    """

    cdef readonly str text
    cdef readonly int offset
    cdef readonly str name
    cdef readonly object qualifier
    cdef readonly object domain_spec
    cdef readonly object network
    cdef readonly object value
    cdef readonly object prefix4
    cdef readonly object prefix6

    @property
    def is_modifier(self):
        """Whether it is a modifier (RFC 7208 6), not a mechanism."""
        return self.qualifier is None

    def __str__(self):
        if self.value is not None:
            return f"{self.name}={self.value}"
        if self.qualifier is None:
            return f"{self.name}={self.domain_spec}"
        text = ("" if self.qualifier == "+" else self.qualifier) + self.name
        if self.network is not None:
            whole = "/32" if self.prefix6 is None else "/128"
            return f"{text}:{self.network.removesuffix(whole)}"
        if self.domain_spec is not None:
            text += f":{self.domain_spec}"
        if self.prefix4 is not None and self.prefix4 != 32:
            text += f"/{self.prefix4}"
        if self.prefix6 is not None and self.prefix6 != 128:
            text += f"//{self.prefix6}"
        return text

    def __repr__(self):
        return f"<Term {self.text!r} at {self.offset}>"

    def __eq__(self, other):
        return str(self) == str(other) if isinstance(other, Term) else NotImplemented

    def __hash__(self):
        return hash(str(self))


cdef Term term_of(const RecordData *record, const uint8_t *text, int index):
    cdef const TermData *data = &record.terms[index]
    cdef Term term = Term.__new__(Term)
    cdef bint modifier = data.kind >= TERM_REDIRECT
    term.text = (<const char *>text)[data.offset:data.offset + data.length].decode("ascii")
    term.offset = data.offset
    body = term.text
    if not modifier:
        term.qualifier = chr(data.qualifier)
        body = body.lstrip("+-~?")
    if data.kind == TERM_UNKNOWN:
        term.name, _, term.value = body.partition("=")
        term.name = term.name.lower()
        return term
    term.name = NAMES[data.kind]
    argument = body[len(term.name) + 1:] if len(body) > len(term.name) and body[len(term.name)] in ":=" else None
    if data.kind == TERM_IP4:
        term.network, term.prefix4 = argument, data.prefix4
        return term
    if data.kind == TERM_IP6:
        term.network, term.prefix6 = argument.lower(), data.prefix6
        return term
    if data.kind == TERM_A or data.kind == TERM_MX:
        term.prefix4, term.prefix6 = data.prefix4, data.prefix6
        if argument is not None:
            # What the grammar took off the right-hand end: "/" digits and "//" digits.
            cut = argument.rstrip("0123456789")
            if cut.endswith("//"):
                argument = cut.removesuffix("//")
                cut = argument.rstrip("0123456789")
            if cut.endswith("/") and cut != argument:
                argument = cut.removesuffix("/")
    term.domain_spec = argument
    return term


cdef class Record:
    """A record whose syntax is right, from parse_record.

    bytes(record) are its octets as given; str(record) is its shortest form. Records are equal if
    they say the same, that is if their shortest forms are equal.
    """

    def __init__(self):
        raise TypeError("records come from parse_record()")

    def __dealloc__(self):
        record_release(self.data)

    @property
    def version(self):
        """The version section in lower case: "v=spf1", or "spf2.0/" with its scopes."""
        return bytes(self).split(b" ", 1)[0].decode("ascii").lower()

    @property
    def scopes(self):
        """The scopes it serves: of RFC 7208 for v=spf1, else those of its version section that
        RFC 4406 3.1 knows."""
        names = ((SCOPE_SPF, Scope.SPF), (SCOPE_MFROM, Scope.MFROM), (SCOPE_PRA, Scope.PRA))
        return tuple([scope for bit, scope in names if self.data.scopes & bit])

    @property
    def terms(self):
        """All terms from left to right, as a tuple of Term."""
        return tuple([term_of(self.data, self.data.text, index) for index in range(self.data.term_count)])

    def __bytes__(self):
        return (<const char *>self.data.text)[:self.data.text_length]

    def __str__(self):
        return " ".join([self.version, *map(str, self.terms)])

    def __repr__(self):
        return f"<Record {bytes(self)!r}>"

    def __eq__(self, other):
        return str(self) == str(other) if isinstance(other, Record) else NotImplemented

    def __hash__(self):
        return hash(str(self))

    def __reduce__(self):
        return parse_record, (bytes(self),)


cdef bytes octets_of_text(str text):
    """Text in UTF-8. Surrogates of PEP 383 are the octets they stand for; others stay what they are,
    which is nothing that any rule allows."""
    if text.isascii():
        return text.encode("ascii")
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


cdef bytes octets_of(octets, str field):
    if isinstance(octets, str):
        return octets_of_text(octets)
    if isinstance(octets, (bytes, bytearray, memoryview)):
        return bytes(octets)
    raise InputError(field, f"must be bytes or str, is {type(octets).__name__}")


def parse_record(octets, scope=None):
    """The record in the octets of one TXT record (RFC 7208 4.5, 12; RFC 4406 3).

    octets  bytes, or text; strings of one TXT record are to be joined with nothing between (3.3)
    scope   if given, the record must be one that can apply to it: v=spf1, or spf2.0 with the scope

    Raises RecordSyntaxError, which tells where and which section, and InputError for other types.
    """
    cdef bytes text = octets_of(octets, "octets")
    if scope is not None:
        scope_bit(scope)
    cdef RecordData *data = record_parse(<const uint8_t *><const char *>text, len(text))
    cdef Record record
    if data == NULL:
        raise MemoryError
    record = Record.__new__(Record)
    record.data = data
    if data.error:
        section, problem, offset, term = fault_of(data)
        raise RecordSyntaxError(text, offset, term, section, problem)
    if scope is not None and data.scopes != SCOPE_SPF and not scope_bit(scope) & data.scopes:
        raise RecordSyntaxError(text, 0, record.version, "RFC 4406 3.1", f"this record has no scope {scope}")
    return record


def select_record(txt_rrset, scope=Scope.SPF):
    """Which record of those at a name applies to the scope (RFC 7208 4.5, RFC 4406 4.4).

    txt_rrset  the TXT records as bytes, each joined from its strings
    The octets of the record, or None. Raises RecordSelectionError if more than one applies. The
    terms of the record are not looked at, nor does the order of the records matter.
    """
    cdef list texts
    cdef int index, count, wanted = scope_bit(scope)
    if isinstance(txt_rrset, (str, bytes, bytearray, memoryview)) or not hasattr(txt_rrset, "__iter__"):
        raise InputError("txt_rrset", f"must be several records, is {type(txt_rrset).__name__}")
    texts = [octets_of(text, "txt_rrset") for text in txt_rrset]
    count = <int>len(texts)
    cdef const uint8_t **pointers = <const uint8_t **>malloc((count + 1) * sizeof(void *))
    cdef size_t *lengths = <size_t *>malloc((count + 1) * sizeof(size_t))
    try:
        if not pointers or not lengths:
            raise MemoryError
        for index in range(count):
            pointers[index] = <const uint8_t *><const char *><bytes>texts[index]
            lengths[index] = len(<bytes>texts[index])
        index = select_index(pointers, lengths, count, wanted)
    finally:
        free(pointers)
        free(lengths)
    if index == SELECT_MULTIPLE or index == SELECT_MULTIPLE_PLAIN:
        # Those of step 4: records with the scope itself if there are any, else v=spf1.
        own = [text for text in texts if scopes_of(text) & wanted]
        ours = own if len(own) > 1 else [text for text in texts if scopes_of(text) == SCOPE_SPF]
        raise RecordSelectionError(tuple(ours), "RFC 7208 4.5" if wanted == SCOPE_SPF else "RFC 4406 4.4")
    return None if index == SELECT_NONE else texts[index]


cdef int scopes_of(bytes text):
    cdef int scopes
    version_parse(<const uint8_t *><const char *>text, len(text), &scopes)
    return scopes


cdef int scope_bit(scope) except -1:
    """The ScopeBit of a Scope. Raises InputError."""
    if scope == "spf":
        return SCOPE_SPF
    if scope == "mfrom":
        return SCOPE_MFROM
    if scope == "pra":
        return SCOPE_PRA
    raise InputError("scope", f"must be one of spf, mfrom and pra, is {scope!r}")
