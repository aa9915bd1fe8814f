"""Endpoint: the HTTP of /metrics, /healthz and /readyz: GET, one page a connection (RFC 9112).

What may live here: reading a request line and writing a response. A web framework would be many
times the code of this service, for three pages without parameters, bodies or users.

Everything is bounded: connections, octets of a request, seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import NamedTuple, cast

__all__ = ["Endpoint", "Page"]

MOST_CONNECTIONS = 32
MOST_OCTETS = 8_192  # of a request with its header
SECONDS = 10.0  # for a whole connection
TEXT = "text/plain; charset=utf-8"


class Page(NamedTuple):
    """A response: status, media type, text."""

    status: int
    media_type: str
    text: str


class Endpoint:
    """Serves pages.

    pages  by path: a coroutine function that is given the query (what follows "?")
    """

    def __init__(self, pages: Mapping[str, Callable[[str], Awaitable[Page]]]) -> None:
        self._pages = pages
        self._open = 0

    def protocol(self) -> asyncio.Protocol:
        """A protocol for one connection."""
        return _Connection(self)

    def may_open(self) -> bool:
        """Count a connection, if there may be one more."""
        if self._open >= MOST_CONNECTIONS:
            return False
        self._open += 1
        return True

    def closed(self) -> None:
        """One less."""
        self._open -= 1

    async def page(self, request: bytes) -> Page:
        """The page for a request line."""
        try:
            method, target, version = request.decode("ascii").split(" ")
        except ValueError:
            return Page(400, TEXT, "this is no request of HTTP\n")
        if not version.startswith("HTTP/1."):
            return Page(505, TEXT, "HTTP/1.1, please\n")
        if method != "GET":
            return Page(405, TEXT, "only GET\n")
        path, _, query = target.partition("?")
        page = self._pages.get(path)
        if page is None:
            return Page(404, TEXT, f"there are {', '.join(self._pages)}\n")
        try:
            return await page(query)
        except Exception as error:  # noqa: BLE001 - the boundary: one page fails, not the service
            return Page(500, TEXT, f"unexpected {type(error).__name__}\n")


class _Connection(asyncio.Protocol):
    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._octets = bytearray()
        self._task: asyncio.Task[None] | None = None
        self._counted = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Those of uvloop are no subclasses of asyncio.Transport.
        self._transport = cast("asyncio.Transport", transport)
        self._counted = self._endpoint.may_open()
        if not self._counted:
            self._transport.abort()
            return
        self._timer = asyncio.get_running_loop().call_later(SECONDS, self._transport.abort)

    def connection_lost(self, _: Exception | None) -> None:
        if self._counted:
            self._timer.cancel()
            self._endpoint.closed()
        if self._task is not None:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        if self._task is not None or not self._counted:
            return
        self._octets += data
        request = self._octets.partition(b"\r\n")[0]
        if len(self._octets) > MOST_OCTETS:
            self._write(Page(431, TEXT, "the request is too long\n"))
        elif b"\r\n\r\n" in self._octets:
            loop = asyncio.get_running_loop()
            self._task = loop.create_task(self._answer(bytes(request)))

    async def _answer(self, request: bytes) -> None:
        self._write(await self._endpoint.page(request))

    def _write(self, page: Page) -> None:
        body = page.text.encode("utf-8", "replace")
        head = [
            f"HTTP/1.1 {page.status} {HTTPStatus(page.status).phrase}",
            f"Content-Type: {page.media_type}",
            f"Content-Length: {len(body)}",
            "Cache-Control: no-store",
            "Connection: close",
        ]
        if page.status == 405:
            head.append("Allow: GET")
        self._transport.write("\r\n".join([*head, "", ""]).encode("ascii") + body)
        self._transport.close()
