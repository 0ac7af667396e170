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
        "Methods that need a missing protocol do not exist, and an addUri of nothing but URIs that nobody here can "
        "serve is refused.",
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
        "A redirect to a scheme that nobody here can serve is an error that says so; aria2 goes there.",
        ("ends/no answer/redirect to ftp, tellStatus: result.errorMessage",),
    ),
    # ---- what is said
    Allowed(
        "`totalLength` of what has failed is shown where it is known, and `completedLength` counts bytes; aria2 counts "
        "blocks.",
        (
            "ends/bodies that break off/too short, tellStatus: result.completedLength",
            "heads/conditional/older, no renaming, tellStatus: result.totalLength",
            "heads/HEAD first/there, tellStatus: result.totalLength",
            "heads/dry run/there, no renaming, tellStatus: result.totalLength",
            "ends/places/a longer one is there, tellStatus: result.totalLength",
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


def explain(found: Difference, version: str) -> Allowed | None:
    """The entry that explains a difference from that version of aria2c."""
    for entry in TABLE:
        if entry.only in ("", version) and _fits(entry, found):
            return entry
    return None


def _fits(entry: Allowed, found: Difference) -> bool:
    return (
        any(fnmatchcase(found.key, pattern.replace("[", "[[]")) for pattern in entry.patterns)
        and fnmatchcase(str(found.theirs), entry.theirs)
        and fnmatchcase(str(found.ours), entry.ours)
    )
