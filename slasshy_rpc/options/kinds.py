"""What an option's value may look like, and what it means once it is accepted.

Owns: turning raw text into aria2's normalised text, with aria2's reasons for refusal. Never: reads files, asks the
network, or knows which options exist.
"""

from __future__ import annotations

import os
import stat

from slasshy_rpc.errors import OptionError

#: The largest number that an option takes (aria2 keeps signed 64-bit integers).
BIGGEST = 2**63 - 1
_BLANKS = " \t\r\n\v\f"
_NUMBER_LETTERS = 20  # more digits than this cannot be a 64-bit number
_DIGEST_LENGTHS = {"sha-1": 40, "sha-224": 56, "sha-256": 64, "sha-384": 96, "sha-512": 128, "md5": 32, "adler32": 8}

#: A decoded value, as the getters of OptionSet hand it out.
Value = bool | int | float | str | tuple[str, ...]


def _integer(text: str) -> int | None:
    """The decimal number in ``text``, which may be signed and surrounded by blanks, or None."""
    text = text.strip(_BLANKS)
    digits = text[1:] if text[:1] in ("-", "+") else text
    if not (digits.isascii() and digits.isdigit()):
        return None
    digits = digits.lstrip("0") or "0"  # int() refuses thousands of digits, zeros among them
    if len(digits) > _NUMBER_LETTERS:
        return None
    number = -int(digits) if text[0] == "-" else int(digits)
    return number if -BIGGEST - 1 <= number <= BIGGEST else None


def _check_range(name: str, number: int, low: int, high: int | None) -> None:
    if number < low or (high is not None and number > high):
        if high is None:
            raise OptionError(name, f"{name} must be greater than or equal to {low}.")
        raise OptionError(name, f"{name} must be between {low} and {high}.")


def _real_prefix(text: str) -> float:
    """The number at the start of ``text`` as C's strtod finds it; 0 when there is none."""
    text = text.strip(_BLANKS)[:64]
    for end in range(len(text), 0, -1):
        if "_" in text[:end] or text[end - 1] not in ".0123456789":
            continue
        try:
            return float(text[:end])
        except ValueError:
            continue
    return 0.0


class Kind:
    """One way of writing a value.

    ``parse`` takes the option's name and the raw text and returns the normalised text, or raises OptionError with the
    reason. ``decode`` takes normalised text and cannot fail. ``argument`` says whether a command line must give a
    value ("required"), may ("optional": only glued with ``=``), or must not ("none").
    """

    __slots__ = ()
    argument = "required"
    values = ""

    def parse(self, name: str, raw: str) -> str:
        """Normalise ``raw``. Line breaks and NUL are refused: they would become other headers or options."""
        if "\n" in raw or "\r" in raw or "\0" in raw:
            raise OptionError(name, f"{name} must not contain line breaks or NUL characters.")
        return raw

    def decode(self, text: str) -> Value:
        """The Python value of normalised text."""
        return text

    def is_void(self, text: str) -> bool:
        """Whether normalised text is taken and yet changes nothing, as aria2 has it."""
        return False


class Bool(Kind):
    """``true`` or ``false``; an empty value means true."""

    __slots__ = ("argument",)
    values = "true, false"

    def __init__(self, argument: str = "optional") -> None:
        self.argument = argument

    def parse(self, name: str, raw: str) -> str:
        """``true`` or ``false``, nothing else (case matters)."""
        if raw == "true" or (raw == "" and self.argument == "optional"):
            return "true"
        if raw == "false":
            return raw
        raise OptionError(name, f"{name} must be either 'true' or 'false'.")

    def decode(self, text: str) -> bool:
        """True for ``true``."""
        return text == "true"


class Bygone(Kind):
    """What an option without a meaning is given: anything, none of which is kept."""

    __slots__ = ()
    argument = "optional"
    values = "true, false"

    def is_void(self, text: str) -> bool:
        """Always."""
        return True


class Number(Kind):
    """A whole number between ``low`` and ``high`` (None: no upper bound but 64 bits)."""

    __slots__ = ("high", "low", "values")

    def __init__(self, low: int, high: int | None = None) -> None:
        self.low = low
        self.high = high
        self.values = f"{low}-{'*' if high is None else high}"

    def parse(self, name: str, raw: str) -> str:
        """Decimal digits without blanks, plus sign or leading zeros."""
        number = _integer(raw)
        if number is None:
            raise OptionError(name, f"Bad number {_shown(raw)}")
        _check_range(name, number, self.low, self.high)
        return str(number)

    def decode(self, text: str) -> int:
        """The number."""
        return int(text)


def parse_size(name: str, raw: str) -> int:
    """Bytes in ``raw``: digits, then perhaps K or M (1024, 1024 squared); what follows the unit is not looked at.

    Raises OptionError. aria2 reads "1KB" as 1024 in the same way.
    """
    text, unit = raw.strip(_BLANKS), 1
    for at, letter in enumerate(text):
        if letter in "KkMm":
            text, unit = text[:at], 1024 if letter in "Kk" else 1024 * 1024
            break
    number = _integer(text)
    if number is None or number < 0:
        raise OptionError(name, f"Bad or negative value detected: {_shown(raw)}")
    if number * unit > BIGGEST:
        raise OptionError(name, "Failed to convert string into value: overflow/underflow")
    return number * unit


