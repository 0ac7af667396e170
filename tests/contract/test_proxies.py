"""Proxies of the whole program: over RPC, on the command line and from the environment; passwords stay out of logs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.behaviour import Behaviour
from tests.support.origin import Origin
from tests.support.process import Refused, Server, run
from tests.support.proxy import HttpProxy, SocksProxy, basic

MIB = 1 << 20


def test_each_download_has_its_own_and_may_change_it(origin: Origin, tmp_path: Path) -> None:
    url = origin.serve("/f", length=2 * MIB, behaviour=Behaviour(hold_at=MIB))
    log = tmp_path / "log"
    options = ("--log", str(log), "--log-level=debug", f"--dir={tmp_path}", f"--state-dir={tmp_path}/state")
    with HttpProxy(login=("u", "s3cret")) as one, SocksProxy() as two, Server(*options, "--split=1") as server:
        gid = server.add(url, http_proxy=one.place, http_proxy_user="u", http_proxy_passwd="s3cret")
        server.until(gid, lambda status: status["completedLength"] == str(MIB))
        shown = server.call("aria2.getOption", gid)
        assert shown["http-proxy"] == f"http://{one.place}/"
        assert (shown["http-proxy-user"], shown["http-proxy-passwd"]) == ("u", "s3cret")
        assert one.asked[0].header("Proxy-Authorization") == basic("u", "s3cret")
        server.call("aria2.changeOption", gid, {"http-proxy": "", "all-proxy": two.url()})
        origin.release("/f")
        server.completed(gid)
        assert [asked.target for asked in two.asked] == [f"127.0.0.1:{origin.port}"]
        assert server.call("aria2.getOption", gid)["all-proxy"] == f"socks5://{two.place}/"
        with pytest.raises(Refused):
            server.add(url, all_proxy="u:s3cret@x:y")
        wrong = server.add(url, out="g", http_proxy=one.url("u:other-s3cret"))
        status = server.finished(wrong)
        assert status["errorCode"] == "22"
        assert f"The proxy {one.place} does not accept the user 'u'" in status["errorMessage"]
    assert origin.content("/f").slice(0, 2 * MIB) == (tmp_path / "f").read_bytes()
    for text in (server.said, log.read_text()):
        assert "s3cret" not in text
        assert basic("u", "s3cret") not in text


def test_proxies_of_the_environment(origin: Origin, tmp_path: Path) -> None:
    url = origin.serve("/f", data=b"hello")
    with HttpProxy() as one:
        assert run(f"--dir={tmp_path}/1", url, environment={"all_proxy": one.place})[0] == 0
        assert [asked.target for asked in one.asked] == [url]
    code, said = run(f"--dir={tmp_path}/2", url, environment={"http_proxy": "u:s3cret@x:y"})
    assert code == 0
    assert "http_proxy of the environment is not used" in said
    assert "s3cret" not in said
