"""HTTP and HTTPS: how a Source is opened, redirects and all, and what the answer says about the file.

Owns: requests, status codes, and which origin gets which credentials and cookies. Never: Segments or files.
"""

from __future__ import annotations

import email.utils
import re
import typing
from dataclasses import dataclass, field

from slasshy_rpc import clock
from slasshy_rpc._engine import LENGTH, Channel
from slasshy_rpc.errors import ErrorCode, Retry, SourceError
from slasshy_rpc.net import address, auth, dial, http1
from slasshy_rpc.net import proxy as proxy_
from slasshy_rpc.net.address import Target
from slasshy_rpc.net.head import ResponseHead
from slasshy_rpc.net.names import Names
from slasshy_rpc.net.outlet import Outlet
from slasshy_rpc.net.pool import Pool
from slasshy_rpc.net.proxy import Proxies, Proxy
from slasshy_rpc.net.tls import TlsSettings
from slasshy_rpc.plan import naming
from slasshy_rpc.plan.sources import Source
from slasshy_rpc.protocols.opener import Arrival, Facts, RangeRefused

if typing.TYPE_CHECKING:
    from slasshy_rpc.net.cookies import Cookies

#: aria2 gives up at the 21st.
REDIRECTS = 20

#: A rest of a body that is cheaper to read than a new connection (bytes, seconds).
WORTH_DRAINING = 64 * 1024
DRAIN_TIME = 1.0

_REDIRECTED = frozenset({300, 301, 302, 303, 307, 308})
_OVERLOADED = frozenset({502, 503, 504})
_LATER = frozenset({408, 425, 429})

#: Headers a user may set that belong to the origin they were meant for, and to no other (RFC 9110 section 15.4):
#: its name, and what sounds like a credential.
_PRIVATE = re.compile(r"(host|cookie)\s*:|[^:]*(auth|token|secret|session|key)[^:]*:", re.IGNORECASE)

