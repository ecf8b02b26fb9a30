"""What small sets of faces give, at the settings that `train_space.py` chooses: a linear start, a random one, going on.

python -m benchmarks.small --data FACES --epochs 30
python -m benchmarks.small --data MY_FACES --sizes 110 --unseen 30 --starts linear random checkpoints

Each run trains on the first N faces of the training split and is measured on the same unseen ones.
"""

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch

from catvae.machine import pick_device, prepare_training
from catvae.training.data import Faces, load_faces
from catvae.training.start import TrainConfig, settle
from catvae.training.train import train_variant

ROOT = Path(__file__).resolve().parent.parent


def run(args: argparse.Namespace, faces: Faces, start: str) -> str:
    """One training as a cell of the table: PSNR on unseen faces, of the start and of what is kept."""
    config = TrainConfig(args.epochs, start_from=start, seed=args.seed)
    with tempfile.TemporaryDirectory() as out:
        began = time.monotonic()
        kept = train_variant(args.variant, faces, Path(out), config, device=pick_device(args.device))
        spent = time.monotonic() - began
        rows = (Path(out) / args.variant / "history.csv").read_text(encoding="utf-8").splitlines()
    first = dict(zip(rows[0].split(","), rows[1].split(","), strict=True))
    settled = settle(config, len(faces.train))
    print(f"{len(faces.train)} faces, {start}: {spent:.0f} s, rate {settled.lr}, jitter {settled.jitter}", flush=True)
    return f"{float(first['val_psnr']):.2f} → {kept['psnr']:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default=str(ROOT.parent / "shared/data/cat-faces-64/train.parquet"))
    parser.add_argument("--sizes", type=int, nargs="+", default=[50, 150, 500, 1000])
    parser.add_argument("--starts", nargs="+", default=["linear", "random"], help="as --start-from of train_space.py")
    parser.add_argument("--unseen", type=int, default=300, help="faces to measure on")
    parser.add_argument("--variant", default="v6")
    parser.add_argument("--epochs", type=int, default=TrainConfig.epochs)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto")
    args = parser.parse_args()

    prepare_training()
    every = load_faces(args.data)
    both = torch.cat([every.validation, every.split("train")])
    unseen, train = both[: args.unseen], both[args.unseen :]
    print(f"| faces | {' | '.join(args.starts)} |\n{'|---' * (len(args.starts) + 1)}|", flush=True)
    for size in args.sizes:
        report = replace(every.report, train=len(train[:size]), validation=len(unseen))
        faces = Faces(train[:size], unseen, report)
        print(f"| {size} | {' | '.join(run(args, faces, start) for start in args.starts)} |", flush=True)


if __name__ == "__main__":
    main()
