"""Scenes of the area "frames": the same calls in every framing, with HTTP statuses, headers and envelopes.

Owns: POST, GET, JSONP, batches, multicalls, WebSocket and tokens. Never: what the calls themselves do.
"""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

from tests.differential.scenes import scene
from tests.differential.stage import Stage
from tests.support.daemon import Reply

A, B = "00000000000000a1", "00000000000000a2"
HEADERS = ("content-type", "access-control-allow-origin", "cache-control", "connection", "content-encoding")

#: Whole messages, good and bad; CALL stands for a good one.
CALL = '{"jsonrpc":"2.0","id":"q","method":"aria2.tellStatus","params":["a1",["gid","status"]]}'.replace("a1", A)
BODIES: dict[str, str] = {
    "good": CALL,
    "blanks around": f" \r\n\t{CALL}\n",
    "something behind": CALL + " x",
    "another behind": CALL + CALL,
    "empty": "",
    "blank": " ",
    "no JSON": "hello",
    "null": "null",
    "true": "true",
    "number": "5",
    "string": '"x"',
    "list": "[]",
    "list of nothing good": '[1,"x",null,[]]',
    "object": "{}",
    "unclosed": CALL[:-1],
    "unclosed string": '{"id":"q',
    "trailing comma": '{"id":1,}',
    "single quotes": CALL.replace('"', "'"),
    "comment": "/* x */" + CALL,
    "byte order mark": "\ufeff" + CALL,
    "id number": '{"id":1,"method":"aria2.getSessionInfo"}',
    "id fraction": '{"id":1.5,"method":"aria2.tellActive"}',
    "id exponent": '{"id":1e3,"method":"aria2.tellActive"}',
    "id negative": '{"id":-7,"method":"aria2.tellActive"}',
    "id big": '{"id":9223372036854775807,"method":"aria2.tellActive"}',
    "id too big": '{"id":9223372036854775808,"method":"aria2.tellActive"}',
    "id null": '{"id":null,"method":"aria2.tellActive"}',
    "id true": '{"id":true,"method":"aria2.tellActive"}',
    "id list": '{"id":[1,"x"],"method":"aria2.tellActive"}',
    "id object": '{"id":{"a":1},"method":"aria2.tellActive"}',
    "id empty": '{"id":"","method":"aria2.tellActive"}',
    "id of other letters": '{"id":"\u00e9\u20ac/\\\\ \\u0001 \\u00e9 \\ud83d\\ude00","method":"aria2.tellActive"}',
    "id twice": '{"id":1,"id":2,"method":"aria2.tellActive"}',
    "no id": '{"method":"aria2.tellActive"}',
    "no method": '{"id":1}',
    "method number": '{"id":1,"method":5}',
    "method null": '{"id":1,"method":null}',
    "method empty": '{"id":1,"method":""}',
    "unknown method": '{"id":1,"method":"aria2.nothing"}',
    "params object": '{"id":1,"method":"aria2.tellActive","params":{}}',
    "params null": '{"id":1,"method":"aria2.tellActive","params":null}',
    "params string": '{"id":1,"method":"aria2.tellActive","params":"x"}',
    "params number": '{"id":1,"method":"aria2.tellActive","params":5}',
    "params left out": '{"id":1,"method":"aria2.tellActive"}',
    "jsonrpc wrong": '{"id":1,"jsonrpc":"1.0","method":"aria2.tellActive"}',
    "jsonrpc number": '{"id":1,"jsonrpc":2,"method":"aria2.tellActive"}',
    "more keys": '{"id":1,"method":"aria2.tellActive","extra":[{}]}',
    "missing parameter": '{"id":1,"method":"aria2.tellStatus"}',
    "bad option": '{"id":1,"method":"aria2.changeGlobalOption","params":[{"split":"x"}]}',
    "batch": f"[{CALL},{CALL}]",
    "batch of all kinds": f'[{CALL},5,{{}},{{"id":2}},{{"id":3,"method":"x"}},{{"id":4,"method":"aria2.tellActive"}},'
    '{"id":5,"method":"aria2.tellActive","params":null}]',
    "batch in a batch": f"[[{CALL}]]",
    "batch with a trailing comma": f"[{CALL},]",
    "batch unclosed": f"[{CALL}",
    "token": '{"id":1,"method":"aria2.tellActive","params":["token:x"]}',
    "token alone": '{"id":1,"method":"aria2.tellActive","params":["token:"]}',
    "token in upper case": '{"id":1,"method":"aria2.tellActive","params":["TOKEN:x"]}',
    "token twice": '{"id":1,"method":"aria2.tellActive","params":["token:x","token:y"]}',
    "token behind": f'{{"id":1,"method":"aria2.tellStatus","params":["{A}","token:x"]}}',
    "number forms": '{"id":1,"method":"aria2.tellWaiting","params":[0.9,1e1,["gid"]]}',
    "number with a plus": '{"id":1,"method":"aria2.tellWaiting","params":[+0,1]}',
    "number with a zero": '{"id":1,"method":"aria2.tellWaiting","params":[00,1,["gid"]]}',
    "nan": '{"id":1,"method":"aria2.tellWaiting","params":[NaN,1]}',
    "upper case literal": '{"id":1,"method":"aria2.tellActive","params":[TRUE]}',
    "control character": '{"id":"a\nb","method":"aria2.tellActive"}',
    "bad escape": '{"id":"\\x","method":"aria2.tellActive"}',
    "half a pair": '{"id":"\\ud83d","method":"aria2.tellActive"}',
    "deep": '{"id":' + "[" * 30 + "]" * 30 + ',"method":"aria2.tellActive"}',
}

