"""One step of a painter's training.

Of every batch of faces the painter paints the decoder's reconstructions, and mixes of pairs of them. A face is
compared with the real one (L1, LPIPS with AlexNet, and the like with EfficientNet-Lite1), a mix with the cross-fade of
its parents (features alone), with the colours of the decoder's picture and with the mean features of real faces. Both
stay close to the decoder's picture at a quarter of the size and to the power spectrum of real faces. Two discriminators
see both: one pictures, under DiffAugment and with penalties on its gradient; one the features (Projected GANs, Sauer et
al. 2021, https://arxiv.org/abs/2111.01007). Both compare pairs (R3GAN, Huang et al. 2024,
https://arxiv.org/abs/2501.05441).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, reduce
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from catvae.errors import TrainingError
from catvae.machine import autocast, pick_precision, to_memory_format
from catvae.model import CatVAE
from catvae.painter import Painter
from catvae.training.optim import average
from catvae.training.painter.config import PainterConfig
from catvae.training.painter.features import FeatureNets
from catvae.training.painter.losses import (
    Discriminator,
    FeatureDiscriminator,
    diff_augment,
    feature_distance,
    gradient_penalty,
    mean_log_power,
    pool,
    resize_and_shift,
    spectral_distance,
)

PENALTY_EVERY = 8  # steps
# Sides, one at random, of the pictures that the feature networks see: pixel by pixel, gradients at several sides are
# half as much again like those of another network as gradients at one.
SIDES = (80, 96, 128, 160, 192)
CENTRED = torch.tensor([2, 2])  # the shift of `shift_and_jitter` that is none
RAMPED = {"adversarial", "adversarial_mixes", "features", "features_mixes"}


@dataclass
class PainterState:
    """What a run of training holds."""

    vae: CatVAE  # of which the painter alone learns
    painter: Painter
    ema: AveragedModel
    discriminator: Discriminator
    feature_discriminator: FeatureDiscriminator
    optimizer: torch.optim.Optimizer  # of the painter
    d_optimizer: torch.optim.Optimizer  # of both discriminators
    nets: FeatureNets
    log_power: tuple[Tensor, Tensor]  # wanted of faces and of mixes, in batches of as many
    feature_std: Tensor  # of real faces, pooled
    drift: Tensor  # running mean, in these, of how far the mean features of mixes are from those of real faces
    autocast: Callable[[], torch.autocast]

    def state_dict(self) -> dict[str, Any]:
        """All weights and moments that a step changes."""
        return {
            "model": self.painter.state_dict(),
            "ema": self.ema.state_dict(),
            "discriminators": [self.discriminator.state_dict(), self.feature_discriminator.state_dict()],
            "optimizers": [self.optimizer.state_dict(), self.d_optimizer.state_dict()],
            "drift": self.drift,
        }

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Go back to what `state_dict` gave."""
        self.painter.load_state_dict(saved["model"])
        self.ema.load_state_dict(saved["ema"])
        parts = [self.discriminator, self.feature_discriminator, self.optimizer, self.d_optimizer]
        for part, state in zip(parts, [*saved["discriminators"], *saved["optimizers"]], strict=True):
            part.load_state_dict(state)
        self.drift.copy_(saved["drift"])


@dataclass
class Batch:
    """What one step paints: N faces, then M mixes of pairs of them."""

    z: Tensor  # latents (N + M, D)
    decoded: Tensor  # the decoder's pictures of them, (N + M, 3, 64, 64)
    target: Tensor  # the faces, and the cross-fades of the mixes' parents
    real: Tensor  # as many real faces
    target_features: list[Tensor]
    real_features: list[Tensor]
    view: tuple[int, tuple[int, int]]  # side and shift of what the feature networks see
    noise: Tensor  # (3, N + M, 5), of `diff_augment`


