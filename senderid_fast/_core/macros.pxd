# Macro-strings (RFC 7208 7): parsed once into pieces, expanded for a check.
from libc.stdint cimport int64_t, uint8_t, uint16_t

from senderid_fast._core.cidr cimport Address

# A piece is a stretch of literal text, or one macro-expand.
ctypedef struct Piece:
    uint16_t offset       # of the literal, or of the "%", in the record's text
    uint16_t length
    uint8_t letter        # 0 for literal text; a lower-case macro letter; "%", "_" or "-" for the escapes
    uint8_t digits        # how many right-hand parts to keep, 0 for all
    uint8_t flags         # PieceFlag
    uint8_t delimiters    # a bit for each of ".-+,/_=", 0 for none given

cdef enum PieceFlag:
    PIECE_REVERSE = 1
    PIECE_ESCAPE = 2

# What a macro-string draws on.
cdef enum MacroUse:
    USES_SENDER = 1       # s or l: the local part (RFC 8616 4)
    USES_P = 2            # p: needs DNS itself
    USES_MESSAGE = 4      # s, l, o, i, p or h: another name for another message
    USES_EXPLAIN = 8      # c, r or t: only in the text of an explanation

# Why a macro-string is refused; the sentences are in tokenizer.pyx.
cdef enum MacroError:
    MACRO_OK = 0
    MACRO_STRAY_PERCENT
    MACRO_BAD_LETTER
    MACRO_EXPLAIN_LETTER
    MACRO_ZERO_DIGITS
    MACRO_UNCLOSED
    MACRO_BAD_CHARACTER

# What the letters stand for in one check. Nothing here is owned.
ctypedef struct MacroValues:
    const uint8_t *sender       # local part, "@", domain
    const uint8_t *helo
    const uint8_t *validated    # %{p}
    const uint8_t *receiver     # %{r}
    const Address *ip
    int64_t unix_time           # %{t}
    int sender_length
    int local_length
    int helo_length
    int validated_length
    int receiver_length

cdef enum:
    EXPLANATION_MAX = 4096       # octets of an expanded explanation
    EXPLANATION_TEXT_MAX = 8192  # octets of its text in DNS

cdef int macro_parse(const uint8_t *text, int start, int end, bint explain, Piece *pieces, int *count,
                     int *uses, int *error_at) noexcept nogil
cdef int macro_expand_name(const uint8_t *text, const Piece *pieces, int count, const MacroValues *values,
                           const uint8_t *domain, int domain_length, uint8_t *out) noexcept nogil
cdef int macro_expand_text(const uint8_t *text, int length, const MacroValues *values, const uint8_t *domain,
                           int domain_length, uint8_t *out) noexcept nogil
cdef int text_uses(const uint8_t *text, int length) noexcept nogil
