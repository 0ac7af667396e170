"""Every method that fronts may call, in plain values: what RPC exposes, and the face for the command line.

Owns: parameters in, aria2's results out, and the order in which things are refused. Never: tokens, text forms,
transports (rpc), or the life of a Download (session).
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from itertools import islice

from slasshy_rpc import __version__
from slasshy_rpc.api import params, render
from slasshy_rpc.api.params import Params
from slasshy_rpc.api.paths import PathPolicy, server_files
from slasshy_rpc.api.rows import Row, row, rows
from slasshy_rpc.errors import RpcError
from slasshy_rpc.options.table import Scope
from slasshy_rpc.options.values import Normal, check_rpc
from slasshy_rpc.session.download import Download
from slasshy_rpc.session.events import Events
from slasshy_rpc.session.queue import Whence
from slasshy_rpc.session.session import Session
from slasshy_rpc.session.uris import MOST, too_many
from slasshy_rpc.values import Event, ServerView, Status

#: The aria2 whose behaviour this is (front ends compare it).
ARIA2_VERSION = "1.37.0"

#: Seconds between the answer to a shutdown call and the end; calls are answered meanwhile.
SHUTDOWN_DELAY = 3.0

#: Lists of more Downloads than this are made entry by entry, as they are written.
LONG_LIST = 256

#: Entries that one getHistory answers with at most, and the last offset that there can be.
MOST_PAGE = 250
MOST_HISTORY = 1 << 32

_BREAKS = re.compile(r"[\r\n\0]")

#: How methods begin that change nothing.
_LOOKS = ("aria2.tell", "aria2.get", "slasshy.get")

OK = "OK"


class Api:
    """The methods of one Session.

    ``features`` is what aria2.getVersion lists. ``halt(force)`` ends the process; it is called some seconds after
    shutdown or forceShutdown was answered. ``paths`` says where calls may write (default: what the options say).
    """

    #: In the order of aria2's system.listMethods; what is not here does not exist (yet).
    METHODS: Sequence[str] = (
        "aria2.addUri",
        "aria2.getPeers",
        "aria2.remove",
        "aria2.pause",
        "aria2.forcePause",
        "aria2.pauseAll",
        "aria2.forcePauseAll",
        "aria2.unpause",
        "aria2.unpauseAll",
        "aria2.forceRemove",
        "aria2.changePosition",
        "aria2.tellStatus",
        "aria2.getUris",
        "aria2.getFiles",
        "aria2.getServers",
        "aria2.tellActive",
        "aria2.tellWaiting",
        "aria2.tellStopped",
        "aria2.getOption",
        "aria2.changeUri",
        "aria2.changeOption",
        "aria2.getGlobalOption",
        "aria2.changeGlobalOption",
        "aria2.purgeDownloadResult",
        "aria2.removeDownloadResult",
        "aria2.getVersion",
        "aria2.getSessionInfo",
        "aria2.shutdown",
        "aria2.forceShutdown",
        "aria2.getGlobalStat",
        "aria2.saveSession",
        "slasshy.getVersion",
        "slasshy.getHistory",
        "slasshy.getMedia",
    )

    #: In the order of aria2's system.listNotifications.
    NOTIFICATIONS: Sequence[str] = (
        Event.START.value,
        Event.PAUSE.value,
        Event.STOP.value,
        Event.COMPLETE.value,
        Event.ERROR.value,
        Event.BT_COMPLETE.value,
    )

    def __init__(
        self,
        session: Session,
        *,
        features: Sequence[str] = (),
        halt: Callable[[bool], None] | None = None,
        paths: PathPolicy | None = None,
    ) -> None:
        self._session = session
        self._features = list(features)
        self._halt = halt
        self._paths = paths or PathPolicy.of(session.options)
        self._compat = session.options.flag("compat")
        self._shelf = render.Shelf(self._compat)
        self._session_id = secrets.token_hex(20)
        self._methods: dict[str, Callable[[Params], object]] = {
            name: getattr(self, "_" + _snake(name.partition(".")[2])) for name in self.METHODS if "aria2." in name
        }
        self._methods["slasshy.getVersion"] = self._get_own_version
        self._methods["slasshy.getHistory"] = self._get_history
        self._methods["slasshy.getMedia"] = self._get_media

    async def call(self, name: str, params: Params, /) -> object:
        """The method's result, in strings, integers, lists and dicts. Raises RpcError and OptionError.

        A long list of Downloads is a sequence that makes each entry when it is asked for, so that whoever writes it can
        give way to other work between them. Only saveSession and the pauseAll family, what waits for a halt, and who
        makes more changes than the history can write, ever do so before they return.
        """
        method = self._methods.get(name)
        if method is None:
            raise RpcError(f"No such method: {name}")
        result = method(params)
        if asyncio.iscoroutine(result):
            result = await result
        store = self._session.store
        if store.crowded and not name.startswith(_LOOKS):
            await store.room()
        return result

    async def settled(self) -> None:
        """Returns when what was paused or removed has halted; a moment at most."""
        await self._session.halting.settled()

    def events(self) -> Events:
        """Where state events are heard."""
        return self._session.events

    # -- for the command line --------------------------------------------------------------------------------------

    async def wait_idle(self) -> None:
        """Returns when nothing runs and nothing waits to."""
        await self._session.wait_idle()

    def exit_code(self) -> int:
        """What the process should exit with (aria2 manual, EXIT STATUS)."""
        return self._session.exit_code()

    def rows(self) -> list[Row]:
        """What is running, in the order in which it was started."""
        return rows(self._session.active)

    def row(self, download_gid: str) -> Row:
        """One Download. Raises RpcError if it is not known (any more)."""
        return row(self._session.find(download_gid))

    def servers(self, download_gid: str) -> tuple[ServerView, ...]:
        """The open connections of one Download, and what each of them brings. Raises RpcError if it is not known."""
        return self._session.find(download_gid).servers()

    def waiting(self) -> int:
        """How many Downloads wait, the paused ones included."""
        return len(self._session.queue)

    def result_rows(self) -> list[Row]:
        """What has ended, oldest first, then what the end of the process interrupted."""
        session = self._session
        return rows([*session.results, *session.interrupted, *session.active])

    # -- adding ----------------------------------------------------------------------------------------------------

    def _add_uri(self, given: Params) -> str:
        listed = params.listing(given, 0)
        raw = params.struct_or_empty(given, 1)
        position = params.integer_or_none(given, 2)
        uris = params.strings(listed)
        if not uris:
            raise RpcError("URI is not provided.")
        options = self._checked(raw, Scope.NEW)
        params.position(position)
        _refuse_many(uris)
        _refuse_breaks(uris)
        if isinstance(header := options.get("header"), tuple):
            options["header"] = (*self._session.options.lines("header"), *header)  # aria2 adds them here, and only here
        self._paths.check(options, self._session.options)
        return self._session.add(uris, options, position).gid

    # -- starting and stopping -------------------------------------------------------------------------------------

    def _remove(self, given: Params) -> str:
        download = self._found(given)
        self._session.remove(download)
        self._shelf.drop(download.gid)
        return download.gid

    def _force_remove(self, given: Params) -> str:
        return self._remove(given)

    def _pause(self, given: Params) -> str:
        download = self._found(given)
        self._session.pause(download)
        return download.gid

    def _force_pause(self, given: Params) -> str:
        download = self._found(given)
        self._session.pause(download, force=True)
        return download.gid

    async def _unpause(self, given: Params) -> str:
        download = self._found(given)
        await self._session.halted(download)
        self._session.unpause(download)
        return download.gid

    async def _pause_all(self, given: Params) -> str:
        await self._session.pause_all()
        return OK

    async def _force_pause_all(self, given: Params) -> str:
        return await self._pause_all(given)

    async def _unpause_all(self, given: Params) -> str:
        await self._session.unpause_all()
        return OK

    async def _change_position(self, given: Params) -> int:
        download_gid, offset, how = params.text(given, 0), params.integer(given, 1), params.text(given, 2)
        download = self._session.find(download_gid)
        try:
            whence = Whence(how)
        except ValueError:
            raise RpcError("Illegal argument.") from None
        await self._session.halted(download)
        return self._session.move(download, offset, whence)

    # -- looking ---------------------------------------------------------------------------------------------------

    def _tell_status(self, given: Params) -> dict[str, object]:
        download_gid, keys = params.text(given, 0), render.wanted(params.keys(given, 1))
        return render.status(self._session.find(download_gid), keys, self._compat)

    def _tell_active(self, given: Params) -> Sequence[dict[str, object]]:
        return self._told(self._session.active, params.keys(given, 0))

    def _tell_waiting(self, given: Params) -> Sequence[dict[str, object]]:
        offset, count, keys = params.integer(given, 0), params.integer(given, 1, 0), params.keys(given, 2)
        start, end, backwards = params.window(len(self._session.queue), offset, count)
        found = self._session.queue.slice(start, end)
        return self._told(found[::-1] if backwards else found, keys)

    def _tell_stopped(self, given: Params) -> Sequence[dict[str, object]]:
        offset, count, keys = params.integer(given, 0), params.integer(given, 1, 0), params.keys(given, 2)
        start, end, backwards = params.window(len(self._session.results), offset, count)
        found = list(islice(self._session.results, start, end))
        return self._told(found[::-1] if backwards else found, keys)

    def _get_uris(self, given: Params) -> list[dict[str, object]]:
        download = self._found(given)
        if download.stopped:
            raise RpcError(f"No URI data is available for GID#{download.gid}")
        files = download.snapshot().files
        return render.uris(files[0].uris) if files else []

    def _get_files(self, given: Params) -> list[dict[str, object]]:
        return render.files(self._found(given).snapshot())

    def _get_peers(self, given: Params) -> list[object]:
        download = self._found(given)
        if download.stopped:
            raise RpcError(f"No peer data is available for GID#{download.gid}")
        return []

    def _get_servers(self, given: Params) -> list[dict[str, object]]:
        download = self._found(given)
        if download.status is not Status.ACTIVE:
            raise RpcError(f"No active download for GID#{download.gid}")
        return render.servers(download.servers(), len(download.snapshot().files))

    def _get_global_stat(self, given: Params) -> dict[str, str]:
        session = self._session
        rates = [render.rate(download) for download in session.active]
        return {
            "downloadSpeed": str(sum(down for down, _ in rates)),
            "uploadSpeed": str(sum(up for _, up in rates)),
            "numActive": str(len(rates)),
            "numWaiting": str(len(session.queue)),
            "numStopped": str(len(session.results)),
            "numStoppedTotal": str(session.results.total),
        }

    # -- options ---------------------------------------------------------------------------------------------------

    def _get_option(self, given: Params) -> dict[str, str]:
        return self._found(given).options.items_for_rpc(Scope.NEW)

    def _change_option(self, given: Params) -> str:
        download_gid, raw = params.text(given, 0), params.struct(given, 1)
        download = self._session.find(download_gid)
        if not download.stopped:
            options = self._checked(raw, Scope.WAITING)
            self._paths.check(options, download.options)
        else:
            options = {}
        self._session.change_options(download, options)
        return OK

    def _get_global_option(self, given: Params) -> dict[str, str]:
        return self._session.options.items_for_rpc(Scope.GLOBAL)

    def _change_global_option(self, given: Params) -> str:
        options = self._checked(params.struct(given, 0), Scope.GLOBAL)
        self._paths.check(options, self._session.options)
        self._session.change_global(options)
        self._session.claims.reserve(server_files(self._session.options))
        return OK

    def _change_uri(self, given: Params) -> list[int]:
        download_gid, index = params.text(given, 0), params.integer(given, 1, 1)
        withdrawn, added = params.listing(given, 2), params.listing(given, 3)
        position = params.position(params.integer_or_none(given, 4))
        download = self._session.find(download_gid)
        new = params.strings(added)
        _refuse_many(new)
        _refuse_breaks(new)
        if not download.stopped and index > len(download.snapshot().files):
            raise RpcError("fileIndex is out of range")
        return list(self._session.change_uris(download, params.strings(withdrawn), new, position))

    # -- results and the server itself -----------------------------------------------------------------------------

    async def _purge_download_result(self, given: Params) -> str:
        await self._session.halted(*self._session.active)
        self._session.forget_all()
        self._shelf.clear()
        return OK

    async def _remove_download_result(self, given: Params) -> str:
        download = self._found(given)
        await self._session.halted(download)
        self._session.forget(download)
        self._shelf.drop(download.gid)
        return OK

    def _get_version(self, given: Params) -> dict[str, object]:
        return {"version": ARIA2_VERSION, "enabledFeatures": list(self._features)}

    def _get_own_version(self, given: Params) -> dict[str, object]:
        return {"version": __version__, "aria2": ARIA2_VERSION}

    async def _get_history(self, given: Params) -> list[dict[str, object]]:
        """Results that were kept, newest first, as tellStatus shows them, with ``endTime`` in seconds since 1970."""
        offset, number = params.integer(given, 0, 0), params.integer(given, 1, 0)
        page = await self._session.store.page(min(offset, MOST_HISTORY), min(number, MOST_PAGE))
        return [{**render.status(one, None, self._compat), "endTime": str(ended)} for one, ended in page]

    def _get_media(self, given: Params) -> dict[str, object]:
        """What is behind a media page, and what is being done about it; see MediaView."""
        download = self._found(given)
        media = download.snapshot().media
        if media is None:
            raise RpcError(f"No media data is available for GID#{download.gid}")
        return render.media(download.gid, media)

    def _get_session_info(self, given: Params) -> dict[str, str]:
        return {"sessionId": self._session_id}

    async def _save_session(self, given: Params) -> str:
        await self._session.save()
        return OK

    def _shutdown(self, given: Params) -> str:
        return self._halt_soon(force=False)

    def _force_shutdown(self, given: Params) -> str:
        return self._halt_soon(force=True)

    # -- inside ----------------------------------------------------------------------------------------------------

    def _found(self, given: Params) -> Download:
        return self._session.find(params.text(given, 0))

    def _told(self, downloads: Sequence[Download], names: Sequence[str]) -> Sequence[dict[str, object]]:
        told = render.Told(downloads, render.wanted(names), self._shelf)
        return told if len(downloads) > LONG_LIST else list(told)

    def _checked(self, raw: Mapping[str, object], scope: Scope) -> dict[str, Normal]:
        return check_rpc(raw, scope, compat=self._compat)

    def _halt_soon(self, *, force: bool) -> str:
        if self._halt is not None:
            asyncio.get_running_loop().call_later(SHUTDOWN_DELAY, self._halt, force)
        return OK


def _refuse_many(uris: Sequence[str]) -> None:
    if len(uris) > MOST:
        raise too_many()


def _refuse_breaks(uris: Sequence[str]) -> None:
    if any(_BREAKS.search(uri) for uri in uris):
        raise RpcError("A URI must not contain line breaks or NUL characters.")


def _snake(name: str) -> str:
    """``tellStatus`` → ``tell_status``."""
    return re.sub(r"[A-Z]", lambda found: "_" + found[0].lower(), name)
