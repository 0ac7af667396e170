"""TLS for Channels: the settings, the library, the authorities, and what a refusal means.

Owns: choosing libssl and certificates, one context per settings. Never: opens sockets, or moves bytes (relay does
that where no libssl can be had).
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import logging
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from slasshy_rpc._engine import Channel, TlsContext, TlsError, load_tls, tls_library
from slasshy_rpc.errors import DownloadError, ErrorCode, Retry, SourceError
from slasshy_rpc.net.address import Target
from slasshy_rpc.net.ready import ready

#: The values of min-tls-version as TLS writes them on the wire (RFC 8446 section 4.2.1).
VERSIONS = {"TLSv1.1": 0x0302, "TLSv1.2": 0x0303, "TLSv1.3": 0x0304}

_log = logging.getLogger(__name__)

# Where distributions keep the authorities, for a libssl whose own default place is empty.
_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Arch, Alpine
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  # Fedora, RHEL
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",  # openSUSE
    "/etc/ssl/cert.pem",  # macOS, Alpine, OpenBSD
    "/usr/local/share/certs/ca-root-nss.crt",  # FreeBSD
    "/opt/homebrew/etc/ca-certificates/cert.pem",
    "/usr/local/etc/ca-certificates/cert.pem",
)


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """What the user may say about TLS (check-certificate, ca-certificate, certificate, private-key, min-tls-version).

    Paths of PEM files; ``min_version`` is one of ``VERSIONS``. Equal settings share a context.
    """

    verify: bool = True
    ca_certificate: str | None = None
    certificate: str | None = None
    private_key: str | None = None
    min_version: int = 0x0303


def native() -> bool:
    """Whether the engine speaks TLS itself: a libssl was found and SLASSHY_TLS is not ``python``."""
    return os.environ.get("SLASSHY_TLS") != "python" and _loaded()


def description() -> str:
    """One line for people: which TLS is used."""
    return f"libssl in the engine ({tls_library()})" if native() else "Python's ssl, relayed to the engine (slower)"


async def secure(channel: Channel, target: Target, settings: TlsSettings) -> None:
    """Put TLS on a connected channel, in the engine's own way; needs ``native()``.

    Raises SourceError with the reason; the channel is of no use then, and the caller closes it. No time-out of its own.
    """
    context = native_context(settings)
    try:
        channel.start_tls(context, server_name(target))
        while not channel.handshake():
            await ready(channel)
    except (TlsError, OSError) as error:
        raise refusal(target, (error.strerror if isinstance(error, OSError) else None) or str(error)) from error


@functools.lru_cache(maxsize=32)
def native_context(settings: TlsSettings) -> TlsContext:
    """The engine's context for ``settings``, made once. Raises DownloadError for a file that cannot be used."""
    ca_file, ca_path = authorities(settings)
    try:
        return TlsContext(
            verify=settings.verify,
            ca_file=ca_file,
            ca_path=ca_path,
            cert_file=settings.certificate,
            key_file=settings.private_key,
            min_version=settings.min_version,
        )
    except TlsError as error:
        raise unusable(str(error)) from error


def server_name(target: Target) -> str:
    """The name (or address) that the server's certificate must have: no final dot, no zone."""
    return target.host.partition("%")[0].removesuffix(".")


def authorities(settings: TlsSettings) -> tuple[str | None, str | None]:
    """(file, folder) of the certificates that are trusted; (None, None) means the library's own default.

    In this order: ca-certificate alone; SSL_CERT_FILE and SSL_CERT_DIR; the library's default if there is anything in
    it; the places of known distributions; certifi. Raises DownloadError if ca-certificate cannot be read.
    """
    if not settings.verify:
        return None, None
    if settings.ca_certificate:
        if not os.access(settings.ca_certificate, os.R_OK):
            raise unusable(f"--ca-certificate={settings.ca_certificate} cannot be read; give the path of a PEM file")
        return settings.ca_certificate, None
    from_file, from_folder = os.environ.get("SSL_CERT_FILE", ""), os.environ.get("SSL_CERT_DIR", "")
    found = (from_file if os.path.isfile(from_file) else None, from_folder if _hashed(from_folder) else None)
    if any(found):
        return found
    default_file, default_folder = _library_default()
    if os.path.isfile(default_file) or _hashed(default_folder):
        return None, None
    for bundle in _BUNDLES:
        if os.path.isfile(bundle):
            return bundle, None
    import certifi

    return certifi.where(), None


