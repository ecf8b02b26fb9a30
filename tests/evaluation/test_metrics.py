import math

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from catvae import CatVAE, VAEConfig
from catvae.metrics import bootstrap, evaluate_model, frechet, jackknife, psnr, sharpness, ssim


def noisy_pairs() -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.nn.functional.interpolate(torch.rand(4, 3, 8, 8), 64, mode="bicubic").clamp(0, 1)
    return x, (x + 0.1 * torch.randn_like(x)).clamp(0, 1)


def test_psnr_and_ssim_agree_with_scikit_image():
    x, y = noisy_pairs()
    for i in range(4):
        a, b = (image[i].permute(1, 2, 0).double().numpy() for image in (x, y))
        assert np.isclose(psnr(x, y)[i].item(), peak_signal_noise_ratio(a, b, data_range=1), rtol=1e-4)
        expected = structural_similarity(
            a, b, channel_axis=2, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1
        )
        assert np.isclose(ssim(x, y)[i].item(), expected, atol=1e-4)


def test_identical_images_score_best():
    x, _ = noisy_pairs()
    assert torch.allclose(ssim(x, x), torch.ones(4))
    assert (psnr(x, x) >= 99).all()


def test_figures_do_not_depend_on_the_batch_size():
    model = CatVAE(VAEConfig(channels=(3, 8, 8), latent_dim=5)).eval()
    images = torch.randint(0, 256, (20, 3, 64, 64), dtype=torch.uint8)
    one, many = evaluate_model(model, images, batch_size=20), evaluate_model(model, images, batch_size=3)
    assert one["images"] == 20
    assert one["parameters"] == sum(p.numel() for p in model.parameters())
    for name in one:
        assert np.isclose(one[name], many[name], rtol=1e-4), name


def test_active_units_counts_latents_that_react_to_the_image():
    model = CatVAE(VAEConfig(channels=(3, 8, 8), latent_dim=5)).eval()
    with torch.no_grad():
        model.to_mu.weight[:2] *= 10
        model.to_mu.weight[2:] = 0
    images = torch.randint(0, 256, (20, 1, 1, 1), dtype=torch.uint8).expand(20, 3, 64, 64)
    assert evaluate_model(model, images)["active_units"] == 2


@pytest.mark.parametrize("dimensions", [3, 200])  # fewer and more than images
def test_frechet_distance_is_the_closed_form(dimensions):
    a = torch.randn(100, dimensions, dtype=torch.double)
    b = torch.randn(90, dimensions, dtype=torch.double) @ torch.randn(dimensions, dimensions, dtype=torch.double) + 1
    values = torch.linalg.eigvals(torch.cov(a.T) @ torch.cov(b.T)).real.clamp_min(0)
    expected = (a.mean(0) - b.mean(0)).square().sum() + torch.cov(a.T).trace() + torch.cov(b.T).trace()
    expected -= 2 * values.sqrt().sum()
    assert frechet(a, b) == pytest.approx(expected.item(), rel=1e-4)
    assert frechet(a, a) == pytest.approx(0, abs=1e-9)


def test_frechet_distance_of_known_gaussians():
    a = torch.randn(100, 2, dtype=torch.double)
    a -= a.mean(0)
    a = a @ torch.linalg.inv(torch.linalg.cholesky(torch.cov(a.T))).T  # mean 0 and covariance 1, exactly
    b = a.roll(1, 0) * torch.tensor([3.0, 0.5]) + torch.tensor([4.0, 2.0])
    assert frechet(a, b) == pytest.approx(4**2 + 2**2 + (3 - 1) ** 2 + (0.5 - 1) ** 2, rel=1e-6)


def test_bootstrap_covers_the_mean_19_times_in_20():
    covered = 0
    for seed in range(200):
        values = torch.randn(100, generator=torch.Generator().manual_seed(seed)) * 2 + 3
        mean, low, high = bootstrap(values, seed=seed)
        assert low < mean < high and mean == pytest.approx(values.mean().item(), rel=1e-5)
        covered += low < 3 < high
    assert 0.90 < covered / 200 < 0.98
    assert bootstrap(values) == bootstrap(values)


def test_jackknife_covers_a_difference_of_means_19_times_in_20():
    covered = 0
    for seed in range(200):
        a, b = torch.randn(2, 100, 1, generator=torch.Generator().manual_seed(seed))
        difference, low, high = jackknife(lambda a, b: (a.mean() - b.mean()).item(), a, b + 3)
        assert difference == pytest.approx((a.mean() - b.mean()).item() - 3, abs=1e-5)
        covered += low < -3 < high
    assert 0.90 < covered / 200 < 0.98


def test_sharpness_falls_by_the_square_of_contrast_and_under_blur():
    x, _ = noisy_pairs()
    stripes = torch.tensor([0.0, 1.0]).repeat(32).expand(1, 3, 64, 64)
    assert sharpness(stripes).item() == 0.5  # 1 across, 0 down
    assert torch.allclose(sharpness(x / 2), sharpness(x) / 4)
    assert (sharpness(torch.nn.functional.avg_pool2d(x, 3, 1)) < sharpness(x)).all()
    assert math.isclose(sharpness(torch.full((1, 3, 8, 8), 0.3)).item(), 0, abs_tol=1e-12)
