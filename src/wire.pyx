"""DNS messages in compiled form: a query is written, an answer is read (RFC 1035 4).

What may live here: functions on octets, and the way from what was read to questions.Answer. No socket,
no clock, no choice of servers.

Octets come from strangers. What is read here means what dnspython and resolver/messages.py would have
read, for a test compares them; whatever this module is not sure of is READ_ODD and left to these.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memcmp, memcpy

from senderid_fast._core.answerdata cimport TYPE_MX, TYPE_PTR, TYPE_TXT
from senderid_fast._core.cidr cimport (
    ADDRESS_TEXT, FAMILY_IP4, FAMILY_IP6, Address, address_write_readable,
)
from senderid_fast._core.names cimport octets_equal_folded
from senderid_fast._core.wireform cimport (
    CLASS_IN, HEADER, MESSAGE_MOST, SECTION_ANSWER, SECTION_AUTHORITY, TYPE_CNAME, TYPE_NS, TYPE_SOA,
    WIRE_NAME_BUFFER, Reading, Resource, four, is_to_question, name_read, resources_read, time_to_live, two,
    wire_name,
)

from senderid_fast.questions import Answer, Status

cdef enum:
    FLAG_QR = 0x80            # of its third octet
    FLAG_AA = 0x04
    FLAG_TC = 0x02
    OPCODE = 0x78
    RCODE = 0x0F              # of its fourth octet
    RCODE_FORMERR = 1
    RCODE_SERVFAIL = 2
    RCODE_NXDOMAIN = 3
    RCODE_NOTIMP = 4
    RCODE_REFUSED = 5
    TYPE_OPT = 41             # RFC 6891
    PAYLOAD = 1232            # RFC 6891 6.2.3: fits where IPv6 does, without fragments
    ALIASES_MOST = 16         # as in resolver/messages.py
    TTL_MOST = 0x7FFFFFFF
    FEW = 16                  # records that are compared with each other; more are by a set

cdef object STATUS_OK = Status.OK
cdef object STATUS_NODATA = Status.NODATA
cdef object STATUS_NXDOMAIN = Status.NXDOMAIN
cdef object new_tuple = tuple.__new__
# What read_answer says of what is no Answer.
cdef dict WORDS = {
    READ_STRAY: "stray", READ_ODD: "odd", READ_TRUNCATED: "truncated", READ_SERVFAIL: "servfail",
    READ_REFUSED: "refused",
}


cdef inline void put_two(uint8_t *at, int value) noexcept nogil:
    at[0] = <uint8_t>(value >> 8)
    at[1] = <uint8_t>value


cdef int query_write(const uint8_t *name, int name_length, int rrtype, int id, uint8_t *out) noexcept nogil:
    """Write a query with recursion desired and EDNS to out (QUERY_BUFFER octets). Its length."""
    cdef uint8_t *at = out + HEADER
    put_two(out, id)
    put_two(out + 2, 0x0100)                         # RD
    put_two(out + 4, 1)
    put_two(out + 6, 0)
    put_two(out + 8, 0)
    put_two(out + 10, 1)
    memcpy(at, name, name_length)
    at += name_length
    put_two(at, rrtype)
    put_two(at + 2, CLASS_IN)
    at[4] = 0                                        # RFC 6891 6.1.2: the root's name
    put_two(at + 5, TYPE_OPT)
    put_two(at + 7, PAYLOAD)
    put_two(at + 9, 0)
    put_two(at + 11, 0)
    put_two(at + 13, 0)
    return <int>(at - out) + 15


cdef bint is_owner(const uint8_t *octets, size_t length, const Reading *reading, const Resource *resource,
                   const uint8_t *name, int name_length) noexcept nogil:
    cdef uint8_t[WIRE_NAME_BUFFER] owner
    cdef size_t after
    if is_to_question(octets + resource.owner):
        return name_length == reading.question_length and memcmp(name, reading.question, name_length) == 0
    return (name_read(octets, length, resource.owner, owner, &after) == name_length
            and memcmp(owner, name, name_length) == 0)


cdef int alias_of(const uint8_t *octets, size_t length, const Reading *reading, const uint8_t *name,
                  int name_length) noexcept nogil:
    """The CNAME of a name: its place among the resources, -1 if there is none, -2 if there are several."""
    cdef const Resource *resource
    cdef int i, found = -1
    for i in range(reading.count):
        resource = &reading.resources[i]
        if (resource.section == SECTION_ANSWER and resource.rrtype == TYPE_CNAME
                and is_owner(octets, length, reading, resource, name, name_length)):
            if found >= 0:
                return -2
            found = i
    return found


cdef bint records_find(const uint8_t *octets, size_t length, Reading *reading, const uint8_t *name,
                       int name_length, int rrtype) noexcept nogil:
    """Whether the name has records of the type; they are noted, with the least of their TTLs."""
    cdef const Resource *resource
    cdef int i
    reading.found = 0
    reading.ttl = TTL_MOST
    for i in range(reading.count):
        resource = &reading.resources[i]
        if (resource.section == SECTION_ANSWER and resource.rrtype == rrtype
                and is_owner(octets, length, reading, resource, name, name_length)):
            reading.records[reading.found] = <uint16_t>i
            reading.found += 1
            reading.ttl = min(reading.ttl, resource.ttl)
    return reading.found != 0


cdef bint is_within(const uint8_t *name, int length, const uint8_t *parent, int parent_length) noexcept nogil:
    """Whether a name is parent or below it, label by label."""
    cdef int at = 0
    while length - at > parent_length:
        at += name[at] + 1
    return length - at == parent_length and memcmp(name + at, parent, parent_length) == 0


cdef int soa_of(const uint8_t *octets, size_t length, const Reading *reading, const uint8_t *name, int name_length,
                bint *referral) noexcept nogil:
    """The SOA of a zone that the name can be in: its place, -1 if there is none, -2 if there are several
    SOAs. referral: the authority section has NS (RFC 2308 2.2)."""
    cdef uint8_t[WIRE_NAME_BUFFER] owner
    cdef const Resource *resource
    cdef size_t after
    cdef int i, found = -1, owner_length, soas = 0
    referral[0] = False
    for i in range(reading.count):
        resource = &reading.resources[i]
        if resource.section != SECTION_AUTHORITY:
            continue
        if resource.rrtype == TYPE_NS:
            referral[0] = True
        elif resource.rrtype == TYPE_SOA:
            soas += 1
            owner_length = name_read(octets, length, resource.owner, owner, &after)
            if is_within(name, name_length, owner, owner_length):
                found = i
    return -2 if soas > 1 else found


cdef Outcome answer_read(const uint8_t *octets, size_t length, const uint8_t *name, int name_length, int rrtype,
                         int id, Reading *reading) noexcept nogil:
    """What octets are to the query with this id for this name (as wire_name makes it) and type."""
    cdef uint8_t[WIRE_NAME_BUFFER] here
    cdef int rcode, aliases = 0, index, here_length = name_length
    cdef uint32_t ttl = TTL_MOST                     # the least of the aliases
    cdef size_t after, at = HEADER + name_length + 4
    cdef const Resource *resource
    cdef bint referral
    if length < HEADER or length > MESSAGE_MOST or two(octets) != id or not octets[2] & FLAG_QR:
        return READ_STRAY
    if octets[2] & OPCODE:
        return READ_STRAY
    rcode = octets[3] & RCODE
    if two(octets + 4) == 0 and (rcode == RCODE_FORMERR or rcode == RCODE_SERVFAIL or rcode == RCODE_NOTIMP
                                 or rcode == RCODE_REFUSED):
        return READ_ODD                              # a server that does not repeat the question; no answer
    if two(octets + 4) != 1 or length < at:
        return READ_STRAY
    # As it was sent, or by a server that changes case.
    if memcmp(octets + HEADER, name, name_length) != 0 and (
            not octets_equal_folded(octets + HEADER, name, name_length)):
        return READ_STRAY
    if two(octets + at - 4) != rrtype or two(octets + at - 2) != CLASS_IN:
        return READ_STRAY
    if octets[2] & FLAG_TC:
        return READ_TRUNCATED
    reading.question, reading.question_length = name, name_length
    if not resources_read(octets, length, at, reading, &rcode):
        return READ_ODD
    if rcode == RCODE_SERVFAIL:
        return READ_SERVFAIL
    if rcode == RCODE_REFUSED:
        return READ_REFUSED
    if rcode != 0 and rcode != RCODE_NXDOMAIN:
        return READ_ODD
    memcpy(here, name, name_length)
    while not records_find(octets, length, reading, here, here_length, rrtype):
        index = alias_of(octets, length, reading, here, here_length)
        if index == -1:
            break
        aliases += 1
        if index < 0 or aliases > ALIASES_MOST:      # a loop is such a chain
            return READ_ODD
        resource = &reading.resources[index]
        ttl = min(ttl, resource.ttl)
        here_length = name_read(octets, length, resource.at, here, &after)
    if rcode == 0 and reading.found:
        reading.ttl = min(ttl, reading.ttl)
        return READ_OK
    index = soa_of(octets, length, reading, here, here_length, &referral)
    if index == -2:
        return READ_ODD
    if index >= 0:                                   # RFC 2308 5
        resource = &reading.resources[index]
        reading.ttl = min(ttl, resource.ttl)
        reading.ttl = min(reading.ttl, time_to_live(octets + resource.at + resource.length - 4))
    elif rcode == 0 and (aliases or (referral and not octets[2] & FLAG_AA)):
        return READ_ODD                              # the alias's target is elsewhere; or a referral
    else:
        reading.ttl = 0
    # RFC 6604 3: the RCODE speaks of the last name of the chain.
    return READ_NXDOMAIN if rcode else READ_NODATA


cdef str name_text(const uint8_t *octets, size_t end, size_t at):
    """A name that was found to be good, as questions.Question has it; the root is ""."""
    cdef uint8_t[WIRE_NAME_BUFFER] name
    cdef size_t after
    cdef int length = name_read(octets, end, at, name, &after)
    cdef int label = name[0] + 1
    if length < 2:
        return ""
    while label < length - 1:
        index = label
        label += name[label] + 1
        name[index] = c'.'
    return (<const char *>name)[1:length - 1].decode("latin-1")


cdef str address_text(const uint8_t *octets, int length):
    cdef uint8_t[ADDRESS_TEXT] text
    cdef Address address
    cdef int i, n = 0
    if length == 16:
        address.family, address.ip6 = FAMILY_IP6, 0
        for i in range(16):
            address.ip6 = address.ip6 << 8 | octets[i]
        # RFC 5952 5: an IPv4 address within is written as such, as dnspython does.
        if address.ip6 >> 32 == 0xFFFF:
            memcpy(text, "::ffff:", 7)
            n = 7
        elif address.ip6 >> 32 == 0 and address.ip6 >> 16 != 0:
            memcpy(text, "::", 2)
            n = 2
        if n:
            octets += 12
    if length == 4 or n:
        address.family, address.ip4 = FAMILY_IP4, four(octets)
    n += address_write_readable(&address, text + n)
    return (<const char *>text)[:n].decode("ascii")


cdef bytes strings_joined(const uint8_t *at, size_t length):
    """RFC 7208 3.3: the strings of one record with nothing between."""
    cdef uint8_t[MESSAGE_MOST] joined
    cdef size_t n = 0, size, done = 0
    if <size_t>at[0] + 1 == length:
        return (<const char *>at)[1:length]
    while done < length:
        size = at[done]
        memcpy(joined + n, at + done + 1, size)
        n += size
        done += size + 1
    return (<const char *>joined)[:n]


cdef object record_object(const uint8_t *octets, const Resource *resource):
    cdef size_t at = resource.at
    if resource.rrtype == TYPE_TXT:
        return strings_joined(octets + at, resource.length)
    if resource.rrtype == TYPE_MX:
        return two(octets + at), name_text(octets, at + resource.length, at + 2)
    if resource.rrtype == TYPE_PTR:
        return name_text(octets, at + resource.length, at)
    return address_text(octets + at, resource.length)


cdef bint is_repeated(const uint8_t *octets, const Reading *reading, int number) noexcept nogil:
    """Whether a record has the octets of one before it."""
    cdef const Resource *resource = &reading.resources[reading.records[number]]
    cdef const Resource *other
    cdef int i
    for i in range(number):
        other = &reading.resources[reading.records[i]]
        if other.length == resource.length and memcmp(octets + other.at, octets + resource.at, other.length) == 0:
            return True
    return False


cdef object data_key(const uint8_t *octets, const Resource *resource):
    """By this two records of one type are the same (RFC 2181 5)."""
    cdef uint8_t[WIRE_NAME_BUFFER] name
    cdef size_t at = resource.at, after, end = at + resource.length, skip = 2 if resource.rrtype == TYPE_MX else 0
    if resource.rrtype != TYPE_MX and resource.rrtype != TYPE_PTR:
        return (<const char *>octets)[at:end]
    length = name_read(octets, end, at + skip, name, &after)
    return (<const char *>octets)[at:at + skip] + (<const char *>name)[:length]


cdef tuple records_object(const uint8_t *octets, const Reading *reading):
    cdef const Resource *resource = &reading.resources[reading.records[0]]
    cdef bint has_names = resource.rrtype == TYPE_MX or resource.rrtype == TYPE_PTR
    cdef bint few = reading.found <= FEW and not has_names
    cdef int i
    cdef set seen = set()
    cdef list out = []
    for i in range(reading.found):
        resource = &reading.resources[reading.records[i]]
        if few:
            if is_repeated(octets, reading, i):
                continue
        else:
            key = data_key(octets, resource)
            if key in seen:
                continue
            seen.add(key)
        out.append(record_object(octets, resource))
    return tuple(out)


cdef object answer_object(const uint8_t *octets, const Reading *reading, Outcome outcome):
    """questions.Answer of what was READ_OK, READ_NODATA or READ_NXDOMAIN."""
    if outcome == READ_OK:
        return new_tuple(Answer, (STATUS_OK, records_object(octets, reading), reading.ttl, ""))
    status = STATUS_NODATA if outcome == READ_NODATA else STATUS_NXDOMAIN
    return new_tuple(Answer, (status, (), reading.ttl, ""))


cdef int question_name(str name, uint8_t *out):
    """wire_name of a question's name; 0 if it is none."""
    try:
        text = name.encode("latin-1")
    except UnicodeEncodeError:
        return 0
    return wire_name(<const uint8_t *><const char *>text, len(text), out)


