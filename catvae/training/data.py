"""Cat faces from a parquet file, a folder, the Hub or Kaggle, without copies, split, in memory.

41 % of the published set are exact copies, so a split by file leaks: here copies go first, and
what remains is split by group, as its pixels say. A Hub dataset that has a validation split keeps
it, and may be streamed.
"""

import hashlib
import os
import warnings
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from catvae.errors import DataError, ImageError
from catvae.images import to_face
from catvae.model import IMAGE_SIZE
from catvae.photos.decode import open_image
from catvae.training.faces import DataReport, Faces, FaceStream
from catvae.training.sources import Rows, load_rows, read_content, read_source, try_decode
from catvae.training.split import face_numbers, split_groups

PUBLISHED_DATASET = "kaggle:spandan2/cats-faces-64x64-for-generative-models"
NEAR_COPY_CORRELATION = 0.985  # of 16×16 grey thumbnails; copies saved twice as JPEG reach 0.99
VALIDATION_FRACTION = 0.06
STREAMED_VALIDATION = 2048  # faces; they are held in memory and measured after every epoch


def load_faces(
    source: str | Path,
    *,
    revision: str | None = None,
    column: str = "image",
    limit: int | None = None,
    validation_fraction: float = VALIDATION_FRACTION,
) -> Faces:
    """Load, de-duplicate and split faces.

    `source` is a .parquet file, a folder of images (searched recursively), a Hub dataset
    "owner/name" (with `revision`, or as "owner/name@revision") or "kaggle:owner/name". `limit`
    reads only that many images. Of each group of copies the first stays. The split follows the pixels
    (`split_groups`), so that faces added or removed later move no other; a Hub dataset with a split
    named "validation" keeps its own, and loses training faces that are copies of those.

    Raises DataError when the source is missing, unreadable, empty or lacks the column.
    """
    splits, files = read_source(str(source), revision, column)
    faces, held_out, broken = _decode_rows(str(source), splits, limit, validation_fraction, is_folder=bool(files))
    if len(faces) < 2:
        raise DataError(f"{source}: {len(faces)} readable images found; training and validation need at least 2")

    pixels = np.stack(faces)
    numbers = face_numbers(pixels)
    distinct = sorted(np.unique(numbers, return_index=True)[1].tolist())  # the first of each
    copies: dict[int, list[int]] = {}  # of each distinct face that stays
    for index, group in zip(distinct, near_copy_groups(pixels[distinct]), strict=True):
        copies.setdefault(group, []).append(index)
    kept = [group[0] for group in copies.values()]
    if len(kept) < 2:
        raise DataError(f"{source}: all {len(pixels)} images are copies of one; at least 2 different ones are needed")

    groups = [[numbers[i] for i in group] for group in copies.values()]
    if any(held_out):
        train, validation = ([i for i, index in enumerate(kept) if held_out[index] is held] for held in (False, True))
        if not train:
            raise DataError(f"{source}: no training face is left that is no copy of a validation face")
    else:
        train, validation = split_groups(groups, validation_fraction)
    trained_on = torch.tensor([number for i in train for number in groups[i]], dtype=torch.int64)
    train, validation = ([kept[i] for i in chosen] for chosen in (train, validation))
    tensors = {name: _to_tensor(pixels[chosen]) for name, chosen in (("train", train), ("validation", validation))}
    report = DataReport(
        source=os.fsencode(Path(source).name if Path(source).exists() else source).decode(errors="backslashreplace"),
        read=len(pixels) + broken,
        broken=broken,
        exact_copies=len(pixels) - len(distinct),
        near_copies=len(distinct) - len(kept),
        train=len(train),
        validation=len(validation),
        fingerprint=hashlib.sha256(tensors["train"].numpy().data).hexdigest()[:16],
        files=files,
    )
    return Faces(**tensors, report=report, trained_on=trained_on)


