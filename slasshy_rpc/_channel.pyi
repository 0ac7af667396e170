"""The Python-visible face of one connection (ext/_channel.pyx)."""

from typing import Final, Self, final

from typing_extensions import Buffer

# How a body ends (RFC 9112 section 6.3).
LENGTH: Final[int]
CHUNKED: Final[int]
CLOSE: Final[int]

# What a call that answered "not now" waits for.
READ: Final[int]
WRITE: Final[int]

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
    def recv_into(self, buffer: Buffer) -> int:
        """Bytes that were put at the beginning of ``buffer``; 0 at the end of the stream, -1: wait for ``wants``.

        Raises TlsError, OSError.
        """
    def stale(self) -> bool:
        """True if an idle channel was closed by the peer or holds bytes nobody asked for."""
    def begin_body(self, framing: int, length: int, prefix: Buffer = b"") -> None:
        """A head was read: what follows (``prefix`` first) is a body of ``length`` bytes (LENGTH only)."""
    def close(self) -> None: ...
