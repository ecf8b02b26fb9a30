"""The tables of all variants: quality, information and size, measured on real faces.

`evaluate_variants` is quick. `evaluate_fully` adds what eyes see, for reconstructions, for mixes
and for new kittens, beside the linear optimum of `catvae.training.linear` and beside real faces.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from catvae.errors import SettingError
from catvae.evaluation.perceptual import embed, features, load_vgg, vgg_features
from catvae.evaluation.unseen import require_unseen
from catvae.files import read_json
from catvae.latents import LATENTS, fit_latents, load_latents, sample_latents
from catvae.metrics import bootstrap, evaluate_model, frechet, jackknife, psnr, sharpness, spectrum, ssim
from catvae.mixing import lerp
from catvae.model import CatVAE, beta_of, find_models, kl_divergence, load_checkpoint, load_models
from catvae.training.faces import Faces
from catvae.training.linear import LinearVAE, linear_curve, principal_components

TEMPERATURE = 0.85  # of new kittens in the figures, whatever the page draws at
SET = 500  # images, at most, on either side of a Fréchet distance
LOOKED_AT = 250  # of them under LPIPS
PAIRS, FRAMES = 50, 9  # paths
FREQUENCIES = ("row", "column", "quarter")  # of the spectrum, as `catvae.metrics.spectrum` gives them
Interval = list[float]  # a value and the ends of its 95 % interval, to four decimals
Row = dict[str, Any]  # figures of one model, each an `Interval`, and what is known of it


def evaluate_variants(faces: Faces, split: str, checkpoints: Path | None = None) -> dict[str, Any]:
    """Figures of every model in the folder on a split ("train", "validation" or "all"), the smallest β first.

    Raises DataError for an unknown split, or a validation face that any of them has learned from, and
    CheckpointError for weights that cannot be loaded.
    """
    images = faces.split(split)
    if split == "validation":
        require_unseen(find_models(checkpoints), images)
    rows = {}
    for name, model in load_models(checkpoints).items():
        scores = evaluate_model(model, images)
        rows[name] = {"beta": beta_of(name, model), "latent_dim": model.config.latent_dim, **scores}
    return {"split": split, "data": faces.report.as_dict(), "variants": rows}


class Pixels:
    """A model that loses nothing: it reconstructs the face itself, and its mixes are pixel cross-fades."""

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x.flatten(1), torch.zeros_like(x).flatten(1)

    def decode(self, z: Tensor) -> Tensor:
        return z.unflatten(1, (3, 64, 64))


Model = CatVAE | LinearVAE | Pixels


@dataclass(frozen=True)
class Reference:
    """Real faces to measure against, in pixels and as two networks see them."""

    faces: Tensor  # validation faces, floats (N, 3, 64, 64)
    points: Tensor  # of the first 250 at most, as `embed` gives them
    training_points: Tensor  # of as many training faces
    training_features: Tensor  # of as many training faces as there are validation faces, at most 500
    training_vgg_features: Tensor  # of the same faces


def make_reference(faces: Faces) -> Reference:
    """The reference of a set of faces. Raises DataError for streamed ones, MissingPackageError without LPIPS."""
    load_vgg()
    validation, train = (faces.split(name).float() / 255 for name in ("validation", "train"))
    count = min(len(validation), len(train), SET)
    looked_at = min(count, LOOKED_AT)
    points, training_points = (embed(images[:looked_at]) for images in (validation, train))
    return Reference(validation, points, training_points, features(train[:count]), vgg_features(train[:count]))


def evaluate_fully(faces: Faces, checkpoints: Path | None = None, also: list[Path] | None = None) -> dict[str, Any]:
    """The report of `evaluate_variants` on validation faces, and much more. No linear row have models without a β,
    and those with a painter, as it would be that of what they paint on.

    "variants", "linear", "also" (checkpoint folders beside ours) and "faces" (the floors, and the
    pixel cross-fade) hold rows whose figures are [value, low, high], the 95 % interval; "linear_curve"
    the linear optimum's KL and PSNR over β. Nothing is left to chance: the seeds are fixed.

    Raises DataError for streamed faces, or any that the weights have learned from, CheckpointError for
    weights that cannot be loaded, MissingPackageError when those of LPIPS are not installed, SettingError
    for two rows of one name, or fewer than 10 validation faces.
    """
    if len(faces.validation) < 10:
        few = f"{len(faces.validation)} validation faces are too few for intervals, which leave out a tenth each"
        raise SettingError(f"{few}: 10 are needed; without --out the models are measured on any number")
    also = also or []
    models, folders = load_models(checkpoints), find_models(checkpoints)
    names = [*models, *(folder.name for folder in also)]
    if len(set(names)) < len(names):
        raise SettingError(f"--also: the folders need other names than {', '.join(models)}, and than each other")
    for folder in also:
        load_checkpoint(folder)  # now, not after minutes of measuring
    require_unseen(folders | {folder.name: folder for folder in also}, faces.validation)
    reference = make_reference(faces)
    components = principal_components(faces.split("train"), max(m.config.latent_dim for m in models.values()))
    variants, linear, others = {}, {}, {}
    with tqdm(total=1 + 2 * len(models) + len(also), desc="measuring", unit="row") as progress:
        floor, _ = model_figures(Pixels(), reference)
        progress.update()
        for name, model in models.items():
            variants[name], per_face = checkpoint_row(folders[name], faces, reference)
            progress.update()
            beta = None if model.painter else beta_of(name, model)
            if beta:
                optimum = LinearVAE(components, beta, model.config.latent_dim)
                figures, without = model_figures(optimum, reference, frames=3)
                used = len(optimum.variances)
                linear[name] = {"beta": beta, "components": used, "rate": round(optimum.rate, 2), **figures}
                variants[name]["psnr_over_linear"] = _interval(per_face.psnr - without.psnr)
                variants[name]["lpips_over_linear"] = _interval(per_face.lpips - without.lpips)
            progress.update()
        for folder in also:
            others[folder.name], _ = checkpoint_row(folder, faces, reference)
            progress.update()
    return {
        "split": "validation",
        "data": faces.report.as_dict(),
        "images": len(reference.faces),
        "set": len(reference.training_features),
        "looked_at": len(reference.points),
        "pairs": min(PAIRS, len(reference.points) // 2),
        "frames": FRAMES,
        "variants": variants,
        "linear": linear,
        "also": others,
        "faces": floor,
        "linear_curve": [_rounded(point) for point in linear_curve(components, reference.faces)],
    }


@dataclass(frozen=True)
class PerFace:
    """Figures of the single validation faces behind a row, (N,) each: to be paired with those of another model."""

    psnr: Tensor
    lpips: Tensor


def checkpoint_row(folder: Path, faces: Faces, reference: Reference) -> tuple[Row, PerFace]:
    """One checkpoint folder, with 500 new kittens each from the fitted Gaussian and from the prior.

    The fitted Gaussian is the one beside the weights; without one it is fitted to the training faces.
    """
    model = load_checkpoint(folder)
    latents = load_latents(folder) if (folder / LATENTS).exists() else fit_latents(model, faces.split("train"))
    fitted = sample_latents(latents, SET, torch.Generator().manual_seed(0), TEMPERATURE)
    prior = torch.randn(SET, model.config.latent_dim, generator=torch.Generator().manual_seed(1))
    scores = evaluate_model(model, faces.validation)
    figures, per_face = model_figures(model, reference)
    row = {
        "beta": read_json(folder / "config.json").get("beta"),
        "latent_dim": model.config.latent_dim,
        **scores,
        **figures,
        **sample_figures(model, fitted, prior, reference),
        **painter_figures(model, reference),
    }
    return row, per_face


@torch.inference_mode()
def model_figures(model: Model, reference: Reference, frames: int = FRAMES) -> tuple[Row, PerFace]:
    """Figures of reconstructions from posterior means, and of mixes with so many `frames`: their sharpness over that of
    real faces, as their power is at each of `FREQUENCIES`."""
    x, count, looked_at = reference.faces, len(reference.training_features), len(reference.points)
    mu, logvar = model.encode(x)
    y, mixed = model.decode(mu), model.decode((mu + mu.roll(-1, 0)) / 2)
    points = embed(y[:looked_at])
    per_face = PerFace(psnr(x, y), (points - reference.points).square().sum(1))
    figures = {
        "psnr": _interval(per_face.psnr),
        "lpips": _interval(per_face.lpips),
        "ssim": _interval(ssim(x, y)),
        "kl": _interval(kl_divergence(mu, logvar).sum(1)),
        "sharpness": _interval(sharpness(y) / sharpness(x)),
        "nearest": _interval(_to_nearest(points, reference)),
        "frechet": _frechet(y[:count], reference),
        "frechet_midpoints": _frechet(mixed[:count], reference),
        "frechet_vgg": _frechet_vgg(y[:count], reference),
        "frechet_vgg_midpoints": _frechet_vgg(mixed[:count], reference),
        "sharpness_of_mixes": _interval(sharpness(mixed) / sharpness(x).mean()),
        "power": _power(y, x),
        "power_midpoints": _power(mixed, x),
        **path_figures(model, mu, reference, frames),
    }
    return figures, per_face


def path_figures(model: Model, mu: Tensor, reference: Reference, frames: int = FRAMES) -> Row:
    """Figures of the straight paths between the first faces, the first with the second and so on.

    Steps are √LPIPS, a Euclidean distance: the sum of all steps over the distance between the ends
    ("path", 1 for a straight line as VGG sees it), and their standard deviation over their mean
    ("spread", 0 for equal steps; neither with 3 frames alone). Of the midpoints: mean LPIPS to both
    real faces, LPIPS to the nearest training face, and sharpness over that of the path's own ends.
    """
    rows = []
    middle = frames // 2
    for i in range(0, 2 * min(PAIRS, len(reference.points) // 2), 2):
        images = model.decode(lerp(mu[i], mu[i + 1], torch.linspace(0, 1, frames)))
        points, detail = embed(images), sharpness(images)
        steps = points.diff(dim=0).norm(dim=1)
        of_pair = [
            (points[middle] - reference.points[i : i + 2]).square().sum(1).mean(),
            _to_nearest(points[middle : middle + 1], reference)[0],
            detail[middle] / detail[[0, -1]].mean(),
            steps.sum() / (points[-1] - points[0]).norm(),
            steps.std() / steps.mean(),
        ]
        rows.append(torch.stack(of_pair))
    lpips, nearest, detail, path, spread = map(_interval, torch.stack(rows, dim=1))
    figures = {"lpips_midpoints": lpips, "nearest_midpoints": nearest, "sharpness_midpoints": detail}
    return {**figures, "path": path, "spread": spread} if frames > 3 else figures


@torch.inference_mode()
def sample_figures(model: CatVAE, fitted: Tensor, prior: Tensor, reference: Reference) -> Row:
    """Figures of new kittens from two sets of latents (N, D), N at least as large as the reference's set."""
    count, looked_at = len(reference.training_features), len(reference.points)
    of_fit, of_prior = model.decode(fitted[:count]), model.decode(prior[:count])
    detail = sharpness(reference.faces).mean()
    return {
        "frechet_fitted": _frechet(of_fit, reference),
        "sharpness_fitted": _interval(sharpness(of_fit) / detail),
        "nearest_fitted": _interval(_to_nearest(embed(of_fit[:looked_at]), reference)),
        "frechet_prior": _frechet(of_prior, reference),
        "sharpness_prior": _interval(sharpness(of_prior) / detail),
    }


