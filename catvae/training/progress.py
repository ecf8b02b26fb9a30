"""How far a run has come: its state on disk after every epoch, its history, and its end."""

import csv
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from catvae.errors import TrainingError, UserError
from catvae.files import WEIGHTS, holding, read_json, replacing, sweep, write_json, writing
from catvae.images import make_sheet, to_pil
from catvae.latents import LATENTS, fit_latents, save_latents
from catvae.machine import by_first
from catvae.metrics import evaluate_model
from catvae.mixing import lerp
from catvae.model import CatVAE, load_checkpoint
from catvae.training.faces import Faces

STATE = "training.pt"
SHEET = "sheet.png"  # what a person looks at when a run has ended
SHOWN = 12  # faces in a row of it
ANEW = "; without --resume train into another --out, or here with --force"
OURS = {"run": dict, "model": dict, "ema": dict, "optimizers": list, "history": list}  # what STATE holds


def check_free(folder: Path, *, force: bool = False) -> None:
    """Make sure that a new run in a folder writes over no other one's, but with `force`. Raises TrainingError."""
    if not force and any((folder / file).exists() for file in (STATE, WEIGHTS)):
        raise TrainingError(
            f"{folder} holds the weights of another run: name another --out, go on with --resume, "
            "or write over them with --force"
        )


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Within it no other run has the folder; it is made, and rid of what a killed run left half written.

    The lock goes with the process, however that ends. A folder made here that nothing was written to goes again.
    Raises TrainingError when another run has it, or when it cannot be written.
    """
    made = [path for path in (folder, folder.parent) if not path.exists()]
    with saving(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        held.callback(drop_empty, *made)
        with saving(folder):
            try:
                held.enter_context(holding(folder))
            except BlockingIOError as error:
                raise TrainingError(f"{folder} is in use by another run: name another --out") from error
            for partial in folder.glob("*.partial"):
                partial.unlink()
            tempfile.TemporaryFile(dir=folder).close()
        yield


def drop_empty(*folders: Path) -> None:
    """Remove those folders that hold nothing."""
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()


@by_first
def read_progress(
    folder: Path, run: dict[str, Any], *, resume: bool = False, force: bool = False
) -> tuple[dict | None, dict | None]:
    """(metrics, None) of a finished run, (None, state) of one to continue, or (None, None) for a clean start.

    Raises TrainingError when what is there comes from other settings or data, cannot be read, or would be
    written over without `force`.
    """
    sweep(folder)
    if resume and (folder / STATE).exists():
        state = read_state(folder / STATE)
        if others := differences(state["run"], run):
            raise TrainingError(f"{folder / STATE} comes from other settings or data ({others}){ANEW}")
        return None, state
    if resume and (folder / WEIGHTS).exists() and (folder / "metrics.json").exists():
        metrics = read_json(folder / "metrics.json")
        if others := differences(metrics.get("training"), run):
            raise TrainingError(f"{folder} was trained with other settings or data ({others}){ANEW}")
        return metrics, None
    check_free(folder, force=force)
    return None, None


def differences(record: Any, run: dict[str, Any]) -> str:
    """What a record of a run has otherwise than this one, as "epochs 30 there, 40 here"; older ones do not tell their
    precision."""
    if not isinstance(record, dict):
        return "nothing is recorded there"
    there, here = flat({"precision": run.get("precision"), **record}), flat(run)
    names = [name for name in {**there, **here} if there.get(name) != here.get(name)]
    return ", ".join(f"{name} {there.get(name, 'none')} there, {here.get(name, 'none')} here" for name in names)


def flat(record: dict[str, Any]) -> dict[str, Any]:
    """A record without records in it: those of "data" by their own names."""
    found = {}
    for name, value in record.items():
        found |= {f"{name} {inner}": v for inner, v in value.items()} if isinstance(value, dict) else {name: value}
    return found


@contextmanager
def saving(folder: Path) -> Iterator[None]:
    """Around writes to a run's folder: a full or read-only disk becomes a TrainingError."""
    hint = "; what was saved before is kept. Once that is put right, go on with --resume"
    try:
        with writing(folder, TrainingError, hint):
            yield
    except UserError:
        raise
    except RuntimeError as error:  # torch's writer has no error of its own
        raise TrainingError(f"{folder}: cannot be written (is the disk full? {error}){hint}") from error


def read_state(path: Path) -> dict[str, Any]:
    """What `save_progress` wrote. Raises TrainingError for an empty, cut or foreign file; no code in it runs."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        ours = all(isinstance(state[key], kind) for key, kind in OURS.items())
        ours = ours and all({"epoch", "val_loss"} <= row.keys() or "images" in row for row in state["history"])
    except KeyError:
        ours = False
    except Exception as error:  # damaged files make torch raise nearly anything, with advice to run code in them
        raise TrainingError(f"{path}: empty, cut or not ours{ANEW}") from error
    if not ours:
        raise TrainingError(f"{path}: holds no run of this project{ANEW}")
    return state


def begin(folder: Path, state: dict[str, Any]) -> None:
    """Make the folder that of a run before its first step; then what another one left of its model is deleted."""
    folder.mkdir(parents=True, exist_ok=True)
    save_progress(folder, state)
    for file in ("config.json", WEIGHTS, "metrics.json", LATENTS, SHEET):
        (folder / file).unlink(missing_ok=True)


def save_progress(folder: Path, state: dict[str, Any]) -> None:
    """Write `history.csv`, a row for each time that was measured, and all that is needed to go on, each whole or not at
    all."""
    history = state["history"]
    with replacing(folder / "history.csv") as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(history[0]))
        writer.writeheader()
        writer.writerows(history)
    with replacing(folder / STATE) as partial:
        torch.save(state, partial)


@by_first
def finish(folder: Path, faces: Faces, run: dict[str, Any]) -> dict:
    """Measure the weights as saved, rounded to fp16, fit their latents, and drop the state."""
    model = load_checkpoint(folder)
    metrics = {**evaluate_model(model, faces.validation), "training": run}
    latents = fit_latents(model, faces.sample(run["seed"]))
    with saving(folder):
        write_json(folder / "metrics.json", metrics)
        save_latents(folder, latents)
        with replacing(folder / SHEET) as partial:
            draw_sheet(model, faces.validation[:SHOWN]).save(partial, "PNG")
    (folder / STATE).unlink(missing_ok=True)
    return metrics


@torch.inference_mode()
def draw_sheet(model: CatVAE, images: Tensor) -> Image.Image:
    """Rows of pictures to look at, of uint8 faces (N, 3, 64, 64): the faces, their reconstructions, the mixes half way
    from each to the next, and the whole way from the first to the last."""
    x = images.to(next(model.parameters()).device).float() / 255
    mu = model.encode(x)[0]
    way = lerp(mu[0], mu[-1], torch.linspace(0, 1, len(x)))
    pictures = (x, *(model.decode(z) for z in (mu, (mu + mu.roll(-1, 0)) / 2, way)))
    return make_sheet([to_pil(row) for row in pictures])
