"""Invocations with an input file: what its lines may hold, and what becomes of them."""

from __future__ import annotations

from tests.differential.command import Case, Served
from tests.support.behaviour import Behaviour

MISSING = {"/gone": Served(behaviour=Behaviour(status=404))}
TWO = "<o>/a.bin\n<o>/b.bin\n"
SHA1 = "sha-1=0000000000000000000000000000000000000000"


def listed(name: str, text: str, line: str = "-j1 -i list.txt", **more: object) -> Case:
    """A case whose input file is ``text``."""
    return Case(f"lists/{name}", line, files={"list.txt": text}, **more)  # type: ignore[arg-type]


CASES = (
    listed("two lines", TWO),
    listed("at once", TWO, "-i list.txt -j5", wire="sorted"),
    listed("--input-file=", TWO, "-j1 --input-file=list.txt"),
    listed("glued", TWO, "-j1 -ilist.txt"),
    listed("and a URI", "<o>/b.bin\n", "-j1 -i list.txt <o>/a.bin"),
    listed("-o is not for them", TWO, "-j1 -i list.txt -o name.bin"),
    listed("-d is for them", TWO, "-j1 -i list.txt -d sub"),
    listed("options of their own", "<o>/a.bin\n out=one.bin\n dir=sub\n<o>/b.bin\n  out=two.bin\n"),
    listed("a TAB before options", "<o>/a.bin\n\tout=one.bin\n"),
    listed("blanks around =", "<o>/a.bin\n out = one.bin \n"),
    listed("CRLF", "<o>/a.bin\r\n out=one.bin\r\n\r\n<o>/b.bin\r\n"),
    listed("no line end", "<o>/a.bin\n out=one.bin"),
    listed("comments", "# first\n<o>/a.bin\n# between\n out=one.bin\n#<o>/b.bin\n"),
    listed("an indented comment", "<o>/a.bin\n # between\n out=one.bin\n"),
    listed("empty lines", "\n\n<o>/a.bin\n\n out=one.bin\n\n\n<o>/b.bin\n"),
    listed("mirrors", "<closed>/a.bin\t<o>/a.bin\t\n out=one.bin\n", "-s1 -i list.txt", wire="paths"),
    listed("two blanks are no TAB", "<o>/a.bin  <o>/b.bin\n", wire=""),
    listed("an option without a URI", " out=one.bin\n<o>/a.bin\n"),
    listed("an unknown option", "<o>/a.bin\n no-such=1\n out=one.bin\n"),
    listed("an option that is not for entries", "<o>/a.bin\n max-concurrent-downloads=1\n out=one.bin\n"),
    listed("a bad value", "<o>/a.bin\n split=0\n"),
    listed("a bad value further down", "<o>/a.bin\n<o>/b.bin\n split=0\n", wire=""),
    listed("no URI", "nothing of the kind\n<o>/a.bin\n"),
    listed("a path", "/none/at/all\n<o>/a.bin\n"),
    listed("only what is no URI", "nothing of the kind\n"),
    listed("a strange scheme", "foo://127.0.0.1/x\n<o>/a.bin\n"),
    listed("a lost one", "<o>/gone\n<o>/a.bin\n", serves=MISSING),
    listed("a lost one at the end", "<o>/a.bin\n<o>/gone\n", serves=MISSING),
    listed("the same twice", "<o>/a.bin\n<o>/a.bin\n"),
    listed("gid", "<o>/a.bin\n gid=00000000000000aa\n"),
    listed("a bad gid", "<o>/a.bin\n gid=x\n<o>/b.bin\n"),
    listed("a gid twice", "<o>/a.bin\n gid=00000000000000aa\n<o>/b.bin\n gid=00000000000000aa\n"),
    listed("headers", "<o>/a.bin\n header=X-One: 1\n header=X-Two: 2\n", headers=("x-one", "x-two")),
    listed("headers beside the command line's", "<o>/a.bin\n header=X-One: 1\n<o>/b.bin\n",
           "-j1 -i list.txt --header='X-All: 0'", headers=("x-one", "x-all")),
    listed("a user agent of its own", "<o>/a.bin\n user-agent=mine\n<o>/b.bin\n", headers=("user-agent",)),
    listed("a checksum of its own", f"<o>/a.bin\n checksum={SHA1}\n<o>/b.bin\n"),
    listed("pause without RPC", "<o>/a.bin\n pause=true\n"),
    listed("no ASCII in out", "<o>/a.bin\n out=näme ✓.bin\n"),
    listed("out is absolute", "<o>/a.bin\n out=<dir>/sub/one.bin\n"),
    listed("out in a folder", "<o>/a.bin\n out=deep/er/one.bin\n"),
    listed("parameterized", "<o>/{a,b}.bin\n", "-P -j1 -s1 -i list.txt", wire=""),
    listed("parameterized and -Z", "<o>/{a,b}.bin\n", "-P -Z -j1 -s1 -i list.txt", wire=""),
    listed("-Z makes one of each mirror", "<o>/a.bin\t<o>/b.bin\n", "-Z -j1 -s1 -i list.txt", wire=""),
    listed("dry run", TWO, "--dry-run -j1 -i list.txt"),
    listed("dry run, one lost", "<o>/a.bin\n<o>/gone\n", "--dry-run=true -j1 -i list.txt", serves=MISSING),
    listed("saved again", "<o>/gone\n<o>/a.bin\n out=one.bin\n", "-j1 -i list.txt --save-session=left.session",
           serves={"/gone": Served(behaviour=Behaviour(status=403))}),
    listed("saved over itself", "<o>/gone\n out=one.bin\n split=3\n<o>/a.bin\n",
           "-j1 -i list.txt --save-session=list.txt", serves={"/gone": Served(behaviour=Behaviour(status=403))}),
    Case("lists/standard input", "-j1 -i -", stdin=TWO),
    Case("lists/standard input with options", "-j1 --input-file=-", stdin="<o>/a.bin\n\tout=one.bin\n\tdir=sub\n"),
    Case("lists/a byte order mark", "-j1 -i list.txt", files={"list.txt": b"\xef\xbb\xbf<o>/a.bin\n<o>/b.bin\n"}),
    Case("lists/no UTF-8", "-j1 -i list.txt", files={"list.txt": b"<o>/a.bin\n out=\xff.bin\n"}),
    Case("lists/compressed", "-j1 -i list.gz", files={"list.gz": TWO}),
)  # fmt: skip
