"""Training one variant: Muon on the matrices, Adam on the rest, one cosine, EMA, exact resume.

On one device, or on many as processes of torchrun or `accelerate launch`: each takes its part of
every batch, and the sum of their gradients is that of one process with the whole batch.
"""

import csv
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import chain, count
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from catvae.errors import TrainingError
from catvae.files import read_json, write_json
from catvae.latents import LATENTS, fit_latents, save_latents
from catvae.machine import add_up, from_first, has_fast_bf16, keep_freed_memory, rank, world_size
from catvae.metrics import evaluate_model
from catvae.model import VARIANTS, CatVAE, beta_elbo, load_checkpoint, save_checkpoint
from catvae.training.data import Faces, FaceStream
from catvae.training.linear_start import start_linear
from catvae.training.optim import Muon

SAMPLE = 8192  # training faces, at most, from which a linear start and the place of latents are computed
WARMUP = 0.05  # of all steps
EMA_DECAY = 0.995
MUON_LR_RATIO = 10  # Muon's step is orthogonal, so its scale is not Adam's
LINEAR_EVERY = 4  # steps: making the large matrices orthogonal costs half as much as all the gradients

# Latents that collapse at high β leave momenta too small for normal floats, and CPUs add those up to
# 7 times slower. Set on import because worker threads inherit the mode when they start.
torch.set_flush_denormal(True)


@dataclass(frozen=True)
class TrainConfig:
    """Settings that decide the result; a run resumes only under the same ones."""

    epochs: int = 30
    batch_size: int = 128
    lr: float = 1.5e-3  # peak, of Adam
    seed: int = 0
    start_from: str = "linear"  # `start_linear`, "random" (Kaiming-normal), or trained weights: a folder or Hub repo
    jitter: float = 0.0  # strength of `augment`; helps small β, which otherwise learns faces by heart

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 1 or not 0 < self.lr < math.inf:
            raise ValueError(f"epochs, batch size and learning rate must be positive: {self}")
        if not 0 <= self.jitter < math.inf:
            raise ValueError(f"jitter must not be negative: {self}")


def make_optimizers(model: CatVAE, lr: float) -> list[torch.optim.Optimizer]:
    """Muon for the weights, Adam for the biases and the log variances, which do better under it."""
    convolutions = [p for p in model.parameters() if p.ndim == 4]
    linears = [model.to_mu.weight, model.decoder[0].weight]
    rest = [*(p for p in model.parameters() if p.ndim == 1), model.to_logvar.weight]
    adam = torch.optim.Adam(rest, lr=lr, betas=(0.9, 0.99), fused=rest[0].device.type != "mps")
    muon = Muon([{"params": convolutions}, {"params": linears, "every": LINEAR_EVERY}], lr=MUON_LR_RATIO * lr)
    optimizers = [adam, muon]
    for group in (group for optimizer in optimizers for group in optimizer.param_groups):
        group["peak_lr"] = group["lr"]
    return optimizers


def flat_gradients(model: CatVAE) -> Tensor:
    """Zeros (number of parameters,) of which every gradient is from now on a part, to clear and add up as one."""
    parameters = list(model.parameters())
    flat = torch.zeros(sum(p.numel() for p in parameters), device=parameters[0].device)
    for p, part in zip(parameters, flat.split([p.numel() for p in parameters]), strict=True):
        p.grad = part.as_strided(p.shape, p.stride())
    return flat


