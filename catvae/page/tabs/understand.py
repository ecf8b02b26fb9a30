"""The tab that explains what the models are, what β does, and what was found on the way."""

from pathlib import Path

import gradio as gr

from catvae.files import BUNDLED, read_json
from catvae.model import VARIANTS, by_beta, find_models, is_variant
from catvae.page.theme import element, i18n, static
from catvae.serving.weights import Weights


def results(folder: Path = BUNDLED) -> list[dict]:
    """What was measured of v1 to v7, of which `folder` has some, an installed package one; the smallest β first.

    Raises CheckpointError when a metrics.json is missing or broken.
    """
    rows = {}
    for name, path in find_models(folder).items():
        if variant := VARIANTS.get(name):
            told = {"name": name, "beta": variant.beta, "latents": variant.config.latent_dim}
            rows[name] = told | read_json(path / "metrics.json")
    return [rows[name] for name in by_beta(rows)]


def understand_tab(weights: Weights) -> None:
    """A short companion: the text, figures of the visitor's cats, and the table of the bundled weights' metrics."""
    models = weights.current.models
    rows = results()
    with gr.Column(elem_id="lesson"):
        if not all(name in models and is_variant(name, models[name]) for name in VARIANTS):
            gr.Markdown(i18n("lesson_others"))
        gr.Markdown(i18n("lesson_vae"))
        figure("network")
        gr.Markdown(i18n("lesson_beta"))
        figure("kept")
        gr.HTML(
            i18n("lesson_columns"),
            label=i18n("lesson_table"),
            html_template=static("lesson_table.html"),
            rows=[
                [row[key] for key in ("name", "beta", "psnr", "ssim", "kl", "active_units", "latents")] for row in rows
            ],
            images=rows[0]["images"],
            elem_id="results",
        )
        gr.Markdown(i18n("lesson_mix"))
        figure("ways")
        if any(model.painter is not None for model in models.values()):
            gr.Markdown(i18n("lesson_painter"))
            figure("painted")
        gr.Markdown(i18n("lesson_found"))
        figure("data", copies(rows[0]["training"]["data"]))
        gr.Markdown(i18n("lesson_axes_intro"))
        figure("axes")
        gr.Markdown(i18n("lesson_grey"))


def copies(data: dict) -> str:
    """How many of the pictures were learned from, kept apart to measure, near copies and exact ones."""
    return " ".join(str(data[key]) for key in ("train", "validation", "near_copies", "exact_copies"))


def figure(kind: str, counts: str = "") -> None:
    """One of the figures, which the front draws; `counts` are of what it shows."""
    element(f'<kitten-lesson kind="{kind}" counts="{counts}"></kitten-lesson>')
