"""A link that reopens what the page shows, and snippets that show it in other pages."""

import filecmp
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from urllib.parse import urlencode

import gradio as gr
from PIL import Image

from catvae.files import example_cats
from catvae.mixing import METHODS
from catvae.model import VARIANTS
from catvae.page.picker import CatPicker
from catvae.page.theme import i18n, when_seen
from catvae.photos.decode import open_image
from catvae.photos.faces import cut_face
from catvae.serving.texts import TEXTS, language_of

MIN_STEPS, MAX_STEPS, DEFAULT_STEPS = 2, 24, 9
DEFAULT_VARIANT, DEFAULT_PATH = "v6", "lerp"
CATS = {Path(path).stem: path for path in example_cats()}
FIRST_A, _, _, FIRST_B, *_ = CATS


@dataclass(frozen=True)
class State:
    """What a link carries: two example cats by name (None: not an example), "v1" to "v6", 2 to 24 steps,
    "lerp" or "slerp"."""

    a: str | None = FIRST_A
    b: str | None = FIRST_B
    model: str = DEFAULT_VARIANT
    steps: int = DEFAULT_STEPS
    path: str = DEFAULT_PATH


def read_state(params: Mapping[str, str]) -> State:
    """The state that query parameters name; what is missing or wrong in them is as on a fresh page."""
    a, b, model, steps, path = (str(params.get(key, "")) for key in ("a", "b", "model", "steps", "path"))
    number = int(steps) if re.fullmatch("[0-9]{1,2}", steps) else 0
    return State(
        a if a in CATS else FIRST_A,
        b if b in CATS else FIRST_B,
        model if model in VARIANTS else DEFAULT_VARIANT,
        number if MIN_STEPS <= number <= MAX_STEPS else DEFAULT_STEPS,
        path if path in METHODS else DEFAULT_PATH,
    )


def example_name(path: str | None) -> str | None:
    """The name of the example that a file is, by its name and its content; None for any other file."""
    name = Path(path).stem if path else None
    same = name in CATS and Path(path).is_file() and filecmp.cmp(path, CATS[name], shallow=False)
    return name if same else None


@cache
def example_face(name: str) -> Image.Image:
    """The face of an example cat, 64×64."""
    return cut_face(open_image(CATS[name]))


def app_address(request: gr.Request) -> str:
    """Where visitors reach the app, without a slash at the end."""
    if space := os.environ.get("SPACE_HOST"):
        return f"https://{space}"
    url, headers = request.url, request.headers
    host = headers.get("x-forwarded-host", url.netloc).split(",")[0].strip()
    scheme = headers.get("x-forwarded-proto", url.scheme).split(",")[0].strip()
    return f"{scheme}://{host}{url.path.partition('/gradio_api/')[0]}".rstrip("/")


def app_link(address: str, state: State, page: str = "") -> str:
    """The address of the page, or of another `page` of the app, in a state."""
    params = {key: value for key, value in asdict(state).items() if value is not None}
    if state.path == DEFAULT_PATH:
        del params["path"]  # links are short
    return f"{address}/{page}?{urlencode(params)}"


def iframe(address: str, state: State) -> str:
    """HTML that shows the small page in a blog post."""
    source = app_link(address, state, "embed").replace("&", "&amp;")
    return (
        f'<iframe src="{source}" title="Kitten Mixer" width="700" height="420"\n'
        '  style="border: 0; max-width: 100%" loading="lazy"></iframe>'
    )


def web_component(address: str) -> str:
    """HTML that shows the whole app in a blog post, as part of its page."""
    return (
        f'<script type="module" src="https://gradio.s3-us-west-2.amazonaws.com/{gr.__version__}/gradio.js"></script>\n'
        f'<gradio-app src="{address}"></gradio-app>'
    )


def share_tools(
    demo: gr.Blocks, model: gr.Dropdown, steps: gr.Slider, path: gr.Radio, cat_a: CatPicker, cat_b: CatPicker
) -> None:
    """A fold with the link and the snippets for what the page shows. The page opens as its link says."""
    with gr.Accordion(i18n("sharing"), open=False, elem_id="share") as fold:
        note = gr.Markdown(visible=False)
        link = gr.Textbox(label=i18n("share_link"), info=i18n("share_link_info"), buttons=["copy"], interactive=False)
        with gr.Row():
            small, whole = (
                gr.Code(
                    label=i18n(key),
                    interactive=False,
                    buttons=["copy"],
                    show_line_numbers=False,
                    wrap_lines=True,
                )
                for key in ("share_iframe", "share_component")
            )

    def restore(request: gr.Request) -> list:
        """The model, steps, path and cats that the page's address names, where it names any."""
        params = dict(request.query_params)
        state = read_state(params)
        shown = [getattr(state, key) if key in params else gr.skip() for key in ("model", "steps", "path")]
        for key, name, cat in (("a", state.a, cat_a), ("b", state.b, cat_b)):
            kept = [gr.skip()] * (1 + len(cat.follow))
            shown += [CATS[name], *cat.show(CATS[name], request)] if key in params else kept
        return shown

    def tell(model: str, steps: int, path: str, photo_a: str | None, photo_b: str | None, request: gr.Request) -> tuple:
        """Which cats the link leaves out, in words; the link; the snippets."""
        texts = TEXTS[language_of(request.headers)]
        names = [example_name(photo) for photo in (photo_a, photo_b)]
        own = [texts[f"cat_{letter}"] for letter, name in zip("ab", names, strict=True) if not name]
        state = replace(read_state({"model": model, "steps": steps, "path": path}), a=names[0], b=names[1])
        address = app_address(request)
        return (
            gr.Markdown(texts["share_own"].format(cats=", ".join(own)), visible=bool(own)),
            app_link(address, state),
            iframe(address, state),
            web_component(address),
        )

    private = {"api_visibility": "private", "show_progress": "hidden"}
    chosen, photos = [model, steps, path], [cat_a.photo, cat_b.photo]
    seen = when_seen([component.change for component in (*chosen, *photos)], "#share textarea")
    # many outputs make a page slow, in Gradio, from the first time they are asked for: only where there is a state
    asked = gr.Number(0, visible="hidden")
    demo.load(None, asked, asked, js="() => /[?&](a|b|model|steps|path)=/.test(location.search) ? 1 : 0", **private)
    asked.change(restore, None, [*chosen, cat_a.photo, *cat_a.follow, cat_b.photo, *cat_b.follow], **private)
    gr.on(
        [fold.expand, seen.change],
        tell,
        [*chosen, *photos],
        [note, link, small, whole],
        trigger_mode="always_last",
        queue=False,
        **private,
    )
