"""The hostile origin does on the wire what each knob says: a test that trusts it may trust it."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import socket
import ssl
import time
from pathlib import Path

import pytest

from tests.support.behaviour import Behaviour, Choose, after, every, first, nth
from tests.support.certs import Certificates
from tests.support.content import Content, sha256_file
from tests.support.origin import Origin, closed_port

LENGTH = 200_000


def ask(origin: Origin, path: str = "/f", method: str = "GET", **fields: str) -> tuple[http.client.HTTPResponse, bytes]:
    """One request on a connection of its own; the response and its whole body."""
    connection = http.client.HTTPConnection(origin.host, origin.port, timeout=5)
    try:
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in fields.items()})
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


def raw(origin: Origin, path: str = "/f", tls: ssl.SSLContext | None = None, extra: str = "") -> bytes:
    """Everything the origin sends until it closes the connection."""
    with contextlib.ExitStack() as stack:
        wire = stack.enter_context(socket.create_connection((origin.host, origin.port), timeout=5))
        if tls is not None:
            secure = tls.wrap_socket(wire, server_hostname="127.0.0.1", suppress_ragged_eofs=False)
            wire = stack.enter_context(secure)
        wire.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n{extra}\r\n".encode())
        return b"".join(iter(lambda: wire.recv(65536), b""))


def body_of(answer: bytes) -> bytes:
    """What follows the head."""
    return answer.partition(b"\r\n\r\n")[2]


def provoke(origin: Origin, bug: Choose) -> None:
    """One request whose behaviour is chosen by faulty code."""
    with origin:
        origin.serve("/f", data=b"x", behaviour=bug)
        with pytest.raises(ConnectionResetError):
            raw(origin)


class TestContent:
    def test_slices_agree_with_the_whole(self) -> None:
        content = Content(LENGTH, 5)
        whole = content.whole()
        assert len(whole) == LENGTH
        for start, end in ((0, 1), (65535, 65537), (1, 199_999), (131_072, 131_072), (150_000, 999_999), (-5, 3)):
            assert content.slice(start, end) == whole[max(start, 0) : max(end, 0)]

    def test_no_two_16_kib_blocks_and_no_two_seeds_are_alike(self) -> None:
        whole = Content(1 << 20, 1).whole() + Content(1 << 20, 2).whole()
        assert len({whole[at : at + 16384] for at in range(0, len(whole), 16384)}) == 128

    def test_digest_and_difference(self, tmp_path: Path) -> None:
        content, path = Content(LENGTH, 3), tmp_path / "f"
        content.write(path)
        assert sha256_file(path) == content.sha256()
        assert content.difference(path) is None
        with path.open("r+b") as file:
            file.seek(70_000)
            file.write(bytes([content.slice(70_000, 70_001)[0] ^ 1]))
        assert "byte 70000" in str(content.difference(path))
        with path.open("r+b") as file:
            file.truncate(65_536)
        assert "65536 bytes long" in str(content.difference(path))


class TestGoodServer:
    def test_whole_and_range_and_keep_alive(self, origin: Origin) -> None:
        url = origin.serve("/f", length=LENGTH, seed=1)
        assert url == f"http://127.0.0.1:{origin.port}/f"
        connection = http.client.HTTPConnection(origin.host, origin.port, timeout=5)
        connection.request("GET", "/f?x=1")
        whole = connection.getresponse()
        assert (whole.status, whole.headers["Accept-Ranges"]) == (200, "bytes")
        assert whole.read() == Content(LENGTH, 1).whole()
        for text, start, end in (("100-299", 100, 300), ("199990-", 199_990, LENGTH), ("-5", LENGTH - 5, LENGTH)):
            connection.request("GET", "/f", headers={"Range": f"bytes={text}"})
            part = connection.getresponse()
            assert (part.status, part.headers["Content-Range"]) == (206, f"bytes {start}-{end - 1}/{LENGTH}")
            assert part.read() == Content(LENGTH, 1).slice(start, end)
        connection.close()
        origin.wait(lambda o: all(seen.ended == "done" for seen in o.requests()))
        seen = origin.requests("/f")
        assert [one.connection for one in seen] == [1, 1, 1, 1]
        assert [one.nth for one in seen] == [1, 2, 3, 4]
        assert [one.range for one in seen] == [None, (100, 299), (199_990, None), (-5, None)]
        assert [one.sent for one in seen] == [LENGTH, 200, 10, 5]
        assert (seen[0].target, seen[0].status, seen[0].header("HOST")) == ("/f?x=1", 200, f"127.0.0.1:{origin.port}")

    def test_head_304_404_405_416(self, origin: Origin) -> None:
        origin.serve("/f", length=LENGTH)
        head, body = ask(origin, method="HEAD")
        assert (head.status, head.headers["Content-Length"], body) == (200, str(LENGTH), b"")
        assert ask(origin, If_None_Match=head.headers["ETag"])[0].status == 304
        assert ask(origin, If_Modified_Since=head.headers["Last-Modified"])[0].status == 304
        assert ask(origin, "/other")[0].status == 404
        assert ask(origin, method="PUT")[0].status == 405
        beyond, _ = ask(origin, Range=f"bytes={LENGTH}-")
        assert (beyond.status, beyond.headers["Content-Range"]) == (416, f"bytes */{LENGTH}")

    def test_change_gives_other_bytes_and_validators(self, origin: Origin) -> None:
        origin.serve("/f", length=LENGTH)
        old, bytes_before = ask(origin)
        origin.change("/f")
        new, bytes_after = ask(origin, Range="bytes=0-", If_Range=old.headers["ETag"])
        assert new.status == 200
        assert new.headers["ETag"] != old.headers["ETag"]
        assert new.headers["Last-Modified"] != old.headers["Last-Modified"]
        assert (bytes_before, bytes_after) == (origin.content("/f", 0).whole(), origin.content("/f").whole())
        assert bytes_before != bytes_after

    def test_ipv6(self) -> None:
        with Origin(host="::1") as origin:
            assert origin.serve("/f", data=b"six").startswith("http://[::1]:")
            assert ask(origin)[1] == b"six"


class TestChoosers:
    def test_by_request_number(self, origin: Origin) -> None:
        busy = Behaviour(status=503, headers=(("Retry-After", "7"),))
        chosen = {"/first": first(2, busy), "/nth": nth(2, busy), "/every": every(2, busy), "/after": after(2, busy)}
        found: dict[str, list[int]] = {}
        for path, choose in chosen.items():
            origin.serve(path, data=b"x", behaviour=choose)
            found[path] = [ask(origin, path)[0].status for _ in range(4)]
        assert found == {
            "/first": [503, 503, 200, 200],
            "/nth": [200, 503, 200, 200],
            "/every": [200, 503, 200, 503],
            "/after": [200, 200, 503, 503],
        }
        assert ask(origin, "/after")[0].headers["Retry-After"] == "7"


class TestTime:
    def test_latency_rate_and_slow_connections(self, origin: Origin) -> None:
        origin.serve("/late", data=b"x", behaviour=Behaviour(latency=0.2))
        origin.serve("/f", length=20_000, behaviour=Behaviour(slow_every=3, slow_rate=100_000))
        for path, at_least in (("/late", 0.2), ("/f", 0.0), ("/f", 0.18), ("/f", 0.0)):
            begun = time.monotonic()
            ask(origin, path)
            assert at_least <= time.monotonic() - begun < at_least + 0.15

    def test_slow_loris_head(self, origin: Origin) -> None:
        origin.serve("/f", data=b"x", behaviour=Behaviour(head_pause=0.001))
        begun = time.monotonic()
        assert ask(origin)[1] == b"x"
        assert time.monotonic() - begun > 0.15

    @pytest.mark.parametrize("hold", [-1, 0, 1000, LENGTH])
    def test_hold_and_release(self, origin: Origin, hold: int) -> None:
        origin.serve("/f", length=LENGTH, behaviour=Behaviour(hold_at=hold))
        with socket.create_connection((origin.host, origin.port), timeout=5) as sock:
            sock.sendall(b"GET /f HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            origin.wait(lambda o: bool(o.requests()) and o.sent() == max(hold, 0))
            assert origin.requests()[0].ended == ""
            origin.release("/f")
            answer = b"".join(iter(lambda: sock.recv(65536), b""))
        assert body_of(answer) == Content(LENGTH).whole()


class TestBreakingOff:
    @pytest.mark.parametrize("how", ["close", "truncate"])
    def test_fin_in_the_body(self, origin: Origin, how: str) -> None:
        broken = Behaviour(fail_after=1000, fail_how="close" if how == "close" else "truncate")
        origin.serve("/f", length=LENGTH, behaviour=broken)
        answer = raw(origin)
        assert f"Content-Length: {LENGTH}\r\n".encode() in answer
        assert body_of(answer) == Content(1000).whole()
        origin.wait(lambda o: o.requests()[0].ended == "failed")

    def test_reset_in_the_body(self, origin: Origin) -> None:
        origin.serve("/f", length=LENGTH, behaviour=Behaviour(fail_after=1000, fail_how="reset"))
        with pytest.raises(ConnectionResetError):
            raw(origin)

    def test_stall_until_the_client_leaves(self, origin: Origin) -> None:
        origin.serve("/f", length=LENGTH, behaviour=Behaviour(fail_after=1000, fail_how="stall"))
        with socket.create_connection((origin.host, origin.port), timeout=0.3) as sock:
            sock.sendall(b"GET /f HTTP/1.1\r\nHost: x\r\n\r\n")
            with pytest.raises(TimeoutError):
                list(iter(lambda: sock.recv(65536), b""))
        origin.wait(lambda o: o.open_connections == 0)
        assert origin.sent() == 1000

    def test_in_the_head_and_raw(self, origin: Origin) -> None:
        origin.serve("/f", data=b"x", behaviour=Behaviour(fail_in_head=12))
        assert raw(origin) == b"HTTP/1.1 200"
        origin.serve("/f", behaviour=Behaviour(raw=b"\x00garbage\xff"))
        assert raw(origin) == b"\x00garbage\xff"
        origin.serve("/f", behaviour=Behaviour(raw=b""))
        assert raw(origin) == b""

    def test_refuse_accept_and_hang_up(self, origin: Origin) -> None:
        origin.serve("/f", data=b"x")
        origin.refuse()
        with pytest.raises(ConnectionRefusedError):
            ask(origin)
        origin.accept()
        assert ask(origin)[1] == b"x"
        with socket.create_connection((origin.host, origin.port), timeout=5) as sock:
            origin.wait(lambda o: o.connections == 2)
            origin.hang_up()
            with pytest.raises(ConnectionResetError):
                sock.recv(1)
        with closed_port() as port, pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=5)


class TestRangesAndValidators:
    @pytest.mark.parametrize(
        ("behaviour", "status", "content_range", "start", "end"),
        [
            (Behaviour(ranges=False), 200, None, 0, LENGTH),
            (Behaviour(ignore_range=True), 200, None, 0, LENGTH),
            (Behaviour(shift=16), 206, f"bytes 1016-2015/{LENGTH}", 1016, 2016),
            (Behaviour(total=7), 206, "bytes 1000-1999/7", 1000, 2000),
            (Behaviour(total="*"), 206, "bytes 1000-1999/*", 1000, 2000),
            (Behaviour(content_range="octets 5"), 206, "octets 5", 1000, 2000),
            (Behaviour(content_range=""), 206, None, 1000, 2000),
        ],
    )
    def test_ranges(
        self, origin: Origin, behaviour: Behaviour, status: int, content_range: str | None, start: int, end: int
    ) -> None:
        origin.serve("/f", length=LENGTH, behaviour=behaviour)
        response, body = ask(origin, Range="bytes=1000-1999")
        assert (response.status, response.headers["Content-Range"]) == (status, content_range)
        assert (response.headers["Accept-Ranges"] is None) == (not behaviour.ranges)
        assert body == Content(LENGTH).slice(start, end)

    def test_validators(self, origin: Origin) -> None:
        origin.serve("/f", length=LENGTH, behaviour=nth(2, Behaviour(version=1), Behaviour(etag='"mine"')))
        (one, before), (two, between), (three, _) = (ask(origin, Range="bytes=0-99") for _ in range(3))
        assert (one.headers["ETag"], three.headers["ETag"]) == ('"mine"', '"mine"')
        assert two.headers["ETag"] != '"mine"'
        assert two.headers["Last-Modified"] != one.headers["Last-Modified"]
        assert (before, between) == (Content(100).whole(), origin.content("/f", 1).slice(0, 100))
        assert before != between
        origin.serve("/f", data=b"x", behaviour=Behaviour(etag="", last_modified=""))
        bare, _ = ask(origin)
        assert (bare.headers["ETag"], bare.headers["Last-Modified"]) == (None, None)


class TestFraming:
    def test_close_delimited(self, origin: Origin) -> None:
        origin.serve("/f", length=LENGTH, behaviour=Behaviour(framing="close"))
        answer = raw(origin)
        assert b"Content-Length" not in answer
        assert body_of(answer) == Content(LENGTH).whole()

    def test_chunked_tiny_with_extension_and_trailers(self, origin: Origin) -> None:
        knobs = Behaviour(
            framing="chunked", chunk=7, chunk_extension=";a=b", trailers=(("X-Sum", "1"),), keep_alive=False
        )
        origin.serve("/f", length=20, behaviour=knobs)
        data = Content(20).whole()
        chunks = b"7;a=b\r\n" + data[:7] + b"\r\n7;a=b\r\n" + data[7:14] + b"\r\n6;a=b\r\n" + data[14:] + b"\r\n"
        assert body_of(raw(origin)) == chunks + b"0\r\nX-Sum: 1\r\n\r\n"
        origin.serve("/f", length=LENGTH, behaviour=Behaviour(framing="chunked"))
        assert ask(origin)[1] == Content(LENGTH).whole()

    @pytest.mark.parametrize(
        ("bad", "expected"),
        [
            ("size", b"7\r\n1234567\r\nxyz\r\n890\r\n0\r\n\r\n"),
            ("empty-size", b"7\r\n1234567\r\n\r\n890\r\n0\r\n\r\n"),
            ("negative", b"7\r\n1234567\r\n-5\r\n890\r\n0\r\n\r\n"),
            ("huge", b"7\r\n1234567\r\n10000000000000000\r\n890\r\n0\r\n\r\n"),
            ("ending", b"7\r\n1234567\r\n3\r\n890!!0\r\n\r\n"),
            ("unfinished", b"7\r\n1234567\r\n3\r\n890\r\n"),
        ],
    )
    def test_bad_chunks(self, origin: Origin, bad: str, expected: bytes) -> None:
        knobs = {name: Behaviour(framing="chunked", chunk=7, bad_chunk=name) for name in
                 ("size", "empty-size", "negative", "huge", "ending", "unfinished")}  # fmt: skip
        origin.serve("/f", data=b"1234567890", behaviour={str(name): knob for name, knob in knobs.items()}[bad])
        assert body_of(raw(origin)) == expected

    def test_lying_lengths_and_surplus(self, origin: Origin) -> None:
        for knobs, lengths, body in (
            (Behaviour(length_off=5), [b"15"], b"1234567890"),
            (Behaviour(length_off=-5), [b"5"], b"1234567890"),
            (Behaviour(lengths=("10", "11")), [b"10", b"11"], b"1234567890"),
            (Behaviour(lengths=("ten",)), [b"ten"], b"1234567890"),
            (Behaviour(surplus=b"more", keep_alive=False), [b"10"], b"1234567890more"),
        ):
            origin.serve("/f", data=b"1234567890", behaviour=knobs)
            answer = raw(origin)
            fields = [
                line for line in answer.partition(b"\r\n\r\n")[0].split(b"\r\n") if line[:14] == b"Content-Length"
            ]
            assert ([line[16:] for line in fields], body_of(answer)) == (lengths, body)

    def test_gzip_by_surprise(self, origin: Origin) -> None:
        origin.serve("/f", length=LENGTH, behaviour=Behaviour(gzip=True))
        response, body = ask(origin)
        assert response.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(body) == Content(LENGTH).whole()


class TestHead:
    def test_interim_big_head_http10_and_given_fields(self, origin: Origin) -> None:
        knobs = Behaviour(
            interim=2, big_head=2**20, disposition=b'attachment; filename="\xe4"', headers=(("X-A", "b"),)
        )
        origin.serve("/f", data=b"x", behaviour=knobs)
        answer = raw(origin, extra="Connection: close\r\n")
        assert answer.startswith(b"HTTP/1.1 103 Early Hints\r\n")
        assert len(answer) > 2**20
        assert b'Content-Disposition: attachment; filename="\xe4"\r\n' in answer
        assert b"X-A: b\r\n" in answer
        origin.serve("/f", data=b"x", behaviour=Behaviour(http10=True))
        assert raw(origin, extra="Connection: close\r\n").startswith(b"HTTP/1.0 200 OK\r\n")

    def test_redirects_cookies_and_basic_auth(self, origin: Origin) -> None:
        url = origin.chain("/a", "/f", hops=3)
        assert url == origin.url("/a")
        hops = [ask(origin, path)[0] for path in ("/a", "/a-2", "/a-3")]
        assert [(hop.status, hop.headers["Location"]) for hop in hops] == [(302, "/a-2"), (302, "/a-3"), (302, "/f")]
        origin.chain("/b", "/f", status=301, relative=False)
        assert ask(origin, "/b")[0].headers["Location"] == origin.url("/f")
        origin.serve("/f", data=b"x", behaviour=Behaviour(need_cookie="k=v", basic_auth=("me", "secret")))
        assert ask(origin)[0].headers["WWW-Authenticate"] == 'Basic realm="origin"'
        assert ask(origin, Authorization="Basic bWU6c2VjcmV0")[0].status == 403
        assert ask(origin, Authorization="Basic bWU6c2VjcmV0", Cookie="a=b; k=v")[1] == b"x"
        origin.serve("/c", data=b"x", behaviour=Behaviour(set_cookies=("k=v; Path=/", "l=w")))
        assert ask(origin, "/c")[0].headers.get_all("Set-Cookie") == ["k=v; Path=/", "l=w"]


class TestConnections:
    def test_keep_alive_off_and_hanging_up_behind_a_promise(self, origin: Origin) -> None:
        origin.serve("/f", data=b"x", behaviour=Behaviour(keep_alive=False))
        assert b"Connection: close" in raw(origin)
        origin.serve("/f", data=b"x", behaviour=Behaviour(hang_up=True))
        assert b"Connection: close" not in raw(origin)

    def test_cap(self) -> None:
        with Origin(max_connections=1) as origin, socket.create_connection((origin.host, origin.port)):
            origin.wait(lambda o: o.connections == 1)
            origin.serve("/f", data=b"x")
            assert ask(origin)[0].status == 503
        with Origin(max_connections=1, over_limit="refuse") as origin:
            with socket.create_connection((origin.host, origin.port)):
                origin.wait(lambda o: o.connections == 1)
                with pytest.raises(ConnectionResetError):
                    raw(origin)
            assert (origin.connections, origin.peak_connections) == (2, 2)

    def test_a_fault_of_the_origin_fails_the_test(self) -> None:
        def bug(_: object) -> Behaviour:
            raise ZeroDivisionError

        origin = Origin()
        with pytest.raises(RuntimeError, match="origin itself failed"):
            provoke(origin, bug)


class TestTls:
    def test_good_certificate_and_both_endings(self, secure_origin: Origin, certificates: Certificates) -> None:
        assert secure_origin.serve("/f", length=LENGTH).startswith("https://127.0.0.1:")
        trusting = certificates.trusting()
        answer = raw(secure_origin, tls=trusting, extra="Connection: close\r\n")
        assert body_of(answer) == Content(LENGTH).whole()
        secure_origin.serve("/f", length=LENGTH, behaviour=Behaviour(fail_after=1000, fail_how="close"))
        assert len(body_of(raw(secure_origin, tls=trusting))) == 1000
        secure_origin.serve("/f", length=LENGTH, behaviour=Behaviour(fail_after=1000, fail_how="truncate"))
        with pytest.raises(ssl.SSLEOFError):
            raw(secure_origin, tls=trusting)

    @pytest.mark.parametrize("flaw", ["name", "stranger", "expired"])
    def test_bad_certificates(self, certificates: Certificates, flaw: str) -> None:
        names = ("example.org",) if flaw == "name" else ()
        context = certificates.server(*names, stranger=flaw == "stranger", expired=flaw == "expired")
        with Origin(context) as origin:
            with pytest.raises(ssl.SSLCertVerificationError):
                raw(origin, tls=certificates.trusting())
            origin.wait(lambda o: bool(o.tls_failures) or o.open_connections == 0)
            assert origin.requests() == []

    def test_client_certificate(self, certificates: Certificates) -> None:
        with Origin(certificates.server(ask_client=True)) as origin:
            origin.serve("/f", data=b"x", behaviour=Behaviour(keep_alive=False))
            mine = certificates.client()
            trusting = certificates.trusting()
            with pytest.raises((ssl.SSLError, ConnectionResetError)):
                raw(origin, tls=trusting)
            trusting.load_cert_chain(mine.certificate, mine.key)
            assert body_of(raw(origin, tls=trusting)) == b"x"
