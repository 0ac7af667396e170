"""Adds one URL to a running server and shows its progress until it ends. Standard library only.

    python3 examples/add_and_watch.py URL [--server http://127.0.0.1:6800/jsonrpc] [--secret SECRET]

Ends with 0 when the file is complete and with 1 when it failed.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import urllib.error
import urllib.request


class Server:
    """A JSON-RPC server that speaks aria2's protocol."""

    def __init__(self, url: str, secret: str | None = None) -> None:
        self.url = url
        self.token = [f"token:{secret}"] if secret else []

    def call(self, method: str, *params: object) -> object:
        """The result of one call. Raises RuntimeError with the server's message if it refuses."""
        body = {"jsonrpc": "2.0", "id": "1", "method": method, "params": [*self.token, *params]}
        request = urllib.request.Request(self.url, json.dumps(body).encode(), {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                reply = json.load(answer)
        except urllib.error.HTTPError as error:  # an error answer has a body of the same form
            with error:
                reply = json.load(error)
        if "error" in reply:
            raise RuntimeError(reply["error"]["message"])
        return reply["result"]


def watch(server: Server, gid: str) -> str:
    """Show the download ``gid`` once a second; returns its last status: complete, error or removed."""
    keys = ["status", "completedLength", "totalLength", "downloadSpeed", "connections", "errorMessage"]
    while True:
        now = server.call("aria2.tellStatus", gid, keys)
        assert isinstance(now, dict)
        done, total = int(now["completedLength"]), int(now["totalLength"])
        percent = f"{100 * done / total:5.1f} %" if total else "   ?   "
        speed = int(now["downloadSpeed"]) / 1e6
        print(f"\r{now['status']:8} {percent} {speed:7.1f} MB/s over {now['connections']} connections ", end="")
        if now["status"] in ("complete", "error", "removed"):
            print(now.get("errorMessage") or "")
            return str(now["status"])
        sys.stdout.flush()
        time.sleep(1)


def main() -> int:
    """Read the command line, add the URL, watch it."""
    parser = argparse.ArgumentParser(description="Add a URL to a download server and watch it arrive.")
    parser.add_argument("url")
    parser.add_argument("--server", default="http://127.0.0.1:6800/jsonrpc")
    parser.add_argument("--secret")
    arguments = parser.parse_args()
    server = Server(arguments.server, arguments.secret)
    try:
        gid = server.call("aria2.addUri", [arguments.url])
        return 0 if watch(server, str(gid)) == "complete" else 1
    except (OSError, RuntimeError) as error:
        print(f"{arguments.server}: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
