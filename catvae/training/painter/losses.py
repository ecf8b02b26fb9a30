"""A painter's losses: two discriminators, distances between features of other networks, and the power spectrum."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from catvae.training.painter.features import FeatureNets


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


def diff_augment(x: Tensor, noise: Tensor) -> Tensor:
    """Pictures (N, 3, 64, 64) moved by up to 4 pixels and changed in brightness, contrast and saturation, as uniform
    `noise` (N, 5) decides (DiffAugment, Zhao et al. 2020, https://arxiv.org/abs/2006.10738)."""
    noise = noise.to(x.device)
    moved = (noise[:, :2] * 9).floor().long() - 4
    padded = F.pad(x, (4, 4, 4, 4), mode="reflect")
    rows = torch.arange(64, device=x.device)[None] + 4 + moved[:, :1]
    columns = torch.arange(64, device=x.device)[None] + 4 + moved[:, 1:2]
    x = padded[torch.arange(len(x), device=x.device)[:, None, None], :, rows[:, :, None], columns[:, None, :]].permute(
        0, 3, 1, 2
    )
    bright, contrast, colour = (noise[:, i, None, None, None] for i in (2, 3, 4))
    x = x + 0.4 * (bright - 0.5)
    grey = x.mean(1, keepdim=True)
    x = grey + (x - grey) * (0.5 + colour)
    mean = x.mean((1, 2, 3), keepdim=True)
    return mean + (x - mean) * (0.75 + 0.5 * contrast)


class FeatureDiscriminator(nn.Module):
    """Features of other networks, T layers (N, C, h, w) of norm 1 with so many `channels`, to a score each, (N, T).

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

    def forward(self, features: list[Tensor]) -> Tensor:
        scores = [head(x * x.shape[1] ** 0.5).mean((1, 2, 3)) for head, x in zip(self.heads, features, strict=True)]
        return torch.stack(scores, 1).float()


def resize_and_shift(image: Tensor, side: int, shift: tuple[int, int]) -> Tensor:
    """Pictures as squares of `side` pixels, moved by up to three: AlexNet begins with a stride of 4, and would not
    see what is painted between."""
    image = F.interpolate(image, (side, side), mode="bilinear", align_corners=False)
    return F.pad(image, (3, 0, 3, 0), mode="replicate")[:, :, shift[0] : shift[0] + side, shift[1] : shift[1] + side]


def feature_distance(nets: FeatureNets, a: list[Tensor], b: list[Tensor]) -> Tensor:
    """Distances (N,) between pairs of pictures, from the features of each: of AlexNet's it is LPIPS."""
    distances = [(w * (x - y)).square().sum(1).mean((1, 2)) for x, y, w in zip(a, b, nets.weights, strict=True)]
    return torch.stack(distances).sum(0)


def pool(features: list[Tensor]) -> Tensor:
    """Means over places of all layers, side by side: (N, sum of channels)."""
    return torch.cat([layer.mean((2, 3)) for layer in features], 1)


def gradient_penalty(discriminator: Discriminator, x: Tensor) -> Tensor:
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
