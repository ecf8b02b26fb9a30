"""The two figures that compare the variants: what each keeps of a cat, and the way between two."""

import math
import sys
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont

from catvae.files import example_kittens
from catvae.images import make_strip, to_face, to_pil, to_tensor
from catvae.mixing import mix
from catvae.model import CatVAE, by_beta
from catvae.photos.decode import open_image

CELL, MARGIN = 96, 64  # pixels; the margin is wider for longer names


def make_figures(models: dict[str, CatVAE]) -> dict[str, Image.Image]:
    """The comparison figures on the example kittens, by name; rows go from the smallest β to the largest."""
    models = {name: models[name] for name in by_beta(models, models)}
    kittens = example_kittens()
    if not kittens:
        return {}
    return {
        "reconstruction": reconstruction_figure(models, kittens[:8]),
        "interpolation": interpolation_figure(models, kittens[0], kittens[3]),
    }


def save_figures(figures: dict[str, Image.Image], out: Path) -> None:
    """Write each as a PNG of its name into a folder."""
    out.mkdir(parents=True, exist_ok=True)
    for name, figure in figures.items():
        figure.save(out / f"{name}.png", optimize=True)
        print(out / f"{name}.png", file=sys.stderr)


@torch.inference_mode()
def reconstruction_figure(models: dict[str, CatVAE], pictures: list[Path]) -> Image.Image:
    """Row one the originals, then one row of reconstructions per model."""
    faces = [to_face(open_image(picture)) for picture in pictures]
    x = to_tensor(faces)
    rows = {"cats": faces}
    rows |= {name: to_pil(model.decode(model.encode(x)[0])) for name, model in models.items()}
    return _grid(rows)


def interpolation_figure(models: dict[str, CatVAE], a: Path, b: Path, steps: int = 8) -> Image.Image:
    """One row of frames from cat `a` to cat `b` per model."""
    return _grid({name: mix(model, a, b, steps) for name, model in models.items()})


def _grid(rows: dict[str, list[Image.Image]]) -> Image.Image:
    font = ImageFont.load_default(20)
    margin = max(MARGIN, *(16 + math.ceil(font.getlength(label)) for label in rows))
    width = margin + CELL * max(map(len, rows.values()))
    figure = Image.new("RGB", (width, CELL * len(rows)), "white")
    draw = ImageDraw.Draw(figure)
    for i, (label, frames) in enumerate(rows.items()):
        draw.text((8, CELL * (i + 0.5)), label, fill="black", font=font, anchor="lm")
        large = [frame.resize((CELL, CELL), Image.Resampling.BICUBIC) for frame in frames]
        figure.paste(make_strip(large), (margin, CELL * i))
    return figure
