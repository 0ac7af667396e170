"""A name server on a free loop-back port: answers from a table over UDP, or says nothing.

Owns: one socket and its thread. Never: imports slasshy_rpc, or asks another server.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
import threading
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

A, AAAA = 1, 28
_FOUND, _NO_SUCH_NAME = 0x8580, 0x8583


class NameServer:
    """Alive inside ``with``. ``table``: name → its addresses; other names do not exist. ``silent``: never answers.

    ``asked`` are the names so far, in order, each with the type (A or AAAA).
    """

    def __init__(
        self, table: Mapping[str, Sequence[str]], *, silent: bool = False, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self._table = {name.lower(): [ipaddress.ip_address(one) for one in found] for name, found in table.items()}
        self._silent = silent
        self._socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((host, port))
        self.port = int(self._socket.getsockname()[1])
        self.place = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
        self.asked: list[tuple[str, int]] = []
        self._thread = threading.Thread(target=self._serve, name="name-server", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        with socket.socket(self._socket.family, socket.SOCK_DGRAM) as bell:
            bell.sendto(b"", self._socket.getsockname())  # an empty message ends it
        self._thread.join(10)
        self._socket.close()

    def _serve(self) -> None:
        while message := self._socket.recvfrom(4096):
            query, client = message
            if not query:
                return
            if len(query) > 12 and (answer := self._answer(query)) and not self._silent:
                self._socket.sendto(answer, client)

    def _answer(self, query: bytes) -> bytes:
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1 : at + 1 + query[at]].decode("ascii"))
            at += 1 + query[at]
        name, kind = ".".join(labels).lower(), struct.unpack_from(">H", query, at + 1)[0]
        self.asked.append((name, kind))
        found = [one.packed for one in self._table.get(name, ()) if (one.version == 6) == (kind == AAAA)]
        flags = _FOUND if name in self._table else _NO_SUCH_NAME
        head = query[:2] + struct.pack(">HHHHH", flags, 1, len(found), 0, 0)
        records = b"".join(b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 60, len(one)) + one for one in found)
        return head + query[12 : at + 5] + records
