"""The frames and the morph: a slider through latent space that runs in the browser."""

import json
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from threading import Semaphore

import gradio as gr
from PIL import Image

from catvae.images import data_uri, make_strip
from catvae.machine import RUNNING_AT_ONCE
from catvae.mixing import interpolate
from catvae.page.theme import render, static
from catvae.serving.links import State, app_link, cat_title, example_of_face, is_painted
from catvae.serving.texts import TEXTS
from catvae.serving.weights import WeightSet

MORPH_FRAMES = 17  # the browser fades between neighbours, which is within 54 dB of the true picture
PER_ROW = {"wide": 13, "middle": 9, "narrow": 6}  # at most, of frames and parents, by the width of the gallery
QUICK = {"kind": "JPEG", "quality": 95, "subsampling": 0}  # a tenth of the time of WebP, half again as large
MIXING = Semaphore(RUNNING_AT_ONCE)  # the page's mix does not go through the queue, which takes twice the time
SAVES = ("card", "png", "gif", "webp", "mp4")  # in the menu, each with its word "save_…"
MORPH_SCRIPT = static("slide.js") + static("morph.js")
PNG_SIDES = (64, 256, 512, 1024)  # of one frame, in pixels


def shares(count: int, words: dict[str, str]) -> list[str]:
    """What `count` frames are called: the share of cat B in each, in words, halves rounded up as browsers do."""
    return [words["share"].format(percent=int(100 * i / (count - 1) + 0.5)) for i in range(count)]


def columns(count: int, most: int) -> int:
    """In how many columns, at most `most`, that many pictures stand so that the last row is as full as can be."""
    if count <= most:
        return count
    return max(range(most * 2 // 3, most + 1), key=lambda wide: (((count - 1) % wide + 1) / wide, wide))


def with_shares(frames: Sequence[Image.Image], words: dict[str, str], **options) -> list[dict[str, str]]:
    """Frames as a template takes them: "source", an address that needs no file, and "share"."""
    called = shares(len(frames), words)
    return [
        {"source": data_uri(frame, **(options or QUICK)), "share": share}
        for frame, share in zip(frames, called, strict=True)
    ]


def frames_view() -> gr.HTML:
    """Where the frames stand, with what sends and saves them; its value is what `frames_html` gives."""
    return gr.HTML(
        css_template=static("frames.css") + static("send.css"),
        js_on_load=static("slide.js") + static("frames.js") + static("card.js") + static("send.js"),
        elem_id="mix",
        min_height=110,
        apply_default_css=False,
    )


def frames_html(
    frames: Sequence[Image.Image],
    faces: Sequence[Image.Image],
    name: str,
    model: str,
    method: str,
    words: dict[str, str],
) -> str:
    """The frames of the model of a name, called `model`, between the faces they were made of, and what is said of them
    elsewhere: in the names of files, on the card, in the link (none where a face is no example's) and to those who do
    not see."""
    cats = [example_of_face(face) for face in faces]
    both = words["cat_a"], words["cat_b"]
    titles = [cat_title(cat, words) if cat else both[i] for i, cat in enumerate(cats)]
    link = app_link("", State(*cats, name, len(frames), method)) if all(cats) else ""
    told = {
        "file": "-".join([*(cat or f"cat-{letter}" for cat, letter in zip(cats, "ab", strict=True)), name]),
        "link": link.removeprefix("/"),
        "titles": titles,
        "notes": [words["cats_painted"] if cat and is_painted(cat) else "" for cat in cats],
        "model": model,
        "title": words["card_title"],
        "words": {key.removeprefix("send_"): words[key] for key in words if key.startswith("send_")},
        "news": words["new_mix"].format(count=len(frames), a=titles[0], b=titles[1], model=name),
    }
    return render(
        "frames.html",
        frames=with_shares(frames, words),
        ends=[data_uri(face, **QUICK) for face in faces],
        columns={width: columns(len(frames) + 2, most) for width, most in PER_ROW.items()},
        told=json.dumps(told),
        saves=SAVES,
        sides=PNG_SIDES,
        words=words,
    )


def morph_view() -> gr.HTML:
    """The canvas with its slider; its value is what `morph_value` gives."""
    return gr.HTML(
        html_template=static("morph.html"),
        css_template=static("morph.css"),
        js_on_load=MORPH_SCRIPT,
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
        chosen = way(count) if rest else way(MORPH_FRAMES)[::each]
        return frames_html(chosen, faces, name, current.title(name, words), method, words)

    def draw_morph() -> str:
        return morph_value(way(MORPH_FRAMES), words)

    frames = current.recent.get((count, *wanted), draw_frames)
    return frames, None if wanted == shown else current.recent.get(wanted, draw_morph), wanted
