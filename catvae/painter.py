"""A painter behind a VAE: from the decoder's soft picture and the latent it paints a sharp one.

It adds something to the picture, at first nothing. The details that it adds are invented: they are likely,
not remembered. Its weights may be stored without those of the VAE, which are then in the folder beside.
The layers follow EDSR (Lim et al. 2017, https://arxiv.org/abs/1707.02921), at half the side and less. The
last doubling is bilinear, as shuffled or transposed pixels leave grids (Odena et al. 2016,
https://doi.org/10.23915/distill.00003).
"""

from hashlib import sha256
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import load, save_file
from torch import Tensor, nn

from catvae.errors import CheckpointError
from catvae.files import ADVICE, WEIGHTS, replacing

# The most that is painted, a change of all colours alike and of each beside it. Real faces differ from v6's pictures
# of them by 0.16 in light at 1 % of their pixels; what a painter adds beyond that, in mixes, are spots.
LIGHT, COLOUR = 0.16, 0.03
OVER, SHA256 = "over", "sha256"  # in the metadata of a painter alone: the name and weights of what it paints over


class Residual(nn.Module):
    """Two 3×3 convolutions whose result is added; the second starts at zero."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        for parameter in self.second.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(F.silu(self.first(F.silu(x))))


class Painter(nn.Module):
    """Pictures in [0, 1], (N, 3, 64, 64), and their latents (N, latent_dim) to painted pictures of the same shape.

    `width` is the number of channels at 32×32; at 16×16 there are twice as many. 32 makes 0.34 million
    parameters with 500 latents. No pixel changes by more than `LIGHT` and `COLOUR`; what is painted may leave [0, 1].
    """

    def __init__(self, latent_dim: int, width: int) -> None:
        super().__init__()
        self.enter = nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(12, width, 3, padding=1), Residual(width))
        self.down = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)
        self.hint = nn.Linear(latent_dim, 2 * width)
        self.coarse = nn.Sequential(*(Residual(2 * width) for _ in range(3)))
        self.up = nn.Sequential(nn.Conv2d(2 * width, 4 * width, 1), nn.PixelShuffle(2))
        self.fine = nn.Sequential(Residual(width), Residual(width), nn.SiLU())
        self.leave = nn.Conv2d(width, 16, 3, padding=1)
        self.last = nn.Conv2d(16 + 3, 3, 3, padding=1)
        for parameter in self.last.parameters():
            nn.init.zeros_(parameter)

    def forward(self, picture: Tensor, z: Tensor) -> Tensor:
        h = self.enter(picture)
        low = self.coarse(self.down(h) + self.hint(z)[:, :, None, None])
        h = self.fine(h + self.up(low))
        h = F.interpolate(h, scale_factor=2, mode="bilinear", align_corners=False)
        paint = self.last(torch.cat([F.silu(self.leave(h)), picture], dim=1))
        light = paint.mean(1, keepdim=True)
        return picture + light.clamp(-LIGHT, LIGHT) + (paint - light).clamp(-COLOUR, COLOUR)


def write_weights(folder: Path, weights: dict[str, Tensor], over: Path | None = None) -> None:
    """Write a model's weights whole, or of one that paints `over` that in another folder the painter's alone."""
    metadata = {"format": "pt"}
    if over:
        weights = {name: tensor for name, tensor in weights.items() if name.startswith("painter.")}
        metadata |= {OVER: over.name, SHA256: sha256((over / WEIGHTS).read_bytes()).hexdigest()}
    with replacing(folder / WEIGHTS) as partial:
        save_file(weights, partial, metadata=metadata)


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a file; where it holds a painter alone, with those of the model that it paints over.

    Raises CheckpointError for a file that is missing or damaged, or paints over others.
    """
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
        weights = load(path.read_bytes())
        if OVER not in metadata:
            return weights
        below = path.parent.parent / Path(metadata[OVER]).name / WEIGHTS
        content = below.read_bytes()
        if sha256(content).hexdigest() == metadata.get(SHA256):
            return weights | load(content)
    except FileNotFoundError as error:
        raise CheckpointError(f"{error.filename or path}: missing; {ADVICE}") from error
    except Exception as error:  # safetensors raises its own error type, OSError and more
        raise CheckpointError(f"{path}: truncated or not safetensors ({error}); {ADVICE}") from error
    raise CheckpointError(f"{path}: paints over other weights than those in {below}; {ADVICE}")
