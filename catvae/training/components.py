"""The optimal linear VAE for the page, at every β: principal components of faces in a file small enough to send.

The file holds cosine transforms, over channels, rows and columns, of the mean face and of each axis times the standard
deviation along it. All are rounded to multiples of one step, so that an error is of one size in pictures wherever it is
made ("reverse water-filling", Cover & Thomas, Elements of Information Theory, 10.3.3). Most become 0, and gzip packs
those, each frequency's of all axes in a row. The set equals its mirror image, so each axis is symmetric or
antisymmetric: of the columns' frequencies it has the even or the odd ones alone.
"""

import argparse
import gzip
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from catvae.errors import CheckpointError
from catvae.files import PACKAGE
from catvae.metrics import psnr
from catvae.model import IMAGE_SIZE
from catvae.training import command
from catvae.training.data import PUBLISHED_DATASET, load_faces
from catvae.training.linear import Components, LinearVAE, principal_components

COMPONENTS = PACKAGE / "web" / "components.safetensors.gz"
COUNT = 500  # as many as the models have latents
STEP = 0.004  # coefficients are rounded to multiples of it
ROUNDED_UP = 1 / 3  # of a step: towards 0 more than by halves, which costs less than it saves
BYTE = 256  # what exceeds a byte lies in a second one
MOST_LOST = 0.3  # dB
BETAS = [10 ** (exponent / 8) for exponent in range(-21, 17)]  # 0.0024 to 100
SHAPE = (3, IMAGE_SIZE, IMAGE_SIZE)


def pack(components: Components, step: float = STEP) -> bytes:
    """Components of 64×64 faces and their mirror images as the file's bytes."""
    scaled = _transform((components.axes * components.variances.sqrt()[:, None]).unflatten(1, SHAPE))
    odd = scaled[..., 1::2].square().sum((1, 2, 3)) > scaled[..., ::2].square().sum((1, 2, 3))
    half = torch.where(odd[:, None, None, None], scaled[..., 1::2], scaled[..., ::2])
    whole = (half.sign() * (half.abs() / step + ROUNDED_UP).floor()).int().movedim(0, -1)
    high = (whole + BYTE // 2).div(BYTE, rounding_mode="floor")
    long = int(high.flatten(0, -2).any(0).nonzero().max()) + 1 if high.any() else 1  # the first axes need two bytes
    tensors = {
        "mean": _transform(components.mean[None])[0, ..., ::2].half(),
        "variances": components.variances,
        "odd": odd.half(),
        "low": (whole - BYTE * high).to(torch.int8),
        "low.scale": torch.tensor([step]),
        "high": high[..., :long].to(torch.int8),
        "high.scale": torch.tensor([BYTE * step]),
    }
    return gzip.compress(save({name: value.contiguous() for name, value in tensors.items()}), 9, mtime=0)


def unpack(content: bytes) -> Components:
    """The components in such bytes, as the page reads them. Raises CheckpointError for others."""
    try:
        tensors = load(gzip.decompress(content))
        half = tensors["low"].float() * tensors["low.scale"]
        half[..., : tensors["high"].shape[-1]] += tensors["high"] * tensors["high.scale"]
        half = half.movedim(-1, 0)
        odd, variances, mean = tensors["odd"].bool()[:, None, None, None], tensors["variances"], tensors["mean"].float()
    except (OSError, EOFError, KeyError, SafetensorError) as error:
        raise CheckpointError(f"no components of faces: {error}") from error
    zero = torch.zeros_like(half)
    both = torch.stack([torch.where(odd, zero, half), torch.where(odd, half, zero)], -1).flatten(-2)
    mean = torch.stack([mean, torch.zeros_like(mean)], -1).flatten(-2)
    axes = torch.nn.functional.normalize(_transform(both, back=True).flatten(1))
    return Components(_transform(mean[None], back=True)[0], variances, axes)


def _transform(pictures: Tensor, back: bool = False) -> Tensor:
    """Orthonormal cosine transform (DCT-II) of (N, 3, 64, 64) over channels, rows and columns."""
    for axis in (1, 2, 3):
        matrix = _cosines(pictures.shape[axis])
        lists = [axis], [0]
        pictures = torch.tensordot(pictures, matrix if back else matrix.T, lists)  # pyright: ignore[reportArgumentType]
        pictures = pictures.movedim(-1, axis)
    return pictures


def _cosines(count: int) -> Tensor:
    """Its matrix: a frequency per row."""
    places = torch.arange(count)
    matrix = torch.cos(torch.pi / count * places[:, None] * (places + 0.5)) * (2 / count) ** 0.5
    matrix[0] /= 2**0.5
    return matrix


def most_lost(exact: Components, packed: Components, faces: Tensor) -> tuple[float, float]:
    """By how many dB at most reconstructions of uint8 faces are worse with packed components, on average, and at
    which β."""
    x = faces.float() / 255

    def quality(components: Components, beta: float) -> float:
        model = LinearVAE(components, beta, len(components.variances))
        return psnr(x, model.decode(model.encode(x)[0])).mean().item()

    return max((quality(exact, beta) - quality(packed, beta), beta) for beta in BETAS)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", default=PUBLISHED_DATASET, help="as for train_space.py")


def run(args: argparse.Namespace) -> bytes:
    faces = load_faces(args.data)
    print(faces.report)
    exact = principal_components(faces.split("train"), COUNT)
    content = pack(exact)
    lost, beta = most_lost(exact, unpack(content), faces.validation)
    print(f"{len(exact.variances)} components, {len(content)} bytes; at most {lost:.2f} dB lost, at β = {beta:.3g}")
    if lost > MOST_LOST:
        raise CheckpointError(f"the packed components lose more than {MOST_LOST} dB: take a smaller step")
    return content


def main() -> None:
    command.run("components", __doc__, COMPONENTS, add_arguments, run, Path.write_bytes)


if __name__ == "__main__":
    main()
