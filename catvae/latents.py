"""Latent space: a Gaussian to draw new faces from, a map of some cats, and directions that turn a cat.

New faces are not drawn from the prior: at small β the posteriors fill only a part of it (the "holes" of
Rosca et al. 2018, https://arxiv.org/abs/1802.06847). They are drawn from a Gaussian that is fitted to all
posteriors together. Its latents are independent, which is close enough: the KL term turns latents to axes
without correlation (Rolinek et al. 2019, https://arxiv.org/abs/1812.06775).
"""

from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from catvae.files import PACKAGE, loading, replacing
from catvae.images import to_pil
from catvae.model import CatVAE
from catvae.photos.faces import catness

LATENTS = "latents.safetensors"  # beside the weights
TEMPERATURE = 0.5  # times the standard deviation: kittens nearer to the middle are better drawn
DRAWN = 12  # for each kitten that is kept
DIALS = PACKAGE / "web" / "dials.safetensors"  # among the front's files, as an engine in the browser reads it too


@torch.inference_mode()
def fit_latents(model: CatVAE, faces: Tensor) -> dict[str, Tensor]:
    """ "mean" and "std", each (D,), of the posteriors of uint8 faces (N, 3, 64, 64) taken together."""
    device = next(model.parameters()).device
    posteriors = [model.encode(batch.to(device).float() / 255) for batch in faces.split(256)]
    mu, logvar = (torch.cat(parts).cpu() for parts in zip(*posteriors, strict=True))
    return {"mean": mu.mean(0), "std": (mu.var(0, correction=0) + logvar.exp().mean(0)).sqrt()}


def sample_latents(
    latents: dict[str, Tensor], count: int, generator: torch.Generator | None = None, temperature: float = TEMPERATURE
) -> Tensor:
    """`count` latents (count, D) around the mean, of so many standard deviations."""
    z = torch.randn(count, len(latents["mean"]), generator=generator)
    return latents["mean"] + temperature * latents["std"] * z


def save_latents(folder: Path, latents: dict[str, Tensor]) -> None:
    """Write `folder/latents.safetensors` in half precision."""
    with replacing(folder / LATENTS) as partial:
        save_file({name: value.half().contiguous() for name, value in latents.items()}, partial)


def load_latents(folder: Path) -> dict[str, Tensor]:
    """What `save_latents` wrote, in float32. Raises CheckpointError when it is missing or broken."""
    with loading(folder / LATENTS):
        latents = {name: value.float() for name, value in load_file(folder / LATENTS).items()}
        if latents["mean"].shape != latents["std"].shape:
            raise ValueError("mean and std do not fit")
        return latents


@dataclass(frozen=True)
class Chart:
    """Cats seen by one model: their latents (N, D) and the plane in which these differ most.

    `plane` is (D, 2) with orthonormal columns, the second zero where D is 1; `share` is the part of the variance it
    shows, 0 to 1.
    """

    latents: Tensor
    plane: Tensor
    share: float

    def project(self, latents: Tensor) -> Tensor:
        """Latents (M, D) to points (M, 2), to scale; the cats of the chart fill [0, 1] in their longer direction."""
        points = (self.latents - self.latents.mean(0)) @ self.plane
        low, high = points.min(0).values, points.max(0).values
        longer = (high - low).max().clamp(min=1e-12)  # 0 of a model that tells no cats apart
        return ((latents - self.latents.mean(0)) @ self.plane - (low + high) / 2) / longer + 0.5


@torch.inference_mode()
def make_chart(model: CatVAE, faces: Tensor) -> Chart:
    """Principal components of the posterior means of `faces` (N, 3, 64, 64), N at least 3.

    Light cats lie right and up, so that the maps of several models can be compared.
    """
    latents, _ = model.encode(faces)
    centred = latents - latents.mean(0)
    _, spread, axes = torch.linalg.svd(centred, full_matrices=False)
    light = faces.mean((1, 2, 3))
    plane = F.pad(axes[:2].T, (0, 2 - min(2, len(axes))))
    plane = plane * torch.where((centred @ plane).T @ (light - light.mean()) < 0, -1.0, 1.0)
    return Chart(latents, plane, (spread[:2].square().sum() / spread.square().sum().clamp(min=1e-12)).item())


