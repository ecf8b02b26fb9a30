"""How well images are reconstructed: PSNR and SSIM of image pairs, and both with KL of a model."""

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
def evaluate_model(model: CatVAE, images: Tensor, batch_size: int = 256) -> dict[str, float | int]:
    """Mean PSNR (dB), SSIM, KL (nats) and pixel BCE (nats) over uint8 images (N, 3, 64, 64).

    Reconstructions are decoded from posterior means. "active_units" counts the latents whose mean
    varies over the images by more than 0.01 (Burda et al. 2015, https://arxiv.org/abs/1509.00519).
    """
    device = next(model.parameters()).device
    scores: dict[str, list[Tensor]] = {"psnr": [], "ssim": [], "kl": [], "bce": []}
    mus = []
    for batch in images.split(batch_size):
        x = batch.to(device).float() / 255
        mu, logvar = model.encode(x)
        logits = model.decoder(mu)
        y = logits.sigmoid()
        scores["psnr"].append(psnr(x, y))
        scores["ssim"].append(ssim(x, y))
        scores["kl"].append(kl_divergence(mu, logvar).sum(1))
        scores["bce"].append(F.binary_cross_entropy_with_logits(logits, x, reduction="none").flatten(1).sum(1))
        mus.append(mu)
    means = {name: torch.cat(values).mean().item() for name, values in scores.items()}
    active = (torch.cat(mus).var(0, correction=0) > ACTIVE_UNIT_VARIANCE).sum().item()
    parameters = sum(p.numel() for p in model.parameters())
    return {**means, "active_units": active, "parameters": parameters, "images": len(images)}
