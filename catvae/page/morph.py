"""The frames, the morph: a slider through latent space that runs in the browser, and files to take home."""

import json
import tempfile
from base64 import b64encode
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from threading import Semaphore

import gradio as gr
from PIL import Image

from catvae.images import data_uri, make_strip, save_frames
from catvae.machine import RUNNING_AT_ONCE
from catvae.mixing import interpolate
from catvae.page.theme import render, static
from catvae.serving.texts import TEXTS
from catvae.serving.weights import WeightSet

MORPH_FRAMES = 17  # the browser fades between neighbours, which is within 54 dB of the true picture
FILE_FRAMES = 33  # files do not fade
DOWNLOAD_SCALE = 4
QUICK = {"kind": "WEBP", "quality": 95, "method": 0}  # a third of the time of the default method, a tenth larger
MIXING = Semaphore(RUNNING_AT_ONCE)  # the page's mix does not go through the queue, which takes twice the time
FILE_KINDS = {"png": "image/png", "gif": "image/gif", "webp": "image/webp", "mp4": "video/mp4"}


def shares(count: int, words: dict[str, str]) -> list[str]:
    """What `count` frames are called: the share of cat B in each, in words."""
    return [words["share"].format(percent=round(100 * i / (count - 1))) for i in range(count)]


def with_shares(frames: Sequence[Image.Image], words: dict[str, str], **options) -> list[dict[str, str]]:
    """Frames as a template takes them: "source", an address that needs no file, and "share"."""
    called = shares(len(frames), words)
    return [
        {"source": data_uri(frame, **(options or QUICK)), "share": share}
        for frame, share in zip(frames, called, strict=True)
    ]


def frames_view() -> gr.HTML:
    """Where the frames stand; its value is what `frames_html` gives."""
    return gr.HTML(
        css_template=static("frames.css"),
        js_on_load=static("frames.js"),
        elem_id="mix",
        min_height=110,
        apply_default_css=False,
    )


def frames_html(frames: Sequence[Image.Image], faces: Sequence[Image.Image], words: dict[str, str]) -> str:
    """The frames between the faces they were made of."""
    ends = [data_uri(face, **QUICK) for face in faces]
    return render("frames.html", frames=with_shares(frames, words), ends=ends, words=words)


def morph_view() -> gr.HTML:
    """The canvas with its slider; its value is what `morph_value` gives."""
    return gr.HTML(
        html_template=static("morph.html"),
        css_template=static("morph.css"),
        js_on_load=static("morph.js"),
        elem_id="morph",
        apply_default_css=False,
    )


def morph_value(frames: list[Image.Image], words: dict[str, str]) -> str:
    """The frames as JSON with one strip, and the words around them."""
    said = {"label": words["morph"], "share": words["share"], "play": words["play"], "pause": words["pause"]}
    return json.dumps({"count": len(frames), "strip": data_uri(make_strip(frames), **QUICK), **said})


def draw_mix(
    current: WeightSet,
    name: str,
    faces: Sequence[Image.Image],
    count: int,
    method: str,
    language: str,
    shown: tuple | None = None,
) -> tuple[str, str | None, tuple]:
    """Two 64×64 faces mixed by a model for the page: `count` frames as HTML, the morph, and which morph it is.

    The morph is None where it is the one `shown`. Of what these weights drew recently nothing is drawn again.
    """
    words = TEXTS[language]
    wanted = (current.source, language, name, method, *(sha256(face.tobytes()).digest() for face in faces))

    @cache
    def way(frames: int) -> list[Image.Image]:
        with MIXING:
            return interpolate(current.models[name], faces, frames, method)

    def draw_frames() -> str:
        each, rest = divmod(MORPH_FRAMES - 1, count - 1)  # some numbers of frames are among the morph's
        return frames_html(way(count) if rest else way(MORPH_FRAMES)[::each], faces, words)

    def draw_morph() -> str:
        return morph_value(way(MORPH_FRAMES), words)

    frames = current.recent.get((count, *wanted), draw_frames)
    return frames, None if wanted == shown else current.recent.get(wanted, draw_morph), wanted


def make_file(frames: list[Image.Image], kind: str, name: str) -> str:
    """The frames as strip ("png") or animation ("gif", "webp", "mp4"): JSON with name and data URI."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.{kind}"
        save_frames(frames, path, scale=DOWNLOAD_SCALE)
        data = b64encode(path.read_bytes()).decode()
    return json.dumps({"name": path.name, "data": f"data:{FILE_KINDS[kind]};base64,{data}"})
