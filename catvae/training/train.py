"""Training one variant: Muon on the matrices, Adam on the rest, one cosine, EMA, exact resume.

On one device, or on many as processes of torchrun or `accelerate launch`: each takes its part of
every batch, and the sum of their gradients is that of one process with the whole batch.
"""

import math
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from catvae.errors import TrainingError
from catvae.machine import (
    all_reduce,
    autocast,
    by_first,
    own_part,
    pick_precision,
    rank,
    say,
    to_memory_format,
    world_size,
)
from catvae.metrics import evaluate_model
from catvae.model import CatVAE, Variant, beta_elbo, save_checkpoint, weights_folder
from catvae.training.faces import Faces, augment
from catvae.training.optim import average, flat_gradients, lr_factor, make_optimizers
from catvae.training.progress import STATE, begin, finish, read_progress, save_progress, saving
from catvae.training.run import LEAST_GAIN, Run, run_record
from catvae.training.split import TRAINED_ON, save_trained_on
from catvae.training.start import (
    BATCH,
    OWN_PHOTOS,
    PEAK_LR,
    TrainConfig,
    count_steps,
    fill_in,
    pick_variant,
    starting_weights,
)
from catvae.training.track import ignore


def train_variant(
    name: str,
    faces: Faces,
    out: str | Path,
    config: TrainConfig = TrainConfig(),
    *,
    variant: Variant | None = None,
    device: torch.device = torch.device("cpu"),
    resume: bool = False,
    track: Callable[[dict[str, float]], None] = ignore,
    force: bool = False,
) -> dict:
    """Train one of `VARIANTS`, or a `variant` of one's own, and write `out/name/`; returns its metrics on
    the validation split.

    After each epoch `history.csv` has one row more, which `track` is called with too, and `training.pt`
    holds all that is needed to go on; with `resume` the run continues from there and, on a CPU, ends with
    the same losses as if it had never stopped. The weights kept are the moving average with the lowest
    validation loss; those it starts with are epoch 0, unless they are another model's: then without a better epoch
    nothing is kept, as it would be that model by another name. A finished run is left alone under `resume`; weights
    of another run are written over with `force` alone.

    Training begins near the optimal linear VAE of the faces (`start_linear`), at the KL that β asks
    for: from a random start many latents die before they have learned anything. `start_from`
    may name trained weights to go on with instead, as `CatVAE.from_pretrained` takes them.

    Several processes (`join_processes`) share each batch; `batch_size` counts the faces of all.
    Call `machine.prepare_training` once before.

    Raises SettingError for a name that cannot be; TrainingError when there are more processes than faces
    in a batch, when the loss is no longer finite, when the run to resume had other settings or other
    data, when weights would be written over, when those to start from have another architecture, or when
    a model of one's own that goes on from another is no better;
    CheckpointError or HubError when they cannot be had.
    """
    folder, variant = Path(out) / name, pick_variant(name, variant)
    config = fill_in(config, len(faces.train))
    if (config.batch_size or BATCH) < world_size():
        raise TrainingError(f"a batch of {config.batch_size} is too small for {world_size()} processes")
    config = replace(config, precision=pick_precision(config.precision, device))
    record = run_record(name, variant, config, faces)
    finished, state = read_progress(folder, record, resume=resume, force=force)
    if finished:
        return finished

    run = make_run(name, variant, faces, config, device, begun=bool(state))
    if state:
        run.restore(state)
    faces = faces.to(device)
    done = int(run.history[-1]["epoch"]) if run.history else 0
    if not done:
        run.history = save_start(run, faces, folder, record)
    for epoch in range(done, config.epochs):
        started = time.monotonic()
        losses, seen = train_epoch(run, faces, epoch)
        if not math.isfinite(losses["loss"]):
            raise TrainingError(f"{name}: the loss is no longer finite in epoch {epoch + 1}; try a lower --lr")
        speed = seen / (time.monotonic() - started)
        run.history = save_epoch(run, epoch + 1, losses, faces, folder, record)
        describe(run, speed, seen)
        track(run.history[-1])
    check_better(run, folder)
    return finish(folder, faces, record)


