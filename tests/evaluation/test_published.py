"""Weights of the published project, made here by a restatement of its modules."""

import os
import pickle
import subprocess
import sys
import zipfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from catvae import CatVAE, CheckpointError, VAEConfig, mix
from catvae.errors import SettingError
from catvae.images import to_tensor
from catvae.metrics import evaluate_model
from catvae.training.data import load_faces
from catvae.training.published import import_published
from tests.conftest import ROOT, SHARED, draw_cat

V6, V3 = ([32, 64, 128, 256], 500, nn.LeakyReLU), ([32, 64], 100, nn.ReLU)
SMALL = ([4, 8], 6, nn.LeakyReLU)


class Down(nn.Module):
    def __init__(self, wide, narrow, activation):
        super().__init__()
        self.conv = nn.Conv2d(wide, narrow, 4, 2, 1)
        self.activation = activation()

    def forward(self, x):
        return self.activation(self.conv(x))


class Up(nn.Module):
    def __init__(self, narrow, wide, activation):
        super().__init__()
        self.conv_trans = nn.ConvTranspose2d(narrow, wide, 4, 2, 1)
        self.activation = activation()

    def forward(self, x):
        return self.activation(self.conv_trans(x))


class Encoder(nn.Module):
    def __init__(self, widths, latents, activation):
        super().__init__()
        self.convs = nn.ModuleList(Down(a, b, activation) for a, b in pairwise([3, *widths]))
        hidden = widths[-1] * (64 >> len(widths)) ** 2
        self._mean_linear, self._log_var_linear = nn.Linear(hidden, latents), nn.Linear(hidden, latents)

    def forward(self, x):
        for conv in self.convs:
            x = conv(x)
        x = x.flatten(1)
        return self._mean_linear(x), self._log_var_linear(x)


class Decoder(nn.Module):
    def __init__(self, widths, latents, activation):
        super().__init__()
        widths, side = [*widths[::-1], 3], 64 >> len(widths)
        ups = [Up(a, b, activation) for a, b in pairwise(widths)]
        hidden = (widths[0], side, side)
        self.decoder = nn.Sequential(nn.Linear(latents, widths[0] * side**2), nn.Unflatten(1, hidden), *ups)

    def forward(self, z):
        return torch.sigmoid(self.decoder(z))


class Published(nn.Module):
    def __init__(self, widths, latents, activation):
        super().__init__()
        self.encoder, self.decoder = Encoder(widths, latents, activation), Decoder(widths, latents, activation)


class Code:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("architecture, activation", [(V6, "leaky_relu"), (V3, "relu")])
@torch.inference_mode()
def test_pictures_are_those_of_the_published_model(tmp_path, architecture, activation):
    widths, latents, _ = architecture
    reference = Published(*architecture).eval()
    torch.save(reference.state_dict(), tmp_path / "vae.pt")
    import_published(tmp_path / "vae.pt", tmp_path / "out", activation)
    model = CatVAE.from_pretrained(str(tmp_path / "out"))
    assert model.config == VAEConfig((3, *widths), latents, activation, activation_before_sigmoid=True)
    x = to_tensor([draw_cat(1), draw_cat(2)])
    z = 100 * torch.randn(3, latents)  # far out, where the last activation tells
    for ours, theirs in zip(model.encode(x), reference.encoder(x), strict=True):
        assert torch.equal(ours, theirs)
    assert torch.equal(model.decode(z), reference.decoder(z))
    if activation == "relu":
        assert model.decode(z).min() >= 0.5  # the grey of the published v3
    else:
        assert model.decode(z).min() < 0.49
    assert len(mix(model, draw_cat(1), draw_cat(2), steps=3)) == 3


@pytest.mark.slow
def test_command_line_imports_and_explains_errors(tmp_path):
    def run(*args):
        command = [sys.executable, "-m", "catvae", "import-published", *args]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)

    torch.save(Published(*V3).state_dict(), tmp_path / "vae.pt")
    done = run(tmp_path / "vae.pt", "--out", tmp_path / "out", "--activation", "relu")
    assert done.returncode == 0, done.stderr
    assert "(3, 32, 64), 100 latents, relu" in done.stdout
    assert CatVAE.from_pretrained(str(tmp_path / "out")).config.activation == "relu"
    failed = run(tmp_path / "none.pt", "--out", tmp_path / "none")
    assert failed.returncode == 1
    assert "none.pt: no such file" in failed.stderr and "Traceback" not in failed.stderr


