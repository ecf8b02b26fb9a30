"""How faces of different cats move, read off the straight paths of models: what `catvae.training.movement` learns from.

The landmarks first; then the optical flow along a path of v4, which keeps little more than pose and coat, and between
what has come together so far along one of v6.
"""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from catvae.errors import MissingPackageError
from catvae.fullsize.composition import blur, resize
from catvae.fullsize.movement import GRID, centres, flow, landmark_velocity, sample
from catvae.model import IMAGE_SIZE, CatVAE, load_variant

TEACHERS = "v4", "v6"
SIDE = 128  # pixels, at which flow is looked for
FRAMES = 9
SMOOTH, LAST_SMOOTH = 2.5, 3.0  # pixels, of the flow from frame to frame and of all together


def open_flow():  # noqa: ANN201  OpenCV is an optional package
    """OpenCV's dense inverse search (Kroeger et al. 2016, https://arxiv.org/abs/1603.03590).

    Raises MissingPackageError without OpenCV.
    """
    try:
        import cv2  # pyright: ignore[reportMissingImports]  # an extra
    except ImportError as error:
        raise MissingPackageError(
            f"movements are read off with OpenCV ({error}): pip install 'opencv-python-headless<5'"
        ) from error
    finder = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    finder.setFinestScale(1)
    finder.setVariationalRefinementIterations(5)
    return finder


def along_path(finder, model: CatVAE, pair: Tensor) -> list[Tensor]:
    """Displacements (1, 2, 128, 128), in sides, from half way between a pair of faces (2, 3, 64, 64) to each."""
    mu = model.encode(pair)[0]
    frames = resize(model.decode(torch.lerp(mu[0], mu[1], torch.linspace(0, 1, FRAMES)[:, None])), SIDE).mean(1)
    frames = frames - frames.mean((1, 2), keepdim=True)
    grey = (frames / frames.std((1, 2), keepdim=True) * 48 + 128).clamp(0, 255).byte().numpy()
    middle, found = FRAMES // 2, []
    for numbers in (range(middle, -1, -1), range(middle, FRAMES)):
        total = torch.zeros(1, 2, SIDE, SIDE)
        for here, there in pairwise(numbers):
            step = torch.from_numpy(finder.calc(grey[here], grey[there], None)).permute(2, 0, 1)[None] / SIDE
            total = total + sample(blur(step, SMOOTH), centres(SIDE) + total)
        found.append(total)
    return found


@torch.inference_mode()
def read_movement(finder, models: list[CatVAE], faces: Tensor, landmarks: Tensor) -> Tensor:
    """The velocities (2, 32, 32) between faces (2, 3, 64, 64) in [0, 1] with landmarks (2, 3, 2)."""
    velocity = landmark_velocity(landmarks[:1], landmarks[1:])
    begun = [resize(flow(velocity, torch.tensor([time])), SIDE) for time in (-0.5, 0.5)]
    moved = list(begun)
    large = F.interpolate(faces, size=(SIDE, SIDE), mode="bicubic", align_corners=False)
    for model in models:
        near = torch.cat([sample(large[i : i + 1], centres(SIDE) + moved[i], "reflection") for i in (0, 1)])
        near = F.interpolate(near, size=(IMAGE_SIZE, IMAGE_SIZE), mode="area").clamp(0, 1)
        further = along_path(finder, model, near)
        moved = [one + sample(before, centres(SIDE) + one) for before, one in zip(moved, further, strict=True)]
    rest = (moved[1] - begun[1]) - (moved[0] - begun[0])
    return (velocity + F.interpolate(blur(rest, LAST_SMOOTH), size=(GRID, GRID), mode="area"))[0]


def make_pairs(sources: list[tuple[Tensor, Tensor]], count: int) -> dict[str, Tensor]:
    """`count` random pairs of uint8 faces (N, 3, 64, 64) with landmarks (N, 3, 2), in turns from each source:
    "faces" (count, 2, 3, 64, 64), "landmarks" (count, 2, 3, 2) and "velocity" (count, 2, 32, 32) in fp16."""
    finder, models = open_flow(), [load_variant(name) for name in TEACHERS]
    rows = []
    for number in range(count):
        faces, landmarks = sources[number % len(sources)]
        chosen = torch.randint(len(faces), (2,))
        pair, places = faces[chosen], landmarks[chosen]
        rows.append((pair, places, read_movement(finder, models, pair.float() / 255, places).half()))
        if (number + 1) % 200 == 0:
            print(f"{number + 1}/{count} pairs", flush=True)
    return dict(zip(("faces", "landmarks", "velocity"), map(torch.stack, zip(*rows, strict=True)), strict=True))
