"""The Blocks page: two cats, a model, a number of steps, a gallery; and the tabs beside the mix.

What is seen of the mix are elements of `catvae/web`, which ask the app by themselves (`catvae/page/front.py`);
Gradio's own components follow them, and they follow these.
"""

from dataclasses import dataclass
from html import escape

import gradio as gr

from catvae.files import EXAMPLES, address_setting, setting
from catvae.machine import RUNNING_AT_ONCE
from catvae.mixing import METHODS
from catvae.model import is_variant
from catvae.page.api import add_endpoints
from catvae.page.components import Choice, Options, Page, Range
from catvae.page.tabs.explore import explore_tab
from catvae.page.tabs.understand import understand_tab
from catvae.page.theme import element, i18n, static
from catvae.page.visitor import language_for
from catvae.serving.decoders import WAITING
from catvae.serving.links import DEFAULT_PATH, DEFAULT_STEPS, MAX_STEPS, MIN_STEPS, State
from catvae.serving.texts import TEXTS
from catvae.serving.weights import Weights

MAX_WAITING = 120  # in the queue; who comes then is told to try again
QUIET = {"api_visibility": "private", "show_progress": "hidden"}
TABS = ("mix", "compare", "explore", "understand")
CATS = """<kitten-cat side="a"></kitten-cat><kitten-cat side="b"></kitten-cat>
<div id="morph"><kitten-morph></kitten-morph></div><kitten-ruler></kitten-ruler>"""
MIX = "<kitten-send></kitten-send><kitten-family></kitten-family><kitten-gallery ends></kitten-gallery>"


def build(weights: Weights) -> gr.Blocks:
    """The page on the weights in use."""
    gr.set_static_paths([EXAMPLES])  # else they lie among visitors' files, which are swept
    with Page(title="Kitten Mixer · Mezclador de Gatitos", analytics_enabled=False) as demo:
        header_view(weights)
        element(CATS, elem_id="cats")
        with gr.Tabs(elem_id="tabs"):
            tabs = {name: gr.Tab(i18n(f"tab_{name}"), id=name, elem_id=f"tab-{name}") for name in TABS}
            with tabs["mix"]:
                element(MIX, elem_id="mix")
                # an accordion of Gradio's that is closed has nothing in it
                element("<details><summary>${value}</summary></details>", value=i18n("more"), elem_id="more")
                with gr.Column(elem_id="rest"):
                    controls = mix_controls(weights)
                    element("<kitten-fur></kitten-fur>", elem_id="fur")
                    element("<kitten-save></kitten-save>", elem_id="save")
            with tabs["compare"]:
                element("<kitten-compare></kitten-compare>", elem_id="compare")
            with tabs["explore"]:
                explore_tab(controls[0])
            with tabs["understand"]:
                understand_tab(weights)
        element("<kitten-share></kitten-share>", elem_id="share")
        gr.Markdown(i18n("credits"), elem_id="credits")
        running = gr.Markdown(elem_id="weights")
        bridge = bridge_to(controls)
        speaker = Speaker(weights)
        bridge.select(speaker.speak, None, [*tabs.values(), running], **QUIET)
        demo.load(speaker.source, None, running, api_name="weights", api_visibility="undocumented", queue=False)
    add_endpoints(demo, weights)
    return demo.queue(max_size=MAX_WAITING, default_concurrency_limit=RUNNING_AT_ONCE + WAITING, api_open=True)


def header_view(weights: Weights) -> gr.HTML:
    """The head; a link is there for what has an address."""
    return gr.HTML(
        i18n("header"),
        label=i18n("language"),
        html_template=static("header.html"),
        css_template=static("header.css"),
        js_on_load=None,
        languages=[[language, words["language_name"]] for language, words in TEXTS.items()],
        links=addresses(weights),
        elem_id="head",
        apply_default_css=False,
        padding=False,
    )


def addresses(weights: Weights) -> dict[str, str | None]:
    """Where code, weights and post are: `CATVAE_CODE` or the Space, the weights' repo, `CATVAE_POST`."""
    space, repo = setting("SPACE_ID"), weights.repo
    return {
        "code": address_setting("CATVAE_CODE")
        or (f"https://huggingface.co/spaces/{space}/tree/main" if space else None),
        "weights": f"https://huggingface.co/{repo}" if repo else None,
        "post": address_setting("CATVAE_POST"),
    }


def mix_controls(weights: Weights) -> tuple[gr.Dropdown, gr.Slider, gr.Radio]:
    """Model, steps and path."""
    models, fresh = weights.current.models, State()
    with gr.Row(elem_id="controls"):
        model = Choice(
            [(i18n(f"model_{name}") if is_variant(name, model) else name, name) for name, model in models.items()],
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


def bridge_to(controls: tuple[gr.Dropdown, gr.Slider, gr.Radio]) -> gr.HTML:
    """What ties Gradio's components to the elements: its value is theirs as JSON, whoever changes them."""
    bridge = gr.HTML(
        "[]",
        label=i18n("language"),  # tells which language Gradio speaks
        html_template="<span></span>",
        js_on_load=static("bridge.js"),
        visible="hidden",
        elem_id="bridge",
    )
    gr.on([component.change for component in controls], None, list(controls), bridge, js=static("to_front.js"), **QUIET)
    bridge.input(None, bridge, list(controls), js=static("from_front.js"), **QUIET)
    return bridge


@dataclass(frozen=True)
class Speaker:
    """What Gradio says in the language that a visitor chose; most of it follows by itself."""

    weights: Weights

    def speak(self, event: gr.EventData) -> list:
        """The names of the tabs, and which weights run."""
        language = getattr(event, "language", None)
        words = TEXTS[language if isinstance(language, str) and language in TEXTS else "en"]
        return [*(gr.Tab(label=words[f"tab_{name}"]) for name in TABS), self.running(words)]

    def source(self, request: gr.Request) -> str:
        """Which weights run, in words."""
        return self.running(TEXTS[language_for(request)])

    def running(self, words: dict[str, str]) -> str:
        source = self.weights.current.source
        repo, _, commit = source.partition("@")
        if self.weights.from_folder:
            return words["weights_folder"].format(source=escape(source))
        return words["weights"].format(source=source, repo=repo, commit=commit) if commit else words["weights_bundled"]
