"""From HELO and MAIL FROM to what check_host() is asked (RFC 7208 2.3, 2.4, 4.3).

What may live here: taking a mailbox apart, and nothing that asks or decides. Octets in, octets out,
without the GIL. Names that are not ASCII become A-labels before they come here.
"""

from libc.stdint cimport uint8_t
from libc.string cimport memcpy

from senderid_fast._core.names cimport (
    name_is_domain, name_key, name_normalise, sf_behind_at, sf_hash, sf_is_ascii, sf_plain_domain,
)


cdef bint has_u_labels(const uint8_t *text, size_t length) noexcept nogil:
    """Whether the domain of a mailbox, or a name, is not ASCII: a_labels has to see it first."""
    cdef size_t at
    if sf_is_ascii(text, length):
        return False
    at = sf_behind_at(text, length)
    return not sf_is_ascii(text + at, length - at)


cdef void identity_of_none(int fault, Identity *out) noexcept nogil:
    """There is no mailbox to check, for that IdentityFault."""
    out.fault = fault
    out.domain_length = out.sender_length = out.local_length = 0
    out.sender = out.room
    out.local_is_ascii = True


cdef void identity_of_domain(const uint8_t *domain, size_t length, Identity *out) noexcept nogil:
    """Set the domain (4.3): normalised, or its fault."""
    out.domain_length = 0
    if length == 0:
        out.fault = IDENTITY_ABSENT
        return
    if sf_plain_domain(domain, length, out.domain):
        out.domain_length = <int>length
    else:
        out.domain_length = name_normalise(domain, length, out.domain)
        if out.domain_length == 0 or not name_is_domain(out.domain, out.domain_length):
            out.domain_length = 0
            out.fault = IDENTITY_INVALID
            return
    out.domain_hash = sf_hash(out.domain, out.domain_length, name_key)
    out.fault = IDENTITY_OK


cdef void compose(const uint8_t *local, size_t local_length, const uint8_t *domain, size_t length,
                  Identity *out) noexcept nogil:
    if local_length + 1 + length > SENDER_ROOM:
        length = 0                        # only a domain that is refused anyway is that long
    memcpy(out.room, local, local_length)
    out.room[local_length] = c'@'
    if length:
        memcpy(out.room + local_length + 1, domain, length)
    out.sender = out.room
    out.local_length = <int>local_length
    out.sender_length = <int>(local_length + 1 + length)


cdef void postmaster(const uint8_t *domain, size_t length, Identity *out) noexcept nogil:
    # 4.3: "If the <sender> has no local-part, substitute the string "postmaster"".
    out.local_is_ascii = True
    compose(<const uint8_t *>b"postmaster", 10, domain, length, out)


cdef size_t unquoted(const uint8_t *local, size_t length, uint8_t *out) noexcept nogil:
    """The text of a quoted local part (RFC 5321 4.1.2): without quotes and backslashes."""
    cdef size_t i = 1, n = 0
    while i < length - 1:
        if local[i] == c'\\' and i + 1 < length - 1:
            i += 1
        out[n] = local[i]
        n += 1
        i += 1
    return n


cdef void identity_of_sender(const uint8_t *sender, size_t length, Identity *out) noexcept nogil:
    """Set the sender only: its local part and "@" and its domain as written, without a final dot.

    The length is at most MAILBOX_MAX.
    """
    set_sender(sender, sf_behind_at(sender, length), length, out)


cdef void set_sender(const uint8_t *sender, size_t at, size_t length, Identity *out) noexcept nogil:
    cdef uint8_t[MAILBOX_MAX] text
    cdef size_t local = at - 1 if at else 0
    if length > at + 1 and sender[length - 1] == c'.':
        length -= 1                       # 7.3: no final dot, %{o} may stand before other labels
    if local == 0:
        postmaster(sender + at, length - at, out)
        return
    out.local_is_ascii = sf_is_ascii(sender, local)
    if local >= 2 and sender[0] == c'"' and sender[local - 1] == c'"':
        compose(text, unquoted(sender, local, text), sender + at, length - at, out)
        if out.local_length == 0:
            postmaster(sender + at, length - at, out)
        return
    out.sender = sender
    out.local_length = <int>local
    out.sender_length = <int>length


cdef void identity_of_pra(const uint8_t *local, size_t length, const uint8_t *domain, size_t domain_length,
                          Identity *out) noexcept nogil:
    """RFC 4406 4.1: <domain> and <sender> are those of the PRA; local is the text of its local part.

    The local part is at most MAILBOX_MAX octets.
    """
    identity_of_domain(domain, domain_length, out)
    if length == 0:
        postmaster(domain, domain_length, out)
        return
    out.local_is_ascii = sf_is_ascii(local, length)
    compose(local, length, domain, domain_length, out)


cdef void identity_of_helo(const uint8_t *helo, size_t length, Identity *out) noexcept nogil:
    """2.3: <domain> is the HELO name, <sender> is postmaster at it."""
    if length > MAILBOX_MAX:
        length = MAILBOX_MAX              # no name: refused for its length
    identity_of_domain(helo, length, out)
    if out.domain_length:
        postmaster(out.domain, out.domain_length, out)
    else:
        postmaster(helo, length, out)


cdef void identity_of_mail_from(const uint8_t *text, size_t length, const uint8_t *helo, size_t helo_length,
                                Identity *out) noexcept nogil:
    """2.4: <domain> is that of the mailbox; of a null reverse-path, postmaster at the HELO name.

    "<" and ">" around the path may be there. A source route or a "%" in the local part changes
    nothing: the domain is what follows the last "@".
    """
    cdef size_t at
    if length >= 2 and text[0] == c'<' and text[length - 1] == c'>':
        text += 1
        length -= 2
    out.by_helo = length == 0
    if length == 0:
        identity_of_helo(helo, helo_length, out)
        return
    if length > MAILBOX_MAX:
        out.domain_length = 0
        out.fault = IDENTITY_INVALID
        postmaster(text, 0, out)
        return
    at = sf_behind_at(text, length)       # without an "@", all of it is the domain
    set_sender(text, at, length, out)
    identity_of_domain(text + at, length - at, out)
    if out.fault == IDENTITY_ABSENT:
        out.fault = IDENTITY_INVALID      # a mailbox was given: one without a domain
