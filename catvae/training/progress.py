"""How far a run has come: its state on disk after every epoch, its history, and its end."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from catvae.errors import TrainingError, UserError
from catvae.files import read_json, replacing, write_json
from catvae.latents import LATENTS, fit_latents, save_latents
from catvae.metrics import evaluate_model
from catvae.model import load_checkpoint
from catvae.training.data import Faces, sample

STATE = "training.pt"


def read_progress(folder: Path, run: dict[str, Any], resume: bool) -> tuple[dict | None, dict | None]:
    """(metrics, None) of a finished run, (None, state) of one to continue, or (None, None) for a clean start.

    Raises TrainingError when what is there comes from other settings or data, or cannot be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state_file = folder / STATE
    if not resume:
        for file in (STATE, "history.csv", LATENTS):  # of a run before this one
            (folder / file).unlink(missing_ok=True)
    elif state_file.exists():
        state = read_state(state_file)
        if not same_run(state["run"], run):
            raise TrainingError(f"{state_file} comes from other settings or data; drop --resume to train anew")
        return None, state
    elif (folder / "metrics.json").exists():
        metrics = read_json(folder / "metrics.json")
        if not same_run(metrics.get("training", {}), run):
            raise TrainingError(f"{folder} was trained with other settings or data; drop --resume to train anew")
        return metrics, None
    return None, None


def same_run(record: dict[str, Any], run: dict[str, Any]) -> bool:
    """Whether a record is of a run with these settings; older ones do not tell their precision."""
    return {"precision": run["precision"], **record} == run


@contextmanager
def saving(folder: Path) -> Iterator[None]:
    """Around writes to a run's folder: a full or read-only disk becomes a TrainingError."""
    try:
        yield
    except UserError:
        raise
    except (OSError, RuntimeError, SafetensorError) as error:  # the writers of weights have errors of their own
        raise TrainingError(
            f"{folder}: cannot be written ({error}); what was saved before is kept. "
            "Make room on the disk, then go on with --resume"
        ) from error


def read_state(path: Path) -> dict[str, Any]:
    """What `save_progress` wrote. Raises TrainingError for an empty, cut or foreign file; no code in it runs."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        missing = {"run", "model", "ema", "optimizers", "history"} - set(state)
    except Exception as error:  # damaged files make torch raise nearly anything
        reason = str(error).partition("\n")[0]
        raise TrainingError(f"{path}: empty, cut or not ours ({reason}); drop --resume to train anew") from error
    if missing:
        raise TrainingError(f"{path}: holds no run of this project; drop --resume to train anew")
    return state


def save_progress(folder: Path, state: dict[str, Any]) -> None:
    """Write `history.csv`, one row per epoch, and all that is needed to go on, each whole or not at all."""
    write_history(folder, state["history"])
    with replacing(folder / STATE) as partial:
        torch.save(state, partial)


def write_history(folder: Path, history: list[dict]) -> None:
    """Write `history.csv`, a row for each time that was measured, replacing the file whole."""
    with replacing(folder / "history.csv") as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(history[0]))
        writer.writeheader()
        writer.writerows(history)


def finish(folder: Path, faces: Faces, run: dict[str, Any]) -> dict:
    """Measure the weights as saved, rounded to fp16, fit their latents, and drop the state."""
    model = load_checkpoint(folder)
    metrics = {**evaluate_model(model, faces.validation), "training": run}
    latents = fit_latents(model, sample(faces.train, run["seed"]))
    with saving(folder):
        write_json(folder / "metrics.json", metrics)
        save_latents(folder, latents)
    (folder / STATE).unlink(missing_ok=True)
    return metrics
