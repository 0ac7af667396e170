"""Invocations: what servers answer and ask for: statuses, redirects, passwords, cookies, and the headers they get."""

from __future__ import annotations

from collections.abc import Iterable

from tests.differential.command import Case, Served
from tests.support.behaviour import Behaviour, first

STATUSES = (204, 304, 400, 401, 403, 404, 407, 408, 410, 416, 429, 451, 500, 501, 502, 503, 504)
STATUSED = {f"/s{status}": Served(behaviour=Behaviour(status=status)) for status in STATUSES}
MOVED = {f"/r{status}": Served(behaviour=Behaviour(redirect="a.bin", redirect_status=status))
         for status in (300, 301, 302, 303, 307, 308)}  # fmt: skip
BODIES = {
    "/http10": Served(behaviour=Behaviour(http10=True)),
    "/no-length": Served(behaviour=Behaviour(framing="close")),
    "/chunked": Served(behaviour=Behaviour(framing="chunked")),
    "/compressed": Served(behaviour=Behaviour(gzip=True)),
}
GUARDED = {"/a.bin": Served(behaviour=Behaviour(basic_auth=("u", "p")))}
JAR = (
    "# Netscape HTTP Cookie File\n"
    "127.0.0.1\tFALSE\t/\tFALSE\t4000000000\tkept\t1\n"
    "127.0.0.1\tFALSE\t/\tFALSE\t0\tsession\t2\n"
    "127.0.0.1\tFALSE\t/\tFALSE\t1\told\t3\n"
    "127.0.0.1\tFALSE\t/elsewhere\tFALSE\t0\tpath\t4\n"
    "127.0.0.1\tFALSE\t/\tTRUE\t0\tsecure\t5\n"
    "other.example\tTRUE\t/\tFALSE\t0\thost\t6\n"
    "#HttpOnly_127.0.0.1\tFALSE\t/\tFALSE\t0\thttponly\t7\n"
    "127.0.0.1\tFALSE\t/\tFALSE\t\tempty\t8\n"
    "broken line\n"
)
NETRC = "machine 127.0.0.1\nlogin u\npassword p\n"


def each(paths: Iterable[str]) -> str:
    """Words that download these paths one after the other."""
    return "-Z -j1 " + " ".join(f"<o>{path}" for path in paths)


def netrc(name: str, line: str, text: str = NETRC, mode: int = 0o600, path: str = "~/.netrc") -> Case:
    """A case with a .netrc and a server that asks for a password."""
    return Case(f"answers/{name}", line, files={path: (text, mode)}, serves=GUARDED, headers=("authorization",))


def redirected(name: str, to: str, status: int = 302, **more: object) -> Case:
    """A case that is sent elsewhere."""
    behaviour = Behaviour(redirect=to, redirect_status=status)
    return Case(f"answers/{name}", "<o>/r.bin", serves={"/r.bin": Served(behaviour=behaviour)}, **more)  # type: ignore[arg-type]