class Size(Kind):
    """Bytes, with K or M as units; normalised to plain bytes."""

    __slots__ = ("high", "low", "values")

    def __init__(self, low: int = 0, high: int | None = None) -> None:
        self.low = low
        self.high = high
        self.values = f"{low}-{'*' if high is None else high}"

    def parse(self, name: str, raw: str) -> str:
        """``1M`` becomes ``1048576``."""
        number = parse_size(name, raw)
        _check_range(name, number, self.low, self.high)
        return str(number)

    def decode(self, text: str) -> int:
        """Bytes."""
        return int(text)


class Real(Kind):
    """A number with a fraction, not negative; kept as it was typed, read leniently as aria2 reads it."""

    __slots__ = ()
    values = "0.0-*"

    def parse(self, name: str, raw: str) -> str:
        """The text as typed, unless it is negative."""
        text = super().parse(name, raw)
        if _real_prefix(text) < 0:
            raise OptionError(name, f"{name} must be greater than or equal to 0.0.")
        return text

    def decode(self, text: str) -> float:
        """The number at the start of the text, 0 when there is none."""
        return _real_prefix(text)


class Enum(Kind):
    """One of a few words; case matters."""

    __slots__ = ("values", "words")

    def __init__(self, *words: str) -> None:
        self.words = words
        self.values = ", ".join(words)

    def parse(self, name: str, raw: str) -> str:
        """One of ``words``."""
        if raw in self.words:
            return raw
        words = "".join(f"'{word}' " for word in self.words)
        raise OptionError(name, f"{name} must be one of the following:{words}")


class Text(Kind):
    """Any text on one line; ``empty`` says whether it may be empty."""

    __slots__ = ("argument", "empty", "values")

    def __init__(self, values: str = "", *, empty: bool = True, argument: str = "required") -> None:
        self.values = values
        self.empty = empty
        self.argument = argument

    def parse(self, name: str, raw: str) -> str:
        """The text as typed."""
        if not raw and not self.empty:
            raise OptionError(name, "Empty string is not allowed")
        return super().parse(name, raw)


class Path(Kind):
    """A path; ``${HOME}`` is replaced by the home folder."""

    __slots__ = ("values",)

    def __init__(self, values: str = "/path/to/file") -> None:
        self.values = values

    def parse(self, name: str, raw: str) -> str:
        """The path with ``${HOME}`` expanded; ``~`` is not special."""
        return super().parse(name, raw.replace("${HOME}", home()) if "${HOME}" in raw else raw)


class File(Path):
    """A path of a file that must exist when the option is read."""

    __slots__ = ()

    def parse(self, name: str, raw: str) -> str:
        """The path, after a look whether a file is there."""
        path = super().parse(name, raw)
        try:
            mode = os.stat(path).st_mode
        except OSError as error:
            raise OptionError(name, f"Could not get file status: {error.strerror}") from None
        if stat.S_ISDIR(mode):
            raise OptionError(name, f"Is '{path}' a file?")
        return path


class Checksum(Kind):
    """``HASH_TYPE=HEX_DIGEST``; kept as typed. With ``any_case`` the type's case does not matter."""

    __slots__ = ("any_case", "complaint", "types")
    values = "HASH_TYPE=HEX_DIGEST"

    def __init__(
        self,
        types: tuple[str, ...] = tuple(_DIGEST_LENGTHS),
        complaint: str = "Unrecognized checksum",
        *,
        any_case: bool = True,
    ) -> None:
        self.types = types
        self.complaint = complaint
        self.any_case = any_case

    def parse(self, name: str, raw: str) -> str:
        """The text as typed, when the type is known and the digest has its length."""
        kind, _, digest = raw.partition("=")
        if (kind.lower() if self.any_case else kind) not in self.types:
            raise OptionError(name, self.complaint.replace("TYPE", _shown(kind)))
        if len(digest) != _DIGEST_LENGTHS[kind.lower()] or digest.strip("0123456789abcdefABCDEF"):
            raise OptionError(name, "Unrecognized checksum")
        return raw


class Lines(Kind):
    """Text that may be given several times; each line is one entry."""

    __slots__ = ()

    def parse(self, name: str, raw: str) -> str:
        """One entry on one line."""
        return super().parse(name, raw)

    def split(self, name: str, raw: str) -> tuple[str, ...]:
        """The entries in ``raw``, one a line: front ends send several headers as one text. Empty ones are kept."""
        lines = raw.replace("\r\n", "\n").split("\n") if "\n" in raw else [raw]
        return tuple(self.parse(name, line) for line in lines)