#: Headers a user may set that are for a proxy alone (RFC 9110 section 11.7.2).
_FOR_PROXY = re.compile(r"proxy-", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class HttpRules:
    """What applies to the requests of one download: times in seconds, ``receive_buffer`` in bytes (0: the kernel's)."""

    timeout: float = 60.0
    connect_timeout: float = 60.0
    tls: TlsSettings = field(default_factory=TlsSettings)
    user_agent: str = ""
    referer: str = ""
    headers: tuple[str, ...] = ()
    user: str | None = None
    password: str | None = None
    netrc: auth.Netrc | None = None
    only_when_asked: bool = False
    no_cache: bool = False
    keep_alive: bool = True
    proxies: Proxies = field(default_factory=Proxies)
    receive_buffer: int = 0
    disable_ipv6: bool = False
    outlet: Outlet | None = None
    default_utf8: bool = False
    compat: bool = False


class HttpOpener:
    """Opens the Sources of one download."""

    def __init__(self, rules: HttpRules, pool: Pool, names: Names, cookies: Cookies) -> None:
        self._rules = rules
        self._pool = pool
        self._names = names
        self._cookies = cookies

    async def open(self, source: Source, start: int, end: int | None) -> Arrival:
        """See ``Opener.open``. Redirects are followed; where they led is asked first the next time."""
        if source.current:
            try:
                return await self._open(source, source.current, start, end)
            except SourceError as error:
                # A signed address may have expired; the one that was given leads to a new one.
                source.current = ""
                if isinstance(error, RangeRefused) or error.retry is not Retry.NEXT_SOURCE:
                    raise
        return await self._open(source, source.uri, start, end)

    async def put_back(self, arrival: Arrival) -> None:
        """See ``Opener.put_back``."""
        channel = arrival.channel
        if not arrival.reusable or channel.closed:
            channel.close()
            return
        if channel.body_left > 0 and not await http1.discard(channel, WORTH_DRAINING, timeout=DRAIN_TIME):
            channel.close()
            return
        self._pool.give(self._key(address.parse(arrival.facts.url)), channel)

    async def _open(self, source: Source, uri: str, start: int, end: int | None) -> Arrival:
        home = address.parse(source.uri)
        target = address.parse(uri)
        span = None if start == 0 and end is None else (start, end)
        hops = 0
        challenged = not self._rules.only_when_asked
        while True:
            asked = target
            channel, head = await self._exchange(asked, home, span, challenged)
            try:
                self._cookies.store(asked, head.headers.all("set-cookie"))
                if head.status in _REDIRECTED:
                    hops += 1
                    target = self._redirected(asked, head, hops)
                elif head.status == 401 and not challenged and self._authorization(asked, home):
                    challenged = True
                else:
                    if asked != home:
                        source.current = asked.url
                    return self._arrival(channel, head, asked, start, end)
                await self._reuse(channel, head, asked)
            except BaseException:
                channel.close()
                raise

    async def _exchange(
        self, target: Target, home: Target, span: tuple[int, int | None] | None, authorized: bool
    ) -> tuple[Channel, ResponseHead]:
        """One request over an idle connection if there is a good one, else over a new one."""
        proxy = self._rules.proxies.choose(target)
        head = self._head(target, home, span, authorized, proxy)
        idle = self._pool.take(self._key(target))
        if idle is not None:
            try:
                return idle, await self._request(idle, head, proxy)
            except SourceError as error:
                idle.close()
                # The server may have closed it while the request was under way: that says nothing about the server.
                if error.retry is not Retry.SAME_SOURCE or error.code == ErrorCode.TIMEOUT:
                    raise
            except BaseException:
                idle.close()
                raise
        channel = await dial.dial(
            target,
            connect_timeout=self._rules.connect_timeout,
            tls=self._rules.tls if target.scheme == "https" else None,
            outlet=self._rules.outlet,
            disable_ipv6=self._rules.disable_ipv6,
            receive_buffer=self._rules.receive_buffer,
            names=self._names,
            proxy=proxy,
        )
        try:
            return channel, await self._request(channel, head, proxy)
        except BaseException:
            channel.close()
            raise

    async def _request(self, channel: Channel, head: bytes, proxy: Proxy | None) -> ResponseHead:
        """One exchange; where a proxy answers, failures and its own refusal are told as the proxy's."""
        if proxy is None or not proxy.answers:
            return await http1.request(channel, head, timeout=self._rules.timeout)
        try:
            answer = await http1.request(channel, head, timeout=self._rules.timeout)
        except SourceError as error:
            raise proxy_.blamed(error, proxy) from error.__cause__
        if answer.status == 407:
            raise proxy_.unauthorised(proxy, str(status_error(answer)), ErrorCode.BAD_RESPONSE)
        return answer

    def _head(
        self,
        target: Target,
        home: Target,
        span: tuple[int, int | None] | None,
        authorized: bool,
        proxy: Proxy | None,
    ) -> bytes:
        rules = self._rules
        at_home = target.origin == home.origin
        asked = proxy if proxy is not None and proxy.answers else None
        extra = [line for line in rules.headers if _goes_along(line, at_home, asked is not None)]
        return http1.build_head(
            target,
            user_agent=rules.user_agent or None,
            no_cache=rules.no_cache,
            close=not rules.keep_alive,
            byte_range=span,
            to_proxy=asked is not None,
            proxy_authorization=asked.authorization if asked is not None else None,
            authorization=self._authorization(target, home) if authorized else None,
            referer=(home.url if rules.referer == "*" else rules.referer) or None,
            cookie=self._cookies.header_for(target) or None,
            extra=extra,
        )

    def _authorization(self, target: Target, home: Target) -> str | None:
        if target.origin != home.origin:
            return auth.authorization(target, netrc=self._rules.netrc)
        own = target if target.userinfo is not None else home
        return auth.authorization(own, self._rules.user, self._rules.password, self._rules.netrc)

    def _redirected(self, target: Target, head: ResponseHead, hops: int) -> Target:
        location = head.headers.get("location")
        if not location:
            text = f"Got {head.status} status, but no location header provided."
            raise SourceError(text, ErrorCode.BAD_RESPONSE, Retry.NEXT_SOURCE)
        if hops > REDIRECTS:
            raise SourceError(f"Too many redirects: count={hops - 1}", ErrorCode.TOO_MANY_REDIRECTS, Retry.NEXT_SOURCE)
        return address.join(target, location)

    def _arrival(self, channel: Channel, head: ResponseHead, target: Target, start: int, end: int | None) -> Arrival:
        """Check the head against what was asked, and make its body ready to be received."""
        if head.status not in (200, 206):
            raise status_error(head, start)
        kind, length = http1.framing(head)
        first, last, total, ranges = 0, None, None, _accepts_ranges(head)
        if head.status == 206:
            content = http1.parse_content_range(head.headers.single("content-range") or "")
            first, last, total, ranges = content.start, content.end, content.total, True
            if first != start or (end is not None and last > end) or total is None:
                raise _wrong_range(content, start, end)
            if kind == LENGTH and length != last - first:
                raise _wrong_range(content, start, end)
        elif kind == LENGTH:
            last = total = length
        else:
            ranges = False
        if head.status == 200 and start > 0:
            raise RangeRefused(
                "The server sends the whole file where a part of it was asked for: it has no ranges.", total
            )
        facts = Facts(
            length=total,
            ranges=ranges,
            etag=head.headers.get("etag") or "",
            last_modified=head.headers.get("last-modified") or "",
            name=naming.choose(
                head.headers.get("content-disposition"),
                target.url,
                default_utf8=self._rules.default_utf8,
                compat=self._rules.compat,
            ),
            url=target.url,
        )
        channel.begin_body(kind, length if kind == LENGTH else 0, head.leftover)
        return Arrival(facts, channel, first, last, http1.keep_alive(head))

    async def _reuse(self, channel: Channel, head: ResponseHead, asked: Target) -> None:
        """Keep the connection of an answer whose body does not matter, if that is cheap: it leads to ``asked``."""
        kind, length = http1.framing(head)
        channel.begin_body(kind, length if kind == LENGTH else 0, head.leftover)
        facts = Facts(None, None, url=asked.url)
        await self.put_back(Arrival(facts, channel, 0, None, http1.keep_alive(head)))

    def _key(self, target: Target) -> tuple[object, ...]:
        proxy, buffer = self._rules.proxies.choose(target), self._rules.receive_buffer
        if proxy is not None and proxy.answers:
            return (proxy, buffer)  # for every origin
        return (target.origin, proxy, self._rules.tls if target.scheme == "https" else None, buffer)


def _goes_along(line: str, at_home: bool, to_proxy: bool) -> bool:
    """Whether a header of the user is for whom this request goes to."""
    return to_proxy if _FOR_PROXY.match(line) else at_home or not _PRIVATE.match(line)


def _accepts_ranges(head: ResponseHead) -> bool | None:
    tokens = head.headers.tokens("accept-ranges")
    if "bytes" in tokens:
        return True
    return False if "none" in tokens else None


def _wrong_range(content: http1.ContentRange, start: int, end: int | None) -> SourceError:
    asked = f"{start}-{'' if end is None else end - 1}"
    total = "*" if content.total is None else content.total
    return SourceError(
        f"Invalid range header. Bytes {asked} were asked, the server sent {content.start}-{content.end - 1}/{total}.",
        ErrorCode.CANNOT_RESUME,
        Retry.NEXT_SOURCE,
    )


def status_error(head: ResponseHead, start: int = 0) -> SourceError:
    """What a final status other than 200 and 206 means: the one table of HTTP statuses."""
    status = head.status
    later = retry_after(head.headers.get("retry-after"))
    if status == 416 and start:
        total = http1.unsatisfied_total(head.headers.get("content-range"))
        return RangeRefused(f"The server has no bytes at {start}. status=416", total)
    if status == 404:
        return SourceError("Resource not found", ErrorCode.NOT_FOUND, Retry.NEXT_SOURCE)
    if status == 401:
        return SourceError("Authorization failed.", ErrorCode.AUTHORIZATION, Retry.NEXT_SOURCE)
    if status < 400:
        text = f"Unexpected status {status}"
        if status == 304:
            text = "Got 304 without If-Modified-Since or If-None-Match"
        return SourceError(text, ErrorCode.BAD_RESPONSE, Retry.NEXT_SOURCE)
    text = f"The response status is not successful. status={status}"
    code = ErrorCode.OVERLOADED if status in _OVERLOADED else ErrorCode.BAD_RESPONSE
    retry = Retry.SAME_SOURCE if status >= 500 or status in _LATER else Retry.NEXT_SOURCE
    return SourceError(text, code, retry, later)


def retry_after(value: str | None) -> float | None:
    """Seconds that a Retry-After asks for, given as a number or a date (RFC 9110 section 10.2.3)."""
    if not value:
        return None
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - clock.wall())
    except (ValueError, OverflowError):
        return None
