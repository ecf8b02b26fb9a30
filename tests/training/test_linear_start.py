"""A network that starts as the optimal linear VAE."""

import pytest
import torch

from catvae import CatVAE, VAEConfig
from catvae.metrics import psnr
from catvae.model import VARIANTS
from catvae.training.linear import DARKEST, LinearVAE, apply_cells, cell_axes, principal_components, start_linear
from tests.conftest import draw_cat
from tests.training.test_linear import small_faces

WIDE = {"channels": (3, 24, 96), "latent_dim": 12}  # pairs for all 12 and 48 numbers of a cell


@pytest.fixture(scope="module")
def cats() -> torch.Tensor:
    from catvae.images import to_tensor

    return (to_tensor([draw_cat(seed) for seed in range(40)]) * 255).byte()


@pytest.mark.parametrize("activation", ["relu", "leaky_relu"])
def test_wide_enough_it_is_the_linear_vae(activation, cats):
    beta, x = 2.0, cats.float() / 255
    model = CatVAE(VAEConfig(activation=activation, **WIDE))
    start_linear(model, cats, beta)
    linear = LinearVAE(principal_components(cats, 12), beta, 12)
    wanted, found = linear.encode(x), model.encode(x)
    used = wanted[0].shape[1]
    assert torch.allclose(found[0][:, :used], wanted[0], atol=1e-3)
    assert torch.allclose(found[1][:, :used], wanted[1], atol=1e-3)

    # least squares under noise: what is left of the logits has nothing to do with the latents
    mu, logvar = (part.double() for part in wanted)
    logits = x.clamp(DARKEST, 1 - DARKEST).logit().double()
    zero = model.decoder(torch.zeros(1, 12)).double()
    slopes = (model.decoder(torch.eye(12)).double() - zero)[:used].flatten(1)
    left = (logits - zero).flatten(1) - mu @ slopes
    noise = len(x) * logvar[0].exp()[:, None] * slopes
    assert (mu.T @ left - noise).abs().max() < 1e-3 * (mu.T @ (logits - zero).flatten(1)).abs().max()


def test_latents_left_to_the_prior_are_not_read(cats):
    model = CatVAE(VAEConfig(**WIDE))
    beta = 4 * principal_components(cats, 12).variances[4:6].mean().item()  # uses five
    start_linear(model, cats, beta)
    mu, logvar = model.encode(cats.float() / 255)
    assert not mu[:, 5:].any() and not logvar[:, 5:].any() and (logvar[:, :5] < 0).all()
    z = torch.randn(2, 12)
    z[1, :5] = z[0, :5]
    assert torch.allclose(*model.decode(z), atol=1e-6)


@pytest.mark.parametrize("name", ["v1", "v3"])
def test_the_variants_start_near_the_linear_optimum_far_from_chance(name, cats):
    variant, x = VARIANTS[name], cats.float() / 255
    model = CatVAE(variant.config)
    by_chance = psnr(x, model.decode(model.encode(x)[0])).mean()
    start_linear(model, cats, variant.beta)
    best = LinearVAE(principal_components(cats, variant.config.latent_dim), variant.beta, variant.config.latent_dim)
    quality = psnr(x, model.decode(model.encode(x)[0])).mean()
    assert quality > by_chance + 10
    # black and white spots are hard for a map to logits; of real faces it is 1 to 3 dB
    assert quality > psnr(x, best.decode(best.encode(x)[0])).mean() - 6


def test_nothing_is_needed_from_faces_of_one_colour():
    model = CatVAE(VAEConfig(**WIDE))
    start_linear(model, torch.full((3, 3, 64, 64), 77, dtype=torch.uint8), 1.0)
    assert torch.allclose(model.decode(torch.randn(2, 12)), torch.tensor(77 / 255), atol=1e-4)
    assert all(part.isfinite().all() for part in model.state_dict().values())


def test_cells_see_everything_where_there_is_room():
    x = small_faces().float()
    features = apply_cells(x, cell_axes(x, [12, 48, 192]))
    assert features.shape == (len(x), 192, 1, 1)
    assert torch.allclose(features.square().sum((1, 2, 3)), x.square().sum((1, 2, 3)), rtol=1e-4)
    halved = apply_cells(x, cell_axes(x, [6]))
    assert 0.9 < halved.square().sum() / x.square().sum() < 1
