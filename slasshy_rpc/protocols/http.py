"""HTTP and HTTPS: how a Source is opened, redirects and all.

Owns: requests, and which origin gets which credentials and cookies. Never: what an answer means (answer), Segments or
files.
"""

from __future__ import annotations

import email.utils
import re
import typing
from dataclasses import dataclass, field

from slasshy_rpc._engine import Channel
from slasshy_rpc.errors import ErrorCode, Retry, SourceError
from slasshy_rpc.net import address, auth, dial, http1
from slasshy_rpc.net import proxy as proxy_
from slasshy_rpc.net.address import Target
from slasshy_rpc.net.coding import ACCEPT_ENCODING
from slasshy_rpc.net.head import ResponseHead
from slasshy_rpc.net.metalink_http import WANT_DIGEST, Digest
from slasshy_rpc.net.names import Names
from slasshy_rpc.net.outlet import Outlet
from slasshy_rpc.net.pool import Pool
from slasshy_rpc.net.proxy import Proxies, Proxy
from slasshy_rpc.net.tls import TlsSettings
from slasshy_rpc.plan.sources import Source
from slasshy_rpc.protocols import answer
from slasshy_rpc.protocols.answer import Hearsay, Reading
from slasshy_rpc.protocols.opener import Arrival, Facts, Inquiry, RangeRefused, Unchanged

if typing.TYPE_CHECKING:
    from slasshy_rpc.net.cookies import Cookies

#: A rest of a body that is cheaper to read than a new connection (bytes, seconds).
WORTH_DRAINING = 64 * 1024
DRAIN_TIME = 0.2

#: What is accepted of the first answer, and of those to later requests, as aria2 does it.
_ACCEPT_FIRST = "*/*,application/metalink4+xml,application/metalink+xml"
_ACCEPT = "*/*"

#: Headers a user may set that belong to the origin they were meant for, and to no other (RFC 9110 section 15.4):
#: its name, and what sounds like a credential.
_PRIVATE = re.compile(r"(host|cookie)\s*:|[^:]*(auth|token|secret|session|key|passw|credential)[^:]*:", re.IGNORECASE)

#: The only headers that go along to another origin where a page, not the user, has set them (HttpRules.bound).
_HARMLESS = re.compile(r"(user-agent|accept|accept-language|referer|sec-fetch-[a-z]+)\s*:", re.IGNORECASE)

#: What browsers send to other servers than a page's, but not over a redirect.
_ORIGIN = re.compile(r"origin\s*:", re.IGNORECASE)

#: Headers a user may set that are for a proxy alone (RFC 9110 section 11.7.2).
_FOR_PROXY = re.compile(r"proxy-", re.IGNORECASE)

#: Headers of a user's that make a 304 an answer that was asked for.
_CONDITION = re.compile(r"if-modified-since|if-none-match", re.IGNORECASE)

#: The end of the year 9999: HTTP has no later dates (seconds since the epoch).
_LAST_DATE = 253_402_300_800


@dataclass(frozen=True, slots=True)
class HttpRules:
    """What applies to the requests of one download: times in seconds, ``receive_buffer`` in bytes (0: the kernel's).

    ``digest`` is (algorithm, lower-case hex) if the user gave one: no answer may speak of another. ``bound``:
    ``headers`` are for the origin of the URI alone, but for those that say nothing about anybody.
    """

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
    accept_gzip: bool = False
    want_digest: bool = True
    digest: Digest | None = None
    outlet: Outlet | None = None
    default_utf8: bool = False
    compat: bool = False
    bound: bool = False

    @property
    def conditional(self) -> bool:
        """Whether the user's own headers ask for a 304."""
        return any(_CONDITION.match(line) for line in self.headers)


@dataclass(slots=True)
class _Request:
    """What one open asks for, wherever it is sent; ``since`` as in Inquiry, as a date, for the place that is asked."""

    own: Target
    span: tuple[int, int | None]
    inquiry: Inquiry | None
    authorized: bool
    heard: Hearsay
    since: str | None = None

    @property
    def method(self) -> str:
        return "HEAD" if self.inquiry is not None and self.inquiry.head else "GET"

    @property
    def plain(self) -> bool:
        """Whether it asks for the whole file."""
        return self.span == (0, None)


