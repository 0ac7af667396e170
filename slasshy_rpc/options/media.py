"""What the values of some media options may look like.

Owns: which texts are handed on to yt-dlp. Never: what it makes of them.
"""

from __future__ import annotations

import re

from slasshy_rpc.errors import OptionError
from slasshy_rpc.options.kinds import Kind, Lines, Words

_NUMBER = r"-?[1-9][0-9]{0,6}"
_ITEM = rf"(?:{_NUMBER}|(?:{_NUMBER})?:(?:{_NUMBER})?(?::{_NUMBER})?|[1-9][0-9]{{0,6}}-[1-9][0-9]{{0,6}})"
_ITEMS = re.compile(rf"{_ITEM}(?:,{_ITEM}){{0,99}}")


class Items(Kind):
    """Places in a list, from 1 on: numbers and ``START:END:STEP``, negative ones counted from its end."""

    __slots__ = ()
    values = "START:END[:STEP], INDEX,..."

    def parse(self, name: str, raw: str) -> str:
        """The text without blanks."""
        text = super().parse(name, raw).replace(" ", "")
        if text and not _ITEMS.fullmatch(text):
            raise OptionError(name, f"{name} must be numbers and ranges of them, as in 1:10 or 1,3,-2:.")
        return text


_LANGUAGES = re.compile(r"[A-Za-z0-9_-]{1,40}(?:,[A-Za-z0-9_-]{1,40}){0,49}")


class Languages(Words):
    """Languages as a site has them, with commas between."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("LANGUAGE[,LANGUAGE...], all")

    def parse(self, name: str, raw: str) -> str:
        """The text without blanks."""
        text = super().parse(name, raw).replace(" ", "")
        if text and not _LANGUAGES.fullmatch(text):
            raise OptionError(name, f"{name} must be languages, as in en,pt-BR.")
        return text


class Formats(Kind):
    """A choice of formats as yt-dlp writes it."""

    __slots__ = ()
    values = "a format selection of yt-dlp's"

    def parse(self, name: str, raw: str) -> str:
        """The text as typed."""
        text = super().parse(name, raw)
        if not text.strip() or len(text) > 1000 or not text.isprintable():
            raise OptionError(name, f"{name} must be a choice of formats, as in bv*[height<=720]+ba/b.")
        return text


#: What a name may be made of: nothing that is secret, or has no end, and no variables of the environment.
_FIELDS = """
    album artist channel chapter creator display_id duration_string episode episode_number extractor format_id height id
    playlist_title resolution release_date release_year season season_number series title track track_number
    upload_date uploader uploader_id width
"""
FIELDS = _FIELDS.split()

_FIELD = re.compile(rf"%\((?:{'|'.join(FIELDS)})\)(?:s|\.[1-9][0-9]{{0,2}}B|(?:0[1-9])?d)")
_PLAIN = re.compile(r"[\w ,.()\[\]+=@#&!'/-]*")


class Template(Kind):
    """The name of a file as yt-dlp writes it, with some of its fields and folders below ``dir``."""

    __slots__ = ()
    values = "a name with fields such as %(title)s"

    def parse(self, name: str, raw: str) -> str:
        """The text without the extension's field at its end."""
        text = super().parse(name, raw).removesuffix(".%(ext)s")
        if not _PLAIN.fullmatch(_FIELD.sub("", text)) or len(text) > 500:
            raise OptionError(
                name,
                f"{name} may have letters, figures, some marks, and %(FIELD)s, %(FIELD).NB or %(FIELD)d, where FIELD "
                f"is one of: {', '.join(FIELDS)}.",
            )
        if any(part.strip() in ("", ".", "..") for part in text.split("/")) and text:
            raise OptionError(name, f"{name} must be a name below 'dir', without '..' and not starting with '/'.")
        return text


_RUNTIME = re.compile(r"(bun|deno|node|quickjs)(:/.+)?")


class Runtimes(Words):
    """Programs that run JavaScript, each perhaps with its path."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("deno[:PATH], node[:PATH], quickjs[:PATH], bun[:PATH]")

    def parse(self, name: str, raw: str) -> str:
        """The text as typed."""
        text = super().parse(name, raw)
        if not all(_RUNTIME.fullmatch(word) for word in self.decode(text)):
            raise OptionError(
                name, f"{name} must name deno, node, quickjs or bun, as in deno or node:/opt/node/bin/node."
            )
        return text


_ARGUMENTS = re.compile(r"[\w-]+:[\w-]+=[^;]*(?:;[\w-]+=[^;]*)*")


class ExtractorArguments(Lines):
    """``EXTRACTOR:KEY=VALUE[,VALUE...][;KEY=...]``, cumulative."""

    __slots__ = ()
    values = "EXTRACTOR:KEY=VALUE[,VALUE][;KEY=VALUE]"

    def parse(self, name: str, raw: str) -> str:
        """One entry as typed."""
        text = super().parse(name, raw)
        if not _ARGUMENTS.fullmatch(text):
            raise OptionError(name, f"{name} must be as in youtube:player_client=web,tv;lang=en.")
        return text
