"""Queries and the messages they stand for (observed on aria2c 1.37; more of them in the differential tests)."""

from __future__ import annotations

import json
from base64 import b64encode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slasshy_rpc.rpc.call import Visit
from slasshy_rpc.rpc.json_dialect import JsonDialect
from slasshy_rpc.rpc.json_text import parse
from slasshy_rpc.rpc.query_dialect import QueryDialect, message
from tests.support.fake_api import FakeApi


@pytest.mark.parametrize(
    ("fields", "document"),
    [
        ({}, None),
        ({"id": b"1"}, None),
        ({"method": b"m"}, None),
        ({"id": b"1", "method": b"m"}, {"id": "1", "method": "m"}),
        ({"id": b"%20", "method": b"a%2Eb"}, {"id": "%20", "method": "a%2Eb"}),
        ({"id": b"1", "method": b"m", "params": b64encode(b"[1]")}, {"id": "1", "method": "m", "params": [1]}),
        ({"id": b"1", "method": b"m", "params": b"W%31%30%3D"}, {"id": "1", "method": "m", "params": []}),
        ({"id": b"1", "method": b"m", "params": b"!!!"}, None),
        ({"id": b"1", "method": b"m", "params": b64encode(b"[1,]")}, None),
        ({"id": b'"', "method": b"m"}, None),
        ({"id": b"1", "params": b64encode(b"[]")}, None),
        ({"params": b64encode(b"[]")}, []),
        ({"params": b64encode(b'{"id":1}')}, {"id": 1}),
        ({"params": b64encode(b"\xff")}, None),
    ],
)
def test_messages(fields: dict[str, bytes], document: object) -> None:
    assert parse(message(fields)) == document


PARTS = st.sampled_from(
    ["id=", "method=", "params=", "jsoncallback=", "&", "=", "#", "%", "%ff", "W10%3D", "cb", "é", "\udcff", '"', "\\"]
)


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.text(), st.lists(PARTS).map("".join)))
async def test_any_query_is_answered(query: str) -> None:
    answer = await QueryDialect(DIALECT).answer(query, Visit())
    assert answer.status in (200, 400, 500)
    assert answer.kind is not None
    if answer.kind == "application/json-rpc":
        json.loads(answer.text)


DIALECT = JsonDialect(FakeApi(), None)
