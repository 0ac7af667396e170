"""The command ``completion``: scripts for bash, zsh and fish, made from the option table.

Owns: their text. Never: a word that is not in the tables, or running anything when Tab is pressed.
"""

from __future__ import annotations

from collections.abc import Sequence
from shlex import quote

from slasshy_rpc.errors import UsageError
from slasshy_rpc.options.commands import COMMANDS, SHELLS
from slasshy_rpc.options.kinds import Path
from slasshy_rpc.options.table import TABLE, Option, State

#: What the value of an option is completed with, beside words.
_FILES, _FOLDERS = "files", "folders"


def completion(arguments: Sequence[str]) -> str:
    """The script for the shell that ``arguments`` name. Raises UsageError."""
    if len(arguments) != 1 or arguments[0] not in SHELLS:
        raise UsageError(f"completion needs a shell: slasshy-rpc completion {'|'.join(SHELLS)}")
    return {"bash": bash, "zsh": zsh, "fish": fish}[arguments[0]]()


def bash() -> str:
    """For bash 3.2 and newer; it needs nothing of the package bash-completion."""
    names = " ".join(f"--{row.name}{'=' if row.kind.argument == 'required' else ''}" for row in _rows())
    actions: dict[str, list[str]] = {}
    for row in _rows():
        words, place = _words(row), _place(row)
        if place:
            action = f"_slasshy_rpc_{place}; return ;;"
        elif words:
            action = f"words={quote(' '.join(words))} ;;"
        elif row.kind.argument == "required":
            action = "return ;;"
        else:
            continue
        actions.setdefault(action, []).extend(_forms(row))
    cases = "".join(f"        {'|'.join(forms)}) {action}\n" for action, forms in actions.items())
    optional = "|".join(form for row in _rows() if row.kind.argument != "required" for form in _forms(row))
    return f"""\
# bash completion of slasshy-rpc: eval "$(slasshy-rpc completion bash)"

_slasshy_rpc_files() {{
    local IFS=$'\\n'
    compopt -o filenames 2>/dev/null
    COMPREPLY=($(compgen -f -- "$cur"))
}}

_slasshy_rpc_folders() {{
    local IFS=$'\\n'
    compopt -o filenames 2>/dev/null
    COMPREPLY=($(compgen -d -- "$cur"))
}}

_slasshy_rpc() {{
    local cur=${{COMP_WORDS[COMP_CWORD]}} option= glued= words= command=${{COMP_WORDS[1]}}
    COMPREPLY=()
    # readline breaks words at =, unless the user has told it not to.
    if [[ $cur == --*=* ]]; then
        option=${{cur%%=*}} glued=$option= cur=${{cur#*=}}
    elif [[ $cur == = ]]; then
        option=${{COMP_WORDS[COMP_CWORD-1]}} cur=
    elif ((COMP_CWORD > 1)) && [[ ${{COMP_WORDS[COMP_CWORD-1]}} == = ]]; then
        option=${{COMP_WORDS[COMP_CWORD-2]}}
    elif ((COMP_CWORD > 1)) && [[ ${{COMP_WORDS[COMP_CWORD-1]}} == -* ]]; then
        option=${{COMP_WORDS[COMP_CWORD-1]}}
        case $option in
        {optional}) option= ;;
        esac
    fi
    case $option in
{cases}    esac
    if [[ -n $words ]]; then
        COMPREPLY=($(compgen -W "$words" -- "$cur"))
        [[ -z $glued ]] || COMPREPLY=("${{COMPREPLY[@]/#/$glued}}")
        return
    fi
    if ((COMP_CWORD == 1)) && [[ $cur != -* ]]; then
        COMPREPLY=($(compgen -W {quote(" ".join(COMMANDS))} -- "$cur"))
        return
    fi
    case $command in
        completion) COMPREPLY=($(compgen -W {quote(" ".join(SHELLS))} -- "$cur")); return ;;
        install-aria2c)
            if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W --force -- "$cur")); else _slasshy_rpc_folders; fi
            return ;;
        adopt) if [[ $cur != -* ]]; then _slasshy_rpc_files; return; fi ;;
    esac
    if [[ $cur == -* ]]; then
        COMPREPLY=($(compgen -W {quote(names)} -- "$cur"))
        [[ ${{#COMPREPLY[@]}} != 1 || ${{COMPREPLY[0]}} != *= ]] || compopt -o nospace 2>/dev/null
    fi
}}

complete -F _slasshy_rpc slasshy-rpc
"""


