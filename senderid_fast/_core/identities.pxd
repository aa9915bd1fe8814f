# HELO and MAIL FROM as octets -> <domain> and <sender> of check_host() (RFC 7208 2.3, 2.4, 4.3).
from libc.stdint cimport uint8_t, uint64_t

cdef enum:
    MAILBOX_MAX = 1024        # octets of an address that is looked at; RFC 5321 4.5.3.1.3 wants 256
    SENDER_ROOM = 1296        # "postmaster@" and a name, or an address without its quotes

cdef enum IdentityFault:
    IDENTITY_OK
    IDENTITY_ABSENT           # no domain was given
    IDENTITY_INVALID          # it is malformed, or not multi-label
    IDENTITY_NO_PRA           # the message gives no PRA
    IDENTITY_MISMATCH         # SUBMITTER is another mailbox

ctypedef struct Identity:
    const uint8_t *sender     # local part, "@", domain; points into the input or into room
    uint64_t domain_hash
    int sender_length
    int local_length
    int domain_length
    int fault                 # IdentityFault, of the domain
    bint local_is_ascii
    bint by_helo              # identity_of_mail_from: a null reverse-path, so HELO stands in for it
    uint8_t[256] domain       # normalised
    uint8_t[SENDER_ROOM] room

cdef bint has_u_labels(const uint8_t *text, size_t length) noexcept nogil
cdef void identity_of_domain(const uint8_t *domain, size_t length, Identity *out) noexcept nogil
cdef void identity_of_sender(const uint8_t *sender, size_t length, Identity *out) noexcept nogil
cdef void identity_of_pra(const uint8_t *local, size_t length, const uint8_t *domain, size_t domain_length,
                          Identity *out) noexcept nogil
cdef void identity_of_helo(const uint8_t *helo, size_t length, Identity *out) noexcept nogil
cdef void identity_of_mail_from(const uint8_t *text, size_t length, const uint8_t *helo, size_t helo_length,
                                Identity *out) noexcept nogil
cdef void identity_of_none(int fault, Identity *out) noexcept nogil
