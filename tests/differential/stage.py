"""The stage on which a scene is played: one server, one origin, and the facts that are noted.

Owns: how calls, statuses, events and files become facts, and every wait (for a fact, with a bound).
Never: which program it is played on, or whether facts are right.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.differential.facts import Facts
from tests.support.behaviour import Behaviour, Seen
from tests.support.daemon import Daemon, Ear, Reply
from tests.support.origin import Origin
from tests.support.process import GLANCE

#: Bounds the wait for something that both programs do within about a second. What never comes is a fact, too.
BOUND = 12.0

#: Where a held file stands unless told otherwise: a whole piece and a quarter, a whole number of blocks.
HELD = (1 << 20) + (1 << 18)

ENDS = ("complete", "error", "removed")
Options = dict[str, object]


class Refused(Exception):
    """A call that is no part of the comparison failed."""


class Stage:
    """A scene's view of the server, which ``start`` starts with options.

    ``closed`` is the URL of a port that refuses. ``texts`` gives the session file that a program ("aria2c", "ours")
    saved in another scene.
    """

    def __init__(
        self,
        start: Callable[[Sequence[str]], Daemon],
        origin: Origin,
        facts: Facts,
        closed: str,
        texts: Callable[[str], str],
    ) -> None:
        self.daemon: Daemon
        self.ear: Ear
        self._start = start
        self.origin = origin
        self.facts = facts
        self.closed = closed
        self.texts = texts
        self._stands: dict[str, int] = {}
        self._open = contextlib.ExitStack()

    @property
    def files(self) -> Path:
        """The folder that the server runs in, where downloads go."""
        return self.daemon.files

    def placed(self, text: str) -> str:
        """``text`` with this run's places where the names of facts stand."""
        for literal, name in self.facts.names.literal.items():
            text = text.replace(name, literal)
        return text

    def restart(self, *options: str) -> None:
        """Kill the server, if there is one, and start it with these options."""
        self._open.close()
        self.daemon = self._open.enter_context(self._start(options))
        self.ear = self._open.enter_context(Ear(self.daemon.port))
        self.facts.names.literal[str(self.daemon.port)] = "<port>"

    def close(self) -> None:
        """Kill the server."""
        self._open.close()

    # ---- calls

    def ask(self, method: str, *params: object) -> Any:
        """A call that only serves the scene; its result. Raises Refused."""
        answer = self.daemon.post(_frame(method, params)).json()
        if "result" not in answer:
            raise Refused(f"{method}: {answer}")
        return answer["result"]

    def call(self, step: str, method: str, *params: object) -> Any:
        """A call whose answer is noted with its HTTP status; its result, or None."""
        reply = self.daemon.post(_frame(method, params))
        answer = reply.json()
        result = answer.get("result") if isinstance(answer, dict) else None
        self._meet(method, params, result)
        self.facts.note(step, {"HTTP": reply.status, **_without_envelope(answer)})
        return result

    def raw(self, step: str, reply: Reply, *headers: str) -> None:
        """Note a whole answer as it came, with those of its headers."""
        told = {name: reply.headers[name] for name in headers if name in reply.headers}
        self.facts.note(step, {"HTTP": reply.status, "headers": told, "body": reply.json()})

    def batch(self, steps: Sequence[tuple[str, str, Sequence[object]]]) -> list[Any]:
        """(step, method, params) in one message; each answer is noted. The results, None for what failed."""
        frames = [_frame(method, params, number) for number, (_, method, params) in enumerate(steps)]
        answers = self.daemon.post(frames).json()
        results: list[Any] = []
        for (step, method, params), answer in zip(steps, answers, strict=True):
            result = answer.get("result")
            self._meet(method, params, result)
            self.facts.note(step, _without_envelope(answer))
            results.append(result)
        return results

    def add(self, step: str, uris: str | list[str], options: Options | None = None, *more: object) -> str:
        """aria2.addUri; its GID, '' where it was refused."""
        given = [uris] if isinstance(uris, str) else uris
        params = (given, options) if options is not None or more else (given,)
        return str(self.call(step, "aria2.addUri", *params, *more) or "")

    def _meet(self, method: str, params: Sequence[object], result: object) -> None:
        """Name the GID of a new download, unless it was given."""
        given = params[1] if len(params) > 1 else None
        named = isinstance(given, Mapping) and "gid" in given
        if method == "aria2.addUri" and isinstance(result, str) and not named:
            self.facts.names.gid(result)

    # ---- looking

    def asked(self, path: str | None, count: int) -> bool:
        """Whether the origin has seen ``count`` requests for ``path``, or for anything."""
        return len(self.origin.requests(path)) >= count

    def look(self, step: str, gid: str) -> None:
        """Note all that can be asked about one download."""
        for method in ("tellStatus", "getFiles", "getUris", "getServers", "getPeers"):
            self.call(f"{step}, {method}", f"aria2.{method}", gid)

    def queues(self, step: str, *, ordered: bool = True) -> None:
        """Note which GIDs are where, and the counts. Not ``ordered`` where several came at the same moment."""
        keys = ["gid", "status"]
        for name, window in (("tellActive", ()), ("tellWaiting", (0, 100)), ("tellStopped", (0, 100))):
            if ordered:
                self.call(f"{step}, {name}", f"aria2.{name}", *window, keys)
            else:
                found = self.ask(f"aria2.{name}", *window, keys)
                self.facts.note(f"{step}, {name}", {one["gid"]: one["status"] for one in found})
        self.call(f"{step}, getGlobalStat", "aria2.getGlobalStat")

    def held(self, path: str = "/held.bin", length: int = 4 << 20, at: int = HELD) -> str:
        """Serve a file of which nobody gets a byte from ``at`` on, until it is released; its URL."""
        self.hold(path, at)

        def choose(seen: Seen) -> Behaviour:
            return Behaviour(hold_at=max(0, self._stands[path] - (seen.range[0] if seen.range else 0)))

        return self.origin.serve(path, length=length, behaviour=choose)

    def hold(self, path: str, at: int) -> None:
        """Let requests from now on stand elsewhere: so the state before a restart is never taken for the one after."""
        self._stands[path] = at

    def status(self, gid: str) -> dict[str, Any]:
        """aria2.tellStatus, unnoted; {"status": "gone"} where there is no such download."""
        try:
            found = self.ask("aria2.tellStatus", gid)
        except Refused:
            return {"status": "gone"}
        assert isinstance(found, dict)
        return found

    # ---- waiting

    def reach(self, step: str, gid: str, *wanted: str) -> None:
        """Wait for one of the statuses (default: an end), and note which came."""
        wanted = wanted or ENDS
        self._until(lambda: self.status(gid)["status"] in wanted)
        self.facts.note(f"{step}, reached", self.status(gid)["status"])

    def rest(self, step: str, gid: str, completed: int, total: int | None = None) -> None:
        """Wait until a held download shows that many bytes (and that length), and note what it showed.

        At rest all that came is in the file too, so that the whole pieces among it count.
        """
        now: dict[str, Any] = {}

        def ready() -> bool:
            now.update(self.status(gid))
            if now["status"] in ENDS or now.get("connections") == "0" or now.get("completedLength") != str(completed):
                return False
            length, piece = int(now["totalLength"]), int(now["pieceLength"])
            whole = completed - (completed % piece if completed < length else 0)
            in_file = not length or now["files"][0]["completedLength"] == str(whole)
            return in_file and total in (None, length)

        self._until(ready)
        self.facts.note(f"{step}, completed at rest", now.get("completedLength", ""))

    def begun(self, step: str, gid: str) -> None:
        """Wait until the length is known, the file is there and somebody is connected."""

        def ready() -> bool:
            now = self.status(gid)
            return "bitfield" in now and now["connections"] != "0"

        self.until(f"{step}, begun", ready)

    def until(self, step: str, ready: Callable[[], bool], seconds: float = BOUND) -> None:
        """Wait for anything else, and note whether it came."""
        self.facts.note(f"{step}, came true", self._until(ready, seconds))

    def _until(self, ready: Callable[[], bool], seconds: float = BOUND) -> bool:
        end = time.monotonic() + seconds
        while not ready():
            if time.monotonic() > end:
                return False
            time.sleep(GLANCE)
        return True

    # ---- events and files

    def hears(self, step: str, event: str, gid: str, times: int = 1) -> None:
        """Wait for the ``times``th notification of that kind since the last ``events``, and note whether it came."""
        text = f"aria2.onDownload{event}"

        def ready(heard: list[str]) -> bool:
            return sum(text in one and gid in one for one in heard) >= times

        self.facts.note(f"{step}, heard", self.ear.wait(ready, BOUND))

    def events(self, step: str, *, ordered: bool = True) -> None:
        """Note the notifications since the last time: in one order, or in one for each download."""
        told = [json.loads(text) for text in self.ear.ask("system.listNotifications")]
        if ordered:
            self.facts.note(f"{step}, events", told)
            return
        by_gid: dict[str, list[object]] = {}
        for event in told:
            by_gid.setdefault(event["params"][0]["gid"], []).append(event)
        self.facts.note(f"{step}, events", by_gid)

    def disk(self, step: str) -> None:
        """Note all files below the folder: size, and for what is no control file a digest. Session files (.txt) are
        noted as text, for they name ports."""
        found: dict[str, object] = {}
        for path in sorted(self.files.rglob("*")):
            if path.is_file() and ".txt" not in path.name:
                data = path.read_bytes()
                control = path.name.endswith(".aria2")
                digest = "" if control else hashlib.sha256(data).hexdigest()[:16]
                found[str(path.relative_to(self.files))] = {"size": len(data), **({} if control else {"sha": digest})}
        self.facts.note(f"{step}, files", found)


def _frame(method: str, params: Sequence[object], request_id: object = "1") -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": request_id, "method": method, "params": list(params)}


def _without_envelope(answer: object) -> dict[str, object]:
    """Result or error; the envelope itself is a matter of the frames."""
    if not isinstance(answer, dict):
        return {"text": str(answer)}
    return {name: value for name, value in answer.items() if name not in ("id", "jsonrpc")}
