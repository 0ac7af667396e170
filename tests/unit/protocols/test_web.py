"""How options become the way that connections take."""

from __future__ import annotations

import socket

import pytest

from slasshy_rpc.errors import UsageError
from slasshy_rpc.options.values import Layer, OptionSet, defaults
from slasshy_rpc.protocols.web import outlet, servers


def options(**given: str) -> OptionSet:
    own = {name.replace("_", "-"): text for name, text in given.items()}
    return defaults(compat=False).derive(own, Layer.OWN)


async def made(**given: str) -> tuple[str, int]:
    """The local address and the type of service of a socket."""
    make = await outlet(options(**given)).maker()
    with make((socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", 9))) as sock:
        return sock.getsockname()[0], sock.getsockopt(socket.IPPROTO_IP, socket.IP_TOS)


async def test_outlets() -> None:
    assert await made() == ("0.0.0.0", 0)
    assert await made(dscp="10") == ("0.0.0.0", 40)
    assert (await made(multiple_interface=" 127.0.0.2,127.0.0.3"))[0] == "127.0.0.2"
    assert (await made(multiple_interface="127.0.0.2", interface="127.0.0.3"))[0] == "127.0.0.3"
    assert (await made(multiple_interface="127.0.0.2", interface=""))[0] == "127.0.0.2"


def test_what_is_no_way() -> None:
    with pytest.raises(UsageError, match="names no interface"):
        outlet(options(multiple_interface=" ,"))
    with pytest.raises(UsageError, match="--async-dns-server: x is not the address of a name server"):
        servers(options(async_dns_server="192.0.2.1,x"))
    assert servers(options()) == ()
    assert servers(options(async_dns_server="::1")) == ("[::1]:53",)
