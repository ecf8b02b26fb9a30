"""Pictures that programs name by an address: fetched here within bounds, before Gradio would fetch them without any."""

import asyncio
import json
import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from ssl import SSLContext
from typing import Any
from urllib.parse import urljoin

import httpx
import safehttpx
from gradio.processing_utils import PUBLIC_HOSTNAME_WHITELIST
from gradio.utils import get_upload_folder
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from catvae.errors import ImageError
from catvae.photos.decode import MAX_MEGABYTES
from catvae.serving.decoders import SENDER
from catvae.serving.limits import refuse, spoken
from catvae.serving.texts import TEXTS

ASKING = ("/queue/join", "/call/", "/run/", "/api/", "/mcp")
PICTURES = 2  # in a request: no endpoint takes more
SECONDS = 8  # for all pictures of a request
REDIRECTS = 5
AT_ONCE = 2  # requests of a visitor whose pictures are fetched
PARTS = 10_000  # of JSON


class Addresses:
    """ASGI middleware that puts a file in place of every address in a question to the app.

    It answers 422, in the visitor's language, where an address gives no file of at most 15 MB within 8 s: of hosts on
    the public internet alone, each redirect's too, and 429 to a visitor for whom two such questions are in work.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.fetching: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or not any(part in scope["path"] for part in ASKING):
            return await self.app(scope, receive, send)
        words, body, more = TEXTS[spoken(scope, Headers(scope=scope))], bytearray(), True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
        try:
            content = await self._with_files(bytes(body))
        except ImageError as error:
            status = 429 if error.reason == "busy" else 422
            return await refuse(send, status, words[error.reason].format(seconds=SECONDS, megabytes=MAX_MEGABYTES))
        whole: list[Message] = [{"type": "http.request", "body": content, "more_body": False}]

        async def replay() -> Message:
            return whole.pop() if whole else await receive()

        await self.app(scope, replay, send)

    async def _with_files(self, body: bytes) -> bytes:
        """The body with files for addresses. Raises ImageError where that cannot be, or the body has too many parts."""
        if too_many_parts(body):
            raise ImageError("too_many_parts", "too many parts of JSON")
        try:
            data = json.loads(body)
        except (ValueError, RecursionError):  # Gradio says so
            return body
        named, sender = list(files_by_address(data)), SENDER.get()
        if not named:
            return body
        visitor = sender.address if sender else ""
        if len(named) > PICTURES:
            raise ImageError("too_many_parts", "too many addresses")
        if self.fetching[visitor] >= AT_ONCE:
            raise ImageError("busy", "others of this visitor are being fetched")
        self.fetching[visitor] += 1
        try:
            async with asyncio.timeout(SECONDS):
                for file in named:
                    file["path"] = await fetch(file["path"])
            return json.dumps(data).encode()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, OSError, RecursionError) as error:
            if isinstance(error, ImageError):
                raise
            raise ImageError("unreached", f"an address gives no picture ({error})") from error
        finally:
            self.fetching[visitor] -= 1
            self.fetching += Counter()  # those above 0


def too_many_parts(body: bytes) -> bool:
    """Whether JSON has more parts than any question: a body of lists in lists would take gigabytes."""
    return sum(map(body.count, (b",", b"[", b"{"))) > PARTS


def files_by_address(data: Any) -> Iterator[dict[str, Any]]:
    """Every file in JSON, however deep, whose path is an http(s) address, as Gradio knows one."""
    left = [data]
    while left:
        node = left.pop()
        if isinstance(node, dict):
            if isinstance(path := node.get("path"), str) and path.startswith(("http://", "https://")):
                yield node
            left.extend(node.values())
        elif isinstance(node, (list, tuple)):
            left.extend(node)


async def fetch(address: str) -> str:
    """A file of this app with what an address on the public internet gives.

    Raises ImageError for more than 15 MB, as soon as they have arrived, and what httpx raises, ValueError or OSError
    where there is no answer or no such host.
    """
    for _ in range(REDIRECTS + 1):
        transport = await transport_to(httpx.URL(address).host)
        async with (
            httpx.AsyncClient(transport=transport, verify=trusted(), timeout=SECONDS) as client,
            client.stream("GET", address, headers={"accept-encoding": "identity"}) as answer,
        ):
            if not answer.has_redirect_location:
                answer.raise_for_status()
                return await save(answer)
            address = urljoin(address, answer.headers["location"])
    raise ValueError("too many redirects")


async def save(answer: httpx.Response) -> str:
    """A new file with the content of an answer as it comes, never unpacked: a few bytes may unpack to gigabytes."""
    content = bytearray()
    async for chunk in answer.aiter_raw():
        content += chunk
        if len(content) > MAX_MEGABYTES * 1e6:
            raise ImageError("too_heavy_body", f"over {MAX_MEGABYTES} MB")
    folder = Path(get_upload_folder())
    folder.mkdir(parents=True, exist_ok=True)
    file, path = tempfile.mkstemp(dir=folder, prefix="fetched-")
    with os.fdopen(file, "wb") as opened:
        opened.write(content)
    return path


async def transport_to(host: str) -> httpx.AsyncHTTPTransport | None:
    """A way to the public address of a host and to no other, whatever its name means next; None, any way, to the Hub,
    which has private addresses within a Space."""
    known = safehttpx.matches_domain_whitelist(host, PUBLIC_HOSTNAME_WHITELIST)
    return None if known else Pinned(await public_address(host))


async def public_address(host: str) -> str:
    """An address of a host on the public internet. Raises ValueError where it has none."""
    found = await asyncio.shield(safehttpx.async_validate_url(host))  # it keeps tasks, cancelled ones too
    if not ip_address(found).is_global:  # 100.64.0.0/10 is neither private nor public
        raise ValueError(f"{host} is not on the public internet")
    return found


class Pinned(safehttpx.AsyncSecureTransport):
    """Gradio's way to an address that was looked at, with one TLS context for all: to make one takes 60 ms."""

    def __init__(self, verified_ip: str) -> None:
        self.verified_ip = verified_ip
        httpx.AsyncHTTPTransport.__init__(self, verify=trusted())


@cache
def trusted() -> SSLContext:
    """The certificates that are trusted."""
    return httpx.create_ssl_context()
