"""Training v7: a painter on v6's latents, with a perceptual and an adversarial loss.

v6's encoder and decoder stay as they are. Of every batch of faces the painter paints the
reconstructions, and mixes of pairs of them. A face is pulled to the real one (L1, LPIPS with AlexNet),
a mix to the cross-fade of its parents (LPIPS), both stay close to v6's picture at a quarter of the
size, and a discriminator pulls both to what real faces look like: relativistic pairs with gradient
penalties on real and painted ones (R3GAN, Huang et al. 2024, https://arxiv.org/abs/2501.05441), under
small changes alike for both (DiffAugment, Zhao et al. 2020, https://arxiv.org/abs/2006.10738).
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from catvae.errors import TrainingError
from catvae.images import make_strip, to_pil
from catvae.machine import autocast, pick_precision
from catvae.metrics import psnr, sharpness, spectrum
from catvae.model import PAINTED, CatVAE, load_checkpoint, save_checkpoint
from catvae.painter import Painter
from catvae.training.batches import augment
from catvae.training.data import Faces, FaceStream
from catvae.training.losses import Discriminator, Taps, change, lpips, penalty
from catvae.training.progress import STATE, finish, read_progress, save_progress, saving
from catvae.training.split import save_trained_on

EPOCH = 8192  # faces from one row of the history to the next
PENALTY_EVERY = 8  # steps
SHEET = 16  # faces, and midpoints, that a person looks at


@dataclass(frozen=True)
class PainterConfig:
    """Settings that decide the result, in faces seen, and the weights of the losses."""

    images: int = 400_000
    batch_size: int = 32
    mixes: int = 16  # of each batch
    lr: float = 2e-4  # of the painter, falling to a tenth over the last third; the discriminator's is three times that
    seed: int = 0
    jitter: float = 0.5
    l1: float = 4.0
    coarse: float = 2.0  # to v6's picture, as 4×4 means
    lpips: float = 2.0
    lpips_mixes: float = 0.5
    adversarial: float = 0.3
    adversarial_mixes: float = 0.3
    grow: int = 10_000  # images over which the adversarial loss comes in
    gamma: float = 0.5  # of the gradient penalties
    ema: float = 0.999


@dataclass
class Studio:
    """What a run of training holds."""

    vae: CatVAE  # v6's networks, which stay as they are
    painter: Painter  # of it, which learns
    ema: AveragedModel
    discriminator: Discriminator
    painter_adam: torch.optim.Optimizer
    discriminator_adam: torch.optim.Optimizer
    alexnet: Taps
    autocast: Callable[[], torch.autocast]


def make_studio(vae: CatVAE, alexnet: Taps, config: PainterConfig, device: torch.device) -> Studio:
    """Everything at the start of a run."""
    torch.manual_seed(config.seed)
    vae = vae.to(device).requires_grad_(False)
    painter = vae.painter
    if painter is None:
        raise TrainingError("a model without a painter cannot learn to paint: see add_painter")
    painter.requires_grad_(True)
    discriminator = Discriminator().to(device, memory_format=torch.channels_last)
    ema = AveragedModel(painter, multi_avg_fn=get_ema_multi_avg_fn(config.ema))
    fused = device.type != "mps"
    return Studio(
        vae,
        painter,
        ema,
        discriminator,
        torch.optim.Adam(painter.parameters(), lr=config.lr, betas=(0.0, 0.99), fused=fused),
        torch.optim.Adam(discriminator.parameters(), lr=3 * config.lr, betas=(0.0, 0.99), fused=fused),
        alexnet,
        partial(autocast, device, pick_precision("auto", device)),
    )


def take_step(studio: Studio, faces: Tensor, config: PainterConfig, seen: int) -> dict[str, Tensor]:
    """One step of both networks on uint8 faces (N, 3, 64, 64); all chance comes from torch's generator."""
    n, m, device = len(faces), config.mixes, next(studio.vae.parameters()).device
    x = augment(faces.to(device).float() / 255, torch.randn(n, 10).to(device), config.jitter)
    x = x.contiguous(memory_format=torch.channels_last)
    other, share = torch.randperm(n)[:m].to(device), (0.2 + 0.6 * torch.rand(m, 1)).to(device)
    shift = tuple(torch.randint(4, (2,)).tolist())
    chances = torch.rand(3, n + m, 5)
    with torch.no_grad(), studio.autocast():
        mu = studio.vae.to_mu(studio.vae.encoder(x)).float()
        z = torch.cat([mu, torch.lerp(mu[:m], mu[other], share)])
        soft = studio.vae.decoder(z).sigmoid().float()
    fade = torch.lerp(x[:m], x[other], share[:, :, None, None])
    target = torch.cat([x, fade])
    with studio.autocast():
        painted = studio.painter(soft, z).float()

    real = torch.cat([x, x[torch.randperm(n)[:m].to(device)]])
    scale = torch.cat([torch.full((n,), config.adversarial), torch.full((m,), config.adversarial_mixes)]).to(device)
    scale = scale * min(1.0, seen / max(1, config.grow))
    for group in studio.painter_adam.param_groups:
        group["lr"] = config.lr * decay(seen, config.images)
    for group in studio.discriminator_adam.param_groups:
        group["lr"] = 3 * config.lr * decay(seen, config.images)

    # discriminator
    fake = change(painted.detach(), chances[0])
    true = change(real, chances[1])
    scores = studio.discriminator(torch.cat([true, fake]))
    d_loss = F.softplus(scores[n + m :] - scores[: n + m]).mean()
    if (seen // n) % PENALTY_EVERY == 0:
        grades = penalty(studio.discriminator, true) + penalty(studio.discriminator, fake)
        d_loss = d_loss + PENALTY_EVERY * config.gamma / 2 * grades
    studio.discriminator_adam.zero_grad(set_to_none=True)
    d_loss.backward()
    studio.discriminator_adam.step()

    # painter
    studio.discriminator.requires_grad_(False)
    with torch.no_grad():
        true = studio.discriminator(change(real, chances[2]))
    gan = F.softplus(true - studio.discriminator(change(painted, chances[2]))).mean(1)
    studio.discriminator.requires_grad_(True)
    with studio.autocast():
        seen_by_alexnet = lpips(studio.alexnet, painted, target, shift)
    near = F.l1_loss(painted[:n], x)
    coarse = F.l1_loss(F.avg_pool2d(painted, 4), F.avg_pool2d(soft, 4))
    loss = config.l1 * near + config.coarse * coarse + (scale * gan).mean()
    loss = loss + config.lpips * seen_by_alexnet[:n].mean() + config.lpips_mixes * seen_by_alexnet[n:].mean()
    studio.painter_adam.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(studio.painter.parameters(), 1.0)
    studio.painter_adam.step()
    studio.ema.update_parameters(studio.painter)
    parts = {"d_loss": d_loss, "gan": gan.mean(), "l1": near, "lpips_alex": seen_by_alexnet[:n].mean()}
    return {name: value.detach() for name, value in parts.items()}


def add_painter(v6: CatVAE, width: int = 32) -> CatVAE:
    """v6 with a fresh painter after its decoder, which paints nothing yet."""
    vae = CatVAE(replace(v6.config, painter=width))
    vae.load_state_dict(v6.state_dict(), strict=False)
    return vae.eval().to(memory_format=torch.channels_last)


def decay(seen: int, images: int) -> float:
    """Factor of the learning rates: 1, and over the last third down to a tenth."""
    return min(1.0, max(0.1, 0.1 + 0.9 * 3 * (1 - seen / images)))


def train_painter(
    vae: CatVAE,
    train: Tensor,
    validation: Tensor,
    folder: Path,
    run: dict[str, Any],
    alexnet: Taps,
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
    `alexnet` is what `load_alexnet` gives.

    Raises TrainingError when the state does not fit, when the loss is no longer finite, or when the
    folder cannot be written.
    """
    studio, seen, history = make_studio(vae, alexnet, config, device), 0, []
    if state:
        seen, history = restore(studio, state)
    started, first = time.monotonic(), seen
    while seen < config.images:
        torch.manual_seed(config.seed * 1_000_003 + seen // config.batch_size)
        batch = train[torch.randint(len(train), (config.batch_size,))]
        parts = take_step(studio, batch, config, seen)
        seen += config.batch_size
        if seen % EPOCH and seen < config.images:
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
    alexnet: Taps,
    config: PainterConfig,
    *,
    device: torch.device,
    resume: bool = False,
    force: bool = False,
) -> dict[str, Any]:
    """Train a painter on the v6 in the folder `start` and write `out/v7/`, which holds v6's weights too: a v6
    that is trained anew would not fit the painter. Returns the metrics of a variant; a finished run is left
    alone under `resume`.

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
    painter = train_painter(
        vae, faces.train, faces.validation, folder, run, alexnet, config, device=device, state=state
    )
    assert vae.painter is not None  # add_painter gave it one
    vae.painter.load_state_dict(painter.state_dict())
    with saving(folder):
        save_checkpoint(folder, vae, v6.beta, None)
    return finish(folder, faces, run)


def state_of(studio: Studio) -> dict[str, Any]:
    """All weights and moments of a run that learn."""
    return {
        "model": studio.painter.state_dict(),
        "ema": studio.ema.state_dict(),
        "discriminator": studio.discriminator.state_dict(),
        "optimizers": [studio.painter_adam.state_dict(), studio.discriminator_adam.state_dict()],
    }


def restore(studio: Studio, state: dict[str, Any]) -> tuple[int, list[dict]]:
    """Faces seen and history of the run in `state`, whose weights go into the studio. Raises TrainingError."""
    try:
        studio.painter.load_state_dict(state["model"])
        studio.ema.load_state_dict(state["ema"])
        studio.discriminator.load_state_dict(state["discriminator"])
        for optimizer, moments in zip(
            (studio.painter_adam, studio.discriminator_adam), state["optimizers"], strict=True
        ):
            optimizer.load_state_dict(moments)
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
