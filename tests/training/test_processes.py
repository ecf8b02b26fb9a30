"""Several Gloo processes on this machine train as one would; processes that are stopped, killed, or meet another."""

import fcntl
import os
import pty
import resource
import signal
import subprocess
import sys
import termios
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import load_file

from catvae import CatVAE, VAEConfig
from catvae.machine import SAME_STOP
from catvae.training.optim import flat_gradients, share_out
from catvae.training.progress import read_state
from tests.conftest import ROOT, free_port
from tests.hub_server import load
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


def test_two_processes_train_as_one(cat_folder, alone, tmp_path):
    run = launch(ACCELERATE, cat_folder, tmp_path)  # by torchrun: below
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


def test_one_process_goes_on_after_one_of_two_is_killed(cat_folder, alone, tmp_path):
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

    again = launch([sys.executable], cat_folder, tmp_path, "--resume")
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


# --- Stopping, and two runs at once


def start(data: Path, out: Path, *options, env: dict[str, str] | None = None, **how) -> subprocess.Popen:
    """Training of v3 and then v1 that the test may send signals to, even where it runs in the background itself."""
    words = [*command(data, out, "--variants", "v3", "v1", "--epochs", "12", *options)]
    how = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "preexec_fn": hear_signals, **how}
    env = {**(env or os.environ), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([str(word) for word in words], cwd=ROOT, env=env, **how)


def hear_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def wait_for(run: subprocess.Popen, words: str) -> str:
    """What it says until there is a line with these words."""
    said = ""
    for line in run.stdout:
        said += line
        if words in line:
            return said
    raise AssertionError(said)


STOPS = [
    (signal.SIGTERM, "starts near the linear optimum", "v3"),
    (signal.SIGINT, "v3 epoch 1/", "v3"),
    (signal.SIGHUP, "v1 epoch 1/", "v1"),
]


@pytest.mark.parametrize("number, phase, stopped", STOPS, ids=lambda value: getattr(value, "name", value))
def test_a_machine_that_is_taken_back_pushes_what_is_finished(
    hub, client, cat_folder, tmp_path, number, phase, stopped
):
    client.create_repo("owner/cats")
    head, env = hub.head("models/owner/cats"), hub.env(tmp_path / "home", token=hub.token)
    log = tmp_path / "log"
    with log.open("w") as file:  # a pipe into a terminal that hangs up is left alone
        run = start(cat_folder, tmp_path / "out", "--push-to-hub", "owner/cats", env=env, stdout=file)
    while phase not in log.read_text():
        assert run.poll() is None, log.read_text()
        time.sleep(0.1)
    run.send_signal(number)
    assert run.wait(timeout=120) == 1, log.read_text()
    said = log.read_text()
    assert "Traceback" not in said and hub.head("models/owner/cats") == head
    assert not list(tmp_path.glob("out/**/*.partial"))
    branches = load(hub.folder / "models/owner/cats")["branches"]
    if stopped == "v3":
        assert set(branches) == {"main"} and "pushing" not in said
        assert ("--resume" in said) == (tmp_path / "out" / "v3").exists() == ("epoch" in phase)
    else:
        assert "--resume" in said and f"--out {tmp_path / 'out'}" in said
        pushed = hub.files("models/owner/cats", "trial")
        assert pushed["v3/model.safetensors"] == (tmp_path / "out" / "v3" / "model.safetensors").read_bytes()
        assert [name for name in pushed if name.startswith("v1/")] == []
        assert read_state(tmp_path / "out" / "v1" / "training.pt")["history"][-1]["epoch"] >= 1


def test_a_stop_while_reading_leaves_nothing_behind(cat_folder, tmp_path):
    run = start(cat_folder, tmp_path / "out")
    while not (tmp_path / "out" / "v1").exists():  # claimed, and the faces are read
        assert run.poll() is None
        time.sleep(0.01)
    run.send_signal(signal.SIGTERM)
    said, _ = run.communicate(timeout=60)
    assert run.returncode == 1 and "Traceback" not in said
    assert "There was nothing to be saved yet." in said and not (tmp_path / "out").exists()


def test_a_push_goes_on_through_one_stop_and_ends_at_the_second(hub, client, cat_folder, tmp_path):
    client.create_repo("owner/cats")
    env = hub.env(tmp_path / "home", token=hub.token)
    options = ["--variants", "v3", "--epochs", "1", "--push-to-hub", "owner/cats"]
    slow = hub.fault("POST .*/commit/", delay=4, times=1)
    run = start(cat_folder, tmp_path / "out", *options, env=env)
    wait_for(run, "pushing what is finished: v3")
    run.send_signal(signal.SIGTERM)
    run.send_signal(signal.SIGINT)  # a launcher passes on what it got, in its own way
    said, _ = run.communicate(timeout=120)
    assert run.returncode == 0 and slow.hits == 1 and "finishing this; once more to end at once" in said, said
    assert "v3/model.safetensors" in hub.files("models/owner/cats", "trial")

    hub.fault("POST .*/commit/", delay=100)
    again = start(cat_folder, tmp_path / "out", *options, "--force", "--seed", "1", env=env)
    wait_for(again, "pushing what is finished: v3")
    again.send_signal(signal.SIGTERM)
    time.sleep(1.5 * SAME_STOP)
    again.send_signal(signal.SIGTERM)
    again.communicate(timeout=50)
    assert again.returncode == -signal.SIGTERM


def test_a_terminal_that_hangs_up_takes_no_finished_model_along(hub, client, cat_folder, tmp_path):
    client.create_repo("owner/cats")
    ours, theirs = pty.openpty()

    def take_terminal() -> None:
        hear_signals()
        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

    how = {"stdin": theirs, "stdout": theirs, "stderr": theirs, "start_new_session": True, "preexec_fn": take_terminal}
    env = hub.env(tmp_path / "home", token=hub.token)
    env.pop("HF_HUB_DISABLE_PROGRESS_BARS")
    run = start(cat_folder, tmp_path / "out", "--push-to-hub", "owner/cats", env=env, **how)
    os.close(theirs)
    said = b""
    while b"v1 epoch 1/" not in said:
        said += os.read(ours, 4096)
    os.close(ours)
    assert run.wait(timeout=120) != 0
    assert "v3/model.safetensors" in hub.files("models/owner/cats", "trial")


def test_a_reader_who_has_gone_takes_no_finished_model_along(hub, client, cat_folder, tmp_path):
    client.create_repo("owner/cats")
    env = hub.env(tmp_path / "home", token=hub.token)
    with (tmp_path / "errors").open("w") as errors:
        run = start(cat_folder, tmp_path / "out", "--push-to-hub", "owner/cats", env=env, stderr=errors)
    wait_for(run, "v1: starts near")
    run.stdout.close()  # as `| head` does
    assert run.wait(timeout=120) != 0
    assert "v3/model.safetensors" in hub.files("models/owner/cats", "trial")


def test_two_processes_that_are_stopped_push_what_is_finished(hub, client, cat_folder, tmp_path):
    client.create_repo("owner/cats")
    env = {**hub.env(tmp_path / "home", token=hub.token), "OMP_NUM_THREADS": "1"}
    options = ["--variants", "v3", "v1", "--epochs", "12", "--push-to-hub", "owner/cats"]
    words = [*TORCHRUN, *command(cat_folder, tmp_path / "out", *GENTLE, *options)[1:]]
    how = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "preexec_fn": hear_signals}
    run = subprocess.Popen([str(word) for word in words], cwd=ROOT, env=env, **how)
    wait_for(run, "v1 epoch 1/")
    run.send_signal(signal.SIGTERM)
    said, _ = run.communicate(timeout=120)
    assert run.returncode != 0
    assert "v3/model.safetensors" in hub.files("models/owner/cats", "trial"), said