#: Lists of calls for system.multicall.
MULTI: dict[str, str] = {
    "good": f'[{{"methodName":"aria2.tellStatus","params":["{A}",["gid"]]}}]',
    "two": f'[{{"methodName":"aria2.tellStatus","params":["{A}",["gid"]]}},{{"methodName":"aria2.tellActive"}}]',
    "empty": "[]",
    "unknown method": '[{"methodName":"x"}]',
    "no name": '[{"params":[]}]',
    "name is a number": '[{"methodName":5}]',
    "no struct": '[5,"x",null,[],true]',
    "recursive": '[{"methodName":"system.multicall","params":[[]]}]',
    "params null": '[{"methodName":"aria2.tellActive","params":null}]',
    "params object": '[{"methodName":"aria2.tellActive","params":{}}]',
    "errors among results": '[{"methodName":"aria2.tellStatus","params":["ffff"]},{"methodName":"aria2.tellActive"},'
    '{"methodName":"aria2.tellWaiting","params":[0,-1]}]',
    "lists": '[{"methodName":"system.listNotifications"}]',
    "option error": '[{"methodName":"aria2.changeGlobalOption","params":[{"split":"x"}]}]',
}


def set_up(stage: Stage) -> None:
    """Two paused downloads."""
    for gid in (A, B):
        stage.ask("aria2.addUri", [stage.origin.url("/f.bin")], {"gid": gid, "pause": "true"})


def preflight(stage: Stage) -> Reply:
    """What a browser asks before it lets a page of another origin post."""
    return stage.daemon.request(
        "OPTIONS",
        "/jsonrpc",
        Origin="http://x",
        Access_Control_Request_Method="POST",
        Access_Control_Request_Headers="x-y",
    )


@scene("frames", "posted")
def posted(stage: Stage) -> None:
    set_up(stage)
    for name, body in BODIES.items():
        stage.raw(name, stage.daemon.post(body.encode()), *HEADERS)
    stage.raw("not UTF-8", stage.daemon.post(b'{"id":"\xff","method":"aria2.tellActive"}'), *HEADERS)
    for name, calls in MULTI.items():
        body = f'{{"id":1,"method":"system.multicall","params":[{calls}]}}'
        stage.raw(f"multicall {name}", stage.daemon.post(body.encode()), *HEADERS)
    for name, text in {"without": "[]", "of a string": '["x"]', "of an object": "[{}]", "of a token": '["token:x",[]]',
                       "of a null": "[null]"}.items():  # fmt: skip
        body = f'{{"id":1,"method":"system.multicall","params":{text}}}'
        stage.raw(f"multicall {name}", stage.daemon.post(body.encode()), *HEADERS)


