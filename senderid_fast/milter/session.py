"""Session: one connection from an MTA, without a socket: octets in, octets out.

What may live here: which command may come when, and what is said to it. The form of packets is in
codec.py. A session waits for nothing by itself: what it has to wait for stands in ``pending``, and
whoever has the socket hands it the result.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from senderid_fast.milter.answers import at_end, refusal, too_long, trouble
from senderid_fast.milter.client import MACROS, Client
from senderid_fast.milter.codec import (
    CONTINUE,
    Command,
    MilterFault,
    Packets,
    read_offer,
    read_strings,
    read_text,
)
from senderid_fast.milter.message import Message
from senderid_fast.milter.negotiation import Negotiator
from senderid_fast.receiver.actions import Action
from senderid_fast.reception.reception import Reception

if TYPE_CHECKING:
    from senderid_fast.receiver.policy import Decision
    from senderid_fast.reception.outcome import Outcome
    from senderid_fast.service.words import Application, Current

__all__ = ["SERVICE", "Session"]

SERVICE = "milter"


class Session:
    """One connection from an MTA.

    current     looks up the application; a message keeps the one that it began with
    negotiator  makes the choice at the beginning, for all sessions
    quarantine  a message to be discarded is put into the MTA's quarantine, if the MTA has one
    make        makes a Reception

    output   packets to be sent, in order; whoever sends them clears it
    pending  what is waited for: to be awaited, and its result given to resume(), or to fail() the
             exception it raises. Until then no further command is looked at
    ended    the connection is to be closed when the output is sent

    Nothing that comes from an MTA makes a method raise.
    """

    __slots__ = (
        "_application",
        "_changes",
        "_client",
        "_current",
        "_handlers",
        "_make",
        "_message",
        "_negotiator",
        "_packets",
        "_quarantine",
        "_queue_id",
        "_reply",
        "_waits",
        "ended",
        "output",
        "pending",
    )

    def __init__(
        self,
        current: Current,
        negotiator: Negotiator,
        *,
        quarantine: bool = False,
        make: Callable[..., Reception] = Reception,
    ) -> None:
        self._current = current
        self._application: Application = current()
        self._negotiator = negotiator
        self._quarantine = quarantine
        self._make = make
        self._packets = Packets(macros=MACROS)
        self._handlers: dict[int, Callable[[Session, bytes], bytes]] = _BEFORE
        self._reply: dict[int, bytes] = {}  # what is said to a command that asks for nothing
        self._changes = 0
        self._message: Message | None = None
        self._queue_id = ""  # of a message whose MAIL has not come yet
        self._waits: int = 0  # the command that is not answered yet
        self.output: list[bytes] = []
        self.pending: Coroutine[Any, Any, Any] | None = None
        self.ended = False
        self._client = Client()

    @property
    def in_message(self) -> bool:
        """From MAIL until the message is answered or given up."""
        return self._message is not None

    @property
    def at_end(self) -> bool:
        """What is pending is the answer to a whole message. Only then may PROGRESS be sent."""
        return self.pending is not None and self._waits == Command.BODYEOB

    @property
    def held(self) -> int:
        """Octets that wait to be looked at."""
        return self._packets.held

    @property
    def seconds(self) -> float:
        """For how long the MTA may wait for what is pending."""
        message = self._message
        return (message.application if message else self._application).receiver.seconds

    # ---- what whoever has the socket calls ---------------------------------------------------

    def receive(self, data: bytes) -> None:
        """Octets from the MTA."""
        if not self.ended:
            self._packets.feed(data)
            if self.pending is None:
                self._run()

    def resume(self, result: Any) -> None:
        """The result of what was pending."""
        if self.ended:
            return
        self.pending = None
        message = self._message
        assert message is not None
        try:
            if self._waits == Command.RCPT:
                reply = self._recipient(message, result)
            else:
                reply = self._answer(message, result)
        except Exception as error:  # noqa: BLE001 - one message's trouble, not the others'
            reply = self._failed(error, self._waits)
        self.output.append(reply)
        self._run()

    def fail(self, error: BaseException) -> None:
        """What was pending has raised."""
        if self.ended:
            return
        self.pending = None
        self.output.append(self._failed(error, self._waits))
        self._run()

    def lost(self) -> None:
        """The connection is gone. A result that is still to come is of no use."""
        if self._packets.held and self.pending is None and not self.ended:
            self._fault("the connection ended within a packet")
        self.end()

    def end(self) -> None:
        """Nothing more is read or answered."""
        self._drop()
        self._packets.drop()
        self.pending = None
        self.ended = True

    # ---- the loop ----------------------------------------------------------------------------

    def _run(self) -> None:
        output, packets = self.output, self._packets.whole()
        code = 0
        while True:
            try:
                for code, data in packets:
                    handler = self._handlers.get(code)
                    reply = handler(self, data) if handler else self._unexpected(code)
                    if reply:
                        output.append(reply)
                    if self.pending is not None or self.ended:
                        return
            except MilterFault as fault:
                self._fault(fault.problem)
                self.end()
                return
            except Exception as error:  # noqa: BLE001 - one message's trouble, not the others'
                if reply := self._failed(error, code):
                    output.append(reply)
            else:
                return

    def _unexpected(self, code: int) -> bytes:
        if code not in _HANDLERS:
            raise MilterFault(f"no command has the code {bytes([code])!r}")
        raise MilterFault(f"{Command(code).name}: negotiation comes first, and once")

    def _fault(self, words: str) -> None:
        name = self._client.words
        self._application.fault(SERVICE, f"{words} (client {name})" if name else words)

    def _failed(self, error: BaseException, code: int) -> bytes:
        """An error of ours, or a check that never ended: what a receiver says in such a case."""
        words = f"{type(error).__name__}: {error}"
        self._fault(f"a message could not be checked: {words}")
        message = self._message
        if message is not None:
            message.trouble = words
            if code == Command.BODYEOB:
                return self._give_up(message, words)
        return self._reply.get(code, b"")

    # ---- negotiation -------------------------------------------------------------------------

    def _offer(self, data: bytes) -> bytes:
        offer = read_offer(data)
        agreed = self._negotiator.agree(offer, self._application.receiver)
        if agreed.refused:
            names = ", ".join(str(each.name) for each in agreed.refused)
            self._fault(f"OPTNEG: the MTA does not let a milter do this: {names}")
        self._changes, self._reply = int(agreed.changes), agreed.replies
        self._handlers = _AFTER
        return agreed.packet

    # ---- the client --------------------------------------------------------------------------

    def _connect(self, data: bytes) -> bytes:
        self._drop()
        self._client = Client()
        wrong = self._client.connect(data)
        if wrong is not None:
            self._fault(wrong)
        return self._reply[Command.CONNECT]

    def _hello(self, data: bytes) -> bytes:
        self._client.helo = read_text("HELO", data)
        return self._reply[Command.HELO]

    def _macro(self, data: bytes) -> bytes:
        queue_id = self._client.macros(data)
        if queue_id:
            if data[0] == Command.MAIL:
                self._queue_id = queue_id
            elif self._message is not None:
                self._message.queue_id = queue_id
        return b""

    # ---- the message -------------------------------------------------------------------------

    def _mail(self, data: bytes) -> bytes:
        if self._message is not None:
            self._drop()
        queue_id, self._queue_id = self._queue_id, ""
        envelope = self._client.envelope(data, queue_id)
        application = self._application = self._current()
        self._message = message = Message(application, envelope)
        message.reception = self._make(application.receiver, application.engine, envelope)
        message.reception.begin()
        if not self._reply[Command.HEADER]:  # half of all packets are fields
            self._packets.collect(message.header)
        return self._reply[Command.MAIL]

    def _rcpt(self, data: bytes) -> bytes:
        message = self._message
        if message is None:
            raise MilterFault("RCPT: there is no message")
        path = read_strings("RCPT", data)[0]
        message.add_recipient(path)
        reply = self._reply[Command.RCPT]
        early = reply and message.application.receiver.refuses_early()
        if early and message.reception is not None and message.trouble is None:
            self._waits = Command.RCPT
            self.pending = message.reception.at_recipient(path)
            return b""
        return reply

    def _recipient(self, message: Message, decision: Decision) -> bytes:
        if decision.action is Action.REJECT or decision.action is Action.DEFER:
            message.recipients.pop()
            message.refused = decision
            return refusal(decision.action, decision.reply)
        # To discard is for the end: there, what others are to get is known.
        return CONTINUE

    def _header(self, data: bytes) -> bytes:
        if self._message is None:
            raise MilterFault("HEADER: there is no message")
        self._message.add(data)
        return self._reply[Command.HEADER]

    def _data(self, _data: bytes) -> bytes:
        return self._reply[Command.DATA]

    def _unknown(self, _data: bytes) -> bytes:
        return self._reply[Command.UNKNOWN]

    def _end_of_header(self, _data: bytes) -> bytes:
        return self._reply[Command.EOH]

    def _body(self, _data: bytes) -> bytes:
        return self._reply[Command.BODY]

    def _end_of_body(self, _data: bytes) -> bytes:
        message = self._message
        if message is None:
            raise MilterFault("BODYEOB: there is no message")
        if message.trouble is not None or message.reception is None:
            return self._give_up(message, message.trouble or "the session went wrong")
        if message.flooded:
            message.reception.cancel()
            return self._answer(message, too_long(message.application.max_header_octets))
        message.reception.envelope = message.complete()
        self._waits = Command.BODYEOB
        self.pending = message.reception.at_end_of_header(message.fields, message.header.octets())
        return b""

    def _answer(self, message: Message, outcome: Outcome) -> bytes:
        packets, action = at_end(
            outcome, message.fields, self._changes, quarantined=self._quarantine
        )
        self._end_message()
        self._done(message, outcome, action)
        return packets

    def _give_up(self, message: Message, words: str) -> bytes:
        if message.reception is not None:
            message.reception.cancel()
        receiver = message.application.receiver
        return self._answer(message, trouble(receiver, words, message.fields))

    def _done(self, message: Message, outcome: Outcome, action: str) -> None:
        try:
            message.application.done(SERVICE, message.complete(), outcome, action)
        except Exception as error:  # noqa: BLE001 - the answer stands, whatever a log says of it
            self._fault(f"a message could not be logged: {type(error).__name__}: {error}")

    def _end_message(self) -> None:
        self._message = None
        self._packets.collect(None)

    def _drop(self) -> None:
        """The message ends without an answer to the whole of it."""
        message = self._message
        if message is None:
            return
        self._end_message()
        reception, refused = message.reception, message.refused
        if reception is None:
            return
        reception.cancel()
        if refused is not None and not message.recipients:
            self._done(message, reception.without_header(refused), str(refused.action))

    # ---- the end -----------------------------------------------------------------------------

    def _abort(self, _data: bytes) -> bytes:
        self._drop()
        self._client.next_message()
        self._queue_id = ""
        return b""

    def _quit(self, _data: bytes) -> bytes:
        self.end()
        return b""

    def _next_client(self, _data: bytes) -> bytes:
        self._drop()
        self._client = Client()
        self._queue_id = ""
        return b""


_HANDLERS: dict[int, Callable[[Session, bytes], bytes]] = {
    Command.OPTNEG: Session._offer,
    Command.MACRO: Session._macro,
    Command.CONNECT: Session._connect,
    Command.HELO: Session._hello,
    Command.MAIL: Session._mail,
    Command.RCPT: Session._rcpt,
    Command.DATA: Session._data,
    Command.HEADER: Session._header,
    Command.EOH: Session._end_of_header,
    Command.BODY: Session._body,
    Command.BODYEOB: Session._end_of_body,
    Command.ABORT: Session._abort,
    Command.UNKNOWN: Session._unknown,
    Command.QUIT: Session._quit,
    Command.QUIT_NC: Session._next_client,
}
_FIRST = (Command.OPTNEG, Command.QUIT, Command.ABORT)
_BEFORE = {code: handler for code, handler in _HANDLERS.items() if code in _FIRST}
_AFTER = {code: handler for code, handler in _HANDLERS.items() if code != Command.OPTNEG}
