"""Where the file of a page lies, and its parts until they are one.

Owns: that each of these paths is one Download's alone. Never: opens or removes anything.
"""

from __future__ import annotations

import os

from slasshy_rpc.disk import existing, layout
from slasshy_rpc.media import plan
from slasshy_rpc.media.plan import Part
from slasshy_rpc.protocols.base import Request, Workplace
from slasshy_rpc.protocols.destination import Destination
from slasshy_rpc.protocols.web import Web, file_rules


def beside(request: Request, path: str, part: Part) -> str:
    """What a Part is called, below ``dir``, so that it lies where ``path`` will."""
    folder, name = os.path.split(path)
    return os.path.relpath(os.path.join(folder, plan.part_name(name, part)), request.options.folder())


def reserve(request: Request, place: Workplace, name: str) -> str:
    """The path of the file that is made, this Download's alone. Raises DiskError."""
    options, gid = request.options, place.gid
    claims = Web.fenced(request, place).claims
    if (begun := claims.path_of(gid)) and not layout.taken(begun):  # else it was to be one file, from one server
        return begun
    destination = Destination(options.text("dir") or ".", name, request.trusted, options.flag("compat"))
    return take(request, place, destination.path(name), gid)


def take(request: Request, place: Workplace, path: str, gid: str) -> str:
    """``path``, or one like it where something lies there, as that of ``gid``. Raises DiskError."""
    claims = Web.fenced(request, place).claims
    rules = file_rules(request.options, request.trusted, None).existing
    free = not layout.taken(path) or rules.allow_overwrite

    def mine(wanted: str) -> bool:
        return claims.take(wanted, gid)

    if not free or not mine(path):
        path = existing.choose_path(path, None, mine, auto_file_renaming=rules.auto_file_renaming)
    return path
