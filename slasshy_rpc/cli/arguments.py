"""The command line: getopt's rules as aria2c keeps them, the conf file and the environment, put into layers.

Owns: what a start means. Never: starts anything, prints, or ends the process.
"""

from __future__ import annotations

import enum
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from slasshy_rpc.errors import ErrorCode, OptionError, UsageError
from slasshy_rpc.options.files import Entry, read_conf, read_input
from slasshy_rpc.options.table import SHORT, TABLE, Option, State
from slasshy_rpc.options.values import Layer, Normal, OptionSet, defaults, is_void, parse_value

#: What belongs to single downloads: taken out of the values that later downloads inherit.
_SINGLE = ("out", "gid", "pause", "checksum", "select-file", "index-out")
#: What an input file's entries do not take over from the command line (aria2c's rule for ``out``).
_NOT_FOR_ENTRIES = ("out", "gid")
#: What the environment may set (aria2 manual, ENVIRONMENT); in capitals they do not count, as in aria2.
_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy")


class Mode(enum.Enum):
    """What to do."""

    SERVER = "server"  # RPC, until told to stop
    ONE_SHOT = "one-shot"  # the downloads that were named, then exit with a code
    HELP = "help"  # print ``text``
    VERSION = "version"  # print ``text``


class Invocation(NamedTuple):
    """A start, understood.

    ``options`` are the values that every download inherits; ``single`` those that count for the command line's own
    downloads only. ``rpc``: offer RPC, also beside a one-shot, which then runs until it is told to stop, as aria2c
    does. ``conf_path`` is the conf file that was read. ``warnings`` are lines for the user.
    """

    mode: Mode
    compat: bool
    options: OptionSet
    single: Mapping[str, Normal]
    uris: tuple[str, ...] = ()
    input_file: str | None = None
    rpc: bool = False
    conf_path: str | None = None
    warnings: tuple[str, ...] = ()
    text: str = ""

    @property
    def deferred(self) -> bool:
        """Whether the input file is read as its downloads begin; a session file has to know them all (as in aria2)."""
        wanted = self.input_file is not None and self.options.flag("deferred-input")
        return wanted and not self.options.text("save-session")

    def own_entries(self) -> Iterator[Entry]:
        """The download that the command line names, which comes first: all its URIs are mirrors of one file.

        With force-sequential they are going to be downloads of their own, to which ``out`` does not apply. Beside an
        input file aria2c leaves them out. Whether they can be served is not looked at.
        """
        if self.uris and not (self.compat and self.input_file):
            single = dict(self.single)
            if self.options.flag("force-sequential"):
                single.pop("out", None)
            yield Entry(self.uris, single)

    def listed_entries(
        self, warn: Callable[[str], None], refuse: Callable[[OptionError], None] | None = None
    ) -> Iterator[Entry]:
        """The downloads that the input file lists, read lazily; reading may block for as long as a pipe stays open.

        ``warn`` hears of unknown options. ``refuse``, UsageError and OptionError are as in ``read_input``.
        """
        if self.input_file is not None:
            shared = {name: value for name, value in self.single.items() if name not in _NOT_FOR_ENTRIES}
            for entry in read_input(self.input_file, compat=self.compat, warn=warn, refuse=refuse):
                yield Entry(entry.uris, {**shared, **entry.options})


def parse(argv: Sequence[str], *, compat: bool) -> Invocation:
    """Understand the arguments that follow the program's name.

    ``compat`` is true when the program is called aria2c; ``--compat`` has the same effect. Raises UsageError for a
    command line that cannot be read, OptionError for a bad value (``complaint`` words both for the console).
    """
    given, uris = _scan(argv)
    for option, raw in given:
        if option.name == "compat":
            compat = parse_value(option, raw, compat=compat) == "true"
    command: dict[str, Normal] = {}
    for option, raw in given:
        _take(command, option, raw, compat=compat)
    for name, mode in (("help", Mode.HELP), ("version", Mode.VERSION)):
        if name in command:
            text = _information(mode, command, compat=compat)
            return Invocation(mode=mode, compat=compat, options=defaults(compat), single={}, text=text)

    base = defaults(compat)
    warnings: list[str] = []
    conf_path, conf = _conf(base.derive(command, Layer.COMMAND), warnings, compat=compat)
    environment = _environment(warnings, compat=compat)
    for name in ("header", "index-out"):  # these add up over the layers
        earlier, later = conf.get(name), command.get(name)
        if isinstance(earlier, tuple) and isinstance(later, tuple):
            command[name] = (*earlier, *later)
    single = {name: value for layer in (conf, command) for name, value in layer.items() if name in _SINGLE}
    mode, rpc = _meaning(uris, conf, command, compat=compat)
    if mode is Mode.SERVER and not compat:
        command["enable-rpc"] = "true"
    options = (
        base.derive({name: value for name, value in conf.items() if name not in _SINGLE}, Layer.CONF)
        .derive(environment, Layer.ENVIRONMENT)
        .derive({name: value for name, value in command.items() if name not in _SINGLE}, Layer.COMMAND)
    )
    if not options.flag("parameterized-uri"):
        for uri in uris:
            _check_uri(uri)
    if options.flag("deferred-input") and options.text("save-session"):
        warnings.append("--deferred-input is off, because --save-session has to know all downloads.")
    if not compat:
        warnings += _without_effect({**conf, **command})
    return Invocation(
        mode=mode,
        compat=compat,
        options=options,
        uris=uris,
        single=single,
        input_file=options.text("input-file") or None,
        rpc=rpc,
        conf_path=conf_path,
        warnings=tuple(warnings),
    )


