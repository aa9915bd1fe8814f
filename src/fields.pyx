"""Received-SPF and Authentication-Results (RFC 7208 9.1; RFC 8601): what a receiver says of a message.

What may live here: the bodies of these two fields, how a field is folded, and the look at the names of all
fields of a message for those that claim to be such. How text of strangers is made fit for a field is in
escaping.pyx, the faces of these functions are in receiver/fields.py; what a claim is, in receiver/removal.py.

A field must fit in a line even if nobody folds it (RFC 5322 2.1.1): it is written with less and less of long
values until it does.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_Check, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.unicode cimport (
    PyUnicode_AsUTF8AndSize, PyUnicode_Check, PyUnicode_DATA, PyUnicode_GET_LENGTH, PyUnicode_READ_CHAR,
    PyUnicode_Substring,
)
from libc.stdint cimport uint8_t

from senderid_fast._core.cidr cimport ADDRESS_TEXT, Address, address_parse, address_write_readable
from senderid_fast._core.escaping cimport (
    AS_IT_IS, ATOM_OR_QUOTED, IN_COMMENT, IN_QUOTES, TOKEN_OR_QUOTED, Writing, made_visible, put, put_form,
    put_mailbox, put_value, put_word, writing_begin, writing_end, writing_text,
)

from senderid_fast.errors import InputError
from senderid_fast.results import Reason, Result, Scope

cdef extern from "Python.h":
    bint PyUnicode_IS_ASCII(object text) noexcept

cdef enum:
    LINE_LIMIT = 998          # RFC 5322 2.1.1, in octets without the line end
    LINE_WANTED = 78
    TRIES = 5
    OWN_LIMIT = 255           # characters of a name of this service
    SPF_HEAD = 14             # "Received-SPF: "
    RESULTS_HEAD = 24         # "Authentication-Results: "

# Octets that a text for people, and a value, may have. The first value holds the longest mailbox (RFC 5321
# 4.5.3.1).
cdef Py_ssize_t[TRIES] WORDS = [320, 120, 80, 40, 20]
cdef Py_ssize_t[TRIES] VALUES = [320, 320, 160, 80, 40]

cdef object MATCHED = Reason.MATCHED, DEFAULT = Reason.DEFAULT
cdef object PASS = Result.PASS, FAIL = Result.FAIL, SOFTFAIL = Result.SOFTFAIL, NEUTRAL = Result.NEUTRAL
cdef object TEMPERROR = Result.TEMPERROR, PERMERROR = Result.PERMERROR, SPF = Scope.SPF


cdef bint fits(const Writing *out, size_t head) noexcept:
    return head + out.length <= LINE_LIMIT


cdef int check_own(str field, name, bint eai) except -1:
    """A name of this service: the operator's, so it is refused rather than changed."""
    if not name or len(name) > OWN_LIMIT or made_visible(name, 4 * OWN_LIMIT, eai) != name:
        raise InputError(field, f"{name!r} cannot stand in a header field")
    return 0


# Received-SPF --------------------------------------------------------------------------------------

cdef int address_of(ip, uint8_t *text) except -1:
    """Write a client's address in its shortest form (RFC 5952) to ADDRESS_TEXT octets: its length."""
    cdef Address address
    cdef str readable
    if PyUnicode_Check(ip) and PyUnicode_IS_ASCII(ip) and address_parse(
            <const uint8_t *>PyUnicode_DATA(ip), PyUnicode_GET_LENGTH(ip), &address):
        return address_write_readable(&address, text)
    # Objects, packed octets, and zones that only Python knows.
    import ipaddress
    try:
        given = ipaddress.ip_address(ip)
    except ValueError:
        raise InputError("ip", f"{ip!r} is no IP address") from None
    # A zone says nothing elsewhere.
    readable = str(given).partition("%")[0]
    if not address_parse(<const uint8_t *>PyUnicode_DATA(readable), PyUnicode_GET_LENGTH(readable), &address):
        raise InputError("ip", f"{ip!r} is no IP address")
    return address_write_readable(&address, text)


cdef object without_brackets(path):
    cdef Py_ssize_t last
    if PyBytes_Check(path):
        last = PyBytes_GET_SIZE(path) - 1
        if last > 0 and PyBytes_AS_STRING(path)[0] == c'<' and PyBytes_AS_STRING(path)[last] == c'>':
            return PyBytes_FromStringAndSize(PyBytes_AS_STRING(path) + 1, last - 1)
    elif PyUnicode_Check(path):
        last = PyUnicode_GET_LENGTH(path) - 1
        if last > 0 and PyUnicode_READ_CHAR(path, 0) == u'<' and PyUnicode_READ_CHAR(path, last) == u'>':
            return PyUnicode_Substring(path, 1, last)
    return path


