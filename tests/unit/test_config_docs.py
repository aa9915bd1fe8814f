"""docs/configuration.md and examples/senderid-fast.toml have every key as the schema has it.

``python tests/unit/test_config_docs.py`` writes the tables and the example anew.
"""

from __future__ import annotations

import doctest
import inspect
import re
from collections.abc import Iterator
from dataclasses import fields
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from senderid_fast.config import Config, load, sections
from senderid_fast.config.config import _AT_START
from senderid_fast.config.keys import KEYS, SECTIONS, Key
from senderid_fast.config.showing import commented, toml_of, value_of
from senderid_fast.reception.receiver import Receiver
from senderid_fast.resolver import SystemResolver, UdpResolver
from senderid_fast.settings import Limits, Settings

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "configuration.md"
EXAMPLE = ROOT / "examples" / "senderid-fast.toml"
HEADING = "## Keys\n"
COMMENTED = re.compile(r"^#(?=[A-Za-z_.]+ = )", re.MULTILINE)


def rows(section: str) -> Iterator[str]:
    """A row for each key; keys of one heading, which are results of a table, share one."""
    keys = [key for key in KEYS if key.section == section]
    for heading, some in groupby(keys, lambda key: key.heading or key.name):
        several = list(some)
        if len(several) == 1:
            yield row(several[0])
            continue
        table = several[0].name.partition(".")[0]
        names = ", ".join(f"`{key.name}`" for key in several)
        by_value = groupby(sorted(several, key=default), default)
        defaults = "; ".join(
            f"{value} ({', '.join(key.name.removeprefix(f'{table}.') for key in keys)})"
            for value, keys in by_value
        )
        words, _, types = heading.rpartition(", by result: ")
        yield f"| {names} | {types} | {defaults} | {words} |"


def row(key: Key) -> str:
    words = linked(key.words)
    return f"| `{key.name}` | {key.type_words} | {default(key)} | {words} |"


def linked(words: str) -> str:
    """With links to other documents, as they stand from this one."""
    return re.sub(r"\(docs/([\w-]+\.md)\)", r"([\1](\1))", words)


def default(key: Key) -> str:
    return f"`{toml_of(value_of(Config(), key))}`"


def reference() -> str:
    parts = []
    for section, words in SECTIONS.items():
        table = "\n".join(rows(section))
        parts.append(
            f"### [{section}]\n\n{linked(words[:1].upper() + words[1:])}.\n\n"
            f"| key | type | default | |\n|---|---|---|---|\n{table}\n"
        )
        if section == "policy":
            parts.append(
                "`[[policy.override]]`, any number of times, has what "
                "[receiver-policy.md](receiver-policy.md) says of overrides.\n"
            )
    return "\n".join(parts)


def test_the_reference_is_that_of_the_schema() -> None:
    text = DOCUMENT.read_text("utf-8")
    assert text.partition(HEADING)[2] == f"\n{reference()}"


def test_the_example_is_what_the_command_writes() -> None:
    assert EXAMPLE.read_text("utf-8") == commented()


def test_the_example_is_the_default() -> None:
    assert load(EXAMPLE, {}) == Config()


def test_the_example_without_its_comments_is_the_default(tmp_path: Path) -> None:
    file = tmp_path / "all.toml"
    text = COMMENTED.sub("", commented().partition("# Exceptions")[0])
    rest = commented().partition('"accept" }\n')[2]
    file.write_text(text + COMMENTED.sub("", rest), "utf-8")
    config = load(file, {})
    # SUBMITTER is off though its table is there: the file says so.
    assert config == Config()
    assert set(config.sources) == {f"{key.section}.{key.name}" for key in KEYS}


def test_the_override_of_the_example_can_be_used(tmp_path: Path) -> None:
    file = tmp_path / "override.toml"
    found = re.search(r"^#\[\[policy\.override\]\]\n(?:#.*\n)+", commented(), re.MULTILINE)
    assert found is not None
    file.write_text(re.sub("^#", "", found[0], flags=re.MULTILINE), "utf-8")
    assert [each.name for each in load(file, {}).policy.overrides] == ["partners"]


@pytest.mark.parametrize(
    ("section", "kind", "others"),
    [
        # What makes an engine and stands in other sections; batches alone have concurrency.
        ("engine", Settings, {"resolver", "limits", "receiver", "cache", "concurrency"}),
        ("limits", Limits, set()),
        ("milter", sections.MilterSection, set()),
        ("policyd", sections.PolicydSection, set()),
        ("process", sections.ProcessSection, set()),
        ("receiver", Receiver, {"policy", "exchange"}),
        ("dns", sections.DnsSection, set()),
        ("cache", sections.CacheSection, set()),
        ("log", sections.LogSection, set()),
        ("metrics", sections.MetricsSection, set()),
    ],
)
def test_every_setting_has_a_key(section: str, kind: Any, others: set[str]) -> None:
    settings = {each.name for each in fields(kind) if each.init}
    keys = {key.path[1] for key in KEYS if key.section == section}
    assert keys == settings - others


def test_options_of_resolvers_have_keys() -> None:
    keys = {key.name for key in KEYS if key.section == "dns"}
    fast = set(inspect.signature(UdpResolver.__init__).parameters) - {"self"}
    slow = set(inspect.signature(SystemResolver.__init__).parameters) - {"self"}
    assert keys == fast | (slow - {"nameservers", "port"}) | {"fast"}


@pytest.mark.parametrize("key", KEYS, ids=lambda key: f"{key.section}.{key.name}")
def test_every_key_has_words_and_a_default(key: Key) -> None:
    assert key.words
    assert toml_of(value_of(Config(), key))


def test_what_a_reload_cannot_change_is_said() -> None:
    text = DOCUMENT.read_text("utf-8").partition("\n## When a change counts\n")[2]
    said = re.findall(r"`([a-z_.]+)`", text.partition("\n## ")[0])
    whole = [each if "." in each else f"process.{each}" for each in said]
    assert sorted(whole) == sorted(_AT_START)


def test_python_examples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    failed, tried = doctest.testfile(str(DOCUMENT), module_relative=False)
    assert tried
    assert not failed


if __name__ == "__main__":
    before = DOCUMENT.read_text("utf-8").partition(HEADING)[0]
    DOCUMENT.write_text(f"{before}{HEADING}\n{reference()}", "utf-8")
    EXAMPLE.write_text(commented(), "utf-8")
