"""Train the network that moves one face into another; its weights are used from `catvae/fullsize/movement.safetensors`.

    python -m catvae.training.movement --data SOURCE --photos ../shared/data/oxford-cats/photos

Most of what it learns is known: a face against itself, both bent at random, toned and blotched anew, so that
coats move nothing. The rest are different cats, whose movement is read off the models' paths (`paths.py`).
"""

import argparse
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from catvae.files import replacing
from catvae.fullsize.movement import GRID, MOVEMENT_WEIGHTS, Movement, centres, fade, flow, landmark_velocity, sample
from catvae.machine import has_fast_bf16, to_memory_format
from catvae.photos.landmarks import load_landmarks
from catvae.training import command
from catvae.training.aligner import bernoulli, degrade, uniform
from catvae.training.data import load_faces
from catvae.training.landmarks import KEPT_VIEW, Views, add_photos, add_surroundings, label, load_photos
from catvae.training.paths import make_pairs
from catvae.training.train import lr_factor

FACE = 64
KNOWN, TAUGHT = 20, 4  # pairs of a batch
LR = 2e-3
LANDMARK_ERROR = 0.012  # sides; what the landmarks' network is off by


def smooth_noise(n: int, channels: int, sizes: tuple[int, ...], strength: tuple[float, ...], side: int) -> Tensor:
    """Sums of random fields (n, channels, side, side) with so many control points a side, each so strong at most."""
    total = torch.zeros(n, channels, side, side)
    for size, most in zip(sizes, strength, strict=True):
        knots = torch.randn(n, channels, size, size) * uniform(n, 0, most)[:, None, None, None]
        total += F.interpolate(knots, size=(side, side), mode="bicubic", align_corners=True)
    return total


def random_velocity(n: int) -> Tensor:
    """Random velocities (n, 2, 32, 32): turned, scaled, sheared, bent at several scales."""
    matrix = torch.randn(n, 2, 2) * 0.06
    turn = torch.randn(n) * 0.12
    matrix = matrix + turn[:, None, None] * torch.tensor([[0.0, -1.0], [1.0, 0.0]])
    linear = torch.einsum("nij,jhw->nihw", matrix, centres(GRID) - 0.5)
    shift = torch.randn(n, 2, 1, 1) * 0.04
    return linear + shift + smooth_noise(n, 2, (3, 4, 6, 9), (0.07, 0.08, 0.05, 0.025), GRID)


def recolour(faces: Tensor) -> Tensor:
    """Other light, colours and coats on faces (N, 3, S, S): what moves nothing."""
    n, side = len(faces), faces.shape[-1]
    mixed = torch.eye(3) + torch.randn(n, 3, 3) * (0.12 * bernoulli(n, 0.7))[:, None, None]
    faces = torch.einsum("nij,njhw->nihw", mixed, faces - 0.5) + 0.5
    faces = faces.clamp(1e-3, 1) ** uniform(n, -0.5, 0.4).exp()[:, None, None, None]
    light = smooth_noise(n, 1, (2, 3), (0.25, 0.25), side).exp()
    faces = torch.where(bernoulli(n, 0.7)[:, None, None, None], faces * light, faces)
    # blotches with an edge, as of a coat of two colours
    height = smooth_noise(n, 1, (3, 5, 9), (1.0, 1.0, 0.5), side) - uniform(n, -0.3, 1.0)[:, None, None, None]
    blotch = (height * uniform(n, 1, 30)[:, None, None, None]).sigmoid() * bernoulli(n, 0.5)[:, None, None, None]
    colour = torch.rand(n, 3, 1, 1) * uniform(n, 0.3, 1)[:, None, None, None]
    keep = uniform(n, 0.2, 0.9)[:, None, None, None]
    return degrade(torch.lerp(faces, colour + keep * (faces - 0.5), blotch * uniform(n, 0.3, 1)[:, None, None, None]))


def sample_faces(views: Views, chosen: Tensor, moved: Tensor) -> Tensor:
    """The faces (n, 3, 64, 64) of kept views, each place taken from where it is displaced to, in sides."""
    pixels = views.pixels[chosen].float() / 255
    view = 1.0 if pixels.shape[-1] == FACE else KEPT_VIEW
    moved = F.interpolate(moved, size=(FACE, FACE), mode="bilinear", align_corners=False)
    return sample(pixels, (centres(FACE) + moved - 0.5) / view + 0.5, "reflection")


