"""senderid-fast trace: a check with every step that led to its verdict.

What may live here: the command's options, and the tree that it draws. The steps come from
senderid_fast.tracing; nothing is decided here.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from senderid_fast.cli.commands import add_command
from senderid_fast.cli.options import (
    Asked,
    add_answer_options,
    add_identity_options,
    add_limit_options,
    add_output_options,
    asked_of,
    call,
    engine_of,
    limits_of,
    octets_of,
)
from senderid_fast.cli.output import (
    identity_of,
    json_text,
    octets_shown,
    shortened,
    verdict_lines,
    visible,
    write,
)
from senderid_fast.cli.statuses import DONE, OF_RESULT, STATUS_HELP
from senderid_fast.errors import InputError
from senderid_fast.results import Reason
from senderid_fast.rows.mailfiles import read_messages

if TYPE_CHECKING:
    from senderid_fast import Limits, Step, Trace

__all__ = ["Drawing", "register", "run"]

DESCRIPTION = """\
Evaluates check_host() (RFC 7208 4) and shows the way to its result: each domain, its record,
each term with its outcome, the names that macros gave, what DNS was asked and what it said, and
how many lookups were used. The term that decided is marked. The verdict is at the end.

With --helo and --mail-from both identities are shown; MAIL FROM comes last and is final. With
--headers it is the Purported Responsible Address of a message (RFC 4407) that is checked.
"""
EPILOG = f"""\
{STATUS_HELP}
examples:
  senderid-fast trace --ip 192.0.2.1 --helo mail.example.com --mail-from user@example.com
  senderid-fast trace --ip 192.0.2.1 --domain example.com --zone example.zone
  senderid-fast trace --ip 192.0.2.1 --mail-from user@example.com --json
  senderid-fast trace --ip 192.0.2.1 --domain example.com --scope pra
  senderid-fast trace --ip 192.0.2.1 --headers message.eml
"""

# Longer ones are shortened; --json has them whole.
RECORD_COLUMNS = 100
ANSWER_COLUMNS = 60
ANSWERS_SHOWN = 4
# Of more terms than these in a row that asked nothing and did not match, the middle is left out.
RUN_SHOWN = 6
UNFINISHED = "ended here"


class Drawing(NamedTuple):
    """What branches and marks are drawn with."""

    branch: str
    last: str
    line: str
    decided: str


UNICODE = Drawing("├─ ", "└─ ", "│  ", "◀━ decides")
ASCII = Drawing("|- ", "`- ", "|  ", "<== decides")


def register(commands: Any) -> None:
    """Add the command to the parser."""
    parser = add_command(commands, "trace", "check, and show every step", run, DESCRIPTION, EPILOG)
    add_identity_options(parser).add_argument(
        "--headers",
        metavar="FILE",
        help="in place of --mail-from: a message, whose Purported Responsible Address is checked "
        'under scope pra (RFC 4406 4); "-": standard input',
    )
    add_answer_options(parser, cache=True)
    add_limit_options(parser)
    add_output_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Check, draw, and return the exit status."""
    limits = limits_of(arguments)
    asked = asked_of(arguments) if arguments.headers is None else [_asked_of_message(arguments)]
    with engine_of(arguments, limits) as engine:
        traces: list[Trace] = [call(engine, "trace", each) for each in asked]
    final = traces[-1].verdict.result
    if arguments.json:
        values = {"traces": [trace.as_dict() for trace in traces], "result": str(final)}
        write([json_text(values)])
    else:
        drawing = drawing_for(getattr(sys.stdout, "encoding", None))
        blocks = ["\n".join(_trace_lines(trace, limits, drawing)) for trace in traces]
        write(["\n\n".join(blocks)])
    return OF_RESULT[final] if arguments.exit_code else DONE


def _asked_of_message(arguments: argparse.Namespace) -> Asked:
    """The check of a message's PRA. Raises InputError."""
    if arguments.ip is None:
        raise InputError("--ip", "is needed")
    for option in ("mail_from", "domain", "sender", "scope"):
        if getattr(arguments, option) is not None:
            raise InputError("--headers", f"cannot be used with --{option.replace('_', '-')}")
    found = next(read_messages([arguments.headers], "eml"))
    if found.problem is not None:
        raise InputError("--headers", f"{found.place} {found.problem}")
    helo = None if arguments.helo is None else octets_of(arguments.helo)
    return Asked("pra", (arguments.ip, found.headers, helo))


def drawing_for(encoding: str | None) -> Drawing:
    """Box drawing where the encoding has it, else ASCII."""
    try:
        "".join(UNICODE).encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return UNICODE


def _trace_lines(trace: Trace, limits: Limits, drawing: Drawing) -> Iterator[str]:
    yield identity_of(trace.verdict)
    if trace.steps:
        tree = _Tree(trace, limits, drawing)
        yield from tree.lines(trace.steps, "")
    else:
        yield f"{drawing.last}no question was needed"
    yield ""
    yield from verdict_lines(trace.verdict, limits)


