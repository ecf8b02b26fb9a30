"""Choosing a cat on the page: a photo, the face found in it, and ways to choose otherwise."""

from collections.abc import Callable
from dataclasses import dataclass

import gradio as gr
from PIL import Image

from catvae.errors import ImageError
from catvae.model import IMAGE_SIZE
from catvae.page.theme import i18n
from catvae.photos.decode import open_image
from catvae.photos.faces import Face, adjust, align, cut_face, find_faces, whole_picture
from catvae.serving.texts import TEXTS, language_of

SURE_SCORE = 0.5
MAX_NUMBER = 100  # of a face; counting goes round
# Files are handed over undecoded: gr.Image would decode anything, `open_image` is on guard. It is set on the
# class, because an update makes Gradio build a session's component anew.
gr.Image.preprocess = lambda self, payload: payload and payload.path

TOOLS, IDLE = ["tools"], ["tools", "idle"]  # idle ones stay on the page: the face in them feeds the mix


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


def two_faces(image_a: str | None, image_b: str | None, texts: dict[str, str]) -> list[Image.Image]:
    """The cut faces of cats A and B. Raises gr.Error as `read` does."""
    return [cut_face(read(path, letter, texts)) for letter, path in (("A", image_a), ("B", image_b))]


@dataclass(frozen=True)
class CatPicker:
    """The components of one cat: the photo as it came, and the face cut from it, 64×64.

    Who sets the photo from outside sets `follow` to what `show(photo, request)` returns.
    """

    photo: gr.Image
    face: gr.Image
    show: Callable[[str | None, gr.Request], tuple]
    follow: list[gr.components.Component]


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
        unguarded(zoom, right, down, turn, number)
        examples = gr.Examples([[cat] for cat in cats], photo, label=i18n("examples"), examples_per_page=len(cats))

    def choose(photo: str, number: int, texts: dict[str, str]) -> tuple[Image.Image, list[Face], int, Face]:
        """The photo, the faces in it, the number of the one that is meant, and its square."""
        image = read(photo, letter, texts)
        found = find_faces(image)
        number = (number - 1) % len(found) + 1 if number and found else 0
        return image, found, number, found[number - 1] if number else whole_picture(image)

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
        image, found, number, square = choose(photo, int(number), texts)
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
        image, found, number, square = choose(photo, 1, texts)
        return (
            align(image, square),
            describe(found, number, texts),
            gr.Button(visible=len(found) > 1),
            gr.Column(elem_classes=IDLE if is_cut(image) else TOOLS),
            *neutral,
        )

    adjustment = [zoom, right, down, turn]
    follow = [face, note, next_face, tools, number, *adjustment]
    private = {"api_visibility": "private", "show_progress": "minimal"}
    # not photo.change, which fires twice for one upload
    for chosen in (photo.input, photo.clear, examples.load_input_event.success):
        chosen(show, photo, follow, trigger_mode="always_last", **private)
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
    return CatPicker(photo, face, show, follow)


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
