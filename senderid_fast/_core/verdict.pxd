# The outcome of a check as Python sees it.
from libc.stdint cimport uint8_t, uint16_t

from senderid_fast._core.answerdata cimport AnswerData
from senderid_fast._core.asking cimport CheckData
from senderid_fast._core.records cimport RecordData

# Which identity was checked: positions of IDENTITIES in verdict.pyx.
cdef enum IdentityKind:
    KIND_HOST
    KIND_HELO
    KIND_MAIL_FROM
    KIND_PRA

cdef class Verdict:
    cdef RecordData *record
    cdef AnswerData *trouble
    cdef int term
    cdef uint8_t _result
    cdef uint8_t _reason
    cdef uint8_t _scope
    cdef uint8_t _kind
    cdef uint8_t _stale
    cdef uint16_t _lookups
    cdef uint16_t _void_lookups
    cdef object _domain         # as given, until it is asked for; of a PRA: the Pra
    cdef object _sender
    cdef object _helo
    cdef object _explanation    # str or None
    cdef object _place          # bytes or None: the domain whose record decided, and
    cdef object _target         # bytes or None: the name it was about
    cdef object _limits         # tuple of the limits, for the sentence
    cdef tuple _texts           # domain, sender, mechanism, detail, pra, pra_failure, if unpickled
    cdef tuple _fields(self)

cdef Verdict verdict_of(CheckData *check, int kind, domain, sender, helo, explanation, tuple limits)
