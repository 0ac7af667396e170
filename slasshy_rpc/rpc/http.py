"""The HTTP face: POST and GET /jsonrpc, its WebSocket, POST /rpc, OPTIONS, and 404 for the rest, with aria2's headers.

Owns: bodies in and out, their limits, and when a connection ends. Never: JSON, XML, tokens, or who is let in.
Imported only when a server starts, because aiohttp is heavy.
"""

from __future__ import annotations

import asyncio
import logging
import time
import zlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from email.utils import formatdate

from aiohttp import web

from slasshy_rpc.errors import RpcError
from slasshy_rpc.rpc import basic, json_dialect, xml_dialect
from slasshy_rpc.rpc.answer import Answer, Text
from slasshy_rpc.rpc.call import Slices, Visit
from slasshy_rpc.rpc.connection import Connections, Sips, of
from slasshy_rpc.rpc.guard import Guard
from slasshy_rpc.rpc.json_dialect import JsonDialect
from slasshy_rpc.rpc.notify import Listeners
from slasshy_rpc.rpc.places import Place, Standing
from slasshy_rpc.rpc.query_dialect import QueryDialect
from slasshy_rpc.rpc.settings import RpcSettings
from slasshy_rpc.rpc.websocket import Conversation
from slasshy_rpc.rpc.xml_dialect import XmlDialect

log = logging.getLogger("slasshy_rpc.rpc")

_JSON_PATH = "/jsonrpc"
_XML_PATH = "/rpc"
#: Bytes: shorter answers are not worth compressing, longer ones are compressed beside the event loop.
_WORTH_GZIP = 512
_GZIP_ASIDE = 128 << 10
#: Bytes sent at a time, each within the idle time-out.
_SEND_SLICE = 256 << 10


class _BodyRefused(Exception):
    """The body of a request cannot be had; the error says why."""

    def __init__(self, status: int, reason: str) -> None:
        self.status = status
        self.error = RpcError(reason, -32600)


