"""senderid-fast record: what a record says, term by term, or where its syntax is wrong.

What may live here: the command's options, where the record comes from, and what is printed.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from senderid_fast.cli.commands import add_command
from senderid_fast.cli.meanings import LOOKUP_LIMIT, hints, lookup_terms, meanings
from senderid_fast.cli.options import (
    add_answer_options,
    octets_of,
    read_octets,
    resolver_of,
)
from senderid_fast.cli.output import json_text, octets_shown, visible, write
from senderid_fast.cli.statuses import DONE, INVALID_RECORD
from senderid_fast.errors import InputError, RecordSelectionError, RecordSyntaxError
from senderid_fast.settings import Limits

if TYPE_CHECKING:
    from senderid_fast import Record

__all__ = ["caret_view", "register", "run"]

DESCRIPTION = """\
Parses a record (RFC 7208 4.5, 4.6, 12) and explains each term, or shows where its syntax is
wrong. Nothing is looked up, except the record itself with --domain.
"""
EPILOG = """\
The record is one argument, so quote it. Without an argument it is read from standard input.
The strings of one TXT record are to be joined with nothing between them (RFC 7208 3.3).

exit status:
  0 the record is valid; 1 it is not, or the domain has none or several, or DNS failed;
  2 input that cannot be used.

examples:
  senderid-fast record "v=spf1 mx include:_spf.example.net -all"
  senderid-fast record --domain example.com
  senderid-fast record --file record.txt --json
