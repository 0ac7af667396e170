"""Parameterized URIs (aria2's --parameterized-uri): one text that stands for several mirrors.

Owns: ``{a,b}``, ``[1-3]``, ``[08-10]``, ``[A-E:2]`` and the texts of what is wrong with one.
Never: judging whether the results are URIs.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from itertools import product

from slasshy_rpc.errors import RpcError
from slasshy_rpc.session.uris import MOST

#: Bytes of all URIs together. More, or more than ``MOST`` of them, is a slip of the pen, or an attack on our memory.
MOST_BYTES = 16 << 20
_OPENING = re.compile(r"[{\[]")
_CLOSING = {"{": "}", "[": "]"}
_NUMBER = re.compile(r"[0-9]{1,18}\Z")
_ADDRESS = re.compile(r"[0-9A-Fa-f.]*:[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*\Z")  # [::1] is a host, not a range


def expand_all(texts: Iterable[str]) -> list[str]:
    """All that ``texts`` stand for, one after the other, of each the rightmost part changing fastest.

    Raises RpcError with aria2's texts, and if there are more than ``MOST``, or ``MOST_BYTES`` of them, before any of
    them is built. A backward range stands for nothing, which leaves one URI with nothing in that place (as aria2 does
    it).
    """
    patterns = []
    count = size = 0
    for text in texts:
        pattern = _parsed(text)
        many = math.prod(map(len, pattern))
        count += max(many, sum(len(part) for part in pattern if len(part) > 1))  # what stands for nothing is work, too
        if count > MOST:
            raise _too_many()
        size += sum(sum(map(_size, part)) * many // len(part) for part in pattern) if many else 0
        if size > MOST_BYTES:
            raise RpcError(f"The parameterized string stands for more than {MOST_BYTES >> 20} MiB of URIs.")
        if many:
            patterns.append(pattern)
    return ["".join(chosen) for pattern in patterns for chosen in product(*pattern)]


def _parsed(text: str) -> list[Sequence[str]]:
    """The parts of ``text``, each with what may stand there; neighbours without a choice are one part.

    So there are few of them if the whole stands for no more than ``MOST``. Behind a part that stands for nothing
    nobody looks. The work grows with the length of ``text`` and with the choices, not with their product.
    """
    parts: list[Sequence[str]] = []
    fixed: list[str] = []
    count, at = 1, 0
    while count and (found := _OPENING.search(text, at)):
        opening = found[0]
        end = text.find(_CLOSING[opening], found.end())
        if end < 0:
            raise RpcError(f"Missing '{_CLOSING[opening]}' in the parameterized string.")
        inside = text[found.end() : end]
        fixed.append(text[at : found.start()])
        choices = _choices(inside) if opening == "{" else _range(inside)
        if len(choices) == 1:
            fixed.append(choices[0])
        else:
            parts += [["".join(fixed)], choices]
            fixed = []
            count *= len(choices)
            if count > MOST:
                raise _too_many()
        at = end + 1
    parts.append(["".join(fixed) + text[at:]])
    return parts


def _size(text: str) -> int:
    """Bytes of ``text`` in a URI, where all beyond ASCII becomes %XX."""
    return len(text) if text.isascii() else 3 * len(text.encode("utf-8", "replace"))


def _choices(inside: str) -> list[str]:
    return [word for word in map(str.strip, inside.split(",")) if word]


def _range(inside: str) -> list[str]:
    if _ADDRESS.match(inside):
        return [f"[{inside}]"]
    span, colon, step_text = inside.partition(":")
    step = int(step_text) if _NUMBER.match(step_text) else 0
    if colon and step < 1:
        raise RpcError("A step count must be a positive number.")
    first, dash, last = span.partition("-")
    if not dash:
        raise RpcError("Loop range missing.")
    width = len(first) if len(first) == len(last) else 0
    if _NUMBER.match(first) and _NUMBER.match(last):
        numbers = _numbers(int(first), int(last), step or 1)
        return [f"{number:0{width}}" for number in numbers] or [""]
    for letter_a in "aA":
        start, end = _from_letters(first, letter_a), _from_letters(last, letter_a)
        if start is not None and end is not None:
            return [_to_letters(number, width, letter_a) for number in _numbers(start, end, step or 1)] or [""]
    raise RpcError("Invalid loop range.")


def _numbers(first: int, last: int, step: int) -> range:
    numbers = range(first, last + 1, step)
    if last - first > MOST * step:
        raise _too_many()
    return numbers


def _from_letters(text: str, letter_a: str) -> int | None:
    """The number that letters write in base 26, with ``letter_a`` as 0."""
    number = 0
    for letter in text:
        digit = ord(letter) - ord(letter_a)
        if not 0 <= digit < 26:
            return None
        number = number * 26 + digit
    return number if 0 < len(text) <= 10 else None


def _to_letters(number: int, width: int, letter_a: str) -> str:
    letters = ""
    while number or not letters or len(letters) < width:
        number, digit = divmod(number, 26)
        letters = chr(ord(letter_a) + digit) + letters
    return letters


def _too_many() -> RpcError:
    return RpcError(f"The parameterized string stands for more than {MOST} URIs.")