def known_pairs(sources: list[Views], n: int) -> tuple[Tensor, Tensor, Tensor]:
    """Pairs of faces (n, 2, 3, 64, 64), their landmarks (n, 2, 3, 2), and the true velocities (n, 2, 32, 32)."""
    velocity = random_velocity(n)
    half = torch.full((n,), 0.5)
    there, back = flow(velocity, half), flow(velocity, -half)
    counts = [n - n // 2, n // 2] if len(sources) == 2 else [n]
    a, b, middle, start = [], [], [], 0
    for views, count in zip(sources, counts, strict=True):
        chosen, span = torch.randint(len(views.pixels), (count,)), slice(start, start + count)
        a.append(sample_faces(views, chosen, there[span]))
        b.append(sample_faces(views, chosen, back[span]))
        middle.append(views.landmarks[chosen])
        start += count
    places = torch.cat(middle)
    at = places.mT[:, :, None]
    pair = [places + sample(moved, at)[:, :, 0].mT for moved in (back, there)]
    landmarks = torch.stack(pair, 1)
    landmarks = landmarks + torch.randn_like(landmarks) * LANDMARK_ERROR * uniform(n, 0.3, 2).view(n, 1, 1, 1)
    faces = torch.stack([recolour(torch.cat(a)), recolour(torch.cat(b))], 1)
    return faces, landmarks, velocity


def augment(faces: Tensor, landmarks: Tensor, velocity: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Taught pairs mirrored and exchanged at random."""
    n = len(faces)
    flip = bernoulli(n, 0.5)
    mirrored = torch.stack([1 - landmarks[..., [1, 0, 2], 0], landmarks[..., [1, 0, 2], 1]], -1)
    faces = torch.where(flip.view(n, 1, 1, 1, 1), faces.flip(-1), faces)
    landmarks = torch.where(flip.view(n, 1, 1, 1), mirrored, landmarks)
    turned = velocity.flip(-1) * torch.tensor([-1.0, 1.0])[:, None, None]
    velocity = torch.where(flip.view(n, 1, 1, 1), turned, velocity)
    swap = bernoulli(n, 0.5)
    faces = torch.where(swap.view(n, 1, 1, 1, 1), faces.flip(1), faces)
    landmarks = torch.where(swap.view(n, 1, 1, 1), landmarks.flip(1), landmarks)
    velocity = torch.where(swap.view(n, 1, 1, 1), -velocity, velocity)
    return faces, landmarks, velocity


def landmark_weight(landmarks: Tensor) -> Tensor:
    """How much a taught field counts at each cell: about eyes and nose, where it is seldom wrong, most."""
    knots = landmarks.mean(1)
    away = (centres(GRID)[None, None] - knots[..., None, None]).square().sum(2)
    return 0.15 + (-away / (2 * 0.09**2)).exp().sum(1)


def train(
    sources: list[Views], taught: dict[str, Tensor], steps: int, state: Path, seed: int = 0, every: int = 250
) -> Movement:
    """Teach for so many steps; what is reached is kept in `state` (.pt) and gone on from."""
    torch.manual_seed(seed)
    model = to_memory_format(Movement().train())
    optimizer = torch.optim.AdamW(model.parameters(), lr=LR, weight_decay=1e-3)
    first = 0
    if state.is_file():
        kept = torch.load(state, weights_only=True)
        model.load_state_dict(kept["model"])
        optimizer.load_state_dict(kept["optimizer"])
        first = kept["step"]
        torch.manual_seed(seed + first)
    autocast = torch.autocast("cpu", torch.bfloat16, enabled=has_fast_bf16(torch.device("cpu")))
    mask, totals, started = 0.3 + fade(), torch.zeros(2), time.monotonic()
    for step in range(first, steps):
        faces, landmarks, velocity = known_pairs(sources, KNOWN)
        chosen = torch.randint(len(taught["faces"]), (TAUGHT,))
        more, places, said = augment(
            taught["faces"][chosen].float() / 255, taught["landmarks"][chosen], taught["velocity"][chosen].float()
        )
        more = degrade(more.flatten(0, 1)).view_as(more)
        weight = torch.cat([mask.expand(KNOWN, -1, -1), landmark_weight(places) * mask])
        faces, landmarks = torch.cat([faces, more]), torch.cat([landmarks, places])
        velocity = torch.cat([velocity, said])
        with autocast:
            begun = landmark_velocity(landmarks[:, 0], landmarks[:, 1])
            if step % 2:  # what is left after a look is learned too
                with torch.no_grad():
                    begun = begun + model.more(faces, begun)
            output = begun + model.more(faces, begun)
        error = (output.float() - velocity).square().sum(1).add(1e-6).sqrt() * weight
        rough = (output.diff(dim=2).diff(dim=2).square().mean() + output.diff(dim=3).diff(dim=3).square().mean()) * 20
        loss = error.mean() + rough
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.param_groups[0]["lr"] = LR * lr_factor(step, steps)
        optimizer.step()
        totals += torch.stack([error[:KNOWN].mean(), error[KNOWN:].mean()]).detach()
        if (step + 1) % every == 0 or step + 1 == steps:
            since = (step - first) % every + 1
            print(
                f"{step + 1}/{steps}: known {100 * totals[0] / since:.3f} %, taught {100 * totals[1] / since:.3f} %, "
                f"{time.monotonic() - started:.0f} s",
                flush=True,
            )
            totals.zero_()
            with replacing(state) as partial:
                torch.save(
                    {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step + 1}, partial
                )
    return model.eval()


def train_movement(faces: Tensor, photos: list[Views], pairs: int, steps: int, state: Path) -> Movement:
    """Teach with uint8 faces (N, 3, 64, 64) and photos; the folder `state` holds the pairs and how far it has come."""
    network = load_landmarks()
    cut = round(FACE * (KEPT_VIEW - 1) / 2)
    kept = torch.cat([views.pixels for views in photos])
    around = Views(kept, label(network, kept))
    alone = Views(faces, label(network, add_surroundings(faces)))
    state.mkdir(parents=True, exist_ok=True)
    path = state / "pairs.pt"
    if not path.is_file():
        inner = kept[:, :, cut : cut + FACE, cut : cut + FACE]
        taught = make_pairs([(inner, around.landmarks), *[(faces, alone.landmarks)] * 2], pairs)
        with replacing(path) as partial:
            torch.save(taught, partial)
    return train([alone, around], torch.load(path, weights_only=True), steps, state / "training.pt")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_photos(parser)
    parser.add_argument("--pairs", type=int, default=1800, help="of different cats")
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--state", type=Path, default=Path("movement"), help="folder to go on from")


def run(args: argparse.Namespace) -> dict[str, Tensor]:
    photos, faces = load_photos(args), load_faces(args.data).in_memory()
    return command.half_precision(train_movement(faces, list(photos), args.pairs, args.steps, args.state))


def main() -> None:
    stopped = "stopped; the same command goes on from its --state"
    command.run("movement", __doc__, MOVEMENT_WEIGHTS, add_arguments, run, stopped=stopped)


if __name__ == "__main__":
    main()
