"""A folder of photos to a folder of faces, 64×64, and a page to look at them all before training."""

import argparse
import hashlib
import os
import shlex
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TextIO

import torch
from jinja2 import Template
from PIL import Image
from tqdm import tqdm

from catvae.errors import DataError, ImageError
from catvae.files import read_json, replacing, sweep, write_json, writing
from catvae.images import data_uri, is_cut
from catvae.model import IMAGE_SIZE
from catvae.photos.decode import open_image
from catvae.photos.faces import SURE, align, find_faces
from catvae.photos.networks import load_classifier, load_networks
from catvae.training.progress import locked
from catvae.training.sources import describe_kinds, list_files
from catvae.training.start import ON_PHOTOS

RECORD = ".cut.json"  # what was found in each photo; hidden, so that no folder of images shows it
SHEET = "faces.html"
TEMPLATE = Path(__file__).with_name("cut.html")
MIN_SIDE = 32  # pixels of a face in its photo: smaller ones would teach blur
SHOWN = 96  # pixels of a photo that is left out, on the page
SAVE_EVERY_S = 10
MAX_NAME = 229  # bytes of a photo's name; its faces' names, unfinished, are up to 26 longer, and 255 is the most


@dataclass(frozen=True)
class CutReport:
    """What `cut_folder` found, in photos, and in faces that lie in the folder."""

    folder: str
    files: str  # how many of which kind
    photos: int
    new: int  # of them, that an earlier call had not looked at, or that have changed
    already_cut: int  # faces that came as pictures of 64×64
    faces: int
    deleted: int  # by hand, since they were cut
    too_small: int  # faces under 32 pixels
    without_cat: int
    unreadable: int
    per_second: float | None  # photos, of those looked at now

    def __str__(self) -> str:
        speed = f", {self.per_second:.1f} photos/s" if self.per_second else ""
        return (
            f"{self.folder}: {self.photos} photos ({self.files}), {self.new} of them new: {self.faces} faces, "
            f"{self.already_cut} of them 64×64 already, {self.deleted} deleted by hand; "
            f"left out: {self.without_cat} without a cat, {self.too_small} faces under {MIN_SIDE} pixels, "
            f"{self.unreadable} unreadable{speed}"
        )


def add_cut(commands: argparse._SubParsersAction) -> None:
    """The command `cut`."""
    command = commands.add_parser("cut", help="cut the cats' faces from a folder of photos, to train on")
    command.add_argument("folder", type=Path)
    command.add_argument("out", type=Path, help="a new folder, or one to go on with")
    command.add_argument(
        "--cut", default="auto", choices=["auto", "always"], help="auto (default) leaves pictures of 64×64 alone"
    )
    command.set_defaults(run=run_cut)


def run_cut(args: argparse.Namespace) -> None:
    """`cut`, and what one does next."""
    cut_and_tell(args.folder, args.out, args.cut)
    print(f"to train on them: python train_space.py --data {shlex.quote(str(args.out))} {ON_PHOTOS}", flush=True)


def add_reading(command: argparse.ArgumentParser) -> None:
    """The options of a command that takes faces, or photos, as training does: for `cut_source` and `load_faces`."""
    command.add_argument("--column", default="image", help="image column of a parquet file or Hub dataset")
    command.add_argument("--cut", default="auto", choices=["auto", "never", "always"], help="as for train_space.py")
    command.add_argument("--faces", type=Path, help="where cut faces go, or lie already; default: FOLDER-faces")


def cut_and_tell(folder: Path, out: Path, how: str, file: TextIO | None = None) -> CutReport:
    """`cut_folder`, and its report in words, to standard output or another file."""
    report = cut_folder(folder, out, how)
    print(f"{report}\nto look at: {out / SHEET}", file=file, flush=True)
    return report


