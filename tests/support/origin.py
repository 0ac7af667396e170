"""The hostile HTTP/1.1 origin: serves deterministic content and misbehaves as told, from a thread with its own loop.

Records every request for assertions. Never imports slasshy_rpc; knobs are in `behaviour`, answers in `answer`.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Literal as Choice
from typing import Self

from tests.support.answer import Answer, Resource, answer, parse_range
from tests.support.behaviour import GOOD, Behaviour, Choose, Failure, Seen
from tests.support.content import Content, Literal
from tests.support.wire import Gone, Wire

PIECE = 65536  # bytes handed to the kernel at a time
TICK = 0.02  # seconds worth of bytes in one write of a limited body
OverLimit = Choice["503", "refuse", "stall"]


@dataclass(slots=True)
class _Route:
    resource: Resource
    choose: Choose
    released: asyncio.Event
    count: int = 0


class Origin:
    """A server on a free loop-back port, alive inside `with`; a bug in it is raised at the end of the block.

    `tls` makes it https. `max_connections` caps the open connections: one more gets a 503, an RST or silence.
    """

    def __init__(
        self,
        tls: ssl.SSLContext | None = None,
        *,
        host: str = "127.0.0.1",
        max_connections: int = 0,
        over_limit: OverLimit = "503",
    ) -> None:
        self._tls = tls
        self.host = host
        self._max_connections = max_connections
        self._over_limit = over_limit
        self._routes: dict[str, _Route] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="origin", daemon=True)
        self._changed = threading.Condition()
        self._tasks: set[asyncio.Task[None]] = set()
        self._seen: list[Seen] = []
        self._faults: list[BaseException] = []
        self._started = time.monotonic()
        self.port = 0
        self.connections = 0  # accepted so far
        self.peers: list[str] = []  # the address that each came from
        self.open_connections = 0  # now
        self.peak_connections = 0  # at once, at most
        self.tls_failures: list[str] = []  # handshakes that clients broke off, and why

    # ---- life

    def __enter__(self) -> Self:
        self._thread.start()
        self.accept()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        if self._faults and kind is None:
            raise RuntimeError("the origin itself failed, see the cause") from self._faults[0]

    async def _stop(self) -> None:
        self._server.close()
        await asyncio.sleep(0)  # connections accepted a moment ago get to their try block, which closes them
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def accept(self) -> None:
        """Listen (again, after refuse) on the same port."""

        async def start() -> asyncio.Server:
            return await asyncio.start_server(self._accepted, self.host, self.port, backlog=1024, limit=2**18)

        self._server = asyncio.run_coroutine_threadsafe(start(), self._loop).result(10)
        self.port = self._server.sockets[0].getsockname()[1]

    def refuse(self) -> None:
        """Refuse new connections from now on; those that are open go on."""

        async def stop() -> None:
            self._server.close()

        asyncio.run_coroutine_threadsafe(stop(), self._loop).result(10)

    def hang_up(self) -> None:
        """Reset every open connection now."""
        self._loop.call_soon_threadsafe(lambda: [task.cancel() for task in self._tasks])

    # ---- what is served

    def serve(
        self,
        path: str,
        *,
        length: int = 0,
        seed: int = 0,
        data: bytes | None = None,
        behaviour: Behaviour | Choose = GOOD,
    ) -> str:
        """Serve `length` bytes of `seed` (or `data`) at `path` from now on; returns the URL.

        `behaviour` is one for all requests, or a chooser (behaviour.first, nth, every, after or any callable).
        """
        content = Content(length, seed) if data is None else Literal(data)
        chosen = behaviour
        choose: Choose = (lambda seen: chosen) if isinstance(chosen, Behaviour) else chosen
        self._routes[path] = _Route(Resource(content), choose, asyncio.Event())
        return self.url(path)

    def chain(self, path: str, to: str, *, hops: int = 1, status: int = 302, relative: bool = True) -> str:
        """`hops` redirects from `path` to the URL or path `to`; returns the URL of the first."""
        for hop in range(hops, 0, -1):
            here = path if hop == 1 else f"{path}-{hop}"
            target = to if relative or "://" in to else self.url(to)
            self.serve(here, behaviour=Behaviour(redirect=target, redirect_status=status))
            to = here
        return self.url(path)

    def url(self, path: str, *, userinfo: str = "") -> str:
        """The URL of `path` here."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self._tls else 'http'}://{userinfo + '@' if userinfo else ''}{host}:{self.port}{path}"

    def content(self, path: str, version: int | None = None) -> Content:
        """What `path` serves (now, or in that version), for comparing."""
        resource = self._routes[path].resource
        content = resource.at(resource.version if version is None else version)
        if isinstance(content, Literal):
            raise TypeError(f"{path} serves literal data")
        return content

    def change(self, path: str) -> None:
        """Answers from now on carry the next version: other bytes, ETag and Last-Modified, the same length."""
        route = self._routes[path]
        route.resource = replace(route.resource, version=route.resource.version + 1)

    def release(self, path: str) -> None:
        """Let the bodies that stand at Behaviour.hold_at go on, and all later ones pass."""
        self._loop.call_soon_threadsafe(self._routes[path].released.set)

    # ---- what was seen

    def requests(self, path: str | None = None) -> list[Seen]:
        """The requests so far, in order of arrival, for one path or all."""
        return [seen for seen in list(self._seen) if path is None or seen.path == path]

    def sent(self, path: str | None = None) -> int:
        """Body bytes handed to the kernel so far."""
        return sum(seen.sent for seen in self.requests(path))

    def wait(self, ready: Callable[[Origin], bool], seconds: float = 10) -> None:
        """Block until `ready(self)`; looked at whenever something happens here. TimeoutError after `seconds`."""
        with self._changed:
            if not self._changed.wait_for(lambda: ready(self), seconds):
                raise TimeoutError(
                    f"the origin saw {len(self._seen)} requests and {self.sent()} bytes, not what was awaited"
                )

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()

    # ---- one connection

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        self.peers.append(str(writer.get_extra_info("peername")[0]))
        self.open_connections += 1
        self.peak_connections = max(self.peak_connections, self.open_connections)
        self._notify()
        wire = Wire(reader, writer, self._tls)
        try:
            await self._connection(wire, self.connections)
        except (Gone, asyncio.CancelledError):
            pass  # the client left, or the test ends
        except Exception as error:
            self._faults.append(error)
        finally:
            wire.reset()  # nothing happens to one that is closed already
            self._tasks.discard(task)
            self.open_connections -= 1
            self._notify()

    async def _connection(self, wire: Wire, connection: int) -> None:
        over = 0 < self._max_connections < self.open_connections
        if over and self._over_limit == "refuse":
            wire.reset()
            return
        try:
            await wire.handshake()
        except Gone as gone:
            self.tls_failures.append(str(gone))
            raise
        if over and self._over_limit == "stall":
            await wire.until_gone()
            return
        while True:
            seen = self._read(await wire.read_head(), connection)
            await wire.read_exactly(int(seen.header("content-length") or 0))
            try:
                again = await self._exchange(wire, seen, over)
            finally:
                seen.ended = seen.ended or "left"
                self._notify()
            if not again:
                return

    def _read(self, head: bytes, connection: int) -> Seen:
        first, *rest = head.decode("latin-1").rstrip("\r\n").split("\r\n")
        method, target, version = first.split(" ")
        fields = tuple((name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in rest))
        path = target.partition("?")[0]
        route = self._routes.get(path)
        if route is not None:
            route.count += 1
        seen = Seen(
            number=len(self._seen) + 1,
            nth=route.count if route else 0,
            connection=connection,
            at=time.monotonic() - self._started,
            method=method,
            target=target,
            path=path,
            version=version,
            headers=fields,
        )
        seen.range = parse_range(seen.header("range"))
        self._seen.append(seen)
        self._notify()
        return seen

    async def _exchange(self, wire: Wire, seen: Seen, over: bool) -> bool:
        """Answer one request; True when the connection serves another."""
        route = self._routes.get(seen.path)
        behaviour = route.choose(seen) if route else Behaviour(status=404, body=b"nothing here\n")
        if over:
            behaviour = Behaviour(status=503, body=b"too many connections\n", keep_alive=False)
        released = route.released if route else asyncio.Event()
        if behaviour.hold_at == -1:
            await released.wait()
        if behaviour.latency:
            await asyncio.sleep(behaviour.latency)
        if behaviour.raw is not None:
            await wire.write(behaviour.raw)
            return await _break(wire, seen, behaviour.fail_how)
        keep = behaviour.keep_alive and behaviour.framing != "close" and not behaviour.length_off
        keep = keep and behaviour.lengths is None and _wants_more(seen)
        result = answer(seen, route.resource if route else Resource(Literal(b"")), behaviour, keep_alive=keep)
        seen.status = result.status
        head = result.head(behaviour)
        if behaviour.fail_in_head is not None:
            head = head[: behaviour.fail_in_head]
        for part in [head[i : i + 1] for i in range(len(head))] if behaviour.head_pause else [head]:
            await wire.write(part)
            if behaviour.head_pause:
                await asyncio.sleep(behaviour.head_pause)
        if behaviour.fail_in_head is not None:
            return await _break(wire, seen, behaviour.fail_how)
        if seen.method == "HEAD" or result.status in (204, 304):
            seen.ended = "done"
        elif not await self._body(wire, seen, result, behaviour, released):
            return await _break(wire, seen, behaviour.fail_how)
        seen.ended = "done"
        if not keep or behaviour.hang_up:
            self._notify()
            await wire.close()
            return False
        return True

    async def _body(
        self, wire: Wire, seen: Seen, result: Answer, behaviour: Behaviour, released: asyncio.Event
    ) -> bool:
        """Send the body at its pace; False where a knob says that it breaks off."""
        slow = behaviour.slow_every and seen.connection % behaviour.slow_every == 0
        rate = behaviour.slow_rate if slow else behaviour.rate
        piece = min(PIECE, max(1, int(rate * TICK))) if rate else PIECE
        chunked = behaviour.framing == "chunked" and behaviour.lengths is None
        if chunked:
            piece = min(piece, behaviour.chunk)
        stop = result.end - result.start
        if behaviour.fail_after is not None:
            stop = min(stop, behaviour.fail_after)
        begun, at = time.monotonic(), 0
        while at < stop or behaviour.hold_at == at:
            if behaviour.hold_at == at and not released.is_set():
                self._notify()
                await released.wait()
            if at >= stop:
                break
            until = min(at + piece, stop)
            if behaviour.hold_at is not None and at < behaviour.hold_at:
                until = min(until, behaviour.hold_at)
            data = result.body.slice(result.start + at, result.start + until)
            await wire.write(_chunk(data, behaviour, broken=_breaks(at, until, stop, piece)) if chunked else data)
            seen.sent += len(data)
            at = until
            await asyncio.sleep(max(0.0, begun + at / rate - time.monotonic()) if rate else 0)
        self._notify()
        if behaviour.fail_after is not None and behaviour.fail_after <= result.end - result.start:
            return False
        if chunked and behaviour.bad_chunk != "unfinished":
            trailers = "".join(f"{name}: {value}\r\n" for name, value in behaviour.trailers)
            await wire.write(f"0\r\n{trailers}\r\n".encode())
        await wire.write(behaviour.surplus)
        return not (chunked and behaviour.bad_chunk)


