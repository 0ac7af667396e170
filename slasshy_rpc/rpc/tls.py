"""RPC over TLS: the certificate that rpc-secure shows.

Owns: the ssl context, and what is wrong with files that cannot serve. Never: connections.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable

from slasshy_rpc.errors import UsageError
from slasshy_rpc.rpc.settings import RpcSettings

#: The values of min-tls-version; 1.2 is the lowest that is spoken.
_LOWEST = {"TLSv1.3": ssl.TLSVersion.TLSv1_3}
_DER_SEQUENCE = 0x30


def server_context(settings: RpcSettings) -> ssl.SSLContext:
    """The context for ``settings.certificate``, a PEM file that holds the key too unless ``private_key`` names it.

    Raises UsageError, with what to do, for files that cannot serve.
    """
    certificate, key = settings.certificate, settings.private_key
    if certificate is None:
        raise UsageError(
            "--rpc-secure needs --rpc-certificate=FILE and --rpc-private-key=FILE, both PEM. To make a pair: "
            "`openssl req -x509 -newkey rsa:3072 -nodes -keyout key.pem -out cert.pem -subj /CN=localhost`."
        )
    _check_form(certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _LOWEST.get(settings.min_tls_version, ssl.TLSVersion.TLSv1_2)
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(certificate, key, password=_no_password(key or certificate))
    except ssl.SSLError as error:
        raise UsageError(
            f"RPC cannot use --rpc-certificate={certificate} with the key in {key or 'the same file'} "
            f"({error.reason or error}): both must be PEM and belong together."
        ) from error
    except OSError as error:
        raise UsageError(
            f"RPC cannot read --rpc-certificate={certificate} or --rpc-private-key={key}: {error.strerror}."
        ) from error
    return context


def _check_form(certificate: str) -> None:
    try:
        with open(certificate, "rb") as file:
            first = file.read(1)
    except OSError as error:
        raise UsageError(f"RPC cannot read --rpc-certificate={certificate}: {error.strerror}.") from error
    if first and first[0] == _DER_SEQUENCE:
        raise UsageError(
            f"--rpc-certificate={certificate} is not PEM. If it is PKCS#12, this makes a PEM file of it that holds the "
            f"key too: `openssl pkcs12 -in {certificate} -out rpc.pem -nodes`; then --rpc-certificate=rpc.pem."
        )


def _no_password(file: str) -> Callable[[], str]:
    def refuse() -> str:  # instead of a question on a terminal that may not be there
        raise UsageError(
            f"The private key in {file} is encrypted. `openssl pkey -in {file} -out key.pem` writes it without a "
            "password; keep that file to yourself."
        )

    return refuse
