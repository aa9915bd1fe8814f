#!/bin/sh
# Make .venv with the package built in place and everything that tests, lint and benchmarks need.
# Run by make. A second run only rebuilds what has changed.
set -eu
cd "$(dirname "$0")/.."

python=${PYTHON:-python3}

explain() {
    printf 'set-up: %s\n' "$1" >&2
    printf 'set-up: on Debian: apt-get install python3 python3-dev python3-venv gcc make\n' >&2
    exit 1
}

# Compiling needs the headers of this very interpreter; Debian has them in a package of their own.
headers() {
    "$python" -c 'import os, sysconfig
raise SystemExit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))'
}

# What a command prints is shown only if it fails.
quietly() {
    if ! log=$("$@" 2>&1); then
        printf '%s\n' "$log" >&2
        exit 1
    fi
}

command -v "$python" >/dev/null || explain "there is no $python"
"$python" -c 'import sys; raise SystemExit(sys.version_info < (3, 11))' \
    || explain "$python is too old: Python 3.11 or newer is needed (set PYTHON=...)"

if ! headers || ! "$python" -c 'import ensurepip, venv' 2>/dev/null || ! command -v gcc >/dev/null; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -qq -y python3-dev python3-venv gcc >/dev/null
    fi
fi
headers || explain "the headers of $python are missing"
command -v gcc >/dev/null || command -v cc >/dev/null || explain "there is no C compiler"

if [ ! -x .venv/bin/python ]; then
    "$python" -m venv .venv || explain "$python cannot make a virtual environment"
    quietly .venv/bin/python -m pip install --upgrade pip
fi
# Packages again only if what is asked for has changed.
if ! cmp -s pyproject.toml .venv/pyproject.toml; then
    # The build tools first: without isolation, a build takes what is installed.
    quietly .venv/bin/python -m pip install 'setuptools>=84' 'cython>=3.3,<3.4'
    quietly .venv/bin/python -m pip install --no-build-isolation --editable '.[dev]'
    cp pyproject.toml .venv/pyproject.toml
fi
quietly .venv/bin/python setup.py build_ext --inplace
