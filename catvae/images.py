"""Pictures in and out: any file to an RGB image, images to tensors and back."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from catvae.model import IMAGE_SIZE

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
MAX_MEGAPIXELS = 40
NEUTRAL_GREY = (128, 128, 128)


class ImageError(ValueError):
    """A picture that cannot be used; `reason` is "missing", "unreadable" or "too_large"."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def open_image(source: Image.Image | bytes | str | Path | None) -> Image.Image:
    """Decode a picture to RGB, upright (EXIF), transparency laid on grey.

    Raises ImageError for a missing or broken file and for more than 40 megapixels; the size is
    read from the header, before any pixel is decoded.
    """
    if source is None:
        raise ImageError("missing", "no picture given")
    name = str(source) if isinstance(source, (str, Path)) else "picture"
    try:
        if not isinstance(source, Image.Image):
            source = Image.open(BytesIO(source) if isinstance(source, bytes) else source)
        if source.width * source.height > MAX_MEGAPIXELS * 1e6:
            raise ImageError("too_large", f"{name}: {source.width}×{source.height} is over {MAX_MEGAPIXELS} megapixels")
        image = ImageOps.exif_transpose(source)
        if image.mode.startswith(("I;16", "I")):
            image = Image.fromarray((np.asarray(image) / 257).clip(0, 255).astype(np.uint8))
        if image.has_transparency_data:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, NEUTRAL_GREY), image)
        return image.convert("RGB")
    except ImageError:
        raise
    except FileNotFoundError as error:
        raise ImageError("missing", f"{name}: no such file") from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ImageError("unreadable", f"{name}: not a readable picture ({error})") from error


def example_kittens() -> list[Path]:
    """The pictures of our own models' kittens, in order."""
    return sorted(EXAMPLES.glob("kitten-*.png"))


def to_face(image: Image.Image) -> Image.Image:
    """The centre square of an RGB picture at 64×64; pictures of that size pass unchanged."""
    if image.size == (IMAGE_SIZE, IMAGE_SIZE):
        return image
    return ImageOps.fit(image, (IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.LANCZOS)


def to_tensor(faces: Sequence[Image.Image]) -> Tensor:
    """RGB pictures of one size to floats in [0, 1], (N, 3, H, W)."""
    pixels = np.stack([np.asarray(face) for face in faces])
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255


def to_pil(images: Tensor) -> list[Image.Image]:
    """Images in [0, 1], (N, 3, H, W), to RGB pictures."""
    pixels = images.detach().clamp(0, 1).mul(255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    return [Image.fromarray(array) for array in pixels]
