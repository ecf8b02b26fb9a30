"""The small page at /embed, made for a frame of 700×420 pixels in a blog post."""

from dataclasses import asdict
from html import escape

import gradio as gr
from PIL import Image

from catvae.images import data_uri
from catvae.mixing import mix
from catvae.model import VARIANTS
from catvae.page.morph import QUICK, shares
from catvae.page.picker import unguarded
from catvae.page.share import CATS, MAX_STEPS, MIN_STEPS, app_address, app_link, example_face, read_state
from catvae.serving.texts import TEXTS, language_of
from catvae.serving.weights import Weights

FRAMES_PER_ROW = 12

EMBED_CSS = """
.nav-holder { display: none; }  /* the small page is for frames, not for visitors of this one */
.gradio-container:has(#embed) :is(main, .main) { max-width: none !important; padding: 0 !important; }
.gradio-container:has(#embed) footer { display: none; }
#embed {
    visibility: hidden; box-sizing: border-box; min-height: 100vh; gap: 8px; padding: 10px 12px 8px;
    flex-wrap: nowrap;
}
#embed:has(.grid img) { visibility: visible; }  /* not before it is in the reader's language */
#embed > * { flex: none; }
#embed .row { gap: 8px; }
#embed .block { border-width: 0; }
#embed .wrap-inner input { text-overflow: ellipsis; padding-right: 1.5em; }
#embed .padded { padding: 8px 12px; }
#embed label.float, #embed span[data-testid="block-info"] {
    position: static; padding: 0; margin: 0; background: none; box-shadow: none; border: 0;
    font-size: 12px; line-height: 16px; font-weight: 600; color: var(--body-text-color-subdued);
}
#embed label.float span, #embed .caption-label { display: none; }
#embed .chooser { padding: 6px 10px 10px; }
#embed .chooser :is(.gallery-container, .grid-wrap) { height: auto !important; min-height: 0; overflow: visible; }
#embed .chooser .grid-wrap { padding: 0; max-height: none; }
#embed .chooser .grid-container {
    display: grid; grid-template: auto / repeat(6, 42px) !important; justify-content: space-between;
    grid-auto-rows: 42px !important; gap: 5px; padding: 5px 0 0;
}
#embed .chooser :is(.gallery-item, button) { width: 42px; height: 42px; min-width: 0; }
#embed .chooser button { border: 0; border-radius: 8px; box-shadow: none; opacity: 0.8; }
#embed .chooser button:is(:hover, :focus-visible, .selected) { opacity: 1; }
#embed .chooser button.selected { outline: 3px solid var(--primary-500); outline-offset: 0; }
#embed .frames { flex: 1; display: flex; flex-direction: column; justify-content: center; overflow: visible; }
#embed .grid { display: grid; grid-template-columns: repeat(var(--columns), minmax(0, 108px)); gap: 4px; }
#embed .grid img { width: 100%; aspect-ratio: 1; border-radius: 6px; }
#embed .html-container { padding: 0 2px !important; }
#embed .more a { padding: 0; font-size: 13px; color: var(--link-text-color); }
@media (max-width: 560px) {
    #embed .chooser { overflow-x: auto !important; }
    #embed .chooser .grid-container {
        grid-auto-flow: column; grid-template: 42px / none !important; justify-content: start;
    }
    #embed .grid { grid-template-columns: repeat(auto-fill, minmax(52px, 1fr)); }
}
"""

# Gradio knows ?__theme only
SET_THEME = """() => {
    const theme = new URLSearchParams(location.search).get("theme");
    if (theme === "dark" || theme === "light") document.body.classList.toggle("dark", theme === "dark");
}"""


def embed_page(demo: gr.Blocks, weights: Weights) -> None:
    """Add the page /embed?a=…&b=…&model=…&steps=…&path=…&lang=es|en&theme=light|dark to the app.

    What a parameter leaves open is as on a fresh main page, language and theme as the browser says.
    """
    paths, names = list(CATS.values()), list(CATS)
    with demo.route("Embed", "/embed", show_in_navbar=False), gr.Column(elem_id="embed"):
        with gr.Row(elem_classes="choosers"):
            choosers = [
                gr.Gallery(
                    list(zip(paths, names, strict=True)),
                    columns=9,
                    height="auto",
                    allow_preview=False,
                    interactive=False,
                    buttons=[],
                    elem_classes="chooser",
                )
                for _ in "ab"
            ]
        with gr.Row():
            model = gr.Dropdown(list(VARIANTS), filterable=False, min_width=200, scale=3)
            steps = gr.Slider(MIN_STEPS, MAX_STEPS, step=1, min_width=200, scale=2)
        frames = gr.HTML(padding=False, elem_classes="frames")
        more = gr.HTML(padding=False, elem_classes="more")
        cats, path = [gr.State(), gr.State()], gr.State()
        unguarded(model, steps)

        def show(a: str, b: str, model: str, steps: int, path: str, request: gr.Request) -> tuple[str, str]:
            """The frames and the link to the whole app."""
            chosen = {"a": a, "b": b, "model": model, "steps": steps, "path": path}
            state, texts = read_state(chosen), texts_for(request)
            faces = example_face(state.a), example_face(state.b)
            images = mix(weights.current.models[state.model], *faces, state.steps, state.path)
            return frames_html(images, texts), more_html(app_link(app_address(request), state), texts)

        def start(request: gr.Request) -> list:
            """All of the page, as its address says."""
            state, texts = read_state(dict(request.query_params)), texts_for(request)
            models = [(texts[f"model_{name}"], name) for name in VARIANTS]
            return [
                state.a,
                state.b,
                state.path,
                gr.Gallery(label=texts["cat_a"], selected_index=names.index(state.a)),
                gr.Gallery(label=texts["cat_b"], selected_index=names.index(state.b)),
                gr.Dropdown(models, value=state.model, label=texts["model"]),
                gr.Slider(value=state.steps, label=texts["steps"]),
                *show(**asdict(state), request=request),
            ]

        def choose(event: gr.SelectData) -> str:
            return names[event.index % len(names)]

        private = {"api_visibility": "private", "show_progress": "hidden"}
        demo.load(None, js=SET_THEME)
        demo.load(start, None, [*cats, path, *choosers, model, steps, frames, more], **private)
        shown = [*cats, model, steps, path], [frames, more]
        for chooser, cat in zip(choosers, cats, strict=True):
            chooser.select(choose, None, cat, queue=False, **private).success(show, *shown, **private)
        gr.on([model.input, steps.input], show, *shown, trigger_mode="always_last", **private)


def texts_for(request: gr.Request) -> dict[str, str]:
    """The words in the language that the address asks for, or else the browser."""
    return TEXTS.get(dict(request.query_params).get("lang")) or TEXTS[language_of(request.headers)]


def frames_html(images: list[Image.Image], texts: dict[str, str]) -> str:
    """The frames in one row or two."""
    tags = [
        f'<img src="{data_uri(image, **QUICK)}" alt="{share}" title="{share}">'
        for image, share in zip(images, shares(len(images), texts), strict=True)
    ]
    return f'<div class="grid" style="--columns: {min(len(images), FRAMES_PER_ROW)}">{"".join(tags)}</div>'


def more_html(link: str, texts: dict[str, str]) -> str:
    """The name of the app, and a link that opens it in a new tab."""
    return f'<a href="{escape(link)}" target="_blank" rel="noopener">🐱 {texts["open_app"]} ↗</a>'
