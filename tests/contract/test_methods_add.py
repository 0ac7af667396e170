"""aria2.addUri and the methods that do not exist yet."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from slasshy_rpc.errors import OptionError, RpcError
from tests.support.fake_protocol import Stage, close_all, options

URI = "http://127.0.0.1/f.bin"


@pytest_asyncio.fixture
async def stage() -> AsyncIterator[Stage]:
    yield Stage(options(max_concurrent_downloads="1"))
    await close_all()


async def test_answers_with_a_gid(stage: Stage) -> None:
    assert re.fullmatch("[0-9a-f]{16}", await stage.call("addUri", [URI]))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ([], "The parameter at 0 is required but missing."),
        (["x"], "The parameter at 0 has wrong type."),
        ([[URI], None], "The parameter at 1 has wrong type."),
        ([[URI], {}, None], "The parameter at 2 has wrong type."),
        ([[URI], {}, True], "The parameter at 2 has wrong type."),
        ([[], 5], "The parameter at 1 has wrong type."),
        ([[], {}, "a"], "The parameter at 2 has wrong type."),
        ([[]], "URI is not provided."),
        ([[1]], "URI is not provided."),
        ([[], {"split": "x"}], "URI is not provided."),
        ([["foo"]], "No URI to download."),
        ([["/etc/passwd"]], "No URI to download."),
        ([["file:///etc/passwd"]], "No URI to download."),
        ([["magnet:?xt=urn:btih:00"]], "No URI to download."),
        ([["ftp://127.0.0.1/x"]], "No URI to download."),
        ([[URI], {"gid": "abc"}], "No URI to download."),
        ([[URI], {"gid": "0000000000000000"}], "No URI to download."),
        ([[URI], {}, -1], "Position must be greater than or equal to 0."),
        ([["foo"], {}, -1], "Position must be greater than or equal to 0."),
        ([["http://127.0.0.1/\r\nx"]], "A URI must not contain line breaks or NUL characters."),
        ([["http://127.0.0.1/\0"]], "A URI must not contain line breaks or NUL characters."),
    ],
)
async def test_refusals(stage: Stage, params: list[object], message: str) -> None:
    assert await stage.error("addUri", *params) == message
    assert (await stage.call("getGlobalStat"))["numWaiting"] == "0"


@pytest.mark.parametrize(
    "bad",
    [{"split": "x"}, {"header": "A: b\rC: d"}, {"header": ["A: b\0"]}, {"user-agent": "a\nb"}, {"out": "a\nb"}],
)
async def test_a_bad_option_value_fails_the_call(stage: Stage, bad: dict[str, object]) -> None:
    with pytest.raises(OptionError) as caught:
        await stage.call("addUri", [URI], bad, -1)
    assert caught.value.name == next(iter(bad))


async def test_unknown_options_and_values_that_are_not_text_are_ignored(stage: Stage) -> None:
    gid = await stage.call("addUri", [URI], {"foo": "1", "split": 3, "continue": True, "out": None, "rpc-secret": "x"})
    told = await stage.call("getOption", gid)
    assert (told["split"], told["continue"], "out" in told, "foo" in told) == ("5", "false", False, False)


async def test_what_cannot_be_used_is_left_out(stage: Stage) -> None:
    gid = await stage.call("addUri", [URI, "foo", 5, "ftp://127.0.0.1/z", URI], {"pause": "true"})
    assert await stage.call("getUris", gid) == [{"status": "waiting", "uri": URI}] * 2


async def test_own_gid(stage: Stage) -> None:
    assert await stage.call("addUri", [URI], {"gid": "ABCDEF0123456789"}) == "abcdef0123456789"
    assert await stage.error("addUri", [URI], {"gid": "abcdef0123456789"}) == "No URI to download."
    assert "gid" not in await stage.call("getOption", "abcdef0123456789")


async def test_the_gid_of_a_result_is_in_use_until_purged(stage: Stage) -> None:
    gid = await stage.add()
    await stage.end(gid)
    assert await stage.error("addUri", [URI], {"gid": gid}) == "No URI to download."
    await stage.call("removeDownloadResult", gid)
    assert await stage.call("addUri", [URI], {"gid": gid}) == gid


async def test_paused(stage: Stage) -> None:
    gid = await stage.add(pause="true")
    assert await stage.call("tellStatus", gid, ["status"]) == {"status": "paused"}
    assert stage.heard == []
    assert "pause" not in await stage.call("getOption", gid)


async def test_position(stage: Stage) -> None:
    await stage.add()
    a, b = await stage.add(), await stage.add()
    c = await stage.call("addUri", [URI], {}, 0)
    d = await stage.call("addUri", [URI], {}, 1)
    e = await stage.call("addUri", [URI], {}, 10000)
    assert [each["gid"] for each in await stage.call("tellWaiting", 0, 99, ["gid"])] == [c, d, a, b, e]


async def test_what_a_new_one_looks_like(stage: Stage) -> None:
    gid = await stage.add(pause="true")
    assert await stage.call("tellStatus", gid) == {
        "gid": gid,
        "status": "paused",
        "totalLength": "0",
        "completedLength": "0",
        "uploadLength": "0",
        "downloadSpeed": "0",
        "uploadSpeed": "0",
        "connections": "0",
        "pieceLength": "1048576",
        "numPieces": "0",
        "dir": "/downloads",
        "files": [
            {
                "index": "1",
                "path": "",
                "length": "0",
                "completedLength": "0",
                "selected": "true",
                "uris": [{"status": "waiting", "uri": URI}],
            }
        ],
    }


@pytest.mark.parametrize(
    ("hosts", "split", "per_server", "expected"),
    [
        (1, 5, 1, "0"),
        (1, 5, 3, "000"),
        (2, 6, 3, "010101"),
        (3, 5, 16, "01201"),
        (2, 1, 1, "01"),
        (3, 2, 1, "012"),
        (2, 3, 16, "010"),
        (2, 5, 2, "0101"),
    ],
)
async def test_fresh_uris_are_listed_once_for_each_connection(
    stage: Stage, hosts: int, split: int, per_server: int, expected: str
) -> None:
    given = {"pause": "true", "split": str(split), "max-connection-per-server": str(per_server)}
    gid = await stage.call("addUri", [f"http://h{number}.test/" for number in range(hosts)], given)
    assert "".join(each["uri"][8] for each in await stage.call("getUris", gid)) == expected


async def test_the_list_of_uris_is_bounded_whatever_the_split(stage: Stage) -> None:
    given = {"pause": "true", "split": "100000", "max-connection-per-server": "16"}
    gid = await stage.call("addUri", [f"http://h{number}.test/" for number in range(100)], given)
    assert len(await stage.call("getUris", gid)) == 512
    gid = await stage.call("addUri", [f"http://h{number}.test/" for number in range(600)], given)
    assert len(await stage.call("getUris", gid)) == 600


async def test_a_download_has_a_bounded_number_of_uris(stage: Stage) -> None:
    many = [f"http://h/{number}" for number in range(10_001)]
    assert await stage.error("addUri", many) == "A download may have 10000 URIs at most."
    gid = await stage.call("addUri", many[:-1], {"pause": "true"})
    assert await stage.error("changeUri", gid, 1, [], many[-1:]) == "A download may have 10000 URIs at most."
    assert await stage.error("changeUri", gid, 1, many, many) == "A download may have 10000 URIs at most."
    assert await stage.call("changeUri", gid, 1, many[:1], many[-1:]) == [1, 1]
    assert len(await stage.call("getUris", gid)) == 10_000


async def test_parameterized_uris(stage: Stage) -> None:
    given = {"pause": "true", "parameterized-uri": "true", "split": "1"}
    gid = await stage.call("addUri", ["http://h/{a,b}[1-2]"], given)
    found = [each["uri"] for each in await stage.call("getUris", gid)]
    assert found == ["http://h/a1", "http://h/a2", "http://h/b1", "http://h/b2"]
    assert await stage.error("addUri", ["http://h/{}"], given) == "No URI to download."
    assert await stage.error("addUri", ["http://h/{a"], given) == "Missing '}' in the parameterized string."
    plain = await stage.add("http://h/{a,b}", pause="true")
    assert (await stage.call("getUris", plain))[0]["uri"] == "http://h/{a,b}"


async def test_several_headers(stage: Stage) -> None:
    gid = await stage.call("addUri", [URI], {"header": ["A: b", "C: d\nE: f"]})
    assert (await stage.call("getOption", gid))["header"] == "A: b\nC: d\nE: f\n"


async def test_the_options_of_a_finished_one_can_be_added_again(stage: Stage) -> None:
    gid = await stage.add(out="x", split="3")
    await stage.end(gid)
    told = await stage.call("getOption", gid)
    again = await stage.call("addUri", [URI], told)
    assert await stage.call("getOption", again) == told


@pytest.mark.parametrize("name", ["aria2.addTorrent", "aria2.addMetalink", "aria2.nope", "tellActive", ""])
async def test_methods_that_do_not_exist(stage: Stage, name: str) -> None:
    assert name not in stage.api.METHODS
    assert await stage.error(name if "." in name else "aria2." + "x" + name, "x") == (
        f"No such method: {name if '.' in name else 'aria2.x' + name}"
    )


async def test_every_listed_method_exists(stage: Stage) -> None:
    texts = set()
    for name in stage.api.METHODS:
        try:
            await stage.call(name)
        except RpcError as error:
            texts.add(str(error))
    assert texts == {"The parameter at 0 is required but missing.", "Filename is not given."}


async def test_headers_are_added_to_the_global_ones(stage: Stage) -> None:
    await stage.call("changeGlobalOption", {"header": ["A: 1"]})
    gid = await stage.add(header="B: 2")
    assert (await stage.call("getOption", gid))["header"] == "A: 1\nB: 2\n"
    await stage.call("changeOption", gid, {"header": "C: 3"})
    assert (await stage.call("getOption", gid))["header"] == "C: 3\n"
