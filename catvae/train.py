"""Training one variant: Muon on the matrices, Adam on the rest, one cosine, EMA, exact resume."""

import csv
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm import tqdm

from catvae.checkpoints import load_checkpoint, read_json, save_checkpoint, write_json
from catvae.data import Faces, FaceStream
from catvae.latents import fit_latents, save_latents
from catvae.metrics import evaluate_model
from catvae.model import VARIANTS, CatVAE, beta_elbo

WARMUP = 0.05  # of all steps
EMA_DECAY = 0.995
MUON_LR_RATIO = 10  # Muon's step is orthogonal, so its scale is not Adam's

# Latents that collapse at high β leave momenta too small for normal floats, and CPUs add those up to
# 7 times slower. Set on import because worker threads inherit the mode when they start.
torch.set_flush_denormal(True)


class TrainingError(RuntimeError):
    """Training that cannot start, resume or go on; the message says what to do."""


@dataclass(frozen=True)
class TrainConfig:
    """Settings that decide the result; a run resumes only under the same ones."""

    epochs: int = 30
    batch_size: int = 64
    lr: float = 2e-3  # peak, of Adam
    seed: int = 0
    start_from: str | None = None  # variant in the same folder whose weights to begin with

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 1 or not 0 < self.lr < math.inf:
            raise ValueError(f"epochs, batch size and learning rate must be positive: {self}")


