"""A video site on the loop-back for the tests: an extractor for http://127.0.0.1:PORT/watch/WHAT.

Owns: results in the shape of yt-dlp's for a page that is a JSON text; ``WHAT`` may also name a way to fail. Never:
anything but loop-back.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

from yt_dlp.extractor.common import InfoExtractor
from yt_dlp.utils import ExtractorError


class LoopIE(InfoExtractor):  # type: ignore[misc]
    """The page is {"title": …, "formats": [{"url": …, …}], …}, as a result has them."""

    _VALID_URL = r"http://127\.0\.0\.1:\d+/watch/(?P<id>[\w-]+)"

    def _real_extract(self, url: str) -> dict[str, Any]:
        what = self._match_id(url)
        print("an extractor prints")
        os.write(1, b'{"kind": "forged"}\n')
        if what == "crash":
            os._exit(3)
        if what == "hang":
            time.sleep(60)
        if what == "drm":
            raise ExtractorError("This video is DRM protected", expected=True)
        if what == "login":
            self.raise_login_required()
        if what == "geo":
            self.raise_geo_restricted(countries=["SE"])
        if what == "list":
            entries = [self.url_result(f"{url}-{n}", ie="Loop", video_id=str(n)) for n in range(3)]
            return {"_type": "playlist", "id": what, "title": "A list", "entries": entries}
        page = self._download_webpage(url, what)
        print("and complains", file=sys.stderr)
        return {"id": what, **json.loads(page)}
