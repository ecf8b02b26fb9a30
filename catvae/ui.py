"""The Blocks page and its API: two cats, a model, a number of steps, a gallery."""

import gradio as gr
from PIL import Image

from catvae.images import EXAMPLES, ImageError, example_kittens, open_image, to_face
from catvae.mixing import mix
from catvae.model import VARIANTS
from catvae.serving import Weights
from catvae.texts import TEXTS, language_of

MIN_STEPS, MAX_STEPS, DEFAULT_STEPS = 2, 24, 9
DEFAULT_VARIANT = "v6"

i18n = gr.I18n(**TEXTS)

THEME = gr.themes.Soft(
    primary_hue="orange",
    secondary_hue="amber",
    neutral_hue="stone",
    font=["ui-rounded", "Nunito", "system-ui", "sans-serif"],
    font_mono=["ui-monospace", "monospace"],
)

CSS = """
.gradio-container { max-width: 1200px !important; width: 100%; margin-inline: auto !important; }
#cats { flex-wrap: nowrap; }
.examples, .examples > * { min-width: 0 !important; }
#cats .photo { height: clamp(170px, 42vw, 280px) !important; }
#cats .photo img { object-fit: cover; }
.examples .gallery {
    display: grid; grid-template-rows: repeat(2, 60px); grid-auto-flow: column; grid-auto-columns: 60px;
    gap: 6px; overflow-x: auto; padding-bottom: 6px;
}
.examples .gallery-item, .examples .gallery-item > *, .examples .gallery-item img {
    width: 60px !important; height: 60px !important; object-fit: cover;
}
#mix, #mix .grid-wrap { height: auto !important; min-height: 0 !important; max-height: none !important; }
#mix .grid-container { grid-template-columns: repeat(auto-fill, minmax(88px, 1fr)) !important; }
#mix .caption-label { font-size: 11px; padding: 1px 5px; }
"""


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
            image_a: Picture of the first cat; its centre square is used.
            image_b: Picture of the second cat.
            steps: Number of frames, 2 to 24.

        Returns:
            The cut picture A, the frames, the cut picture B, each with its share of B as caption.
        """
        models = weights.current.models
        texts = TEXTS[language_of(request)]
        if model not in models:
            raise gr.Error(texts["unknown_model"].format(names=", ".join(models)), print_exception=False)
        if not isinstance(steps, (int, float)) or not MIN_STEPS <= steps <= MAX_STEPS or steps != int(steps):
            raise gr.Error(texts["bad_steps"].format(low=MIN_STEPS, high=MAX_STEPS), print_exception=False)
        faces = []
        for letter, path in (("A", image_a), ("B", image_b)):
            try:
                faces.append(to_face(open_image(path)))
            except ImageError as error:
                raise gr.Error(texts[error.reason].format(cat=letter), print_exception=False) from error
        frames = mix(models[model], *faces, int(steps))
        captions = [texts["share"].format(percent=round(100 * i / (len(frames) - 1))) for i in range(len(frames))]
        return [(faces[0], texts["cat_a"]), *zip(frames, captions, strict=True), (faces[1], texts["cat_b"])]

    def describe_weights(request: gr.Request) -> str:
        return TEXTS[language_of(request)]["weights"].format(source=weights.current.source)

    with gr.Blocks(
        title="Kitten Mixer · Mezclador de Gatitos", analytics_enabled=False, delete_cache=(600, 3600)
    ) as demo:
        gr.Markdown(i18n("intro"))
        with gr.Row(elem_id="cats"):
            image_a = cat_picker(i18n("cat_a"), cats, first=0)
            image_b = cat_picker(i18n("cat_b"), cats, first=3)
        with gr.Row():
            model = gr.Dropdown(
                [(i18n(f"model_{name}"), name) for name in VARIANTS],
                value=DEFAULT_VARIANT,
                label=i18n("model"),
                info=i18n("model_info"),
                scale=2,
            )
            steps = gr.Slider(MIN_STEPS, MAX_STEPS, DEFAULT_STEPS, step=1, label=i18n("steps"), info=i18n("steps_info"))
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

        inputs = [model, image_a, image_b, steps]
        gr.on(
            [demo.load, *(component.change for component in inputs)],
            mix_cats,
            inputs,
            gallery,
            api_name="mix",
            trigger_mode="always_last",
            show_progress="minimal",
        )
        demo.load(describe_weights, None, running, api_name="weights", api_visibility="undocumented")
    return demo


def cat_picker(label, cats: list[str], first: int) -> gr.Image:
    """A picture to upload, paste or photograph, and under it the examples to click."""
    with gr.Column(min_width=140, elem_classes="examples"):
        photo = gr.Image(
            cats[first] if first < len(cats) else None,
            label=label,
            type="filepath",
            image_mode=None,
            sources=["upload", "webcam", "clipboard"],
            elem_classes="photo",
        )
        # hand over the file undecoded: gr.Image would decode anything, `open_image` is on guard
        photo.preprocess = lambda payload: payload and payload.path
        if cats:
            gr.Examples([[cat] for cat in cats], photo, label=i18n("examples"), examples_per_page=len(cats))
    return photo


def launch_options() -> dict:
    """What `Blocks.launch` needs so that the page looks, speaks and keeps quiet as it should."""
    return {
        "theme": THEME,
        "css": CSS,
        "i18n": i18n,
        "run_history": False,  # it would keep visitors' photos in their browsers
        "show_error": True,
        "max_file_size": "15mb",
        "footer_links": ["api", "settings"],
        "ssr_mode": False,
    }