cdef int put_sentence(Writing *out, result, who, const uint8_t *ip, size_t length,
                      Py_ssize_t limit, bint eai) except -1:
    """Of a result that a record gave, for a comment. It is one of the first four."""
    if result is NEUTRAL:
        put(out, ip, length)
        put_word(out, b" is neither permitted nor denied by domain of ")
        return put_value(out, who, limit, eai, IN_COMMENT)
    put_word(out, b"domain of ")
    put_value(out, who, limit, eai, IN_COMMENT)
    put_word(out, b" designates " if result is PASS else b" does not designate ")
    put(out, ip, length)
    return put_word(out, b", without being sure of it" if result is SOFTFAIL else b" as permitted sender")


# header-field   = "Received-SPF:" [CFWS] result FWS [comment FWS] [ key-value-list ] CRLF
# key-value-list = key-value-pair *( ";" [CFWS] key-value-pair ) [";"]
# key-value-pair = key [CFWS] "=" ( dot-atom / quoted-string )                       RFC 7208 9.1
def received_spf(verdict, ip, helo, mail_from, receiver, bint eai):
    """The body of the field; see receiver.fields.received_spf()."""
    cdef Writing out
    cdef uint8_t[ADDRESS_TEXT] address
    cdef size_t length = address_of(ip, address)
    cdef Py_ssize_t words, values
    cdef int i
    check_own("receiver", receiver, eai)
    path = None if mail_from is None else without_brackets(mail_from)
    pra, identity, result, reason = verdict.pra, verdict.identity, verdict.result, verdict.reason
    # Whether a record was evaluated to its end. A fail can have other grounds (RFC 4406 4.3).
    cdef bint by_record = reason is MATCHED or reason is DEFAULT
    cdef bint is_error = result is TEMPERROR or result is PERMERROR
    # Other sentences are the verdict's own.
    cdef bint ours = by_record and (result is PASS or result is FAIL or result is SOFTFAIL or result is NEUTRAL)
    detail = None if ours else verdict.detail
    # "if no mechanisms matched, substitute the word default": of results that a record gave.
    mechanism = (verdict.mechanism or "default") if by_record else None
    if not ours:
        who = None
    elif pra is not None:
        who = pra.mailbox
    else:
        who = verdict.domain if identity == "helo" else verdict.sender
    writing_begin(&out)
    try:
        for i in range(TRIES):
            words, values, out.length = WORDS[i], VALUES[i], 0
            put_value(&out, result, words, False, AS_IT_IS)
            put_word(&out, b" (")
            put_value(&out, receiver, words, eai, IN_COMMENT)
            put_word(&out, b": ")
            if ours:
                put_sentence(&out, result, who, address, length, words, eai)
            else:
                put_value(&out, detail, words, eai, IN_COMMENT)
            put_word(&out, b") receiver=")
            put_value(&out, receiver, values, eai, ATOM_OR_QUOTED)
            put_word(&out, b"; client-ip=")
            put_form(&out, address, length, ATOM_OR_QUOTED)
            if path is not None:
                put_word(&out, b"; envelope-from=")
                put_value(&out, path, values, eai, ATOM_OR_QUOTED)
            if helo is not None:
                put_word(&out, b"; helo=")
                put_value(&out, helo, values, eai, ATOM_OR_QUOTED)
            if identity != "host":    # a plain check_host() is of no identity
                put_word(&out, b"; identity=")
                put_value(&out, identity, words, False, AS_IT_IS)
            if pra is not None:
                put_word(&out, b"; pra=")
                put_value(&out, pra.mailbox, values, eai, ATOM_OR_QUOTED)
            if by_record:
                put_word(&out, b"; mechanism=")
                put_value(&out, mechanism, values, eai, ATOM_OR_QUOTED)
            if is_error:
                put_word(&out, b"; problem=")
                put_value(&out, detail, words, eai, IN_QUOTES)
            if fits(&out, SPF_HEAD):
                break
        return writing_text(&out)
    finally:
        writing_end(&out)


# Authentication-Results ----------------------------------------------------------------------------

cpdef domain_of(pra):
    """The domain of a PRA as its field has it, in lower case; U-labels stay for EAI messages."""
    return pra.mailbox.rpartition("@")[2].lower()


# authres-payload = [CFWS] authserv-id [ CFWS authres-version ]
#                   ( no-result / 1*resinfo ) [CFWS] CRLF
# no-result       = [CFWS] ";" [CFWS] "none"
# resinfo         = [CFWS] ";" methodspec [ CFWS reasonspec ] [ CFWS 1*propspec ]     RFC 8601 2.2
def authentication_results(authserv_id, tuple verdicts not None, version, bint with_helo, bint local_parts,
                           bint reasons, bint eai, a_labels):
    """The body of the field; see receiver.fields.authentication_results().

    a_labels  makes A-labels of octets, as a core without tables cannot
    """
    cdef Writing out
    cdef int i
    cdef list chosen
    check_own("authserv_id", authserv_id, eai)
    if version is not None and not 1 <= version <= 999:
        raise InputError("version", "must be from 1 to 999")
    chosen = in_order(verdicts, with_helo)
    writing_begin(&out)
    try:
        for i in range(TRIES):
            out.length = 0
            put_value(&out, authserv_id, 4 * OWN_LIMIT, eai, TOKEN_OR_QUOTED)
            if version is not None:
                put_value(&out, f" {version}", WORDS[i], False, AS_IT_IS)
            if not chosen:
                put_word(&out, b"; none")
            for verdict in chosen:
                put_resinfo(&out, verdict, WORDS[i], VALUES[i], local_parts, reasons, eai, a_labels)
            if fits(&out, RESULTS_HEAD):
                break
        return writing_text(&out)
    finally:
        writing_end(&out)