def check_better(run: Run, folder: Path) -> None:
    """Say when no epoch was better than the start. Raises TrainingError where that is another model."""
    if run.best["epoch"]:
        return
    if not run.begins_as_another:
        return say(f"{run.name}: no epoch was better than the start, which is kept; try a lower --lr or more faces")
    drop_run(folder)
    raise TrainingError(
        f"{run.name}: no epoch was better than {run.config.start_from} by {LEAST_GAIN} nats, so no model was written: "
        f"nobody would see a difference. {OWN_PHOTOS}"
    )


@by_first
def drop_run(folder: Path) -> None:
    """Delete what a run that comes to nothing has written."""
    for file in (STATE, TRAINED_ON):
        (folder / file).unlink()


@by_first
def save_start(run: Run, faces: Faces, folder: Path, record: dict[str, Any]) -> list[dict[str, float]]:
    """Measure and save what the run starts with as its epoch 0, so that it never ends with worse; gives the history."""
    run.history.clear()  # one that stopped here saves its start again
    validation = faces.validation
    start = faces.sample(run.config.seed)[: len(validation)].to(validation.device)
    losses = mean_losses(run.average, start, run.variant.beta, run.config.seed)
    scores = evaluate_epoch(run, 0, losses, validation)
    if not math.isfinite(run.best["val_loss"]):
        raise TrainingError(f"{run.name}: the loss is not finite at the start")
    went_on = weights_folder(run.config.start_from, run.name) if run.config.goes_on else None
    with saving(folder):
        save_trained_on(folder, faces.trained_on, went_on)
        begin(folder, {"run": record, **run.state()})
        if not run.begins_as_another:
            save_checkpoint(folder, run.average, run.variant.beta, {**scores, "training": record})
    return run.history


@by_first
def save_epoch(
    run: Run, epoch: int, losses: dict[str, float], faces: Faces, folder: Path, record: dict[str, Any]
) -> list[dict[str, float]]:
    """Measure an epoch, and save its weights, where no other's are better, and all that is needed to go on; gives the
    history."""
    scores = evaluate_epoch(run, epoch, losses, faces.validation)
    with saving(folder):
        if run.best is run.history[-1]:
            save_checkpoint(folder, run.average, run.variant.beta, {**scores, "training": record})
        save_progress(folder, {"run": record, **run.state()})
    return run.history


def evaluate_epoch(run: Run, epoch: int, losses: dict[str, float], validation: Tensor) -> dict[str, float]:
    """Add a row to the history: mean losses in training, and what the moving average does on validation faces."""
    scores = evaluate_model(run.average, validation)
    val_loss = mean_losses(run.average, validation, run.variant.beta, run.config.seed)["loss"]
    row = {"epoch": epoch, **losses, "val_loss": val_loss}
    run.history.append(row | {"val_psnr": scores["psnr"], "val_kl": scores["kl"]})
    return scores


def make_run(
    name: str, variant: Variant, faces: Faces, config: TrainConfig, device: torch.device, *, begun: bool
) -> Run:
    """A run before its first epoch; of one that has `begun` the weights are about to be restored."""
    if variant.config.painter is not None:
        raise TrainingError(f"{name} has a painter, and that is trained by catvae.training.painter")
    torch.manual_seed(config.seed)
    model = CatVAE(variant.config)
    if config.start_from != "random" and not begun:
        model.load_state_dict(starting_weights(name, variant, model, faces, config))
    model = to_memory_format(model.to(device))
    ema = AveragedModel(model, avg_fn=average).requires_grad_(False).eval()
    ema.n_averaged += 1  # the start is the first of what is averaged
    return Run(
        name,
        variant,
        config,
        model,
        ema,
        make_optimizers(model, config.lr or PEAK_LR),
        flat_gradients(model),
        steps=count_steps(config, len(faces.train)),
    )


