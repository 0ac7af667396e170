"""One call, whatever wire it came over: the token, system.*, the way to the api, and errors turned into answers.

Owns: authorisation, how much one message may ask for, and the error table. Never: text, sockets, or what the aria2.*
methods do.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import Protocol, Self
from weakref import WeakKeyDictionary

from slasshy_rpc.clock import monotonic
from slasshy_rpc.errors import OptionError, RpcError, SlasshyError
from slasshy_rpc.values import Event

log = logging.getLogger("slasshy_rpc.rpc")

#: Seconds that a long answer may hold the event loop before other calls get their turn. One call takes about three
#: turns of the loop, so that it waits about three slices.
SLICE = 0.001

#: Different wrong tokens of one message that are looked at; whoever guesses gets no more for his wait.
MOST_TOKENS = 16
#: Bytes of answers after which no further call of the same message is made, and the same for those who have not shown
#: the token: a few bytes of request make many of answer.
MOST_ANSWERED = 64 << 20
MOST_ANSWERED_STRANGERS = 64 << 10

INTERNAL_ERROR = -32603
MULTICALL = "system.multicall"
LIST_METHODS = "system.listMethods"
LIST_NOTIFICATIONS = "system.listNotifications"
_SYSTEM = (MULTICALL, LIST_METHODS, LIST_NOTIFICATIONS)
TOKEN = "token:"


class Events(Protocol):
    """Where state events are heard; callbacks run synchronously and must not block."""

    def subscribe(self, callback: Callable[[Event, str], None], /) -> object:
        """From now on ``callback(event, gid)`` is called for every event."""

    def unsubscribe(self, callback: Callable[[Event, str], None], /) -> object:
        """Stop calling ``callback``."""


class Api(Protocol):
    """What stands behind the wire: the methods and the events of one session."""

    @property
    def METHODS(self) -> Sequence[str]:
        """Every method's name, in aria2's listMethods order."""

    @property
    def NOTIFICATIONS(self) -> Sequence[str]:
        """Every notification's name, in aria2's listNotifications order."""

    def call(self, name: str, params: list[object], /) -> Awaitable[object]:
        """The method's result, as plain JSON values; raises RpcError. ``params`` carry no token.

        A list of more than 256 entries may be a sequence that makes each of them when it is asked for.
        """

    def settled(self) -> Awaitable[None]:
        """Returns when what earlier calls have paused or removed has halted, or a moment later."""

    def events(self) -> Events:
        """Where the session's state events are heard."""


@dataclass(frozen=True, slots=True)
class Call:
    """A method's name and its positional parameters, the token still among them."""

    method: str
    params: list[object] = field(default_factory=list)


@dataclass(slots=True)
class Visit:
    """What one message showed about who sent it: whether a token was right, and different ones that were not.

    A missing token counts as one that was wrong; not more than ``MOST_TOKENS`` are kept. ``answered`` is how many bytes
    of answer there are so far, where a message holds several calls. ``settled``: its calls have begun.
    """

    authorised: bool = False
    wrong_tokens: set[str] = field(default_factory=set)
    answered: int = 0
    settled: bool = False


class Fault(dict[str, object]):
    """What stands for a failed call among the results of system.multicall: ``code`` and ``message``, as JSON has it."""


class Slices:
    """Lets other work through at least every SLICE seconds of a long loop.

    However many such loops there are, one of them has a slice in each turn of the event loop: those who have had none
    yet first, so that what is nearly done does not wait for all that is long.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._lines = _LINES.setdefault(self._loop, _Lines())
        self._until = monotonic() + (SLICE / 4 if self._lines else SLICE)
        self._new = True

    async def pause(self) -> None:
        """Give way to the event loop if this slice is used up."""
        if monotonic() >= self._until:
            await self.turn()

    async def turn(self) -> None:
        """Wait for a slice, before work that cannot be cut."""
        turn = self._loop.create_future()
        if not self._lines:
            self._loop.call_soon(self._lines.next_turn, self._loop)
        self._lines[0 if self._new else 1].append(turn)
        self._new = False
        await turn
        self._until = monotonic() + SLICE


class _Lines(tuple[deque["asyncio.Future[None]"], deque["asyncio.Future[None]"]]):
    """Those who wait for their first slice, and for a further one."""

    __slots__ = ()

    def __new__(cls) -> Self:
        return super().__new__(cls, (deque(), deque()))

    def __bool__(self) -> bool:
        return any(map(len, self))

    def next_turn(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wake one of them; called once in each turn of ``loop`` while there are any."""
        turn = (self[0] or self[1]).popleft()
        if self:
            loop.call_soon(self.next_turn, loop)
        if not turn.done():
            turn.set_result(None)


