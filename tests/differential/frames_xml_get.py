"""Raw requests for XML-RPC, GET and HTTP Basic, good ones and bad ones, each with a name.

Owns: the bytes. Never: an opinion about the answers, or sends anything.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from tests.support.rpc_wire import head

PLAIN, BASIC, SECRET = "plain", "basic", "secret"
#: How the servers are started that the requests go to.
OPTIONS = {
    PLAIN: ("--rpc-allow-origin-all",),
    BASIC: ("--rpc-user=me", "--rpc-passwd=pa:ss"),
    SECRET: ("--rpc-secret=s",),
}


@dataclass(frozen=True)
class Request:
    """What goes over the wire to the server with one set of options."""

    data: bytes
    options: str = PLAIN


# -- making requests --------------------------------------------------------------------------------------------------


def xml(body: str | bytes, *lines: str, path: str = "/rpc", options: str = PLAIN) -> Request:
    data = body if isinstance(body, bytes) else body.encode()
    return Request(head("POST", path, f"Content-Length: {len(data)}", *lines) + data, options)


def called(method: str, *values: str) -> str:
    params = "".join(f"<param><value>{value}</value></param>" for value in values)
    return f"<?xml version='1.0'?><methodCall><methodName>{method}</methodName><params>{params}</params></methodCall>"


def gid(value: str) -> Request:
    """A call whose error repeats the string that was understood, or says what else was."""
    return xml(called("aria2.tellStatus", value))


def integer(text: str) -> Request:
    """A call whose result shows which number was understood: 0, 1, 2 or another."""
    return xml(called("aria2.tellWaiting", f"<int>{text}</int>", "<int>1</int>", array("gid")))


def array(*values: str) -> str:
    return "<array><data>" + "".join(f"<value>{value}</value>" for value in values) + "</data></array>"


def struct(*members: tuple[str, str]) -> str:
    return "<struct>" + "".join(member(name, value) for name, value in members) + "</struct>"


def member(name: str, value: str) -> str:
    return f"<member><name>{name}</name><value>{value}</value></member>"


def option(value: str) -> Request:
    """Sets options of a paused download and looks at them, in one message."""
    forget = struct(("methodName", "aria2.changeOption"), ("params", array(GIDS[0], PLAIN_OPTIONS)))
    change = struct(("methodName", "aria2.changeOption"), ("params", array(GIDS[0], value)))
    look = struct(("methodName", "aria2.getOption"), ("params", array(GIDS[0])))
    return xml(called("system.multicall", array(forget, change, look)))


def get(query: str | bytes, *lines: str, method: str = "GET", path: str = "/jsonrpc", options: str = PLAIN) -> Request:
    query = query.encode() if isinstance(query, str) else query
    rest = head("", "", *lines).partition(b" HTTP/1.1")[2]
    return Request(b"%b %b%b HTTP/1.1%b" % (method.encode(), path.encode(), query, rest), options)


def coded(text: str | bytes) -> str:
    return quote(base64.b64encode(text.encode() if isinstance(text, str) else text).decode(), safe="")


def status_of(params: str | bytes) -> Request:
    return get(f"?id=1&method=aria2.tellStatus&params={coded(params)}")


def raw_params(params: str) -> Request:
    return get(f"?id=1&method=aria2.tellStatus&params={params}")


def whole(message: str, more: str = "") -> Request:
    return get(f"?params={coded(message)}{more}")


def basic(authorization: str | None, *, method: str = "POST", path: str = "/jsonrpc") -> Request:
    body = b'{"id":1,"method":"system.listNotifications"}' if method == "POST" else b""
    lines = [f"Content-Length: {len(body)}"] if body else []
    lines += [] if authorization is None else [f"Authorization: {authorization}"]
    return Request(head(method, path, *lines) + body, BASIC)


def login(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


PLAIN_OPTIONS = struct(("referer", "-"), ("user-agent", "-"), ("header", "-: -"), ("split", "7"))
GIDS = ("0000000000000001", "0000000000000002", "0000000000000003")
LIST = "<methodCall><methodName>system.listNotifications</methodName></methodCall>"
TELL = called("aria2.tellStatus", "zz").removeprefix("<?xml version='1.0'?>")
TELLING = "<methodCall><methodName>aria2.tellStatus</methodName>%s</methodCall>"
ZZ = "<param><value>zz</value></param>"
NOPE = '{"id":1,"method":"nope"}'
UPGRADE = (
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: " + "A" * 22 + "==",
)

# -- the requests -----------------------------------------------------------------------------------------------------

#: Strings as values: what tellStatus repeats.
VALUES = [
    "<string>zz</string>", "zz", "<string></string>", "<string/>", "", "  zz  ", "\n<string>zz</string>\n", "\n",
    "<string>a<![CDATA[<b>]]></string>", "<string>a&amp;&lt;&#65;&#10;</string>", "<int>5</int>", "<i4>5</i4>",
    "<i8>5</i8>", "<boolean>1</boolean>", "<double>1.5</double>", "<double>x</double>", "<nil/>",
    "<dateTime.iso8601>20200101T00:00:00</dateTime.iso8601>", "<string>x<b>c</b>y</string>", "xx<string>q</string>",
    "<string>q</string>zz", "<string>q</string><string>r</string>", "<string>q</string><int>3</int>", "<int>3</int>zz",
    "<foo>zz</foo>", "zz<foo>xx</foo>", "xx<foo/>yy", "<!-- c -->zz", "z<!-- c -->z", "z<?pi x?>z", array("zz"),
    "<struct></struct>", "<value>zz</value>", "<String>zz</String>", "<string a='1'>zz</string>",
    "<x:string xmlns:x='q'>zz</x:string>", "<x:string>zz</x:string>", "<:string>zz</:string>", "<int></int>",
    "<int>a</int>", "é\U0001f600", "x\r\ny\rz", "x&#13;y\tz", "&#x1F600;", "&#127;", "q<int>x</int>r", " <nil/> ",
]  # fmt: skip
BASE64 = [
    "enp6", " en\np6 ", "!!!", "", "enp", "en%p6", "enp6=", "enp6enp6==", "enp6====", "en==enp6", "enp=enp6", "e===",
    "=enp", "en=p", "enp6=enp6", "eno=", "enp6eno=", "en==", "enp6 ", "-_-_", "enp6-", "ZQ=", "ZQ",
]  # fmt: skip
INTEGERS = [
    "0", "1", "2", " 1 ", "\n1\t", "+1", "-1", "-0", "01", "2147483647", "2147483648", "-2147483648", "-2147483649",
    "99999999999999999999", "1.5", "1e0", "0x1", "1 2", "- 1", "--1", "+-1", "+", "", "1_0", "&#160;1", "\u0663",
    "1<b>7</b>1", "0<!-- -->1",
]  # fmt: skip
DOCUMENTS: Mapping[str, str | bytes] = {
    "empty": "", "text": "x", "json": NOPE, "half": LIST[:-3], "other root": "<a/>", "no name": "<methodCall/>",
    "empty name": "<methodCall><methodName/></methodCall>",
    "unknown": "<methodCall><methodName>nope</methodName></methodCall>",
    "spaces in name": "<methodCall><methodName> nope </methodName></methodCall>",
    "name with markup": "<methodCall><methodName>a&lt;é\"'&amp;</methodName></methodCall>",
    "name with element": "<methodCall><methodName>no<b>x</b>pe</methodName></methodCall>",
    "two names": "<methodCall><methodName>a</methodName><methodName>nope</methodName></methodCall>",
    "no params": LIST, "trailing text": LIST + "x", "trailing element": LIST + "<a/>", "twice": LIST + LIST,
    "trailing space": LIST + "\n\n", "leading space": " " + LIST, "trailing NUL": LIST + "\0",
    "late declaration": "\n<?xml version='1.0'?>" + LIST, "version 1.1": "<?xml version='1.1'?>" + LIST,
    "version 2.0": "<?xml version='2.0'?>" + LIST,
    "says UTF-16": "<?xml version='1.0' encoding='utf-16'?>" + TELL,
    "latin 1": b"<?xml version='1.0' encoding='iso-8859-1'?>" + TELL.replace("zz", "z\xe9").encode("latin-1"),
    "no UTF-8": TELL.replace("zz", "z\xe9").encode("latin-1"), "byte order mark": "\ufeff" + TELL,
    "UTF-16": ("\ufeff" + TELL).encode("utf-16-le"), "no such encoding": "<?xml version='1.0' encoding='nope'?>" + TELL,
    "not ASCII": "<?xml version='1.0' encoding='us-ascii'?>" + TELL.replace("zz", "z\xe9"),
    "windows-1252": "<?xml version='1.0' encoding='windows-1252'?>" + TELL,
    "doctype": "<!DOCTYPE methodCall>" + TELL, "external doctype": "<!DOCTYPE a SYSTEM 'file:///etc/hostname'>" + TELL,
    "entity": "<!DOCTYPE a [<!ENTITY e 'zz'>]>" + TELL.replace("zz", "&e;y"),
    "external entity": "<!DOCTYPE a [<!ENTITY e SYSTEM 'file:///etc/hostname'>]>" + TELL.replace("zz", "&e;"),
    "unknown entity": TELL.replace("zz", "&nope;"), "NUL reference": TELL.replace("zz", "&#0;"),
    "control reference": TELL.replace("zz", "&#1;"), "control": TELL.replace("zz", "a\x01b"),
    "end of CDATA": TELL.replace("zz", "z]]>z"), "wrapped": f"<root>{TELL}</root>",
    "lower case": TELL.replace("methodCall", "methodcall"),
    "namespace": LIST.replace("<methodCall", "<methodCall xmlns='u'"),
    "name last": f"<methodCall><params>{ZZ}</params><methodName>aria2.tellStatus</methodName></methodCall>",
    "two params": TELLING % f"<params>{ZZ}</params><params>{ZZ.replace('zz', 'yy')}</params>",
    "second params empty": TELLING % f"<params>{ZZ}</params><params/>",
    "two values": TELLING % "<params><param><value>zz</value><value>yy</value></param></params>",
    "second value typed": TELLING
    % "<params><param><value>zz</value><value><string>yy</string></value></param></params>",
    "value without param": TELLING % "<params><value>zz</value></params>",
    "param without value": TELLING % "<params><param>zz</param></params>", "no param": TELLING % "<params/>",
    "empty value first": TELLING % f"<params><param><value/></param>{ZZ}</params>",
    "empty param first": TELLING % f"<params><param/>{ZZ}</params>",
    "nil first": TELLING % f"<params><param><value><nil/></value></param>{ZZ}</params>",
    "param without params": TELLING % ZZ, "junk between": TELLING % f"junk<params>zz{ZZ}</params>junk",
    "params in params": TELLING % f"<params><params>{ZZ}</params></params>",
    "not closed": TELLING % "<params><param><value>zz</value></params>",
    "attribute without quotes": TELLING % "<params><param a=1></param></params>",
    "attribute twice": TELLING % "<params><param a='1' a='2'></param></params>",
    "deep": "<a>" * 200 + "</a>" * 200, "too deep": "<a>" * 300 + "</a>" * 300,
    "deep arrays": called("aria2.tellStatus", "<array><data><value>" * 60 + "</value></data></array>" * 60),
    "negative count": called("aria2.tellWaiting", "<int>0</int>", "<int>-1</int>"),
    "all waiting": called("aria2.tellWaiting", "<int>-1</int>", "<int>9</int>", array("gid", "<int>1</int>", "status")),
    "position": called("aria2.changePosition", GIDS[2], "<int>2</int>", "POS_SET"),
    "URIs": called("aria2.changeUri", GIDS[1], "<int>1</int>", "<array/>", array("http://127.0.0.1:1/zz")),
    "URIs of file 0": called("aria2.changeUri", GIDS[1], "<int>0</int>", "<array/>", "<array/>"),
    "what URIs": called("aria2.getUris", GIDS[1]), "what files": called("aria2.getFiles", GIDS[1]),
    "statistics": called("aria2.getGlobalStat"), "listMethods": called("system.listMethods"),
    "control in Base64": called("aria2.tellStatus", "<base64>YQFi</base64>"),
    "bytes in Base64": called("aria2.tellStatus", "<base64>YYBi</base64>"),
    "multicall without": called("system.multicall"), "multicall of text": called("system.multicall", "x"),
    "multicall with token": called("system.multicall", "token:", array()),
    "empty multicall": called("system.multicall", "<array/>"),
    "nothing in multicall": called("system.multicall", array()),
    "multicall": called("system.multicall", array(
        struct(("methodName", "aria2.getGlobalStat")), struct(("methodName", "nope")), "x", "<int>3</int>", "<struct/>",
        struct(("methodName", "<int>3</int>")), struct(("methodName", "system.multicall")), "<nil/>", "", array(),
        struct(("methodName", "aria2.tellStatus"), ("params", array("", "zz"))),
        struct(("methodName", "aria2.tellStatus"), ("params", "x")),
        struct(("methodName", "aria2.changePosition"), ("params", array(GIDS[0], "<int>0</int>", "POS_SET"))),
        struct(("methodName", "aria2.unpauseAll"), ("methodName", "aria2.unpauseAll")),
    )),
}  # fmt: skip
#: Structs, seen through the options that they set.
STRUCTS = {
    "one member": struct(("referer", "a")), "a name twice": struct(("referer", "b"), ("referer", "c")),
    "a name three times": struct(("referer", "b"), ("referer", "c"), ("referer", "d")),
    "value first": "<struct><member><value>d</value><name>referer</name></member></struct>",
    "two values": "<struct><member><name>referer</name><value>e</value><value>f</value></member></struct>",
    "two names": "<struct><member><name>referer</name><name>user-agent</name><value>g</value></member></struct>",
    "spaces in the name": struct((" referer ", "h")), "empty value": struct(("referer", "")),
    "empty string": struct(("referer", "<string></string>")),
    "nil then value": struct(("referer", "<nil/>"), ("referer", "i")),
    "value then nil": struct(("referer", "j"), ("referer", "<nil/>")),
    "value then integer": struct(("referer", "k"), ("referer", "<int>4</int>")),
    "member without name": f"<struct>{member('referer', 'l')}<member><value>m</value></member></struct>",
    "member without value": f"<struct>{member('referer', 'n')}<member><name>user-agent</name></member></struct>",
    "junk": "<struct>x<member>y<name>referer</name>z<value>o</value>w</member>v</struct>",
    "wrapped member": f"<struct><foo>{member('referer', 'p')}</foo></struct>",
    "no member": "<struct><name>referer</name><value>q</value></struct>", "no struct": "x",
    "integer": struct(("split", "<int>3</int>")), "double": struct(("split", "<double>4</double>")),
    "boolean": struct(("split", "<boolean>1</boolean>")), "base64": struct(("referer", "<base64>cXE=</base64>")),
    "bad value": struct(("split", "x")), "list": struct(("header", array("A: 1", "B: 2"))),
    "list of all sorts": struct(("header", array("C: 1", "<int>3</int>", "", "<nil/>", "D: 3"))),
    "no data": struct(("header", "<array><value>E: 4</value></array>")),
    "two data": struct(("header", "<array><data><value>F: 4</value></data><data><value>G: 5</value></data></array>")),
    "junk in data": struct(("header", "<array>x<data>y<value>H: 4</value>z</data>w</array>")),
    "two arrays": struct(("header", array("I: 1") + array("J: 1"))),
    "array, string": struct(("header", array("K: 1") + "<string>L: 9</string>")),
    "two structs": struct(("referer", "r")) + struct(("user-agent", "s")),
    "struct, text": struct(("referer", "t")) + "u",
}  # fmt: skip
QUERIES = [
    "", "?", "?id=1", "?method=nope", "?method=nope&id=1", "?id=&method=nope", "?id&method=nope", "?id=1&method=",
    "?id=1&method", "?method=&id=", "?id=1&method=nope&jsoncallback=cb", "?id=1&method=nope&jsonp=cb",
    "?id=1&method=nope&callback=cb", "?id=1&method=nope&jsonCallback=cb", "?id=1&method=aria2.getGlobalStat",
    "?id=1&method=aria2.getGlobalStat&jsoncallback=cb", "?id=1&method=nope&jsoncallback=",
    "?id=1&method=nope&jsoncallback", "?id=1&method=nope&jsoncallback=a&jsoncallback=b.$c._1",
    "?id=1&method=nope&jsoncallback=a%20b(%22x", "?id=1&method=nope&jsoncallback=alert(1)//", "?jsoncallback=cb",
    "?id=1&id=2&method=nope&method=aria2.getGlobalStat", "?id=1&id=&method=nope", "?id=a%22b%C3%A9%0A&method=nope",
    "?id=%FF&method=nope", "?id=a%2", "?id=a%zz&method=nope", "?id=a+b&method=nope", "?id=%00x&method=nope",
    "?id=1&method=aria2%2EtellActive", "?id=1&method=nope%26id%3D5", "?id=1;method=nope", "?%69d=1&method=nope",
    "?ID=1&Method=nope", "?id=1&amp;method=nope", "?id=a=b&method=no=pe", "?id=1&method=nope&x=y#frag",
    "?id=1#&method=nope", "?id=1&method=nope?id=2", "??id=1&method=nope", "?&id=1&&method=nope&", '?id=a"b&method=nope',
    "?id=a\\b&method=nope", "?id=a\\u0041&method=nope",
    '?id=1","method":"x&method=nope', '?id=1&method=nope","params":"',
    "?id=1&method=aria2.tellStatus&params", "?id=1&method=nope&x=" + "a" * 10_000,
    "?params=!!!&jsoncallback=cb", "?params=&jsoncallback=cb",
]  # fmt: skip
PARAMS: list[str | bytes] = [
    '["zz"]', "[]", '"zz"', "{}", '{"a":1}', "null", "5", "[5]", '["zz"] x', '["zz",]', "", "x", '[["zz"]',
    '["zz"],"foo":1', '["zz"],"id":1', '["zz"]}', '["é"]', b'["\xff"]',
]  # fmt: skip
RAW_PARAMS = [
    "!!!", "WyJ6eiJd", "WyJ6enoiXQ==", "WyJ6enoiXQ", "WyJ6eiJd%0A", "WyJ6%20eiJd", "WyJ6eiJd%", "WyJ6eiJ%64",
    "WyJ6_2JhciJd", "%57yJ6eiJd", "params", "%5B%22zz%22%5D", "WyJ6eiJd&params=W10", "W10=&params=WyJ6eiJd",
    "WyJ6eiJd#&id=7",
]  # fmt: skip
WHOLE = [
    '{"id":1,"method":"aria2.tellStatus","params":["zz"]}', f'[{NOPE},{{"id":"x","method":"aria2.getGlobalStat"}},5]',
    "[]", "{}", "5", '"x"', "null", "true", "{x", "[1", '{"id":1,"method":"nope","id":2}', NOPE + "  x", NOPE + ",",
]  # fmt: skip
LOGINS = [
    None, "Basic " + login("me:pa:ss"), "Basic " + login("me:pa"), "Basic " + login("ME:pa:ss"),
    "Basic " + login("me:pa:ss\n"), "Basic " + login("me"), "Basic", "basic " + login("me:pa:ss"),
    "Basic  " + login("me:pa:ss"), "Basic\t" + login("me:pa:ss"), login("me:pa:ss"), "Bearer x",
    "Basic " + login("me:pa:ss").rstrip("="), "Basic " + login("me:pa:ss") + "=", "Basic !" + login("me:pa:ss"),
    "Basic " + login("me:pa:ss") + ", x", "Digest " + login("me:pa:ss"), "Basicx " + login("me:pa:ss"),
    "Basic " + login("no:no") + "\r\nAuthorization: Basic " + login("me:pa:ss"),
    "Basic " + login("me:pa:ss") + "\r\nAuthorization: Basic " + login("no:no"),
]  # fmt: skip
GOOD = "Basic " + login("me:pa:ss")

REQUESTS: dict[str, Request] = {
    **{f"value {value!r}": gid(value) for value in VALUES},
    **{f"base64 {text!r}": gid(f"<base64>{text}</base64>") for text in BASE64},
    **{f"integer {text!r}": integer(text) for text in INTEGERS},
    **{f"document {name}": xml(text) for name, text in DOCUMENTS.items()},
    **{f"struct {name}": option(text) for name, text in STRUCTS.items()},
    "torrent": xml(called("aria2.addTorrent", "<string>zz</string>")),
    "XML path with a query": xml(LIST, path="/rpc?x=1"),
    "XML path with a slash": xml(LIST, path="/rpc/"),
    "XML path in capitals": xml(LIST, path="/RPC"),
    "XML path, two slashes": xml(LIST, path="//rpc"),
    "XML path, percent": xml(LIST, path="/%72pc"),
    "XML as JSON": xml(LIST, "Content-Type: application/json"),
    "XML, HTTP/1.1 close": xml(LIST, "Connection: close"),
    "GET of the XML path": get("?id=1&method=nope", path="/rpc"),
    "PUT of the XML path": Request(head("PUT", "/rpc", f"Content-Length: {len(LIST)}") + LIST.encode()),
    "XML at the JSON path": xml(LIST, path="/jsonrpc"),
    "XML preflight": Request(head("OPTIONS", "/rpc", "Origin: null", "Access-Control-Request-Method: POST")),
    **{f"query {query[:60]}": get(query) for query in QUERIES},
    "query with bytes": get(b"?id=\xff&method=nope"),
    "query with UTF-8": get("?id=é&method=nope"),
    "query with a control": get(b"?id=\x01&method=nope"),
    **{f"params {params!r}": status_of(params) for params in PARAMS},
    **{f"params as {params}": raw_params(params) for params in RAW_PARAMS},
    **{f"whole {message}": whole(message) for message in WHOLE},
    "whole batch in a callback": whole(f"[{NOPE}]", "&jsoncallback=cb"),
    "whole call in a callback": whole(NOPE, "&jsoncallback=cb"),
    "whole batch with id": whole(f"[{NOPE}]", "&id=3"),
    "whole batch with method": whole(f"[{NOPE}]", "&method=nope"),
    "whole call with an empty id": whole(NOPE, "&id="),
    "GET with an upgrade": get("?id=1&method=nope", *UPGRADE),
    "GET with a slash": get("/?id=1&method=nope"),
    "HEAD": get("?id=1&method=nope", method="HEAD"),
    "PUT": get("?id=1&method=nope", method="PUT"),
    **{f"login {text}": basic(text) for text in LOGINS},
    "no login, OPTIONS": basic(None, method="OPTIONS"),
    "no login, GET": basic(None, method="GET", path="/jsonrpc?id=1&method=nope"),
    "no login, elsewhere": basic(None, method="GET", path="/elsewhere"),
    "no login, XML": xml(LIST, options=BASIC),
    "no login, WebSocket": get("", *UPGRADE, options=BASIC),
    "login, OPTIONS": basic(GOOD, method="OPTIONS"),
    "login, GET": basic(GOOD, method="GET", path="/jsonrpc?id=1&method=nope"),
    "login, elsewhere": basic(GOOD, method="GET", path="/elsewhere"),
    "login, XML": xml(LIST, f"Authorization: {GOOD}", options=BASIC),
    "login, bad XML": xml("x", f"Authorization: {GOOD}", options=BASIC),
    "login, WebSocket": get("", *UPGRADE, f"Authorization: {GOOD}", options=BASIC),
    "token missing in XML": xml(called("aria2.tellStatus", "zz"), options=SECRET),
    "token in XML": xml(called("aria2.tellStatus", "token:s", "zz"), options=SECRET),
    "token as base64": xml(called("aria2.tellStatus", "<base64>dG9rZW46cw==</base64>", "zz"), options=SECRET),
    "token missing in GET": get(f"?id=1&method=aria2.tellStatus&params={coded('[]')}", options=SECRET),
    "token in GET": get("?id=1&method=aria2.tellStatus&params=" + coded('["token:s","zz"]'), options=SECRET),
    "tokens in an XML multicall": xml(called("system.multicall", array(
        struct(("methodName", "aria2.tellStatus"), ("params", array("token:s", "zz"))),
        struct(("methodName", "aria2.tellStatus"), ("params", array("zz"))),
    )), options=SECRET),
}  # fmt: skip
