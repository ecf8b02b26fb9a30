"""Train the network that finds eyes and nose; its weights are used from `catvae/photos/landmarks.safetensors`.

    python -m catvae.training.landmarks --data SOURCE --photos ../shared/data/oxford-cats/photos

Some photos were marked by hand, in pixels (`landmarks.csv`). Aligned faces and other photos have no marks. So a first
network learns from the marks, and from the places that eyes and nose have on average. It then marks the other faces:
the median of several looks, displaced and mirrored. A second network learns from both kinds of marks.
"""

import argparse
import csv
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from catvae.errors import DataError
from catvae.images import to_tensor
from catvae.machine import has_fast_bf16, to_memory_format
from catvae.photos.decode import open_image
from catvae.photos.faces import align, find_faces
from catvae.photos.landmarks import LANDMARKS_WEIGHTS, SIDE, STANDARD, VIEW, Landmarks
from catvae.training import command
from catvae.training.aligner import CANVAS, bernoulli, degrade, make_backgrounds, paste
from catvae.training.data import PUBLISHED_DATASET, load_faces
from catvae.training.sources import list_files
from catvae.training.train import lr_factor

LR = 2e-3
KEPT_VIEW = 2.25  # what is kept of a photo around the finder's square, in squares; 144 pixels
COUNTS = 28, 12, 12  # of a batch: photos marked by hand, aligned faces, other photos
FACES = 3000  # aligned faces that the network labels
POINTS = ("left", "right", "nose")
MARKS = Path(__file__).with_name("landmarks.csv")


@dataclass
class Views:
    """Faces with surroundings, uint8 (N, 3, 144, 144), 2.25 times the square, and their landmarks (N, 3, 2) in
    shares of the square."""

    pixels: Tensor
    landmarks: Tensor


def random_affine(n: int, strength: float) -> tuple[Tensor, Tensor]:
    """Random affine maps (N, 2, 2) and shifts (N, 2) from the view's frame, centred, to the kept frame, in squares."""
    wide = torch.where(bernoulli(n, 0.3), torch.full((n,), 1.0), torch.full((n,), 0.4)) * strength
    angle, scale = torch.randn(n) * 0.3 * wide, (torch.randn(n) * 0.17 * wide).exp()
    shape, shear = (torch.randn(n) * 0.08 * strength).exp(), torch.randn(n) * 0.08 * strength
    cos, sin = angle.cos(), angle.sin()
    turn = torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1)
    bend = torch.stack([torch.stack([shape, shear], 1), torch.stack([torch.zeros(n), 1 / shape], 1)], 1)
    flip = torch.where(bernoulli(n, 0.5), -1.0, 1.0)
    bend = bend * torch.stack([flip, torch.ones(n)], 1)[:, None]
    shift = torch.randn(n, 2) * (0.12 * wide)[:, None]
    return (turn @ bend) * scale[:, None, None], shift


def random_view(pixels: Tensor, landmarks: Tensor, strength: float = 1.0) -> tuple[Tensor, Tensor]:
    """Kept views in [0, 1], with landmarks, jittered and seen as the network sees them: (N, 3, 96, 96), (N, 3, 2)."""
    matrix, shift = random_affine(len(pixels), strength)
    ticks = ((torch.arange(SIDE) + 0.5) / SIDE - 0.5) * VIEW
    points = torch.stack(torch.meshgrid(ticks, ticks, indexing="xy"), -1)
    places = torch.einsum("nij,hwj->nhwi", matrix, points) + shift[:, None, None]
    seen = F.grid_sample(pixels, places * (2 / KEPT_VIEW), padding_mode="reflection", align_corners=False)
    back = torch.einsum("nij,nkj->nki", matrix.inverse(), landmarks - 0.5 - shift[:, None]) + 0.5
    mirrored = (torch.linalg.det(matrix) < 0)[:, None, None]
    return seen, torch.where(mirrored, back[:, [1, 0, 2]], back)


def add_surroundings(faces: Tensor) -> Tensor:
    """Aligned uint8 faces (N, 3, 64, 64) with fur and a background around: uint8 (N, 3, 144, 144), the kept view."""
    size, kept = 144, []
    square = torch.tensor([size / 2, size / 2, size / KEPT_VIEW, 0.0])
    for batch in faces.split(256):
        some, n = batch.float() / 255, len(batch)
        backgrounds = make_backgrounds(some, n, CANVAS)
        backgrounds = F.interpolate(backgrounds, size=(size, size), mode="bilinear", align_corners=False)
        kept.append(paste(backgrounds, some, square.expand(n, 4)).mul(255).byte())
    return torch.cat(kept)