def cut_source(source: str, how: str = "auto", out: Path | None = None) -> str:
    """Where the faces of a source lie, as `load_faces` takes it: of a folder of photos the folder with their faces, cut
    now, beside it if `out` does not say where.

    `how` is "never", "always", or "auto": only where a picture is not 64×64. Raises as `cut_folder` does, and DataError
    where there is no face.
    """
    folder = Path(source)
    if how == "never" or not folder.is_dir():
        return source
    images, _ = list_files(folder)
    if how == "auto" and all(_size(path) == (IMAGE_SIZE, IMAGE_SIZE) for path in images):
        return source
    out = out or folder.resolve().with_name(f"{folder.resolve().name}-faces")
    report = cut_and_tell(folder, out, how, sys.stderr)  # what a command prints may be a table
    if not report.faces:
        raise DataError(f"{folder}: no cat's face was cut; {out / SHEET} shows what was left out, and why")
    return str(out)


def cut_folder(folder: Path, out: Path, how: str = "auto") -> CutReport:
    """Find, align and cut every cat's face under `folder`: PNGs of 64×64 pixels in `out`, named as their photos, but
    for names that are too long for that.

    Pictures of 64×64 stay as they are, or with how "always" are searched too. `out/faces.html` shows all
    cuts, the doubtful ones first, and the photos that were left out. What was done is kept, so that the
    same call goes on after Ctrl-C, does new photos alone, drops the cuts of photos that are gone, and does
    not bring back cuts that were deleted by hand; damaged ones are cut anew.

    Raises DataError for a folder without pictures, or an `out` that holds something else, CheckpointError
    when the networks' weights are missing, SettingError when `out` cannot be written, TrainingError while
    another call fills it.
    """
    own = out.resolve()  # which may lie in the folder
    images, others = (
        [path for path in paths if not path.resolve().is_relative_to(own)] for paths in list_files(folder)
    )
    _read_record(folder, out, how)  # so that nothing is made where something else is
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
    with locked(out):
        return _cut_files(images, others, folder, out, how)


def _cut_files(images: list[Path], others: list[Path], folder: Path, out: Path, how: str) -> CutReport:
    files = {str(path.relative_to(folder)): path for path in images}
    record = _read_record(folder, out, how)
    photos: dict[str, dict] = record["photos"]
    sweep(out)
    for name in [
        name
        for name, photo in photos.items()
        if name not in files or photo["stamp"] != _stamp(files[name]) or _is_damaged(photo, out)
    ]:
        for face in photos.pop(name)["faces"]:
            (out / face["file"]).unlink(missing_ok=True)
    todo = {name: path for name, path in files.items() if name not in photos}

    started = saved = time.monotonic()
    with writing(out):
        write_json(out / RECORD, record)
        try:
            for name, photo in _cut_all(todo, out, how):
                photos[name] = photo
                if time.monotonic() - saved > SAVE_EVERY_S:
                    write_json(out / RECORD, record)
                    saved = time.monotonic()
        finally:
            write_json(out / RECORD, record)
    seconds = time.monotonic() - started
    report = _summarize(folder, out, photos, describe_kinds(images, others), len(todo), seconds)
    write_sheet(out, photos, report)
    return report


def _read_record(folder: Path, out: Path, how: str) -> dict[str, Any]:
    """The record in `out`, or a new one. Raises DataError when `out` holds anything else."""
    source = str(folder.resolve())
    if (out / RECORD).exists():
        record = read_json(out / RECORD)
        if (record.get("source"), record.get("cut")) != (source, how):
            raise DataError(
                f"{out} holds the faces of {record.get('source')} with --cut {record.get('cut')}: take a new folder"
            )
        return record
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"{out}: there is something else already; take a new folder")
    return {"source": source, "cut": how, "photos": {}}


