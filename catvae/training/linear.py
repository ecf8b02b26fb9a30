"""The optimal linear VAE of the training faces, in closed form, and weights to start training from.

With a linear decoder and Gaussian noise of variance σ² the optimum is principal component analysis
(Lucas et al. 2019, "Don't Blame the ELBO!", https://arxiv.org/abs/1911.02469): a component of
variance λ is used when λ > σ², shrunk by (λ - σ²) / λ, and says ½ ln(λ / σ²) nats. Near mid-grey
binary cross-entropy is 2 · error², so that σ² = β / 4.

The weights to start from are those under which the network acts as that VAE. A network of random
weights spends most of its training on what principal components give at once. A pair of units w and
-w under a (leaky) ReLU of slope s loses nothing, relu(a) - relu(-a) = (1 + s) a, so a layer can carry
half as many linear features as it has channels: principal components of the 2×2 cells of a face, of
the 2×2 cells of those, and so on. Channels that are left over stay random, and unread until trained.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from catvae.metrics import psnr
from catvae.model import ACTIVATIONS, CatVAE, kl_divergence

DARKEST = 0.01  # pixels are kept this far from 0 and 1, whose logits are infinite
OVERSAMPLING, ITERATIONS = 20, 2  # of the randomised SVD
BETAS = [0.001 * 2 ** (i / 2) for i in range(28)]  # of the curve, to 11.6


@dataclass(frozen=True)
class Components:
    """Principal components of faces and their mirror images, the largest variance first."""

    mean: Tensor  # (3, 64, 64)
    variances: Tensor  # (K,)
    axes: Tensor  # (K, 3 · 64 · 64), orthonormal


class LinearVAE:
    """The optimal linear VAE at one β, with `encode` and `decode` as those of `CatVAE`."""

    def __init__(self, components: Components, beta: float, latent_dim: int) -> None:
        noise = beta / 4
        used = int((components.variances[:latent_dim] > noise).sum())
        self.variances, self.noise = components.variances[:used], noise
        self.mean, self.axes = components.mean, components.axes[:used]

    @property
    def rate(self) -> float:
        """Mean KL over the training faces in nats."""
        return 0.5 * (self.variances / self.noise).log().sum().item()

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Images (N, 3, 64, 64) in [0, 1] to the posterior's mu and logvar, each (N, used components)."""
        mu = (x - self.mean).flatten(1) @ self.axes.T * ((self.variances - self.noise).sqrt() / self.variances)
        return mu, (self.noise / self.variances).log().expand_as(mu)

    def decode(self, z: Tensor) -> Tensor:
        """Latents (N, used components) to images, cut off at [0, 1], (N, 3, 64, 64)."""
        pixels = (z * (self.variances - self.noise).sqrt()) @ self.axes
        return (self.mean + pixels.unflatten(1, self.mean.shape)).clamp(0, 1)


