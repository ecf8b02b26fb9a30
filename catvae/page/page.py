"""The Blocks page: two cats, a model, a number of steps, a gallery; and the tabs beside the mix."""

import random
from dataclasses import dataclass

import gradio as gr
from PIL import Image

from catvae.files import EXAMPLES
from catvae.latents import new_kittens
from catvae.machine import RUNNING_AT_ONCE
from catvae.mixing import METHODS
from catvae.model import is_told
from catvae.page.api import add_endpoints
from catvae.page.components import Choice, Options, Page, Picture, Range
from catvae.page.header import header_view, speak_other
from catvae.page.morph import draw_mix, frames_view, morph_view
from catvae.page.picker import cat_picker, show
from catvae.page.send import send_files
from catvae.page.share import share_tools
from catvae.page.tabs.compare import compare_tab
from catvae.page.tabs.explore import explore_tab
from catvae.page.tabs.understand import understand_tab
from catvae.page.theme import i18n, static
from catvae.page.visitor import check_path, check_steps, known_model, language_for, two_faces, words_of
from catvae.serving.links import (
    CATS,
    DEFAULT_PATH,
    DEFAULT_STEPS,
    FIRST_A,
    FIRST_B,
    MAX_STEPS,
    MIN_STEPS,
    State,
    example_name,
)
from catvae.serving.weights import Weights

MAX_WAITING = 120  # in the queue; who comes then is told to try again
QUIET = {"api_visibility": "private", "show_progress": "hidden"}


def build(weights: Weights) -> gr.Blocks:
    """The page on the weights in use."""
    gr.set_static_paths([EXAMPLES])  # else they lie among visitors' files, which are swept
    cats = list(CATS.values())
    with Page(title="Kitten Mixer · Mezclador de Gatitos", analytics_enabled=False) as demo:
        header = header_view(weights)
        with gr.Row(elem_id="cats"):
            cat_a = cat_picker("A", cats, FIRST_A)
            cat_b = cat_picker("B", cats, FIRST_B)
            with gr.Column(elem_id="between", min_width=0):
                morph, status = morph_view(), status_view()
        with gr.Tabs(elem_id="tabs") as tabs:
            with gr.Tab(i18n("tab_mix"), id="mix", elem_id="tab-mix"):
                model, steps, path = mix_controls(weights)
                with gr.Row(elem_id="surprises"):
                    surprise = gr.Button(i18n("surprise"), size="sm")
                    newborn = gr.Button(i18n("newborn"), size="sm")
                frames = frames_view()
                send_files(frames, morph)
            with gr.Tab(i18n("tab_compare"), id="compare", elem_id="tab-compare") as compare:
                compare_tab(weights, model, tabs, compare, cat_a, cat_b)
            with gr.Tab(i18n("tab_explore"), id="explore", elem_id="tab-explore"):
                explore_tab(weights, model, cats, cat_a, cat_b)
            with gr.Tab(i18n("tab_understand"), id="understand", elem_id="tab-understand"):
                understand_tab()
        share_tools(demo, weights, model, steps, path, cat_a, cat_b)
        gr.Markdown(i18n("credits"), elem_id="credits")
        running = gr.Markdown(elem_id="weights")

        mixer = Mixer(weights)
        keep_drawn(demo, mixer, [model, cat_a.face, cat_b.face, steps, path], frames, morph, status)
        speak_other(header, [model, steps, path, cat_a.photo, cat_b.photo])
        both = [cat_a.photo, *cat_a.follow, cat_b.photo, *cat_b.follow]
        surprise.click(two_cats, [cat_a.photo, cat_b.photo], both, **QUIET)
        newborn.click(mixer.newborn, model, both, **QUIET)
        demo.load(mixer.source, None, running, api_name="weights", api_visibility="undocumented", queue=False)
        add_endpoints(weights, model, cat_a, cat_b, steps, path)
    return demo.queue(max_size=MAX_WAITING, default_concurrency_limit=RUNNING_AT_ONCE, api_open=True)


