"""The Blocks page and its API: two cats, a model, a number of steps, a gallery."""

import os

import gradio as gr
from PIL import Image
from starlette.middleware import Middleware

from catvae.faces import cut_face
from catvae.images import EXAMPLES, example_kittens
from catvae.limits import Limits
from catvae.looks import CSS, THEME, i18n
from catvae.mixing import mix
from catvae.model import VARIANTS
from catvae.picker import cat_picker, read, unguarded
from catvae.serving import Weights
from catvae.texts import TEXTS, language_of

MIN_STEPS, MAX_STEPS, DEFAULT_STEPS = 2, 24, 9
DEFAULT_VARIANT = "v6"
MAX_WAITING = 60  # in the queue; who comes then is told to try again
RUNNING_AT_ONCE = 2  # as many as a free Space has cores


def example_cats() -> list[str]:
    """Paths of the example pictures, the kittens of our own models first."""
    return [str(path) for path in example_kittens() + sorted(EXAMPLES.glob("*.jpg"))]


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
            image_a: Picture of the first cat. Its best face is cut out; pictures of 64×64 pixels are
                taken as they are, where there is no face the centre square.
            image_b: Picture of the second cat.
            steps: Number of frames, 2 to 24.

        Returns:
            The cut face A, the frames, the cut face B, each with its share of B as caption.
        """
        models = weights.current.models
        texts = TEXTS[language_of(request.headers)]
        if not isinstance(model, str) or model not in models:
            raise gr.Error(texts["unknown_model"].format(names=", ".join(models)), print_exception=False)
        if not isinstance(steps, (int, float)) or not MIN_STEPS <= steps <= MAX_STEPS or steps != int(steps):
            raise gr.Error(texts["bad_steps"].format(low=MIN_STEPS, high=MAX_STEPS), print_exception=False)
        faces = [cut_face(read(path, letter, texts)) for letter, path in (("A", image_a), ("B", image_b))]
        frames = mix(models[model], *faces, int(steps))
        captions = [texts["share"].format(percent=round(100 * i / (len(frames) - 1))) for i in range(len(frames))]
        return [(faces[0], texts["cat_a"]), *zip(frames, captions, strict=True), (faces[1], texts["cat_b"])]

    def describe_weights(request: gr.Request) -> str:
        return TEXTS[language_of(request.headers)]["weights"].format(source=weights.current.source)

    with gr.Blocks(
        title="Kitten Mixer · Mezclador de Gatitos", analytics_enabled=False, delete_cache=(600, 3600)
    ) as demo:
        gr.Markdown(i18n("intro"))
        with gr.Row(elem_id="cats"):
            cat_a = cat_picker("A", cats, first=0)
            cat_b = cat_picker("B", cats, first=3)
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
        gr.Markdown(i18n("credits"))
        running = gr.Markdown(elem_id="weights")

        gr.on(
            [demo.load, model.change, steps.change, cat_a.face.change, cat_b.face.change],
            mix_cats,
            [model, cat_a.face, cat_b.face, steps],
            gallery,
            api_name="mix",
            trigger_mode="always_last",
            show_progress="minimal",
        )
        demo.load(describe_weights, None, running, api_name="weights", api_visibility="undocumented")
    return demo.queue(max_size=MAX_WAITING, default_concurrency_limit=RUNNING_AT_ONCE, api_open=True)


def launch_options() -> dict:
    """What `Blocks.launch` needs so that the page looks, speaks and keeps quiet as it should."""
    if os.environ.get("SYSTEM") == "spaces":
        os.environ.setdefault("FORWARDED_ALLOW_IPS", "*")  # visitors come through the Space's proxy
    return {
        "theme": THEME,
        "css": CSS,
        "i18n": i18n,
        "run_history": False,  # it would keep visitors' photos in their browsers
        "show_error": True,
        "max_file_size": "15mb",
        "footer_links": ["api", "settings"],
        "ssr_mode": False,
        "app_kwargs": {"middleware": [Middleware(Limits)]},
    }
