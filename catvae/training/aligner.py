"""Train the networks that find and cut faces; their weights are used from `catvae/photos/aligner.safetensors`.

    python -m catvae.training.aligner --data SOURCE

Labels are free: every training face is aligned, so a face pasted anywhere is one whose place, size
and angle are known. Photos are not needed: backgrounds, and what is no face, are made up of fur cut
from faces, of shuffled pieces of them and of random shapes.
"""

import argparse
import math
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from catvae.machine import has_fast_bf16, to_memory_format
from catvae.photos.faces import FINDER_SIDE, FINDER_STRIDE
from catvae.photos.networks import ALIGNER_WEIGHTS, Aligner, Finder
from catvae.photos.views import ALIGNER_VIEW
from catvae.training import command
from catvae.training.data import PUBLISHED_DATASET, load_faces
from catvae.training.train import lr_factor

CANVAS, BATCH, LR = 64, 96, 3e-3


def uniform(n: int, low: float, high: float) -> Tensor:
    return torch.empty(n).uniform_(low, high)


def bernoulli(n: int, share: float) -> Tensor:
    return torch.rand(n) < share


def pixel_grid(size: int) -> Tensor:
    """Pixel centres (size, size, 2) as (x, y)."""
    ticks = torch.arange(size) + 0.5
    return torch.stack(torch.meshgrid(ticks, ticks, indexing="xy"), dim=-1)


def to_frame(squares: Tensor, points: Tensor) -> Tensor:
    """Points (..., 2) of the canvas in the frame of each square (N, 4): (N, ..., 2), inside in [0, 1]."""
    n = len(squares)
    x, y, side, angle = (value.view(n, *[1] * (points.ndim - 1)) for value in squares.unbind(1))
    dx, dy = points[..., 0] - x, points[..., 1] - y
    cos, sin = angle.cos() / side, angle.sin() / side
    return torch.stack([dx * cos + dy * sin, dy * cos - dx * sin], dim=-1) + 0.5


