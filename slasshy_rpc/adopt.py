"""The command ``adopt``: has a partial file proven, names it, and makes of it a download that goes on.

Owns: the order of these steps, and what is said about them. Never: a byte of the file, and no name before the proof.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from collections.abc import Sequence

from slasshy_rpc._engine import Engine
from slasshy_rpc.cli.arguments import Invocation
from slasshy_rpc.cli.figures import amount
from slasshy_rpc.cli.get import understand
from slasshy_rpc.cli.readout import shown
from slasshy_rpc.disk import layout, partial
from slasshy_rpc.disk.control import Control
from slasshy_rpc.disk.partial import Partial
from slasshy_rpc.errors import DownloadError, ErrorCode, UsageError
from slasshy_rpc.net.cookies import Cookies
from slasshy_rpc.net.receive import Receiver
from slasshy_rpc.options.values import Layer, OptionSet
from slasshy_rpc.plan.lines import Lines
from slasshy_rpc.plan.origin import Origins
from slasshy_rpc.plan.selector import Selector
from slasshy_rpc.plan.sources import Source
from slasshy_rpc.protocols.opener import Facts
from slasshy_rpc.protocols.proof import Proof
from slasshy_rpc.protocols.web import Web, outlet, servers

_USAGE = "adopt needs a file and a URI, in this order: slasshy-rpc adopt FILE URI [OPTIONS]"


def adopt(arguments: Sequence[str]) -> Invocation:
    """The start that goes on with FILE, which has its final name and a control file then.

    Raises UsageError, OptionError, and DownloadError when FILE cannot be continued; FILE is as it was then.
    """
    path, *rest = arguments or ("",)
    if not path or path.startswith("-") or "://" in path:
        raise UsageError(_USAGE)
    start = understand(rest)
    if start.text:
        return start
    if len(start.uris) != 1 or start.input_file:
        raise UsageError(_USAGE)
    if start.options.flag("dry-run"):
        raise UsageError("adopt gives the file another name, which --dry-run forbids.", ErrorCode.OPTION)
    try:
        found = partial.open_partial(path)
        try:
            return _adopted(found, start)
        finally:
            found.close()
    except DownloadError as error:
        raise DownloadError(f"{shown(path)} is not continued: {error}", error.code) from None


def _adopted(found: Partial, start: Invocation) -> Invocation:
    options = start.options
    _say(options, f"{shown(found.path)} is compared with what the server has.")
    found.look()
    end, facts, compared = asyncio.run(_proven(found, start.uris[0], options))
    found.check_still()
    length = facts.length or 0
    if not end:
        raise DownloadError("nothing in it can be proven. Download it anew.", ErrorCode.CANNOT_RESUME)
    folder = options.text("dir") if options.given("dir") is Layer.COMMAND else None
    folder = os.path.abspath(folder or os.path.dirname(found.path) or ".")
    named = start.single.get("out")
    own = named if isinstance(named, str) and named else partial.final_name(found.path)
    target = layout.resolve(folder, own or facts.name, trusted=bool(own))
    partial.settle(found, target, Control(options.integer("piece-length"), length, 0, ((0, end),)))
    _say(options, f"{shown(target)}: {compared} windows are the server's; {amount(end)} of {amount(length)} are there.")
    own_values = {"dir": os.path.dirname(target), "remove-control-file": "false", "always-resume": "true"}
    return start._replace(
        options=options.derive(own_values, Layer.COMMAND), single={**start.single, "out": os.path.basename(target)}
    )


def _say(options: OptionSet, line: str) -> None:
    if not options.flag("quiet"):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


async def _proven(found: Partial, uri: str, options: OptionSet) -> tuple[int, Facts, int]:
    """How many bytes are proven, what the server said of the file, and in how many windows they were compared."""
    receiver = Receiver(Engine())
    try:
        cookies = Cookies()
        if jar := options.text("load-cookies"):
            cookies.load(jar)
        way = outlet(options)
        await way.prepare()
        web = Web(receiver, cookies, Origins(), way, servers(options))
        try:
            source = Source.of(uri, Lines(), Selector())
            proof = Proof(web.opener(options), source, receiver, found.fd, float(options.integer("timeout")))
            end = await proof.prove(found.size, found.zeros, random.SystemRandom())
            return end, proof.facts or Facts(None, None), len(proof.agreed)
        finally:
            await web.close()
    finally:
        receiver.close()
