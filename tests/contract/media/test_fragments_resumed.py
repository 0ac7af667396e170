"""Fragments under way: how many at once, what they look like, and that none is fetched twice."""

from __future__ import annotations

import glob
import os
import shutil
import time
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # it has no types of its own
import pytest

from tests.support.behaviour import Behaviour, Seen, first
from tests.support.media import decoded, listed, listing, page, playlist, put
from tests.support.origin import Origin
from tests.support.process import Server, run
from tests.support.proxy import HttpProxy

pytestmark = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
STANDING = True

TS = [f"t{n}.ts" for n in range(4)]
Files = dict[str, bytes]


def held(origin: Origin, files: Files) -> str:
    """A page whose last fragment does not come to its end."""
    site = put(origin, files)
    origin.serve("/s/t3.ts", data=files["t3.ts"], behaviour=Behaviour(hold_at=1000))
    return page(origin, "one", listed(f"{site}ts.m3u8"))


def test_killed_and_gone_on_with(
    options: list[str], origin: Origin, files: Files, folder: Path, source: list[str]
) -> None:
    """What was whole is not fetched again, what was not is; the signature of the next look at the page is another."""
    with Server(*options) as server:
        gid = server.add(held(origin, files))
        server.until(gid, lambda status: status.get("bitfield") == "e0")
        server.kill()
    assert (folder / "One [one].mp4.part" / "00003.new").stat().st_size <= 1000
    origin.serve("/s/t3.ts", data=files["t3.ts"])
    page(origin, "one", listed(origin.url("/s/ts.m3u8?sig=2")))
    with Server(*options) as server:
        server.completed(gid)
    assert [len(origin.requests(f"/s/{name}")) for name in TS] == [1, 1, 1, 2]
    assert os.listdir(folder) == ["One [one].mp4"]
    assert decoded(folder / "One [one].mp4") == source


def test_killed_between_video_and_sound(
    options: list[str], origin: Origin, files: Files, folder: Path, source: list[str]
) -> None:
    site = put(origin, files)
    origin.serve("/s/1-3.m4s", data=files["1-3.m4s"], behaviour=Behaviour(hold_at=100))
    others = sum(name.startswith(("0-", "1-")) for name in files) - 1

    def whole(status: object) -> bool:
        return sum(path.name.isdigit() for path in folder.glob("*.part/*")) == others

    with Server(*options) as server:
        gid = server.add(page(origin, "one", mpds=[f"{site}dash.mpd"]))
        server.until(gid, whole)
        server.kill()
    before = len(origin.requests())
    put(origin, files)
    with Server(*options) as server:
        server.completed(gid)
    assert [seen.path for seen in origin.requests()[before:]] == ["/watch/one", "/s/dash.mpd", "/s/1-3.m4s"]
    assert decoded(folder / "One [one].mp4") == source
    assert os.listdir(folder) == ["One [one].mp4"]


def test_what_is_left_of_one_medium_of_a_page_is_not_taken_for_anothers(
    server: Server, origin: Origin, files: Files, folder: Path
) -> None:
    """Whose fragments are called alike and as long, as encoders make them."""
    for n, pair in enumerate((TS[:2], TS[2:])):
        for name, source in zip(TS, pair, strict=False):
            origin.serve(f"/{n}/{name}", data=files[source])
        origin.serve(f"/{n}/list.m3u8", data=playlist(*TS[:2]))
    origin.serve("/0/t1.ts", data=files["t1.ts"], behaviour=Behaviour(hold_at=1000))
    bare = [{"id": f"n{n}", "title": "T", "formats": [listed(origin.url(f"/{n}/list.m3u8"))]} for n in (0, 1)]
    url = listing(origin, "bare", *bare)
    left, taken = server.completed(server.add(url, media_template="same", pause_metadata="true"))["followedBy"]
    server.call("aria2.unpause", left)
    server.until(left, lambda status: status.get("bitfield") == "80")
    server.call("aria2.remove", left)
    server.finished(left)
    server.call("aria2.unpause", taken)
    server.completed(taken)
    assert [len(origin.requests(f"/1/{name}")) for name in TS[:2]] == [1, 1]