def test_code_in_a_file_is_not_run(tmp_path):
    trap = tmp_path / "it ran"
    state = Published(*SMALL).state_dict()
    for name, save in (
        ("bare.pt", lambda path: path.write_bytes(pickle.dumps(Code(trap), protocol=2))),
        ("zip.pt", lambda path: torch.save(Code(trap), path)),
        ("beside.pt", lambda path: torch.save({**state, "extra": Code(trap)}, path)),
        ("whole.pt", lambda path: torch.save(Published(*SMALL), path)),
        ("old.pt", lambda path: torch.save(Code(trap), path, _use_new_zipfile_serialization=False)),
    ):
        save(tmp_path / name)
        with pytest.raises(
            CheckpointError, match=rf"{name}: damaged, or holds more than tensors; nothing in it was run\. .*state_dict"
        ):
            import_published(tmp_path / name, tmp_path / "out")
    assert not trap.exists() and not (tmp_path / "out").exists()
    pickle.loads((tmp_path / "bare.pt").read_bytes())
    assert trap.exists()  # so the trap works


def replaced(name, tensor):
    return lambda state: {**state, name: tensor(state[name])}


def without(*names):
    return lambda state: {name: tensor for name, tensor in state.items() if not name.startswith(names)}


FIRST, MEAN, LAST = "encoder.convs.0.conv.weight", "encoder._mean_linear.bias", "decoder.decoder.3.conv_trans.bias"