def mix_controls(weights: Weights) -> tuple[gr.Dropdown, gr.Slider, gr.Radio]:
    """Model, steps and path."""
    models, fresh = weights.current.models, State()
    with gr.Row(elem_id="controls"):
        model = Choice(
            [(i18n(f"model_{name}") if is_told(name, model) else name, name) for name, model in models.items()],
            value=fresh.model if fresh.model in models else next(iter(models)),
            label=i18n("model"),
            info=i18n("model_info"),
            elem_id="model",
            filterable=False,  # else a phone's keyboard opens
            scale=2,
        )
        steps = Range(
            MIN_STEPS,
            MAX_STEPS,
            DEFAULT_STEPS,
            step=1,
            label=i18n("steps"),
            info=i18n("steps_info"),
            elem_id="steps",
            min_width=140,
            buttons=[],  # one stop fewer for the Tab key
        )
        path = Options(
            [(i18n(f"path_{name}"), name) for name in METHODS],
            value=DEFAULT_PATH,
            label=i18n("path"),
            info=i18n("path_info"),
            elem_id="path",
            min_width=140,
        )
    return model, steps, path


def status_view() -> gr.HTML:
    """Over the morph: why the mix is not the one that is chosen; its value is "" or what `Mixer.redraw` says."""
    return gr.HTML(
        "",
        label=i18n("unanswered"),  # what is said while the server gives no answer
        html_template=static("status.html"),
        elem_id="status",
        apply_default_css=False,
        padding=False,
    )


def keep_drawn(demo: gr.Blocks, mixer: "Mixer", chosen: list, frames: gr.HTML, morph: gr.HTML, status: gr.HTML) -> None:
    """Draw the mix anew whenever what is `chosen` changes. While it shows another, it is dimmed, and `status` says
    why; where no answer came, it is asked for again."""
    shown, again = gr.State(), gr.Number(0, visible="hidden")
    drawn = gr.on(
        [demo.load, again.change, *(component.change for component in chosen)],
        mixer.redraw,
        [*chosen, shown],
        [frames, morph, shown, status],
        js=static("mix_asked.js"),
        trigger_mode="always_last",
        queue=False,
        **QUIET,
    )
    drawn.success(None, status, None, js=static("mix_answered.js"), **QUIET)
    drawn.failure(None, again, again, js=static("mix_failed.js"), **QUIET)


@dataclass(frozen=True)
class Mixer:
    """The handlers of the mix, on the weights in use."""

    weights: Weights

    def redraw(
        self,
        name: str,
        image_a: Picture,
        image_b: Picture,
        steps: int,
        path: str,
        shown: tuple | None,
        request: gr.Request,
    ) -> tuple:
        """The frames; the morph, unless it is the one `shown`; which one it is; "". Where there is no such mix, what
        is shown stays, and the last says why."""
        words, current = words_of(request), self.weights.current
        try:
            known_model(current, name, words)
            count, method = check_steps(steps, words), check_path(path, words)
            faces = two_faces(image_a, image_b, words)
        except gr.Error as refusal:
            return gr.skip(), gr.skip(), shown, refusal.message
        frames, morph, shows = draw_mix(current, name, faces, count, method, language_for(request), shown)
        return frames, gr.skip() if morph is None else morph, shows, ""

    def newborn(self, model: str, request: gr.Request) -> list:
        """Two kittens that no one has seen, for the pickers of A and B."""
        current, words = self.weights.current, words_of(request)
        chosen = known_model(current, model, words)
        a, b = new_kittens(chosen, current.latents.get(model), 2)
        return show_both(a, b, words)

    def source(self, request: gr.Request) -> str:
        """Which weights run, in words."""
        words, source = words_of(request), self.weights.current.source
        repo, _, commit = source.partition("@")
        return words["weights"].format(source=source, repo=repo, commit=commit) if commit else words["weights_bundled"]


def two_cats(photo_a: Picture, photo_b: Picture, request: gr.Request) -> list:
    """Two of the example cats that are not A or B now, for their pickers."""
    words, shown = words_of(request), {example_name(photo_a), example_name(photo_b)}
    a, b = random.sample([path for name, path in CATS.items() if name not in shown], 2)
    return show_both(a, b, words)


def show_both(a: str | Image.Image, b: str | Image.Image, words: dict[str, str]) -> list:
    """Cats A and B, for photo, face and card of their pickers."""
    return [a, *show("A", a, words), b, *show("B", b, words)]