class IndexPath(Lines):
    """``INDEX=PATH``, cumulative; the index counts from 1 in aria2's file lists."""

    __slots__ = ()
    values = "INDEX=PATH"

    def split(self, name: str, raw: str) -> tuple[str, ...]:
        """The entries in ``raw``, at least one; empty lines are dropped."""
        return super().split(name, "\n".join(filter(None, raw.replace("\r\n", "\n").split("\n"))))

    def parse(self, name: str, raw: str) -> str:
        """One entry, when both halves are there."""
        text = super().parse(name, raw)
        index, _, path = text.partition("=")
        number = _integer(index)
        if number is None or not 0 <= number <= 0xFFFFFFFF:
            raise OptionError(name, "Bad path index")
        if not path:
            raise OptionError(name, f"Path with index={number} is empty.")
        return text


class Word(Kind):
    """One word of small letters and digits, which begins with a letter."""

    __slots__ = ()
    values = "[a-z][a-z0-9]*"

    def parse(self, name: str, raw: str) -> str:
        """The word."""
        if not (raw.isascii() and raw.isalnum() and raw[0].isalpha() and raw.islower()):
            raise OptionError(name, f"{name} must be a word of small letters and digits.")
        return raw


class Words(Kind):
    """A list with commas between its entries, such as host names."""

    __slots__ = ("values",)

    def __init__(self, values: str = "NAME[,NAME...]") -> None:
        self.values = values

    def decode(self, text: str) -> tuple[str, ...]:
        """The entries without the blanks around them."""
        return tuple(word.strip() for word in text.split(",") if word.strip())


class Ranges(Kind):
    """Numbers and ranges of numbers with commas between them: ``1-3,5``."""

    __slots__ = ("high", "low", "values")

    def __init__(self, low: int, high: int) -> None:
        self.low = low
        self.high = high
        self.values = f"{low}-{high}"

    def parse(self, name: str, raw: str) -> str:
        """The text as typed."""
        text = super().parse(name, raw)
        for part in text.split(","):
            part = part.strip(_BLANKS)
            if not part:
                continue
            first, dash, last = part.partition("-")
            if dash and not (first and last):
                raise OptionError(name, f"Incomplete range specified. {_shown(part)}")
            ends = [_integer(end) for end in ((first, last) if dash else (first,))]
            for end in ends:
                if end is None or end > 0x7FFFFFFF:
                    raise OptionError(name, f"Bad range {_shown(part)}")
                _check_range(name, end, self.low, self.high)
        return text

    def is_void(self, text: str) -> bool:
        """Whether it names no number: ``3-1``."""
        for part in text.split(","):
            first, dash, last = part.strip(_BLANKS).partition("-")
            if first and (not dash or (_integer(first) or 0) <= (_integer(last) or 0)):
                return False
        return True


class HostPort(Kind):
    """``HOST:PORT``."""

    __slots__ = ()
    values = "HOST:PORT"

    def parse(self, name: str, raw: str) -> str:
        """The text as typed."""
        text = super().parse(name, raw)
        host, colon, digits = text.rpartition(":") if ":" in text else (text, "", "")
        port = _integer(digits) if colon else 1
        if not host or port is None or not 0 < port < 65536:
            raise OptionError(name, "Unrecognized format")
        return text


class HeadTail(Kind):
    """``head[=SIZE],tail[=SIZE]``: which ends of a file come first."""

    __slots__ = ()
    values = "head[=SIZE], tail[=SIZE]"

    def parse(self, name: str, raw: str) -> str:
        """The text as typed."""
        text = super().parse(name, raw)
        for part in text.split(",") if text else []:
            word, mark, size = part.strip(_BLANKS).partition("=")
            if word not in ("head", "tail"):
                raise OptionError(name, f"Unrecognized token {_shown(part)}")
            if mark:
                parse_size(name, size)
        return text


class Optimize(Kind):
    """``true``, ``false`` or a pair of coefficients ``A:B``, which is shown as ``true``."""

    __slots__ = ()
    argument = "optional"
    values = "true, false, A:B"

    def parse(self, name: str, raw: str) -> str:
        """``true``, ``false`` or the pair."""
        if raw in ("", "true", "false"):
            return raw or "true"
        first, colon, second = raw.partition(":")
        if not colon:
            raise OptionError(
                name,
                f"{name} must be either 'true', 'false' or a pair numeric coefficients A and B under the form 'A:B'.",
            )
        for number in (first, second):
            try:
                float(number)
            except ValueError:
                raise OptionError(name, f"Bad number '{_shown(number)}'") from None
        return raw

    def shown(self, text: str) -> str:
        """What RPC shows of a value."""
        return "false" if text == "false" else "true"


def home() -> str:
    """The user's home folder: HOME, else what the system's user list says, else ``/``."""
    found = os.environ.get("HOME")
    if found:
        return found
    import pwd  # only needed where HOME is not set

    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        return "/"


def _shown(raw: str) -> str:
    """``raw`` fit for a message: short, without control characters."""
    text = raw if raw.isprintable() else "".join(c if c.isprintable() else "?" for c in raw[:200])
    return text if len(text) <= 200 else text[:200] + "..."
