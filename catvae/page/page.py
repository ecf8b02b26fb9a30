"""The Blocks page and its API: two cats, a model, a number of steps, a gallery."""

import os
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path

import gradio as gr
from PIL import Image
from starlette.middleware import Middleware

from catvae.files import example_cats
from catvae.machine import RUNNING_AT_ONCE
from catvae.mixing import METHODS, mix
from catvae.model import VARIANTS
from catvae.page.api import (
    add_endpoints,
    allow_no_path,
    check_path,
    check_steps,
    forget_pictures,
    known_model,
    new_kittens,
)
from catvae.page.embed import EMBED_CSS, embed_page
from catvae.page.first_look import FirstLook, first_look
from catvae.page.morph import FILE_FRAMES, FILE_KINDS, SAVE, draw_mix, frames_view, make_file, morph_view
from catvae.page.picker import cat_picker, two_faces, unguarded
from catvae.page.share import DEFAULT_PATH, DEFAULT_STEPS, DEFAULT_VARIANT, MAX_STEPS, MIN_STEPS, share_tools
from catvae.page.tabs.compare import compare_tab
from catvae.page.tabs.explore import explore_tab
from catvae.page.tabs.understand import understand_tab
from catvae.page.theme import CSS, THEME, i18n
from catvae.serving.limits import Limits
from catvae.serving.texts import TEXTS, language_of
from catvae.serving.weights import Weights

MAX_WAITING = 60  # in the queue; who comes then is told to try again

# Gradio's examples are buttons without a name, which screen readers cannot announce
NAME_EXAMPLES = """() => document.querySelectorAll('.cat').forEach(cat => {
  const label = cat.querySelector('.label')?.textContent.trim() ?? '';
  cat.querySelectorAll('.gallery-item').forEach((item, i) => item.setAttribute('aria-label', `${label} ${i + 1}`));
})"""


