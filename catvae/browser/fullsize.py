"""The network that moves faces in mixes at full size as an ONNX graph, for `catvae/fullsize/warp.js`."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from catvae.browser.graphs import open_graph, save_graph
from catvae.errors import CheckpointError
from catvae.fullsize.movement import WEIGHTS, load_movement
from catvae.photos.landmarks import STANDARD

LICENCE = WEIGHTS.with_name("WEIGHTS.md")
MAX_DIFFERENCE = 1e-3  # of velocities, in sides


@torch.inference_mode()
def export_movement(path: Path, pairs: Tensor) -> float:
    """Write the graph `path` (.onnx), "faces" (1, 2, 3, 64, 64) and "landmarks" (1, 2, 3, 2) to (1, 2, 32, 32), its
    weights and their licence beside it; gives the largest difference from torch, in sides, on pairs of faces
    (N, 2, 3, 64, 64) in [0, 1].

    Raises CheckpointError where that is more than 1e-3, MissingPackageError without the packages that export.
    """
    network = load_movement().to(memory_format=torch.contiguous_format)
    places = torch.tensor(STANDARD) + 0.03 * torch.linspace(-1, 1, 12).view(1, 2, 3, 2)
    save_graph(network, {"faces": pairs[:1], "landmarks": places}, (), path, "fp16")
    path.with_name(LICENCE.name).write_bytes(LICENCE.read_bytes())
    session, largest = open_graph(path), 0.0
    for faces in pairs.split(1):
        moved = np.asarray(session.run(None, {"faces": faces.numpy(), "landmarks": places.numpy()})[0])
        largest = max(largest, float(np.abs(moved - network(faces, places).numpy()).max()))
    if largest > MAX_DIFFERENCE:
        raise CheckpointError(f"the movement differs by {largest:.1e} of the side from torch")
    return largest
