"""What others show of a link to a page of the app: title, description and a picture of the mix that it names."""

import json
import re
from dataclasses import replace

from PIL import Image, ImageDraw
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from catvae.images import to_bytes
from catvae.page.first_look import first_look
from catvae.page.mixes import draw_full, draw_way
from catvae.page.theme import render, static
from catvae.page.visitor import language_for
from catvae.serving.links import DEFAULT_STEPS, State, app_address, app_link, cat_title, example_face, read_state
from catvae.serving.texts import TEXTS
from catvae.serving.weights import Weights, WeightSet

SIZE = (1200, 630)  # what the large cards of networks and messengers are made for
SIDES, GAP, PAPER = (310, 440, 310), 30, "#faf6f0"
PICTURE = "preview.jpg"  # messengers show no picture of more than a few hundred kilobytes: no PNG
GRADIOS_TAGS = re.compile(rb'<meta\s+(?:property="og:|name="twitter:|name="description")[^>]*>\s*')
CONFIG = b"window.gradio_config"  # what follows is data, not Gradio's head


def preview_route(weights: Weights) -> Route:
    """/preview.jpg?a=…&b=…&model=…&path=…: cat A, the kitten half way, cat B."""

    def show(request: Request) -> Response:
        current = weights.current
        state = replace(read_state(request.query_params, current.models), steps=DEFAULT_STEPS)
        content = current.recent.get((PICTURE, state), lambda: draw_preview(current, state))
        return Response(content, media_type="image/jpeg", headers={"cache-control": "public, max-age=3600"})

    return Route(f"/{PICTURE}", show)


def draw_preview(current: WeightSet, state: State) -> bytes:
    """The faces of two cats, and the one half way large between them, 1200×630, as JPEG."""
    a, b = example_face(state.a), example_face(state.b)
    if state.full:
        a, kitten, b = draw_full(current, state.model, (state.a, state.b), state.path, 3, SIDES[1])
    else:
        kitten = draw_way(current, state.model, (a, b), state.path, 3)[1]
    picture = Image.new("RGB", SIZE, PAPER)
    left = (SIZE[0] - sum(SIDES) - 2 * GAP) // 2
    for face, side in zip((a, kitten, b), SIDES, strict=True):
        mask = Image.new("L", (4 * side, 4 * side))
        ImageDraw.Draw(mask).rounded_rectangle((0, 0, 4 * side - 1, 4 * side - 1), side // 3, fill=255)
        large = face.resize((side, side), Image.Resampling.BICUBIC)
        picture.paste(large, (left, (SIZE[1] - side) // 2), mask.resize((side, side)))
        left += side + GAP
    return to_bytes(picture, "JPEG", quality=88, optimize=True)


def preview_tags(request: Request, current: WeightSet, page: str = "") -> str:
    """Title, description and picture of the mix that the address of a page names, for the page's head."""
    words = TEXTS[language_for(request)]
    state = read_state(request.query_params, current.models)
    address = app_address(str(request.base_url), request.headers, request.scope.get("root_path", ""))
    named = {"a": cat_title(state.a, words), "b": cat_title(state.b, words), "model": current.title(state.model, words)}
    return render(
        "link_preview.html",
        title=words["web_title"],
        description=words["preview_description"].format(**named),
        alt=words["preview_alt"].format(**named),
        url=app_link(address, state, page),
        image=app_link(address, state, PICTURE),
        size=SIZE,
        words=words,
    )


class LinkPreview:
    """ASGI middleware that gives the front page tags of ours, and its language, in place of those of Gradio's template,
    and a first look.

    The template has Gradio's name and picture, whatever the options of `launch` are, and what `launch` takes for
    the head is there only when Gradio's script runs.
    """

    def __init__(self, app: ASGIApp, weights: Weights) -> None:
        self.app, self.weights = app, weights

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "").removeprefix(scope.get("root_path", ""))  # below a proxy's subpath or not
        if scope["type"] != "http" or scope["method"] != "GET" or path not in ("", "/"):
            return await self.app(scope, receive, send)
        start: Message = {}
        body = b""

        async def rewrite(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start":
                start = message
                return
            if message["type"] != "http.response.body":
                return await send(message)
            body += message.get("body", b"")
            if message.get("more_body"):
                return
            headers = MutableHeaders(raw=start["headers"])
            if start["status"] == 200 and headers.get("content-type", "").startswith("text/html") and body:
                request, current = Request(scope), self.weights.current
                look = await run_in_threadpool(first_look, current)
                body = with_head(body, preview_tags(request, current) + look, language_for(request))
                headers["content-length"] = str(len(body))
                headers.add_vary_header("accept-language")
            await send(start)
            await send({"type": "http.response.body", "body": body})

        await self.app(scope, receive, rewrite)


def with_head(page: bytes, ours: str, language: str) -> bytes:
    """Gradio's page with `ours` in its head in place of its own tags, in that language."""
    chosen = static("language.js").replace("LANGUAGES", json.dumps([*TEXTS]))
    script = f"<script>{{\n{chosen}}}</script>\n".encode()
    head, config, rest = page.partition(CONFIG)
    head = GRADIOS_TAGS.sub(b"", head)
    head = re.sub(rb'(<html\s+lang=)"\w+"', rb'\1"%s"' % language.encode(), head, count=1)
    head = re.sub(rb"<meta charset=[^>]*>", lambda found: found[0] + b"\n" + script + ours.encode(), head, count=1)
    return head + config + rest
