"""make bench-peers in its quick form: ours alone, so that nothing is built or downloaded.

The figures mean nothing; what is tested is that verdicts are compared, that what cannot be run is
named, and that the files tell what was found.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[2]
LOADS = {"zipf": 2_000, "even": 2_000, "cold": 200}
PASSES = {"zipf": 1, "even": 1, "cold": 1}


pytestmark = pytest.mark.timeout(300)  # of a busy machine


def run_quick(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.peers", "--quick", "--output", str(folder)]
    return subprocess.run(
        [*command, *options],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the files of one quick run of ours."""
    folder = tmp_path_factory.mktemp("results")
    done = run_quick(folder, "--peers", "ours")
    assert done.returncode == 0, done.stderr
    return folder


def one(folder: Path, pattern: str) -> Path:
    (file,) = folder.glob(pattern)
    return file


@pytest.fixture(scope="module")
def figures(written: Path) -> Any:
    return json.loads(one(written, "*.json").read_text("utf-8"))


@pytest.mark.parametrize("load", LOADS)
def test_figures_are_those_of_the_checks_that_were_asked_for(figures: Any, load: str) -> None:
    timings = figures["loads"][load]["timings"]
    names = [timing["peer"] for timing in timings]
    assert "senderid_fast" in names
    assert len(set(names)) == len(names)
    for timing in timings:
        assert timing["checks"] == LOADS[load]
        assert [len(one_round) for one_round in timing["cpu_seconds"]] == [PASSES[load]]
        assert timing["checks_per_cpu_second"] == pytest.approx(
            timing["checks"] / timing["cpu_seconds"][0][0]
        )
        assert timing["rss_kib"] > 1_000
        assert timing["command"].startswith("taskset -c ")
    assert figures["loads"][load]["differences"] == []


def test_every_peer_is_measured_or_named_as_absent(
    figures: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(ROOT)
    known = {timing["peer"] for timing in figures["loads"]["zipf"]["timings"]}
    absent = figures["absent"]
    assert all(absent.values())
    from benchmarks.peers.entries import NOT_RUN, PEERS

    ours = {peer.name for peer in PEERS if peer.name.startswith("senderid_fast")}
    assert known | (ours & absent.keys()) == ours
    assert absent.keys() >= NOT_RUN.keys()


def test_cold_checks_ask_the_server_and_all_verdicts_are_compared(figures: Any) -> None:
    cold = figures["loads"]["cold"]
    for timing in cold["timings"]:
        assert timing["queries_per_check"] >= 1  # each domain is new: at least its TXT records
        assert timing["queries"][0] < 20 * timing["checks"]
    assert cold["compared"].keys() == {
        "senderid_fast, answers known",
        *(timing["peer"] for timing in cold["timings"]),
    }


def test_ours_is_right_at_every_corner(figures: Any) -> None:
    corners = figures["corners"]
    assert len(corners["right"]) > 10
    assert corners["wrong"] == {"senderid_fast": {}}


class Page(HTMLParser):
    """What is open, what was closed wrongly, and what the page would fetch."""

    VOID = frozenset({"meta", "br", "rect", "line", "path"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []
        self.seen: list[str] = []
        self.anchors: set[str] = set()
        self.targets: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        if tag not in self.VOID or tag == "rect":
            self.open.append(tag)
        for name, value in attrs:
            if name in ("src", "data", "poster") or (tag == "link" and name == "href"):
                self.fetched.append(f"{tag} {value}")
            if name == "href" and value:
                self.targets.add(value)
            if name == "id" and value:
                self.anchors.add(f"#{value}")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_is_whole_and_needs_nothing_else(written: Path, figures: Any) -> None:
    source = one(written, "*.html").read_text("utf-8")
    page = Page()
    page.feed(source)
    page.close()
    assert page.open == []
    assert page.fetched == []
    assert "script" not in page.seen
    assert "url(" not in source
    assert "@import" not in source
    assert page.targets <= page.anchors
    assert "prefers-color-scheme: dark" in source
    # Speed and memory for each load, and the queries of the cold one.
    assert page.seen.count("svg") == 2 * len(LOADS) + 1
    for load in figures["loads"].values():
        for timing in load["timings"]:
            assert timing["peer"] in page.text
    assert "make bench-peers" in page.text
    for name, reason in figures["absent"].items():
        assert name in page.text
        assert reason in page.text


def test_each_picture_is_a_file_with_the_bars_of_its_load(written: Path, figures: Any) -> None:
    pictures = {file.name.split("-quick-")[1]: file for file in written.glob("*.svg")}
    assert {name.split("-")[0] for name in pictures} == set(LOADS)
    for name, file in pictures.items():
        tree = ElementTree.parse(file)
        bars = [
            element for element in tree.iter() if element.get("class", "").split()[:1] == ["bar"]
        ]
        assert len(bars) == len(figures["loads"][name.split("-")[0]]["timings"])
        for bar in bars:
            assert float(bar.get("width", 0)) >= 1


def test_the_text_for_people_has_every_table(written: Path, figures: Any) -> None:
    text = one(written, "*.md").read_text("utf-8")
    for load in figures["loads"].values():
        assert f"## {load['what']}" in text
        for timing in load["timings"]:
            assert f"| {timing['peer']}" in text
    for command in figures["commands"]:
        assert command in text


def test_unknown_peers_and_loads_are_refused(tmp_path: Path) -> None:
    for options in (("--peers", "nobody"), ("--loads", "heavy"), ("--rounds", "0")):
        done = run_quick(tmp_path, *options)
        assert done.returncode == 2
        assert options[0] in done.stderr
    assert list(tmp_path.iterdir()) == []