class HttpFace:
    """Answers aiohttp's requests for one server."""

    def __init__(self, json: JsonDialect, xml: XmlDialect, listeners: Listeners, settings: RpcSettings) -> None:
        self._json = json
        self._xml = xml
        self._query = QueryDialect(json)
        self._listeners = listeners
        self._settings = settings
        self._guard = Guard(settings)
        self._conversations: set[Conversation] = set()
        self._date = (0, "")
        self._connections = Connections(self.handle, settings.idle_timeout)

    def enter(self, place: Place) -> Sips:
        """The protocol of a new connection."""
        return self._connections.begin(place)

    async def close(self, seconds: float) -> None:
        """Hang up on every WebSocket, let answers under way arrive for so long, and close."""
        for conversation in self._conversations:
            conversation.close()
        await self._connections.close(seconds)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """The response to one request; for a WebSocket, its whole life."""
        method, headers = request.method, request.headers
        answer_headers = self._headers() | self._guard.cors(method, headers)
        if method == "OPTIONS":
            return web.Response(headers=answer_headers)
        reason = self._guard.refusal(method, headers)
        if reason is not None:
            return _last(web.Response(status=403, headers=answer_headers, text=reason))
        if not self._is_known(headers):
            return await self._unknown(request, answer_headers)
        path = request.rel_url.raw_path  # aria2 decodes nothing there
        if method == "POST" and path == _JSON_PATH:
            return await self._post(request, answer_headers, self._json.answer, json_dialect.refusal)
        if method == "POST" and path == _XML_PATH:
            return await self._post(request, answer_headers, self._xml.answer, xml_dialect.refusal)
        if method == "GET" and headers.get("Upgrade", "").lower() == "websocket":
            if request.path_qs == _JSON_PATH:
                return await self._websocket(request, answer_headers)
        elif method == "GET" and path == _JSON_PATH:
            return await self._get(request, answer_headers)
        return web.Response(status=404, headers=answer_headers)

    def _is_known(self, headers: Mapping[str, str]) -> bool:
        user, password = self._settings.user, self._settings.password
        return user is None or basic.admits(headers.get("Authorization"), user, password)

    async def _unknown(self, request: web.BaseRequest, headers: dict[str, str]) -> web.StreamResponse:
        """Ask for a name and a password; whoever showed wrong ones waits for that, as for a wrong token."""
        if "Authorization" in request.headers:
            await of(request).place.hold(self._guard.hold(request.remote or "", 1))
        headers["WWW-Authenticate"] = basic.CHALLENGE
        return _last(web.Response(status=401, headers=headers))

    async def _post(
        self,
        request: web.BaseRequest,
        headers: dict[str, str],
        answer: Callable[[bytes, Visit], Awaitable[Answer]],
        refuse: Callable[[RpcError], Answer],
    ) -> web.StreamResponse:
        place = of(request).place
        try:
            body = await self._body(request)
            visit = Visit()
            answered = await answer(body, visit)
        except _BodyRefused as refused:
            refusal = refuse(refused.error)
            return await self._send(request, headers, replace(refusal, status=refused.status))
        finally:
            place.keep(0)  # only now: what is read of a body takes many times its room
        return await self._answered(request, headers, answered, visit)

    async def _get(self, request: web.BaseRequest, headers: dict[str, str]) -> web.StreamResponse:
        visit = Visit()
        answer = await self._query.answer(request.rel_url.raw_query_string, visit)
        return await self._answered(request, headers, answer, visit)

    async def _answered(
        self, request: web.BaseRequest, headers: dict[str, str], answer: Answer, visit: Visit
    ) -> web.StreamResponse:
        """The response with ``answer``, later if a token was wrong."""
        peer, place = request.remote or "", of(request).place
        if visit.authorised or self._settings.secret is None:
            place.stands(Standing.KNOWN)
        if visit.wrong_tokens:
            await place.hold(self._guard.hold(peer, len(visit.wrong_tokens)))
        elif visit.authorised:
            self._guard.forgive(peer)
        return await self._send(request, headers, answer)

    async def _send(self, request: web.BaseRequest, headers: dict[str, str], answer: Answer) -> web.StreamResponse:
        if answer.kind is not None:
            headers["Content-Type"] = answer.kind
        text = answer.text
        if len(text) >= _WORTH_GZIP and _takes_gzip(request.headers):
            headers["Content-Encoding"] = "gzip"
            if len(text) > _GZIP_ASIDE:
                text = await asyncio.get_running_loop().run_in_executor(None, _gzip, text)
            else:
                text = _gzip(text)
        response: web.StreamResponse
        if len(text) > _SEND_SLICE:
            response = await self._send_in_slices(request, headers, text, answer.status)
        else:
            response = web.Response(status=answer.status, headers=headers, body=text)
        return _last(response) if answer.last else response

    async def _body(self, request: web.BaseRequest) -> bytes:
        """The whole body, at most rpc-max-request-size; raises _BodyRefused."""
        limit, length, content = self._settings.max_request_size, request.content_length, request.content
        if length is not None and length > limit:
            raise self._too_large()
        if request.headers.get("Expect", "").lower() == "100-continue" and not content.is_eof():
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0
        body, place = bytearray(), of(request).place
        try:
            while not content.at_eof():
                if content.is_eof():
                    body += content.read_nowait()
                else:
                    async with asyncio.timeout(self._settings.idle_timeout):
                        body += await content.readany()
                if len(body) > limit:
                    raise self._too_large()
                place.keep(len(body))
                if not content.at_eof():
                    await asyncio.sleep(0)  # aiohttp has more at hand than it gives away at once
        except TimeoutError:
            text = f"No more of the request came for {self._settings.idle_timeout:g} seconds."
            raise _BodyRefused(408, text) from None
        except (ConnectionError, web.RequestPayloadError) as error:
            raise _BodyRefused(400, f"The request broke off: {error}") from None
        return bytes(body)

    def _too_large(self) -> _BodyRefused:
        limit = self._settings.max_request_size
        log.warning("A request of more than %d bytes was refused; --rpc-max-request-size allows more", limit)
        text = f"The request is larger than {limit} bytes; the server's --rpc-max-request-size allows more."
        return _BodyRefused(413, text)

    async def _send_in_slices(
        self, request: web.BaseRequest, headers: Mapping[str, str], text: Text, status: int
    ) -> web.StreamResponse:
        """Send a long answer as fast as it is taken; a receiver that stops for idle_timeout is cut off."""
        response = web.StreamResponse(headers=headers, status=status)
        response.content_length = len(text)
        transport = request.transport
        slices = Slices()
        try:
            await response.prepare(request)
            for start in range(0, len(text), _SEND_SLICE):
                async with asyncio.timeout(self._settings.idle_timeout):
                    await response.write(memoryview(text)[start : start + _SEND_SLICE])
                await slices.pause()  # whoever takes it as fast as it is sent would have the loop to himself
        except (TimeoutError, ConnectionError):
            if transport is not None:
                transport.abort()
        return response

    async def _websocket(self, request: web.BaseRequest, headers: dict[str, str]) -> web.StreamResponse:
        if "Sec-WebSocket-Key" not in request.headers:
            return web.Response(status=400, headers=headers)
        if request.headers.get("Sec-WebSocket-Version") != "13":
            headers["Sec-WebSocket-Version"] = "13"
            return web.Response(status=426, headers=headers)
        conversation = Conversation(self._json, self._guard, self._listeners, self._settings)
        self._conversations.add(conversation)
        try:
            return await conversation.run(request, headers)
        finally:
            self._conversations.discard(conversation)

    def _headers(self) -> dict[str, str]:
        """aria2's headers of every answer; Expires is the same as Date."""
        now = int(time.time())
        if self._date[0] != now:
            self._date = (now, formatdate(now, usegmt=True))
        date = self._date[1]
        return {"Date": date, "Expires": date, "Cache-Control": "no-cache", "Server": "slasshy-rpc"}


def _last(response: web.StreamResponse) -> web.StreamResponse:
    """``response``, after which the connection is closed."""
    response.force_close()
    return response


def _takes_gzip(headers: Mapping[str, str]) -> bool:
    for coding in headers.get("Accept-Encoding", "").lower().split(","):
        name, _, weight = coding.partition(";")
        if name.strip() == "gzip":
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def _gzip(text: Text) -> bytes:
    return zlib.compress(text, 1, wbits=31)
