"""The mailbox in a header field (RFC 5322 3.4, 4.4; RFC 6532; RFC 6854), read without guessing.

What may live here: the grammar of address fields, on octets, without the GIL. A field gives exactly
one mailbox with a domain, or the reason why not: RFC 4407 2 lets local policy decide whether there
is a PRA, never which, so nothing is repaired and no address is chosen among several.

Time is linear in the length of the field: comments are passed over once, nothing is read twice.
"""

from libc.stdint cimport uint8_t

cdef extern from *:
    """
    /* What octets are in an address: of an atom (atext, and all above 0x7F by RFC 6532), or blank. */
    enum { SF_ATEXT = 1, SF_WHITE = 2 };
    static const uint8_t sf_kind[256] = {
        ['a' ... 'z'] = SF_ATEXT, ['A' ... 'Z'] = SF_ATEXT, ['0' ... '9'] = SF_ATEXT, [0x80 ... 0xFF] = SF_ATEXT,
        ['!'] = SF_ATEXT, ['#'] = SF_ATEXT, ['$'] = SF_ATEXT, ['%'] = SF_ATEXT, ['&'] = SF_ATEXT,
        [39] = SF_ATEXT, ['*'] = SF_ATEXT, ['+'] = SF_ATEXT, ['-'] = SF_ATEXT, ['/'] = SF_ATEXT,
        ['='] = SF_ATEXT, ['?'] = SF_ATEXT, ['^'] = SF_ATEXT, ['_'] = SF_ATEXT, ['`'] = SF_ATEXT,
        ['{'] = SF_ATEXT, ['|'] = SF_ATEXT, ['}'] = SF_ATEXT, ['~'] = SF_ATEXT,
        [' '] = SF_WHITE, ['\\t'] = SF_WHITE, ['\\r'] = SF_WHITE, ['\\n'] = SF_WHITE,
    };
    """
    const uint8_t *sf_kind
    enum:
        SF_ATEXT
        SF_WHITE

# What the reading of a field works on. at goes from left to right only.
ctypedef struct Reader:
    const uint8_t *text
    size_t at
    size_t end
    MailboxData *out
    bint lost                 # a word did not fit into out


cdef inline bint is_lone_cr(Reader *reader) noexcept nogil:
    # A CR by itself is no line end, no space, and of no text (RFC 5322 2.3, 4.1).
    return reader.text[reader.at] == c'\r' and not (
        reader.at + 1 < reader.end and reader.text[reader.at + 1] == c'\n')


# CFWS = (1*([FWS] comment) [FWS]) / FWS                                      RFC 5322 3.2.2
# comment = "(" *([FWS] ccontent) [FWS] ")", ccontent = ctext / quoted-pair / comment
cdef bint skip_cfws(Reader *reader) noexcept nogil:
    """Pass over spaces, folds and comments. False if a comment does not end, or holds NUL."""
    cdef size_t depth = 0
    cdef uint8_t c
    while reader.at < reader.end:
        c = reader.text[reader.at]
        if c == c'(':
            depth += 1
        elif depth:
            if c == c')':
                depth -= 1
            elif c == c'\\':
                reader.at += 1
                if reader.at == reader.end:
                    return False
            elif c == 0 or is_lone_cr(reader):
                return False
        elif sf_kind[c] == SF_WHITE:
            if is_lone_cr(reader):
                return False
        else:
            return True
        reader.at += 1
    return depth == 0


cdef inline void put(Reader *reader, uint8_t c) noexcept nogil:
    if reader.out.length == MAILBOX_ROOM:
        reader.lost = True
        return
    reader.out.text[reader.out.length] = c
    reader.out.length += 1


cdef inline void put_unquoted(Reader *reader, uint8_t c) noexcept nogil:
    if reader.out.unquoted_length == MAILBOX_ROOM:
        reader.lost = True
        return
    reader.out.unquoted[reader.out.unquoted_length] = c
    reader.out.unquoted_length += 1


# quoted-string = [CFWS] DQUOTE *([FWS] qcontent) [FWS] DQUOTE [CFWS]        RFC 5322 3.2.4
cdef bint quoted_string(Reader *reader) noexcept nogil:
    """Read from the opening quote: as written goes to text, what it means to unquoted."""
    cdef uint8_t c
    put(reader, c'"')
    reader.at += 1
    while reader.at < reader.end:
        c = reader.text[reader.at]
        if is_lone_cr(reader):
            return False
        reader.at += 1
        if c == c'"':
            put(reader, c'"')
            return True
        if c == c'\r' or c == c'\n':
            continue                             # a fold: the space behind it stays
        if c == c'\\':
            put(reader, c)
            if reader.at == reader.end:
                return False
            c = reader.text[reader.at]
            reader.at += 1
        if c < 0x20 and c != c'\t' or c == 0x7F:
            return False
        put(reader, c)
        put_unquoted(reader, c)
    return False


