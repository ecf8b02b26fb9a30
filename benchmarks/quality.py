"""Seconds of training to a given quality: the published loop and ours, step by step from one to the other.

python -m benchmarks.quality                               # v6: hours on two cores: the published loop has 40 epochs
python -m benchmarks.quality --variant v1
python -m benchmarks.quality --seconds 120 --limit 1000    # a short look
python -m benchmarks.quality --ways published "+ bf16" --clock cpu    # two ways, on a machine that has other work too

The published loop reads JPEG files, starts at random and takes steps of Adam in float32; it is 40 epochs long. What is
ours comes in one part after the other. Each way is a process of its own; the clock stands while unseen faces are
measured, and runs while a linear start is computed.
"""

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.plain import JpegFolder
from catvae.errors import UserError
from catvae.images import to_pil
from catvae.machine import has_fast_bf16, pick_device, prepare_training
from catvae.metrics import evaluate_model
from catvae.model import FIRST_SET, VARIANTS, CatVAE, beta_elbo
from catvae.training.data import load_faces
from catvae.training.faces import Faces
from catvae.training.start import TrainConfig, fill_in
from catvae.training.train import make_run, mean_losses, take_step

ROOT = Path(__file__).resolve().parent.parent
TARGETS = (20.0, 22.0, 22.3, 24.0)  # dB; 22.3 is what the published loop ends with
Point = tuple[float, float, float]  # seconds of training, PSNR (dB) and loss (nats) on unseen faces


@dataclass(frozen=True)
class Way:
    """A way to train, by its parts."""

    in_memory: bool = False
    ours: bool = False  # Muon with Adam, warm-up and cosine, and the moving average
    start: str = "random"
    precision: str = "fp32"


WAYS = {
    "published": Way(),
    "+ faces in memory": Way(True),
    "+ our optimiser": Way(True, True),
    "+ linear start": Way(True, True, "linear"),
    "+ bf16": Way(True, True, "linear", "bf16"),
}


def published_steps(args: argparse.Namespace, faces: Faces, way: Way) -> Iterator[CatVAE]:
    """The published loop, its network with the activation before the sigmoid included; the model after each step."""
    variant, device = VARIANTS[args.variant], pick_device(args.device)
    torch.manual_seed(args.seed)
    model = CatVAE(replace(variant.config, activation_before_sigmoid=True)).to(device)
    adam = torch.optim.Adam(model.parameters(), lr=1e-3)
    pixels = TensorDataset(faces.split("train").float() / 255) if way.in_memory else JpegFolder(args.jpegs)
    loader = DataLoader(pixels, args.batch_size, shuffle=True)
    for _ in range(args.epochs):
        for batch in loader:
            x = (batch[0] if way.in_memory else batch).to(device)
            adam.zero_grad()
            logits, mu, logvar = model(x)
            beta_elbo(logits, x, mu, logvar, variant.beta)[0].mean().backward()
            adam.step()
            yield model


def our_steps(args: argparse.Namespace, faces: Faces, way: Way) -> Iterator[CatVAE]:
    """Our loop; the moving average after each step."""
    device, config = pick_device(args.device), TrainConfig(args.our_epochs, args.batch_size, seed=args.seed)
    config = fill_in(replace(config, start_from=way.start, precision=way.precision), len(faces.train))
    run = make_run(args.variant, VARIANTS[args.variant], faces, config, device, begun=False)
    faces, step = faces.to(device), 0
    for _ in range(config.epochs):
        for batch, whole in faces.epoch(args.batch_size):
            take_step(run, batch, whole, step)
            step += 1
            yield run.average


def follow(args: argparse.Namespace, way: Way, faces: Faces) -> list[Point]:
    """What a way has reached, about every `--every` seconds of training, to its end or that of `--seconds`."""
    if way.ours:
        prepare_training()
    clock = time.process_time if args.clock == "cpu" else time.monotonic
    unseen, beta = faces.validation[: args.unseen].to(pick_device(args.device)), VARIANTS[args.variant].beta
    points: list[Point] = []
    spent, measured, began = 0.0, 0.0, clock()
    steps = our_steps(args, faces, way) if way.ours else published_steps(args, faces, way)
    model = None
    for model in steps:
        spent += clock() - began
        if spent - measured >= args.every:
            measured = spent
            points.append(measure(model, unseen, beta, spent))
            if spent > args.seconds or (args.variant == "v6" and points[-1][1] > max(TARGETS)):
                return points
        began = clock()
    return points if model is None else [*points, measure(model, unseen, beta, spent)]


