"""Choosing a proxy, and the way through one: what is asked, what every refusal is called, and that no byte is lost."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slasshy_rpc._engine import Channel
from slasshy_rpc.errors import DownloadError, ErrorCode, OptionError, Retry, SourceError
from slasshy_rpc.net.address import Target, parse
from slasshy_rpc.net.dial import dial
from slasshy_rpc.net.http1 import build_head, request
from slasshy_rpc.net.names import Names
from slasshy_rpc.net.proxy import Given, Proxies, Proxy, exempt, reach, read
from slasshy_rpc.net.ready import ready
from slasshy_rpc.net.tls import TlsSettings
from slasshy_rpc.options.proxies import Proxy as Kind
from tests.support.certs import Certificates
from tests.support.origin import Origin
from tests.support.proxy import HttpProxy, SocksProxy, basic
from tests.unit.net.peer import eventually, listening

pytestmark = pytest.mark.usefixtures("no_descriptor_left")

HTTP, HTTPS = parse("http://h.example/"), parse("https://h.example/")
LOGIN = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=12)
HOSTS = st.sampled_from(["h", "a.b.example", "127.0.0.1", "::1", "fe80::1%eth0"])


# ---- reading and choosing


@given(LOGIN.filter(bool), LOGIN, HOSTS, st.integers(1, 65535), st.sampled_from(["http", "socks5", "socks4a"]))
def test_what_the_option_keeps_is_read_back(user: str, password: str, host: str, port: int, scheme: str) -> None:
    from urllib.parse import quote

    place = f"[{host.replace('%', '%25')}]" if ":" in host else host
    raw = f"{scheme}://{quote(user, safe='')}:{quote(password, safe='')}@{place}:{port}"
    kept = Kind().parse("all-proxy", raw)
    assert Kind().parse("all-proxy", kept) == kept
    found = read(Given(kept))
    assert (found.scheme, found.host, found.port) == (scheme, host, port)
    assert (found.user, found.password) == (user, password)
    assert "password" not in repr(found)


@given(st.text(max_size=30))
def test_any_text_is_no_proxy_or_one(raw: str) -> None:
    with contextlib.suppress(OptionError, DownloadError):
        found = Proxies(all=Given(Kind().parse("all-proxy", raw))).choose(HTTP)
        assert found is None if not raw else found is not None


def test_options_go_before_the_uri() -> None:
    assert read(Given("http://a:b@h/", "u")) == Proxy("http", "h", 80, "u", "b")
    assert read(Given("http://a:b@h/", "", "p")).authorization is None
    assert read(Given("http://a:b@h/", None, "p")).authorization == basic("a", "p")


def test_what_means_nothing_to_a_proxy_does_not_tell_two_apart() -> None:
    """Equal ones share connections."""
    for uri in ("http://h/", "socks5://h:80/"):
        assert read(Given(uri), agent="a") == read(Given(uri), agent="b")
    assert read(Given("http://h/"), tunnel=True, agent="a") != read(Given("http://h/"), tunnel=True, agent="b")


def test_a_host_that_is_none_is_told() -> None:
    with pytest.raises(DownloadError, match=r"The proxy http://h\.\./ cannot be used.*not a name") as caught:
        read(Given("http://u:secret@h../"))
    assert caught.value.code == ErrorCode.OPTION
    assert "secret" not in str(caught.value)


def test_each_scheme_has_its_own_and_all_have_one() -> None:
    one, two, three = (Given(f"http://{name}/") for name in ("one", "two", "three"))

    def hosts(proxies: Proxies) -> list[str]:
        return [found.host if (found := proxies.choose(target)) else "" for target in (HTTP, HTTPS)]

    assert "http://one" not in repr(Proxies(http=one))
    assert hosts(Proxies()) == ["", ""]
    assert hosts(Proxies(http=one, https=two, all=three)) == ["one", "two"]
    assert hosts(Proxies(http=one, all=three)) == ["one", "three"]
    assert hosts(Proxies(https=two)) == ["", "two"]
    assert hosts(Proxies(http=one, https=two, all=three, none_for=("h.example",))) == ["", ""]


def test_https_always_gets_a_tunnel() -> None:
    proxies = Proxies(all=Given("http://p/"))
    found = proxies.choose(HTTP), proxies.choose(HTTPS)
    assert [one.answers for one in found if one] == [True, False]
    socks = Proxies(all=Given("socks5://p:1080/")).choose(HTTP)
    assert socks is not None
    assert (socks.answers, socks.tunnel) == (False, False)


@pytest.mark.parametrize(
    ("host", "entries", "expected"),
    [
        ("h.example", "h.example", True),
        ("h.example", ".example", True),
        ("h.example", "example", False),
        ("h.example.other", ".example", False),
        ("h.example", ".h.example", False),
        ("xh.example", "h.example", False),
        ("h.example", "H.Example", True),
        ("h.example", "*", True),
        ("h.example", "*.example", False),
        ("h.example", "0.0.0.0/0", False),
        ("h.example", "h.example/8", False),
        ("xn--mnchen-3ya.example", "m\u00fcnchen.example", True),
        ("a.xn--mnchen-3ya.example", ".m\u00fcnchen.example", True),
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.3", ".2.3", False),
        ("10.1.2.3", "10.0.0.0/8", True),
        ("10.1.2.3", "10.1.3.0/24", False),
        ("10.1.2.3", "10.1.2.3/x", False),
        ("10.1.2.3", "10.1.2.3/-1", False),
        ("10.1.2.3", "11.0.0.0/0000000008", False),
        ("10.1.2.3", "::/0", False),
        ("10.1.2.3", "10.1.2.3/33", True),
        ("::1", "::1", True),
        ("::1", "[::1]", True),
        ("::1", "0:0::1", True),
        ("2001:db8::5", "2001:db8::/32", True),
        ("2001:db9::5", "2001:db8::/32", False),
        ("fe80::1%eth0", "fe80::/10", True),
        ("::1", "0.0.0.0/0", False),
    ],
)
def test_who_needs_no_proxy(host: str, entries: str, expected: bool) -> None:
    assert exempt(host, [entries]) is expected
    assert exempt(host, ["other.example", entries]) is expected


Address = ipaddress.IPv4Address | ipaddress.IPv6Address
ADDRESSES: st.SearchStrategy[Address] = st.ip_addresses()


@given(ADDRESSES, ADDRESSES, st.integers(0, 140))
def test_networks_are_those_of_ipaddress(host: Address, base: Address, bits: int) -> None:
    network = ipaddress.ip_network(f"{base}/{min(bits, base.max_prefixlen)}", strict=False)
    assert exempt(str(host), [f"{base}/{bits}"]) is (host.version == base.version and host in network)
    assert exempt(str(base), [f"{base}/{bits}"])


@given(st.text(max_size=20), st.lists(st.text(max_size=20), max_size=4))
def test_no_entry_is_too_odd(host: str, entries: list[str]) -> None:
    exempt(host, entries)


# ---- the way through


async def received(channel: Channel, count: int) -> bytes:
    """The first ``count`` bytes that come, within 5 seconds."""
    data = b""
    while len(data) < count:
        chunk = channel.recv(count - len(data))
        if chunk is None:
            await ready(channel, 5)
        elif not chunk:
            break
        else:
            data += chunk
    return data


def through(one: HttpProxy | SocksProxy, scheme: str = "", user: str = "", password: str = "") -> Proxy:
    return Proxy(scheme or one.scheme, one.host, one.port, user, password, tunnel=one.scheme == "http", agent="me")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_a_tunnel(host: str) -> None:
    with Origin(host=host) as origin, HttpProxy(host=host, login=("u", "p")) as one:
        target = parse(origin.serve("/f", data=b"hello"))
        channel = await dial(target, connect_timeout=5, proxy=through(one, user="u", password="p"))
        assert (await request(channel, build_head(target), timeout=5)).status == 200
        channel.close()
    (asked,) = one.asked
    assert (asked.method, asked.target) == ("CONNECT", target.place)
    assert asked.headers == (
        ("User-Agent", "me"),
        ("Host", target.place),
        ("Proxy-Authorization", basic("u", "p")),
    )


async def test_tls_in_a_tunnel(certificates: Certificates, secure_origin: Origin, tls_mode: str) -> None:
    target = parse(secure_origin.serve("/f", data=b"hello"))
    tls = TlsSettings(ca_certificate=str(certificates.authority))
    with HttpProxy() as one, SocksProxy() as other:
        for way in (through(one), through(other)):
            channel = await dial(target, connect_timeout=5, tls=tls, proxy=way)
            assert (await request(channel, build_head(target), timeout=5)).status == 200
            channel.close()


async def test_the_certificate_is_the_servers(secure_origin: Origin, tls_mode: str) -> None:
    with HttpProxy() as one, pytest.raises(SourceError, match=f"127.0.0.1:{secure_origin.port}"):
        await dial(parse(secure_origin.url("/")), connect_timeout=5, proxy=through(one))


async def test_what_comes_with_the_answer_is_not_lost(origin: Origin) -> None:
    with HttpProxy(glued=b"220 welcome\r\n") as one:
        channel = await dial(parse(origin.url("/")), connect_timeout=5, proxy=through(one))
        assert await received(channel, 13) == b"220 welcome\r\n"
        channel.close()


async def test_an_answer_that_comes_byte_by_byte() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for byte in b"HTTP/1.1 100 Go on\r\n\r\nHTTP/1.0 200 Yes\r\nContent-Length: 9\r\n\r\nfirst":
            writer.write(bytes((byte,)))
            await writer.drain()
            await asyncio.sleep(0)
        await reader.read()

    async with listening(drip) as port:
        channel = await dial(HTTP, connect_timeout=5, proxy=Proxy("http", "127.0.0.1", port, tunnel=True))
        assert await received(channel, 5) == b"first"
        channel.close()


@pytest.mark.parametrize(
    ("status", "words", "retry"),
    [
        (403, r"answered 403 No when it was asked for h\.example:80; .*another proxy", Retry.NEXT_SOURCE),
        (407, "wants a user name and a password; give --all-proxy-user", Retry.NEXT_SOURCE),
        (429, "answered 429", Retry.SAME_SOURCE),
        (503, "answered 503 No .*may not reach", Retry.SAME_SOURCE),
    ],
)
async def test_a_proxy_that_refuses(status: int, words: str, retry: Retry) -> None:
    start = "Proxy connection failed."
    with HttpProxy(status=status) as one, pytest.raises(SourceError, match=f"The proxy {one.place} {words}") as caught:
        await dial(HTTP, connect_timeout=5, proxy=through(one))
    assert str(caught.value).startswith(start)
    assert (caught.value.code, caught.value.retry) == (ErrorCode.UNKNOWN, retry)
    assert caught.value.terse == start


async def test_words_of_a_proxy_are_printable_and_few() -> None:
    raw = b"HTTP/1.1 403 \x9b2J\xc2\x9b" + b"x" * 900 + b"\r\n\r\n"
    with HttpProxy(raw=raw) as one, pytest.raises(SourceError, match=r"answered 403 \?2J") as caught:
        await dial(HTTP, connect_timeout=5, proxy=through(one))
    assert str(caught.value).isascii()
    assert len(str(caught.value)) < 300


async def test_a_wrong_password_is_not_told() -> None:
    with HttpProxy(login=("u", "p")) as one, pytest.raises(SourceError, match="does not accept the user 'u'") as caught:
        await dial(HTTP, connect_timeout=5, proxy=through(one, user="u", password="s3cret"))
    assert "s3cret" not in str(caught.value)
    with HttpProxy(login=("u", "p")) as one, pytest.raises(SourceError, match="does not accept the user 'u'"):
        await dial(HTTP, connect_timeout=5, proxy=through(one, user="u"))


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", r"^Got EOF from the server\. The proxy .* hung up"),
        (b"HTTP/1.1 200 OK\r\nX", r"^Got EOF from the server\. The proxy .* hung up"),
        (b"SSH-2.0\r\n\r\n", r"^The server's answer is not valid HTTP.*is the proxy that was asked"),
    ],
)
async def test_answers_that_are_none(raw: bytes, words: str) -> None:
    with HttpProxy(raw=raw) as one, pytest.raises(SourceError, match=words) as caught:
        await dial(HTTP, connect_timeout=5, proxy=through(one))
    assert caught.value.code == ErrorCode.UNKNOWN


@pytest.mark.parametrize("make", [HttpProxy, SocksProxy])
async def test_silence_counts_as_connecting(make: Callable[..., HttpProxy | SocksProxy]) -> None:
    with make(silent=True) as one:
        started = time.monotonic()
        with pytest.raises(
            SourceError, match=rf"^Timeout\. {one.place}: it did not connect to h\.example:80"
        ) as caught:
            await dial(HTTP, connect_timeout=0.2, proxy=through(one, "" if make is HttpProxy else "socks5h"))
    assert caught.value.code == ErrorCode.TIMEOUT
    assert time.monotonic() - started < 2


async def test_cancelled_on_the_way() -> None:
    with HttpProxy(silent=True) as one:
        task = asyncio.create_task(dial(HTTP, connect_timeout=5, proxy=through(one)))
        await eventually(lambda: bool(one.connections))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_a_wait_that_is_given_up_leaves_no_watch_behind() -> None:
    """A later connection gets the same descriptor."""
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.setblocking(False)
        task = asyncio.create_task(reach(ours, Proxy("http", "h", 1, tunnel=True), HTTP, HTTP.host))
        assert (await loop.sock_recv(theirs, 1000)).startswith(b"CONNECT ")
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not loop.remove_reader(ours.fileno())


async def test_nobody_there() -> None:
    with HttpProxy() as gone:
        pass
    words = rf"cause: Connection refused .*{gone.place} is the proxy that was asked"
    with pytest.raises(SourceError, match=words) as caught:
        await dial(HTTP, connect_timeout=5, proxy=through(gone))
    assert caught.value.terse == "Failed to establish connection, cause: Connection refused"
    with pytest.raises(SourceError, match=r"^Name resolution for nowhere\.invalid failed.* is the proxy") as caught:
        await dial(HTTP, connect_timeout=5, proxy=Proxy("http", "nowhere.invalid", 1))
    assert caught.value.code == ErrorCode.NAME_RESOLUTION


# ---- SOCKS


class Here(Names):
    """A resolver that knows every name as this machine, in the family that is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    async def lookup(self, host: str, port: int, family: int) -> list[tuple[int, int, int, str, tuple[str, int]]]:  # type: ignore[override]  # a narrower answer
        self.asked.append(host)
        return [(2, 1, 6, "", ("127.0.0.1", port))]


