import numpy as np
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from catvae import CatVAE, VAEConfig
from catvae.metrics import evaluate_model, psnr, ssim


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
