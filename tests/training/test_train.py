import csv
import io
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from PIL import Image

from catvae import VARIANTS, CatVAE, TrainConfig, VAEConfig, Variant, load_checkpoint, load_faces, train_variant
from catvae.errors import CheckpointError, SettingError, TrainingError
from catvae.files import UMASK, read_json
from catvae.machine import pick_device
from catvae.metrics import evaluate_model
from catvae.model import find_models, load_models, save_checkpoint
from catvae.training.faces import Faces, augment
from catvae.training.optim import Muon, lr_factor, make_optimizers, orthogonalize
from catvae.training.progress import differences, read_state
from catvae.training.start import expected_result, fill_in
from tests.conftest import ROOT
from train_space import app_command, own_variant, parse, pick_folder

CONFIG = TrainConfig(epochs=3, batch_size=16)


def history(folder) -> list[dict]:
    with (folder / "history.csv").open() as file:
        return list(csv.DictReader(file))


def command(data, out, *options) -> list[str]:
    return [sys.executable, "train_space.py", "--data", data, "--out", out, "--variants", "v3",
            "--epochs", "3", "--batch-size", "8", "--device", "cpu", *options]  # fmt: skip


def test_training_learns_and_writes_the_checkpoint_tree(cat_folder, tmp_path):
    faces = load_faces(cat_folder)
    metrics = train_variant("v3", faces, tmp_path, TrainConfig(epochs=6, batch_size=8, start_from="random"))
    rows = history(tmp_path / "v3")
    assert [row["epoch"] for row in rows] == list("0123456")  # the start is epoch 0
    assert float(rows[-1]["loss"]) < 0.95 * float(rows[0]["loss"])
    assert sorted(path.name for path in (tmp_path / "v3").iterdir()) == [
        "config.json", "history.csv", "latents.safetensors", "metrics.json", "model.safetensors", "sheet.png",
        "trained_on.safetensors",
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
    broken.send_signal(signal.SIGKILL)
    broken.wait()
    done = int(history(tmp_path / "broken" / "v3")[-1]["epoch"])
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
        command(cat_folder, tmp_path, "--epochs", "2000"),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # a job in the background is deaf to it
    )
    for line in run.stdout:
        if "epoch 1/2000" in line:
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
    with pytest.raises(TrainingError, match=r"other settings or data \(epochs 1 there, 3 here, lr .*\).*--resume"):
        train_variant("v3", faces, tmp_path, CONFIG, resume=True)
    with pytest.raises(TrainingError, match=r"other settings or data \(.*data read 60 there, 50 here, .*fingerprint"):
        train_variant(
            "v3", load_faces(cat_folder, limit=50), tmp_path, TrainConfig(epochs=1, batch_size=16), resume=True
        )


def test_divergence_is_reported_not_saved(cat_folder, tmp_path):
    with pytest.raises(TrainingError, match="no longer finite.*--lr"):
        train_variant("v3", load_faces(cat_folder), tmp_path, TrainConfig(epochs=3, batch_size=16, lr=1e6))
    assert [row["epoch"] for row in history(tmp_path / "v3")] == ["0"]


def test_schedule_warms_up_then_falls_to_zero():
    factors = [lr_factor(step, 200) for step in range(200)]
    assert factors.index(max(factors)) == 9 and max(factors) == pytest.approx(1, abs=1e-6)
    assert factors[0] == pytest.approx(0.1)
    assert factors[-1] < 1e-3 and factors[10:] == sorted(factors[10:], reverse=True)
    assert lr_factor(0, 1) == 1


def test_short_runs_and_small_sets_get_a_lower_rate_and_jitter():
    runs = [fill_in(TrainConfig(epochs=epochs), faces) for epochs, faces in ((30, 7763), (4, 1000), (30, 150), (1, 2))]
    assert [run.batch_size for run in runs] == [128, 32, 32, 32]
    assert [run.lr for run in runs] == [1.5e-3, 7.5e-4, 8.8e-4, 5.9e-6]
    assert [run.jitter for run in runs] == [0, 1, 1, 1]
    assert fill_in(TrainConfig(start_from="checkpoints"), 150).lr == 1.1e-4
    assert fill_in(TrainConfig(start_from="random"), 150).lr == 1.5e-3
    given = TrainConfig(batch_size=8, lr=1e-2, jitter=0)
    assert fill_in(given, 10) == given


