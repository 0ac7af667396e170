"""Cookies: taken from answers, given to requests, loaded from Netscape files and browsers, kept in Netscape files.

Owns: one jar and its rules. Never: decides which downloads share a jar. The first cookie imports http.cookiejar.
"""

from __future__ import annotations

import logging
import re
import typing
from collections.abc import Iterable, Iterator

from slasshy_rpc import clock
from slasshy_rpc.errors import DiskError, ErrorCode, OptionError
from slasshy_rpc.net.address import Target
from slasshy_rpc.swap import swap

if typing.TYPE_CHECKING:
    from http.client import HTTPResponse
    from http.cookiejar import Cookie, CookieJar

#: RFC 6265 section 6.1 asks for at least these; more is a server that fills memory.
LARGEST = 8192
MOST = 3000

#: How a browser's database begins.
_DATABASE = b"SQLite format 3\0"

_HEADING = "# Netscape HTTP Cookie File\n"

_log = logging.getLogger(__name__)
_ADDRESS = re.compile(r"[0-9.]+|.*:.*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Cookies:
    """A jar. Cookies go to the host that set them, or below a Domain that it may speak for, and to no other.

    The rules are http.cookiejar's, made strict: without Domain only the very host, no Domain of one label or of an
    address, no two-label Domain that looks like co.uk. There is no list of public suffixes.
    """

    def __init__(self) -> None:
        self._jar: CookieJar | None = None

    def __len__(self) -> int:
        return 0 if self._jar is None else len(self._jar)

    def header_for(self, target: Target) -> str | None:
        """The value of the Cookie header for ``target`` in aria2's form (``a=b;c=d;``), None without cookies."""
        if self._jar is None or not len(self._jar):
            return None
        from urllib.request import Request

        request = Request(target.url)
        self._jar.add_cookie_header(request)
        value = request.get_header("Cookie")
        return None if value is None else value.replace("; ", ";") + ";"

    def store(self, target: Target, set_cookie: Iterable[str]) -> None:
        """Take the Set-Cookie headers that ``target`` answered with; those that break the rules are left out."""
        headers = [value for value in set_cookie if len(value) <= LARGEST and not _CONTROL.search(value)]
        if _ADDRESS.fullmatch(target.host):  # http.cookiejar would let 127.0.0.1 speak for .0.0.1
            headers = [value for value in headers if _domain(value) in ("", target.host)]
        if not headers:
            return
        from urllib.request import Request

        jar = self._opened()
        if len(jar) >= MOST:
            jar.clear_expired_cookies()
        if len(jar) >= MOST:
            _log.warning("%s: its cookies are not kept, there are %d already", target.host, MOST)
            return
        answer = typing.cast("HTTPResponse", _Answer(headers))
        jar.extract_cookies(answer, Request(target.url))

    def load(self, path: str) -> None:
        """Add the cookies of a Netscape file, or of a database of Firefox or Chromium.

        In a Netscape file a cookie with expiry 0 lasts for the session. What is no cookie is skipped, and so are values
        that Chromium has encrypted, with one notice. Raises OptionError (load-cookies) if the file cannot be used.
        """
        try:
            with open(path, "rb") as file:
                magic = file.read(16)
                rest = b"" if magic == _DATABASE else file.read()
        except OSError as error:
            raise OptionError("load-cookies", f"The cookie file {path} cannot be read: {error.strerror}") from error
        if magic == _DATABASE:
            self._load_database(path)
        else:
            self._load_lines(path, magic + rest)

    def _load_lines(self, path: str, data: bytes) -> None:
        skipped = 0
        for line in data.decode("utf-8", "surrogateescape").splitlines():
            if not line.strip() or (line.startswith("#") and not line.startswith("#HttpOnly_")):
                continue
            cookie = _cookie(line.removeprefix("#HttpOnly_"))
            if cookie is None:
                skipped += 1
            else:
                self._add(cookie)
        if skipped:
            _log.warning("%s: %d lines are no cookies in Netscape form and were skipped", path, skipped)

    def _load_database(self, path: str) -> None:
        from slasshy_rpc.net import browser_cookies

        try:
            rows, hidden = browser_cookies.read(path)
        except browser_cookies.NotCookies as error:
            raise OptionError("load-cookies", f"{path} {error}") from error
        for row in rows:
            whole = row.host.startswith(".")
            if (cookie := _made(row.host, whole, row.path, row.secure, row.expires, row.name, row.value)) is not None:
                self._add(cookie)
        if hidden:
            _log.warning(
                "%s: %d cookies are encrypted and were left out. Export them as a Netscape file, for example with "
                "yt-dlp --cookies-from-browser BROWSER --cookies FILE",
                path,
                hidden,
            )

    def _add(self, cookie: Cookie) -> None:
        """Keep a cookie from a file, unless it has expired; it takes the place of one of the same name and scope."""
        if not cookie.is_expired(int(clock.wall())):
            self._opened().set_cookie(cookie)

    def save(self, path: str) -> None:
        """Write all cookies as a Netscape file that only its owner may read; those of the session with expiry 0.

        The file is complete or as it was. Raises DiskError if it cannot be written, or if a database is there: it is
        that of a browser, and may have been named to be loaded.
        """
        if _is_database(path):
            reason = f"The cookie file {path} is not written: a database is there. Give another --save-cookies."
            raise DiskError(reason, ErrorCode.IO_ERROR)
        try:
            swap(path, (_HEADING + self._lines()).encode("utf-8", "surrogateescape"))
        except OSError as error:
            reason = f"The cookie file {path} cannot be written: {error.strerror}"
            raise DiskError(reason, ErrorCode.IO_ERROR) from error

    def text(self) -> str:
        """All cookies as the text of a Netscape file, '' if there are none. What is no Unicode in them is replaced."""
        lines = self._lines().encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        return lines and _HEADING + lines

    def _lines(self) -> str:
        return "".join(_line(cookie) for cookie in self._unexpired())

    def _unexpired(self) -> Iterator[Cookie]:
        if self._jar is not None:
            self._jar.clear_expired_cookies()
            yield from self._jar

    def _opened(self) -> CookieJar:
        if self._jar is None:
            from http.cookiejar import CookieJar, DefaultCookiePolicy

            exact = DefaultCookiePolicy.DomainStrictNonDomain
            self._jar = CookieJar(DefaultCookiePolicy(rfc2965=False, strict_domain=True, strict_ns_domain=exact))
        return self._jar


def _is_database(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(len(_DATABASE)) == _DATABASE
    except OSError:  # told when it is written
        return False


class _Answer:
    """What http.cookiejar asks of a response."""

    def __init__(self, set_cookie: list[str]) -> None:
        self._set_cookie = set_cookie

    def info(self) -> _Answer:
        return self

    def get_all(self, name: str, default: list[str]) -> list[str]:
        return self._set_cookie if name.lower() == "set-cookie" else default


def _domain(set_cookie: str) -> str:
    """The Domain attribute of a Set-Cookie header, '' without one."""
    match = re.search(r";\s*domain\s*=([^;]*)", set_cookie, re.IGNORECASE)
    return match[1].strip().lstrip(".") if match else ""


def _cookie(line: str) -> Cookie | None:
    """One line of a Netscape file: domain, whole domain or not, path, secure, expiry, name, value."""
    fields = line.split("\t")[:7]
    if len(fields) == 6:
        fields.append("")  # an empty value whose tab an editor has taken
    if len(fields) != 7:
        return None
    domain, whole, path, secure, expiry, name, value = fields
    seconds = re.fullmatch(r"(\d{1,15})(\.\d*)?", expiry) if expiry else None
    if expiry and seconds is None:
        return None
    expires = int(seconds[1]) if seconds is not None and int(seconds[1]) else None
    below = whole.upper() == "TRUE" or domain.startswith(".")
    return _made(domain, below, path, secure.upper() == "TRUE", expires, name, value)


def _made(
    domain: str, below: bool, path: str, secure: bool, expires: int | None, name: str, value: str
) -> Cookie | None:
    """The Cookie, None if there can be none; ``below``: for what is below ``domain`` too."""
    from http.cookiejar import Cookie as Made

    texts = (domain, path, name, value)
    if any(";" in text for text in texts) or _CONTROL.search("".join(texts)):
        return None
    if not domain.strip(".") or not name or not path.startswith("/"):
        return None
    domain = domain.lower().lstrip(".")
    if below and _ADDRESS.fullmatch(domain):
        below = False  # nothing is below an address
    if "." not in domain:
        domain += ".local"  # http.cookiejar's name for a host of one label
    return Made(
        version=0,
        name=name,
        value=value,
        port=None,
        port_specified=False,
        domain="." + domain if below else domain,
        domain_specified=below,
        domain_initial_dot=below,
        path=path,
        path_specified=True,
        secure=secure,
        expires=expires,
        discard=expires is None,
        comment=None,
        comment_url=None,
        rest={},
    )


def _line(cookie: Cookie) -> str:
    domain = cookie.domain.removesuffix(".local") if cookie.domain.count(".") == 1 else cookie.domain
    whole = "TRUE" if cookie.domain_specified else "FALSE"
    secure = "TRUE" if cookie.secure else "FALSE"
    name, value = (cookie.name, cookie.value) if cookie.value is not None else ("", cookie.name)
    return "\t".join((domain, whole, cookie.path, secure, str(cookie.expires or 0), name, value)) + "\n"
