"""A video site on the loop-back for the tests: an extractor for http://127.0.0.1:PORT/watch/WHAT.

Owns: results in the shape of yt-dlp's for a page that is a JSON text; ``WHAT`` may also name a way to fail. Never:
anything but loop-back.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from typing import Any

from yt_dlp.extractor.common import InfoExtractor, SearchInfoExtractor
from yt_dlp.utils import ExtractorError, parse_qs, urljoin


class LoopIE(InfoExtractor):  # type: ignore[misc]
    """The page is {"title": …, "formats": [{"url": …, …}], …}, as a result has them, or a list of URLs or such results
    in "entries". A URL with ?list=NAME is one of them, too. "masters" and "mpds" are URLs of manifests whose formats
    are added."""

    _VALID_URL = r"https?://127\.0\.0\.1:\d+/watch/(?P<id>[\w-]+)"

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
        query = parse_qs(url)
        if query and self._yes_playlist(query.get("list", [""])[0], what):
            found: dict[str, Any] = self.url_result(urljoin(url, query["list"][0]))
            return found
        page = json.loads(self._download_webpage(url, what))
        print("and complains", file=sys.stderr)
        if "entries" in page:
            page["_type"] = "playlist"
            page["entries"] = [self.url_result(one) if isinstance(one, str) else one for one in page["entries"]]
        for master in page.pop("masters", ()):
            page["formats"] += self._extract_m3u8_formats(master, what, "mp4")
        for mpd in page.pop("mpds", ()):
            page["formats"] += self._extract_mpd_formats(mpd, what)
        return {"id": what, **page}


class LoopSearchIE(SearchInfoExtractor):  # type: ignore[misc]
    """loopsearchN:WORDS finds what ORIGIN/found says, a list of entries; with the words in the query. The origin is in
    the environment."""

    _SEARCH_KEY = "loopsearch"

    def _search_results(self, query: str) -> Iterator[dict[str, Any]]:
        found = self._download_webpage(f"{os.environ['LOOP_ORIGIN']}/found", query, query={"q": query})
        for entry in json.loads(found):
            yield {"_type": "url", "ie_key": "Loop", **entry}
