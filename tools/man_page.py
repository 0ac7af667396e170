"""The man page, made from the tables of options and commands.

Owns: its text in man(7)'s macros. Never: facts that are not in a table, but for where files lie and what codes mean.
"""

from __future__ import annotations

from slasshy_rpc import __version__
from slasshy_rpc.options.commands import COMMANDS
from slasshy_rpc.options.help import TAGS, default_cell, option_values
from slasshy_rpc.options.table import TABLE, Option, State

#: aria2's exit codes that can happen here (aria2 manual, EXIT STATUS).
_CODES = (
    (0, "All downloads were complete."),
    (1, "Something else has failed."),
    (2, "A server was silent for too long."),
    (3, "A file was not found."),
    (5, "A download was slower than \\-\\-lowest\\-speed\\-limit."),
    (7, "Some downloads were not complete when it was told to end."),
    (8, "The server cannot continue a file where that was needed, or the file has changed."),
    (9, "The disk is full."),
    (13, "The file is there already."),
    (22, "The server's answer was bad or unexpected."),
    (24, "Authorization has failed."),
    (28, "An option was bad."),
    (29, "The server was overloaded."),
    (32, "The file does not have the digest that was given."),
)

#: Where a line may end though there is no blank.
_BREAK = "\\:"


def man_page() -> str:
    """docs/slasshy-rpc.1."""
    parts = [
        f'.TH SLASSHY\\-RPC 1 "" "slasshy\\-rpc {__version__}" "User Commands"',
        ".nh",
        ".ad l",  # some values are as long as a line
        ".SH NAME",
        "slasshy\\-rpc \\- a download server that speaks aria2's protocol",
        ".SH SYNOPSIS",
        ".B slasshy\\-rpc",
        "[\\fIOPTIONS\\fR] [\\fIURI\\fR]...",
        *(
            line
            for command in COMMANDS.values()
            for line in (".br", f".B slasshy\\-rpc {_text(command.name)}", _text(command.arguments))
        ),
        ".SH DESCRIPTION",
        "Without a URI and without an input file it is a server: it listens for JSON\\-RPC, XML\\-RPC and WebSocket",
        "calls as aria2 does, on 127.0.0.1 and ::1, port 6800. With them it downloads and exits. All URIs of a",
        "command line are mirrors of one file, unless \\fB\\-Z\\fR makes each a download of its own.",
        ".PP",
        "Started under the name \\fBaria2c\\fR, or with \\fB\\-\\-compat\\fR, it has aria2's defaults.",
        ".SH COMMANDS",
        "A command is the first word of the command line.",
    ]
    for command in COMMANDS.values():
        parts += [".TP", f".B {_text(command.name)} {_text(command.arguments)}", _text(command.summary)]
        parts += [line for paragraph in command.details for line in (".IP", _text(paragraph))]
        for flag, help in command.flags:
            parts += [".RS", ".TP", f".B {_text(flag)}", _text(help), ".RE"]
    parts += [
        ".SH OPTIONS",
        "An option may stand as \\fINAME=VALUE\\fR in the configuration file too. Without a value, one that is true or",
        "false is true.",
    ]
    rows = list(TABLE.values())
    for row in rows:
        if row.state is State.LIVE:
            parts += _option(row)
    parts += [".SS Without effect yet", _list(rows, State.ACCEPTED), ".SS Refused", _list(rows, State.REFUSED)]
    parts += [".SH EXIT STATUS"]
    for code, meaning in _CODES:
        parts += [".TP", f".B {code}", meaning]
    parts += [
        ".SH FILES",
        ".TP",
        ".I ~/.config/slasshy\\-rpc/slasshy\\-rpc.conf",
        "The configuration file; XDG_CONFIG_HOME is honoured.",
        ".TP",
        ".I ~/.local/state/slasshy\\-rpc",
        "What outlives the server; XDG_STATE_HOME is honoured.",
        ".TP",
        ".IR NAME .aria2",
        "Beside a file that is not complete: which parts of it are there.",
        ".SH SEE ALSO",
        ".BR aria2c (1)",
    ]
    return "\n".join(parts) + "\n"


def _option(row: Option) -> list[str]:
    value = f"\\fI{_text(row.metavar or 'true|false')}\\fR"
    if row.kind.argument == "optional":
        value = f"[={value}]"
    elif row.kind.argument == "required":
        value = f"={value}"
    else:
        value = ""
    form = f"\\fB\\-\\-{_text(row.name)}\\fR{value}"
    if row.short:
        form = f"\\fB\\-{row.short}\\fR, {form}"
    lines = [".TP", form, _text(row.help)]
    facts = []
    values = ", ".join(f"#{tag}" for tag in TAGS) if row.name == "help" else option_values(row)
    if values:
        facts.append(f"Values: {_text(values).replace('|', '|' + _BREAK)}.")
    ours, theirs = default_cell(row, compat=False), default_cell(row, compat=True)
    if ours or theirs:
        other = "" if ours == theirs else f" (aria2c: {_text(theirs or 'none')})"
        facts.append(f"Default: {_text(ours or 'none')}{other}.")
    return [*lines, *([".br", " ".join(facts)] if facts else [])]


def _list(rows: list[Option], state: State) -> str:
    names = [f"\\fB\\-\\-{_text(row.name)}\\fR" for row in rows if row.state is state]
    return ",\n".join(names) + "." if names else "None."


def _text(words: str) -> str:
    """Plain words as roff has them: no hyphen becomes another character, and no line begins with a control."""
    text = words.replace("\\", "\\e").replace("`", "").replace("-", "\\-").replace("~", "\\(ti").replace("^", "\\(ha")
    return "\\&" + text if text.startswith((".", "'")) else text