def deciding_term(host: Step) -> Step | None:
    """The term that decided the result of a host: the one that matched or ended it, or of the
    domain that it redirects to, or that ended an include. None if there is none."""
    terms = [step for step in host.steps if step.kind == "term"]
    if not terms or terms[-1].outcome == "no match":
        return None
    last = terms[-1]
    if last.outcome == "match":
        return last
    hosts = [step for step in last.steps if step.kind == "host"]
    inner = deciding_term(hosts[-1]) if hosts else None
    return last if inner is None else inner


class _Tree:
    """Draws the steps of one trace."""

    def __init__(self, trace: Trace, limits: Limits, drawing: Drawing) -> None:
        self.limits = limits
        self.drawing = drawing
        top = trace.steps[0]
        # RFC 7208 4.7: neutral by default is what no term decided.
        default = trace.verdict.reason == Reason.DEFAULT
        self.decided = None if default or top.kind != "host" else deciding_term(top)
        # Steps know the counts as they began. How many there are after a step, the next one knows.
        order = [step for _, step in trace.walk()]
        counts = [(step.lookups, step.void_lookups) for step in order if step.kind != "cut"]
        counts.append((trace.verdict.lookups, trace.verdict.void_lookups))
        self.after = {id(step): counts[at + 1] for at, step in enumerate(order[: len(counts) - 1])}

    def lines(self, steps: Sequence[Step], margin: str) -> Iterator[str]:
        shown = list(self._shown(steps))
        for number, (text, below) in enumerate(shown, 1):
            is_last = number == len(shown)
            yield margin + (self.drawing.last if is_last else self.drawing.branch) + text
            yield from self.lines(below, margin + ("   " if is_last else self.drawing.line))

    def _shown(self, steps: Sequence[Step]) -> Iterator[tuple[str, Sequence[Step]]]:
        at = 0
        while at < len(steps):
            end = at
            while end < len(steps) and _is_dull(steps[end]):
                end += 1
            if end - at > RUN_SHOWN:
                yield self._text(steps[at]), ()
                yield f"... {end - at - 2} more terms: no match", ()
                at = end - 1
            follower = steps[at + 1] if at + 1 < len(steps) else None
            yield self._text(steps[at], follower), steps[at].steps
            at += 1

    def _text(self, step: Step, follower: Step | None = None) -> str:
        text = _octet_text(step.text)
        match step.kind:
            case "host":
                why = f" ({step.detail})" if step.detail else ""
                return f"check_host {text}: {step.outcome or UNFINISHED}{why}"
            case "record":
                return f"record {shortened(text, RECORD_COLUMNS)}"
            case "term":
                return self._term_text(step, text)
            case "target":
                return f"macros give {text}" if text else "macros give no domain name"
            case "question":
                return self._question_text(step, text, follower)
            case "explanation":
                return f"explanation {text}: {step.outcome}"
        return text

    def _term_text(self, step: Step, text: str) -> str:
        # A redirect has no outcome of its own: it is where the result comes from.
        followed = "followed" if any(each.kind == "host" for each in step.steps) else UNFINISHED
        parts = [f"{text}: {step.outcome or followed}"]
        lookups, void_lookups = self.after.get(id(step), (step.lookups, step.void_lookups))
        if lookups > step.lookups:
            parts.append(f"[lookup {lookups} of {self.limits.lookups}]")
        # A term's own questions are its last steps: a host below counts its own.
        if step.steps and step.steps[-1].kind != "host":
            void_lookups = self._after_all(step)
        if void_lookups > step.void_lookups:
            parts.append(f"[void lookup {void_lookups} of {self.limits.void_lookups}]")
        if step is self.decided:
            parts.append(self.drawing.decided)
        return "  ".join(parts)

    def _after_all(self, step: Step) -> int:
        """Void lookups counted when a step and all below it had ended."""
        while step.steps:
            step = step.steps[-1]
        return self.after.get(id(step), (0, step.void_lookups))[1]

    def _question_text(self, step: Step, text: str, follower: Step | None) -> str:
        said = "not answered" if step.outcome == "open" else step.outcome
        if step.records and (follower is None or follower.kind != "record"):
            shown = [shortened(_octet_text(each), ANSWER_COLUMNS) for each in step.records]
            more = [f"{len(shown) - ANSWERS_SHOWN} more"] if len(shown) > ANSWERS_SHOWN else []
            said += f" {', '.join(shown[:ANSWERS_SHOWN] + more)}"
        if step.detail:
            said += f" ({visible(step.detail)})"
        return f"asked {text}: {said}"


def _is_dull(step: Step) -> bool:
    return step.kind == "term" and step.outcome == "no match" and not step.steps


def _octet_text(text: str) -> str:
    return "".join(octets_shown(text))
