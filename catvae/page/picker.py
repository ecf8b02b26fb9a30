"""Choosing a cat on the page: a card with its face, ways to bring a photo, the square on it, and examples."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from catvae.errors import ImageError
from catvae.images import data_uri, is_cut
from catvae.page.components import PhotoFile, PhotoInput, Picture, own_file
from catvae.page.theme import i18n, static
from catvae.page.visitor import read, refuse, told, words_of
from catvae.photos.decode import MAX_MEGABYTES
from catvae.photos.faces import Face, adjust, align, find_faces, whole_picture
from catvae.serving.decoders import open_photo
from catvae.serving.links import CATS, example_face, example_name, face_file, is_painted
from catvae.serving.texts import TEXTS

SURE_SCORE = 0.5
MAX_NUMBER = 100  # of a face; counting goes round
NEUTRAL = (1, 0, 0, 0)  # zoom, right, down, turn
SHOWN_SIDE = 1024  # pixels of the longer side of the copy that the page draws
THUMBNAIL = {"kind": "WEBP", "quality": 85}
WORDS = (  # that the card writes by itself, so that they follow the page's language at once
    *("cat_a", "cat_b", "kitten", "web_own", "web_own_as", "web_looking", "too_heavy", "next_face", "whole"),
    *("face_found", "face_of", "face_unsure", "face_none", "face_whole", "face_by_hand", "found_face"),
    *("cats_real", "cats_painted", "cats_own", "cats_cut", "cats_newborn", "real_cats", "painted_cats"),
    *("adjust_short", "adjust_cat", "all_cats_as", "cat_as", "examples_of", "own_of"),
    *("camera_as", "camera_none", "camera_take", "paste_as", "paste_none", "close", "done", "no_answer"),
    *("square_keys", "square_of", "photo_of", "cut_of"),
    *(f"name_{name}" for name in CATS if not is_painted(name)),
)


@dataclass(frozen=True)
class CatPicker:
    """The components of one cat: where its photo lies, the face cut from it, 64×64, and the card that is seen.

    Who sets the photo from outside sets `follow` to what `show` returns.
    """

    photo: PhotoFile
    face: PhotoInput
    card: gr.HTML

    @property
    def follow(self) -> list[gr.components.Component]:
        """What `show` fills, in its order."""
        return [self.face, self.card]


def cat_picker(letter: str, cats: list[str], first: str) -> CatPicker:
    """A card to bring a photo, adjust the square on it, or choose an example; the photo and face it sets are hidden."""
    with gr.Column(min_width=140, elem_classes="cat"):
        card = gr.HTML(
            json.dumps(tell(CATS[first])),
            label=i18n("language"),  # not seen: tells the card which of its words the page speaks
            html_template=static("cat.html"),
            css_template=static("cat.css"),
            js_on_load=static("square.js") + static("cat.js"),
            apply_default_css=False,
            elem_classes="cat-card",
            letter=letter,
            megabytes=MAX_MEGABYTES,
            cats=[on_shelf(Path(cat).stem) for cat in cats],
            words={language: {key: words[key] for key in WORDS} for language, words in TEXTS.items()},
        )
        photo = PhotoFile(CATS[first], visible="hidden", label=i18n(f"cat_{letter.lower()}"))
        face = PhotoInput(
            face_file(first), visible="hidden", label=i18n("face"), type="filepath", interactive=False, buttons=[]
        )
    picker, quiet = CatPicker(photo, face, card), {"api_visibility": "private", "show_progress": "hidden"}
    # the card asks one thing at a time, because Gradio's "always_last" repeats the first question's data
    asked = card.input(Cutter(letter).choose, photo, [photo, *picker.follow], trigger_mode="multiple", **quiet)
    asked.failure(None, card, card, js=static("cat_failed.js"), **quiet)
    return picker


@dataclass(frozen=True)
class Cutter:
    """The handler of the card of cat "A" or "B"."""

    letter: str

    def choose(self, photo: Picture, event: gr.EventData, request: gr.Request) -> tuple:
        """Photo, face and card as the card asks: {"photo"} uploaded, {"example"} of the shelf, or {"square"} to cut.

        The photo of an example comes along only where the card says that it is to "adjust" the square on it.

        What cannot be done is said on the card, and photo and face stay.
        """
        words, answer = words_of(request), {"serial": told(event, "serial")}
        try:
            if (square := told(event, "square")) is not None:
                face = cut_at(self.letter, photo, square, words)
                seen = {"face": data_uri(face), "number": told(event, "number"), "square": square}
                return gr.skip(), face, json.dumps(answer | seen)
            chosen = chosen_photo(event)
            face, card = show(self.letter, chosen, words)
            news = json.loads(card) | answer
            if told(event, "adjust") and example_name(chosen):
                news |= on_photo(read(chosen, self.letter, words))[0]
            return chosen, face, json.dumps(news)
        except gr.Error as refusal:
            return gr.skip(), gr.skip(), json.dumps(answer | {"refusal": refusal.message})


def chosen_photo(event: gr.EventData) -> str | None:
    """The example or the uploaded file that the card names; None for what is neither."""
    example, path = told(event, "example"), told(event, "photo")
    if isinstance(example, str) and example in CATS:
        return CATS[example]
    return own_file(path) if isinstance(path, str) else None


def unchanged() -> list:
    """For a photo and all that `show` fills, where they are to stay as they are."""
    return [gr.skip()] * 3


def show(letter: str, photo: Picture | Image.Image, words: dict[str, str]) -> tuple[Picture | Image.Image, str]:
    """The best face of a new photo, and the card with it. Raises gr.Error in the visitor's words, as `read` does.

    A picture is a newborn kitten, 64×64, and its own face; the face of an example is a file beside it.
    """
    if isinstance(photo, Image.Image):
        return photo, json.dumps(tell(photo))
    if name := example_name(photo):
        return face_file(name), json.dumps(tell(photo))
    image = read(photo, letter, words)
    if is_cut(image):
        return image, json.dumps({"kind": "own", "face": data_uri(image)})
    shown, best = on_photo(image)
    face = align(image, best)
    return face, json.dumps({"kind": "own", "face": data_uri(face), **shown})


def tell(cat: Picture | Image.Image) -> dict[str, Any]:
    """The card of an example cat, by its file, or of a newborn kitten."""
    if isinstance(cat, Image.Image):
        return {"kind": "newborn", "face": data_uri(cat)}
    name = example_name(cat)
    assert name, cat
    has_photo = face_file(name) != CATS[name]
    return {
        "kind": kind_of_example(name),
        "example": name,
        "face": data_uri(example_face(name)),
        "on_request": has_photo,  # not at once: a fresh page would carry two of them
    }


def on_photo(image: Image.Image) -> tuple[dict[str, Any], Face]:
    """What the card needs to draw squares on a photo: a copy of it that browsers draw, the squares of the faces
    found and of the whole picture, which of them is cut; and that one's face."""
    found, whole = find_faces(image), whole_picture(image)
    copy = image.copy()
    copy.thumbnail((SHOWN_SIDE, SHOWN_SIDE))
    faces = [{**to_shares(face, image), "sure": face.score >= SURE_SCORE} for face in found]
    shown = {
        "photo": data_uri(copy, "JPEG", quality=85),
        "faces": faces,
        "whole": to_shares(whole, image),
        "number": 1 if found else 0,
        "square": faces[0] if found else to_shares(whole, image),
    }
    return shown, found[0] if found else whole


