"""The file from which the page computes the linear VAE."""

import gzip
import io
import sys

import pytest
import torch

from catvae.errors import CheckpointError
from catvae.training import components
from catvae.training.components import COMPONENTS, COUNT, MOST_LOST, most_lost, pack, unpack
from catvae.training.data import load_faces
from catvae.training.linear import principal_components
from tests.conftest import SHARED


def test_what_is_packed_comes_back_but_for_its_step():
    smooth = torch.nn.functional.interpolate(torch.rand(60, 3, 6, 6), 64, mode="bicubic").clamp(0, 1)
    faces = (smooth * 255).byte()
    exact = principal_components(faces, 20)
    for step in (0.0005, 0.05):
        packed = unpack(pack(exact, step))
        scaled = [c.axes * c.variances.sqrt()[:, None] for c in (exact, packed)]
        assert (packed.mean - exact.mean).abs().max() < 1e-3 and torch.equal(packed.variances, exact.variances)
        assert (scaled[0] - scaled[1]).norm(dim=1).max() < 3 * step * 6**0.5 * 8  # some hundred coefficients are not 0
    fine, coarse = (most_lost(exact, unpack(pack(exact, step)), faces)[0] for step in (0.0005, 0.2))
    assert fine < 0.02 < coarse


@pytest.mark.parametrize(
    "content",
    [b"", b"no gzip", gzip.compress(b"no tensors"), COMPONENTS.read_bytes()[:9000]],
    ids=["nothing", "no gzip", "no tensors", "half"],
)
def test_other_bytes_are_refused(content):
    with pytest.raises(CheckpointError, match="no components of faces"):
        unpack(content)


def test_the_file_holds_axes_of_as_many_latents_as_the_models_have():
    packed, size = unpack(COMPONENTS.read_bytes()), COMPONENTS.stat().st_size
    assert len(packed.variances) == COUNT and size < 400_000
    assert (packed.variances.diff() <= 0).all()
    products = packed.axes @ packed.axes.T
    assert torch.allclose(products.diagonal(), torch.ones(COUNT)) and (products - torch.eye(COUNT)).abs().max() < 0.3
    mirrored = (packed.axes * packed.axes.unflatten(1, (3, 64, 64)).flip(-1).flatten(1)).sum(1)
    assert torch.allclose(mirrored.abs(), torch.ones(COUNT), atol=1e-4)  # symmetric, or antisymmetric


@pytest.mark.slow
def test_little_is_lost_at_any_beta():
    path = SHARED / "data" / "cat-faces-64" / "train.parquet"
    if not path.exists():
        pytest.skip(f"needs real faces: {path}")
    faces = load_faces(path)
    exact = principal_components(faces.split("train"), COUNT)
    packed = unpack(COMPONENTS.read_bytes())
    assert torch.allclose(packed.variances, exact.variances, rtol=0.01)
    lost, beta = most_lost(exact, packed, faces.validation)
    assert lost < MOST_LOST, beta


def test_its_help_is_printed_on_any_console(monkeypatch):
    shown = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", shown)
    monkeypatch.setattr(sys, "argv", ["components", "--help"])
    with pytest.raises(SystemExit) as stopped:
        components.main()
    assert not stopped.value.code and b"\\u03b2" in shown.buffer.getvalue()
