"""What heads promise and ask for, kept and broken: compressed bodies, digests, 304, HEAD, and mirrors they name."""

from __future__ import annotations

import base64
import gzip
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from slasshy_rpc.errors import ErrorCode
from tests.support.behaviour import Behaviour, Choose, Seen, first
from tests.support.content import Content
from tests.support.fetcher import Fetcher, interrupt
from tests.support.origin import Origin

MIB = 1 << 20
DATA = Content(3 * MIB + 4321, 5).whole()
PACKED = gzip.compress(DATA, 1, mtime=0)
OLD = 1_400_000_000


@pytest.fixture
def other() -> Iterator[Origin]:
    """A second server: another origin."""
    with Origin() as one:
        yield one


def head(*lines: str, **knobs: int | str | None) -> Behaviour:
    """An answer with these header lines."""
    fields = tuple((name, value) for name, _, value in (line.partition(": ") for line in lines))
    return Behaviour(headers=fields, **knobs)  # type: ignore[arg-type] # what knobs there are is Behaviour's matter


def digest(data: bytes) -> str:
    """SHA-256 as it stands in a Digest field."""
    return "SHA-256=" + base64.b64encode(hashlib.sha256(data).digest()).decode()


PACK = ("Content-Encoding: gzip",)

#: Compressed bodies that are whole in the end.
UNFOLDED: dict[str, tuple[bytes, Behaviour | Choose]] = {
    "with a length": (PACKED, head(*PACK)),
    "chunked": (PACKED, head(*PACK, framing="chunked", chunk=1000)),
    "until the end": (PACKED, head(*PACK, framing="close")),
    "of two members": (gzip.compress(DATA[:MIB]) + gzip.compress(DATA[MIB:]), head(*PACK)),
    "breaks off once": (PACKED, first(1, head(*PACK, fail_after=MIB), head(*PACK))),
    "not compressed the second time": (PACKED, first(1, head(*PACK, fail_after=MIB), Behaviour(framing="close"))),
    "its digest": (PACKED, head(*PACK, f"Digest: {digest(DATA)}")),
    "its digest on the way": (PACKED, head(*PACK, f"Digest: {digest(PACKED)}")),
}


@pytest.mark.parametrize("name", UNFOLDED)
async def test_a_compressed_body_is_unfolded(fetcher: Fetcher, origin: Origin, name: str) -> None:
    body, behaviour = UNFOLDED[name]
    url = origin.serve("/f.bin", data=body, behaviour=behaviour)
    done = await fetcher.fetch(url, http_accept_gzip="true")
    assert done.error is None
    expected = PACKED if name.startswith("not compressed") else DATA
    assert done.path.read_bytes() == expected
    assert done.snapshot.completed_length == done.snapshot.total_length == len(expected)
    assert os.listdir(fetcher.folder) == ["f.bin"]  # and nothing of what was on its way
    assert {seen.header("accept-encoding") for seen in origin.requests()} == {"deflate, gzip"}
    assert {seen.range for seen in origin.requests()} == {None}


async def test_a_bomb_needs_the_disk_alone(fetcher: Fetcher, origin: Origin) -> None:
    size = 64 * MIB
    url = origin.serve("/f.bin", data=gzip.compress(bytes(size), 1), behaviour=head(*PACK))
    done = await fetcher.fetch(url, http_accept_gzip="true")
    assert done.error is None
    assert done.path.stat().st_size == size


