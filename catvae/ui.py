"""The Blocks page and its API: two cats, a model, a number of steps, a gallery."""

import os
import random
from collections.abc import Callable
from pathlib import Path

import gradio as gr
from PIL import Image
from starlette.middleware import Middleware

from catvae.compare import compare_tab
from catvae.embed import EMBED_CSS, embed_page
from catvae.endpoints import add_endpoints, forget_pictures, known_model, new_kittens
from catvae.explore import explore_tab
from catvae.images import example_cats
from catvae.limits import Limits
from catvae.looks import CSS, THEME, i18n
from catvae.mixing import mix
from catvae.model import VARIANTS
from catvae.morph import FILE_KINDS, MORPH_FRAMES, SAVE, make_file, morph_value, morph_view
from catvae.picker import cat_picker, two_faces, unguarded
from catvae.serving import Weights
from catvae.share import DEFAULT_STEPS, DEFAULT_VARIANT, MAX_STEPS, MIN_STEPS, share_tools
from catvae.texts import TEXTS, language_of
from catvae.understand import understand_tab

TABS = ("mix", "compare", "explore", "understand")
MAX_WAITING = 60  # in the queue; who comes then is told to try again
RUNNING_AT_ONCE = 2  # as many as a free Space has cores


# Gradio's examples are buttons without a name, which screen readers cannot announce
NAME_EXAMPLES = """() => document.querySelectorAll('.cat').forEach(cat => {
  const label = cat.querySelector('.label')?.textContent.trim() ?? '';
  cat.querySelectorAll('.gallery-item').forEach((item, i) => item.setAttribute('aria-label', `${label} ${i + 1}`));
})"""
# and its galleries call a picture "Thumbnail 3 of 11", whatever its caption says
NAME_FRAMES = """() => requestAnimationFrame(() => document.querySelectorAll('#mix .thumbnail-item').forEach(
  item => item.setAttribute('aria-label', item.innerText.trim())))"""


