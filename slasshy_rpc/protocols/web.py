"""The protocol that claims http:// and https:// and turns options into plain rules for everything below it.

Owns: what is shared by all its downloads: idle connections, looked-up names, known servers, cookies, netrc, the turn to
be checked. Never: requests or files.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from slasshy_rpc._engine import Pace
from slasshy_rpc.disk import existing
from slasshy_rpc.disk.allocate import Method
from slasshy_rpc.errors import UsageError
from slasshy_rpc.net import auth
from slasshy_rpc.net.address import Origin, is_web, parse
from slasshy_rpc.net.cookies import Cookies
from slasshy_rpc.net.names import Names, NameServers, name_servers
from slasshy_rpc.net.outlet import Outlet
from slasshy_rpc.net.pool import Pool
from slasshy_rpc.net.proxy import Given, Proxies
from slasshy_rpc.net.receive import Receiver
from slasshy_rpc.net.tls import VERSIONS, TlsSettings
from slasshy_rpc.options.kinds import home
from slasshy_rpc.options.values import Layer, OptionSet
from slasshy_rpc.plan.lines import Lines
from slasshy_rpc.plan.origin import Origins
from slasshy_rpc.plan.retry import RetryRules
from slasshy_rpc.plan.selector import Selector
from slasshy_rpc.plan.sources import Source
from slasshy_rpc.protocols.base import Request, Workplace
from slasshy_rpc.protocols.crew import Limits
from slasshy_rpc.protocols.http import HttpOpener, HttpRules, harmless
from slasshy_rpc.protocols.localfile import FileRules
from slasshy_rpc.protocols.segmented import Plan, SegmentedJob
from slasshy_rpc.protocols.small import small


@dataclass(frozen=True, slots=True)
class Errand:
    """One file that a page led to, called ``name``; ``headers`` are lines, for the URL's origin.

    ``longest_range`` as in Limits. ``ours``: it is made into another file in the end; until then it has a control file,
    by which an earlier try's is known and gone on with. ``keep_control``: it has one until somebody deletes it.
    """

    url: str
    name: str
    headers: tuple[str, ...]
    longest_range: int
    ours: bool
    keep_control: bool = False


@dataclass(frozen=True, slots=True)
class Means:
    """What brings the many small files that a page led to.

    ``own`` opens those of ``origin``, ``other`` all others: what a page sets for its own server is none of theirs.
    """

    origin: Origin
    own: HttpOpener
    other: HttpOpener
    receiver: Receiver
    limits: Limits
    pace: Pace
    sync: bool


class Web:
    """HTTP(S) downloads; one for the whole process. ``servers`` are those that --async-dns asks, else the system is."""

    name = "http"

    def __init__(
        self, receiver: Receiver, cookies: Cookies, origins: Origins, outlet: Outlet, servers: tuple[str, ...] = ()
    ) -> None:
        self._receiver = receiver
        self.cookies = cookies
        self._origins = origins
        self._outlet = outlet
        self._pool = Pool()
        self._names = self._asked_names = Names()
        self._servers = NameServers(servers)
        if servers:
            self._asked_names = Names(self._servers.lookup)
        self._checks = asyncio.Lock()
        self._latest: tuple[OptionSet, bool, Path | None] | None = None
        self._meaning: tuple[Plan, HttpRules]

    def claims(self, request: Request) -> bool:
        """See ``Protocol.claims``."""
        return bool(request.uris) and all(map(is_web, request.uris))

    def job(self, request: Request, place: Workplace) -> SegmentedJob:
        """See ``Protocol.job``."""
        wanted, rules = self._understood(request, place.live_dir)
        place.lines.reuse = request.options.flag("reuse-uri")  # it may have been changed since
        opener = self.opener(request.options, rules)
        return self._job(request, place.lines.order(request.uris), wanted, place, opener)

    def errand_job(self, request: Request, place: Workplace, errand: Errand) -> SegmentedJob:
        """The Job for one file that a page led to: the rules of ``request``, but for what its URIs alone are about."""
        wanted, rules = self._understood(request, place.live_dir)
        file = wanted.file
        if errand.ours:
            # Only a control file tells an earlier try's part, a whole one too, from what the user has under that name.
            only = replace(file.existing, continue_=False, remove_control_file=False)
            file = replace(file, existing=only)
        if errand.ours or errand.keep_control:
            file = replace(file, keep_control=True)
        wanted = replace(
            wanted,
            out=errand.name,
            limits=replace(wanted.limits, longest_range=errand.longest_range),
            file=file,
            use_head=False,
            conditional=False,
            checksum=None if errand.ours else wanted.checksum,
        )
        rules = replace(_for_page(rules, errand.headers), digest=wanted.checksum)
        # Lines of its own: a signed URL is shown and kept nowhere. A jar of its own: what the page's cookies are for.
        place = replace(place, lines=Lines([errand.url]))
        opener = HttpOpener(rules, self._pool, self._asking(request.options), Cookies())
        return self._job(request, [errand.url], wanted, place, opener)

    def means(
        self, request: Request, place: Workplace, url: str, headers: tuple[str, ...], cookies: Iterable[str]
    ) -> Means:
        """What brings the fragments that ``url`` leads to; ``headers`` are lines, ``cookies`` as in Set-Cookie."""
        options = request.options
        wanted, rules = self._understood(request, place.live_dir)
        target, jar, names = parse(url), Cookies(), self._asking(options)
        jar.store(target, cookies)
        rules = replace(_for_page(rules, headers), digest=None, accept_gzip=True)
        foreign = replace(rules, headers=tuple(line for line in headers if harmless(line)))
        return Means(
            target.origin,
            HttpOpener(rules, self._pool, names, jar),
            HttpOpener(foreign, self._pool, names, jar),
            self._receiver,
            wanted.limits,
            Pace(wanted.rate, place.pace),
            wanted.file.sync != "never",
        )

    async def small(self, request: Request, url: str, most: int, timeout: float) -> bytes:
        """The body behind ``url``, by the rules of ``request`` but for what its own URIs are told; see ``small``."""
        options = request.options
        own = http_rules(options, self._outlet)
        rules = replace(_for_page(own, ()), user_agent=own.user_agent, digest=None, accept_gzip=True)
        source = Source.of(url, Lines([url]), Selector())
        opener = HttpOpener(rules, self._pool, self._asking(options), Cookies())
        return await small(opener, self._receiver, source, most, silence=timeout, within=timeout)

    def _job(
        self, request: Request, uris: Iterable[str], wanted: Plan, place: Workplace, opener: HttpOpener
    ) -> SegmentedJob:
        selector = Selector(request.options.text("uri-selector") or "", self._origins)
        sources = [Source.of(uri, place.lines, selector) for uri in uris]
        place = self.fenced(request, place)
        return SegmentedJob(sources, selector, wanted, place, opener, self._receiver, self._checks)

    @staticmethod
    def fenced(request: Request, place: Workplace) -> Workplace:
        """The place as a stranger's Download has it; see ``Claims.fenced``."""
        if request.trusted:
            return place
        return replace(place, claims=place.claims.fenced(request.options.text("dir") or ".", home() or "/"))

    def _asking(self, options: OptionSet) -> Names:
        return self._asked_names if options.flag("async-dns") else self._names

    def _understood(self, request: Request, live_dir: Path | None) -> tuple[Plan, HttpRules]:
        """What the options of ``request`` mean. Thousands of one list, or of one caller, have the same."""
        asked = request.options, request.trusted, live_dir
        if self._latest != asked:
            self._meaning = plan(request, live_dir), http_rules(request.options, self._outlet)
            self._latest = asked
        return self._meaning

    def opener(self, options: OptionSet, rules: HttpRules | None = None) -> HttpOpener:
        """What opens the Sources of a download with these options; ``rules`` if it is known what they mean."""
        rules = rules or http_rules(options, self._outlet)
        return HttpOpener(rules, self._pool, self._asking(options), self.cookies)

    async def close(self) -> None:
        """See ``Protocol.close``."""
        self._pool.close()
        self._servers.close()