"""

# How wide a record and its caret may be.
CARET_COLUMNS = 76
INDENT = "    "
TERM_FIELDS = (
    "text",
    "offset",
    "name",
    "qualifier",
    "domain_spec",
    "network",
    "value",
    "prefix4",
    "prefix6",
)
MORE = "..."


def register(commands: Any) -> None:
    """Add the command to the parser."""
    parser = add_command(
        commands, "record", "explain a record, or show where it is wrong", run, DESCRIPTION, EPILOG
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument("record", metavar="RECORD", nargs="?", help="the record, as one argument")
    source.add_argument("--file", metavar="FILE", help='a file that holds it; "-": standard input')
    source.add_argument("--domain", metavar="D", help="ask DNS for the TXT records of this domain")
    add_answer_options(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object in place of text")


def run(arguments: argparse.Namespace) -> int:
    """Get the record, explain it, and return the exit status."""
    if arguments.domain is not None:
        octets, values = _record_of_domain(arguments)
    else:
        octets, values = _record_given(arguments), {}
    if octets is not None:
        values |= _described(octets)
    if arguments.json:
        write([json_text(values)])
    else:
        write(_lines(values))
    return DONE if values["valid"] else INVALID_RECORD


def _record_given(arguments: argparse.Namespace) -> bytes:
    if arguments.zone is not None or arguments.server is not None:
        raise InputError("--zone, --server", "are for --domain")
    if arguments.record is not None:
        return octets_of(arguments.record)
    octets = read_octets("-" if arguments.file is None else arguments.file, "--file")
    # The end of the line is the file's, not the record's.
    return octets.removesuffix(b"\n").removesuffix(b"\r")


def _record_of_domain(arguments: argparse.Namespace) -> tuple[bytes | None, dict[str, Any]]:
    """The record that applies at a domain, or None; and what is to be said of it."""
    from senderid_fast import Question, RRType, Status, select_record
    from senderid_fast.identities import a_labels

    seconds = Limits(seconds=arguments.timeout).seconds
    name = a_labels(octets_of(arguments.domain)).removesuffix(b".").lower()
    domain = visible(name.decode("utf-8", "surrogateescape"))
    if not name:
        raise InputError("--domain", "is empty")
    question = Question(name.decode("latin-1"), RRType.TXT)
    answer = resolver_of(arguments).resolve(question, seconds)
    values: dict[str, Any] = {"domain": domain, "valid": False}
    if answer.status.is_error:
        problem = f"{answer.status} for {domain} TXT: {answer.detail}"
        values["error"] = {"kind": "temperror", "problem": problem, "section": "RFC 7208 4.4"}
    elif answer.status is Status.NXDOMAIN:
        problem = f"{domain} does not exist"
        values["error"] = {"kind": "none", "problem": problem, "section": "RFC 7208 4.3"}
    else:
        try:
            octets: bytes | None = select_record(
                each for each in answer.records if isinstance(each, bytes)
            )
        except RecordSelectionError as error:
            count = len(error.records)
            values["error"] = {
                "kind": "permerror",
                "problem": f"{domain} has {count} SPF records where one may stand",
                "section": error.section,
                "records": ["".join(octets_shown(each)) for each in error.records],
            }
            return None, values
        if octets is not None:
            return octets, values
        problem = f"{domain} has no SPF record"
        values["error"] = {"kind": "none", "problem": problem, "section": "RFC 7208 4.5"}
    return None, values


def _described(octets: bytes) -> dict[str, Any]:
    """The record in plain values, fit for JSON; or its fault."""
    from senderid_fast import parse_record

    try:
        record = parse_record(octets)
    except RecordSyntaxError as error:
        return {
            "valid": False,
            "record": octets.decode("latin-1"),
            "error": {
                "kind": "syntax error",
                "offset": error.offset,
                "term": error.term,
                "problem": error.problem,
                "section": error.section,
            },
        }
    return {
        "valid": True,
        "record": octets.decode("latin-1"),
        "version": record.version,
        "scopes": [str(scope) for scope in record.scopes],
        "lookup_terms": lookup_terms(record),
        "terms": _terms(record),
        "hints": hints(record),
    }


def _terms(record: Record) -> list[dict[str, Any]]:
    return [
        {
            **{field: getattr(term, field) for field in TERM_FIELDS},
            "meaning": meaning.sentence,
            "section": meaning.section,
            "defaults": list(meaning.defaults),
            "lookup": meaning.lookup,
        }
        for term, meaning in zip(record.terms, meanings(record), strict=True)
    ]


def _lines(values: dict[str, Any]) -> list[str]:
    """What _described() or _record_of_domain() found, for people."""
    of_domain = f" of {values['domain']}" if "domain" in values else ""
    if values["valid"]:
        return _valid_lines(values, of_domain)
    error = values["error"]
    if "offset" not in error:
        lines = [f"{error['kind']}: {visible(error['problem'])} ({error['section']})"]
        return lines + [INDENT + record for record in error.get("records", ())]
    where = f', in "{_octet_text(_around(error["term"]))}"' if error["term"] else ""
    return [
        f"syntax error in the record{of_domain}: {error['problem']}",
        *(
            INDENT + line
            for line in caret_view(values["record"].encode("latin-1"), error["offset"])
        ),
        f"{INDENT}at octet {error['offset']}, counted from 0{where} ({error['section']})",
    ]


def _valid_lines(values: dict[str, Any], of_domain: str) -> list[str]:
    terms = values["terms"]
    count = values["lookup_terms"]
    lines = [
        f"valid: the record{of_domain}; terms: {len(terms)}, of which ask DNS: {count} "
        f"(at most {LOOKUP_LIMIT} in a check, RFC 7208 4.6.4)"
    ]
    if of_domain:
        lines.append(INDENT + _octet_text(values["record"]))
    lines += ["", f"{values['version']}", f"{INDENT}version, for {_scopes(values['scopes'])}"]
    for term in terms:
        notes = [term["section"]]
        if term["lookup"]:
            notes.append("asks DNS")
        if term["defaults"]:
            notes.append(f"by default: {', '.join(term['defaults'])}")
        lines += [term["text"], f"{INDENT}{term['meaning']}", f"{INDENT}({'; '.join(notes)})"]
    if not any(term["name"] in ("all", "redirect") for term in terms):
        lines += ["(end)", f"{INDENT}neutral, if nothing matches", f"{INDENT}(RFC 7208 4.7)"]
    lines += [f"hint: {hint}" for hint in values["hints"]]
    return lines


def _scopes(scopes: list[str]) -> str:
    if scopes == ["spf"]:
        return "SPF (RFC 7208 4.5)"
    return f"Sender ID, scopes {', '.join(scopes) or 'unknown'} (RFC 4406 3.1)"


def _octet_text(text: str) -> str:
    return "".join(octets_shown(text))


def _around(term: str) -> str:
    return term if len(term) <= CARET_COLUMNS else term[:CARET_COLUMNS] + MORE


def caret_view(record: bytes, offset: int) -> tuple[str, str]:
    """The record and a line below it with a caret under the octet at ``offset``.

    Octets that do not print are shown as \\xNN; the caret stands under the backslash. Of a long
    record only what is around the offset is shown. ``offset`` may be the end of the record.
    """
    # What is farther away than the window is wide cannot be in it.
    first = max(offset - CARET_COLUMNS, 0)
    last = min(offset + CARET_COLUMNS, len(record))
    shown = octets_shown(record[first:last])
    at = offset - first
    start, end = 0, len(shown)
    room = CARET_COLUMNS - 2 * len(MORE)
    if first or last < len(record) or sum(map(len, shown)) > CARET_COLUMNS:
        start = end = at
        width = 1
        # As much before the offset as after it; where one side ends, the other has its room.
        while start > 0 or end < len(shown):
            before = len(shown[start - 1]) if start > 0 else None
            after = len(shown[end]) if end < len(shown) else None
            take_before = before is not None and (after is None or at - start <= end - at)
            step = before if take_before else after
            assert step is not None, "the loop ends when both sides are used up"
            if width + step > room:
                break
            width += step
            if take_before:
                start -= 1
            else:
                end += 1
    head = MORE if first + start > 0 else ""
    tail = MORE if first + end < len(record) else ""
    line = head + "".join(shown[start:end]) + tail
    caret = " " * (len(head) + sum(map(len, shown[start:at]))) + "^"
    return line, caret