def complaint(error: UsageError | OptionError, *, compat: bool) -> str:
    """What standard error gets before the process ends with ``error.code``."""
    from slasshy_rpc.options.help import option_help, usage

    program = program_name(compat=compat)
    if isinstance(error, OptionError):
        text = f"{program}: We encountered a problem while processing the option '--{error.name}'.\n  -> {error}\n"
        option = TABLE.get(error.name)
        return text + (f"Usage:\n{option_help(option, compat=compat)}" if option else "")
    notes = "".join(f"\n{note}\n" for note in getattr(error, "__notes__", ()))
    reminder = f"{usage(program)}See '{program} -h'.\n" if error.usage else ""
    return f"{program}: {error}\n{reminder}{notes}"


def program_name(*, compat: bool) -> str:
    """The name that messages begin with."""
    return "aria2c" if compat else "slasshy-rpc"


def _scan(argv: Sequence[str]) -> tuple[list[tuple[Option, str]], tuple[str, ...]]:
    """getopt_long's walk: options with their raw values, in order, and what is left, which are URIs."""
    given: list[tuple[Option, str]] = []
    uris: list[str] = []
    rest = iter(argv)
    for word in rest:
        if word == "--":
            uris.extend(rest)
        elif word.startswith("--"):
            name, mark, value = word[2:].partition("=")
            option = _named(name, word)
            if mark and option.kind.argument == "none":
                raise UsageError(f"option '--{option.name}' doesn't allow an argument", ErrorCode.OPTION, usage=True)
            if not mark and option.kind.argument == "required":
                value = _next_word(rest, f"option '--{option.name}' requires an argument")
            given.append((option, value))
        elif word.startswith("-") and word != "-":
            given.extend(_cluster(word[1:], rest))
        else:
            uris.append(word)
    return given, tuple(uris)


def _cluster(letters: str, rest: Iterator[str]) -> Iterator[tuple[Option, str]]:
    """The options in one word with a single dash; a value is what follows the letter, else the next word."""
    while letters:
        letter, letters = letters[0], letters[1:]
        option = SHORT.get(letter)
        if option is None:
            raise UsageError(f"invalid option -- '{letter}'", ErrorCode.OPTION, usage=True)
        if option.kind.argument == "none":
            yield option, ""
            continue
        if not letters and option.kind.argument == "required":
            letters = _next_word(rest, f"option requires an argument -- '{letter}'")
        yield option, letters
        return


def _next_word(rest: Iterator[str], message: str) -> str:
    for word in rest:
        return word
    raise UsageError(message, ErrorCode.OPTION, usage=True)


def _named(name: str, word: str) -> Option:
    """The option called ``name``, or the only one whose name begins so; ours never make aria2's ambiguous."""
    exact = TABLE.get(name)
    if exact is not None:
        return exact
    starting = [option for option in TABLE.values() if name and option.name.startswith(name)]
    candidates = [option for option in starting if not option.own] or starting
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        names = [f"--{option.name}" for option in candidates]
        error = UsageError(
            f"option '--{name}' is ambiguous; possibilities: {' '.join(f'{shown!r}' for shown in names)}",
            ErrorCode.OPTION,
            usage=True,
        )
    else:
        import difflib  # only for people who mistyped

        names = [f"--{close}" for close in difflib.get_close_matches(name, TABLE, n=5, cutoff=0.6)]
        error = UsageError(f"unrecognized option '{word}'", ErrorCode.OPTION, usage=True)
    if names:
        error.add_note("Did you mean:\n" + "\n".join(f"\t{shown}" for shown in names))
    raise error


