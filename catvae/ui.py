"""The Blocks page and its API: two cats, a model, a number of steps, a gallery."""

import os
from dataclasses import dataclass

import gradio as gr
from PIL import Image
from starlette.middleware import Middleware

from catvae.faces import Face, adjust, align, cut_face, find_faces, whole_picture
from catvae.images import EXAMPLES, ImageError, example_kittens, open_image
from catvae.limits import Limits
from catvae.mixing import mix
from catvae.model import IMAGE_SIZE, VARIANTS
from catvae.serving import Weights
from catvae.texts import TEXTS, language_of

MIN_STEPS, MAX_STEPS, DEFAULT_STEPS = 2, 24, 9
DEFAULT_VARIANT = "v6"
SURE_SCORE = 0.5
MAX_NUMBER = 100  # of a face; counting goes round
MAX_WAITING = 60  # in the queue; who comes then is told to try again
RUNNING_AT_ONCE = 2  # as many as a free Space has cores

TOOLS, IDLE = ["tools"], ["tools", "idle"]  # idle ones stay on the page: the face in them feeds the mix

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
.cat, .cat > * { min-width: 0 !important; }
#cats .photo { height: clamp(170px, 42vw, 280px) !important; }
#cats .photo img { object-fit: cover; }
.cat .gallery {
    display: grid; grid-template-rows: repeat(2, 60px); grid-auto-flow: column; grid-auto-columns: 60px;
    gap: 6px; overflow-x: auto; padding-bottom: 6px;
}
.cat .gallery-item, .cat .gallery-item > *, .cat .gallery-item img {
    width: 60px !important; height: 60px !important; object-fit: cover;
}
.tools { gap: 8px; }
.idle { display: none !important; }
.found { align-items: center; gap: 8px; flex-wrap: nowrap !important; padding: 0 !important; }
.found .face { flex: none !important; width: 72px !important; height: 72px !important; min-width: 72px !important; }
.found .face img { width: 72px; height: 72px; border-radius: 8px; }
.found .note, .found .note p { font-size: 13px; line-height: 1.3; }
.found > .note, .found > :last-child { min-width: 0 !important; }
.choices { gap: 8px; }
.choices button { min-width: 0; }
#model input { text-overflow: ellipsis; padding-right: 1.5em; }
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
        with gr.Row():
            model = gr.Dropdown(
                [(i18n(f"model_{name}"), name) for name in VARIANTS],
                value=DEFAULT_VARIANT,
                label=i18n("model"),
                info=i18n("model_info"),
                elem_id="model",
                scale=2,
            )
            steps = gr.Slider(MIN_STEPS, MAX_STEPS, DEFAULT_STEPS, step=1, label=i18n("steps"), info=i18n("steps_info"))
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


def unguarded(*components: gr.components.Component) -> None:
    """Let values through as they came: the functions refuse bad ones in the visitor's words, Gradio in its own."""
    for component in components:
        component.preprocess = lambda value: value


def read(path: str | None, letter: str, texts: dict[str, str]) -> Image.Image:
    """The picture of cat "A" or "B". Raises gr.Error in the visitor's words when it cannot be used."""
    try:
        return open_image(path)
    except ImageError as error:
        raise gr.Error(texts[error.reason].format(cat=letter), print_exception=False) from error


@dataclass(frozen=True)
class CatPicker:
    """The components of one cat: the photo as it came, and the face cut from it, 64×64."""

    photo: gr.Image
    face: gr.Image


