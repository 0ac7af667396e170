"""What servers answer, well and badly, and what becomes of the download: byte-exact, or failed with a clear error."""

from __future__ import annotations

import socket

import pytest

from slasshy_rpc.errors import ErrorCode
from slasshy_rpc.net.names import AddrInfo
from slasshy_rpc.protocols import crew
from slasshy_rpc.protocols.connection import Connection
from tests.support.behaviour import Behaviour, Choose, Framing, Seen, after, every, first, nth
from tests.support.fetcher import Fetcher
from tests.support.origin import Origin, closed_port

MIB = 1 << 20
LENGTH = 12 * MIB + 4321

#: Servers that are odd, slow or broken for a while, and still give the whole file.
GOOD_IN_THE_END: dict[str, Behaviour | Choose] = {
    "plain": Behaviour(),
    "no ranges": Behaviour(ranges=False),
    "ranges promised, not given": Behaviour(ignore_range=True),
    "no length": Behaviour(framing="close", ranges=False),
    "chunked": Behaviour(framing="chunked", ranges=False),
    "chunked ranges": Behaviour(framing="chunked"),
    "tiny chunks with extensions and trailers": Behaviour(
        framing="chunked", ranges=False, chunk=1000, chunk_extension=";a=b", trailers=(("X", "y"),)
    ),
    "HTTP/1.0": Behaviour(http10=True, keep_alive=False),
    "no keep-alive": Behaviour(keep_alive=False),
    "hangs up after each answer": Behaviour(hang_up=True),
    "interim heads": Behaviour(interim=2),
    "head byte by byte": first(1, Behaviour(head_pause=0.001)),
    "every third breaks off": every(3, Behaviour(fail_after=200_000, fail_how="reset")),
    "the first breaks off": first(1, Behaviour(fail_after=MIB // 2)),
    "every fourth is a 503": every(4, Behaviour(status=503)),
    "500 at first": first(1, Behaviour(status=500)),
    "429 with Retry-After": first(1, Behaviour(status=429, headers=(("Retry-After", "0"),))),
    "no validators": Behaviour(etag="", last_modified=""),
    "ranges that start elsewhere": Behaviour(shift=16384),
    "wrong total in every range": after(1, Behaviour(total=5)),
    "another ETag on every node, one date": every(2, Behaviour(etag='"other"')),
}


@pytest.mark.parametrize("name", GOOD_IN_THE_END)
async def test_byte_exact(fetcher: Fetcher, origin: Origin, name: str) -> None:
    url = origin.serve("/file.bin", length=LENGTH, seed=7, behaviour=GOOD_IN_THE_END[name])
    done = await fetcher.fetch(url, max_tries="5", retry_wait="0")
    assert done.error is None
    assert done.path.name == "file.bin"
    assert done.path.read_bytes() == origin.content("/file.bin").whole()
    assert done.snapshot.completed_length == done.snapshot.total_length == LENGTH
    assert done.job.snapshot() is done.job.snapshot()  # nothing has changed: who polls need not look again
    assert not done.path.with_name("file.bin.aria2").exists()
    assert list(fetcher.live_dir.glob("*")) == []


@pytest.mark.parametrize("length", [0, 1, 16384, MIB - 1, MIB, MIB + 1, 2 * MIB])
async def test_lengths(fetcher: Fetcher, origin: Origin, length: int) -> None:
    url = origin.serve("/n.bin", length=length, seed=length)
    done = await fetcher.fetch(url)
    assert done.error is None
    assert done.path.read_bytes() == origin.content("/n.bin").whole()


async def test_sixteen_connections_at_once(fetcher: Fetcher, origin: Origin) -> None:
    url = origin.serve("/file.bin", length=32 * MIB, behaviour=Behaviour(rate=4 * MIB))
    done = await fetcher.fetch(url)
    assert done.error is None
    assert done.path.read_bytes() == origin.content("/file.bin").whole()
    assert origin.peak_connections == 16
    # The first answer's body was used: nobody asked for its bytes again.
    starts = [seen.range[0] for seen in origin.requests() if seen.range]
    assert 0 not in starts
    assert origin.requests()[0].range is None


#: Servers with which no download can be right: code, and words that tell the user what happened.
HOPELESS: dict[str, tuple[Behaviour, int, str]] = {
    "404": (Behaviour(status=404), ErrorCode.NOT_FOUND, "not found"),
    "401": (Behaviour(basic_auth=("me", "pw")), ErrorCode.AUTHORIZATION, "Authorization failed"),
    "403": (Behaviour(status=403), ErrorCode.BAD_RESPONSE, "status=403"),
    "410": (Behaviour(status=410), ErrorCode.BAD_RESPONSE, "status=410"),
    "416": (Behaviour(status=416), ErrorCode.BAD_RESPONSE, "status=416"),
    "500": (Behaviour(status=500), ErrorCode.BAD_RESPONSE, "status=500"),
    "503": (Behaviour(status=503), ErrorCode.OVERLOADED, "status=503"),
    "204": (Behaviour(status=204), ErrorCode.BAD_RESPONSE, "204"),
    "304": (Behaviour(status=304), ErrorCode.BAD_RESPONSE, "304"),
    "redirect to itself": (Behaviour(redirect="/file.bin"), ErrorCode.TOO_MANY_REDIRECTS, "redirects"),
    "garbage": (Behaviour(raw=b"SSH-2.0-OpenSSH_9.2\r\n"), ErrorCode.UNKNOWN, "HTTP"),
    "nothing": (Behaviour(raw=b""), ErrorCode.UNKNOWN, "EOF"),
    "1 MiB of head": (Behaviour(big_head=MIB), ErrorCode.UNKNOWN, "head"),
    "two lengths": (Behaviour(lengths=("10", "20")), ErrorCode.UNKNOWN, "length"),
    "truncated body": (Behaviour(fail_after=1000, ranges=False), ErrorCode.UNKNOWN, "EOF"),
    "body shorter than promised": (
        Behaviour(length_off=1000, ranges=False, keep_alive=False),
        ErrorCode.UNKNOWN,
        "EOF",
    ),
    "broken chunks": (Behaviour(framing="chunked", bad_chunk="size", ranges=False), ErrorCode.UNKNOWN, "chunked"),
    "stalls": (Behaviour(fail_after=1000, fail_how="stall", ranges=False), ErrorCode.TIMEOUT, "Timeout"),
}


@pytest.mark.parametrize("name", HOPELESS)
async def test_clear_error(fetcher: Fetcher, origin: Origin, name: str) -> None:
    behaviour, code, words = HOPELESS[name]
    url = origin.serve("/file.bin", length=8 * MIB, behaviour=behaviour)
    done = await fetcher.fetch(url, timeout="1")
    assert done.error is not None
    assert words in str(done.error)
    assert done.error.code == code


async def test_a_wrong_range_is_never_used(fetcher: Fetcher, origin: Origin) -> None:
    """The first stream breaks off, and every range that could replace it starts elsewhere."""
    broken = first(1, Behaviour(fail_after=MIB), Behaviour(shift=16384))
    url = origin.serve("/file.bin", length=8 * MIB, behaviour=broken)
    done = await fetcher.fetch(url)
    assert done.error is not None
    assert done.error.code == ErrorCode.CANNOT_RESUME
    assert "Invalid range header" in str(done.error)


async def test_refused_port(fetcher: Fetcher) -> None:
    with closed_port() as port:
        done = await fetcher.fetch(f"http://127.0.0.1:{port}/x")
    assert done.error is not None
    assert str(done.error).startswith("Failed to establish connection, cause: Connection refused")
    assert str(port) in str(done.error)


async def test_unknown_host(fetcher: Fetcher) -> None:
    done = await fetcher.fetch("http://no-such-host.invalid/x")
    assert done.error is not None
    assert done.error.code == ErrorCode.NAME_RESOLUTION
    assert "no-such-host.invalid" in str(done.error)


async def test_a_longer_body_than_promised_is_cut_where_it_was_promised(fetcher: Fetcher, origin: Origin) -> None:
    url = origin.serve("/file.bin", length=4 * MIB, behaviour=Behaviour(surplus=b"surplus" * 1000))
    done = await fetcher.fetch(url)
    assert done.error is None
    assert done.path.read_bytes() == origin.content("/file.bin").whole()


async def test_what_is_left_of_a_longer_body_is_no_answer(fetcher: Fetcher, origin: Origin) -> None:
    """It comes late, when the connection has been taken for the next request."""
    url = origin.serve("/file.bin", length=1000, behaviour=nth(2, Behaviour(raw=b"more of the body")))
    for _ in range(2):
        assert (await fetcher.fetch(url, max_tries="1")).error is None
    assert [seen.connection for seen in origin.requests()] == [1, 1, 2]


async def test_an_address_with_a_zone_is_found_again(fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a redirect, for the next range and among the connections that are kept."""

    async def lookup(host: str, port: int, family: int) -> list[AddrInfo]:
        assert host == "fe80::1%lo"
        return [(socket.AF_INET6, socket.SOCK_STREAM, 0, "", ("::1", port, 0, 0))]

    monkeypatch.setattr(fetcher._web._names, "_lookup", lookup)
    with Origin(host="::1") as origin:
        origin.serve("/file.bin", length=LENGTH)
        url = origin.serve("/", behaviour=Behaviour(redirect="/file.bin")).replace("[::1]", "[fe80::1%25lo]")
        done = await fetcher.fetch(url, split="2")
        assert done.error is None
        assert origin.content("/file.bin").difference(done.path) is None
        assert [(seen.path, seen.connection) for seen in origin.requests()[:2]] == [("/", 1), ("/file.bin", 1)]


async def test_two_versions_never_meet(fetcher: Fetcher, origin: Origin) -> None:
    """The file changes after the first answer: the result is the new version, whole."""
    new = Behaviour(version=1)
    url = origin.serve("/file.bin", length=LENGTH, behaviour=after(1, new))
    done = await fetcher.fetch(url)
    assert done.error is None
    assert done.path.read_bytes() == origin.content("/file.bin", 1).whole()


async def test_a_file_that_changes_all_the_time_fails(fetcher: Fetcher, origin: Origin) -> None:
    url = origin.serve("/file.bin", length=LENGTH, behaviour=lambda seen: Behaviour(version=seen.nth))
    done = await fetcher.fetch(url)
    assert done.error is not None
    assert done.error.code == ErrorCode.CANNOT_RESUME
    assert "changed" in str(done.error)


async def test_dead_mirror_is_dropped(fetcher: Fetcher, origin: Origin) -> None:
    good = origin.serve("/file.bin", length=LENGTH)
    bad = origin.serve("/gone/file.bin", behaviour=Behaviour(status=404))
    done = await fetcher.fetch(bad, good)
    assert done.error is None
    assert done.path.read_bytes() == origin.content("/file.bin").whole()
    assert len(origin.requests("/gone/file.bin")) <= 2


async def test_mirrors_are_used_together(fetcher: Fetcher, origin: Origin) -> None:
    slow = Behaviour(rate=MIB)
    urls = [origin.serve(f"/{name}/file.bin", length=LENGTH, seed=3, behaviour=slow) for name in "abc"]
    done = await fetcher.fetch(*urls, split="6", max_connection_per_server="6")
    assert done.error is None
    assert done.path.read_bytes() == origin.content("/a/file.bin").whole()
    assert all(origin.requests(f"/{name}/file.bin") for name in "abc")


async def test_a_mirror_with_another_file_is_dropped(fetcher: Fetcher, origin: Origin) -> None:
    good = origin.serve("/a/file.bin", length=LENGTH, seed=1, behaviour=Behaviour(rate=4 * MIB))
    other = origin.serve("/b/file.bin", length=LENGTH - 1, seed=2)
    done = await fetcher.fetch(good, other)
    assert done.error is None
    assert done.path.read_bytes() == origin.content("/a/file.bin").whole()


async def test_a_server_that_caps_connections(fetcher: Fetcher) -> None:
    with Origin(max_connections=3) as origin:
        url = origin.serve("/file.bin", length=LENGTH, behaviour=Behaviour(rate=3 * MIB))
        done = await fetcher.fetch(url, max_tries="3")
        assert done.error is None
        assert done.path.read_bytes() == origin.content("/file.bin").whole()


async def test_slow_connections_are_relieved(fetcher: Fetcher, origin: Origin) -> None:
    """Every fourth connection is two hundred times slower; fresh ones take over what they own."""
    url = origin.serve("/file.bin", length=16 * MIB, behaviour=Behaviour(slow_every=4, slow_rate=20_000, rate=4 * MIB))
    done = await fetcher.fetch(url, split="8")
    assert done.error is None
    assert done.path.read_bytes() == origin.content("/file.bin").whole()
    assert 8 < origin.connections <= 8 + 8 + 3


async def test_a_stream_that_stands_at_the_end_is_not_waited_for(fetcher: Fetcher, origin: Origin) -> None:
    """It keeps its connection open and says nothing more: the time-out of five seconds is not what ends it."""
    stall = Behaviour(fail_after=MIB, fail_how="stall")
    url = origin.serve("/file.bin", length=8 * MIB, behaviour=nth(3, stall, Behaviour(rate=8 * MIB)))
    done = await fetcher.fetch(url, split="4", max_tries="1")
    assert done.error is None
    assert done.path.read_bytes() == origin.content("/file.bin").whole()


async def test_a_server_that_says_nothing_any_more_runs_into_the_time_out(fetcher: Fetcher, origin: Origin) -> None:
    """Relief does not put that off for ever."""
    mute = Behaviour(hold_at=0)
    url = origin.serve("/file.bin", length=8 * MIB, behaviour=after(3, mute))
    done = await fetcher.fetch(url, split="4", max_tries="1", timeout="2")
    assert done.error is not None
    assert done.error.code == ErrorCode.TIMEOUT


async def test_a_stretch_that_nobody_gets_runs_into_the_time_out(fetcher: Fetcher, origin: Origin) -> None:
    """All but the file's last bytes come; heads are answered, and then there is silence."""
    length, silent_from = 8 * MIB, 8 * MIB - 20_000

    def choose(seen: Seen) -> Behaviour:
        begin, last = seen.range or (0, None)
        if last is not None and last < silent_from:
            return Behaviour(rate=8 * MIB)
        return Behaviour(rate=8 * MIB, fail_after=max(0, silent_from - begin), fail_how="stall")

    url = origin.serve("/file.bin", length=length, behaviour=choose)
    done = await fetcher.fetch(url, split="4", max_tries="2", timeout="1")
    assert done.error is not None
    assert done.error.code == ErrorCode.TIMEOUT
    assert len(origin.requests()) < 40


@pytest.mark.parametrize("framing", ["length", "close"])
async def test_too_slow_for_the_user(
    fetcher: Fetcher, origin: Origin, monkeypatch: pytest.MonkeyPatch, framing: Framing
) -> None:
    monkeypatch.setattr(crew, "STARTUP_IDLE", 0.5)
    url = origin.serve("/file.bin", length=MIB, behaviour=Behaviour(rate=20_000, framing=framing))
    done = await fetcher.fetch(url, lowest_speed_limit="200000", split="2")
    assert done.error is not None
    assert done.error.code == ErrorCode.TOO_SLOW


async def test_one_slow_stream_is_no_slow_server(
    fetcher: Fetcher, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew, "STARTUP_IDLE", 0.5)
    monkeypatch.setattr(Connection, "relieve", lambda self: None)
    behaviour = nth(3, Behaviour(rate=20_000), Behaviour(rate=MIB))
    url = origin.serve("/file.bin", length=6 * MIB, behaviour=behaviour)
    done = await fetcher.fetch(url, lowest_speed_limit="200000", split="4")
    assert done.error is None
    assert origin.content("/file.bin").difference(done.path) is None


@pytest.mark.parametrize("date", ["Fri, 01 Jan 99999 00:00:00 GMT", "+99999999999 Feb 01 00:00:00", "yesterday"])
async def test_an_impossible_date_is_no_date(fetcher: Fetcher, origin: Origin, date: str) -> None:
    later = Behaviour(status=503, headers=(("Retry-After", date),))
    url = origin.serve("/file.bin", length=LENGTH, behaviour=first(1, later, Behaviour(last_modified=date)))
    done = await fetcher.fetch(url)
    assert done.error is None
    assert origin.content("/file.bin").difference(done.path) is None


async def test_two_versions_with_weak_tags_never_meet(fetcher: Fetcher, origin: Origin) -> None:
    old = Behaviour(etag='W/"v1"', last_modified="", rate=8 * MIB)
    new = Behaviour(version=1, etag='W/"v2"', last_modified="")
    url = origin.serve("/file.bin", length=8 * MIB, behaviour=after(3, new, old))
    done = await fetcher.fetch(url, split="4")
    assert done.error is None
    assert origin.content("/file.bin", 1).difference(done.path) is None


async def test_an_answer_without_validators_does_not_join_two_versions(fetcher: Fetcher, origin: Origin) -> None:
    def choose(seen: Seen) -> Behaviour:
        if seen.nth == 2:
            return Behaviour(etag="", last_modified="")
        return Behaviour(version=int(seen.nth > 2), rate=8 * MIB)

    url = origin.serve("/file.bin", length=8 * MIB, behaviour=choose)
    done = await fetcher.fetch(url, split="3")
    assert done.error is None
    assert origin.content("/file.bin", 1).difference(done.path) is None


@pytest.mark.parametrize("limit", ["0", str(3 * MIB)])
async def test_nobody_is_relieved_where_we_hold_back_ourselves(
    fetcher: Fetcher, origin: Origin, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    relieved: list[Connection] = []
    monkeypatch.setattr(Connection, "relieve", lambda self: relieved.append(self))
    behaviour = nth(3, Behaviour(rate=MIB // 16), Behaviour(rate=MIB))
    url = origin.serve("/file.bin", length=6 * MIB, behaviour=behaviour)
    done = await fetcher.fetch(url, split="4", max_download_limit=limit)
    assert done.error is None
    assert bool(relieved) is (limit == "0")


async def test_checksum(fetcher: Fetcher, origin: Origin) -> None:
    url = origin.serve("/file.bin", length=LENGTH)
    right = origin.content("/file.bin").sha256()
    assert (await fetcher.fetch(url, checksum=f"sha-256={right}")).error is None
    wrong = await fetcher.fetch(url, checksum=f"sha-256={'0' * 64}", out="wrong.bin")
    assert wrong.error is not None
    assert wrong.error.code == ErrorCode.CHECKSUM
    assert wrong.path.exists()
