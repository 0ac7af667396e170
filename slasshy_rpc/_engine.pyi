"""The Python-visible face of the compiled engine (ext/_engine.pyx)."""

from typing import Final, final

from typing_extensions import Buffer

from slasshy_rpc._channel import CHUNKED as CHUNKED
from slasshy_rpc._channel import CLOSE as CLOSE
from slasshy_rpc._channel import LENGTH as LENGTH
from slasshy_rpc._channel import READ as READ
from slasshy_rpc._channel import WRITE as WRITE
from slasshy_rpc._channel import Channel as Channel
from slasshy_rpc._channel import TlsContext as TlsContext
from slasshy_rpc._channel import TlsError as TlsError
from slasshy_rpc._channel import load_tls as load_tls
from slasshy_rpc._channel import tls_library as tls_library

__all__ = [
    "BAD_CHUNK",
    "BLOCK",
    "BOUND",
    "CANCELLED",
    "CHUNKED",
    "CLOSE",
    "COMPLETE",
    "EOF",
    "LENGTH",
    "READ",
    "RUNNING",
    "SOCKET_ERROR",
    "STALLED",
    "TLS_ERROR",
    "UNBOUNDED",
    "WRITE",
    "WRITE_ERROR",
    "Channel",
    "Engine",
    "LiveMap",
    "Pace",
    "Put",
    "TlsContext",
    "TlsError",
    "Transfer",
    "load_tls",
    "tls_library",
]

# Why a Transfer ended.
RUNNING: Final[int]
COMPLETE: Final[int]  # the end was reached, and the body ended there too
BOUND: Final[int]  # the end was reached; the body goes on
EOF: Final[int]  # the peer closed before the end
CANCELLED: Final[int]
SOCKET_ERROR: Final[int]  # os_error tells
WRITE_ERROR: Final[int]  # os_error tells
TLS_ERROR: Final[int]  # message tells
BAD_CHUNK: Final[int]
STALLED: Final[int]  # nothing arrived for timeout seconds

UNBOUNDED: Final[int]  # an end that is not known yet
BLOCK: Final[int]  # 16 KiB, the grain of live map and control file

@final
class Pace:
    """A rate limit in bytes a second (0: none); a download's Pace has the global one as parent."""
    def __init__(self, rate: int = 0, parent: Pace | None = None) -> None: ...
    rate: int

@final
class LiveMap:
    """Marks 16 KiB blocks in a writable buffer as their bytes reach the file."""
    def __init__(self, bitmap: Buffer, length: int) -> None: ...
    def mark(self, start: int, end: int) -> None: ...
    def close(self) -> None:
        """Let go of the buffer. Raises RuntimeError while a Transfer that has not come out of ``drain`` marks in it."""

@final
class Transfer:
    """One Segment on one Channel. Counters may be read at any time, from any thread."""
    @property
    def offset(self) -> int: ...
    @property
    def position(self) -> int: ...
    @property
    def flushed(self) -> int: ...
    @property
    def end(self) -> int: ...
    @property
    def reason(self) -> int: ...
    @property
    def os_error(self) -> int: ...
    @property
    def message(self) -> str: ...
    def shrink(self, end: int) -> bool:
        """Give up the bytes from ``end`` on; False if they have been received already."""
    def cancel(self) -> None: ...

@final
class Put:
    """One small file. ``done`` is None until it has come out of ``drain``; then whether the file is there."""
    @property
    def done(self) -> bool | None: ...

@final
class Engine:
    """The worker threads. ``wakeup_fd`` is readable when ``drain`` has something."""
    def __init__(self, threads: int = 1, buffer_size: int = 4 << 20, buffer_budget: int = 64 << 20) -> None: ...
    @property
    def wakeup_fd(self) -> int: ...
    def receive(
        self,
        channel: Channel,
        fd: int,
        offset: int,
        end: int,
        *,
        solid_from: int = -1,
        live: LiveMap | None = None,
        pace: Pace | None = None,
        timeout: float = 60.0,
    ) -> Transfer:
        """Move the channel's body to ``fd`` at ``offset`` up to ``end``.

        Bytes from ``solid_from`` to ``offset`` are on disk already (for marking the live map).
        The channel is lent until the Transfer comes out of ``drain``.
        """
    def put(self, path: bytes, record: bytes, body: Buffer, modified: int | None = None) -> Put:
        """Make the file ``path`` of ``body``, dated ``modified`` (whole seconds since the epoch), in one go.

        ``body`` must not change until the Put has come out of ``drain``. It is not done, and nothing else is, if
        anything lies there or at ``record``, or if the system refuses a step.
        """
    def drain(self) -> list[Transfer | Put]: ...
    def close(self) -> list[Transfer | Put]:
        """Cancel and flush everything, end the threads; what this ended. Files that are waited for are made first."""
