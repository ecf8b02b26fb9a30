"""What the app answers is a list: each route of Gradio is on it with a reason, or closed, and none is new."""

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
import safehttpx
from gradio.routes import App
from playwright.sync_api import Browser
from starlette.routing import Mount
from starlette.testclient import TestClient

from catvae.page.launch import launch_options
from catvae.page.page import build
from catvae.serving.routes import MCP, OPEN
from catvae.serving.weights import Weights
from tests.conftest import free_port, running_app

API = "/gradio_api"
CLOSED = {  # of Gradio 6.31, none of which page, API or MCP need
    "GET /openapi.json",  # of all that Gradio mounts; that of our endpoints is open
    *("POST /login", "GET /logout", f"GET {API}/user", f"GET {API}/login_check", f"GET {API}/token"),
    *("GET /svelte/{path:path}", f"GET {API}/custom_component/{{id}}/{{environment}}/{{type}}/{{file_name}}"),
    *("GET /programs", "GET /pwa_icon", "GET /pwa_icon/{size}", "GET /monitoring", "GET /monitoring/{key}"),
    *(f"GET {API}/deep_link", f"GET {API}/dev/reload", f"GET {API}/runs", f"GET {API}/file/{{path:path}}"),
    *(f"GET {API}/proxy={{url_path:path}}", f"HEAD {API}/proxy={{url_path:path}}"),
    *(f"POST {API}/stream/{{event_id}}", f"POST {API}/stream/{{event_id}}/close"),
    f"GET {API}/stream/{{session_hash}}/{{run}}/{{component_id}}/playlist.m3u8",
    f"GET {API}/stream/{{session_hash}}/{{run}}/{{component_id}}/{{segment_id}}.{{ext}}",
    f"GET {API}/stream/{{session_hash}}/{{run}}/{{component_id}}/playlist-file",
    *(f"POST {API}/component_server", f"POST {API}/process_recording"),
    *(f"POST {API}/vibe-edit", f"POST {API}/undo-vibe-edit", f"GET {API}/vibe-code", f"POST {API}/vibe-code"),
    f"POST {API}/vibe-starter-queries",
}
OPENED = {entry for group in OPEN.values() for entry in group}
ASKED = ("faces", "photo", "cut", "morph", "compare", "newborn", "film", "map", "dials", "pad", "scene")
OUR_OWN = {"/embed", "/embed/", "/preview.jpg", *(f"/web/ask/{name}" for name in ASKED)}
OUR_OWN |= {f"/web/{name}" for name in ("mixer.json", "words.js", "cats.webp", "mixer.css", "page.css", "{path:path}")}
SPACE = {"SYSTEM": "spaces", "SPACE_ID": "owner/cats", "SPACE_HOST": "owner-cats.hf.space"}


def walk(routes):
    for route in routes:
        yield from walk(route.original_router.routes) if hasattr(route, "original_router") else [route]


@contextmanager
def launched() -> Iterator[App]:
    """The app as it is served."""
    weights = Weights()
    demo = build(weights)
    app, _, _ = demo.launch(
        server_port=free_port(),
        server_name="127.0.0.1",
        prevent_thread_lock=True,
        quiet=True,
        **launch_options(weights),
    )
    try:
        yield app
    finally:
        demo.close(verbose=False)


@pytest.fixture(scope="module")
def app() -> Iterator[App]:
    with launched() as app:
        yield app


def named(routes) -> set[str]:
    """Method and path of each, without a slash at the end."""
    found = set()
    for route in walk(routes):
        assert getattr(route, "methods", None), f"a route of another kind: {route}"
        path = route.path.rstrip("/") or "/"
        found |= {f"{method} {path}" for method in route.methods - ({"HEAD"} if "GET" in route.methods else set())}
    return found


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # on a Space Gradio wants `spaces`
@pytest.mark.parametrize("variables", [{}, SPACE, {"CATVAE_WEB": "mixer"}])
def test_every_route_is_open_for_a_reason_or_closed(variables, monkeypatch, tmp_path):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    if "CATVAE_WEB" in variables:
        (tmp_path / "mixer.json").write_text('{"variants": {}, "cats": {}}')
        monkeypatch.setenv("CATVAE_WEB", str(tmp_path))
    with launched() as app:
        routes = list(walk(app.routes))
    mounts = {route.path: route for route in routes if isinstance(route, Mount)}
    assert [route.path for route in mounts.pop(MCP).app.routes] == ["/schema", "/sse", "/messages", ""]
    assert set(mounts) == set()
    ours = {route.path for route in routes if route.path in OUR_OWN or route.path.startswith("/mixer")}
    assert ours >= OUR_OWN and any(path.startswith("/mixer") for path in ours) == ("CATVAE_WEB" in variables)
    of_gradio = named(route for route in routes if route.path not in {MCP, *ours})
    assert of_gradio == OPENED | CLOSED and not OPENED & CLOSED


