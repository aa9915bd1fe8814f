"""Header sections: from octets to fields, and which of them gives the PRA (RFC 4407 2).

What may live here: where fields begin and end (RFC 5322 2.2 with its obsolete forms, RFC 6532), and
the choice of RFC 4407. One pass, no copy, without the GIL. What stands inside a field is read in
mailboxes.pyx, and only if it matters. The Python face is in pra.pyx.

A line ends at LF, with or without CR before it; a CR elsewhere is an octet like any other. The
section ends at the first empty line, at the first line that is no field ("junk"), or at the end. A
"From " line of a mailbox file before the first field is passed over, and so are continuation lines
that continue nothing.
"""

from libc.stdint cimport uint8_t
from libc.string cimport memset

from senderid_fast._core.mailboxes cimport mailbox_parse

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>
    #if defined(__SSE2__)
    #include <emmintrin.h>
    /* How many of the octets at p cannot end a field name: neither ":" nor a control, a space or DEL.
       p has 16 octets to read. */
    static inline int sf_name_span16(const uint8_t *p) {
        __m128i octets = _mm_loadu_si128((const __m128i *)p);
        __m128i ends = _mm_cmpeq_epi8(octets, _mm_set1_epi8(':'));
        /* octets up to 0x20, as unsigned: max(octet, 0x20) is 0x20 */
        ends = _mm_or_si128(ends, _mm_cmpeq_epi8(_mm_max_epu8(octets, _mm_set1_epi8(0x20)), _mm_set1_epi8(0x20)));
        ends = _mm_or_si128(ends, _mm_cmpeq_epi8(octets, _mm_set1_epi8(0x7F)));
        int mask = _mm_movemask_epi8(ends);
        return mask ? __builtin_ctz(mask) : 16;
    }
    static inline uint64_t sf_lf_mask16(const uint8_t *p) {
        __m128i octets = _mm_loadu_si128((const __m128i *)p);
        return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(octets, _mm_set1_epi8(10)));
    }
    /* The next LF, or end. Most lines are shorter than a call of memchr() pays for. */
    static inline const uint8_t *sf_find_lf(const uint8_t *p, const uint8_t *end) {
        while (end - p >= 64) {
            uint64_t mask = sf_lf_mask16(p) | sf_lf_mask16(p + 16) << 16
                            | sf_lf_mask16(p + 32) << 32 | sf_lf_mask16(p + 48) << 48;
            if (mask) return p + __builtin_ctzll(mask);
            p += 64;
        }
        while (p < end && *p != 10) p++;
        return p;
    }
    #else
    static inline const uint8_t *sf_find_lf(const uint8_t *p, const uint8_t *end) {
        const uint8_t *found = (const uint8_t *)memchr(p, 10, end - p);
        return found ? found : end;
    }
    static inline int sf_name_span16(const uint8_t *p) {
        int i = 0;
        while (i < 16 && p[i] > 0x20 && p[i] != ':' && p[i] != 0x7F) i++;
        return i;
    }
    #endif
    /* Whether a name of n octets (4 to 16, none of them a control) is a lower-case one but for the case
       of its letters: "|" makes capitals small, and of printed octets only capitals become small ones. */
    static inline int sf_name_is(const uint8_t *name, const char *lower, size_t n) {
        if (n >= 8) {
            const uint64_t small = UINT64_C(0x2020202020202020);
            uint64_t head, tail, h, t;
            memcpy(&head, name, 8);
            memcpy(&tail, name + n - 8, 8);
            memcpy(&h, lower, 8);
            memcpy(&t, lower + n - 8, 8);
            return (head | small) == h && (tail | small) == t;
        } else {
            const uint32_t small = UINT32_C(0x20202020);
            uint32_t head, tail, h, t;
            memcpy(&head, name, 4);
            memcpy(&tail, name + n - 4, 4);
            memcpy(&h, lower, 4);
            memcpy(&t, lower + n - 4, 4);
            return (head | small) == h && (tail | small) == t;
        }
    }
    static inline size_t sf_name_span(const uint8_t *p, const uint8_t *end) {
        const uint8_t *at = p;
        while (end - at >= 16) {
            int n = sf_name_span16(at);
            at += n;
            if (n < 16) return at - p;
        }
        while (at < end && *at > 0x20 && *at != ':' && *at != 0x7F) at++;
        return at - p;
    }
    """
    size_t sf_name_span(const uint8_t *p, const uint8_t *end) noexcept nogil
    bint sf_name_is(const uint8_t *name, const char *lower, size_t n) noexcept nogil
    const uint8_t *sf_find_lf(const uint8_t *p, const uint8_t *end) noexcept nogil


cdef inline const uint8_t *line_end(const uint8_t *at, const uint8_t *end) noexcept nogil:
    """The LF that ends the line, or end."""
    return sf_find_lf(at, end)


cdef inline bint is_blank(uint8_t c) noexcept nogil:
    return c == c' ' or c == c'\t'


cdef void scanner_begin(Scanner *scanner, const uint8_t *text, size_t length) noexcept nogil:
    scanner.at = scanner.begin = text
    scanner.end = text + length


cdef inline const uint8_t *past_line(const uint8_t *at, const uint8_t *end) noexcept nogil:
    at = line_end(at, end)
    return at + 1 if at < end else end


# fields = *( field-name *WSP ":" unstructured CRLF )                       RFC 5322 2.2, 4.5
cdef inline bint field_name(Scanner *scanner, FieldData *field) noexcept nogil:
    """Find the next field and read its name; body then begins behind the colon and has no end yet.

    The scanner stays at the line where the field begins. False at the end of the section.
    """
    cdef const uint8_t *at = scanner.at
    cdef const uint8_t *end = scanner.end
    cdef size_t length
    while at < end:
        if is_blank(at[0]):
            # Only before the first field can a continuation line be met here.
            at = past_line(at, end)
            continue
        length = sf_name_span(at, end)
        field.name = at
        field.name_length = length
        field.body = at + length
        while field.body < end and is_blank(field.body[0]):
            field.body += 1                       # RFC 5322 4.5: spaces before the colon
        if length and field.body < end and field.body[0] == c':':
            field.body += 1
            scanner.at = at
            return True
        if at == scanner.begin and (starts_with(at, end, b"From ", 5) or starts_with(at, end, b">From ", 6)):
            at = past_line(at, end)
            continue
        break
    scanner.at = scanner.end = at
    return False


cdef inline bint starts_with(const uint8_t *at, const uint8_t *end, const char *text, int length) noexcept nogil:
    cdef int i
    if end - at < length:
        return False
    for i in range(length):
        if at[i] != <uint8_t>text[i]:
            return False
    return True


cdef inline void field_end(Scanner *scanner, FieldData *field) noexcept nogil:
    """Find where the field ends, with its continuation lines, and go on behind it."""
    cdef const uint8_t *end = scanner.end
    cdef const uint8_t *at = line_end(field.body, end)
    while at + 1 < end and is_blank(at[1]):
        at = line_end(at + 1, end)
    scanner.at = at + 1 if at < end else end
    if at > field.body and at < end and (at - 1)[0] == c'\r':
        at -= 1
    field.body_length = at - field.body


cdef bint scanner_next(Scanner *scanner, FieldData *field) noexcept nogil:
    """The next field, or False at the end of the header section; scanner.at is then where it ends."""
    if not field_name(scanner, field):
        return False
    field_end(scanner, field)
    return True


cdef bint is_empty(const FieldData *field) noexcept nogil:
    # RFC 4407 2: a field is non-empty if it holds a character that is no white space.
    cdef size_t i
    cdef uint8_t c
    for i in range(field.body_length):
        c = field.body[i]
        if not (is_blank(c) or c == c'\r' or c == c'\n'):
            return False
    return True


cdef inline int pra_field(const FieldData *field) noexcept nogil:
    """What RFC 4407 2 calls the field: a PraHeader, PRA_TRACE, or PRA_OTHER."""
    cdef size_t length = field.name_length
    # The length tells nearly all other fields apart without a look at the name.
    if length == 4:
        return PRA_FROM if sf_name_is(field.name, b"from", 4) else PRA_OTHER
    if length == 6:
        return PRA_SENDER if sf_name_is(field.name, b"sender", 6) else PRA_OTHER
    if length == 8:
        return PRA_TRACE if sf_name_is(field.name, b"received", 8) else PRA_OTHER
    if length == 11:
        if sf_name_is(field.name, b"resent-from", 11):
            return PRA_RESENT_FROM
        return PRA_TRACE if sf_name_is(field.name, b"return-path", 11) else PRA_OTHER
    if length == 13:
        return PRA_RESENT_SENDER if sf_name_is(field.name, b"resent-sender", 13) else PRA_OTHER
    return PRA_OTHER


cdef enum:
    PRA_TRACE = 10
    PRA_OTHER = 11


# RFC 4407 2
cdef void pra_select(const uint8_t *text, size_t length, PraData *out) noexcept nogil:
    """Which field gives the PRA, and the mailbox in it."""
    cdef Scanner scanner
    cdef FieldData field, resent_from, sender, author
    cdef int kind, senders = 0, authors = 0, index = -1
    cdef int resent_index = -1, sender_index = -1, author_index = -1
    scanner_begin(&scanner, text, length)
    memset(&resent_from, 0, sizeof(FieldData))
    sender = author = resent_from
    out.header = PRA_NO_HEADER
    while field_name(&scanner, &field):
        index += 1
        kind = pra_field(&field)
        field_end(&scanner, &field)
        if kind == PRA_OTHER:
            continue
        if kind == PRA_TRACE:
            if resent_index >= 0:
                # Step 1: a Resent-Sender further down belongs to an older block, so step 2 decides.
                break
            continue
        if is_empty(&field):
            continue
        if kind == PRA_RESENT_SENDER:
            # Step 1: the first one, unless a Resent-From and then a trace field stand above it.
            take(out, PRA_RESENT_SENDER, &field, index, True)
            return
        if kind == PRA_RESENT_FROM:
            if resent_index < 0:
                resent_from = field
                resent_index = index
        elif kind == PRA_SENDER:
            if not senders:
                sender = field
                sender_index = index
            senders += 1
        else:
            if not authors:
                author = field
                author_index = index
            authors += 1
    if resent_index >= 0:
        take(out, PRA_RESENT_FROM, &resent_from, resent_index, False)    # step 2
    elif senders == 1:
        take(out, PRA_SENDER, &sender, sender_index, True)               # step 3
    elif senders:
        out.outcome = PRA_FAIL_MULTIPLE_SENDER
    elif authors == 1:
        take(out, PRA_FROM, &author, author_index, False)                # step 4
    elif authors:
        out.outcome = PRA_FAIL_MULTIPLE_FROM
    else:
        out.outcome = PRA_FAIL_NO_HEADER


cdef void take(PraData *out, int header, const FieldData *field, int index, bint one) noexcept nogil:
    # Step 5: the field must hold one mailbox with a domain. No other field is tried: what is
    # malformed may decide whether there is a PRA, never which.
    out.header = header
    out.index = index
    out.outcome = mailbox_parse(field.body, field.body_length, one, &out.mailbox)
