"""The tab to explore latent space: a map of the example cats, and sums of cats."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import gradio as gr
import torch
from PIL import Image
from torch import Tensor

from catvae.errors import ImageError
from catvae.images import data_uri, to_tensor
from catvae.latents import Chart, add_up, make_chart, move_apart
from catvae.mixing import interpolate
from catvae.model import CatVAE
from catvae.page.components import Choice, Picture
from catvae.page.morph import with_shares
from catvae.page.picker import CatPicker, show, unchanged
from catvae.page.theme import i18n, render, static, when_seen
from catvae.page.visitor import known_model, refuse, told, words_of
from catvae.photos.faces import cut_face
from catvae.serving.decoders import open_photo
from catvae.serving.links import cat_title, example_face
from catvae.serving.weights import Weights

THUMB, GAP, MARGIN = 0.14, 0.147, 0.02  # in sides of the map: a thumbnail, one to the next, the edge; 40 px on a phone
FIRST_SUM = (6, 17, 3)  # black and white - black + tabby: a tabby with a white snout
WAY = 7  # frames under the map
SIGNS = ("", "−", "+", "=")
WEBP = {"kind": "WEBP", "quality": 90}


def explore_tab(weights: Weights, model: gr.Dropdown, cats: list[str], cat_a: CatPicker, cat_b: CatPicker) -> None:
    """A map of the cats on which two can be chosen to be mixed, and cats to add and subtract.

    `model` and this tab's own choice of model follow each other.
    """
    page = Explorer(weights, cats, [example_face(Path(cat).stem) for cat in cats])
    intro = gr.Markdown(i18n("explore_intro"))
    tab = intro.parent
    here = Choice(model.choices, value=model.value, label=i18n("model"), filterable=False, elem_id="explore-model")
    board = gr.HTML(css_template=static("map.css"), js_on_load=static("map.js"), elem_id="map")
    gr.Markdown(i18n("sum_intro"))
    sums = gr.HTML(css_template=static("sum.css"), js_on_load=static("sum.js"), elem_id="sum")
    turn, terms, slot = gr.State("A"), gr.State(FIRST_SUM), gr.State(2)

    quiet = {"api_visibility": "private", "show_progress": "hidden"}
    other_cats = when_seen([cat_a.face.change, cat_b.face.change], "#map")
    other_model = when_seen([here.change], "#map")
    here.input(None, here, model, js="name => name", **quiet)
    model.change(None, model, here, js="name => name", **quiet)
    gr.on(
        [tab.select, other_model.change, other_cats.change, turn.change],
        page.draw_map,
        [here, cat_a.face, cat_b.face, turn],
        board,
        trigger_mode="always_last",
        **quiet,
    )
    gr.on(
        [tab.select, other_model.change], page.draw_sum, [here, terms, slot], sums, trigger_mode="always_last", **quiet
    )
    board.click(page.choose, turn, [cat_a.photo, *cat_a.follow, cat_b.photo, *cat_b.follow, turn], **quiet)
    sums.click(page.choose_term, [here, terms, slot], [sums, terms, slot], **quiet)


@dataclass(frozen=True)
class Explorer:
    """The handlers of the tab, on the weights in use and the example cats."""

    weights: Weights
    cats: list[str]
    faces: list[Image.Image]
    charts: WeakKeyDictionary[CatVAE, Chart] = field(default_factory=WeakKeyDictionary)  # gone with their weights

    def chart_of(self, name: str, words: dict[str, str]) -> tuple[CatVAE, Chart]:
        """A model and its map of the example cats. Raises gr.Error for an unknown model."""
        model = known_model(self.weights.current, name, words)
        if model not in self.charts:
            self.charts[model] = make_chart(model, to_tensor(self.faces))
        return model, self.charts[model]

    def names(self, words: dict[str, str]) -> list[str]:
        """What the cats are called, for those who do not see them."""
        return [cat_title(Path(cat).stem, words) for cat in self.cats]

    def draw_map(self, name: str, image_a: Picture, image_b: Picture, turn: str, request: gr.Request) -> str:
        """The map as HTML, with the visitor's own cats on it, and the way between A and B under it."""
        words = words_of(request)
        model, chart = self.chart_of(name, words)
        chosen = {letter: face for letter, path in (("A", image_a), ("B", image_b)) if (face := face_in(path))}
        own = [letter for letter, face in chosen.items() if face not in self.faces]
        places = {letter: self.faces.index(face) for letter, face in chosen.items() if letter not in own}
        places |= {letter: len(self.cats) + i for i, letter in enumerate(own)}
        faces = [*self.faces, *(chosen[letter] for letter in own)]
        points = place(chart, model, [chosen[letter] for letter in own])
        labels = [*self.names(words), *[words["own_cat"]] * len(own)]
        marks = [mark(i, points[i], labels[i], faces[i], places, len(self.cats), words) for i in range(len(points))]
        ends = [points[places[letter]] for letter in "AB"] if len(places) == 2 else [(0, 0), (0, 0)]
        frames = interpolate(model, [chosen["A"], chosen["B"]], WAY) if len(chosen) == 2 else []
        return render(
            "map.html",
            words=words,
            turn=turn,
            marks=marks,
            line=[f"{value:.2f}" for point in ends for value in point],
            variance=words["variance"].format(percent=round(100 * chart.share), count=len(self.cats)),
            way=with_shares(frames, words, **WEBP) if frames else [],
        )

    def choose(self, turn: str, event: gr.EventData, request: gr.Request) -> tuple:
        """Make the cat that was clicked cat A or B, in turn."""
        words = words_of(request)
        cat = self.cats[picked(told(event, "cat"), len(self.cats), words)]
        chosen = cat, *show(turn, cat, words)
        return (*chosen, *unchanged(), "B") if turn == "A" else (*unchanged(), *chosen, "A")

    def draw_sum(self, name: str, terms: tuple[int, ...], slot: int, request: gr.Request) -> str:
        """The first cat minus the second plus the third as HTML, and the cats to choose from."""
        words = words_of(request)
        model, chart = self.chart_of(name, words)
        called = self.names(words)
        tiles = [
            {
                "sign": SIGNS[i],
                "source": enlarged(image),
                "caption": words[f"term_{i + 1}"],
                "label": ": ".join([words[f"term_{i + 1}"], *(called[term] for term in terms[i : i + 1])]),
            }
            for i, image in enumerate(add_up(model, chart.latents[list(terms)]))
        ]
        shelf = [
            {"label": label, "source": data_uri(face, **WEBP)} for label, face in zip(called, self.faces, strict=True)
        ]
        return render("sum.html", words=words, tiles=tiles, slot=slot, cats=shelf, chosen=terms[slot])

    def choose_term(
        self, name: str, terms: tuple[int, ...], slot: int, event: gr.EventData, request: gr.Request
    ) -> tuple[str, tuple[int, ...], int]:
        """Make another term the one to change, or put the cat that was clicked in its place."""
        words = words_of(request)
        if (other := told(event, "slot")) is not None:
            slot = picked(other, len(terms), words)
        else:
            cat = picked(told(event, "cat"), len(self.cats), words)
            terms = (*terms[:slot], cat, *terms[slot + 1 :])
        return self.draw_sum(name, terms, slot, request), terms, slot


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
    examples: int,
    words: dict[str, str],
) -> dict[str, Any]:
    """A cat on the map as the template takes it; only the `examples` can be clicked."""
    letters = [letter for letter, at in sorted(places.items()) if at == i]
    return {
        "x": point[0],
        "y": point[1],
        "label": ", ".join([label, *(words[f"cat_{letter.lower()}"] for letter in letters)]),
        "letters": " ".join(letters),
        "source": data_uri(face, **WEBP),
        "number": i if i < examples else None,
    }


def face_in(picture: Picture) -> Image.Image | None:
    """The face in a picture; None where it cannot be used: the mix says what is wrong with it."""
    try:
        return cut_face(open_photo(picture)) if picture else None
    except ImageError:
        return None


def picked(value: object, count: int, words: dict[str, str]) -> int:
    """A number from 0 to below `count`. Raises gr.Error for anything else."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < count:
        raise refuse(words, "unknown_cat")
    return value


def enlarged(image: Image.Image, side: int = 256) -> str:
    """A picture as an address that needs no file, enlarged to a square of `side` pixels."""
    return data_uri(image.resize((side, side), Image.Resampling.LANCZOS), **WEBP)
