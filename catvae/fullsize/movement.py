"""How one cat's face moves into another's: one smooth field for a pair, which nothing folds.

A stationary velocity field, in sides of the frame: along it A's places flow to B's in one unit of time. What is shown
at a share t takes A from where its places were t before and B from where its places will be 1 − t later. The flow
over a time is had by scaling and squaring (Arsigny et al. 2006, https://doi.org/10.1007/11866565_113); a network
gives the field (VoxelMorph, Balakrishnan et al. 2019, https://arxiv.org/abs/1809.05231), on top of that of the eyes
and the nose.
"""

from functools import lru_cache
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from catvae.machine import load_network
from catvae.photos.landmarks import double

MOVEMENT_WEIGHTS = Path(__file__).with_name("movement.safetensors")
GRID = 32  # cells a side of a field
SQUARINGS = 5
REACH = 0.2  # sides; how far around a landmark its own movement goes
ROUNDS, STEPS = 6, 4  # of the search for the landmarks' field, and of each flow of a landmark
BORDER = 0.1  # sides; towards the edge of the frame the network's field fades out
NEAR = 0.15  # sides; beyond about that far nothing is taken for the same place
WINDOW = 11  # pixels of 64, over which the faces are compared that the network has brought together
DOUBT, SURE = 0.3, 0.6  # local correlations: no more is chance, from there on it is the same
OTHER, SAME = 0.6, 0.8  # their means over a face: of 12 pairs of different cats .13 to .68, of a cat bent .84 to .97
LOOKS = 3  # how often the network looks
LIMIT = 0.2  # sides; the network moves no place further


def centres(size: int, device: torch.device | None = None) -> Tensor:
    """Cell centres of the frame, (2, size, size), x and y in [0, 1]."""
    ticks = (torch.arange(size, device=device) + 0.5) / size
    return torch.stack(torch.meshgrid(ticks, ticks, indexing="xy"))


def sample(images: Tensor, places: Tensor, padding: str = "border", mode: str = "bilinear") -> Tensor:
    """Images (N, C, H, W) at places (N, 2, h, w), which are 0 to 1 within them: (N, C, h, w)."""
    grid = places.permute(0, 2, 3, 1) * 2 - 1
    return F.grid_sample(images, grid, mode=mode, padding_mode=padding, align_corners=False)


def flow(velocity: Tensor, time: Tensor) -> Tensor:
    """Displacements (N, 2, G, G) after times (N,) along velocities (N, 2, G, G), all in sides."""
    identity = centres(velocity.shape[-1], velocity.device)
    moved = velocity * (time / 2**SQUARINGS)[:, None, None, None]
    for _ in range(SQUARINGS):
        moved = moved + sample(moved, identity + moved)
    return moved


def landmark_velocity(a: Tensor, b: Tensor, size: int = GRID) -> Tensor:
    """The field (N, 2, size, size) along which the landmarks a (N, 3, 2) flow to b, in shares of the frame.

    That of the similarity nearest to both, and around each landmark what then is missing.
    """
    middle = (a.mean(1) + b.mean(1)) / 2
    p, q = a - a.mean(1, keepdim=True), b - b.mean(1, keepdim=True)
    along, across = (p * q).sum((1, 2)), (p[..., 0] * q[..., 1] - p[..., 1] * q[..., 0]).sum(1)
    turn = torch.atan(across / along.clamp_min(1e-6))
    growth = 0.5 * (q.square().sum((1, 2)) / p.square().sum((1, 2)).clamp_min(1e-6)).clamp(0.2, 5.0).log()
    linear = torch.stack([torch.stack([growth, -turn], 1), torch.stack([turn, growth], 1)], 1)
    # x' = L x + c reaches exp(L) x + d at time 1, where c = L / (exp(L) - 1) d, a series for small L
    half = b.mean(1) - a.mean(1)
    scale = growth.exp()[:, None, None]
    cos, sin = turn.cos(), turn.sin()
    whole = scale * torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1)
    shift = (half / 2)[..., None] + whole @ (half / 2)[..., None]
    square = linear @ linear
    constant = (shift - linear @ shift / 2 + square @ shift / 12 - square @ (square @ shift) / 720)[..., 0]

    knots = (a + b) / 2
    weights = torch.zeros_like(a)

    def velocity(points: Tensor) -> Tensor:
        near = (points[:, :, None] - knots[:, None]).square().sum(3) / (2 * REACH**2)
        return (points - middle[:, None]) @ linear.mT + constant[:, None] + (-near).exp() @ weights

    for _ in range(ROUNDS):
        points = a
        for _ in range(STEPS):
            points = points + velocity(points + velocity(points) / (2 * STEPS)) / STEPS
        weights = weights + b - points
    places = centres(size, a.device).flatten(1).mT[None].expand(len(a), -1, -1)
    return velocity(places).mT.reshape(len(a), 2, size, size)


def fade(size: int = GRID) -> Tensor:
    """1 within the frame, falling smoothly to 0 at its edges: (size, size)."""
    inside = torch.minimum(centres(size), 1 - centres(size)).amin(0) / BORDER
    inside = inside.clamp(0, 1)
    return inside * inside * (3 - 2 * inside)


def _layer(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, padding=1), nn.LeakyReLU(0.1, inplace=True))


