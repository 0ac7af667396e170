"""Who passes the others: by the token among his first bytes, which stay where they are."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from slasshy_rpc.rpc.lane import Lane
from slasshy_rpc.rpc.places import Place, Places


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Ours, non-blocking, and the peer's."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        yield ours, theirs


@pytest.fixture
def peers() -> Iterator[ExitStack]:
    """Closes the peers of strangers in the end."""
    with ExitStack() as stack:
        yield stack


def stranger(peers: ExitStack) -> socket.socket:
    """A non-blocking connection over which nothing has come."""
    ours, theirs = socket.socketpair()
    peers.enter_context(theirs)
    peers.enter_context(ours)
    ours.setblocking(False)
    return ours


@pytest.mark.parametrize(
    ("secret", "sent", "passes"),
    [
        ("pass", b'POST /jsonrpc HTTP/1.1\r\n\r\n{"params": ["token:pass"]}', True),
        ("pass", b"token:guess token:pass", True),
        ("pass", b"token:a token:b token:pass", False),  # guessing costs more than one look
        ("pass", b"token:pas", False),
        ("pass", b"pass", False),
        ("pass", b"", False),
        ("p\xe4ss", "token:p\xe4ss".encode(), True),
        (None, b"token:pass", False),
        (None, b"", False),
    ],
)
def test_the_token_passes(
    pair: tuple[socket.socket, socket.socket], secret: str | None, sent: bytes, passes: bool
) -> None:
    ours, theirs = pair
    theirs.sendall(sent)
    assert Lane(secret).passes(ours) is (passes if sent or secret is None else None)
    if sent:
        assert ours.recv(4096) == sent


@pytest.mark.parametrize("secret", ["pass", None])
async def test_a_peer_that_has_gone_takes_no_place(
    pair: tuple[socket.socket, socket.socket], secret: str | None
) -> None:
    ours, theirs = pair
    places, lane = Places(10), Lane(secret)
    place = places.take("127.0.0.1", ours.close)
    assert place is not None
    assert not lane.admit(ours, place)
    theirs.close()
    lane.serve(0, lambda connection, place: None)
    assert places.taken == (0 if secret else 1)  # without a secret it has only to wait for its turn
    with pytest.raises(ConnectionError):
        lane.passes(ours)
    lane.close()


async def test_strangers_enter_in_order_without_those_who_have_gone(peers: ExitStack) -> None:
    places, lane, entered = Places(10), Lane("pass"), list[Place]()
    waiting = []
    for _ in range(4):
        connection = stranger(peers)
        place = places.take("127.0.0.1", connection.close)
        assert place is not None
        assert not lane.admit(connection, place)
        waiting.append((connection, place))
    waiting[0][1].leave()
    waiting[0][1].end()
    lane.serve(2, lambda connection, place: entered.append(place))
    assert entered == [waiting[1][1], waiting[2][1]]
    assert len(lane) == 1
    lane.close()
    assert waiting[3][0].fileno() == -1
    assert places.taken == 2
    for connection, place in waiting[1:3]:
        connection.close()
        place.leave()
    await asyncio.sleep(0)


async def test_a_token_that_comes_later_passes_too(pair: tuple[socket.socket, socket.socket], peers: ExitStack) -> None:
    ours, theirs = pair
    places, lane, entered = Places(10), Lane("pass"), list[Place]()
    first, second = stranger(peers), places.take("127.0.0.1", ours.close)
    place = places.take("127.0.0.1", first.close)
    assert place is not None
    assert second is not None
    assert not lane.admit(first, place)
    assert not lane.admit(ours, second)
    lane.serve(0, lambda connection, place: entered.append(place))
    assert entered == []
    theirs.sendall(b"token:pass")
    lane.serve(0, lambda connection, place: entered.append(place))
    assert entered == [second]
    lane.close()
    assert places.taken == 1
    second.leave()
