"""What the values of some media options may look like.

Owns: which texts are handed on to yt-dlp. Never: what it makes of them.
"""

from __future__ import annotations

import re

from slasshy_rpc.errors import OptionError
from slasshy_rpc.options.kinds import Kind

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
