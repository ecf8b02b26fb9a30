"""Where faces come from: a parquet file, a folder, the Hub or Kaggle, as undecoded images."""

import glob
import os
import zlib
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import IO, Any
from warnings import warn
from zipfile import BadZipFile, ZipFile

import fsspec
import numpy as np

from catvae.download import cache_advice
from catvae.errors import DataError, ImageError, describe
from catvae.images import to_face
from catvae.photos.decode import FORMATS, MAX_MEGABYTES, is_picture, open_image

Rows = Iterator[tuple[str, Path | dict | None]]  # names, and files or rows with undecoded images
HIDDEN = (".", "__MACOSX")  # beginnings of names: what systems put beside pictures


def try_decode(row: dict | None) -> np.ndarray | None:
    """A face as uint8 (64, 64, 3) from a row of undecoded images; None when it is broken or empty."""
    try:
        return np.asarray(to_face(open_image(read_content(row))))
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
        name, _, at_revision = source.partition("@")
        if name.count("/") != 1 or name.startswith((".", "/", "~")) or name.lower().endswith(".parquet"):
            raise DataError(f"{source}: no such file or folder")
        splits = load_rows(source, name, column, revision=revision or at_revision or None)
    return {name: _read_rows(splits[name], column) for name in ("validation", "train") if name in splits}, ""


def list_files(folder: Path) -> tuple[list[Path], list[Path]]:
    """The images under a folder and its other files, each in order; hidden ones are in neither.

    Links to folders are followed, each folder counts once. Raises DataError when there is no image, or no folder.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    images, others = [], []
    for file in sorted(_walk(folder)):
        if os.path.isfile(file):  # no link to nothing, and nothing that must not be looked at
            (images if is_picture(file) else others).append(file)
    if not images:
        left_out = f"; it has {count_kinds(others)}" if others else ""
        raise DataError(f"{folder}: no images in this folder (looked for {', '.join(FORMATS)}{left_out})")
    return images, others


def _walk(folder: Path) -> Iterator[Path]:
    """All that is no folder under a folder, and under those to which links in it lead, but for hidden ones."""
    seen, todo = set(Path(os.path.realpath(folder)).parents), [folder]  # a link upwards would bring in its neighbours
    for top in todo:  # what is there itself comes before links to it
        for place, folders, names in os.walk(top, onerror=_leave_out):
            if (real := Path(os.path.realpath(place))) in seen:
                folders.clear()
                continue
            seen.add(real)
            folders[:] = sorted(name for name in folders if not name.startswith(HIDDEN))
            todo += [link for name in folders if (link := Path(place, name)).is_symlink()]
            yield from (Path(place, name) for name in names if not name.startswith(HIDDEN))


def _leave_out(error: OSError) -> None:
    warn(f"left out: {describe(error, doing='read')}", stacklevel=4)


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
        raise DataError(f"{source}: cannot be read as a dataset ({error}){cache_advice(error)}") from error
    if "train" not in splits:
        raise DataError(f"{source}: no split named train; it has {', '.join(splits)}")
    names = splits["train"].column_names or []
    if column not in names:
        raise DataError(f"{source}: no column {column!r}; it has {', '.join(names)}")
    try:
        splits = splits.cast_column(column, datasets.Image(decode=False))
    except Exception as error:
        raise DataError(f"{source}: column {column!r} does not hold images ({error})") from error
    return {name: rows.decode(False) for name, rows in splits.items()} if options.get("streaming") else splits


def _read_rows(rows: Any, column: str) -> Rows:
    for index, row in enumerate(rows):
        yield (row[column] or {}).get("path") or f"row {index}", row[column]


def read_content(row: Path | dict | None) -> Path | bytes | str | None:
    """The undecoded image of a row, or the path to it. Raises ImageError for one in a broken archive."""
    if row is None or isinstance(row, Path):
        return row
    if row["bytes"] or "://" not in (row["path"] or ""):
        return row["bytes"] or row["path"]
    inner, _, archive = row["path"].partition("::")
    try:
        with _open_zip(archive).open(inner.removeprefix("zip://")) if archive else open_url(inner) as file:
            return file.read(int(MAX_MEGABYTES * 1e6) + 1)  # more than that `open_image` refuses
    except (BadZipFile, zlib.error, EOFError, KeyError, NotImplementedError) as error:
        raise ImageError("unreadable", f"{row['path']}: not readable ({error})") from error


def open_url(path: str) -> IO[bytes]:
    """A file here or on the Hub, as `datasets` names it."""
    filesystem, inner = fsspec.url_to_fs(path)
    return filesystem.open(inner)


@lru_cache(maxsize=4)
def _open_zip(path: str) -> ZipFile:
    """An archive here or on the Hub, whose list of contents is read once. Raises DataError for an encrypted one."""
    archive = ZipFile(open_url(path))
    if any(entry.flag_bits & 1 for entry in archive.infolist()):
        raise DataError(f"{path}: has a password; unpack it and name the folder")
    return archive


def _download_from_kaggle(handle: str) -> Path:
    try:
        import kagglehub  # pyright: ignore[reportMissingImports]  # an extra
    except ImportError as error:
        raise DataError(f"kaggle:{handle}: needs the package kagglehub: pip install kagglehub") from error
    try:
        return Path(kagglehub.dataset_download(handle))
    except Exception as error:  # network, credentials, unknown handle: kagglehub has no common base
        raise DataError(f"kaggle:{handle}: download failed ({error})") from error
