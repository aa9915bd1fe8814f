"""Whatever stands in a file or a variable, load() gives a Config or tells problems with places."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from senderid_fast.config import Config, load
from senderid_fast.config.keys import KEYS
from senderid_fast.config.places import Places
from senderid_fast.config.showing import commented, shown, toml_of
from senderid_fast.errors import ConfigError

ROOT = Path(__file__).parents[2]
# The example with all its keys in use, and one with everything that a file may have.
FULL = re.sub(r"^#(?=[A-Za-z_.]+ = )", "", commented(), flags=re.MULTILINE)
FULL = FULL.replace("#[[policy", "[[policy").replace("#mailfrom =", "mailfrom =")
MIXED = """
milter.listen = "inet:127.0.0.1:8891, systemd:x"  # dotted
process = { workers = 2, socket_mode = 0o660, user = 'mail' }
[receiver]
relays = { networks = [ "192.0.2.1", # first
  "192.0.2.2", ], depth = 3 }
submitter.no_pra = "mark"
[policy.mailfrom]
fail = "reject"
[policy]
texts.fail = \"\"\"
no {ip}
for {domain}\"\"\"
[[policy.override]]
client = "192.0.2.0/24"
skip = true
[[policy.override]]
sender = ".a.example"
mailfrom = { fail = "mark" }
[exchange]
enabled = true
SPOOFEDDOMAINACTION = "reject"
"""
PIECES = [
    *("[", "]", "[[", "]]", "{", "}", "=", ",", ".", '"', "'", '"""', "'''", "#", "\n", "\r\n"),
    *("\\", "\0", "\ufeff", "\x1b", "\u202e", "true", "0o660", "-1", "1e400", "nan", "inf"),
    *("9" * 30, "1979-05-27", "07:32:00", "policy.override", "[[policy.override]]\n", "[x]\n"),
    *("skip = true\n", "enabled = true\n", "x = 1\n", '"a b" = 2\n', "[[[[", "é", "a" * 300),
]
PLACE = re.compile(r"[^\n]*c\.toml(?::[1-9][0-9]*)?: [^\n]+|SENDERID_FAST_[^\n]*: [^\n]+")

quick = settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
Values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.dates()
    | st.sampled_from(["accept", "reject", "Reject", "unix:/x", "192.0.2.1", "helo", "127.0.0.1"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=5,
)


@st.composite
def mutated(draw: Any) -> str:
    """A good file with some pieces taken out, doubled, or put in."""
    text: str = draw(st.sampled_from([FULL, MIXED]))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 40)))
        put = draw(st.sampled_from(["", text[start:end] * 2, *PIECES]) | st.text(max_size=5))
        text = text[:start] + put + text[end:]
    return text


def tried(file: Path, octets: bytes, environ: dict[str, str] | None = None) -> Config | None:
    """What load() makes of octets; problems have to be lines with places."""
    file.write_bytes(octets)
    try:
        return load(file, environ or {})
    except ConfigError as error:
        problems = error.problems
    assert problems
    for problem in problems:
        assert PLACE.fullmatch(problem), problem
        assert len(problem) < 2_000
    return None


@quick
@given(text=mutated())
def test_mutated_files(tmp_path: Path, text: str) -> None:
    config = tried(tmp_path / "c.toml", text.encode("utf-8", "surrogatepass"))
    if config is not None:
        for caution in config.cautions():
            assert ": " in caution
        assert "\n".join(shown(config))


@quick
@given(octets=st.binary(max_size=200))
@example(b"\xef\xbb\xbf")
@example(b"\r")
def test_any_octets(tmp_path: Path, octets: bytes) -> None:
    tried(tmp_path / "c.toml", octets)


@quick
@given(data=st.data())
def test_any_value_for_any_key(tmp_path: Path, data: Any) -> None:
    """Values of every type, in the places of keys, of tables and of overrides."""
    lines = []
    for key in data.draw(st.lists(st.sampled_from(KEYS), max_size=4, unique=True)):
        lines.append(f"{'.'.join(key.path)} = {as_toml(data.draw(Values))}")
    lines.append(f"policy.override = {as_toml(data.draw(st.lists(Values, max_size=2)))}")
    tried(tmp_path / "c.toml", "\n".join(lines).encode("utf-8", "replace"))


def as_toml(value: object) -> str:
    if isinstance(value, dict):
        inner = ", ".join(f"{toml_of(key)} = {as_toml(each)}" for key, each in value.items())
        return f"{{ {inner} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(as_toml, value))}]"
    if value is None:
        return "''"
    return toml_of(value) if isinstance(value, (bool, int, float, str)) else str(value)


@quick
@given(
    variables=st.dictionaries(
        st.sampled_from([key.variable for key in KEYS])
        | st.text(max_size=10).map("SENDERID_FAST_".__add__),
        st.text(max_size=20) | st.sampled_from(PIECES),
        max_size=4,
    )
)
def test_any_variable(tmp_path: Path, variables: dict[str, str]) -> None:
    tried(tmp_path / "c.toml", b"", variables)


def paths(value: object, path: tuple[str | int, ...] = ()) -> set[tuple[str | int, ...]]:
    """All paths of what tomllib read."""
    found = {path} if path else set()
    pairs: Any = ()
    if isinstance(value, dict):
        pairs = value.items()
    elif isinstance(value, list):
        pairs = enumerate(value)
    for key, each in pairs:
        found |= paths(each, (*path, key))
    return found


@quick
@given(text=mutated())
@example(MIXED)
@example(FULL)
def test_places_are_those_of_the_keys(text: str) -> None:
    """Where tomllib reads a text, the scan finds the same keys, each in a line that names it."""
    try:
        tables = tomllib.loads(text)
    except (ValueError, RecursionError):
        Places.of(text)  # without an error
        return
    places = Places.of(text)
    assert set(places.lines) == paths(tables)
    assert places.twice == []
    lines = text.replace("\r\n", "\n").split("\n")
    for path, line in places.lines.items():
        names = [step for step in path if isinstance(step, str)]
        if isinstance(path[-1], str) and names[-1].isidentifier():
            assert names[-1] in lines[line - 1]


@quick
@given(text=mutated())
@example(MIXED)
@example(FULL)
@example("[cache]\nurl = 'valkeys://user:pass@h/0?password=x'")
@example('[policy]\ntexts.fail = "a\\n\\u0041 {ip}"')
def test_what_is_shown_is_the_configuration(tmp_path: Path, text: str) -> None:
    config = tried(tmp_path / "c.toml", text.encode("utf-8", "surrogatepass"))
    if config is None:
        return
    again = tried(tmp_path / "c.toml", "\n".join(shown(config)).encode())
    assert again is not None
    if "@" not in config.cache.url and "?" not in config.cache.url:
        assert again == config


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("valkeys://user:hunter2@x@h:1/0", "valkeys://***@h:1/0"),
        ("redis://:hunter2@h", "redis://***@h"),
        ("unix:///s?password=hunter2&db=1", "unix:///s?password=***&db=1"),
        ("lmdb:/var/cache/a@b", "lmdb:/var/cache/a@b"),
    ],
)
def test_secrets_are_not_shown(tmp_path: Path, url: str, expected: str) -> None:
    config = tried(tmp_path / "c.toml", f"cache.url = '{url}'".encode())
    assert config is not None
    assert "hunter2" not in "\n".join(shown(config))
    assert f'url = "{expected}"' in "\n".join(shown(config))
    assert "hunter2" not in repr(config)