def write_query(str name not None, int rrtype, int query_id):
    """The octets of a query with this id (0 to 65,535), or None if the name is no DNS name."""
    cdef uint8_t[WIRE_NAME_BUFFER] octets
    cdef uint8_t[QUERY_BUFFER] out
    cdef int length = question_name(name, octets)
    if not 0 <= query_id <= 0xFFFF or not 0 < rrtype <= 0xFFFF:
        raise ValueError("an id and a type have 16 bits")
    if length == 0:
        return None
    return (<char *>out)[:query_write(octets, length, rrtype, query_id, out)]


def read_answer(bytes octets not None, str name not None, int rrtype, int query_id):
    """What octets say to the query with this id for this question.

    An Answer; or a word: "stray" (no answer to it), "odd" (not read here), "truncated", "servfail",
    "refused".
    """
    cdef uint8_t[WIRE_NAME_BUFFER] asked
    cdef Reading reading
    cdef const uint8_t *at = <const uint8_t *><const char *>octets
    cdef int length = question_name(name, asked)
    cdef Outcome outcome
    if length == 0:
        return "stray"
    outcome = answer_read(at, len(octets), asked, length, rrtype, query_id, &reading)
    if outcome < READ_OK:
        return WORDS[outcome]
    return answer_object(at, &reading, outcome)