def cat_picker(letter: str, cats: list[str], first: int) -> CatPicker:
    """A picture to upload, paste or photograph, the face found in it, and examples to click."""
    cat = cats[first] if first < len(cats) else None
    with gr.Column(min_width=140, elem_classes="cat"):
        photo = gr.Image(
            cat,
            label=i18n(f"cat_{letter.lower()}"),
            type="filepath",
            image_mode=None,
            sources=["upload", "webcam", "clipboard"],
            elem_classes="photo",
        )
        with gr.Column(elem_classes=IDLE) as tools:
            with gr.Row(elem_classes="found"):
                face = gr.Image(
                    cat,
                    label=i18n("face"),
                    type="filepath",
                    format="png",
                    interactive=False,
                    show_label=False,
                    buttons=[],
                    container=False,
                    elem_classes="face",
                )
                note = gr.Markdown(elem_classes="note")
            with gr.Row(elem_classes="choices"):
                next_face = gr.Button(i18n("next_face"), size="sm", visible=False)
                whole = gr.Button(i18n("whole"), size="sm")
            with gr.Accordion(i18n("adjust"), open=False):
                zoom = gr.Slider(0.5, 4, 1, step=0.05, label=i18n("zoom"))
                right = gr.Slider(-1, 1, 0, step=0.02, label=i18n("right"))
                down = gr.Slider(-1, 1, 0, step=0.02, label=i18n("down"))
                turn = gr.Slider(-180, 180, 0, step=1, label=i18n("turn"))
                number = gr.Number(1, visible="hidden", precision=0)
        # hand over files undecoded: gr.Image would decode anything, `open_image` is on guard
        for component in (photo, face):
            component.preprocess = lambda payload: payload and payload.path
        unguarded(zoom, right, down, turn, number)
        examples = gr.Examples([[cat] for cat in cats], photo, label=i18n("examples"), examples_per_page=len(cats))

    def cut(
        photo: str, number: int, zoom: float, right: float, down: float, turn: float, request: gr.Request
    ) -> tuple[Image.Image, str, int]:
        """Cut a cat's face out of a photo as the training faces are cut.

        Args:
            photo: Any picture.
            number: Which of the faces found, the best being 1; 0 takes the middle of the whole picture.
            zoom: Makes the square that many times smaller, 0.5 to 4.
            right: Moves the square, in shares of its side, -1 to 1.
            down: Moves the square, in shares of its side, -1 to 1.
            turn: Turns the square clockwise, in degrees, -180 to 180.

        Returns:
            The face at 64×64, what was found in words, the number of that face.
        """
        texts = TEXTS[language_of(request.headers)]
        allowed = ((number, 0, MAX_NUMBER), (zoom, 0.5, 4), (right, -1, 1), (down, -1, 1), (turn, -180, 180))
        if not all(isinstance(value, (int, float)) and low <= value <= high for value, low, high in allowed):
            raise gr.Error(texts["bad_adjustment"], print_exception=False)
        image = read(photo, letter, texts)
        found = find_faces(image)
        number = (int(number) - 1) % len(found) + 1 if number and found else 0
        square = found[number - 1] if number else whole_picture(image)
        if (zoom, right, down, turn) != (1, 0, 0, 0):
            square = adjust(square, zoom=zoom, right=right, down=down, turn=turn)
        try:
            return align(image, square), describe(found, number, texts), number
        except ValueError as error:
            raise gr.Error(texts["outside"], print_exception=False) from error

    def show(photo: str | None, request: gr.Request) -> tuple:
        """The best face of a new photo, and the tools to choose otherwise, where there is a choice."""
        neutral = (1, 1, 0, 0, 0)
        if not photo:
            return None, "", gr.Button(), gr.Column(elem_classes=IDLE), *neutral
        texts = TEXTS[language_of(request.headers)]
        image = read(photo, letter, texts)
        found = find_faces(image)
        square = found[0] if found else whole_picture(image)
        return (
            align(image, square),
            describe(found, min(1, len(found)), texts),
            gr.Button(visible=len(found) > 1),
            gr.Column(elem_classes=IDLE if is_cut(image) else TOOLS),
            *neutral,
        )

    adjustment = [zoom, right, down, turn]
    private = {"api_visibility": "private", "show_progress": "minimal"}
    # not photo.change, which fires twice for one upload
    for chosen in (photo.input, photo.clear, examples.load_input_event.success):
        chosen(show, photo, [face, note, next_face, tools, number, *adjustment], trigger_mode="always_last", **private)
    gr.on(
        [component.input for component in adjustment],
        cut,
        [photo, number, *adjustment],
        [face, note, number],
        trigger_mode="always_last",
        show_progress="hidden",
        api_name="cut" if letter == "A" else None,
        api_visibility="public" if letter == "A" else "private",
    )
    next_face.click(lambda number: (number + 1, 1, 0, 0, 0), number, [number, *adjustment], **private).then(
        cut, [photo, number, *adjustment], [face, note, number], **private
    )
    whole.click(lambda: (0, 1, 0, 0, 0), None, [number, *adjustment], **private).then(
        cut, [photo, number, *adjustment], [face, note, number], **private
    )
    return CatPicker(photo, face)


def describe(found: list[Face], number: int, texts: dict[str, str]) -> str:
    """What the visitor is told of the face `number`, 1 being the best and 0 the whole picture."""
    if not found:
        return texts["face_none"]
    if number == 0:
        return texts["face_whole"]
    note = texts["face_found"] if len(found) == 1 else texts["face_of"].format(number=number, count=len(found))
    return f"{note} {texts['face_unsure']}" if found[number - 1].score < SURE_SCORE else note


def is_cut(image: Image.Image) -> bool:
    """Whether a picture is as small as the faces of the training data."""
    return image.size == (IMAGE_SIZE, IMAGE_SIZE)


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
