"""Compressed bodies on their way to the file: in turns, so that a small body of much content leaves room for others."""

from __future__ import annotations

import gzip
import hashlib
import os
from pathlib import Path

import pytest

from slasshy_rpc.net import coding
from slasshy_rpc.protocols import decoding
from slasshy_rpc.protocols.decoding import Decoding


def test_in_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "TURN", 3 * coding.PIECE)
    length = 10 * coding.PIECE + 4321
    body = gzip.compress(bytes(length))
    with (tmp_path / "f").open("w+b") as file:
        one = Decoding("gzip", file.fileno(), file.name)
        one.begin()
        os.pwrite(one.spool, body, 0)
        turns = []
        while not one.advance(len(body)):
            turns.append(one.written)
        assert turns == [count * coding.PIECE for count in (3, 6, 9)]
        one.finish()
        one.close()
        assert one.written == length
        assert file.read() == bytes(length)


def test_what_has_not_come_yet_is_not_read(tmp_path: Path) -> None:
    """Bytes may be in the file before those in front of them."""
    data = os.urandom(200_000)
    body = gzip.compress(data)
    with (tmp_path / "f").open("w+b") as file:
        one = Decoding("gzip", file.fileno(), file.name, "sha-1")
        one.begin()
        os.pwrite(one.spool, body[:1000] + bytes(len(body) - 1000), 0)
        assert one.advance(1000)
        os.pwrite(one.spool, body, 0)
        assert one.advance(len(body))
        one.finish()
        one.close()
        assert one.digest == hashlib.sha1(body).hexdigest()
        assert file.read() == data


def test_a_disk_that_takes_a_few_bytes_at_a_time_gets_all_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = gzip.compress(b"0123456789")
    with (tmp_path / "f").open("w+b") as file:
        one = Decoding("gzip", file.fileno(), file.name)
        one.begin()
        os.pwrite(one.spool, body, 0)
        real = os.pwrite
        monkeypatch.setattr(os, "pwrite", lambda fd, data, offset: real(fd, data[:3], offset))
        assert one.advance(len(body))
        one.finish()
        one.close()
        assert file.read() == b"0123456789"
