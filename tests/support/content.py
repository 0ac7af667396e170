"""Reproducible pseudo-random bytes for (seed, length), any slice computable without building the whole.

No two 16 KiB blocks are alike, so bytes written to a wrong place are always seen. Never touches files or the network.
"""

from __future__ import annotations

import functools
import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

BLOCK = 64 * 1024


@functools.lru_cache(maxsize=512)
def _block(seed: int, number: int) -> bytes:
    """One 64 KiB block; the cache holds 32 MiB, since parallel segments and retries ask for the same ones again."""
    return random.Random((seed << 48) | number).randbytes(BLOCK)


@dataclass(frozen=True, slots=True)
class Content:
    """`length` bytes that depend on `seed` alone: a longer Content of the same seed begins with a shorter one."""

    length: int
    seed: int = 0

    def slice(self, start: int, end: int) -> bytes:
        """The bytes of the half-open range [start, end), cut at the content's own ends."""
        start, end = max(start, 0), min(end, self.length)
        if end <= start:
            return b""
        first, last = start // BLOCK, (end - 1) // BLOCK
        if first == last:
            return _block(self.seed, first)[start - first * BLOCK : end - first * BLOCK]
        parts = [_block(self.seed, number) for number in range(first, last + 1)]
        parts[0] = parts[0][start - first * BLOCK :]
        parts[-1] = parts[-1][: end - last * BLOCK]
        return b"".join(parts)

    def blocks(self) -> Iterator[bytes]:
        """The whole content, 64 KiB at a time."""
        for start in range(0, self.length, BLOCK):
            yield self.slice(start, start + BLOCK)

    def whole(self) -> bytes:
        """All of it at once; for small contents."""
        return self.slice(0, self.length)

    def digest(self, algorithm: str = "sha256") -> str:
        """Hex digest of the whole, by hashlib's name of the algorithm."""
        running = hashlib.new(algorithm)
        for block in self.blocks():
            running.update(block)
        return running.hexdigest()

    def sha256(self) -> str:
        """Hex SHA-256 of the whole."""
        return self.digest()

    def write(self, path: Path) -> None:
        """Write the whole to `path`."""
        with path.open("wb") as file:
            for block in self.blocks():
                file.write(block)

    def difference(self, path: Path) -> str | None:
        """None when the file at `path` is exactly this content, else where and how it departs first."""
        size = path.stat().st_size
        with path.open("rb") as file:
            for start in range(0, min(size, self.length), BLOCK):
                wanted, found = self.slice(start, start + BLOCK), file.read(BLOCK)
                if wanted[: len(found)] != found:
                    at = next(i for i, (a, b) in enumerate(zip(wanted, found, strict=False)) if a != b)
                    return f"{path.name} departs from its source at byte {start + at}"
        return None if size == self.length else f"{path.name} is {size} bytes long instead of {self.length}"


@dataclass(frozen=True, slots=True)
class Literal:
    """Given bytes behind the same face as Content (error pages, gzip bodies, list files)."""

    data: bytes

    @property
    def length(self) -> int:
        """Number of bytes."""
        return len(self.data)

    def slice(self, start: int, end: int) -> bytes:
        """The bytes of the half-open range [start, end), cut at the ends."""
        return self.data[max(start, 0) : max(end, 0)]

    def digest(self, algorithm: str = "sha256") -> str:
        """Hex digest of the whole, by hashlib's name of the algorithm."""
        return hashlib.new(algorithm, self.data).hexdigest()

    def sha256(self) -> str:
        """Hex SHA-256 of the whole."""
        return self.digest()


def sha256_file(path: Path) -> str:
    """Hex SHA-256 of the file at `path`."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
