"""What a step sees: this process's part of a batch, mirrored and jittered."""

import math
from collections.abc import Iterator
from itertools import chain, count

import torch
import torch.nn.functional as F
from torch import Tensor

from catvae.machine import rank, world_size
from catvae.training.data import FaceStream


def epoch_batches(train: Tensor | FaceStream, size: int) -> Iterator[tuple[Tensor, int]]:
    """This process's part of every batch of an epoch, uint8 (n, 3, 64, 64), with the size of the whole batch.

    The order is drawn from torch's generator, which must be in the same state in all processes.
    Raises DataError when a stream holds no usable face.
    """
    if isinstance(train, FaceStream):
        seed, share = int(torch.randint(2**31, ())), len(range(rank(), size, world_size()))
        # parts differ in length: who is through first begins its own again, under the seed that made it its own
        batches = chain.from_iterable(train.batches(share, seed, rank(), world_size()) for _ in count())
        for _ in range(math.ceil(len(train) / size)):
            yield next(batches), size
    else:
        for chosen in torch.randperm(len(train)).split(size):
            yield train[chosen[rank() :: world_size()].to(train.device)], len(chosen)


def augment(x: Tensor, chance: Tensor, jitter: float) -> Tensor:
    """Faces (N, 3, 64, 64) in [0, 1], half of them mirrored, as standard normal `chance` (N, 10) decides.

    With a jitter of 1 they are also moved by 1 pixel, turned by 3°, scaled by 3 %, and changed in
    contrast by 10 %, in each colour by 5 % more and in brightness by 5 % (standard deviations).
    """
    x = torch.where(chance[:, 0, None, None, None] < 0, x.flip(-1), x)
    if not jitter or not len(x):  # the last batch of an epoch may have fewer faces than there are processes
        return x
    move, angle, scale = chance[:, 1:3] / 32, chance[:, 3] * math.radians(3), (0.03 * jitter * chance[:, 4]).exp()
    cos, sin = scale * torch.cos(jitter * angle), scale * torch.sin(jitter * angle)
    affine = torch.stack([cos, -sin, jitter * move[:, 0], sin, cos, jitter * move[:, 1]], dim=1).view(-1, 2, 3)
    grid = F.affine_grid(affine, list(x.shape), align_corners=False)
    x = F.grid_sample(x, grid, mode="bicubic", padding_mode="reflection", align_corners=False)
    gain = 1 + jitter * (0.1 * chance[:, 5:6] + 0.05 * chance[:, 6:9])
    return (x * gain[:, :, None, None] + 0.05 * jitter * chance[:, 9, None, None, None]).clamp(0, 1)
