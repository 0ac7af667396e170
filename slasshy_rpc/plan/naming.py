"""The name of a file: from Content-Disposition, from the URL, made safe, and renamed.

Owns: names as single path components. Never: folders, paths or a look at the disk.
"""

from __future__ import annotations

import re
import urllib.parse

#: Bytes in a name that we choose. File systems take 255; the rest is for ``.aria2__temp``, the longest name beside it.
NAME_LIMIT = 255 - len(".aria2__temp")
#: The name of a file that nobody named.
DEFAULT_NAME = "index.html"

_EXTENSION_LIMIT = 64

_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"  # RFC 9110 section 5.6.2
_TYPE = re.compile(rf"[ \t]*{_TOKEN}[ \t]*")
_PARAMETER = re.compile(rf';[ \t]*({_TOKEN})[ \t]*=[ \t]*(?:({_TOKEN})|"((?:[^"\\]|\\.)*)")[ \t]*', re.DOTALL)
_EXTENDED = re.compile(r"([^']+)'([^']*)'((?:%[0-9A-Fa-f]{2}|[!#$&+\-.^_`|~0-9A-Za-z])+)")  # RFC 8187 section 3.2
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# C0, DEL, C1 and the two separators: what a terminal or a log may take for more than a name.
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
# Marks that turn the direction of text and so hide an extension (Unicode UAX #9).
_BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_RESERVED = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³])(?:\..*)?", re.IGNORECASE | re.DOTALL)
_OURS = re.compile(r"(?<=\.aria)2(?:__temp)?\Z", re.IGNORECASE)


def choose(disposition: str | None, url: str, *, default_utf8: bool = False, compat: bool = False) -> str:
    """The name for a response: Content-Disposition, else the URL (the final one), else ``index.html``; made safe.

    ``disposition`` is the header's value decoded as ISO-8859-1. ``default_utf8`` is aria2's
    content-disposition-default-utf8. ``compat`` as in ``sanitise``.
    """
    name = from_disposition(disposition, default_utf8=default_utf8) if disposition else None
    return sanitise(name or from_url(url), compat=compat)


def from_disposition(value: str, *, default_utf8: bool = False) -> str | None:
    """The name in a Content-Disposition value (RFC 6266), None if there is none or aria2 would not have it.

    Observed on aria2: ``filename*`` wins; the type must be there but may be anything; a header with any fault in
    its grammar, a parameter given twice, a path or a control character names nothing. Plain values are read as
    ISO-8859-1 or, with ``default_utf8``, UTF-8, and are not percent-decoded. The result is not yet sanitised.
    """
    parameters = _parameters(value)
    if parameters is None:
        return None
    if "filename*" in parameters:
        name = _extended(parameters["filename*"])
    else:
        name = parameters.get("filename")
        if name is not None and default_utf8:
            try:
                name = name.encode("latin-1").decode("utf-8")
            except UnicodeError:
                return None
    if not name or name in {".", ".."} or "/" in name or "\\" in name or _CONTROL.search(name):
        return None
    return name


def _parameters(value: str) -> dict[str, str] | None:
    """Lower-cased parameter name → unquoted value; None if the grammar is broken."""
    head = _TYPE.match(value)
    if head is None:
        return None
    parameters: dict[str, str] = {}
    position = head.end()
    while position < len(value):
        match = _PARAMETER.match(value, position)
        if match is None:
            return None
        name, token, quoted = match.groups()
        name = name.lower()
        # RFC 8187 values are never quoted; a quoted one would be taken apart by other rules.
        if name in parameters or (name.endswith("*") and token is None):
            return None
        parameters[name] = token if token is not None else re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL)
        position = match.end()
    return parameters


def _extended(value: str) -> str | None:
    """An RFC 8187 value; of a charset that is not known, the bytes as in a URL."""
    match = _EXTENDED.fullmatch(value)
    if match is None:
        return None
    data = urllib.parse.unquote_to_bytes(match[3])
    charset = match[1].lower()
    if charset == "utf-8":
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            return None
    return data.decode("latin-1") if charset == "iso-8859-1" else _text(data)


def from_url(url: str) -> str:
    """The last path segment, percent-decoded; ``index.html`` if it is empty. Not yet sanitised.

    A name that is not UTF-8 stays percent-encoded, as in aria2.
    """
    path = re.split(r"[?#]", url, maxsplit=1)[0]
    path = re.sub(r"\A[A-Za-z][A-Za-z0-9+.\-]*://[^/]*", "", path)
    data = urllib.parse.unquote_to_bytes(path.rpartition("/")[2].encode("utf-8", "replace"))
    return _text(data) or DEFAULT_NAME


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return urllib.parse.quote_from_bytes(data, safe="")


def sanitise(name: str, *, compat: bool = False) -> str:
    """One path component that is safe to create, whatever a server sent; at most ``NAME_LIMIT`` bytes of UTF-8.

    As aria2: '/' and control characters become %XX. Always, beyond aria2: C1 controls too, marks that turn the text
    direction are dropped, ``.`` and ``..`` become ``index.html``, long names are cut before their extension.
    Unless ``compat``, which keeps aria2's names: no leading dot or dash (``.bashrc``, ``-rf``), no trailing dots and
    spaces, no device names of Windows, and no name that would pass for a control file.
    """
    name = _BIDI.sub("", _SURROGATE.sub("_", name))
    name = _UNSEEN.sub(lambda match: _percent(match[0]), name).replace("/", "%2F")
    if name.strip(". ") == "" or name.isspace():
        return DEFAULT_NAME
    if compat:
        return fit(name)
    name = name.rstrip(". ")
    if name[0] in ".-":
        name = "_" + name.lstrip(".-")
    elif _RESERVED.fullmatch(name):
        name = "_" + name
    return _OURS.sub("_", fit(name))


def _percent(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode("utf-8"))


def fit(name: str, limit: int = NAME_LIMIT) -> str:
    """The name in at most ``limit`` bytes of UTF-8, cut before its extension, never inside a character."""
    if _size(name) <= limit:
        return name
    stem, extension = _split(name)
    room = limit - _size(extension)
    return stem.encode("utf-8", "surrogatepass")[:room].decode("utf-8", "ignore") + extension


def renamed(name: str, number: int) -> str:
    """``name.N.ext`` as aria2: the number before the last extension, or at the end if there is none.

    A name at the limit is cut rather than made longer than it was.
    """
    stem, extension = _split(name)
    suffix = f".{number}{extension}"
    return fit(stem, max(NAME_LIMIT, _size(name)) - _size(suffix)) + suffix


def _size(name: str) -> int:
    return len(name.encode("utf-8", "surrogatepass"))


def _split(name: str) -> tuple[str, str]:
    """Stem and extension with its dot; a leading dot begins no extension, and one of 64 bytes or more is none."""
    dot = name.rfind(".")
    return (name[:dot], name[dot:]) if dot > 0 and _size(name[dot:]) < _EXTENSION_LIMIT else (name, "")
