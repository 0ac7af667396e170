"""The option table: one row for each option, in the order in which aria2 lists and saves them.

Owns: names, kinds, ranges, defaults, scopes, states and help texts, which everything else reads. Never: values that a
user gave. The one file that may be longer than the others.
"""

from __future__ import annotations

import enum
import os
from collections.abc import Callable

from slasshy_rpc import __version__
from slasshy_rpc.options.kinds import (
    Bool,
    Bygone,
    Checksum,
    Enum,
    File,
    HeadTail,
    HostPort,
    IndexPath,
    Kind,
    Lines,
    Number,
    Optimize,
    Path,
    Ranges,
    Real,
    Size,
    Text,
    Word,
    Words,
    home,
)
from slasshy_rpc.options.media import ExtractorArguments, Formats, Items, Languages, Runtimes, Template
from slasshy_rpc.options.proxies import Proxy


class Scope(enum.Flag):
    """Where, beside the command line and the conf file, an option may be set."""

    NEW = 1  # in addUri and in the input file
    WAITING = 2  # in changeOption; a running download is restarted for it
    ACTIVE = 4  # in changeOption, at once while the download runs
    GLOBAL = 8  # in changeGlobalOption


class State(enum.Enum):
    """Whether an option does something."""

    LIVE = "live"
    ACCEPTED = "accepted"  # checked and shown, without effect
    REFUSED = "refused"  # an error when given, because ignoring it would surprise


Default = str | Callable[[], str] | None
_SAME = "\0same"  # compat_default: as the default


class Option:
    """One row. ``default`` is ours, ``compat_default`` aria2's: normalised text, a callable for what depends on the
    machine, or None for no value. ``tags`` are without #. ``reason`` tells why a row is not LIVE. ``secret`` values are
    kept out of logs and history. ``compat_kind`` is the narrower kind under aria2's name.
    """

    __slots__ = (
        "compat_default", "compat_kind", "cumulative", "default", "help", "kind", "metavar", "name", "own", "reason",
        "scope", "secret", "short", "state", "tags",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        kind: Kind,
        default: Default,
        scope: Scope,
        tags: str,
        help: str,
        *,
        compat_default: Default = _SAME,
        compat_kind: Kind | None = None,
        short: str = "",
        metavar: str = "",
        cumulative: bool = False,
        secret: bool = False,
        accepted: str = "",
        refused: str = "",
    ) -> None:
        self.name = name
        self.kind = kind
        self.default = default
        self.scope = scope
        self.tags = tuple(tags.split())
        self.help = help
        self.compat_default = default if compat_default == _SAME else compat_default
        self.compat_kind = compat_kind or kind
        self.short = short
        self.metavar = metavar
        self.cumulative = cumulative
        self.secret = secret
        self.state = State.REFUSED if refused else State.ACCEPTED if accepted else State.LIVE
        self.reason = refused or accepted
        self.own = "slasshy" in self.tags


#: Every option by name, in aria2's order, ours last.
TABLE: dict[str, Option] = {}

#: The options with a one-letter form.
SHORT: dict[str, Option] = {}


def config_home() -> str:
    """Where configuration is kept: XDG_CONFIG_HOME when it is absolute, else ~/.config."""
    folder = os.environ.get("XDG_CONFIG_HOME", "")
    return folder if folder.startswith("/") else home() + "/.config"


def state_home() -> str:
    """Where state is kept: XDG_STATE_HOME when it is absolute, else ~/.local/state."""
    folder = os.environ.get("XDG_STATE_HOME", "")
    return folder if folder.startswith("/") else home() + "/.local/state"


def _aria2_conf_path() -> str:
    old = home() + "/.aria2/aria2.conf"
    return old if os.path.exists(old) else config_home() + "/aria2/aria2.conf"


def _conf_path() -> str:
    return config_home() + "/slasshy-rpc/slasshy-rpc.conf"


def _state_dir() -> str:
    return state_home() + "/slasshy-rpc"


def _netrc_path() -> str:
    return home() + "/.netrc"


def _working_dir() -> str:
    try:
        return os.getcwd()
    except FileNotFoundError:  # deleted under us; a relative path then fails where it is used, with the path named
        return "."


def _cache_path(name: str) -> str:
    old = f"{home()}/.aria2/{name}"
    if os.path.exists(old):
        return old
    folder = os.environ.get("XDG_CACHE_HOME", "")
    return f"{folder if folder.startswith('/') else home() + '/.cache'}/aria2/{name}"


def _dht_path() -> str:
    return _cache_path("dht.dat")


def _dht_path6() -> str:
    return _cache_path("dht6.dat")


NOWHERE = Scope(0)
NEW = Scope.NEW
GLOBAL = Scope.GLOBAL
STARTING = NEW | GLOBAL
SINGLE = NEW | Scope.WAITING
EACH = SINGLE | GLOBAL
LIVELY = EACH | Scope.ACTIVE

BOOL, SIZE, REAL, TEXT, PATH, PROXY, LINES = Bool(), Size(0), Real(), Text(), Path(), Proxy(), Lines()
HOST_PORT = HostPort()
VERSION = Text(argument="none")
HELP = Text("#TAG, KEYWORD", argument="optional")

_BITTORRENT = "waits for BitTorrent"
_METALINK = "waits for Metalink"
_BITTORRENT_METALINK = "waits for BitTorrent and Metalink"
_FTP = "waits for FTP"


def _add(*rows: Option) -> None:
    for row in rows:
        TABLE[row.name] = row
        if row.short:
            SHORT[row.short] = row


