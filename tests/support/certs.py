"""Certificates of a test's own authority, and the server contexts that use them well or wrongly.

Nothing touches the system's trust store; clients are given `authority` as their CA file.
"""

from __future__ import annotations

import datetime
import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True, slots=True)
class KeyPair:
    """PEM files of a certificate (with its chain) and its private key."""

    certificate: Path
    key: Path


class Certificates:
    """One authority with its files in `folder`. Loop-back names are 127.0.0.1, ::1 and localhost."""

    NAMES = ("127.0.0.1", "::1", "localhost")

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
        self.authority = folder / "authority.pem"
        self._authority.cert_pem.write_to_path(self.authority)
        self._count = 0

    def issue(self, *names: str, expired: bool = False, stranger: bool = False) -> KeyPair:
        """A server certificate for `names`; from an authority nobody knows when `stranger`."""
        authority = trustme.CA(key_type=trustme.KeyType.ECDSA) if stranger else self._authority
        until = datetime.datetime(2001, 1, 1, tzinfo=datetime.UTC) if expired else None
        return self._store(authority.issue_cert(*names, not_after=until))

    def client(self, name: str = "client@example.org") -> KeyPair:
        """A client certificate that `server(ask_client=True)` accepts."""
        return self._store(self._authority.issue_cert(name))

    def _store(self, leaf: trustme.LeafCert) -> KeyPair:
        self._count += 1
        pair = KeyPair(self._folder / f"{self._count}.pem", self._folder / f"{self._count}.key")
        pair.certificate.write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
        pair.key.touch(mode=0o600)
        pair.key.write_bytes(leaf.private_key_pem.bytes())
        return pair

    def server(
        self,
        *names: str,
        expired: bool = False,
        stranger: bool = False,
        ask_client: bool = False,
        maximum: ssl.TLSVersion | None = None,
    ) -> ssl.SSLContext:
        """A server context for `names` (loop-back ones when none are given).

        Wrong name: `server("example.org")`. Self-signed in a client's eyes: `stranger=True`. `ask_client` demands a
        certificate of ours from the client. `maximum` caps the TLS version, to test a client's minimum.
        """
        pair = self.issue(*(names or self.NAMES), expired=expired, stranger=stranger)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.certificate, pair.key)
        if ask_client:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.authority)
        if maximum is not None:
            context.maximum_version = maximum
        return context

    def trusting(self) -> ssl.SSLContext:
        """A client context that trusts this authority alone."""
        return ssl.create_default_context(cafile=self.authority)
