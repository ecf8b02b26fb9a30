"""All models side by side on the visitor's two cats, moved by one slider, with the numbers behind the pictures."""

from base64 import b64encode
from collections.abc import Sequence
from math import log
from typing import Any

from PIL import Image

from catvae.images import to_bytes
from catvae.mixing import Comparison, compare
from catvae.model import CatVAE, is_variant
from catvae.page.theme import render
from catvae.serving.texts import written
from catvae.serving.weights import WeightSet
from catvae.training.split import PUBLISHED_FINGERPRINT

KINDS = ("real", "painted", "own", "cut", "newborn", "child")  # whose cat it is: each has its word "cats_…"
FRAMES = 9  # of each model; the browser fades between neighbours
PLOT = 460, 300  # units of the drawing; a phone shows two thirds of a pixel for each


def compare_pages(
    current: WeightSet, faces: Sequence[Image.Image], kinds: Sequence[str], path: str, words: dict[str, str]
) -> tuple[dict[str, str], str]:
    """Each model's frames between two 64×64 faces, side by side as WebP in base64, and the numbers as HTML."""
    rows = compare(current.models, faces, FRAMES, path)
    strips = {name: b64encode(to_bytes(row.strip, "WEBP", quality=95)).decode() for name, row in rows.items()}
    return strips, format_numbers(rows, current.models, kinds, current.metrics, words)


def format_numbers(
    rows: dict[str, Comparison],
    models: dict[str, CatVAE],
    kinds: Sequence[str],
    metrics: dict[str, dict],
    words: dict[str, str],
) -> str:
    """What stands below the faces, as HTML: the numbers of these two cats and of validation, and the plot."""
    known = {name: metrics[name] for name in rows if name in metrics}
    return render(
        "compare.html",
        words=words,
        cats=[
            {"name": words[name], "kind": words[f"cats_{kind}"]}
            for name, kind in zip(("cat_a", "cat_b"), kinds, strict=True)
        ],
        flattering=not {"painted", "cut", "newborn"}.isdisjoint(kinds),
        rows=[format_row(name, row, models[name], metrics.get(name), words) for name, row in rows.items()],
        plot=place_dots(known),
    )


def format_row(
    name: str, row: Comparison, model: CatVAE, known: dict[str, Any] | None, words: dict[str, str]
) -> dict[str, Any]:
    """One model's numbers as written; "–" where validation is not known."""
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
        "told": is_variant(name, model),
    }


def beta_text(beta: float | None, words: dict[str, str]) -> str:
    """β as written; "?" where a model does not tell."""
    return "?" if beta is None else written(beta, words)


def place_dots(metrics: dict[str, dict[str, Any]]) -> dict[str, Any] | None:
    """Where rate (KL, nats, logarithmic) and distortion (PSNR, dB) of the models lie in the drawing, with
    ticks, and names above and below by turns; None for fewer than two models."""
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

    dots = sorted((x(row["kl"]), y(row["psnr"]), name) for name, row in metrics.items())
    return {
        "width": width,
        "height": height,
        "x_ticks": [(x(rate), rate) for rate in (50, 100, 200, 500, 1000, 2000) if low < log(rate) < high],
        "y_ticks": [(y(value), value) for value in range(int(bottom) + 1, int(top) + 1)],
        "dots": [
            {"x": right, "y": down, "name": name, "base": down + (22 if i % 2 else -12)}
            for i, (right, down, name) in enumerate(dots)
        ],
    }
