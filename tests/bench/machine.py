"""The machine under the bench: its facts, warm memory, and the compiled tools. Measures nothing itself.

Why memory is warmed: a virtual machine's host takes free pages back, and the first touch of such a page costs about
3 s of system time per GiB, billed to whoever touches it.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

MIB = 1 << 20
GIB = 1 << 30

# A process of its own, since its peak memory must not become the bench's. Big pages come from the big free blocks,
# which are the ones that hosts take back.
_TOUCH = """
import mmap, sys
size = int(sys.argv[1])
area = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
if hasattr(mmap, "MADV_HUGEPAGE"):
    area.madvise(mmap.MADV_HUGEPAGE)
zeros = bytes(1 << 20)
for at in range(0, size, 1 << 20):
    area[at:at + (1 << 20)] = zeros
"""


def free_memory() -> int:
    """Bytes that are free right now (not counting page cache); 0 where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemFree:")), 0)


def warm(wanted: int, *files: Path) -> None:
    """Touch and free `wanted` bytes (less when less is free, 512 MiB are left alone), then read `files` into the cache.

    The freed pages lie on top of the kernel's free lists, so the run that follows gets them.
    """
    size = min(wanted, free_memory() - 512 * MIB) // MIB * MIB
    if size > 0:
        subprocess.run([sys.executable, "-SEc", _TOUCH, str(size)], check=True)
    buffer = bytearray(MIB)
    for path in files:
        with path.open("rb", buffering=0) as file:
            while file.readinto(buffer):
                pass


def compile_tool(source: Path, folder: Path) -> Path:
    """Compile a C file of the bench; raises RuntimeError naming what is missing or wrong."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise RuntimeError("the bench needs a C compiler for its stop-watch: install gcc (Debian) or the Xcode tools")
    tool = folder / source.stem
    done = subprocess.run([compiler, "-O2", "-o", tool, source], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{source.name} does not compile: {done.stderr.strip()}")
    return tool


def filesystem(folder: Path) -> str:
    """The type of the file system under `folder`, as /proc/mounts names it; "unknown" elsewhere."""
    try:
        mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    except OSError:
        return "unknown"
    inside = [(len(point), kind) for point, kind in mounts if folder.resolve().is_relative_to(point)]
    return max(inside)[1] if inside else "unknown"


def facts(folder: Path) -> dict[str, str | int]:
    """What a reader must know of this machine to judge the figures."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), model)
    except OSError:
        pass
    return {
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processor": model,
        "processors": os.cpu_count() or 0,
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB),
        "filesystem": filesystem(folder),
        "python": platform.python_version(),
    }
