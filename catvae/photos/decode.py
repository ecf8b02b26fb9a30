"""Decode the picture files that visitors bring to upright sRGB, with limits against harmful files."""

# pi_heif and Pillow's ImageCms have types that pyright knows in part, or none
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false, reportMissingTypeStubs=false

from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Literal

import numpy as np
from pi_heif import register_heif_opener
from PIL import ExifTags, Image, ImageCms, UnidentifiedImageError
from PIL.PngImagePlugin import Blend, PngImageFile

from catvae.errors import ImageError
from catvae.photos.colours import told_profile
from catvae.photos.repair import repair

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF")  # nothing that runs programs
MAX_MEGAPIXELS = 40
MAX_MEGABYTES = 15
MAX_ASPECT = 20
WORKING_SIDE = 2048  # pixels; larger pictures are shrunk while they are decoded
NEUTRAL_GREY = (128, 128, 128)
Source = Image.Image | bytes | str | Path | None  # of a picture
TURNS = {  # what makes a picture upright, by its orientation in EXIF
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SIZES = {1: 1, 3: 2, 4: 4, 6: 1, 8: 2, 9: 4}  # of an integer in EXIF, in bytes by its type
BITS_PER_SAMPLE, PHOTOMETRIC, SAMPLE_FORMAT = 258, 262, 339  # tags of TIFF
WHITE_IS_ZERO, UNSIGNED, SIGNED = 0, 1, 2  # values of the last two

register_heif_opener()  # what iPhones take


def is_picture(path: Path) -> bool:
    """Whether a file's name says that it is a picture of a kind that `open_image` reads, or else its beginning does."""
    if Image.registered_extensions().get(path.suffix.lower()) in FORMATS:
        return True
    try:
        with Image.open(path, formats=FORMATS):
            return True
    except Exception:  # damaged files make decoders raise nearly anything
        return False


def open_image(source: Source) -> Image.Image:
    """Decode a picture to sRGB, upright (EXIF), transparency laid on grey, animations by their first frame.

    Pictures whose longer side is over 2,048 pixels come back at a whole fraction of their size, so
    that no visitor's photo takes more than a few hundred megabytes. Pixels that are whole are a
    picture, whatever is broken around them.

    Raises ImageError for a missing or broken file, one that is no picture of a known format, more
    than 15 MB, more than 40 megapixels, or a side more than 20 times the other. Sizes are read from
    the header, before any pixel is decoded.
    """
    if source is None:
        raise ImageError("missing", "no picture given")
    name = str(source) if isinstance(source, (str, Path)) else "picture"
    try:
        if isinstance(source, Image.Image):
            return _decode(source, name)
        if not isinstance(source, bytes) and not Path(source).is_file():  # a device would be read for ever
            raise FileNotFoundError(name)
        size = len(source) if isinstance(source, bytes) else Path(source).stat().st_size
        if size > MAX_MEGABYTES * 1e6:
            raise ImageError("too_heavy", f"{name}: {size / 1e6:.0f} MB is over {MAX_MEGABYTES} MB")
        try:
            return _decode(Image.open(BytesIO(source) if isinstance(source, bytes) else source, formats=FORMATS), name)
        except (ImageError, FileNotFoundError, Image.DecompressionBombError):
            raise
        except Exception:
            repaired = repair(source if isinstance(source, bytes) else Path(source).read_bytes())
            if not repaired:
                raise
        image, *others = [_decode(picture, name) for picture in repaired]
        if any(other.tobytes() != image.tobytes() for other in others):
            raise ImageError("unreadable", f"{name}: not a readable picture (it breaks off)")
        return image
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


def _decode(image: Image.Image, name: str) -> Image.Image:
    width, height = image.size
    if width * height > MAX_MEGAPIXELS * 1e6:
        raise ImageError("too_large", f"{name}: {width}×{height} is over {MAX_MEGAPIXELS} megapixels")
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise ImageError("too_narrow", f"{name}: {width}×{height} is too narrow to show a face")
    told = told_profile(image)
    image.draft(None, (WORKING_SIDE, WORKING_SIDE))  # JPEGs decode at a half, quarter or eighth
    image = _first_frame(image)
    turn = TURNS.get(_orientation(image))
    image = _to_srgb(_shrink(image), told)
    image = image if turn is None else image.transpose(turn)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, NEUTRAL_GREY), image)
    return image.convert("RGB")


