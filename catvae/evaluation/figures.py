"""The figures that compare the variants: what each keeps of a cat, the way between two, what a painter adds."""

import math
import sys
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont

from catvae.files import example_kittens, example_photos
from catvae.images import make_strip, to_face, to_pil, to_tensor
from catvae.mixing import mix
from catvae.model import VARIANTS, CatVAE, by_beta
from catvae.photos.decode import open_image

CELL, MARGIN, LARGE = 96, 64, 176  # pixels; the margin is wider for longer names
INK = "#7b746f"  # of names, on white and on dark pages: 4.6 and 3.8 to 1


def make_figures(models: dict[str, CatVAE]) -> dict[str, Image.Image]:
    """The comparison figures on the example kittens, by name; rows go from the smallest β to the largest, and frames
    from one cat to another."""
    models = {name: models[name] for name in by_beta(models, models)}
    kittens = example_kittens()
    if not kittens:
        return {}
    figures = {
        "reconstruction": _reconstructions(models, [to_face(open_image(kitten)) for kitten in kittens[:8]]),
        "interpolation": _grid({name: mix(model, kittens[0], kittens[3], 8) for name, model in models.items()}),
    }
    if painted := [name for name, model in models.items() if model.painter]:
        over = [VARIANTS[name].over for name in painted if name in VARIANTS]
        shown = dict.fromkeys(["v2", *over, *painted])  # the softest, what is painted over, and the paintings
        cats = [open_image(photo.with_suffix(".png")) for photo in example_photos()]  # real ones
        # larger: details that are painted are small
        figures["painting"] = _reconstructions({name: models[name] for name in shown if name in models}, cats, LARGE)
    return figures


def save_figures(figures: dict[str, Image.Image], out: Path) -> None:
    """Write each as a PNG of its name into a folder."""
    out.mkdir(parents=True, exist_ok=True)
    for name, figure in figures.items():
        figure.save(out / f"{name}.png", optimize=True)
        print(out / f"{name}.png", file=sys.stderr)


@torch.inference_mode()
def _reconstructions(models: dict[str, CatVAE], faces: list[Image.Image], cell: int = CELL) -> Image.Image:
    """Row one the originals, then one row of reconstructions per model."""
    x = to_tensor(faces)
    rows = {name: to_pil(model.decode(model.encode(x)[0])) for name, model in models.items()}
    return _grid({"cats": faces} | rows, cell)


def _grid(rows: dict[str, list[Image.Image]], cell: int = CELL) -> Image.Image:
    font = ImageFont.load_default(20)
    margin = max(MARGIN, *(16 + math.ceil(font.getlength(label)) for label in rows))
    width = margin + cell * max(map(len, rows.values()))
    figure = Image.new("RGBA", (width, cell * len(rows)), "#0000")
    draw = ImageDraw.Draw(figure)
    for i, (label, frames) in enumerate(rows.items()):
        draw.text((8, cell * (i + 0.5)), label, fill=INK, font=font, anchor="lm")
        large = [frame.resize((cell, cell), Image.Resampling.BICUBIC) for frame in frames]
        figure.paste(make_strip(large), (margin, cell * i))
    return figure
