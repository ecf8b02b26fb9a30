"""Whether weights have learned from the very faces that they are measured on."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from catvae.errors import DataError
from catvae.training.split import face_numbers, load_trained_on


def look_up(folders: Mapping[str, Path], images: Tensor) -> dict[str, tuple[int, str]]:
    """For each of the weights, by name, how many of the uint8 faces (N, 3, 64, 64) are on its record, and what it has
    learned from without a list of faces, or "". Raises CheckpointError for a record that is broken."""
    numbers, found = set(face_numbers(images)), {}
    for name, folder in folders.items():
        known, unknown = load_trained_on(folder)
        found[name] = len(numbers & known), unknown
    return found


def describe_seen(folders: Mapping[str, Path], images: Tensor) -> str:
    """What the records beside the weights, by name, say of uint8 faces (N, 3, 64, 64), in lines; "" for nothing."""
    said: dict[str, list[str]] = {}
    for name, (count, unknown) in look_up(folders, images).items():
        if count:
            said.setdefault(f"learned from {count} of these {len(images)} faces", []).append(name)
        if unknown:
            said.setdefault(f"learned from {unknown}; whether from these faces is not known", []).append(name)
    return "\n".join(f"{', '.join(names)} {what}" for what, names in said.items())


def require_unseen(folders: Mapping[str, Path], images: Tensor) -> None:
    """Raises DataError when any of the weights, by name, is known to have learned from any of the validation faces."""
    if seen := {name: count for name, (count, _) in look_up(folders, images).items() if count}:
        names, count = ", ".join(seen), max(seen.values())
        raise DataError(
            f"{names} learned from {count} of these {len(images)} validation faces, so that the figures would say too "
            "much: take faces that are new to it, or measure these as what they are with --split all"
        )
