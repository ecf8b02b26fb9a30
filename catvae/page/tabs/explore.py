"""The tab to explore latent space: a map of the example cats, dials that make a cat more of a breed, and a pad between
three or four cats."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import gradio as gr
import torch
from PIL import Image
from torch import Tensor

from catvae.images import data_uri, make_strip, to_pil, to_tensor
from catvae.latents import Chart, Dials, load_dials, make_chart, move_apart
from catvae.model import CatVAE
from catvae.page.components import Choice
from catvae.page.theme import element, i18n, render, static
from catvae.page.visitor import known_model, refuse
from catvae.serving.front import MADE_FOR, REACH, dialled
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
WEBP = {"kind": "WEBP", "quality": 90}
DIAL_FRAMES = 17  # along one dial, from its least to its most; the browser fades between neighbours
PAD_FRAMES = 7  # along each side of the pad, likewise: within 37 dB of the true picture


def explore_tab(model: gr.Dropdown) -> None:
    """A map of the cats on which two can be chosen to be mixed, dials of a cat, and a pad with three or four parents.

    `model` and this tab's own choice of model follow each other.
    """
    here = Choice(model.choices, value=model.value, label=i18n("model"), filterable=False, elem_id="explore-model")
    element("<kitten-map></kitten-map>", elem_id="map")
    gr.Markdown(i18n("explore_intro"))
    element("<kitten-dials></kitten-dials>", elem_id="dials")
    gr.Markdown(i18n("pad_intro"))
    element("<kitten-pad></kitten-pad>", elem_id="pad")
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

    def draw_map(self, name: str, chosen: Sequence[Image.Image], words: dict[str, str]) -> str:
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
            marks=marks,
            line=[f"{value:.2f}" for letter in "AB" for value in points[places[letter]]],
            variance=words["variance"].format(percent=round(100 * chart.share), count=len(MAPPED)),
        )

    @torch.inference_mode()
    def turn_dials(
        self, face: Image.Image, places: Any, dial: Any, words: dict[str, str]
    ) -> tuple[Image.Image, dict[str, float]]:
        """A 64×64 face as the dials make it: frames along the `dial` of that number, while the others stay at their
        `places`, side by side; and how likely each breed is for the face itself. Raises gr.Error for what is no place
        or no dial, and where no model has these latents."""
        painter, dials = self.painter, load_dials()
        if painter is None:
            raise refuse(words, "dials_none", models=", ".join(MADE_FOR))
        at = places_in(places, dials, words)
        mu = painter.to_mu(painter.encoder(to_tensor([face])))[0]
        way = torch.linspace(-REACH, REACH, DIAL_FRAMES)[:, None] * dials.directions[picked(dial, len(at), words)]
        frames = to_pil(painter.decode(mu + at @ dials.directions + way))
        return make_strip(frames), dials.nearest(mu)

    @torch.inference_mode()
    def draw_pad(self, faces: Sequence[Image.Image]) -> Image.Image:
        """Mixes of three or four 64×64 faces by the model that paints the dials, else the first.

        They are 7 rows of 7, side by side: A and B are the ends of the first row, C and D those of the last; between
        them latents are weighted bilinearly. Of three cats D is B + C - A, so that as far as the line from B to C the
        weights are those of a triangle.
        """
        model = self.painter or next(iter(self.weights.current.models.values()))
        mu = model.to_mu(model.encoder(to_tensor(faces)))
        if len(faces) == 3:
            mu = torch.cat([mu, mu[1:2] + mu[2:] - mu[:1]])
        share = torch.linspace(0, 1, PAD_FRAMES)
        ends = torch.stack([1 - share, share], 1)
        return make_strip(to_pil(model.decode(torch.kron(ends, ends) @ mu)))

    @property
    def painter(self) -> CatVAE | None:
        """The model that paints what the dials say: v7, or v6 where that is not among the models."""
        models = self.weights.current.models
        return next((models[name] for name in dialled(models)), None)


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
    i: int, point: tuple[float, float], label: str, face: Image.Image, places: dict[str, int], words: dict[str, str]
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


def places_in(told: Any, dials: Dials, words: dict[str, str]) -> Tensor:
    """Where the dials stand, (K,) in units. Raises gr.Error for what is no such list."""
    known = isinstance(told, list) and len(told) == len(dials.names)
    if not known or not all(type(at) in (int, float) and abs(at) <= REACH for at in told):
        raise refuse(words, "bad_dial")
    return torch.tensor(told, dtype=torch.float32)


def picked(value: object, count: int, words: dict[str, str]) -> int:
    """A number from 0 to below `count`. Raises gr.Error for anything else."""
    if type(value) is not int or not 0 <= value < count:
        raise refuse(words, "bad_dial")
    return value
