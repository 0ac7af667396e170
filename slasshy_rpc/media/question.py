"""What a worker is asked about a page, from the options of its download.

Owns: which of the user's settings yt-dlp hears of, and what of them is for the page's own host. Never: asks it.
"""

from __future__ import annotations

import asyncio
import re
import typing
from collections.abc import Sequence
from urllib.parse import quote

from slasshy_rpc.errors import DownloadError, OptionError
from slasshy_rpc.media import plan
from slasshy_rpc.media.ffmpeg import ffmpeg
from slasshy_rpc.net import address
from slasshy_rpc.net.cookies import Cookies
from slasshy_rpc.options.values import Layer, OptionSet
from slasshy_rpc.protocols.web import proxies

#: What is best where the sound alone is wanted.
SOUND = "ba/b"

#: Headers of the user's that yt-dlp sends to whomever it asks, for they say nothing about anybody.
_HARMLESS = ("accept-language", "referer")


async def asked(page: str, options: OptionSet, formats: str, jar: Cookies) -> dict[str, typing.Any]:
    """What ``Workers.ask`` takes. ``formats`` are all that may be chosen from, '' for those that the options say.

    ``jar`` has the cookies of --load-cookies. Raises DownloadError for a proxy that is none, and a cookie file that
    cannot be read.
    """
    headers, agent = _headers(options)
    if path := options.text("media-cookies"):
        jar = await asyncio.to_thread(_loaded, path)
    apart = options.text("media-merge") == "off" or ffmpeg() is not None
    checked = bool(options.text("checksum"))  # what is made here has no digest that anybody knows
    given = {
        "format": formats or wanted(options),
        "protocols": plan.FILES if checked else plan.PROTOCOLS,
        "whole": not sound(options) and (checked or not apart),  # sound alone is one file anyway
        "merge": options.text("media-merge") if options.text("media-merge") in ("mkv", "mp4") else None,
        "template": options.text("media-template"),
        **way(page, options),
        "user_agent": agent,
        "headers": headers,
        "cookies": jar.text() + _given_cookies(page, options),
        "runtimes": runtimes(options),
        "arguments": arguments(options.lines("media-extractor-args")),
        "subtitles": options.lines("media-subtitles"),
        "thumbnail": options.flag("media-thumbnail"),
        "generic": options.text("media") == "only",
        "playlist": options.text("media-playlist"),
        "items": options.text("media-playlist-items"),
    }
    return {"ask": "extract", "url": page, "options": given}


def way(page: str, options: OptionSet) -> dict[str, typing.Any]:
    """Through whom servers are reached, and whom to trust. Raises DownloadError for a proxy that is none."""
    return {
        "proxy": proxy_for(page, options),
        "insecure": not options.flag("check-certificate"),
        "authority": options.text("ca-certificate") or None,
        "certificate": options.text("certificate") or None,
        "private_key": options.text("private-key") or None,
    }


def wanted(options: OptionSet) -> str:
    """The choice of formats, in yt-dlp's words."""
    if sound(options) and options.given("media-format") is Layer.DEFAULT:
        return SOUND
    return options.text("media-format") or ""


def sound(options: OptionSet) -> str:
    """Whether the sound alone is wanted, as ``recipe.cook`` takes it."""
    form = options.text("media-audio-format") or "keep"
    return form if form != "keep" or options.flag("media-audio-only") else ""


def proxy_for(page: str, options: OptionSet) -> str:
    """The proxy through which a page is asked, as yt-dlp takes it, '' for none. Raises DownloadError."""
    found = proxies(options).choose(address.parse(page))
    if found is None:
        return ""
    user = f"{quote(found.user, safe='')}:{quote(found.password, safe='')}@" if found.user else ""
    return f"{found.scheme}://{user}{found.place}"


def _headers(options: OptionSet) -> tuple[dict[str, str], str | None]:
    """Those of the user's that go along, and the User-Agent."""
    given = dict(_split(line) for line in options.lines("header"))
    found = {name.title(): given[name] for name in _HARMLESS if given.get(name)}
    if (referer := options.text("referer")) and referer != "*":
        found["Referer"] = referer
    agent = options.text("media-user-agent") or given.get("user-agent")
    if not agent and options.given("user-agent"):
        agent = options.text("user-agent")
    return found, agent


def _loaded(path: str) -> Cookies:
    jar = Cookies()
    try:
        jar.load(path)
    except OptionError as error:
        raise DownloadError(f"The file of --media-cookies is no use. {error}") from error
    return jar


def _given_cookies(page: str, options: OptionSet) -> str:
    """The user's own Cookie header as cookies of the page's very host, and of no other."""
    jar, target = Cookies(), address.parse(page)
    for name, value in map(_split, options.lines("header")):
        if name == "cookie":
            secure = "; Secure" if target.scheme == "https" else ""
            pairs = [pair.strip() for pair in value.split(";") if "=" in pair]
            jar.store(target, [f"{pair}; Path=/{secure}" for pair in pairs])
    return jar.text()


def _split(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.strip().lower(), value.strip()


def runtimes(options: OptionSet) -> dict[str, dict[str, str]] | None:
    """What --media-js-runtime says, with the path of each if there is one; None if it says nothing."""
    named = (word.partition(":")[::2] for word in options.lines("media-js-runtime"))
    return {name: {"path": path} if path else {} for name, path in named} or None


def arguments(entries: Sequence[str]) -> dict[str, dict[str, list[str]]]:
    """What --media-extractor-args says, by extractor and key; of a key that is given twice the latter counts."""
    found: dict[str, dict[str, list[str]]] = {}
    for entry in entries:
        extractor, _, rest = entry.partition(":")
        for pair in rest.split(";"):
            key, _, values = pair.partition("=")
            listed = [value.replace("\\,", ",").strip() for value in re.split(r"(?<!\\),", values)]
            found.setdefault(extractor.lower(), {})[key.replace("-", "_").lower()] = listed
    return found