cdef list in_order(tuple verdicts, bint with_helo):
    """Those that are written: MAIL FROM before HELO before PRA."""
    cdef list of_mail_from = [], of_helo = [], of_pra = []
    for verdict in verdicts:
        identity = verdict.identity
        if identity == "mailfrom":
            of_mail_from.append(verdict)
        elif identity == "helo":
            of_helo.append(verdict)
        elif identity == "pra":
            of_pra.append(verdict)
        else:
            raise InputError("verdicts", f"identity {identity!r} has no place in the field")
    if of_helo and (with_helo or not of_mail_from):  # else one result of SPF is there
        of_mail_from += of_helo
    return of_mail_from + of_pra if of_pra else of_mail_from


# methodspec = [CFWS] method [CFWS] "=" [CFWS] result
# reasonspec = "reason" [CFWS] "=" [CFWS] value
# propspec   = ptype [CFWS] "." [CFWS] property [CFWS] "=" pvalue                     RFC 8601 2.2
cdef int put_resinfo(Writing *out, verdict, Py_ssize_t words, Py_ssize_t values,
                     bint local_parts, bint reasons, bint eai, a_labels) except -1:
    # A record of scope mfrom may be one that SPF does not know: that is no result of SPF.
    put_word(out, b"; spf=" if verdict.scope is SPF else b"; sender-id=")
    put_value(out, verdict.result, words, False, AS_IT_IS)
    if reasons:
        put_word(out, b" reason=")
        put_value(out, verdict.detail, words, eai, IN_QUOTES)
    identity = verdict.identity
    if identity != "pra":
        where, kind = identity, b" smtp."
        value = verdict.sender if local_parts and identity == "mailfrom" else verdict.domain
    else:
        pra = verdict.pra
        if pra is None:
            return 0
        # RFC 5451 6.2: the property is the name of the field; RFC 4407 2 has these four.
        where, kind = pra.header.lower(), b" header."
        if where not in ("from", "sender", "resent-from", "resent-sender"):
            raise InputError("verdicts", f"no PRA is taken from a field {pra.header!r}")
        value = pra.mailbox if local_parts else domain_of(pra)
    if value:
        put_word(out, kind)
        put_value(out, where, words, False, AS_IT_IS)
        put(out, b"=", 1)
        put_mailbox(out, value, values, eai, a_labels)
    return 0


# Folding -------------------------------------------------------------------------------------------

# FWS = ([*WSP CRLF] 1*WSP)                                                    RFC 5322 2.2.3, 3.2.2
cdef int put_folded(Writing *out, size_t used, const uint8_t *body, size_t length,
                    const char *line_end, size_t ending) except -1:
    """A body in lines; used is what its first line has before it.

    A line may be broken at a single space only: between two of them it would leave a line that looks empty,
    which some take for the end of the header (RFC 5322 4.2 calls it obsolete).
    """
    cdef size_t begun = 0, word = 0, i, width        # where the line begins, and the word in it
    for i in range(length + 1):
        if i < length and (body[i] != c' ' or i == 0 or i == length - 1
                           or body[i - 1] == c' ' or body[i + 1] == c' '):
            continue
        width = i - word + (word > 0)                 # with the space before it
        if word and used + width > LINE_WANTED:
            put(out, body + begun, word - 1 - begun)
            put(out, line_end, ending)
            begun, used = word - 1, width
        else:
            used += width
        word = i + 1
    return put(out, body + begun, length - begun)


def fold(name, body, line_end):
    """The body with lines of at most 78 octets where there are spaces to break at (RFC 5322 2.2.3).

    The first line leaves room for "name: ". The space at a break stays as the first character of the next
    line, so that taking the line ends out gives the body again.
    """
    cdef Writing out
    cdef Py_ssize_t length = 0, ending = 0
    cdef const char *octets = PyUnicode_AsUTF8AndSize(body, &length)
    cdef const char *between = PyUnicode_AsUTF8AndSize(line_end, &ending)
    writing_begin(&out)
    try:
        put_folded(&out, len(name) + 2, <const uint8_t *>octets, length, between, ending)
        return writing_text(&out)
    finally:
        writing_end(&out)


# Fields of others ----------------------------------------------------------------------------------

def of_kinds(fields, dict kinds not None, note):
    """The position, the kind and the body of each field whose name is of a kind other than 0.

    fields  names and bodies
    kinds   numbers of kinds by name; note(name) gives those that are not there
    """
    cdef list found = []
    cdef Py_ssize_t position = 0
    for name, body in fields:
        kind = kinds.get(name)
        if kind is None:
            kind = note(name)
        if kind:
            found.append((position, kind, body))
        position += 1
    return found
