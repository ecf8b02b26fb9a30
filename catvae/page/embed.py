"""The small page at /embed, made for a frame of 700×420 pixels in a blog post."""

from dataclasses import asdict, dataclass

import gradio as gr

from catvae.mixing import interpolate
from catvae.page.components import Choice, Range
from catvae.page.morph import with_shares
from catvae.page.share import address_of
from catvae.page.theme import render, static
from catvae.page.visitor import words_of
from catvae.serving.links import CATS, MAX_STEPS, MIN_STEPS, app_link, example_face, read_state
from catvae.serving.weights import Weights

NAMES = list(CATS)


def embed_page(demo: gr.Blocks, weights: Weights) -> None:
    """Add the page /embed?a=…&b=…&model=…&steps=…&path=…&lang=es|en&theme=light|dark to the app.

    What a parameter leaves open is as on a fresh main page, language and theme as the browser says.
    """
    page = Embed(weights)
    with demo.route("Embed", "/embed", show_in_navbar=False), gr.Column(elem_id="embed"):
        with gr.Row(elem_classes="choosers"):
            choosers = [
                gr.Gallery(
                    [(path, name) for name, path in CATS.items()],
                    columns=10,
                    height="auto",
                    allow_preview=False,
                    interactive=False,
                    buttons=[],
                    elem_classes="chooser",
                )
                for _ in "ab"
            ]
        with gr.Row():
            model = Choice(list(weights.current.models), filterable=False, min_width=200, scale=3)
            steps = Range(MIN_STEPS, MAX_STEPS, step=1, min_width=200, scale=2)
        frames = gr.HTML(padding=False, elem_classes="frames")
        more = gr.HTML(padding=False, elem_classes="more")
        cats, path = [gr.State(), gr.State()], gr.State()

        quiet = {"api_visibility": "private", "show_progress": "hidden"}
        demo.load(None, js=static("set_theme.js"))
        demo.load(page.start, None, [*cats, path, *choosers, model, steps, frames, more], **quiet)
        shown = [*cats, model, steps, path], [frames, more]
        for chooser, cat in zip(choosers, cats, strict=True):
            chooser.select(choose, None, cat, queue=False, **quiet).success(page.show, *shown, **quiet)
        gr.on([model.input, steps.input], page.show, *shown, trigger_mode="always_last", **quiet)


def choose(event: gr.SelectData) -> str:
    """The name of the cat that was clicked."""
    return NAMES[event.index % len(NAMES)]


@dataclass(frozen=True)
class Embed:
    """What the small page shows, on the weights in use."""

    weights: Weights

    def show(self, a: str, b: str, model: str, steps: int, path: str, request: gr.Request) -> tuple[str, str]:
        """The frames and the link to the whole app."""
        chosen = {"a": a, "b": b, "model": model, "steps": steps, "path": path}
        models, words = self.weights.current.models, words_of(request)
        state = read_state(chosen, models)
        faces = example_face(state.a), example_face(state.b)
        frames = interpolate(models[state.model], faces, state.steps, state.path)
        link = app_link(address_of(request), state)
        return (
            render("embed_frames.html", frames=with_shares(frames, words)),
            render("embed_more.html", link=link, words=words),
        )

    def start(self, request: gr.Request) -> list:
        """All of the page, as its address says."""
        models, words = self.weights.current.models, words_of(request)
        state = read_state(dict(request.query_params), models)
        return [
            state.a,
            state.b,
            state.path,
            gr.Gallery(label=words["cat_a"], selected_index=NAMES.index(state.a)),
            gr.Gallery(label=words["cat_b"], selected_index=NAMES.index(state.b)),
            gr.Dropdown(
                [(words.get(f"model_{name}", name), name) for name in models], value=state.model, label=words["model"]
            ),
            gr.Slider(value=state.steps, label=words["steps"]),
            *self.show(**asdict(state), request=request),
        ]
