"""The app as a set of MCP tools, through the protocol's own client."""

import asyncio
import json
import os
import re
import time
from base64 import b64decode, b64encode
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from catvae import load_variant, mix
from catvae.files import example_kittens
from catvae.serving.sweep import sweep
from tests.conftest import ROOT, draw_cat, readme_block, running_app

mcp = pytest.importorskip("mcp")
from mcp.client.streamable_http import streamable_http_client  # noqa: E402

A, B = example_kittens()[:2]


@asynccontextmanager
async def session_at(url: str):
    configuration = json.loads(readme_block("json", "mcpServers"))
    address = configuration["mcpServers"]["kittens"]["url"].replace("http://127.0.0.1:7860", url)
    async with streamable_http_client(address) as (read, write, *_), mcp.ClientSession(read, write) as session:
        await session.initialize()
        yield session


def data_uri(path: Path) -> str:
    return f"data:image/png;base64,{b64encode(path.read_bytes()).decode()}"


def call(url: str, tool: str, **arguments):
    """The answer's contents. Raises ValueError with the tool's words where it is an error."""

    async def ask():
        async with session_at(url) as session:
            return await session.call_tool(tool, arguments)

    answer = asyncio.run(ask())
    if answer.isError:
        raise ValueError(answer.content[0].text)
    return answer.content


def pixels(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(content)).convert("RGB")).astype(int)


def test_every_endpoint_is_a_tool_that_explains_itself(app_url):
    async def ask():
        async with session_at(app_url) as session:
            return (await session.list_tools()).tools

    tools = {tool.name: tool for tool in asyncio.run(ask())}
    assert tools.keys() == {"mix", "cut", "compare", "reconstruct", "random"}
    for tool in tools.values():
        assert "Returns: " in tool.description
        for name, schema in tool.inputSchema["properties"].items():
            assert schema["description"].endswith("."), (tool.name, name)  # none is cut off


def test_two_cats_are_mixed(app_url):
    (gallery,) = call(app_url, "mix", model="v6", image_a=data_uri(A), image_b=data_uri(B), steps=3)
    frames = [pixels(httpx.get(url).content) for url in re.findall(r"'url': '([^']+)'", gallery.text)]
    assert len(frames) == 5
    assert np.array_equal(frames[0], pixels(A.read_bytes())) and np.array_equal(frames[4], pixels(B.read_bytes()))
    for frame, expected in zip(frames[1:4], mix(load_variant("v6", ROOT / "checkpoints"), A, B, 3), strict=True):
        assert abs(frame - np.asarray(expected)).max() <= 1


def test_a_single_picture_comes_back_as_a_picture(app_url):
    picture, address = call(app_url, "random", model="v2")
    assert Image.open(BytesIO(b64decode(picture.data))).size == (64, 64)
    assert address.text.startswith(f"Image URL: {app_url}/")


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        ("data:image/png;base64,bm8gcGljdHVyZQ==", "cannot be read"),
        ("examples/kitten-01.png", "Invalid file data format"),
        ("http://127.0.0.1/cat.png", "cannot be fetched"),
    ],
)
def test_what_is_no_picture_is_refused_in_words(app_url, picture, words):
    with pytest.raises(ValueError, match=words):
        call(app_url, "mix", model="v6", image_a=picture, image_b=data_uri(B), steps=3)


@pytest.fixture(scope="module")
def slow_app(tmp_path_factory):
    """An app that lets a visitor ask 1.5 times a second, and its folder."""
    temp = tmp_path_factory.mktemp("app")
    with running_app(temp, {"PATH": os.environ["PATH"], "CATVAE_RATE": "1.5"}) as url:
        yield url, temp


def test_no_sent_picture_is_kept(slow_app, tmp_path, monkeypatch):
    """All that Gradio does not delete by itself lies in the folder that is emptied."""
    url, temp = slow_app
    sent = tmp_path / "sent.png"
    draw_cat(3).save(sent)
    call(url, "cut", photo=data_uri(sent))
    copies = [p for p in (temp / "gradio").rglob("*") if p.is_file() and p.read_bytes() == sent.read_bytes()]
    assert copies
    for old in copies:
        os.utime(old, times=(time.time() - 4000,) * 2)
    young = copies[0].with_name("young.png")
    young.write_bytes(b"")
    assert sweep(temp / "gradio") >= len(copies)
    assert young.exists() and not any(path.exists() for path in copies)


def test_a_flood_of_calls_is_told_to_wait(slow_app):
    url, _ = slow_app
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    headers = {"accept": "application/json, text/event-stream", "x-forwarded-for": "203.0.113.7"}
    with httpx.Client(headers=headers) as visitor:
        answers = [visitor.post(f"{url}/gradio_api/mcp/", json=body).status_code for _ in range(100)]
    assert {200, 429} == set(answers)
    assert len(call(url, "random", model="v6")) == 2  # others are served
