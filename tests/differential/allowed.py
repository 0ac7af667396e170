"""Every deliberate difference from aria2, with its reason; docs/differences.md shows the same lines.

Owns: which differing facts are meant. Never: a pattern wider than its reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

from tests.differential.facts import ABSENT, Difference


@dataclass(frozen=True, slots=True)
class Allowed:
    """Facts whose keys match one of ``patterns`` may differ for this ``reason``; ``only``: from that aria2 alone.

    Patterns are those of fnmatch, without sets of characters in the keys; ``theirs`` and ``ours`` bound the values.
    """

    reason: str
    patterns: tuple[str, ...]
    theirs: str = "*"
    ours: str = "*"
    only: str = ""


TABLE: tuple[Allowed, ...] = (
    # ---- not there yet
    Allowed(
        "Methods that need a missing protocol do not exist, an addUri of nothing but URIs that nobody here can serve "
        "is refused, and a redirect to one is an error that says so; aria2 goes there.",
        (
            "calls/*/aria2.addTorrent *: error.message",
            "calls/*/aria2.addMetalink *: error.message",
            "calls/methods/addTorrent *: error.message",
            "calls/methods/addMetalink *: error.message",
            "calls/methods/system.listMethods: aria2.addTorrent",
            "calls/methods/system.listMethods: aria2.addMetalink",
            "life/schemes/ftp:*",
            "life/schemes/sftp:*",
            "life/schemes/gopher:*",
            "life/schemes/magnet:*",
            "life/schemes/x-y.z+1:*",
            "life/schemes/file:*",
            "life/schemes/1x:*",
            "ends/no answer/redirect to ftp, tellStatus: result.errorMessage",
        ),
    ),
    Allowed(
        "The scheme of a URI may be written in capitals; aria2 takes such a URI, and fails.",
        ("life/schemes/HTTP: begins*", "life/schemes/all, events: [1].method"),
    ),
    Allowed(
        "`aria2.getVersion` lists only features that work.",
        ("calls/methods/getVersion: enabledFeatures.*",),
        theirs="enabled",
        ours=ABSENT,
    ),
    Allowed(
        "`system.listMethods` also lists methods of our own, which begin with `slasshy.`.",
        ("calls/methods/system.listMethods: slasshy.*",),
        theirs=ABSENT,
    ),
    Allowed(
        "`totalLength` of what has failed is shown where it is known, and `completedLength` counts bytes; aria2 counts "
        "blocks.",
        (
            "ends/bodies that break off/too short, tellStatus: result.completedLength",
            "heads/conditional/older, no renaming, tellStatus: result.totalLength",
            "heads/HEAD first/there, tellStatus: result.totalLength",
            "heads/dry run/there, no renaming, tellStatus: result.totalLength",
            "ends/places/a longer one is there, tellStatus: result.totalLength",
            "files/what lies there/*, tellStatus: result.totalLength",
            "files/checked only/only, checked, not renamed, *, tellStatus: result.totalLength",
            "life/the same file twice/no renaming, tellStatus: result.totalLength",
            "looks/going on with what is there/half, no renaming, tellStatus: result.totalLength",
        ),
    ),
    # ---- being asked
    Allowed(
        "An `out` that comes over RPC may name folders below `dir`, but never leaves it.",
        ("options/in */out '<dir>/some file'*", "options/in */out '${HOME}/x'*"),
    ),
    Allowed("Text that is not UTF-8 is a parse error; aria2 passes the bytes on.", ("frames/posted/not UTF-8: *",)),
    Allowed(
        "A body over `rpc-max-request-size` gets 413 with the name of the option; aria2 drops the connection.",
        ("frames/too big a body/4998 bytes: *",),
    ),
    Allowed("A WebSocket ping gets a pong and nothing else.", ("frames/over a WebSocket/ping: *",)),
    Allowed(
        "A WebSocket hears onDownloadStop of what the end of the server interrupts; from aria2 it hears nothing.",
        ("sessions/ends with an active one/active, last events: *",),
    ),
    # ---- downloading
    Allowed(
        "408, 425, 429 and all 5xx answers are tried again, and `Retry-After` is honoured.",
        ("ends/asked how often/5??, requests: ",),
        theirs="1",
        ours="3",
    ),
    Allowed(
        "An answer with two different lengths is refused; aria2 believes the first.",
        (
            "ends/no answer/two lengths, *",
            "ends/no answer/all, events: [15].method",
            "ends/no answer/all, files: two.*",
        ),
    ),
    Allowed(
        "A control file that was written with another `piece-length` is gone on with, in its own pieces; aria2 fails "
        "with code 10 unless `allow-piece-length-change` is given. With it the pieces change, and what has come of a "
        "piece that is not whole is kept; aria2 fetches it again.",
        (
            "files/another piece length/* 1 to 2, false*",
            "files/another piece length/* 2 to 1, false*",
            "files/another piece length/all, files: *_1_to_2_false*",
            "files/another piece length/all, files: *_2_to_1_false*",
        ),
    ),
    Allowed(
        "`hash-check-only` changes nothing where no whole file lies; aria2 makes an empty file and a control file, and "
        "empties a file that may be overwritten.",
        ("files/checked only/all, files: only*",),
    ),
    Allowed(
        "`remove-control-file` does not touch the control file of a file that is left alone.",
        ("files/what lies there/all, files: recorded_*remove-control-file.aria2.size",),
        theirs=ABSENT,
    ),
    Allowed(
        "A control file does not mention pieces of which nothing is there.",
        ("looks/at rest/all paused, files: *.aria2.size", "looks/several connections/all, files: *.aria2.size"),
        theirs="[45-7][0-9]",
        ours="[34][09]",
    ),
    Allowed(
        "A download of unknown length that was paused starts over in its own file; aria2 takes another name.",
        (
            "looks/unknown length/complete, *.path",
            "looks/unknown length/complete, *[0].path",
            "looks/unknown length/complete, files: u.*",
        ),
    ),
    Allowed(
        "Mirrors that a server names (`Link`, `rel=duplicate`) are asked, but neither listed nor saved, and get no "
        "credentials of the user's.",
        (
            "heads/mirrors/*, tellStatus: result.files[0].uris[1]*",
            "heads/mirrors/*, tellStatus: result.files[0].uris[2]*",
        ),
        ours=ABSENT,
    ),
    # ---- through proxies
    Allowed(
        "A proxy may be `socks5://`, `socks5h://`, `socks4://` or `socks4a://`, and its scheme may be in capitals.",
        ("options/in */*-proxy 'socks5://127.0.0.1:1080'*", "options/in */*-proxy 'HTTP://127.0.0.1'*"),
    ),
    Allowed(
        "A proxy is told the URL without a user and without the scheme's own port.",
        (
            "proxies/who is asked, and how/a user in the URI, proxy 0: [0].line",
            "proxies/who is asked, and how/a name with the port, proxy 0: [0].line",
        ),
    ),
    Allowed(
        "In `no-proxy` case does not matter, and `*` is every host.",
        (
            "proxies/who is asked, and how/no proxy for 'FAR.example', *",
            "proxies/who is asked, and how/no proxy for '*', *",
        ),
    ),
    Allowed(
        "Headers of the user that begin with `Proxy-` go to a proxy that is asked for a URL, and never to a server.",
        ("proxies/who is asked, and how/tunnel, headers of mine, origin: [0][1]",),
        theirs="y",
        ours="None",
    ),
    Allowed(
        "A proxy that refuses CONNECT for good (4xx but 408, 425, 429) is not asked again.",
        ("proxies/asked how often/tunnel 40?, requests: ",),
        theirs="3",
        ours="1",
    ),
    # ---- another version
    Allowed(
        "1.36 says its own version in `user-agent`, `peer-agent` and `peer-id-prefix`.",
        (
            "*: *user-agent",
            "*: *peer-agent",
            "*: *peer-id-prefix",
            "options/*/*-agent * is shown: value",
            "options/*/peer-id-prefix * is shown: value",
            "calls/methods/getVersion: version",
        ),
        theirs="*1?36*",
        ours="*1?37*",
        only="1.36.0",
    ),
    Allowed(
        "1.36 does not know `no-want-digest-header`.",
        (
            "*: *no-want-digest-header",
            "options/in */no-want-digest-header *",
            "heads/what is asked/no Want-Digest, requests: [0].want-digest",
            "heads/digests/wrong, unasked, requests: [0].want-digest",
        ),
        only="1.36.0",
    ),
    Allowed(
        "Debian's 1.36 has a default for `ca-certificate`, as the way in which an aria2c was built decides it.",
        ("*: *ca-certificate", "options/in */ca-certificate * is shown: value"),
        theirs="/etc/ssl/certs/ca-certificates.crt",
        ours=ABSENT,
        only="1.36.0",
    ),
)

#: The same for invocations (commands_*.py).
COMMAND: tuple[Allowed, ...] = (
    Allowed(
        "On the command line a URI that nobody here can serve ends the start, and in an input file it is no download.",
        (
            "refused/a strange scheme/std*",
            "refused/ftp/std*",
            "options/blanks around a URI/std*",
            "lists/a strange scheme/stdout: *",
        ),
    ),
    Allowed(
        "Methods that need a missing protocol do not exist, an addUri of nothing but URIs that nobody here can serve "
        "is refused, and a redirect to one is an error that says so; aria2 goes there.",
        ("answers/to another scheme/requests: *", "answers/to a file/requests: *"),
        theirs="GET /r.bin",
        ours=ABSENT,
    ),
    # ---- downloading
    Allowed(
        "A file that is there already is asked for from where it ends; aria2 asks for all of it first, and hangs up.",
        (
            "files/complete, -c*/requests: *",
            "files/half, -c/requests: *",
            "files/odd, -c/requests: *",
            "files/longer, -c*/requests: *",
            "files/half with a control file*/requests: *",
            "files/control file of another length/requests: *",
        ),
    ),
    Allowed(
        "A length that only `Content-Range` tells is known, too.",
        ("files/unknown length, -c/stdout: *", "files/unknown length, -c/files: *"),
    ),
    Allowed(
        "Of several mirrors, all others are asked before one that does not have the file is asked again.",
        ("tries/404 of a mirror, --max-file-not-found=2/*",),
    ),
    Allowed("A `header` without a colon is an error; aria2 sends it.", ("answers/--header without a colon/*",)),
    Allowed(
        "An empty `user-agent` sends no such field; aria2 sends an empty one.",
        ("answers/--user-agent=/requests: *",),
    ),
    Allowed(
        "Cookie files are read as curl and browsers write them: `#HttpOnly_` lines count, and so does an empty expiry.",
        ("answers/--load-cookies/requests: *", "answers/--save-cookies of what was loaded/files: jar.txt.lines*"),
    ),
    Allowed(
        "They are written with Netscape's heading, and with the default paths of RFC 6265.",
        ("answers/--save-cookies*/files: jar.txt.lines*",),
    ),
    # ---- names
    Allowed(
        "Names that come from the network lose control characters, direction marks and path separators, are cut to "
        "255 bytes with the extension kept.",
        ("names/300 letters/*",),
    ),
    Allowed("A name of nothing but dots becomes `index.html`.", ("names/two dots/*", "names/a dot alone/*")),
    Allowed(
        "An `out` that ends in `..` is an error; aria2 takes it for a name.",
        ("names/-o is two dots/*",),
    ),
    Allowed("A value with a line break in it is refused.", ("names/-o with a line break/*",)),
    Allowed("Paths are used and shown in their plainest spelling.", ("files/-o leaves the folder/*",)),
    Allowed(
        "`remove-control-file` leaves the control file of a file that is not written to.",
        ("files/control file, --remove-control-file/files: big.bin.aria2",),
        theirs=ABSENT,
        ours="as before",
    ),
    # ---- files of its own
    Allowed(
        "Session and cookie files, which hold secrets, can be read by their owner alone.",
        (
            "*/files: s.session.mode",
            "*/files: s.session.gz.mode",
            "lists/saved */files: *.mode",
            "callers/hfd.sh/files: list.txt.mode",
            "callers/availability/files: *.session.mode",
            "answers/--save-cookies*/files: jar.txt.mode",
        ),
        theirs="0o644",
        ours="0o600",
    ),
    Allowed(
        "A conf or input file may begin with a byte order mark, and comments in conf files with blanks; aria2 takes "
        "both for the beginning of a name.",
        ("starts/conf with a byte order mark/*", "starts/conf with comments/*", "lists/a byte order mark/*"),
    ),
    # ---- what is said
    Allowed(
        "Control characters, line breaks and bytes that are not UTF-8 in names and answers become `?`.",
        ("lists/no UTF-8/stdout: *",),
    ),
    Allowed(
        "A command of a hook that cannot be started is an ERROR; aria2 says so on standard error alone.",
        ("console/a hook *: levels*", "console/a hook *: anything"),
    ),
    Allowed(
        "Errors and warnings have words of their own, and some are given where aria2 has none or a NOTICE.",
        (
            "files/digests that are wrong/stdout: code",
            "files/checksum and several files/stdout: code",
            "files/checksum of a spoilt one, -V/stdout: levels*",
            "files/no ranges, half, -c --always-resume=false/stdout: levels*",
            "files/--save-session in no folder/stdout: levels*",
            "files/--dry-run, there already/stdout: notices*",
            "lists/a checksum of its own/stdout: code",
            "options/a bad gid/stdout: levels*",
            "starts/conf with conf-path/stdout: levels*",
            "starts/conf that is a folder/stderr: words*",
            "answers/--load-cookies/stdout: levels*",
            "answers/--save-cookies of what was loaded/stdout: levels*",
            "answers/.netrc that others may read/stdout: levels*",
        ),
    ),
    Allowed("Help texts are our own.", ("refused/a strange topic/stdout: *",)),
    # ---- another version
    Allowed(
        "The wheel's aria2c has the getopt of musl, which words its complaints in another way; ours are glibc's.",
        ("refused/unknown letter*/stderr: *", "refused/a value that none takes/stderr: *"),
    ),
)


def explain(found: Difference, version: str, table: tuple[Allowed, ...] = TABLE) -> Allowed | None:
    """The entry that explains a difference from that version of aria2c."""
    for entry in table:
        if entry.only in ("", version) and _fits(entry, found):
            return entry
    return None


def _fits(entry: Allowed, found: Difference) -> bool:
    return (
        any(fnmatchcase(found.key, pattern.replace("[", "[[]")) for pattern in entry.patterns)
        and fnmatchcase(str(found.theirs), entry.theirs)
        and fnmatchcase(str(found.ours), entry.ours)
    )
