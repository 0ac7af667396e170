"""GIDs: making them, checking them, and finding a Download by the first digits of one.

Owns: the form (64 bits, 16 lower-case hex digits, never 0) and the texts of failed look-ups.
Never: the table of Downloads itself.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Container, Mapping
from typing import TypeVar

from slasshy_rpc.errors import RpcError

DIGITS = 16
_HEX = re.compile(r"[0-9a-f]{1,16}\Z")

T = TypeVar("T")

log = logging.getLogger(__name__)


class GidRefused(RpcError):
    """The GID that was asked for is none, or ``in_use`` already; aria2 says of both "No URI to download."."""

    def __init__(self, *, in_use: bool) -> None:
        super().__init__("No URI to download.")
        self.in_use = in_use


def chosen(wanted: object, in_use: Callable[[str], bool]) -> str:
    """The GID that a user wants, in its one spelling. Raises GidRefused; the log says why."""
    found = normalised(wanted) if isinstance(wanted, str) else None
    if found is None:
        log.error("The gid %r is not 16 hexadecimal digits other than zero; this download is skipped.", wanted)
        raise GidRefused(in_use=False)
    if in_use(found):
        log.error("The GID#%s is in use already; this download is skipped.", found)
        raise GidRefused(in_use=True)
    return found


#: Drawn together: one call of the system for each costs as much as all else of it, and lists have half a million.
_DRAWN: list[str] = []


def fresh(taken: Container[str]) -> str:
    """A random GID that is not in ``taken``."""
    while True:
        if not _DRAWN:
            digits = os.urandom(256 * DIGITS // 2).hex()
            _DRAWN.extend(digits[at : at + DIGITS] for at in range(0, len(digits), DIGITS))
        gid = _DRAWN.pop()
        if gid not in taken and gid.strip("0"):
            return gid


def normalised(text: str) -> str | None:
    """A whole GID as given by a user in its one spelling, or None if it is none."""
    text = text.lower()
    return text if len(text) == DIGITS and _HEX.match(text) and text.strip("0") else None


def find(text: str, table: Mapping[str, T]) -> T:
    """What the GID, or the unambiguous beginning of one, stands for.

    A whole GID costs one look-up; only an abbreviation walks through the table.
    Raises RpcError with aria2's texts, which repeat the GID as given.
    """
    gid = text.lower()
    found = table.get(gid)
    if found is not None:
        return found
    if not _HEX.match(gid):
        raise RpcError(f"Invalid GID {text}")
    if len(gid) < DIGITS:
        matches = [value for key, value in table.items() if key.startswith(gid)]
        if len(matches) > 1:
            raise RpcError(f"GID {text} is not unique")
        if matches:
            return matches[0]
    raise RpcError(f"GID {text} is not found")
