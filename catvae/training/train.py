"""Training one variant: Muon on the matrices, Adam on the rest, one cosine, EMA, exact resume.

On one device, or on many as processes of torchrun or `accelerate launch`: each takes its part of
every batch, and the sum of their gradients is that of one process with the whole batch.
"""

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from catvae.errors import TrainingError
from catvae.machine import add_up, autocast, from_first, pick_precision, rank, world_size
from catvae.metrics import Scores, evaluate_model
from catvae.model import VARIANTS, CatVAE, Variant, beta_elbo, save_checkpoint, weights_folder
from catvae.training.batches import augment, epoch_batches
from catvae.training.data import Faces, FaceStream, sample
from catvae.training.optim import average, flat_gradients, lr_factor, make_optimizers
from catvae.training.progress import ANEW, STATE, begin, finish, read_progress, save_progress, saving
from catvae.training.split import TRAINED_ON, save_trained_on
from catvae.training.start import (
    BATCH,
    OWN_PHOTOS,
    PEAK_LR,
    TrainConfig,
    count_steps,
    pick_variant,
    settle,
    starting_weights,
)
from catvae.training.track import ignore

LEAST_GAIN = 0.1  # nats of validation loss that make another model of a start: about 0.01 dB, which nobody would see


@dataclass
class Run:
    """What a run of training holds between epochs."""

    name: str
    variant: Variant
    config: TrainConfig
    model: CatVAE
    ema: AveragedModel
    optimizers: list[torch.optim.Optimizer]
    gradients: Tensor  # of all parameters, one after the other
    steps: int  # of the whole run
    history: list[dict[str, float]] = field(default_factory=list)

    def state(self) -> dict[str, Any]:
        """All that is needed to go on, beside the record of the run's settings."""
        return {
            "model": self.model.state_dict(),
            "ema": self.ema.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "history": self.history,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a `state`. Raises TrainingError for one of another network."""
        try:
            self.model.load_state_dict(state["model"])
            self.ema.load_state_dict(state["ema"])
            for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
                optimizer.load_state_dict(saved)
        except (RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:
            reason = str(error).partition("\n")[0]
            raise TrainingError(f"{self.name}: its training.pt does not fit the network ({reason}){ANEW}") from error
        self.history = state["history"]

    @property
    def begins_as_another(self) -> bool:
        """Whether its start is a model that has another name."""
        return self.config.goes_on and self.name not in VARIANTS

    @property
    def best(self) -> dict[str, float]:
        """The row of the history whose weights are kept."""
        start, best = self.history[0], min(self.history, key=lambda row: row["val_loss"])
        same = self.begins_as_another and start["val_loss"] - best["val_loss"] < LEAST_GAIN
        return start if same else best


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
    config = settle(config, len(faces.train))
    if (config.batch_size or BATCH) < world_size():
        raise TrainingError(f"a batch of {config.batch_size} is too small for {world_size()} processes")
    config = replace(config, precision=pick_precision(config.precision, device))
    record = recorded(name, variant, config, faces)
    finished, state = from_first(lambda: read_progress(folder, record, resume=resume, force=force))
    if finished:
        return finished

    run = make_run(name, variant, faces, config, device, begun=bool(state))
    if state:
        run.restore(state)
    train = faces.train if isinstance(faces.train, FaceStream) else faces.train.to(device)
    validation = faces.validation.to(device)
    done = run.history[-1]["epoch"] if run.history else 0
    if not done and rank() == 0:
        save_start(run, faces, validation, folder, record)
    for epoch in range(done, config.epochs):
        started = time.monotonic()
        losses, seen = train_epoch(run, train, epoch)
        if not math.isfinite(losses["loss"]):
            raise TrainingError(f"{name}: the loss is no longer finite in epoch {epoch + 1}; try a lower --lr")
        if rank() > 0:
            continue  # the first process measures and writes
        speed = seen / (time.monotonic() - started)
        scores = measure(run, epoch + 1, losses, validation)
        with saving(folder):
            if run.best is run.history[-1]:
                save_checkpoint(folder, run.ema.module, variant.beta, {**scores, "training": record})
            save_progress(folder, {"run": record, **run.state()})
        describe(run, speed, seen)
        track(run.history[-1])
    check_better(run, folder)
    return from_first(lambda: finish(folder, faces, record))


def check_better(run: Run, folder: Path) -> None:
    """Say when no epoch was better than the start. Raises TrainingError where that is another model."""
    if from_first(lambda: run.best["epoch"]):
        return
    if not run.begins_as_another:
        say = f"{run.name}: no epoch was better than the start, which is kept; try a lower --lr or more faces"
        return print(say, flush=True) if rank() == 0 else None
    if rank() == 0:
        for file in (STATE, TRAINED_ON):
            (folder / file).unlink()
    raise TrainingError(
        f"{run.name}: no epoch was better than {run.config.start_from} by {LEAST_GAIN} nats, so no model was written: "
        f"nobody would see a difference. {OWN_PHOTOS}"
    )


def recorded(name: str, variant: Variant, config: TrainConfig, faces: Faces) -> dict[str, Any]:
    """What a run is known by: one that goes on has the same, and its weights carry it."""
    record = {"variant": name, "beta": variant.beta, **asdict(config), "data": faces.report.as_dict()}
    if name not in VARIANTS:
        record["network"] = {**asdict(variant.config), "channels": list(variant.config.channels)}
    return record


def save_start(run: Run, faces: Faces, validation: Tensor, folder: Path, record: dict[str, Any]) -> None:
    """Measure and save what the run starts with as its epoch 0, so that it never ends with worse."""
    run.history.clear()  # one that stopped here saves its start again
    start = sample(faces.train, run.config.seed)[: len(validation)].to(validation.device)
    losses = mean_losses(run.ema.module, start, run.variant.beta, run.config.seed)
    scores = measure(run, 0, losses, validation)
    if not math.isfinite(run.best["val_loss"]):
        raise TrainingError(f"{run.name}: the loss is not finite at the start")
    went_on = weights_folder(run.config.start_from, run.name) if run.config.goes_on else None
    with saving(folder):
        save_trained_on(folder, faces.trained_on, went_on)
        begin(folder, {"run": record, **run.state()})
        if not run.begins_as_another:
            save_checkpoint(folder, run.ema.module, run.variant.beta, {**scores, "training": record})


def measure(run: Run, epoch: int, losses: dict[str, float], validation: Tensor) -> Scores:
    """Add a row to the history: mean losses in training, and what the moving average does on validation faces."""
    scores = evaluate_model(run.ema.module, validation)
    val_loss = mean_losses(run.ema.module, validation, run.variant.beta, run.config.seed)["loss"]
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
        model.load_state_dict(from_first(lambda: starting_weights(name, variant, model, faces, config)))
    model = model.to(device, memory_format=torch.channels_last)  # the order in which CPUs and GPUs convolve
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


def train_epoch(run: Run, train: Tensor | FaceStream, epoch: int) -> tuple[dict[str, float], float]:
    """One pass over the faces: mean losses of all processes, and how many faces they saw."""
    # all chance in an epoch follows from its number, so no generator state needs saving
    torch.manual_seed(run.config.seed * 1_000_003 + epoch + 1)
    size = run.config.batch_size or BATCH
    per_epoch = math.ceil(len(train) / size)
    totals = torch.zeros(4, device=run.gradients.device)  # read once an epoch: no wait for the device per step
    progress = tqdm(
        epoch_batches(train, size),
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
    add_up(totals)
    *sums, seen = totals.tolist()
    return dict(zip(("loss", "bce", "kl"), (value / seen for value in sums), strict=True)), seen


def take_step(run: Run, batch: Tensor, whole: int, step: int) -> Tensor:
    """Learn from uint8 faces (n, 3, 64, 64), this process's part of a batch of `whole` ones.

    Returns the sums of loss, bce and kl, and n: (4,).
    """
    device, mine = run.gradients.device, slice(rank(), None, world_size())
    # chance is drawn for the faces of all processes, so that their number changes nothing
    chance = torch.randn(whole, 10)[mine][: len(batch)].to(device)
    noise = torch.randn(whole, run.variant.config.latent_dim, device=device)[mine][: len(batch)]
    x = batch.to(device).to(memory_format=torch.channels_last).float() / 255
    x = augment(x, chance, run.config.jitter or 0)
    with autocast(device, run.config.precision):
        logits, mu, logvar = run.model(x, noise)
    losses = beta_elbo(logits, x, mu, logvar, run.variant.beta)
    (losses[0].sum() / whole).backward()
    add_up(run.gradients)
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
    print(
        f"{run.name} epoch {row['epoch']}/{epochs}: loss {row['loss']:.1f}, validation loss {row['val_loss']:.1f}, "
        f"PSNR {row['val_psnr']:.2f} dB, KL {row['val_kl']:.0f} nats, "
        f"{speed:.0f} images/s, about {(epochs - row['epoch']) * seen / speed / 60:.0f} min to go",
        flush=True,
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
