"""Cat faces from a parquet file, a folder, the Hub or Kaggle, without copies, split, in memory.

41 % of the published set are exact copies, so a split by file leaks: here copies go first, and
what remains is split by group with a fixed seed.
"""

import hashlib
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from catvae.images import ImageError, open_image, to_face

PUBLISHED_DATASET = "kaggle:spandan2/cats-faces-64x64-for-generative-models"
IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"}
NEAR_COPY_CORRELATION = 0.985  # of 16×16 grey thumbnails; copies saved twice as JPEG reach 0.99
VALIDATION_FRACTION = 0.06


class DataError(ValueError):
    """A source of faces that cannot be used; the message names the thing and what to do."""


@dataclass(frozen=True)
class DataReport:
    """What `load_faces` read, removed and kept, in images."""

    source: str
    read: int
    broken: int
    exact_copies: int
    near_copies: int
    train: int
    validation: int
    fingerprint: str  # of the training pixels, in order

    def __str__(self) -> str:
        return (
            f"{self.source}: {self.read} images read, {self.broken} broken skipped, "
            f"{self.exact_copies} exact and {self.near_copies} near copies removed, "
            f"{self.train} for training, {self.validation} for validation"
        )

    as_dict = asdict


@dataclass(frozen=True)
class Faces:
    """Distinct faces as uint8 tensors (N, 3, 64, 64), and the report of how they came about."""

    train: Tensor
    validation: Tensor
    report: DataReport

    def split(self, name: str) -> Tensor:
        """The faces of "train", "validation" or "all". Raises DataError for another name."""
        splits = {"train": [self.train], "validation": [self.validation], "all": [self.train, self.validation]}
        if name not in splits:
            raise DataError(f"split must be one of {sorted(splits)}, not {name!r}")
        return torch.cat(splits[name])


def load_faces(
    source: str | Path,
    *,
    revision: str | None = None,
    column: str = "image",
    limit: int | None = None,
    validation_fraction: float = VALIDATION_FRACTION,
    seed: int = 0,
) -> Faces:
    """Load, de-duplicate and split faces.

    `source` is a .parquet file, a folder of images (searched recursively), a Hub dataset
    "owner/name" (with `revision`, or as "owner/name@revision") or "kaggle:owner/name". `limit`
    reads only that many images. Of each group of copies the first stays. The split depends on
    `seed` alone, so that evaluation later finds the same validation faces.

    Raises DataError when the source is missing, unreadable, empty or lacks the column.
    """
    faces, broken = [], []
    for name, content in _read_source(str(source), revision, column):
        if limit is not None and len(faces) >= limit:
            break
        try:
            faces.append(np.asarray(to_face(open_image(content))))
        except ImageError as error:
            broken.append(f"{name}: {error}")
    if broken:
        warnings.warn(f"{source}: skipped {len(broken)} broken images, the first {broken[0]}", stacklevel=2)
    if len(faces) < 2:
        raise DataError(f"{source}: {len(faces)} readable images found; training and validation need at least 2")

    pixels = np.stack(faces)
    distinct = pixels[_first_of_each([hashlib.sha256(face).digest() for face in pixels])]
    kept = distinct[_first_of_each(near_copy_groups(distinct))]
    if len(kept) < 2:
        raise DataError(f"{source}: all {len(pixels)} images are copies of one; at least 2 different ones are needed")

    order = np.random.default_rng(seed).permutation(len(kept))
    tensor = torch.from_numpy(kept[order]).permute(0, 3, 1, 2).contiguous()
    held_out = min(max(1, round(len(kept) * validation_fraction)), len(kept) - 1)
    report = DataReport(
        source=Path(source).name if Path(source).exists() else str(source),
        read=len(pixels) + len(broken),
        broken=len(broken),
        exact_copies=len(pixels) - len(distinct),
        near_copies=len(distinct) - len(kept),
        train=len(kept) - held_out,
        validation=held_out,
        fingerprint=hashlib.sha256(tensor[held_out:].numpy()).hexdigest()[:16],
    )
    return Faces(train=tensor[held_out:], validation=tensor[:held_out], report=report)


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


def _first_of_each(labels: list) -> list[int]:
    first: dict = {}
    for index, label in enumerate(labels):
        first.setdefault(label, index)
    return list(first.values())


def _read_source(source: str, revision: str | None, column: str) -> Iterator[tuple[str, bytes | Path]]:
    """(name, undecoded image) of everything in the source."""
    if source.startswith("kaggle:"):
        return _read_folder(_download_from_kaggle(source.removeprefix("kaggle:")))
    path = Path(source)
    if path.is_dir():
        return _read_folder(path)
    if path.is_file():
        if path.suffix != ".parquet":
            raise DataError(f"{source}: not a .parquet file, a folder of images, a Hub dataset or a Kaggle handle")
        return _read_rows(source, "parquet", column, data_files=source)
    if source.count("/") != 1 or source.startswith((".", "/", "~")) or path.suffix == ".parquet":
        raise DataError(f"{source}: no such file or folder")
    name, _, at_revision = source.partition("@")
    return _read_rows(source, name, column, revision=revision or at_revision or None)


def _read_folder(folder: Path) -> Iterator[tuple[str, Path]]:
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in IMAGE_SUFFIXES)
    if not files:
        raise DataError(f"{folder}: no images in this folder (looked for {', '.join(sorted(IMAGE_SUFFIXES))})")
    return ((file.name, file) for file in files)


def _read_rows(source: str, dataset: str, column: str, **options) -> Iterator[tuple[str, bytes]]:
    import datasets  # slow to import, and not needed for folders

    try:
        rows = datasets.load_dataset(dataset, split="train", **options)
    except Exception as error:  # the library raises its own, pyarrow's and the Hub client's errors
        raise DataError(f"{source}: cannot be read as a dataset ({error})") from error
    if column not in rows.column_names:
        raise DataError(f"{source}: no column {column!r}; it has {', '.join(rows.column_names)}")
    try:
        rows = rows.cast_column(column, datasets.Image(decode=False))
    except Exception as error:
        raise DataError(f"{source}: column {column!r} does not hold images ({error})") from error
    return (
        (row[column]["path"] or f"row {index}", row[column]["bytes"] or row[column]["path"])
        for index, row in enumerate(rows)
        if row[column]
    )


def _download_from_kaggle(handle: str) -> Path:
    try:
        import kagglehub
    except ImportError as error:
        raise DataError(f"kaggle:{handle}: needs the package kagglehub: pip install kagglehub") from error
    try:
        return Path(kagglehub.dataset_download(handle))
    except Exception as error:  # network, credentials, unknown handle: kagglehub has no common base
        raise DataError(f"kaggle:{handle}: download failed ({error})") from error
