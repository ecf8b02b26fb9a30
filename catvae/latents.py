"""Where the faces lie in latent space, to draw new ones from.

The prior is not that place: at small β the posteriors fill only a part of it (the "holes" of
Rosca et al. 2018, https://arxiv.org/abs/1802.06847). All posteriors together are, and a Gaussian of
independent latents is close enough to them: the KL term turns latents to axes without correlation
(Rolinek et al. 2019, https://arxiv.org/abs/1812.06775).
"""

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from catvae.checkpoints import CheckpointError
from catvae.model import CatVAE

FILE = "latents.safetensors"
TEMPERATURE = 0.85  # times the standard deviation: kittens nearer to the middle are better drawn


@torch.inference_mode()
def fit_latents(model: CatVAE, faces: Tensor) -> dict[str, Tensor]:
    """ "mean" and "std", each (D,), of the posteriors of uint8 faces (N, 3, 64, 64) taken together."""
    device = next(model.parameters()).device
    posteriors = [model.encode(batch.to(device).float() / 255) for batch in faces.split(256)]
    mu, logvar = (torch.cat(parts).cpu() for parts in zip(*posteriors, strict=True))
    return {"mean": mu.mean(0), "std": (mu.var(0, correction=0) + logvar.exp().mean(0)).sqrt()}


def sample_latents(latents: dict[str, Tensor], count: int, generator: torch.Generator | None = None) -> Tensor:
    """`count` latents (count, D) drawn at temperature 0.85."""
    z = torch.randn(count, len(latents["mean"]), generator=generator)
    return latents["mean"] + TEMPERATURE * latents["std"] * z


def save_latents(folder: Path, latents: dict[str, Tensor]) -> None:
    """Write `folder/latents.safetensors` in half precision."""
    save_file({name: value.half().contiguous() for name, value in latents.items()}, folder / FILE)


def load_latents(folder: Path) -> dict[str, Tensor]:
    """What `save_latents` wrote, in float32. Raises CheckpointError when it is missing or broken."""
    try:
        latents = {name: value.float() for name, value in load_file(folder / FILE).items()}
        if latents["mean"].shape != latents["std"].shape:
            raise ValueError("mean and std do not fit")
        return latents
    except Exception as error:  # safetensors raises its own error type, OSError and more
        raise CheckpointError(f"{folder / FILE}: missing or broken ({error})") from error
