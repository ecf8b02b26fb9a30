"""Train the kitten mixer's models: `python train_space.py --help`."""

import argparse
import sys
from pathlib import Path

from catvae.checkpoints import CheckpointError
from catvae.data import PUBLISHED_DATASET, DataError, load_faces
from catvae.model import VARIANTS
from catvae.train import TrainConfig, TrainingError, pick_device, train_variant


def main() -> None:
    parser = argparse.ArgumentParser(description="Train v1 to v6 on cat faces and write checkpoints.")
    parser.add_argument(
        "--data",
        default=PUBLISHED_DATASET,
        help="a .parquet file, a folder of images, a Hub dataset OWNER/NAME[@REVISION] or kaggle:OWNER/NAME",
    )
    parser.add_argument("--column", default="image", help="image column of a parquet file or Hub dataset")
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=list(VARIANTS), metavar="vN")
    parser.add_argument("--epochs", type=int, default=TrainConfig.epochs)
    parser.add_argument("--batch-size", type=int, default=TrainConfig.batch_size)
    parser.add_argument("--lr", type=float, default=TrainConfig.lr, help="peak learning rate of Adam; Muon's is 10×")
    parser.add_argument("--seed", type=int, default=TrainConfig.seed)
    parser.add_argument("--start-from", metavar="vN", help="begin with the weights of this variant in --out")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps")
    parser.add_argument("--out", type=Path, default=Path("checkpoints"))
    parser.add_argument("--limit", type=int, help="read only this many images, to try things out")
    parser.add_argument("--resume", action="store_true", help="continue an interrupted run, skip finished variants")
    args = parser.parse_args()

    try:
        config = TrainConfig(args.epochs, args.batch_size, args.lr, args.seed, args.start_from)
        device = pick_device(args.device)
        faces = load_faces(args.data, column=args.column, limit=args.limit, seed=args.seed)
        print(f"{faces.report}; device {device}", flush=True)
        for name in args.variants:
            metrics = train_variant(name, faces, args.out, config, device=device, resume=args.resume)
            print(f"{name}: PSNR {metrics['psnr']:.2f} dB on validation, saved in {args.out / name}", flush=True)
    except (DataError, TrainingError, CheckpointError, ValueError) as error:
        sys.exit(f"train_space.py: {error}")
    except KeyboardInterrupt:
        sys.exit("\nStopped. Every finished epoch is saved: the same command with --resume goes on from there.")


if __name__ == "__main__":
    main()
