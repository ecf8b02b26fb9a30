"""Where faces come from: a parquet file, a folder, the Hub or Kaggle, as undecoded images."""

import glob
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from catvae.errors import DataError, ImageError
from catvae.images import to_face
from catvae.photos.decode import FORMATS, is_picture, open_image

Rows = Iterator[tuple[str, bytes | str | Path | None]]  # names and undecoded images; None for an empty row
HIDDEN = (".", "__MACOSX")  # beginnings of names: what systems put beside pictures


def try_decode(row: dict | None) -> np.ndarray | None:
    """A face as uint8 (64, 64, 3) from a row of undecoded images; None when it is broken or empty."""
    try:
        return np.asarray(to_face(open_image(_content(row))))
    except ImageError:
        return None


def read_source(source: str, revision: str | None, column: str) -> tuple[dict[str, Rows], str]:
    """Everything in the source: "validation", if it has that, then "train"; and of a folder what files it holds.

    Raises DataError when the source is missing, unreadable or lacks the column.
    """
    path = Path(source)
    if source.startswith("kaggle:"):
        path = _download_from_kaggle(source.removeprefix("kaggle:"))
    if path.is_dir():
        images, others = list_files(path)
        return {"train": ((file.name, file) for file in images)}, describe_kinds(images, others)
    if path.is_file():
        if path.suffix.lower() != ".parquet":
            raise DataError(f"{source}: not a .parquet file, a folder of images, a Hub dataset or a Kaggle handle")
        splits = load_rows(source, "parquet", column, data_files=glob.escape(source))
    else:
        if source.count("/") != 1 or source.startswith((".", "/", "~")) or path.suffix.lower() == ".parquet":
            raise DataError(f"{source}: no such file or folder")
        name, _, at_revision = source.partition("@")
        splits = load_rows(source, name, column, revision=revision or at_revision or None)
    return {name: _read_rows(splits[name], column) for name in ("validation", "train") if name in splits}, ""


def list_files(folder: Path) -> tuple[list[Path], list[Path]]:
    """The images under a folder and its other files, each in order; hidden ones are in neither.

    Raises DataError when there is no image, or no folder.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    images, others = [], []
    for file in sorted(folder.rglob("*")):
        if file.is_file() and not any(part.startswith(HIDDEN) for part in file.relative_to(folder).parts):
            (images if is_picture(file) else others).append(file)
    if not images:
        left_out = f"; it has {count_kinds(others)}" if others else ""
        raise DataError(f"{folder}: no images in this folder (looked for {', '.join(FORMATS)}{left_out})")
    return images, others


def describe_kinds(images: list[Path], others: list[Path]) -> str:
    """Such as "9 jpg, 3 heic; left out 2 mov"."""
    return count_kinds(images) + (f"; left out {count_kinds(others)}" if others else "")


def count_kinds(files: list[Path]) -> str:
    """Such as "9 jpg, 3 heic": files by the ends of their names, the most frequent first."""
    kinds = Counter(file.suffix.lower().removeprefix(".") or "without suffix" for file in files)
    return ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())


def load_rows(source: str, dataset: str, column: str, **options) -> dict:
    """The splits of a dataset, with undecoded images in `column`."""
    import datasets  # slow to import, and not needed for folders

    try:
        splits = datasets.load_dataset(dataset, **options)
    except Exception as error:  # the library raises its own, pyarrow's and the Hub client's errors
        raise DataError(f"{source}: cannot be read as a dataset ({error})") from error
    if "train" not in splits:
        raise DataError(f"{source}: no split named train; it has {', '.join(splits)}")
    names = splits["train"].column_names or []
    if column not in names:
        raise DataError(f"{source}: no column {column!r}; it has {', '.join(names)}")
    try:
        return splits.cast_column(column, datasets.Image(decode=False))
    except Exception as error:
        raise DataError(f"{source}: column {column!r} does not hold images ({error})") from error


def _read_rows(rows: Any, column: str) -> Rows:
    for index, row in enumerate(rows):
        yield (row[column] or {}).get("path") or f"row {index}", _content(row[column])


def _content(row: dict | None) -> bytes | str | None:
    """The undecoded image of a row, or the path to it."""
    return (row["bytes"] or row["path"]) if row else None


def _download_from_kaggle(handle: str) -> Path:
    try:
        import kagglehub
    except ImportError as error:
        raise DataError(f"kaggle:{handle}: needs the package kagglehub: pip install kagglehub") from error
    try:
        return Path(kagglehub.dataset_download(handle))
    except Exception as error:  # network, credentials, unknown handle: kagglehub has no common base
        raise DataError(f"kaggle:{handle}: download failed ({error})") from error
