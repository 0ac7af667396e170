"""Line breaks and NUL where text becomes a head, a name or a line: from callers, and from the servers they name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from slasshy_rpc.options.kinds import Bool, Number
from slasshy_rpc.options.table import TABLE, Scope
from tests.hostile.conftest import SECRET, sound
from tests.support.behaviour import Behaviour
from tests.support.origin import Origin
from tests.support.process import Refused, Server

MARK = "x-smuggled"
BREAKS = ["\r\n", "\n", "\r", "\0", "\r\n\r\n", "\n ", "\u2028", "\x85", "\x0b"]
PAYLOAD = b"good"

#: Options of one download whose value is text of any kind.
TEXTS = sorted(
    option.name
    for option in TABLE.values()
    if Scope.NEW in option.scope and not isinstance(option.kind, Bool | Number) and option.name not in ("dir", "gid")
)


def smuggled(origin: Origin) -> list[str]:
    """What the origin saw of fields that nobody may have sent, and of requests that were none."""
    return [
        f"{seen.method} {seen.target} {seen.headers}"
        for seen in origin.requests()
        if MARK in dict(seen.headers) or seen.method != "GET" or seen.path == f"/{MARK}"
    ]


def test_from_callers(unguarded: Server, origin: Origin, tmp_path: Path) -> None:
    uri = origin.serve("/f", data=PAYLOAD)
    gids: list[str] = []
    refused = 0
    for brk in BREAKS:
        text = f"a{brk}{MARK}: 1{brk}{brk}GET /{MARK} HTTP/1.1{brk}"
        changes: list[tuple[str, dict[str, object]]] = [(uri, {name: text}) for name in TEXTS if name != "header"]
        changes += [(f"{uri}?{text}", {}), (f"{uri}/{text}", {}), (f"http://u{text}:p@127.0.0.1:{origin.port}/f", {})]
        for target, options in changes:
            try:
                gids.append(unguarded.call("aria2.addUri", [target], {"out": f"f{len(gids)}", **options}))
            except Refused:
                refused += 1
    assert refused > len(BREAKS)
    for gid in gids:
        unguarded.finished(gid)
    assert smuggled(origin) == []
    for path in (tmp_path / "files").rglob("*"):
        assert not {"\n", "\r", "\0"} & set(path.name)


@pytest.mark.parametrize("brk", BREAKS)
def test_several_header_lines_are_headers_and_never_a_request(brk: str, unguarded: Server, origin: Origin) -> None:
    """Front ends send them as one text; that is the one option in which a line break means something."""
    uri = origin.serve("/f", data=PAYLOAD)
    for given in (f"A: b{brk}{brk}GET /{MARK} HTTP/1.1{brk}Host: x{brk}{brk}", [f"A: b{brk}{brk}", f"B{brk}: c"]):
        try:
            unguarded.finished(unguarded.call("aria2.addUri", [uri], {"header": given}))
        except Refused:
            continue
    for seen in origin.requests():
        assert (seen.method, seen.path) == ("GET", "/f")


HEADS: list[dict[str, object]] = [
    {"redirect": f"/f?a%0d%0a{MARK}:1"},
    {"redirect": f"/f\r{MARK}: 1"},
    {"redirect": f"/f\t{MARK}: 1"},
    {"redirect": "/f\0"},
    {"redirect": f"http://u%0d%0a{MARK}:p@HOST/f"},
    {"redirect": "file:///etc/passwd"},
    {"redirect": "javascript:alert(1)"},
    {"redirect": "http://[::1"},
    {"set_cookies": (f"a=b\r{MARK}: 1", "c=\0", "d=e; path=/\x0b", f"f=\x85{MARK}"), "redirect": "/f"},
    {"etag": f'"a\r{MARK}: 1"'},
    {"disposition": f'attachment; filename="a\r{MARK}"'},
    {"disposition": 'attachment; filename="../../escaped"'},
    {"disposition": "attachment; filename*=UTF-8''..%2f..%2fescaped"},
    {"disposition": "attachment; filename*=UTF-8''a%0d%0ab"},
    {"disposition": 'attachment; filename=".bashrc"'},
    {"disposition": 'attachment; filename="/etc/escaped"'},
    {"disposition": "attachment; filename=" + "a" * 5000},
    {"headers": ((f"X-A\r{MARK}", "1"),)},
    {"headers": (("X-A", b"\xff\0\r"),)},
    {"headers": (("Content-Encoding", "gzip\0"),)},
    {"raw": b"HTTP/1.1 200 OK\rX: y\r\n\r\n"},
    {"raw": b"HTTP/1.1 200 \x1b[31mOK\r\n\r\nx"},
]


@pytest.mark.parametrize("head", HEADS, ids=range(len(HEADS)))
def test_from_servers(head: dict[str, object], shared: Server, origin: Origin) -> None:
    origin.serve("/f", data=PAYLOAD)
    given = {
        name: value.replace("HOST", f"127.0.0.1:{origin.port}") if isinstance(value, str) else value
        for name, value in head.items()
    }
    uri = origin.serve("/evil", data=PAYLOAD, behaviour=Behaviour(**given))  # type: ignore[arg-type]  # of many kinds
    options = {"max-tries": "1", "allow-overwrite": "true", "content-disposition-default-utf8": "true"}
    for _ in range(2):
        gid = shared.call("aria2.addUri", [uri], options)
        status = shared.finished(gid)
        json.dumps(status)
        assert not {"\n", "\r", "\0", "\x1b"} & set(status.get("errorMessage", ""))
    assert smuggled(origin) == []


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> object:
    """One server for all answers; at its end nothing has escaped from its folder."""
    folder = tmp_path_factory.mktemp("injection")
    files = folder / "a" / "b" / "files"
    files.mkdir(parents=True)
    with Server(f"--dir={files}", f"--state-dir={folder / 'state'}") as server:
        yield server
        sound(server)
        assert "\x1b[31mOK" not in server.said
        assert SECRET not in server.said
    outside = {path.relative_to(folder).parts[0] for path in folder.rglob("*") if not path.is_relative_to(files)}
    assert outside <= {"a", "state"}
    for path in files.rglob("*"):
        assert path.name.isprintable()
        assert not path.name.startswith((".", "-"))
    assert not list((folder / "a").glob("escaped"))
