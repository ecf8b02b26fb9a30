"""The frames, the morph: a slider through latent space that runs in the browser, and files to take home."""

import json
import tempfile
from base64 import b64encode
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from html import escape
from pathlib import Path
from threading import Semaphore

import gradio as gr
from PIL import Image

from catvae.images import data_uri, make_strip, save_frames
from catvae.machine import RUNNING_AT_ONCE
from catvae.mixing import mix
from catvae.serving.texts import TEXTS
from catvae.serving.weights import WeightSet

MORPH_FRAMES = 17  # the browser fades between neighbours, which is within 54 dB of the true picture
FRAMES_PER_ROW = 13
FILE_FRAMES = 33  # files do not fade
DOWNLOAD_SCALE = 4
QUICK = {"kind": "WEBP", "quality": 95, "method": 0}  # a third of the time of the default method, a tenth larger
MIXING = Semaphore(RUNNING_AT_ONCE)  # the page's mix does not go through the queue, which takes twice the time
FILE_KINDS = {"png": "image/png", "gif": "image/gif", "webp": "image/webp", "mp4": "video/mp4"}

HTML = """
<div class="stage"><canvas width="320" height="320" role="img"></canvas></div>
<div class="controls">
  <button class="play" type="button">▶</button>
  <input type="range" min="0" max="1000" value="500">
  <output></output>
</div>
"""

STYLE = """
.stage { display: flex; justify-content: center; }
canvas { width: min(320px, 78vw); height: min(320px, 78vw); border-radius: 16px; background: #8882; }
.controls { display: flex; gap: 12px; align-items: center; max-width: 520px; margin: 12px auto 0; }
.controls input { flex: 1; min-width: 0; height: 32px; accent-color: var(--color-accent); }
.controls output { min-width: 4.5em; text-align: right; font-variant-numeric: tabular-nums; }
.play { width: 44px; height: 44px; border-radius: 50%; border: none; cursor: pointer; font-size: 16px;
        background: var(--button-primary-background-fill); color: var(--button-primary-text-color); }
"""

# Frames arrive as one strip; between two of them the second is drawn over the first, half seen through.
SCRIPT = """
const canvas = element.querySelector('canvas'), pen = canvas.getContext('2d');
const slider = element.querySelector('input'), play = element.querySelector('.play');
const output = element.querySelector('output');
let strip = null, morph = null, playing = false, direction = 1, last = 0;

function draw() {
  if (!strip) return;
  const share = slider.value / 1000, place = share * (morph.count - 1);
  const first = Math.min(Math.floor(place), morph.count - 2), side = strip.height;
  pen.imageSmoothingQuality = 'high';
  for (const [frame, alpha] of [[first, 1], [first + 1, place - first]]) {
    pen.globalAlpha = alpha;
    pen.drawImage(strip, frame * side + 0.5, 0.5, side - 1, side - 1, 0, 0, canvas.width, canvas.height);
  }
  output.textContent = morph.share.replace('{percent}', Math.round(100 * share));
  slider.setAttribute('aria-valuetext', output.textContent);
}
function tick(now) {
  if (!playing) return;
  let value = Number(slider.value) + direction * Math.min(now - last, 50) * 0.4;
  if (value >= 1000 || value <= 0) direction = -direction;
  slider.value = Math.max(0, Math.min(1000, value));
  last = now;
  draw();
  requestAnimationFrame(tick);
}
function setPlaying(on) {
  playing = on;
  play.textContent = on ? '❚❚' : '▶';
  if (morph) play.setAttribute('aria-label', on ? morph.pause : morph.play);
  last = performance.now();
  if (on) requestAnimationFrame(tick);
}
function update() {
  if (!props.value) return;
  morph = JSON.parse(props.value);
  canvas.setAttribute('aria-label', morph.label);
  slider.setAttribute('aria-label', morph.label);
  setPlaying(playing);
  const image = new Image();
  image.onload = () => { strip = image; canvas.dataset.ready = morph.count; draw(); };
  image.src = morph.strip;
}
slider.addEventListener('input', () => { setPlaying(false); draw(); });
play.addEventListener('click', () => setPlaying(!playing));
watch('value', update);
update();
"""