def _decode_rows(
    source: str, splits: dict[str, Rows], limit: int | None, validation_fraction: float, is_folder: bool
) -> tuple[list[np.ndarray], list[bool], int]:
    """Faces (64, 64, 3), whether each is of a split "validation", and how many images are broken; it warns of those,
    and of pictures that are not cut yet."""
    faces, held_out, broken, squared = [], [], [], 0
    for split, rows in splits.items():
        quota = limit
        if limit is not None and len(splits) > 1:
            for_validation = max(1, round(limit * validation_fraction))
            quota = for_validation if split == "validation" else limit - for_validation
        for name, content in islice(rows, quota):
            try:
                image = open_image(read_content(content))
                faces.append(np.asarray(to_face(image)))
                held_out.append(split == "validation")
                squared += image.size != (IMAGE_SIZE, IMAGE_SIZE)
            except ImageError as error:
                broken.append(f"{name}: {error}")
    if broken:
        warnings.warn(f"{source}: skipped {len(broken)} broken images, the first {broken[0]}", stacklevel=3)
    if squared:
        advice = f"; the cats' faces are cut by: python -m catvae cut {source} OUT" if is_folder else ""
        warnings.warn(
            f"{source}: {squared} of {len(faces)} pictures are not 64×64: their middles are taken{advice}", stacklevel=3
        )
    return faces, held_out, len(broken)


def stream_faces(source: str, *, revision: str | None = None, column: str = "image") -> Faces:
    """Faces of a Hub dataset with splits "train" and "validation", the training faces as a stream.

    Nothing is de-duplicated: that takes all faces at once, and `python -m catvae push-data` has
    done it. Of the validation faces the first 2,048 are read. The commit is looked up once, so
    that every epoch reads the same faces.

    Raises DataError when the dataset cannot be read, lacks a split or does not tell its size.
    """
    from huggingface_hub import HfApi

    name, _, at_revision = source.partition("@")
    try:
        commit = HfApi().dataset_info(name, revision=revision or at_revision or None, timeout=30).sha
    except Exception as error:  # the client has no common base for its errors
        raise DataError(f"{source}: not a Hub dataset that can be streamed ({error})") from error
    rows = load_rows(source, name, column, revision=commit, streaming=True)
    advice = "push one with: python -m catvae push-data SOURCE OWNER/NAME"
    if "validation" not in rows:
        raise DataError(f"{source}: streaming needs a set with splits train and validation; {advice}")
    size = (rows["train"].info.splits or {}).get("train")
    if not size or not size.num_examples:
        raise DataError(f"{source}: the dataset card does not tell how many faces there are; {advice}")
    faces = [try_decode(row[column]) for row in rows["validation"].take(STREAMED_VALIDATION)]
    readable = [face for face in faces if face is not None]
    if not readable:
        raise DataError(f"{source}: none of {len(faces)} validation images is readable")
    validation = np.stack(readable)
    report = DataReport(
        source=source,
        read=size.num_examples + len(faces),
        broken=len(faces) - len(validation),
        exact_copies=0,
        near_copies=0,
        train=size.num_examples,
        validation=len(validation),
        fingerprint=commit or "",
    )
    return Faces(FaceStream(rows["train"], column, size.num_examples), _to_tensor(validation), report)


def near_copy_groups(pixels: np.ndarray, chunk: int = 1024) -> list[int]:
    """A group number for each of the uint8 images (N, 64, 64, 3): near copies share one.

    Near copies are chained pairs whose 16×16 grey thumbnails, or the mirror image of one of them
    (training flips), correlate above 0.985. Memory is chunk × N; time grows with N².
    """
    thumbnails = pixels.reshape(len(pixels), 16, 4, 16, 4, 3).mean(axis=(2, 4, 5), dtype=np.float32)
    thumbnails -= thumbnails.mean(axis=(1, 2), keepdims=True)
    thumbnails /= np.linalg.norm(thumbnails, axis=(1, 2), keepdims=True) + 1e-6
    flat, mirrored = (t.reshape(len(pixels), -1) for t in (thumbnails, thumbnails[:, :, ::-1]))

    parent = list(range(len(pixels)))  # union-find

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = i = parent[parent[i]]
        return i

    for start in range(0, len(pixels), chunk):
        rows = flat[start : start + chunk]
        similar = np.maximum(rows @ flat.T, rows @ mirrored.T) > NEAR_COPY_CORRELATION
        for i, j in zip(*np.nonzero(similar), strict=True):
            a, b = sorted((root(start + int(i)), root(int(j))))
            parent[b] = a
    return [root(i) for i in range(len(pixels))]


def _to_tensor(pixels: np.ndarray) -> Tensor:
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous()