def test_unusable_settings_are_refused():
    with pytest.raises(TrainingError, match="try --device cpu"):
        pick_device("cuda:77" if torch.cuda.is_available() else "cuda")
    for bad in ({"epochs": 0}, {"batch_size": 0}, {"lr": 0}, {"lr": float("nan")}, {"jitter": -1}):
        with pytest.raises(ValueError, match="positive|negative"):
            TrainConfig(**bad)


def test_a_linear_start_is_ahead_of_a_random_one(cat_folder, tmp_path):
    faces = load_faces(cat_folder)
    losses = {}
    for start in ("linear", "random"):
        train_variant("v3", faces, tmp_path / start, TrainConfig(epochs=2, batch_size=16, lr=5e-4, start_from=start))
        losses[start] = [float(row["val_loss"]) for row in history(tmp_path / start / "v3")]
    assert losses["linear"][1] < losses["random"][2]


def test_training_goes_on_from_trained_weights(cat_folder, tmp_path):
    faces = load_faces(cat_folder)
    trained = train_variant("v3", faces, tmp_path / "first", TrainConfig(epochs=4, batch_size=16))
    again = TrainConfig(epochs=1, batch_size=16, lr=1e-7, start_from=str(tmp_path / "first"))
    assert train_variant("v3", faces, tmp_path / "second", again)["psnr"] == pytest.approx(trained["psnr"], abs=0.1)

    save_checkpoint(tmp_path / "other" / "v3", CatVAE(VAEConfig(channels=(3, 4), latent_dim=2)), 1.0, None)
    other = TrainConfig(epochs=1, start_from=str(tmp_path / "other"))
    with pytest.raises(TrainingError, match="v3 cannot start from .*architecture"):
        train_variant("v3", faces, tmp_path / "third", other)
    missing = subprocess.run(
        command(cat_folder, tmp_path / "fourth", "--start-from", tmp_path / "gone"),
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert missing.returncode == 1 and "gone" in missing.stderr and "Traceback" not in missing.stderr


def test_command_line_errors_are_one_line(tmp_path):
    done = subprocess.run(command(tmp_path / "nothing", tmp_path), cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert "no such file or folder" in done.stderr and "Traceback" not in done.stderr
    words = command("OWNER/NAME", tmp_path, "--streaming", "--limit", "5")
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert "leave out --streaming" in done.stderr and "Traceback" not in done.stderr


def test_a_batch_has_a_face_for_each_process(cat_folder, tmp_path, monkeypatch):
    monkeypatch.setattr("catvae.training.train.world_size", lambda: 17)
    with pytest.raises(TrainingError, match="a batch of 16 is too small for 17 processes"):
        train_variant("v3", load_faces(cat_folder), tmp_path, CONFIG)


def test_jitter_moves_turns_and_recolours():
    x = torch.rand(4, 3, 64, 64).clamp(0.2, 0.8)
    still = torch.zeros(4, 10)
    assert torch.equal(augment(x, still, 0.0), x)
    assert torch.allclose(augment(x, still, 1.0), x, atol=1e-5)

    def changed(column: int, value: float = 1.0) -> torch.Tensor:
        chance = still.clone()
        chance[:, column] = value
        return augment(x, chance, 1.0)

    assert torch.equal(augment(x, still - 1, 0.0), x.flip(-1))
    assert torch.allclose(changed(1)[..., 1:-2], x[..., 2:-1], atol=1e-4)  # one pixel
    assert torch.allclose(changed(2)[..., 1:-2, :], x[..., 2:-1, :], atol=1e-4)
    dot = torch.zeros(1, 3, 64, 64)
    dot[..., 31:33, 55] = 1  # turned by 30° about the centre it lies at (20.4, 11.75)
    turned = augment(dot, torch.tensor([[0, 0, 0, 10.0, 0, 0, 0, 0, 0, 0]]), 1.0)[0, 0]
    row, column = (turned > 0.3).nonzero().float().mean(0).tolist()
    assert column - 31.5 == pytest.approx(23.5 * math.cos(math.radians(30)), abs=0.6)
    assert abs(row - 31.5) == pytest.approx(23.5 * math.sin(math.radians(30)), abs=0.6)
    assert torch.allclose(changed(5), x * 1.1, atol=1e-5)
    assert torch.allclose(changed(7), x * torch.tensor([1, 1.05, 1])[:, None, None], atol=1e-5)
    assert torch.allclose(changed(9), x + 0.05, atol=1e-5)
    assert augment(x, torch.randn(4, 10), 5.0).amin() >= 0
    assert augment(x[:0], still[:0], 1.0).shape == (0, 3, 64, 64)  # a process without a part of the last batch


def test_muon_step_is_orthogonal_and_flattens_convolutions():
    for shape in ((20, 50), (50, 20), (8, 3, 4, 4)):
        matrix = torch.randn(shape).flatten(1)
        u, _, v = torch.linalg.svd(matrix, full_matrices=False)
        ours = orthogonalize(matrix)
        assert torch.linalg.svdvals(ours).min() > 0.6 and torch.linalg.svdvals(ours).max() < 1.3
        assert torch.cosine_similarity(ours.flatten(), (u @ v).flatten(), dim=0) > 0.97

        weight, plain = torch.nn.Parameter(torch.zeros(shape)), torch.nn.Parameter(torch.zeros(matrix.shape))
        muon, reference = Muon([weight], lr=0.1), torch.optim.Muon([plain], lr=0.1, weight_decay=0.0)
        for _ in range(3):
            weight.grad = torch.randn(shape)
            plain.grad = weight.grad.flatten(1)
            muon.step()
            reference.step()
        assert torch.allclose(weight.flatten(1), plain, atol=0.02)  # the library's runs in bf16
    assert not orthogonalize(torch.zeros(4, 6)).any()


def test_every_weight_is_trained_by_one_optimizer():
    model = CatVAE(VAEConfig(channels=(3, 4), latent_dim=2))
    groups = [group for optimizer in make_optimizers(model, 1e-3) for group in optimizer.param_groups]
    found = [id(p) for group in groups for p in group["params"]]
    assert sorted(found) == sorted(map(id, model.parameters()))


def test_muon_that_steps_rarely_steps_as_far_and_forgets_no_gradient():
    often, rarely = (torch.nn.Parameter(torch.zeros(20, 50)) for _ in range(2))
    optimizers = [Muon([often], lr=0.1), Muon([{"params": [rarely], "every": 3}], lr=0.1)]
    for step in range(3):
        before = often.detach().clone()
        often.grad = rarely.grad = torch.randn(20, 50)
        for optimizer in optimizers:
            optimizer.step()
        assert rarely.any() == (step == 2)
    assert torch.allclose(rarely, 3 * (often - before), atol=1e-6)


def test_muon_stands_gradients_of_low_rank():
    thin = torch.randn(500, 2) @ torch.randn(2, 4096)
    assert orthogonalize(thin).isfinite().all()
    assert torch.linalg.svdvals(orthogonalize(thin))[2] < 0.2


def saved(content) -> bytes:
    torch.save(content, file := io.BytesIO())
    return file.getvalue()


RUN = {"run": {}, "model": {}, "ema": {}, "optimizers": [], "history": [{"loss": 1}]}


@pytest.mark.parametrize(
    "content", [b"", b"PK", b"foreign", saved(RUN)[:-9], saved([1]), saved({"seen": 1}), saved(RUN)]
)
def test_a_state_that_cannot_be_read_is_said(content, cat_folder, tmp_path):
    (tmp_path / "v3").mkdir()
    (tmp_path / "v3" / "training.pt").write_bytes(content)
    with pytest.raises(TrainingError, match="training.pt: (empty, cut or not ours;|holds no run).*--force"):
        train_variant("v3", load_faces(cat_folder), tmp_path, CONFIG, resume=True)


def test_a_full_disk_is_said_and_leaves_no_parts(cat_folder, tmp_path, monkeypatch):
    faces, save, saves = load_faces(cat_folder), torch.save, []

    def fill_up(state, path):
        saves.append(path)
        if len(saves) == 3:  # the start, the first epoch, the second
            path.write_bytes(b"half")
            raise OSError(28, "No space left on device")
        save(state, path)

    monkeypatch.setattr("catvae.training.progress.torch.save", fill_up)
    with pytest.raises(TrainingError, match="No space left.*--resume"):
        train_variant("v3", faces, tmp_path, CONFIG)
    assert not list(tmp_path.rglob("*.partial"))
    assert load_checkpoint(tmp_path / "v3") and read_state(tmp_path / "v3" / "training.pt")["history"][-1]["epoch"] == 1
    train_variant("v3", faces, tmp_path, CONFIG, resume=True)
    assert [row["epoch"] for row in history(tmp_path / "v3")] == list("0123")
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "v3").iterdir()} == {0o666 & ~UMASK}


