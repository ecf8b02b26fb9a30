"""Pictures that programs name by an address: fetched within bounds, whichever input and endpoint names them."""

import asyncio
import json
import os
import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import gradio as gr
import httpx
import pytest
import safehttpx
from gradio_client import Client, handle_file

from catvae.errors import ImageError
from catvae.files import example_kittens
from catvae.page import addresses
from catvae.page.launch import launch_options
from catvae.page.page import build
from catvae.serving.texts import TEXTS
from catvae.serving.weights import Weights
from tests.conftest import free_port

KITTEN = example_kittens()[0].read_bytes()
META = {"_type": "gradio.FileData"}
MOST = 15_000_000


class Strangers(BaseHTTPRequestHandler):
    """A server on the public internet, whose answer is its path."""

    asked: ClassVar[list[str]] = []
    sent = 0

    def do_GET(self) -> None:
        name = self.path.strip("/")
        self.asked.append(name)
        moved = {
            "moved": "/kitten.png",
            "round": "/round",
            "inside": "http://inside.example/kitten.png",
            "file": "file:///etc/hostname",
        }
        self.send_response(302 if name in moved else 404 if name == "none" else 200)
        if name in moved:
            self.send_header("location", moved[name])
        self.send_header("content-type", "text/html" if name == "page.png" else "image/png")
        if name == "packed":
            self.send_header("content-encoding", "gzip")
        self.end_headers()
        try:
            if name == "endless":
                while True:
                    self.wfile.write(bytes(1_000_000))
                    Strangers.sent += 1_000_000
            while name == "slow":
                self.wfile.write(b"\x89")
                self.wfile.flush()
                time.sleep(0.2)
            self.wfile.write(b"<script>alert(1)</script>" if name == "page.png" else KITTEN)
        except OSError:  # who asked has left
            pass

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    weights = Weights()
    demo, port = build(weights), free_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CATVAE_RATE", "1000")
        options = launch_options(weights)
    demo.launch(server_port=port, server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, **options)
    yield f"http://127.0.0.1:{port}/gradio_api"
    demo.close(verbose=False)


@pytest.fixture
def internet(monkeypatch) -> Iterator[str]:
    """The address of a public host, which in truth is this machine; all others have no public one."""

    async def lookup(host: str) -> str:
        if host != "cats.example":
            raise ValueError(f"Hostname {host} failed validation")
        return "127.0.0.1"

    monkeypatch.setattr(addresses, "public_address", lookup)
    monkeypatch.setattr(addresses, "SECONDS", 2)
    Strangers.asked, Strangers.sent = [], 0
    with ThreadingHTTPServer(("127.0.0.1", 0), Strangers) as server:
        server.daemon_threads, server.block_on_close = True, False
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://cats.example:{server.server_port}"
        server.shutdown()


def ask(url: str, path: str, data: list, **more: object) -> httpx.Response:
    return httpx.post(f"{url}/{path}", json={"data": data, **more}, headers={"accept-language": "es"}, timeout=60)


def file_at(address: str) -> dict:
    return {"path": address, "url": address, "orig_name": "cat.png", "meta": META}


def cut_of(url: str, file: object) -> str:
    """What /cut says of a file in the end, through the queue."""
    answer = ask(url, "call/cut", [file, 1, 1, 0, 0, 0])
    if answer.status_code != 200:
        return answer.json()["error"]
    return httpx.get(f"{url}/call/cut/{answer.json()['event_id']}", timeout=60).text


@pytest.mark.parametrize("name", ["kitten.png", "moved"])
def test_a_picture_at_a_public_address_is_fetched_once_and_used(name, url, internet):
    for route in ("run/cut", "api/cut"):
        answer = ask(url, route, [file_at(f"{internet}/{name}"), 1, 1, 0, 0, 0])
        assert answer.status_code == 200 and answer.json()["data"][2] in (0, 1)
    assert "event: complete" in cut_of(url, {"path": f"{internet}/{name}", "meta": META})
    assert Strangers.asked.count("kitten.png") == 3
    client = Client(url.removesuffix("/gradio_api"), verbose=False)
    gallery = client.predict(
        "v6", handle_file(f"{internet}/{name}"), handle_file(f"{internet}/kitten.png"), 3, "lerp", api_name="/mix"
    )
    assert len(gallery) == 5
    assert Path(gallery[0]["image"]).read_bytes()[:4] == b"\x89PNG"


