#!/usr/bin/env bash
# Fuzz the compiled core: libFuzzer with the address and undefined-behaviour sanitizers.
#
#   FUZZ_SECONDS=600 FUZZ_TARGETS="tokenizer macros checks batches answers codec headers loglines milter policyd packets receiver wire" scripts/fuzz.sh
#
# Works in a copy of the tree below .cache/fuzz, so that no sanitized module is ever beside the
# sources. The C code is compiled by clang with coverage counters; atheris brings libFuzzer and a
# sanitizer runtime to preload into Python. Exits with 1 if a target found something; the inputs are
# then in .cache/fuzz/crashes, and are run again with
#
#   scripts/fuzz.sh run TARGET FILE...
#
# What libFuzzer found worth keeping stays in .cache/fuzz/corpus from one run to the next.
# At the end come FUZZ_MESSAGES random DNS messages in one loop, as many as libFuzzer would need hours
# for, and FUZZ_CHECKS checks of the leak test (0: none). FUZZ_KEEP_BUILD=1 takes the modules of the
# last run.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
checkout=$PWD
work=$checkout/.cache/fuzz
tree=$work/tree
seconds=${FUZZ_SECONDS:-600}
read -r -a targets <<<"${FUZZ_TARGETS:-tokenizer macros checks batches answers codec headers loglines milter policyd packets receiver wire}"

install() { # package...
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        echo "fuzz.sh: something is missing: install $*" >&2
        exit 2
    fi
    apt-get update -q >/dev/null
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y "$@" >/dev/null
}

find_clang() { # whichever there is; Debian 12 has clang-14
    local name
    for name in ${FUZZ_CC:-} clang clang-19 clang-18 clang-17 clang-16 clang-15 clang-14; do
        command -v "$name" && return
    done
    return 1
}

prepare() {
    find_clang >/dev/null || install clang-14 libclang-rt-14-dev
    mkdir -p "$work/crashes" "$work/corpus"
    if [ ! -x "$work/venv/bin/python" ]; then
        local python=${PYTHON:-python3}
        if [ -z "${PYTHON:-}" ] && [ -x .venv/bin/python ]; then
            python=.venv/bin/python
        fi
        # ensurepip and Python.h are packages of their own in Debian.
        "$python" -c 'import ensurepip, pathlib, sysconfig
assert pathlib.Path(sysconfig.get_path("include"), "Python.h").exists()' 2>/dev/null ||
            install python3 python3-venv python3-dev
        "$python" -m venv "$work/venv"
    fi
    "$work/venv/bin/pip" -q install atheris "setuptools>=84" "cython>=3.3,<3.4" \
        "dnspython>=2.7" "idna>=3.7" "msgpack>=1.1" "pyarrow>=17"
}

build() {
    rm -rf "$tree"
    mkdir -p "$tree"
    tar -cf - --exclude='*.so' --exclude=__pycache__ setup.py pyproject.toml README.md LICENSE \
        src senderid_fast tests/fuzz tests/support | tar -xf - -C "$tree"
    echo "building with $(find_clang)"
    # A compiler that ends with our flags, so that they win over those of setup.py.
    # fuzzer-no-link: counters and comparisons for libFuzzer. An error of the undefined-behaviour
    # sanitizer ends the run like one of the address sanitizer. Not looked for is NULL + 0, which
    # Cython writes wherever a function without arguments is called.
    cat >"$work/cc" <<EOF
#!/bin/sh
exec "$(find_clang)" "\$@" -fsanitize=fuzzer-no-link -fno-sanitize=pointer-overflow \\
    -fno-sanitize-recover=undefined
EOF
    chmod +x "$work/cc"
    if ! (cd "$tree" && SENDERID_FAST_SANITIZE=1 CC=$work/cc LDSHARED="$work/cc -shared" \
        "$work/venv/bin/python" setup.py -q build_ext --inplace -j2 >"$work/build.log" 2>&1); then
        tail -30 "$work/build.log" >&2
        exit 2
    fi
}

sanitized() { # python arguments...
    local runtime
    runtime=$("$work/venv/bin/python" -c 'import atheris; print(atheris.path())')/asan_with_fuzzer.so
    # PYTHONMALLOC: every bytes object is a block of its own, with red zones around it. Python keeps
    # much until its end, so that leaks are looked for by fuzz.leaks instead.
    # PYTHONSAFEPATH: the copy's modules, never those of the folder this was called in.
    env ASAN_OPTIONS=detect_leaks=0:quarantine_size_mb=32:allocator_may_return_null=1 \
        UBSAN_OPTIONS=print_stacktrace=1 PYTHONMALLOC=malloc PYTHONSAFEPATH=1 \
        PYTHONPATH="$tree:$tree/tests" LD_PRELOAD="$runtime" nice "$work/venv/bin/python" "$@"
}

fuzz() { # target
    local target=$1 log=$work/$1.log status=0 began=$SECONDS
    mkdir -p "$work/corpus/$target"
    sanitized -m fuzz.run "$target" "$work/corpus/$target" "$work/seeds/$target" \
        -max_total_time="$seconds" -max_len=4096 -timeout=60 -rss_limit_mb=4096 \
        -dict="$checkout/tests/fuzz/spf.dict" -artifact_prefix="$work/crashes/$target-" \
        -print_final_stats=1 -reload=0 >"$log" 2>&1 || status=$?
    if ! grep -q 'inline 8-bit counters' "$log"; then
        tail -30 "$log" >&2
        echo "fuzz.sh: $target: the core has no coverage counters" >&2
        exit 2
    fi
    local executions first last took=$((SECONDS - began))
    executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    first=$(grep -m1 -oE 'INITED +cov: [0-9]+' "$log" | grep -oE '[0-9]+$' || true)
    last=$(grep -oE ' cov: [0-9]+' "$log" | tail -1 | grep -oE '[0-9]+' || true)
    echo "$target: ${executions:-?} executions in $took s, coverage ${first:-?} -> ${last:-?}"
    if [ "$status" != 0 ]; then
        echo "fuzz.sh: $target failed; from $log:" >&2
        grep -m1 -A25 -E 'ERROR: |runtime error|Uncaught Python exception' "$log" >&2 || true
        grep -E '^SUMMARY|Test unit written' "$log" >&2 || tail -30 "$log" >&2
        return 1
    fi
}

prepare
if [ "${1:-}" = run ]; then
    [ -d "$tree" ] || build
    sanitized -m fuzz.run "$2" "${@:3}"
    exit
fi
[ -n "${FUZZ_KEEP_BUILD:-}" ] && [ -d "$tree" ] || build
mkdir -p "$work/seeds"
sanitized -m fuzz.seeds "$work/seeds"
failed=0
for target in "${targets[@]}"; do
    fuzz "$target" || failed=1
done
if [ "${FUZZ_MESSAGES:-2000000}" != 0 ]; then
    sanitized -m fuzz.messages "${FUZZ_MESSAGES:-2000000}" || failed=1
fi
if [ "${FUZZ_CHECKS:-200000}" != 0 ]; then
    sanitized -m fuzz.leaks "${FUZZ_CHECKS:-200000}" || failed=1
fi
exit "$failed"
