"""The way that connections take: interfaces, name servers, and which mirror is asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.behaviour import Behaviour
from tests.support.nameserver import NameServer
from tests.support.origin import Origin, closed_port
from tests.support.process import Refused, Server, run

MIB = 1 << 20
#: Slow enough that all connections which are wanted get their part.
SLOW = Behaviour(rate=2 * MIB)


@pytest.fixture
def folders(tmp_path: Path) -> list[str]:
    return [f"--dir={tmp_path / 'files'}", f"--state-dir={tmp_path / 'state'}"]


@pytest.fixture
def origin() -> Iterator[Origin]:
    with Origin() as found:
        yield found


@pytest.fixture
def other() -> Iterator[Origin]:
    with Origin(host="127.0.0.2") as found:
        yield found


def test_one_interface(folders: list[str], origin: Origin) -> None:
    url = origin.serve("/f", length=4 * MIB, behaviour=SLOW)
    code, said = run(*folders, "--interface=127.0.0.2", "--multiple-interface=127.0.0.9", "-s2", url)
    assert code == 0, said
    assert set(origin.peers) == {"127.0.0.2"}


def test_interfaces_in_turn(folders: list[str], origin: Origin) -> None:
    url = origin.serve("/f", length=4 * MIB, behaviour=SLOW)
    code, said = run(*folders, "--multiple-interface=127.0.0.2, 127.0.0.3,lo", "-s3", url)
    assert code == 0, said
    assert origin.peers[0] == "127.0.0.2"
    assert sorted(origin.peers[1:3]) == ["127.0.0.1", "127.0.0.3"]  # they are made at once


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        ("--interface=lo99", "Failed to find given interface lo99, cause: not available"),
        ("--interface=203.0.113.9", "Failed to find given interface 203.0.113.9, cause: not available"),
        ("--multiple-interface=127.0.0.2,lo99", "Failed to find given interface lo99, cause: not available"),
        ("--multiple-interface=,", "names no interface"),
        ("--async-dns-server=dns.test", "--async-dns-server: dns.test is not the address of a name server"),
    ],
)
def test_nothing_is_sent_another_way(folders: list[str], origin: Origin, option: str, reason: str) -> None:
    code, said = run(*folders, option, origin.serve("/f", length=1))
    assert (code, origin.connections) == (1, 0)
    assert reason in said


def test_callers_do_not_choose_the_interface(folders: list[str], origin: Origin) -> None:
    url = origin.serve("/f", length=1)
    with Server(*folders, "--interface=127.0.0.2") as server:
        for name in ("interface", "multiple-interface", "dscp", "async-dns-server", "server-stat-if"):
            assert server.call("aria2.changeGlobalOption", {name: "127.0.0.3"}) == "OK"
        server.completed(server.add(url, interface="127.0.0.3"))
        assert server.call("aria2.getGlobalOption")["interface"] == "127.0.0.2"
    assert origin.peers == ["127.0.0.2"]


def test_name_servers(folders: list[str], origin: Origin) -> None:
    url = origin.serve("/f", length=1).replace("127.0.0.1", "mirror.test")
    with NameServer({"mirror.test": ["127.0.0.1"], "other.test": ["127.0.0.1"]}) as names:
        with Server(*folders, f"--async-dns-server={names.place}") as server:
            assert "Async DNS" in server.call("aria2.getVersion")["enabledFeatures"]
            server.completed(server.add(url))
            unknown = server.finished(server.add(url.replace("mirror", "nobody")))
            system = server.finished(server.add(url.replace("mirror", "other"), async_dns="false", max_tries="1"))
            with pytest.raises(Refused, match="processing the option '--async-dns'"):
                server.add(url, async_dns="maybe")
        assert {name for name, _ in names.asked} == {"mirror.test", "nobody.test"}
    assert [unknown["errorCode"], system["errorCode"]] == ["19", "19"]
    assert unknown["errorMessage"].startswith("Name resolution for nobody.test failed: Domain name not found")
    assert origin.requests()[0].header("host") == f"mirror.test:{origin.port}"


def profile(*servers: tuple[str, int, str]) -> str:
    """Lines for (host, speed, status), as of a time that is not over yet."""
    return "".join(
        f"host={host}, protocol=http, dl_speed={speed}, sc_avg_speed={speed}, mc_avg_speed=0, "
        f"last_updated=2147483647, counter=1, status={status}\n"
        for host, speed, status in servers
    )


@pytest.mark.parametrize(
    ("selector", "first"), [("inorder", "127.0.0.1"), ("feedback", "127.0.0.2"), ("adaptive", "127.0.0.2")]
)
def test_the_mirror_that_is_asked_first(
    folders: list[str], origin: Origin, other: Origin, tmp_path: Path, selector: str, first: str
) -> None:
    (tmp_path / "known").write_text(profile(("127.0.0.2", MIB, "OK"), ("127.0.0.1", 9, "OK")))
    urls = [one.serve("/f", length=1) for one in (origin, other)]
    code, said = run(*folders, f"--server-stat-if={tmp_path / 'known'}", f"--uri-selector={selector}", *urls)
    assert code == 0, said
    assert [one.host for one in (origin, other) if one.connections] == [first]


def test_what_is_learnt_of_servers(folders: list[str], origin: Origin, other: Origin, tmp_path: Path) -> None:
    saved = tmp_path / "files" / "saved"
    urls = [one.serve("/f", length=MIB, behaviour=SLOW) for one in (origin, other)]
    with closed_port() as port, Server(*folders, "--max-tries=1") as server:
        assert server.call("aria2.changeGlobalOption", {"server-stat-of": str(saved)}) == "OK"
        server.completed(server.add(urls[0]))
        server.finished(server.add(f"http://127.0.0.3:{port}/f"))
        server.completed(server.add(f"http://127.0.0.3:{port}/f", urls[1], out="g"))
        assert server.stop() == 1
    fields = [dict(item.split("=") for item in line.split(", ")) for line in saved.read_text().splitlines()]
    assert [(one["host"], one["status"], one["counter"]) for one in fields] == [
        ("127.0.0.1", "OK", "1"), ("127.0.0.2", "OK", "1"), ("127.0.0.3", "ERROR", "0"),
    ]  # fmt: skip
    assert int(fields[0]["dl_speed"]) > 0
    assert fields[0]["dl_speed"] == fields[0]["sc_avg_speed"]


def test_a_mirror_that_was_lost_is_asked_last(folders: list[str], origin: Origin, other: Origin) -> None:
    urls = [one.serve("/f", length=1) for one in (origin, other)]
    with Server(*folders) as server:
        origin.refuse()
        server.completed(server.add(*urls, out="first"))
        origin.accept()
        server.completed(server.add(*urls, out="second"))
        assert (len(origin.requests()), len(other.requests())) == (0, 2)
        server.completed(server.add(*urls, out="third", uri_selector="inorder"))
        assert (len(origin.requests()), len(other.requests())) == (1, 2)


def test_what_is_known_is_forgotten_in_time(folders: list[str], origin: Origin, tmp_path: Path) -> None:
    known, saved = tmp_path / "known", tmp_path / "saved"
    known.write_text(profile(("127.0.0.9", 7, "OK")) + profile(("127.0.0.8", 7, "OK")).replace("2147483647", "1"))
    options = [f"--server-stat-if={known}", f"--server-stat-of={saved}", "--server-stat-timeout=60"]
    code, said = run(*folders, *options, origin.serve("/f", length=MIB, behaviour=SLOW))
    assert code == 0, said
    hosts = [line.partition(",")[0] for line in saved.read_text().splitlines()]
    assert hosts == ["host=127.0.0.1", "host=127.0.0.9"]


def test_a_profile_that_cannot_be_read_or_written(folders: list[str], origin: Origin, tmp_path: Path) -> None:
    url = origin.serve("/f", length=1)
    missing, nowhere = tmp_path / "missing", tmp_path / "no" / "where"
    code, said = run(*folders, f"--server-stat-if={missing}", f"--server-stat-of={nowhere}", url)
    assert code == 0, said
    assert f"Cannot read the server statistics in {missing}" in said
    assert f"Cannot write the server statistics to {nowhere}" in said


@pytest.mark.parametrize(("reuse", "most"), [("true", 3), ("false", 1)])
def test_a_line_is_used_again(folders: list[str], origin: Origin, other: Origin, reuse: str, most: int) -> None:
    """Of three lines, A B A, those of A are lost: without its being used again B has one Connection."""
    urls = [
        origin.serve("/f", behaviour=Behaviour(status=404)),
        other.serve("/f", length=4 * MIB, behaviour=SLOW),
    ]
    options = {"split": "3", "max_connection_per_server": "3", "min_split_size": "1M"}
    with Server(*folders) as server:
        gid = server.add(*urls, **options, pause="true", reuse_uri="true" if reuse == "false" else "false")
        server.call("aria2.changeOption", gid, {"reuse-uri": reuse})
        server.call("aria2.unpause", gid)
        server.completed(gid)
    assert other.peak_connections == most
