"""Help in words, made from the option table: --help, --version and the page of the documentation.

Owns: how rows are printed. Never: texts of single options, which stand in the table.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from slasshy_rpc import __version__
from slasshy_rpc.options.commands import listing
from slasshy_rpc.options.table import TABLE, Option, Scope, State

#: The version of aria2 whose behaviour is kept, and what front ends are told.
ARIA2_VERSION = "1.37.0"

#: What works of aria2's features, under aria2's names.
FEATURES = ("HTTPS", "Message Digest", "XML-RPC")
HASH_ALGORITHMS = ("sha-1", "sha-224", "sha-256", "sha-384", "sha-512", "md5", "adler32")

#: aria2's tags in its order, then ours.
TAGS = (
    *("basic", "advanced", "http", "https", "ftp", "metalink", "bittorrent", "cookie", "hook", "file", "rpc"),
    *("checksum", "experimental", "deprecated", "help", "slasshy", "all"),
)
_COLUMN = 30
_WIDTH = 79


def version_text(*, compat: bool) -> str:
    """What ``--version`` prints. Under aria2c's name its version comes first, because programs read it."""
    if not compat:
        return f"slasshy-rpc {__version__} (keeps to aria2 {ARIA2_VERSION})\n"
    return (
        f"aria2 version {ARIA2_VERSION}\n"
        f"This is slasshy-rpc {__version__}, which behaves as that version does.\n\n"
        "** Configuration **\n"
        f"Enabled Features: {', '.join(FEATURES)}\n"
        f"Hash Algorithms: {', '.join(HASH_ALGORITHMS)}\n"
    )


def usage(program: str) -> str:
    """The one line that says how the command is called."""
    return f"Usage: {program} [OPTIONS] [URI]...\n"


def help_text(selector: str, *, program: str, compat: bool) -> str:
    """What ``--help`` prints for a tag with #, or for the options whose name contains ``selector``."""
    text = usage(program)
    if selector.startswith("#"):
        text += "" if compat else listing()
        tag = selector[1:]
        rows = [row for row in TABLE.values() if tag == "all" or tag in row.tags]
        if not rows:
            return f"{text}No options are tagged with '{selector}'. Tags: {_tags(TAGS)}\n"
        text += "All options.\n" if tag == "all" else f"Options tagged with '{selector}'.\n"
        text += f"'{program} -h#help' shows all tags, '{program} -h#all' all options.\n"
    else:
        rows = [row for row in TABLE.values() if selector in row.name]
        if not rows:
            return f"{text}No option has '{selector}' in its name.\n"
        text += f"Options with '{selector}' in their name.\n"
    return f"{text}Options:\n{''.join(option_help(row, compat=compat) for row in rows)}"


def option_help(option: Option, *, compat: bool) -> str:
    """One option: its forms, what it does, its values and default, and whether it has an effect."""
    head = f" -{option.short}, --{option.name}" if option.short else f" --{option.name}"
    value = option.metavar or "true|false"
    if option.kind.argument == "optional":
        head += f"[={value}]"
    elif option.kind.argument == "required":
        head += f"={value}"
    lines = textwrap.wrap(option.help, _WIDTH - _COLUMN, break_on_hyphens=False)
    first = f"{head.ljust(_COLUMN - 1)} {lines[0]}\n" if len(head) < _COLUMN else f"{head}\n"
    rest = lines[1:] if len(head) < _COLUMN else lines
    text = first + "".join(f"{' ' * _COLUMN}{line}\n" for line in rest)
    facts = []
    if option.reason:
        facts.append(f"{'Refused' if option.state is State.REFUSED else 'No effect yet'}: {option.reason}.")
    if values := option_values(option, compat=compat):
        facts.append(f"Possible Values: {values}")
    default = option.compat_default if compat else option.default
    if default is not None:
        facts.append(f"Default: {_readable(option, default if isinstance(default, str) else default())}")
    facts.append(f"Tags: {_tags(option.tags)}")
    wrapped = (line for fact in facts for line in textwrap.wrap(fact, _WIDTH - _COLUMN, break_on_hyphens=False))
    return text + "\n" + "".join(f"{' ' * _COLUMN}{line}\n" for line in wrapped) + "\n"