def _take(values: dict[str, Normal], option: Option, raw: str, *, compat: bool) -> None:
    """Put one value into a layer: the last one wins, cumulative ones add up."""
    value = parse_value(option, raw, compat=compat)
    if is_void(option, value):
        return
    earlier = values.get(option.name)
    values[option.name] = (*earlier, *value) if isinstance(earlier, tuple) and option.cumulative else value


def _conf(options: OptionSet, warnings: list[str], *, compat: bool) -> tuple[str | None, dict[str, Normal]]:
    """The conf file's values, and its path when one was read. One that was named must be there; '' names none."""
    path = options.text("conf-path")
    if (
        not path
        or options.flag("no-conf")
        or (options.given("conf-path") is not Layer.COMMAND and not os.path.isfile(path))
    ):
        return None, {}
    values: dict[str, Normal] = {}
    for number, name, raw in read_conf(path):
        option = TABLE.get(name)
        if option is None:
            # Without its value: what is mistyped here may be a password.
            warnings.append(f"Unknown option: {name} ({path}, line {number})")
        elif name in ("compat", "conf-path", "no-conf", "help", "version"):
            warnings.append(f"{name} counts on the command line only ({path}, line {number})")
        else:
            try:
                _take(values, option, raw, compat=compat)
            except OptionError as error:
                raise OptionError(name, f"{error} ({path}, line {number})") from None
    return path, values


def _environment(warnings: list[str], *, compat: bool) -> dict[str, Normal]:
    """The environment's layer: proxies, as aria2 reads them. What cannot be read is told, and passed over."""
    values: dict[str, Normal] = {}
    for name in _PROXIES:
        raw = os.environ.get(name)
        if raw is None:
            continue
        option = TABLE[name.replace("_", "-")]
        try:
            values[option.name] = parse_value(option, raw, compat=compat)
        except OptionError as error:  # without the value, which may hold a password
            warnings.append(f"{name} of the environment is not used: {error}")
    return values


def _meaning(
    uris: tuple[str, ...], conf: Mapping[str, Normal], command: Mapping[str, Normal], *, compat: bool
) -> tuple[Mode, bool]:
    """Server or one-shot, and whether RPC is offered. Under aria2c's name only enable-rpc makes a server."""
    rpc = command.get("enable-rpc", conf.get("enable-rpc")) == "true"
    if compat:
        if not rpc and not uris and not command.get("input-file", conf.get("input-file")):
            raise UsageError("Specify at least one URL.", usage=True)
        return (Mode.SERVER if rpc else Mode.ONE_SHOT), rpc
    if uris or command.get("input-file"):
        return Mode.ONE_SHOT, rpc
    return Mode.SERVER, True


def awaited_protocol(uri: str) -> str:
    """The protocol that aria2 would use for ``uri`` and that is not there yet, '' if there is none such."""
    scheme, mark, _ = uri.lower().partition(":")
    if mark and scheme in ("http", "https"):
        return ""
    if mark and scheme in ("ftp", "sftp", "magnet"):
        return "BitTorrent" if scheme == "magnet" else scheme.upper()
    if uri.endswith((".torrent", ".metalink", ".meta4")):
        return "BitTorrent" if uri.endswith(".torrent") else "Metalink"
    return ""


def _check_uri(uri: str) -> None:
    """Raises UsageError for what nothing here can download, before anything starts."""
    scheme, mark, rest = uri.partition(":")
    if mark and ((scheme.lower() in ("http", "https") and rest.startswith("//")) or scheme == "spotify"):
        return
    waits = awaited_protocol(uri)
    shown = uri if uri.isprintable() else ascii(uri)[1:-1]
    raise UsageError(
        f"Unrecognized URI or unsupported protocol: {shown}" + (f" ({waits} is not there yet)" if waits else "")
    )


def _without_effect(given: Mapping[str, Normal]) -> list[str]:
    """One line about options that were given, differ from what happens anyway, and do nothing yet."""
    names = [
        name
        for name, value in given.items()
        if TABLE[name].state is State.ACCEPTED and value not in ("", TABLE[name].default, "false")
    ]
    if not names:
        return []
    return [f"Without effect yet: {', '.join(names)} (slasshy-rpc --help=NAME tells why)."]


def _information(mode: Mode, command: Mapping[str, Normal], *, compat: bool) -> str:
    from slasshy_rpc.options.help import help_text, version_text

    if mode is Mode.VERSION:
        return version_text(compat=compat)
    selector = command["help"]
    return help_text(
        selector if isinstance(selector, str) and selector else "#basic",
        program=program_name(compat=compat),
        compat=compat,
    )
