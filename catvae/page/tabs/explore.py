"""The tab to explore latent space: a map of the example cats, and sums of cats."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import gradio as gr
import torch
from PIL import Image
from torch import Tensor

from catvae.images import data_uri, to_tensor
from catvae.latents import Chart, add_up, make_chart, move_apart
from catvae.model import CatVAE
from catvae.page.components import Choice
from catvae.page.theme import element, i18n, render, static
from catvae.page.visitor import known_model, refuse
from catvae.serving.links import CATS, cat_title, example_face
from catvae.serving.weights import Weights

THUMB, GAP, MARGIN = 0.14, 0.147, 0.02  # in sides of the map: a thumbnail, one to the next, the edge; 40 px on a phone
MAPPED = (
    *list(CATS)[:7],
    "canela",
    *list(CATS)[8:16],
    "chelsea",
    "kitten-03",
    "kitten-07",
)  # as many as there is room for
FIRST_SUM = (14, 2, 11)  # black and white - black + tabby: a tabby with a white snout
SIGNS = ("", "−", "+", "=")
WEBP = {"kind": "WEBP", "quality": 90}


def explore_tab(model: gr.Dropdown) -> None:
    """A map of the cats on which two can be chosen to be mixed, and cats to add and subtract.

    `model` and this tab's own choice of model follow each other.
    """
    gr.Markdown(i18n("explore_intro"))
    here = Choice(model.choices, value=model.value, label=i18n("model"), filterable=False, elem_id="explore-model")
    element("<kitten-map></kitten-map>", elem_id="map")
    gr.Markdown(i18n("sum_intro"))
    element("<kitten-sum></kitten-sum>", elem_id="sum")
    quiet = {"api_visibility": "private", "show_progress": "hidden"}
    here.input(None, here, model, js=static("same.js"), **quiet)
    model.change(None, model, here, js=static("same.js"), **quiet)


@dataclass(frozen=True)
class Explorer:
    """What the tab draws, on the weights in use and the example cats."""

    weights: Weights
    charts: WeakKeyDictionary[CatVAE, Chart] = field(default_factory=WeakKeyDictionary)  # gone with their weights

    @property
    def faces(self) -> list[Image.Image]:
        """Those of the example cats."""
        return [example_face(name) for name in MAPPED]

    def chart_of(self, name: str, words: dict[str, str]) -> tuple[CatVAE, Chart]:
        """A model and its map of the example cats. Raises gr.Error for an unknown model."""
        model = known_model(self.weights.current, name, words)
        if model not in self.charts:
            self.charts[model] = make_chart(model, to_tensor(self.faces))
        return model, self.charts[model]

    def names(self, words: dict[str, str]) -> list[str]:
        """What the cats are called, for those who do not see them."""
        return [cat_title(name, words) for name in MAPPED]

    def draw_map(self, name: str, chosen: Sequence[Image.Image], turn: str, words: dict[str, str]) -> str:
        """The map as HTML, with the faces of A and B on it, the visitor's own too. Raises gr.Error for a bad model."""
        model, chart = self.chart_of(name, words)
        faces, places = self.faces, {}
        for letter, face in zip("AB", chosen, strict=True):
            if face not in faces:
                faces.append(face)
            places[letter] = faces.index(face)
        points = place(chart, model, faces[len(MAPPED) :])
        labels = [*self.names(words), *(title_of(face, words) for face in faces[len(MAPPED) :])]
        marks = [mark(i, points[i], labels[i], faces[i], places, words) for i in range(len(points))]
        return render(
            "map.html",
            words=words,
            turn="b" if turn == "b" else "a",
            marks=marks,
            line=[f"{value:.2f}" for letter in "AB" for value in points[places[letter]]],
            variance=words["variance"].format(percent=round(100 * chart.share), count=len(MAPPED)),
        )

    def draw_sum(self, name: str, terms: Any, slot: Any, words: dict[str, str]) -> str:
        """The first cat minus the second plus the third as HTML, and the cats to choose from. Raises gr.Error for
        what is no model, no three cats, or none of the three."""
        model, chart = self.chart_of(name, words)
        called = self.names(words)
        if not isinstance(terms, list) or len(terms) != len(FIRST_SUM):
            raise refuse(words, "unknown_cat")
        terms, slot = [picked(term, len(called), words) for term in terms], picked(slot, len(terms), words)
        tiles = [
            {
                "sign": SIGNS[i],
                "source": enlarged(image),
                "caption": words[f"term_{i + 1}"],
                "label": ": ".join([words[f"term_{i + 1}"], *(called[term] for term in terms[i : i + 1])]),
            }
            for i, image in enumerate(add_up(model, chart.latents[terms]))
        ]
        shelf = [
            {"label": label, "source": data_uri(face, **WEBP)} for label, face in zip(called, self.faces, strict=True)
        ]
        return render("sum.html", words=words, tiles=tiles, slot=slot, cats=shelf, chosen=terms[slot])


@torch.inference_mode()
def place(chart: Chart, model: CatVAE, own: list[Image.Image]) -> list[tuple[float, float]]:
    """Where the cats of a chart and some more lie on the map, in percent from its left and top."""
    latents: Tensor = chart.latents
    if own:
        latents = torch.cat([latents, model.encode(to_tensor(own))[0]])
    free = 1 - THUMB - 2 * MARGIN
    points = move_apart(chart.project(latents), GAP / free) * free + THUMB / 2 + MARGIN
    return [(100 * x, 100 - 100 * y) for x, y in points.tolist()]


def mark(
    i: int,
    point: tuple[float, float],
    label: str,
    face: Image.Image,
    places: dict[str, int],
    words: dict[str, str],
) -> dict[str, Any]:
    """A cat on the map as the template takes it; only examples can be clicked."""
    letters = [letter for letter, at in sorted(places.items()) if at == i]
    return {
        "x": point[0],
        "y": point[1],
        "label": ", ".join([label, *(words[f"cat_{letter.lower()}"] for letter in letters)]),
        "letters": " ".join(letters),
        "source": data_uri(face, **WEBP),
        "cat": MAPPED[i] if i < len(MAPPED) else None,
    }


def title_of(face: Image.Image, words: dict[str, str]) -> str:
    """What a cat is called that is not among those of the map."""
    return next((cat_title(name, words) for name in CATS if example_face(name) == face), words["own_cat"])


def picked(value: object, count: int, words: dict[str, str]) -> int:
    """A number from 0 to below `count`. Raises gr.Error for anything else."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < count:
        raise refuse(words, "unknown_cat")
    return value


def enlarged(image: Image.Image, side: int = 256) -> str:
    """A picture as an address that needs no file, enlarged to a square of `side` pixels."""
    return data_uri(image.resize((side, side), Image.Resampling.LANCZOS), **WEBP)
