"""The engine against its plain Python twin: the same stream, cut anywhere, ends in the same bytes and reason."""

from __future__ import annotations

import contextlib
import itertools
import random
import socket
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slasshy_rpc import _engine
from slasshy_rpc._engine import BLOCK, CHUNKED, CLOSE, LENGTH, UNBOUNDED, Channel, LiveMap
from tests.engine.reference import OVERHEAD, Reference
from tests.engine.rig import PATIENCE, SENTINEL, Rig, Target, await_, pattern, unread

FILE = 1 << 20
quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@dataclass(frozen=True)
class Script:
    """A body on the wire: ``pieces`` are sent one at a time, each after the one before was read."""

    framing: int
    length: int
    pieces: tuple[bytes, ...]
    offset: int = 0
    end: int = UNBOUNDED
    prefix: bytes = b""


@dataclass(frozen=True)
class Outcome:
    """What must not depend on who received, or on how the stream was cut."""

    reason: int
    os_error: int
    position: int
    flushed: int
    end: int
    content: bytes


def play(peer: socket.socket, pieces: tuple[bytes, ...], running: threading.Event) -> None:
    """Send piece by piece, each when the one before has been read or nobody reads any more; then close."""
    with contextlib.suppress(OSError):
        for piece in pieces:
            peer.sendall(piece)
            await_(lambda: not unread(peer) or running.is_set(), "reading a piece")
    peer.close()