def pick_device(name: str = "auto") -> torch.device:
    """The device of that name; "auto" prefers CUDA, then Apple's MPS, then the CPU.

    Raises TrainingError when that device is not here.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise TrainingError(f"device {name!r} cannot be used here ({error}); try --device cpu") from error
    return device


def has_fast_bf16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 in hardware; elsewhere autocast only costs time."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return device.type == "cpu" and bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def make_optimizers(model: CatVAE, lr: float) -> tuple[list[torch.optim.Optimizer], list[tuple[Tensor, nn.Parameter]]]:
    """Adam and Muon, and the matrix views through which Muon updates the weights it has.

    Muon (Jordan 2024, https://kellerjordan.github.io/posts/muon/) takes the convolutions, flattened,
    and the linear layers, except the log variances, which do better under Adam.
    """
    matrices = [p for p in model.parameters() if p.ndim > 1 and p is not model.to_logvar.weight]
    views = [(p.detach().flatten(1), p) for p in matrices]  # share storage: stepping one moves the other
    rest = [p for p in model.parameters() if not any(p is matrix for matrix in matrices)]
    adam = torch.optim.Adam(rest, lr=lr, betas=(0.9, 0.99), fused=next(model.parameters()).device.type != "mps")
    muon = torch.optim.Muon([view for view, _ in views], lr=MUON_LR_RATIO * lr, weight_decay=0.0)
    for optimizer in (adam, muon):
        optimizer.param_groups[0]["peak_lr"] = optimizer.param_groups[0]["lr"]
    return [adam, muon], views


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

    With `start_from` training begins not at random but with the weights of a variant of the same
    architecture, best the next smaller β: fewer latents then die before they have learned
    anything. It is KL annealing in steps (Bowman et al. 2015, https://arxiv.org/abs/1511.06349).

    Raises TrainingError when the loss is no longer finite, when the run to resume had other
    settings or other data, or when the variant to start from has another architecture;
    CheckpointError when that one is not there.
    """
    folder = out / name
    variant = VARIANTS[name]
    run = {"variant": name, "beta": variant.beta, **asdict(config), "data": faces.report.as_dict()}
    state_file = folder / "training.pt"
    folder.mkdir(parents=True, exist_ok=True)
    if not resume:
        for file in ("training.pt", "history.csv"):
            (folder / file).unlink(missing_ok=True)
    elif not state_file.exists() and (folder / "metrics.json").exists():
        metrics = read_json(folder / "metrics.json")
        if metrics.get("training") != run:
            raise TrainingError(f"{folder} was trained with other settings or data; drop --resume to train anew")
        return metrics

    torch.manual_seed(config.seed)
    model = CatVAE(variant.config)
    if config.start_from:
        start = load_checkpoint(out / config.start_from)
        if start.config != model.config:
            raise TrainingError(f"{name} cannot start from {config.start_from}: they differ in architecture")
        model.load_state_dict(start.state_dict())
    model = model.to(device)
    ema = CatVAE(variant.config).to(device).requires_grad_(False).eval()
    ema.load_state_dict(model.state_dict())
    optimizers, views = make_optimizers(model, config.lr)
    history: list[dict] = []

    if state_file.exists():
        state = torch.load(state_file, map_location=device, weights_only=True)
        if state["run"] != run:
            raise TrainingError(f"{state_file} comes from other settings or data; drop --resume to train anew")
        model.load_state_dict(state["model"])
        ema.load_state_dict(state["ema"])
        for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        history = state["history"]

    train = faces.train if isinstance(faces.train, FaceStream) else faces.train.to(device)
    validation = faces.validation.to(device)
    steps_per_epoch = math.ceil(len(train) / config.batch_size)
    steps = config.epochs * steps_per_epoch
    autocast = torch.autocast(device.type, torch.bfloat16, enabled=has_fast_bf16(device))

    for epoch in range(len(history), config.epochs):
        # all chance in an epoch follows from its number, so no generator state needs saving
        torch.manual_seed(config.seed * 1_000_003 + epoch + 1)
        seen, started = 0, time.monotonic()
        total = torch.zeros(3, device=device)  # read once an epoch: no wait for the device per step
        progress = tqdm(
            epoch_batches(train, config.batch_size),
            total=steps_per_epoch,
            desc=f"{name} {epoch + 1}/{config.epochs}",
            unit_scale=config.batch_size,
            unit="img",
            leave=False,
            mininterval=1,
        )
        for i, batch in enumerate(progress):
            step = epoch * steps_per_epoch + i
            x = batch.to(device).to(memory_format=torch.channels_last).float() / 255
            mirrored = torch.rand(len(x), 1, 1, 1).to(device) < 0.5
            x = torch.where(mirrored, x.flip(-1), x)

            with autocast:
                logits, mu, logvar = model(x)
            losses = beta_elbo(logits, x, mu, logvar, variant.beta)
            losses[0].mean().backward()
            for view, parameter in views:
                view.grad = parameter.grad.flatten(1)
            for optimizer in optimizers:
                group = optimizer.param_groups[0]
                group["lr"] = group["peak_lr"] * lr_factor(step, steps)
                optimizer.step()
            model.zero_grad(set_to_none=True)

            decay = min(EMA_DECAY, (step + 1) / (step + 10))  # short memory while weights still race
            torch._foreach_lerp_(list(ema.parameters()), [p.detach() for p in model.parameters()], 1 - decay)
            total += torch.stack([part.detach().sum() for part in losses])
            seen += len(x)

        loss, bce, kl = (total / seen).tolist()
        if not math.isfinite(loss):
            raise TrainingError(f"{name}: the loss is no longer finite in epoch {epoch + 1}; try a lower --lr")
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
        partial = state_file.with_suffix(".partial")
        state = {"run": run, "model": model.state_dict(), "ema": ema.state_dict(), "history": history}
        torch.save({**state, "optimizers": [optimizer.state_dict() for optimizer in optimizers]}, partial)
        partial.replace(state_file)

    # figures are those of the weights as saved, rounded to fp16
    metrics = {**evaluate_model(load_checkpoint(folder), faces.validation), "training": run}
    write_json(folder / "metrics.json", metrics)
    if not isinstance(train, FaceStream):
        save_latents(folder, fit_latents(load_checkpoint(folder), faces.train))
    state_file.unlink()
    return metrics


def epoch_batches(train: Tensor | FaceStream, size: int) -> Iterator[Tensor]:
    """The training faces in uint8 batches, in an order drawn from torch's generator."""
    if isinstance(train, FaceStream):
        yield from train.batches(size, seed=int(torch.randint(2**31, ())))
    else:
        for chosen in torch.randperm(len(train)).to(train.device).split(size):
            yield train[chosen]


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
