"""How well faces are found in a folder of photos: a page to look at, and the figures beside it."""

import math
import time
from pathlib import Path
from statistics import fmean, median
from typing import Any

import torch
from jinja2 import Template
from PIL import Image, ImageDraw
from torch import Tensor

from catvae.errors import CheckpointError, ImageError
from catvae.files import check_writable, write_json, writing
from catvae.images import data_uri, to_pil, to_tensor
from catvae.model import IMAGE_SIZE, CatVAE, beta_elbo, beta_of, load_variant
from catvae.photos.decode import open_image
from catvae.photos.faces import Face, align, find_faces
from catvae.training.sources import list_files

PAGE = Path(__file__).with_name("faces.html")
THUMBNAIL = 220


def evaluate_faces(
    folder: Path, out: Path, *, variant: str = "v6", checkpoints: Path | None = None, validation: Tensor | None = None
) -> dict[str, Any]:
    """Find and cut the best face of every picture under `folder`; write `out` (.html) and the same
    name as .json, and return the figures, where `ms_per_photo` is a median.

    Each picture is shown with its box, the cut face and that face as `variant` reconstructs it, with
    its negative ELBO in nats per pixel (`elbo_per_pixel`; of the folder their mean). `validation`, uint8 faces
    (N, 3, 64, 64), gives the mean to compare with. Files that are no pictures are listed.

    Raises DataError for a folder without pictures, CheckpointError for weights that cannot be loaded
    or do not tell their β, and SettingError where `out` cannot be written.
    """
    check_writable(out.parent)
    files, _ = list_files(folder)
    model = load_variant(variant, checkpoints)
    if (beta := beta_of(variant, model)) is None:
        raise CheckpointError(f"{variant}: its config.json tells no beta, so it has no ELBO; name another variant")
    rows, shown = [], []
    for file in files:
        name = str(file.relative_to(folder))
        try:
            picture = open_image(file)
        except ImageError as error:
            rows.append({"file": name, "error": str(error)})
            continue
        photo, pictures = look_at(picture, name, model, beta)
        rows.append(photo)
        shown.append((photo, [data_uri(picture, "JPEG", quality=85) for picture in pictures]))

    elbos = [photo["elbo_per_pixel"] for photo, _ in shown if "elbo_per_pixel" in photo]
    report = {
        "folder": folder.name,
        "variant": variant,
        "photos": len(shown),
        "unreadable": len(files) - len(shown),
        "share_found": len(elbos) / max(1, len(shown)),
        "elbo_per_pixel": fmean(elbos) if elbos else None,
        "validation_elbo_per_pixel": None if validation is None else mean_elbo(model, validation, beta),
        "ms_per_photo": median(photo["ms"] for photo, _ in shown) if shown else None,
    }
    page = Template(PAGE.read_text(encoding="utf-8"), autoescape=True, trim_blocks=True)
    with writing(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(page.render(report=report, photos=shown), encoding="utf-8", errors="backslashreplace")
        write_json(out.with_suffix(".json"), {**report, "files": rows})
    return report


def look_at(picture: Image.Image, name: str, model: CatVAE, beta: float) -> tuple[dict[str, Any], list[Image.Image]]:
    """What is found in a photo of that name, "ms" to find the faces and to cut the best; its thumbnail, its best face
    and that face's reconstruction."""
    start = time.perf_counter()
    found = find_faces(picture)
    cut = align(picture, found[0]) if found else None
    photo: dict[str, Any] = {"file": name, "faces": len(found), "ms": 1000 * (time.perf_counter() - start)}
    thumbnail = draw_faces(picture, found)
    if cut is None:
        return photo, [thumbnail]
    reconstruction, elbo = reconstruct(model, to_tensor([cut]), beta)
    best = found[0]
    photo["score"], photo["box"], photo["rotation"] = best.score, best.box, best.rotation
    photo["elbo_per_pixel"] = elbo.item()
    large = [face.resize((2 * IMAGE_SIZE, 2 * IMAGE_SIZE)) for face in (cut, *to_pil(reconstruction))]
    return photo, [thumbnail, *large]


@torch.inference_mode()
def reconstruct(model: CatVAE, faces: Tensor, beta: float) -> tuple[Tensor, Tensor]:
    """Faces in [0, 1], (N, 3, 64, 64), as the model shows them, and their negative β-ELBO in nats
    per pixel, (N,), with the posterior mean as its sample, so that no chance is in it."""
    mu, logvar = model.encode(faces)
    logits = model.decoder(mu)
    return model.paint(logits.sigmoid(), mu), beta_elbo(logits, faces, mu, logvar, beta)[0] / IMAGE_SIZE**2


def mean_elbo(model: CatVAE, faces: Tensor, beta: float) -> float:
    """The mean of `reconstruct`'s ELBO over uint8 faces (N, 3, 64, 64)."""
    return torch.cat([reconstruct(model, batch.float() / 255, beta)[1] for batch in faces.split(256)]).mean().item()


def draw_faces(photo: Image.Image, faces: list[Face]) -> Image.Image:
    """A thumbnail with the turned square of each face: the best red, others yellow; its top is thicker."""
    thumbnail = photo.copy()
    thumbnail.thumbnail((THUMBNAIL, THUMBNAIL))
    scale = thumbnail.width / photo.width
    pen = ImageDraw.Draw(thumbnail)
    for number, face in reversed(list(enumerate(faces))):
        left, top, right, bottom = (scale * value for value in face.box)
        x, y, reach = (left + right) / 2, (top + bottom) / 2, (right - left) / math.sqrt(2)
        angles = [math.radians(face.rotation + turn) for turn in (225, 315, 45, 135)]
        corners = [(x + reach * math.cos(angle), y + reach * math.sin(angle)) for angle in angles]
        colour = "yellow" if number else "red"
        pen.polygon(corners, outline=colour)
        pen.line(corners[:2], fill=colour, width=3)
    return thumbnail
