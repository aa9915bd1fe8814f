# Each target does its own set-up in .venv; `make` alone lists them.
PYTHON ?= python3
BIN = .venv/bin

.PHONY: help set-up demo test lint bench bench-peers bench-mail fuzz wheel clean

help:
	@echo "make demo         check what is in examples/, and show what a milter says of its messages"
	@echo "make test         all tests"
	@echo "make lint         ruff, mypy --strict, stubtest, cython-lint"
	@echo "make bench        pytest-benchmark suites of each layer"
	@echo "make bench-peers  side by side with other implementations (BENCH=--quick: a smoke run)"
	@echo "make bench-mail   filters behind one Postfix; as root (BENCH=--quick: a smoke run)"
	@echo "make fuzz         each fuzz target for FUZZ_SECONDS (600), under the address sanitizer"
	@echo "make wheel        sdist and wheel, in dist/"

set-up:
	@PYTHON="$(PYTHON)" scripts/set-up.sh

demo: set-up
	$(BIN)/senderid-fast check --zone examples/example.zone --connections examples/connections.tsv
	$(BIN)/senderid-fast verify --zone examples/example.zone --trusted 203.0.113.128/28 \
	  examples/messages/*.eml
	$(BIN)/senderid-fast batch examples/batch/rows.csv --columns ip=client,helo=name,mail_from=sender \
	  --zone examples/example.zone
	$(BIN)/python examples/milter_session.py

test: set-up
	@scripts/install-test-servers.sh
	$(BIN)/pytest -q

lint: set-up
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest senderid_fast --allowlist stubtest-allowlist.txt \
	  --mypy-config-file pyproject.toml
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/cython-lint src senderid_fast/_core/*.pxd

bench: set-up
	@scripts/install-test-servers.sh
	$(BIN)/python benchmarks/bench_import.py
	$(BIN)/pytest benchmarks -o python_files='bench_*.py' --benchmark-only

# BENCH=--quick for a smoke run.
bench-peers: set-up
	$(BIN)/python -m benchmarks.peers $(BENCH)
	$(BIN)/python -m benchmarks.headers $(BENCH)

bench-mail: set-up
	$(BIN)/python -m benchmarks.mail $(BENCH)

fuzz: set-up
	scripts/fuzz.sh

wheel: set-up
	$(BIN)/python -m build

clean:
	rm -rf build dist .venv .cache *.egg-info senderid_fast/_core/*.so
