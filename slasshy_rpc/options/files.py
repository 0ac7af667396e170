"""Readers of the two text files that hold options: the conf file and the input (or session) file.

Owns: their line rules, which are aria2's. Never: writes them, and never decides where they are.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from slasshy_rpc.errors import OptionError, UsageError
from slasshy_rpc.options.table import TABLE, Scope
from slasshy_rpc.options.values import Normal, is_void, parse_value

_BLANKS = " \t\r\n\v\f"
_GZIP_MAGIC = b"\x1f\x8b"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # some editors leave one


class Entry(NamedTuple):
    """One download to add: the mirrors of one file and the options of its own, normalised."""

    uris: tuple[str, ...]
    options: dict[str, Normal]


def read_conf(path: str) -> list[tuple[int, str, str]]:
    """The settings of a conf file: line number (from 1), name, raw value. gzip is accepted.

    Each line is ``name=value``; blanks around both are dropped, a line without ``=`` has an empty value, ``#`` at the
    start makes a comment and nowhere else. Names are not looked up. Raises UsageError when the file cannot be read.
    """
    settings = []
    try:
        for number, line in _lines(path):
            name, _, value = line.strip(_BLANKS).partition("=")
            name = name.rstrip(_BLANKS)
            if name and not name.startswith("#"):
                settings.append((number, name, value.strip(_BLANKS)))
    except FileNotFoundError:
        raise UsageError(f"Configuration file {path} is not found.", usage=True) from None
    except (OSError, EOFError, zlib.error) as error:
        raise UsageError(f"Configuration file {path} cannot be read: {_cause(error)}.") from None
    return settings


def check_input(path: str) -> None:
    """Raises UsageError, as ``read_input`` will, for an input file that is not there; reads nothing of a pipe."""
    if path != "-" and (not os.path.exists(path) or os.path.isdir(path)):
        raise UsageError(_not_there(path))


def _not_there(path: str) -> str:
    return f"Failed to open the file {path}, cause: File not found or it is a directory"


def read_input(
    path: str, *, compat: bool, warn: Callable[[str], None], refuse: Callable[[OptionError], None] | None = None
) -> Iterator[Entry]:
    """The entries of an input file, read while they are asked for; ``-`` is standard input, gzip is accepted.

    A line that starts without a blank holds URIs with TABs between them; the indented lines below it are
    ``name=value``. Unknown options are told to ``warn`` by name alone (a mistyped one may carry a password); those not
    allowed for a single download are passed over. An entry with a bad value is told to ``refuse`` and left out.
    Raises UsageError when the file cannot be read, OptionError for a bad value where there is no ``refuse``.
    """
    uris: tuple[str, ...] = ()
    options: dict[str, Normal] = {}
    refused = False
    try:
        for number, line in _lines(path):
            text = line.strip(_BLANKS)
            if not text or line.startswith("#"):
                continue
            if uris and line[0] in " \t":
                try:
                    _take(options, text, f"{path}, line {number}", compat=compat, warn=warn)
                except OptionError as error:
                    if refuse is None:
                        raise
                    refuse(error)
                    refused = True
                continue
            if uris and not refused:
                yield Entry(uris, options)
            uris = tuple(uri for part in text.split("\t") if (uri := part.strip(_BLANKS)))
            options, refused = {}, False
    except (OSError, EOFError, zlib.error) as error:
        if isinstance(error, (FileNotFoundError, IsADirectoryError)):
            message = _not_there(path)
        else:
            message = f"Failed to read the file {path}, cause: {_cause(error)}"
        raise UsageError(message) from None
    if uris and not refused:
        yield Entry(uris, options)


def _take(options: dict[str, Normal], text: str, place: str, *, compat: bool, warn: Callable[[str], None]) -> None:
    """Put the option in ``text`` into ``options``; ``place`` goes into messages."""
    name, _, raw = text.partition("=")
    name = name.rstrip(_BLANKS)
    option = TABLE.get(name)
    if option is None:
        warn(f"Unknown option: {name} ({place})")
        return
    if Scope.NEW not in option.scope:
        return
    try:
        value = parse_value(option, raw.strip(_BLANKS), compat=compat)
    except OptionError as error:
        raise OptionError(error.name, f"{error} ({place})") from None
    if is_void(option, value):
        return
    earlier = options.get(option.name)
    options[option.name] = (*earlier, *value) if isinstance(earlier, tuple) and option.cumulative else value


def _lines(path: str) -> Iterator[tuple[int, str]]:
    """Numbered lines; bytes that are not UTF-8 come through as os.fsdecode would give them."""
    source: str | int = 0 if path == "-" else path
    with open(source, "rb", closefd=path != "-") as file:
        if not file.peek(2).startswith(_GZIP_MAGIC):
            yield from _decoded(file)
            return
        import gzip  # not needed for the usual plain file

        with gzip.GzipFile(fileobj=file) as unpacked:
            yield from _decoded(unpacked)


def _decoded(lines: Iterable[bytes]) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(lines, 1):
        text = line.removeprefix(_BYTE_ORDER_MARK) if number == 1 else line
        yield number, text.decode("utf-8", "surrogateescape")


def _cause(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
