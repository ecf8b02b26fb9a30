"""A mix to look at while the browser still builds the page."""

import json

from catvae.images import data_uri, make_strip
from catvae.page.morph import MORPH_FRAMES, draw_way
from catvae.page.theme import static
from catvae.serving.links import State, example_face
from catvae.serving.texts import TEXTS
from catvae.serving.weights import WeightSet


def first_look(current: WeightSet) -> str:
    """For the page's head: the morph of a fresh page, shown until the page has its own.

    A page whose address names other cats, another model or path shows none: it would be another mix.
    """
    state = State(model=State().model if State().model in current.models else next(iter(current.models)))
    faces = example_face(state.a), example_face(state.b)
    strip = make_strip(draw_way(current, state.model, faces, state.path))
    titles = {language: f"🐱 {words['web_title']}" for language, words in TEXTS.items()}
    values = {"count": MORPH_FRAMES, "strip": data_uri(strip, "WEBP", quality=80, method=0), "titles": titles}
    script = static("first_look.js").replace("VALUES", json.dumps(values).replace("<", "\\u003c"))
    return f"<style>\n{static('first_look.css')}</style>\n<script>\n{script}</script>"
