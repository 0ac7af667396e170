"""The server under the bench: nginx with one worker, http and TLS 1.3, generated into a folder, without root."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Self

import trustme

LIMITED = "2m"  # bytes/s a connection under /limited/
TRICKLE = "4k"  # under /trickle/: what is begun there goes on for as long as anybody looks
FAST, SLOW = "8m", "410k"  # under /fifth/: every fifth connection is 20 times slower

_CONFIG = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
{user}
events {{ worker_connections 8192; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000;
    types {{ }}
    default_type application/octet-stream;
    client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
    uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
    map $connection $pace {{ ~[05]$ {slow}; default {fast}; }}
    server {{
        listen 127.0.0.1:{http} backlog=4096;
        listen 127.0.0.1:{https} ssl backlog=4096;
        ssl_certificate {folder}/server.pem;
        ssl_certificate_key {folder}/server.key;
        ssl_protocols TLSv1.3;
        location / {{ root {root}; }}
        location /limited/ {{ alias {root}/; limit_rate {limited}; }}
        location /trickle/ {{ alias {root}/; limit_rate {trickle}; }}
        location /fifth/ {{ alias {root}/; limit_rate $pace; }}
    }}
}}
"""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Nginx:
    """nginx serving `root`, alive inside `with`. `authority` is the CA file that clients need for https."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.binary = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/opt/homebrew/bin")
        if self.binary is None:
            raise RuntimeError("the bench needs nginx: install it (Debian: nginx-light; macOS: brew install nginx)")
        self.folder = folder
        self.http, self.https = _free_port(), _free_port()
        self.authority = folder / "authority.pem"
        authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
        authority.cert_pem.write_to_path(self.authority)
        leaf = authority.issue_cert("127.0.0.1", "localhost", key_type=trustme.KeyType.ECDSA)
        (folder / "server.pem").write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
        leaf.private_key_pem.write_to_path(folder / "server.key")
        config = _CONFIG.format(
            folder=folder,
            root=root,
            http=self.http,
            https=self.https,
            limited=LIMITED,
            trickle=TRICKLE,
            fast=FAST,
            slow=SLOW,
            user="user root;" if os.geteuid() == 0 else "",  # else the worker could not read the folder
        )
        (folder / "nginx.conf").write_text(config)

    def version(self) -> str:
        """nginx's own words."""
        told = subprocess.run([str(self.binary), "-v"], capture_output=True, text=True, check=True)
        return told.stderr.strip().removeprefix("nginx version: ")

    def url(self, path: str, *, tls: bool = False) -> str:
        """The URL of `path`."""
        return f"https://127.0.0.1:{self.https}{path}" if tls else f"http://127.0.0.1:{self.http}{path}"

    def __enter__(self) -> Self:
        log = (self.folder / "start.log").open("wb")
        with log:
            command = [str(self.binary), "-p", str(self.folder), "-c", str(self.folder / "nginx.conf")]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        until = time.monotonic() + 10
        while not self._listens():
            if self._process.poll() is not None or time.monotonic() > until:
                told = (self.folder / "start.log").read_text() + (self.folder / "error.log").read_text()
                raise RuntimeError(f"nginx does not start: {told.strip()}")
            time.sleep(0.01)
        return self

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.https)) == 0

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
