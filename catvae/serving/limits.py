"""So that one visitor cannot keep all others waiting: a rate per visitor, a bound on what one sends."""

import json
import os
import time
from collections import OrderedDict

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from catvae.photos.decode import MAX_MEGABYTES
from catvae.serving.texts import TEXTS, language_of

RATE = float(os.environ.get("CATVAE_RATE", 5))  # requests a second, on average
BURST = 8 * RATE  # at once: more than one who plays with every slider
MAX_BODY = int(MAX_MEGABYTES * 1.4e6)  # a photo as base64, which programs may send inside JSON
MAX_VISITORS = 10_000
LIMITED = ("/queue/join", "/call/", "/run/", "/api/", "/upload", "/mcp")


class Limits:
    """ASGI middleware that answers 429 to visitors who ask too much, and when the queue is full, in
    the visitor's language; 413 to bodies that are larger than any photo.

    A visitor is a network address; behind a proxy the server must be told to trust its
    X-Forwarded-For. Each has a token bucket that `CATVAE_RATE`
    fills: 40 requests at once and 5 a second on average, unless it says otherwise.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # address: tokens, at which time

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        limited = scope["type"] == "http" and scope["method"] == "POST" and any(p in scope["path"] for p in LIMITED)
        if not limited:
            return await self.app(scope, receive, send)
        headers = Headers(scope=scope)
        texts = TEXTS[language_of(headers)]
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > MAX_BODY:
            return await _refuse(send, 413, texts["too_heavy_body"])
        if not self._take_token(scope["client"][0] if scope["client"] else ""):
            return await _refuse(send, 429, texts["busy"])

        full = False

        async def send_or_refuse(message: Message) -> None:
            nonlocal full
            if message["type"] == "http.response.start" and message["status"] == 503:  # the queue is full
                full = True
                await _refuse(send, 429, texts["busy"])
            elif not full:
                await send(message)

        return await self.app(scope, receive, send_or_refuse)

    def _take_token(self, address: str) -> bool:
        now = time.monotonic()
        tokens, then = self.buckets.pop(address, (BURST, now))
        tokens = min(BURST, tokens + RATE * (now - then))
        self.buckets[address] = (max(0.0, tokens - 1), now)
        if len(self.buckets) > MAX_VISITORS:
            self.buckets.popitem(last=False)
        return tokens >= 1


async def _refuse(send: Send, status: int, text: str) -> None:
    body = json.dumps({"detail": text, "error": text}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, (b"retry-after", b"2")]})
    await send({"type": "http.response.body", "body": body})