def markdown() -> str:
    """The page docs/options.md: every row of the table, those without effect with the reason."""
    rows = list(TABLE.values())
    text = (
        "# Options\n\n"
        "Made from the option table by `python -m slasshy_rpc.options.help`; do not edit. Each option may stand on\n"
        "the command line as `--name=value` and in the conf file as `name=value`. *aria2* is the default under\n"
        "aria2c's name or with `--compat`. *RPC* tells where else it may be set: **n** in addUri and in input files,\n"
        "**w** in changeOption (a running download is restarted for it), **a** in changeOption at once, **g** in\n"
        "changeGlobalOption.\n"
    )
    text += (
        "\n## With effect\n\n"
        "| option | values | default | aria2 | RPC | what it does |\n| --- | --- | --- | --- | --- | --- |\n"
    )
    for row in rows:
        if row.state is State.LIVE:
            cells = (
                _form(row),
                option_values(row, compat=False),
                default_cell(row, compat=False),
                default_cell(row, compat=True),
            )
            text += _line((*cells, _scopes(row), row.help))
    text += (
        "\n## Refused\n\nGiving one of these is an error, because going on without it would surprise.\n\n"
        "| option | what it would do | why not |\n| --- | --- | --- |\n"
    )
    text += "".join(_line((_form(row), row.help, row.reason)) for row in rows if row.state is State.REFUSED)
    text += (
        "\n## Without effect yet\n\nThese are checked, shown by getOption and saved, and change nothing.\n\n"
        "| option | values | what it would do | why not |\n| --- | --- | --- | --- |\n"
    )
    for row in rows:
        if row.state is State.ACCEPTED:
            text += _line((_form(row), option_values(row, compat=False), row.help, row.reason))
    return text


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|').replace('*', chr(92) + '*') for cell in cells)} |\n"


def _form(option: Option) -> str:
    return f"`--{option.name}`" + (f" `-{option.short}`" if option.short else "")


def option_values(option: Option, *, compat: bool = False) -> str:
    """What its value may be, in the words of the documentation."""
    if option.name == "help":
        return ", ".join(f"#{tag}" for tag in TAGS)
    return (option.compat_kind if compat else option.kind).values


def _readable(option: Option, value: str) -> str:
    """Sizes in M or K where they are whole, as the manual writes them."""
    if type(option.kind).__name__ == "Size" and value != "0":
        number = int(value)
        for unit, letter in ((1 << 20, "M"), (1 << 10, "K")):
            if number % unit == 0:
                return f"{number // unit}{letter}"
    return value


def default_cell(option: Option, *, compat: bool) -> str:
    """A default for the documentation, which must not depend on the machine that made it."""
    default = option.compat_default if compat else option.default
    if option.name in _PLACES:
        return _PLACES[option.name][compat]
    return _readable(option, default) if isinstance(default, str) else ""


_PLACES = {
    "dir": ("the working folder",) * 2,
    "netrc-path": ("`~/.netrc`",) * 2,
    "conf-path": ("`$XDG_CONFIG_HOME/slasshy-rpc/slasshy-rpc.conf`", "`~/.aria2/aria2.conf` or below `~/.config`"),
    "user-agent": ("slasshy-rpc/VERSION", f"aria2/{ARIA2_VERSION}"),
    "state-dir": ("`$XDG_STATE_HOME/slasshy-rpc`",) * 2,
}


def _scopes(option: Option) -> str:
    letters = (("n", Scope.NEW), ("w", Scope.WAITING), ("a", Scope.ACTIVE), ("g", Scope.GLOBAL))
    return "".join(letter for letter, scope in letters if scope in option.scope)


def _tags(tags: Iterable[str]) -> str:
    return ", ".join(f"#{tag}" for tag in tags)


if __name__ == "__main__":
    print(markdown(), end="")