def test_a_run_never_saves_worse_than_it_began(cat_folder, tmp_path, capsys):
    faces = load_faces(cat_folder)
    trained = train_variant("v3", faces, tmp_path / "first", TrainConfig(epochs=4, batch_size=16))
    wild = TrainConfig(epochs=1, batch_size=16, lr=0.02, start_from=str(tmp_path / "first"))
    assert train_variant("v3", faces, tmp_path / "second", wild)["psnr"] == trained["psnr"]
    assert "no epoch was better than the start, which is kept" in capsys.readouterr().out


def test_weights_equal_to_another_models_are_not_written_as_ones_own(cat_folder, tmp_path):
    faces, start = load_faces(cat_folder), tmp_path / "first" / "v3"
    train_variant("v3", faces, start.parent, TrainConfig(epochs=4, batch_size=16))
    wild = TrainConfig(epochs=1, batch_size=16, lr=0.02, start_from=str(start))
    for _ in range(2):  # nothing is in the way of another try
        with pytest.raises(
            TrainingError, match="mine: no epoch was better than .*v3 by 0.1 nats, so no model was written"
        ):
            train_variant("mine", faces, tmp_path / "own", wild, variant=VARIANTS["v3"])
        with pytest.raises(CheckpointError, match="holds no model"):
            find_models(tmp_path / "own")
    with pytest.raises(TrainingError, match="no model was written"):  # better by what nobody would see
        train_variant("mine", faces, tmp_path / "own", replace(wild, lr=1e-9), variant=VARIANTS["v3"])
    better = replace(wild, lr=None, epochs=6)
    assert train_variant("mine", faces, tmp_path / "own", better, variant=VARIANTS["v3"])["images"] == 12
    assert list(find_models(tmp_path / "own")) == ["mine"]
    with pytest.raises(TrainingError, match="no model was written"):
        train_variant("mine", faces, tmp_path / "own", wild, variant=VARIANTS["v3"], force=True)
    with pytest.raises(CheckpointError, match="holds no model"):  # what was there before is not shown as this run's
        find_models(tmp_path / "own")