@scene("frames", "gotten")
def gotten(stage: Stage) -> None:
    """GET and JSONP."""
    set_up(stage)

    def packed(text: str) -> str:
        return quote(base64.b64encode(text.encode()).decode(), safe="")

    status = packed(f'["{A}",["gid","status"]]')
    queries = {
        "good": f"method=aria2.tellStatus&id=q&params={status}",
        "no params": "method=aria2.tellActive&id=q",
        "id number": "method=aria2.tellActive&id=5",
        "no id": "method=aria2.tellActive",
        "no method": "id=q",
        "nothing": "",
        "encoded method": "method=aria2%2EtellActive&id=q",
        "unknown method": "method=x&id=q",
        "bad base64": "method=aria2.tellActive&id=q&params=!!",
        "no JSON": f"method=aria2.tellActive&id=q&params={packed('hello')}",
        "params object": f"method=aria2.tellActive&id=q&params={packed('{}')}",
        "a whole call": f"params={packed(CALL)}",
        "a batch": f"params={packed(f'[{CALL},{CALL}]')}",
        "a batch with a method": f"method=x&params={packed(f'[{CALL}]')}",
        "jsonp": f"method=aria2.tellStatus&id=q&params={status}&jsoncallback=cb",
        "jsonp first": f"jsoncallback=cb&method=aria2.tellStatus&id=q&params={status}",
        "jsonp of an error": "method=aria2.tellStatus&id=q&jsoncallback=cb",
        "jsonp of a batch": f"params={packed(f'[{CALL}]')}&jsoncallback=cb",
        "jsonp without a name": "method=aria2.tellActive&id=q&jsoncallback=",
        "other words": "method=aria2.tellActive&id=q&x=y",
        "twice": "method=aria2.nothing&method=aria2.tellActive&id=a&id=b",
        "id with a blank": "method=aria2.tellActive&id=a%20b",
        "id with a plus": "method=aria2.tellActive&id=a+b",
    }
    for name, query in queries.items():
        stage.raw(name, stage.daemon.request("GET", f"/jsonrpc?{query}"), *HEADERS)
    stage.raw("without a query", stage.daemon.request("GET", "/jsonrpc"), *HEADERS)


@scene("frames", "other requests")
def other_requests(stage: Stage) -> None:
    set_up(stage)
    body = CALL.encode()
    cases = (
        "GET /, GET /x, GET /rpc, POST /, POST /jsonrpc/, POST /jsonrpc?x=y, POST /JSONRPC, PUT /jsonrpc, "
        "PATCH /jsonrpc, DELETE /jsonrpc, HEAD /jsonrpc, OPTIONS /jsonrpc, OPTIONS /x"
    )
    for method, target in (case.split() for case in cases.split(", ")):
        sent = body if method in ("POST", "PUT", "PATCH") else b""
        stage.raw(f"{method} {target}", stage.daemon.request(method, target, sent), *HEADERS)
    for kind in ("text/plain", "application/json", "application/x-www-form-urlencoded", ""):
        stage.raw(f"as {kind!r}", stage.daemon.request("POST", "/jsonrpc", body, Content_Type=kind), *HEADERS)
    for value in ("gzip", "deflate, gzip", "GZIP", "br", "*"):
        reply = stage.daemon.request("POST", "/jsonrpc", body, Accept_Encoding=value)
        told = {name: reply.headers[name] for name in ("content-type",) if name in reply.headers}
        stage.facts.note(f"accepting {value}", {"HTTP": reply.status, "headers": told})
    stage.raw("to be closed", stage.daemon.request("POST", "/jsonrpc", body, Connection="close"), *HEADERS)
    stage.raw("preflight", preflight(stage), *HEADERS)


@scene("frames", "from everywhere", "--rpc-allow-origin-all=true")
def from_everywhere(stage: Stage) -> None:
    set_up(stage)
    more = ("access-control-allow-methods", "access-control-allow-headers", "access-control-max-age")
    stage.raw("good", stage.daemon.request("POST", "/jsonrpc", CALL.encode(), Origin="http://x"), *HEADERS)
    stage.raw("bad", stage.daemon.request("POST", "/jsonrpc", b"", Origin="http://x"), *HEADERS)
    stage.raw("lost", stage.daemon.request("GET", "/", Origin="http://x"), *HEADERS)
    stage.raw("gotten", stage.daemon.request("GET", "/jsonrpc?method=aria2.tellActive&id=q", Origin="null"), *HEADERS)
    stage.raw("preflight", preflight(stage), *HEADERS, *more)
    stage.raw("no preflight", stage.daemon.request("OPTIONS", "/jsonrpc"), *HEADERS, *more)


