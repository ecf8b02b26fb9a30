"""Pictures with odd surroundings and depths: what a browser shows is read, upright, in its own greys and colours."""

import struct
import zlib

import datasets
import numpy as np
import pytest
from PIL import Image, ImageCms, ImageFile

from catvae.errors import ImageError
from catvae.photos.decode import open_image
from catvae.training.data import load_faces
from tests.conftest import draw_cat
from tests.hostile import encode

CAT = draw_cat(1, 300).crop((0, 0, 300, 200))
GREY = np.asarray(CAT.convert("L"))
PNG, JPEG = encode(CAT, "PNG"), encode(CAT, "JPEG")


def chunk(kind: bytes, data: bytes, checksum: int | None = None) -> bytes:
    crc = zlib.crc32(kind + data) if checksum is None else checksum
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)


def with_chunk(png: bytes, *chunks: bytes) -> bytes:
    return png[:33] + b"".join(chunks) + png[33:]  # behind the header


def with_exif(kind: str, exif: bytes) -> bytes:
    """A file of that kind with these very bytes as its EXIF."""
    if kind == "PNG":
        return with_chunk(PNG, chunk(b"eXIf", exif))
    if kind == "WEBP":
        return encode(CAT, "WEBP", exif=b"Exif\0\0" + exif)
    return JPEG[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 8) + b"Exif\0\0" + exif + JPEG[2:]


def exif(tag: int, kind: int, count: int, value: bytes) -> bytes:
    """EXIF with orientation 6, and one more tag whose value lies behind the table."""
    entries = [(0x112, 3, 1, b"\6\0\0\0"), (tag, kind, count, value if len(value) == 4 else struct.pack("<I", 38))]
    table = b"".join(struct.pack("<HHI4s", *entry) for entry in sorted(entries))
    return b"II*\0\x08\0\0\0\2\0" + table + bytes(4) + value


def near(image: Image.Image, expected: Image.Image | np.ndarray) -> bool:
    expected = np.asarray(expected, np.float32)
    return image.size == expected.shape[1::-1] and abs(np.asarray(image, np.float32) - expected).mean() < 6


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(
    "odd",
    [
        (0x11A, 10, 1, struct.pack("<ii", -1, 0)),  # XResolution: a negative numerator over zero
        (0x11A, 12, 1, struct.pack("<d", float("nan"))),
        (0x11A, 2, 8, b"seventy\0"),
        (0x100, 9, 1, struct.pack("<i", -5)),  # ImageWidth
        (0x131, 12, 1, struct.pack("<d", 1.5)),  # Software
        (0x8769, 9, 1, struct.pack("<i", -8)),  # where more of EXIF lies
        (0x10F, 2, 2**31, struct.pack("<I", 8)),  # Make: two gigabytes of it
    ],
)
def test_one_odd_tag_does_not_hide_the_orientation(kind, odd):
    assert near(open_image(with_exif(kind, exif(*odd))), CAT.transpose(Image.Transpose.ROTATE_270))


INTEGERS = {
    "BYTE": (1, "B"),
    "SHORT": (3, "H"),
    "LONG": (4, "I"),
    "SBYTE": (6, "b"),
    "SSHORT": (8, "h"),
    "SLONG": (9, "i"),
}


@pytest.mark.parametrize("file", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("name", INTEGERS)
@pytest.mark.parametrize("count", [1, 2, 5])
def test_an_orientation_of_any_integer_turns_in_both_byte_orders(file, order, name, count):
    kind, letter = INTEGERS[name]
    values = struct.pack(f"{order}{count}{letter}", 6, *range(1, count))
    value = values.ljust(4, b"\0") if len(values) <= 4 else struct.pack(f"{order}I", 26)
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IH", 8, 1)
    content = head + struct.pack(f"{order}HHI", 0x112, kind, count) + value + bytes(4) + values
    assert near(open_image(with_exif(file, content)), CAT.transpose(Image.Transpose.ROTATE_270))


@pytest.mark.parametrize(
    ("kind", "value"), [(2, b"6\0\0\0"), (5, b"\0\0\0\x1a"), (7, b"\6\0\0\0"), (11, b"@\xc0\0\0"), (99, b"\6\0\0\0")]
)
def test_an_orientation_that_is_no_integer_turns_nothing(kind, value):
    content = b"MM\0*\0\0\0\x08\0\1" + struct.pack(">HHI", 0x112, kind, 1) + value + bytes(4) + struct.pack(">II", 6, 1)
    assert near(open_image(with_exif("JPEG", content)), CAT)


def test_an_odd_tag_in_an_avif_does_not_hide_its_orientation():
    content = encode(CAT, "AVIF", exif=b"Exif\0\0" + exif(0x11A, 5, 1, struct.pack("<II", 72, 1)))  # 6 becomes its own
    content = content.replace(struct.pack("<HH", 0x11A, 5), struct.pack("<HH", 0x11A, 10))
    content = content.replace(struct.pack("<II", 72, 1), struct.pack("<ii", -1, 0))
    assert near(open_image(content), CAT.transpose(Image.Transpose.ROTATE_270))


LONG = zlib.compress(bytes(3_000_000))


@pytest.mark.parametrize(
    "content",
    [
        with_chunk(PNG, chunk(b"zTXt", b"k\0\0" + LONG)),
        with_chunk(PNG, chunk(b"iTXt", b"k\0\1\0\0\0" + LONG)),
        with_chunk(PNG, chunk(b"iCCP", b"k\0\0" + LONG)),
        with_chunk(PNG, chunk(b"pHYs", bytes(9), checksum=1)),
        with_chunk(PNG, chunk(b"gAMA", b"\0")),
        with_chunk(PNG, chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(b"\nexif\n  9\nzzzz"))),
        with_chunk(PNG, chunk(b"eXIf", b"rubbish")),
        with_chunk(PNG, chunk(b"tRNS", b"")),
        JPEG[:-2],
        encode(CAT, "JPEG", progressive=True)[:-1],
        JPEG[:2] + b"\xff\xed\0\x16Photoshop 3.0\x008BIM\4\4" + JPEG[2:],
    ],
)
def test_broken_surroundings_leave_the_pixels(content):
    assert near(open_image(content), CAT)


