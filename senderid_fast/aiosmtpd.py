"""SenderIdHandler: the checks within aiosmtpd, around a handler of one's own.

What may live here: aiosmtpd's hooks, in words of senderid_fast.reception, and its messages, with
fields added and taken away. What is decided stands there.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import re
import weakref
from collections.abc import Callable, Sequence
from typing import Any

from senderid_fast._core.pra import header_fields
from senderid_fast.async_engine import AsyncEngine
from senderid_fast.errors import InputError, MissingExtraError
from senderid_fast.receiver.actions import Action
from senderid_fast.receiver.replies import Reply
from senderid_fast.receiver.submitter import BAD_SYNTAX, EHLO_KEYWORD
from senderid_fast.reception.envelope import Envelope
from senderid_fast.reception.outcome import Outcome
from senderid_fast.reception.receiver import Receiver
from senderid_fast.reception.reception import Reception

try:
    from aiosmtpd.smtp import SMTP
    from aiosmtpd.smtp import Envelope as SMTPEnvelope
    from aiosmtpd.smtp import Session as SMTPSession
except ImportError:
    raise MissingExtraError("aiosmtpd", "aiosmtpd") from None

__all__ = ["SenderIdHandler", "SubmitterSMTP"]

HEADER_MOST = 1 << 20  # octets of a header section; a longer one is refused, as MTAs do
ACCEPTED = "250 OK"
TOO_LONG = "552 5.3.4 The header section is too long"  # RFC 3463 3.4

_log = logging.getLogger("senderid_fast.aiosmtpd")
# A path may hold anything within quotes (RFC 5321 4.1.2), also what looks like a parameter.
_PATH = re.compile(r'\s*FROM:\s*(?:<(?:"(?:[^"\\]|\\.)*+"|[^">])*+>|[^\s<]\S*)', re.IGNORECASE)
# RFC 4405 sets no limit. It is the longest mailbox (RFC 5321 4.5.3.1) with each octet as a hexchar.
_SUBMITTER_ROOM = len(f" {EHLO_KEYWORD}=") + 3 * 320


class SenderIdHandler:
    """A handler for aiosmtpd that checks, stamps, and hands messages on to another handler.

        handler = SenderIdHandler(Receiver("mx.example.com"), AsyncEngine(), Mailbox("/var/mail"))
        controller = Controller(handler, hostname="192.0.2.25", port=25)

    receiver  the rules
    engine    an AsyncEngine; one for all connections
    handler   gets what is accepted, by its own handle_DATA: the content has our fields at its top,
              and forged ones are gone; recipients that are not to get it are taken away. Its other
              hooks are called as if it were alone
    done      called with each message's envelope and outcome, for logs and counters

    Raises InputError, which names the argument.
    """

    def __init__(
        self,
        receiver: Receiver,
        engine: AsyncEngine,
        handler: Any,
        *,
        done: Callable[[Envelope, Outcome], None] | None = None,
    ) -> None:
        if not callable(getattr(handler, "handle_DATA", None)):
            raise InputError("handler", "must have handle_DATA, which gets the messages")
        ehlo = getattr(handler, "handle_EHLO", None)
        if ehlo is not None and len(inspect.signature(ehlo).parameters) != 5:
            raise InputError("handler", "must have the form of handle_EHLO with five arguments")
        self.receiver = receiver
        self.engine = engine
        self.handler = handler
        self._done = done
        self._receptions: weakref.WeakKeyDictionary[SMTPEnvelope, Reception] = (
            weakref.WeakKeyDictionary()
        )

    # aiosmtpd looks for hooks by dir() and getattr(): those of the inner handler are found, too.

    def __dir__(self) -> list[str]:
        hooks = [name for name in dir(self.handler) if name.startswith(("handle_", "auth_"))]
        return sorted({*super().__dir__(), *hooks})

    def __getattr__(self, name: str) -> Any:
        if name.startswith(("handle_", "auth_")):
            return getattr(self.handler, name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    async def handle_EHLO(
        self,
        server: SMTP,
        session: SMTPSession,
        envelope: SMTPEnvelope,
        hostname: str,
        responses: list[str],
    ) -> list[str]:
        """Offers SUBMITTER (RFC 4405 3), if the server can take it and the receiver wants it."""
        inner = getattr(self.handler, "handle_EHLO", None)
        if inner is None:
            session.host_name = hostname
        else:
            responses = await inner(server, session, envelope, hostname, responses)
        offered = isinstance(server, SubmitterSMTP) and self.receiver.submitter is not None
        if offered and responses and responses[-1].startswith("250"):
            responses = [*responses[:-1], f"250-{EHLO_KEYWORD}", responses[-1]]
        return responses

    async def handle_MAIL(
        self,
        server: SMTP,
        session: SMTPSession,
        envelope: SMTPEnvelope,
        address: str,
        mail_options: list[str],
    ) -> str:
        """Starts the checks of HELO and MAIL FROM."""
        inner = getattr(self.handler, "handle_MAIL", None)
        if inner is None:
            envelope.mail_from = address
            envelope.mail_options.extend(mail_options)
            status = ACCEPTED
        else:
            status = await inner(server, session, envelope, address, mail_options)
        if str(status).startswith("250"):
            self._begin(server, session, envelope, address)
        return status

    async def handle_RCPT(
        self,
        server: SMTP,
        session: SMTPSession,
        envelope: SMTPEnvelope,
        address: str,
        rcpt_options: list[str],
    ) -> str:
        """Refuses a recipient, where the results for HELO and MAIL FROM are enough for that."""
        reception = self._receptions.get(envelope)
        if reception is not None:
            decision = await reception.at_recipient(_octets(address))
            if decision.reply is not None:
                _log.info("%s: RCPT refused: %s", _client(session), decision.reason)
                return _status(decision.reply)
        inner = getattr(self.handler, "handle_RCPT", None)
        if inner is not None:
            return str(await inner(server, session, envelope, address, rcpt_options))
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(rcpt_options)
        return ACCEPTED

    async def handle_DATA(self, server: SMTP, session: SMTPSession, envelope: SMTPEnvelope) -> str:
        """Checks the message, and hands it on if it is accepted."""
        reception = self._receptions.pop(envelope, None)
        if reception is None:  # MAIL was not ours to see
            reception = self._begin(server, session, envelope, envelope.mail_from or "")
            del self._receptions[envelope]
        recipients = tuple(map(_octets, envelope.rcpt_tos))
        reception.envelope = reception.envelope._replace(recipients=recipients)
        content = envelope.original_content or b""
        found = header_fields(content[:HEADER_MOST])
        end = found[-1][3] if found else 0
        if len(content) > HEADER_MOST and b"\n" not in content[end:HEADER_MOST]:
            reception.cancel()
            return TOO_LONG
        fields = [(name, body) for name, body, _, _ in found]
        outcome = await reception.at_end_of_header(fields, content[:end])
        if self._done is not None:
            self._done(reception.envelope, outcome)
        decision = outcome.decision
        _log.info("%s: %s: %s", _client(session), decision.action, decision.reason)
        if decision.reply is not None:
            return _status(decision.reply)
        if decision.action is Action.DISCARD:
            return ACCEPTED
        _stamp(envelope, content, [(start, stop) for _, _, start, stop in found], outcome)
        dropped = set(map(_text, outcome.dropped))
        envelope.rcpt_tos = [each for each in envelope.rcpt_tos if each not in dropped]
        return str(await self.handler.handle_DATA(server, session, envelope))

    def _begin(
        self, server: SMTP, session: SMTPSession, envelope: SMTPEnvelope, address: str
    ) -> Reception:
        submitter = server.submitter if isinstance(server, SubmitterSMTP) else None
        reception = Reception(
            self.receiver,
            self.engine,
            Envelope(
                ip=_address(session),
                helo=None if session.host_name is None else _octets(session.host_name),
                mail_from=_octets(address),
                submitter=None if submitter is None else _octets(submitter),
                authenticated=bool(session.authenticated),
                eai=bool(envelope.smtp_utf8),
            ),
        )
        self._receptions[envelope] = reception
        # aiosmtpd has no hook for the end of a connection; RSET and EHLO put another in its place.
        loop = asyncio.get_running_loop()
        weakref.finalize(envelope, _give_up, loop, reception).atexit = False
        reception.begin()
        return reception


class SubmitterSMTP(SMTP):
    """aiosmtpd's server with the parameter SUBMITTER of MAIL (RFC 4405), for a SenderIdHandler.

    aiosmtpd itself refuses parameters that it does not know, and turns their values into capitals.

    submitter  the value of the last MAIL, in xtext; None if it had none
    """

    submitter: str | None = None

    async def smtp_MAIL(self, arg: str | None) -> None:
        """MAIL, without its SUBMITTER."""
        self.submitter = None
        if getattr(getattr(self.event_handler, "receiver", None), "submitter", None) is None:
            await super().smtp_MAIL(arg)
            return
        bare, values = _without_submitter(arg or "")
        if len(values) > 1:
            await self.push(_status(BAD_SYNTAX))
            return
        self.submitter = values[0] if values else None
        await super().smtp_MAIL(bare if values else arg)

    async def smtp_EHLO(self, hostname: str) -> None:
        """EHLO; lines of MAIL may then be longer."""
        limits, before = self.command_size_limits, self.command_size_limits["MAIL"]
        await super().smtp_EHLO(hostname)
        if before == self.command_size_limit:  # aiosmtpd adds its own room at each EHLO
            limits["MAIL"] += _SUBMITTER_ROOM


def _without_submitter(arg: str) -> tuple[str, list[str]]:
    """The argument of MAIL without the parameters SUBMITTER, and their values."""
    path = _PATH.match(arg)
    if path is None:
        return arg, []
    kept, values = [arg[: path.end()]], []
    for word in arg[path.end() :].split():
        keyword, _, value = word.partition("=")
        if keyword.upper() == EHLO_KEYWORD:
            values.append(value)
        else:
            kept.append(word)
    return " ".join(kept), values


def _give_up(loop: asyncio.AbstractEventLoop, reception: Reception) -> None:
    """Wherever the garbage was collected."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(reception.cancel)


def _stamp(
    envelope: SMTPEnvelope, content: bytes, places: Sequence[tuple[int, int]], outcome: Outcome
) -> None:
    """Put our fields at the top of the message, and leave out those that claim to be ours."""
    pieces = [field.text("\r\n").encode("utf-8", "surrogateescape") for field in outcome.add]
    at = 0
    for position in outcome.remove:
        start, end = places[position]
        pieces.append(content[at:start])
        at = end
    pieces.append(content[at:])
    stamped = b"".join(pieces)
    as_text = isinstance(envelope.content, str)
    envelope.original_content = stamped
    envelope.content = _text(stamped) if as_text else stamped


def _address(session: SMTPSession) -> str | None:
    """The client's address; None of a unix socket."""
    proxied: Any = session.proxy_data
    if proxied is not None:
        return None if proxied.src_addr is None else str(proxied.src_addr)
    peer: Any = session.peer
    return str(peer[0]) if isinstance(peer, (tuple, list)) and peer else None


def _client(session: SMTPSession) -> str:
    return _address(session) or "no address"


def _status(reply: Reply) -> str:
    return reply.wire().decode("ascii").removesuffix("\r\n")


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "surrogateescape")
