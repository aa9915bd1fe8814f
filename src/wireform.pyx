"""The form of DNS messages: names, resource records and their data (RFC 1035 3, 4).

What may live here: functions on octets that check a form. What a message means is in wire.pyx.

Octets come from strangers. Every offset is checked against the end before it is read, and what breaks
a rule, or is of a type that no answer to SPF needs, is not read at all.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memchr

from senderid_fast._core.answerdata cimport TYPE_A, TYPE_AAAA, TYPE_MX, TYPE_PTR, TYPE_TXT
from senderid_fast._core.names cimport LABEL_MAX, NAME_MAX, sf_lower_copy

cdef enum:
    TYPE_OPT = 41             # RFC 6891
    OPTION_EDE = 15           # RFC 8914
    OPTION_REPORT = 18        # RFC 9567
    OPTIONS_WITH_FORM = 12    # codes up to this one are not read
    TTL_MOST = 0x7FFFFFFF
    POINTER = 0xC0            # RFC 1035 4.1.4


cdef uint32_t time_to_live(const uint8_t *at) noexcept nogil:
    """RFC 2181 8: one with the top bit set counts as 0."""
    cdef uint32_t ttl = four(at)
    return ttl if ttl <= TTL_MOST else 0


cdef int wire_name(const uint8_t *text, size_t length, uint8_t *out) noexcept nogil:
    """A question's name as a message has it, in lower case: its octets, or 0 if it is no DNS name."""
    cdef size_t label = 0, end
    cdef const uint8_t *dot
    if length == 0 or length > NAME_MAX:
        return 0
    sf_lower_copy(out + 1, text, length)
    while True:
        dot = <const uint8_t *>memchr(text + label, c'.', length - label)
        end = length if dot == NULL else dot - text
        if end == label or end - label > LABEL_MAX:
            return 0
        out[label] = <uint8_t>(end - label)          # each label's length stands where a dot was
        if dot == NULL:
            out[length + 1] = 0
            return <int>length + 2
        label = end + 1


cdef int name_read(const uint8_t *octets, size_t end, size_t at, uint8_t *out, size_t *after) noexcept nogil:
    """Write the name at ``at`` without compression, in lower case, to out (WIRE_NAME_BUFFER octets).

    Its octets, or 0 if it breaks a rule: a label or a pointer that is cut off or of no kind that there
    is, more than 255 octets, a pointer that does not point further back than all before it. So each
    pointer makes what is left smaller, and there is an end. after: where the name ends at its place.
    """
    cdef size_t here = at, behind = 0, least = at, pointer
    cdef int n = 0, count
    while here < end:
        count = octets[here]
        if count == 0:
            if behind and here + 1 > behind:
                return 0
            out[n] = 0
            after[0] = behind if behind else here + 1
            return n + 1
        if count <= LABEL_MAX:
            if here + 1 + count > end or n + count + 2 > WIRE_NAME:
                return 0
            sf_lower_copy(out + n, octets + here, count + 1)
            n += count + 1
            here += count + 1
        elif count >= POINTER:
            if here + 2 > end:
                return 0
            pointer = (count & ~POINTER) << 8 | octets[here + 1]
            if pointer >= least:
                return 0
            if behind == 0:
                behind = here + 2
            elif here + 2 > behind:
                return 0
            here = least = pointer
        else:
            return 0
        # Readers do not agree where a name ends that runs over the pointer which led to it.
        if behind and here > behind:
            return 0
    return 0


cdef bint name_fills(const uint8_t *octets, size_t at, size_t end) noexcept nogil:
    """Whether a name stands from ``at`` to ``end``, no more and no less."""
    cdef uint8_t[WIRE_NAME_BUFFER] name
    cdef size_t after
    return name_read(octets, end, at, name, &after) != 0 and after == end


cdef bint soa_is_good(const uint8_t *octets, size_t at, size_t end) noexcept nogil:
    cdef uint8_t[WIRE_NAME_BUFFER] name
    cdef size_t after
    if name_read(octets, end, at, name, &after) == 0 or name_read(octets, end, after, name, &after) == 0:
        return False
    return after + 20 == end


cdef bint strings_are_good(const uint8_t *octets, size_t at, size_t end) noexcept nogil:
    """RFC 1035 3.3.14: one or more strings, each behind its length."""
    if at == end:
        return False
    while at < end:
        at += <size_t>octets[at] + 1
    return at == end


cdef bint data_is_good(const uint8_t *octets, const Resource *resource) noexcept nogil:
    cdef size_t at = resource.at, end = at + resource.length
    if resource.rrtype == TYPE_A:
        return resource.length == 4
    if resource.rrtype == TYPE_AAAA:
        return resource.length == 16
    if resource.rrtype == TYPE_TXT:
        return strings_are_good(octets, at, end)
    if resource.rrtype == TYPE_MX:
        return resource.length > 2 and name_fills(octets, at + 2, end)
    if resource.rrtype == TYPE_NS or resource.rrtype == TYPE_CNAME or resource.rrtype == TYPE_PTR:
        return name_fills(octets, at, end)
    return resource.rrtype == TYPE_SOA and soa_is_good(octets, at, end)


cdef bint options_are_good(const uint8_t *at, size_t length) noexcept nogil:
    """RFC 6891 6.1.2: options of OPT. Of those that have a form, EDE alone is known here."""
    cdef size_t size, i
    cdef int code
    while length:
        if length < 4:
            return False
        code, size = two(at), two(at + 2)
        if size > length - 4 or code <= OPTIONS_WITH_FORM or code == OPTION_REPORT:
            return False
        if code == OPTION_EDE:
            if size < 2:
                return False
            for i in range(2, size):                 # text for people: UTF-8, of which ASCII is enough
                if at[4 + i] >= 0x80:
                    return False
        at += 4 + size
        length -= 4 + size
    return True


cdef bint resources_read(const uint8_t *octets, size_t length, size_t at, Reading *reading,
                         int *rcode) noexcept nogil:
    """Find all resource records, to the last octet, and check their form. rcode: RFC 6891 6.1.3."""
    cdef uint8_t[WIRE_NAME_BUFFER] name
    cdef Resource *resource
    cdef size_t after
    cdef int section, left, total = 0, extended = -1
    for section in range(3):
        total += two(octets + 6 + 2 * section)
    if total > RESOURCES_MOST:
        return False
    reading.count = 0
    for section in range(3):
        left = two(octets + 6 + 2 * section)
        while left > 0:
            left -= 1
            if at + 2 <= length and is_to_question(octets + at):
                name[0], after = reading.question[0], at + 2
            elif name_read(octets, length, at, name, &after) == 0:
                return False
            if after + 10 > length:
                return False
            resource = &reading.resources[reading.count]
            resource.owner = <uint16_t>at
            resource.rrtype = <uint16_t>two(octets + after)
            resource.length = <uint16_t>two(octets + after + 8)
            resource.section = <uint8_t>section
            at = after + 10
            if resource.length > length - at:
                return False
            if resource.rrtype == TYPE_OPT:
                # RFC 6891 6.1.1: one, in the additional section, of the root; of version 0.
                if (section != SECTION_ADDITIONAL or extended >= 0 or name[0] != 0 or octets[after + 5] != 0
                        or not options_are_good(octets + at, resource.length)):
                    return False
                extended = octets[after + 4]
            else:
                resource.ttl = time_to_live(octets + after + 4)
                resource.at = <uint16_t>at
                if two(octets + after + 2) != CLASS_IN or not data_is_good(octets, resource):
                    return False
                reading.count += 1
            at += resource.length
    if extended > 0:
        rcode[0] |= extended << 4
    return at == length