def train(model: Landmarks, sources: list[tuple[Views, int]], steps: int, seed: int = 0) -> Landmarks:
    """Teach with so many of each source in a batch."""
    torch.manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LR, weight_decay=0.01)
    model = to_memory_format(model.train())
    autocast = torch.autocast("cpu", torch.bfloat16, enabled=has_fast_bf16(torch.device("cpu")))
    total = 0.0
    for step in range(steps):
        seen, wanted = [], []
        for views, count in sources:
            chosen = torch.randint(len(views.pixels), (count,))
            one, places = random_view(views.pixels[chosen].float() / 255, views.landmarks[chosen])
            seen.append(one)
            wanted.append(places)
        images, target = degrade(torch.cat(seen)), torch.cat(wanted)
        with autocast:
            output = model(images.contiguous(memory_format=torch.channels_last))
        error = (output.float() - target).norm(dim=2)
        loss = torch.where(error < 0.02, error.square() * 25, error - 0.01).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.param_groups[0]["lr"] = LR * lr_factor(step, steps)
        optimizer.step()
        total += error.mean().item()
        if (step + 1) % 100 == 0:
            print(f"{step + 1}/{steps}: {total:.3f} % of the side", flush=True)
            total = 0.0
    return model.eval()


@torch.inference_mode()
def label(model: Landmarks, pixels: Tensor, rounds: int = 8) -> Tensor:
    """The median of what the network says of kept views, uint8, jittered and mirrored: (N, 3, 2)."""
    found = []
    for batch in pixels.split(128):
        kept = batch.float() / 255
        said = []
        for _ in range(rounds):
            matrix_state = torch.get_rng_state()
            seen, _ = random_view(kept, torch.zeros(len(kept), 3, 2), 0.6)
            torch.set_rng_state(matrix_state)
            matrix, shift = random_affine(len(kept), 0.6)
            places = model(seen.contiguous(memory_format=torch.channels_last))
            mirrored = (torch.linalg.det(matrix) < 0)[:, None, None]
            places = torch.where(mirrored, places[:, [1, 0, 2]], places)
            said.append(torch.einsum("nij,nkj->nki", matrix, places - 0.5) + shift[:, None] + 0.5)
        found.append(torch.stack(said).median(0).values)
    return torch.cat(found)


def read_marks(path: Path) -> dict[str, Tensor]:
    """Left eye, right eye and nose (3, 2) in pixels of each file. Raises DataError for a file that is none."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        return {
            row["file"]: torch.tensor([[float(row[f"{p}_{axis}"]) for axis in "xy"] for p in POINTS]) for row in rows
        }
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise DataError(f"{path}: no table of marks ({error})") from error


def read_photos(folder: Path, marks: dict[str, Tensor], without: Collection[str]) -> tuple[Views, Views]:
    """The photos of a folder that are marked, and the others with the places of the training faces, but for some.

    Raises DataError for a folder without pictures, or where marked or other ones are missing.
    """
    kept: tuple[list, list] = [], []
    for file in list_files(folder)[0]:
        photo = open_image(file)
        found = [] if file.name in without else find_faces(photo)
        if not found:
            continue
        places = torch.tensor(STANDARD)
        if file.name in marks:
            places = found[0].within(marks[file.name])
            if not ((places > -0.2) & (places < 1.2)).all():  # of another cat in the photo
                continue
        kept[file.name not in marks].append((align(photo, found[0], CANVAS, (KEPT_VIEW - 1) / 2), places))
    if not all(kept):
        raise DataError(f"{folder}: {len(kept[0])} photos with marks and {len(kept[1])} others; both are needed")
    marked, others = (
        Views((to_tensor([view for view, _ in rows]) * 255).byte(), torch.stack([places for _, places in rows]))
        for rows in kept
    )
    return marked, others


def train_landmarks(faces: Tensor, marked: Views, others: Views, steps: int) -> Landmarks:
    """Teach with uint8 faces (N, 3, 64, 64) and photos, in four rounds."""
    around = add_surroundings(faces)
    average = Views(around, torch.tensor(STANDARD).expand(len(around), 3, 2))
    model = train(Landmarks(), [(average, 24), (others, 24)], steps // 5)
    model = train(model, [(marked, 40)], steps // 7, seed=1)
    few = around[:FACES]
    for turn in (2, 3):
        sources = [marked, Views(few, label(model, few)), Views(others.pixels, label(model, others.pixels))]
        model = train(model, list(zip(sources, COUNTS, strict=True)), steps // 3, seed=turn)
    return model


def add_photos(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", default=PUBLISHED_DATASET, help="as for train_space.py")
    parser.add_argument("--photos", type=Path, required=True, help="folder with the photos of --marks and others")
    parser.add_argument("--marks", type=Path, default=MARKS, help="default: those of the package")
    parser.add_argument("--without", type=Path, help="marks of photos that nothing is to learn from")


def load_photos(args: argparse.Namespace) -> tuple[Views, Views]:
    """What `read_photos` makes of the arguments that `add_photos` adds."""
    return read_photos(args.photos, read_marks(args.marks), read_marks(args.without) if args.without else ())


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_photos(parser)
    parser.add_argument("--steps", type=int, default=4500, help="of all rounds together")


def run(args: argparse.Namespace) -> dict[str, Tensor]:
    photos = load_photos(args)
    return command.half_precision(train_landmarks(load_faces(args.data).in_memory(), *photos, args.steps))


def main() -> None:
    command.run("landmarks", __doc__, LANDMARKS_WEIGHTS, add_arguments, run)


if __name__ == "__main__":
    main()
