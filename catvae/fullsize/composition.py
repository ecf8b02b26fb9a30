"""The picture between two cats at full size, from their photos, their movement and a model's pictures.

With A and B the photos moved to where they meet at share t of B, b· what is not fine in them (a Gaussian of σ 1/128 of
the side), c· what is coarse (σ 1/16), and M the model's picture at t:

    picture = g ((1 - s) A + s B) + (1 - g) ((1 - s) bA + s bB) + (1 - e) (c - (1 - s) cA - s cB)
    c = (1 - w) ((1 - t) cA + t cB) + w cM,  w = sin² πt: what is coarse is the model's, but near the photos
    g = 1 / √((1 - s)² + s² + 2 r s (1 - s)): what is fine keeps its power, where r is how alike the two are there;
        of furs that have nothing in common (1 - s) g, s g are as strong as √(1 - s), √s

s is f, the share of B in what is fine, which is t unless it is told; about the eyes and the nose it rises from 0 to 1
within a third of the way, so that they are one parent's and not a mean. e is 1 at the eyes and 0 elsewhere: their
colour is their parent's. About the nose the last term is grey, for else what takes away from a nose's colour colours
the fur around it. At f = t = 0 and f = t = 1 the pictures are the photos; at t = 0 and f = 1 A has B's fur.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from catvae.fullsize.movement import centres, flow, sample

MARGIN = 1 / 8  # of the side, around the frame: what moves in from there
COARSE, FINE = 1 / 16, 1 / 128  # σ, sides
LOW = 64  # pixels a side of what is coarse
SWITCH = 0.16  # half the way on which the eyes go over
DOMINANT = 0.12  # how far from the middle
EYE, NOSE = 0.12, 0.1  # sides
MUZZLE = 0.12  # sides; so near to the nose the model's picture says how light it is, and no colour
IRIS = 0.07  # sides; so near to an eye's centre what is coarse is its parent's too, as is its colour


@dataclass(frozen=True)
class Scene:
    """What the pictures of a pair are made of: photos (2, 3, P, P) in [0, 1] of the frame with its margin, without what
    is fine (2, 3, P / 2, P / 2) and what is coarse in them (2, 3, 80, 80), how each place moves (1, 2, 32, 32),
    landmarks (2, 3, 2) in shares of the frame, how alike fine things are (32, 32), and when eyes and nose go over."""

    photos: Tensor
    base: Tensor
    coarse: Tensor
    velocity: Tensor
    landmarks: Tensor
    likeness: Tensor
    when: float


def blur(images: Tensor, sigma: float) -> Tensor:
    """Images (N, C, H, W) through a Gaussian of so many pixels, edges repeated."""
    reach = max(1, round(3 * sigma))
    kernel = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma).square())
    kernel = kernel / kernel.sum()
    channels = images.shape[1]
    padded = F.pad(images, (reach, reach, reach, reach), mode="replicate")
    across = F.conv2d(padded, kernel.view(1, 1, 1, -1).expand(channels, 1, 1, -1), groups=channels)
    return F.conv2d(across, kernel.view(1, 1, -1, 1).expand(channels, 1, -1, 1), groups=channels)


def resize(images: Tensor, size: int) -> Tensor:
    return F.interpolate(images, size=(size, size), mode="bilinear", align_corners=False)


def within(places: Tensor) -> Tensor:
    """Places in shares of the frame as shares of the photo, which has a margin."""
    return (places + MARGIN) / (1 + 2 * MARGIN)


def prepare(photos: Tensor, velocity: Tensor, landmarks: Tensor) -> Scene:
    """A scene from photos (2, 3, P, P) with margin, the velocities (1, 2, 32, 32) and the landmarks (2, 3, 2)."""
    side = photos.shape[-1] / (1 + 2 * MARGIN)
    base = blur(F.avg_pool2d(photos, 2), FINE * side / 2)
    low = round(LOW * (1 + 2 * MARGIN))
    coarse = blur(F.interpolate(base, size=(low, low), mode="area"), COARSE * LOW)
    half = flow(velocity.expand(2, -1, -1, -1), torch.tensor([-0.5, 0.5]))
    places = within(centres(4 * half.shape[-1]) + resize(half, 4 * half.shape[-1]))
    fine = (sample(photos, places) - sample(base, places)).mean(1, keepdim=True)
    product = torch.cat([fine.square(), fine[:1] * fine[1:]])
    power_a, power_b, both = F.interpolate(blur(product, 4.0), scale_factor=0.25, mode="area")[:, 0]
    likeness = (both / (power_a * power_b).sqrt().clamp_min(1e-7)).clamp(0, 1)
    return Scene(photos, base, coarse, velocity, landmarks, likeness, dominance(photos, landmarks))


def dominance(photos: Tensor, landmarks: Tensor) -> float:
    """At which share the eyes go over: later than half way where A's stand out more, else sooner."""
    places = landmarks[:, :2, :, None, None] + (centres(16) - 0.5)[None, None] * 2 * EYE
    eyes = torch.stack([sample(photos, within(places[:, i])) for i in range(2)], 1)
    a, b = eyes.std((3, 4)).mean((1, 2)).tolist()
    return 0.5 + DOMINANT if a >= b else 0.5 - DOMINANT


