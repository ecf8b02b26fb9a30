"""The tables of all variants: quality, information and size, measured on real faces.

`evaluate_variants` is quick. `evaluate_fully` adds what eyes see, for reconstructions, for mixes
and for new kittens, beside the linear optimum of `catvae.linear` and beside real faces.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from catvae.checkpoints import find_checkpoints, load_checkpoint, load_variant, read_json, write_json
from catvae.data import Faces
from catvae.latents import FILE as LATENTS
from catvae.latents import fit_latents, load_latents, sample_latents
from catvae.linear import Components, LinearVAE, principal_components
from catvae.memory import keep_freed_memory
from catvae.metrics import bootstrap, evaluate_model, frechet, jackknife, psnr, sharpness, ssim
from catvae.mixing import lerp
from catvae.model import VARIANTS, CatVAE, kl_divergence
from catvae.perceptual import embed, features, load_vgg

SET = 500  # images, at most, on either side of a Fréchet distance
LOOKED_AT = 250  # of them under LPIPS
PAIRS, FRAMES = 50, 9  # paths
BETAS = [0.001 * 2 ** (i / 2) for i in range(28)]  # of the linear optimum's curve, to 11.6


def evaluate_variants(faces: Faces, split: str, checkpoints: Path | None = None) -> dict:
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
    points: Tensor  # of the first 250, as `embed` gives them
    training_points: Tensor  # of 250 training faces
    training_features: Tensor  # of as many training faces as there are validation faces, at most 500


def make_ruler(faces: Faces) -> Ruler:
    """The ruler of a set of faces. Raises DataError for streamed ones, MissingWeightsError without LPIPS."""
    load_vgg()
    validation, train = (faces.split(name).float() / 255 for name in ("validation", "train"))
    count = min(len(validation), len(train), SET)
    looked_at = min(count, LOOKED_AT)
    return Ruler(validation, embed(validation[:looked_at]), embed(train[:looked_at]), features(train[:count]))


def evaluate_fully(faces: Faces, checkpoints: Path | None = None, also: list[Path] | None = None) -> dict:
    """The report of `evaluate_variants` on validation faces, and much more, as a JSON object.

    "variants", "linear", "also" (checkpoint folders beside ours) and "faces" (the floors, and the
    pixel cross-fade) hold rows whose figures are [value, low, high], the 95 % interval; "linear_curve"
    the linear optimum's KL and PSNR over β. Nothing is left to chance: the seeds are fixed.

    Raises DataError for streamed faces, CheckpointError for weights that cannot be loaded,
    MissingWeightsError when those of LPIPS are not installed.
    """
    keep_freed_memory()
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


def format_table(report: dict) -> str:
    """The report of `evaluate_variants` as a Markdown table."""
    lines = [
        "| | β | PSNR (dB) | SSIM | KL (nats) | active units | parameters |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in report["variants"].items():
        lines.append(
            f"| {name} | {row['beta']:g} | {row['psnr']:.2f} | {row['ssim']:.3f} | {row['kl']:.0f} "
            f"| {row['active_units']} of {row['latent_dim']} | {row['parameters'] / 1e6:.2f} M |"
        )
    images = next(iter(report["variants"].values()))["images"]
    return "\n".join([*lines, "", f"{images} faces, split “{report['split']}”."])


SUMMARY = {  # title: figure, digits
    "β": ("beta", None),
    "PSNR (dB)": ("psnr", 2),
    "SSIM": ("ssim", 3),
    "KL (nats)": ("kl", 0),
    "LPIPS": ("lpips", 3),
    "Fréchet: reconstructed": ("frechet", 0),
    "mixed": ("frechet_midpoints", 0),
    "new": ("frechet_fitted", 0),
}
TABLES = {
    "Reconstructions": {
        **{title: SUMMARY[title] for title in ("PSNR (dB)", "SSIM", "KL (nats)", "LPIPS", "Fréchet: reconstructed")},
        "sharpness": ("sharpness", 2),
        "LPIPS to the nearest": ("nearest", 3),
    },
    "Mixes, half of each cat": {
        "Fréchet": ("frechet_midpoints", 0),
        "LPIPS to both": ("lpips_midpoints", 3),
        "LPIPS to the nearest": ("nearest_midpoints", 3),
        "sharpness": ("sharpness_midpoints", 2),
        "path": ("path", 2),
        "spread": ("spread", 2),
    },
    "New kittens, fitted Gaussian and prior": {
        "Fréchet": ("frechet_fitted", 0),
        "prior": ("frechet_prior", 0),
        "sharpness": ("sharpness_fitted", 2),
        "prior ": ("sharpness_prior", 2),
        "LPIPS to the nearest": ("nearest_fitted", 3),
    },
    "Size, and what a network gains over the linear optimum": {
        "latents": ("latent_dim", None),
        "active": ("active_units", None),
        "parameters": ("parameters", None),
        "components": ("components", None),
        "rate (nats)": ("rate", 4),
        "PSNR over linear": ("psnr_over_linear", 2),
        "LPIPS over linear": ("lpips_over_linear", 3),
    },
}


def format_summary(report: dict) -> str:
    """The main figures of the report of `evaluate_fully`, without intervals, as a Markdown table."""
    return _table(report, SUMMARY, intervals=False)


def format_report(report: dict) -> str:
    """The report of `evaluate_fully` as a Markdown document."""
    counts = {key: report[key] for key in ("images", "set", "looked_at", "pairs", "frames")}
    tables = [f"## {title}\n\n{_table(report, columns)}" for title, columns in TABLES.items()]
    return _DOCUMENT.format(summary=format_summary(report), tables="\n\n".join(tables), **counts)


def _table(report: dict, columns: dict[str, tuple[str, int | None]], intervals: bool = True) -> str:
    named = {
        **report["variants"],
        **{f"{name}, linear": row for name, row in report["linear"].items()},
        **report["also"],
        "real, cross-fade": {name: value for name, value in report["faces"].items() if name not in OF_NO_MODEL},
    }
    lines = [f"| | {' | '.join(title.strip() for title in columns)} |", "|---" * (len(columns) + 1) + "|"]
    for label, row in named.items():
        cells = [_cell(row.get(key), digits, intervals) for key, digits in columns.values()]
        if any(cells):
            lines.append(f"| {label} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(value: float | list[float] | None, digits: int | None, interval: bool) -> str:
    if not isinstance(value, list):
        return "" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:.{digits or 6}g}"
    middle, low, high = value
    return f"{middle:.{digits}f}" + (f" ± {(high - low) / 2:.{digits}f}" if interval else "")


OF_NO_MODEL = {"psnr", "ssim", "kl", "lpips", "sharpness"}  # trivial where nothing is lost

_DOCUMENT = """# Measured