@pytest.mark.parametrize(
    ("scheme", "method", "resolved"),
    [
        ("socks5", "SOCKS5", True),
        ("socks5h", "SOCKS5", False),
        ("socks4", "SOCKS4", True),
        ("socks4a", "SOCKS4", False),
    ],
)
async def test_who_resolves_the_name(origin: Origin, scheme: str, method: str, resolved: bool) -> None:
    origin.serve("/f", data=b"hello")
    target, names = Target("http", "far.example", origin.port, "/f"), Here()
    with SocksProxy(hosts={"far.example": ("127.0.0.1", origin.port)}) as one:
        channel = await dial(target, connect_timeout=5, names=names, proxy=through(one, scheme))
        head = await request(channel, build_head(target), timeout=5)
        channel.close()
    assert head.status == 200
    assert [(asked.method, asked.target) for asked in one.asked] == [
        (method, f"{'127.0.0.1' if resolved else 'far.example'}:{origin.port}")
    ]
    assert names.asked == (["far.example"] if resolved else [])


async def test_a_login_for_socks(origin: Origin) -> None:
    target = parse(origin.serve("/f"))
    with SocksProxy(login=("u", "p")) as one:
        (await dial(target, connect_timeout=5, proxy=through(one, user="u", password="p"))).close()
        assert one.asked[0].login == "u:p"
        with pytest.raises(SourceError, match=r"does not accept the user 'u' with this password"):
            await dial(target, connect_timeout=5, proxy=through(one, user="u", password="x"))
        with pytest.raises(SourceError, match=r"wants a user name and a password"):
            await dial(target, connect_timeout=5, proxy=through(one))
        with pytest.raises(SourceError, match="SOCKS takes ASCII of up to 255") as caught:
            await dial(target, connect_timeout=5, proxy=through(one, user="u", password="p" * 256))
        assert "ppp" not in str(caught.value)
        with pytest.raises(SourceError, match="no NUL in a user's name"):  # the rest would go to the server
            await dial(target, connect_timeout=5, proxy=through(one, scheme="socks4", user="u\0GET / HTTP/1.0"))


