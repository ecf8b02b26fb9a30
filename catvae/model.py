"""The β-VAE of cat faces and the variants the demo compares.

Kingma & Welling, "Auto-Encoding Variational Bayes" (2013), https://arxiv.org/abs/1312.6114
Higgins et al., "β-VAE" (2017), https://openreview.net/forum?id=Sy2fzU9gl
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from math import inf, prod
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from catvae.errors import CheckpointError, SettingError
from catvae.files import ADVICE, PACKAGE, WEIGHTS, find_checkpoints, read_json, write_json
from catvae.machine import to_memory_format
from catvae.painter import Painter, read_weights, write_weights

IMAGE_SIZE = 64
MAX_PARAMETERS = 10**9  # of a model: 4 GB; v6 has 7 million
ACTIVATIONS = {"leaky_relu": nn.LeakyReLU, "relu": nn.ReLU}


@dataclass(frozen=True)
class VAEConfig:
    """Architecture of a `CatVAE`: everything needed to rebuild it around saved weights.

    Raises SettingError for a shape that cannot be built.
    """

    channels: tuple[int, ...] = (3, 32, 64, 128, 256)  # image first; each further layer halves the side
    latent_dim: int = 500
    activation: str = "leaky_relu"
    activation_before_sigmoid: bool = False  # True only to reproduce the published decoder
    painter: int | None = None  # width of a `Painter` after the decoder; v7 is v6 with one of 32

    def __post_init__(self) -> None:
        object.__setattr__(self, "channels", tuple(self.channels))
        layers = len(self.channels) - 1
        if layers < 1 or self.channels[0] != 3 or min(self.channels) < 1:
            raise SettingError(f"channels must be 3 followed by at least one width, not {self.channels}")
        if IMAGE_SIZE % 2**layers:
            raise SettingError(f"{layers} layers cannot halve {IMAGE_SIZE} pixels: use at most 6")
        if self.latent_dim < 1:
            raise SettingError(f"latent_dim must be positive, not {self.latent_dim}")
        if self.activation not in ACTIVATIONS:
            raise SettingError(f"activation must be one of {sorted(ACTIVATIONS)}, not {self.activation!r}")
        if self.painter is not None and (type(self.painter) is not int or self.painter < 1):
            raise SettingError(f"painter must be a width of at least 1, or null for none, not {self.painter!r}")
        linear = 3 * self.channels[-1] * (IMAGE_SIZE >> layers) ** 2 * self.latent_dim + 350 * (self.painter or 0) ** 2
        if linear + 32 * sum(wide * narrow for wide, narrow in pairwise(self.channels)) > MAX_PARAMETERS:
            raise SettingError(f"a model of over {MAX_PARAMETERS:,} weights is too large: fewer latents or channels")


@dataclass(frozen=True)
class Variant:
    """One row of the comparison: the weight β of the KL term and the architecture.

    `over` names the variant whose encoder and decoder it has; it adds a painter, which is all that it learns.
    """

    beta: float
    config: VAEConfig = VAEConfig()
    over: str | None = None

    def __post_init__(self) -> None:
        if not 0 < self.beta < inf:
            raise SettingError(f"beta must be a positive number, not {self.beta}")
        if self.over and not self.config.painter:
            raise SettingError(f"a variant over {self.over} needs a painter")


VARIANTS: dict[str, Variant] = {
    "v1": Variant(beta=1.0),
    "v2": Variant(beta=2.0),
    "v3": Variant(beta=1.0, config=VAEConfig(channels=(3, 32, 64), latent_dim=100, activation="relu")),
    "v4": Variant(beta=0.5),
    "v5": Variant(beta=0.05),
    "v6": Variant(beta=0.005),
    "v7": Variant(beta=0.005, config=VAEConfig(painter=32), over="v6"),
}
# Model repos of older versions hold these and no list; none holds only some of them. Later rows may be missing.
FIRST_SET = ("v1", "v2", "v3", "v4", "v5", "v6")


def is_variant(name: str, model: "CatVAE") -> bool:
    """Whether a model is the row of `VARIANTS` that it is named after, and not another one under that name."""
    variant = VARIANTS.get(name)
    return variant is not None and model.config == variant.config and model.beta in (None, variant.beta)


def beta_of(name: str, model: "CatVAE | None" = None) -> float | None:
    """β of the model as its config.json says, else of the variant of that name; None where neither is known."""
    known = None if model is None else model.beta
    return VARIANTS[name].beta if known is None and name in VARIANTS else known


def by_beta(names: Iterable[str], models: Mapping[str, "CatVAE"] | None = None) -> list[str]:
    """Names from the smallest β to the largest, those without one last, of equal ones first that with a painter;
    `models` tell of names that are no variant."""

    def key(name: str) -> tuple[bool, float, bool, str]:
        model = (models or {}).get(name)
        beta = beta_of(name, model)
        config = model.config if model else VARIANTS[name].config if name in VARIANTS else VAEConfig()
        return beta is None, beta or 0.0, config.painter is None, name

    return sorted(names, key=key)


def find_painter(models: Mapping[str, "CatVAE"]) -> "CatVAE | None":
    """Of some models one with a painter, of `VARIANTS` before others; None where none has one."""
    return next((models[name] for name in (*VARIANTS, *models) if name in models and models[name].painter), None)


class CatVAE(nn.Module):
    """Convolutional VAE for 64×64 RGB faces; images are floats in [0, 1], shape (N, 3, 64, 64)."""

    def __init__(self, config: VAEConfig = VAEConfig()) -> None:
        super().__init__()
        self.config = config
        self.beta: float | None = None  # with which it was trained, where a checkpoint tells
        channels, activation = config.channels, ACTIVATIONS[config.activation]
        side = IMAGE_SIZE >> (len(channels) - 1)
        hidden = (channels[-1], side, side)

        down: list[nn.Module] = []
        up: list[nn.Module] = []
        for wide, narrow in pairwise(channels):
            down += [nn.Conv2d(wide, narrow, kernel_size=4, stride=2, padding=1), activation()]
        for narrow, wide in pairwise(channels[::-1]):
            up += [nn.ConvTranspose2d(narrow, wide, kernel_size=4, stride=2, padding=1), activation()]
        if not config.activation_before_sigmoid:
            up.pop()  # a ReLU here would keep every pixel at sigmoid(x >= 0) >= 0.5: grey pictures

        self.encoder = nn.Sequential(*down, nn.Flatten())
        self.to_mu = nn.Linear(prod(hidden), config.latent_dim)
        self.to_logvar = nn.Linear(prod(hidden), config.latent_dim)
        self.decoder = nn.Sequential(nn.Linear(config.latent_dim, prod(hidden)), nn.Unflatten(1, hidden), *up)

        self.painter = Painter(config.latent_dim, config.painter) if config.painter else None

        for layer in (*self.encoder, self.to_mu, self.to_logvar, *self.decoder):
            if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
                nn.init.kaiming_normal_(layer.weight)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    @classmethod
    def from_pretrained(
        cls, source: str, variant: str = "v6", revision: str | None = None, token: str | None = None
    ) -> "CatVAE":
        """A trained variant from a folder or a Hub repo "owner/name": float32, eval mode, on the CPU.

        Raises CheckpointError for files that do not fit, HubError for a repo that cannot be had.
        """
        folder = Path(source)
        if not folder.is_dir():
            from catvae.download import download_variant  # only here: the folder needs no Hub client

            return load_checkpoint(download_variant(source, variant, revision, token))
        return load_checkpoint(weights_folder(folder, variant))

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Images (N, 3, 64, 64) to the posterior's mu and logvar, each (N, latent_dim)."""
        h = self.encoder(x)
        return self.to_mu(h), self.to_logvar(h)

    def reparameterize(self, mu: Tensor, logvar: Tensor, noise: Tensor | None = None) -> Tensor:
        """A sample of N(mu, exp(logvar)) through which gradients flow; standard normal `noise` is drawn if None."""
        return mu + torch.exp(0.5 * logvar) * (torch.randn_like(mu) if noise is None else noise)

    def decode(self, z: Tensor) -> Tensor:
        """Latents (N, latent_dim) to images in [0, 1], (N, 3, 64, 64): painted, where there is a painter."""
        return self.paint(self.decoder(z).sigmoid(), z)

    def paint(self, picture: Tensor, z: Tensor) -> Tensor:
        """What the decoder made of latents `z`, with what a painter adds to it; both (N, 3, 64, 64) in [0, 1]."""
        return picture if self.painter is None else self.painter(picture, z).clamp(0, 1)

    def forward(self, x: Tensor, noise: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Pixel logits of a sampled reconstruction, mu and logvar: the arguments of `beta_elbo`."""
        mu, logvar = self.encode(x)
        return self.decoder(self.reparameterize(mu, logvar, noise)), mu, logvar


def kl_divergence(mu: Tensor, logvar: Tensor) -> Tensor:
    """KL(N(mu, exp(logvar)) || N(0, I)) in nats per latent; same shape as `mu`, never negative."""
    mu, logvar = mu.float(), logvar.float()
    # expm1 keeps the digits that exp(logvar) - 1 loses when a latent is close to the prior
    return 0.5 * (mu.square() + torch.expm1(logvar) - logvar)


def beta_elbo(logits: Tensor, x: Tensor, mu: Tensor, logvar: Tensor, beta: float) -> tuple[Tensor, Tensor, Tensor]:
    """Negative β-ELBO of each image: (loss, bce, kl), each (N,), in nats.

    bce is the binary cross-entropy summed over pixels, kl the divergence summed over latents and
    loss = bce + β · kl. Sums run in float32 from logits, so bf16 and fp16 inputs neither overflow
    nor take the logarithm of a rounded zero. With continuous pixels bce has a floor above zero.
    """
    bce = F.binary_cross_entropy_with_logits(logits.float(), x.float(), reduction="none").flatten(1).sum(1)
    kl = kl_divergence(mu, logvar).sum(1)
    return bce + beta * kl, bce, kl


def save_checkpoint(
    folder: Path,
    model: CatVAE,
    beta: float | None,
    metrics: Mapping[str, Any] | None,
    dtype: torch.dtype = torch.float16,
    *,
    over: Path | None = None,
) -> None:
    """Write config, weights and, where there are any, metrics; each file is replaced whole or not at all. Of a model
    that paints `over` the one in a folder beside this one, the painter alone is written, with their hash."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: p.detach().to("cpu", dtype).contiguous() for name, p in model.state_dict().items()}
    write_weights(folder, weights, over)
    write_json(folder / "config.json", {"beta": beta, **asdict(model.config)})
    if metrics is not None:
        write_json(folder / "metrics.json", metrics)


def load_checkpoint(folder: Path) -> CatVAE:
    """The model saved in `folder`, float32, in eval mode, on the CPU.

    Raises CheckpointError when a file is missing, truncated or does not fit the architecture.
    """
    config = read_json(folder / "config.json")
    try:
        known = {field.name for field in fields(VAEConfig)}
        model = CatVAE(VAEConfig(**{key: value for key, value in config.items() if key in known}))
    except (TypeError, SettingError) as error:
        raise CheckpointError(f"{folder / 'config.json'}: not a model configuration ({error})") from error

    beta = config.get("beta")
    if beta is not None and (isinstance(beta, bool) or not isinstance(beta, (int, float)) or not 0 <= beta < inf):
        raise CheckpointError(f"{folder / 'config.json'}: beta must be a number of at least 0, not {beta!r}")
    model.beta = beta

    weights = read_weights(path := folder / WEIGHTS)
    try:
        model.load_state_dict({name: tensor.float() for name, tensor in weights.items()})
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise CheckpointError(f"{path}: does not fit {folder / 'config.json'} ({reason}); {ADVICE}") from error
    if not all(tensor.isfinite().all() for tensor in weights.values()):
        raise CheckpointError(f"{path}: holds NaN or infinite weights; {ADVICE}")
    return to_memory_format(model.eval().requires_grad_(False))


def weights_folder(source: str | Path, name: str) -> Path:
    """Where a variant lies in a folder of several, or the folder that is one itself."""
    return Path(source, name) if Path(source, name).is_dir() else Path(source)


def find_models(source: str | Path | None = None) -> dict[str, Path]:
    """The folder of each model in a folder, or the one that it is itself, by name; `source` as for `load_variant`.

    Raises CheckpointError when there is none.
    """
    folder = find_checkpoints(source).resolve()  # "." has a name too
    found = sorted(config.parent for config in folder.glob("*/config.json"))
    if not found and (folder / "config.json").is_file():
        found = [folder]
    if not found:
        raise CheckpointError(f"{folder}: holds no model, neither {', '.join(VARIANTS)} nor another; {ADVICE}")
    return {path.name: path for path in found}


def load_models(source: str | Path | None = None) -> dict[str, CatVAE]:
    """All of `find_models`, ready to use as `load_checkpoint` gives them, the smallest β first."""
    loaded = {name: load_checkpoint(path) for name, path in find_models(source).items()}
    return {name: loaded[name] for name in by_beta(loaded, loaded)}


def load_variant(name: str, source: str | Path | None = None) -> CatVAE:
    """The trained variant of that name, ready to use: float32, eval mode, on the CPU.

    `source` is a folder with one subfolder per variant; by default `CATVAE_CHECKPOINTS`, else
    `checkpoints/` of a checkout, else what the installed package holds. Raises CheckpointError for an
    unknown name or a bad file.
    """
    folder = find_checkpoints(source)
    if name not in VARIANTS:
        if name not in (found := find_models(folder)):
            known = [*VARIANTS, *(other for other in found if other not in VARIANTS)]
            raise CheckpointError(f"unknown variant {name!r}: choose one of {', '.join(known)}")
        return load_checkpoint(found[name])
    if folder == PACKAGE / "checkpoints" and not (folder / name).is_dir():
        raise CheckpointError(
            f"{name} is not in the installed package, which holds {', '.join(find_models(folder))}; "
            f'CatVAE.from_pretrained("OWNER/NAME", variant="{name}") loads it from a model repo or a folder'
        )
    return load_checkpoint(folder / name)