@scene("frames", "over a WebSocket")
def socket(stage: Stage) -> None:
    """Every message that is posted, as a text frame and some as binary ones."""
    set_up(stage)
    stage.events("set up")
    bodies = {**BODIES, **{f"multicall {name}": f'{{"id":1,"method":"system.multicall","params":[{calls}]}}'
                           for name, calls in MULTI.items()}}  # fmt: skip
    for name, body in bodies.items():
        if not body:
            continue
        stage.ear.send(body.encode())
        stage.facts.note(name, [json.loads(text) for text in _answers(stage)])
    for name in ("good", "no JSON", "batch"):
        stage.ear.send(BODIES[name].encode(), opcode=2)
        stage.facts.note(f"{name}, binary", [json.loads(text) for text in _answers(stage)])
    stage.ear.send(b"x", opcode=9)
    stage.facts.note("ping", [json.loads(text) if text[0] == "{" else text for text in _answers(stage)])
    stage.queues("afterwards")


def _answers(stage: Stage) -> list[str]:
    """All that was heard before the answer to a question that is asked now."""
    return stage.ear.ask("system.listNotifications")


@scene("frames", "events beside answers")
def events_beside(stage: Stage) -> None:
    """Calls over the socket that hears the events: the answer comes first."""
    url = stage.origin.serve("/s.bin", length=1000)
    call = {"jsonrpc": "2.0", "id": "add", "method": "aria2.addUri", "params": [[url], {"gid": A}]}
    stage.ear.send(json.dumps(call).encode())
    stage.ear.wait(lambda heard: any("onDownloadComplete" in text for text in heard))
    stage.facts.note("all", [json.loads(text) for text in _answers(stage)])


@scene("frames", "with a secret", "--rpc-secret=s e\u00e9")
def secret(stage: Stage) -> None:
    token = "token:s e\u00e9"

    def call(method: str, *params: object) -> dict[str, object]:
        return {"jsonrpc": "2.0", "id": "q", "method": method, "params": list(params)}

    cases: dict[str, object] = {
        "right": call("aria2.tellActive", token),
        "right with params": call("aria2.tellWaiting", token, 0, 1),
        "none": call("aria2.tellActive"),
        "wrong": call("aria2.tellActive", "token:x"),
        "listMethods": {**call("system.listNotifications")},
        "multicall": call("system.multicall", [{"methodName": "aria2.tellActive", "params": [token]}]),
        "multicall with an outer one": call("system.multicall", token, []),
        "multicall without": call("system.multicall", [{"methodName": "aria2.tellActive", "params": []}]),
        "batch": [call("aria2.tellActive", token), call("aria2.tellActive"), call("system.listNotifications")],
        "unknown method, none": call("x"),
        "unknown method, right": call("x", token),
        "bad params, none": call("aria2.tellStatus"),
        "behind": call("aria2.tellWaiting", 0, 1, token),
    }
    for name, message in cases.items():
        stage.raw(name, stage.daemon.post(message), *HEADERS)
    options = stage.daemon.post(call("aria2.getGlobalOption", token)).json()["result"]
    stage.facts.note("is never shown", "rpc-secret" in options)
    url = stage.origin.serve("/s.bin", length=1000)
    stage.raw("add", stage.daemon.post(call("aria2.addUri", token, [url], {"gid": A})))
    stage.hears("a listener without a token", "Complete", A)
    stage.events("all")


@scene("frames", "too big a body", "--rpc-max-request-size=1024")
def too_big(stage: Stage) -> None:
    for size in (1000, 1024, 1025, 5000):
        body = '{"id":"' + "x" * (size - 39) + '","method":"aria2.tellActive"}'
        stage.raw(f"{len(body)} bytes", stage.daemon.post(body.encode()), *HEADERS)
