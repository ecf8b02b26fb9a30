"""The app under a subpath, behind a proxy that strips it: what visitors are given keeps the subpath."""

import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.conftest import running_app

PREFIX = "/cats"


@pytest.fixture(scope="module")
def proxied(tmp_path_factory) -> Iterator[str]:
    """The address of the app as visitors know it."""
    temp: Path = tmp_path_factory.mktemp("app")
    (temp / "mixer" / "faces").mkdir(parents=True)
    (temp / "secret.txt").write_text("secret")
    for name, text in (
        ("mixer.json", '{"variants": {}, "cats": {}}'),
        ("index.html", "<p>mixer"),
        ("faces/a.txt", "a"),
    ):
        (temp / "mixer" / name).write_text(text)
    env = {**os.environ, "GRADIO_ROOT_PATH": PREFIX, "CATVAE_RATE": "1000", "CATVAE_WEB": str(temp / "mixer")}
    with running_app(temp, env) as app:

        class Proxy(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if not f"{self.path}/".startswith(f"{PREFIX}/"):
                    self.send_error(404)
                    return
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                headers = {**self.headers, "x-forwarded-host": self.headers["host"], "accept-encoding": "identity"}
                path = self.path.removeprefix(PREFIX) or "/"
                with httpx.stream(self.command, app + path, content=body, headers=headers, timeout=60) as answer:
                    self.send_response(answer.status_code)
                    for name, value in answer.headers.items():
                        if name not in ("transfer-encoding", "connection", "content-length"):
                            self.send_header(name, value)
                    self.end_headers()
                    for chunk in answer.iter_raw():
                        self.wfile.write(chunk)
                        self.wfile.flush()

            do_POST = do_GET

            def log_message(self, *args: object) -> None:
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
            yield f"http://127.0.0.1:{server.server_port}{PREFIX}"
            server.shutdown()


def test_links_and_snippets_and_the_small_page_keep_the_subpath(browser: Browser, proxied: str):
    page = browser.new_page(locale="en-US")
    lost = []
    page.on("response", lambda answer: lost.append(answer.url) if answer.status >= 400 else None)
    page.goto(f"{proxied}/")
    expect(page.locator("#mix canvas")).to_have_count(11)
    page.locator("#share summary").click()
    link = page.locator("#share textarea").first
    expect(link).to_have_value(f"{proxied}/?a=naranja&b=luna&model=v6&steps=9")
    assert f'src="{proxied}/embed?a=naranja' in page.locator("#share .iframe").input_value()
    assert f'<gradio-app src="{proxied}">' in page.locator("#share .app").input_value()

    page.goto(f"{proxied}/embed?model=v2")
    expect(page.locator(".frames canvas").first).to_be_visible()
    assert page.locator(".app").evaluate("link => link.href").startswith(f"{proxied}/?a=")
    assert f'property="og:image" content="{proxied}/preview.jpg?a=' in page.content()
    assert [url for url in lost if "favicon" not in url] == []
    page.close()


def test_the_exported_mixer_keeps_the_subpath(proxied: str):
    for path, text in (("", "<p>mixer"), ("index.html", "<p>mixer"), ("faces/a.txt", "a"), ("./faces//a.txt", "a")):
        answer = httpx.get(f"{proxied}/mixer/{path}")
        assert (answer.status_code, answer.text) == (200, text), path
    for path in ("none.js", "faces", "%2e%2e/secret.txt", "%2fetc/hostname", "faces/%2e%2e/%2e%2e/secret.txt"):
        assert httpx.get(f"{proxied}/mixer/{path}").status_code == 404, path
    moved = httpx.get(f"{proxied}/mixer?a=kitten-05", follow_redirects=True)
    assert str(moved.url) == f"{proxied}/mixer/?a=kitten-05" and moved.text == "<p>mixer"
