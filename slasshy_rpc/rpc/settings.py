"""What the RPC server was told, as plain values.

Owns: the reading of rpc-* options. Never: whether a caller is let in, which is guard's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from slasshy_rpc.options.values import OptionSet


@dataclass(frozen=True, slots=True, kw_only=True)
class RpcSettings:
    """How to listen, whom to let in and how much to take; sizes in bytes, times in seconds."""

    port: int = 6800
    listen_all: bool = False
    secret: str | None = field(default=None, repr=False)
    #: HTTP Basic: the name to show, and the password; any password is right where there is none.
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    #: Over TLS, with these PEM files.
    secure: bool = False
    certificate: str | None = None
    private_key: str | None = None
    min_tls_version: str = "TLSv1.2"
    allow_origin_all: bool = False
    allow_origins: tuple[str, ...] = ()
    allow_hosts: tuple[str, ...] = ()
    max_request_size: int = 2 << 20
    #: Listen beyond loop-back without a secret, as aria2 does, instead of refusing to start.
    open_without_secret: bool = False
    #: The longest silence inside a request head or body, and between requests of a connection.
    idle_timeout: float = 30.0
    #: The answer to a wrong token comes this much later.
    hold: float = 1.0
    max_connections: int = 512
    #: Notifications that may wait for one slow WebSocket before it is closed.
    max_waiting_events: int = 16384

    @classmethod
    def from_options(cls, options: OptionSet, *, compat: bool = False) -> RpcSettings:
        """The settings that ``options`` describe; ``compat`` listens without a secret as readily as aria2 does."""
        return cls(
            port=options.integer("rpc-listen-port"),
            listen_all=options.flag("rpc-listen-all"),
            secret=options.text("rpc-secret") or None,
            user=options.text("rpc-user") or None,
            password=options.text("rpc-passwd") or None,
            secure=options.flag("rpc-secure"),
            certificate=options.text("rpc-certificate") or None,
            private_key=options.text("rpc-private-key") or None,
            min_tls_version=options.text("min-tls-version") or "TLSv1.2",
            allow_origin_all=options.flag("rpc-allow-origin-all"),
            allow_origins=options.lines("rpc-allow-origin"),
            allow_hosts=options.lines("rpc-allow-host"),
            max_request_size=options.integer("rpc-max-request-size"),
            open_without_secret=compat,
        )
