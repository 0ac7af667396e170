"""One message: how many tokens it may try, and how much it may have answered."""

from __future__ import annotations

import json
from collections.abc import Sequence
from hmac import compare_digest
from typing import Any

import pytest

from slasshy_rpc.errors import RpcError
from slasshy_rpc.rpc import call as call_module
from slasshy_rpc.rpc.call import Call, Visit, dispatch
from slasshy_rpc.rpc.json_dialect import JsonDialect
from tests.support.fake_api import FakeApi

UNAUTHORIZED = {"code": 1, "message": "Unauthorized"}


def multicall(*tokens: str | None) -> Call:
    entries = [{"methodName": "test.echo", "params": [] if token is None else [f"token:{token}"]} for token in tokens]
    return Call("system.multicall", [entries])


async def answered(secret: str | None, document: object) -> Any:
    answer = await JsonDialect(FakeApi(), secret).answer(json.dumps(document).encode(), Visit())
    return json.loads(answer.text)


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The tokens that were compared with the secret."""
    seen: list[bytes] = []

    def note(given: bytes, wanted: bytes) -> bool:
        seen.append(given)
        return compare_digest(given, wanted)

    monkeypatch.setattr(call_module, "compare_digest", note)
    return seen


async def test_a_message_tries_a_bounded_number_of_tokens(compared: list[bytes]) -> None:
    visit = Visit()
    guesses = [str(number) for number in range(1000)]
    results = await dispatch(FakeApi(), "s", multicall(*guesses, None, "s"), visit)
    assert results == [UNAUTHORIZED] * 1002
    assert compared == [f"token:{number}".encode() for number in range(16)]
    assert (len(visit.wrong_tokens), visit.authorised) == (16, False)


async def test_one_wrong_token_is_compared_once(compared: list[bytes]) -> None:
    results = await dispatch(FakeApi(), "s", multicall(*["x"] * 100, None, None, "s"), Visit())
    assert results == [*[UNAUTHORIZED] * 102, [[]]]
    assert compared == [b"token:x", b"token:s"]


async def test_who_has_shown_the_right_one_is_not_counted_out() -> None:
    guesses = [str(number) for number in range(100)]
    results = await dispatch(FakeApi(), "s", multicall("s", *guesses, "s"), Visit())
    assert results == [[[]], *[UNAUTHORIZED] * 100, [[]]]


def long_calls(count: int) -> list[dict[str, object]]:
    return [{"methodName": "test.long", "params": [10, "x" * 100]} for _ in range(count)]


async def test_a_multicall_is_answered_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_module, "MOST_ANSWERED", 5000)
    api = FakeApi()
    request = {"id": 1, "method": "system.multicall", "params": [long_calls(100)]}
    reply = json.loads((await JsonDialect(api, None).answer(json.dumps(request).encode(), Visit())).text)
    assert "more than 5000 bytes" in reply["error"]["message"]
    assert len(api.called) == 5  # the rest was not called
    few = {"id": 1, "method": "system.multicall", "params": [long_calls(4)]}
    assert (await answered(None, few))["result"] == [[["x" * 100] * 10]] * 4


@pytest.mark.parametrize("inner", [False, True])
async def test_a_batch_is_answered_up_to_a_bound(monkeypatch: pytest.MonkeyPatch, inner: bool) -> None:
    monkeypatch.setattr(call_module, "MOST_ANSWERED", 5000)
    single = {"id": 1, "method": "test.long", "params": [10, "x" * 100]}
    several = {"id": 1, "method": "system.multicall", "params": [long_calls(6)]}
    reply = await answered(None, [several, single] if inner else [single] * 100)
    assert "more than 5000 bytes" in reply["error"]["message"]
    assert len(await answered(None, [single] * 4)) == 4


async def test_one_long_answer_is_nobodys_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_module, "MOST_ANSWERED", 5000)
    assert len((await answered(None, {"id": 1, "method": "test.long", "params": [1000, "x" * 100]}))["result"]) == 1000


async def test_who_has_not_shown_the_token_gets_less(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_module, "MOST_ANSWERED_STRANGERS", 5000)
    names = [{"methodName": "system.listMethods"}] * 1000
    request = {"id": 1, "method": "system.multicall", "params": [names]}
    assert "more than 5000 bytes" in (await answered("s", request))["error"]["message"]
    assert len((await answered(None, request))["result"]) == 1000
    names.insert(0, {"methodName": "test.echo", "params": ["token:s"]})  # type: ignore[dict-item]  # JSON
    assert len((await answered("s", request))["result"]) == 1001


class Broken(Sequence[object]):
    """A list whose entries cannot be made."""

    def __len__(self) -> int:
        return 500

    def __getitem__(self, at: Any) -> Any:
        raise ZeroDivisionError


@pytest.mark.parametrize("inner", [False, True])
async def test_an_entry_that_cannot_be_made_is_answered(monkeypatch: pytest.MonkeyPatch, inner: bool) -> None:
    api = FakeApi()

    async def call(name: str, params: list[object]) -> object:
        return Broken()

    monkeypatch.setattr(api, "call", call)
    request: dict[str, object] = {"id": 1, "method": "test.told"}
    if inner:
        request = {"id": 1, "method": "system.multicall", "params": [[{"methodName": "test.told"}]]}
    answer = await JsonDialect(api, None).answer(json.dumps(request).encode(), Visit())
    assert json.loads(answer.text)["error"]["code"] == -32603


async def test_too_many_tokens_are_a_refusal_and_no_fault() -> None:
    with pytest.raises(RpcError, match="Unauthorized"):
        await dispatch(FakeApi(), "s", Call("test.echo", ["token:x"]), Visit(wrong_tokens={"token:x"}))
