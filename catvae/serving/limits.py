"""Limits, so that one visitor cannot keep all others waiting: on requests a second, and on the size of one."""

import asyncio
import json
import time
from collections import OrderedDict
from ipaddress import IPv6Address, ip_address
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from catvae.files import number_setting, setting
from catvae.photos.decode import MAX_MEGABYTES
from catvae.serving.decoders import SENDER, Sender
from catvae.serving.texts import TEXTS, language_of

RATE = 5.0  # requests a second, on average
BURST = 8  # seconds' worth at once: more than one who plays with every slider
MAX_BODY = int(MAX_MEGABYTES * 1.4e6)  # a photo as base64, which programs may send inside JSON
MAX_VISITORS = 10_000
LIMITED = ("/queue/join", "/call/", "/run/", "/api/", "/upload", "/mcp")
DRAWING = ("/preview.jpg", "/web/ask/")  # paths at which pictures are drawn, whatever the method


class Limits:
    """ASGI middleware that answers 429 to visitors who ask too much, and when the queue is full, in
    the visitor's language; 413 to bodies that are larger than any photo, counted as they arrive.

    A visitor is a network address: of IPv6 the first 64 bits, which one connection has to itself.
    Each has a token bucket that `CATVAE_RATE` fills: 40 requests at once and 5 a second on average,
    unless it says otherwise. On a Space (`SYSTEM=spaces`), the address is the one that the Space's own
    proxy saw, the last of X-Forwarded-For; what stands before it was sent by the client. Elsewhere uvicorn
    believes the proxies of `FORWARDED_ALLOW_IPS`, by default those on this machine; of "*" it would believe
    the first entry, so the last is taken there too.
    """

    def __init__(self, app: ASGIApp, rate: float | None = None) -> None:
        self.app = app
        self.rate = rate or find_rate()
        everyone = setting("FORWARDED_ALLOW_IPS") == "*"
        self.behind_proxy = everyone or setting("SYSTEM") == "spaces"
        self.buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # address: tokens, at which time

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        headers = Headers(scope=scope)
        words = TEXTS[spoken(scope, headers)]
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > MAX_BODY:
            return await refuse(send, 413, words["too_heavy_body"])
        asks = scope["method"] not in ("GET", "HEAD", "OPTIONS")
        limited = any(part in scope["path"] for part in (*DRAWING, *(LIMITED if asks else ())))
        sender = Sender(visitor(scope, headers, self.behind_proxy))
        if limited and not self._take_token(sender.address):
            return await refuse(send, 429, words["busy"])
        SENDER.set(sender)
        try:
            await self._pass_on(scope, receive, send, words, sender)
        finally:
            sender.answered = True

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send, words: dict[str, str], sender: Sender) -> None:
        arrived, refused, watching = 0, False, None

        async def watch() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            sender.left.set()

        async def count() -> Message:
            nonlocal arrived, refused, watching
            message = await receive()
            if answered_at_once(scope) and not message.get("more_body"):
                watching = asyncio.create_task(watch())  # no one else looks whether the sender is still there
            arrived += len(message.get("body", b""))
            if arrived > MAX_BODY:
                if not refused:
                    refused = True
                    await refuse(send, 413, words["too_heavy_body"])
                return {"type": "http.disconnect"}
            return message

        async def send_or_refuse(message: Message) -> None:
            nonlocal refused
            if refused:
                return
            if message["type"] == "http.response.start" and message["status"] == 503:  # the queue is full
                refused = True
                await refuse(send, 429, words["busy"])
            else:
                await send(message)

        try:
            await self.app(scope, count, send_or_refuse)
        except Exception:
            if not refused:  # what a route says of a body that broke off was answered already
                raise
        finally:
            if watching:
                watching.cancel()

    def _take_token(self, address: str) -> bool:
        now, burst = time.monotonic(), max(1.0, BURST * self.rate)
        tokens, then = self.buckets.pop(address, (burst, now))
        tokens = min(burst, tokens + self.rate * (now - then))
        self.buckets[address] = (tokens - 1 if tokens >= 1 else tokens, now)
        if len(self.buckets) > MAX_VISITORS:
            self.buckets.popitem(last=False)
        return tokens >= 1


def find_rate() -> float:
    """`CATVAE_RATE`, else 5 requests a second. Raises SettingError for what is no number above 0."""
    return number_setting("CATVAE_RATE", RATE)


def answered_at_once(scope: Scope) -> bool:
    """Whether the answer to a request is its work itself, and not its place in the queue."""
    return scope["method"] == "POST" and any(part in scope["path"] for part in ("/run/", "/api/", "/web/ask/"))


def spoken(scope: Scope, headers: Headers) -> str:
    """The visitor's language: as `?lang=` of the address says, or of the page that asks, else as the browser does."""
    for query in (scope.get("query_string", b"").decode("latin-1"), urlsplit(headers.get("referer", "")).query):
        for language in parse_qs(query).get("lang", []):
            if language in TEXTS:
                return language
    return language_of(headers)


def visitor(scope: Scope, headers: Headers, behind_proxy: bool) -> str:
    """The address whose requests are counted together."""
    address = scope["client"][0] if scope.get("client") else ""
    if behind_proxy and (seen := headers.getlist("x-forwarded-for")):
        address = seen[-1].rpartition(",")[2].strip()
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address) and not parsed.ipv4_mapped:
        return parsed.exploded[:19]
    return str(parsed.ipv4_mapped or parsed) if isinstance(parsed, IPv6Address) else str(parsed)


async def refuse(send: Send, status: int, text: str) -> None:
    """Answer with a sentence; with 422 as Gradio's clients expect it, which pass it on to their users."""
    detail = [{"__type__": "validate", "is_valid": False, "parameter_name": "picture", "message": text}]
    body = json.dumps({"detail": detail if status == 422 else text, "error": text}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, (b"retry-after", b"2")]})
    await send({"type": "http.response.body", "body": body})
