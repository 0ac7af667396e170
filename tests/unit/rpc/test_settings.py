"""RpcSettings from the option table."""

from __future__ import annotations

from slasshy_rpc.options.values import Layer, defaults
from slasshy_rpc.rpc.settings import RpcSettings


def test_defaults_are_aria2s() -> None:
    settings = RpcSettings.from_options(defaults(compat=True), compat=True)
    assert (settings.port, settings.listen_all, settings.secret, settings.max_request_size) == (
        6800,
        False,
        None,
        2097152,
    )
    assert settings.open_without_secret
    assert not RpcSettings.from_options(defaults(compat=False)).open_without_secret


def test_every_option_arrives() -> None:
    own: dict[str, str | tuple[str, ...]] = {
        "rpc-listen-port": "7000",
        "rpc-listen-all": "true",
        "rpc-secret": "geheim",
        "rpc-user": "ich",
        "rpc-passwd": "wort",
        "rpc-secure": "true",
        "rpc-certificate": "/etc/rpc.pem",
        "rpc-private-key": "/etc/rpc.key",
        "min-tls-version": "TLSv1.3",
        "rpc-allow-origin-all": "true",
        "rpc-allow-origin": "https://a.example, null",
        "rpc-allow-host": "box.example",
        "rpc-max-request-size": "1024",
    }
    assert RpcSettings.from_options(defaults(compat=False).derive(own, Layer.COMMAND)) == RpcSettings(
        port=7000,
        listen_all=True,
        secret="geheim",
        user="ich",
        password="wort",
        secure=True,
        certificate="/etc/rpc.pem",
        private_key="/etc/rpc.key",
        min_tls_version="TLSv1.3",
        allow_origin_all=True,
        allow_origins=("https://a.example", "null"),
        allow_hosts=("box.example",),
        max_request_size=1024,
    )


def test_secrets_are_not_shown() -> None:
    assert "geheim" not in repr(RpcSettings(secret="geheim", password="geheim too"))
