"""The list of addresses that the app answers, so that no route of Gradio is open by accident."""

from collections.abc import Sequence

from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Match, Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

API, MCP, FILE = "/gradio_api", "/gradio_api/mcp", "/gradio_api/file={path_or_url:path}"
OPEN = {  # of the routes that Gradio mounts: why, and which; each also with a slash at its end
    "the page, as browsers and the Hub look at it": ("GET /", "HEAD /"),
    "scripts, styles, fonts and pictures of the page": (
        "GET /assets/{path:path}",
        "GET /static/{path:path}",
        "GET /theme.css",
        f"GET {API}/theme.css",
        "GET /favicon.ico",
        "GET /manifest.json",
    ),
    "what crawlers ask for first": ("GET /robots.txt",),
    "clients and the elements of other pages build on it": ("GET /config",),
    "the description of the endpoints, for clients and the page": (
        f"GET {API}/info",
        f"GET {API}/openapi.json",
        "GET /monitoring/summary",
    ),
    "a page that lost the app asks whether it is the same one": (f"GET {API}/app_id",),
    "photos on their way to the app, and how far they are": (f"POST {API}/upload", f"GET {API}/upload_progress"),
    "photos and mixes on their way back": (
        f"GET {API}/file={{path_or_url:path}}",
        f"HEAD {API}/file={{path_or_url:path}}",
    ),
    "the page's questions and their answers": (f"POST {API}/queue/join", f"GET {API}/queue/data"),
    "how many wait, which the Python client shows": (f"GET {API}/queue/status",),
    "a visitor who stops waiting": (f"POST {API}/cancel", f"POST {API}/reset"),
    "a visitor who leaves, so that what is kept for the page goes": (f"GET {API}/heartbeat/{{session_hash}}",),
    "programs' questions and their answers": (
        f"POST {API}/call/{{api_name}}",
        f"GET {API}/call/{{api_name}}/{{event_id}}",
        f"POST {API}/call/v2/{{api_name}}",
        f"GET {API}/call/v2/{{api_name}}/{{event_id}}",
    ),
    "what is answered at once, programs of before": (f"POST {API}/run/{{api_name}}", f"POST {API}/api/{{api_name}}"),
    "`launch` asks for it when the app has started": (f"GET {API}/startup-events",),
}
FILES = (FILE, f"{API}/file/{{path_or_url:path}}")
# whatever a visitor's file holds, a browser runs nothing of it on the app's origin
FILE_HEADERS = {"content-security-policy": "sandbox; default-src 'none'", "referrer-policy": "no-referrer"}


class OpenRoutes:
    """ASGI middleware that answers 404 for all but `OPEN`, MCP and the app's `own` routes, and 403 for files that are
    named by an address: Gradio would fetch them for anyone. No answer's kind is left to a browser's guess."""

    def __init__(self, app: ASGIApp, own: Sequence[BaseRoute] = ()) -> None:
        self.app = app
        self.routes = [*own, Mount(MCP, app), *open_routes(app)]
        self.files = [Route(path, app) for path in FILES]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        named = next(
            (found["path_params"]["path_or_url"] for route in self.files if (found := _match(route, scope))), None
        )

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["x-content-type-options"] = "nosniff"
                headers.update(FILE_HEADERS if named is not None else {})
            await send(message)

        if named is not None and not _is_path(named):
            answer = JSONResponse({"detail": "Forbidden: name a file of this app by its path"}, 403)
        elif not any(_match(route, scope) for route in self.routes):
            answer = JSONResponse({"detail": "Not Found"}, 404)
        else:
            answer = self.app
        await answer(scope, receive, send_guarded)


def open_routes(app: ASGIApp) -> list[Route]:
    """The routes of `OPEN`, as Starlette matches them."""
    named = [entry.split() for group in OPEN.values() for entry in group]
    return [Route(end, app, methods=[method]) for method, path in named for end in (path, f"{path.rstrip('/')}/")]


def _match(route: BaseRoute, scope: Scope) -> Scope:
    """What a route takes from the address of a request that it answers; nothing for any other."""
    match, found = route.matches(scope)
    return found if match is Match.FULL else {}


def _is_path(named: str) -> bool:
    """Whether a file is named by an absolute path, and not by an address of any scheme, or of none (//host)."""
    return named.startswith("/") and not named[1:].startswith(("/", "\\"))
