# What an evaluation did, step by step; only a trace has a recorder.
from libc.stdint cimport uint8_t, uint16_t, uint32_t

from senderid_fast._core.answerdata cimport AnswerData
from senderid_fast._core.records cimport RecordData

cdef enum EventKind:
    EVENT_HOST          # check_host() begins: name
    EVENT_RECORD        # the record that applies: record
    EVENT_TERM          # a term is evaluated: record, term
    EVENT_RUN           # ip4 and ip6 terms together: term is the first, value one behind, extra the match
    EVENT_TARGET        # a macro-string was expanded: name (empty: no DNS name, or RFC 8616 4)
    EVENT_QUESTION      # name, value is the type, answer (NULL: not known yet)
    EVENT_MATCH         # the term ends: value is a TermOutcome
    EVENT_RESULT        # check_host() ends: value is the result, extra the reason
    EVENT_EXPLANATION   # exp= is looked at: record, term
    EVENT_TEXT          # value 1: its text is used; 0: there is none (RFC 7208 6.2)

ctypedef struct Event:
    RecordData *record
    AnswerData *answer
    uint32_t name_at
    int term
    int value
    int extra
    uint16_t lookups
    uint16_t void_lookups
    uint8_t kind
    uint8_t name_length

ctypedef struct Recorder:
    Event *events
    uint8_t *names
    size_t count
    size_t room
    size_t names_length
    size_t names_room
    bint full

cdef enum:
    EVENTS_MOST = 100000    # far above what ten terms can do

cdef Event *recorder_note(Recorder *recorder, int kind, const uint8_t *name, int length, int lookups,
                          int void_lookups) noexcept nogil
cdef void recorder_clear(Recorder *recorder) noexcept nogil
cdef void recorder_free(Recorder *recorder) noexcept nogil
cdef list recorder_steps(Recorder *recorder)
