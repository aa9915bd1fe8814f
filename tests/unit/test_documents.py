"""Links in the documents lead somewhere, tables are whole, and every page is found from README."""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

from senderid_fast.cli import parser

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    page
    for folder in (".", "docs", "examples", "benchmarks")
    for page in (ROOT / folder).glob("*.md")
)
FENCE = re.compile(r"^( *)```.*?^\1```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^]]*\]\(([^)\s]+)\)")


def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return FENCE.sub("", page.read_text("utf-8"))


def anchors(page: Path) -> set[str]:
    """The names of a page's headings, as GitHub and most renderers make them."""
    seen: Counter[str] = Counter()
    found = set()
    for heading in re.findall(r"^#+ +(.+?) *$", prose(page), re.MULTILINE):
        name = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        found.add(f"{name}-{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return found


def links(page: Path) -> list[str]:
    return [link for link in LINK.findall(prose(page)) if "://" not in link]


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        file, _, anchor = unquote(link).partition("#")
        target = page.parent / file if file else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_rows_of_a_table_have_as_many_cells_as_its_head(page: Path) -> None:
    """Renderers drop what is too much; a bar in a cell is written with a backslash."""
    cells = 0
    for line in prose(page).splitlines():
        row = line.strip()
        if not row.startswith("|") or line.startswith("    "):  # four spaces: code
            cells = 0
            continue
        bars = len(re.findall(r"(?<!\\)\|", row))
        assert row.endswith("|"), line
        assert cells in (0, bars), line
        cells = bars


def test_every_page_is_linked_from_the_readme() -> None:
    linked = {(ROOT / link.partition("#")[0]).resolve() for link in links(ROOT / "README.md")}
    assert linked >= {page for page in PAGES if page.name != "README.md"}
    assert linked >= {ROOT / "benchmarks" / "README.md", ROOT / "examples" / "README.md"}


def test_the_house_is_complete() -> None:
    """docs/architecture.md names every module, but for those of folders that it sums up."""
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    house = text.partition("## The house\n")[2].partition("\n## ")[0]
    package = ROOT / "senderid_fast"
    summed_up = {package / "cli", package / "comparing", package / "rows" / "logs"}
    names = [f"{path.stem}.pyx" for path in (ROOT / "src").glob("*.pyx")]
    for path in package.rglob("*.py"):
        names.append(f"{path.parent.name}/" if path.parent in summed_up else path.stem)
    told = set(re.findall(r"\w+\.pyx|\w+/|\w+", house))
    missing = set(names) - told
    assert missing <= {"__init__", "__main__"}


def test_every_benchmark_is_told_of() -> None:
    folder = ROOT / "benchmarks"
    text = (folder / "README.md").read_text("utf-8")
    assert [path.name for path in folder.glob("bench_*.py") if f"`{path.name}`" not in text] == []


def commands() -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Each command's name and parser, those with actions below them included."""

    def below(above: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
        for action in above._actions:
            if isinstance(action, argparse._SubParsersAction):
                yield from action.choices.items()

    for name, command in below(parser()):
        yield name, command
        for _, action in below(command):
            yield name, action


def test_every_command_and_option_stands_in_the_documents() -> None:
    overview = ROOT / "docs" / "command-line.md"
    text = overview.read_text("utf-8")
    for name, command in commands():
        row = re.search(rf"^\| \[`{name}`\]\(([^)#]*)(?:#\S+)?\) \|", text, re.MULTILINE)
        assert row is not None, name
        pages = text + (overview.parent / row[1]).read_text("utf-8") if row[1] else text
        for action in command._actions:
            for option in action.option_strings:
                if option in ("-h", "--help"):
                    continue
                alone = rf"(?<![\w-]){re.escape(option)}(?![\w-])"
                assert re.search(alone, pages), f"{name} {option}"