def test_paused_and_removed_at_every_stage(server: Server, origin: Origin, files: Files, folder: Path) -> None:
    url = held(origin, files)
    text = files["ts.m3u8"]
    origin.serve("/s/ts.m3u8", data=text, behaviour=Behaviour(hold_at=10))
    gid = server.add(url)
    origin.wait(lambda o: bool(o.requests("/s/ts.m3u8")))
    for _ in range(2):  # while the playlist comes, and while fragments come
        server.call("aria2.pause", gid)
        server.until(gid, lambda status: status["status"] == "paused")
        origin.serve("/s/ts.m3u8", data=text)
        server.call("aria2.unpause", gid)
        server.until(gid, lambda status: status.get("bitfield") == "e0")
    origin.wait(lambda o: len(o.requests("/s/t3.ts")) == 2)
    assert [len(origin.requests(f"/s/{name}")) for name in TS] == [1, 1, 1, 2]
    server.call("aria2.remove", gid)
    server.until(gid, lambda status: status["status"] == "removed")
    assert sorted(os.listdir(folder / "One [one].mp4.part")) == ["00000", "00001", "00002", "slasshy-rpc.fragments"]
    origin.serve("/s/t3.ts", data=files["t3.ts"])
    server.completed(server.add(url))  # as with a control file that was left
    assert [len(origin.requests(f"/s/{name}")) for name in TS] == [1, 1, 1, 3]
    assert os.listdir(folder) == ["One [one].mp4"]


def test_stopped_while_ffmpeg_works(
    options: list[str], origin: Origin, files: Files, folder: Path, source: list[str], tmp_path: Path
) -> None:
    """One that never reads, and so does not take what is poured into its pipe: paused, killed, and gone on with."""
    idle = tmp_path / "bin" / "ffmpeg"
    idle.parent.mkdir()
    idle.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 20\n")
    idle.chmod(0o755)
    site = put(origin, files)
    merging = f"{folder}/.*.unready"
    with Server(*options, environment={"PATH": f"{idle.parent}:{os.environ['PATH']}"}) as server:
        gid = server.add(page(origin, "one", listed(f"{site}ts.m3u8")))
        status = server.until(gid, lambda _: bool(glob.glob(merging)))
        assert (status["completedLength"], status["downloadSpeed"]) == (status["totalLength"], "0")
        server.call("aria2.pause", gid)
        server.until(gid, lambda status: status["status"] == "paused")
        assert glob.glob(merging) == []
        (tmp_path / "pid").unlink(missing_ok=True)
        server.call("aria2.unpause", gid)
        server.until(gid, lambda _: bool(glob.glob(merging)))
        server.until(gid, lambda _: (tmp_path / "pid").exists() and bool((tmp_path / "pid").read_text()))
        server.kill()
    pid, end = int((tmp_path / "pid").read_text()), time.monotonic() + 10
    while psutil.pid_exists(pid):  # it ends with the server
        assert time.monotonic() < end
        time.sleep(0.01)
    with Server(*options) as server:
        server.completed(gid)
    assert [len(origin.requests(f"/s/{name}")) for name in TS] == [1] * 4
    assert decoded(folder / "One [one].mp4") == source


def test_what_is_not_ours_is_left_alone(server: Server, origin: Origin, files: Files, folder: Path) -> None:
    """A folder, a link and a file that are called like ours, and what somebody has put beside our fragments."""
    url = held(origin, files)
    mine = folder / "One [one].mp4.part"
    mine.mkdir(parents=True)
    (mine / "00000").write_bytes(b"mine")
    (folder / "One [one].mp4.1.part").symlink_to(mine)
    (folder / "One [one].mp4.2.part").write_bytes(b"mine too")
    gid = server.add(url)
    server.until(gid, lambda status: status.get("bitfield") == "e0")
    (folder / "One [one].mp4.3.part" / "note").write_bytes(b"somebody's")
    origin.release("/s/t3.ts")
    server.completed(gid)
    assert os.listdir(mine) == ["00000"]
    assert (mine / "00000").read_bytes() == b"mine"
    assert (folder / "One [one].mp4.1.part").is_symlink()
    assert (folder / "One [one].mp4.2.part").read_bytes() == b"mine too"
    assert os.listdir(folder / "One [one].mp4.3.part") == ["note"]


def test_expired_links_are_asked_for_again(
    server: Server, origin: Origin, files: Files, folder: Path, source: list[str]
) -> None:
    """The fragments that have come stay."""
    put(origin, files)

    def expiring(seen: Seen) -> Behaviour:
        return Behaviour() if "sig=2" in seen.target else Behaviour(status=403)

    origin.serve("/s/t3.ts", data=files["t3.ts"], behaviour=expiring)
    for n in (1, 2):
        origin.serve(f"/s/{n}.m3u8", data=playlist(*TS[:3], f"t3.ts?sig={n}"))
    origin.serve("/s/x.m3u8", behaviour=lambda seen: Behaviour(redirect=f"/s/{seen.nth}.m3u8"))
    server.completed(server.add(page(origin, "one", listed(origin.url("/s/x.m3u8"))), split="1"))
    assert [len(origin.requests(f"/s/{name}")) for name in TS] == [1, 1, 1, 2]
    assert len(origin.requests("/watch/one")) == 2
    assert decoded(folder / "One [one].mp4") == source


