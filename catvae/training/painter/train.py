"""Training a painter on a VAE's latents, whose encoder and decoder stay as they are."""

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
from catvae.machine import pick_precision, to_memory_format
from catvae.metrics import psnr, sharpness, spectrum
from catvae.model import VARIANTS, CatVAE, load_checkpoint, save_checkpoint, weights_folder
from catvae.training.faces import Faces
from catvae.training.painter.config import PainterConfig
from catvae.training.painter.features import FeatureNets
from catvae.training.painter.losses import feature_distance, resize_and_shift
from catvae.training.painter.step import PainterState, make_state, take_step
from catvae.training.progress import STATE, finish, read_progress, save_progress, saving
from catvae.training.split import save_trained_on
from catvae.training.start import FEWEST, load_start

EPOCH = 8192  # faces from one row of the history to the next
NEARER = 0.99  # of the distance of faces held out from their pictures, at most, or nobody would see a difference
SHEET = 16  # faces, and midpoints, that a person looks at


def add_painter(vae: CatVAE, width: int = 32) -> CatVAE:
    """A trained model with a fresh painter after its decoder, which paints nothing yet."""
    painted = CatVAE(replace(vae.config, painter=width))
    painted.load_state_dict(vae.state_dict(), strict=False)
    painted.beta = vae.beta
    return to_memory_format(painted.eval())