class Movement(nn.Module):
    """Pairs of faces (N, 2, 3, 64, 64) in [0, 1] and their landmarks (N, 2, 3, 2) in shares of the frame to the
    velocities (N, 2, 32, 32) from the first to the second, in sides. Exchanged faces give the opposite field.

    The faces, brought half way by their landmarks, go through the same layers; for each place of one, where in the
    other what is like it lies on average is a first guess (GMFlow, Xu et al. 2022, https://arxiv.org/abs/2111.13680).
    """

    places: Tensor
    nearness: Tensor
    fade: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.fine = nn.Sequential(nn.PixelUnshuffle(2), _layer(12, 24), _layer(24, 24))  # 32×32
        self.coarse = nn.Sequential(_layer(24, 48, 2), _layer(48, 48), nn.Conv2d(48, 48, 1))  # 16×16
        self.sharpness = nn.Parameter(torch.tensor(2.0))
        self.meet = nn.Sequential(nn.Conv2d(99, 48, 1), _layer(48, 48))
        self.wide = nn.Sequential(_layer(48, 64, 2), _layer(64, 64))  # 8×8
        self.join = _layer(112, 32)
        self.last = nn.Sequential(nn.Conv2d(80, 24, 1), _layer(24, 24))  # 32×32
        self.leave = nn.Conv2d(24, 2, 3, padding=1)
        nn.init.normal_(self.leave.weight, std=1e-3)
        places = centres(GRID // 2).flatten(1).mT
        away = (places[:, None] - places).square().sum(2)
        self.register_buffer("places", places, persistent=False)
        self.register_buffer("nearness", -away / (2 * NEAR**2), persistent=False)
        self.register_buffer("fade", fade(), persistent=False)

    def forward(self, faces: Tensor, landmarks: Tensor) -> Tensor:
        velocity = first = landmark_velocity(landmarks[:, 0], landmarks[:, 1])
        for _ in range(LOOKS):  # what it has brought together it sees better
            velocity = velocity + self.more(faces, velocity)
        return first + (velocity - first) * self.trust(faces, velocity)

    def more(self, faces: Tensor, velocity: Tensor) -> Tensor:
        """What the network would add to the velocities (N, 2, 32, 32) of faces (N, 2, 3, 64, 64)."""
        pair = torch.cat(self.meet_half_way(faces, velocity))
        fine = self.fine(pair)
        coarse = self.coarse(fine)
        # both ways at once: each face beside the other
        other_fine, other_coarse = (torch.cat(x.chunk(2)[::-1]) for x in (fine, coarse))
        guess, sure = self.match(coarse.float(), other_coarse.float())
        met = self.meet(torch.cat([coarse, other_coarse, guess / LIMIT, sure], 1))
        met = self.join(torch.cat([met, double(self.wide(met))], 1))
        found = self.leave(self.last(torch.cat([fine, other_fine, double(met)], 1))).float()
        there, back = (found + double(guess) / LIMIT).chunk(2)
        return LIMIT * ((there - back) / 2).tanh() * self.fade

    def trust(self, faces: Tensor, velocity: Tensor) -> Tensor:
        """How far the network is believed at each cell, (N, 1, 32, 32): 1 where it has brought together what is alike.

        Two cats of other coats are alike nowhere, and a network that looks for it moves eyes to blazes: there the
        landmarks have to do.
        """
        a, b = (face.mean(1, keepdim=True) for face in self.meet_half_way(faces, velocity))
        means = F.avg_pool2d(torch.cat([a, b, a * a, b * b, a * b], 1), WINDOW, 1, WINDOW // 2, count_include_pad=False)
        mean_a, mean_b, square_a, square_b, both = means.chunk(5, 1)
        spread = (square_a - mean_a.square() + 1e-3) * (square_b - mean_b.square() + 1e-3)
        likeness = F.avg_pool2d((both - mean_a * mean_b) / spread.sqrt(), 2)
        here = ((likeness - DOUBT) / (SURE - DOUBT)).clamp(0, 1)
        face = likeness[:, :, 5:-5, 5:-5].mean((1, 2, 3), keepdim=True)
        same = ((face - OTHER) / (SAME - OTHER)).clamp(0, 1)
        return same * F.avg_pool2d(here, 5, 1, 2, count_include_pad=False)

    def match(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        """How far on average what is like each place of features a (N, C, 16, 16) lies away in b, (N, 2, 16, 16), in
        sides, and how much of it lies at one place, (N, 1, 16, 16)."""
        a, b = (x.flatten(2) / (x.flatten(2).square().sum(1, keepdim=True) + 1e-4).sqrt() for x in (a, b))
        share = (self.sharpness.exp() * (a.mT @ b) + self.nearness).softmax(2)
        away = (share @ self.places - self.places).mT
        sure = share.square().sum(2)[:, None]
        return away.unflatten(2, (GRID // 2, GRID // 2)), sure.unflatten(2, (GRID // 2, GRID // 2))

    def meet_half_way(self, faces: Tensor, velocity: Tensor) -> list[Tensor]:
        """Both faces (N, 3, 64, 64) where half the way brings them, light and contrast left out as far as may be."""
        seen, half = [], torch.full_like(velocity[:, 0, 0, 0], 0.5)
        for i, time in enumerate((-half, half)):
            moved = double(flow(velocity, time))
            face = sample(faces[:, i], centres(moved.shape[-1], faces.device) + moved)
            away = face - face.mean((1, 2, 3), keepdim=True)
            seen.append(away / (away.square().mean((1, 2, 3), keepdim=True) + 1e-3).sqrt())
        return seen


@lru_cache(maxsize=1)
def load_movement() -> Movement:
    """The trained network. Raises CheckpointError when its weights are missing or broken."""
    return load_network(Movement(), MOVEMENT_WEIGHTS, "movement")