def lr_factor(step: int, steps: int) -> float:
    """Linear warm-up over the first 5 % of the steps, then a cosine down to 0."""
    warmup = max(1, round(WARMUP * steps))
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def train_variant(
    name: str,
    faces: Faces,
    out: Path,
    config: TrainConfig = TrainConfig(),
    *,
    device: torch.device = torch.device("cpu"),
    resume: bool = False,
) -> dict:
    """Train one variant and write `out/name/`; returns its metrics on the validation split.

    After each epoch `history.csv` has one row more and `training.pt` holds all that is needed to
    go on; with `resume` the run continues from there and, on a CPU, ends with the same losses as
    if it had never stopped. The weights kept are the moving average with the lowest validation
    loss. A finished run is left alone under `resume`.

    Training begins near the optimal linear VAE of the faces (`start_linear`), at the KL that β asks
    for: from a random start many latents die before they have learned anything. `start_from`
    may name trained weights to go on with instead, as `CatVAE.from_pretrained` takes them.

    Several processes (`join_processes`) share each batch; `batch_size` counts the faces of all.

    Raises TrainingError when there are more processes than faces in a batch, when the loss is no
    longer finite, when the run to resume had other settings or other data, or when the weights to
    start from have another architecture; CheckpointError or HubError when they cannot be had.
    """
    if config.batch_size < world_size():
        raise TrainingError(f"a batch of {config.batch_size} is too small for {world_size()} processes")
    keep_freed_memory()
    folder = out / name
    variant = VARIANTS[name]
    run = {"variant": name, "beta": variant.beta, **asdict(config), "data": faces.report.as_dict()}
    finished, state = from_first(lambda: read_progress(folder, run, resume))
    if finished:
        return finished

    torch.manual_seed(config.seed)
    model = CatVAE(variant.config)
    if config.start_from != "random" and not state:
        model.load_state_dict(from_first(lambda: starting_weights(name, model, faces, config)))
    model = model.to(device, memory_format=torch.channels_last)  # the order in which CPUs and GPUs convolve
    ema = CatVAE(variant.config).to(device, memory_format=torch.channels_last).requires_grad_(False).eval()
    ema.load_state_dict(model.state_dict())
    optimizers, gradients = make_optimizers(model, config.lr), flat_gradients(model)
    history: list[dict] = []
    if state:
        model.load_state_dict(state["model"])
        ema.load_state_dict(state["ema"])
        for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        history = state["history"]

    train = faces.train if isinstance(faces.train, FaceStream) else faces.train.to(device)
    validation = faces.validation.to(device)
    mine = slice(rank(), None, world_size())
    steps_per_epoch = math.ceil(len(train) / config.batch_size)
    steps = config.epochs * steps_per_epoch
    autocast = torch.autocast(device.type, torch.bfloat16, enabled=has_fast_bf16(device))

    for epoch in range(len(history), config.epochs):
        # all chance in an epoch follows from its number, so no generator state needs saving
        torch.manual_seed(config.seed * 1_000_003 + epoch + 1)
        started = time.monotonic()
        totals = torch.zeros(4, device=device)  # read once an epoch: no wait for the device per step
        progress = tqdm(
            epoch_batches(train, config.batch_size),
            total=steps_per_epoch,
            desc=f"{name} {epoch + 1}/{config.epochs}",
            unit_scale=config.batch_size,
            unit="img",
            leave=False,
            mininterval=1,
            disable=rank() > 0,
        )
        for i, (batch, size) in enumerate(progress):
            step = epoch * steps_per_epoch + i
            # chance is drawn for the faces of all processes, so that their number changes nothing
            chance = torch.randn(size, 10)[mine][: len(batch)].to(device)
            noise = torch.randn(size, variant.config.latent_dim, device=device)[mine][: len(batch)]
            x = batch.to(device).to(memory_format=torch.channels_last).float() / 255
            x = augment(x, chance, config.jitter)

            with autocast:
                logits, mu, logvar = model(x, noise)
            losses = beta_elbo(logits, x, mu, logvar, variant.beta)
            (losses[0].sum() / size).backward()
            add_up(gradients)
            for optimizer in optimizers:
                for group in optimizer.param_groups:
                    group["lr"] = group["peak_lr"] * lr_factor(step, steps)
                optimizer.step()
            gradients.zero_()

            decay = min(EMA_DECAY, (step + 1) / (step + 10))  # short memory while weights still race
            torch._foreach_lerp_(list(ema.parameters()), [p.detach() for p in model.parameters()], 1 - decay)
            totals += torch.stack([*(part.detach().sum() for part in losses), totals.new_tensor(len(x))])

        add_up(totals)
        *sums, seen = totals.tolist()
        loss, bce, kl = (value / seen for value in sums)
        if not math.isfinite(loss):
            raise TrainingError(f"{name}: the loss is no longer finite in epoch {epoch + 1}; try a lower --lr")
        if rank() > 0:
            continue  # the first process measures and writes
        speed = seen / (time.monotonic() - started)
        row = {"epoch": epoch + 1, "loss": loss, "bce": bce, "kl": kl}
        scores = evaluate_model(ema, validation)
        row |= {"val_loss": validation_loss(ema, validation, variant.beta, config.seed)}
        row |= {"val_psnr": scores["psnr"], "val_kl": scores["kl"]}
        best = min((past["val_loss"] for past in history), default=math.inf)
        history.append(row)
        print(
            f"{name} epoch {epoch + 1}/{config.epochs}: loss {loss:.1f}, validation loss {row['val_loss']:.1f}, "
            f"PSNR {row['val_psnr']:.2f} dB, KL {row['val_kl']:.0f} nats, "
            f"{speed:.0f} images/s, about {(config.epochs - epoch - 1) * seen / speed / 60:.0f} min to go",
            flush=True,
        )
        if row["val_loss"] < best:
            save_checkpoint(folder, ema, variant.beta, {**scores, "training": run})
        write_history(folder / "history.csv", history)
        state = {"run": run, "model": model.state_dict(), "ema": ema.state_dict(), "history": history}
        state |= {"optimizers": [optimizer.state_dict() for optimizer in optimizers]}
        partial = folder / "training.partial"
        torch.save(state, partial)
        partial.replace(folder / "training.pt")

    return from_first(lambda: finish(folder, faces, run))