# fmt: off
_add(
    Option("version", VERSION, None, NOWHERE, "basic",
        "Print the version and exit.", short="v"),
    Option("help", HELP, "#basic", NOWHERE, "basic help",
        "Print help and exit. A word with # in front chooses a tag, any other word the options whose name "
        "contains it.", short="h", metavar="TAG|KEYWORD"),
    Option("timeout", Number(1, 600), "60", EACH, "http ftp",
        "Give up on a connection that has been silent for SEC seconds.", short="t", metavar="SEC"),
    Option("connect-timeout", Number(1, 600), "60", EACH, "http ftp",
        "Give up on a connection that is not established after SEC seconds; from then on --timeout counts.",
        metavar="SEC"),
    Option("max-tries", Number(0), "5", EACH, "http ftp",
        "Try each URI N times before it counts as dead. 0 means without end.", short="m", metavar="N"),
    Option("auto-save-interval", Number(0, 600), "60", NOWHERE, "advanced",
        "Write the control file (NAME.aria2) every SEC seconds; without this option every second. It is written at a "
        "stop in any case; 0 leaves it at that.", metavar="SEC"),
    Option("log", Path("/path/to/file, -"), None, GLOBAL, "basic",
        "Write a log to LOG; - stands for standard output.", short="l", metavar="LOG"),
    Option("dir", Path("/path/to/directory"), _working_dir, EACH, "basic file",
        "The folder that files are stored in.", short="d", metavar="DIR"),
    Option("out", PATH, None, SINGLE, "basic http ftp file",
        "The file's name, relative to --dir; it may contain folders. Not used with -Z, nor for entries of an "
        "input file.", short="o", metavar="FILE"),
    Option("split", Number(1), "16", EACH, "basic http ftp",
        "Use N connections for one file, spread over its URIs. See also --max-connection-per-server and "
        "--min-split-size.", compat_default="5", short="s", metavar="N"),
    Option("daemon", BOOL, "false", NOWHERE, "advanced",
        "Go to the background once everything has started.", short="D"),
    Option("referer", TEXT, None, EACH, "http",
        "Send REFERER as the Referer header; * stands for the URI itself.", metavar="REFERER"),
    Option("lowest-speed-limit", SIZE, "0", EACH, "http ftp",
        "Close connections that are not faster than SPEED bytes a second (K and M are understood). 0 turns this off.",
        metavar="SPEED"),
    Option("piece-length", Size(1048576, 1073741824), "1048576", STARTING, "advanced http ftp",
        "The unit in which a file's progress is kept and into which it is cut.", metavar="LENGTH"),
    Option("max-overall-download-limit", SIZE, "0", GLOBAL, "http ftp bittorrent",
        "All downloads together get at most SPEED bytes a second (K and M are understood). 0 means no limit.",
        metavar="SPEED"),
    Option("max-download-limit", SIZE, "0", LIVELY, "http ftp bittorrent",
        "Each download gets at most SPEED bytes a second (K and M are understood). 0 means no limit.",
        metavar="SPEED"),
    Option("file-allocation", Enum("none", "prealloc", "trunc", "falloc"), "falloc", EACH, "basic file",
        "How room for a file is reserved: none, prealloc (write zeros), trunc (set the length only) or falloc "
        "(ask the file system for the blocks).", compat_default="prealloc", metavar="METHOD"),
    Option("no-file-allocation-limit", SIZE, "5242880", EACH, "advanced file",
        "Reserve no room for files smaller than SIZE.", metavar="SIZE"),
    Option("allow-overwrite", BOOL, "false", EACH, "advanced file",
        "Start over when the file exists and has no control file, instead of renaming."),
    Option("realtime-chunk-checksum", BOOL, "true", EACH, "metalink checksum",
        "Check piece hashes while the file arrives.",
        accepted="waits for Metalink, which is where piece hashes come from"),
    Option("check-integrity", BOOL, "false", EACH, "basic metalink bittorrent file checksum",
        "Check a file that is already there against --checksum instead of fetching it again.", short="V"),
    Option("netrc-path", PATH, _netrc_path, NOWHERE, "",
        "The netrc file with user names and passwords.", metavar="FILE"),
    Option("continue", BOOL, "false", EACH, "basic http ftp",
        "Take a file without a control file for the beginning of this one, as another program left it. What has a "
        "control file is continued in any case.", short="c"),
    Option("no-netrc", BOOL, "false", EACH, "http ftp",
        "Do not use a netrc file.", short="n"),
    Option("input-file", Path("/path/to/file, -"), None, NOWHERE, "basic",
        "Download the URIs listed in FILE, one file a line, mirrors separated by TAB; indented lines below are "
        "options. - is standard input.", short="i", metavar="FILE"),
    Option("deferred-input", BOOL, "false", NOWHERE, "advanced",
        "Read the input file as its downloads begin, not to its end before the first of them. Not together with "
        "--save-session."),
    Option("max-concurrent-downloads", Number(1), "5", GLOBAL, "basic",
        "Run at most N downloads at once; the others wait in the queue.", short="j", metavar="N"),
    Option("optimize-concurrent-downloads", Optimize(), "false", GLOBAL, "advanced",
        "Run A + B*log10(Mbit/s) downloads at once, by the speed of the last seconds and up to "
        "max-concurrent-downloads; true stands for 5:25.", metavar="true|false|A:B"),
    Option("force-sequential", BOOL, None, NOWHERE, "basic",
        "Make each URI of the command line a download of its own, instead of taking them all as mirrors of one file.",
        short="Z"),
    Option("auto-file-renaming", BOOL, "true", EACH, "advanced file",
        "When the name is taken, store as NAME.1.EXT and so on."),
    Option("parameterized-uri", BOOL, "false", STARTING, "advanced",
        "Expand {a,b} and [1-9] in URIs.", short="P"),
    Option("allow-piece-length-change", BOOL, "false", EACH, "advanced",
        "Let what is continued have the present --piece-length when its control file was written with another. With "
        "false it keeps the one of the control file. Nothing is lost in either case."),
    Option("no-conf", BOOL, "false", NOWHERE, "advanced",
        "Read no configuration file."),
    Option("conf-path", PATH, _conf_path, NOWHERE, "advanced",
        "Read the configuration from PATH, which is in aria2.conf's format.",
        compat_default=_aria2_conf_path, metavar="PATH"),
    Option("stop", Number(0, 2147483647), "0", NOWHERE, "advanced",
        "Stop after SEC seconds. 0 means never.", metavar="SEC"),
    Option("quiet", BOOL, "false", NOWHERE, "advanced",
        "Print nothing on the console.", short="q"),
    Option("async-dns", BOOL, "true", EACH, "advanced",
        "Ask the name servers of --async-dns-server. With false, or without such servers, the system's resolver is "
        "asked, beside the downloads."),
    Option("summary-interval", Number(0, 2147483647), "60", NOWHERE, "advanced",
        "Print a summary of all downloads every SEC seconds. 0 means never.", metavar="SEC"),
    Option("log-level", Enum("debug", "info", "notice", "warn", "error"), "debug", GLOBAL, "advanced",
        "How much goes into the log.", metavar="LEVEL"),
    Option("console-log-level", Enum("debug", "info", "notice", "warn", "error"), "notice", NOWHERE, "advanced",
        "How much goes to the console.", metavar="LEVEL"),
    Option("uri-selector", Enum("inorder", "feedback", "adaptive"), "feedback", EACH, "http ftp",
        "The order in which mirrors are tried: inorder, or by the speed they showed (feedback, adaptive).",
        metavar="SELECTOR"),
    Option("server-stat-timeout", Number(0, 2147483647), "86400", NOWHERE, "http ftp",
        "Forget what --server-stat-if tells of a server after SEC seconds.", metavar="SEC"),
    Option("server-stat-if", PATH, None, NOWHERE, "http ftp",
        "Load server statistics from FILE.", metavar="FILE"),
    Option("server-stat-of", PATH, None, GLOBAL, "http ftp",
        "Save server statistics to FILE.", metavar="FILE"),
    Option("remote-time", BOOL, "false", EACH, "http ftp",
        "Give the file the time that the server reports for it.", short="R"),
    Option("max-file-not-found", Number(0), "0", EACH, "http ftp",
        "Fail after NUM answers \"not found\" without a byte received. 0 turns the count off.", metavar="NUM"),
    Option("event-poll", Enum("epoll", "poll", "select"), "epoll", NOWHERE, "advanced",
        "The way of waiting for sockets.", metavar="POLL",
        accepted="the engine uses what the system does best (epoll or kqueue)"),
    Option("enable-rpc", BOOL, "false", NOWHERE, "rpc",
        "Offer the RPC server."),
    Option("rpc-listen-port", Number(1024, 65535), "6800", NOWHERE, "rpc",
        "The port of the RPC server.", metavar="PORT"),
    Option("rpc-user", TEXT, None, NOWHERE, "rpc deprecated",
        "User name for RPC (HTTP Basic). Deprecated in aria2; --rpc-secret is better.", metavar="USER"),
    Option("rpc-passwd", TEXT, None, NOWHERE, "rpc deprecated",
        "Password for RPC, together with --rpc-user.", metavar="PASSWD", secret=True),
    Option("rpc-max-request-size", SIZE, "2097152", NOWHERE, "rpc",
        "Drop RPC requests that are larger than SIZE.", metavar="SIZE"),
    Option("rpc-listen-all", BOOL, "false", NOWHERE, "rpc",
        "Listen on all network interfaces, not only on this machine's own addresses. Set --rpc-secret as well."),
    Option("rpc-allow-origin-all", BOOL, "false", NOWHERE, "rpc",
        "Let web pages of every origin use the RPC server."),
    Option("rpc-certificate", File(), None, NOWHERE, "rpc",
        "Certificate of the RPC server for --rpc-secure: PEM, with its chain.", metavar="FILE"),
    Option("rpc-private-key", File(), None, NOWHERE, "rpc",
        "Private key of the RPC server for --rpc-secure: PEM, not encrypted. Without it the certificate's file must "
        "hold the key too.", metavar="FILE"),
    Option("rpc-secure", BOOL, "false", NOWHERE, "rpc",
        "Encrypt RPC with TLS; needs --rpc-certificate. Clients then use https:// and wss://."),
    Option("rpc-save-upload-metadata", BOOL, "true", STARTING, "rpc",
        "Keep uploaded torrent and Metalink files in --dir.", accepted=_BITTORRENT_METALINK),
    Option("dry-run", BOOL, "false", STARTING, "http ftp",
        "Only look whether the file is there; store nothing."),
    Option("reuse-uri", BOOL, "true", EACH, "http ftp",
        "Use URIs again when all have been used. With false, a URI serves as many connections as it is listed for."),
    Option("on-download-start", Path("/path/to/command"), None, NOWHERE, "advanced hook",
        "Run COMMAND when a download starts, with its GID, the number of its files and the path of the first.",
        metavar="COMMAND"),
    Option("on-download-pause", Path("/path/to/command"), None, NOWHERE, "advanced hook",
        "Run COMMAND when a download is paused.", metavar="COMMAND"),
    Option("on-download-stop", Path("/path/to/command"), None, NOWHERE, "advanced hook",
        "Run COMMAND when a download has ended, unless its kind of end has a command of its own.", metavar="COMMAND"),
    Option("on-download-complete", Path("/path/to/command"), None, NOWHERE, "advanced hook",
        "Run COMMAND when a download is complete.", metavar="COMMAND"),
    Option("on-download-error", Path("/path/to/command"), None, NOWHERE, "advanced hook",
        "Run COMMAND when a download has failed.", metavar="COMMAND"),
    Option("interface", Text("interface, IP address, hostname"), None, NOWHERE, "advanced",
        "Send from this interface, address or host name.", metavar="INTERFACE"),
    Option("multiple-interface", Text("interface, IP address, hostname"), None, NOWHERE, "advanced",
        "Send from these interfaces in turn.", metavar="INTERFACES"),
    Option("disable-ipv6", BOOL, "false", NOWHERE, "advanced",
        "Do not use IPv6."),
    Option("human-readable", BOOL, "true", NOWHERE, "advanced",
        "Show sizes as 1.2MiB instead of plain bytes."),
    Option("remove-control-file", BOOL, "false", EACH, "advanced",
        "Delete the control file before the download, so that it starts from the beginning."),
    Option("always-resume", BOOL, "true", EACH, "advanced http ftp",
        "Fail when a file that is partly there cannot be continued. With false it is fetched anew instead; see "
        "--max-resume-failure-tries."),
    Option("max-resume-failure-tries", Number(0), "0", EACH, "advanced http ftp",
        "With --always-resume=false: fetch anew after N URIs that cannot continue. 0 means after all of them.",
        metavar="N"),
    Option("save-session", PATH, None, GLOBAL, "advanced",
        "Write failed and unfinished downloads to FILE at exit, as an input file for -i. A name ending in .gz is "
        "compressed.", metavar="FILE"),
    Option("max-connection-per-server", Number(1, 64), "16", EACH, "basic http ftp",
        "Open at most NUM connections to one server for one download.", compat_default="1",
        compat_kind=Number(1, 16), short="x", metavar="NUM"),
    Option("min-split-size", Size(1048576, 1073741824), "1048576", EACH, "basic http ftp",
        "Do not cut a part that is smaller than two times SIZE.", compat_default="20971520", short="k",
        metavar="SIZE"),
    Option("conditional-get", BOOL, "false", EACH, "advanced http",
        "Fetch only when the remote file is newer than the local one."),
    Option("enable-async-dns6", Bygone(), None, EACH, "advanced deprecated",
        "Resolve IPv6 addresses too. Out of use.",
        accepted="out of use in aria2 too: IPv6 addresses are looked up unless disable-ipv6 is on"),
    Option("max-download-result", Number(0), "1000", GLOBAL, "advanced",
        "Remember at most NUM finished downloads.", metavar="NUM"),
    Option("retry-wait", Number(0, 600), "0", EACH, "http ftp",
        "Wait SEC seconds before a server that was overloaded is asked again.", metavar="SEC"),
    Option("async-dns-server", TEXT, None, NOWHERE, "advanced",
        "Ask these name servers, each ADDRESS or ADDRESS:PORT.", metavar="IPADDRESS[,...]"),
    Option("show-console-readout", Bool("required"), "true", NOWHERE, "advanced",
        "Show progress on the console."),
    Option("stream-piece-selector", Enum("default", "inorder", "random", "geom"), "default", EACH, "http ftp",
        "Where the parts of a file begin: default (a few equal parts), inorder (parts of --min-split-size from the "
        "front, so that the beginning can be used early), random, or geom (parts that grow from the front on).",
        metavar="SELECTOR"),
    Option("truncate-console-readout", BOOL, "true", NOWHERE, "advanced",
        "Cut the progress line to the width of the console."),
    Option("pause", BOOL, None, NEW, "advanced rpc",
        "Add the download paused. Only of use with RPC."),
    Option("download-result", Enum("default", "full", "hide"), "default", GLOBAL, "advanced",
        "The table of results at exit: default, full (every file, with percentages) or hide.", metavar="OPT"),
    Option("hash-check-only", BOOL, "false", EACH, "advanced metalink bittorrent file checksum",
        "Fetch nothing but a file that --check-integrity or --continue has found there whole, and that has another "
        "digest than --checksum. Where there is no whole file, the download fails, and nothing on the disk changes."),
    Option("checksum", Checksum(), None, SINGLE, "http ftp checksum",
        "Check the finished file against this digest.", metavar="TYPE=DIGEST"),
    Option("stop-with-process", Number(0), None, NOWHERE, "advanced",
        "Stop when process PID has ended.", metavar="PID"),
    Option("enable-mmap", BOOL, "false", EACH, "advanced experimental",
        "Map files into memory.", accepted="the engine writes from buffers of its own"),
    Option("force-save", BOOL, "false", LIVELY, "advanced",
        "Keep a download in the session file, and its control file, even when it is complete or removed."),
    Option("save-not-found", BOOL, "true", LIVELY, "advanced",
        "Keep downloads in the session file that failed because the file was not found."),
    Option("disk-cache", SIZE, "16777216", NOWHERE, "advanced",
        "Memory for data that is not written yet.", metavar="SIZE",
        accepted="the engine writes from buffers of its own"),
    Option("gid", TEXT, None, NEW, "advanced",
        "The download's GID: 16 hexadecimal digits.", metavar="GID"),
    Option("save-session-interval", Number(0), "0", NOWHERE, "advanced",
        "Write the session file every SEC seconds as well. 0 means only at exit.", metavar="SEC"),
    Option("enable-color", BOOL, "true", NOWHERE, "advanced",
        "Use colours on the console."),
    Option("rpc-secret", Text(empty=False), None, NOWHERE, "rpc",
        "The secret that RPC calls must carry as token:SECRET.", metavar="TOKEN", secret=True),
    Option("dscp", Number(0), "0", NOWHERE, "advanced",
        "Mark outgoing packets with this DSCP value.", metavar="DSCP"),
    Option("pause-metadata", BOOL, "false", EACH, "advanced rpc",
        "Pause what a list of media, a torrent, a magnet link or a Metalink file begets."),
    Option("rlimit-nofile", Number(1), "1024", NOWHERE, "advanced",
        "Raise the limit of open files to NUM, if the system allows so many.", metavar="NUM"),
    Option("min-tls-version", Enum("TLSv1.1", "TLSv1.2", "TLSv1.3"), "TLSv1.2", NOWHERE, "advanced",
        "Speak no version of TLS that is older, with servers and as a server of RPC.", metavar="VERSION"),
    Option("socket-recv-buffer-size", Size(0, 16777216), "0", NOWHERE, "advanced",
        "Set the receive buffer of sockets to SIZE bytes. 0 leaves it to the system, which is nearly always better.",
        metavar="SIZE"),
    Option("max-mmap-limit", SIZE, "9223372036854775807", EACH, "advanced",
        "Map only files smaller than SIZE into memory.", metavar="SIZE",
        accepted="the engine writes from buffers of its own"),
    Option("stderr", BOOL, "false", NOWHERE, "advanced",
        "Send console output to standard error."),
    Option("keep-unfinished-download-result", BOOL, "true", GLOBAL, "advanced",
        "Keep unfinished results that --max-download-result pushes out, for the session file."),
    Option("ftp-user", TEXT, None, EACH, "basic ftp",
        "User name for FTP.", metavar="USER", accepted=_FTP),
    Option("ftp-passwd", TEXT, None, EACH, "basic ftp",
        "Password for FTP.", metavar="PASSWD", secret=True, accepted=_FTP),
    Option("ftp-type", Enum("binary", "ascii"), "binary", EACH, "ftp",
        "Transfer type of FTP.", metavar="TYPE", accepted=_FTP),
    Option("ftp-pasv", BOOL, "true", EACH, "ftp",
        "Use passive FTP.", short="p", accepted=_FTP),
    Option("ftp-reuse-connection", BOOL, "true", EACH, "ftp",
        "Use an FTP connection for several files.", accepted=_FTP),
    Option("ssh-host-key-md", Checksum(("sha-1", "md5"), "Checksum type TYPE is not acceptable", any_case=False), None,
        EACH, "ftp",
        "The digest that an SSH server's key must have.", metavar="TYPE=DIGEST", accepted="waits for SFTP"),
    Option("http-user", TEXT, None, EACH, "basic http",
        "User name for HTTP.", metavar="USER"),
    Option("http-passwd", TEXT, None, EACH, "basic http",
        "Password for HTTP.", metavar="PASSWD", secret=True),
    Option("user-agent", TEXT, f"slasshy-rpc/{__version__}", EACH, "http",
        "Send this as the User-Agent header.", compat_default="aria2/1.37.0", short="U", metavar="USER_AGENT"),
    Option("load-cookies", PATH, None, NOWHERE, "basic http cookie",
        "Load cookies from FILE: in Netscape's format, or Firefox's cookies.sqlite, or Chromium's Cookies, whose "
        "encrypted values are left out.", metavar="FILE"),
    Option("save-cookies", PATH, None, GLOBAL, "http cookie",
        "Save cookies to FILE at exit, in Netscape's format.", metavar="FILE"),
    Option("enable-http-keep-alive", BOOL, "true", EACH, "http",
        "Use a connection for more than one request."),
    Option("enable-http-pipelining", BOOL, "false", EACH, "http",
        "Send requests before the answers to earlier ones are there.",
        accepted="requests are never sent ahead: servers stumble over it"),
    Option("header", LINES, None, EACH, "http",
        "Send this header with each request, as in \"Name: value\". May be given several times.", metavar="HEADER",
        cumulative=True, secret=True),
    Option("certificate", File(), None, NOWHERE, "http https",
        "The client's certificate, a PEM file.", metavar="FILE"),
    Option("private-key", PATH, None, NOWHERE, "http https",
        "The private key that belongs to --certificate, a PEM file.", metavar="FILE"),
    Option("ca-certificate", PATH, None, NOWHERE, "http https",
        "Trust the authorities in this PEM file instead of the system's.", metavar="FILE"),
    Option("check-certificate", BOOL, "true", NOWHERE, "http https",
        "Refuse servers whose certificate is not valid for their name."),
    Option("use-head", BOOL, "false", EACH, "http",
        "Ask with HEAD before the first GET."),
    Option("http-auth-challenge", BOOL, "false", EACH, "http",
        "Send user name and password only after a server has asked for them."),
    Option("http-no-cache", BOOL, "false", EACH, "http",
        "Ask caches on the way to fetch anew (Cache-Control and Pragma: no-cache)."),
    Option("http-accept-gzip", BOOL, "false", EACH, "http",
        "Ask for compressed answers, which come over one connection and cannot be continued."),
    Option("content-disposition-default-utf8", BOOL, "false", EACH, "advanced http",
        "Read quoted names in Content-Disposition as UTF-8 instead of ISO-8859-1."),
    Option("no-want-digest-header", BOOL, "false", EACH, "http",
        "Do not send a Want-Digest header."),
    Option("http-proxy", PROXY, None, EACH, "http",
        "Proxy for HTTP.", metavar="PROXY", secret=True),
    Option("https-proxy", PROXY, None, EACH, "http https",
        "Proxy for HTTPS.", metavar="PROXY", secret=True),
    Option("ftp-proxy", PROXY, None, EACH, "ftp",
        "Proxy for FTP.", metavar="PROXY", secret=True, accepted=_FTP),
    Option("all-proxy", PROXY, None, EACH, "http https ftp",
        "Proxy for all protocols.", metavar="PROXY", secret=True),
    Option("no-proxy", Words("HOSTNAME,DOMAIN,NETWORK/CIDR"), None, EACH, "http https ftp",
        "Host names, domains and networks that are reached without a proxy.", metavar="DOMAINS"),
    Option("proxy-method", Enum("get", "tunnel"), "get", EACH, "http ftp",
        "How a proxy is asked: get, or tunnel for CONNECT.", metavar="METHOD"),
    Option("http-proxy-user", TEXT, None, EACH, "http",
        "User name for --http-proxy.", metavar="USER"),
    Option("http-proxy-passwd", TEXT, None, EACH, "http",
        "Password for --http-proxy.", metavar="PASSWD", secret=True),
    Option("https-proxy-user", TEXT, None, EACH, "http https",
        "User name for --https-proxy.", metavar="USER"),
    Option("https-proxy-passwd", TEXT, None, EACH, "http https",
        "Password for --https-proxy.", metavar="PASSWD", secret=True),
    Option("ftp-proxy-user", TEXT, None, EACH, "ftp",
        "User name for --ftp-proxy.", metavar="USER", accepted=_FTP),
    Option("ftp-proxy-passwd", TEXT, None, EACH, "ftp",
        "Password for --ftp-proxy.", metavar="PASSWD", secret=True, accepted=_FTP),
    Option("all-proxy-user", TEXT, None, EACH, "http https ftp",
        "User name for --all-proxy.", metavar="USER"),
    Option("all-proxy-passwd", TEXT, None, EACH, "http https ftp",
        "Password for --all-proxy.", metavar="PASSWD", secret=True),
    Option("show-files", BOOL, "false", NOWHERE, "basic metalink bittorrent",
        "List the files of a torrent or Metalink file and exit.", short="S",
        refused="BitTorrent and Metalink are not there yet"),
    Option("max-overall-upload-limit", SIZE, "0", GLOBAL, "basic bittorrent",
        "All torrents together send at most SPEED bytes a second.", metavar="SPEED", accepted=_BITTORRENT),
    Option("max-upload-limit", SIZE, "0", LIVELY, "basic bittorrent",
        "Each torrent sends at most SPEED bytes a second.", short="u", metavar="SPEED", accepted=_BITTORRENT),
    Option("torrent-file", File(), None, NOWHERE, "basic bittorrent",
        "Download what this torrent file describes.", short="T", metavar="TORRENT_FILE",
        refused="BitTorrent is not there yet"),
    Option("listen-port", Ranges(1024, 65535), "6881-6999", NOWHERE, "basic bittorrent",
        "TCP ports for BitTorrent.", metavar="PORT...", accepted=_BITTORRENT),
    Option("follow-torrent", Enum("true", "mem", "false"), "true", EACH, "bittorrent",
        "Download what a fetched torrent file describes; mem keeps that file in memory.", metavar="true|false|mem",
        accepted="waits for BitTorrent; a torrent file is stored as any other file"),
    Option("select-file", Ranges(1, 1048576), None, SINGLE, "metalink bittorrent",
        "Take only the files with these numbers from a torrent or Metalink file.", metavar="INDEX...",
        accepted=_BITTORRENT_METALINK),
    Option("seed-time", REAL, None, EACH, "bittorrent",
        "Seed for MINUTES minutes.", metavar="MINUTES", accepted=_BITTORRENT),
    Option("seed-ratio", REAL, "1.0", EACH, "bittorrent",
        "Seed until RATIO times the download has been sent.", metavar="RATIO", accepted=_BITTORRENT),
    Option("peer-id-prefix", TEXT, "A2-1-37-0-", NOWHERE, "bittorrent",
        "How our BitTorrent peer id begins.", metavar="PEER_ID_PREFIX", accepted=_BITTORRENT),
    Option("peer-agent", TEXT, "aria2/1.37.0", NOWHERE, "bittorrent",
        "The name that BitTorrent peers are told.", metavar="PEER_AGENT", accepted=_BITTORRENT),
    Option("enable-peer-exchange", BOOL, "true", EACH, "bittorrent",
        "Exchange peers with other BitTorrent peers.", accepted=_BITTORRENT),
    Option("enable-dht", BOOL, "true", NOWHERE, "basic bittorrent",
        "Use the distributed hash table over IPv4.", accepted=_BITTORRENT),
    Option("dht-listen-port", Ranges(1024, 65535), "6881-6999", NOWHERE, "basic bittorrent",
        "UDP ports for the hash table and UDP trackers.", metavar="PORT...", accepted=_BITTORRENT),
    Option("dht-entry-point", HOST_PORT, None, NOWHERE, "bittorrent",
        "A first node of the IPv4 hash table.", metavar="HOST:PORT", accepted=_BITTORRENT),
    Option("dht-file-path", PATH, _dht_path, NOWHERE, "bittorrent",
        "Where the IPv4 routing table is kept.", metavar="PATH", accepted=_BITTORRENT),
    Option("enable-dht6", BOOL, "false", NOWHERE, "basic bittorrent",
        "Use the distributed hash table over IPv6.", accepted=_BITTORRENT),
    Option("dht-listen-addr6", TEXT, None, NOWHERE, "basic bittorrent",
        "The IPv6 address for the hash table.", metavar="ADDR", accepted=_BITTORRENT),
    Option("dht-entry-point6", HOST_PORT, None, NOWHERE, "bittorrent",
        "A first node of the IPv6 hash table.", metavar="HOST:PORT", accepted=_BITTORRENT),
    Option("dht-file-path6", PATH, _dht_path6, NOWHERE, "bittorrent",
        "Where the IPv6 routing table is kept.", metavar="PATH", accepted=_BITTORRENT),
    Option("bt-min-crypto-level", Enum("plain", "arc4"), "plain", EACH, "bittorrent",
        "The weakest encryption that is accepted.", metavar="plain|arc4", accepted=_BITTORRENT),
    Option("bt-require-crypto", BOOL, "false", EACH, "bittorrent",
        "Refuse peers without encrypted handshakes.", accepted=_BITTORRENT),
    Option("bt-request-peer-speed-limit", SIZE, "51200", LIVELY, "bittorrent",
        "Look for more peers while a torrent is slower than SPEED bytes a second.", metavar="SPEED",
        accepted=_BITTORRENT),
    Option("bt-max-open-files", Number(1), "100", GLOBAL, "bittorrent",
        "Keep at most NUM files of torrents open.", metavar="NUM", accepted=_BITTORRENT),
    Option("bt-seed-unverified", BOOL, "false", EACH, "bittorrent",
        "Seed files without checking their hashes first.", accepted=_BITTORRENT),
    Option("bt-hash-check-seed", BOOL, "true", EACH, "bittorrent checksum",
        "Seed on after a hash check that found the files complete.", accepted=_BITTORRENT),
    Option("bt-max-peers", Number(0), "55", LIVELY, "bittorrent",
        "At most NUM peers a torrent.", metavar="NUM", accepted=_BITTORRENT),
    Option("bt-external-ip", Text("a numeric IP address"), None, EACH, "bittorrent",
        "The address that trackers and the hash table are told.", metavar="IPADDRESS", accepted=_BITTORRENT),
    Option("index-out", IndexPath(), None, SINGLE, "bittorrent",
        "The path of the file with this number, relative to --dir. May be given several times.", short="O",
        metavar="INDEX=PATH", cumulative=True, accepted=_BITTORRENT_METALINK),
    Option("bt-tracker-interval", Number(0), "0", EACH, "bittorrent",
        "Ask trackers every SEC seconds. 0 leaves it to the tracker.", metavar="SEC", accepted=_BITTORRENT),
    Option("bt-stop-timeout", Number(0), "0", EACH, "bittorrent",
        "Stop a torrent that has not moved for SEC seconds. 0 means never.", metavar="SEC", accepted=_BITTORRENT),
    Option("bt-prioritize-piece", HeadTail(), None, EACH, "bittorrent",
        "Fetch the head or tail of each file first, for a preview.", metavar="head[=SIZE],tail[=SIZE",
        accepted=_BITTORRENT),
    Option("bt-save-metadata", BOOL, "false", EACH, "bittorrent",
        "Store the torrent file that a magnet link led to.", accepted=_BITTORRENT),
    Option("bt-metadata-only", BOOL, "false", EACH, "bittorrent",
        "Fetch only the torrent file that a magnet link leads to.", accepted=_BITTORRENT),
    Option("bt-enable-lpd", BOOL, "false", EACH, "bittorrent",
        "Look for peers in the local network.", accepted=_BITTORRENT),
    Option("bt-lpd-interface", Text("interface, IP address"), None, NOWHERE, "bittorrent",
        "The interface for looking in the local network.", metavar="INTERFACE", accepted=_BITTORRENT),
    Option("bt-tracker-timeout", Number(1, 600), "60", EACH, "bittorrent",
        "Give up on a tracker that has been silent for SEC seconds.", metavar="SEC", accepted=_BITTORRENT),
    Option("bt-tracker-connect-timeout", Number(1, 600), "60", EACH, "bittorrent",
        "Give up on a tracker that is not connected after SEC seconds.", metavar="SEC", accepted=_BITTORRENT),
    Option("dht-message-timeout", Number(1, 60), "10", NOWHERE, "bittorrent",
        "Give up on a message of the hash table after SEC seconds.", metavar="SEC", accepted=_BITTORRENT),
    Option("on-bt-download-complete", Path("/path/to/command"), None, NOWHERE, "advanced hook",
        "Run COMMAND when a torrent is complete, before it is seeded.", metavar="COMMAND", accepted=_BITTORRENT),
    Option("bt-tracker", Text("URI,..."), None, EACH, "bittorrent",
        "Announce to these trackers too.", metavar="URI[,...", accepted=_BITTORRENT),
    Option("bt-exclude-tracker", Text("URI,... or *"), None, EACH, "bittorrent",
        "Do not announce to these trackers; * means all.", metavar="URI[,...", accepted=_BITTORRENT),
    Option("bt-remove-unselected-file", BOOL, "false", LIVELY, "bittorrent",
        "Delete the files that --select-file left out.", accepted=_BITTORRENT),
    Option("bt-detach-seed-only", BOOL, "false", NOWHERE, "bittorrent",
        "Do not count torrents that only seed in --max-concurrent-downloads.", accepted=_BITTORRENT),
    Option("bt-force-encryption", BOOL, "false", EACH, "bittorrent",
        "Encrypt everything between peers.", accepted=_BITTORRENT),
    Option("bt-enable-hook-after-hash-check", BOOL, "true", EACH, "bittorrent",
        "Run hooks after a hash check too.", accepted=_BITTORRENT),
    Option("bt-load-saved-metadata", BOOL, "false", EACH, "bittorrent",
        "Look for a stored torrent file before asking peers for it.", accepted=_BITTORRENT),
    Option("metalink-file", File("/path/to/file, -"), None, NOWHERE, "basic metalink",
        "Download what this Metalink file describes; - is standard input.", short="M", metavar="METALINK_FILE",
        refused="Metalink is not there yet"),
    Option("metalink-version", TEXT, None, EACH, "metalink",
        "The version of a file to take from a Metalink file.", metavar="VERSION", accepted=_METALINK),
    Option("metalink-language", TEXT, None, EACH, "metalink",
        "The language of a file to take from a Metalink file.", metavar="LANGUAGE", accepted=_METALINK),
    Option("metalink-os", TEXT, None, EACH, "metalink",
        "The operating system of a file to take from a Metalink file.", metavar="OS", accepted=_METALINK),
    Option("metalink-location", TEXT, None, EACH, "metalink",
        "Countries whose mirrors come first, with commas between them.", metavar="LOCATION[,...",
        accepted=_METALINK),
    Option("follow-metalink", Enum("true", "mem", "false"), "true", EACH, "metalink",
        "Download what a fetched Metalink file describes; mem keeps that file in memory.", metavar="true|false|mem",
        accepted="waits for Metalink; a Metalink file is stored as any other file"),
    Option("metalink-preferred-protocol", Enum("http", "https", "ftp", "none"), "none", EACH, "metalink",
        "The protocol whose mirrors come first.", metavar="PROTO", accepted=_METALINK),
    Option("metalink-enable-unique-protocol", BOOL, "true", EACH, "metalink",
        "Use one URI of a mirror that offers several protocols.", accepted=_METALINK),
    Option("metalink-base-uri", TEXT, None, STARTING, "metalink",
        "What relative URIs in a local Metalink file are relative to.", metavar="URI", accepted=_METALINK),
    Option("state-dir", PATH, _state_dir, NOWHERE, "slasshy",
        "Where the server keeps its state between runs.", metavar="DIR"),
    Option("compat", BOOL, "false", NOWHERE, "slasshy",
        "Behave as aria2c does: its defaults, ranges and conf file.", compat_default="true"),
    Option("rpc-allow-origin", Words("ORIGIN[,ORIGIN...]"), None, NOWHERE, "slasshy rpc",
        "Let web pages of these origins use the RPC server, as in https://example.org.", metavar="LIST"),
    Option("rpc-allow-host", Words("HOST[,HOST...]"), None, NOWHERE, "slasshy rpc",
        "Answer to these host names too when no secret is set.", metavar="LIST"),
    Option("rpc-path-policy", Enum("any", "home", "dir"), None, NOWHERE, "slasshy rpc",
        "Where RPC calls may store files: any folder, those of the home folder, or those below --dir. Without this "
        "option it is any with a secret and dir without.", compat_default="any", metavar="POLICY"),
    Option("file-sync", Enum("auto", "always", "never"), "auto", NOWHERE, "slasshy file",
        "Wait until a finished file is on the disk before it counts as complete: auto does so for files that had a "
        "control file.", compat_default="never", metavar="WHEN"),
    Option("live-map", BOOL, "true", NOWHERE, "slasshy file",
        "Keep a map of stored bytes, so that nothing is fetched twice after the process was killed."),
    Option("history", BOOL, "true", NOWHERE, "slasshy",
        "Keep the queue and the results in the state folder, so that they are there again after a restart. Only a "
        "server does so.", compat_default="false"),
    Option("history-days", Number(1, 36500), "90", NOWHERE, "slasshy",
        "Drop results from the history N days after their end.", metavar="N"),
    Option("history-count", Number(0, 1000000), "10000", NOWHERE, "slasshy",
        "Keep at most N results in the history.", metavar="N"),
    Option("media", Enum("auto", "off", "only"), "auto", EACH, "slasshy",
        "Ask yt-dlp what is behind a page and download that: auto does so for pages of well-known media sites, only "
        "for every URI. Without it a page is stored as it is.", metavar="MODE", compat_default="off"),
    Option("media-hosts", Words("HOST[,HOST...]"), None, NOWHERE, "slasshy",
        "Pages of these hosts, and of those below them, are media pages too.", metavar="LIST"),
    Option("media-timeout", Number(1, 600), "60", EACH, "slasshy",
        "Seconds in which yt-dlp must have understood a page.", metavar="SEC"),
    Option("media-playlist", Enum("auto", "single", "all"), "auto", EACH, "slasshy",
        "What becomes of a page that is a list of media: each of them a download of its own (auto), or an error "
        "(single). A URL of one that also names a list is that one, but with all the list.", metavar="MODE"),
    Option("media-playlist-items", Items(), None, EACH, "slasshy",
        "Take only these of a list. Without this option they are the first 500, which is also the most at once.",
        metavar="ITEMS"),
    Option("media-format", Formats(), "bv*+ba/b", EACH, "slasshy",
        "Which of the formats of a page is taken, in yt-dlp's words: as in 22/18, or bv*[height<=720]+ba/b.",
        metavar="FORMAT"),
    Option("media-merge", Enum("auto", "mkv", "mp4", "off"), "auto", EACH, "slasshy",
        "What video and audio that come apart become: a file of a type that suits them, one of this type, or they stay "
        "two files (off).", metavar="TYPE"),
    Option("media-keep-parts", BOOL, "false", EACH, "slasshy",
        "Keep the files that were merged, beside the one that they became."),
    Option("media-template", Template(), None, EACH, "slasshy",
        "What files are called, in yt-dlp's words, below --dir: as in %(uploader)s/%(title).100B. The extension is "
        "added.", metavar="TEMPLATE"),
    Option("media-subtitles", Languages(), None, EACH, "slasshy",
        "Store subtitles in these languages beside the file, as in en,de; all means all that there are.",
        metavar="LANGUAGES"),
    Option("media-thumbnail", BOOL, "false", EACH, "slasshy",
        "Store the picture of a media page beside the file."),
    Option("media-cookies", PATH, None, NOWHERE, "slasshy",
        "Let yt-dlp use the cookies of FILE, of a form that --load-cookies takes. Without this option it uses those of "
        "--load-cookies.", metavar="FILE"),
    Option("media-user-agent", TEXT, None, EACH, "slasshy",
        "The User-Agent that media sites see, instead of a browser's or --user-agent.", metavar="USER_AGENT"),
    Option("media-ffmpeg", Path("/path/to/ffmpeg"), None, NOWHERE, "slasshy",
        "The ffmpeg that merges video and audio, if not the one that is found by its name.", metavar="PROGRAM"),
    Option("media-js-runtime", Runtimes(), None, NOWHERE, "slasshy",
        "The programs with which yt-dlp may run the JavaScript of a page. Without this option it takes deno, node or "
        "quickjs, if there is one.", metavar="NAME[:PATH][,...]"),
    Option("media-extractor-args", ExtractorArguments(), None, NOWHERE, "slasshy",
        "What yt-dlp's code for a site is told, in yt-dlp's words. May be given several times.",
        metavar="ARGUMENTS", cumulative=True),
    Option("media-skip-unavailable", BOOL, "false", EACH, "slasshy",
        "Go on without parts of a stream (HLS, DASH) that the server does not have."),
    Option("media-audio-only", BOOL, "false", EACH, "slasshy",
        "Of a media page take the sound alone, the best there is, as it is. Where it comes only with video, ffmpeg "
        "takes it out of there."),
    Option("media-audio-format", Enum("keep", "mp3", "m4a", "opus", "flac"), "keep", EACH, "slasshy",
        "Take the sound alone, and have ffmpeg convert it to this unless it is that already.", metavar="FORMAT"),
    Option("media-metadata", BOOL, "false", EACH, "slasshy",
        "Write what a media page says into the file: title, artist, album, date, the page's URL, and a picture. That "
        "goes into files of type m4a, mp4, mp3, opus, ogg and flac."),
    Option("media-spotify", BOOL, "false", EACH, "slasshy",
        "Experimental: follow links to tracks, albums and playlists of Spotify. A song's title, artists and length are "
        "read from the page for embedding; it is looked for elsewhere (media-search), and the sound comes from there. "
        "Spotify's own audio is protected, and is never fetched."),
    Option("media-search", Word(), "ytsearch", EACH, "slasshy",
        "Where songs are looked for: the key of one of yt-dlp's searches, as in ytsearch, scsearch.", metavar="KEY"),
    Option("media-spotify-base", TEXT, "https://open.spotify.com", NOWHERE, "slasshy",
        "Where Spotify's pages for embedding are.", metavar="URL"),
    Option("media-plugin-dir", PATH, None, NOWHERE, "slasshy",
        "Let yt-dlp use the plug-ins in this folder. Without this option it uses none.", metavar="DIR"),
    Option("history-keep-urls", BOOL, "false", NOWHERE, "slasshy",
        "Keep the passwords and query values in the URLs of results too."),
)
# fmt: on