def make_state(
    vae: CatVAE, nets: FeatureNets, train: Tensor, config: PainterConfig, device: torch.device
) -> PainterState:
    """Everything at the start of a run."""
    torch.manual_seed(config.seed)
    vae = vae.to(device).requires_grad_(False)
    painter = vae.painter
    if painter is None:
        raise TrainingError("a model without a painter cannot learn to paint: see add_painter")
    painter.requires_grad_(True)
    discriminator = to_memory_format(Discriminator().to(device))
    feature_discriminator = FeatureDiscriminator([len(weight) for weight in nets.weights]).to(device)
    both = [*discriminator.parameters(), *feature_discriminator.parameters()]
    cast = partial(autocast, device, pick_precision("auto", device))
    real = train[:4096].to(device).float() / 255
    with torch.no_grad(), cast():
        varied = (
            shift_and_jitter(x, torch.randn(len(x), 5).to(device), CENTRED, config.jitter)
            for x in real[:2048].split(64)
        )
        pooled = torch.cat([pool(nets.features(resize_and_shift(x, 128, (0, 0)))) for x in varied])
    ema = AveragedModel(painter, avg_fn=partial(average, most=config.ema))
    ema.n_averaged += 1  # the start is the first of what is averaged
    adam = partial(torch.optim.Adam, betas=(0.0, 0.99), fused=device.type != "mps")
    return PainterState(
        vae=vae,
        painter=painter,
        ema=ema,
        discriminator=discriminator,
        feature_discriminator=feature_discriminator,
        optimizer=adam(painter.parameters(), lr=config.lr),
        d_optimizer=adam(both, lr=3 * config.lr),
        nets=nets,
        log_power=(
            mean_log_power(real, config.batch_size) + math.log(config.power),
            mean_log_power(real, config.mixes) + math.log(config.power_mixes),
        ),
        feature_std=pooled.std(0) + 1e-6,
        drift=torch.zeros(pooled.shape[1], device=device),
        autocast=cast,
    )


def make_batch(state: PainterState, faces: Tensor, config: PainterConfig) -> Batch:
    """What a step paints of uint8 faces (N, 3, 64, 64); all chance comes from torch's generator."""
    n, m, device = len(faces), config.mixes, next(state.vae.parameters()).device
    x, noise = faces.to(device).float() / 255, torch.randn(n, 5).to(device)
    x = shift_and_jitter(x, noise, torch.randint(5, (2,)), config.jitter)
    x = x.contiguous(memory_format=torch.channels_last)
    other, share = torch.randperm(n)[:m].to(device), (0.2 + 0.6 * torch.rand(m, 1)).to(device)
    right, down, size = *torch.randint(4, (2,)).tolist(), int(torch.randint(len(SIDES), ()))
    view = SIDES[size], (right, down)
    target = torch.cat([x, torch.lerp(x[:m], x[other], share[:, :, None, None])])
    real = torch.cat([x, x[torch.randperm(n)[:m].to(device)]])
    with torch.no_grad(), state.autocast():
        mu = state.vae.to_mu(state.vae.encoder(x)).float()
        z = torch.cat([mu, torch.lerp(mu[:m], mu[other], share)])
        decoded = state.vae.decoder(z).sigmoid().float()
        features = state.nets.features(resize_and_shift(torch.cat([target, real[n:]]), *view))
    of_target = [layer[: n + m] for layer in features]
    of_real = [torch.cat([layer[:n], layer[n + m :]]) for layer in features]
    return Batch(z, decoded, target, real, of_target, of_real, view, torch.rand(3, n + m, 5))


