"""XML-RPC text to a call and back, exactly as lenient as aria2; defusedxml guards the parser.

Owns: what a methodCall looks like and how values are written. Never: what a call means, which is xml_dialect's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from xml.sax import SAXException
from xml.sax.handler import ContentHandler

from defusedxml.common import DefusedXmlException
from defusedxml.expatreader import DefusedExpatParser

from slasshy_rpc.rpc import loose_base64
from slasshy_rpc.rpc.call import Call

#: Elements inside elements; aria2 has no limit.
MAX_DEPTH = 256
#: Bytes of one tag, comment or instruction. The parser reads each in one go, and from its beginning at every piece.
MAX_TAG = 64 << 10

HEAD = b'<?xml version="1.0"?><methodResponse>'
TAIL = b"</methodResponse>"

#: Which elements mean something inside which; aria2 passes over all others with everything in them.
_INSIDE: dict[str, frozenset[str]] = {
    "": frozenset({"methodCall"}),
    "methodCall": frozenset({"methodName", "params"}),
    "params": frozenset({"param"}),
    "param": frozenset({"value"}),
    "value": frozenset({"int", "i4", "string", "double", "base64", "array", "struct"}),
    "array": frozenset({"data"}),
    "data": frozenset({"value"}),
    "struct": frozenset({"member"}),
    "member": frozenset({"name", "value"}),
}
#: What the parser itself can read.
_ENCODINGS = ("utf-8", "utf-16", "iso-8859-1", "us-ascii")
_NOTHING: frozenset[str] = frozenset()
_WITH_TEXT = frozenset({"methodName", "name", "value", "int", "i4", "string", "double", "base64"})
_INTEGER = re.compile(r"[ \t\r\n]*+([+-]?[0-9]++)[ \t\r\n]*+")
_LARGEST = (1 << 31) - 1
_LONGEST_INTEGER = 64

#: No value here: what aria2 does not understand is left out, and what follows takes its place.
_ABSENT = object()

#: Characters that XML 1.0 cannot carry, not even as a reference.
_UNFIT = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_MARKUP = re.compile("[&<>\r]")
_REFERENCES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"}


class NotXml(Exception):
    """A body that is not well-formed, or more than is read: a DOCTYPE, too many levels, a long tag, a rare encoding."""


class CallReader:
    """Reads one methodCall from pieces of a document.

    Where XML-RPC and aria2 part, aria2 counts (observed on 1.37): a value is left out when it is empty, a boolean, a
    date, nil, or an integer beyond 32 bits; a double is a string; the last ``params`` counts; a member that comes
    twice counts as absent; a document that is something else is a call of the method "". Base64 becomes bytes.
    """

    def __init__(self) -> None:
        self.saw_base64 = False
        self._fed = 0
        self._sink = _Sink(self)
        # No DOCTYPE at all: default values of attributes alone make a megabyte of each of a hundred thousand elements.
        self._parser = _Parser(forbid_dtd=True)
        self._parser.setContentHandler(self._sink)

    def feed(self, piece: bytes) -> None:
        """Read on. Raises NotXml."""
        try:
            self._parser.feed(piece)
        except (SAXException, DefusedXmlException) as error:
            raise NotXml from error
        self._fed += len(piece)
        if self._fed - self._parser.position > MAX_TAG:
            raise NotXml

    def close(self) -> Call:
        """The call, when all was fed. Raises NotXml."""
        try:
            self._parser.feed(b"")  # it takes a document of no bytes for one that has not begun
            self._parser.close()
        except SAXException as error:
            raise NotXml from error
        return Call(self._sink.method, self._sink.params)


class _Parser(DefusedExpatParser):
    """Looks at the XML declaration too, before a codec is looked for that may do anything."""

    def reset(self) -> None:
        super().reset()
        self._parser.XmlDeclHandler = self._declared  # type: ignore[attr-defined]  # the stubs leave _parser out

    @property
    def position(self) -> int:
        """The byte of the document where what is not read yet begins."""
        return int(self._parser.CurrentByteIndex)  # type: ignore[attr-defined]  # as above

    def _declared(self, version: str, encoding: str | None, standalone: int) -> None:
        if not version.startswith("1.") or (encoding or "utf-8").lower() not in _ENCODINGS:
            raise NotXml


class _Element:
    """An open element: its name, "" where it means nothing, its own text, and what its children made of it."""

    __slots__ = ("doubled", "items", "members", "name", "text", "title", "value")

    def __init__(self, name: str) -> None:
        self.name = name
        self.text: list[str] = []
        self.value: object = _ABSENT
        self.title = ""
        self.items: list[object] = []
        self.members: dict[str, object] = {}
        self.doubled: set[str] = set()


class _Sink(ContentHandler):
    """Builds the call from elements as they begin and end."""

    def __init__(self, reader: CallReader) -> None:
        super().__init__()
        self.method = ""
        self.params: list[object] = []
        self._reader = reader
        self._open = [_Element("")]
        self._ends = {
            "methodName": self._end_method_name,
            "params": self._end_params,
            "param": self._end_param,
            "value": self._end_value,
            "int": self._end_integer,
            "i4": self._end_integer,
            "string": self._end_string,
            "double": self._end_string,
            "base64": self._end_base64,
            "array": self._end_array,
            "data": self._end_data,
            "struct": self._end_struct,
            "member": self._end_member,
            "name": self._end_name,
        }

    def startElement(self, name: str, attrs: object) -> None:
        if len(self._open) > MAX_DEPTH:
            raise NotXml
        prefix, _, local = name.rpartition(":")
        known = local if prefix or local == name else ""
        parent = self._open[-1]
        inside = _INSIDE.get(parent.name, _NOTHING) if parent.name or len(self._open) == 1 else _NOTHING
        self._open.append(_Element(known if known in inside else ""))

    def endElement(self, name: str) -> None:
        element = self._open.pop()
        end = self._ends.get(element.name)
        if end is not None:
            end(element, self._open[-1])

    def characters(self, content: str) -> None:
        element = self._open[-1]
        if element.name in _WITH_TEXT:
            element.text.append(content)

    def _end_method_name(self, element: _Element, parent: _Element) -> None:
        self.method = "".join(element.text)

    def _end_params(self, element: _Element, parent: _Element) -> None:
        self.params = element.items

    def _end_param(self, element: _Element, parent: _Element) -> None:
        if element.value is not _ABSENT:
            parent.items.append(element.value)

    def _end_value(self, element: _Element, parent: _Element) -> None:
        if element.value is not _ABSENT:
            parent.value = element.value
        elif element.text and parent.value is _ABSENT:
            parent.value = "".join(element.text)
        if parent.name == "data" and parent.value is not _ABSENT:
            parent.items.append(parent.value)
            parent.value = _ABSENT

    def _end_integer(self, element: _Element, parent: _Element) -> None:
        text = "".join(element.text)
        digits = _INTEGER.fullmatch(text) if len(text) <= _LONGEST_INTEGER else None
        if digits and -_LARGEST - 1 <= (number := int(digits[1])) <= _LARGEST:
            parent.value = number

    def _end_string(self, element: _Element, parent: _Element) -> None:
        parent.value = "".join(element.text)

    def _end_base64(self, element: _Element, parent: _Element) -> None:
        parent.value = loose_base64.decode("".join(element.text).encode())
        self._reader.saw_base64 = True

    def _end_array(self, element: _Element, parent: _Element) -> None:
        parent.value = element.items

    def _end_data(self, element: _Element, parent: _Element) -> None:
        parent.items += element.items

    def _end_struct(self, element: _Element, parent: _Element) -> None:
        for name in element.doubled:
            del element.members[name]
        parent.value = element.members

    def _end_member(self, element: _Element, parent: _Element) -> None:
        if element.value is not _ABSENT:
            if element.title in parent.members:
                parent.doubled.add(element.title)
            parent.members[element.title] = element.value

    def _end_name(self, element: _Element, parent: _Element) -> None:
        parent.title = "".join(element.text)


def read(data: bytes) -> Call:
    """The call in a whole document. Raises NotXml."""
    reader = CallReader()
    reader.feed(data)
    return reader.close()


class Written:
    """A value that ``encode`` writes as ``text``, which is XML already."""

    __slots__ = ("text",)

    def __init__(self, text: bytes) -> None:
        self.text = text


def encode(value: object) -> bytes:
    """``value`` as a ``<value>`` element, members sorted by name as aria2 has them.

    Strings, integers, lists, dicts, and ``Written``; also booleans and doubles, and None as an empty value, which
    aria2's own methods never give. What XML cannot carry (control characters, parts of file names) becomes U+FFFD.
    """
    parts: list[bytes] = []
    _write(value, parts)
    return b"".join(parts)


def _write(value: object, parts: list[bytes]) -> None:
    parts.append(b"<value>")
    if isinstance(value, str):
        parts.append(b"<string>%b</string>" % _text(value))
    elif isinstance(value, bool):
        parts.append(b"<boolean>%d</boolean>" % value)
    elif isinstance(value, int):
        parts.append(b"<int>%d</int>" % value)
    elif isinstance(value, float):
        parts.append(b"<double>%b</double>" % repr(value).encode())
    elif isinstance(value, Mapping):
        parts.append(b"<struct>")
        for name in sorted(value):
            parts.append(b"<member><name>%b</name>" % _text(name))
            _write(value[name], parts)
            parts.append(b"</member>")
        parts.append(b"</struct>")
    elif isinstance(value, Written):
        parts[-1] = value.text
        return
    elif isinstance(value, Sequence):
        parts.append(b"<array><data>")
        for item in value:
            _write(item, parts)
        parts.append(b"</data></array>")
    elif value is not None:
        raise TypeError(f"XML-RPC has no {type(value).__name__}")
    parts.append(b"</value>")


def _text(text: str) -> bytes:
    if not text.isprintable():  # most are, and then nothing is unfit
        text = _UNFIT.sub("\ufffd", text)
    return _MARKUP.sub(lambda mark: _REFERENCES[mark[0]], text).encode()
