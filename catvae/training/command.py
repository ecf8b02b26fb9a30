"""What the commands that train the other networks have in common: arguments, errors, the file they write."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from safetensors.torch import save_file
from torch import Tensor, nn

from catvae.errors import Arguments, command_line
from catvae.files import replacing, writing

PHOTO_LICENSE = "CC-BY-SA-4.0"  # of the photos of the Oxford-IIIT Pet dataset, and of what learned from them
T = TypeVar("T")


def save_weights(path: Path, tensors: dict[str, Tensor], license: str = PHOTO_LICENSE) -> None:
    save_file(tensors, path, metadata={"format": "pt", "license": license})


def run(
    name: str,
    description: str | None,
    weights: Path,
    add_arguments: Callable[[argparse.ArgumentParser], None],
    train: Callable[[argparse.Namespace], T],
    save: Callable[[Path, T], object] = save_weights,
    *,
    stopped: str = "stopped; nothing was written",
) -> None:
    """The command `python -m catvae.training.NAME`: it has `save` write what `train` gives to --out, by default a file
    of the name of the `weights` in use."""
    parser = Arguments(prog=f"python -m catvae.training.{name}", description=(description or "").partition("\n")[0])
    add_arguments(parser)
    parser.add_argument("--out", type=Path, default=Path(weights.name))
    with command_line(name, stopped):
        args = parser.parse_args()
        with writing(args.out):  # known before it is trained
            args.out.parent.mkdir(parents=True, exist_ok=True)
        trained = train(args)
        with writing(args.out), replacing(args.out) as partial:
            save(partial, trained)
        print(f"written to {args.out}; to use it, put it to {weights}")


def half_precision(network: nn.Module, prefix: str = "") -> dict[str, Tensor]:
    """The weights of a network as they are stored, fp16, their names behind a prefix."""
    return {prefix + name: value.detach().half().contiguous() for name, value in network.state_dict().items()}
