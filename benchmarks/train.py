"""Images a second of our training loop and of a plain one: same model, same batches, same device, alternating.

python -m benchmarks.train --data ../shared/data/cat-faces-64/train.parquet

The plain loop is `benchmarks.plain`, ours `train_space.py` itself, Muon included; each is a new process.
Also: operations counted against the measured peak of the device, five variants stacked into one
program, and two processes.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
from torch.func import functional_call, stack_module_state
from torch.utils.flop_counter import FlopCounterMode

from catvae.errors import UserError
from catvae.images import to_pil
from catvae.machine import has_fast_bf16, pick_device
from catvae.model import CatVAE, beta_elbo
from catvae.training.data import load_faces

ROOT = Path(__file__).resolve().parent.parent


def plain_loop(folder: Path, batch_size: int, device: torch.device, workers: int) -> float:
    """Images a second of one epoch of `benchmarks.plain`."""
    options = ["--batch-size", str(batch_size), "--workers", str(workers), "--device", str(device)]
    command = [sys.executable, "-m", "benchmarks.plain", str(folder), *options]
    return read_speed(subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout)


def our_loop(data: str, limit: int, batch_size: int, device: torch.device, processes: int = 0) -> float:
    """Images a second of one epoch of v6 in `train_space.py`; with `processes`, in so many of one thread each."""
    launcher = [sys.executable]
    if processes:
        launcher += ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"} if processes else None
    with tempfile.TemporaryDirectory() as out:
        options = ["--data", data, "--limit", str(limit), "--variants", "v6", "--epochs", "1", "--start-from", "random"]
        options += ["--batch-size", str(batch_size), "--device", str(device), "--out", out]
        command = [*launcher, "train_space.py", *options]
        done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return read_speed(done.stdout)


def share_of_peak(images_per_second: float, device: torch.device) -> str:
    """Operations of forward and backward against those of a large matrix product in the same precision."""
    model, x = CatVAE().to(device), torch.rand(8, 3, 64, 64, device=device)
    with FlopCounterMode(display=False) as counter:
        logits, mu, logvar = model(x)
        beta_elbo(logits, x, mu, logvar, 1.0)[0].sum().backward()
    per_image = counter.get_total_flops() / len(x)

    a = torch.randn(4096, 4096, device=device, dtype=torch.bfloat16 if has_fast_bf16(device) else torch.float32)
    best = 0.0
    for _ in range(5):
        started = time.monotonic()
        (a @ a)[0, 0].item()
        best = max(best, 2 * 4096**3 / (time.monotonic() - started))
    share = images_per_second * per_image / best
    return f"{per_image / 1e6:.0f} MFLOP an image; {best / 1e9:.0f} GFLOP/s at best: the model's part is {share:.0%}"


class LossOfVAE(torch.nn.Module):
    """A VAE with its loss, for vmap, which calls one module; the noise is given, as vmap draws none."""

    def __init__(self) -> None:
        super().__init__()
        self.vae = CatVAE()

    def forward(self, x: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        logits, mu, logvar = self.vae(x, noise)
        return beta_elbo(logits, x, mu, logvar, 1.0)[0].mean()


def stacked(batch_size: int, device: torch.device, models: int = 5, rounds: int = 5) -> float:
    """Time of forward and backward of five models stacked by vmap over that of one after the other."""
    vaes = [LossOfVAE().to(device) for _ in range(models)]
    skeleton = LossOfVAE().to("meta")
    weights, _ = stack_module_state(vaes)
    x, noise = torch.rand(batch_size, 3, 64, 64, device=device), torch.randn(batch_size, 500, device=device)
    autocast = torch.autocast(device.type, torch.bfloat16, enabled=has_fast_bf16(device))

    def apart() -> float:
        with autocast:
            for vae in vaes:
                vae(x, noise).backward()
            return float(vaes[0].vae.to_mu.bias.grad.sum())  # waits until all is done

    def together() -> float:
        with autocast:
            losses = torch.func.vmap(lambda one: functional_call(skeleton, one, (x, noise)))(weights)
        return torch.autograd.grad(losses.sum(), list(weights.values()))[0].sum().item()

    def seconds(run: Callable[[], float]) -> float:
        started = time.monotonic()
        run()  # reads a number, so the device is done
        return time.monotonic() - started

    pairs = [(seconds(together), seconds(apart)) for _ in range(rounds + 1)][1:]
    return median(a / b for a, b in pairs)


def read_speed(said: str) -> float:
    return float(re.search(r"([\d.]+) images/s", said).group(1))


def main() -> None:
    try:
        compare()
    except UserError as error:
        sys.exit(f"benchmarks.train: {error}; name faces with --data")


def compare() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default=str(ROOT.parent / "shared/data/cat-faces-64/train.parquet"))
    parser.add_argument("--limit", type=int, default=6000, help="images to read; copies among them go")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=0, help="of the plain loop's DataLoader")
    parser.add_argument("--device", default="auto")
    args = parser.parse_args()

    device = pick_device(args.device)
    faces = load_faces(args.data, limit=args.limit)
    print(f"{len(faces.train)} faces, batches of {args.batch_size}, {device}, {torch.get_num_threads()} threads")
    plain, ours = [], []
    with tempfile.TemporaryDirectory() as folder:
        for i, face in enumerate(to_pil(faces.split("train") / 255)):
            face.save(Path(folder) / f"{i:05d}.jpg", quality=95)
        for _ in range(args.rounds):
            plain.append(plain_loop(Path(folder), args.batch_size, device, args.workers))
            ours.append(our_loop(args.data, args.limit, args.batch_size, device))
            print(f"plain {plain[-1]:.0f} images/s, ours {ours[-1]:.0f} images/s", flush=True)
    ratio = median(b / a for a, b in zip(plain, ours, strict=True))
    print(f"median: plain {median(plain):.0f} images/s, ours {median(ours):.0f} images/s, {ratio:.2f} times as many")
    print(share_of_peak(median(ours), device))
    print(f"five variants stacked take {stacked(args.batch_size, device):.2f} times as long as one after the other")
    if device.type == "cpu":
        runs = [
            [our_loop(args.data, args.limit, args.batch_size, device, n) for n in (1, 2)] for _ in range(args.rounds)
        ]
        one, two = map(max, zip(*runs, strict=True))  # the fastest of each: what else runs here slows two more than one
        print(f"one process of one thread {one:.0f} images/s, two processes {two:.0f}: {two / one:.2f} times")


if __name__ == "__main__":
    main()
