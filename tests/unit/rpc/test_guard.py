"""Guard: who is let in, what CORS says, and how long wrong tokens wait."""

from __future__ import annotations

import logging
import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slasshy_rpc.rpc.guard import Guard, is_loopback
from slasshy_rpc.rpc.settings import RpcSettings


def guard(**settings: Any) -> Guard:
    return Guard(RpcSettings(**settings))


def let_in(of: Guard, method: str = "POST", **headers: str) -> bool:
    named = {name.replace("_", "-"): value for name, value in {"Host": "127.0.0.1:6800", **headers}.items()}
    return of.refusal(method, named) is None


OWN_HOSTS = [
    "localhost",
    "localhost:6800",
    "LOCALHOST.",
    "127.0.0.1",
    "192.168.1.5:6800",
    "[::1]:6800",
    "[fe80::1%25lo]",
    "nas",
    "nas:6800",
    socket.gethostname(),
    "box.example",
    "BOX.example:80",
]
FOREIGN_HOSTS = [
    "evil.example",
    "evil.example:6800",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "",
    "[::1",
    "box.example.evil",
    "127.0.0.1@evil.example",
]


@pytest.mark.parametrize("host", OWN_HOSTS)
def test_own_hosts(host: str) -> None:
    assert let_in(guard(allow_hosts=("box.example",)), Host=host)


@pytest.mark.parametrize("host", FOREIGN_HOSTS)
def test_foreign_hosts(host: str) -> None:
    assert not let_in(guard(allow_hosts=("box.example",)), Host=host)
    assert let_in(guard(secret="s"), Host=host)
    assert let_in(guard(allow_origin_all=True), Host=host)


def test_a_client_too_old_for_host_is_no_browser() -> None:
    assert guard().refusal("POST", {}) is None


@pytest.mark.parametrize(
    "origin",
    [
        "chrome-extension://abc",
        "moz-extension://abc",
        "safari-web-extension://abc",
        "http://127.0.0.1:6800",
        "https://127.0.0.1:6800",
        "https://page.example",
        "HTTPS://page.example",
        "null",
    ],
)
def test_good_origins(origin: str) -> None:
    assert let_in(guard(allow_origins=("https://page.example/", "null")), Origin=origin)


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "file://",
        "http://127.0.0.1",
        "http://127.0.0.1:6801",
        "http://localhost:6800",
        "",
        "https://page.example.evil",
        "http://page.example",
        "https://page.example:444",
        "xextension://a",
        "http://-extension",
    ],
)
def test_foreign_origins(origin: str) -> None:
    assert not let_in(guard(allow_origins=("https://page.example",)), Origin=origin)
    assert let_in(guard(allow_origin_all=True), Origin=origin)
    assert let_in(guard(allow_origins=("*",)), Origin=origin)
    assert let_in(guard(secret="s"), Origin=origin)


def test_default_ports_are_the_same_origin() -> None:
    assert let_in(guard(), Host="nas", Origin="http://nas:80")
    assert let_in(guard(), Host="nas:80", Origin="http://nas")
    assert not let_in(guard(), Host="nas:80", Origin="https://nas")


@pytest.mark.parametrize("site", ["cross-site", "same-site", "Cross-Site", "surprise"])
def test_requests_that_browsers_call_foreign(site: str) -> None:
    assert not let_in(guard(), "GET", Sec_Fetch_Site=site)
    assert not let_in(guard(allow_origins=("https://a.example",)), "GET", Sec_Fetch_Site=site)
    assert let_in(guard(allow_origin_all=True), "GET", Sec_Fetch_Site=site)
    assert let_in(guard(secret="s"), "GET", Sec_Fetch_Site=site)


def test_requests_that_browsers_call_their_own() -> None:
    assert let_in(guard(), "GET", Sec_Fetch_Site="none")
    assert let_in(guard(), "GET", Sec_Fetch_Site="same-origin", Referer="http://127.0.0.1:6800/x")


def test_referer_counts_where_browsers_say_nothing_else() -> None:
    assert not let_in(guard(), "GET", Referer="https://evil.example/page?x")
    assert not let_in(guard(), "GET", Referer="http://[")
    assert let_in(guard(), "GET", Referer="http://127.0.0.1:6800/page")
    assert let_in(guard(allow_origins=("https://page.example",)), "GET", Referer="https://page.example/page")
    assert let_in(guard(), "POST", Referer="https://evil.example/page")


