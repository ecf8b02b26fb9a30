import dataclasses
import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from catvae import VARIANTS, CatVAE, VAEConfig, beta_elbo, load_variant
from catvae.images import to_tensor
from catvae.model import FIRST_SET, kl_divergence
from tests.conftest import ROOT


def test_variants_are_those_of_the_blog_post():
    assert {name: VARIANTS[name].beta for name in FIRST_SET} == {
        "v1": 1, "v2": 2, "v3": 1, "v4": 0.5, "v5": 0.05, "v6": 0.005
    }  # fmt: skip
    for name in FIRST_SET:
        variant = VARIANTS[name]
        expected = ((3, 32, 64), 100, "relu") if name == "v3" else ((3, 32, 64, 128, 256), 500, "leaky_relu")
        assert (variant.config.channels, variant.config.latent_dim, variant.config.activation) == expected
        with pytest.raises(dataclasses.FrozenInstanceError):
            variant.beta = 3


@pytest.mark.parametrize("channels", [(3, 8), (3, 16, 32), (3, 4, 4, 4, 4, 4, 4)])
def test_any_depth_builds_and_keeps_the_shape(channels):
    model = CatVAE(VAEConfig(channels=channels, latent_dim=32))
    x = torch.rand(2, 3, 64, 64)
    mu, logvar = model.encode(x)
    assert mu.shape == logvar.shape == (2, 32)
    assert model.decode(mu).shape == x.shape
    logits, *_ = model(x)
    assert logits.shape == x.shape


@pytest.mark.parametrize(
    "bad",
    [{"channels": (3,)}, {"channels": (1, 8)}, {"channels": (3, *[4] * 7)}, {"latent_dim": 0}, {"activation": "tanh"}],
)
def test_impossible_configs_are_refused(bad):
    with pytest.raises(ValueError, match=next(iter(bad)) if "channels" not in bad else "channels|layers"):
        VAEConfig(**bad)


@pytest.mark.parametrize("name", VARIANTS)
def test_pixels_of_every_variant_reach_black_and_white(name):
    model = CatVAE(VARIANTS[name].config)
    with torch.no_grad():
        images = {
            bias: model_with_last_bias(model, bias).decode(torch.zeros(1, model.config.latent_dim)) for bias in (-9, 9)
        }
    assert images[-9].max() < 0.05
    assert images[9].min() > 0.95


def test_the_published_head_of_v3_cannot_go_below_mid_grey():
    config = dataclasses.replace(VARIANTS["v3"].config, activation_before_sigmoid=True)
    model = model_with_last_bias(CatVAE(config), -9)
    with torch.no_grad():
        assert model.decode(torch.randn(4, 100)).min() >= 0.5


def model_with_last_bias(model: CatVAE, bias: float) -> CatVAE:
    last = [layer for layer in model.decoder if isinstance(layer, torch.nn.ConvTranspose2d)][-1]
    torch.nn.init.constant_(last.bias, bias)
    return model


@pytest.mark.parametrize("name", VARIANTS)
def test_trained_kittens_have_dark_and_light_fur(name):
    kittens = to_tensor([Image.open(path) for path in sorted((ROOT / "examples").glob("kitten-*.png"))])
    model = load_variant(name, ROOT / "checkpoints")
    with torch.no_grad():
        y = model.decode(model.encode(kittens)[0])
    assert y.min() < 0.05
    assert y.max() > 0.95


def test_kl_agrees_with_torch_distributions():
    mu, logvar = torch.randn(5, 7) * 3, torch.randn(5, 7) * 2
    posterior = torch.distributions.Normal(mu, (logvar / 2).exp())
    expected = torch.distributions.kl_divergence(posterior, torch.distributions.Normal(0.0, 1.0))
    torch.testing.assert_close(kl_divergence(mu, logvar), expected)
    assert kl_divergence(torch.zeros(3), torch.tensor([0.0, 1e-6, -1e-6])).min() >= 0


def test_loss_is_bce_summed_over_pixels_plus_beta_kl():
    x, logits = torch.rand(3, 3, 64, 64), torch.randn(3, 3, 64, 64)
    mu, logvar = torch.randn(3, 10), torch.randn(3, 10)
    loss, bce, kl = beta_elbo(logits, x, mu, logvar, beta=0.3)
    for i in range(3):
        expected = F.binary_cross_entropy(logits[i].sigmoid(), x[i], reduction="sum")
        torch.testing.assert_close(bce[i], expected, rtol=1e-4, atol=0)
    torch.testing.assert_close(kl, kl_divergence(mu, logvar).sum(1))
    torch.testing.assert_close(loss, bce + 0.3 * kl)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_loss_of_saturated_half_precision_logits_is_finite(dtype):
    logits = torch.tensor([-1000.0, 1000.0, 0.0] * 4096, dtype=dtype).reshape(1, 3, 64, 64).requires_grad_()
    mu = torch.full((1, 500), 60.0, dtype=dtype).requires_grad_()  # its square sum exceeds fp16
    logvar = torch.full((1, 500), -15.0, dtype=dtype)
    loss, _, kl = beta_elbo(logits, torch.rand(1, 3, 64, 64), mu, logvar, beta=1)
    loss.sum().backward()
    assert loss.isfinite().all()
    assert kl > 65504
    assert logits.grad.isfinite().all()


def test_reparameterize_samples_the_posterior():
    torch.manual_seed(0)
    mu, logvar = torch.full((20000, 1), 2.0), torch.full((20000, 1), -1.0)
    z = CatVAE(VAEConfig(channels=(3, 4), latent_dim=1)).reparameterize(mu, logvar)
    assert z.mean().item() == pytest.approx(2, abs=0.02)
    assert z.var().item() == pytest.approx(torch.tensor(-1.0).exp().item(), rel=0.05)


@pytest.mark.slow
def test_library_and_training_need_no_gradio():
    packages = (
        "catvae, catvae.training.train, catvae.publishing.weights, catvae.evaluation.evaluate, catvae.serving.weights"
    )
    code = f"import sys, {packages}; assert 'gradio' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
