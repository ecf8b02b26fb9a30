import torch

from catvae import CatVAE, VAEConfig
from catvae.latents import align_latents


def test_aligned_latents_are_principal_axes_and_reconstruct_the_same():
    faces = torch.randint(0, 256, (300, 3, 64, 64), dtype=torch.uint8)
    model = CatVAE(VAEConfig(channels=(3, 4), latent_dim=5)).eval()
    model.to_mu.weight.data.mul_(0.1)
    x = faces / 255
    with torch.no_grad():
        before = model.decoder(model.encode(x)[0])
        align_latents(model, faces)
        mu, logvar = model.encode(x)
        after = model.decoder(mu)
    assert torch.allclose(before, after, atol=1e-3)
    covariance = torch.cov(mu.T)
    assert torch.allclose(covariance, covariance.diag().diag(), atol=1e-3)
    assert (covariance.diag().diff() < 1e-4).all()  # the axis that varies most comes first
    assert torch.allclose(mu.mean(0), torch.zeros(5), atol=1e-4)
    assert torch.allclose(covariance.diag() + logvar[0].exp(), torch.ones(5), atol=1e-3)
    assert torch.equal(logvar[0], logvar[1])
