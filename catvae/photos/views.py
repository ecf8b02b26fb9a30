"""Squares of a photo as networks see them."""

# what torch gives (tolist) has types that pyright knows in part
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import torch
import torch.nn.functional as F
from torch import Tensor

from catvae.model import IMAGE_SIZE

ALIGNER_VIEW = 1.25  # the aligner sees this much of the square, so that it can tell where to move


def cut_views(levels: list[Tensor], squares: Tensor, size: int = IMAGE_SIZE, view: float = ALIGNER_VIEW) -> Tensor:
    """`view` times as much as the squares (N, 4), each from the level that shows it at about `size` pixels."""
    sides = squares[:, 2].clamp_min(1) * view / size
    numbers = sides.log2().round().long().clamp(0, len(levels) - 1)
    views = torch.empty(len(squares), 3, size, size)
    for number in numbers.unique().tolist():
        chosen = numbers == number
        scaled = squares[chosen] / torch.tensor([2**number, 2**number, 2**number, 1.0])
        views[chosen] = cut_squares(levels[number], scaled, size, view)
    return views.contiguous(memory_format=torch.channels_last)


def cut_squares(pixels: Tensor, squares: Tensor, size: int, view: float = 1.0, mode: str = "bilinear") -> Tensor:
    """`view` times as much as the squares (N, 4) from one picture (3, H, W): (N, 3, size, size)."""
    height, width = pixels.shape[1:]
    ticks = ((torch.arange(size) + 0.5) / size - 0.5) * view
    v, u = torch.meshgrid(ticks, ticks, indexing="ij")
    x, y, side, angle = (value[:, None, None] for value in squares.unbind(1))
    cos, sin = angle.cos() * side, angle.sin() * side
    grid = torch.stack([(x + u * cos - v * sin) / width, (y + u * sin + v * cos) / height], dim=-1) * 2 - 1
    source = pixels.expand(len(squares), -1, -1, -1)
    return F.grid_sample(source, grid, mode=mode, padding_mode="reflection", align_corners=False)
