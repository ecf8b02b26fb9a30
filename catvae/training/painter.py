"""Training v7: a painter on v6's latents, whose encoder and decoder stay as they are."""

import math
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from catvae.errors import TrainingError
from catvae.images import make_sheet, to_pil
from catvae.machine import pick_precision
from catvae.metrics import psnr, sharpness, spectrum
from catvae.model import PAINTED, CatVAE, load_checkpoint, save_checkpoint, weights_folder
from catvae.training.data import Faces, FaceStream
from catvae.training.losses import Eyes, distance, enlarge
from catvae.training.painting import PainterConfig, Studio, make_studio, take_step
from catvae.training.progress import STATE, finish, read_progress, save_progress, saving
from catvae.training.split import save_trained_on
from catvae.training.start import FEWEST, load_start

EPOCH = 8192  # faces from one row of the history to the next
NEARER = 0.99  # of what faces held out were apart from their pictures, at most, or nobody would see a difference
SHEET = 16  # faces, and midpoints, that a person looks at


def add_painter(v6: CatVAE, width: int = 32) -> CatVAE:
    """v6 with a fresh painter after its decoder, which paints nothing yet."""
    vae = CatVAE(replace(v6.config, painter=width))
    vae.load_state_dict(v6.state_dict(), strict=False)
    return vae.eval().to(memory_format=torch.channels_last)