class HttpOpener:
    """Opens the Sources of one download."""

    def __init__(self, rules: HttpRules, pool: Pool, names: Names, cookies: Cookies) -> None:
        self._rules = rules
        self._pool = pool
        self._names = names
        self._cookies = cookies

    async def open(self, source: Source, start: int, end: int | None, inquiry: Inquiry | None = None) -> Arrival:
        """See ``Opener.open``. Redirects are followed; where they led is asked first the next time."""
        if source.current:
            try:
                return await self._open(source, source.current, start, end, inquiry)
            except SourceError as error:
                # A signed address may have expired; the one that was given leads to a new one.
                source.current = ""
                if isinstance(error, RangeRefused) or error.retry is not Retry.NEXT_SOURCE:
                    raise
        return await self._open(source, source.uri, start, end, inquiry)

    async def put_back(self, arrival: Arrival) -> None:
        """See ``Opener.put_back``."""
        channel = arrival.channel
        if not arrival.reusable or channel.closed:
            channel.close()
            return
        if channel.body_left > 0 and not await http1.discard(channel, WORTH_DRAINING, timeout=DRAIN_TIME):
            channel.close()
            return
        target = address.parse(arrival.facts.url)
        self._pool.give(self._key(target, self._rules.proxies.choose(target)), channel)

    async def _open(self, source: Source, uri: str, start: int, end: int | None, inquiry: Inquiry | None) -> Arrival:
        rules, target, own = self._rules, address.parse(uri), address.parse(source.uri)
        home = address.parse(source.home) if source.named else own
        request = _Request(own, (start, end), inquiry, not rules.only_when_asked, Hearsay(rules.digest))
        hops = 0
        while True:
            asked = target
            if inquiry is not None and inquiry.since is not None:
                request.since = _date(await inquiry.since(asked.url))
            channel, head = await self._exchange(asked, home, request)
            try:
                self._cookies.store(asked, head.headers.all("set-cookie"))
                request.heard.hear(head)
                if head.status in answer.REDIRECTED:
                    hops += 1
                    target = answer.redirected(asked, head, hops)
                elif head.status == 401 and not request.authorized and self._authorization(asked, home):
                    request.authorized = True
                elif head.status == 304 and inquiry and (request.since is not None or rules.conditional):
                    await self._reuse(channel, head, asked, request.method)
                    raise Unchanged(asked.url, answer.entity_length(head))
                else:
                    if asked != own:
                        source.current = asked.again
                    reading = Reading(rules.accept_gzip, rules.default_utf8, rules.compat)
                    return answer.arrival(channel, head, asked, (start, end), request.method, request.heard, reading)
                await self._reuse(channel, head, asked, request.method)
            except BaseException:
                channel.close()
                raise

    async def _exchange(self, target: Target, home: Target, request: _Request) -> tuple[Channel, ResponseHead]:
        """One request over an idle connection if there is a good one, else over a new one."""
        proxy = self._rules.proxies.choose(target)
        head = self._head(target, home, request, proxy)
        idle = self._pool.take(self._key(target, proxy))
        if idle is not None:
            try:
                return idle, await self._request(idle, head, proxy)
            except SourceError as error:
                idle.close()
                # The server may have closed it while the request was under way, or what came may belong to the answer
                # before, which had more of a body than it told: neither says anything about this one.
                if error.code != ErrorCode.UNKNOWN:
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
            got = await http1.request(channel, head, timeout=self._rules.timeout)
        except SourceError as error:
            raise proxy_.blamed(error, proxy) from error.__cause__
        if got.status == 407:
            raise proxy_.unauthorised(proxy, str(answer.status_error(got)), ErrorCode.BAD_RESPONSE)
        return got

    def _head(
        self,
        target: Target,
        home: Target,
        request: _Request,
        proxy: Proxy | None,
    ) -> bytes:
        rules = self._rules
        at_home = target.origin == home.origin
        asked = proxy if proxy is not None and proxy.answers else None
        extra = [line for line in rules.headers if _goes_along(line, at_home, asked is not None)]
        if rules.bound and not at_home:
            extra = [line for line in extra if _HARMLESS.match(line)]
        return http1.build_head(
            target,
            method=request.method,
            user_agent=rules.user_agent or None,
            accept=_ACCEPT_FIRST if request.inquiry is not None and not request.heard.mirrors else _ACCEPT,
            # A part of a compressed body would be no part of the file.
            accept_encoding=ACCEPT_ENCODING if rules.accept_gzip and request.plain else None,
            no_cache=rules.no_cache,
            close=not rules.keep_alive,
            byte_range=None if request.plain else request.span,
            to_proxy=asked is not None,
            proxy_authorization=asked.authorization if asked is not None else None,
            authorization=self._authorization(target, home) if request.authorized else None,
            referer=(request.own.url if rules.referer == "*" else rules.referer) or None,
            cookie=self._cookies.header_for(target) or None,
            if_modified_since=request.since,
            want_digest=WANT_DIGEST if rules.want_digest else None,
            extra=extra,
        )

    def _authorization(self, target: Target, home: Target) -> str | None:
        if target.origin != home.origin:
            return auth.authorization(target, netrc=self._rules.netrc)
        own = target if target.userinfo is not None else home
        return auth.authorization(own, self._rules.user, self._rules.password, self._rules.netrc)

    async def _reuse(self, channel: Channel, head: ResponseHead, asked: Target, method: str) -> None:
        """Keep the connection of an answer whose body does not matter, if that is cheap: it leads to ``asked``."""
        answer.begin_body(channel, head, method)
        facts = Facts(None, None, url=asked.again)
        await self.put_back(Arrival(facts, channel, 0, None, http1.keep_alive(head, method)))

    def _key(self, target: Target, proxy: Proxy | None) -> tuple[object, ...]:
        buffer = self._rules.receive_buffer
        if proxy is not None and proxy.answers:
            return (proxy, buffer)  # for every origin
        return (target.origin, proxy, self._rules.tls if target.scheme == "https" else None, buffer)


def harmless(line: str) -> bool:
    """Whether a header that a page has set may go to another server than the page's: it says where it is wanted from,
    as browsers do, and nothing about anybody."""
    return bool(_HARMLESS.match(line) or _ORIGIN.match(line))


def public(line: str) -> bool:
    """Whether a header that a user has set may go to another origin than the one that it was meant for."""
    return not _PRIVATE.match(line)


def _goes_along(line: str, at_home: bool, to_proxy: bool) -> bool:
    """Whether a header of the user is for whom this request goes to."""
    return to_proxy if _FOR_PROXY.match(line) else at_home or public(line)


def _date(seconds: float | None) -> str | None:
    """An HTTP date (RFC 9110 section 5.6.7); None for a time that has none."""
    if seconds is None or not 0 <= seconds < _LAST_DATE:
        return None
    return email.utils.formatdate(int(seconds), usegmt=True)