def paste(background: Tensor, faces: Tensor, squares: Tensor) -> Tensor:
    """Faces (N, 3, S, S) laid on backgrounds (N, 3, H, H) at the squares (N, 4), with more fur around.

    Beyond about its frame a face goes on mirrored, by a random margin with a soft border of random
    roundness, and sometimes it has ears: photos do not end where training faces do.
    """
    n = len(faces)
    frame = to_frame(squares, pixel_grid(background.shape[-1]))
    # a little is cut off at every side: else the networks would look for the edges of the frame
    low, high = torch.rand(2, n, 1, 1, 2) * torch.tensor([[0.13, 0.2], [0.13, 0.12]]).view(2, 1, 1, 1, 2)
    kept = (frame - low) / (1 - low - high)
    mirrored = low + (1 - (1 - kept.remainder(2)).abs()) * (1 - low - high)
    skin = F.grid_sample(faces, mirrored * 2 - 1, padding_mode="border", align_corners=False)
    from_centre = (kept - 0.5).abs()

    def per_face(low: float, high: float) -> Tensor:
        return uniform(n, low, high).view(n, 1, 1)

    ears = torch.zeros(n, *frame.shape[1:3])
    for side in (0.0, 1.0):
        tip = torch.stack([side + per_face(-0.15, 0.15), per_face(-0.65, -0.2)], dim=-1)
        offset = frame - tip
        half_width = offset[..., 1] * per_face(0.25, 0.6)  # a wedge that opens downwards from its tip
        lean = offset[..., 0] + (side - 0.5) * offset[..., 1] * per_face(0.0, 1.0)
        wedge = ((half_width - lean.abs()) * 20).clamp(0, 1) * ((0.3 - frame[..., 1]) * 20).clamp(0, 1)
        ears = torch.maximum(ears, wedge)
    ears = ears * bernoulli(n, 0.6).view(n, 1, 1)
    fur = faces[:, :, : faces.shape[-1] // 4].mean((2, 3)) * uniform(n, 0.6, 1.3)[:, None]
    background = torch.lerp(background, fur[:, :, None, None].expand_as(background), ears[:, None])

    power = per_face(2, 8)
    radius = (from_centre[..., 0] ** power + from_centre[..., 1] ** power) ** (1 / power)
    beyond = torch.minimum(radius, from_centre.amax(-1)) - 0.5 - per_face(0, 0.3).square() * 3
    inside = (1 - beyond / per_face(0.02, 0.3)).clamp(0, 1)
    inside = torch.where(from_centre.amax(-1) < 0.5, torch.ones(()), inside)
    return torch.lerp(background, skin, inside[:, None])


def make_backgrounds(faces: Tensor, n: int, size: int) -> Tensor:
    """Pictures without a face (n, 3, size, size): noise of all scales, shapes, fur, shuffled pieces."""

    def some(count: int) -> Tensor:
        return faces[torch.randint(len(faces), (count,))]

    colours = some(n).flatten(2)
    colours = colours[torch.arange(n)[:, None], :, torch.randint(colours.shape[2], (n, 12))]  # (n, 12, 3)
    backgrounds = colours[:, 0, :, None, None].expand(n, 3, size, size).clone()
    for height, width in ((2, 2), (4, 4), (8, 8), (16, 16), (32, 32), (64, 64), (8, 32), (64, 16)):
        noise = torch.randn(n, 3, height, width) * uniform(n, 0, 0.25).square().mul(2)[:, None, None, None]
        grey = noise.mean(1, keepdim=True)
        noise = torch.where(bernoulli(n, 0.6)[:, None, None, None], grey, noise)
        backgrounds += F.interpolate(noise, size=(size, size), mode="bicubic", align_corners=False)

    points = pixel_grid(size)
    for k in range(1, 8):  # ellipses and half-planes one over the other, as in dead-leaves models
        shapes = torch.stack([uniform(n, 0, size), uniform(n, 0, size), uniform(n, 4, size), uniform(n, 0, 6.3)], 1)
        local = (to_frame(shapes, points) - 0.5) * torch.stack([torch.ones(n), uniform(n, 0.5, 3)], 1)[:, None, None]
        round_, edge = local.norm(dim=-1), local.amax(-1)
        mask = torch.where(bernoulli(n, 0.6)[:, None, None], round_, edge) < 0.5
        mask = mask & bernoulli(n, 0.45)[:, None, None]
        backgrounds = torch.where(mask[:, None], colours[:, k, :, None, None] + 0.1 * (backgrounds - 0.5), backgrounds)

    # fur and features too large to be a face that counts
    squares = torch.stack([uniform(n, -20, size + 20), uniform(n, -20, size + 20), uniform(n, 90, 260)], 1)
    squares = torch.cat([squares, uniform(n, 0, 6.3)[:, None]], 1)
    zoomed = F.grid_sample(some(n), to_frame(squares, points) * 2 - 1, padding_mode="reflection", align_corners=False)
    backgrounds = torch.where(bernoulli(n, 0.35)[:, None, None, None], zoomed, backgrounds)

    # pieces of faces in the wrong places
    count, piece = (size // 16) ** 2, 16
    cells = some(n)[:, :, :size, :size] if size <= faces.shape[-1] else F.interpolate(some(n), size=(size, size))
    cells = cells.unfold(2, piece, piece).unfold(3, piece, piece).flatten(2, 3)
    order = torch.rand(n, count).argsort(1)
    cells = cells[torch.arange(n)[:, None], :, order].permute(0, 2, 3, 4, 1)
    side = size // piece
    mosaic = cells.reshape(n, 3, piece, piece, side, side).permute(0, 1, 4, 2, 5, 3).reshape(n, 3, size, size)
    return torch.where(bernoulli(n, 0.15)[:, None, None, None], mosaic, backgrounds).clamp(0, 1)


def degrade(images: Tensor) -> Tensor:
    """The images under random light, colour, blur and noise, in [0, 1]."""
    n, size = len(images), images.shape[-1]
    grey = images.mean(1, keepdim=True)
    saturation = torch.where(bernoulli(n, 0.15), torch.zeros(n), uniform(n, 0.5, 1.5))[:, None, None, None]
    images = grey + (images - grey) * saturation
    images = images * (uniform(3 * n, 0.85, 1.15).view(n, 3, 1, 1) * uniform(n, 0.7, 1.3)[:, None, None, None])
    images = (
        0.5 + (images - 0.5) * uniform(n, 0.6, 1.4)[:, None, None, None] + uniform(n, -0.1, 0.1)[:, None, None, None]
    )
    small = F.interpolate(images, size=(size // 2, size // 2), mode="area")
    blurred = F.interpolate(small, size=(size, size), mode="bilinear", align_corners=False)
    images = torch.lerp(images, blurred, torch.rand(n, 1, 1, 1) * bernoulli(n, 0.5)[:, None, None, None])
    return (images + torch.randn_like(images) * uniform(n, 0, 0.04)[:, None, None, None]).clamp(0, 1)


def distort(faces: Tensor) -> Tensor:
    """Faces that no cat has: upside down, on their side, far too long or wide, put together from two
    cats, warped, or with the broad muzzle of a dog."""
    n, size = len(faces), faces.shape[-1]
    place = (pixel_grid(size) / size - 0.5).expand(n, size, size, 2)  # from the middle, in frames
    stretch = torch.where(bernoulli(n, 0.5), uniform(n, 1.35, 2.0), uniform(n, 0.5, 0.72)).sqrt()
    stretched = place * torch.stack([stretch, 1 / stretch], 1)[:, None, None]
    from_nose = place - torch.tensor([0.0, 0.2])
    inside = (1 - from_nose.norm(dim=-1, keepdim=True) / uniform(n, 0.3, 0.5).view(n, 1, 1, 1)).clamp(0, 1)
    muzzle = place - from_nose * (inside * uniform(n, 0.8, 1.4).view(n, 1, 1, 1)).clamp(max=0.75)
    bends = F.interpolate(torch.randn(n, 2, 4, 4) * 0.12, size=(size, size), mode="bicubic", align_corners=False)
    warped = place + bends.permute(0, 2, 3, 1)
    kind = torch.randint(8, (n,))[:, None, None, None]
    place = torch.where(kind < 2, muzzle, torch.where(kind < 4, warped, torch.where(kind == 4, stretched, place)))
    bent = F.grid_sample(faces, place * 2, padding_mode="reflection", align_corners=False)
    halves = torch.cat([faces.roll(1, 0)[:, :, size // 2 :], faces[:, :, : size // 2]], dim=2)
    bent = torch.where(kind == 5, faces.flip(-2), torch.where(kind == 6, halves, bent))
    return torch.where(kind == 7, faces.transpose(-1, -2), bent)


def finder_batch(faces: Tensor, backgrounds: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Canvases (n, 3, 64, 64), the true squares (n, 4) and whether there is a face (n,)."""
    n = len(backgrounds)
    chosen = faces[torch.randint(len(faces), (n,))]
    chosen = torch.where(bernoulli(n, 0.5)[:, None, None, None], chosen.flip(-1), chosen)
    real = bernoulli(n, 0.7)
    chosen = torch.where(real[:, None, None, None], chosen, distort(chosen))
    side = torch.exp(uniform(n, math.log(16), math.log(48)))
    large = n // 6  # their eyes are not small faces
    side[:large] *= 2.6
    angle = torch.where(bernoulli(n, 0.5), torch.randn(n) * 0.25, uniform(n, -1, 1))
    squares = torch.stack([uniform(n, 8, CANVAS - 8), uniform(n, 8, CANVAS - 8), side, angle], 1)
    canvas = torch.cat(
        [
            paste(backgrounds[:large], chosen[:large], squares[:large]),
            paste(backgrounds[large:], F.avg_pool2d(chosen[large:], 2), squares[large:]),
        ]
    )
    bare = ~real & bernoulli(n, 0.4)
    canvas = torch.where(bare[:, None, None, None], backgrounds, canvas)
    return degrade(canvas), squares, real


def finder_loss(output: Tensor, squares: Tensor, real: Tensor) -> Tensor:
    cells = output.shape[-1]
    offset = squares[:, None, None, :2] / FINDER_STRIDE - pixel_grid(cells)  # in cells
    side = squares[:, 2, None, None]
    distance = offset.norm(dim=-1) * FINDER_STRIDE / side
    nearest = distance.flatten(1).argmin(1)
    is_nearest = F.one_hot(nearest, cells * cells).view_as(distance).bool()
    real = real[:, None, None]
    known = real & (side >= 18) & (side <= 44)
    positive = known & (is_nearest | (distance < 0.15))
    unclear = torch.where(side > 62, 0.1, torch.where(known, 0.4, 0.6))  # radius that counts neither way
    ignored = real & (distance < unclear) & ~positive

    logit = output[:, 0]
    bce = F.binary_cross_entropy_with_logits(logit, positive.float(), reduction="none")
    focus = torch.where(positive, 1 - logit.sigmoid(), logit.sigmoid()).detach().square()
    heat = (bce * focus * ~ignored).sum() / positive.sum()

    angle = squares[:, 3, None, None].expand_as(distance)
    scale = (squares[:, 2] / FINDER_SIDE).log()[:, None, None].expand_as(distance)
    target = torch.stack([offset[..., 0], offset[..., 1], scale, angle.sin(), angle.cos()], 1)
    weight = torch.tensor([1.0, 1, 4, 4, 4])[:, None, None]
    near = (known & (distance < 0.4))[:, None]
    errors = F.smooth_l1_loss(output[:, 1:], target, reduction="none", beta=0.1) * weight
    return heat + (errors * near).sum() / near.sum() / 3


def aligner_batch(faces: Tensor, backgrounds: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Views (n, 3, 64, 64), what is missing (n, 4) as `Aligner` returns it, and whether it is a face (n,)."""
    n = len(backgrounds)
    chosen = faces[torch.randint(len(faces), (n,))]
    chosen = torch.where(bernoulli(n, 0.5)[:, None, None, None], chosen.flip(-1), chosen)
    real = bernoulli(n, 0.6)
    chosen = torch.where(real[:, None, None, None], chosen, distort(chosen))
    blurred = F.interpolate(F.avg_pool2d(chosen, 2), scale_factor=2.0, mode="bilinear", align_corners=False)
    chosen = torch.where(bernoulli(n, 0.3)[:, None, None, None], blurred, chosen)
    wide = torch.rand(n).square()  # most displacements are small: there precision counts
    wide = torch.where(bernoulli(n, 0.1), uniform(n, 1, 3), wide)  # some hopeless: parts of a face are no face
    shift = torch.randn(n, 2) * (0.02 + 0.16 * wide)[:, None]
    missing = torch.stack(
        [*shift.unbind(1), torch.randn(n) * (0.02 + 0.25 * wide), torch.randn(n) * (0.02 + 0.4 * wide)], 1
    )
    # the view is one canvas: a square in its middle, moved by what is missing
    unit = CANVAS / ALIGNER_VIEW
    x, y, scale, angle = missing.unbind(1)
    squares = torch.stack([CANVAS / 2 + x * unit, CANVAS / 2 + y * unit, unit * scale.exp(), angle], 1)
    bare = ~real & bernoulli(n, 0.5)
    canvas = torch.where(bare[:, None, None, None], backgrounds, paste(backgrounds, chosen, squares))
    return degrade(canvas), missing, real


def aligner_loss(output: Tensor, missing: Tensor, real: Tensor) -> Tensor:
    size = missing.abs() / torch.tensor([0.08, 0.08, 0.15, 0.18])
    close = real & (size.amax(1) < 1)
    unsure = real & ~close & (size.amax(1) < 2)
    bce = F.binary_cross_entropy_with_logits(output[:, 4], close.float(), reduction="none")
    within = real & (missing.abs() < torch.tensor([0.4, 0.4, 0.6, 1.1])).all(1)
    error = F.smooth_l1_loss(output[:, :4], missing, reduction="none", beta=0.02)
    return bce[~unsure].mean() + 4 * error.mean(1)[within].mean()


def train(model: nn.Module, make_batch, loss_of, faces: Tensor, steps: int, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LR, weight_decay=0.01)
    autocast = torch.autocast("cpu", torch.bfloat16, enabled=has_fast_bf16(torch.device("cpu")))
    model = to_memory_format(model.train())
    total = 0.0
    for step in range(steps):
        if step % 5 == 0:  # making them is what takes longest: each serves five times, turned and mixed
            backgrounds = make_backgrounds(faces, BATCH, CANVAS)
        backgrounds = backgrounds[torch.randperm(BATCH)].rot90(step % 4, (2, 3))
        images, *labels = make_batch(faces, backgrounds)
        with autocast:
            output = model(images.contiguous(memory_format=torch.channels_last))
        loss = loss_of(output.float(), *labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.param_groups[0]["lr"] = LR * lr_factor(step, steps)
        optimizer.step()
        total += loss.item()
        if (step + 1) % 100 == 0:
            print(f"{type(model).__name__} {step + 1}/{steps}: loss {total / 100:.4f}", flush=True)
            total = 0.0
    return model.eval()


def train_aligner(faces: Tensor, steps: int = 4000, seed: int = 0) -> dict[str, Tensor]:
    """Train both networks on uint8 faces (N, 3, 64, 64); gives their weights in fp16."""
    images = faces.float() / 255
    finder = train(Finder(), finder_batch, finder_loss, images, steps, seed)
    aligner = train(Aligner(), aligner_batch, aligner_loss, images, steps, seed)
    return command.half_precision(finder, "finder.") | command.half_precision(aligner, "aligner.")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", default=PUBLISHED_DATASET, help="as for train_space.py")
    parser.add_argument("--steps", type=int, default=4000, help="of each of the two networks")


def run(args: argparse.Namespace) -> dict[str, Tensor]:
    faces = load_faces(args.data)
    print(faces.report)
    return train_aligner(faces.in_memory(), args.steps)


def main() -> None:
    command.run("aligner", __doc__, ALIGNER_WEIGHTS, add_arguments, run, partial(command.save_weights, license="MIT"))


if __name__ == "__main__":
    main()
