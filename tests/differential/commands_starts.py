"""Invocations: conf files, the environment, --version and --help."""

from __future__ import annotations

from tests.differential.command import Case

CONF = "~/.aria2/aria2.conf"
XDG = "~/.config/aria2/aria2.conf"


def conf(name: str, text: str | bytes, line: str = "<o>/a.bin", path: str = "x.conf", **more: object) -> Case:
    """A case with a conf file that is named."""
    return Case(f"starts/{name}", f"--conf-path={path} {line}", files={path: text}, **more)  # type: ignore[arg-type]


CASES = (
    conf("conf", "dir=sub\nout=x.bin\n"),
    conf("conf with blanks", "  dir = sub  \n\tout\t=\tx.bin\n"),
    conf("conf with CRLF", "dir=sub\r\nout=x.bin\r\n"),
    conf("conf with comments", "# dir=one\ndir=sub # two\n  # dir=three\n"),
    conf("conf with a bare name", "quiet\ndir=sub\n"),
    conf("conf with an empty value", "out=\ndir=sub\n"),
    conf("conf, the last line wins", "dir=one\ndir=sub\n"),
    conf("conf with headers", "header=X-One: 1\nheader=X-Two: 2\n", "--header='X-Three: 3' <o>/a.bin",
         headers=("x-one", "x-two", "x-three")),
    conf("conf and the command line", "out=x.bin\nuser-agent=conf\n", "-o y.bin <o>/a.bin", headers=("user-agent",)),
    conf("conf with an unknown name", "no-such=1\ndir=sub\n"),
    conf("conf with a short name", "d=sub\n"),
    conf("conf with a beginning", "max-conn=4\ndir=sub\n"),
    conf("conf with a bad value", "dir=sub\nsplit=0\n"),
    conf("conf with a bad word", "file-allocation=maybe\n"),
    conf("conf with quotes", 'dir="sub"\n'),
    conf("conf with a backslash", "dir=two\\ words\n"),
    conf("conf with ${HOME}", "dir=${HOME}/sub\n"),
    conf("conf with a byte order mark", b"\xef\xbb\xbfdir=sub\nout=x.bin\n"),
    conf("conf of nothing", ""),
    conf("conf with two dashes", "--dir=sub\n"),
    conf("conf with conf-path", "conf-path=y.conf\ndir=sub\n"),
    conf("conf with an input file", "input-file=list.txt\n", "", wire=""),
    conf("conf without a URI", "dir=sub\n", ""),
    conf("conf with --no-conf", "dir=sub\n", "--no-conf <o>/a.bin"),
    Case("starts/conf with an input file that is there", "--conf-path=x.conf",
         files={"x.conf": "input-file=list.txt\nmax-concurrent-downloads=1\n", "list.txt": "<o>/a.bin\n<o>/b.bin\n"}),
    Case("starts/conf that is not there", "--conf-path=none.conf <o>/a.bin"),
    Case("starts/conf that is not there, --no-conf", "--no-conf --conf-path=none.conf <o>/a.bin"),
    Case("starts/conf that is a folder", "--conf-path=sub <o>/a.bin", files={"sub/": ""}),
    Case("starts/the user's conf", "<o>/a.bin", files={CONF: "dir=sub\n"}),
    Case("starts/the user's conf in .config", "<o>/a.bin", files={XDG: "dir=sub\n"}),
    Case("starts/the user's conf in both", "<o>/a.bin", files={CONF: "dir=one\n", XDG: "dir=two\n"}),
    Case("starts/the user's conf, --no-conf", "--no-conf <o>/a.bin", files={CONF: "dir=sub\n"}),
    Case("starts/the user's conf, --no-conf=true", "--no-conf=true <o>/a.bin", files={CONF: "dir=sub\n"}),
    Case("starts/the user's conf is bad", "<o>/a.bin", files={CONF: "split=0\n"}),
    Case("starts/XDG_CONFIG_HOME", "<o>/a.bin", files={"~/x/aria2/aria2.conf": "dir=sub\n"},
         environment={"XDG_CONFIG_HOME": "<home>/x"}),
    Case("starts/XDG_CONFIG_HOME is relative", "<o>/a.bin", files={"x/aria2/aria2.conf": "dir=sub\n"},
         environment={"XDG_CONFIG_HOME": "x"}),
    Case("starts/no home", "<o>/a.bin", environment={"HOME": ""}),
    Case("starts/LANG=C", "-o 'näme ✓.bin' <o>/a.bin", environment={"LC_ALL": "C"}),
    Case("starts/--version after a bad option", "--no-such --version"),
)  # fmt: skip
