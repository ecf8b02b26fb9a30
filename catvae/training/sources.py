"""Where faces come from: a parquet file, a folder, the Hub or Kaggle, as undecoded images."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from catvae.errors import DataError, ImageError
from catvae.images import to_face
from catvae.photos.decode import open_image

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"}


def try_decode(row: dict) -> np.ndarray | None:
    """A face as uint8 (64, 64, 3) from a row of undecoded images; None when it is broken."""
    try:
        return np.asarray(to_face(open_image(row["bytes"])))
    except ImageError:
        return None


def read_source(source: str, revision: str | None, column: str) -> dict[str, Iterator[tuple[str, bytes | Path]]]:
    """(name, undecoded image) of everything in the source: "validation", if it has that, then "train"."""
    if source.startswith("kaggle:"):
        return {"train": _read_folder(_download_from_kaggle(source.removeprefix("kaggle:")))}
    path = Path(source)
    if path.is_dir():
        return {"train": _read_folder(path)}
    if path.is_file():
        if path.suffix != ".parquet":
            raise DataError(f"{source}: not a .parquet file, a folder of images, a Hub dataset or a Kaggle handle")
        splits = load_rows(source, "parquet", column, data_files=source)
    else:
        if source.count("/") != 1 or source.startswith((".", "/", "~")) or path.suffix == ".parquet":
            raise DataError(f"{source}: no such file or folder")
        name, _, at_revision = source.partition("@")
        splits = load_rows(source, name, column, revision=revision or at_revision or None)
    return {name: _read_rows(splits[name], column) for name in ("validation", "train") if name in splits}


def _read_folder(folder: Path) -> Iterator[tuple[str, Path]]:
    return ((file.name, file) for file in find_images(folder))


def find_images(folder: Path) -> list[Path]:
    """All images under a folder, in order. Raises DataError when there is none."""
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in IMAGE_SUFFIXES)
    if not files:
        raise DataError(f"{folder}: no images in this folder (looked for {', '.join(sorted(IMAGE_SUFFIXES))})")
    return files


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


def _read_rows(rows: Any, column: str) -> Iterator[tuple[str, bytes]]:
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
