"""What no network is needed for: the optimal linear VAE of the training faces, in closed form.

With a linear decoder and Gaussian noise of variance σ² the optimum is principal component analysis
(Lucas et al. 2019, "Don't Blame the ELBO!", https://arxiv.org/abs/1911.02469): a component of
variance λ is used when λ > σ², shrunk by (λ - σ²) / λ, and says ½ ln(λ / σ²) nats. Near mid-grey
binary cross-entropy is 2 · error², so that σ² = β / 4.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

OVERSAMPLING, ITERATIONS = 20, 2  # of the randomised SVD


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
