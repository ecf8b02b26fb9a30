"""One step of a painter's training, and what pulls it.

Of every batch of faces the painter paints v6's reconstructions, and mixes of pairs of them. A face is
pulled to the real one (L1, and what eyes see: LPIPS with AlexNet, and the like with EfficientNet-Lite1),
a mix to the cross-fade of its parents (eyes alone), to the colours of v6's picture and to the mean of what
the eyes see in real faces. Both stay close to v6's picture at a quarter of the size and to the spectrum of
real faces, and two discriminators pull both to what real faces look like: one sees pictures, under small
changes alike for real and painted ones (DiffAugment, Zhao et al. 2020, https://arxiv.org/abs/2006.10738),
with penalties on its gradient; one sees what the eyes see (Sauer et al. 2021,
https://arxiv.org/abs/2111.01007). Both compare pairs (R3GAN, Huang et al. 2024,
https://arxiv.org/abs/2501.05441).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from catvae.errors import TrainingError
from catvae.machine import autocast, pick_precision
from catvae.model import CatVAE
from catvae.painter import Painter
from catvae.training.losses import (
    Discriminator,
    Eyes,
    FeatureDiscriminator,
    change,
    distance,
    enlarge,
    mean_log_power,
    penalty,
    pooled,
    spectral_distance,
)
from catvae.training.optim import average

# of a painter that goes on with photos of one's own, where little is to be learned, and soon: its rate, and how many
# faces it sees at least
OWN_LR, OWN_LEAST = 1e-4, 480
PENALTY_EVERY = 8  # steps
# Sides at which the eyes see faces, at random: pixel by pixel, what they pull to at several is half as much again like
# what another network pulls to as at one.
SIDES = (80, 96, 128, 160, 192)
CENTRED = torch.tensor([2, 2])  # the move of `vary` that is none
GROWING = {"adversarial", "adversarial_mixes", "features", "features_mixes"}


@dataclass(frozen=True)
class PainterConfig:
    """Settings that decide the result, in faces seen, and the weights of the losses, on faces and on mixes."""

    images: int = 500_000
    batch_size: int = 24
    mixes: int = 24  # painted beside each batch
    lr: float = 3e-4  # of the painter, falling to a tenth over the last third; the discriminators' is three times that
    seed: int = 0
    jitter: float = 0.5
    l1: float = 12.0  # to the real face
    coarse: float = 2.0  # to v6's picture, as 4×4 means
    colour_mixes: float = 100.0  # to v6's picture, as 2×2 means without their grey: no red or green is invented
    lpips: float = 28.0  # of what the eyes see, to the real face
    lpips_mixes: float = 10.0  # to the cross-fade of the parents
    adversarial: float = 0.05
    adversarial_mixes: float = 0.3
    features: float = 0.12
    features_mixes: float = 0.6
    spectrum: float = 1.5
    spectrum_mixes: float = 1.5
    power: float = 0.85  # of real faces' power, that the spectra are pulled to: all of it costs nearness to the cat,
    power_mixes: float = 0.7  # and what nobody knows of a mix is better soft than a mesh
    drift_mixes: float = 2.5  # of the mean of what the eyes see in mixes from that of real faces
    grow: int = 10_000  # images over which the discriminators' share comes in
    gamma: float = 0.05  # of the gradient penalties
    ema: float = 0.998


@dataclass
class Studio:
    """What a run of training holds."""

    vae: CatVAE  # v6's networks, which stay as they are
    painter: Painter  # of it, which learns
    ema: AveragedModel
    discriminator: Discriminator  # of pictures
    feature_discriminator: FeatureDiscriminator  # of what the eyes see in them
    painter_adam: torch.optim.Optimizer
    discriminators_adam: torch.optim.Optimizer
    eyes: Eyes
    log_power: tuple[Tensor, Tensor]  # wanted of faces and of mixes, in batches of as many
    spread: Tensor  # standard deviation of what the eyes see in real faces, `pooled`
    drift: Tensor  # running mean of how many of these what they see in mixes is from what they see in real faces
    autocast: Callable[[], torch.autocast]


@dataclass
class Sitting:
    """What one step paints: N faces, then M mixes of pairs of them."""

    z: Tensor  # latents (N + M, D)
    soft: Tensor  # v6's pictures of them, (N + M, 3, 64, 64)
    target: Tensor  # the faces, and the cross-fades of the mixes' parents
    real: Tensor  # as many real faces
    target_taps: list[Tensor]  # what the eyes see in them
    real_taps: list[Tensor]
    view: tuple[int, tuple[int, int]]  # side and shift of what the eyes see
    chances: Tensor  # (3, N + M, 5), of changes to what the discriminator sees


def make_studio(vae: CatVAE, eyes: Eyes, train: Tensor, config: PainterConfig, device: torch.device) -> Studio:
    """Everything at the start of a run."""
    torch.manual_seed(config.seed)
    vae = vae.to(device).requires_grad_(False)
    painter = vae.painter
    if painter is None:
        raise TrainingError("a model without a painter cannot learn to paint: see add_painter")
    painter.requires_grad_(True)
    discriminator = Discriminator().to(device, memory_format=torch.channels_last)
    feature_discriminator = FeatureDiscriminator([len(weight) for weight in eyes.weights]).to(device)
    both = [*discriminator.parameters(), *feature_discriminator.parameters()]
    cast = partial(autocast, device, pick_precision("auto", device))
    real = train[:4096].to(device).float() / 255
    with torch.no_grad(), cast():
        varied = (vary(x, torch.randn(len(x), 5).to(device), CENTRED, config.jitter) for x in real[:2048].split(64))
        seen = torch.cat([pooled(eyes.taps(enlarge(x, 128, (0, 0)))) for x in varied])
    ema = AveragedModel(painter, avg_fn=partial(average, most=config.ema))
    ema.n_averaged += 1  # the start is the first of what is averaged
    adam = partial(torch.optim.Adam, betas=(0.0, 0.99), fused=device.type != "mps")
    return Studio(
        vae=vae,
        painter=painter,
        ema=ema,
        discriminator=discriminator,
        feature_discriminator=feature_discriminator,
        painter_adam=adam(painter.parameters(), lr=config.lr),
        discriminators_adam=adam(both, lr=3 * config.lr),
        eyes=eyes,
        log_power=(
            mean_log_power(real, config.batch_size) + math.log(config.power),
            mean_log_power(real, config.mixes) + math.log(config.power_mixes),
        ),
        spread=seen.std(0) + 1e-6,
        drift=torch.zeros(seen.shape[1], device=device),
        autocast=cast,
    )


def sit(studio: Studio, faces: Tensor, config: PainterConfig) -> Sitting:
    """What a step paints of uint8 faces (N, 3, 64, 64); all chance comes from torch's generator."""
    n, m, device = len(faces), config.mixes, next(studio.vae.parameters()).device
    x = vary(faces.to(device).float() / 255, torch.randn(n, 5).to(device), torch.randint(5, (2,)), config.jitter)
    x = x.contiguous(memory_format=torch.channels_last)
    other, share = torch.randperm(n)[:m].to(device), (0.2 + 0.6 * torch.rand(m, 1)).to(device)
    right, down, size = *torch.randint(4, (2,)).tolist(), int(torch.randint(len(SIDES), ()))
    view = SIDES[size], (right, down)
    target = torch.cat([x, torch.lerp(x[:m], x[other], share[:, :, None, None])])
    real = torch.cat([x, x[torch.randperm(n)[:m].to(device)]])
    with torch.no_grad(), studio.autocast():
        mu = studio.vae.to_mu(studio.vae.encoder(x)).float()
        z = torch.cat([mu, torch.lerp(mu[:m], mu[other], share)])
        soft = studio.vae.decoder(z).sigmoid().float()
        taps = studio.eyes.taps(enlarge(torch.cat([target, real[n:]]), *view))
    target_taps = [tap[: n + m] for tap in taps]
    real_taps = [torch.cat([tap[:n], tap[n + m :]]) for tap in taps]
    return Sitting(z, soft, target, real, target_taps, real_taps, view, torch.rand(3, n + m, 5))


