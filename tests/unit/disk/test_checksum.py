"""Digests against hashlib's own over the whole content."""

from __future__ import annotations

import hashlib
import os
import zlib
from pathlib import Path

import pytest

from slasshy_rpc.disk import checksum
from slasshy_rpc.errors import DiskError, ErrorCode

CONTENT = os.urandom(3 * checksum.CHUNK + 17)


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "f"
    path.write_bytes(CONTENT)
    return str(path)


@pytest.mark.parametrize("algorithm", ["md5", "sha-1", "sha-224", "sha-256", "sha-384", "sha-512"])
def test_digests_are_hashlibs(file: str, algorithm: str) -> None:
    assert checksum.digest_file(file, algorithm) == hashlib.new(algorithm.replace("-", ""), CONTENT).hexdigest()


def test_adler32_has_eight_digits(tmp_path: Path, file: str) -> None:
    assert checksum.digest_file(file, "ADLER32") == f"{zlib.adler32(CONTENT):08x}"
    (tmp_path / "empty").write_bytes(b"")
    assert checksum.digest_file(str(tmp_path / "empty"), "adler32") == "00000001"


def test_a_descriptor_keeps_its_position(file: str) -> None:
    with open(file, "rb") as opened:
        opened.seek(5)
        assert checksum.digest_file(opened.fileno(), "sha-256") == hashlib.sha256(CONTENT).hexdigest()
        assert opened.tell() == 5


def test_progress_counts_bytes_and_cancelling_stops(file: str) -> None:
    seen: list[int] = []
    checksum.digest_file(file, "md5", seen.append)
    assert seen == [checksum.CHUNK, 2 * checksum.CHUNK, 3 * checksum.CHUNK, len(CONTENT)]
    seen.clear()
    with pytest.raises(checksum.Cancelled):
        checksum.digest_file(file, "md5", seen.append, lambda: len(seen) == 2)
    assert seen == [checksum.CHUNK, 2 * checksum.CHUNK]


def test_errors_name_the_path(tmp_path: Path, file: str) -> None:
    with pytest.raises(DiskError, match="missing") as caught:
        checksum.digest_file(str(tmp_path / "missing"), "md5")
    assert caught.value.code == ErrorCode.IO_ERROR
    with pytest.raises(DiskError, match="folder"):
        checksum.digest_file(str(tmp_path), "md5")
    with pytest.raises(KeyError):
        checksum.digest_file(file, "crc32")