def train_painter(
    vae: CatVAE,
    train: Tensor,
    validation: Tensor,
    folder: Path,
    run: dict[str, Any],
    nets: FeatureNets,
    config: PainterConfig = PainterConfig(),
    *,
    device: torch.device = torch.device("cpu"),
    saved: dict[str, Any] | None = None,
    every: int = EPOCH,
) -> nn.Module:
    """Train the painter of `vae`, whose other weights stay as they are, on uint8 faces (N, 3, 64, 64); returns its
    moving average.

    `folder` gets `history.csv`, a row `every` so many faces, `sheet-*.png` of the same 16 faces and 16
    midpoints, and `training.pt` with all that is needed to go on, the record `run` among it; with what that file
    held, `saved`, the run continues there. All chance in a step follows from its number.

    Raises TrainingError when what was saved does not fit, when the loss is no longer finite, or when the
    folder cannot be written.
    """
    state, seen, history = make_state(vae, nets, train, config, device), 0, []
    if saved:
        seen, history = restore(state, saved)
    started, first = time.monotonic(), seen
    while seen < config.images:
        torch.manual_seed(config.seed * 1_000_003 + seen // config.batch_size)
        batch = train[torch.randint(len(train), (config.batch_size,))]
        losses = take_step(state, batch, config, seen)
        seen += config.batch_size
        if seen == first + 5 * config.batch_size:  # the first step is slower
            print(f"about {minutes_to_go(started, seen - first, config.images - seen)} min to go", flush=True)
        if seen % every >= config.batch_size and seen < config.images:
            continue
        if not all(torch.isfinite(value) for value in losses.values()):
            raise TrainingError(f"the painter's loss is no longer finite after {seen} faces; try another --seed")
        figures, sheet = evaluate_painter(state, validation)
        row = {"images": seen} | {name: round(value.item(), 5) for name, value in losses.items()} | figures
        row |= {"speed": round((seen - first) / (time.monotonic() - started), 1)}
        history.append(row)
        to_go = minutes_to_go(started, seen - first, config.images - seen)
        print(*(f"{name} {value}" for name, value in row.items()), f"about {to_go} min to go", flush=True)
        with saving(folder):
            sheet.save(folder / f"sheet-{seen:07d}.png")
            save_progress(folder, {"run": run, "seen": seen, "history": history, **state.state_dict()})
    return state.ema.module


def minutes_to_go(started: float, done: int, left: int) -> int:
    """How long `left` faces take, when `done` were done since `started`."""
    return max(0, math.ceil((time.monotonic() - started) / done * left / 60))


def restore(state: PainterState, saved: dict[str, Any]) -> tuple[int, list[dict]]:
    """Faces seen and history of a run that was saved, whose weights go into the state. Raises TrainingError."""
    try:
        state.load_state_dict(saved)
        return saved["seen"], saved["history"]
    except (KeyError, ValueError, RuntimeError, TypeError) as error:
        raise TrainingError(f"{STATE}: holds no run of a painter ({error}); drop --resume to train anew") from error


def train_painted(
    name: str,
    faces: Faces,
    source: str | Path,
    out: Path,
    nets: FeatureNets,
    config: PainterConfig,
    *,
    device: torch.device,
    resume: bool = False,
    force: bool = False,
) -> dict[str, Any]:
    """Train the painter of a model and write `out/name/`; its encoder and decoder stay as they are. Returns the metrics
    of a variant; a finished run is left alone under `resume`.

    A variant with `over` gets a fresh painter over the model of that name in the folder `source`; where that is `out`
    too, the painter alone is stored. Under another name the painter of the trained weights `source`, as `load_start`
    takes them, goes on with one's own faces.

    Raises CheckpointError where there is nothing to start from; DataError for streamed faces; TrainingError as
    `train_painter` and `load_start` do, when the run to resume had other settings or other data, and when it would
    write over other weights without `force`. Of one's own faces it also raises it for fewer than 8, and when those held
    out come out no nearer than before, as the feature networks see them: then no weights are written.
    """
    train, row, folder = faces.in_memory(), VARIANTS.get(name), out / name
    if row and row.over:
        start = Path(source, row.over)
        vae = add_painter(load_checkpoint(start), row.config.painter or 0)
        run = run_record(name, vae.beta, config, faces, device)
    else:
        if len(train) < FEWEST:
            few = f"{name}: a painter needs at least {FEWEST} faces to learn from, not {len(train)}: add photos"
            raise TrainingError(few)
        start, vae = weights_folder(source, name), load_start(str(source), name).to(device)
        run = run_record(name, vae.beta, config, faces, device) | {"start_from": str(source)}
    finished, saved = read_progress(folder, run, resume=resume, force=force)
    if finished:
        return finished
    before = None if row else mean_distance(vae, faces.validation, nets)
    with saving(folder):
        folder.mkdir(parents=True, exist_ok=True)
    how = {"device": device, "saved": saved, "every": EPOCH if row else config.images // 10}
    painter = train_painter(vae, train, faces.validation, folder, run, nets, config, **how)
    assert vae.painter is not None  # make_state saw to it
    vae.painter.load_state_dict(painter.state_dict())
    if before is not None:
        check_nearer(name, folder, before, mean_distance(vae, faces.validation, nets), len(faces.validation))
    with saving(folder):
        save_trained_on(folder, faces.trained_on, start)
        save_checkpoint(
            folder, vae, vae.beta, None, over=start if row and start.parent.resolve() == out.resolve() else None
        )
    return finish(folder, faces, run)


def check_nearer(name: str, folder: Path, before: float, after: float, count: int) -> None:
    """Raises TrainingError when so many faces that were held out are no nearer to their pictures than before."""
    if after > NEARER * before:
        (folder / STATE).unlink()
        raise TrainingError(
            f"{name}: {count} faces that were held out came out no nearer ({before:.3f} before, {after:.3f} after), "
            "so no weights were written; try a lower --lr or more photos"
        )
    print(f"{name}: faces held out are apart from their pictures by {after:.3f}, before by {before:.3f}", flush=True)
    for sheet in folder.glob("sheet-*.png"):  # `finish` draws the last one
        sheet.unlink()


def run_record(
    name: str, beta: float | None, config: PainterConfig, faces: Faces, device: torch.device
) -> dict[str, Any]:
    """What a run is known by: one that goes on has the same, and its weights carry it."""
    precision = pick_precision("auto", device)
    return {"variant": name, "beta": beta, "precision": precision, **asdict(config), "data": faces.report.as_dict()}


@torch.inference_mode()
def mean_distance(vae: CatVAE, images: Tensor, nets: FeatureNets) -> float:
    """Mean feature distance of uint8 faces (N, 3, 64, 64), at most 256 of them, from their reconstructions."""
    device, found = next(vae.parameters()).device, []
    for batch in images[:256].split(32):
        x = batch.to(device).float() / 255
        both = (nets.features(resize_and_shift(image, 128, (0, 0))) for image in (x, vae.decode(vae.encode(x)[0])))
        found.append(feature_distance(nets, *both))
    return torch.cat(found).mean().item()


@torch.inference_mode()
def evaluate_painter(state: PainterState, validation: Tensor) -> tuple[dict[str, float], Image.Image]:
    """Figures of the moving average on the first 256 validation faces and their midpoints; a sheet to look at."""
    device = next(state.vae.parameters()).device
    x = validation[:256].to(device).float() / 255
    mu, _ = state.vae.encode(x)
    halves = (mu + mu.roll(-1, 0)) / 2
    painted, mixed = (state.ema(state.vae.decoder(z).sigmoid(), z).clamp(0, 1) for z in (mu, halves))
    real, rows = sharpness(x).mean(), [x, painted, mixed]
    sheet = make_sheet([to_pil(images[:SHEET]) for images in rows])
    figures = {"psnr": psnr(x, painted).mean()}
    figures |= {"sharp": sharpness(painted).mean() / real, "sharp_mix": sharpness(mixed).mean() / real}
    for name, images in (("rec", painted), ("mix", mixed)):
        for place, value in zip(("row", "col", "quarter"), spectrum(images).mean(0) / spectrum(x).mean(0), strict=True):
            figures[f"{place}_{name}"] = value
    return {name: round(float(value), 3) for name, value in figures.items()}, sheet
