"""The types that users see: mypy accepts right code and reports wrong code, line by line."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import senderid_fast as sf

HERE = Path(__file__).parent
PACKAGE = Path(sf.__file__).parent

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("mypy") is None, reason="mypy is not installed (extra dev)"
)


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[tuple[int, str]]]:
    """name of a file -> (line, code) of each error that mypy --strict reports in it."""
    cache = tmp_path_factory.mktemp("mypy")
    names = ("accepted.py", "refused.py")
    # These have no stubs; of this package, once it is installed, nothing is checked.
    settings = cache / "mypy.ini"
    packages = "[mypy-pyarrow.*,msgpack.*,lmdb.*,redis.*]"
    settings.write_text(f"[mypy]\n{packages}\nignore_missing_imports = True\n")
    command = [sys.executable, "-m", "mypy", "--strict", f"--config-file={settings}"]
    command += ["--no-error-summary"]
    command += [f"--cache-dir={cache}", "--show-error-codes", "--no-pretty", "--hide-error-context"]
    command += [str(HERE / name) for name in names]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
        cwd=cache,
        env={**os.environ, "MYPYPATH": str(PACKAGE.parent)},
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found: dict[str, set[tuple[int, str]]] = {name: set() for name in names}
    for line in done.stdout.splitlines():
        match = re.fullmatch(r"(.+?\.pyi?):(\d+): error: .*\[([a-z-]+)\]", line)
        if match is None:
            assert ": note: " in line, line
            continue
        path, number, code = match.groups()
        assert Path(path).name in found, f"not in a file of this test: {line}"
        found[Path(path).name].add((int(number), code))
    return found


def test_right_code_is_accepted(reports: dict[str, set[tuple[int, str]]]) -> None:
    assert reports["accepted.py"] == set()


def test_wrong_code_is_reported(reports: dict[str, set[tuple[int, str]]]) -> None:
    marked = set()
    lines = (HERE / "refused.py").read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, 1):
        _, mark, code = line.partition("  # error: ")
        if mark:
            marked.add((number, code))
    assert len(marked) > 20
    assert reports["refused.py"] == marked


def test_the_package_says_that_it_is_typed() -> None:
    assert (PACKAGE / "py.typed").is_file()
    compiled = {path.name.partition(".")[0] for path in (PACKAGE / "_core").glob("*.so")}
    stubs = {path.stem for path in (PACKAGE / "_core").glob("*.pyi")}
    assert compiled <= stubs