def _cut_all(todo: dict[str, Path], out: Path, how: str) -> Iterator[tuple[str, dict]]:
    """What became of each photo, several at once, as each is done."""
    if not todo:
        return
    load_networks()  # once, before threads ask for them
    load_classifier()
    with _one_thread_each(), ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = pool.map(partial(_cut_one, out=out, how=how), todo.items())
        shown = tqdm(jobs, total=len(todo), unit="photo", desc="cutting", leave=False, mininterval=1)
        try:
            yield from zip(todo, shown, strict=True)
        finally:
            pool.shutdown(cancel_futures=True)  # on Ctrl-C the photos that are not begun stay for the next call


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Photos are shared out between threads, not the sums within one: those of small networks would only wait."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _cut_one(item: tuple[str, Path], out: Path, how: str) -> dict[str, Any]:
    """The record of one photo, whose faces are written."""
    name, path = item
    photo: dict[str, Any] = {"stamp": _stamp(path), "faces": []}
    try:
        image = open_image(path)
    except ImageError as error:
        return photo | {"error": str(error)}
    if len(os.fsencode(path.name)) > MAX_NAME:
        name = str(Path(name).with_name(hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]))
    if is_cut(image) and how == "auto":
        cuts = [(image, {"score": 1.0, "already": True})]
    else:
        found = [face for number, face in enumerate(find_faces(image)) if number == 0 or face.score >= SURE]
        large = [face for face in found if face.box[2] - face.box[0] >= MIN_SIDE]
        photo["too_small"] = len(found) - len(large)
        cuts = [(align(image, face), {"score": round(face.score, 3)}) for face in large]
    for number, (cut, about) in enumerate(cuts, start=1):
        file = f"{name}.{number}.png"
        (out / file).parent.mkdir(parents=True, exist_ok=True)
        with replacing(out / file) as unfinished:
            cut.save(unfinished, "PNG")
        photo["faces"].append({"file": file, **about})
    if not cuts:
        image.thumbnail((SHOWN, SHOWN))
        photo["shown"] = data_uri(image, "JPEG", quality=80)
    return photo


def _summarize(folder: Path, out: Path, photos: dict[str, dict], files: str, new: int, seconds: float) -> CutReport:
    faces = [face for photo in photos.values() for face in photo["faces"]]
    present = [face for face in faces if (out / face["file"]).exists()]
    return CutReport(
        folder=folder.name,
        files=files,
        photos=len(photos),
        new=new,
        already_cut=sum(face.get("already", False) for face in present),
        faces=len(present),
        deleted=len(faces) - len(present),
        too_small=sum(photo.get("too_small", 0) for photo in photos.values()),
        without_cat=sum(not photo["faces"] and "error" not in photo for photo in photos.values()),
        unreadable=sum("error" in photo for photo in photos.values()),
        per_second=new / seconds if new else None,
    )


def write_sheet(out: Path, photos: dict[str, dict], report: CutReport) -> None:
    """Write the contact sheet, one file: the faces in `out`, the least sure first, and what was left out."""
    faces = sorted((face for photo in photos.values() for face in photo["faces"]), key=lambda face: face["score"])
    shown = []
    for face in faces:
        with suppress(ImageError):  # deleted by hand
            picture = open_image(out / face["file"])
            shown.append({**face, "uri": data_uri(picture, "JPEG", quality=90)})
    left_out = {name: photo for name, photo in sorted(photos.items()) if not photo["faces"]}
    page = Template(TEMPLATE.read_text(encoding="utf-8"), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    with writing(out / SHEET), replacing(out / SHEET) as unfinished:
        rendered = page.render(sure=SURE, report=report, faces=shown, left_out=left_out)
        unfinished.write_text(rendered, encoding="utf-8", errors="backslashreplace")  # names that are not UTF-8


def _is_damaged(photo: dict, out: Path) -> bool:
    """Whether a face of a photo is there, but cannot be read."""
    try:
        for path in (out / face["file"] for face in photo["faces"]):
            if path.exists():
                open_image(path)
    except ImageError:
        return True
    return False


def _stamp(path: Path) -> list[int]:
    """What changes when a file does."""
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _size(path: Path) -> tuple[int, int] | None:
    try:
        with Image.open(path) as image:
            return image.size
    except Exception:  # damaged files make decoders raise nearly anything
        return None
