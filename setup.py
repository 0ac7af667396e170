"""Builds the compiled engine, slasshy_rpc._channel and slasshy_rpc._engine, from ext/.

Owns: compiler flags and the debug and sanitizer switches. Never: metadata, which is in pyproject.toml.

SLASSHY_DEBUG=1           no optimisation, symbols, Cython line tracing, an annotated HTML page beside the C file
SLASSHY_SANITIZE=LIST     "address,undefined" or "thread": passed to the compiler as -fsanitize=LIST
SLASSHY_KQUEUE=1          on Linux, the loop of macOS and the BSDs against libkqueue (Debian: libkqueue-dev)
"""

from __future__ import annotations

import glob
import os
import shutil
import sys
import sysconfig

from Cython.Build import cythonize
from setuptools import Extension, setup

DEBUG = os.environ.get("SLASSHY_DEBUG", "") not in ("", "0")
KQUEUE = os.environ.get("SLASSHY_KQUEUE", "") not in ("", "0")
SANITIZE = os.environ.get("SLASSHY_SANITIZE", "")
NAMES = ("_channel", "_engine")
LINUX = sys.platform.startswith("linux")


def choose_compiler() -> None:
    """Name a compiler that exists when the one that Python was built with does not (standalone Pythons)."""
    built_with = (sysconfig.get_config_var("CC") or "cc").split()[0]
    if "CC" in os.environ or shutil.which(built_with):
        return
    found = next(filter(shutil.which, ("cc", "gcc", "clang")), None)
    if found:
        os.environ["CC"] = found
        os.environ.setdefault("LDSHARED", f"{found} -shared" if LINUX else f"{found} -bundle -undefined dynamic_lookup")


def extension(name: str) -> Extension:
    """One of ours. It links only what the C library brings: libssl is opened at run time."""
    compile_args = ["-std=c11", "-fvisibility=hidden", "-Wall", "-Wno-unused-function"]
    link_args: list[str] = []
    macros: list[tuple[str, str | None]] = [("_GNU_SOURCE", None)] if LINUX else []
    if DEBUG:
        compile_args += ["-O0", "-g3", "-UNDEBUG"]
        macros += [("CYTHON_TRACE_NOGIL", "1")]
    elif SANITIZE:
        compile_args += ["-O1", "-g", "-fno-omit-frame-pointer"]
    else:
        compile_args += ["-O3", "-g0", *(["-fno-plt"] if LINUX else [])]
    if SANITIZE:
        compile_args += [f"-fsanitize={SANITIZE}"]
        link_args += [f"-fsanitize={SANITIZE}"]
    if KQUEUE:
        macros += [("SLASSHY_KQUEUE", None)]
    return Extension(
        f"slasshy_rpc.{name}",
        [f"ext/{name}.pyx"],
        # Without this list the sdist lacks the sources, and a changed .pxd rebuilds nothing.
        depends=sorted([*glob.glob("ext/*.p*"), *glob.glob("slasshy_rpc/*.pxd")]),
        include_dirs=["ext", *(["/usr/include/kqueue"] if KQUEUE else [])],
        libraries=[*(["pthread", "dl"] if LINUX else []), *(["kqueue"] if KQUEUE else [])],
        define_macros=macros,
        extra_compile_args=compile_args,
        extra_link_args=link_args,
    )


choose_compiler()
setup(
    ext_modules=cythonize(
        [extension(name) for name in NAMES],
        build_dir="build/debug" if DEBUG else "build/cython",
        include_path=["ext", "."],
        annotate=DEBUG,
        compiler_directives={"language_level": 3, "linetrace": DEBUG, "auto_pickle": False, "autotestdict": False},
    )
)
