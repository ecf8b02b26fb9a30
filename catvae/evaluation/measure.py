"""The tables of all variants: quality, information and size, measured on real faces.

`evaluate_variants` is quick. `evaluate_fully` adds what eyes see, for reconstructions, for mixes
and for new kittens, beside the linear optimum of `catvae.training.linear` and beside real faces.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from catvae.errors import SettingError
from catvae.evaluation.perceptual import embed, features, load_vgg
from catvae.evaluation.rows import QuickReport, Report
from catvae.files import find_checkpoints, read_json
from catvae.latents import LATENTS, fit_latents, load_latents, sample_latents
from catvae.metrics import bootstrap, evaluate_model, frechet, jackknife, psnr, sharpness, ssim
from catvae.mixing import lerp
from catvae.model import VARIANTS, CatVAE, kl_divergence, load_checkpoint, load_variant
from catvae.training.data import Faces
from catvae.training.linear import Components, LinearVAE, principal_components

SET = 500  # images, at most, on either side of a Fréchet distance
LOOKED_AT = 250  # of them under LPIPS
PAIRS, FRAMES = 50, 9  # paths
BETAS = [0.001 * 2 ** (i / 2) for i in range(28)]  # of the linear optimum's curve, to 11.6


def evaluate_variants(faces: Faces, split: str, checkpoints: Path | None = None) -> QuickReport:
    """Figures of every variant on a split ("train", "validation" or "all") as a JSON object.

    Raises DataError for an unknown split and CheckpointError for weights that cannot be loaded.
    """
    images = faces.split(split)
    rows = {}
    for name, variant in VARIANTS.items():
        figures = evaluate_model(load_variant(name, checkpoints), images)
        rows[name] = {"beta": variant.beta, "latent_dim": variant.config.latent_dim, **figures}
    return {"split": split, "data": faces.report.as_dict(), "variants": rows}


class Pixels:
    """A model that loses nothing: it reconstructs the face itself, and its mixes are pixel cross-fades."""

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x.flatten(1), torch.zeros_like(x).flatten(1)

    def decode(self, z: Tensor) -> Tensor:
        return z.unflatten(1, (3, 64, 64))


@dataclass(frozen=True)
class Ruler:
    """Real faces to measure against, in pixels and as two networks see them."""

    faces: Tensor  # validation faces, floats (N, 3, 64, 64)
    points: Tensor  # of the first 250 at most, as `embed` gives them
    training_points: Tensor  # of as many training faces
    training_features: Tensor  # of as many training faces as there are validation faces, at most 500


def make_ruler(faces: Faces) -> Ruler:
    """The ruler of a set of faces. Raises DataError for streamed ones, MissingPackageError without LPIPS."""
    load_vgg()
    validation, train = (faces.split(name).float() / 255 for name in ("validation", "train"))
    count = min(len(validation), len(train), SET)
    looked_at = min(count, LOOKED_AT)
    return Ruler(validation, embed(validation[:looked_at]), embed(train[:looked_at]), features(train[:count]))


def evaluate_fully(faces: Faces, checkpoints: Path | None = None, also: list[Path] | None = None) -> Report:
    """The report of `evaluate_variants` on validation faces, and much more, as a JSON object.

    "variants", "linear", "also" (checkpoint folders beside ours) and "faces" (the floors, and the
    pixel cross-fade) hold rows whose figures are [value, low, high], the 95 % interval; "linear_curve"
    the linear optimum's KL and PSNR over β. Nothing is left to chance: the seeds are fixed.

    Raises DataError for streamed faces, CheckpointError for weights that cannot be loaded,
    MissingPackageError when those of LPIPS are not installed, SettingError for two rows of one name.
    """
    names = [*VARIANTS, *(folder.name for folder in also or [])]
    if len(set(names)) < len(names):
        raise SettingError("--also: the folders need other names than v1 to v6, and than each other")
    ruler = make_ruler(faces)
    report = {"split": "validation", "data": faces.report.as_dict()}
    report |= {"images": len(ruler.faces), "set": len(ruler.training_features), "looked_at": len(ruler.points)}
    report |= {"pairs": min(PAIRS, len(ruler.points) // 2), "frames": FRAMES}
    report |= {"variants": {}, "linear": {}, "also": {}, "faces": {}}
    components = principal_components(faces.train, max(v.config.latent_dim for v in VARIANTS.values()))

    folders = [("variants", find_checkpoints(checkpoints) / name) for name in VARIANTS]
    folders += [("also", folder) for folder in also or []]
    progress = tqdm(total=1 + len(VARIANTS) + len(folders), desc="measuring", unit="row")
    report["faces"], _ = measure(Pixels(), {}, ruler)
    progress.update()
    singly = {}
    for name, variant in VARIANTS.items():
        linear = LinearVAE(components, variant.beta, variant.config.latent_dim)
        figures, singly[name] = measure(linear, {}, ruler, paths=False)
        used = {"components": len(linear.variances), "rate": round(linear.rate, 2)}
        report["linear"][name] = {"beta": variant.beta, **used, **figures}
        progress.update()
    for section, folder in folders:
        model, samples = load_with_samples(folder, faces)
        figures, own = measure(model, samples, ruler)
        row = {"beta": read_json(folder / "config.json").get("beta"), "latent_dim": model.config.latent_dim}
        row |= evaluate_model(model, faces.validation) | figures
        if section == "variants":
            row |= {f"{key}_over_linear": _rounded(bootstrap(own[key] - singly[folder.name][key])) for key in own}
        report[section][folder.name] = row
        progress.update()
    progress.close()
    report["linear_curve"] = linear_curve(components, ruler.faces)
    return report


def load_with_samples(folder: Path, faces: Faces) -> tuple[CatVAE, dict[str, Tensor]]:
    """The model in a folder, and 500 latents each from the "fitted" Gaussian and from the "prior".

    The fitted Gaussian is the one beside the weights; without one it is fitted to the training faces.
    """
    model = load_checkpoint(folder)
    latents = load_latents(folder) if (folder / LATENTS).exists() else fit_latents(model, faces.train)
    seeds = [torch.Generator().manual_seed(seed) for seed in (0, 1)]
    prior = torch.randn(SET, model.config.latent_dim, generator=seeds[1])
    return model, {"fitted": sample_latents(latents, SET, seeds[0]), "prior": prior}


@torch.inference_mode()
def measure(
    model: CatVAE | LinearVAE | Pixels, samples: dict[str, Tensor], ruler: Ruler, paths: bool = True
) -> tuple[dict, dict[str, Tensor]]:
    """One row of figures, each [value, low, high], and PSNR and LPIPS of the single images behind it."""
    x, count, looked_at = ruler.faces, len(ruler.training_features), len(ruler.points)
    mu, logvar = model.encode(x)
    y = model.decode(mu)
    points = embed(y[:looked_at])
    singly = {"psnr": psnr(x, y), "lpips": (points - ruler.points).square().sum(1)}
    row = {
        **{name: bootstrap(values) for name, values in singly.items()},
        "ssim": bootstrap(ssim(x, y)),
        "kl": bootstrap(kl_divergence(mu, logvar).sum(1)),
        "sharpness": bootstrap(sharpness(y) / sharpness(x)),
        "nearest": bootstrap(_to_nearest(points, ruler)),
        "frechet": _frechet(y[:count], ruler),
        "frechet_midpoints": _frechet(model.decode((mu + mu.roll(-1, 0))[:count] / 2), ruler),
    }
    row |= measure_paths(model, mu, ruler, FRAMES if paths else 3)
    for name, z in samples.items():
        drawn = model.decode(z[:count])
        row[f"frechet_{name}"] = _frechet(drawn, ruler)
        row[f"sharpness_{name}"] = bootstrap(sharpness(drawn) / sharpness(x).mean())
        if name == "fitted":
            row["nearest_fitted"] = bootstrap(_to_nearest(embed(drawn[:looked_at]), ruler))
    return {name: _rounded(values) for name, values in row.items()}, singly


def measure_paths(model: CatVAE | LinearVAE | Pixels, mu: Tensor, ruler: Ruler, frames: int = FRAMES) -> dict:
    """Figures of the straight paths between the first faces, the first with the second and so on.

    Steps are √LPIPS, a Euclidean distance: the sum of all steps over the distance between the ends
    ("path", 1 for a straight line as VGG sees it), and their standard deviation over their mean
    ("spread", 0 for equal steps; neither with 3 frames alone). Of the midpoints: mean LPIPS to both
    real faces, LPIPS to the nearest training face, and sharpness over that of the path's own ends.
    """
    columns: dict[str, list[Tensor]] = {}
    middle = frames // 2
    for i in range(0, 2 * min(PAIRS, len(ruler.points) // 2), 2):
        images = model.decode(lerp(mu[i], mu[i + 1], torch.linspace(0, 1, frames)))
        points, detail = embed(images), sharpness(images)
        steps = points.diff(dim=0).norm(dim=1)
        row = {
            "lpips_midpoints": (points[middle] - ruler.points[i : i + 2]).square().sum(1).mean(),
            "nearest_midpoints": _to_nearest(points[middle : middle + 1], ruler)[0],
            "sharpness_midpoints": detail[middle] / detail[[0, -1]].mean(),
        }
        if frames > 3:
            row |= {"path": steps.sum() / (points[-1] - points[0]).norm(), "spread": steps.std() / steps.mean()}
        for name, value in row.items():
            columns.setdefault(name, []).append(value)
    return {name: bootstrap(torch.stack(values)) for name, values in columns.items()}


def linear_curve(components: Components, x: Tensor) -> list[list[float]]:
    """[β, KL, PSNR] of the linear optimum on floats (N, 3, 64, 64), β growing."""
    curve = []
    for beta in BETAS:
        model = LinearVAE(components, beta, len(components.variances))
        mu, logvar = model.encode(x)
        kl, quality = kl_divergence(mu, logvar).sum(1).mean(), psnr(x, model.decode(mu)).mean()
        curve.append(_rounded([beta, kl.item(), quality.item()]))
    return curve


def _frechet(images: Tensor, ruler: Ruler) -> list[float]:
    return jackknife(frechet, features(images), ruler.training_features)


def _to_nearest(points: Tensor, ruler: Ruler) -> Tensor:
    distances = torch.cdist(points, ruler.training_points, compute_mode="use_mm_for_euclid_dist")
    return distances.square().min(1).values


def _rounded(values: list[float]) -> list[float]:
    return [round(value, 4) for value in values]
