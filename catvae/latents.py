"""Where the faces lie in latent space: a Gaussian to draw new ones from, and the axes along which they vary.

The prior is not that place: at small β the posteriors fill only a part of it (the "holes" of
Rosca et al. 2018, https://arxiv.org/abs/1802.06847).
"""

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from catvae.checkpoints import CheckpointError
from catvae.model import CatVAE

FILE = "latents.safetensors"
RANK = 64
TEMPERATURE = 0.65  # times the standard deviation: kittens nearer to the middle are better drawn


@torch.inference_mode()
def fit_latents(model: CatVAE, faces: Tensor) -> dict[str, Tensor]:
    """ "mean" (D,) and "factor" (D, at most 64) of the Gaussian N(mean, factor · factorᵀ) that is closest
    to the posterior means of uint8 faces (N, 3, 64, 64)."""
    device = next(model.parameters()).device
    mu = torch.cat([model.encode(batch.to(device).float() / 255)[0].cpu() for batch in faces.split(256)])
    mean = mu.mean(0)
    _, scale, axes = torch.linalg.svd(mu - mean, full_matrices=False)
    rank = min(RANK, len(scale))
    return {"mean": mean, "factor": axes[:rank].T * scale[:rank] / max(1, len(mu) - 1) ** 0.5}


def sample_latents(latents: dict[str, Tensor], count: int, generator: torch.Generator | None = None) -> Tensor:
    """`count` latents (count, D) drawn at temperature 0.65."""
    z = torch.randn(count, latents["factor"].shape[1], generator=generator)
    return latents["mean"] + TEMPERATURE * z @ latents["factor"].T


def save_latents(folder: Path, latents: dict[str, Tensor]) -> None:
    """Write `folder/latents.safetensors` in half precision."""
    save_file({name: value.half().contiguous() for name, value in latents.items()}, folder / FILE)


def load_latents(folder: Path) -> dict[str, Tensor]:
    """What `save_latents` wrote, in float32. Raises CheckpointError when it is missing or broken."""
    try:
        latents = {name: value.float() for name, value in load_file(folder / FILE).items()}
        if latents["mean"].shape[0] != latents["factor"].shape[0]:
            raise ValueError("mean and factor do not fit")
        return latents
    except Exception as error:  # safetensors raises its own error type, OSError and more
        raise CheckpointError(f"{folder / FILE}: missing or broken ({error})") from error
