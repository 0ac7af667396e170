"""Parameters of RPC calls, taken by position and type with aria2's texts for what is wrong.

Owns: those texts. Never: what a parameter means. Indices count from 0, after the token was taken away.
"""

from __future__ import annotations

from typing import TypeVar

from slasshy_rpc.errors import RpcError

T = TypeVar("T")
Params = list[object]


def text(params: Params, index: int) -> str:
    """A string that must be there."""
    return _required(params, index, str)


def integer(params: Params, index: int, least: int | None = None) -> int:
    """A whole number that must be there and be no smaller than ``least``."""
    number = _required(params, index, int)
    if least is not None and number < least:
        raise RpcError(
            f"The integer parameter at {index} has invalid value: the value must be greater than or equal to {least}."
        )
    return number


def listing(params: Params, index: int) -> list[object]:
    """A list that must be there."""
    return _required(params, index, list)


def struct(params: Params, index: int) -> dict[str, object]:
    """A struct that must be there."""
    return _required(params, index, dict)


def struct_or_empty(params: Params, index: int) -> dict[str, object]:
    """A struct, empty if it is left out (null is not left out)."""
    return struct(params, index) if len(params) > index else {}


def integer_or_none(params: Params, index: int) -> int | None:
    """A whole number, None if it is left out (null is not left out)."""
    return integer(params, index) if len(params) > index else None


def keys(params: Params, index: int) -> tuple[str, ...]:
    """The keys that an answer should have; none given means all."""
    return tuple(strings(listing(params, index))) if len(params) > index else ()


def strings(values: list[object]) -> list[str]:
    """The strings among ``values``; aria2 passes over anything else."""
    return [value for value in values if isinstance(value, str)]


def position(number: int | None) -> int | None:
    """A place in the queue. Raises RpcError for one before the first."""
    if number is not None and number < 0:
        raise RpcError("Position must be greater than or equal to 0.")
    return number


def window(size: int, offset: int, count: int) -> tuple[int, int, bool]:
    """Which of ``size`` entries tellWaiting and tellStopped mean: start, end (exclusive), and whether backwards.

    A negative ``offset`` counts from the end (-1: the last), and the entries go from there towards the head.
    """
    if offset >= 0:
        return offset, min(size, offset + count), False
    if size + offset < 0:
        return 0, 0, True
    end = size + offset + 1
    return max(0, end - count), end, True


def _required(params: Params, index: int, kind: type[T]) -> T:
    if len(params) <= index:
        raise RpcError(f"The parameter at {index} is required but missing.")
    value = params[index]
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is int):
        raise RpcError(f"The parameter at {index} has wrong type.")
    return value
