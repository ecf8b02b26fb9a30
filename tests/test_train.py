import csv
import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from catvae import load_checkpoint
from catvae.data import Faces, load_faces
from catvae.metrics import evaluate_model
from catvae.train import TrainConfig, TrainingError, lr_factor, pick_device, train_variant
from tests.conftest import ROOT

CONFIG = TrainConfig(epochs=3, batch_size=16)


def history(folder) -> list[dict]:
    with (folder / "history.csv").open() as file:
        return list(csv.DictReader(file))


def command(data, out, *options) -> list[str]:
    return [sys.executable, "train_space.py", "--data", data, "--out", out, "--variants", "v3",
            "--epochs", "3", "--batch-size", "8", "--device", "cpu", *options]  # fmt: skip


def test_training_learns_and_writes_the_checkpoint_tree(cat_folder, tmp_path):
    faces = load_faces(cat_folder)
    metrics = train_variant("v3", faces, tmp_path, TrainConfig(epochs=6, batch_size=8))
    rows = history(tmp_path / "v3")
    assert [row["epoch"] for row in rows] == list("123456")
    assert float(rows[-1]["loss"]) < 0.95 * float(rows[0]["loss"])
    assert sorted(path.name for path in (tmp_path / "v3").iterdir()) == [
        "config.json", "history.csv", "latents.safetensors", "metrics.json", "model.safetensors"
    ]  # fmt: skip
    assert metrics == json.loads((tmp_path / "v3" / "metrics.json").read_text())
    again = evaluate_model(load_checkpoint(tmp_path / "v3"), faces.validation)
    assert metrics["psnr"] == pytest.approx(again["psnr"])  # of the weights as saved, not as trained
    assert metrics["training"]["data"]["fingerprint"] == faces.report.fingerprint


def test_killed_and_resumed_run_has_the_same_losses(cat_folder, tmp_path):
    subprocess.run(command(cat_folder, tmp_path / "whole"), cwd=ROOT, check=True, capture_output=True)

    broken = subprocess.Popen(command(cat_folder, tmp_path / "broken"), cwd=ROOT, stdout=subprocess.PIPE, text=True)
    for line in broken.stdout:
        if "epoch 1/3" in line:
            break
    while not (tmp_path / "broken" / "v3" / "training.pt").exists():
        time.sleep(0.01)
    broken.send_signal(signal.SIGKILL)
    broken.wait()
    done = len(history(tmp_path / "broken" / "v3"))
    assert 1 <= done < 3

    resumed = subprocess.run(
        command(cat_folder, tmp_path / "broken", "--resume"), cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert f"epoch {done + 1}/3" in resumed.stdout and f"epoch {done}/3" not in resumed.stdout
    assert history(tmp_path / "broken" / "v3") == history(tmp_path / "whole" / "v3")
    weights = [(tmp_path / run / "v3" / "model.safetensors").read_bytes() for run in ("whole", "broken")]
    assert weights[0] == weights[1]

    before = os.stat(tmp_path / "broken" / "v3" / "model.safetensors").st_mtime_ns
    subprocess.run(command(cat_folder, tmp_path / "broken", "--resume"), cwd=ROOT, check=True, capture_output=True)
    assert os.stat(tmp_path / "broken" / "v3" / "model.safetensors").st_mtime_ns == before  # finished: left alone


def test_ctrl_c_says_how_to_go_on(cat_folder, tmp_path):
    run = subprocess.Popen(
        command(cat_folder, tmp_path), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    for line in run.stdout:
        if "epoch 1/3" in line:
            break
    run.send_signal(signal.SIGINT)
    _, errors = run.communicate(timeout=60)
    assert run.returncode == 1
    assert "--resume" in errors and "Traceback" not in errors


def test_validation_faces_teach_nothing(cat_folder, tmp_path):
    faces = load_faces(cat_folder)
    other = Faces(train=faces.train, validation=255 - faces.validation, report=faces.report)
    train_variant("v3", faces, tmp_path / "a", CONFIG)
    train_variant("v3", other, tmp_path / "b", CONFIG)
    for name in ("loss", "bce", "kl"):
        assert [row[name] for row in history(tmp_path / "a" / "v3")] == [
            row[name] for row in history(tmp_path / "b" / "v3")
        ]
    assert history(tmp_path / "a" / "v3")[0]["val_loss"] != history(tmp_path / "b" / "v3")[0]["val_loss"]


def test_resume_refuses_other_settings_and_other_data(cat_folder, tmp_path):
    faces = load_faces(cat_folder)
    train_variant("v3", faces, tmp_path, TrainConfig(epochs=1, batch_size=16))
    with pytest.raises(TrainingError, match="other settings or data.*--resume"):
        train_variant("v3", faces, tmp_path, CONFIG, resume=True)
    with pytest.raises(TrainingError, match="other settings or data"):
        train_variant("v3", load_faces(cat_folder, seed=5), tmp_path, TrainConfig(epochs=1, batch_size=16), resume=True)


def test_divergence_is_reported_not_saved(cat_folder, tmp_path):
    with pytest.raises(TrainingError, match="no longer finite.*--lr"):
        train_variant("v3", load_faces(cat_folder), tmp_path, TrainConfig(epochs=3, batch_size=16, lr=1e6))
    assert not (tmp_path / "v3" / "model.safetensors").exists()


def test_schedule_warms_up_then_falls_to_zero():
    factors = [lr_factor(step, 200) for step in range(200)]
    assert factors.index(max(factors)) == 9 and max(factors) == pytest.approx(1, abs=1e-6)
    assert factors[0] == pytest.approx(0.1)
    assert factors[-1] < 1e-3 and factors[10:] == sorted(factors[10:], reverse=True)
    assert lr_factor(0, 1) == 1


def test_unusable_settings_are_refused():
    with pytest.raises(TrainingError, match="try --device cpu"):
        pick_device("cuda:77" if torch.cuda.is_available() else "cuda")
    for bad in ({"epochs": 0}, {"batch_size": 0}, {"lr": 0}, {"lr": float("nan")}):
        with pytest.raises(ValueError, match="positive"):
            TrainConfig(**bad)


def test_command_line_errors_are_one_line(tmp_path):
    done = subprocess.run(command(tmp_path / "nothing", tmp_path), cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert "no such file or folder" in done.stderr and "Traceback" not in done.stderr
