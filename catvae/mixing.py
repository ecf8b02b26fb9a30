"""From one cat to another through latent space, through one model or all of them side by side."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

import torch
from PIL import Image
from torch import Tensor

from catvae.errors import CheckpointError, SettingError
from catvae.fullsize.composition import compose
from catvae.fullsize.parents import Parent, check_size, parent_of, scene_of
from catvae.images import make_strip, to_pil, to_tensor
from catvae.machine import RUNNING_AT_ONCE
from catvae.metrics import psnr
from catvae.model import VARIANTS, CatVAE, beta_of, by_beta, kl_divergence, load_variant
from catvae.photos.decode import Source, open_image
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


def mix(
    model: CatVAE,
    image_a: Source,
    image_b: Source,
    steps: int = 9,
    method: str = "lerp",
    size: int | None = None,
    report: Callable[[str], None] = lambda text: None,
    fur: float | None = None,
) -> list[Image.Image]:
    """`steps` 64×64 frames from the reconstruction of cat A to that of cat B; with a `size`, from photo to photo.

    Pictures are anything `open_image` takes; their best face is cut as `cut_face` does. See `interpolate`, and for a
    size in pixels, a multiple of 8 from 64 to 512, `mix_photos`; then `report` is told of a picture without a cat and
    of a cat without a photo. With a size and `fur`, a share from 0 to 1, every frame has so much of cat B's fur.

    Raises ImageError for a picture that cannot be used, SettingError for fewer than 2 steps, an unknown method,
    another size, another share or one without a size.
    """
    check_path(steps, method)
    if fur is not None and size is None:
        raise SettingError("fur needs a size: at 64×64 pixels all of a mix is the model's")
    if size is None:
        return interpolate(model, [cut_face(open_image(image)) for image in (image_a, image_b)], steps, method)
    check_size(size)
    parents = [parent_of(open_image(image), size) for image in (image_a, image_b)]
    painter = None
    if any(parent.photo is None for parent in parents):
        painter = model if model.painter else _load_painter()
    for name, parent in zip("AB", parents, strict=True):
        if not parent.is_face:
            report(f"cat {name}: no cat face found, so this is the middle of the picture")
        elif parent.photo is None:
            report(f"cat {name} exists at 64×64 pixels only: it is enlarged" + (" and painted" if painter else ""))
    return mix_photos(model, parents, steps, method, size, painter, fur)


@lru_cache(maxsize=1)
def _load_painter() -> CatVAE | None:
    """The first variant with a painter, where its weights are."""
    try:
        return load_variant(next(name for name, variant in VARIANTS.items() if variant.over))
    except CheckpointError:
        return None


@torch.inference_mode()
def mix_photos(
    model: CatVAE,
    parents: Sequence[Parent],
    steps: int = 9,
    method: str = "lerp",
    size: int = 256,
    painter: CatVAE | None = None,
    fur: float | None = None,
) -> list[Image.Image]:
    """`steps` frames between two cats at full size: the fur is that of their photos, what is coarse the model's.

    The first and the last are the photos, unless `fur` is B's share in the fur of all frames. A cat that exists at
    64×64 only is enlarged, as the model `painter` paints it where there is one. Raises SettingError as `mix` does.
    """
    check_path(steps, method)
    check_fur(fur)
    shares = torch.linspace(0, 1, int(steps))
    scene = scene_of(parents, size, painter)
    strip = _decode_path(model, [parent.face for parent in parents], shares, method)
    furs = None if fur is None else torch.full_like(shares, fur)
    return [to_pil(picture[None])[0] for picture in compose(scene, strip, shares, furs)]


@torch.inference_mode()
def interpolate(model: CatVAE, faces: Sequence[Image.Image], steps: int = 9, method: str = "lerp") -> list[Image.Image]:
    """`steps` 64×64 frames between two cut faces, each 64×64.

    The path runs between posterior means ("lerp": straight, the safe default, or "slerp"), so it is
    free of noise and the same at every call. Raises SettingError as `mix` does.
    """
    check_path(steps, method)
    return to_pil(_decode_path(model, faces, torch.linspace(0, 1, int(steps)), method))


def _decode_path(model: CatVAE, faces: Sequence[Image.Image], shares: Tensor, method: str) -> Tensor:
    mu = model.to_mu(model.encoder(to_tensor(faces)))  # as `encode` without logvar, a quarter of its work
    return model.decode(METHODS[method](mu[0], mu[1], shares))


def check_path(steps: object, method: str) -> None:
    """Raises SettingError for fewer than 2 steps, part of a step, or an unknown method."""
    if isinstance(steps, bool) or not isinstance(steps, (int, float)) or steps != int(steps) or steps < 2:
        raise SettingError(f"steps must be a whole number of at least 2, not {steps!r}")
    if method not in METHODS:
        raise SettingError(f"method must be one of {sorted(METHODS)}, not {method!r}")


def check_fur(fur: object) -> None:
    """Raises SettingError for what is neither a share from 0 to 1 nor None."""
    if fur is not None and (isinstance(fur, bool) or not isinstance(fur, (int, float)) or not 0 <= fur <= 1):
        raise SettingError(f"fur must be a share from 0 to 1, not {fur!r}")


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
def compare_one(
    name: str, model: CatVAE, faces: Sequence[Image.Image], steps: int = 2, method: str = "lerp"
) -> Comparison:
    """One or two 64×64 faces through the model of that name, with `steps` frames between them."""
    x = to_tensor(faces)
    mu, logvar = model.encode(x)
    frames = model.decode(METHODS[method](mu[0], mu[-1], torch.linspace(0, 1, steps)))
    y = frames[[0, -1]][: len(x)]
    return Comparison(
        beta=beta_of(name, model),
        psnr=psnr(x, y).mean().item(),
        kl=kl_divergence(mu, logvar).sum(1).mean().item(),
        faces=to_pil(y),
        strip=make_strip(to_pil(frames)),
    )


def compare(
    models: dict[str, CatVAE], faces: Sequence[Image.Image], steps: int = 7, method: str = "lerp"
) -> dict[str, Comparison]:
    """Two cats' faces through each model, the smallest β first, by name: what `compare_one` gives.

    As many models run at once as there are cores on a free Space, each in one thread: a single
    mix is too small to gain from a second.
    """

    def row(name: str) -> Comparison:
        return compare_one(name, models[name], faces, steps, method)

    names = by_beta(models, models)
    with ThreadPoolExecutor(RUNNING_AT_ONCE) as pool:
        return dict(zip(names, pool.map(row, names), strict=True))
