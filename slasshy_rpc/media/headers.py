"""Which headers of a worker's answer go along with the request for a file.

Owns: that. Never: values of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

#: Headers that are the engine's own affair.
_OURS = re.compile(
    "host|(if-)?range|accept-encoding|connection|content-length|transfer-encoding|te|upgrade|cookie|proxy-.*",
    re.IGNORECASE,
)


def lines(one: Mapping[str, Any]) -> tuple[str, ...]:
    """Those of one file, its cookies among them, as lines. Raises what a Mapping raises that lacks something."""
    found = [f"{name}: {value}" for name, value in dict(one["headers"]).items() if not _OURS.fullmatch(name)]
    if one["cookie"]:
        found.append(f"Cookie: {one['cookie']}")
    return tuple(found)
