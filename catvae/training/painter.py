"""Training v7: a painter on v6's latents, whose encoder and decoder stay as they are."""

import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from catvae.errors import TrainingError
from catvae.images import make_strip, to_pil
from catvae.machine import pick_precision
from catvae.metrics import psnr, sharpness, spectrum
from catvae.model import PAINTED, CatVAE, load_checkpoint, save_checkpoint
from catvae.training.data import Faces, FaceStream
from catvae.training.losses import Eyes
from catvae.training.painting import PainterConfig, Studio, make_studio, take_step
from catvae.training.progress import STATE, finish, read_progress, save_progress, saving
from catvae.training.split import save_trained_on

EPOCH = 8192  # faces from one row of the history to the next
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
) -> nn.Module:
    """Train the painter of `vae`, whose other weights are v6's, on uint8 faces (N, 3, 64, 64); returns its
    moving average.

    `folder` gets `history.csv`, a row every 8,192 faces, `sheet-*.png` of the same 16 faces and 16
    midpoints, and `training.pt` with all that is needed to go on, the record `run` among it; with
    `state`, what that file held, the run continues there. All chance in a step follows from its number.
    `eyes` are what `load_eyes` gives.

    Raises TrainingError when the state does not fit, when the loss is no longer finite, or when the
    folder cannot be written.
    """
    studio, seen, history = make_studio(vae, eyes, train, config, device), 0, []
    if state:
        seen, history = restore(studio, state)
    started, first = time.monotonic(), seen
    while seen < config.images:
        torch.manual_seed(config.seed * 1_000_003 + seen // config.batch_size)
        batch = train[torch.randint(len(train), (config.batch_size,))]
        parts = take_step(studio, batch, config, seen)
        seen += config.batch_size
        if seen % EPOCH >= config.batch_size and seen < config.images:
            continue
        if not all(torch.isfinite(value) for value in parts.values()):
            raise TrainingError(f"the painter's loss is no longer finite after {seen} faces; try another --seed")
        figures, sheet = look(studio, validation)
        row = {"images": seen} | {name: round(value.item(), 5) for name, value in parts.items()} | figures
        row |= {"speed": round((seen - first) / (time.monotonic() - started), 1)}
        history.append(row)
        print(" ".join(f"{name} {value}" for name, value in row.items()), flush=True)
        with saving(folder):
            sheet.save(folder / f"sheet-{seen:07d}.png")
            save_progress(folder, {"run": run, "seen": seen, "history": history, **state_of(studio)})
    return studio.ema.module


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
    if isinstance(faces.train, FaceStream):
        raise TrainingError("v7 needs its faces in memory: leave out --streaming")
    folder, v6 = out / PAINTED, load_checkpoint(start / "v6")
    vae, precision = add_painter(v6), pick_precision("auto", device)
    run = {
        "variant": PAINTED,
        "beta": v6.beta,
        "precision": precision,
        **asdict(config),
        "data": faces.report.as_dict(),
    }
    finished, state = read_progress(folder, run, resume=resume, force=force)
    if finished:
        return finished
    with saving(folder):
        save_trained_on(folder, faces.trained_on, start / "v6")
    painter = train_painter(vae, faces.train, faces.validation, folder, run, eyes, config, device=device, state=state)
    assert vae.painter is not None  # add_painter gave it one
    vae.painter.load_state_dict(painter.state_dict())
    with saving(folder):
        save_checkpoint(folder, vae, v6.beta, None, over=start / "v6" if start.resolve() == out.resolve() else None)
    return finish(folder, faces, run)


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
    strips = [make_strip(to_pil(images[:SHEET])) for images in rows]
    page = make_strip([strip.rotate(90, expand=True) for strip in strips]).rotate(-90, expand=True)
    figures = {"psnr": psnr(x, painted).mean()}
    figures |= {"sharp": sharpness(painted).mean() / real, "sharp_mix": sharpness(mixed).mean() / real}
    for name, images in (("rec", painted), ("mix", mixed)):
        for place, value in zip(("row", "col", "quarter"), spectrum(images).mean(0) / spectrum(x).mean(0), strict=True):
            figures[f"{place}_{name}"] = value
    rounded = {name: round(float(value), 3) for name, value in figures.items()}
    return rounded, page.resize((page.width * 2, page.height * 2))