@pytest.mark.parametrize(
    "start, faces, paints, said",
    [
        ("linear", 1001, False, ""),
        ("checkpoints/v7", 1001, True, ""),
        ("linear", 1000, False, "Expect much less than v6.*--start-from checkpoints/v7"),
        ("random", 1, False, "^Learning from 1 is little.*Expect much less than v6"),
        ("linear", 100, True, "Expect much less than v6"),
        ("checkpoints/v6", 112, False, "^Expect nothing.*--start-from checkpoints/v7"),
        ("checkpoints/v7", 24, True, "^Learning from 24 is little.*Expect pictures as sharp as your photos"),
        ("owner/name/mine", 25, True, "^Expect pictures as sharp"),
    ],
)
def test_what_to_expect_is_said_before_training(start, faces, paints, said):
    words = expected_result(TrainConfig(start_from=start), faces, paints=paints)
    assert re.search(said, words) if said else words == ""


def test_weights_of_another_run_are_not_written_over(cat_folder, tmp_path, monkeypatch):
    faces, folder = load_faces(cat_folder), tmp_path / "v3"
    train_variant("v3", faces, tmp_path, TrainConfig(epochs=1, batch_size=16))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    for _ in range(2):
        with pytest.raises(TrainingError, match="holds the weights of another run.*--out.*--resume.*--force"):
            train_variant("v3", faces, tmp_path, CONFIG)
        with pytest.raises(TrainingError, match="no such folder"):  # the start cannot be had: nothing is lost
            train_variant("v3", faces, tmp_path, TrainConfig(start_from="bogus"), force=True)
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
        (folder / "metrics.json").unlink(missing_ok=True)  # imported weights have none
        before.pop("metrics.json", None)
    with pytest.raises(TrainingError, match="holds the weights of another run"):
        train_variant("v3", faces, tmp_path, CONFIG, resume=True)
    assert train_variant("v3", faces, tmp_path, CONFIG, force=True)["training"]["epochs"] == 3


