"""All models side by side on the visitor's two cats, moved by one slider, with the numbers behind the pictures."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import log
from typing import Any

import gradio as gr
from PIL import Image

from catvae.images import data_uri, make_strip
from catvae.mixing import Comparison, compare
from catvae.model import CatVAE, VAEConfig, is_told
from catvae.page.components import Picture
from catvae.page.picker import CatPicker, kind_of_cat
from catvae.page.theme import i18n, render, static, when_seen
from catvae.page.visitor import told, two_faces, words_of
from catvae.serving.texts import written
from catvae.serving.weights import Weights
from catvae.training.split import PUBLISHED_FINGERPRINT

FRAMES = 9  # of each model; the browser fades between neighbours
PLOT = 460, 300  # units of the drawing; a phone shows two thirds of a pixel for each
DOT, LINE, LETTER = 7, 18, 8.5  # radius of a dot, height of a label, width of its letters at 15 units
# where a label may stand beside its dot, the best first: from the dot to the label's near end, and to its base line
LABELS = (
    (10, -8, "start"),
    (10, 20, "start"),
    (-10, -8, "end"),
    (-10, 20, "end"),
    (10, -26, "start"),
    (-10, 38, "end"),
)


def compare_tab(
    weights: Weights, model: gr.Dropdown, tabs: gr.Tabs, tab: gr.Tab, cat_a: CatPicker, cat_b: CatPicker
) -> None:
    """The contents of `tab`, drawn when it is opened, and anew for other cats while it is open.

    A click on a model's face opens that model in the tab "mix".
    """
    gr.Markdown(i18n("compare_intro"))
    view = gr.HTML(
        html_template="${value || ''}",
        css_template=static("compare.css"),
        js_on_load=static("slide.js") + static("compare.js"),
        elem_id="compare",
    )
    page, pictures = ComparePage(weights), [cat_a.face, cat_b.face, cat_a.photo, cat_b.photo]
    quiet = {"api_visibility": "private", "show_progress": "minimal"}
    seen = when_seen([cat_a.face.change, cat_b.face.change], "#compare")
    gr.on([tab.select, seen.change], page.draw, pictures, view, trigger_mode="always_last", **quiet)
    view.click(page.open_model, None, [model, tabs], **quiet)


@dataclass(frozen=True)
class ComparePage:
    """The handlers of the tab, on the weights in use."""

    weights: Weights

    def draw(self, face_a: Picture, face_b: Picture, photo_a: Picture, photo_b: Picture, request: gr.Request) -> str:
        """The tab as HTML: in place of the comparison what is wrong with a cat, where one cannot be used."""
        words, current = words_of(request), self.weights.current
        try:
            faces = two_faces(face_a, face_b, words)
        except gr.Error as refusal:
            return render("refused.html", message=refusal.message)  # not the cats before, which are not chosen now
        kinds = kind_of_cat(photo_a), kind_of_cat(photo_b)
        return format_page(compare(current.models, faces, FRAMES), current.models, faces, kinds, current.metrics, words)

    def open_model(self, event: gr.EventData) -> tuple:
        """Show the model of the face that was clicked in the tab "mix"."""
        name = told(event, "model")
        if not isinstance(name, str) or name not in self.weights.current.models:
            return gr.skip(), gr.skip()
        return gr.Dropdown(value=name), gr.Tabs(selected="mix")


def format_page(
    rows: dict[str, Comparison],
    models: dict[str, CatVAE],
    faces: Sequence[Image.Image],
    kinds: Sequence[str],
    metrics: dict[str, dict],
    words: dict[str, str],
) -> str:
    """The comparison as HTML: a face per model and a cross-fade, which one slider moves, numbers, and the plot."""
    names = words["cat_a"], words["cat_b"]
    known = {name: metrics[name] for name in rows if name in metrics}
    return render(
        "compare.html",
        words=words,
        cats=[
            {"name": name, "source": data_uri(face), "kind": words[f"cats_{kind}"]}
            for name, face, kind in zip(names, faces, kinds, strict=True)
        ],
        flattering=not {"painted", "cut", "newborn"}.isdisjoint(kinds),
        fade=data_uri(make_strip(list(faces)), "WEBP", quality=95),
        frames=FRAMES,
        rows=[format_row(name, row, models[name], metrics.get(name), words) for name, row in rows.items()],
        plot=place_dots(known, {name: beta_text(rows[name].beta, words) for name in known}),
    )


def format_row(
    name: str, row: Comparison, model: CatVAE, known: dict[str, Any] | None, words: dict[str, str]
) -> dict[str, Any]:
    """One model's strip as an address, and its numbers as written; "–" where validation is not known."""
    data = (known or {}).get("training", {}).get("data", {})
    return {
        "name": name,
        "beta": beta_text(row.beta, words),
        "psnr": written(row.psnr, words, 1),
        "kl": written(row.kl, words, 0),
        "psnr_all": written(known["psnr"], words, 1) if known else "–",
        "kl_all": written(known["kl"], words, 0) if known else "–",
        "active": f"{known['active_units']}/{model.config.latent_dim}" if known else "–",
        "own_faces": data.get("fingerprint", PUBLISHED_FINGERPRINT) != PUBLISHED_FINGERPRINT,
        "painted": model.painter is not None,
        "told": is_told(name, model),
        "other": replace(model.config, painter=None) != VAEConfig(),
        "strip": data_uri(row.strip, "WEBP", quality=95),
    }


