"""What there is to see of an invocation that has ended, as JSON values: lines that scripts read, files, requests.

Owns: what is left out, because no two runs share it or because it is a sentence of aria2's own. Never: runs anything.
"""

from __future__ import annotations

import gzip
import hashlib
import re
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from tests.support.behaviour import Seen

_COLOUR = re.compile(r"\x1b\[[\d;]*m")
_ENTRY = re.compile(r"\d\d/\d\d \d\d:\d\d:\d\d (?P<level>\[(?:\x1b\[[\d;]*m)?[A-Z]+(?:\x1b\[0m)?\]) ?(?P<text>.*)")
_READOUT = re.compile(r"(\x1b\[35m)?\[(#[0-9a-f]{6} |DL:)")
_SPEED = re.compile(r"DL:[\d.]+(?:[KMG]i)?B(?: ETA:\w+)?")
_ROW = re.compile(r"([0-9a-f]{6}|<gid>|      )\|(.{4})\|(.{11}|<speed>)\|")
_GID = re.compile(r"\b[0-9a-f]{16}\b")
_CODE = re.compile(r"errorCode=(\d+)")
_TABLE = "Download Results:"
_SUMMARY = re.compile(r" as of \w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4} ")
_LOGGED = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6} (\[[A-Z]+\]) \[[\w.]+:\d+\]")
#: Notices about how the program itself goes about it.
_CHATTER = re.compile(
    r"Shutdown sequence commencing|Emergency shutdown sequence|\d+ second\(s\) has passed|Verification finished|"
    r"Removed control file|Removed the defunct control file|\.netrc file|Failed to serialize session"
)
#: What standard error is searched for; scripts tell failures of the start apart by them.
_WORDS = (
    "unrecognized option",
    "ambiguous",
    "requires an argument",
    "allow an argument",
    "Specify at least one URL",
    "Unrecognized URI or unsupported protocol",
    "is not found",
    "File not found or it is a directory",
    "Usage: aria2c [OPTIONS] [URI",
)
_TEXTS = (".txt", ".session", ".session.gz", ".conf", ".said")
RECENT = 86400


def said_on_stdout(text: str, *, failed: bool, readout: bool, ordered: bool) -> dict[str, object]:
    """Notices in order, which other levels spoke, the table, and all other lines; the last error code if it ``failed``.

    What aria2 tells about its commands (CUID) is left out, but for the errors of a failure.
    """
    notices: list[str] = []
    levels: set[str] = set()
    codes: list[str] = []
    table: list[str] = []
    others: list[str] = []
    shown: list[str] = []
    entry = ""  # the level of the entry that goes on below its first line
    for line in text.replace("\r", "\n").splitlines():
        found = _ENTRY.match(line)
        if found:
            entry = _COLOUR.sub("", found["level"]).strip("[]")
            if table and not table[-1]:
                table.pop()
            if found["text"].startswith("CUID#") and not (failed and entry == "ERROR"):
                entry = "CUID"
                continue
            levels.add(found["level"])
            codes += _CODE.findall(line)
            if entry == "NOTICE":
                entry = ""
                if not _CHATTER.match(found["text"]):
                    notices.append(_plain(found["text"]))
        elif table or line == _TABLE:
            table.append(_row(line))
        elif _READOUT.match(line):
            line = _SPEED.sub("DL:<speed>", line)
            shown.append(re.sub(r"#[0-9a-f]{6}", "<gid>", line))
        elif not line:
            entry = entry if entry == "ERROR" else ""
        elif entry:
            codes += _CODE.findall(line)
        else:
            others.append(_plain(line))
    if not ordered:
        notices.sort()
        rows = [number for number, line in enumerate(table) if _ROW.match(line)]
        if rows:
            table[rows[0] : rows[-1] + 1] = sorted(table[number] for number in rows)
    told: dict[str, object] = {
        "notices": notices,
        "levels": sorted(levels),
        "code": codes[-1] if codes and failed else "",
        "table": table,
        "others": list(dict.fromkeys(others)),  # how often there is a summary is a matter of time
    }
    if readout:
        told["readout"] = [line for line in shown if "CN:0" not in line][-1:]  # not one of the end itself
    return told


def _row(line: str) -> str:
    found = _ROW.match(line)
    if not found:
        return line
    name = "<gid>" if found[1].strip() else found[1]
    return f"{name}|{found[2]}|<speed>|{_plain(line[found.end() :])}"


def _plain(line: str) -> str:
    """``line`` with a name for GIDs, and paths without slashes that mean nothing."""
    line = _SUMMARY.sub(" as of <time> ", line)
    line = _LOGGED.sub(r"<time> \1 [<place>]", _GID.sub("<gid>", line))
    return re.sub(r"(?<![:/])/{2,}", "/", line).replace("/./", "/").replace("/<dir>", "<dir>")


def said_on_stderr(text: str) -> dict[str, object]:
    """Whether anything, the option that is complained about, and the words that scripts look for."""
    option = re.search(r"processing the option '(--[\w-]+)'", text)
    return {
        "anything": bool(text.strip()),
        "option": option[1] if option else None,
        "words": [word for word in _WORDS if word in text],
    }


def files_seen(
    folder: Path, laid: Mapping[Path, bytes], normalised: Callable[[str], str], *, whole: bool
) -> dict[str, object]:
    """What lies below ``folder``, except for what was ``laid`` there and has not changed.

    Texts as lines, all else by size and digest, which control files and what is not ``whole`` do not have. Dates
    where they are not today's.
    """
    now = time.time()
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        name = _GID.sub("<gid>", str(path.relative_to(folder)).encode("utf-8", "backslashreplace").decode())
        if path.is_symlink():
            found[name] = f"-> {normalised(str(path.readlink()))}"
            continue
        if path.is_dir():
            found[name] = "folder"
            continue
        data = path.read_bytes()
        if laid.get(path) == data:
            found[name] = "as before"
            continue
        stat = path.stat()
        facts: dict[str, object] = {"mode": oct(stat.st_mode & 0o777)}
        if path.name.endswith(".session.gz") and data:
            data = gzip.decompress(data)
        if path.name.endswith(_TEXTS):
            text = _GID.sub("<gid>", normalised(data.decode("utf-8", "replace")))
            facts["lines"] = text.splitlines()
        elif path.name.endswith(".log"):
            levels = re.findall(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6} \[([A-Z]+)\] ", data.decode(), re.MULTILINE)
            facts["levels"] = sorted(set(levels) - {"DEBUG", "INFO"})
        elif whole and path.suffix != ".aria2":
            facts |= {"size": len(data), "digest": hashlib.sha256(data).hexdigest()[:12]}
        if now - stat.st_mtime > RECENT:
            facts["date"] = int(stat.st_mtime)
        found[name] = facts
    return found


def requests_seen(seen: Iterable[Seen], place: str, how: str, headers: tuple[str, ...]) -> list[str]:
    """Each request as ``METHOD target range``, and the wanted headers behind it."""
    lines = []
    for one in seen:
        line = f"{one.method} {one.target.removeprefix(place)}"
        if how != "paths":
            line += f" {one.header('range') or ''}"
            for name, value in one.headers:
                if "*" in headers or name in headers:
                    line += f"\n{name}: {value}"
        lines.append(line.strip().replace(place, ""))
    if how == "paths":
        return sorted(set(lines))
    return sorted(lines) if how == "sorted" else lines