#: Compressed bodies that are not whole: what is said, and how often the server was asked with max-tries=2.
BROKEN: dict[str, tuple[bytes, Behaviour, str, int]] = {
    "no gzip": (b"this is no gzip", head(*PACK), "incorrect header check", 1),
    "another sum": (PACKED[:-8] + b"abcd" + PACKED[-4:], head(*PACK), "incorrect data check", 1),
    "spoiled early, endless": (b"\x1f\x8b" + b"x" * 100, head(*PACK, framing="chunked", hold_at=102), "corrupt", 1),
    "without its end": (PACKED[:-20], head(*PACK), "ended before the file was complete", 2),
    "without its end, chunked": (PACKED[:-20], head(*PACK, framing="chunked"), "ended before", 2),
    "cut off": (PACKED, head(*PACK, fail_after=MIB), "Got EOF", 2),
    "broken chunks": (PACKED, head(*PACK, framing="chunked", bad_chunk="size"), "chunked encoding is broken", 2),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_what_is_not_whole_is_never_complete(fetcher: Fetcher, origin: Origin, name: str) -> None:
    body, behaviour, words, tries = BROKEN[name]
    url = origin.serve("/f.bin", data=body, behaviour=behaviour)
    done = await fetcher.fetch(url, http_accept_gzip="true")
    assert done.error is not None
    assert words in str(done.error)
    assert done.error.code == ErrorCode.UNKNOWN
    assert len(origin.requests()) == tries


async def test_a_mirror_takes_over_from_a_corrupt_one(fetcher: Fetcher, origin: Origin) -> None:
    bad = origin.serve("/a/f.bin", data=PACKED[:MIB] + bytes(MIB), behaviour=head(*PACK))
    good = origin.serve("/b/f.bin", data=PACKED, behaviour=head(*PACK))
    done = await fetcher.fetch(bad, good, http_accept_gzip="true")
    assert done.error is None
    assert done.path.read_bytes() == DATA


async def test_a_part_of_a_compressed_body_is_no_part_of_the_file(fetcher: Fetcher, origin: Origin) -> None:
    fetcher.folder.mkdir()
    (fetcher.folder / "f.bin").write_bytes(DATA[:MIB])
    url = origin.serve("/f.bin", data=PACKED, behaviour=head(*PACK))
    options = {"continue": "true"}
    done = await fetcher.fetch(url, http_accept_gzip="true", **options)
    assert done.error is None
    assert done.path.read_bytes() == DATA
    assert done.path.name == "f.1.bin"


async def test_a_full_disk_ends_it(fetcher: Fetcher, origin: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int, data: bytes, offset: int) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    url = origin.serve("/f.bin", data=PACKED, behaviour=head(*PACK, framing="chunked"))
    done = await fetcher.fetch(url, http_accept_gzip="true")
    assert done.error is not None
    assert done.error.code == ErrorCode.DISK_FULL


async def test_interrupted_while_it_unfolds(fetcher: Fetcher, origin: Origin) -> None:
    """What was on its way is gone with the Job."""
    held = head(*PACK, framing="chunked", hold_at=2 * MIB)
    url = origin.serve("/f.bin", data=PACKED, behaviour=held)
    job = fetcher.job(url, http_accept_gzip="true")
    await interrupt(job, MIB)
    assert 0 < (fetcher.folder / "f.bin").stat().st_size < len(DATA)
    open_files = {os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if _readable(fd)}
    assert not [name for name in open_files if name.startswith(str(fetcher.folder)) and "live" not in name]


def _readable(fd: str) -> bool:
    return os.path.islink(f"/proc/self/fd/{fd}")


# ---- digests


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("field", ["Digest: {}", "Repr-Digest: sha-256=:{}:"])
async def test_a_wrong_digest_fails(fetcher: Fetcher, origin: Origin, framing: str, field: str) -> None:
    told = digest(b"x")
    line = field.format(told if field.startswith("Digest") else told.partition("=")[2])
    url = origin.serve("/f.bin", data=DATA, behaviour=head(line, framing=framing))
    done = await fetcher.fetch(url)
    assert done.error is not None
    assert done.error.code == ErrorCode.CHECKSUM
    assert "sha-256 digest that the server told" in str(done.error)
    assert done.path.exists()


async def test_the_digest_of_the_first_answer_holds_for_where_it_leads(
    fetcher: Fetcher, origin: Origin, other: Origin
) -> None:
    there = other.serve("/f.bin", data=b"y" * len(DATA))
    url = origin.serve("/f.bin", behaviour=head(f"Digest: {digest(DATA)}", redirect=there))
    done = await fetcher.fetch(url)
    assert done.error is not None
    assert done.error.code == ErrorCode.CHECKSUM


async def test_a_source_that_tells_of_another_file_than_the_user_is_passed_over(
    fetcher: Fetcher, origin: Origin
) -> None:
    bad = origin.serve("/a/f.bin", data=DATA, behaviour=head(f"Digest: {digest(b'x')}"))
    good = origin.serve("/b/f.bin", data=DATA)
    checksum = "sha-256=" + hashlib.sha256(DATA).hexdigest().upper()
    done = await fetcher.fetch(bad, good, checksum=checksum, split="1")
    assert done.error is None
    assert done.path.read_bytes() == DATA
    assert origin.requests("/b/f.bin")


async def test_the_checksum_of_a_body_of_unknown_length(fetcher: Fetcher, origin: Origin) -> None:
    url = origin.serve("/f.bin", data=DATA, behaviour=Behaviour(framing="chunked"))
    done = await fetcher.fetch(url, checksum="md5=" + "0" * 32)
    assert done.error is not None
    assert done.error.code == ErrorCode.CHECKSUM


# ---- conditional requests


def old(fetcher: Fetcher, name: str = "f.bin", data: bytes = b"old") -> Path:
    """A file that was written long ago."""
    fetcher.folder.mkdir(exist_ok=True)
    path = fetcher.folder / name
    path.write_bytes(data)
    os.utime(path, (OLD, OLD))
    return path


@pytest.mark.parametrize("lines", [(), ("Content-Length: 5",), ("Transfer-Encoding: chunked",)])
async def test_not_modified(fetcher: Fetcher, origin: Origin, lines: tuple[str, ...]) -> None:
    path = old(fetcher)
    url = origin.serve("/f.bin", data=DATA, behaviour=head(*lines, status=304))
    done = await fetcher.fetch(url, conditional_get="true")
    assert done.error is None
    assert done.path == path
    assert path.read_bytes() == b"old"
    assert path.stat().st_mtime == OLD
    assert origin.requests()[0].header("if-modified-since") == "Tue, 13 May 2014 16:53:20 GMT"


@pytest.mark.parametrize("there", ["nothing", "a control file", "a folder", "a file of another name"])
async def test_304_that_nobody_asked_for(fetcher: Fetcher, origin: Origin, there: str) -> None:
    if there == "a control file":
        old(fetcher).with_name("f.bin.aria2").write_bytes(b"")
    elif there == "a folder":
        (fetcher.folder / "f.bin").mkdir(parents=True)
    elif there == "a file of another name":
        old(fetcher, "g.bin")
    url = origin.serve("/f.bin", data=DATA, behaviour=Behaviour(status=304))
    done = await fetcher.fetch(url, conditional_get="true")
    assert done.error is not None
    assert done.error.code == ErrorCode.BAD_RESPONSE
    assert origin.requests()[0].header("if-modified-since") is None


async def test_a_time_before_all_dates_is_not_asked_with(fetcher: Fetcher, origin: Origin) -> None:
    os.utime(old(fetcher), (-5, -5))
    url = origin.serve("/f.bin", data=DATA)
    done = await fetcher.fetch(url, conditional_get="true", allow_overwrite="true")
    assert done.error is None
    assert done.path.read_bytes() == DATA
    assert origin.requests()[0].header("if-modified-since") is None


async def test_what_changes_after_the_first_answer_is_not_conditional(fetcher: Fetcher, origin: Origin) -> None:
    """The parts of a file that is being written have no time of their own."""
    old(fetcher)
    url = origin.serve("/f.bin", data=DATA)
    done = await fetcher.fetch(url, conditional_get="true", allow_overwrite="true", split="3")
    assert done.error is None
    assert done.path.read_bytes() == DATA
    one, *others = [seen.header("if-modified-since") for seen in origin.requests()]  # on a busy machine, more
    assert one is not None
    assert others
    assert set(others) == {None}


# ---- HEAD


def by_method(get: Behaviour, other: Behaviour) -> Choose:
    """One answer to GET, another to HEAD."""
    return lambda seen: other if seen.method == "HEAD" else get


HEADS: dict[str, Behaviour | Choose] = {
    "good": Behaviour(),
    "no ranges": Behaviour(ranges=False),
    "ranges promised, not given": Behaviour(ignore_range=True),
    "no keep-alive": Behaviour(keep_alive=False),
    "no length": Behaviour(framing="close"),
    "chunked": Behaviour(framing="chunked"),
    "a length of nothing": by_method(Behaviour(), Behaviour(lengths=("0",))),
    "without validators": by_method(Behaviour(), Behaviour(etag="", last_modified="")),
}


@pytest.mark.parametrize("name", HEADS)
async def test_head_first(fetcher: Fetcher, origin: Origin, name: str) -> None:
    url = origin.serve("/f.bin", data=DATA, behaviour=HEADS[name])
    done = await fetcher.fetch(url, use_head="true")
    assert done.error is None
    assert done.path.read_bytes() == DATA
    assert [seen.method for seen in origin.requests()].count("HEAD") == 1
    assert origin.requests()[0].method == "HEAD"


async def test_head_and_get_of_two_files(fetcher: Fetcher, origin: Origin) -> None:
    url = origin.serve("/f.bin", data=DATA, behaviour=by_method(Behaviour(), Behaviour(lengths=("10",))))
    done = await fetcher.fetch(url, use_head="true")
    assert done.error is not None
    assert done.error.code == ErrorCode.CANNOT_RESUME
    assert len(origin.requests()) == 2


async def test_a_dry_run_leaves_no_trace(fetcher: Fetcher, origin: Origin) -> None:
    old(fetcher)
    url = origin.serve("/f.bin", data=DATA)
    done = await fetcher.fetch(url, dry_run="true")
    assert done.error is None
    assert done.path.name == "f.1.bin"
    assert sorted(os.listdir(fetcher.folder)) == ["f.bin"]
    assert [seen.method for seen in origin.requests()] == ["HEAD"]


# ---- mirrors that a server names


def naming(*urls: str, **knobs: int | str | None) -> Behaviour:
    """An answer that names these as mirrors."""
    return head(*(f"Link: <{url}>; rel=duplicate" for url in urls), **knobs)


async def test_a_mirror_gets_no_credentials(fetcher: Fetcher, origin: Origin, other: Origin) -> None:
    mirror = other.serve("/m/f.bin", data=DATA)
    url = origin.serve("/f.bin", data=DATA, behaviour=lambda seen: naming(mirror, rate=MIB if seen.nth == 1 else 0))
    done = await fetcher.fetch(
        url,
        http_user="me",
        http_passwd="pw",
        header="Authorization: secret\nCookie: a=b\nX-Api-Key: k\nX-Plain: p",
        referer="*",
    )
    assert done.error is None
    assert done.path.read_bytes() == DATA
    assert origin.requests()[0].header("x-api-key") == "k"
    asked = other.requests()
    assert asked
    for seen in asked:
        assert seen.header("x-plain") == "p"
        assert {name for name, _ in seen.headers}.isdisjoint({"authorization", "cookie", "x-api-key"})


async def test_a_mirror_in_a_redirect_takes_over(fetcher: Fetcher, origin: Origin, other: Origin) -> None:
    mirror = other.serve("/m/f.bin", data=DATA)
    dying = origin.serve("/dying", data=DATA, behaviour=first(1, Behaviour(fail_after=MIB), Behaviour(status=403)))
    url = origin.serve("/f.bin", behaviour=naming(mirror, redirect=dying))
    done = await fetcher.fetch(url, split="1")
    assert done.error is None
    assert done.path.read_bytes() == DATA
    assert other.requests()


@pytest.mark.parametrize("odd", ["another length", "another version", "gone", "itself", "no http"])
async def test_an_odd_mirror_does_no_harm(fetcher: Fetcher, origin: Origin, other: Origin, odd: str) -> None:
    urls = {
        "another length": other.serve("/f.bin", data=DATA[:-1]),
        "another version": other.serve("/v.bin", data=bytes(len(DATA)), behaviour=Behaviour(version=1)),
        "gone": other.url("/gone"),
        "itself": origin.url("/f.bin"),
        "no http": "file:///etc/passwd",
    }

    def slow(seen: Seen) -> Behaviour:
        return naming(urls[odd], rate=4 * MIB)

    url = origin.serve("/f.bin", data=DATA, behaviour=slow)
    done = await fetcher.fetch(url)
    assert done.error is None
    assert done.path.read_bytes() == DATA
    assert [view.uri for view in done.snapshot.files[0].uris] == [url] * len(done.snapshot.files[0].uris)