def train_epoch(run: Run, faces: Faces, epoch: int) -> tuple[dict[str, float], float]:
    """One pass over the faces: mean losses of all processes, and how many faces they saw."""
    # all chance in an epoch follows from its number, so no generator state needs saving
    torch.manual_seed(run.config.seed * 1_000_003 + epoch + 1)
    size = run.config.batch_size or BATCH
    per_epoch = math.ceil(len(faces.train) / size)
    totals = torch.zeros(4, device=run.gradients.device)  # read once an epoch: no wait for the device per step
    progress = tqdm(
        faces.epoch(size),
        total=per_epoch,
        desc=f"{run.name} {epoch + 1}/{run.config.epochs}",
        unit_scale=size,
        unit="img",
        leave=False,
        mininterval=1,
        disable=rank() > 0,
    )
    for i, (batch, whole) in enumerate(progress):
        totals += take_step(run, batch, whole, epoch * per_epoch + i)
    all_reduce(totals)
    *sums, seen = totals.tolist()
    return dict(zip(("loss", "bce", "kl"), (value / seen for value in sums), strict=True)), seen


def take_step(run: Run, batch: Tensor, whole: int, step: int) -> Tensor:
    """Learn from uint8 faces (n, 3, 64, 64), this process's part of a batch of `whole` ones.

    Returns the sums of loss, bce and kl, and n: (4,).
    """
    device, mine = run.gradients.device, own_part()
    # chance is drawn for the faces of all processes, so that their number changes nothing
    augment_noise = torch.randn(whole, 10)[mine][: len(batch)].to(device)
    noise = torch.randn(whole, run.variant.config.latent_dim, device=device)[mine][: len(batch)]
    x = batch.to(device).to(memory_format=torch.channels_last).float() / 255
    x = augment(x, augment_noise, run.config.jitter or 0)
    with autocast(device, run.config.precision):
        logits, mu, logvar = run.model(x, noise)
    losses = beta_elbo(logits, x, mu, logvar, run.variant.beta)
    (losses[0].sum() / whole).backward()
    all_reduce(run.gradients)
    for optimizer in run.optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["peak_lr"] * lr_factor(step, run.steps)
        optimizer.step()
    run.gradients.zero_()
    run.ema.update_parameters(run.model)
    return torch.stack([*(part.detach().sum() for part in losses), run.gradients.new_tensor(len(x))])


def describe(run: Run, speed: float, seen: float) -> None:
    """One line about the epoch just measured, and how long is to go at `speed` images a second."""
    row, epochs = run.history[-1], run.config.epochs
    say(
        f"{run.name} epoch {row['epoch']}/{epochs}: loss {row['loss']:.1f}, validation loss {row['val_loss']:.1f}, "
        f"PSNR {row['val_psnr']:.2f} dB, KL {row['val_kl']:.0f} nats, "
        f"{speed:.0f} images/s, about {(epochs - row['epoch']) * seen / speed / 60:.0f} min to go"
    )


@torch.inference_mode()
def mean_losses(model: CatVAE, images: Tensor, beta: float, seed: int, batch_size: int = 256) -> dict[str, float]:
    """Mean negative β-ELBO, "loss", and its "bce" and "kl" (nats) over uint8 images, with the posterior noise
    that follows from the seed."""
    torch.manual_seed(seed)
    sums = torch.zeros(3, device=images.device)
    for batch in images.split(batch_size):
        x = batch.float() / 255
        logits, mu, logvar = model(x)
        sums += torch.stack([part.sum() for part in beta_elbo(logits, x, mu, logvar, beta)])
    return dict(zip(("loss", "bce", "kl"), (sums / len(images)).tolist(), strict=True))
