"""Invocations: what a file is called (URLs, Content-Disposition, redirects, --out), odd names above all."""

from __future__ import annotations

from collections.abc import Iterable

from tests.differential.command import Case, Served
from tests.support.behaviour import Behaviour

LONG = "n" * 200


#: Paths whose last part is what the file is called after.
PATHS = (
    "/two%20words.bin", "/two+words.bin", "/%D1%84%D0%B0%D0%B9%D0%BB.bin", "/%ff%fe.bin", "/a%2Fb.bin", "/a%5Cb.bin",
    "/100%25.bin", "/100%.bin", "/100%zz.bin", "/a%01b.bin", "/a%0Ab.bin", "/a%3Fb.bin", "/a%23b.bin", "/a:b.bin",
    "/.hidden", "/name.", "/~name", "/it%27s%22x.bin", "/-name.bin", f"/{LONG}.bin", "/sub/", "/get?file=name.bin",
    "/name.bin;v=1",
)  # fmt: skip
#: Content-Disposition by the path that has it.
DISPOSITIONS: dict[str, str | bytes] = {
    "/d-quoted": 'attachment; filename="given.bin"',
    "/d-unquoted": "attachment; filename=given.bin",
    "/d-inline": 'inline; filename="inline.bin"',
    "/d-utf-8": "attachment; filename*=UTF-8''%D1%84%D0%B0%D0%B9%D0%BB.bin",
    "/d-both": "attachment; filename=\"plain.bin\"; filename*=UTF-8''better.bin",
    "/d-raw": 'attachment; filename="näme.bin"'.encode(),
    "/d-latin": 'attachment; filename="läme.bin"'.encode("latin-1"),
    "/d-up": 'attachment; filename="../up.bin"',
    "/d-percent": 'attachment; filename="a%20b.bin"',
    "/d-blank": 'attachment; filename="a b.bin"',
    "/d-empty": 'attachment; filename=""',
    "/d-none": "attachment",
}
DISPOSED = {path: Served(700, behaviour=Behaviour(disposition=text)) for path, text in DISPOSITIONS.items()}


def each(paths: Iterable[str]) -> str:
    """Words that download these paths one after the other."""
    return "-Z -j1 " + " ".join(f"'<o>{path}'" for path in paths)


CASES = (
    Case("names/of URLs", each(PATHS), serves={path.partition("?")[0]: Served(700) for path in PATHS}),
    Case("names/300 letters", f"<o>/{'n' * 300}.bin", serves={f"/{'n' * 300}.bin": Served(700)}),
    Case("names/two dots", "'<o>/%2e%2e'", serves={"/%2e%2e": Served(700)}),
    Case("names/a dot alone", "'<o>/%2e'", serves={"/%2e": Served(700)}),
    Case("names/disposition", each(DISPOSITIONS), serves=DISPOSED),
    Case("names/disposition in UTF-8", "--content-disposition-default-utf8=true <o>/d-raw", serves=DISPOSED),
    Case("names/disposition and -o", "-o mine.bin <o>/d-quoted", serves=DISPOSED),
    Case("names/disposition, -c of what is there", "-c <o>/a.bin", files={"given.bin": b"x" * 100},
         serves={"/a.bin": Served(data=b"x" * 300, behaviour=Behaviour(disposition="attachment; filename=given.bin"))},
         wire=""),
    Case("names/of the last URL", "<o>/r", serves={"/r": Served(behaviour=Behaviour(redirect="a.bin"))}),
    Case("names/of the last URL, -o", "-o mine.bin <o>/r",
         serves={"/r": Served(behaviour=Behaviour(redirect="a.bin"))}),
    Case("names/renamed, two dots", "<o>/a.tar.gz", files={"a.tar.gz": "x"}, serves={"/a.tar.gz": Served(700)}),
    Case("names/renamed, no dot", "<o>/name", files={"name": "x"}, serves={"/name": Served(700)}),
    Case("names/renamed, a dot first", "<o>/.hidden", files={".hidden": "x"}, serves={"/.hidden": Served(700)}),
    Case("names/renamed, -o", "-o sub/mine.bin <o>/a.bin", files={"sub/mine.bin": "x"}),
    Case("names/-o with no ASCII", "-o 'näme ✓.bin' <o>/a.bin"),
    Case("names/-o with a percent", "-o 'a%20b.bin' <o>/a.bin"),
    Case("names/-o with a dot", "-o ./mine.bin <o>/a.bin"),
    Case("names/-o is two dots", "-o .. <o>/a.bin", wire=""),
    Case("names/-o with a line break", "-o 'a\nb.bin' <o>/a.bin"),
    Case("names/-d with no ASCII", "-d 'näme ✓' <o>/a.bin"),
    Case("names/-d below the home", "-d '${HOME}' <o>/a.bin"),
    Case("names/-d tilde", "-d '~' <o>/a.bin"),
)  # fmt: skip