# What a run of words before "<", "@", ":", "," or the end looks like.
ctypedef struct Words:
    int count                 # words
    bint broken               # two words with no dot between: a phrase, not a local part
    bint plain_start          # begins with a word, not a dot
    bint any_dot


# local-part     = dot-atom / quoted-string / obs-local-part                  RFC 5322 3.4.1, 4.4
# obs-local-part = word *("." word)
# phrase         = 1*word / obs-phrase, word = atom / quoted-string           RFC 5322 3.2.5, 4.1
cdef bint words_read(Reader *reader, Words *words) noexcept nogil:
    """Read words and dots. They are put down as a local part; words tells whether they can be one."""
    cdef uint8_t c
    cdef bint dot = True                         # the last thing was a dot, or nothing yet
    words.count = 0
    words.broken = words.plain_start = words.any_dot = False
    while True:
        if not skip_cfws(reader):
            return False
        if reader.at == reader.end:
            return True
        c = reader.text[reader.at]
        if c == c'.':
            words.any_dot = True
            dot = True
            put(reader, c)
            put_unquoted(reader, c)
            reader.at += 1
            continue
        if c != c'"' and sf_kind[c] != SF_ATEXT:
            return True
        if not dot:
            words.broken = True
        if words.count == 0 and not words.any_dot:
            words.plain_start = True
        words.count += 1
        dot = False
        if c == c'"':
            if not quoted_string(reader):
                return False
            continue
        while reader.at < reader.end and sf_kind[reader.text[reader.at]] == SF_ATEXT:
            put(reader, reader.text[reader.at])
            put_unquoted(reader, reader.text[reader.at])
            reader.at += 1


# domain     = dot-atom / domain-literal / obs-domain                         RFC 5322 3.4.1, 4.4
# obs-domain = atom *("." atom)
cdef int domain_read(Reader *reader) noexcept nogil:
    """Read the domain behind "@". A MailboxOutcome: MAILBOX_FOUND if it is a name."""
    cdef uint8_t c
    cdef bint dot = True
    cdef int start = reader.out.length
    while True:
        if not skip_cfws(reader):
            return MAILBOX_MALFORMED
        if reader.at == reader.end:
            break
        c = reader.text[reader.at]
        if c == c'[':
            if reader.out.length != start:
                return MAILBOX_MALFORMED
            while reader.at < reader.end and reader.text[reader.at] != c']':
                if reader.text[reader.at] < 0x20 and sf_kind[reader.text[reader.at]] != SF_WHITE:
                    return MAILBOX_MALFORMED
                reader.at += 1
            if reader.at == reader.end:
                return MAILBOX_MALFORMED
            reader.at += 1
            return MAILBOX_NO_DOMAIN             # a literal is no domain name
        if c == c'.':
            if dot:
                return MAILBOX_MALFORMED         # an empty label
            put(reader, c)
            reader.at += 1
            dot = True
            continue
        if sf_kind[c] != SF_ATEXT:
            break
        if not dot:
            break                                # a word too many; the caller says so
        dot = False
        while reader.at < reader.end and sf_kind[reader.text[reader.at]] == SF_ATEXT:
            put(reader, reader.text[reader.at])
            reader.at += 1
    if reader.out.length == start:
        return MAILBOX_NO_DOMAIN
    if dot:
        reader.out.length -= 1                   # RFC 7208 7.3: a trailing dot means nothing
    return MAILBOX_FOUND


# obs-route = obs-domain-list ":", obs-domain-list = *(CFWS / ",") "@" domain *("," [CFWS] ["@" domain])
cdef bint route_skip(Reader *reader) noexcept nogil:
    """Pass over a source route, RFC 5322 4.4. It says nothing about who is responsible."""
    cdef uint8_t c
    while True:
        if not skip_cfws(reader) or reader.at == reader.end:
            return False
        c = reader.text[reader.at]
        reader.at += 1
        if c == c':':
            return True
        if not (c == c'@' or c == c',' or c == c'.' or sf_kind[c] == SF_ATEXT):
            return False


cdef int addr_spec(Reader *reader, const Words *words) noexcept nogil:
    """At the "@" behind the words: they must be a local part, and a domain must follow."""
    if words.broken or words.count == 0 or not words.plain_start:
        return MAILBOX_MALFORMED
    reader.out.local_length = reader.out.length
    put(reader, c'@')
    reader.at += 1
    return domain_read(reader)