def train_painter(
    vae: CatVAE,
    train: Tensor,
    validation: Tensor,
    folder: Path,
    run: dict[str, Any],
    eyes: Eyes,
    config: PainterConfig = PainterConfig(),
    *,
    device: torch.device = torch.device("cpu"),
    state: dict[str, Any] | None = None,
    every: int | None = None,
) -> nn.Module:
    """Train the painter of `vae`, whose other weights are v6's, on uint8 faces (N, 3, 64, 64); returns its
    moving average.

    `folder` gets `history.csv`, a row every 8,192 faces or `every` so many, `sheet-*.png` of the same 16 faces and 16
    midpoints, and `training.pt` with all that is needed to go on, the record `run` among it; with
    `state`, what that file held, the run continues there. All chance in a step follows from its number.
    `eyes` are what `load_eyes` gives.

    Raises TrainingError when the state does not fit, when the loss is no longer finite, or when the
    folder cannot be written.
    """
    studio, seen, history = make_studio(vae, eyes, train, config, device), 0, []
    if state:
        seen, history = restore(studio, state)
    started, first, every = time.monotonic(), seen, every or EPOCH
    while seen < config.images:
        torch.manual_seed(config.seed * 1_000_003 + seen // config.batch_size)
        batch = train[torch.randint(len(train), (config.batch_size,))]
        parts = take_step(studio, batch, config, seen)
        seen += config.batch_size
        if seen == first + 5 * config.batch_size:  # the first step is slower
            print(f"about {minutes_to_go(started, seen - first, config.images - seen)} min to go", flush=True)
        if seen % every >= config.batch_size and seen < config.images:
            continue
        if not all(torch.isfinite(value) for value in parts.values()):
            raise TrainingError(f"the painter's loss is no longer finite after {seen} faces; try another --seed")
        figures, sheet = look(studio, validation)
        row = {"images": seen} | {name: round(value.item(), 5) for name, value in parts.items()} | figures
        row |= {"speed": round((seen - first) / (time.monotonic() - started), 1)}
        history.append(row)
        to_go = minutes_to_go(started, seen - first, config.images - seen)
        print(*(f"{name} {value}" for name, value in row.items()), f"about {to_go} min to go", flush=True)
        with saving(folder):
            sheet.save(folder / f"sheet-{seen:07d}.png")
            save_progress(folder, {"run": run, "seen": seen, "history": history, **state_of(studio)})
    return studio.ema.module


def minutes_to_go(started: float, done: int, left: int) -> int:
    """How long `left` faces take, when `done` were done since `started`."""
    return max(0, math.ceil((time.monotonic() - started) / done * left / 60))


def train_v7(
    faces: Faces,
    start: Path,
    out: Path,
    eyes: Eyes,
    config: PainterConfig,
    *,
    device: torch.device,
    resume: bool = False,
    force: bool = False,
) -> dict[str, Any]:
    """Train a painter on the v6 in the folder `start` and write `out/v7/`, which holds v6's weights too unless v6
    lies beside it. Returns the metrics of a variant; a finished run is left alone under `resume`.

    Raises CheckpointError when v6 is not there, TrainingError as `train_painter` does, for streamed faces, when
    the run to resume had other settings or other data, or when it would write over other weights without `force`.
    """
    train = in_memory(PAINTED, faces)
    folder, v6 = out / PAINTED, load_checkpoint(start / "v6")
    vae, run = add_painter(v6), recorded(PAINTED, v6.beta, config, faces, device)
    finished, state = read_progress(folder, run, resume=resume, force=force)
    if finished:
        return finished
    with saving(folder):
        save_trained_on(folder, faces.trained_on, start / "v6")
    painter = train_painter(vae, train, faces.validation, folder, run, eyes, config, device=device, state=state)
    assert vae.painter is not None  # add_painter gave it one
    vae.painter.load_state_dict(painter.state_dict())
    with saving(folder):
        save_checkpoint(folder, vae, v6.beta, None, over=start / "v6" if start.resolve() == out.resolve() else None)
    return finish(folder, faces, run)


def train_own_painter(
    name: str,
    faces: Faces,
    source: str,
    out: Path,
    eyes: Eyes,
    config: PainterConfig,
    *,
    device: torch.device,
    resume: bool = False,
    force: bool = False,
) -> dict[str, Any]:
    """Let the painter of trained weights go on with one's own faces, and write `out/name/`, the whole model; its
    encoder and decoder stay as they are. `source` is as `load_start` takes it. Returns the metrics of a variant.

    Raises as `train_v7` and `load_start` do, and TrainingError for fewer than 8 faces, or when faces that were held
    out come out no nearer than before, as `eyes` see them: then no weights are written.
    """
    train = in_memory(name, faces)
    if len(train) < FEWEST:
        raise TrainingError(
            f"{name}: a painter needs at least {FEWEST} faces to learn from, not {len(train)}: add photos"
        )
    folder, vae = out / name, load_start(source, name).to(device)
    run = recorded(name, vae.beta, config, faces, device) | {"start_from": source}
    finished, state = read_progress(folder, run, resume=resume, force=force)
    if finished:
        return finished
    before = apart(vae, faces.validation, eyes)
    folder.mkdir(parents=True, exist_ok=True)
    how = {"device": device, "state": state, "every": config.images // 10}
    painter = train_painter(vae, train, faces.validation, folder, run, eyes, config, **how)
    assert vae.painter is not None  # make_studio saw to it
    vae.painter.load_state_dict(painter.state_dict())
    after = apart(vae, faces.validation, eyes)
    if after > NEARER * before:
        (folder / STATE).unlink()
        raise TrainingError(
            f"{name}: {len(faces.validation)} faces that were held out came out no nearer ({before:.3f} before, "
            f"{after:.3f} after), so no weights were written; try a lower --lr or more photos"
        )
    print(f"{name}: faces held out are apart from their pictures by {after:.3f}, before by {before:.3f}", flush=True)
    for sheet in folder.glob("sheet-*.png"):  # `finish` draws the last one
        sheet.unlink()
    with saving(folder):
        save_trained_on(folder, faces.trained_on, weights_folder(source, name))
        save_checkpoint(folder, vae, vae.beta, None)
    return finish(folder, faces, run)


def in_memory(name: str, faces: Faces) -> Tensor:
    """The training faces. Raises TrainingError for a stream."""
    if isinstance(faces.train, FaceStream):
        raise TrainingError(f"{name} needs its faces in memory: leave out --streaming")
    return faces.train


def recorded(
    name: str, beta: float | None, config: PainterConfig, faces: Faces, device: torch.device
) -> dict[str, Any]:
    """What a run is known by: one that goes on has the same, and its weights carry it."""
    precision = pick_precision("auto", device)
    return {
        "variant": name,
        "beta": beta,
        "precision": precision,
        **asdict(config),
        "data": faces.report.as_dict(),
    }


@torch.inference_mode()
def apart(vae: CatVAE, images: Tensor, eyes: Eyes) -> float:
    """How far uint8 faces (N, 3, 64, 64) are from their reconstructions, as `eyes` see both; a mean."""
    device, found = next(vae.parameters()).device, []
    for batch in images[:256].split(32):
        x = batch.to(device).float() / 255
        taps = (eyes.taps(enlarge(picture, 128, (0, 0))) for picture in (x, vae.decode(vae.encode(x)[0])))
        found.append(distance(eyes, *taps))
    return torch.cat(found).mean().item()


def state_of(studio: Studio) -> dict[str, Any]:
    """All weights and moments of a run that learn."""
    return {
        "model": studio.painter.state_dict(),
        "ema": studio.ema.state_dict(),
        "discriminators": [judge.state_dict() for judge in (studio.discriminator, studio.feature_discriminator)],
        "optimizers": [adam.state_dict() for adam in (studio.painter_adam, studio.discriminators_adam)],
        "drift": studio.drift,
    }


def restore(studio: Studio, state: dict[str, Any]) -> tuple[int, list[dict]]:
    """Faces seen and history of the run in `state`, whose weights go into the studio. Raises TrainingError."""
    parts = [studio.discriminator, studio.feature_discriminator, studio.painter_adam, studio.discriminators_adam]
    try:
        studio.painter.load_state_dict(state["model"])
        studio.ema.load_state_dict(state["ema"])
        for part, saved in zip(parts, [*state["discriminators"], *state["optimizers"]], strict=True):
            part.load_state_dict(saved)
        studio.drift.copy_(state["drift"])
        return state["seen"], state["history"]
    except (KeyError, ValueError, RuntimeError, TypeError) as error:
        raise TrainingError(f"{STATE}: holds no run of a painter ({error}); drop --resume to train anew") from error


@torch.inference_mode()
def look(studio: Studio, validation: Tensor) -> tuple[dict[str, float], Image.Image]:
    """Figures of the moving average on the first 256 validation faces and their midpoints; a sheet to look at."""
    device = next(studio.vae.parameters()).device
    x = validation[:256].to(device).float() / 255
    mu, _ = studio.vae.encode(x)
    halves = (mu + mu.roll(-1, 0)) / 2
    painted, mixed = (studio.ema(studio.vae.decoder(z).sigmoid(), z).clamp(0, 1) for z in (mu, halves))
    real, rows = sharpness(x).mean(), [x, painted, mixed]
    sheet = make_sheet([to_pil(images[:SHEET]) for images in rows])
    figures = {"psnr": psnr(x, painted).mean()}
    figures |= {"sharp": sharpness(painted).mean() / real, "sharp_mix": sharpness(mixed).mean() / real}
    for name, images in (("rec", painted), ("mix", mixed)):
        for place, value in zip(("row", "col", "quarter"), spectrum(images).mean(0) / spectrum(x).mean(0), strict=True):
            figures[f"{place}_{name}"] = value
    rounded = {name: round(float(value), 3) for name, value in figures.items()}
    return rounded, sheet
