"""Programs that call aria2c find this one under its name: their command lines are understood, and yt-dlp downloads.

The lines that download files by themselves are in tests/differential/commands_callers.py, beside a real aria2c.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from slasshy_rpc.cli.arguments import Mode, parse
from tests.support.behaviour import Behaviour
from tests.support.origin import Origin
from tests.support.process import PATIENCE, command_named

MIB = 1 << 20

#: How front ends, bots and images start their server.
SERVERS = {
    "mirror bots": '--allow-overwrite=true --auto-file-renaming=true --bt-enable-lpd=true --bt-detach-seed-only=true '
    '--bt-remove-unselected-file=true --bt-tracker="udp://127.0.0.1:1/a,udp://127.0.0.1:2/a" '
    "--check-certificate=false --check-integrity=true --continue=true --content-disposition-default-utf8=true "
    "--daemon=true --disk-cache=40M --enable-rpc=true --follow-torrent=mem --force-save=true "
    "--max-connection-per-server=10 --max-concurrent-downloads=10 --max-file-not-found=0 --max-tries=20 "
    "--min-split-size=10M --optimize-concurrent-downloads=true --peer-id-prefix=-qB4520- --reuse-uri=true "
    "--peer-agent=qBittorrent/4.5.2 --quiet=true --rpc-max-request-size=1024M --seed-ratio=0 --split=10 "
    "--summary-interval=0 --user-agent=Wget/1.12",
    "a bot's image": "--enable-rpc --rpc-listen-all=false --rpc-listen-port=6800 --max-connection-per-server=10 "
    "--seed-time=0 --max-overall-upload-limit=1K",
    "a bot's start.sh": "--enable-rpc --rpc-listen-all=false --rpc-listen-port=6800 --rpc-allow-origin-all "
    "--rpc-secret=S --max-connection-per-server=10 --split=10 --daemon=true --dir=/app/downloads",
    "spotdl": "--enable-rpc --rpc-listen-all --max-concurrent-downloads=1 --max-connection-per-server=1 --max-tries=0 "
    "--retry-wait=5 --continue=true --auto-file-renaming=false",
    "READMEs": "--enable-rpc --rpc-listen-all=true --rpc-allow-origin-all",
    "a web UI": "--enable-rpc --rpc-listen-all -D -d d",
    "Motrix": "--enable-rpc=true --rpc-allow-origin-all=true --rpc-listen-all=false --rpc-listen-port=16800 "
    "--rpc-secret=S --listen-port=21301 --dht-listen-port=26701 --enable-dht=true --enable-dht6=true "
    "--dht-file-path=dht.dat --dht-file-path6=dht6.dat --save-session=s --max-concurrent-downloads=5 "
    "--max-overall-download-limit=0 --max-overall-upload-limit=0 --max-connection-per-server=16 --split=16 "
    "--min-split-size=1M --user-agent=UA --connect-timeout=10 --timeout=10 --max-tries=0 --retry-wait=10 "
    "--lowest-speed-limit=0 --async-dns=true --bt-max-peers=128 --bt-enable-lpd=true --seed-ratio=2 --seed-time=60 "
    "--file-allocation=none --disk-cache=64M --save-session-interval=60 --bt-save-metadata=true "
    "--bt-metadata-only=false --auto-file-renaming=false --allow-overwrite=false --rpc-save-upload-metadata=true "
    "--force-save=true --pause=false --pause-metadata=false --bt-seed-unverified=false "
    "--bt-remove-unselected-file=true",
    "varia": "--enable-rpc --rpc-listen-port=6801 --rpc-allow-origin-all --max-connection-per-server=16",
}  # fmt: skip

#: Lines that add no word to those that are tried beside a real aria2c.
FETCHERS = {
    "yt-dlp's user arguments, shorter": "-c -j 3 -x 3 -s 3 -k 1M http://127.0.0.1/a.bin",
    "kiwix": "-x 8 -s 8 -d zim http://127.0.0.1/a.bin",
    "snapshots": "-x16 -s16 http://127.0.0.1/a.bin -d snap --log-level notice",
    "webdl": "-x 16 -s 16 -k 1M --timeout=60 --retry-wait=3 --max-tries=5 --user-agent=UA "
    "--allow-overwrite=true -d d -o f http://127.0.0.1/a.bin",
    "termux": "-x 2 -s 2 -c --file-allocation=none --summary-interval=1 --console-log-level=warn -d d -o f http://127.0.0.1/a.bin",
    "zenodo": "-x 8 -s 8 -k 1M -c -d . -o f http://127.0.0.1/a.bin",
    "alphafold": "-q -x 16 http://127.0.0.1/a.bin",
    "CI": "-Z http://127.0.0.1/a.bin",
    "balena": "--console-log-level=error --download-result=hide --file-allocation=none -x 4 http://127.0.0.1/a.bin",
    "AOSP": "-q -x 8 -s 8 --file-allocation=none -d d -o f http://127.0.0.1/a.bin",
    "mods": "-q --max-tries=3 --retry-wait=1 -d d -o f http://127.0.0.1/a.bin",
}


@pytest.mark.parametrize("name", FETCHERS)
def test_downloads_are_asked_for_as_from_aria2c(name: str) -> None:
    start = parse(["--no-conf", *shlex.split(FETCHERS[name])], compat=True)
    assert (start.mode, start.uris, start.warnings) == (Mode.ONE_SHOT, ("http://127.0.0.1/a.bin",), ())


@pytest.mark.parametrize("name", SERVERS)
def test_servers_are_started_as_aria2c_is(name: str) -> None:
    start = parse(["--no-conf", *shlex.split(SERVERS[name])], compat=True)
    assert (start.mode, start.rpc) == (Mode.SERVER, True)


def called(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A command that finds ``aria2c`` in ``folder`` first, run in another folder."""
    work = folder / "work"
    work.mkdir(exist_ok=True)
    inherited = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    environment = {**inherited, "PATH": f"{folder}:{os.environ['PATH']}", "HOME": str(folder), "LC_ALL": "C.UTF-8"}
    return subprocess.run(
        words, cwd=work, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False
    )


