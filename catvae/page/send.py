"""Animations to send and keep, made of the pictures that the page shows, whatever was chosen since they were drawn."""

import json
import tempfile
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import gradio as gr
from PIL import Image

from catvae.images import save_frames
from catvae.model import IMAGE_SIZE
from catvae.page.components import bytes_within
from catvae.page.morph import MORPH_FRAMES, QUICK
from catvae.page.theme import static
from catvae.page.visitor import refuse, told, words_of

MAX_GIF_BYTES = 1_000_000  # what messengers send without asking


@dataclass(frozen=True)
class FileKind:
    """How the morph is written: frames one way, milliseconds for each, and how many times they are enlarged and in
    how many colours, the best first: the next is for a file above `max_bytes`. There and back, all kinds last
    equally long."""

    mime: str
    frames: int
    frame_ms: int
    sizes: tuple[tuple[int, int], ...]
    max_bytes: int = 10**9


FILE_KINDS = {
    "gif": FileKind("image/gif", 25, 80, ((3, 256), (3, 128), (3, 64), (2, 128), (1, 64)), MAX_GIF_BYTES),
    "webp": FileKind("image/webp", 33, 60, ((4, 256),)),
    "mp4": FileKind("video/mp4", 33, 60, ((8, 256),)),
}


def send_files(frames: gr.HTML, morph: gr.HTML) -> None:
    """Make the animations that the buttons beside the frames ask for; the browser makes all other files by itself."""
    file = gr.Textbox(visible=False)
    private = {"api_visibility": "private", "show_progress": "hidden"}
    asked = frames.click(make_shown, morph, file, **private)
    asked.success(None, file, None, js=static("take_file.js"), **private)
    asked.failure(None, None, None, js=static("take_no_file.js"), **private)


def make_shown(morph: str | None, event: gr.EventData, request: gr.Request) -> str:
    """The morph that the visitor sees as the file that was asked for: a data: address."""
    kind, frames = told(event, "kind"), read_morph(morph)
    if not isinstance(kind, str) or kind not in FILE_KINDS or not frames:
        raise refuse(words_of(request), "missing", cat="A")
    return make_file(frames, kind)


def read_morph(value: str | None) -> list[Image.Image]:
    """The frames, each 64×64, in what `morph_value` made and a browser sent back; none where that is anything else."""
    try:
        content = bytes_within(json.loads(value or "")["strip"])
        with Image.open(BytesIO(content), formats=[QUICK["kind"]]) as strip:
            if strip.size != (MORPH_FRAMES * IMAGE_SIZE, IMAGE_SIZE):
                return []
            whole = strip.convert("RGB")
    except (AttributeError, KeyError, OSError, TypeError, ValueError):
        return []
    return [whole.crop((x, 0, x + IMAGE_SIZE, IMAGE_SIZE)) for x in range(0, whole.width, IMAGE_SIZE)]


def between(frames: Sequence[Image.Image], count: int) -> list[Image.Image]:
    """`count` frames on the way of `frames`, faded between neighbours as the page does."""
    places = [i * (len(frames) - 1) / (count - 1) for i in range(count)]
    firsts = [min(int(place), len(frames) - 2) for place in places]
    return [
        Image.blend(frames[first], frames[first + 1], place - first)
        for place, first in zip(places, firsts, strict=True)
    ]


def make_file(frames: Sequence[Image.Image], kind: str) -> str:
    """The frames as an animation ("gif", "webp", "mp4") there and back: a data: address."""
    how, content = FILE_KINDS[kind], b""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"morph.{kind}"
        for scale, colours in how.sizes:
            save_frames(between(frames, how.frames), path, scale, how.frame_ms, colours)
            content = path.read_bytes()
            if len(content) <= how.max_bytes:
                break
    return f"data:{how.mime};base64,{b64encode(content).decode()}"