def move_apart(points: Tensor, gap: float, rounds: int = 300) -> Tensor:
    """Points (N, 2) in the unit square, moved so that squares of side `gap` around them do not overlap.

    What is too crowded still overlaps after so many rounds.
    """
    points = points.clamp(0, 1)
    turn = 2.4 * torch.arange(len(points))  # no two the same: out of one line, or one point, there is a way for each
    nudge = 1e-3 * torch.stack([turn.cos(), turn.sin()], dim=1)
    for _ in range(rounds):
        apart = points[:, None] - points
        overlap = (gap - apart.abs().amax(2)).clamp(min=0).fill_diagonal_(0)
        if overlap.max() < 1e-3:
            break
        # straight away from each other, not along an axis: a full row makes way sideways
        away = apart + nudge[:, None] - nudge
        away = away / away.norm(dim=2, keepdim=True).clamp(min=1e-6)
        points = (points + 0.5 * (overlap[..., None] * away).sum(1)).clamp(0, 1)
    return points


@torch.inference_mode()
def new_kittens(
    model: CatVAE, latents: dict[str, Tensor] | None, count: int, generator: torch.Generator | None = None
) -> list[Image.Image]:
    """Kittens decoded from latents drawn where the training faces lie, or from the prior where no one tells: of
    `DRAWN` times as many those that look most like cats to the networks that find faces."""
    shape = DRAWN * count, model.config.latent_dim
    z = sample_latents(latents, shape[0], generator) if latents else torch.randn(shape, generator=generator)
    pictures = model.decode(z)
    return to_pil(pictures[catness(pictures).argsort(descending=True)[:count]])


@dataclass(frozen=True)
class Dials:
    """Directions of a cat in v6's latents, and a linear read-out of its breed (`training/breeds.py`).

    `directions` is (K, D), one row for each of `names`, as long as one unit of its dial; `weight` (B, D) and `bias`
    (B,) give the logits of `breeds`, right for the share `accuracy` of photos that it has not learned from. `over`
    is what `fingerprint` says of the models that have these latents.
    """

    names: tuple[str, ...]
    directions: Tensor
    breeds: tuple[str, ...]
    weight: Tensor
    bias: Tensor
    accuracy: float
    over: str

    def fit(self, model: CatVAE) -> bool:
        """Whether these are directions in the latents of that model."""
        return fingerprint(model) == self.over

    def nearest(self, mu: Tensor) -> dict[str, float]:
        """The probability of each breed, 0 to 1, for a posterior mean (D,), the likeliest first."""
        shares = (self.weight @ mu + self.bias).softmax(0)
        return {self.breeds[i]: shares[i].item() for i in shares.argsort(descending=True).tolist()}


def fingerprint(model: CatVAE) -> str:
    """The same of models with the same latents, as v6 and v7 are, and of no others."""
    return sha256(model.to_mu.bias.float().numpy(force=True).tobytes()).hexdigest()


def save_dials(path: Path, dials: Dials) -> None:
    """Write `path` in half precision."""
    tensors = {name: getattr(dials, name).half().contiguous() for name in ("directions", "weight", "bias")}
    told = {"names": " ".join(dials.names), "breeds": " ".join(dials.breeds), "over": dials.over}
    told |= {"accuracy": f"{dials.accuracy:.3f}", "license": "CC-BY-SA-4.0"}
    save_file(tensors, path, metadata=told)


@cache
def load_dials(path: Path = DIALS) -> Dials:
    """What `save_dials` wrote, in float32. Raises CheckpointError when it is missing or broken."""
    with loading(path, "breeds"):
        with safe_open(path, "pt") as file:
            told = file.metadata()
            directions, weight, bias = (file.get_tensor(name).float() for name in ("directions", "weight", "bias"))
        names, breeds = (tuple(told[key].split()) for key in ("names", "breeds"))
        if len(directions) != len(names) or not len(weight) == len(bias) == len(breeds):
            raise ValueError("names and numbers do not fit")
        return Dials(names, directions, breeds, weight, bias, float(told["accuracy"]), told["over"])
