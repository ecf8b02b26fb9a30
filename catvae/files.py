"""Where our files lie, in a checkout or in an installed package; files written whole or not at all; what the
environment sets."""

import csv
import json
import math
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from catvae.errors import CheckpointError, SettingError, UserError, describe

try:
    import fcntl
except ImportError:  # Windows has no such locks
    fcntl = None

PACKAGE = Path(__file__).resolve().parent
ROOT = PACKAGE.parent  # of a checkout; an installed package carries what it needs inside itself
HOME = ROOT if (ROOT / "train_space.py").is_file() else PACKAGE
BUNDLED, EXAMPLES = HOME / "checkpoints", HOME / "examples"
LICENSE = next(ROOT.glob("catvae-*.dist-info/licenses/LICENSE"), ROOT / "LICENSE")  # of a package, of a checkout
WEIGHTS = "model.safetensors"  # in a model's folder
MANIFEST = "mixer.json"  # in a folder that `catvae export-web` wrote
ADVICE = "restore it with git, copy it again, or train it with train_space.py"

PORT = 7860
MOST = 1e9  # of a number that is set: more seconds than that no clock can wait

UMASK = os.umask(0o022)  # it can be read only by setting it, and only now there is no other thread
os.umask(UMASK)


def setting(name: str) -> str | None:
    """What the environment sets under that name; None where it sets nothing, or blanks alone."""
    return os.environ.get(name, "").strip() or None


def number_setting(name: str, default: float) -> float:
    """The number of that name in the environment, above 0 and at most 1e9. Raises SettingError for anything else."""
    value = setting(name)
    try:
        number = default if value is None else float(value)
    except ValueError:
        number = math.nan
    if not 0 < number <= MOST:
        raise SettingError(f"{name} must be a number above 0 and at most {MOST:g}, not {value!r}")
    return number


def address_setting(name: str) -> str | None:
    """The address of that name in the environment. Raises SettingError where browsers take it for one below ours."""
    value = setting(name)
    if value and not value.startswith(("https://", "http://")):
        raise SettingError(f"{name} must be an address that begins with https://, not {value!r}")
    return value


def find_port() -> int:
    """The port that `PORT` or `GRADIO_SERVER_PORT` names, else 7860. Raises SettingError for what is no port."""
    for name in ("PORT", "GRADIO_SERVER_PORT"):
        if value := setting(name):
            if not re.fullmatch("[0-9]{1,5}", value) or not 0 < int(value) < 65536:
                raise SettingError(f"{name} must be a port from 1 to 65535, not {value!r}")
            return int(value)
    return PORT


def find_checkpoints(source: str | Path | None = None) -> Path:
    """The folder with one subfolder per variant: `source`, else `CATVAE_CHECKPOINTS`, else the bundled one."""
    return Path(source or setting("CATVAE_CHECKPOINTS") or BUNDLED)


def example_kittens() -> list[Path]:
    """The pictures of our own models' kittens, in order."""
    return sorted(EXAMPLES.glob("kitten-*.png"))


def example_photos() -> list[Path]:
    """The photos of real cats among the examples, those of `cats.csv` first; their faces lie beside them, as .png."""
    with (EXAMPLES / "cats.csv").open(encoding="utf-8", newline="") as file:
        named = [EXAMPLES / f"{row['name']}.jpg" for row in csv.DictReader(file)]
    return [*named, *sorted(set(EXAMPLES.glob("*.jpg")) - set(named))]


def example_cats() -> list[str]:
    """Paths of the example pictures: photos of real cats, then the kittens of our own models."""
    return [str(path) for path in example_photos() + example_kittens()]


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path to write to, which becomes `path` at the end of the block, on disk and whole; after an
    error nothing of it is left, and `path` is as it was. Its mode is what the umask says, where a disk has modes."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        with suppress(OSError):  # CIFS, exFAT and mounted buckets refuse it
            partial.chmod(0o666 & ~UMASK)  # safetensors writes for the owner alone
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def holding(folder: Path) -> Iterator[None]:
    """Within it no other process holds this folder. The hold goes with the process, however that ends.

    Raises BlockingIOError where another one holds it. On Windows, and on disks that have no locks, nothing is held.
    """
    if fcntl is None:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise
        except OSError:
            pass  # a disk of the network that has no locks
        yield
    finally:
        os.close(handle)


def sweep(folder: Path) -> None:
    """Delete what `replacing` left under a folder in processes that were killed; none may be writing there now."""
    for partial in folder.rglob("*.partial"):
        if re.search(r"\.\d+\.partial$", partial.name):
            partial.unlink(missing_ok=True)


@contextmanager
def writing(path: Path, kind: type[UserError] = SettingError, hint: str = "") -> Iterator[None]:
    """Around what writes to `path` alone: a full disk, a folder of someone else's and the like become that `kind` of
    error, with a hint behind."""
    try:
        yield
    except OSError as error:
        raise kind(f"{describe(error, path, 'written')}{hint}") from error
    except SafetensorError as error:
        raise kind(f"{path}: cannot be written (is the disk full? {error}){hint}") from error


def check_writable(path: Path) -> None:
    """Make sure, before hours of work, that a folder can be made there, or that one can be written to; nothing of
    this stays. Raises SettingError."""
    with writing(path):
        there = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
        try:
            tempfile.TemporaryFile(dir=there).close()
        except OSError as error:
            error.filename = str(there)  # that file is ours
            raise


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in `path`. Raises CheckpointError when it is missing or not one."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: missing; {ADVICE}") from error
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: not readable as JSON ({error}); {ADVICE}") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path}: holds no JSON object; {ADVICE}")
    return content


@contextmanager
def loading(path: Path, trained_by: str = "") -> Iterator[None]:
    """Around what reads weights of ours: whatever it raises becomes CheckpointError, with the module of
    `catvae.training` that makes them anew."""
    try:
        yield
    except Exception as error:  # safetensors raises its own error type, OSError and more
        advice = f"; restore it with git, or train it with python -m catvae.training.{trained_by}" if trained_by else ""
        raise CheckpointError(f"{path}: missing or broken ({error}){advice}") from error


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON object, replacing the file whole or not at all."""
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    with replacing(path) as partial:  # names of files that are not UTF-8 come back as they were
        partial.write_text(text, encoding="utf-8", errors="backslashreplace")