def build() -> gr.Blocks:
    """The page, with all six models in memory.

    Raises CheckpointError when the weights cannot be loaded.
    """
    weights = Weights()
    cats = example_cats()

    def mix_cats(
        model: str, image_a: str, image_b: str, steps: int, request: gr.Request
    ) -> list[tuple[Image.Image, str]]:
        """Turn cat A into cat B.

        Args:
            model: "v1" to "v6"; they differ in the weight β of the KL term.
            image_a: First cat; its best face is cut out, 64×64 pixels are taken as they are, else the centre square.
            image_b: Second cat, likewise.
            steps: Number of frames, 2 to 24.

        Returns:
            The cut face A, the frames, the cut face B, each with its share of B as caption.
        """
        texts = TEXTS[language_of(request.headers)]
        chosen, count = known_model(weights, model, texts), check_steps(steps, texts)
        faces = two_faces(image_a, image_b, texts)
        frames = mix(chosen, *faces, count)
        captions = [texts["share"].format(percent=round(100 * i / (len(frames) - 1))) for i in range(len(frames))]
        return [(faces[0], texts["cat_a"]), *zip(frames, captions, strict=True), (faces[1], texts["cat_b"])]

    def morph_cats(model: str, image_a: str, image_b: str, request: gr.Request) -> str:
        texts = TEXTS[language_of(request.headers)]
        frames = mix(known_model(weights, model, texts), *two_faces(image_a, image_b, texts), MORPH_FRAMES)
        return morph_value(frames, texts)

    def saver(kind: str) -> Callable[..., str]:
        def save_cats(model: str, image_a: str, image_b: str, steps: int, request: gr.Request) -> str:
            texts = TEXTS[language_of(request.headers)]
            count = check_steps(steps, texts) if kind == "png" else MORPH_FRAMES
            frames = mix(known_model(weights, model, texts), *two_faces(image_a, image_b, texts), count)
            return make_file(frames, kind, f"kittens-{model}")

        return save_cats

    def surprise_me() -> list[str]:
        a, b = random.sample([cat for cat in cats if "kitten" in Path(cat).name], 2)
        return [a, a, b, b]

    def newborn_kittens(model: str, request: gr.Request) -> list[Image.Image]:
        known_model(weights, model, TEXTS[language_of(request.headers)])
        a, b = new_kittens(weights, model, 2)
        return [a, a, b, b]

    def selected_tab(event: gr.SelectData) -> str:
        return TABS[event.index]

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
        selected = gr.State("mix")
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
                        MIN_STEPS, MAX_STEPS, DEFAULT_STEPS, step=1, label=i18n("steps"), info=i18n("steps_info")
                    )
                unguarded(model, steps)
                gallery = gr.Gallery(
                    label=i18n("result"),
                    show_label=False,
                    elem_id="mix",
                    format="png",
                    columns=DEFAULT_STEPS + 2,
                    height="auto",
                    object_fit="cover",
                    interactive=False,
                    buttons=["download", "fullscreen"],
                )
                morph = morph_view()
                with gr.Row(elem_id="saves"):
                    saves = {kind: gr.Button(i18n(f"save_{kind}"), size="sm") for kind in FILE_KINDS}
                file = gr.Textbox(visible=False)
            with gr.Tab(i18n("tab_compare"), id="compare") as compare:
                compare_tab(weights, model, tabs, compare, selected, cat_a, cat_b)
            with gr.Tab(i18n("tab_explore"), id="explore"):
                explore_tab(weights, model, cats, cat_a, cat_b)
            with gr.Tab(i18n("tab_understand"), id="understand"):
                understand_tab()
        share_tools(demo, model, steps, cat_a, cat_b)
        gr.Markdown(i18n("credits"))
        running = gr.Markdown(elem_id="weights")

        mix_cats.__name__ = "mix"  # MCP tools are called as their functions, not as api_name
        gr.on(
            [demo.load, model.change, steps.change, cat_a.face.change, cat_b.face.change],
            mix_cats,
            [model, cat_a.face, cat_b.face, steps],
            gallery,
            api_name="mix",
            trigger_mode="always_last",
            show_progress="minimal",
        )
        pictures = [model, cat_a.face, cat_b.face]
        private = {"api_visibility": "private", "show_progress": "hidden"}
        gr.on(
            [demo.load, model.change, cat_a.face.change, cat_b.face.change],
            morph_cats,
            pictures,
            morph,
            trigger_mode="always_last",
            **private,
        )
        for kind, button in saves.items():
            button.click(saver(kind), [*pictures, steps], file, **private).then(None, file, None, js=SAVE)
        tabs.select(selected_tab, None, selected, **private)
        both = [cat_a.photo, cat_a.face, cat_b.photo, cat_b.face]
        surprise.click(surprise_me, None, both, **private)
        newborn.click(newborn_kittens, model, both, **private)
        demo.load(None, None, None, js=NAME_EXAMPLES)
        gallery.change(None, None, None, js=NAME_FRAMES)
        add_endpoints(weights, model, cat_a, cat_b)
        demo.load(describe_weights, None, running, api_name="weights", api_visibility="undocumented")
    embed_page(demo, weights)
    forget_pictures()
    return demo.queue(max_size=MAX_WAITING, default_concurrency_limit=RUNNING_AT_ONCE, api_open=True)


def check_steps(steps: float, texts: dict[str, str]) -> int:
    """The number of steps, 2 to 24. Raises gr.Error in the visitor's words for anything else."""
    if not isinstance(steps, (int, float)) or not MIN_STEPS <= steps <= MAX_STEPS or steps != int(steps):
        raise gr.Error(texts["bad_steps"].format(low=MIN_STEPS, high=MAX_STEPS), print_exception=False)
    return int(steps)


def launch_options() -> dict:
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
        "app_kwargs": {"middleware": [Middleware(Limits)]},
    }