def many(origin: Origin, files: Files, count: int, behaviour: Behaviour) -> str:
    """A page of ``count`` fragments."""
    names = [f"p{n}.ts" for n in range(count)]
    put(origin, {name: files[TS[n % 4]] for n, name in enumerate(names)}, behaviour=behaviour)
    return page(origin, "many", listed(origin.serve("/s/x.m3u8", data=playlist(*names))))


def test_many_come_at_once_over_few_connections(server: Server, origin: Origin, files: Files) -> None:
    """No more than split and max-connection-per-server allow, and each connection serves more than one."""
    url = many(origin, files, 40, Behaviour(latency=0.01))
    for given, most in (({}, 16), ({"split": "3"}, 3), ({"max_connection_per_server": "2"}, 2)):
        before = origin.connections
        assert 1 < peak(origin, server, url, **given) <= most
        assert origin.connections - before <= most + 2


def peak(origin: Origin, server: Server, url: str, **given: str) -> int:
    """Over how many connections the fragments came."""
    before = len(origin.requests())
    server.completed(server.add(url, **given, allow_overwrite="true"))
    served = [seen for seen in origin.requests()[before:] if seen.path.startswith("/s/p")]
    assert len(served) == 40
    return len({seen.connection for seen in served})


def test_one_that_fails_is_tried_again_alone(
    server: Server, origin: Origin, files: Files, folder: Path, source: list[str]
) -> None:
    """A busy server, a connection that breaks, one that stalls, a body shorter than told."""
    site = put(origin, files)
    odd = (
        Behaviour(status=503),
        Behaviour(fail_after=500, fail_how="reset"),
        Behaviour(fail_after=500, fail_how="stall"),
        Behaviour(framing="chunked", fail_after=500),
    )
    for name, how in zip(TS, odd, strict=True):
        origin.serve(f"/s/{name}", data=files[name], behaviour=first(1, how))
    server.completed(server.add(page(origin, "one", listed(f"{site}ts.m3u8")), timeout="1"))
    assert [len(origin.requests(f"/s/{name}")) for name in TS] == [2] * 4
    assert decoded(folder / "One [one].mp4") == source


def test_what_a_client_sees(server: Server, origin: Origin, files: Files, folder: Path) -> None:
    """As many pieces as fragments, and a guess of the length that fits the time; in the end what is there."""
    gid = server.add(held(origin, files))
    status = server.until(gid, lambda status: status.get("bitfield") == "e0" and status["connections"] == "1")
    come = sum(len(files[name]) for name in TS[:3])
    assert come <= int(status["completedLength"]) <= come + 1000
    assert int(status["totalLength"]) > int(status["completedLength"])
    assert abs(int(status["totalLength"]) - come - len(files["t3.ts"])) < 5000
    assert (status["numPieces"], status["status"]) == ("4", "active")
    assert [file["path"] for file in status["files"]] == [f"{folder}/One [one].mp4"]
    (one,) = server.call("aria2.getServers", gid)
    assert [entry["uri"] for entry in one["servers"]] == [origin.url("/watch/one")]
    server.call("aria2.changeOption", gid, {"max-download-limit": "1"})
    origin.release("/s/t3.ts")
    server.call("aria2.changeOption", gid, {"max-download-limit": "0"})
    server.completed(gid)


def test_limits_and_proxies_apply(options: list[str], origin: Origin, files: Files, folder: Path) -> None:
    """The limit of the download, and the proxy for the playlist and every fragment."""
    site = put(origin, files)
    with HttpProxy() as proxy:
        url = page(origin, "one", listed(f"{site}ts.m3u8"))
        begun = time.monotonic()
        code, said = run(*options, f"--all-proxy={proxy.url()}", "--max-download-limit=100K", url)
        assert code == 0, said
        assert {one.target.rpartition("/")[2] for one in proxy.asked} >= {"ts.m3u8", *TS}
    assert time.monotonic() - begun > sum(len(files[name]) for name in TS) / 100_000 / 2
    assert (folder / "One [one].mp4").exists()


def test_dry_run_fetches_no_fragment(options: list[str], origin: Origin, files: Files, folder: Path) -> None:
    site = put(origin, files)
    pages = [page(origin, "one", listed(f"{site}ts.m3u8")), page(origin, "two", mpds=[f"{site}dash.mpd"])]
    code, said = run(*options, "--dry-run", "--force-sequential", *pages)
    assert code == 0, said
    assert {seen.path for seen in origin.requests() if seen.path.startswith("/s/")} == {"/s/ts.m3u8", "/s/dash.mpd"}
    assert not folder.exists()
