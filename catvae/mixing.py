"""From one cat to another through latent space, through one model or all of them side by side."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

from catvae.errors import SettingError
from catvae.images import make_strip, to_pil, to_tensor
from catvae.machine import RUNNING_AT_ONCE
from catvae.metrics import psnr
from catvae.model import CatVAE, beta_of, by_beta, kl_divergence
from catvae.photos.decode import open_image
from catvae.photos.faces import cut_face


def lerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """Straight line from latent `a` to `b`, each (D,), at the shares `t` (N,) of b: (N, D)."""
    return torch.lerp(a, b, t[:, None])


def slerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """As `lerp`, turning from the direction of `a` to that of `b` at constant speed.

    Shoemake (1985), https://doi.org/10.1145/325165.325242. Nearly parallel latents, and the
    origin, which has no direction, fall back to the straight line.
    """
    angle = torch.acos(torch.cosine_similarity(a, b, dim=0).clamp(-1, 1))
    if angle.sin() < 1e-4 or not (a.any() and b.any()):
        return lerp(a, b, t)
    t = t[:, None]
    return (torch.sin((1 - t) * angle) * a + torch.sin(t * angle) * b) / angle.sin()


METHODS = {"lerp": lerp, "slerp": slerp}


def mix(model: CatVAE, image_a, image_b, steps: int = 9, method: str = "lerp") -> list[Image.Image]:
    """`steps` 64×64 frames from the reconstruction of cat A to that of cat B.

    Pictures are anything `open_image` takes; their best face is cut as `cut_face` does. See `interpolate`.

    Raises ImageError for a picture that cannot be used, SettingError for fewer than 2 steps or an
    unknown method.
    """
    check_path(steps, method)
    return interpolate(model, [cut_face(open_image(image)) for image in (image_a, image_b)], steps, method)


@torch.inference_mode()
def interpolate(model: CatVAE, faces: Sequence[Image.Image], steps: int = 9, method: str = "lerp") -> list[Image.Image]:
    """`steps` 64×64 frames between two cut faces, each 64×64.

    The path runs between posterior means ("lerp": straight, the safe default, or "slerp"), so it is
    free of noise and the same at every call. Raises SettingError as `mix` does.
    """
    check_path(steps, method)
    mu = model.to_mu(model.encoder(to_tensor(faces)))  # as `encode` without logvar, a quarter of its work
    path = METHODS[method](mu[0], mu[1], torch.linspace(0, 1, int(steps)))
    return to_pil(model.decode(path))


def check_path(steps: float, method: str) -> None:
    """Raises SettingError for fewer than 2 steps, part of a step, or an unknown method."""
    if isinstance(steps, bool) or not isinstance(steps, (int, float)) or steps != int(steps) or steps < 2:
        raise SettingError(f"steps must be a whole number of at least 2, not {steps!r}")
    if method not in METHODS:
        raise SettingError(f"method must be one of {sorted(METHODS)}, not {method!r}")


@dataclass(frozen=True)
class Comparison:
    """One or two faces as a model keeps them: β (None: unknown), mean PSNR (dB) and KL (nats) of the faces, their
    reconstructions from posterior means, and a strip of frames between these."""

    beta: float | None
    psnr: float
    kl: float
    faces: list[Image.Image]
    strip: Image.Image


@torch.inference_mode()
def measure(name: str, model: CatVAE, faces: Sequence[Image.Image], steps: int = 2) -> Comparison:
    """One or two 64×64 faces through the model of that name, with `steps` frames between them."""
    x = to_tensor(faces)
    mu, logvar = model.encode(x)
    frames = model.decode(lerp(mu[0], mu[-1], torch.linspace(0, 1, steps)))
    y = frames[[0, -1]][: len(x)]
    return Comparison(
        beta=beta_of(name, model),
        psnr=psnr(x, y).mean().item(),
        kl=kl_divergence(mu, logvar).sum(1).mean().item(),
        faces=to_pil(y),
        strip=make_strip(to_pil(frames)),
    )


def compare(models: dict[str, CatVAE], faces: Sequence[Image.Image], steps: int = 7) -> dict[str, Comparison]:
    """Two cats' faces through each model, the smallest β first, by name: what `measure` gives.

    As many models run at once as there are cores on a free Space, each in one thread: a single
    mix is too small to gain from a second.
    """
    names = by_beta(models, models)
    with ThreadPoolExecutor(RUNNING_AT_ONCE) as pool:
        rows = pool.map(lambda name: measure(name, models[name], faces, steps), names)
        return dict(zip(names, rows, strict=True))
