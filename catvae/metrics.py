"""Measures: PSNR and SSIM of pairs of images, both with KL for a model, sharpness, the Fréchet distance of
two sets, and intervals of means.
"""

# what torch gives (split, tolist, fft) and safetensors has types that pyright knows in part
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from catvae.model import CatVAE, kl_divergence

ACTIVE_UNIT_VARIANCE = 0.01


def psnr(x: Tensor, y: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB of each pair of images in [0, 1], (N, 3, H, W) to (N,)."""
    return -10 * (x - y).square().flatten(1).mean(1).clamp_min(1e-10).log10()


def ssim(x: Tensor, y: Tensor) -> Tensor:
    """Structural similarity of each pair of images in [0, 1], (N, 3, H, W) to (N,), at most 1.

    Mean over channels and over all places where the 11×11 Gaussian window (σ = 1.5) fits.
    Wang et al. (2004), https://doi.org/10.1109/TIP.2003.819861
    """
    offsets = torch.arange(11, device=x.device) - 5.0
    gauss = torch.exp(-offsets.square() / (2 * 1.5**2))
    gauss = gauss / gauss.sum()
    window = (gauss[:, None] * gauss).expand(x.shape[1], 1, 11, 11)

    def local_mean(image: Tensor) -> Tensor:
        return F.conv2d(image, window, groups=image.shape[1])

    mean_x, mean_y = local_mean(x), local_mean(y)
    var_x = local_mean(x * x) - mean_x.square()
    var_y = local_mean(y * y) - mean_y.square()
    cov = local_mean(x * y) - mean_x * mean_y
    c1, c2 = 0.01**2, 0.03**2
    similarity = (2 * mean_x * mean_y + c1) * (2 * cov + c2)
    similarity /= (mean_x.square() + mean_y.square() + c1) * (var_x + var_y + c2)
    return similarity.flatten(1).mean(1)


@torch.inference_mode()
def evaluate_model(model: CatVAE, images: Tensor, batch_size: int = 256) -> dict[str, float]:
    """Mean PSNR (dB), SSIM, KL (nats) and BCE (nats, summed over pixels) over uint8 images (N, 3, 64, 64), and counts,
    as they stand in metrics.json.

    Reconstructions are decoded from posterior means, and painted where the model has a painter; BCE is the
    decoder's alone, as a painter gives no likelihood. "active_units" counts the latents whose mean
    varies over the images by more than 0.01 (Burda et al. 2015, https://arxiv.org/abs/1509.00519).
    """
    device = next(model.parameters()).device
    scores, mus = [], []
    for batch in images.split(batch_size):
        x = batch.to(device).float() / 255
        mu, logvar = model.encode(x)
        logits = model.decoder(mu)
        y = model.paint(logits.sigmoid(), mu)
        bce = F.binary_cross_entropy_with_logits(logits, x, reduction="none").flatten(1).sum(1)
        scores.append(torch.stack([psnr(x, y), ssim(x, y), kl_divergence(mu, logvar).sum(1), bce]))
        mus.append(mu)
    quality, similarity, kl, bce = (row.mean().item() for row in torch.cat(scores, dim=1))
    return {
        "psnr": quality,
        "ssim": similarity,
        "kl": kl,
        "bce": bce,
        "active_units": int((torch.cat(mus).var(0, correction=0) > ACTIVE_UNIT_VARIANCE).sum()),
        "parameters": sum(p.numel() for p in model.parameters()),
        "images": len(images),
    }


def sharpness(x: Tensor) -> Tensor:
    """Energy of the detail of each image (N, 3, H, W), to (N,): mean squared step to the next grey pixel."""
    grey = x.mean(1)
    return (grey.diff(dim=-1).square().mean((1, 2)) + grey.diff(dim=-2).square().mean((1, 2))) / 2


def spectrum(x: Tensor) -> Tensor:
    """Mean power of each grey image (N, 3, H, W) at three places of its spectrum, (N, 3): the Nyquist row,
    the Nyquist column, and row and column at a quarter of the sampling rate.

    Grids and dots that transposed or shuffled pixels leave are seen there first: compare with real images.
    """
    power = torch.fft.fft2(x.mean(1)).abs().square()
    along_rows, along_columns = power.mean(2), power.mean(1)
    rows, columns = power.shape[1:]
    quarter = (along_rows[:, rows // 4] + along_columns[:, columns // 4]) / 2
    return torch.stack([along_rows[:, rows // 2], along_columns[:, columns // 2], quarter], dim=1)


def frechet(a: Tensor, b: Tensor) -> float:
    """Squared Fréchet distance of the Gaussians with mean and covariance of features (N, D) and (M, D).

    Heusel et al. (2017), https://arxiv.org/abs/1706.08500. The trace of the square root of the
    covariances' product is the sum of the singular values of a · bᵀ, centred: an N×M matrix, where
    few images have many features. Few images also make the distance larger: compare equal N and M.
    """
    centred = [(x - x.mean(0)) / (len(x) - 1) ** 0.5 for x in (a, b)]
    total = (a.mean(0) - b.mean(0)).square().sum() + sum(x.square().sum() for x in centred)
    return (total - 2 * torch.linalg.svdvals(centred[0] @ centred[1].T).sum()).clamp_min(0).item()


def bootstrap(values: Tensor, resamples: int = 1000, seed: int = 0) -> list[float]:
    """Mean of `values` (N,) and the ends of its 95 % confidence interval: percentiles over resamples.

    Equal N and seed mean the same resamples, so that intervals of differences are paired.
    """
    drawn = torch.randint(len(values), (resamples, len(values)), generator=torch.Generator().manual_seed(seed))
    ends = values.double()[drawn].mean(1).quantile(torch.tensor([0.025, 0.975], dtype=torch.double))
    return [values.double().mean().item(), *ends.tolist()]


def jackknife(statistic: Callable[[Tensor, Tensor], float], a: Tensor, b: Tensor) -> list[float]:
    """`statistic` of two sets of equal size and the ends of its 95 % confidence interval.

    Each tenth is left out of both sets in turn. Resampling with replacement would not do for a
    distance that grows when images repeat; what leaving out adds to it is the same each time.
    """
    tenth = torch.arange(len(a)) % 10
    parts = torch.tensor([statistic(a[tenth != i], b[tenth != i]) for i in range(10)], dtype=torch.double)
    value = statistic(a, b)
    margin = 2.262 * (parts.var(correction=0) * 9).sqrt().item()  # Student's t with 9 degrees of freedom
    return [value, value - margin, value + margin]