def _for_page(rules: HttpRules, headers: tuple[str, ...]) -> HttpRules:
    """The rules for what a page led to: it says itself who asks."""
    return replace(
        rules, user_agent="", referer="", headers=headers, user=None, password=None, want_digest=False, bound=True
    )  # fmt: skip


def plan(request: Request, live_dir: Path | None) -> Plan:
    """What a segmented download needs of its options."""
    options = request.options
    return Plan(
        directory=options.text("dir") or ".",
        out=options.text("out") or "",
        trusted=request.trusted,
        compat=options.flag("compat"),
        limits=limits(options),
        file=file_rules(options, request.trusted, live_dir),
        rate=options.integer("max-download-limit"),
        always_resume=options.flag("always-resume"),
        not_found_limit=options.integer("max-file-not-found"),
        dry_run=options.flag("dry-run"),
        use_head=options.flag("use-head"),
        conditional=options.flag("conditional-get"),
        checksum=checksum(options),
    )


def checksum(options: OptionSet) -> tuple[str, str] | None:
    """--checksum as (algorithm, digest), both in lower case."""
    algorithm, given, digest = (options.text("checksum") or "").partition("=")
    return (algorithm.lower(), digest.lower()) if given else None


def outlet(options: OptionSet) -> Outlet:
    """From where connections are made. --interface has precedence (aria2 manual, --multiple-interface).

    Raises UsageError.
    """
    listed = options.text("multiple-interface") or ""
    interfaces = [name for part in listed.split(",") if (name := part.strip())]
    if interface := options.text("interface"):
        interfaces = [interface]
    elif listed and not interfaces:
        raise UsageError("--multiple-interface names no interface.")
    return Outlet(interfaces, options.integer("dscp"))