def principal_components(faces: Tensor, count: int, seed: int = 0) -> Components:
    """The first `count` components, or as many as there are, of uint8 faces (N, 3, H, W) and their mirror images.

    Such a set has the same covariance as its mirror image, so each axis is either symmetric or
    antisymmetric. Both halves are decomposed on their own, in half the pixels, by a randomised SVD
    (Halko et al. 2009, https://arxiv.org/abs/0909.4061).
    """
    x = faces.float() / 255
    left, right = x[..., : x.shape[-1] // 2], x.flip(-1)[..., : x.shape[-1] // 2]
    middle = (left + right).mean(0) / 2
    found = []
    for sign in (1, -1):
        half = ((left + sign * right) / 2**0.5 - (middle * 2**0.5 if sign > 0 else 0)).flatten(1)
        rank = min(*half.shape, count + OVERSAMPLING)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            _, scale, axes = torch.svd_lowrank(half, q=rank, niter=ITERATIONS)
        axes = axes.T.unflatten(1, left.shape[1:])
        axes = torch.cat([axes, sign * axes.flip(-1)], -1).flatten(1) / 2**0.5
        found.append((scale.square() / len(x), axes))
    variances, axes = (torch.cat(parts) for parts in zip(*found, strict=True))
    order = variances.argsort(descending=True)[:count]
    return Components(torch.cat([middle, middle.flip(-1)], -1), variances[order], axes[order])


def linear_curve(components: Components, x: Tensor) -> list[list[float]]:
    """[β, KL, PSNR] of the optimum on floats (N, 3, 64, 64), β growing."""
    curve = []
    for beta in BETAS:
        model = LinearVAE(components, beta, len(components.variances))
        mu, logvar = model.encode(x)
        kl, quality = kl_divergence(mu, logvar).sum(1).mean(), psnr(x, model.decode(mu)).mean()
        curve.append([beta, kl.item(), quality.item()])
    return curve


@torch.no_grad()
def start_linear(model: CatVAE, faces: Tensor, beta: float) -> None:
    """Give a fresh model, in place, the behaviour of the optimal linear VAE at β of uint8 faces (N, 3, 64, 64).

    Fresh: its biases are zero, and no activation precedes the sigmoid.

    Exactly so where the channels suffice for all cells; the decoder is the linear map from latents
    to logits, not to pixels, that is best under the posterior's noise. Latents that the linear VAE
    leaves to the prior are at the prior, and not read.
    """
    channels, x = model.config.channels, faces.float() / 255
    widths = [width // 2 for width in channels[1:]]
    gain = 1 / (1 + getattr(ACTIVATIONS[model.config.activation](), "negative_slope", 0))
    linear = LinearVAE(principal_components(faces, model.config.latent_dim), beta, model.config.latent_dim)
    used = len(linear.variances)

    layers = [layer for layer in model.encoder if isinstance(layer, nn.Conv2d)]
    cells = cell_axes(x, widths)
    for i, (layer, axes) in enumerate(zip(layers, cells, strict=True)):
        fill_kernels(layer.weight, gain * axes if i else axes, pairs_out=True, pairs_in=i > 0)
    scale = (linear.variances - linear.noise).sqrt() / linear.variances
    seen = apply_cells(linear.axes.unflatten(1, x.shape[1:]), cells) * (gain * scale[:, None, None, None])
    for head in (model.to_mu, model.to_logvar):
        head.weight.zero_()
        head.bias.zero_()
    heads = model.to_mu.weight.unflatten(1, (channels[-1], *seen.shape[2:]))
    heads[:used, : seen.shape[1]] = seen
    heads[:used, widths[-1] : widths[-1] + seen.shape[1]] = -seen
    model.to_mu.bias[:used] = -(linear.axes @ linear.mean.flatten()) * scale
    model.to_logvar.bias[:used] = (linear.noise / linear.variances).log()

    mu, logvar = linear.encode(x)
    logits = x.clamp(DARKEST, 1 - DARKEST).logit()
    mean = logits.mean(0)
    second_moment = mu.T @ mu + len(x) * logvar[0].exp().diag()  # of latents, noise included
    images = torch.linalg.solve(second_moment, mu.T @ (logits - mean).flatten(1))

    layers = [layer for layer in model.decoder if isinstance(layer, nn.ConvTranspose2d)][::-1]
    cells = cell_axes(logits, [*widths[:-1], channels[-1]])  # no activation follows the linear layer: no pairs there
    for i, (layer, axes) in enumerate(zip(layers, cells, strict=True)):
        first = i == len(layers) - 1
        axes = axes.transpose(0, 1) if first else gain * axes.transpose(0, 1)
        fill_kernels(layer.weight.transpose(0, 1), axes, pairs_out=i > 0, pairs_in=not first)
    seen = apply_cells(torch.cat([images.unflatten(1, mean.shape), mean[None]]), cells)
    layer, shape = model.decoder[0], (channels[-1], *seen.shape[2:])
    assert isinstance(layer, nn.Linear)
    layer.weight.zero_()
    layer.weight.T.unflatten(1, shape)[:used, : seen.shape[1]] = seen[:-1]
    layer.bias.unflatten(0, shape)[: seen.shape[1]] = seen[-1]


def cell_axes(x: Tensor, widths: list[int]) -> list[Tensor]:
    """Principal axes of the 2×2 cells of images (N, C, H, W), of the 2×2 cells of what these see, and so on.

    Each (K, channels before, 2, 2), orthonormal, the K, at most that layer's width, of most energy.
    """
    found = []
    for width in widths:
        cells = F.pixel_unshuffle(x, 2).transpose(0, 1).flatten(1)
        axes = torch.linalg.eigh(cells @ cells.T / cells.shape[1]).eigenvectors.flip(1)
        found.append(axes[:, :width].T.unflatten(1, (x.shape[1], 2, 2)))
        x = apply_cells(x, found[-1:])
    return found


def apply_cells(x: Tensor, cells: list[Tensor]) -> Tensor:
    """Images (N, C, H, W) as features (N, K, h, w) under axes of cells, one halving each."""
    for axes in cells:
        x = F.conv2d(x, axes, stride=2)
    return x


def fill_kernels(weight: Tensor, axes: Tensor, pairs_out: bool, pairs_in: bool) -> None:
    """Put axes (out, in, 2, 2) into the middle of kernels (more out, more in, 4, 4), as ± pairs where asked for.

    Outputs that are filled read nothing else.
    """
    out, into = axes.shape[:2]
    outs = [(0, 1), (weight.shape[0] // 2, -1)] if pairs_out else [(0, 1)]
    ins = [(0, 1), (weight.shape[1] // 2, -1)] if pairs_in else [(0, 1)]
    for row, a in outs:
        weight[row : row + out] = 0
        for column, b in ins:
            weight[row : row + out, column : column + into, 1:3, 1:3] = a * b * axes