def test_two_runs_at_once_never_share_a_folder(cat_folder, tmp_path):
    words = [sys.executable, ROOT / "train_space.py", *command(cat_folder, "")[2:]]
    del words[words.index("--out") : words.index("--out") + 2]
    how = {"cwd": tmp_path, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    both = [subprocess.Popen(words, **how, env={**os.environ, "OMP_NUM_THREADS": "1"}) for _ in range(2)]
    said = [run.communicate(timeout=300)[0] for run in both]
    assert [run.returncode for run in both] == [0, 0], said
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["1", "2"]
    assert history(tmp_path / "runs" / "1" / "v3") == history(tmp_path / "runs" / "2" / "v3")


def test_a_folder_in_use_is_refused(cat_folder, tmp_path):
    first = start(cat_folder, tmp_path, "--epochs", "2000")
    try:
        wait_for(first, "v3 epoch 1/")
        for folder, *other in ((tmp_path,), (tmp_path, "--resume"), (tmp_path / ".." / tmp_path.name, "--force")):
            second = start(cat_folder, folder, *other, "--variants", "v6", "v3", "--epochs", "2000")
            said, _ = second.communicate(timeout=60)
            assert second.returncode == 1 and "is in use by another run: name another --out" in said, said
            assert "Traceback" not in said and "faces" not in said
        assert not (tmp_path / "v6").exists()
    finally:
        first.kill()
        first.communicate()
    (tmp_path / "v3" / "training.pt.1.partial").write_bytes(b"of a run that was killed while it saved")
    third = start(cat_folder, tmp_path, "--resume", "--epochs", "2000")
    wait_for(third, "v3 epoch ")
    third.send_signal(signal.SIGTERM)
    third.communicate(timeout=60)
    assert not list(tmp_path.glob("**/*.partial"))


def test_a_disk_that_fills_up_is_one_sentence_and_can_be_gone_on_with(cat_folder, tmp_path):
    def small_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))

    full = start(cat_folder, tmp_path, "--variants", "v3", preexec_fn=small_disk)
    said, _ = full.communicate(timeout=120)
    assert full.returncode == 1 and "cannot be written" in said and "Traceback" not in said, said
    assert not list(tmp_path.glob("**/*.partial"))
    again = start(cat_folder, tmp_path, "--variants", "v3", "--epochs", "1", "--resume")
    said, _ = again.communicate(timeout=120)
    assert again.returncode == 0, said
