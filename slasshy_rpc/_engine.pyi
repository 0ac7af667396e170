"""The Python-visible face of the compiled engine (ext/_engine.pyx)."""

from typing import Final, Self, final

from typing_extensions import Buffer

# How a body ends (RFC 9112 section 6.3).
LENGTH: Final[int]
CHUNKED: Final[int]
CLOSE: Final[int]

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

# What a call that answered "not now" waits for.
READ: Final[int]
WRITE: Final[int]

UNBOUNDED: Final[int]  # an end that is not known yet
BLOCK: Final[int]  # 16 KiB, the grain of live map and control file

class TlsError(Exception): ...

def load_tls(candidates: list[str]) -> str:
    """Bind libssl from the first path that works; returns it. Raises OSError if none does."""

def tls_library() -> str:
    """The libssl in use, or '' before load_tls."""

@final
class TlsContext:
    """Settings shared by TLS channels; made once per distinct set of options. Raises TlsError."""
    def __new__(
        cls,
        *,
        verify: bool = True,
        ca_file: str | None = None,
        ca_path: str | None = None,
        cert_file: str | None = None,
        key_file: str | None = None,
        min_version: int = 0x0303,
    ) -> Self: ...

@final
class Channel:
    """A connected non-blocking socket, with TLS or without. Owns the descriptor."""
    def __init__(self, fd: int) -> None: ...
    @property
    def fd(self) -> int: ...
    @property
    def closed(self) -> bool: ...
    @property
    def lent(self) -> bool: ...
    @property
    def wants(self) -> int: ...
    @property
    def body_left(self) -> int: ...
    @property
    def tls_version(self) -> str: ...
    def start_tls(self, context: TlsContext, host: str) -> None: ...
    def handshake(self) -> bool:
        """One step; False: wait for ``wants`` and call again. Raises TlsError, OSError."""
    def send(self, data: Buffer) -> int:
        """Bytes accepted; -1: wait for ``wants`` and call again. Raises TlsError, OSError."""
    def recv(self, size: int) -> bytes | None:
        """Bytes, b'' at the end of the stream; None: wait for ``wants``. Raises TlsError, OSError."""
    def stale(self) -> bool:
        """True if an idle channel was closed by the peer or holds bytes nobody asked for."""
    def begin_body(self, framing: int, length: int, prefix: bytes = b"") -> None:
        """A head was read: what follows (``prefix`` first) is a body of ``length`` bytes (LENGTH only)."""
    def close(self) -> None: ...

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
    def drain(self) -> list[Transfer]: ...
    def close(self) -> list[Transfer]:
        """Cancel and flush everything, end the threads; the Transfers that this ended."""
