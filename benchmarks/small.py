"""What small sets of faces give, at the settings that `train_space.py` chooses: a linear start, a random one, going on.

python -m benchmarks.small --data FACES --epochs 30
python -m benchmarks.small --data MY_FACES --sizes 110 --unseen 30 --starts linear random checkpoints
python -m benchmarks.small --data MY_FACES --sizes 112 --unseen 39 --starts checkpoints/v7 --epochs 10

Each run trains on the first N faces of the training split and is measured on the same unseen ones. From a model with a
painter the painter goes on, and its cell has LPIPS (VGG), PSNR and sharpness.
"""

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch

from catvae.evaluation.perceptual import embed
from catvae.files import read_json
from catvae.machine import pick_device, prepare_training
from catvae.metrics import psnr, sharpness
from catvae.model import load_checkpoint
from catvae.training.data import load_faces
from catvae.training.faces import Faces
from catvae.training.painter.config import OWN_LEAST, OWN_LR, PainterConfig
from catvae.training.painter.features import load_feature_nets
from catvae.training.painter.train import train_painted
from catvae.training.start import TrainConfig, fill_in, load_start
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
    settled = fill_in(config, len(faces.train))
    print(f"{len(faces.train)} faces, {start}: {spent:.0f} s, rate {settled.lr}, jitter {settled.jitter}", flush=True)
    return f"{float(first['val_psnr']):.2f} → {kept['psnr']:.2f}"


def paints(start: str) -> bool:
    """Whether it is the folder of a model with a painter."""
    return (Path(start) / "config.json").exists() and bool(read_json(Path(start) / "config.json").get("painter"))


def run_painter(args: argparse.Namespace, faces: Faces, start: str) -> str:
    """A painter that goes on, as a cell: LPIPS, PSNR and sharpness over that of the faces, before and after."""
    device, x = pick_device(args.device), faces.validation.float() / 255
    images = max(OWN_LEAST, args.epochs * len(faces.train))
    config = PainterConfig(images=images, lr=OWN_LR, seed=args.seed)
    with tempfile.TemporaryDirectory() as out:
        train_painted("mine", faces, start, Path(out), load_feature_nets(device), config, device=device)
        cell = []
        for model in (load_start(start, "mine"), load_checkpoint(Path(out) / "mine")):
            y = model.decode(model.encode(x)[0])
            lpips, detail = (embed(y) - embed(x)).square().sum(1).mean(), sharpness(y).mean() / sharpness(x).mean()
            cell.append(f"{lpips:.4f}, {psnr(x, y).mean():.2f} dB, {detail:.2f}")
    return " → ".join(cell)


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
        cells = [(run_painter if paints(start) else run)(args, faces, start) for start in args.starts]
        print(f"| {size} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
