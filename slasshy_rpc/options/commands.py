"""The words that may stand first on slasshy-rpc's command line and are commands then, not URIs.

Owns: how each is called and what it does, in one line, for help, man page and completion. Never: doing it.
"""

from __future__ import annotations

from typing import NamedTuple


class Command(NamedTuple):
    """``arguments`` is what follows the word; ``details`` are paragraphs for its own help and the man page.

    ``options``: whether the options of the table may follow too. ``flags`` are its own, each with its help.
    """

    name: str
    arguments: str
    summary: str
    details: tuple[str, ...]
    options: bool = False
    flags: tuple[tuple[str, str], ...] = ()


COMMANDS: dict[str, Command] = {
    command.name: command
    for command in (
        Command(
            "get",
            "URI... [OPTIONS]",
            "Download and show which parts of each file are there.",
            (
                "Every URI is a file of its own; with --force-sequential=false they are mirrors of one. Options are "
                "those of slasshy-rpc. Nothing listens, and the exit code is that of a download without a command.",
                "On a terminal each file has a strip: what is there, what each connection has brought of its part, "
                "and what is missing. Elsewhere there is a plain line for each file every five seconds. NO_COLOR is "
                "honoured. Ctrl-C ends in good order, and the same command goes on from there.",
            ),
            options=True,
        ),
        Command(
            "adopt",
            "FILE URI [OPTIONS]",
            "Go on with a file that another program has begun.",
            (
                "FILE is what curl, wget, a browser or another program has left: its first bytes, without holes. "
                "Before it is believed, at least eight windows of 16 KiB in it, the last one among them, are compared "
                "with what the server has. Zeros, such as a program leaves where it has reserved room, are compared "
                "too; where they are not the server's, the file counts up to there only.",
                "Then the file gets its final name (--out, else its own without .part, .crdownload and the like) in "
                "its folder or in --dir, which must be on the same file system, and the download goes on as any "
                "other. Nothing that has that name already is touched, and FILE is left as it is if anything differs, "
                "if it is longer than what the server has, or if the server has no ranges.",
            ),
            options=True,
        ),
        Command(
            "install-aria2c",
            "DIR [--force]",
            "Put the name aria2c into DIR, for programs that call it.",
            (
                "What is written there starts this very slasshy-rpc under aria2c's name. An aria2c that is there "
                "already and was not written by this command stays, unless --force is given. Delete the file to "
                "undo it.",
            ),
            flags=(("--force", "Replace an aria2c that is there."),),
        ),
        Command(
            "doctor",
            "",
            "Say what is there for media and TLS, and what is missing.",
            (
                "That is yt-dlp and how old it is, the JavaScript runtime that it uses, ffmpeg, and the TLS library. "
                "Nothing is changed or installed.",
            ),
        ),
        Command(
            "completion",
            "bash|zsh|fish",
            "Print a script that completes options in that shell.",
            (
                'bash: eval "$(slasshy-rpc completion bash)" in ~/.bashrc. zsh: save it as _slasshy-rpc in a folder '
                "of $fpath. fish: save it as ~/.config/fish/completions/slasshy-rpc.fish.",
            ),
        ),
    )
}

#: The shells that ``completion`` knows.
SHELLS = ("bash", "zsh", "fish")


def listing() -> str:
    """The part of --help about commands."""
    lines = "".join(f" {command.name:<16}{command.summary}\n" for command in COMMANDS.values())
    return f"Commands (slasshy-rpc COMMAND --help tells more):\n{lines}"


def command_help(command: Command) -> str:
    """What ``COMMAND --help`` prints."""
    import textwrap

    text = f"Usage: slasshy-rpc {command.name} {command.arguments}".rstrip() + f"\n{command.summary}\n"
    for paragraph in command.details:
        text += "\n" + textwrap.fill(paragraph, 79, break_on_hyphens=False, break_long_words=False) + "\n"
    for flag, help in command.flags:
        text += f"\n {flag:<16}{help}\n"
    if command.options:
        text += "\nslasshy-rpc -h#all lists all options.\n"
    return text
