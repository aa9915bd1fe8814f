"""Compile src/*.pyx into senderid_fast._core; everything else is in pyproject.toml."""

import os
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

# SENDERID_FAST_TRACE=1     line tracing, for coverage (Cython.Coverage wants x.c beside x.pyx)
# SENDERID_FAST_ANNOTATE=1  write x.html, which shows in yellow where C falls back to Python
# SENDERID_FAST_SANITIZE=1  address and undefined-behaviour sanitizers, bounds checked (make fuzz)
TRACE = bool(os.environ.get("SENDERID_FAST_TRACE"))
ANNOTATE = bool(os.environ.get("SENDERID_FAST_ANNOTATE"))
SANITIZE = bool(os.environ.get("SENDERID_FAST_SANITIZE"))

if SANITIZE:
    FLAGS = ["-O1", "-g", "-fno-omit-frame-pointer", "-fsanitize=address,undefined"]
    LINK = ["-fsanitize=address,undefined"]
elif os.name == "nt":
    FLAGS, LINK = [], []
else:
    FLAGS, LINK = ["-O3", "-g0"], []

setup(
    # Each module is the work of a compiler of its own.
    options={"build_ext": {"parallel": os.cpu_count() or 1}},
    ext_modules=cythonize(
        [
            Extension(
                f"senderid_fast._core.{source.stem}",
                [source.as_posix()],
                include_dirs=["src"],
                depends=[header.as_posix() for header in sorted(Path("src").glob("*.h"))],
                define_macros=[("CYTHON_TRACE_NOGIL", "1")] if TRACE else [],
                extra_compile_args=FLAGS,
                extra_link_args=LINK,
            )
            for source in sorted(Path("src").glob("*.pyx"))
        ],
        include_path=["."],  # so that senderid_fast/_core/x.pxd is found by its package name
        build_dir=None if TRACE else "build/cython",
        force=TRACE or ANNOTATE or SANITIZE,  # cythonize does not see that directives changed
        annotate=ANNOTATE,
        compiler_directives={
            "language_level": "3",
            "freethreading_compatible": True,
            "boundscheck": SANITIZE,
            "wraparound": False,
            "cdivision": True,
            "embedsignature": True,
            "autotestdict": False,  # no __test__, which stubtest would report
            "linetrace": TRACE,
        },
    ),
)
