"""Who may import whom: the layers of docs/architecture.md, kept apart by this test.

The rule speaks of every import statement, wherever it stands; those under TYPE_CHECKING are not run
and do not count.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "senderid_fast"

WORDS = {"errors", "results", "questions"}
# Each layer and what of ours it may import. A name stands for a module or a whole folder.
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "results": set(),
    "questions": set(),
    "lazily": set(),
    "messages": set(),
    "settings": WORDS,
    "askers": WORDS,
    "flights": WORDS,
    "identities": {"_core"},
    "stale": WORDS | {"_core"},
    "closure": WORDS,
    "tracing": WORDS | {"_core"},
    "layout": WORDS | {"_core"},
    "batch": WORDS | {"_core", "layout", "stale"},
    "resolver": WORDS | {"_core", "askers", "lazily"},
    "cache": WORDS | {"_core", "lazily"},
    "answersets": WORDS | {"_core", "lazily", "resolver"},
    "engine_base": WORDS
    | {
        "_core",
        "answersets",
        "batch",
        "cache",
        "closure",
        "engine",  # engine_for
        "identities",
        "resolver",
        "settings",
        "stale",
    },
    "asking": WORDS | {"_core", "askers", "closure", "engine_base", "flights"},
    "async_asking": WORDS | {"closure", "engine_base"},
    "engine": WORDS | {"_core", "asking", "engine_base", "messages", "tracing"},
    "async_engine": WORDS | {"_core", "async_asking", "engine_base", "messages", "tracing"},
    "receiver": WORDS | {"_core", "identities"},
    "rows": WORDS | {"_core", "receiver"},
    "jobs": WORDS | {"rows"},
    "comparing": WORDS | {"engine", "jobs", "lazily"},
    "reception": WORDS | {"_core", "identities", "lazily", "messages", "receiver"},
    "config": WORDS | {"cache", "lazily", "receiver", "reception", "resolver", "settings"},
    "aiosmtpd": WORDS | {"_core", "async_engine", "receiver", "reception"},
    "milter": WORDS | {"_core", "receiver", "reception"},
    "policyd": WORDS | {"lazily", "receiver", "reception"},
    # What runs protocol servers knows none of them.
    "service": WORDS | {"_core", "async_engine", "config", "receiver"},
    "cli": {"*"},
    "__main__": {"cli"},
    "__init__": {"*"},
}
CORE = WORDS | {"_core"}
# What must not be imported together with the package: it comes when it is needed.
HEAVY = {"asyncio", "dns", "idna", "msgpack", "lmdb", "redis", "pyarrow", "json", "ssl"}

# Modules that are imported when what they need is there, by those who need them.
LATER = (
    "aiosmtpd.py",
    "gathering.py",
    "lookup.py",
    "messages.py",
    "server.py",
    "udp_loop.py",
)


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def layer_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path, *, top_level_only: bool = False) -> set[str]:
    """The modules that a file imports, by their full names."""
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            return
        if top_level_only and isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            module = node.module or ""
            found.add(module)
            found.update(f"{module}.{alias.name}" for alias in node.names)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text("utf-8")))
    return found


def ours(names: set[str]) -> set[str]:
    return {name.split(".")[1] for name in names if name.startswith("senderid_fast.")}


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_what_its_layer_may(path: Path) -> None:
    layer = layer_of(path)
    if layer == "_core":
        assert ours(imports(path)) <= CORE
        return
    allowed = ALLOWED[layer]  # a new module or folder needs a line above
    known = {layer_of(other) for other in modules()} | {"_core"}
    reached = ours(imports(path)) & known
    if "*" not in allowed:
        assert reached - {layer} <= allowed


def test_nothing_is_allowed_that_is_not_used() -> None:
    used: dict[str, set[str]] = {}
    for path in modules():
        used.setdefault(layer_of(path), set()).update(ours(imports(path)))
    for layer, allowed in ALLOWED.items():
        assert allowed - WORDS - {"*"} <= used[layer], layer


@pytest.mark.parametrize("path", sorted((ROOT / "src").glob("*.pyx")), ids=lambda path: path.name)
def test_the_core_imports_only_the_shared_words(path: Path) -> None:
    text = path.read_text("utf-8")
    found = set(re.findall(r"^\s*(?:from|import) +(senderid_fast\.[\w.]+) +import", text, re.M))
    assert {name.split(".")[1] for name in found} <= WORDS
    # No input or output, no clock, nothing that waits (docs/architecture.md, the second promise).
    # One module sends and receives datagrams; it opens no socket, and nothing of SPF is in it.
    calls = ("sendmmsg", "recvmmsg", "recvmsg", "send(", "recv(", "poll(", "sys/socket.h")
    if path.name == "datagrams.pyx":
        assert "_core." not in text
    else:
        assert [word for word in calls if re.search(rf"(?<![\w.]){re.escape(word)}", text)] == []
    for word in ("import time", "import os", "import socket", "import asyncio", "import logging"):
        assert word not in text
    for header in ("libc.time", "posix", "libc.stdio", "clock_gettime", "socket"):
        assert f"{header} cimport" not in text


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_heavy_is_imported_with_the_package(path: Path) -> None:
    if layer_of(path) in ("cli", "__main__", "service") or path.name in LATER:
        return  # not imported with the package: test_import.py sees to that
    heavy = {name.split(".")[0] for name in imports(path, top_level_only=True)} & HEAVY
    assert heavy <= ({"json"} if path.name == "zonedata.py" else set())


def test_the_rule_sees_a_forbidden_import(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text("def f():\n    from senderid_fast.engine import Engine\n")
    assert ours(imports(wrong)) == {"engine"}
    assert not imports(wrong, top_level_only=True)
