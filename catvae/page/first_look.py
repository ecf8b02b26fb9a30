"""A mix to look at while the browser still builds the page."""

import json

from catvae.images import data_uri
from catvae.page.mixes import draw_full
from catvae.page.theme import static
from catvae.serving.links import State
from catvae.serving.texts import TEXTS
from catvae.serving.weights import WeightSet

CHILD = 480  # pixels, at most: as large as a laptop shows it


def first_look(current: WeightSet) -> str:
    """For the page's head: both cats of a fresh page and their kitten at full size, shown until the page has its own.

    A page whose address names other cats, another model or path, or no full size, shows none: it would be another mix.
    It is drawn once for all, in a second.
    """
    return current.lasting.get("first look", lambda: draw_first_look(current))


def draw_first_look(current: WeightSet) -> str:
    state = State(model=State().model if State().model in current.models else next(iter(current.models)))
    faces = draw_full(
        current, state.model, (state.a, state.b), state.path, 3, CHILD
    )  # as large as the photos have them
    pictures = [data_uri(face, "WEBP", quality=80, method=4) for face in faces]
    titles = {language: f"🐱 {words['web_title']}" for language, words in TEXTS.items()}
    values = json.dumps({"pictures": pictures, "titles": titles}).replace("<", "\\u003c")
    script = static("first_look.js").replace("VALUES", values)
    return f"<style>\n{static('first_look.css')}</style>\n<script>\n{script}</script>"
