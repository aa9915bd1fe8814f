"""Domain names: one form for all, and the tests that RFC 7208 makes of them.

What may live here: functions on octets. No Python objects but the two at the end, no memory is
taken, nothing is asked. A name is bounded by NAME_MAX before anything walks over it twice.
"""

from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memchr

# Names decide where a slot of the store is, and strangers choose names: the key is Python's own
# secret, drawn at start-up, so that nobody can prepare names that collide.
cdef uint64_t name_key = <uint64_t>(<long long>hash("senderid_fast names")) | 1


cdef int name_normalise(const uint8_t *text, size_t length, uint8_t *out) noexcept nogil:
    """Write the name in lower case without its final dot to out (NAME_BUFFER octets).

    The length of the name, or 0 if it is no DNS name: empty, over 253 octets, an empty label
    that is not the final one, a label over 63 octets (RFC 7208 4.3).
    """
    cdef size_t label = 0      # where the current label begins
    cdef size_t end
    cdef const uint8_t *dot
    # RFC 7208 7.3: a trailing dot is accepted and means nothing.
    if length > 1 and text[length - 1] == c'.':
        length -= 1
    if length == 0 or length > NAME_MAX:
        return 0
    sf_lower_copy(out, text, length)
    while True:
        dot = <const uint8_t *>memchr(out + label, c'.', length - label)
        end = length if dot == NULL else dot - out
        if end == label or end - label > LABEL_MAX:
            return 0
        if dot == NULL:
            return <int>length
        label = end + 1


cdef bint toplabel_is_valid(const uint8_t *label, size_t length) noexcept nogil:
    """toplabel = ( *alphanum ALPHA *alphanum ) / ( 1*alphanum "-" *( alphanum / "-" ) alphanum )

    RFC 7208 7.1. Letters, digits and inner hyphens, not all digits; of any length, which is not a
    matter of the grammar.
    """
    cdef size_t i
    cdef uint8_t all = SF_LABEL | SF_DIGIT
    if length == 0 or label[0] == c'-' or label[length - 1] == c'-':
        return False
    for i in range(length):
        all &= sf_class[label[i]]
    return all == SF_LABEL


cdef bint name_is_domain(const uint8_t *name, int length) noexcept nogil:
    """Whether a normalised name can be the <domain> that a session gave (RFC 7208 4.3, 2.3).

    A multi-label name of the characters of a dot-atom, under a proper top label: so no address
    literal, no bare address, no control characters. "_" is allowed (RFC 2181 11).
    """
    cdef int i, label = length
    cdef uint8_t all = SF_ATOM
    for i in range(length):
        all &= sf_class[name[i]]
    while label > 0 and name[label - 1] != c'.':
        label -= 1
    return all and label > 0 and toplabel_is_valid(name + label, length - label)


cdef bint octets_equal_folded(const uint8_t *left, const uint8_t *right, size_t length) noexcept nogil:
    """Whether two pieces of text are equal but for the case of ASCII letters."""
    cdef size_t i
    for i in range(length):
        if sf_lower(left[i]) != sf_lower(right[i]):
            return False
    return True


cdef bint name_is_within(const uint8_t *name, int length, const uint8_t *parent,
                         int parent_length) noexcept nogil:
    """Whether a normalised name is parent or a subdomain of it, label by label (RFC 7208 5.5)."""
    cdef int skip = length - parent_length
    if skip < 0 or (skip > 0 and name[skip - 1] != c'.'):
        return False
    return octets_equal_folded(name + skip, parent, parent_length)


def normalise(bytes name not None):
    """The name in lower case without a final dot, or None if it is no DNS name (RFC 7208 4.3)."""
    cdef uint8_t[NAME_BUFFER] out
    cdef int length = name_normalise(<const uint8_t *><const char *>name, len(name), out)
    return (<char *>out)[:length] if length else None


def is_domain(bytes name not None):
    """Whether a session's domain can be checked: well formed and multi-label (RFC 7208 4.3)."""
    cdef uint8_t[NAME_BUFFER] out
    cdef int length = name_normalise(<const uint8_t *><const char *>name, len(name), out)
    return bool(length and name_is_domain(out, length))