def around(points: Tensor, radii: Sequence[float], size: int) -> Tensor:
    """1 at points (N, K, 2), falling to 0 at about so many sides from them: (N, size, size)."""
    away = (centres(size)[None, None] - points[..., None, None]).square().sum(2)
    near = torch.exp(-(away / torch.tensor(radii).view(1, -1, 1, 1).square()).square())
    return 1 - (1 - near).prod(1)


@torch.inference_mode()
def compose(scene: Scene, strip: Tensor, shares: Tensor, fur: Tensor | None = None) -> Iterator[Tensor]:
    """One by one the pictures (3, S, S) at shares (N,) of B, with the model's pictures (N, 3, 64, 64) at them;
    `fur` (N,) are the shares of B in what is fine, by default the same."""
    models = blur(strip, COARSE * LOW)
    for model, t, f in zip(models, shares.tolist(), (shares if fur is None else fur).tolist(), strict=True):
        yield _picture(scene, model, t, f)


def _picture(scene: Scene, model: Tensor, t: float, f: float) -> Tensor:
    size = round(scene.photos.shape[-1] / (1 + 2 * MARGIN))
    if t == f and t in (0, 1):
        edge = round(size * MARGIN)
        return scene.photos[int(t), :, edge : edge + size, edge : edge + size]
    moved = flow(scene.velocity.expand(2, -1, -1, -1), torch.tensor([-t, 1 - t]))
    coarse_a, coarse_b = _taken(scene.coarse, moved, LOW, "border")
    base_a, base_b = _taken(scene.base, moved, size // 2)
    photo_a, photo_b = _taken(scene.photos, moved, size, mode="bicubic")

    over = min(1, max(0, (f - scene.when + SWITCH) / (2 * SWITCH)))
    over = over * over * (3 - 2 * over)
    points = torch.lerp(scene.landmarks[:1], scene.landmarks[1:], t)
    s = f + (over - f) * around(points, (EYE, EYE, NOSE), LOW)
    gain = ((1 - s).square() + s.square() + 2 * resize(scene.likeness[None, None], LOW)[0] * s * (1 - s)).rsqrt()
    weight = math.sin(math.pi * t) ** 2
    coarse = torch.lerp(torch.lerp(coarse_a, coarse_b, t), model, weight)
    coarse = (coarse - torch.lerp(coarse_a, coarse_b, s)) * (1 - around(points[:, :2], (IRIS, IRIS), LOW))
    coarse = torch.lerp(coarse, coarse.mean(0, keepdim=True), around(points[:, 2:], (MUZZLE,), LOW))

    at_half = resize(torch.cat([coarse, s, gain])[None], size // 2)[0]
    rest = at_half[:3] + (1 - at_half[4:]) * torch.lerp(base_a, base_b, at_half[3:4])
    at_full = resize(torch.cat([rest, at_half[3:]])[None], size)[0]
    return torch.lerp(photo_a, photo_b, at_full[3:4]).mul_(at_full[4:]).add_(at_full[:3]).clamp_(0, 1)


def _taken(images: Tensor, moved: Tensor, size: int, padding: str = "reflection", mode: str = "bilinear") -> Tensor:
    """Images (2, 3, P, P) of the frame with its margin, each place from where it is displaced to, (2, 3, s, s)."""
    places = _still(size) + resize(moved * (2 / (1 + 2 * MARGIN)), size)
    return F.grid_sample(images, places.permute(0, 2, 3, 1), mode=mode, padding_mode=padding, align_corners=False)


@lru_cache(maxsize=8)
def _still(size: int) -> Tensor:
    """The places of the frame's cells in its photo, as `grid_sample` counts: (2, size, size) in [-1, 1]."""
    return within(centres(size)) * 2 - 1
