import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from catvae import CatVAE, ImageError, VAEConfig, load_variant, mix
from catvae.images import make_strip, save_frames, to_pil, to_tensor
from catvae.mixing import lerp, slerp
from tests.conftest import ROOT, draw_cat

KITTENS = sorted((ROOT / "examples").glob("kitten-*.png"))


@pytest.fixture(scope="module")
def model():
    return load_variant("v6", ROOT / "checkpoints")


@pytest.mark.parametrize("method", ["lerp", "slerp"])
@pytest.mark.parametrize("steps", [2, 9, 24])
def test_ends_are_the_reconstructions(model, method, steps):
    a, b = Image.open(KITTENS[0]), Image.open(KITTENS[1])
    frames = mix(model, a, b, steps=steps, method=method)
    assert len(frames) == steps
    assert {frame.size for frame in frames} == {(64, 64)}
    for frame, cat in ((frames[0], a), (frames[-1], b)):
        mu, _ = model.encode(to_tensor([cat]))
        difference = np.asarray(frame).astype(int) - np.asarray(to_pil(model.decode(mu))[0])
        assert abs(difference).max() <= 1  # one grey level: a batch may round differently


def test_mixing_is_repeatable_and_takes_one_batch_each_way(model):
    calls = []
    hooks = [
        half.register_forward_pre_hook(lambda _, inputs, name=name: calls.append((name, len(inputs[0]))))
        for name, half in (("encoder", model.encoder), ("decoder", model.decoder))
    ]
    first = mix(model, KITTENS[0], KITTENS[1], steps=5)
    assert calls == [("encoder", 2), ("decoder", 5)]
    for hook in hooks:
        hook.remove()
    again = mix(model, KITTENS[0], KITTENS[1], steps=5)
    assert all(np.array_equal(np.asarray(x), np.asarray(y)) for x, y in zip(first, again, strict=True))


def test_frames_walk_from_a_to_b_without_jumps(model):
    frames = to_tensor(mix(model, KITTENS[0], KITTENS[1], steps=24))
    whole = (frames[-1] - frames[0]).abs().mean()
    steps = (frames[1:] - frames[:-1]).abs().mean(dim=(1, 2, 3))
    assert whole > 0.05
    assert steps.max() < whole / 5


def test_slerp_keeps_the_angle_even_and_the_length_between():
    a, b = torch.tensor([2.0, 0.0, 0.0]), torch.tensor([0.0, 2.0, 0.0])
    path = slerp(a, b, torch.linspace(0, 1, 5))
    torch.testing.assert_close(path.norm(dim=1), torch.full((5,), 2.0))
    torch.testing.assert_close(path[2], torch.tensor([2**0.5, 2**0.5, 0]))
    assert lerp(a, b, torch.tensor([0.5]))[0].norm() < 1.5


@pytest.mark.parametrize("b", [torch.tensor([2.0, 0.0]), torch.tensor([-1.0, 0.0]), torch.zeros(2)])
def test_slerp_without_an_angle_is_the_straight_line(b):
    a = torch.tensor([1.0, 0.0])
    t = torch.linspace(0, 1, 3)
    torch.testing.assert_close(slerp(a, b, t), lerp(a, b, t))


def test_any_size_and_mode_of_picture_mixes():
    model = CatVAE(VAEConfig(channels=(3, 8, 8), latent_dim=4)).eval()
    assert len(mix(model, draw_cat(1, size=300).convert("L"), draw_cat(2, size=20).convert("P"), steps=3)) == 3


@pytest.mark.parametrize("steps", [1, 0, -3, 2.5, True])
def test_too_few_steps_are_refused(model, steps):
    with pytest.raises(ValueError, match="steps"):
        mix(model, KITTENS[0], KITTENS[1], steps=steps)


def test_unknown_method_and_missing_picture_are_refused(model):
    with pytest.raises(ValueError, match="lerp"):
        mix(model, KITTENS[0], KITTENS[1], method="cut")
    with pytest.raises(ImageError):
        mix(model, KITTENS[0], None)


def test_frames_are_written_as_the_name_says(tmp_path):
    frames = [draw_cat(seed) for seed in range(4)]
    save_frames(frames, tmp_path / "new" / "strip.png", scale=2)
    assert Image.open(tmp_path / "new" / "strip.png").size == (512, 128)
    assert np.array_equal(np.asarray(make_strip(frames))[:, 64:128], np.asarray(frames[1]))
    for name in ("mix.gif", "mix.webp"):
        save_frames(frames, tmp_path / name)
        animation = Image.open(tmp_path / name)
        assert (animation.n_frames, animation.size) == (6, (64, 64))  # there and back, the ends once
    save_frames(frames, tmp_path / "frames")
    assert np.array_equal(np.asarray(Image.open(tmp_path / "frames" / "002.png")), np.asarray(frames[2]))
    with pytest.raises(ValueError, match="xyz"):
        save_frames(frames, tmp_path / "mix.xyz")


@pytest.mark.slow
def test_command_line_mixes_and_explains_errors(tmp_path):
    def catvae_mix(*args):
        command = [sys.executable, "-m", "catvae", "mix", "--checkpoints", "checkpoints", KITTENS[0], *args]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)

    out = tmp_path / "strip.png"
    done = catvae_mix(KITTENS[1], "--steps", "4", "--out", out)
    assert done.returncode == 0, done.stderr
    assert Image.open(out).size == (256, 64)
    failed = catvae_mix(tmp_path / "none.jpg")
    assert failed.returncode == 1
    assert "none.jpg: no such file" in failed.stderr and "Traceback" not in failed.stderr