def take_step(studio: Studio, faces: Tensor, config: PainterConfig, seen: int) -> dict[str, Tensor]:
    """One step of all networks that learn, on uint8 faces (N, 3, 64, 64), of which they have `seen` so many.

    Returns the discriminators' losses, and the painter's by the names that their weights have in `config`.
    """
    n, sitting = len(faces), sit(studio, faces, config)
    for adam, factor in ((studio.painter_adam, 1), (studio.discriminators_adam, 3)):
        for group in adam.param_groups:
            group["lr"] = factor * config.lr * decay(seen, config.images)
    with studio.autocast():
        painted = studio.painter(sitting.soft, sitting.z).float()
        taps = studio.eyes.taps(enlarge(painted, *sitting.view))

    true, fake = change(sitting.real, sitting.chances[0]), change(painted.detach(), sitting.chances[1])
    with studio.autocast():
        scores = studio.discriminator(torch.cat([true, fake])).float()
    d_loss = F.softplus(scores[len(true) :] - scores[: len(true)]).mean()
    with studio.autocast():
        gap = studio.feature_discriminator([tap.detach() for tap in taps]) - studio.feature_discriminator(
            sitting.real_taps
        )
    d_features = F.softplus(gap).mean()
    loss = d_loss + d_features
    if (seen // n) % PENALTY_EVERY == 0:
        grades = penalty(studio.discriminator, true) + penalty(studio.discriminator, fake)
        loss = loss + PENALTY_EVERY * config.gamma / 2 * grades
    learn(studio.discriminators_adam, loss)

    pulls = pull(studio, sitting, painted, taps, n)
    grown = min(1.0, seen / max(1, config.grow))
    loss = sum(getattr(config, name) * (grown if name in GROWING else 1) * value for name, value in pulls.items())
    learn(studio.painter_adam, loss, largest=1.0)
    studio.ema.update_parameters(studio.painter)
    return {name: value.detach() for name, value in {"d_loss": d_loss, "d_features": d_features, **pulls}.items()}


def learn(adam: torch.optim.Optimizer, loss: Tensor, largest: float = math.inf) -> None:
    """One step down the loss; `largest` is the norm to which its gradient is cut."""
    adam.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(adam.param_groups[0]["params"], largest)
    adam.step()


def pull(studio: Studio, sitting: Sitting, painted: Tensor, taps: list[Tensor], n: int) -> dict[str, Tensor]:
    """What pulls the painter, by names of `PainterConfig`, of N faces and M mixes painted (N + M, 3, 64, 64), in
    which the eyes see `taps`. The running mean of mixes in `studio` takes a step to theirs."""
    judges = (studio.discriminator, studio.feature_discriminator)
    for judge in judges:
        judge.requires_grad_(False)
    with torch.no_grad(), studio.autocast():
        true = studio.discriminator(change(sitting.real, sitting.chances[2])).float()
    with studio.autocast():
        adversarial = F.softplus(true - studio.discriminator(change(painted, sitting.chances[2])).float()).mean(1)
        gap = studio.feature_discriminator(sitting.real_taps) - studio.feature_discriminator(taps)
    features = F.softplus(gap).mean(1)
    for judge in judges:
        judge.requires_grad_(True)
    apart = distance(studio.eyes, taps, sitting.target_taps)
    off = (pooled(taps)[n:].mean(0) - pooled(sitting.real_taps).mean(0)) / studio.spread
    studio.drift.lerp_(off.detach(), 0.05)
    return {
        "l1": F.l1_loss(painted[:n], sitting.target[:n]),
        "coarse": F.l1_loss(F.avg_pool2d(painted, 4), F.avg_pool2d(sitting.soft, 4)),
        "colour_mixes": F.mse_loss(*(colours(F.avg_pool2d(x[n:], 2)) for x in (painted, sitting.soft))),
        "lpips": apart[:n].mean(),
        "lpips_mixes": apart[n:].mean(),
        "adversarial": adversarial[:n].mean(),
        "adversarial_mixes": adversarial[n:].mean(),
        "features": features[:n].mean(),
        "features_mixes": features[n:].mean(),
        "spectrum": spectral_distance(painted[:n], studio.log_power[0]),
        "spectrum_mixes": spectral_distance(painted[n:], studio.log_power[1]),
        # against the running mean, which pulls the mean and leaves the mixes' spread: a batch's own square would not
        "drift_mixes": 2 * (studio.drift * off).mean(),
    }


def colours(x: Tensor) -> Tensor:
    """Pictures (N, 3, H, W) without their grey."""
    return x - x.mean(1, keepdim=True)


def vary(x: Tensor, chance: Tensor, move: Tensor, jitter: float) -> Tensor:
    """Faces (N, 3, 64, 64) in [0, 1], half of them mirrored, all moved by 0 to 4 pixels less 2, and with a jitter of
    1 changed in contrast by 10 % and in each colour by 5 % more (standard deviations of normal `chance` (N, 5)).

    By whole pixels, unlike `augment`: between them, half of the power of the finest detail is lost, and a
    painter whose real faces lack it learns to do without.
    """
    x = torch.where(chance[:, 0, None, None, None] < 0, x.flip(-1), x)
    down, right = move.tolist()
    x = F.pad(x, (2, 2, 2, 2), mode="reflect")[:, :, down : down + 64, right : right + 64]
    gain = 1 + jitter * (0.1 * chance[:, 1:2] + 0.05 * chance[:, 2:5])
    return (x * gain[:, :, None, None]).clamp(0, 1)


def decay(seen: int, images: int) -> float:
    """Factor of the learning rates: 1, and over the last third down to a tenth."""
    return min(1.0, max(0.1, 0.1 + 0.9 * 3 * (1 - seen / images)))
