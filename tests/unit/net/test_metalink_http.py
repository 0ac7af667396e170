"""Digests and mirrors that heads name: the strongest first, nothing that contradicts itself, nothing but http."""

from __future__ import annotations

import base64
import hashlib
import time

import pytest

from slasshy_rpc.disk.checksum import ALGORITHMS
from slasshy_rpc.net.head import HEAD_LIMIT, Headers
from slasshy_rpc.net.metalink_http import digests, mirrors


def b64(algorithm: str, data: bytes = b"x") -> str:
    """A digest as it stands in a header."""
    return base64.b64encode(hashlib.new(algorithm, data).digest()).decode()


def hexadecimal(algorithm: str, data: bytes = b"x") -> str:
    """The same digest as --checksum has it."""
    return hashlib.new(algorithm, data).hexdigest()


S1, S256, S512 = (("sha-1", "sha1"), ("sha-256", "sha256"), ("sha-512", "sha512"))

DIGESTS = {
    "one": ([f"SHA-256={b64('sha256')}"], [S256]),
    "the strongest first": ([f"SHA-256={b64('sha256')}, sha-512={b64('sha512')}"], [S512, S256]),
    "over two lines": ([f"MD5={b64('md5')}", f"SHA-512={b64('sha512')}"], [S512, ("md5", "md5")]),
    "RFC 3230's SHA": ([f"SHA={b64('sha1')}"], [S1]),
    "twice the same": ([f"SHA-256={b64('sha256')},SHA-256={b64('sha256')}"], [S256]),
    "contradicting itself": ([f"SHA-256={b64('sha256')},SHA-256={b64('sha256', b'y')},SHA={b64('sha1')}"], [S1]),
    "of another length": ([f"SHA-256={b64('sha1')}"], []),
    "hexadecimal": ([f"SHA-256={hexadecimal('sha256')}"], []),
    "unknown": (["UNIXsum=30637, crc32c=abcdef=="], []),
    "no digest": (["SHA-256", "=", "", "SHA-256=", "SHA-256=?", "SHA-256=a"], []),
}


@pytest.mark.parametrize("name", DIGESTS)
def test_digest(name: str) -> None:
    lines, expected = DIGESTS[name]
    found = digests(Headers(("Digest", line) for line in lines), whole=False)
    assert found == [(algorithm, hexadecimal(known)) for algorithm, known in expected]


def test_algorithms_are_those_of_checksum() -> None:
    heads = Headers([("Digest", ",".join(f"{name}={b64(known)}" for name, known in ALGORITHMS.items() if known))])
    assert [name for name, _ in digests(heads, whole=True)] == [
        name for name in reversed(ALGORITHMS) if name != "adler32"
    ]


def test_repr_digest_is_of_the_file_only_where_the_answer_is() -> None:
    heads = Headers([("Repr-Digest", f"sha-256=:{b64('sha256')}:, sha-512=:{b64('sha512')}:")])
    assert digests(heads, whole=True) == [("sha-512", hexadecimal("sha512")), ("sha-256", hexadecimal("sha256"))]
    assert digests(heads, whole=False) == []


A, B, C = "http://a.example/f", "https://b.example/f?x=1", "http://c.example/f"

LINKS = {
    "plain": ([f"<{A}>; rel=duplicate"], [A]),
    "quoted": ([f'<{A}>; rel="duplicate"'], [A]),
    "several relations": ([f'<{A}>; rel="alternate duplicate"'], [A]),
    "by priority": ([f"<{A}>; rel=duplicate; pri=2", f"<{B}>; rel=duplicate; pri=1; geo=de"], [B, A]),
    "pref is before priority": ([f"<{A}>; rel=duplicate; pri=1", f"<{B}>; rel=duplicate; pref; pri=9"], [B, A]),
    "without a priority last": ([f"<{A}>; rel=duplicate", f"<{B}>; rel=duplicate; pri=999"], [B, A]),
    "one line": ([f'<{A}>; rel=duplicate; title="a, b; c", <{B}>; rel=duplicate'], [A, B]),
    "twice": ([f"<{A}>; rel=duplicate", f"<{A}>; rel=duplicate"], [A]),
    "priorities that are none": ([f"<{A}>; rel=duplicate; pri=x", f"<{C}>; pri=0; rel=duplicate"], [A, C]),
    "other relations": ([f"<{A}>; rel=describedby", f"<{B}>; rel=alternate", f"<{C}>"], []),
    "other schemes": (
        [f"<{url}>; rel=duplicate" for url in ("file:///etc/passwd", "ftp://a.example/f", "/f", "magnet:?xt=x", "")],
        [],
    ),
    "no URL": (["<http:///f>; rel=duplicate", "<http://a b/f>; rel=duplicate", f"{A}; rel=duplicate", "<"], []),
}


@pytest.mark.parametrize("name", LINKS)
def test_mirrors(name: str) -> None:
    lines, expected = LINKS[name]
    assert mirrors(Headers(("Link", line) for line in lines)) == expected


def test_not_more_than_can_be_meant() -> None:
    lines = [f"<http://{number}.example/f>; rel=duplicate; pri={2000 - number}" for number in range(1000)]
    found = mirrors(Headers(("Link", line) for line in lines))
    assert found == [f"http://{number}.example/f" for number in range(999, 899, -1)]


@pytest.mark.parametrize("part", ["<", '<>\\"'])
def test_a_hostile_line_takes_no_time(part: str) -> None:
    """The loop stands still meanwhile. With effort that grows as the square it is ten seconds and more."""
    line = part * (HEAD_LIMIT // len(part))
    begun = time.process_time()
    assert mirrors(Headers([("Link", line)])) == []
    assert time.process_time() - begun < 2