def by_engine(script: Script, rig: Rig, path: Path) -> tuple[Outcome, bytes, int]:
    """(outcome, live map, what the channel says is left)."""
    bitmap = bytearray(FILE // BLOCK // 8)
    live = LiveMap(bitmap, FILE)
    over = threading.Event()
    ours, peer = socket.socketpair()
    ours.setblocking(False)
    channel = Channel(ours.detach())
    feeder = threading.Thread(target=play, args=(peer, script.pieces, over), daemon=True)
    with Target(path, FILE) as target:
        transfer = rig.receive(
            channel,
            target.fd,
            script.offset,
            script.end,
            framing=script.framing,
            length=script.length,
            prefix=script.prefix,
            live=live,
        )
        feeder.start()
        rig.settle(transfer)
        over.set()
        feeder.join(PATIENCE)
        content = target.read()
    left = channel.body_left
    channel.close()
    live.close()
    return (
        Outcome(transfer.reason, transfer.os_error, transfer.position, transfer.flushed, transfer.end, content),
        bytes(bitmap),
        left,
    )


def by_reference(script: Script, path: Path) -> Outcome:
    over = threading.Event()
    ours, peer = socket.socketpair()
    feeder = threading.Thread(target=play, args=(peer, script.pieces, over), daemon=True)
    with Target(path, FILE) as target, ours:
        twin = Reference(
            ours,
            target.fd,
            script.offset,
            script.end,
            framing=script.framing,
            length=script.length,
            prefix=script.prefix,
            timeout=PATIENCE,
        )
        twin.start()
        feeder.start()
        twin.join(PATIENCE)
        over.set()
        feeder.join(PATIENCE)
        return Outcome(twin.reason, twin.os_error, twin.position, twin.flushed, twin.end, target.read())


def blocks(start: int, end: int) -> bytes:
    """The bitmap of the whole blocks in a range of bytes, worked out block by block."""
    bitmap = bytearray(FILE // BLOCK // 8)
    for block in range(FILE // BLOCK):
        if start <= block * BLOCK and (block + 1) * BLOCK <= end:
            bitmap[block // 8] |= 0x80 >> block % 8
    return bytes(bitmap)


def agree(script: Script, tmp_path: Path) -> Outcome:
    """Both receive it and say the same; returns what they say."""
    with Rig(buffer_size=256 << 10) as rig:
        engine, bitmap, left = by_engine(script, rig, tmp_path / "engine")
    twin = by_reference(script, tmp_path / "twin")
    if script.framing == CHUNKED and engine.reason == _engine.COMPLETE and script.end != UNBOUNDED:
        # Whether the last chunk was in the same read as the last byte is chance; the twin never looks.
        engine = Outcome(_engine.BOUND, *list(vars(engine).values())[1:])
    assert engine == twin
    assert bitmap == blocks(script.offset, engine.flushed)
    outside = engine.content[: script.offset] + engine.content[engine.flushed :]
    assert outside.count(SENTINEL) == len(outside), "bytes outside of what was received were touched"
    if script.framing == LENGTH and not left:
        assert engine.position - script.offset == script.length
    return engine


def cut(stream: bytes, places: list[int]) -> tuple[bytes, ...]:
    marks = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return tuple(stream[a:b] for a, b in itertools.pairwise(marks) if a < b)


def chunked(chunks: list[bytes], *, extension: bytes = b"", trailers: bytes = b"", upper: bool = False) -> bytes:
    sizes = [f"{len(chunk):X}" if upper else f"{len(chunk):x}" for chunk in chunks]
    parts = [
        size.encode() + extension + b"\r\n" + chunk + b"\r\n"
        for size, chunk in zip(sizes, chunks, strict=True)
        if chunk
    ]
    return b"".join(parts) + b"0" + extension + b"\r\n" + trailers + b"\r\n"


@quick
@given(
    body=st.integers(0, 3 * BLOCK),
    sent=st.integers(-200, 200),
    end=st.integers(-3, 3),
    offset=st.sampled_from([0, 1, 100, BLOCK - 1, BLOCK, 5 * BLOCK + 17]),
    prefix=st.integers(0, 300),
    places=st.lists(st.integers(0, 1 << 20), max_size=6),
    known=st.booleans(),
)
def test_length(
    tmp_path: Path, body: int, sent: int, end: int, offset: int, prefix: int, places: list[int], known: bool
) -> None:
    """A body of known length, too short, exact or with more behind it, up to an end before, at or after its own."""
    stream = pattern(max(0, body + sent))
    to = max(offset + body + end * 1000, offset + 1) if known else UNBOUNDED
    script = Script(LENGTH, body, cut(stream[prefix:], places), offset, to, stream[:prefix])
    outcome = agree(script, tmp_path)
    got = outcome.flushed - offset
    assert outcome.content[offset : outcome.flushed] == stream[:got]
    assert got == min(body, len(stream), to - offset)


@quick
@given(
    body=st.integers(0, 3 * BLOCK),
    end=st.integers(-3, 3),
    offset=st.sampled_from([0, 7, BLOCK]),
    prefix=st.integers(0, 300),
    places=st.lists(st.integers(0, 1 << 20), max_size=6),
    known=st.booleans(),
)
def test_until_the_peer_closes(
    tmp_path: Path, body: int, end: int, offset: int, prefix: int, places: list[int], known: bool
) -> None:
    stream = pattern(body)
    to = max(offset + body + end * 1000, offset + 1) if known else UNBOUNDED
    outcome = agree(Script(CLOSE, 0, cut(stream[prefix:], places), offset, to, stream[:prefix]), tmp_path)
    assert outcome.content[offset : outcome.flushed] == stream[: to - offset]
    assert outcome.reason == (_engine.COMPLETE if not known else _engine.BOUND if to - offset <= body else _engine.EOF)


@quick
@given(
    sizes=st.lists(st.one_of(st.integers(1, 9), st.integers(1, 2 * BLOCK)), max_size=8),
    end=st.one_of(st.none(), st.integers(1, 3 * BLOCK)),
    extension=st.sampled_from([b"", b";a=b", b' ; name="va;lue"', b"\t"]),
    trailers=st.sampled_from([b"", b"A: b\r\n", b"A: b\r\nLonger-Name:\r\n"]),
    upper=st.booleans(),
    rest=st.sampled_from([b"", b"", b"HTTP/1.1 200 OK\r\n"]),
    lost=st.one_of(st.just(0), st.integers(0, 60)),
    prefix=st.integers(0, 80),
    places=st.lists(st.integers(0, 1 << 20), max_size=8),
)
def test_chunks(
    tmp_path: Path,
    sizes: list[int],
    end: int | None,
    extension: bytes,
    trailers: bytes,
    upper: bool,
    rest: bytes,
    lost: int,
    prefix: int,
    places: list[int],
) -> None:
    payload = pattern(sum(sizes))
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    chunks = [payload[a : a + size] for a, size in zip(starts, sizes, strict=True)]
    whole = chunked(chunks, extension=extension, trailers=trailers, upper=upper)
    stream = (whole + rest)[: len(whole + rest) - lost]
    to = UNBOUNDED if end is None else end
    outcome = agree(Script(CHUNKED, 0, cut(stream[prefix:], places), 0, to, stream[:prefix]), tmp_path)
    assert outcome.content[: outcome.flushed] == payload[: outcome.flushed]
    if lost <= len(rest):
        assert outcome.flushed == min(len(payload), to)


@quick
@given(
    stream=st.one_of(
        st.binary(max_size=60),
        st.text(alphabet="0123456789aF;\r\n xG:\t", max_size=60).map(str.encode),
        st.lists(
            st.sampled_from(
                [b"5\r\n", b"hello", b"\r\n", b"0\r\n", b"A: b\r\n", b"\n", b"\r", b"a;x\r\n", b"0123456789"]
            ),
            max_size=12,
        ).map(b"".join),
    ),
    places=st.lists(st.integers(0, 1 << 20), max_size=10),
    prefix=st.integers(0, 20),
    end=st.sampled_from([UNBOUNDED, UNBOUNDED, 3, 5]),
)
def test_garbage_chunks(tmp_path: Path, stream: bytes, places: list[int], prefix: int, end: int) -> None:
    agree(Script(CHUNKED, 0, cut(stream[prefix:], places), 0, end, stream[:prefix]), tmp_path)


@quick
@given(
    body=st.integers(0, 200),
    where=st.integers(0, 400),
    byte=st.integers(0, 255),
    places=st.lists(st.integers(0, 1 << 20), max_size=6),
)
def test_one_wrong_byte(tmp_path: Path, body: int, where: int, byte: int, places: list[int]) -> None:
    stream = bytearray(chunked([pattern(body // 2), pattern(body - body // 2)], trailers=b"A: b\r\n"))
    stream[where % len(stream)] = byte
    agree(Script(CHUNKED, 0, cut(bytes(stream), places)), tmp_path)


@pytest.mark.parametrize("framing", [LENGTH, CHUNKED, CLOSE])
def test_every_split_between_head_and_body(tmp_path: Path, framing: int) -> None:
    payload = pattern(40)
    stream = chunked([payload[:13], payload[13:]], trailers=b"A: b\r\n") if framing == CHUNKED else payload
    for at in range(len(stream) + 1):
        rest = (stream[at:],) if at < len(stream) else ()
        outcome = agree(Script(framing, len(payload), rest, 3, UNBOUNDED, stream[:at]), tmp_path)
        assert outcome.reason == _engine.COMPLETE
        assert outcome.content[3:43] == payload


@pytest.mark.parametrize("size", [1, 2, BLOCK, FILE - 5])
def test_one_chunk_of_any_size(tmp_path: Path, size: int) -> None:
    payload = pattern(size)
    outcome = agree(Script(CHUNKED, 0, cut(chunked([payload]), [1, 2, size // 2]), 5), tmp_path)
    assert outcome.content[5 : 5 + size] == payload


def test_ten_thousand_chunks_of_a_byte(tmp_path: Path) -> None:
    payload = pattern(10_000)
    stream = chunked([payload[i : i + 1] for i in range(len(payload))])
    outcome = agree(
        Script(CHUNKED, 0, cut(stream, [random.Random(7).randrange(len(stream)) for _ in range(50)])), tmp_path
    )
    assert outcome.reason == _engine.COMPLETE
    assert outcome.content[:10_000] == payload


@pytest.mark.parametrize(
    ("stream", "reason"),
    [
        (b"1;" + b"x" * (OVERHEAD - 4) + b"\r\na\r\n0\r\n\r\n", _engine.COMPLETE),
        (b"1;" + b"x" * (OVERHEAD - 3) + b"\r\na\r\n0\r\n\r\n", _engine.BAD_CHUNK),
        (b"1\r\na\r\n0\r\n" + b"A: b\r\n" * (OVERHEAD // 6 + 1) + b"\r\n", _engine.BAD_CHUNK),
        (b"00000000000001\r\na\r\n0\r\n\r\n", _engine.COMPLETE),
        (b"0000000000000001\r\na\r\n0\r\n\r\n", _engine.BAD_CHUNK),
        (b"fffffffffffffff\r\nabc", _engine.EOF),
        (b"ffffffffffffffff\r\nabc", _engine.BAD_CHUNK),
        (b"-1\r\nabc", _engine.BAD_CHUNK),
        (b"0x1\r\nabc", _engine.BAD_CHUNK),
        (b"1\na\n0\n\n", _engine.BAD_CHUNK),
        (b"3\r\nabcd\r\n", _engine.BAD_CHUNK),
        (b"\r\n", _engine.BAD_CHUNK),
        (b"0\r\n\r\n", _engine.COMPLETE),
        (b"", _engine.EOF),
    ],
)
def test_limits_of_chunks(tmp_path: Path, stream: bytes, reason: int) -> None:
    assert agree(Script(CHUNKED, 0, (stream,) if stream else ()), tmp_path).reason == reason
    assert agree(Script(CHUNKED, 0, cut(stream, list(range(min(len(stream), 40))))), tmp_path).reason == reason


def test_payload_before_a_broken_chunk_counts(tmp_path: Path) -> None:
    """The same position whether the broken chunk came in the same read or in one of its own."""
    stream = b"5\r\nhello\r\nnonsense"
    together = agree(Script(CHUNKED, 0, (stream,)), tmp_path)
    apart = agree(Script(CHUNKED, 0, (stream[:10], stream[10:])), tmp_path)
    assert together == apart
    assert (together.position, together.reason) == (5, _engine.BAD_CHUNK)


def test_a_body_that_goes_on_in_the_same_read_is_bound(tmp_path: Path) -> None:
    """COMPLETE would say that the body ended where the segment does."""
    with Rig() as rig:
        outcome, _, left = by_engine(Script(CHUNKED, 0, (chunked([b"hello"]),), 0, 3), rig, tmp_path / "a")
    assert (outcome.reason, outcome.position, left) == (_engine.BOUND, 3, -1)


@pytest.mark.parametrize(
    ("framing", "length", "stream", "prefix", "left"),
    [
        (LENGTH, 5, b"hello", 0, 0),
        (LENGTH, 5, b"hello", 5, 0),
        (LENGTH, 5, b"hello+", 6, -1),
        (CHUNKED, 0, chunked([b"hello"]), 0, 0),
        (CHUNKED, 0, chunked([b"hello"]), 15, 0),
        (CHUNKED, 0, chunked([b"hello"]) + b"+", 16, -1),
        (CHUNKED, 0, chunked([b"hello"]) + b"+", 0, -1),
        (CLOSE, 0, b"hello", 0, -1),
    ],
)
def test_what_is_left_tells_whether_to_reuse(
    tmp_path: Path, framing: int, length: int, stream: bytes, prefix: int, left: int
) -> None:
    """0 only when the next bytes on the channel belong to the next answer."""
    rest = (stream[prefix:],) if prefix < len(stream) else ()
    with Rig() as rig:
        outcome, _, said = by_engine(Script(framing, length, rest, prefix=stream[:prefix]), rig, tmp_path / "a")
    assert (outcome.reason, said) == (_engine.COMPLETE, left)
