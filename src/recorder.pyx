"""The recorder: what an evaluation did, step by step, for a trace.

What may live here: keeping events in C while the evaluator runs, and reading them out afterwards.
It decides nothing: an evaluation with a recorder is the same evaluation.
"""

from libc.stdint cimport uint8_t, uint32_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy, memset

from senderid_fast._core.answerdata cimport (
    STATUS_OK, TYPE_MX, TYPE_TXT, AnswerData, answer_records, answer_release,
)
from senderid_fast._core.records cimport RecordData, record_release

from senderid_fast.questions import Question, RRType, Status
from senderid_fast.results import Reason, Result

cdef tuple RESULTS = tuple(Result)
cdef tuple REASONS = tuple(Reason)
cdef tuple STATUSES = tuple(Status)

cdef enum:
    SHOWN_RECORDS = 20      # of one answer in a trace; the count is always told


cdef Event *recorder_note(Recorder *recorder, int kind, const uint8_t *name, int length, int lookups,
                          int void_lookups) noexcept nogil:
    """Add an event and return it to be filled in; NULL when there is no room (the trace says so)."""
    cdef Event *event
    cdef void *more
    cdef size_t room
    if recorder.full:
        return NULL
    if recorder.count == recorder.room:
        room = 2 * recorder.room + 64
        more = realloc(recorder.events, room * sizeof(Event)) if room <= 2 * EVENTS_MOST else NULL
        if more == NULL:
            recorder.full = True
            return NULL
        recorder.events = <Event *>more
        recorder.room = room
    if recorder.names_length + length > recorder.names_room:
        room = 2 * recorder.names_room + 1024
        more = realloc(recorder.names, room)
        if more == NULL:
            recorder.full = True
            return NULL
        recorder.names = <uint8_t *>more
        recorder.names_room = room
    event = &recorder.events[recorder.count]
    memset(event, 0, sizeof(Event))
    event.kind = <uint8_t>kind
    event.name_at = <uint32_t>recorder.names_length
    event.name_length = <uint8_t>length
    event.lookups = <unsigned short>lookups
    event.void_lookups = <unsigned short>void_lookups
    if length:
        memcpy(recorder.names + recorder.names_length, name, length)
    recorder.names_length += length
    recorder.count += 1
    return event


cdef void recorder_clear(Recorder *recorder) noexcept nogil:
    cdef size_t i
    for i in range(recorder.count):
        record_release(recorder.events[i].record)
        answer_release(recorder.events[i].answer)
    recorder.count = recorder.names_length = 0
    recorder.full = False


cdef void recorder_free(Recorder *recorder) noexcept nogil:
    recorder_clear(recorder)
    free(recorder.events)
    free(recorder.names)
    memset(recorder, 0, sizeof(Recorder))


cdef str term_text(const RecordData *record, int index):
    cdef int at = record.terms[index].offset
    return (<const char *>record.text)[at:at + record.terms[index].length].decode("ascii", "replace")


cdef list answer_shown(const AnswerData *answer):
    """The records of an answer as text, as far as they matter to a check."""
    cdef list shown = []
    for record in answer_records(answer)[:SHOWN_RECORDS]:
        if answer.rrtype == TYPE_MX:
            record = record[1]
        if answer.rrtype == TYPE_TXT:
            if not record:
                continue
            record = record.decode("latin-1")
        shown.append(record)
    return shown


cdef dict event_step(Recorder *recorder, const Event *event):
    cdef dict step = {"lookups": event.lookups, "void_lookups": event.void_lookups}
    cdef str name = (<const char *>(recorder.names + event.name_at))[:event.name_length].decode("latin-1")
    cdef int kind = event.kind
    if kind == EVENT_HOST:
        step.update(kind="host", domain=name)
    elif kind == EVENT_RECORD:
        step.update(kind="record",
                    text=(<const char *>event.record.text)[:event.record.text_length].decode("latin-1"))
    elif kind == EVENT_TERM:
        step.update(kind="term", term=term_text(event.record, event.term))
    elif kind == EVENT_RUN:
        terms = [term_text(event.record, i) for i in range(event.term, event.value)]
        matched = event.extra - event.term if event.term <= event.extra < event.value else None
        step.update(kind="run", terms=terms, matched=matched)
    elif kind == EVENT_TARGET:
        step.update(kind="target", name=name or None)
    elif kind == EVENT_QUESTION:
        step.update(kind="question", question=Question(name, RRType(event.value)), status=None)
        if event.answer != NULL:
            detail = ""
            if event.answer.status != STATUS_OK:
                detail = (<const char *>event.answer.text)[:event.answer.text_length].decode("utf-8", "replace")
            step.update(status=STATUSES[event.answer.status], records=answer_shown(event.answer),
                        count=event.answer.count, detail=detail, stale=event.answer.over > 0)
    elif kind == EVENT_MATCH:
        step.update(kind="match", matched=event.value)
    elif kind == EVENT_RESULT:
        step.update(kind="result", result=RESULTS[event.value], reason=REASONS[event.extra])
    elif kind == EVENT_EXPLANATION:
        step.update(kind="explanation", term=term_text(event.record, event.term))
    else:
        step.update(kind="text", used=bool(event.value))
    return step


cdef list recorder_steps(Recorder *recorder):
    """The events in their order, each as a dict with its kind; senderid_fast.tracing makes the tree."""
    cdef size_t i
    cdef list steps = [event_step(recorder, &recorder.events[i]) for i in range(recorder.count)]
    if recorder.full:
        steps.append({"kind": "cut", "lookups": 0, "void_lookups": 0})
    return steps