@pytest.mark.parametrize(
    "change, message",
    [
        (without("encoder."), "not of the published project"),
        (without(MEAN), "not of the published project"),
        (without(LAST), "lacks decoder.decoder.3.conv_trans.bias.*again"),
        (without("decoder."), r"lacks decoder\.decoder\.0\.bias, .* and 3 more.*again"),
        (without("encoder.convs.1"), "holds decoder.decoder.3.conv_trans.bias"),
        (lambda state: {**state, "head.weight": torch.ones(2)}, "holds head.weight, which"),
        (lambda state: {f"module.{name}": tensor for name, tensor in state.items()}, "not of the published project"),
        (replaced(FIRST, lambda w: w[..., :3, :3]), r"convs\.0\.conv\.weight is \(4, 3, 3, 3\), not \(4, 3, 4, 4\)"),
        (replaced(FIRST, lambda w: w[:, :1]), "channels must be 3"),
        (replaced(MEAN, lambda b: b[:5]), r"_mean_linear\.weight is \(6, 2048\), not \(5, 2048\)"),
        (replaced(MEAN, lambda b: b[0]), "not of the published project"),
        (replaced(LAST, lambda b: b[:, None]), r"conv_trans\.bias is \(3, 1\), not \(3,\)"),
        (replaced(LAST, lambda b: b * float("nan")), "NaN or infinite weights in decoder"),
        (replaced(LAST, lambda b: b.double() + 1e300), "NaN or infinite weights in decoder"),
        (replaced(LAST, lambda b: (b * float("nan")).to(torch.float8_e5m2)), "NaN or infinite weights in decoder"),
        (replaced(LAST, lambda b: torch.zeros(3, dtype=torch.uint8).view(torch.float4_e2m1fn_x2)), "no plain float"),
        (replaced(LAST, lambda b: b.long()), "bias is no tensor of weights"),
        (replaced(LAST, lambda b: b.to_sparse()), "bias is no tensor of weights"),
        (replaced(LAST, lambda b: b.to("meta")), "no usable shape or no content"),
        (replaced(LAST, lambda b: b[:0]), "no usable shape or no content"),
        (replaced(LAST, lambda b: [1.0, 2.0, 3.0]), "bias is no tensor of weights"),
        (replaced(MEAN, lambda b: torch.zeros(1).expand(10**12)), "no usable shape or no content"),
        (replaced(FIRST, lambda w: torch.zeros(1).expand(60000, 3, 60000, 4)), "claim over 400 MB"),
        (lambda state: {**state, 7: torch.ones(1)}, "holds no state dict"),
        (lambda state: list(state.values()), "holds no state dict"),
        (lambda state: {}, "not of the published project"),
    ],
)
def test_weights_that_do_not_fit_are_named(tmp_path, change, message):
    path = tmp_path / "vae.pt"
    torch.save(change(Published(*SMALL).state_dict()), path)
    with pytest.raises(CheckpointError, match=rf"vae\.pt: .*{message}"):
        import_published(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", [torch.float8_e4m3fn, torch.bfloat16, torch.float32, torch.float64], ids=str)
def test_floats_of_any_size_and_tied_tensors_are_imported(kind, tmp_path):
    state = {name: tensor.to(kind) for name, tensor in Published(*SMALL).state_dict().items()}
    state["encoder._log_var_linear.weight"] = state[MEAN.replace("bias", "weight")]
    state[MEAN] = nn.Parameter(state[MEAN])
    torch.save(state, tmp_path / "vae.pt")
    import_published(tmp_path / "vae.pt", tmp_path / "out")
    weights = CatVAE.from_pretrained(str(tmp_path / "out")).state_dict()
    assert torch.equal(weights["to_mu.weight"], state[MEAN.replace("bias", "weight")].float())
    assert torch.equal(weights["to_mu.weight"], weights["to_logvar.weight"])


def test_an_import_into_a_file_is_one_sentence(tmp_path):
    torch.save(Published(*SMALL).state_dict(), tmp_path / "vae.pt")
    with pytest.raises(SettingError, match=r"vae\.pt: cannot be written \(a file has the name of a folder\)"):
        import_published(tmp_path / "vae.pt", tmp_path / "vae.pt")


def test_seven_layers_cannot_be(tmp_path):
    state = {f"encoder.convs.{i}.conv.weight": torch.ones(3, 3, 4, 4) for i in range(7)}
    torch.save({**state, MEAN: torch.ones(2)}, tmp_path / "vae.pt")
    with pytest.raises(CheckpointError, match="7 layers cannot halve 64 pixels"):
        import_published(tmp_path / "vae.pt", tmp_path / "out")


def test_damaged_files_are_refused(tmp_path):
    path = tmp_path / "vae.pt"
    torch.save(Published(*SMALL).state_dict(), path)
    whole = path.read_bytes()
    for content in (
        whole[: len(whole) // 2],
        whole[:-1000],
        whole[1000:],
        b"",
        b"\x80",
        b"no weights\n" * 99,
        whole[:4],
    ):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=r"vae\.pt: (truncated|damaged).*again"):
            import_published(path, tmp_path / "out")
    path.unlink()
    for nothing in (path, tmp_path):
        with pytest.raises(CheckpointError, match="no such file"):
            import_published(nothing, tmp_path / "out")
    with path.open("wb") as file:
        file.truncate(10**9)  # a hole
    with pytest.raises(CheckpointError, match="over 400 MB"):
        import_published(path, tmp_path / "out")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("vae/data/0", "w") as entry:
        for _ in range(401):
            entry.write(bytes(10**6))
    assert path.stat().st_size < 10**6
    with pytest.raises(CheckpointError, match="over 400 MB"):
        import_published(path, tmp_path / "out")


def test_a_bad_request_is_refused(tmp_path):
    torch.save(Published(*SMALL).state_dict(), tmp_path / "vae.pt")
    with pytest.raises(ValueError, match="leaky_relu"):
        import_published(tmp_path / "vae.pt", tmp_path / "out", "tanh")
    (tmp_path / "trained").mkdir()
    (tmp_path / "trained" / "metrics.json").write_text("{}")
    with pytest.raises(CheckpointError, match="trained: holds weights that were trained here"):
        import_published(tmp_path / "vae.pt", tmp_path / "trained")


def test_weights_trained_with_the_published_code(tmp_path):
    published, faces = SHARED / "data" / "published" / "v6.pt", SHARED / "data" / "cat-faces-64" / "train.parquet"
    if not (published.exists() and faces.exists()):
        pytest.skip("needs ../shared/data")
    model = import_published(published, tmp_path / "v6")
    assert model.config == VAEConfig(activation_before_sigmoid=True)
    images = load_faces(faces, limit=400).split("all")
    assert evaluate_model(model, images)["psnr"] == pytest.approx(22.3, abs=0.6)  # 22.3 dB on faces unseen by it
    loaded = CatVAE.from_pretrained(str(tmp_path / "v6"))
    again, first = (mix(m, draw_cat(1), draw_cat(2), steps=3) for m in (loaded, model))
    assert all(np.array_equal(np.asarray(a), np.asarray(b)) for a, b in zip(again, first, strict=True))