def read_progress(folder: Path, run: dict, resume: bool) -> tuple[dict | None, dict | None]:
    """(metrics, None) of a finished run, (None, state) of one to continue, or (None, None) for a clean start.

    Raises TrainingError when what is there comes from other settings or data.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state_file = folder / "training.pt"
    if not resume:
        for file in ("training.pt", "history.csv", LATENTS):  # of a run before this one
            (folder / file).unlink(missing_ok=True)
    elif state_file.exists():
        state = torch.load(state_file, map_location="cpu", weights_only=True)
        if state["run"] != run:
            raise TrainingError(f"{state_file} comes from other settings or data; drop --resume to train anew")
        return None, state
    elif (folder / "metrics.json").exists():
        metrics = read_json(folder / "metrics.json")
        if metrics.get("training") != run:
            raise TrainingError(f"{folder} was trained with other settings or data; drop --resume to train anew")
        return metrics, None
    return None, None


def starting_weights(name: str, model: CatVAE, faces: Faces, config: TrainConfig) -> dict[str, Tensor]:
    """Trained weights, or those of `start_linear` on a sample of the training faces.

    Raises TrainingError for trained weights of another architecture.
    """
    if config.start_from != "linear":
        start = CatVAE.from_pretrained(config.start_from, name)
        if start.config != model.config:
            raise TrainingError(f"{name} cannot start from {config.start_from}: they differ in architecture")
        return start.state_dict()
    print(f"{name}: starts near the linear optimum, being computed", flush=True)
    start_linear(model, sample(faces.train, config.seed), VARIANTS[name].beta)
    return model.state_dict()


def sample(train: Tensor | FaceStream, seed: int) -> Tensor:
    """At most 8,192 training faces, uint8."""
    return next(train.batches(SAMPLE, seed)) if isinstance(train, FaceStream) else train[:SAMPLE]


def finish(folder: Path, faces: Faces, run: dict) -> dict:
    """Measure the weights as saved, rounded to fp16, fit their latents, and drop the state."""
    model = load_checkpoint(folder)
    metrics = {**evaluate_model(model, faces.validation), "training": run}
    write_json(folder / "metrics.json", metrics)
    save_latents(folder, fit_latents(model, sample(faces.train, run["seed"])))
    (folder / "training.pt").unlink()
    return metrics


def epoch_batches(train: Tensor | FaceStream, size: int) -> Iterator[tuple[Tensor, int]]:
    """This process's part of every batch of an epoch, uint8 (n, 3, 64, 64), with the size of the whole batch.

    The order is drawn from torch's generator, which must be in the same state in all processes.
    Raises DataError when a stream holds no usable face.
    """
    if isinstance(train, FaceStream):
        seed, share = int(torch.randint(2**31, ())), len(range(rank(), size, world_size()))
        laps = (train.batches(share, seed + lap, rank(), world_size()) for lap in count())
        batches = chain.from_iterable(laps)  # parts differ in length: who is through first begins again
        for _ in range(math.ceil(len(train) / size)):
            yield next(batches), size
    else:
        for chosen in torch.randperm(len(train)).split(size):
            yield train[chosen[rank() :: world_size()].to(train.device)], len(chosen)


def augment(x: Tensor, chance: Tensor, jitter: float) -> Tensor:
    """Faces (N, 3, 64, 64) in [0, 1], half of them mirrored, as standard normal `chance` (N, 10) decides.

    With a jitter of 1 they are also moved by 1 pixel, turned by 3°, scaled by 3 %, and changed in
    contrast by 10 %, in each colour by 5 % more and in brightness by 5 % (standard deviations).
    """
    x = torch.where(chance[:, 0, None, None, None] < 0, x.flip(-1), x)
    if not jitter or not len(x):  # the last batch of an epoch may have fewer faces than there are processes
        return x
    move, angle, scale = chance[:, 1:3] / 32, chance[:, 3] * math.radians(3), (0.03 * jitter * chance[:, 4]).exp()
    cos, sin = scale * torch.cos(jitter * angle), scale * torch.sin(jitter * angle)
    affine = torch.stack([cos, -sin, jitter * move[:, 0], sin, cos, jitter * move[:, 1]], dim=1).view(-1, 2, 3)
    grid = F.affine_grid(affine, list(x.shape), align_corners=False)
    x = F.grid_sample(x, grid, mode="bicubic", padding_mode="reflection", align_corners=False)
    gain = 1 + jitter * (0.1 * chance[:, 5:6] + 0.05 * chance[:, 6:9])
    return (x * gain[:, :, None, None] + 0.05 * jitter * chance[:, 9, None, None, None]).clamp(0, 1)


@torch.inference_mode()
def validation_loss(model: CatVAE, images: Tensor, beta: float, seed: int, batch_size: int = 256) -> float:
    """Mean negative β-ELBO (nats) over uint8 images, with the same posterior noise at every call."""
    torch.manual_seed(seed)
    total = 0.0
    for batch in images.split(batch_size):
        x = batch.float() / 255
        logits, mu, logvar = model(x)
        total += beta_elbo(logits, x, mu, logvar, beta)[0].sum().item()
    return total / len(images)


def write_history(path: Path, history: list[dict]) -> None:
    """One CSV row per epoch, replacing the file whole."""
    partial = path.with_suffix(".partial")
    with partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(history[0]))
        writer.writeheader()
        writer.writerows(history)
    partial.replace(path)