def take_step(state: PainterState, faces: Tensor, config: PainterConfig, seen: int) -> dict[str, Tensor]:
    """One step of all networks that learn, on uint8 faces (N, 3, 64, 64), of which they have `seen` so many.

    Returns the discriminators' losses, and the painter's by the names that their weights have in `config`.
    """
    n, batch = len(faces), make_batch(state, faces, config)
    for optimizer, factor in ((state.optimizer, 1), (state.d_optimizer, 3)):
        for group in optimizer.param_groups:
            group["lr"] = factor * config.lr * decay(seen, config.images)
    with state.autocast():
        painted = state.painter(batch.decoded, batch.z).float()
        features = state.nets.features(resize_and_shift(painted, *batch.view))

    real, fake = diff_augment(batch.real, batch.noise[0]), diff_augment(painted.detach(), batch.noise[1])
    d_losses = discriminator_losses(state, batch, real, fake, [layer.detach() for layer in features])
    loss = d_losses["d_loss"] + d_losses["d_features"]
    if (seen // n) % PENALTY_EVERY == 0:
        penalty = gradient_penalty(state.discriminator, real) + gradient_penalty(state.discriminator, fake)
        loss = loss + PENALTY_EVERY * config.gamma / 2 * penalty
    optimize(state.d_optimizer, loss)

    losses = generator_losses(state, batch, painted, features, n)
    ramp = min(1.0, seen / max(1, config.grow))
    weighted = (getattr(config, name) * (ramp if name in RAMPED else 1) * value for name, value in losses.items())
    loss = reduce(torch.add, weighted)
    optimize(state.optimizer, loss, max_norm=1.0)
    state.ema.update_parameters(state.painter)
    return {name: value.detach() for name, value in {**d_losses, **losses}.items()}


def optimize(optimizer: torch.optim.Optimizer, loss: Tensor, max_norm: float = math.inf) -> None:
    """One step down the loss; `max_norm` is that to which its gradient is clipped."""
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(optimizer.param_groups[0]["params"], max_norm)
    optimizer.step()


def discriminator_losses(
    state: PainterState, batch: Batch, real: Tensor, fake: Tensor, features: list[Tensor]
) -> dict[str, Tensor]:
    """Losses of both discriminators, of real and painted pictures and of the features of painted ones, detached."""
    with state.autocast():
        scores = state.discriminator(torch.cat([real, fake])).float()
        gap = state.feature_discriminator(features) - state.feature_discriminator(batch.real_features)
    return {
        "d_loss": F.softplus(scores[len(real) :] - scores[: len(real)]).mean(),
        "d_features": F.softplus(gap).mean(),
    }


def generator_losses(
    state: PainterState, batch: Batch, painted: Tensor, features: list[Tensor], n: int
) -> dict[str, Tensor]:
    """The painter's losses, by names of `PainterConfig`, of N faces and M mixes painted (N + M, 3, 64, 64) with these
    `features`. The running mean of mixes in `state` takes a step to theirs."""
    discriminators = (state.discriminator, state.feature_discriminator)
    for discriminator in discriminators:
        discriminator.requires_grad_(False)
    with torch.no_grad(), state.autocast():
        real = state.discriminator(diff_augment(batch.real, batch.noise[2])).float()
    with state.autocast():
        fake = state.discriminator(diff_augment(painted, batch.noise[2])).float()
        gap = state.feature_discriminator(batch.real_features) - state.feature_discriminator(features)
    adversarial, of_features = F.softplus(real - fake).mean(1), F.softplus(gap).mean(1)
    for discriminator in discriminators:
        discriminator.requires_grad_(True)
    lpips = feature_distance(state.nets, features, batch.target_features)
    off = (pool(features)[n:].mean(0) - pool(batch.real_features).mean(0)) / state.feature_std
    state.drift.lerp_(off.detach(), 0.05)
    return {
        "l1": F.l1_loss(painted[:n], batch.target[:n]),
        "coarse": F.l1_loss(F.avg_pool2d(painted, 4), F.avg_pool2d(batch.decoded, 4)),
        "colour_mixes": F.mse_loss(chroma(F.avg_pool2d(painted[n:], 2)), chroma(F.avg_pool2d(batch.decoded[n:], 2))),
        "lpips": lpips[:n].mean(),
        "lpips_mixes": lpips[n:].mean(),
        "adversarial": adversarial[:n].mean(),
        "adversarial_mixes": adversarial[n:].mean(),
        "features": of_features[:n].mean(),
        "features_mixes": of_features[n:].mean(),
        "spectrum": spectral_distance(painted[:n], state.log_power[0]),
        "spectrum_mixes": spectral_distance(painted[n:], state.log_power[1]),
        # against the running mean, which moves the mean and leaves the mixes' spread: a batch's own square would not
        "drift_mixes": 2 * (state.drift * off).mean(),
    }


def chroma(x: Tensor) -> Tensor:
    """Pictures (N, 3, H, W) without their grey."""
    return x - x.mean(1, keepdim=True)


def shift_and_jitter(x: Tensor, noise: Tensor, shift: Tensor, jitter: float) -> Tensor:
    """Faces (N, 3, 64, 64) in [0, 1], half of them mirrored, all moved by 0 to 4 pixels less 2, and with a jitter of
    1 changed in contrast by 10 % and in each colour by 5 % more (standard deviations of normal `noise` (N, 5)).

    By whole pixels, unlike `augment`: between them, half of the power of the finest detail is lost, and a
    painter whose real faces lack it learns to do without.
    """
    x = torch.where(noise[:, 0, None, None, None] < 0, x.flip(-1), x)
    down, right = shift.tolist()
    x = F.pad(x, (2, 2, 2, 2), mode="reflect")[:, :, down : down + 64, right : right + 64]
    gain = 1 + jitter * (0.1 * noise[:, 1:2] + 0.05 * noise[:, 2:5])
    return (x * gain[:, :, None, None]).clamp(0, 1)


def decay(seen: int, images: int) -> float:
    """Factor of the learning rates: 1, and over the last third down to a tenth."""
    return min(1.0, max(0.1, 0.1 + 0.9 * 3 * (1 - seen / images)))
