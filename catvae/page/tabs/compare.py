"""All models side by side on the visitor's two cats, with the numbers behind the pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from typing import Any

import gradio as gr
from PIL import Image

from catvae.images import data_uri
from catvae.mixing import Comparison, compare
from catvae.model import VARIANTS, by_beta
from catvae.page.components import Picture
from catvae.page.picker import CatPicker
from catvae.page.theme import i18n, render, static, when_seen
from catvae.page.visitor import told, two_faces, words_of
from catvae.serving.weights import Weights

PLOT = 640, 300  # units of the drawing


def compare_tab(
    weights: Weights, model: gr.Dropdown, tabs: gr.Tabs, tab: gr.Tab, cat_a: CatPicker, cat_b: CatPicker
) -> None:
    """The contents of `tab`, drawn when it is opened, and anew for other cats while it is open.

    A click on a row opens that model in the tab "mix".
    """
    gr.Markdown(i18n("compare_intro"))
    view = gr.HTML(
        html_template="${value || ''}",
        css_template=static("compare.css"),
        js_on_load=static("compare.js"),
        elem_id="compare",
    )
    page, faces = ComparePage(weights), [cat_a.face, cat_b.face]
    quiet = {"api_visibility": "private", "show_progress": "minimal"}
    seen = when_seen([face.change for face in faces], "#compare")
    gr.on([tab.select, seen.change], page.draw, faces, view, trigger_mode="always_last", **quiet)
    view.click(page.open_model, None, [model, tabs], **quiet)


@dataclass(frozen=True)
class ComparePage:
    """The handlers of the tab, on the weights in use."""

    weights: Weights

    def draw(self, image_a: Picture, image_b: Picture, request: gr.Request) -> str:
        """The tab as HTML."""
        words, current = words_of(request), self.weights.current
        faces = two_faces(image_a, image_b, words)
        return format_page(compare(current.models, faces), faces, current.metrics, words)

    def open_model(self, event: gr.EventData) -> tuple:
        """Show the model of the row that was clicked in the tab "mix"."""
        name = told(event, "model")
        if name not in self.weights.current.models:
            return gr.skip(), gr.skip()
        return gr.Dropdown(value=name), gr.Tabs(selected="mix")


def format_page(
    rows: dict[str, Comparison], faces: Sequence[Image.Image], metrics: dict[str, dict], words: dict[str, str]
) -> str:
    """The comparison as HTML: a row of frames per model, what each keeps of both cats, numbers, and the plot."""
    names = words["cat_a"], words["cat_b"]
    return render(
        "compare.html",
        words=words,
        cats=[{"name": name, "source": data_uri(face)} for name, face in zip(names, faces, strict=True)],
        rows=[format_row(name, row, metrics.get(name)) for name, row in rows.items()],
        plot=place_dots({name: metrics[name] for name in rows if name in metrics}),
    )


def format_row(name: str, row: Comparison, known: dict[str, Any] | None) -> dict[str, Any]:
    """One model's pictures as addresses, and its numbers as written; "–" where validation is not known."""
    return {
        "name": name,
        "beta": f"{row.beta:g}",
        "psnr": f"{row.psnr:.1f}",
        "kl": f"{row.kl:.0f}",
        "psnr_all": f"{known['psnr']:.1f}" if known else "–",
        "kl_all": f"{known['kl']:.0f}" if known else "–",
        "active": f"{known['active_units']}" if known else "–",
        "strip": data_uri(enlarge(row.strip), "WEBP", quality=90),
        "faces": [data_uri(face) for face in row.faces],
    }


def place_dots(metrics: dict[str, dict[str, Any]]) -> dict[str, Any] | None:
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

    dots: list[dict[str, Any]] = []
    for name in by_beta(metrics):
        dot_x, dot_y = x(metrics[name]["kl"]), y(metrics[name]["psnr"])
        left = dot_x > width / 2
        # a label that would lie on the dot before goes below its own
        crowded = any(abs(dot["x"] - dot_x) < 110 and abs(dot["y"] - dot_y) < 40 for dot in dots)
        dots.append(
            {
                "x": dot_x,
                "y": dot_y,
                "label": f"{name} · β {VARIANTS[name].beta:g}",
                "label_x": dot_x - 10 if left else dot_x + 10,
                "label_y": dot_y + 20 if crowded else dot_y - 8,
                "anchor": "end" if left else "start",
            }
        )
    return {
        "width": width,
        "height": height,
        "x_ticks": [(x(rate), rate) for rate in (50, 100, 200, 500, 1000, 2000) if low < log(rate) < high],
        "y_ticks": [(y(value), value) for value in range(int(bottom) + 1, int(top) + 1)],
        "dots": dots,
    }


def enlarge(strip: Image.Image, times: int = 2) -> Image.Image:
    """A strip that many times as large."""
    return strip.resize((strip.width * times, strip.height * times), Image.Resampling.BICUBIC)