def to_shares(face: Face, image: Image.Image) -> dict[str, float]:
    """A square as the card draws it: "x" and "y" of its centre in shares of the photo's width and height, "side"
    in shares of its width, "turn" in degrees clockwise."""
    left, top, right, bottom = face.box
    return {
        "x": (left + right) / 2 / image.width,
        "y": (top + bottom) / 2 / image.height,
        "side": (right - left) / image.width,
        "turn": face.rotation,
    }


def cut_at(letter: str, photo: Picture, square: Any, words: dict[str, str]) -> Image.Image:
    """The face in the square that a card drew, cut from the photo as it came. Raises gr.Error for a bad one."""
    image = read(photo, letter, words)
    said = [square.get(key) for key in ("x", "y", "side", "turn")] if isinstance(square, dict) else []
    values = [value for value in said if isinstance(value, (int, float)) and math.isfinite(value)]
    if len(values) < 4:
        raise refuse(words, "bad_square")
    x, y, side, turn = values[0] * image.width, values[1] * image.height, values[2] * image.width, values[3]
    if not 0 < side <= 4 * max(image.size):
        raise refuse(words, "bad_square")
    try:
        return align(image, Face((x - side / 2, y - side / 2, x + side / 2, y + side / 2), 0.0, turn))
    except ValueError as error:
        raise refuse(words, "bad_square") from error


def cut_square(
    letter: str, photo: Picture, number: int, adjustment: tuple[float, ...], words: dict[str, str]
) -> tuple[Image.Image, str, int]:
    """For programs: the face `number` of a photo, its square adjusted by (zoom, right, down, turn); what was found,
    in words; its number. Raises gr.Error in the visitor's words for what cannot be cut."""
    bounds = ((0, MAX_NUMBER), (0.5, 4), (-1, 1), (-1, 1), (-180, 180))
    for value, (low, high) in zip((number, *adjustment), bounds, strict=True):
        if not isinstance(value, (int, float)) or not low <= value <= high:
            raise refuse(words, "bad_adjustment")
    image = read(photo, letter, words)
    found, number = find_faces(image), int(number)
    number = (number - 1) % len(found) + 1 if number and found else 0
    square = found[number - 1] if number else whole_picture(image)
    if adjustment != NEUTRAL:
        square = adjust(square, **dict(zip(("zoom", "right", "down", "turn"), adjustment, strict=True)))
    try:
        return align(image, square), describe(found, number, words), number
    except ValueError as error:
        raise refuse(words, "outside") from error


def describe(found: list[Face], number: int, words: dict[str, str]) -> str:
    """What the visitor is told of the face `number`, 1 being the best and 0 the whole picture."""
    if not found:
        return words["face_none"]
    if number == 0:
        return words["face_whole"]
    note = words["face_found"] if len(found) == 1 else words["face_of"].format(number=number, count=len(found))
    return f"{note} {words['face_unsure']}" if found[number - 1].score < SURE_SCORE else note


def on_shelf(name: str) -> dict[str, Any]:
    """An example as the card offers it: its key, its number if it is a kitten of ours, a thumbnail."""
    kind = kind_of_example(name)
    return {
        "key": name,
        "kind": kind,
        "number": int(name.removeprefix("kitten-")) if kind == "painted" else None,
        "source": data_uri(example_face(name), **THUMBNAIL),
    }


def kind_of_example(name: str) -> str:
    """Whether an example cat is "real" or was "painted" by one of our models."""
    return "painted" if is_painted(name) else "real"


def kind_of_cat(photo: Picture) -> str:
    """Whose cat a photo shows: "real" and "painted" examples, "newborn" for a face we painted, which comes as bytes,
    else the visitor's "own", or "cut" where it came at 64×64."""
    if name := example_name(photo):
        return kind_of_example(name)
    if isinstance(photo, bytes):
        return "newborn"
    try:
        return "cut" if is_cut(open_photo(photo)) else "own"
    except ImageError:  # it has left the server: its face is still here
        return "own"
