"""Every error that slasshy-rpc raises on purpose, with the code that users see.

Owns: the class tree and aria2's exit codes. Never: conversion from foreign errors, which happens once per floor.
"""

from __future__ import annotations

import enum


class ErrorCode(enum.IntEnum):
    """aria2's exit and ``errorCode`` values (aria2 manual, EXIT STATUS)."""

    OK = 0
    UNKNOWN = 1
    TIMEOUT = 2
    NOT_FOUND = 3
    MAX_FILE_NOT_FOUND = 4
    TOO_SLOW = 5
    NETWORK = 6
    UNFINISHED = 7
    CANNOT_RESUME = 8
    DISK_FULL = 9
    PIECE_LENGTH_CHANGED = 10
    SAME_FILE_IN_PROGRESS = 11
    SAME_HASH_IN_PROGRESS = 12
    FILE_EXISTS = 13
    RENAMING_FAILED = 14
    OPEN_FAILED = 15
    CREATE_FAILED = 16
    IO_ERROR = 17
    MKDIR_FAILED = 18
    NAME_RESOLUTION = 19
    METALINK = 20
    FTP = 21
    BAD_RESPONSE = 22
    TOO_MANY_REDIRECTS = 23
    AUTHORIZATION = 24
    BENCODE = 25
    TORRENT = 26
    MAGNET = 27
    OPTION = 28
    OVERLOADED = 29
    RPC_PARSE = 30
    REMOVED = 31
    CHECKSUM = 32


class Retry(enum.Enum):
    """What may be tried again after a failure."""

    NEVER = "never"  # the download has failed
    SAME_SOURCE = "same"  # the same URI may work after a pause
    NEXT_SOURCE = "next"  # this URI is dead; another may work


class SlasshyError(Exception):
    """Base of all errors raised on purpose; ``str()`` is a sentence for the user."""

    code: int = ErrorCode.UNKNOWN


class RpcError(SlasshyError):
    """An RPC call that gets an error answer. ``code`` is JSON-RPC's or aria2's 1."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


class OptionError(SlasshyError):
    """An option with a bad name or value. ``name`` is without dashes."""

    code = ErrorCode.OPTION

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(reason)
        self.name = name


class UsageError(SlasshyError):
    """A command line or a start-up state that cannot work; ends the process with ``code``.

    ``usage``: it helps to be reminded how the command is called.
    """

    def __init__(self, message: str, code: int = ErrorCode.UNKNOWN, *, usage: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.usage = usage


class DownloadError(SlasshyError):
    """Why a download, or one attempt of it, failed.

    ``retry_after`` is the number of seconds the server asked for, if it did. ``terse`` is what aria2 says of it, which
    is what compat shows over RPC.
    """

    def __init__(
        self,
        message: str,
        code: int = ErrorCode.UNKNOWN,
        retry: Retry = Retry.NEVER,
        retry_after: float | None = None,
        *,
        terse: str | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.retry = retry
        self.retry_after = retry_after
        self.terse = message if terse is None else terse


class DiskError(DownloadError):
    """Our own storage failed: never a reason to try another URI."""

    def __init__(
        self, message: str, code: int = ErrorCode.UNKNOWN, retry: Retry = Retry.NEVER, *, terse: str | None = None
    ) -> None:
        super().__init__(message, code, retry, terse="Download aborted." if terse is None else terse)


class OtherLength(DiskError):
    """What was begun at ``path`` is of a file of another length than the server has."""

    def __init__(self, message: str, path: str) -> None:
        super().__init__(message)
        self.path = path


class SourceError(DownloadError):
    """A server, or the way to it, failed."""


class Unreachable(SourceError):
    """Nobody answered where the server should be."""


class ProxyFault(SourceError):
    """The proxy failed, on the way to it: that says nothing about the server behind it."""