def test_what_is_closed_is_not_there(app):
    client = TestClient(app, raise_server_exceptions=False)
    for method, path in (entry.split() for entry in CLOSED):
        for end in ("", "/"):
            answer = client.request(method, re.sub(r"{.*?}", "1", path).replace("file/1", "file//1") + end)
            assert answer.status_code == 404 and answer.text in ('{"detail":"Not Found"}', ""), (method, path)
            assert answer.headers["x-content-type-options"] == "nosniff"
    for path in (
        "//gradio_api/process_recording",
        "/%67radio_api/process_recording",
        "/gradio_api/process%5Frecording",
    ):
        assert client.post(path, files={"files": b"a film"}).status_code == 404


def test_no_kind_of_an_answer_is_left_to_a_guess(app):
    client = TestClient(app)
    for path in ("/", "/web/mixer.css", "/theme.css", "/web/cats.webp", "/nowhere"):
        assert client.get(path).headers["x-content-type-options"] == "nosniff", path


@pytest.mark.parametrize(
    "address",
    [
        "http://cats.example:PORT/x.png",
        "HTTP://cats.example:PORT/x.png",
        "%68ttp:%2F%2Fcats.example:PORT/x.png",
        "//cats.example:PORT/x.png",
        "/%5Ccats.example:PORT/x.png",
        "%5C%5Ccats.example:PORT/x.png",
        "ftp://cats.example:PORT/x.png",
        "data:text/html,<script>",
        "file:///etc/hostname",
        "%20http://cats.example:PORT/x.png",
        "README.md",
    ],
)
@pytest.mark.parametrize("route", ["file=", "file/"])
def test_no_address_is_fetched_for_anyone(route, address, app, monkeypatch):
    """One who owns an address on the public internet puts a page of his there under the name of a picture."""
    asked = []

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(b"<script>document.title = 'theirs'</script>")

        do_HEAD = do_GET

        def log_message(self, *args: object) -> None:
            pass

    async def public(hostname: str) -> str:
        return "127.0.0.1"

    monkeypatch.setattr(safehttpx, "async_validate_url", public)
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        path = f"{API}/{route}{address.replace('PORT', str(server.server_port))}"
        answers = [TestClient(app).request(method, path) for method in ("GET", "HEAD")]
        server.shutdown()
    assert [answer.status_code for answer in answers] == [403, 403] and asked == []


def test_a_page_that_a_visitor_uploads_runs_nothing_on_our_origin(app_url, browser: Browser):
    page = browser.new_page()
    for name, kind, content in [
        ("page.html", "text/html", b"<script>document.title = 'theirs'</script>"),
        ("drawing.svg", "image/svg+xml", b'<svg xmlns="http://www.w3.org/2000/svg"><script>document.title="theirs"</script></svg>'),
        ("page.xhtml", "application/xhtml+xml", b'<html xmlns="http://www.w3.org/1999/xhtml"><script>document.title="theirs"</script></html>'),
        ("page.png", "image/png", b"<html><script>document.title = 'theirs'</script>"),
        ("page", "text/html", b"<html><script>document.title = 'theirs'</script>"),
    ]:  # fmt: skip
        (path,) = httpx.post(f"{app_url}{API}/upload", files={"files": (name, content, kind)}).json()
        for ask in ({}, {"range": "bytes=0-999", "content-type": "text/html"}):
            answer = httpx.get(f"{app_url}{API}/file={path}", headers=ask)
            assert answer.headers["x-content-type-options"] == "nosniff", name
            assert "sandbox" in answer.headers["content-security-policy"], name
        try:
            page.goto(f"{app_url}{API}/file={path}")
        except Exception as error:
            assert "Download is starting" in str(error), name
        assert "theirs" not in page.title(), name
    page.close()


@pytest.mark.slow
def test_behind_a_subpath_the_same_is_open(tmp_path):
    with running_app(tmp_path, {**os.environ, "GRADIO_ROOT_PATH": "/cats"}) as url:
        for path, status in (("/config", 200), ("/cats/config", 200), ("/monitoring", 404), ("/cats/monitoring", 404)):
            assert httpx.get(url + path).status_code == status, path
