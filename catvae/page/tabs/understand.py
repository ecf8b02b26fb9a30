"""The tab that explains what the models are, what β does, and what was found on the way."""

from pathlib import Path

import gradio as gr
from PIL import Image

from catvae.files import BUNDLED, FIGURES, read_json
from catvae.images import data_uri
from catvae.model import VARIANTS, find_models, is_variant
from catvae.page.theme import i18n, static
from catvae.serving.weights import Weights


def results(folder: Path = BUNDLED) -> list[dict]:
    """What was measured of each variant in `folder`, of which an installed package has one; the smallest β first.

    Raises CheckpointError when a metrics.json is missing or broken.
    """
    rows = [
        {"name": name, "beta": VARIANTS[name].beta, "latents": VARIANTS[name].config.latent_dim}
        | read_json(path / "metrics.json")
        for name, path in find_models(folder).items()
        if name in VARIANTS and not VARIANTS[name].over
    ]
    return sorted(rows, key=lambda row: row["beta"])


def understand_tab(weights: Weights) -> None:
    """A short companion: the text, the two figures, and the table of the bundled weights' metrics."""
    models = weights.current.models
    with gr.Column(elem_id="lesson"):
        if not all(name in models and is_variant(name, models[name]) for name, row in VARIANTS.items() if not row.over):
            gr.Markdown(i18n("lesson_others"))
        gr.Markdown(i18n("lesson_vae"))
        figure("reconstruction", "lesson_figure")
        rows = results()
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
        figure("interpolation", "lesson_way")
        if (FIGURES / "painting.png").exists():  # `make figures` draws it where there is a model with a painter
            gr.Markdown(i18n("lesson_painter"))
            figure("painting", "lesson_painting")
        gr.Markdown(i18n("lesson_found"))


def figure(name: str, text: str) -> None:
    """One of the project's figures, with the texts `text` as caption and `text`_alt as description."""
    with Image.open(FIGURES / f"{name}.png") as image:
        source = data_uri(image, "WEBP", quality=75, method=6)
    gr.HTML(i18n(text), label=i18n(f"{text}_alt"), html_template=static("lesson_figure.html"), source=source)
