import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from catvae import VARIANTS, CatVAE, CheckpointError, VAEConfig, load_checkpoint, load_variant
from catvae.model import FIRST_SET, save_checkpoint
from tests.conftest import ROOT

CONFIG = VAEConfig(channels=(3, 16, 32), latent_dim=8, activation="relu", activation_before_sigmoid=True)


@pytest.fixture
def saved(tmp_path):
    model = CatVAE(CONFIG).eval()
    save_checkpoint(tmp_path / "v6", model, beta=0.3, metrics={"psnr": 12.5})
    return tmp_path / "v6", model


def test_round_trip_keeps_the_model_up_to_fp16(saved):
    folder, model = saved
    loaded = load_checkpoint(folder)
    assert loaded.config == CONFIG and not loaded.training
    for name, weight in model.state_dict().items():
        assert loaded.state_dict()[name].dtype == torch.float32
        assert torch.equal(loaded.state_dict()[name], weight.half().float())
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "metrics.json", "model.safetensors"]
    assert json.loads((folder / "config.json").read_text())["beta"] == 0.3
    assert json.loads((folder / "metrics.json").read_text()) == {"psnr": 12.5}
    assert {tensor.dtype for tensor in load_file(folder / "model.safetensors").values()} == {torch.float16}


@pytest.mark.parametrize("name", VARIANTS)
def test_bundled_variants_are_what_the_table_says(name):
    assert load_variant(name, ROOT / "checkpoints").config == VARIANTS[name].config
    config = json.loads((ROOT / "checkpoints" / name / "config.json").read_text())
    assert config["beta"] == VARIANTS[name].beta


def test_source_comes_from_the_environment(saved, monkeypatch):
    folder, _ = saved
    monkeypatch.setenv("CATVAE_CHECKPOINTS", str(folder.parent))
    assert load_variant("v6").config == CONFIG
    with pytest.raises(CheckpointError, match="v1.*missing"):
        load_variant("v1")
    with pytest.raises(CheckpointError, match="unknown variant 'v9'"):
        load_variant("v9")


def truncate(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def swap_architecture(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "latent_dim": 9}))


def poison(folder):
    weights = load_file(folder / "model.safetensors")
    weights["to_mu.bias"][0] = float("nan")
    save_file(weights, folder / "model.safetensors")


def drop_tensor(folder):
    weights = load_file(folder / "model.safetensors")
    del weights["to_mu.bias"]
    save_file(weights, folder / "model.safetensors")


@pytest.mark.parametrize(
    "damage, message",
    [
        (lambda folder: (folder / "model.safetensors").unlink(), r"model\.safetensors: missing.*train_space"),
        (lambda folder: (folder / "config.json").unlink(), r"config\.json: missing.*train_space"),
        (lambda folder: (folder / "config.json").write_text("{"), r"config\.json: not readable as JSON"),
        (lambda folder: (folder / "config.json").write_text("[]"), r"config\.json: holds no JSON object"),
        (lambda folder: (folder / "config.json").write_text('{"channels": 3}'), r"config\.json: not a model config"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b""), r"model\.safetensors: truncated"),
        (lambda folder: (folder / "model.safetensors").write_text("\x80\x02pickle"), r"model\.safetensors: truncated"),
        (truncate, r"model\.safetensors: truncated"),
        (swap_architecture, r"model\.safetensors: does not fit .*config\.json"),
        (drop_tensor, r"model\.safetensors: does not fit"),
        (poison, r"model\.safetensors: holds NaN"),
        (shutil.rmtree, r"config\.json: missing"),
    ],
)
def test_damage_names_the_file_and_the_remedy(saved, damage, message):
    folder, _ = saved
    damage(folder)
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(folder)


@pytest.mark.parametrize("name", FIRST_SET)
def test_what_is_written_about_the_weights_is_what_was_measured(name):
    figures = json.loads((ROOT / "checkpoints" / name / "metrics.json").read_text())
    row = f"| {name} | {VARIANTS[name].beta:g} | {figures['psnr']:.2f} | {figures['ssim']:.3f} | {figures['kl']:.0f} |"
    assert row in (ROOT / "README.md").read_text()
    post = (ROOT / "examples" / "blog" / "en.html").read_text()
    assert f"<td>{figures['psnr']:.2f}</td><td>{figures['kl']:.0f}</td>" in post
    assert (
        f"<td>{figures['psnr']:.2f}</td>".replace(".", ",") in (ROOT / "examples" / "blog" / "index.html").read_text()
    )