def beta_text(beta: float | None, words: dict[str, str]) -> str:
    """β as written; "?" where a model does not tell."""
    return "?" if beta is None else written(beta, words)


def place_dots(metrics: dict[str, dict[str, Any]], betas: dict[str, str]) -> dict[str, Any] | None:
    """Where rate (KL, nats, logarithmic) and distortion (PSNR, dB) of the models lie in the drawing, with
    ticks and labels; None for fewer than two models."""
    if len(metrics) < 2:
        return None
    width, height = PLOT
    rates, values = ([row[key] for row in metrics.values()] for key in ("kl", "psnr"))
    low, high = log(min(rates)) - 0.2, log(max(rates)) + 0.4
    bottom, top = min(values) - 0.7, max(values) + 0.7

    def x(rate: float) -> int:
        return round(50 + (width - 70) * (log(rate) - low) / (high - low))

    def y(value: float) -> int:
        return round(height - 45 - (height - 65) * (value - bottom) / (top - bottom))

    places = [(x(row["kl"]), y(row["psnr"])) for row in metrics.values()]
    labels = [f"{name} · β {betas[name]}" for name in metrics]
    return {
        "width": width,
        "height": height,
        "x_ticks": [(x(rate), rate) for rate in (50, 100, 200, 500, 1000, 2000) if low < log(rate) < high],
        "y_ticks": [(y(value), value) for value in range(int(bottom) + 1, int(top) + 1)],
        "dots": [
            {"x": place[0], "y": place[1], "label": label, **spot}
            for place, label, spot in zip(places, labels, place_labels(places, labels), strict=True)
        ],
    }


def place_labels(places: Sequence[tuple[int, int]], labels: Sequence[str]) -> list[dict[str, Any]]:
    """For the label of each dot the first spot that covers no dot and no label before; its first where all do."""
    taken = [(x - DOT, y - DOT, x + DOT, y + DOT) for x, y in places]
    spots = []
    for (x, y), label in zip(places, labels, strict=True):
        options = [
            (label_box(x + right, y + down, label, anchor), right, down, anchor) for right, down, anchor in LABELS
        ]
        box, right, down, anchor = next((option for option in options if is_free(option[0], taken)), options[0])
        taken.append(box)
        spots.append({"label_x": x + right, "label_y": y + down, "anchor": anchor})
    return spots


def label_box(x: int, y: int, label: str, anchor: str) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a label whose base line starts, or ends, at (x, y)."""
    width = LETTER * len(label)
    left = x - width if anchor == "end" else x
    return left, y - LINE + 4, left + width, y + 4


def is_free(box: Sequence[float], taken: Sequence[Sequence[float]]) -> bool:
    """Whether a box lies within the drawing and touches none of the others."""
    inside = box[0] > 50 and box[1] > 20 and box[2] < PLOT[0] and box[3] < PLOT[1] - 45
    return inside and not any(
        box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3] for other in taken
    )