def test_each_refusal_is_logged_once_and_names_the_way_in(caplog: pytest.LogCaptureFixture) -> None:
    strict = guard()
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert "--rpc-allow-host" in (strict.refusal("POST", {"Host": "evil.example"}) or "")
            assert "--rpc-allow-origin" in (strict.refusal("POST", {"Host": "a", "Origin": "null\r\n\x1b[0m"}) or "")
    assert len(caplog.messages) == 2
    assert "--rpc-allow-host=evil.example" in caplog.messages[0]
    assert "\x1b" not in caplog.text
    assert "\n" not in caplog.messages[1]
    with caplog.at_level(logging.WARNING):
        for number in range(2000):
            strict.refusal("POST", {"Host": f"h{number}.example"})
    assert len(caplog.messages) <= 256


def test_cors_is_aria2s_star_or_the_listed_origin() -> None:
    page = {"Origin": "https://page.example", "Host": "a"}
    assert guard().cors("POST", page) == {}
    assert guard(allow_origin_all=True).cors("POST", {}) == {"Access-Control-Allow-Origin": "*"}
    listed = guard(allow_origins=("https://page.example",))
    expected = {"Access-Control-Allow-Origin": "https://page.example", "Vary": "Origin"}
    assert listed.cors("POST", page) == expected
    assert listed.cors("POST", {"Origin": "https://evil.example"}) == {"Vary": "Origin"}


def test_preflight() -> None:
    asked = {
        "Origin": "null",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,x",
    }
    assert guard(allow_origin_all=True).cors("OPTIONS", asked) == {
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Allow-Methods": "POST, GET, OPTIONS",
        "Access-Control-Allow-Headers": "content-type,x",
        "Access-Control-Max-Age": "1728000",
    }
    assert guard(allow_origin_all=True).cors("OPTIONS", {"Origin": "null"}) == {"Access-Control-Allow-Origin": "*"}


def test_a_preflight_in_vain_is_explained_even_with_a_secret(caplog: pytest.LogCaptureFixture) -> None:
    with_secret = guard(secret="s")
    for _ in range(2):
        headers = {"Origin": "https://page.example", "Access-Control-Request-Method": "POST"}
        assert with_secret.cors("OPTIONS", headers) == {}
    assert len(caplog.messages) == 1
    assert "--rpc-allow-origin=https://page.example" in caplog.messages[0]


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_wrong_tokens_wait_longer_and_longer() -> None:
    clock = Clock()
    patient = Guard(RpcSettings(secret="s"), clock)
    assert [patient.hold("10.0.0.1", 1) for _ in range(8)] == [1, 1, 1, 2, 4, 8, 8, 8]
    assert patient.hold("10.0.0.2", 1) == 1
    assert patient.hold("10.0.0.3", 10_000) == 8
    patient.forgive("10.0.0.1")
    assert patient.hold("10.0.0.1", 1) == 1
    clock.now += 601
    assert patient.hold("10.0.0.3", 1) == 1


def test_one_household_is_one_peer_and_memory_is_bounded() -> None:
    patient = Guard(RpcSettings(secret="s"))
    assert [patient.hold(f"2001:db8::{number}", 1) for number in range(5)] == [1, 1, 1, 2, 4]
    assert patient.hold("fe80::1%eth0", 1) == 1
    for number in range(5000):
        patient.hold(f"10.1.{number >> 8}.{number & 255}", 1)
    assert len(patient._failures) <= 1024


@pytest.mark.parametrize(
    ("peer", "expected"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("10.0.0.1", False), ("fe80::1%lo", False), ("", False)],
)
def test_loopback(peer: str, expected: bool) -> None:
    assert is_loopback(peer) is expected


PARTS = st.text(st.sampled_from("htps:/[]@.evil1270:%#\\null \t\x00é"), max_size=20) | st.text(max_size=20)


@given(
    st.dictionaries(
        st.sampled_from(["Host", "Origin", "Referer", "Sec-Fetch-Site", "Access-Control-Request-Method"]), PARTS
    ),
    st.sampled_from(["GET", "POST", "OPTIONS"]),
)
def test_whatever_the_headers_are_a_stranger_gets_no_further(headers: dict[str, str], method: str) -> None:
    of = guard()
    of.cors(method, headers)
    refused = of.refusal(method, headers)
    assert refused is None or (refused.endswith("\n") and refused[:-1].isprintable())
    assert of.refusal(method, {**headers, "Host": "evil.example"}) is not None
    assert of.refusal(method, {**headers, "Origin": "https://evil.example"}) is not None
    assert guard(secret="s").refusal(method, headers) is None
