"""Choosing a cat on the page: a photo, the face found in it, and ways to choose otherwise."""

from dataclasses import dataclass

import gradio as gr
from PIL import Image

from catvae.model import IMAGE_SIZE
from catvae.page.components import Count, PhotoInput, Picture, Range
from catvae.page.theme import i18n
from catvae.page.visitor import read, refuse, words_of
from catvae.photos.faces import Face, adjust, align, find_faces, whole_picture
from catvae.serving.links import CATS, face_file

SURE_SCORE = 0.5
MAX_NUMBER = 100  # of a face; counting goes round
NEUTRAL = (1, 0, 0, 0)  # zoom, right, down, turn
TOOLS, IDLE = ["tools"], ["tools", "idle"]  # idle ones stay on the page: the face in them feeds the mix


@dataclass(frozen=True)
class CatPicker:
    """The components of one cat: the photo as it came, and the face cut from it, 64×64.

    Who sets the photo from outside sets `follow` to what `show` returns.
    """

    photo: gr.Image
    face: gr.Image
    note: gr.Markdown
    next_face: gr.Button
    whole: gr.Button
    tools: gr.Column
    number: gr.Number
    adjustment: list[gr.Slider]  # zoom, right, down, turn
    examples: gr.Examples

    @property
    def follow(self) -> list[gr.components.Component]:
        """What `show` fills, in its order."""
        return [self.face, self.note, self.next_face, self.tools, self.number, *self.adjustment]


@dataclass(frozen=True)
class Cutter:
    """The handlers of the picker of cat "A" or "B"."""

    letter: str

    def show(self, photo: Picture, request: gr.Request) -> tuple:
        """`show` for this cat."""
        return show(self.letter, photo, words_of(request))

    def cut(
        self, photo: Picture, number: int, zoom: float, right: float, down: float, turn: float, request: gr.Request
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
        return cut_square(self.letter, photo, number, (zoom, right, down, turn), words_of(request))


def cat_picker(letter: str, cats: list[str], first: str) -> CatPicker:
    """A picture to upload, paste or photograph, the face found in it, and examples to click."""
    with gr.Column(min_width=140, elem_classes="cat"):
        photo = PhotoInput(
            CATS[first],
            label=i18n(f"cat_{letter.lower()}"),
            type="filepath",
            image_mode=None,
            sources=["upload", "webcam", "clipboard"],
            elem_classes="photo",
        )
        with gr.Column(elem_classes=IDLE) as tools:
            with gr.Row(elem_classes="found"):
                face = PhotoInput(
                    face_file(first),
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
                zoom = Range(0.5, 4, 1, step=0.05, label=i18n("zoom"))
                right = Range(-1, 1, 0, step=0.02, label=i18n("right"))
                down = Range(-1, 1, 0, step=0.02, label=i18n("down"))
                turn = Range(-180, 180, 0, step=1, label=i18n("turn"))
                number = Count(1, visible="hidden", precision=0)
        examples = gr.Examples([[cat] for cat in cats], photo, label=i18n("examples"), examples_per_page=len(cats))
    picker = CatPicker(photo, face, note, next_face, whole, tools, number, [zoom, right, down, turn], examples)
    listen(picker, Cutter(letter), public=letter == "A")
    return picker


def listen(picker: CatPicker, cutter: Cutter, public: bool) -> None:
    """Let the components of a picker follow each other; /cut is `public` once."""
    quiet = {"api_visibility": "private", "show_progress": "minimal"}
    square = [picker.number, *picker.adjustment]
    cutting = cutter.cut, [picker.photo, *square], [picker.face, picker.note, picker.number]
    # not photo.change, which fires twice for one upload
    for chosen in (picker.photo.input, picker.photo.clear, picker.examples.load_input_event.success):
        chosen(cutter.show, picker.photo, picker.follow, trigger_mode="always_last", **quiet)
    gr.on(
        [component.input for component in picker.adjustment],
        *cutting,
        trigger_mode="always_last",
        show_progress="hidden",
        api_name="cut" if public else None,
        api_visibility="public" if public else "private",
    )
    picker.next_face.click(next_number, picker.number, square, **quiet).then(*cutting, **quiet)
    picker.whole.click(no_number, None, square, **quiet).then(*cutting, **quiet)


def next_number(number: int) -> tuple:
    """The next of the faces found, its square as it was found."""
    return number + 1, *NEUTRAL


def no_number() -> tuple:
    """No face: the middle of the whole picture."""
    return 0, *NEUTRAL


def unchanged() -> list:
    """For a photo and all that `show` fills, where they are to stay as they are."""
    return [gr.skip()] * 10


def show(letter: str, photo: Picture, words: dict[str, str]) -> tuple:
    """The best face of a new photo, and the tools to choose otherwise, where there is a choice."""
    if not photo:
        return None, "", gr.Button(), gr.Column(elem_classes=IDLE), 1, *NEUTRAL
    image, found, number, square = choose(letter, photo, 1, words)
    return (
        align(image, square),
        describe(found, number, words),
        gr.Button(visible=len(found) > 1),
        gr.Column(elem_classes=IDLE if is_cut(image) else TOOLS),
        1,
        *NEUTRAL,
    )


def cut_square(
    letter: str, photo: Picture, number: int, adjustment: tuple[float, ...], words: dict[str, str]
) -> tuple[Image.Image, str, int]:
    """What `cut` returns. Raises gr.Error in the visitor's words for what cannot be cut."""
    bounds = ((0, MAX_NUMBER), (0.5, 4), (-1, 1), (-1, 1), (-180, 180))
    for value, (low, high) in zip((number, *adjustment), bounds, strict=True):
        if not isinstance(value, (int, float)) or not low <= value <= high:
            raise refuse(words, "bad_adjustment")
    image, found, number, square = choose(letter, photo, int(number), words)
    if adjustment != NEUTRAL:
        square = adjust(square, **dict(zip(("zoom", "right", "down", "turn"), adjustment, strict=True)))
    try:
        return align(image, square), describe(found, number, words), number
    except ValueError as error:
        raise refuse(words, "outside") from error


def choose(
    letter: str, photo: Picture, number: int, words: dict[str, str]
) -> tuple[Image.Image, list[Face], int, Face]:
    """The photo, the faces in it, the number of the one that is meant, and its square."""
    image = read(photo, letter, words)
    found = find_faces(image)
    number = (number - 1) % len(found) + 1 if number and found else 0
    return image, found, number, found[number - 1] if number else whole_picture(image)


def describe(found: list[Face], number: int, words: dict[str, str]) -> str:
    """What the visitor is told of the face `number`, 1 being the best and 0 the whole picture."""
    if not found:
        return words["face_none"]
    if number == 0:
        return words["face_whole"]
    note = words["face_found"] if len(found) == 1 else words["face_of"].format(number=number, count=len(found))
    return f"{note} {words['face_unsure']}" if found[number - 1].score < SURE_SCORE else note


def is_cut(image: Image.Image) -> bool:
    """Whether a picture is as small as the faces of the training data."""
    return image.size == (IMAGE_SIZE, IMAGE_SIZE)