def refusal(target: Target, reason: str) -> SourceError:
    """The error for a handshake that failed because of ``reason``, the library's words; says what to do."""
    words, terse = reason.lower(), reason
    check = "--check-certificate=false does without the check"
    retry = Retry.NEXT_SOURCE
    if "mismatch" in words or "is not valid for" in words:
        advice = f"the server's certificate is not made out to {server_name(target)}: check the URL, or trust another"
        advice += f" authority with --ca-certificate=FILE; {check}"
    elif "expired" in words or "not yet valid" in words:
        advice = f"look at this machine's clock, or trust another authority with --ca-certificate=FILE; {check}"
    elif "issuer" in words or "self-signed" in words or "self signed" in words or "certificate verify" in words:
        advice = f"if you trust its issuer, name it with --ca-certificate=FILE; {check}"
    elif "wrong version" in words or "packet length" in words or "http request" in words or "record layer" in words:
        advice = "nothing there speaks TLS: check the port, or ask with http:// instead of https://"
        terse = "protocol error"
    elif "protocol" in words and ("unsupported" in words or "version" in words):
        advice = "the server knows only other versions of TLS; --min-tls-version sets the oldest that is accepted"
    elif "certificate required" in words or "bad certificate" in words or "handshake failure" in words:
        advice = "the server may want a client certificate: --certificate=FILE and --private-key=FILE"
    elif "certificate" in words or " ca" in words or "ca " in words:
        advice = f"--ca-certificate=FILE names another authority; {check}"
    else:
        advice = "the connection ended in the middle of it; it may work another time"
        retry = Retry.SAME_SOURCE
    text = "SSL/TLS handshake failure: {}"
    return SourceError(
        f"{text.format(reason)} ({target.place}; {advice})", ErrorCode.UNKNOWN, retry, terse=text.format(terse)
    )


def unusable(reason: str) -> DownloadError:
    """The error for TLS settings that cannot work with any server."""
    return DownloadError(f"TLS cannot be set up: {reason}", ErrorCode.UNKNOWN, Retry.NEVER)


@functools.cache
def _loaded() -> bool:
    try:
        load_tls(list(_libraries()))
    except OSError as error:
        _log.warning("TLS runs through Python's ssl, slower: %s", error)
        return False
    return True


def _libraries() -> Iterator[str]:
    """libssl as it may be found: first the one that Python's own ssl has loaded, so that there is one in the process.

    Only versioned names: on macOS an unversioned one ends the process.
    """
    with contextlib.suppress(ImportError):  # it brings libssl with it; the public module would bring much more
        importlib.import_module("_ssl")
    if sys.platform == "linux":
        try:
            with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:
                paths = {line.rstrip("\n").partition("/")[2] for line in maps if "/libssl" in line}
        except OSError:
            paths = set()
        yield from sorted("/" + path for path in paths if not path.endswith(" (deleted)"))
        yield from ("libssl.so.3", "libssl.so.1.1")
    elif sys.platform == "darwin":
        yield os.path.join(sys.base_prefix, "lib", "libssl.3.dylib")
        for prefix in ("/opt/homebrew/opt/openssl@3", "/usr/local/opt/openssl@3", "/opt/local/libexec/openssl3"):
            yield f"{prefix}/lib/libssl.3.dylib"
    else:
        yield from ("libssl.so.35", "libssl.so.30", "libssl.so.3", "libssl.so.111")


def _library_default() -> tuple[str, str]:
    """(file, folder) that OpenSSL was built to look in."""
    try:
        from _ssl import get_default_verify_paths
    except ImportError:
        return "", ""
    _, default_file, _, default_folder = get_default_verify_paths()
    return default_file, default_folder


def _hashed(folder: str) -> bool:
    """Whether ``folder`` holds certificates under the names that OpenSSL looks for."""
    try:
        with os.scandir(folder) as entries:
            return any(entry.name.endswith(".0") for entry in entries)
    except OSError:
        return False