def servers(options: OptionSet) -> tuple[str, ...]:
    """The name servers that are to be asked; raises UsageError for what is none."""
    try:
        return name_servers(options.text("async-dns-server") or "")
    except ValueError as error:
        raise UsageError(f"--async-dns-server: {error}. Give addresses, as in 192.0.2.1,192.0.2.2:5353.") from error


def limits(options: OptionSet) -> Limits:
    """How many Connections, how small, how patient."""
    return Limits(
        connections=options.integer("split"),
        per_host=options.integer("max-connection-per-server"),
        min_split_size=options.integer("min-split-size"),
        piece_length=options.integer("piece-length"),
        strict_split=options.given("min-split-size") is not Layer.DEFAULT,
        timeout=float(options.integer("timeout")),
        lowest_speed=options.integer("lowest-speed-limit"),
        retry=RetryRules(options.integer("max-tries"), float(options.integer("retry-wait"))),
        selector=options.text("stream-piece-selector") or "default",
        resume_failures=0 if options.flag("always-resume") else options.integer("max-resume-failure-tries"),
    )


def file_rules(options: OptionSet, trusted: bool, live_dir: Path | None) -> FileRules:
    """How the file is treated; a symbolic link is followed only where the user himself has named it."""
    return FileRules(
        existing=existing.Rules(
            continue_=options.flag("continue"),
            allow_overwrite=options.flag("allow-overwrite"),
            auto_file_renaming=options.flag("auto-file-renaming"),
            check_integrity=options.flag("check-integrity"),
            remove_control_file=options.flag("remove-control-file"),
        ),
        check_only=options.flag("hash-check-only"),
        keep_piece_length=not options.flag("allow-piece-length-change"),
        allocation=allocation(options),
        unallocated=options.integer("no-file-allocation-limit"),
        piece_length=options.integer("piece-length"),
        sync=options.text("file-sync") or "auto",
        remote_time=options.flag("remote-time"),
        keep_control=options.flag("force-save"),
        follow=trusted and bool(options.text("out")),
        live_dir=live_dir,
        save_interval=float(options.integer("auto-save-interval")) if options.given("auto-save-interval") else 1.0,
    )


def allocation(options: OptionSet) -> Method:
    """--file-allocation as ``disk.allocate`` takes it."""
    found = options.text("file-allocation")
    methods: tuple[Method, ...] = ("none", "prealloc", "trunc", "falloc")
    return next(method for method in methods if method == found)


def http_rules(options: OptionSet, outlet: Outlet) -> HttpRules:
    """What the requests carry, how long they wait, and the way that they take."""
    netrc = options.text("netrc-path")
    return HttpRules(
        timeout=float(options.integer("timeout")),
        connect_timeout=float(options.integer("connect-timeout")),
        tls=TlsSettings(
            verify=options.flag("check-certificate"),
            ca_certificate=options.text("ca-certificate"),
            certificate=options.text("certificate"),
            private_key=options.text("private-key"),
            min_version=VERSIONS[options.text("min-tls-version") or "TLSv1.2"],
        ),
        user_agent=options.text("user-agent") or "",
        referer=options.text("referer") or "",
        headers=tuple(line for line in options.lines("header") if line.strip()),  # an empty one would end the head
        user=options.text("http-user"),
        password=options.text("http-passwd"),
        netrc=_netrc(netrc) if netrc and not options.flag("no-netrc") else None,
        only_when_asked=options.flag("http-auth-challenge"),
        no_cache=options.flag("http-no-cache"),
        keep_alive=options.flag("enable-http-keep-alive"),
        proxies=proxies(options),
        receive_buffer=options.integer("socket-recv-buffer-size"),
        disable_ipv6=options.flag("disable-ipv6"),
        accept_gzip=options.flag("http-accept-gzip"),
        want_digest=not options.flag("no-want-digest-header"),
        digest=checksum(options),
        outlet=outlet,
        default_utf8=options.flag("content-disposition-default-utf8"),
        compat=options.flag("compat"),
    )


def proxies(options: OptionSet) -> Proxies:
    """Which servers are asked through which proxy."""
    http, https, every = (
        Given(options.text(name) or "", options.text(f"{name}-user"), options.text(f"{name}-passwd"))
        for name in ("http-proxy", "https-proxy", "all-proxy")
    )
    return Proxies(
        http=http,
        https=https,
        all=every,
        none_for=options.lines("no-proxy"),
        tunnel=options.text("proxy-method") == "tunnel",
        agent=options.text("user-agent") or "",
    )


@functools.cache
def _netrc(path: str) -> auth.Netrc:
    return auth.load_netrc(path)
