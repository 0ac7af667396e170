"""Bits as aria2 and the live map keep them: high bit first, one bit a piece or a block.

Owns: turning byte ranges into bits and back, rounding so that bits never claim more than ranges do. Never: I/O.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

#: Bytes in a block, the grain of aria2's in-flight pieces and of the live map.
BLOCK = 16 * 1024

Range = tuple[int, int]

_SET_BYTES = re.compile(rb"\xff+|[^\x00\xff]+")


def count(length: int, unit: int) -> int:
    """How many units of ``unit`` bytes cover ``length`` bytes; the last may be short."""
    return -(-length // unit)


def size(bits: int) -> int:
    """How many bytes hold ``bits`` bits."""
    return -(-bits // 8)


def whole_units(start: int, end: int, length: int, unit: int) -> Range:
    """The half-open run of unit numbers that lie wholly inside ``start`` to ``end``.

    The last, short unit of ``length`` bytes counts when ``end`` reaches ``length``.
    """
    last = count(length, unit) if end >= length else end // unit
    return count(start, unit), last


def set_run(field: bytearray, first: int, last: int) -> None:
    """Set the bits ``first`` up to, but not including, ``last``."""
    if first >= last:
        return
    head, tail = first // 8, (last - 1) // 8
    head_mask, tail_mask = 0xFF >> first % 8, 0xFF << (7 - (last - 1) % 8) & 0xFF
    if head == tail:
        field[head] |= head_mask & tail_mask
        return
    field[head] |= head_mask
    field[head + 1 : tail] = b"\xff" * (tail - head - 1)
    field[tail] |= tail_mask


def runs(field: bytes | bytearray | memoryview, bits: int) -> Iterator[Range]:
    """Half-open runs of set bits among the first ``bits``, ascending and never touching each other."""
    first = last = -1
    for start, end in _byte_runs(field):
        end = min(end, bits)
        if start >= end:
            break
        if start != last:
            if last > first:
                yield first, last
            first = start
        last = end
    if last > first:
        yield first, last


def _byte_runs(field: bytes | bytearray | memoryview) -> Iterator[Range]:
    """Runs of set bits within a byte, or over a stretch of full bytes; neighbours may touch."""
    for match in _SET_BYTES.finditer(field):
        if match[0][0] == 0xFF:
            yield match.start() * 8, match.end() * 8
            continue
        for offset, byte in enumerate(match[0], match.start()):
            position = 0
            while position < 8:
                start = position
                while position < 8 and byte & 0x80 >> position:
                    position += 1
                if position > start:
                    yield offset * 8 + start, offset * 8 + position
                position += 1


def merged(ranges: Iterable[Range], length: int) -> tuple[Range, ...]:
    """The same bytes as sorted, disjoint, non-touching half-open ranges.

    Raises ValueError for a range that is reversed or leaves 0 to ``length``: whoever made it has lost count.
    """
    result: list[Range] = []
    for start, end in sorted(ranges):
        if not 0 <= start <= end <= length:
            raise ValueError(f"range {start}-{end} is not inside a file of {length} bytes")
        if start == end:
            continue
        if result and start <= result[-1][1]:
            result[-1] = result[-1][0], max(result[-1][1], end)
        else:
            result.append((start, end))
    return tuple(result)