def build() -> gr.Blocks:
    """The page, with all six models in memory.

    Raises CheckpointError when the weights cannot be loaded.
    """
    weights = Weights()
    cats = example_cats()

    def redraw(
        name: str, image_a: str, image_b: str, steps: int, path: str, shown: tuple | None, request: gr.Request
    ) -> tuple[str, str, tuple]:
        """The frames; the morph, unless it is the one `shown`; which one it is."""
        language = language_of(request.headers)
        texts, current = TEXTS[language], weights.current
        known_model(current, name, texts)
        count, method = check_steps(steps, texts), check_path(path, texts)
        faces = two_faces(image_a, image_b, texts)
        frames, morph, shows = draw_mix(current, name, faces, count, method, language, shown)
        return frames, gr.skip() if morph is None else morph, shows

    def saver(kind: str) -> Callable[..., str]:
        def save_cats(model: str, image_a: str, image_b: str, steps: int, path: str, request: gr.Request) -> str:
            texts = TEXTS[language_of(request.headers)]
            count = check_steps(steps, texts) if kind == "png" else FILE_FRAMES
            chosen, method = known_model(weights.current, model, texts), check_path(path, texts)
            frames = mix(chosen, *two_faces(image_a, image_b, texts), count, method)
            return make_file(frames, kind, f"kittens-{model}")

        return save_cats

    def surprise_me() -> list[str]:
        a, b = random.sample([cat for cat in cats if "kitten" in Path(cat).name], 2)
        return [a, a, b, b]

    def newborn_kittens(model: str, request: gr.Request) -> list[Image.Image]:
        a, b = new_kittens(weights.current, model, 2, TEXTS[language_of(request.headers)])
        return [a, a, b, b]

    def describe_weights(request: gr.Request) -> str:
        return TEXTS[language_of(request.headers)]["weights"].format(source=weights.current.source)

    with gr.Blocks(
        title="Kitten Mixer · Mezclador de Gatitos", analytics_enabled=False, delete_cache=(600, 3600)
    ) as demo:
        gr.Markdown(i18n("intro"))
        with gr.Row(elem_id="cats"):
            cat_a = cat_picker("A", cats, first=0)
            cat_b = cat_picker("B", cats, first=3)
        with gr.Row(elem_id="surprises"):
            surprise = gr.Button(i18n("surprise"), size="sm")
            newborn = gr.Button(i18n("newborn"), size="sm")
        with gr.Tabs(elem_id="tabs") as tabs:
            with gr.Tab(i18n("tab_mix"), id="mix"):
                with gr.Row():
                    model = gr.Dropdown(
                        [(i18n(f"model_{name}"), name) for name in VARIANTS],
                        value=DEFAULT_VARIANT,
                        label=i18n("model"),
                        info=i18n("model_info"),
                        elem_id="model",
                        scale=2,
                    )
                    steps = gr.Slider(
                        MIN_STEPS,
                        MAX_STEPS,
                        DEFAULT_STEPS,
                        step=1,
                        label=i18n("steps"),
                        info=i18n("steps_info"),
                        elem_id="steps",
                        min_width=140,
                    )
                    path = gr.Radio(
                        [(i18n(f"path_{name}"), name) for name in METHODS],
                        value=DEFAULT_PATH,
                        label=i18n("path"),
                        info=i18n("path_info"),
                        elem_id="path",
                        min_width=140,
                    )
                unguarded(model, steps, path)
                frames = frames_view()
                morph = morph_view()
                with gr.Row(elem_id="saves"):
                    saves = {kind: gr.Button(i18n(f"save_{kind}"), size="sm") for kind in FILE_KINDS}
                file, shown = gr.Textbox(visible=False), gr.State()
            with gr.Tab(i18n("tab_compare"), id="compare") as compare:
                compare_tab(weights, model, tabs, compare, cat_a, cat_b)
            with gr.Tab(i18n("tab_explore"), id="explore"):
                explore_tab(weights, model, cats, cat_a, cat_b)
            with gr.Tab(i18n("tab_understand"), id="understand"):
                understand_tab()
        share_tools(demo, model, steps, path, cat_a, cat_b)
        gr.Markdown(i18n("credits"))
        running = gr.Markdown(elem_id="weights")

        chosen = [model, cat_a.face, cat_b.face, steps, path]
        private = {"api_visibility": "private", "show_progress": "hidden"}
        gr.on(
            [demo.load, *(component.change for component in chosen)],
            redraw,
            [*chosen, shown],
            [frames, morph, shown],
            trigger_mode="always_last",
            queue=False,
            **private,
        )
        for kind, button in saves.items():
            button.click(saver(kind), chosen, file, **private).then(None, file, None, js=SAVE)
        both = [cat_a.photo, cat_a.face, cat_b.photo, cat_b.face]
        surprise.click(surprise_me, None, both, **private)
        newborn.click(newborn_kittens, model, both, **private)
        demo.load(None, None, None, js=NAME_EXAMPLES)
        add_endpoints(weights, model, cat_a, cat_b, steps, path)
        demo.load(describe_weights, None, running, api_name="weights", api_visibility="undocumented", queue=False)
    embed_page(demo, weights)
    allow_no_path(demo)
    forget_pictures()
    demo.first_look = partial(first_look, weights)
    return demo.queue(max_size=MAX_WAITING, default_concurrency_limit=RUNNING_AT_ONCE, api_open=True)


def launch_options(demo: gr.Blocks) -> dict:
    """What `Blocks.launch` needs so that the page looks, speaks and keeps quiet as it should."""
    if os.environ.get("SYSTEM") == "spaces":
        os.environ.setdefault("FORWARDED_ALLOW_IPS", "*")  # visitors come through the Space's proxy
    return {
        "theme": THEME,
        "css": CSS + EMBED_CSS,
        "i18n": i18n,
        "mcp_server": True,
        "run_history": False,  # it would keep visitors' photos in their browsers
        "show_error": True,
        "max_file_size": "15mb",
        "footer_links": ["api", "settings"],
        "ssr_mode": False,
        "state_session_capacity": 500,  # each holds the page's settings; ten thousand would be a gigabyte
        "app_kwargs": {"middleware": [Middleware(Limits), Middleware(FirstLook, look=demo.first_look)]},
    }
