"""Invocations: what is printed, where and how, log files, and the commands of --on-download-*."""

from __future__ import annotations

import signal

from tests.differential.command import Case, Served
from tests.support.behaviour import Behaviour

MIB = 1 << 20
HELD = {"/h.bin": Served(3 * MIB, behaviour=Behaviour(hold_at=MIB + MIB // 2))}
TWO_HELD = {**HELD, "/i.bin": Served(2 * MIB, behaviour=Behaviour(hold_at=MIB))}
UNKNOWN = {"/h.bin": Served(3 * MIB, behaviour=Behaviour(hold_at=MIB, framing="chunked"))}
TELL = '#!/bin/sh\necho "$0 $# <$1> <$2> <$3>" >> calls.said\n'
HOOKS = {f"{name}.sh": (TELL, 0o755) for name in ("start", "pause", "stop", "complete", "error")}


def hooked(name: str, hooks: str, uri: str = "<o>/a.bin", **more: object) -> Case:
    """A case whose hooks append their arguments to calls.said."""
    line = " ".join(f"--on-download-{hook}=<dir>/{hook}.sh" for hook in hooks.split())
    return Case(f"console/{name}", f"{line} {uri}", files=HOOKS, **more)  # type: ignore[arg-type]


CASES = (
    Case("console/-q", "-q <o>/a.bin"),
    Case("console/-q and an error", "-q <o>/gone"),
    Case("console/--quiet=true and a log", "--quiet=true --log=a.log <o>/a.bin"),
    *(Case(f"console/--console-log-level={level}", f"--console-log-level={level} <o>/a.bin")
      for level in ("warn", "error")),
    *(Case(f"console/--console-log-level={level} and an error", f"--console-log-level={level} <o>/gone")
      for level in ("warn", "error")),
    *(Case(f"console/--download-result={form}", f"--download-result={form} <o>/a.bin")
      for form in ("default", "full", "hide")),
    Case("console/--download-result=full of several", "-Z -j1 --download-result=full <o>/a.bin <o>/gone <o>/b.bin"),
    Case("console/--download-result=full of a part", "--stop=2 --download-result=full <o>/h.bin", serves=HELD),
    Case("console/a table of several", "-Z -j1 <o>/a.bin <o>/gone <o>/b.bin"),
    Case("console/a table of what waits", "-Z -j1 --stop=2 <o>/h.bin <o>/a.bin", serves=HELD),
    Case("console/a table of an unknown length", "--stop=2 --download-result=full <o>/h.bin", serves=UNKNOWN, wire=""),
    Case("console/the readout", "--stop=2 <o>/h.bin", serves=HELD, readout=True),
    Case("console/the readout in bytes", "--human-readable=false --stop=2 <o>/h.bin", serves=HELD, readout=True),
    Case("console/the readout of two", "-Z --stop=2 <o>/h.bin <o>/i.bin", serves=TWO_HELD, readout=True, wire="sorted"),
    Case("console/the readout of an unknown length", "--stop=2 <o>/h.bin", serves=UNKNOWN, readout=True),
    Case("console/--show-console-readout=false", "--show-console-readout=false --stop=2 <o>/h.bin", serves=HELD,
         readout=True),
    Case("console/--truncate-console-readout=false", "--truncate-console-readout=false --stop=2 <o>/h.bin",
         serves=HELD, readout=True),
    Case("console/--summary-interval=0", "--summary-interval=0 --stop=2 <o>/h.bin", serves=HELD, readout=True),
    Case("console/--summary-interval=1", "--summary-interval=1 --stop=3 <o>/h.bin", serves=HELD, readout=True),
    Case("console/--enable-color=false", "--enable-color=false <o>/gone"),
    Case("console/--stderr", "--stderr <o>/a.bin"),
    Case("console/--stderr=true and an error", "--stderr=true <o>/gone"),
    Case("console/--log", "--log=a.log <o>/a.bin"),
    Case("console/-l", "-l a.log <o>/gone"),
    Case("console/--log-level=error", "--log=a.log --log-level=error <o>/gone"),
    Case("console/--log-level=error of nothing bad", "--log=a.log --log-level=error <o>/a.bin"),
    Case("console/--log-level=warn", "--log=a.log --log-level=warn <o>/a.bin"),
    Case("console/--log-level without --log", "--log-level=error <o>/a.bin"),
    Case("console/--log=- with notices", "--log=- --log-level=notice -q <o>/a.bin"),
    Case("console/a log is appended to", "--log=a.log --log-level=notice <o>/a.bin", files={"a.log": "before\n"}),
    Case("console/SIGINT", "<o>/h.bin", serves=HELD, interrupt=(signal.SIGINT, MIB)),
    Case("console/SIGTERM", "<o>/h.bin", serves=HELD, interrupt=(signal.SIGTERM, MIB)),
    Case("console/SIGINT and one that is lost", "-Z -j1 <o>/gone <o>/h.bin", serves=HELD,
         interrupt=(signal.SIGINT, MIB)),
    Case("console/--stop and one that is done", "-Z -j1 --stop=2 <o>/a.bin <o>/h.bin", serves=HELD),
    hooked("on-download-complete", "complete"),
    hooked("on-download-error", "error", "<o>/gone"),
    hooked("on-download-complete of an error", "complete", "<o>/gone"),
    hooked("on-download-stop", "stop"),
    hooked("on-download-stop of an error", "stop", "<o>/gone"),
    hooked("on-download-stop of both", "stop complete"),
    hooked("on-download-start", "start"),
    hooked("on-download-start and -o", "start", "-o x.bin <o>/a.bin"),
    hooked("on-download-stop at the end", "stop", "--stop=2 <o>/h.bin", serves=HELD),
    Case("console/a hook that is not there", "--on-download-complete=<dir>/none.sh <o>/a.bin"),
    Case("console/a hook that is no program", "--on-download-complete=<dir>/none.sh <o>/a.bin",
         files={"none.sh": "exit 1\n"}),
    Case("console/a hook with words", "--on-download-complete='<dir>/complete.sh word' <o>/a.bin", files=HOOKS),
    Case("console/a hook in PATH", "--on-download-complete=touch <o>/a.bin", files={"1/": ""}, wire=""),
    Case("console/a hook fails", "--on-download-complete=false <o>/a.bin"),
)  # fmt: skip