@pytest.mark.parametrize("content", [JPEG[:-3], JPEG[:-24], JPEG[: len(JPEG) // 2], PNG[:-40], PNG.replace(b"x", b"y")])
def test_pixels_that_are_missing_or_wrong_are_no_picture(content):
    with pytest.raises(ImageError, match="picture: not a"):
        open_image(content)


def tiff(pixels: np.ndarray, kind: int = 1, white_is_zero: bool = False) -> bytes:
    """Uncompressed grey as TIFF; `kind` is 1 for unsigned, 2 for signed and 3 for floats."""
    (height, width), data = pixels.shape, pixels.tobytes()
    tags = {256: width, 257: height, 258: 8 * pixels.itemsize, 259: 1, 262: 1 - white_is_zero}
    tags |= {273: 8, 277: 1, 278: height, 279: len(data), 339: kind}
    table = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    return b"II*\0" + struct.pack("<I", 8 + len(data)) + data + struct.pack("<H", len(tags)) + table + bytes(4)


@pytest.mark.parametrize(
    "content",
    [
        tiff(GREY.astype(np.uint16) * 257),
        tiff(65535 - GREY.astype(np.uint16) * 257, white_is_zero=True),
        tiff(GREY.astype(np.int16) * 128, kind=2),
        tiff(GREY.astype(np.uint32)),
        tiff(GREY.astype(np.uint32) * 16843009),
        tiff(GREY.astype(np.int32) * 8421504, kind=2),
        tiff(GREY.astype(np.float32), kind=3),
        tiff(GREY.astype(np.float32) / 255, kind=3),
        encode(Image.fromarray(GREY.astype(np.uint16) * 257), "PNG"),
        Image.fromarray(GREY.astype(np.int32)),
    ],
)
def test_grey_of_any_depth_is_the_same_grey(content):
    assert abs(np.asarray(open_image(content)) - GREY[..., None].astype(float)).max() <= 2


def test_grey_in_lists_of_a_parquet_file_is_that_grey(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    cats = [np.asarray(draw_cat(seed).convert("L")) for seed in range(3)]
    datasets.Dataset.from_dict({"image": [cat.tolist() for cat in cats]}).to_parquet(tmp_path / "grey.parquet")
    faces = load_faces(tmp_path / "grey.parquet").split("all").permute(0, 2, 3, 1).numpy()
    for cat in cats:
        assert any((face == cat[..., None]).all() for face in faces)


def test_profiles_of_palettes_and_long_ones_are_honoured():
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    entries = [132 + 12 * i for i in range(int.from_bytes(profile[128:132]))]
    red, blue = (next(i for i in entries if profile[i : i + 4] == name) for name in (b"rXYZ", b"bXYZ"))
    # where red and blue lie is exchanged: so are the channels of a picture that honours it
    profile[red + 4 : red + 12], profile[blue + 4 : blue + 12] = (
        profile[blue + 4 : blue + 12],
        profile[red + 4 : red + 12],
    )
    palette = CAT.quantize(64)
    expected = np.asarray(palette.convert("RGB"))[..., ::-1]
    long = chunk(b"iCCP", b"k\0\0" + zlib.compress(profile + bytes(2_000_000)))
    for content in (
        encode(palette, "PNG", icc_profile=bytes(profile)),
        encode(palette, "TIFF", icc_profile=bytes(profile)),
        with_chunk(encode(palette.convert("RGB"), "PNG"), long),
    ):
        assert (np.asarray(open_image(content)) == expected).all()


def test_a_large_jpeg_is_decoded_at_no_more_than_half_its_size(monkeypatch):
    """Its decoder halves as it reads."""
    seen, load = [], ImageFile.ImageFile.load

    def note(image):
        seen.append(image.size)
        return load(image)

    content = encode(Image.new("RGB", (4200, 4200), "tan"), "JPEG")
    monkeypatch.setattr(ImageFile.ImageFile, "load", note)
    assert open_image(content).size == seen[0] == (2100, 2100)
