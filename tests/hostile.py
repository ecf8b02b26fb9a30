"""Files as no decoder likes them, made when they are needed: `hostile_files()` gives name → bytes."""

import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms

from tests.conftest import draw_cat


def encode(image: Image.Image, kind: str, **options) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png(width: int, height: int, depth: int, colour: int, data: bytes) -> bytes:
    """A PNG with any header and any pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def many_scans(size: tuple[int, int], scans: int) -> bytes:
    """A progressive JPEG whose last scan, which holds nothing new, comes that many times more."""
    jpeg = encode(Image.new("RGB", size, "tan"), "JPEG", progressive=True)
    return jpeg[:-2] + jpeg[jpeg.rindex(b"\xff\xda") : -2] * scans + jpeg[-2:]


def heavy_files() -> dict[str, bytes]:
    """Small files of allowed sizes that take decoders seconds, or hundreds of megabytes."""
    side = (6300, 6300)
    return {
        "lossless.webp": encode(Image.new("RGB", side, "tan"), "WEBP", lossless=True),
        "flat.avif": encode(Image.new("RGB", side, "tan"), "AVIF", speed=10),
        "3000 scans.jpg": many_scans((4000, 4000), 3000),
        "300 scans.jpg": many_scans((6300, 6300), 300),
        "see-through.png": encode(Image.new("RGBA", (6000, 6600), (200, 100, 50, 128)), "PNG"),
        "progressive.jpg": encode(Image.new("CMYK", side, (20, 60, 40, 0)), "JPEG", progressive=True, subsampling=0),
        "flat.tif": encode(Image.new("RGBA", side, (200, 100, 50, 128)), "TIFF", compression="tiff_lzw"),
        "flat.gif": encode(Image.new("P", side, 7), "GIF"),
    }


def hostile_files() -> dict[str, bytes]:
    cat = draw_cat(1, size=300)
    rng = np.random.default_rng(0)
    jpeg, plain = encode(cat, "JPEG"), encode(cat, "PNG")
    files: dict[str, bytes] = {"plain.jpg": jpeg, "plain.png": plain}

    for mode, kind in [("RGBA", "png"), ("L", "png"), ("LA", "png"), ("P", "png"), ("1", "png"), ("I;16", "png")]:
        files[f"mode {mode.replace(';', '-')}.{kind}"] = encode(cat.convert("L" if mode == "I;16" else mode), kind)
    grey = np.asarray(cat.convert("L"))
    files["16 bit.png"] = encode(Image.fromarray(grey.astype(np.uint16) * 257), "PNG")
    files["16 bit.tif"] = encode(Image.fromarray(grey.astype(np.uint16) * 257), "TIFF")
    rows = b"".join(b"\0" + rng.integers(0, 256, 20 * 6, dtype=np.uint8).tobytes() for _ in range(20))
    files["48 bit.png"] = png(20, 20, 16, 2, zlib.compress(rows))
    files["floats.tif"] = encode(Image.fromarray(grey.astype(np.float32)), "TIFF")
    files["nan.tif"] = encode(Image.fromarray(np.full((50, 50), np.nan, np.float32)), "TIFF")
    files["32 bit.tif"] = encode(Image.fromarray(grey.astype(np.int32) * 70_000), "TIFF")
    files["cmyk.jpg"] = encode(cat.convert("CMYK"), "JPEG")
    files["cmyk.tif"] = encode(cat.convert("CMYK"), "TIFF")
    files["ycbcr.tif"] = encode(cat.convert("YCbCr"), "TIFF")
    files["lab.tif"] = encode(cat.convert("LAB"), "TIFF")
    files["see-through.png"] = encode(Image.new("RGBA", (80, 80), (0, 0, 0, 0)), "PNG")
    files["palette with a hole.gif"] = encode(cat.quantize(16), "GIF", transparency=3)

    for orientation in (2, 3, 4, 5, 6, 7, 8, 99):
        exif = Image.Exif()
        exif[0x0112] = orientation
        files[f"exif {orientation}.jpg"] = encode(cat, "JPEG", exif=exif)
    files["exif rubbish.jpg"] = encode(cat, "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    files["icc for lab.jpg"] = encode(cat, "JPEG", icc_profile=lab)
    files["icc rubbish.png"] = encode(cat, "PNG", icc_profile=b"not a profile" * 20)
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    files["icc.webp"] = encode(cat, "WEBP", icc_profile=srgb)
    files["icc on grey.jpg"] = encode(cat.convert("L"), "JPEG", icc_profile=srgb)

    more = [draw_cat(seed, 100) for seed in range(3)]
    for kind in ("gif", "webp", "png", "tiff", "avif"):
        files[f"many frames.{kind}"] = encode(more[0], kind, save_all=True, append_images=more[1:])
    files["phone.heic"] = (Path(__file__).parent / "phone.heic").read_bytes()  # draw_cat(1); our library only decodes
    files["plain.avif"] = encode(cat, "AVIF")
    files["plain.bmp"] = encode(cat, "BMP")
    files["progressive.jpg"] = encode(cat, "JPEG", progressive=True)
    for kind in ("ppm", "tga", "ico", "pcx", "jpeg2000", "eps", "pdf", "icns", "sgi", "dds"):
        files[f"other kind.{kind}"] = encode(cat.resize((64, 64)), kind)
    files["drawing.svg"] = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    files["page.html.jpg"] = b"<html><body>not found</body></html>"
    files["archive.png"] = b"PK\x03\x04" + bytes(200)
    files["photoshop.psd"] = b"8BPS\0\1" + bytes(300)
    files["text.jpg"] = "un gatito 🐱".encode()
    files["empty.png"] = b""
    files["one byte.jpg"] = b"\xff"
    files["zeros.webp"] = bytes(100_000)
    files["png as.jpg"] = plain

    for name in ("plain.jpg", "plain.png", "icc.webp", "many frames.gif", "16 bit.tif", "phone.heic", "plain.avif"):
        content = files[name]
        files[f"half of {name}"] = content[: len(content) // 2]
        files[f"head of {name}"] = content[:60]
        spoiled = bytearray(content)
        for place in rng.integers(40, len(content), 30):
            spoiled[place] ^= 0xFF
        files[f"spoiled {name}"] = bytes(spoiled)
    for name, magic in [
        ("jpg", b"\xff\xd8\xff\xe0"),
        ("png", b"\x89PNG\r\n\x1a\n"),
        ("gif", b"GIF89a"),
        ("tif", b"II*\0"),
    ]:
        files[f"noise after the magic.{name}"] = magic + rng.integers(0, 256, 5000, dtype=np.uint8).tobytes()
    files["riff noise.webp"] = b"RIFF\xff\xff\xff\xffWEBPVP8 " + rng.integers(0, 256, 5000, dtype=np.uint8).tobytes()

    files["no pixels.png"] = png(0, 0, 8, 2, zlib.compress(b""))
    files["no width.png"] = png(0, 100, 8, 2, zlib.compress(b"\0" * 100))
    files["endless.png"] = png(2**31 - 1, 2**31 - 1, 8, 2, zlib.compress(b""))
    files["promises more.png"] = png(3000, 3000, 8, 2, zlib.compress(b"\0" * 1000))
    files["bomb of 81 megapixels.png"] = encode(Image.new("1", (9000, 9000)), "PNG")
    files["bomb of 400 megapixels.png"] = png(20_000, 20_000, 1, 0, zlib.compress(bytes(50_020_000), 9))
    bomb = files["bomb of 400 megapixels.png"]
    files["bomb with a broken chunk.png"] = bomb[:33] + b"\0\0\0\1pHYs?\0\0\0\0" + bomb[33:]
    endless = files["plain.jpg"].replace(struct.pack(">HH", 300, 300), struct.pack(">HH", 65500, 65500))
    files["bomb without an end.jpg"] = endless[:2] + b"\xff\xee\0\7Adobe" + endless[2:-2]
    files["just allowed.png"] = encode(Image.new("RGBA", (6000, 6600), (200, 100, 50, 128)), "PNG", compress_level=1)
    files["just allowed, grey 16 bit.png"] = encode(Image.fromarray(np.full((6300, 6300), 999, np.uint16)), "PNG")
    files["just allowed.jpg"] = encode(Image.new("RGB", (6300, 6300), "tan"), "JPEG")
    files["one pixel.png"] = encode(Image.new("RGB", (1, 1), "red"), "PNG")
    files["thin.png"] = encode(Image.new("RGB", (1, 500), "red"), "PNG")
    files["wide.jpg"] = encode(Image.new("RGB", (4000, 100), "red"), "JPEG")
    files["wide enough.jpg"] = encode(Image.new("RGB", (1900, 100), "red"), "JPEG")
    files["too heavy.jpg"] = jpeg + bytes(15_500_000)
    files["long comment.jpg"] = encode(cat, "JPEG", comment=b"x" * 60_000)
    files["loop.tif"] = b"II*\0\x08\0\0\0" + struct.pack("<H", 1) + struct.pack("<HHII", 256, 4, 1, 9) + b"\x08\0\0\0"

    files["ñandú 猫 🐱.png"] = plain
    files["<b>bold & 'quotes'.png"] = plain
    files["spaces   and %2e%2e%2f.png"] = plain
    files["x" * 180 + ".png"] = plain
    files["no suffix"] = plain
    return files