CASES = (
    Case("answers/statuses", f"-m1 {each(STATUSED)}", serves=STATUSED),
    Case("answers/301 without a place", "-m1 <o>/s.bin", serves={"/s.bin": Served(behaviour=Behaviour(status=301))}),
    Case("answers/refused", "-m1 <closed>/a.bin"),
    Case("answers/no answer", "-m1 <o>/n.bin", serves={"/n.bin": Served(behaviour=Behaviour(raw=b""))}),
    Case("answers/no HTTP", "-m1 <o>/n.bin", serves={"/n.bin": Served(behaviour=Behaviour(raw=b"hello\r\n\r\n"))}),
    Case("answers/too short a body", "-m1 <o>/n.bin",
         serves={"/n.bin": Served(300_000, behaviour=Behaviour(fail_after=100_000))}, wire=""),
    Case("answers/bodies", each(BODIES), serves=BODIES),
    # ---- redirects
    Case("answers/redirects", each(MOVED), serves=MOVED),
    redirected("to an absolute URL", "/0000/none"),
    redirected("without a place", "", 302),
    redirected("to itself", "r.bin", wire="paths"),
    redirected("to another scheme", "foo://127.0.0.1/x"),
    redirected("to a file", "file:///etc/hostname"),
    redirected("with blanks", "with blank.bin"),
    # ---- passwords
    Case("answers/--http-user", "--http-user=u --http-passwd=p <o>/a.bin", serves=GUARDED, headers=("authorization",)),
    Case("answers/--http-user, wrong", "--http-user=u --http-passwd=x <o>/a.bin", serves=GUARDED,
         headers=("authorization",)),
    Case("answers/--http-user alone", "--http-user=u <o>/a.bin", serves=GUARDED, headers=("authorization",)),
    Case("answers/--http-auth-challenge", "--http-auth-challenge=true --http-user=u --http-passwd=p <o>/a.bin",
         serves=GUARDED, headers=("authorization",)),
    Case("answers/--http-auth-challenge, not asked", "--http-auth-challenge --http-user=u --http-passwd=p <o>/a.bin",
         headers=("authorization",)),
    Case("answers/no password", "<o>/a.bin", serves=GUARDED, headers=("authorization",)),
    netrc(".netrc", "<o>/a.bin"),
    netrc(".netrc that others may read", "<o>/a.bin", mode=0o644),
    netrc(".netrc in one line", "<o>/a.bin", "machine 127.0.0.1 login u password p"),
    netrc(".netrc with default", "<o>/a.bin", "default login u password p\n"),
    netrc(".netrc for another host", "<o>/a.bin", "machine localhost login u password p\n"),
    netrc("-n", "-n <o>/a.bin"),
    netrc("--no-netrc=false", "--no-netrc=false <o>/a.bin"),
    netrc("--netrc-path", "--netrc-path=<dir>/mine.conf <o>/a.bin", path="mine.conf"),
    netrc("--netrc-path that is not there", "--netrc-path=<dir>/none <o>/a.bin"),
    netrc(".netrc loses against --http-user", "--http-user=x --http-passwd=y <o>/a.bin"),
    # ---- cookies
    Case("answers/--load-cookies", "--load-cookies=jar.txt <o>/a.bin", files={"jar.txt": JAR}, headers=("cookie",)),
    Case("answers/--load-cookies of nothing", "--load-cookies=jar.txt <o>/a.bin", files={"jar.txt": ""},
         headers=("cookie",)),
    Case("answers/--save-cookies", "--save-cookies=jar.txt <o>/c.bin",
         serves={"/c.bin": Served(behaviour=Behaviour(set_cookies=("a=1", "b=2; Path=/", "c=3; Secure")))}),
    Case("answers/--save-cookies with dates", "--save-cookies=jar.txt <o>/c.bin",
         serves={"/c.bin": Served(behaviour=Behaviour(
             set_cookies=("a=1; Path=/; Expires=Fri, 31 Dec 2060 23:59:59 GMT", "b=2; Path=/; Max-Age=0")))}),
    Case("answers/--save-cookies of what was loaded", "--load-cookies=in.txt --save-cookies=jar.txt <o>/a.bin",
         files={"in.txt": JAR}),
    Case("answers/--save-cookies in no folder", "--save-cookies=none/jar.txt <o>/a.bin"),
    Case("answers/a cookie for the next one", "-Z -j1 <o>/c.bin <o>/a.bin", headers=("cookie",),
         serves={"/c.bin": Served(behaviour=Behaviour(set_cookies=("a=1; Path=/",)))}),
    # ---- headers
    Case("answers/--header", "--header='X-One: 1' --header 'X-Two: 2' <o>/a.bin", headers=("*",)),
    Case("answers/--header twice the same", "--header='X-One: 1' --header 'X-One: 2' <o>/a.bin", headers=("*",)),
    Case("answers/--header Accept", "--header='Accept: */*' <o>/a.bin", headers=("*",)),
    Case("answers/--header User-Agent", "--header='User-Agent: mine/1' <o>/a.bin", headers=("*",)),
    Case("answers/--header Host", "--header='Host: there.example' <o>/a.bin", headers=("host",)),
    Case("answers/--header Cookie", "--header='Cookie: a=b; c=d' <o>/a.bin", headers=("cookie",)),
    Case("answers/--header Authorization", "--header='Authorization: Bearer t' <o>/a.bin", headers=("authorization",)),
    Case("answers/--header without a value", "--header='X-One:' <o>/a.bin", headers=("*",)),
    Case("answers/--header without a colon", "--header='X-One' <o>/a.bin"),
    Case("answers/-U", "-U mine/2 <o>/a.bin", headers=("user-agent",)),
    Case("answers/--user-agent=", "--user-agent= <o>/a.bin", headers=("user-agent",)),
    Case("answers/--referer", "--referer=http://there.example/ <o>/a.bin", headers=("referer",)),
    Case("answers/--referer=*", "--referer='*' <o>/a.bin", headers=("referer",)),
    Case("answers/--referer and a redirect", "--referer='*' <o>/r.bin", headers=("referer",),
         serves={"/r.bin": Served(behaviour=Behaviour(redirect="a.bin"))}),
    Case("answers/--http-no-cache", "--http-no-cache <o>/a.bin", headers=("*",)),
    Case("answers/--no-http-keep-alive", "--enable-http-keep-alive=false -Z -j1 <o>/a.bin <o>/b.bin", headers=("*",)),
    Case("answers/yt-dlp's headers", "--header 'User-Agent: Mozilla/5.0' --header 'Accept: text/html,*/*;q=0.8' "
         "--header 'Accept-Language: en-us,en;q=0.5' --header 'Sec-Fetch-Mode: navigate' <o>/a.bin", headers=("*",)),
    Case("answers/a cookie is asked for", "-m1 --header='Cookie: k=v' <o>/a.bin",
         serves={"/a.bin": Served(behaviour=Behaviour(need_cookie="k=v"))}),
    Case("answers/a second try brings it", "<o>/n.bin",
         serves={"/n.bin": Served(behaviour=first(1, Behaviour(raw=b"")))}),
)  # fmt: skip
