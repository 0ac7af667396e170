"""Parameterized URIs (aria2's --parameterized-uri): one text that stands for several mirrors.

Owns: ``{a,b}``, ``[1-3]``, ``[08-10]``, ``[A-E:2]`` and the texts of what is wrong with one.
Never: judging whether the results are URIs.
"""

from __future__ import annotations

import math
import re
from itertools import product

from slasshy_rpc.errors import RpcError

#: More than this is a slip of the pen, or an attack on our memory.
MOST = 10_000
_CLOSING = {"{": "}", "[": "]"}
_NUMBER = re.compile(r"[0-9]{1,18}\Z")
_ADDRESS = re.compile(r"[0-9A-Fa-f.]*:[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*\Z")  # [::1] is a host, not a range


def expand(text: str) -> list[str]:
    """All that ``text`` stands for, the rightmost part changing fastest.

    Raises RpcError with aria2's texts, and if there are more than ``MOST``. A backward range stands for nothing,
    which leaves one URI with nothing in that place (as aria2 does it).
    """
    parts: list[list[str]] = []
    while found := re.search(r"[{\[]", text):
        opening = found[0]
        end = text.find(_CLOSING[opening], found.end())
        if end < 0:
            raise RpcError(f"Missing '{_CLOSING[opening]}' in the parameterized string.")
        inside = text[found.end() : end]
        parts.append([text[: found.start()]])
        parts.append(_choices(inside) if opening == "{" else _range(inside))
        if math.prod(map(len, parts)) > MOST:
            raise _too_many()
        text = text[end + 1 :]
    return ["".join(chosen) for chosen in product(*parts, [text])]


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