def test_assistants_name_pictures_by_their_addresses(url, internet):
    pytest.importorskip("mcp")
    from tests.page.test_mcp import call  # only here: it needs that package

    app = url.removesuffix("/gradio_api")
    (said,) = call(app, "cut", photo=f"{internet}/kitten.png")
    assert TEXTS["en"]["face_found"] in said.text
    assert Strangers.asked == ["kitten.png"]
    for name, words in (("none", "unreached"), ("endless", "too_heavy_body")):
        with pytest.raises(ValueError, match=re.escape(TEXTS["en"][words].format(seconds=2, megabytes=15))):
            call(app, "mix", model="v6", image_a=f"{internet}/{name}", image_b=f"{internet}/kitten.png", steps=3)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("endless", "too_heavy_body"),
        ("slow", "unreached"),
        ("none", "unreached"),
        ("round", "unreached"),
        ("inside", "unreached"),
        ("file", "unreached"),
    ],
)
def test_what_an_address_gives_has_bounds(name, words, url, internet):
    started = time.monotonic()
    said = TEXTS["es"][words].format(seconds=2, megabytes=15)
    assert cut_of(url, file_at(f"{internet}/{name}")) == said
    assert time.monotonic() - started < 30
    assert MOST < Strangers.sent < 3 * MOST if name == "endless" else "kitten.png" not in Strangers.asked
    assert "\\u" not in said
    client = Client(url.removesuffix("/gradio_api"), verbose=False, headers={"accept-language": "es"})
    if name != "endless":
        with pytest.raises(Exception, match=said[:40]):
            client.predict(handle_file(f"{internet}/{name}"), 1, 1, 0, 0, 0, api_name="/cut")


@pytest.mark.parametrize("name", ["page.png", "packed"])
def test_what_is_no_picture_is_said_as_of_any_file(name, url, internet):
    said = cut_of(url, file_at(f"{internet}/{name}"))
    expected = "event: complete" if name == "packed" else json.dumps(TEXTS["es"]["unreadable"].format(cat="A"))
    assert expected in said


@pytest.mark.parametrize(
    ("route", "data"),
    [
        ("run/random", ["FILE"]),  # a model
        ("run/cut", [None, "FILE", 1, 0, 0, 0]),  # a number
        ("run/cut", [None, 1, [[{"deep": "FILE"}]], 0, 0, 0]),
        ("queue/join", ["v6", None, None, [["FILE"]], "lerp", 64]),
        ("call/mix", ["v6", None, None, 3, {"deep": ["FILE"]}]),
    ],
)
def test_no_input_of_any_kind_fetches_without_bounds(route, data, url, internet, monkeypatch):
    fetched = []
    monkeypatch.setattr("gradio.processing_utils.async_ssrf_protected_download", lambda *a, **k: fetched.append(a))
    at = json.dumps(file_at(f"{internet}/endless"))
    body = json.loads(json.dumps(data).replace('"FILE"', at))
    answer = ask(url, route, body, fn_index=0, session_hash="x")
    assert answer.status_code == 422 and answer.json()["error"] == TEXTS["es"]["too_heavy_body"]
    assert Strangers.sent < 3 * MOST and not fetched


def test_however_json_is_written_and_whatever_else_comes_first_addresses_are_seen(url, internet, monkeypatch):
    fetched = []
    monkeypatch.setattr("gradio.processing_utils.async_ssrf_protected_download", lambda *a, **k: fetched.append(a))
    at = f"{internet}/none"
    plain = json.dumps({"data": [file_at(at), 1, 1, 0, 0, 0]})
    escaped = plain.replace("http:", "\\u0068ttp\\u003a")
    twice = plain.replace('"path": ', '"path": "/none.png", "path": ')
    for content in (plain.encode("utf-16"), escaped.encode(), twice.encode()):
        for path in ("run/cut", "run/cut/", "%72un/cut"):
            headers = {"content-type": "application/json"}
            answer = httpx.post(f"{url}/{path}", content=content, headers=headers, timeout=60, follow_redirects=True)
            assert answer.status_code == 422, (path, content[:20])
    assert not fetched


