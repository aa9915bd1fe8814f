# The form of DNS messages: names, resource records and their data. No input or output, no clock.
from libc.stdint cimport uint8_t, uint16_t, uint32_t

cdef enum:
    HEADER = 12               # RFC 1035 4.1.1
    WIRE_NAME = 255           # RFC 1035 2.3.4: octets of a name with its lengths and the root
    WIRE_NAME_BUFFER = 256
    RESOURCES_MOST = 512      # of one message; more are left to dnspython
    MESSAGE_MOST = 0xFFFF     # RFC 1035 4.2.2
    SECTION_ANSWER = 0
    SECTION_AUTHORITY = 1
    SECTION_ADDITIONAL = 2
    CLASS_IN = 1
    TYPE_NS = 2               # beside those of answerdata.QuestionType
    TYPE_CNAME = 5
    TYPE_SOA = 6

ctypedef struct Resource:
    uint32_t ttl              # RFC 2181 8: 0 if the top bit was set
    uint16_t owner            # where its name begins
    uint16_t rrtype
    uint16_t at               # where its data begins
    uint16_t length           # of its data
    uint8_t section           # 0: answer, 1: authority, 2: additional

ctypedef struct Reading:
    const uint8_t *question   # its name, as wire_name makes it; the message has it behind its header
    int question_length
    uint32_t ttl              # seconds: the least on the way, or that of a negative answer
    int count                 # of resources
    int found                 # of records
    uint16_t[RESOURCES_MOST] records        # the resources that answer, in their order
    Resource[RESOURCES_MOST] resources

cdef inline int two(const uint8_t *at) noexcept nogil:
    return at[0] << 8 | at[1]

cdef inline bint is_to_question(const uint8_t *at) noexcept nogil:
    # Nearly every owner is the question's name, and a pointer to it; that name is known to be good.
    return at[0] == 0xC0 and at[1] == HEADER

cdef inline uint32_t four(const uint8_t *at) noexcept nogil:
    return <uint32_t>at[0] << 24 | <uint32_t>at[1] << 16 | <uint32_t>at[2] << 8 | at[3]

cdef uint32_t time_to_live(const uint8_t *at) noexcept nogil
cdef int wire_name(const uint8_t *text, size_t length, uint8_t *out) noexcept nogil
cdef int name_read(const uint8_t *octets, size_t end, size_t at, uint8_t *out, size_t *after) noexcept nogil
cdef bint resources_read(const uint8_t *octets, size_t length, size_t at, Reading *reading,
                         int *rcode) noexcept nogil
