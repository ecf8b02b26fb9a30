"""Several Gloo processes on this machine train as one would."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import load_file

from catvae import CatVAE, VAEConfig
from catvae.training.optim import flat_gradients, share_out
from tests.conftest import ROOT, free_port
from tests.training.test_train import command, history

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
# its --cpu starts several processes through MPI only; --multi_gpu starts them without looking for GPUs
ACCELERATE = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
ACCELERATE += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"]
# bf16 rounds each process's sum of gradients, and Muon makes small singular directions as large as the others
GENTLE = ["--lr", "1e-3", "--precision", "fp32"]


def launch(launcher: list[str], data: Path, out: Path, *options) -> subprocess.Popen:
    words = [*launcher, *command(data, out, *GENTLE, *options)[1:]]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        words, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


@pytest.fixture(scope="module")
def alone(cat_folder, tmp_path_factory) -> Path:
    """One process, three epochs; its last batch of each has an odd number of faces."""
    out = tmp_path_factory.mktemp("alone")
    subprocess.run(command(cat_folder, out, *GENTLE), cwd=ROOT, check=True, capture_output=True)
    return out


def assert_same_training(out: Path, alone: Path) -> None:
    rows, expected = history(out / "v3"), history(alone / "v3")
    assert len(rows) == len(expected) == 4
    for row, wanted in zip(rows, expected, strict=True):
        for name in ("loss", "bce", "kl", "val_loss", "val_psnr", "val_kl"):
            assert float(row[name]) == pytest.approx(float(wanted[name]), rel=3e-3), (row["epoch"], name)
    weights = [load_file(folder / "v3" / "model.safetensors") for folder in (out, alone)]
    ours, theirs = (torch.cat([tensor.float().flatten() for tensor in weight.values()]) for weight in weights)
    assert (ours - theirs).norm() < 0.02 * theirs.norm()


@pytest.mark.parametrize("launcher", [TORCHRUN, ACCELERATE], ids=["torchrun", "accelerate"])
def test_two_processes_train_as_one(launcher, cat_folder, alone, tmp_path):
    run = launch(launcher, cat_folder, tmp_path)
    said, _ = run.communicate(timeout=300)
    assert run.returncode == 0, said
    assert "2 process(es)" in said
    assert said.count("epoch 3/3:") == 1  # one speaks, one writes
    assert_same_training(tmp_path, alone)


def test_two_nodes_train_as_one_process(cat_folder, alone, tmp_path):
    """Two launches on this machine that meet as those on two machines do, each with a process of its own."""
    meeting = ["--rdzv-backend", "c10d", "--rdzv-endpoint", f"127.0.0.1:{free_port()}", "--local-addr", "127.0.0.1"]
    node = [*TORCHRUN[:3], "--nnodes", "2", "--nproc-per-node", "1", *meeting]
    runs = [launch(node, cat_folder, tmp_path) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        said = list(pool.map(lambda run: run.communicate(timeout=300)[0], runs))
    assert [run.returncode for run in runs] == [0, 0], said
    assert sorted(text.count("epoch 3/3:") for text in said) == [0, 1]  # one node speaks, one writes
    assert_same_training(tmp_path, alone)


@pytest.mark.parametrize("then", [TORCHRUN, [sys.executable]], ids=["two", "one"])
def test_resumes_after_one_of_two_processes_is_killed(then, cat_folder, alone, tmp_path):
    run = launch(TORCHRUN, cat_folder, tmp_path)
    for line in run.stdout:
        if "epoch 1/3:" in line:
            break
    workers = [p for p in psutil.Process(run.pid).children() if "train_space.py" in " ".join(p.cmdline())]
    assert len(workers) == 2
    workers[1].send_signal(signal.SIGKILL)
    run.communicate(timeout=120)
    assert run.returncode != 0  # the launcher stops the other one and says so
    assert 1 <= int(history(tmp_path / "v3")[-1]["epoch"]) < 3

    again = launch(then, cat_folder, tmp_path, "--resume")
    said, _ = again.communicate(timeout=300)
    assert again.returncode == 0, said
    assert "epoch 1/3:" not in said
    assert_same_training(tmp_path, alone)


def test_the_work_of_muon_is_shared_out():
    shapes = [p.flatten(1).shape for p in CatVAE().parameters() if p.ndim > 1]
    assert share_out(shapes, 1) == [0] * len(shapes)
    for processes in (2, 3, 50):
        owners = share_out(shapes, processes)
        assert len(owners) == len(shapes) and set(owners) == set(range(min(processes, len(shapes))))
    layers = [torch.Size(shape) for shape in ((500, 4096), (4096, 500), (64, 512), (64, 512), (32, 256))]
    assert [sorted(share_out(layers, 2).count(owner) for owner in (0, 1))] == [[2, 3]]
    assert share_out(layers, 2)[:2] in ([0, 1], [1, 0])  # the two large ones never on one process


def test_gradients_are_parts_of_one_buffer():
    model = CatVAE(VAEConfig(channels=(3, 4), latent_dim=2)).to(memory_format=torch.channels_last)
    flat = flat_gradients(model)
    logits, mu, _ = model(torch.rand(2, 3, 64, 64))
    (logits.sum() + mu.sum()).backward()
    gradients = torch.cat([p.grad.flatten() for p in model.parameters()])
    assert torch.equal(flat.sort().values, gradients.sort().values) and flat.abs().sum() > 0
    assert all(p.grad.stride() == p.stride() for p in model.parameters())
    flat.zero_()
    assert all(not p.grad.any() for p in model.parameters())
