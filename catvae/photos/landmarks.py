"""Both eyes and the nose of a cat face, and a square set upright by them.

A small network (`training/landmarks.py`) draws a map of each landmark, whose centre of mass is the place
(integral regression, Sun et al. 2018, https://arxiv.org/abs/1711.08229).
"""

# what torch gives (split, tolist, fft) and safetensors has types that pyright knows in part
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from functools import lru_cache
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from catvae.machine import load_network
from catvae.photos.networks import conv

LANDMARKS_WEIGHTS = Path(__file__).with_name("landmarks.safetensors")
VIEW = 1.5  # the network sees this much of the square, at 96 pixels
SIDE = 96
STANDARD = ((0.29, 0.41), (0.72, 0.41), (0.5, 0.72))  # left eye, right eye and nose of the training faces, of the frame


class Landmarks(nn.Module):
    """Views (N, 3, 96, 96) in [0, 1] of squares, 1.5 times as wide, to (N, 3, 2): left eye, right eye and nose as
    (x, y), in shares of the square from its top left corner."""

    def __init__(self) -> None:
        super().__init__()
        self.fine = nn.Sequential(conv(3, 16, 2), conv(16, 32, 2), conv(32, 32))  # 24×24
        self.middle = nn.Sequential(conv(32, 48, 2), conv(48, 48))  # 12×12
        self.coarse = nn.Sequential(conv(48, 64, 2), conv(64, 48))  # 6×6
        self.join_middle = conv(96, 32)
        self.join_fine = conv(64, 32)
        self.maps = nn.Conv2d(32, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        fine = self.fine(x * 4 - 2)
        middle = self.middle(fine)
        coarse = self.coarse(middle)
        middle = self.join_middle(torch.cat([middle, double(coarse)], 1))
        maps = self.maps(self.join_fine(torch.cat([fine, double(middle)], 1))).float()
        share = maps.flatten(2).softmax(2).view_as(maps)
        ticks = ((torch.arange(maps.shape[-1], device=x.device) + 0.5) / maps.shape[-1] - 0.5) * VIEW + 0.5
        return torch.stack([(share.sum(2) * ticks).sum(2), (share.sum(3) * ticks).sum(2)], 2)


def double(x: Tensor) -> Tensor:
    """Features (N, C, H, W) at twice the side."""
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


@torch.inference_mode()
def find_landmarks(views: Tensor) -> Tensor:
    """The mean of what the network says of views (N, 3, 96, 96) and of their mirror images: (N, 3, 2).

    Where that is no cat's face, because the three lie too close or far from where they are in any, they are at the
    places of the training faces. Raises CheckpointError when the weights are missing or broken.
    """
    network = load_landmarks()
    both = network(torch.cat([views, views.flip(-1)]).contiguous(memory_format=torch.channels_last))
    straight, mirrored = both.chunk(2)
    mirrored = torch.stack([1 - mirrored[:, [1, 0, 2], 0], mirrored[:, [1, 0, 2], 1]], -1)
    found, standard = (straight + mirrored) / 2, torch.tensor(STANDARD)
    left, right, nose = found.unbind(1)
    eyes = right - left
    below = (nose - (left + right) / 2) @ torch.tensor([[0.0], [1.0]])
    plausible = ((found - standard).norm(dim=2) < 0.35).all(1) & (eyes[:, 0] > 0.15) & (below[:, 0] > 0.02)
    return torch.where(plausible[:, None, None], found, standard)


def fit_squares(landmarks: Tensor) -> Tensor:
    """How squares must change for their landmarks (N, 3, 2) to lie about where those of the training faces do: (N, 4)
    as the aligner says it, (x, y) in sides, logarithm of the side, radians. The eyes alone say how far it is turned,
    as the nose moves when a head turns to the side; in place and size it counts half as much as an eye."""
    weights = torch.tensor([[0.4], [0.4], [0.2]])
    standard = torch.tensor(STANDARD)
    here, there = (landmarks * weights).sum(1), (standard * weights).sum(0)
    size, wanted = (
        (points.square() * weights).sum((-2, -1)) for points in (landmarks - here[:, None], standard - there)
    )
    scale = (size / wanted).sqrt()
    turn = torch.atan2(*(landmarks[:, 1] - landmarks[:, 0]).flip(1).unbind(1))
    cos, sin, (x, y) = turn.cos() * scale, turn.sin() * scale, (0.5 - there).tolist()
    centre = here + torch.stack([cos * x - sin * y, sin * x + cos * y], 1) - 0.5
    return torch.cat([centre, scale.log()[:, None], turn[:, None]], 1)


@lru_cache(maxsize=1)
def load_landmarks() -> Landmarks:
    return load_network(Landmarks(), LANDMARKS_WEIGHTS, "landmarks")