@torch.inference_mode()
def painter_figures(model: CatVAE, reference: Reference) -> Row:
    """LPIPS of each painting to what its own decoder made, which it began with, and on average to what the
    decoder made of the other cats; the share of paintings that are nearest to their own. Nothing without a painter."""
    if model.painter is None:
        return {}
    mu, _ = model.encode(reference.faces[: len(reference.points)])
    soft = model.decoder(mu).sigmoid()
    apart = torch.cdist(embed(model.paint(soft, mu)), embed(soft), compute_mode="use_mm_for_euclid_dist").square()
    own, count = apart.diagonal(), len(apart)
    return {
        "lpips_to_own": _interval(own),
        "lpips_to_others": _interval((apart.sum(1) - own) / (count - 1)),
        "share_nearest_to_own": round((apart.argmin(1) == torch.arange(count)).float().mean().item(), 4),
    }


def _frechet(images: Tensor, reference: Reference) -> Interval:
    return _rounded(jackknife(frechet, features(images), reference.training_features))


def _frechet_vgg(images: Tensor, reference: Reference) -> Interval:
    return _rounded(jackknife(frechet, vgg_features(images), reference.training_vgg_features))


def _power(images: Tensor, real: Tensor) -> dict[str, Interval]:
    ratios = spectrum(images) / spectrum(real).mean(0)
    return {place: _interval(ratios[:, i]) for i, place in enumerate(FREQUENCIES)}


def _interval(values: Tensor) -> Interval:
    return _rounded(bootstrap(values))


def _to_nearest(points: Tensor, reference: Reference) -> Tensor:
    distances = torch.cdist(points, reference.training_points, compute_mode="use_mm_for_euclid_dist")
    return distances.square().min(1).values


def _rounded(values: list[float]) -> list[float]:
    return [round(value, 4) for value in values]
