"""What pulls a painter: two discriminators, what other networks see, and the spectrum of real pictures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm


@dataclass(frozen=True)
class Eyes:
    """Networks trained on photos."""

    taps: Callable[[Tensor], list[Tensor]]  # images (N, 3, H, W) in [0, 1] to features (N, C, h, w) of norm 1
    weights: list[Tensor]  # (C, 1, 1) for each tap, to multiply features by before their squared distance


class Discriminator(nn.Module):
    """Pictures (N, 3, 64, 64) in [0, 1] to three scores each, (N, 3): at 16×16, 8×8 and after one more layer."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Conv2d(3, 16, 3, padding=1)
        self.layers = nn.ModuleList(
            [
                nn.Conv2d(16, 48, 4, 2, 1),
                nn.Conv2d(48, 96, 4, 2, 1),
                nn.Conv2d(96, 192, 4, 2, 1),
                nn.Conv2d(192, 192, 3, padding=1),
            ]
        )
        self.heads = nn.ModuleList([nn.Conv2d(96, 1, 1), nn.Conv2d(192, 1, 1), nn.Conv2d(192, 1, 1)])

    def forward(self, x: Tensor) -> Tensor:
        h = F.leaky_relu(self.enter(4 * x - 2), 0.2)
        scores = []
        for i, layer in enumerate(self.layers):
            h = F.leaky_relu(layer(h), 0.2)
            if i:
                scores.append(self.heads[i - 1](h).mean((1, 2, 3)))
        return torch.stack(scores, 1)


def change(x: Tensor, chance: Tensor) -> Tensor:
    """Pictures (N, 3, 64, 64) moved by up to 4 pixels and changed in brightness, contrast and saturation,
    as uniform `chance` (N, 5) decides."""
    chance = chance.to(x.device)
    moved = (chance[:, :2] * 9).floor().long() - 4
    padded = F.pad(x, (4, 4, 4, 4), mode="reflect")
    rows = torch.arange(64, device=x.device)[None] + 4 + moved[:, :1]
    columns = torch.arange(64, device=x.device)[None] + 4 + moved[:, 1:2]
    x = padded[torch.arange(len(x), device=x.device)[:, None, None], :, rows[:, :, None], columns[:, None, :]].permute(
        0, 3, 1, 2
    )
    bright, contrast, colour = (chance[:, i, None, None, None] for i in (2, 3, 4))
    x = x + 0.4 * (bright - 0.5)
    grey = x.mean(1, keepdim=True)
    x = grey + (x - grey) * (0.5 + colour)
    mean = x.mean((1, 2, 3), keepdim=True)
    return mean + (x - mean) * (0.75 + 0.5 * contrast)


class FeatureDiscriminator(nn.Module):
    """What eyes see, T taps (N, C, h, w) of norm 1 with so many `channels`, to a score each, (N, T).

    A network that knows pictures already learns in hundreds of steps what one that begins with noise
    learns in tens of thousands (Projected GANs, Sauer et al. 2021, https://arxiv.org/abs/2111.01007).
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.heads = nn.ModuleList(
            nn.Sequential(
                spectral_norm(nn.Conv2d(width, 64, 1)),
                nn.LeakyReLU(0.2),
                spectral_norm(nn.Conv2d(64, 64, 3, padding=1)),
                nn.LeakyReLU(0.2),
                spectral_norm(nn.Conv2d(64, 1, 1)),
            )
            for width in channels
        )

    def forward(self, taps: list[Tensor]) -> Tensor:
        scores = [head(tap * tap.shape[1] ** 0.5).mean((1, 2, 3)) for head, tap in zip(self.heads, taps, strict=True)]
        return torch.stack(scores, 1).float()


def enlarge(image: Tensor, side: int, shift: tuple[int, int]) -> Tensor:
    """Pictures as squares of `side` pixels, moved by up to three: AlexNet begins with a stride of 4, and would not
    see what is painted between."""
    image = F.interpolate(image, (side, side), mode="bilinear", align_corners=False)
    return F.pad(image, (3, 0, 3, 0), mode="replicate")[:, :, shift[0] : shift[0] + side, shift[1] : shift[1] + side]


def distance(eyes: Eyes, taps: list[Tensor], others: list[Tensor]) -> Tensor:
    """How far pairs are apart, (N,), from their taps: of AlexNet's it is LPIPS."""
    distances = [
        (weight * (a - b)).square().sum(1).mean((1, 2)) for a, b, weight in zip(taps, others, eyes.weights, strict=True)
    ]
    return torch.stack(distances).sum(0)


def pooled(taps: list[Tensor]) -> Tensor:
    """Means over places of all taps, side by side: (N, sum of channels)."""
    return torch.cat([tap.mean((2, 3)) for tap in taps], 1)


def penalty(discriminator: Discriminator, x: Tensor) -> Tensor:
    """Squared norm of the score's gradient by the picture scaled to [-2, 2], mean over pictures."""
    x = x.detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(discriminator(x).mean(1).sum(), x, create_graph=True)
    return (gradient / 4).square().sum((1, 2, 3)).mean()


def log_power(x: Tensor) -> Tensor:
    """Logarithm of the power at each spatial frequency of pictures (N, 3, 64, 64), mean over pictures and
    colours: (64, 33)."""
    return (torch.fft.rfft2(x - x.mean((2, 3), keepdim=True), norm="ortho").abs().square().mean((0, 1)) + 1e-6).log()


def mean_log_power(x: Tensor, size: int) -> Tensor:
    """Mean `log_power` of batches of `size` pictures: a few faces have most of the power, so that a batch mostly
    has less than all of them; what is to match them is compared in batches of the same size."""
    return torch.stack([log_power(batch) for batch in x.split(size)]).mean(0)


def spectral_distance(x: Tensor, wanted: Tensor) -> Tensor:
    """Mean square, over frequencies, of how far the `log_power` of pictures (N, 3, 64, 64) is from the wanted one:
    what is blurred or has a grid is far (Durall et al. 2020, https://arxiv.org/abs/2003.01826)."""
    return (log_power(x) - wanted).square().mean()