# angle-addr = [CFWS] "<" addr-spec ">" [CFWS] / obs-angle-addr               RFC 5322 3.4, 4.4
cdef int angle_addr(Reader *reader) noexcept nogil:
    cdef Words words
    cdef int outcome
    reader.at += 1
    reader.out.length = reader.out.unquoted_length = 0
    reader.lost = False                          # a display name may be of any length
    if not skip_cfws(reader) or reader.at == reader.end:
        return MAILBOX_MALFORMED
    if (reader.text[reader.at] == c'@' or reader.text[reader.at] == c',') and not route_skip(reader):
        return MAILBOX_MALFORMED
    if not words_read(reader, &words) or reader.at == reader.end:
        return MAILBOX_MALFORMED
    if reader.text[reader.at] == c'>':
        outcome = MAILBOX_NO_DOMAIN if words.count and not words.broken else <int>MAILBOX_MALFORMED
    elif reader.text[reader.at] == c'@':
        outcome = addr_spec(reader, &words)
    else:
        return MAILBOX_MALFORMED
    if outcome == MAILBOX_MALFORMED or not skip_cfws(reader):
        return MAILBOX_MALFORMED
    if reader.at == reader.end or reader.text[reader.at] != c'>':
        return MAILBOX_MALFORMED
    reader.at += 1
    return outcome


# mailbox = name-addr / addr-spec, name-addr = [display-name] angle-addr      RFC 5322 3.4
cdef int mailbox_read(Reader *reader) noexcept nogil:
    """Read one element of a list, up to its end or to "," or ";". A MailboxOutcome."""
    cdef Words words
    cdef int outcome
    cdef uint8_t c
    reader.out.length = reader.out.unquoted_length = reader.out.local_length = 0
    reader.lost = False
    if not words_read(reader, &words):
        return MAILBOX_MALFORMED
    if reader.at == reader.end or reader.text[reader.at] == c',' or reader.text[reader.at] == c';':
        return MAILBOX_NO_DOMAIN if words.count else <int>MAILBOX_MALFORMED
    c = reader.text[reader.at]
    if c == c'<':
        outcome = angle_addr(reader)
    elif c == c'@':
        outcome = addr_spec(reader, &words)
    elif c == c':' and words.count:
        return MAILBOX_GROUP                     # RFC 5322 3.4, RFC 6854
    else:
        return MAILBOX_MALFORMED
    if outcome == MAILBOX_MALFORMED or not skip_cfws(reader):
        return MAILBOX_MALFORMED
    if reader.lost:
        return MAILBOX_MALFORMED
    if reader.at < reader.end and reader.text[reader.at] != c',' and reader.text[reader.at] != c';':
        # "a@b <c@d>" holds two addresses; anything else is a word too many.
        return MAILBOX_SEVERAL if reader.text[reader.at] == c'<' and c == c'@' else <int>MAILBOX_MALFORMED
    return outcome


# mailbox-list = (mailbox *("," mailbox)) / obs-mbox-list                     RFC 5322 3.4, 4.4
cdef int mailbox_parse(const uint8_t *body, size_t length, bint one, MailboxData *out) noexcept nogil:
    """The mailbox of a field: MAILBOX_FOUND, or why there is not exactly one with a domain.

    one is for fields that hold a single mailbox (Sender, Resent-Sender): there not even empty
    elements of a list are allowed, as they are in the obsolete form of From.
    """
    cdef Reader reader
    cdef MailboxData rest
    cdef int outcome = MAILBOX_MALFORMED, found = 0
    cdef bint listed = False
    reader.text = body
    reader.at = 0
    reader.end = length
    reader.out = out
    reader.lost = False
    out.length = out.local_length = out.unquoted_length = 0
    if length > FIELD_MAX:
        return MAILBOX_MALFORMED
    while True:
        if not skip_cfws(&reader):
            return MAILBOX_MALFORMED
        if reader.at == reader.end:
            return outcome if found and not (one and listed) else <int>MAILBOX_MALFORMED
        if body[reader.at] == c',' or body[reader.at] == c';':
            listed = True
            reader.at += 1
            continue
        if found:
            reader.out = &rest                   # what was found first stays
        found += 1
        outcome = mailbox_read(&reader)
        if outcome == MAILBOX_MALFORMED or outcome == MAILBOX_GROUP or outcome == MAILBOX_SEVERAL:
            return outcome
        if found > 1:
            return MAILBOX_SEVERAL
