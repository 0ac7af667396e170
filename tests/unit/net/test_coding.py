"""Compressed bodies are unfolded as they come, in bounded pieces, and none that is not whole passes for one."""

from __future__ import annotations

import gzip
import zlib

import pytest

from slasshy_rpc.errors import Retry, SourceError
from slasshy_rpc.net.coding import PIECE, Inflater, coding_of
from slasshy_rpc.net.head import Headers
from tests.support.content import Content

DATA = Content(3000, 1).whole() + b"a" * (3 * PIECE)
WHOLE = gzip.compress(DATA, mtime=0)
SHORT = gzip.compress(b"hello", mtime=0)


def raw(data: bytes) -> bytes:
    """Deflate without the zlib wrapper."""
    maker = zlib.compressobj(wbits=-15)
    return maker.compress(data) + maker.flush()


def unfold(coding: str, body: bytes, step: int) -> bytes:
    """What ``body`` gives when it comes in parts of ``step`` bytes."""
    inflater = Inflater(coding)
    pieces = [piece for at in range(0, len(body), step) for piece in inflater.feed(body[at : at + step])]
    inflater.finish()
    assert max(map(len, pieces), default=0) <= PIECE
    return b"".join(pieces)


GOOD = {
    "gzip": ("gzip", WHOLE, DATA),
    "two members": ("gzip", WHOLE + SHORT, DATA + b"hello"),
    "an empty member between": ("gzip", SHORT + gzip.compress(b"") + SHORT, b"hellohello"),
    "what follows is no member": ("gzip", SHORT + b"garbage", b"hello"),
    "zeroes follow": ("gzip", SHORT + b"\0", b"hello"),
    "gzip of nothing": ("gzip", gzip.compress(b""), b""),
    "nothing": ("gzip", b"", b""),
    "zlib": ("deflate", zlib.compress(DATA), DATA),
    "raw deflate": ("deflate", raw(DATA), DATA),
    "raw deflate whose end is taken with a full piece": ("deflate", raw(b"a" * (PIECE + 1)), b"a" * (PIECE + 1)),
    "gzip that is called deflate": ("deflate", WHOLE, DATA),
    "zlib that is called gzip": ("gzip", zlib.compress(DATA), DATA),
}


@pytest.mark.parametrize("step", [1, 7, 1 << 20])
@pytest.mark.parametrize("name", GOOD)
def test_unfolded(name: str, step: int) -> None:
    coding, body, data = GOOD[name]
    assert unfold(coding, body, step) == data


UNFINISHED = {
    "one byte": ("gzip", WHOLE[:1]),
    "without its end": ("gzip", WHOLE[:-1]),
    "in the second member": ("gzip", SHORT + SHORT[:-3]),
    "a byte of the second member": ("gzip", SHORT + SHORT[:1]),
    "raw": ("deflate", raw(DATA)[:-1]),
    "zlib": ("deflate", zlib.compress(DATA)[:-2]),
}


@pytest.mark.parametrize("step", [1, 1 << 20])
@pytest.mark.parametrize("name", UNFINISHED)
def test_unfinished(name: str, step: int) -> None:
    with pytest.raises(SourceError, match="ended before the file was complete") as caught:
        unfold(*UNFINISHED[name], step)
    assert caught.value.retry is Retry.SAME_SOURCE


CORRUPT = {
    "no gzip": ("gzip", b"not gzip at all", "incorrect header check"),
    "another sum": ("gzip", SHORT[:-8] + b"abcd" + SHORT[-4:], "incorrect data check"),
    "another length": ("gzip", SHORT[:-4] + b"abcd", "incorrect length check"),
    "no deflate": ("deflate", b"\xff\xff\xff\xff", "invalid block type"),
}


@pytest.mark.parametrize("step", [1, 1 << 20])
@pytest.mark.parametrize("name", CORRUPT)
def test_corrupt(name: str, step: int) -> None:
    coding, body, cause = CORRUPT[name]
    with pytest.raises(SourceError, match=cause) as caught:
        unfold(coding, body, step)
    assert caught.value.terse == f"libz::inflate() failed. cause:{cause}"
    assert caught.value.retry is Retry.NEXT_SOURCE


@pytest.mark.parametrize(
    ("values", "coding"),
    [
        ([], ""),
        (["gzip"], "gzip"),
        (["GZIP"], "gzip"),
        (["x-gzip"], "gzip"),
        (["deflate"], "deflate"),
        (["br"], ""),
        (["identity"], ""),
        (["gzip, gzip"], ""),
        (["gzip", "br"], ""),
    ],
)
def test_which_codings_are_undone(values: list[str], coding: str) -> None:
    assert coding_of(Headers(("Content-Encoding", value) for value in values)) == coding