def measure(model: CatVAE, unseen: Tensor, beta: float, spent: float) -> Point:
    state = torch.get_rng_state()  # the noise of the loss is the same each time
    loss = mean_losses(model, unseen, beta, seed=0)["loss"]
    torch.set_rng_state(state)
    return spent, evaluate_model(model, unseen)["psnr"], loss


def seconds_to(points: list[Point], column: int, target: float) -> float | None:
    """When a figure first reached a target, between two points on a straight line; None when it never did."""
    sign = -1 if column == 2 else 1
    for before, after in pairwise([(0.0, *points[0][1:]), *points]):
        if sign * after[column] >= sign * target:
            gap = after[column] - before[column]
            return after[0] if not gap else before[0] + (after[0] - before[0]) * min(1, (target - before[column]) / gap)
    return None


def in_process(args: argparse.Namespace, label: str, jpegs: Path) -> list[Point]:
    """`follow` in a process of its own."""
    options = [f"--{name.replace('_', '-')}={value}" for name, value in vars(args).items() if name != "ways" and value]
    command = [sys.executable, "-m", "benchmarks.quality", *options, f"--way={label}", f"--jpegs={jpegs}"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return [tuple(point) for point in json.loads(done.stdout.splitlines()[-1])]


def table(args: argparse.Namespace, found: dict[str, list[Point]]) -> str:
    """Seconds to each target and how much sooner than the published loop, as a Markdown table."""
    published = found["published"]
    targets = [(f"{target} dB", 1, target) for target in TARGETS]
    if args.variant != "v6":
        targets = [(f"loss {published[-1][2]:.1f}", 2, published[-1][2])]
    lines = [f"| {args.variant} | {' | '.join(f'{name} | ×' for name, _, _ in targets)} | ends with |"]
    lines.append("|---" * (2 * len(targets) + 2) + "|")
    for label, points in found.items():
        cells = []
        for _, column, target in targets:
            ours, theirs = (seconds_to(way, column, target) for way in (points, published))
            cells += ["–" if ours is None else f"{ours:.0f} s", f"{theirs / ours:.1f}" if ours and theirs else "–"]
        spent, psnr, loss = points[-1]
        lines.append(f"| {label} | {' | '.join(cells)} | {psnr:.2f} dB, loss {loss:.1f} after {spent:.0f} s |")
    return "\n".join(lines)


def parse(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default=str(ROOT.parent / "shared/data/cat-faces-64/train.parquet"))
    parser.add_argument("--limit", type=int, help="images to read; copies among them go")
    parser.add_argument("--variant", default="v6", choices=FIRST_SET)
    parser.add_argument("--epochs", type=int, default=40, help="of the published loop")
    parser.add_argument("--our-epochs", type=int, default=4, help="of ours, whose rate falls to 0 at their end")
    parser.add_argument("--seconds", type=float, default=math.inf, help="of training at most, for each way")
    parser.add_argument("--every", type=float, default=10, help="seconds of training from one measurement to the next")
    parser.add_argument("--unseen", type=int, default=256, help="faces to measure on")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS), help="beside the published one")
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall", help="cpu: seconds of all threads together")
    parser.add_argument("--way", choices=list(WAYS), help=argparse.SUPPRESS)  # of a process started by this one
    parser.add_argument("--jpegs", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args(words)


def compare(args: argparse.Namespace) -> None:
    faces, device = load_faces(args.data, limit=args.limit), pick_device(args.device)
    if args.way:
        return print(json.dumps(follow(args, WAYS[args.way], faces)))
    print(f"{len(faces.train)} faces, batches of {args.batch_size}, {device}, {torch.get_num_threads()} threads")
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for i, face in enumerate(to_pil(faces.split("train") / 255)):
            face.save(Path(folder) / f"{i:05d}.jpg", quality=95)
        for label in dict.fromkeys(["published", *args.ways]):
            if WAYS[label].precision == "bf16" and not has_fast_bf16(device):
                print("no bf16 in hardware here")
                continue
            found[label] = in_process(args, label, Path(folder))
            print(f"{label}: {found[label][-1][1]:.2f} dB after {found[label][-1][0]:.0f} s", flush=True)
    print(table(args, found))


def main() -> None:
    try:
        compare(parse())
    except UserError as error:
        sys.exit(f"benchmarks.quality: {error}; name faces with --data")


if __name__ == "__main__":
    main()