def zsh() -> str:
    """A function for $fpath."""
    specs = "".join(f"        {_zsh_spec(row)} \\\n" for row in _rows())
    commands = " ".join(quote(f"{name}:{command.summary}") for name, command in COMMANDS.items())
    return f"""\
#compdef slasshy-rpc
# zsh completion of slasshy-rpc: save it as _slasshy-rpc in a folder of $fpath.

_slasshy_rpc_first() {{
    local -a commands
    commands=({commands})
    _describe -t commands command commands
    _urls
}}

_slasshy_rpc_rest() {{
    if [[ ${{line[1]}} == adopt ]]; then _files; else _urls; fi
}}

_slasshy-rpc() {{
    local -a line
    case ${{words[2]}} in
    (completion) ((CURRENT == 3)) && compadd {" ".join(SHELLS)}; return ;;
    (install-aria2c) _arguments '--force[replace an aria2c that is there]' '*:folder:_files -/'; return ;;
    esac
    _arguments -S \\
{specs}        '1:command or URI:_slasshy_rpc_first' \\
        '*:URI:_slasshy_rpc_rest'
}}

if [[ $funcstack[1] == _slasshy-rpc ]]; then _slasshy-rpc "$@"; else compdef _slasshy-rpc slasshy-rpc; fi
"""


def fish() -> str:
    """A file for fish's folder of completions."""
    lines = ["# fish completion of slasshy-rpc", "complete -c slasshy-rpc -f"]
    first = "-n __fish_use_subcommand"
    lines += [f"complete -c slasshy-rpc {first} -a {name} -d {_fish(c.summary)}" for name, c in COMMANDS.items()]
    within = '-n "__fish_seen_subcommand_from {}"'
    lines.append(f"complete -c slasshy-rpc {within.format('completion')} -a {_fish(' '.join(SHELLS))}")
    lines.append(f"complete -c slasshy-rpc {within.format('adopt')} -F")
    lines.append(
        f"complete -c slasshy-rpc {within.format('install-aria2c')} -a '(__fish_complete_directories)' -l force "
        f"-d {_fish('Replace an aria2c that is there.')}"
    )
    for row in _rows():
        form = f"-l {row.name}" + (f" -s {row.short}" if row.short else "")
        value, place, words = "", _place(row), _words(row)
        if place == _FOLDERS:
            value = " -x -a '(__fish_complete_directories)'"
        elif place:
            value = " -r -F"
        elif words and row.kind.argument == "required":
            value = f" -x -a {_fish(' '.join(words))}"
        elif row.kind.argument == "required":
            value = " -x"
        lines.append(f"complete -c slasshy-rpc {form}{value} -d {_fish(_brief(row))}")
    return "\n".join(lines) + "\n"


def _rows() -> list[Option]:
    return [row for row in TABLE.values() if row.state is State.LIVE]


def _forms(row: Option) -> list[str]:
    return [f"--{row.name}", *([f"-{row.short}"] if row.short else [])]


def _words(row: Option) -> list[str]:
    """The words that its value may be; none where it is no choice among words."""
    if row.name == "help":
        from slasshy_rpc.options.help import TAGS

        return [f"#{tag}" for tag in TAGS]
    words = row.kind.values.split(", ")
    known = all(word.replace("-", "").replace(".", "").isalnum() and not word[0].isdigit() for word in words if word)
    return words if len(words) > 1 and known else []


def _place(row: Option) -> str:
    """Whether its value is a file or a folder; '' for neither."""
    if not isinstance(row.kind, Path):
        return ""
    return _FOLDERS if row.metavar == "DIR" else _FILES


def _brief(row: Option) -> str:
    """The first sentence of its help."""
    return row.help.split(". ")[0].rstrip(".")


def _fish(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _zsh_spec(row: Option) -> str:
    """One option for _arguments."""
    help = _brief(row).replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]").replace(":", "\\:")
    value = ""
    if row.kind.argument != "none":
        place, words = _place(row), _words(row)
        action = "_files -/" if place == _FOLDERS else "_files" if place else f"({' '.join(words)})" if words else ""
        mark = "::" if row.kind.argument == "optional" else ":"
        value = f"{mark}{(row.metavar or 'true|false').replace(':', chr(92) + ':')}:{action}"
    # Required values may be glued or the next word, optional ones are glued only.
    long = f"--{row.name}" + {"required": "=", "optional": "=-", "none": ""}[row.kind.argument]
    repeat = "*" if row.cumulative else ""
    if not row.short:
        return quote(f"{repeat}{long}[{help}]{value}")
    short = f"-{row.short}" + {"required": "+", "optional": "-", "none": ""}[row.kind.argument]
    if repeat:
        return f"{quote(f'*{short}[{help}]{value}')} {quote(f'*{long}[{help}]{value}')}"
    return f"{quote(f'(-{row.short} --{row.name})')}{{{short},{long}}}{quote(f'[{help}]{value}')}"
