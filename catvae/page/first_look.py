"""A mix to look at from the first moment, while the browser still builds the page."""

from collections.abc import Callable
from html import escape

from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from catvae.images import data_uri, make_strip
from catvae.mixing import mix
from catvae.page.morph import MORPH_FRAMES
from catvae.page.share import example_face, read_state
from catvae.serving.texts import TEXTS, language_of
from catvae.serving.weights import Weights

# It lies over the page and lets clicks through, until the morph of the page is drawn.
HTML = """
<div id="first-look" aria-hidden="true"><style>
#first-look {{
  position: fixed; inset: 0; z-index: 1000; display: grid; place-content: center; gap: 18px; text-align: center;
  pointer-events: none; background: var(--bg); color: var(--col); transition: opacity 0.25s;
  font: 600 22px ui-rounded, Nunito, system-ui, sans-serif;
}}
#first-look.dark {{ background: var(--bg-dark); color: var(--col-dark); }}
#first-look div {{ width: min(320px, 78vw); aspect-ratio: 1; overflow: hidden; border-radius: 16px; }}
#first-look img {{
  display: block; width: {count}00%; max-width: none; height: 100%;
  transform: translateX(-47.06%); animation: first-look 2.4s steps({count}, jump-none) infinite alternate;
}}
@keyframes first-look {{ from {{ transform: none; }} to {{ transform: translateX(calc(100% / {count} - 100%)); }} }}
@media (prefers-reduced-motion: reduce) {{ #first-look img {{ animation: none; }} }}
</style>{title}<div><img src="{strip}" alt="" elementtiming="first-look"></div><script>{{
  const look = document.querySelector('#first-look'), since = performance.now();
  const theme = new URLSearchParams(location.search).get('__theme');
  const dark = theme ? theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  look.classList.toggle('dark', dark);
  const wait = setInterval(() => {{
    if (!document.querySelector('#morph canvas[data-ready]') && performance.now() < since + 15000) return;
    clearInterval(wait);
    look.style.opacity = 0;
    setTimeout(() => look.remove(), 250);
  }}, 50);
}}</script></div>"""


def first_look(weights: Weights, request: Request) -> str:
    """The morph that the page's address asks for, as HTML that needs nothing else."""
    state, current = read_state(request.query_params), weights.current

    def strip() -> str:
        faces = example_face(state.a), example_face(state.b)
        frames = mix(current.models[state.model], *faces, MORPH_FRAMES, state.path)
        return data_uri(make_strip(frames), "WEBP", quality=80, method=0)

    title = TEXTS[language_of(request.headers)]["intro"].partition("\n")[0].removeprefix("# ")
    picture = current.recent.get(("first look", state.a, state.b, state.model, state.path), strip)
    return HTML.format(count=MORPH_FRAMES, title=escape(title), strip=picture)


class FirstLook:
    """ASGI middleware that puts what `look` makes of a request into the main page."""

    def __init__(self, app: ASGIApp, look: Callable[[Request], str]) -> None:
        self.app, self.look = app, look

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET" or scope["path"] != scope.get("root_path", "") + "/":
            return await self.app(scope, receive, send)
        look = (await run_sync(self.look, Request(scope))).encode()
        start: Message = {}

        async def send_with_look(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)  # its length changes
                return
            if start:
                before, tag, after = message.get("body", b"").partition(b"<body")
                if tag:
                    attributes, end, after = after.partition(b">")
                    message = {**message, "body": before + tag + attributes + end + look + after}
                    length = str(len(message["body"])).encode()
                    start["headers"] = [
                        (name, length if name.lower() == b"content-length" else value)
                        for name, value in start["headers"]
                    ]
                await send({**start})
                start.clear()
            await send(message)

        await self.app(scope, receive, send_with_look)