def test_gradio_itself_gets_no_address(url, internet):
    """Whatever way to the endpoints the next Gradio opens."""
    demo = build(Weights())
    fn = next(fn for fn in demo.fns.values() if fn.api_name == "cut")
    with pytest.raises(gr.Error, match="address"):
        asyncio.run(demo.preprocess_data(fn, [None, 1, 1, {"a": [file_at(f"{internet}/x")]}, 0, 0], None))
    assert Strangers.asked == []


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ({"path": "file:///etc/hostname", "meta": META}, "Cannot move"),
        ({"path": "ftp://cats.example/x.png", "meta": META}, "Cannot move"),
        ({"path": "HTTP://cats.example/x.png", "meta": META}, "Cannot move"),
        ({"path": "//cats.example/x.png", "meta": META}, "Cannot move"),
        ({"url": "http://cats.example/x.png", "meta": META}, "missing"),
        ({"path": None, "url": "ftp://cats.example/x.png", "meta": META}, "missing"),
        ({"path": None, "url": "data:image/png;base64," + "A" * 20_400_000, "meta": META}, "too_heavy"),
        ({"path": None, "url": "data:image/png;base64," + "A" * 21_400_000, "meta": META}, "too_heavy_body"),
    ],
)
def test_other_ways_to_name_a_file_reach_nothing(file, said, url, internet):
    answer = cut_of(url, file)
    words = (TEXTS["es"].get(said) or said).format(cat="A")
    assert words in answer or json.dumps(words) in answer, answer[:300]
    assert Strangers.asked == []


def test_one_request_names_two_pictures_and_one_visitor_asks_for_few_at_once(url, internet):
    three = [file_at(f"{internet}/kitten.png")] * 3
    assert ask(url, "run/mix", ["v6", *three, "lerp", 64]).status_code == 422 and not Strangers.asked
    answers = []
    slow = [file_at(f"{internet}/slow"), 1, 1, 0, 0, 0]
    threads = [threading.Thread(target=lambda: answers.append(ask(url, "run/cut", slow))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status_code for answer in answers) == [422, 422, 429, 429, 429, 429]
    assert {answer.json()["error"] for answer in answers if answer.status_code == 429} == {TEXTS["es"]["busy"]}
    assert ask(url, "run/cut", [file_at(f"{internet}/kitten.png"), 1, 1, 0, 0, 0]).status_code == 200


@pytest.mark.parametrize(
    "body", ['{"data": [' + "[]," * 5_000_000 + "1]}", '{"data": ' + "[" * 100_000 + "]" * 100_000 + "}"]
)
def test_json_of_more_parts_than_any_question_has_is_not_read(body, url):
    headers = {"content-type": "application/json"}
    answer = httpx.post(f"{url}/run/cut", content=body, headers=headers, timeout=60)
    assert answer.status_code == 422 and answer.json()["error"] == TEXTS["en"]["too_many_parts"]


@pytest.mark.parametrize("found", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "100.64.0.1", "::1", "::ffff:10.0.0.1"])
def test_a_host_whose_address_is_not_public_is_not_asked(found, monkeypatch):
    async def lookup(self, host, port, **more):
        return [(2 if "." in found and ":" not in found else 10, 1, 6, "", (found, 0))]

    async def nobody(host: str) -> list[str]:
        return []

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", lookup)
    monkeypatch.setattr(safehttpx, "async_resolve_hostname_google", nobody)
    with pytest.raises(ValueError):
        asyncio.run(addresses.fetch("http://cats.example/x.png"))


def test_the_address_that_was_looked_at_is_the_one_that_is_asked(internet, monkeypatch):
    """What the name means a moment later does not count."""
    content = Path(asyncio.run(addresses.fetch(f"{internet}/kitten.png")))
    assert content.read_bytes() == KITTEN
    os.unlink(content)
    monkeypatch.setattr(addresses, "MAX_MEGABYTES", len(KITTEN) / 1e6 - 1e-5)
    with pytest.raises(ImageError):
        asyncio.run(addresses.fetch(f"{internet}/kitten.png"))