FRAMES_STYLE = """
.frames { display: grid; grid-template-columns: repeat(var(--columns), minmax(0, 120px)); gap: 8px;
          justify-content: center; }
.frames > * { position: relative; margin: 0; padding: 0; border: 0; border-radius: 10px; overflow: hidden;
              background: none; font: inherit; color: inherit; }
.frames img { width: 100%; aspect-ratio: 1; display: block; margin: 0; }
.frames span { position: absolute; left: 5px; bottom: 5px; padding: 1px 6px; border-radius: 6px; font-size: 11px;
               background: var(--background-fill-primary); color: var(--body-text-color); opacity: 0.9; }
.frames button { cursor: pointer; }
.frames button:hover { filter: brightness(1.08); }
@media (max-width: 800px) { .frames { grid-template-columns: repeat(auto-fill, minmax(60px, 1fr)); gap: 6px; } }
.frames button:focus-visible { outline: 3px solid var(--color-accent); outline-offset: 2px; }
"""

# a click on a frame shows it large: the morph goes there
FRAMES_SCRIPT = """
element.addEventListener('click', event => {
  const frame = event.target.closest('button'), slider = element.getRootNode().querySelector('#morph input');
  if (!frame || !slider) return;
  slider.value = frame.dataset.share;
  slider.dispatchEvent(new Event('input'));
});
"""

# what Python made goes to the visitor's disk without a file on the server
SAVE = """file => {
  if (!file) return;
  const {name, data} = JSON.parse(file), link = document.createElement('a');
  link.href = data; link.download = name; link.click();
}"""


def shares(count: int, texts: dict[str, str]) -> list[str]:
    """What `count` frames are called: the share of cat B in each, in words."""
    return [texts["share"].format(percent=round(100 * i / (count - 1))) for i in range(count)]


def frames_view() -> gr.HTML:
    """Where the frames stand; its value is what `frames_html` gives."""
    return gr.HTML(
        css_template=FRAMES_STYLE, js_on_load=FRAMES_SCRIPT, elem_id="mix", min_height=110, apply_default_css=False
    )


def frames_html(frames: list[Image.Image], faces: Sequence[Image.Image], texts: dict[str, str]) -> str:
    """The frames between the faces they were made of."""
    tags = [
        f'<button type="button" data-share="{1000 * i / (len(frames) - 1):.0f}">'
        f'<img src="{data_uri(frame, **QUICK)}" alt="{share}"><span aria-hidden="true">{share}</span></button>'
        for i, (frame, share) in enumerate(zip(frames, shares(len(frames), texts), strict=True))
    ]
    ends = [
        f'<figure><img src="{data_uri(face, **QUICK)}" alt="{name}"><span aria-hidden="true">{name}</span></figure>'
        for face, name in zip(faces, (escape(texts["cat_a"]), escape(texts["cat_b"])), strict=True)
    ]
    label, columns = escape(texts["result"]), min(len(frames) + 2, FRAMES_PER_ROW)
    return (
        f'<div class="frames" role="group" aria-label="{label}" style="--columns: {columns}">'
        f"{ends[0]}{''.join(tags)}{ends[1]}</div>"
    )


def morph_view() -> gr.HTML:
    """The canvas with its slider; its value is what `morph_value` gives."""
    return gr.HTML(html_template=HTML, css_template=STYLE, js_on_load=SCRIPT, elem_id="morph", apply_default_css=False)


def morph_value(frames: list[Image.Image], texts: dict[str, str]) -> str:
    """The frames as JSON with one strip, and the words around them."""
    words = {"label": texts["morph"], "share": texts["share"], "play": texts["play"], "pause": texts["pause"]}
    return json.dumps({"count": len(frames), "strip": data_uri(make_strip(frames), **QUICK), **words})


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

    The morph is None where it is the one `shown`. Of what these weights drew of late nothing is drawn again.
    """
    texts = TEXTS[language]
    wanted = (current.source, language, name, method, *(sha256(face.tobytes()).digest() for face in faces))

    @cache
    def way(frames: int) -> list[Image.Image]:
        with MIXING:
            return mix(current.models[name], *faces, frames, method)

    def draw_frames() -> str:
        each, rest = divmod(MORPH_FRAMES - 1, count - 1)  # some numbers of frames are among the morph's
        return frames_html(way(count) if rest else way(MORPH_FRAMES)[::each], faces, texts)

    def draw_morph() -> str:
        return morph_value(way(MORPH_FRAMES), texts)

    frames = current.recent.get((count, *wanted), draw_frames)
    return frames, None if wanted == shown else current.recent.get(wanted, draw_morph), wanted


def make_file(frames: list[Image.Image], kind: str, name: str) -> str:
    """The frames as strip ("png") or animation ("gif", "webp", "mp4"): JSON with name and data URI."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.{kind}"
        save_frames(frames, path, scale=DOWNLOAD_SCALE)
        data = b64encode(path.read_bytes()).decode()
    return json.dumps({"name": path.name, "data": f"data:{FILE_KINDS[kind]};base64,{data}"})
