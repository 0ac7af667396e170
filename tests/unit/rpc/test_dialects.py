"""Whole messages in both dialects: whatever comes, there is an answer that a client of that dialect can read."""

from __future__ import annotations

import contextlib
import json
import xmlrpc.client
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from slasshy_rpc.rpc.call import Visit
from slasshy_rpc.rpc.json_dialect import JsonDialect
from slasshy_rpc.rpc.xml_dialect import XmlDialect
from tests.support.fake_api import FakeApi

METHODS = st.sampled_from(["test.echo", "system.multicall", "system.listMethods", "aria2.tellStatus", "nope", ""])
leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("token:s")
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
inner = st.fixed_dictionaries(
    {}, optional={"methodName": METHODS | leaves, "params": st.lists(values, max_size=3) | leaves}
)
requests = st.fixed_dictionaries(
    {},
    optional={
        "jsonrpc": leaves,
        "id": values,
        "method": METHODS | values,
        "params": st.lists(values | st.lists(inner, max_size=3), max_size=3) | values,
    },
)
JSON = {secret: JsonDialect(FakeApi(), secret) for secret in (None, "s")}
XML = {secret: XmlDialect(FakeApi(), secret) for secret in (None, "s")}
SECRETS = st.sampled_from([None, "s"])


@settings(deadline=None)
@given(requests | st.lists(requests | values, max_size=4) | values, SECRETS, st.data())
async def test_any_json_has_an_answer(document: Any, secret: str | None, data: st.DataObject) -> None:
    message = bytearray(json.dumps(document, allow_nan=False, default=str).encode() if _finite(document) else b"[NaN]")
    if data.draw(st.booleans()) and message:
        message[data.draw(st.integers(0, len(message) - 1))] = data.draw(st.integers(0, 255))
    answer = await JSON[secret].answer(bytes(message), Visit())
    assert answer.status in (200, 400, 404, 500)
    told = json.loads(answer.text)
    for one in told if isinstance(told, list) else [told]:
        assert one["jsonrpc"] == "2.0"
        assert ("result" in one) is not ("error" in one)


def _finite(value: object) -> bool:
    if isinstance(value, float):
        return abs(value) < float("inf")
    if isinstance(value, dict):
        return all(map(_finite, value.values()))
    return not isinstance(value, list) or all(map(_finite, value))


marshalled = st.recursive(
    st.booleans()
    | st.integers(-(2**31), 2**31 - 1)
    | st.text(st.characters(min_codepoint=32, codec="ascii"), max_size=8),
    lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text("ab", max_size=4), part, max_size=3),
    max_leaves=6,
)


@settings(deadline=None)
@given(METHODS, st.lists(marshalled | st.binary(max_size=5), max_size=3), SECRETS, st.data())
async def test_any_xml_has_an_answer(method: str, params: list[Any], secret: str | None, data: st.DataObject) -> None:
    message = bytearray(xmlrpc.client.dumps(tuple(params), method).encode())
    if data.draw(st.booleans()):
        message[data.draw(st.integers(0, len(message) - 1))] = data.draw(st.integers(0, 255))
    answer = await XML[secret].answer(bytes(message), Visit())
    if answer.status == 400:
        assert answer.text == b""
        return
    assert answer.status == 200
    with contextlib.suppress(xmlrpc.client.Fault):
        xmlrpc.client.loads(bytes(answer.text))
