"""In what order new connections are served: whoever shows the token with his first bytes passes all others.

Owns: that look, and the line of those who wait. Never: taking a byte away (it only peeks), or judging a token.
"""

from __future__ import annotations

import socket
from collections import OrderedDict
from collections.abc import Callable
from hmac import compare_digest

from slasshy_rpc.rpc.call import TOKEN
from slasshy_rpc.rpc.places import Place

#: Bytes that are looked at: a head, and the beginning of a call.
_GLANCE = 4096
#: Tokens in them that are compared: a call has one, and each comparison is work.
_MOST_TOKENS = 2

_MARK = TOKEN.encode()


class Lane:
    """Strangers in the order in which they came; with ``secret`` (text, or None) whoever shows it passes them.

    A program that makes a connection for each call would otherwise wait behind a flood of guesses: to serve a
    connection takes many times as long as to look at it.
    """

    def __init__(self, secret: str | None) -> None:
        self._secret = None if secret is None else secret.encode("utf-8", "surrogateescape")
        self._waiting: OrderedDict[Place, socket.socket] = OrderedDict()
        self._silent: set[Place] = set()  # those of them who have said nothing yet

    def __len__(self) -> int:
        return len(self._waiting)

    def passes(self, connection: socket.socket) -> bool | None:
        """Whether the token is among the bytes that have come over a non-blocking ``connection``; None if none have.

        Raises ConnectionError if the peer has gone without a word.
        """
        try:
            data = connection.recv(_GLANCE, socket.MSG_PEEK)
        except BlockingIOError:
            return None if self._secret is not None else False
        except OSError as error:
            raise ConnectionError(str(error)) from error
        if not data:
            raise ConnectionError("it has ended")
        return self._secret is not None and _shows(data, self._secret)

    def admit(self, connection: socket.socket, place: Place) -> bool:
        """Whether it need not wait; else it is put last, and closed at once if it is cut off meanwhile.

        Raises ConnectionError if the peer has gone without a word.
        """
        passes = self.passes(connection)
        if passes:
            return True
        place.end = connection.close
        self._waiting[place] = connection
        if passes is None:
            self._silent.add(place)
        return False

    def serve(self, count: int, enter: Callable[[socket.socket, Place], None]) -> None:
        """Let those ``enter`` who have shown the token by now, and the first ``count`` others who are still there."""
        for place in list(self._silent):
            try:
                passes = False if place.gone.is_set() else self.passes(self._waiting[place])
            except ConnectionError:
                place.end()
                place.leave()
                passes = False
            if passes is not None:
                self._silent.discard(place)
            if passes:
                enter(self._waiting.pop(place), place)
        while self._waiting and count > 0:
            place, connection = self._waiting.popitem(last=False)
            self._silent.discard(place)
            if not place.gone.is_set():
                enter(connection, place)
                count -= 1

    def close(self) -> None:
        """Nobody waits any more."""
        self._silent.clear()
        while self._waiting:
            place, connection = self._waiting.popitem()
            connection.close()
            place.leave()


def _shows(data: bytes, secret: bytes) -> bool:
    at = 0
    for _ in range(_MOST_TOKENS):
        if (at := data.find(_MARK, at)) < 0:
            return False
        at += len(_MARK)
        if compare_digest(data[at : at + len(secret)], secret):
            return True
    return False