def _first_frame(image: Image.Image) -> Image.Image:
    """The loaded picture, of an animation the frame that it begins with, as browsers show it."""
    if isinstance(image, PngImageFile) and image.default_image:  # what is shown where no animation can be
        with suppress(EOFError, SyntaxError):
            image.seek(1)
            image.blend_op = Blend.OP_SOURCE  # there is nothing behind it
    tile = getattr(image, "tile", None) if image.format in ("GIF", "PNG") else None
    part = tile[0][1] if tile else None
    image.load()
    if not part or tuple(part) == (0, 0, *image.size):
        return image
    whole = Image.new("RGBA", image.size)  # around a frame that is smaller there is nothing
    whole.paste(image.convert("RGBA").crop(part), part)
    whole.info = {key: value for key, value in image.info.items() if key != "transparency"}
    return whole


def _orientation(image: Image.Image) -> int:
    """What EXIF says, in a block of its own or in text, else XMP; 1, upright, where nothing can be understood.

    Read from EXIF's bytes, as one odd value among the other tags is enough to make Pillow give up all of them.
    """
    exif = image.info.get("exif")
    if isinstance(exif, bytes):
        tiff = exif.removeprefix(b"Exif\0\0")
        order: Literal["little", "big"] = "little" if tiff.startswith(b"II") else "big"
        first = int.from_bytes(tiff[4:8], order)
        for number in range(int.from_bytes(tiff[first : first + 2], order)):
            entry = tiff[first + 2 + 12 * number :][:12]
            if int.from_bytes(entry[:2], order) == ExifTags.Base.Orientation:
                return _first_integer(entry, tiff, order)
            if len(entry) < 12:
                break
    try:
        return image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # of anything that text may hold
        return 1


def _first_integer(entry: bytes, tiff: bytes, order: Literal["little", "big"]) -> int:
    """The value of an entry of EXIF, or the first of several, which lie elsewhere where they take more than four bytes;
    1 for what is no integer."""
    size = SIZES.get(int.from_bytes(entry[2:4], order), 0)
    count, place = (int.from_bytes(entry[i : i + 4], order) for i in (4, 8))
    values = entry[8:] if size * count <= 4 else tiff[place:]
    return int.from_bytes(values[:size], order) if size else 1


def _shrink(image: Image.Image) -> Image.Image:
    """The picture in 8 bits per channel, its longer side at most 2,048 pixels or a little more."""
    factor = max(1, max(image.size) // WORKING_SIDE)
    if image.mode.startswith(("I", "F")):  # these modes cannot be averaged
        grey = Image.fromarray(_to_8_bits(image, factor))
        grey.info = image.info
        return grey
    if image.mode in ("P", "PA", "1"):
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    return image if factor == 1 else image.reduce(factor)


def _to_8_bits(image: Image.Image, factor: int) -> np.ndarray:
    """Every `factor`th pixel of grey in more than 8 bits as uint8.

    16 bits and fewer are taken for what the file says they are. 32 bits and floats may hold any
    scale: theirs is the narrowest of 1 (floats), 8, 16, 31 and 32 bits that holds every pixel.
    """
    tags = getattr(image, "tag_v2", {})  # of a TIFF
    bits, kind = tags.get(BITS_PER_SAMPLE, (16,))[0], tags.get(SAMPLE_FORMAT, (UNSIGNED if tags else SIGNED,))[0]
    pixels = np.asarray(image)[::factor, ::factor]
    if image.mode == "I" and kind == UNSIGNED:
        pixels = pixels.view(np.uint32)
    pixels = np.nan_to_num(pixels.astype(np.float32))
    if image.mode.startswith("I;16") or (tags and bits <= 16):
        white = 2 ** (bits - (kind == SIGNED)) - 1 if tags else 2**16 - 1
    else:
        scales = [*([1] if image.mode == "F" else []), 2**8 - 1, 2**16 - 1, 2**31, 2**32]
        white = next((scale for scale in scales if pixels.max() <= scale), scales[-1])
    grey = (pixels * (255 / white)).clip(0, 255).round()
    return (255 - grey if tags.get(PHOTOMETRIC) == WHITE_IS_ZERO else grey).astype(np.uint8)


def _to_srgb(image: Image.Image, told: bytes | None) -> Image.Image:
    profile = told or image.info.get("icc_profile")
    if told and image.mode in ("1", "L", "LA", "P"):
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    if not isinstance(profile, bytes) or image.mode not in ("RGB", "RGBA", "CMYK", "L", "LA"):
        return image
    colours = image.convert("L") if image.mode == "LA" else image
    mode = image.mode if image.mode == "RGBA" else "RGB"
    try:
        srgb = ImageCms.profileToProfile(colours, BytesIO(profile), ImageCms.createProfile("sRGB"), outputMode=mode)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image  # a broken profile, or one for another mode: the colours as they are
    if srgb is None:  # only where a picture is converted in place
        return image
    if image.mode == "LA":
        srgb.putalpha(image.getchannel("A"))
    return srgb
