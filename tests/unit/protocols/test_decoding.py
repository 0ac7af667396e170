"""Compressed bodies on their way to the file: in turns, so that a small body of much content leaves room for others."""

from __future__ import annotations

import gzip
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
