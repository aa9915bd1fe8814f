"""shown and commented: a configuration as TOML again, and the file that explains every key.

What may live here: how values are written in TOML, and what must not be shown of them.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator
from typing import Any

from senderid_fast.config.addresses import ListenAddress
from senderid_fast.config.config import Config
from senderid_fast.config.keys import KEYS, SECTIONS, Key, Kind
from senderid_fast.receiver.actions import Actions
from senderid_fast.receiver.networks import Networks
from senderid_fast.receiver.overrides import CRITERIA, TABLES, Override
from senderid_fast.receiver.submitter import SubmitterPolicy
from senderid_fast.results import Result

__all__ = ["commented", "masked", "shown", "toml_of", "value_of"]

COLUMNS = 100
_USER = re.compile(r"(?<=://)[^?]*@")
_SECRET = re.compile(r"([?&][^=&]*(?:pass|secret|token|user)[^=&]*=)[^&]*", re.IGNORECASE)


def masked(url: str) -> str:
    """The text of a cache without user, password and what else in it is secret."""
    return _SECRET.sub(r"\1***", _USER.sub("***@", url))


def value_of(config: Config, key: Key) -> Any:
    """The value of a key, as TOML has it."""
    section, name = key.section, key.name
    if section == "exchange":
        return _plain(config.exchange.as_mapping()[name])
    if section == "policy":
        return _plain(_of_policy(config, name))
    if section == "receiver":
        if name.startswith("submitter."):
            return _plain(_of_submitter(config, name.removeprefix("submitter.")))
        if name.startswith("relays."):
            return _plain(getattr(config.receiving.relays, name.removeprefix("relays.")))
        return _plain(getattr(config.receiving, name))
    value = getattr(getattr(config, section), name)
    if name == "socket_mode":
        return f"{value:04o}"
    if section == "metrics" and value is None:
        return ""
    return _plain(value)


def _of_policy(config: Config, name: str) -> object:
    table, dot, inner = name.partition(".")
    if table == "texts":
        return getattr(config.policy.replies.texts, inner)
    if dot:
        actions: Actions = getattr(config.policy, table)
        return actions.of(Result(inner))
    return config.policy.replies.codes if name == "codes" else getattr(config.policy, name)


def _of_submitter(config: Config, name: str) -> object:
    submitter = config.receiving.submitter
    return (
        submitter is not None
        if name == "enabled"
        else getattr(submitter or SubmitterPolicy(), name)
    )


def _plain(value: object) -> Any:
    if isinstance(value, (tuple, list, Networks)):
        return [_plain(each) for each in value]
    if isinstance(value, (str, ListenAddress)):  # words of an enumeration, too
        return str(value)
    return value


def toml_of(value: object) -> str:
    """A value as TOML 1.0 writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{"".join(map(_escaped, value))}"'
    if isinstance(value, list):
        return f"[{', '.join(map(toml_of, value))}]"
    return repr(value)


def _escaped(letter: str) -> str:
    if letter in '"\\':
        return f"\\{letter}"
    if letter == "\n":
        return "\\n"
    if letter.isprintable():
        return letter
    return f"\\u{ord(letter):04x}" if ord(letter) <= 0xFFFF else f"\\U{ord(letter):08x}"


def shown(config: Config) -> Iterator[str]:
    """Lines of TOML with every key, its value, and where that is from. Secrets are not shown."""
    for section in SECTIONS:
        yield f"[{section}]"
        rows = []
        for key in KEYS:
            if key.section == section:
                value = value_of(config, key)
                if section == "cache" and key.name == "url":
                    value = masked(value)
                source = config.sources.get(f"{section}.{key.name}", "default")
                rows.append((f"{key.name} = {toml_of(value)}", source))
        width = max((len(text) for text, _ in rows if len(text) <= 50), default=0)
        for text, source in rows:
            yield f"{text:<{width}}  # {_comment(source)}"
        if section == "policy":
            for number, override in enumerate(config.policy.overrides):
                yield from _override(override, config.sources.get(f"policy.override[{number}]", ""))
        yield ""


def _override(override: Override, source: str) -> Iterator[str]:
    yield ""
    yield "[[policy.override]]" + (f"  # {_comment(source)}" if source else "")
    yield f"name = {toml_of(override.name)}"
    for name in (*CRITERIA, "skip"):
        value = _plain(getattr(override, name))
        if value:
            yield f"{name} = {toml_of(value)}"
    for table in TABLES:
        actions: Actions = getattr(override, table)
        for result in Result:
            action = actions.of(result)
            if action is not None:
                yield f"{table}.{result} = {toml_of(str(action))}"
    if override.no_pra is not None:
        yield f"no_pra = {toml_of(str(override.no_pra))}"


def _comment(text: str) -> str:
    """Text that may stand in a comment."""
    return "".join(each if each.isprintable() else "?" for each in text)


def commented() -> str:
    """The text of a file with every key at its default, commented out, and what it means."""
    config = Config()
    lines = [
        *_wrapped(
            "The configuration of senderid-fast milter and senderid-fast policyd, with every key "
            "at its default. Lines that begin with #KEY may be uncommented and changed."
        ),
        "#",
        "# /etc/senderid-fast/senderid-fast.toml is where it is looked for. A list may be one text",
        '# with commas, too: "127.0.0.1, ::1". docs/configuration.md says more.',
        "#",
        "#   senderid-fast config check    tells what is wrong with it",
        "#   senderid-fast config show     shows what is in effect, and where it is from",
    ]
    for section, words in SECTIONS.items():
        lines += ["", *_wrapped(words[:1].upper() + words[1:] + "."), f"[{section}]"]
        before = ""
        for key in KEYS:
            if key.section == section:
                note = _note(key)
                if note != before:
                    lines += _wrapped(note)
                before = note
                lines.append(f"#{key.name} = {toml_of(value_of(config, key))}")
        if section == "policy":
            lines += _OVERRIDE_LINES
    return "\n".join(lines) + "\n"


_OVERRIDE_LINES = [
    "# Exceptions, each with one of client, helo_name, recipient, sender, authenticated, and with",
    "# skip = true, or with actions for some results:",
    "#[[policy.override]]",
    '#name = "partners"',
    '#sender = ["partner.example", ".partner.example"]',
    '#mailfrom = { fail = "mark", permerror = "accept" }',
]


def _note(key: Key) -> str:
    if key.heading:
        return key.heading
    if not key.choices:
        return key.words if key.kind in (Kind.TEXT, Kind.FLAG) else f"{key.words} ({key.kind})"
    return f"{key.words}: {', '.join(key.choices)}"


def _wrapped(text: str) -> Iterable[str]:
    return textwrap.wrap(
        text, COLUMNS, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False,
        break_long_words=False,
    )  # fmt: skip
