"""What a request says of its visitor, and refusals in the visitor's language."""

from typing import Any

import gradio as gr
from PIL import Image

from catvae.errors import ImageError, SettingError
from catvae.fullsize.parents import SIZES, check_size
from catvae.mixing import METHODS, check_fur
from catvae.model import CatVAE
from catvae.page.components import Picture
from catvae.photos.faces import cut_face
from catvae.serving.decoders import open_photo
from catvae.serving.links import MAX_STEPS, MIN_STEPS, example_face, example_name
from catvae.serving.texts import TEXTS, language_of
from catvae.serving.weights import WeightSet


def language_for(request: gr.Request) -> str:
    """The visitor's language: as `?lang=` of the address says, else as the browser does."""
    asked = dict(request.query_params).get("lang")
    return asked if asked in TEXTS else language_of(request.headers)


def words_of(request: gr.Request) -> dict[str, str]:
    """The words in the visitor's language."""
    return TEXTS[language_for(request)]


def refuse(words: dict[str, str], key: str, **values: object) -> gr.Error:
    """The error that tells the visitor so; no trace of it goes into the log."""
    return gr.Error(words[key].format(**values), print_exception=False)


def read(picture: Picture, letter: str, words: dict[str, str]) -> Image.Image:
    """The picture of cat "A" or "B". Raises gr.Error in the visitor's words when it cannot be used."""
    try:
        return open_photo(picture)
    except ImageError as error:
        gone = picture and error.reason == "missing"  # it was there
        raise refuse(words, "expired" if gone else error.reason, cat=letter) from error


def two_faces(image_a: Picture, image_b: Picture, words: dict[str, str]) -> list[Image.Image]:
    """The cut faces of cats A and B, 64×64. Raises gr.Error as `read` does."""
    return [face_of(picture, letter, words) for letter, picture in (("A", image_a), ("B", image_b))]


def face_of(picture: Picture, letter: str, words: dict[str, str]) -> Image.Image:
    """The cut face of one cat, 64×64; in an example no one looks for it twice. Raises gr.Error as `read` does."""
    name = example_name(picture)
    return example_face(name) if name else cut_face(read(picture, letter, words))


def known_model(current: WeightSet, name: str, words: dict[str, str]) -> CatVAE:
    """The model of that name. Raises gr.Error in the visitor's words for any other."""
    if not isinstance(name, str) or name not in current.models:
        raise refuse(words, "unknown_model", names=", ".join(current.models))
    return current.models[name]


def check_steps(steps: float, words: dict[str, str]) -> int:
    """The number of steps, 2 to 24. Raises gr.Error in the visitor's words for anything else."""
    if not isinstance(steps, (int, float)) or not MIN_STEPS <= steps <= MAX_STEPS or steps != int(steps):
        raise refuse(words, "bad_steps", low=MIN_STEPS, high=MAX_STEPS)
    return int(steps)


def check_side(size: float, words: dict[str, str]) -> int:
    """The side of a mix in pixels. Raises gr.Error in the visitor's words for one that cannot be."""
    try:
        return check_size(size)
    except SettingError as error:
        raise refuse(words, "bad_size", low=SIZES[0], high=SIZES[-1], step=SIZES.step) from error


def check_path(path: str, words: dict[str, str]) -> str:
    """A method of `mix`. Raises gr.Error in the visitor's words for anything else."""
    if not isinstance(path, str) or path not in METHODS:
        raise refuse(words, "unknown_path", names=", ".join(METHODS))
    return path


def check_share(fur: Any, words: dict[str, str]) -> float | None:
    """The share of B in the fur of a mix, None for that of the picture. Raises gr.Error for anything else."""
    try:
        check_fur(fur)
    except SettingError as error:
        raise refuse(words, "bad_fur") from error
    return fur
