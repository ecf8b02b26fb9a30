"""Which faces are learned from and which are held out: told by their pixels, so that a set may change.

A face is known by a number, the first 8 bytes of the SHA-256 of its pixels. The numbers of the published
set, whose split was drawn before this rule, are in `published_split.safetensors`: those sides stay.
"""

import hashlib
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from catvae.errors import CheckpointError
from catvae.files import read_json, replacing

PUBLISHED = Path(__file__).with_name("published_split.safetensors")  # "train" and "validation", int64, in order
PUBLISHED_FINGERPRINT = "db1d227acf3cc7c7"
FEWEST = 16  # faces held out of a small set
TRAINED_ON = "trained_on.safetensors"  # beside weights: the numbers of the faces that they have learned from


def face_numbers(pixels: np.ndarray | Tensor) -> list[int]:
    """The numbers of uint8 faces, (N, 64, 64, 3) as an array or (N, 3, 64, 64) as a tensor."""
    rows = pixels if isinstance(pixels, np.ndarray) else pixels.permute(0, 2, 3, 1).contiguous().numpy()
    return [int.from_bytes(hashlib.sha256(row.tobytes()).digest()[:8], "big", signed=True) for row in rows]


@lru_cache(maxsize=1)
def published_split() -> dict[str, dict[int, int]]:
    """Of "train" and "validation" of the published set: number → place. Copies that were left out come last."""
    return {side: {n: i for i, n in enumerate(numbers.tolist())} for side, numbers in load_file(PUBLISHED).items()}


def split_groups(groups: list[list[int]], fraction: float) -> tuple[list[int], list[int]]:
    """Indices of the groups of copies for training and for validation, each in an order told by the numbers.

    A group holds the numbers of its faces, the one that is kept first. About `fraction` of the groups is held
    out: those whose every number falls there, so that a copy that is added never moves a face that was
    learned from into validation. A set too small for that holds out 16 groups, or a fifth, those nearest to it
    of which the published set holds none for training; both sides get at least one.
    """
    published = published_split()
    edge = -(2**63) + round(fraction * 2**64)

    def held_out(number: int) -> bool:
        return number in published["validation"] or (number not in published["train"] and number < edge)

    def order(index: int) -> tuple[bool, int]:
        number = groups[index][0]
        place = published["train"].get(number, published["validation"].get(number))
        return place is None, number if place is None else place

    held = [all(map(held_out, group)) for group in groups]
    free = [i for i, group in enumerate(groups) if not held[i] and not any(n in published["train"] for n in group)]
    free = sorted(free or range(len(groups)), key=lambda i: groups[i][0])
    wanted = max(1, min(FEWEST, len(groups) // 5))
    for index in free[: max(0, wanted - sum(held))]:
        held[index] = True
    if all(held):
        held[max(range(len(groups)), key=lambda i: groups[i][0])] = False
    train, validation = (sorted((i for i, h in enumerate(held) if h is side), key=order) for side in (False, True))
    return train, validation


def save_trained_on(folder: Path, numbers: Tensor | None, start: Path | None) -> None:
    """Write which faces the weights in `folder` learn from: int64 `numbers`, and those of the weights in `start`
    that they go on from, if any. Of a stream the numbers are None: not known, as those of a start without a record.
    """
    known, unknown = load_trained_on(start) if start else (set(), "")
    known |= set() if numbers is None else set(numbers.tolist())
    content = {"numbers": torch.tensor(sorted(known), dtype=torch.int64)}
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / TRAINED_ON) as partial:
        save_file(content, partial, metadata={"unknown": unknown or ("a stream" if numbers is None else "")})


def load_trained_on(folder: Path) -> tuple[set[int], str]:
    """The numbers of the faces that weights have learned from, and what else they have learned from without a
    list of its faces, or "". Raises CheckpointError for a record that cannot be read."""
    path = folder / TRAINED_ON
    try:
        with safe_open(path, "pt") as file:
            return set(file.get_tensor("numbers").tolist()), (file.metadata() or {}).get("unknown", "")
    except FileNotFoundError:
        pass
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path}: broken ({error}); train anew, or delete it") from error
    record = read_json(folder / "metrics.json") if (folder / "metrics.json").exists() else {}
    data = record.get("training", {}).get("data", {})
    if data.get("fingerprint") == PUBLISHED_FINGERPRINT:
        return set(published_split()["train"]), ""
    return set(), data.get("source", "data that is not on record")