def test_the_folder_is_a_new_one_by_default(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert pick_folder(resume=True) == Path("runs/1")  # there is none to go on with
    assert pick_folder(resume=False) == Path("runs/2")
    for number in ("9", "10"):
        Path("runs", number, "v3").mkdir(parents=True)
        Path("runs", number, "v3", "training.pt").touch()
    Path("runs/mine").mkdir()
    assert (pick_folder(resume=False), pick_folder(resume=True)) == (Path("runs/11"), Path("runs/10"))
    with ThreadPoolExecutor(8) as pool:
        folders = set(pool.map(pick_folder, [False] * 40))
    assert len(folders) == 40 and all(folder.is_dir() for folder in folders)
    shutil.rmtree("runs")
    Path("runs").touch()
    with pytest.raises(TrainingError, match="runs: cannot be written"):
        pick_folder(resume=False)


OWN = ["--name", "mine", "--beta", "0.02", "--channels", "3", "4", "8", "--latents", "6", "--activation", "relu"]


def test_a_model_of_ones_own_is_the_same_from_the_command_line_and_in_python(cat_folder, tmp_path):
    options = ["--data", cat_folder, "--epochs", "1", "--batch-size", "16", "--device", "cpu", "--precision", "fp32"]
    words = [sys.executable, "train_space.py", *options, "--out", tmp_path / "a", *OWN]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Expect much less than v6" in done.stdout and "--start-from checkpoints/v7" in done.stdout
    assert done.stdout.endswith(f"to mix with it: CATVAE_CHECKPOINTS={tmp_path / 'a'} make app\n")
    assert f"to look at: {tmp_path / 'a' / 'mine' / 'sheet.png'}, rows of " in done.stdout
    assert Image.open(tmp_path / "a" / "mine" / "sheet.png").size == (2 * 12 * 64, 2 * 4 * 64)

    variant = Variant(0.02, VAEConfig((3, 4, 8), latent_dim=6, activation="relu"))
    config = TrainConfig(epochs=1, batch_size=16, precision="fp32")
    train_variant("mine", load_faces(cat_folder), tmp_path / "b", config, variant=variant)
    for run in "ab":
        mine = load_models(tmp_path / run)["mine"]
        assert (mine.config, mine.beta) == (variant.config, 0.02)
    psnr_a, psnr_b = (read_json(tmp_path / run / "mine" / "metrics.json")["psnr"] for run in "ab")
    assert psnr_a == pytest.approx(psnr_b, abs=0.02)  # rounding differs with the threads that each process has

    again = own_variant(parse(["--name", "other", "--start-from", str(tmp_path / "a" / "mine")]))
    assert again == variant  # what is left open is as in the weights to start from
    with pytest.raises(TrainingError, match="other settings or data"):
        wider = Variant(0.02, VAEConfig((3, 4, 8), latent_dim=7, activation="relu"))
        train_variant("mine", load_faces(cat_folder), tmp_path / "b", config, variant=wider, resume=True)


@pytest.mark.parametrize(
    "words, message",
    [
        (["--beta", "1"], "add --name"),
        (["--name", "v6", "--beta", "1"], "name of another"),
        (["--name", "V7", "--beta", "1"], "name of another"),
        (["--name", "../v6", "--beta", "1"], "letters, digits"),
        (["--name", "mine"], "needs a --beta"),
        (["--name", "mine", "--beta", "0"], "positive"),
        (["--name", "mine", "--beta", "-1"], "positive"),
        (["--name", "mine", "--beta", "1", "--channels", "4", "8"], "must be 3 followed"),
        (["--name", "mine", "--beta", "1", "--variants", "v1"], "leave out --variants"),
        (["--name", "mine", "--start-from", str(ROOT / "checkpoints")], "holds v1, v2.*name one's folder"),
        (["--name", "mine", "--start-from", "bogus"], "no OWNER/NAME"),
        (["--name", "mine", "--start-from", str(ROOT / "checkpoints/v7"), "--beta", "1"], "which alone learns"),
        (["--name", "mine", "--start-from", str(ROOT / "checkpoints/v7"), "--latents", "9"], "which alone learns"),
    ],
)
def test_models_of_ones_own_that_cannot_be_are_refused(words, message):
    with pytest.raises((SettingError, TrainingError), match=message):
        own_variant(parse(words))


def test_the_next_command_names_the_folder_as_a_shell_reads_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert app_command(Path("my runs")) == f"CATVAE_CHECKPOINTS='{tmp_path}/my runs' make app"
    assert app_command(ROOT / "checkpoints") == "make app"


def test_a_record_without_its_precision_is_of_any():
    run = {"lr": 1.0, "precision": "bf16"}
    assert not differences({"lr": 1.0}, run) and not differences(run, run)
    assert differences({"lr": 2.0}, run) == "lr 2.0 there, 1.0 here"
    assert differences({"lr": 1.0, "precision": "fp32"}, run) == "precision fp32 there, bf16 here"
    assert differences(None, run) == "nothing is recorded there"
