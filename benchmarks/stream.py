"""Memory of a training that streams more faces than memory holds: `train_space.py --streaming`, looked at as it runs.

python -m benchmarks.stream                                        # 2 million faces, 1 GB of disk; about an hour
python -m benchmarks.stream --faces 100000 --seconds 120           # a short look

The faces are mosaics of 8×8 random colours, all different, as PNG in parquet files of 20,000, behind the tests'
stand-in for the Hub on this machine; the network is small, so that reading is what takes time.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from statistics import linear_regression

import datasets
import numpy as np
import psutil
from PIL import Image

from catvae.model import IMAGE_SIZE
from catvae.publishing.cards import make_dataset_card
from catvae.publishing.faces import SHARD
from catvae.training.faces import DataReport
from tests.hub_server import HubServer

ROOT = Path(__file__).resolve().parent.parent
REPO, VALIDATION = "owner/mosaics", 512
NETWORK = ["--name", "small", "--beta", "1", "--channels", "3", "8", "16", "--latents", "16"]


def mosaics(count: int, seed: int) -> Iterator[bytes]:
    """Pictures 64×64 of random colours as PNG, about 400 bytes each."""
    colours = np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
    for cells in colours:
        file = BytesIO()
        Image.fromarray(cells).resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.NEAREST).save(file, "PNG")
        yield file.getvalue()


def publish(hub: HubServer, count: int) -> None:
    """A dataset of so many faces, written a file at a time."""
    datasets.disable_progress_bars()
    features, sizes = datasets.Features({"image": datasets.Image()}), {"train": 0, "validation": 0}
    shards = -(-count // SHARD)
    parts = [
        ("validation", VALIDATION, 0, 1),
        *(("train", min(SHARD, count - i * SHARD), i, shards) for i in range(shards)),
    ]
    for seed, (split, size, number, of) in enumerate(parts):
        rows, parquet = [{"bytes": picture, "path": None} for picture in mosaics(size, seed)], BytesIO()
        datasets.Dataset.from_dict({"image": rows}, features=features).to_parquet(parquet)
        sizes[split] += parquet.tell()
        hub.seed(f"datasets/{REPO}", {f"data/{split}-{number:05d}-of-{of:05d}.parquet": parquet.getvalue()})
    report = DataReport("mosaics", count + VALIDATION, 0, 0, 0, count, VALIDATION, "")
    lengths = {"train": count, "validation": VALIDATION}
    splits = [{"name": name, "num_bytes": sizes[name], "num_examples": lengths[name]} for name in lengths]
    hub.seed(f"datasets/{REPO}", {"README.md": str(make_dataset_card(REPO, report, splits, "cc0-1.0")).encode()})
    print(f"{count} faces in {shards} files, {sum(sizes.values()) / 1e9:.2f} GB", flush=True)


def resident(process: psutil.Process) -> float:
    """Memory of a process and those below it, in MB."""
    total = 0
    for one in [process, *process.children(recursive=True)]:
        try:
            total += one.memory_info().rss
        except psutil.NoSuchProcess:  # it has just ended
            continue
    return total / 1e6


def watch(hub: HubServer, folder: Path, args: argparse.Namespace) -> None:
    """Train for `--seconds`, or one epoch, and say how memory grew; how many files were read is what the server saw."""
    command = [sys.executable, "train_space.py", "--data", REPO, "--streaming", "--epochs", "1", "--batch-size", "512"]
    command += [*NETWORK, "--start-from", "random", "--device", "cpu", "--out", str(folder / "out")]
    hub.requests.clear()
    points: list[tuple[float, float]] = []
    with (folder / "log").open("w") as log:
        training = psutil.Popen(command, cwd=ROOT, env=hub.env(folder / "home"), stdout=log, stderr=log)
        began = told = time.monotonic()
        try:
            while training.poll() is None and time.monotonic() - began < args.seconds:
                time.sleep(1)
                if memory := resident(training):  # 0 of one that has just ended
                    points.append((time.monotonic() - began, memory))
                if time.monotonic() - told >= args.seconds / 20:
                    told = time.monotonic()
                    print(f"{points[-1][0]:5.0f} s: {points[-1][1]:.0f} MB, {files_read(hub)} files begun", flush=True)
            code = training.poll()
        finally:
            if training.poll() is None:
                training.terminate()
                training.wait()
    said = (folder / "log").read_text()
    if code:
        sys.exit(said)
    steady = points[len(points) // 5 :]
    slope = linear_regression(*zip(*steady, strict=True)).slope * 60
    low, high = min(memory for _, memory in steady), max(memory for _, memory in steady)
    passed = said.replace("\r", "\n").strip().splitlines()[-1]
    print(f"stopped at {passed}" if code is None else f"the epoch is through: {passed}")
    print(
        f"{points[-1][0]:.0f} s; after the first fifth of it {low:.0f} to {high:.0f} MB, {slope:+.1f} MB a minute; "
        f"{files_read(hub)} files begun; all faces in memory would be {args.faces * 3 * IMAGE_SIZE**2 / 1e9:.1f} GB, "
        f"this machine has {psutil.virtual_memory().total / 1e9:.1f} GB"
    )


def files_read(hub: HubServer) -> int:
    return len({line for line in hub.requests if "/train-" in line and line.startswith("GET") and "resolve" in line})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--faces", type=int, default=2_000_000)
    parser.add_argument("--seconds", type=float, default=3600, help="of training, if the epoch is not through before")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, HubServer(Path(folder) / "hub") as hub:
        publish(hub, args.faces)
        watch(hub, Path(folder), args)


if __name__ == "__main__":
    main()