@pytest.mark.parametrize(("reply", "retry"), [(2, Retry.NEXT_SOURCE), (4, Retry.SAME_SOURCE), (5, Retry.SAME_SOURCE)])
async def test_a_socks_proxy_that_refuses(reply: int, retry: Retry) -> None:
    with SocksProxy(reply=reply) as one:
        words = rf"^Proxy connection failed\. The proxy {one.place} \(SOCKS\) did not connect to h\.example:80: \w+"
        with pytest.raises(SourceError, match=words) as caught:
            await dial(HTTP, connect_timeout=5, proxy=through(one, "socks5h"))
    assert caught.value.retry is retry


async def test_an_http_server_is_no_socks_proxy() -> None:
    async def bad_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await reader.read()

    async with listening(bad_request) as port:
        with pytest.raises(SourceError, match=r"^Proxy connection failed.*Unexpected SOCKS version number"):
            await dial(HTTP, connect_timeout=5, proxy=Proxy("socks5h", "127.0.0.1", port))


@pytest.mark.parametrize("scheme", ["socks4", "socks4a"])
async def test_socks_4_knows_no_ipv6(scheme: str) -> None:
    with SocksProxy() as one, pytest.raises(SourceError, match=r"SOCKS 4, which has no IPv6 address such as ::1"):
        await dial(Target("http", "::1", 1), connect_timeout=5, proxy=through(one, scheme))


async def test_ipv6_through_socks_5() -> None:
    with Origin(host="::1") as origin, SocksProxy() as one:
        target = parse(origin.serve("/f"))
        (await dial(target, connect_timeout=5, disable_ipv6=True, proxy=through(one))).close()
        assert one.asked[0].target == f"0000:0000:0000:0000:0000:0000:0000:0001:{origin.port}"
