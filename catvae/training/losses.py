"""What pulls a painter: a discriminator with its gradient penalty, and LPIPS with AlexNet."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Taps = Callable[[Tensor], list[Tensor]]  # images (N, 3, H, W) in [0, 1] to LPIPS's weighted features


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


def lpips(alexnet: Taps, x: Tensor, y: Tensor, shift: tuple[int, int]) -> Tensor:
    """LPIPS of pairs, (N,), of pictures doubled and moved by up to three pixels: AlexNet begins with a
    stride of 4, and would not see what is painted between."""

    def prepare(image: Tensor) -> Tensor:
        image = F.interpolate(image, scale_factor=2, mode="bilinear", align_corners=False)
        return F.pad(image, (3, 0, 3, 0), mode="replicate")[:, :, shift[0] : shift[0] + 128, shift[1] : shift[1] + 128]

    with torch.no_grad():
        target = alexnet(prepare(y))
    distances = [(a - b).square().sum(1).mean((1, 2)) for a, b in zip(alexnet(prepare(x)), target, strict=True)]
    return torch.stack(distances).sum(0)


def penalty(discriminator: Discriminator, x: Tensor) -> Tensor:
    """Squared norm of the score's gradient by the picture scaled to [-2, 2], mean over pictures."""
    x = x.detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(discriminator(x).mean(1).sum(), x, create_graph=True)
    return (gradient / 4).square().sum((1, 2, 3)).mean()
