"""Steps that may block, beside the loop.

Owns: how they are begun, and that none is left behind. Never: what they do.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


def threaded(step: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> asyncio.Future[_T]:
    """Run a step that may block beside the loop."""
    return asyncio.get_running_loop().run_in_executor(None, functools.partial(step, *args, **kwargs))


async def finished(task: asyncio.Future[Any], cancel: Callable[[], None]) -> None:
    """Wait for ``task``; told to go meanwhile, call ``cancel`` and wait for its end all the same."""
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        cancel()
        await outlast(task)
        if not task.cancelled():
            task.exception()  # nobody is left to be told
        raise


async def outdone(task: asyncio.Future[_T], cancel: Callable[[], None], ended: Callable[[_T], bool]) -> _T:
    """``finished``, for what may be the last step: told to go a moment too late, when all has ``ended``, we stay."""
    try:
        await finished(task, cancel)
    except asyncio.CancelledError:
        if task.cancelled() or task.exception() is not None or not ended(task.result()):
            raise
        if (current := asyncio.current_task()) is not None:
            current.uncancel()
    return task.result()


async def through(step: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """What a step that may block returns: told to go meanwhile, we go once it has ended."""
    task = threaded(step, *args, **kwargs)
    await finished(task, _let_it)
    return task.result()


async def lastly(step: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """``through``, for the last step: told to go meanwhile, we stay if it is done."""
    return await outdone(threaded(step, *args, **kwargs), _let_it, lambda _: True)


def _let_it() -> None:
    """Nothing can be done about it."""


async def outlast(task: asyncio.Future[Any]) -> None:
    """Wait for the end of ``task`` however often we are told to go: it writes to a file that is closed after it."""
    told: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            told = error
    if told is not None:
        raise told
