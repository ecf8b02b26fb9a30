"""Whether weights have learned from the very faces that they are measured on."""

import sys
from collections.abc import Iterable
from pathlib import Path

from torch import Tensor

from catvae.errors import DataError
from catvae.training.split import face_numbers, load_trained_on


def check_unseen(folders: Iterable[Path], images: Tensor, *, unseen: bool) -> None:
    """Say on stderr what the records beside the weights tell of uint8 faces (N, 3, 64, 64): how many of them the
    weights have learned from, or that they do not tell. Folders without weights are passed over.

    Raises DataError where the faces were to be `unseen` and are not, CheckpointError for a broken record.
    """
    numbers = set(face_numbers(images))
    seen: dict[str, int] = {}
    for folder in sorted(folder for folder in folders if (folder / "config.json").exists()):
        learned_from, unknown = load_trained_on(folder)
        seen[folder.name] = len(numbers & learned_from)
        if unknown:
            print(f"{folder.name}: learned from {unknown}; whether from these faces is not known", file=sys.stderr)
    said = "; ".join(
        f"{name} learned from {count} of these {len(images)} faces" for name, count in seen.items() if count
    )
    if said and unseen:
        raise DataError(f"{said}: the figures would say too much. --split all measures them as what they are")
    if said:
        print(said, file=sys.stderr)
