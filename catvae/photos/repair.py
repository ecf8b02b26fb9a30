"""Repair files whose pixels are whole but whose other parts are damaged, so that they open as in browsers.

Pillow refuses a PNG for a wrong checksum in a comment, and a JPEG without its last two bytes. Here
what surrounds the pixels is left out where it is broken; pixels that are missing stay missing.
"""

import zlib
from io import BytesIO

from PIL import Image

PNG_MAGIC, JPEG_MAGIC = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"
END_OF_JPEG, START_OF_SCAN = b"\xff\xd9", 0xDA
MAX_PROFILE = 16 << 20  # bytes of a colour profile, unpacked
COLOURS = {b"cICP": 4, b"gAMA": 4, b"cHRM": 32, b"sRGB": 1}  # lengths of chunks that tell them
TRANSPARENCY = {0: (2,), 2: (6,), 3: range(1, 257)}  # lengths of tRNS by the header's kind of colour
# JPEG segments that decide what the pixels mean: how long they are at least, and how they begin
SEGMENTS = {0xE0: (14, b"JFIF\0"), 0xE1: (6, b"Exif\0\0"), 0xE2: (14, b"ICC_PROFILE\0"), 0xEE: (12, b"Adobe")}
# what a decoder that still waits for pixels makes of these is never the same
FILLERS = b"\x55" * 512, b"\xaa" * 512, bytes(range(1, 255)) * 2


def repair(content: bytes) -> list[Image.Image]:
    """The picture in a PNG, JPEG or AVIF whose surroundings are broken, opened and not yet decoded; none for another
    kind of file. Where they are several, pixels are missing unless all decode to the same.

    Raises whatever Pillow does where there is more amiss.
    """
    if content.startswith(PNG_MAGIC):
        content, profile = _essential_png(content)
        image = Image.open(BytesIO(content), formats=("PNG",))
        if profile:
            image.info["icc_profile"] = profile
        return [image]
    if content.startswith(JPEG_MAGIC):
        content = _essential_jpeg(content)
        return [Image.open(BytesIO(content + filler + END_OF_JPEG), formats=("JPEG",)) for filler in FILLERS]
    if content.startswith(b"ftypavi", 4):
        header, mark, pixels = content.partition(b"mdat")
        return [Image.open(BytesIO(header.replace(b"Exif", b"skip") + mark + pixels), formats=("AVIF",))]
    return []


def _essential_png(content: bytes) -> tuple[bytes, bytes | None]:
    """A PNG with the chunks alone that say what its pixels are, and its colour profile."""
    kept, profile, place, colour, pixels_begun = [PNG_MAGIC], None, len(PNG_MAGIC), -1, False
    while place + 12 <= len(content):
        end = place + 12 + int.from_bytes(content[place : place + 4])
        kind, data, chunk = content[place + 4 : place + 8], content[place + 8 : end - 4], content[place:end]
        place = end
        intact = int.from_bytes(chunk[-4:]) == zlib.crc32(kind + data)
        if kind == b"IEND" or end > len(content):
            break
        if kind == b"IHDR" and len(data) == 13:
            colour = data[9]
        pixels_begun |= kind == b"IDAT"
        whole = intact and not pixels_begun
        if kind == b"iCCP" and whole:
            profile = _unpack_profile(data)
        fitting = whole and len(data) == COLOURS.get(kind)
        fitting |= kind == b"tRNS" and whole and len(data) in TRANSPARENCY.get(colour, ())
        if fitting or kind in (b"IHDR", b"PLTE", b"IDAT") or (kind == b"eXIf" and intact):
            kept.append(chunk)
    kept.append(b"\0\0\0\0IEND\xaeB`\x82")
    return b"".join(kept), profile


def _unpack_profile(data: bytes) -> bytes | None:
    """What a chunk iCCP holds: a name, a zero, the method 0, and the packed profile."""
    _, _, packed = data.partition(b"\0")
    unpacking = zlib.decompressobj()
    try:
        profile = unpacking.decompress(packed[1:], MAX_PROFILE)
    except zlib.error:
        return None
    return profile if unpacking.eof and packed[:1] == b"\0" else None


def _essential_jpeg(content: bytes) -> bytes:
    """A JPEG without the segments that say nothing about its pixels, or are too short to say it."""
    kept, place = [JPEG_MAGIC], len(JPEG_MAGIC)
    while content[place : place + 1] == b"\xff" and place + 4 <= len(content):
        marker, end = content[place + 1], place + 2 + int.from_bytes(content[place + 2 : place + 4])
        if marker == START_OF_SCAN:
            break
        segment = content[place:end]
        shortest, beginning = SEGMENTS.get(marker, (0, b""))
        about_pixels = not (0xE0 <= marker <= 0xEF or marker == 0xFE) or marker in SEGMENTS
        if about_pixels and segment[4:].startswith(beginning) and len(segment) - 4 >= shortest:
            kept.append(segment)
        place = end
    body = content[place:]
    return b"".join(kept) + (body[:-1] if body.endswith(b"\xff") else body)
