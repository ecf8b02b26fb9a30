"""The networks of mixes at full size as ONNX graphs, for `catvae/web/warp.js`."""

from pathlib import Path

import numpy as np
import torch

from catvae.browser.graphs import open_graph, save_graph
from catvae.errors import CheckpointError
from catvae.fullsize.movement import MOVEMENT_WEIGHTS, load_movement
from catvae.machine import to_memory_format
from catvae.photos.landmarks import SIDE, STANDARD, load_landmarks

LICENCE = MOVEMENT_WEIGHTS.with_name("WEIGHTS.md")
MAX_DIFFERENCE = 1e-3  # of landmarks and velocities, in sides


@torch.inference_mode()
def export_fullsize(folder: Path, pairs: torch.Tensor) -> float:
    """Write `landmarks.onnx` ("views" (N, 3, 96, 96) to (N, 3, 2)) and `movement.onnx` ("faces" (1, 2, 3, 64, 64) and
    "landmarks" (1, 2, 3, 2) to (1, 2, 32, 32)), each with its weights, and their licence, beside it; gives the
    largest difference from torch, in sides, on pairs of faces (N, 2, 3, 64, 64) in [0, 1].

    Raises CheckpointError where that is more than 1e-3, MissingPackageError without the packages that export.
    """
    views = torch.nn.functional.interpolate(pairs[:, 0], size=(SIDE, SIDE), mode="bilinear", align_corners=False)
    landmarks = to_memory_format(load_landmarks(), torch.contiguous_format)
    movement = to_memory_format(load_movement(), torch.contiguous_format)
    save_graph(landmarks, {"views": views[:2]}, (0,), folder / "landmarks.onnx", "fp16")
    places = torch.tensor(STANDARD) + 0.03 * torch.linspace(-1, 1, 12).view(1, 2, 3, 2)
    save_graph(movement, {"faces": pairs[:1], "landmarks": places}, (), folder / "movement.onnx", "fp16")
    (folder / LICENCE.name).write_bytes(LICENCE.read_bytes())
    found = open_graph(folder / "landmarks.onnx").run(None, {"views": views.numpy()})[0]
    largest = float(np.abs(found - landmarks(views).numpy()).max())
    session = open_graph(folder / "movement.onnx")
    for faces in pairs.split(1):
        moved = session.run(None, {"faces": faces.numpy(), "landmarks": places.numpy()})[0]
        largest = max(largest, float(np.abs(moved - movement(faces, places).numpy()).max()))
    if largest > MAX_DIFFERENCE:
        raise CheckpointError(f"landmarks or movement differ by {largest:.1e} of the side from torch")
    return largest