def test_apt_fast_finds_the_digests_it_may_ask_for(tmp_path: Path) -> None:
    command_named("aria2c", tmp_path)
    sed = "/^Hash Algorithms:/!d; s/[^:]*: *//"
    found = called(tmp_path, "sh", "-c", f"LC_ALL=C aria2c -v | sed '{sed}'").stdout
    assert {"sha-512", "sha-256", "sha-1", "md5"} <= set(re.split(r",\s*", found.strip()))


@pytest.mark.parametrize("arguments", [(), ("-o", "sub dir/%(title)s.%(ext)s")])
def test_yt_dlp_downloads_with_it(origin: Origin, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    pytest.importorskip("yt_dlp")
    command_named("aria2c", tmp_path)
    url = origin.serve("/film.mp4", length=3 * MIB, behaviour=Behaviour(content_type="video/mp4"))
    ran = called(tmp_path, sys.executable, "-m", "yt_dlp", "--no-cache-dir", "--downloader", "aria2c", *arguments, url)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (path,) = (each for each in (tmp_path / "work").rglob("*") if each.is_file())
    assert origin.content("/film.mp4").difference(path) is None
    assert path.suffix == ".mp4"
    assert path.parent.name == ("sub dir" if arguments else "work")
    assert any(seen.range for seen in origin.requests("/film.mp4")), "one connection: yt-dlp brought it itself"


def test_yt_dlp_shows_why_it_fails(origin: Origin, tmp_path: Path) -> None:
    """yt-dlp has looked at the file before, and then it is gone."""
    pytest.importorskip("yt_dlp")
    command_named("aria2c", tmp_path)

    def gone(seen: object) -> Behaviour:
        here = len(origin.requests("/film.mp4")) <= 1
        return Behaviour(content_type="video/mp4") if here else Behaviour(status=404)

    url = origin.serve("/film.mp4", length=MIB, behaviour=gone)
    ran = called(tmp_path, sys.executable, "-m", "yt_dlp", "--no-cache-dir", "--downloader", "aria2c", url)
    assert ran.returncode == 1
    assert "aria2c exited with code 3" in ran.stderr
    assert "errorCode=3" in ran.stdout
