"""`train_space.py --track`: the epochs of a run are to be found in trackio."""

import json
import subprocess
import sys

import pytest

from catvae.errors import MissingPackageError, TrainingError
from catvae.training.track import import_trackio, tracked
from tests.conftest import ROOT
from tests.training.test_train import command, history

GO_ON = """
from catvae.training.track import tracked
with tracked("v3", {}, resume=True) as track:
    track({"epoch": 2, "val_psnr": 20.0})
"""
READ = (
    "from trackio.cli import main; main()",
    "get",
    "metric",
    "--project=catvae",
    "--run=v3",
    "--metric=val_psnr",
    "--json",
)


def test_every_epoch_is_a_point_of_the_run_and_a_resumed_run_goes_on(cat_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "tracked"))
    monkeypatch.delenv("TRACKIO_SPACE_ID", raising=False)
    subprocess.run([*command(cat_folder, tmp_path, "--epochs", "1"), "--track"], cwd=ROOT, check=True)
    subprocess.run([sys.executable, "-c", GO_ON], cwd=ROOT, check=True)
    read = subprocess.run([sys.executable, "-c", *READ], check=True, stdout=subprocess.PIPE)
    points = [(point["step"], point["value"]) for point in json.loads(read.stdout)["values"]]
    assert points == [(1, pytest.approx(float(history(tmp_path / "v3")[-1]["val_psnr"]))), (2, 20.0)]


def test_without_the_package_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "trackio", None)
    with pytest.raises(MissingPackageError, match="pip install trackio"):
        import_trackio()


def test_a_space_that_cannot_be_had_is_told_before_training(monkeypatch, tmp_path):
    monkeypatch.setenv("TRACKIO_SPACE_ID", "owner/runs")
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "none"))
    with pytest.raises(TrainingError, match="--track: trackio cannot start"), tracked("v3", {}, resume=False):
        pass
