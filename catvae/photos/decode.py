"""Any file a visitor may bring to an upright sRGB picture, on guard against what a file may do."""

from io import BytesIO
from pathlib import Path

import numpy as np
from pi_heif import register_heif_opener
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from catvae.errors import ImageError

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF")  # nothing that runs programs
MAX_MEGAPIXELS = 40
MAX_MEGABYTES = 15
MAX_ASPECT = 20
WORKING_SIDE = 2048  # pixels; larger pictures are shrunk while they are decoded
NEUTRAL_GREY = (128, 128, 128)

register_heif_opener()  # what iPhones take


def open_image(source: Image.Image | bytes | str | Path | None) -> Image.Image:
    """Decode a picture to sRGB, upright (EXIF), transparency laid on grey, animations by their first frame.

    Pictures whose longer side is over 2,048 pixels come back at a whole fraction of their size, so
    that no visitor's photo takes more than a few hundred megabytes.

    Raises ImageError for a missing or broken file, one that is no picture of a known format, more
    than 15 MB, more than 40 megapixels, or a side more than 20 times the other. Sizes are read from
    the header, before any pixel is decoded.
    """
    if source is None:
        raise ImageError("missing", "no picture given")
    name = str(source) if isinstance(source, (str, Path)) else "picture"
    try:
        if not isinstance(source, Image.Image):
            size = len(source) if isinstance(source, bytes) else Path(source).stat().st_size
            if size > MAX_MEGABYTES * 1e6:
                raise ImageError("too_heavy", f"{name}: {size / 1e6:.0f} MB is over {MAX_MEGABYTES} MB")
            source = Image.open(BytesIO(source) if isinstance(source, bytes) else source, formats=FORMATS)
        width, height = source.size
        if width * height > MAX_MEGAPIXELS * 1e6:
            raise ImageError("too_large", f"{name}: {width}×{height} is over {MAX_MEGAPIXELS} megapixels")
        if max(width, height) > MAX_ASPECT * min(width, height):
            raise ImageError("too_narrow", f"{name}: {width}×{height} is too narrow to show a face")
        source.draft(None, (WORKING_SIDE, WORKING_SIDE))  # JPEGs decode at a half, quarter or eighth
        image = _to_srgb(_shrink(ImageOps.exif_transpose(source)))
        if image.has_transparency_data:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, NEUTRAL_GREY), image)
        return image.convert("RGB")
    except ImageError:
        raise
    except FileNotFoundError as error:
        raise ImageError("missing", f"{name}: no such file") from error
    except UnidentifiedImageError as error:
        kinds = ", ".join(FORMATS)
        raise ImageError("unreadable", f"{name}: not a picture of a kind this reads ({kinds})") from error
    except Image.DecompressionBombError as error:
        raise ImageError("too_large", f"{name}: {error}") from error
    except Exception as error:  # damaged files make decoders raise nearly anything
        raise ImageError("unreadable", f"{name}: not a readable picture ({error})") from error


def _shrink(image: Image.Image) -> Image.Image:
    """The picture in 8 bits per channel, its longer side at most 2,048 pixels or a little more."""
    factor = max(1, max(image.size) // WORKING_SIDE)
    if image.mode.startswith("I"):  # 16 bits; these modes cannot be averaged
        return Image.fromarray((np.asarray(image)[::factor, ::factor] / 257).clip(0, 255).astype(np.uint8))
    if factor == 1:
        return image
    if image.mode in ("P", "PA", "1"):
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    return image.reduce(factor)


def _to_srgb(image: Image.Image) -> Image.Image:
    profile = image.info.get("icc_profile")
    if not profile or image.mode not in ("RGB", "RGBA", "CMYK", "L"):
        return image
    mode = image.mode if image.mode == "RGBA" else "RGB"
    try:
        return ImageCms.profileToProfile(image, BytesIO(profile), ImageCms.createProfile("sRGB"), outputMode=mode)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image  # a broken profile, or one for another mode: the colours as they are