def _wants_more(seen: Seen) -> bool:
    wish = (seen.header("connection") or "").lower()
    return "close" not in wish and (seen.version == "HTTP/1.1" or "keep-alive" in wish)


def _breaks(at: int, until: int, stop: int, piece: int) -> bool:
    """Whether the chunk [at, until) is the one to spoil: the second, or the only one."""
    return at == piece or (at == 0 and until == stop)


def _chunk(data: bytes, behaviour: Behaviour, *, broken: bool) -> bytes:
    size, ending = f"{len(data):x}", b"\r\n"
    if broken:
        bad = {
            "size": "xyz",
            "empty-size": "",
            "negative": "-5",
            "huge": "1" + "0" * 16,
            "long-line": size + " " * 2**17,
        }
        size = bad.get(behaviour.bad_chunk, size)
        ending = b"!!" if behaviour.bad_chunk == "ending" else ending
    return f"{size}{behaviour.chunk_extension}\r\n".encode() + data + ending


async def _break(wire: Wire, seen: Seen, how: Failure) -> bool:
    seen.ended = "failed"
    if how == "stall":
        await wire.until_gone()
    elif how == "reset":
        wire.reset()
    elif how == "truncate":
        await wire.truncate()
    else:
        await wire.close()
    return False


@contextlib.contextmanager
def closed_port(host: str = "127.0.0.1") -> Iterator[int]:
    """A port on which connections are refused: bound, so that nobody else gets it, but never listening."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as held:
        held.bind((host, 0))
        yield held.getsockname()[1]
