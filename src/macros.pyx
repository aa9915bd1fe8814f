"""Macro-strings (RFC 7208 7): parsed once into pieces, expanded for each check.

What may live here: the grammar of section 7.1 and the processing of 7.3, on octets, without the
GIL and without taking memory. What a letter stands for comes in as MacroValues; %{p} needs DNS, so
the evaluator works it out before it calls.

Every output is bounded: a name by NAME_MAX (labels go from the left, 7.3), an explanation by
EXPLANATION_MAX (longer ones are dropped, as 6.2 lets a receiver do).
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint64_t
from libc.string cimport memchr, memmove

from senderid_fast._core.cidr cimport (
    ADDRESS_TEXT, FAMILY_IP4, Address, address_parse, address_write_dotted, address_write_readable,
)
from senderid_fast._core.names cimport NAME_BUFFER, NAME_MAX, name_normalise, sf_lower


cdef const char *DELIMITERS = b".-+,/_="


cdef inline int delimiter_bit(uint8_t c) noexcept nogil:
    # delimiter = "." / "-" / "+" / "," / "/" / "_" / "="                          RFC 7208 7.1
    cdef const char *at = <const char *>memchr(DELIMITERS, c, 7)
    return 1 << (at - DELIMITERS) if at != NULL else 0


# macro-string  = *( macro-expand / macro-literal )                               RFC 7208 7.1
# macro-expand  = ( "%{" macro-letter transformers *delimiter "}" ) / "%%" / "%_" / "%-"
# macro-literal = %x21-24 / %x26-7E
# macro-letter  = "s" / "l" / "o" / "d" / "i" / "p" / "h" / "c" / "r" / "t" / "v"
# transformers  = *DIGIT [ "r" ]
# explain-string = *( macro-string / SP )                                         RFC 7208 6.2
cdef int macro_parse(const uint8_t *text, int start, int end, bint explain, Piece *pieces, int *count,
                     int *uses, int *error_at) noexcept nogil:
    """Parse text[start:end] into pieces (room for end - start of them; NULL only checks).

    explain is for the text of an explanation: spaces, and the letters c, r and t.
    A MacroError; where it is goes to error_at.
    """
    cdef int at = start, n = 0, digits
    cdef uint8_t c, letter
    cdef Piece piece
    while at < end:
        c = text[at]
        if c != c'%':
            if c < 0x21 or c > 0x7E:
                if not (explain and c == c' '):
                    error_at[0] = at
                    return MACRO_BAD_CHARACTER
            piece.offset = <uint16_t>at
            piece.letter = piece.digits = piece.flags = piece.delimiters = 0
            while at < end and text[at] != c'%' and (0x21 <= text[at] <= 0x7E or explain and text[at] == c' '):
                at += 1
            piece.length = <uint16_t>(at - piece.offset)
            if pieces != NULL:
                pieces[n] = piece
            n += 1
            continue
        piece.offset = <uint16_t>at
        piece.digits = piece.flags = piece.delimiters = 0
        error_at[0] = at
        if at + 1 == end:
            return MACRO_STRAY_PERCENT
        c = text[at + 1]
        at += 2
        if c != c'{':
            if c != c'%' and c != c'_' and c != c'-':
                return MACRO_STRAY_PERCENT
            piece.letter = c
            piece.length = 2
            if pieces != NULL:
                pieces[n] = piece
            n += 1
            continue
        if at == end:
            return MACRO_UNCLOSED
        letter = sf_lower(text[at])
        if letter != text[at]:
            piece.flags = PIECE_ESCAPE          # 7.3: upper case asks for URL escaping
        if letter == c'c' or letter == c'r' or letter == c't':
            uses[0] |= USES_EXPLAIN             # 7.2: only in the text of an explanation
        elif letter == c's' or letter == c'l':
            uses[0] |= USES_SENDER | USES_MESSAGE
        elif letter == c'p':
            uses[0] |= USES_P | USES_MESSAGE
        elif letter == c'o' or letter == c'i' or letter == c'h':
            uses[0] |= USES_MESSAGE
        elif letter != c'd' and letter != c'v':
            return MACRO_BAD_LETTER
        piece.letter = letter
        at += 1
        digits = -1
        while at < end and <uint8_t>(text[at] - c'0') < 10:
            # 7.3: any number of digits; what is above 255 keeps all parts, as 127 labels do.
            digits = (0 if digits < 0 else digits * 10) + text[at] - c'0'
            if digits > 255:
                digits = 255
            at += 1
        if digits == 0:
            return MACRO_ZERO_DIGITS            # 7.3: a DIGIT must not be zero
        piece.digits = <uint8_t>(digits if digits > 0 else 0)
        if at < end and sf_lower(text[at]) == c'r':
            piece.flags |= PIECE_REVERSE
            at += 1
        while at < end and delimiter_bit(text[at]):
            piece.delimiters |= <uint8_t>delimiter_bit(text[at])
            at += 1
        if at == end or text[at] != c'}':
            return MACRO_UNCLOSED
        at += 1
        piece.length = <uint16_t>(at - piece.offset)
        if pieces != NULL:
            pieces[n] = piece
        n += 1
    count[0] = n
    return MACRO_OK


# Where an expansion goes. A name slides: only its right-hand end matters (7.3), so when the room is
# used up the left half is let go. A text that does not fit is lost as a whole.
cdef enum:
    SINK_ROOM = 1024
    FEW_PIECES = 16           # that are all expanded; of more, those that a name can show

ctypedef struct Sink:
    uint8_t *out
    int room
    int length
    bint slides
    bint lost


cdef inline void put(Sink *sink, uint8_t c) noexcept nogil:
    if sink.length == sink.room:
        sink.lost = True
        if not sink.slides:
            return
        memmove(sink.out, sink.out + sink.room // 2, sink.room - sink.room // 2)
        sink.length -= sink.room // 2
    sink.out[sink.length] = c
    sink.length += 1


cdef inline bint is_unreserved(uint8_t c) noexcept nogil:
    # unreserved = ALPHA / DIGIT / "-" / "." / "_" / "~"                          RFC 3986 2.3
    return (<uint8_t>((c | 32) - c'a') < 26 or <uint8_t>(c - c'0') < 10 or c == c'-' or c == c'.'
            or c == c'_' or c == c'~')


cdef inline void put_value(Sink *sink, uint8_t c, bint escape) noexcept nogil:
    cdef const char *hexadecimal = b"0123456789ABCDEF"
    if escape and not is_unreserved(c):
        put(sink, c'%')
        put(sink, hexadecimal[c >> 4])
        put(sink, hexadecimal[c & 15])
    else:
        put(sink, c)


cdef void put_parts(Sink *sink, const Piece *piece, const uint8_t *value, int length) noexcept nogil:
    """Split at the delimiters, reverse, keep the right-hand parts, join with "." (RFC 7208 7.3)."""
    cdef int delimiters = piece.delimiters if piece.delimiters else 1      # "." if none is given
    cdef bint escape = piece.flags & PIECE_ESCAPE
    cdef int keep = piece.digits if piece.digits else length + 1
    cdef int at, start, end, i
    if not piece.digits and not piece.flags & PIECE_REVERSE and not piece.delimiters:
        for i in range(length):                                            # unchanged
            put_value(sink, value[i], escape)
        return
    if piece.flags & PIECE_REVERSE:
        # The right-hand parts of the reversed value are the left-hand parts of the value.
        end = 0
        while True:
            while end < length and not delimiter_bit(value[end]) & delimiters:
                end += 1
            keep -= 1
            if keep == 0 or end == length:
                break
            end += 1
        at = end
        while True:
            start = at
            while start > 0 and not delimiter_bit(value[start - 1]) & delimiters:
                start -= 1
            for i in range(start, at):
                put_value(sink, value[i], escape)
            if start == 0:
                return
            put(sink, c'.')
            at = start - 1
    start = length
    while True:
        while start > 0 and not delimiter_bit(value[start - 1]) & delimiters:
            start -= 1
        keep -= 1
        if keep == 0 or start == 0:
            break
        start -= 1
    for i in range(start, length):
        if delimiter_bit(value[i]) & delimiters:
            put(sink, c'.')
        else:
            put_value(sink, value[i], escape)


cdef int number_write(int64_t number, uint8_t *out) noexcept nogil:
    cdef uint8_t[20] digits
    cdef int n = 0, i
    cdef uint64_t rest = <uint64_t>number if number > 0 else 0
    while True:
        digits[n] = c'0' + <uint8_t>(rest % 10)
        n += 1
        rest //= 10
        if rest == 0:
            break
    for i in range(n):
        out[i] = digits[n - 1 - i]
    return n


cdef void put_piece(Sink *sink, const uint8_t *text, const Piece *piece, const MacroValues *values,
                    const uint8_t *domain, int domain_length) noexcept nogil:
    cdef uint8_t[ADDRESS_TEXT] scratch
    cdef const uint8_t *value = scratch
    cdef int length = 0, i
    cdef uint8_t letter = piece.letter
    if letter == 0:
        for i in range(piece.length):
            put(sink, text[piece.offset + i])
        return
    # RFC 7208 7.1: "%%" is "%", "%_" is a space, "%-" is "%20"
    if letter == c'%':
        put(sink, c'%')
        return
    if letter == c'_':
        put(sink, c' ')
        return
    if letter == c'-':
        put(sink, c'%')
        put(sink, c'2')
        put(sink, c'0')
        return
    # RFC 7208 7.2
    if letter == c's':
        value, length = values.sender, values.sender_length
    elif letter == c'l':
        value, length = values.sender, values.local_length
    elif letter == c'o':
        value = values.sender + values.local_length + 1
        length = values.sender_length - values.local_length - 1
    elif letter == c'd':
        value, length = domain, domain_length
    elif letter == c'i':
        length = address_write_dotted(values.ip, scratch)
    elif letter == c'p':
        value, length = values.validated, values.validated_length
    elif letter == c'v':
        if values.ip.family == FAMILY_IP4:
            value, length = <const uint8_t *>b"in-addr", 7
        else:
            value, length = <const uint8_t *>b"ip6", 3
    elif letter == c'h':
        value, length = values.helo, values.helo_length
    elif letter == c'c':
        length = address_write_readable(values.ip, scratch)
    elif letter == c'r':
        value, length = values.receiver, values.receiver_length
    elif letter == c't':
        length = number_write(values.unix_time, scratch)
    put_parts(sink, piece, value, length)


cdef int first_shown(const uint8_t *text, const Piece *pieces, int count, const MacroValues *values,
                     const uint8_t *domain, int domain_length, Sink *sink) noexcept nogil:
    """The piece from which on an expansion has more than a name can show: a record has room for 16,000
    pieces, each of which can be a whole local part. What stands before it is cut off in any event."""
    cdef int i = count, length = 0
    while i > 0 and length < NAME_MAX + 2:             # with a final dot, and the dot before what is left
        i -= 1
        sink.length = 0
        put_piece(sink, text, &pieces[i], values, domain, domain_length)
        length += sink.length                          # or fewer, where it slid: more than a name all the same
    sink.length = 0
    return i


cdef int macro_expand_name(const uint8_t *text, const Piece *pieces, int count, const MacroValues *values,
                           const uint8_t *domain, int domain_length, uint8_t *out) noexcept nogil:
    """Expand to a target-name in out (NAME_BUFFER octets), normalised. Its length, or 0 if it is
    no DNS name (RFC 7208 4.8 leaves open what follows from that; see the evaluator)."""
    cdef uint8_t[SINK_ROOM] room
    cdef Sink sink
    cdef int i, first = 0, start = 0, length
    sink.out = room
    sink.room = SINK_ROOM
    sink.length = 0
    sink.slides = True
    sink.lost = False
    if count > FEW_PIECES:
        first = first_shown(text, pieces, count, values, domain, domain_length, &sink)
    for i in range(first, count):
        put_piece(&sink, text, &pieces[i], values, domain, domain_length)
    # 7.3: over 253 octets, not counting a trailing dot, whole labels go from the left.
    length = sink.length
    while length - start - (length > 0 and room[length - 1] == c'.') > NAME_MAX:
        while start < length and room[start] != c'.':
            start += 1
        if start == length:
            return 0
        start += 1
    return name_normalise(room + start, length - start, out)


cdef int macro_expand_text(const uint8_t *text, int length, const MacroValues *values, const uint8_t *domain,
                           int domain_length, uint8_t *out) noexcept nogil:
    """Expand the text of an explanation into out (EXPLANATION_MAX octets). Its length, or -1 when
    RFC 7208 6.2 says to go on as if there were none: bad syntax, not ASCII, or too long."""
    cdef Sink sink
    cdef Piece piece
    cdef int at = 0, end, count, uses = 0, error_at, i
    if length > EXPLANATION_TEXT_MAX:
        return -1
    sink.out = out
    sink.room = EXPLANATION_MAX
    sink.length = 0
    sink.slides = False
    sink.lost = False
    while at < length:
        # One piece at a time: up to the next "%", or the macro-expand that begins here.
        end = at + 1
        if text[at] == c'%':
            if at + 1 < length and text[at + 1] == c'{':
                while end < length and text[end] != c'}':
                    end += 1
            end += 1
            if end > length:
                return -1
        else:
            while end < length and text[end] != c'%':
                end += 1
        if macro_parse(text, at, end, True, &piece, &count, &uses, &error_at) != MACRO_OK or count != 1:
            return -1
        put_piece(&sink, text, &piece, values, domain, domain_length)
        if sink.lost:
            return -1
        at = end
    # What macros brought in (HELO, local part) is the client's own text: nothing but visible
    # ASCII and spaces may reach a log, a header or an SMTP reply.
    for i in range(sink.length):
        if out[i] < 0x20 or out[i] > 0x7E:
            return -1
    return sink.length


cdef int text_uses(const uint8_t *text, int length) noexcept nogil:
    """What the text of an explanation draws on (MacroUse); -1 if its syntax is wrong."""
    cdef int count, uses = 0, error_at
    if length > EXPLANATION_TEXT_MAX:
        return -1
    if macro_parse(text, 0, length, True, NULL, &count, &uses, &error_at) != MACRO_OK:
        return -1
    return uses


def expand(bytes macro_string not None, dict values not None):
    """Expand a macro-string to a name, for tests and for people who try records out.

    values has sender (local@domain), helo, domain, ip (as text), and may have p. The normalised
    name, or None if what comes out is no DNS name. Raises ValueError for bad syntax.
    """
    if len(macro_string) > 4096:
        raise ValueError("macro_string: longer than 4096 octets")
    cdef Piece[4096] pieces
    cdef MacroValues given
    cdef Address address
    cdef uint8_t[NAME_BUFFER] out
    cdef int count = 0, uses = 0, error_at = 0, length
    cdef bytes sender = values["sender"].encode()
    cdef bytes helo = values.get("helo", "").encode()
    cdef bytes validated = values.get("p", "unknown").encode()
    cdef bytes domain = values["domain"].encode()
    cdef bytes ip = values["ip"].encode()
    cdef const uint8_t *text = <const uint8_t *><const char *>macro_string
    from_text(ip, &address)
    given.sender = <const uint8_t *><const char *>sender
    given.sender_length = <int>len(sender)
    given.local_length = <int>sender.rindex(b"@")
    given.helo, given.helo_length = <const uint8_t *><const char *>helo, <int>len(helo)
    given.validated, given.validated_length = <const uint8_t *><const char *>validated, <int>len(validated)
    given.receiver, given.receiver_length = NULL, 0
    given.ip = &address
    given.unix_time = 0
    if macro_parse(text, 0, <int>len(macro_string), False, pieces, &count, &uses, &error_at) != MACRO_OK:
        raise ValueError(f"macro_string: bad syntax at octet {error_at}")
    if uses & USES_EXPLAIN:
        raise ValueError("macro_string: c, r and t are only for explanations")
    length = macro_expand_name(text, pieces, count, &given, <const uint8_t *><const char *>domain,
                               <int>len(domain), out)
    return (<char *>out)[:length] if length else None


cdef int from_text(bytes ip, Address *out) except -1:
    if not address_parse(<const uint8_t *><const char *>ip, len(ip), out):
        raise ValueError("ip: not an address")
    return 0
