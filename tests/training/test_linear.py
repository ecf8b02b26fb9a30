import pytest
import torch

from catvae.metrics import psnr
from catvae.model import kl_divergence
from catvae.training.linear import LinearVAE, principal_components


def small_faces(count: int = 40) -> torch.Tensor:
    smooth = torch.nn.functional.interpolate(torch.rand(count, 3, 4, 4), 8, mode="bicubic").clamp(0, 1)
    return (smooth * 255).byte()


def test_components_are_those_of_the_exact_decomposition_of_faces_and_mirror_images():
    faces = small_faces()
    found = principal_components(faces, 30)
    x = torch.cat([faces, faces.flip(-1)]).double().flatten(1) / 255
    variances, axes = torch.linalg.eigh((x - x.mean(0)).T @ (x - x.mean(0)) / len(x))
    variances, axes = variances.flip(0)[:30], axes.flip(1).T[:30]
    assert torch.allclose(found.mean.flatten().double(), x.mean(0), atol=1e-6)
    assert torch.allclose(found.variances.double(), variances, rtol=1e-4, atol=1e-6)
    assert torch.allclose((found.axes.double() @ axes.T).abs().diagonal(), torch.ones(30).double(), atol=1e-3)


def test_the_randomised_decomposition_is_good_where_it_is_not_exact():
    octaves = [
        torch.nn.functional.interpolate(torch.randn(400, 3, n, n) / n, 32, mode="bicubic") for n in (2, 4, 8, 16)
    ]
    faces = (sum(octaves).sigmoid() * 255).byte()  # like pictures: the smaller the detail, the less of it
    found = principal_components(faces, 30)
    x = torch.cat([faces, faces.flip(-1)]).float().flatten(1) / 255
    exact = torch.linalg.eigvalsh((x - x.mean(0)).T @ (x - x.mean(0)) / len(x)).flip(0)[:30]
    assert found.variances.sum().item() == pytest.approx(exact.sum().item(), rel=0.03)
    assert (found.variances <= exact * 1.0001).all()  # never more variance than there is


def test_it_is_the_optimum_that_gradient_descent_finds():
    torch.manual_seed(0)
    faces, beta, dim = small_faces(), 0.4, 6
    best = LinearVAE(principal_components(faces, dim), beta, dim)
    x = torch.cat([faces, faces.flip(-1)]).float() / 255
    centred = (x - best.mean).flatten(1)

    encoder = (0.02 * torch.randn(dim, centred.shape[1])).requires_grad_()
    decoder = (0.02 * torch.randn(dim, centred.shape[1])).requires_grad_()
    logvar = torch.full((dim,), -1.0, requires_grad=True)

    def loss() -> torch.Tensor:
        """Mean of 2 · error² + β · KL, with the expectation over posterior noise written out."""
        mu = centred @ encoder.T
        noise = (logvar.exp() * decoder.square().sum(1)).sum()
        error = (centred - mu @ decoder).square().sum(1).mean() + noise
        return 2 * error + beta * kl_divergence(mu, logvar.expand_as(mu)).sum(1).mean()

    optimiser = torch.optim.LBFGS([encoder, decoder, logvar], max_iter=150, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        value = loss()
        value.backward()
        return value

    optimiser.step(closure)
    mu, posterior = best.encode(x)
    weights = (best.variances - best.noise).sqrt()
    noise = (posterior[0].exp() * weights.square()).sum()
    error = (centred - (mu * weights) @ best.axes).square().sum(1).mean() + noise
    closed_form = (2 * error + beta * kl_divergence(mu, posterior).sum(1).mean()).item()
    assert loss().item() == pytest.approx(closed_form, rel=1e-3)
    assert kl_divergence(mu, posterior).sum(1).mean().item() == pytest.approx(best.rate, rel=1e-3)
    assert 0 < len(best.variances) <= dim


def test_less_beta_uses_more_components_and_reconstructs_better():
    faces = small_faces()
    components = principal_components(faces, 40)
    x = faces.float() / 255
    models = [LinearVAE(components, beta, 40) for beta in (2, 0.5, 0.05)]
    assert len({len(model.variances) for model in models}) == 3
    scores = [psnr(x, model.decode(model.encode(x)[0])).mean() for model in models]
    assert scores == sorted(scores)
    assert len(LinearVAE(components, 0.05, 3).variances) == 3