Written by `python -m catvae evaluate --data SOURCE --out FOLDER`, with all digits in `evaluation.json`.

{summary}

“vN, linear” is the best that a linear model can do at that β: principal components of the training faces and their
mirror images, shrunk ([`catvae/linear.py`](../catvae/linear.py)). “real, cross-fade” stands in for a model that loses
nothing: its Fréchet distance of reconstructions is the floor, validation faces against training faces, and its mixes
are pixel cross-fades.

- PSNR, SSIM and KL are means over {images} validation faces. LPIPS (VGG-16) is the mean over {looked_at} of them: 0 for
  the same picture, and about 0.55 for another cat.
- Fréchet distances compare the features of {set} images with those of {set} training faces. They come from
  EfficientNet-Lite0 at 128×128, not from the Inception network of FID, and fall as sets grow: compare them with each
  other only.
- Mixes are half-way between neighbours in the validation set, from posterior means; new kittens are drawn from the
  Gaussian beside the weights, at temperature, or from the prior.
- ± is half of a 95 % interval: of means by bootstrap, 1,000 resamples of the images, the same for every row; of Fréchet
  distances by jackknife, leaving out a tenth at a time.

![Rate and distortion](rate_distortion.png)

{tables}

Sharpness is the mean squared step between neighbouring grey pixels over that of the original, of a mix over that of its
path's own ends, of new kittens over the mean of real faces. “LPIPS to the nearest” of {looked_at} training faces can be
smaller for a smooth picture than for a real face: read it beside sharpness. The rate is the KL of the linear optimum on
its training faces, ½ ln(4λ / β) summed over components.

Mixes under LPIPS and paths are of {pairs} fixed pairs, {frames} frames each. A step is √LPIPS, a Euclidean distance:
“path” is the sum of the steps over the distance between the ends, at least 1; “spread” is the standard deviation of the
steps over their mean.

![Training](training_curves.png)
"""


def write_report(report: dict, out: Path) -> None:
    """`evaluation.json` and `evaluation.md` in the folder `out`."""
    write_json(out / "evaluation.json", report)
    (out / "evaluation.md").write_text(format_report(report), encoding="utf-8")


def insert_table(page: Path, table: str) -> None:
    """Put the table between the lines `<!-- table -->` and `<!-- /table -->` of a Markdown page.

    Raises ValueError where these are not.
    """
    before, start, rest = page.read_text(encoding="utf-8").partition("<!-- table -->\n")
    _, end, after = rest.partition("<!-- /table -->\n")
    if not start or not end:
        raise ValueError(f"{page}: lacks the lines <!-- table --> and <!-- /table -->")
    page.write_text(f"{before}{start}{table}\n{end}{after}", encoding="utf-8")