_LINES: WeakKeyDictionary[asyncio.AbstractEventLoop, _Lines] = WeakKeyDictionary()


#: Makes of one part of a system.multicall what the wire wants to keep of it, and adds to ``Visit.answered``.
Pack = Callable[[object], Awaitable[object]]


async def _as_it_is(part: object) -> object:
    return part


async def dispatch(api: Api, secret: str | None, call: Call, visit: Visit, pack: Pack = _as_it_is) -> object:
    """The call's result. Raises RpcError, and nothing else, for every failure.

    The first parameter is taken away whenever it starts with ``token:``; with a ``secret`` it must be the right one,
    before the method's existence or its other parameters are looked at. system.* needs none; the calls inside
    system.multicall bring their own.
    """
    method, params = call.method, call.params
    try:
        if method == MULTICALL:
            return await _multicall(api, secret, params, visit, pack)
        if method == LIST_METHODS:
            return [*api.METHODS, *(name for name in _SYSTEM if name not in api.METHODS)]
        if method == LIST_NOTIFICATIONS:
            return list(api.NOTIFICATIONS)
        token = params[0] if params else None
        given = token if isinstance(token, str) and token.startswith(TOKEN) else None
        if secret is not None:
            _admit(given, secret, visit)
        if not visit.settled:  # aria2 has halted a download before it hears the next message, not the next call
            visit.settled = True
            await api.settled()
        return await api.call(method, params if given is None else params[1:])
    except Exception as error:
        raise as_answer(error, method) from error


def as_answer(error: Exception, method: str) -> RpcError:
    """The RpcError that tells the caller about ``error``; what only the user should know goes to the log."""
    match error:
        case RpcError():
            return error
        case OptionError():
            log.error("%s: --%s: %s", method, error.name, error)
            return RpcError(f"We encountered a problem while processing the option '--{error.name}'.")
        case SlasshyError():
            return RpcError(str(error))
    log.error("%s failed inside; please report this", method, exc_info=error)
    return RpcError(f"{method} failed inside the server; its log says where.", INTERNAL_ERROR)


def check_room(secret: str | None, visit: Visit) -> None:
    """Raise RpcError if the message of ``visit`` has had all the bytes of answer that it may have."""
    most = MOST_ANSWERED if secret is None or visit.authorised else MOST_ANSWERED_STRANGERS
    if visit.answered > most:
        raise RpcError(f"The answer to this message has more than {most} bytes; send fewer calls at a time.")


def _admit(given: str | None, secret: str, visit: Visit) -> None:
    """Raise RpcError unless ``given`` is the right token. One that was wrong before is not compared again."""
    seen = visit.wrong_tokens
    worth_a_look = given not in seen and (visit.authorised or len(seen) < MOST_TOKENS)
    if given is not None and worth_a_look and _equal(given, TOKEN + secret):
        visit.authorised = True
        return
    if len(seen) < MOST_TOKENS:
        seen.add(given or "")
    raise RpcError("Unauthorized")


def _equal(given: str, wanted: str) -> bool:
    return compare_digest(given.encode("utf-8", "surrogatepass"), wanted.encode("utf-8", "surrogatepass"))


async def _multicall(api: Api, secret: str | None, params: list[object], visit: Visit, pack: Pack) -> list[object]:
    """aria2's system.multicall: each result in a list of one, each failure as {code, message}, in order.

    Raises RpcError, with the rest of the calls not made, when the answer grows too long.
    """
    if not params:
        raise RpcError("The parameter at 0 is required but missing.")
    entries = params[0]
    if not isinstance(entries, list):
        raise RpcError("The parameter at 0 has wrong type.")
    slices = Slices()
    results: list[object] = []
    for entry in entries:
        check_room(secret, visit)
        try:
            results.append([await pack(await dispatch(api, secret, _inner_call(entry), visit))])
        except RpcError as error:
            results.append(await pack(Fault(code=error.code, message=str(error))))
        await slices.pause()
    return results


def _inner_call(entry: object) -> Call:
    if not isinstance(entry, dict):
        raise RpcError("system.multicall expected struct.")
    method = entry.get("methodName")
    if not isinstance(method, str):
        raise RpcError("Missing methodName.")
    if method == MULTICALL:
        raise RpcError("Recursive system.multicall forbidden.")
    params = entry.get("params")
    return Call(method, params if isinstance(params, list) else [])
