"""Colours and frames as a browser shows them: Chromium paints the same file on a canvas."""

import struct
import zlib
from base64 import b64encode

import numpy as np
import pytest
from PIL import Image, ImageCms
from playwright.sync_api import Browser

from catvae.photos.decode import NEUTRAL_GREY, open_image
from catvae.serving.front import WEB
from tests.conftest import ROOT
from tests.hostile import encode
from tests.photos.test_decode import chunk, with_chunk

GREYS = [(value,) * 3 for value in (*range(0, 256, 16), 255)]
COLOURS = [(200, 120, 60), (60, 120, 200), (120, 200, 60), (180, 140, 110), (90, 60, 40), (40, 80, 50), (255, 0, 0)]
STRIPES = np.array([*GREYS, *COLOURS], np.uint8)[None].repeat(64, 0).repeat(16, 1)
CARD = Image.fromarray(STRIPES)
PNG, AVIF = encode(CARD, "PNG"), encode(CARD, "AVIF", quality=100, subsampling="4:4:4")
SRGB_PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
PAINT = """async address => {
    const image = new Image()
    image.src = address
    await image.decode()
    const canvas = Object.assign(document.createElement("canvas"), {width: image.width, height: image.height})
    const context = canvas.getContext("2d")
    context.fillStyle = "rgb(128, 128, 128)"
    context.fillRect(0, 0, image.width, image.height)
    context.drawImage(image, 0, 0)
    return [image.width, ...context.getImageData(0, 0, image.width, image.height).data]
}"""


def gama(value: int) -> bytes:
    return chunk(b"gAMA", struct.pack(">I", value))


def cicp(primaries: int, transfer: int) -> bytes:
    return chunk(b"cICP", bytes([primaries, transfer, 0, 1]))


def nclx(primaries: int, transfer: int) -> bytes:
    place = AVIF.index(b"colrnclx") + 8
    return AVIF[:place] + struct.pack(">HH", primaries, transfer) + AVIF[place + 4 :]


P3 = chunk(b"cHRM", struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000))
SRGB = chunk(b"sRGB", b"\0")
TOLD = {
    "nothing": PNG,
    "linear": with_chunk(PNG, gama(100_000)),
    "gamma 1.8": with_chunk(PNG, gama(55_556)),
    "gamma 2.2": with_chunk(PNG, gama(45_455)),
    "gamma 0": with_chunk(PNG, gama(0)),
    "sRGB before gamma": with_chunk(PNG, gama(100_000), SRGB),
    "primaries alone": with_chunk(PNG, P3),
    "primaries and gamma": with_chunk(PNG, gama(45_455), P3),
    "primaries on a line": with_chunk(PNG, gama(45_455), chunk(b"cHRM", struct.pack(">8I", *[31270] * 8))),
    "a profile before gamma": with_chunk(encode(CARD, "PNG", icc_profile=SRGB_PROFILE), gama(100_000)),
    "cICP before a profile": with_chunk(encode(CARD, "PNG", icc_profile=SRGB_PROFILE), cicp(12, 13)),
    "cICP before sRGB": with_chunk(PNG, cicp(12, 13), SRGB),
    "linear grey": with_chunk(encode(CARD.convert("L"), "PNG"), gama(100_000)),
    "linear palette": with_chunk(encode(CARD.quantize(64), "PNG"), gama(100_000)),
    "linear with alpha": with_chunk(encode(CARD.convert("RGBA"), "PNG"), gama(100_000)),
    "a broken comment too": with_chunk(PNG, cicp(12, 13), chunk(b"pHYs", bytes(9), checksum=1)),
    **{f"cICP {numbers}": with_chunk(PNG, cicp(*numbers)) for numbers in [(1, 13), (9, 1), (1, 8), (2, 2), (9, 14)]},
    **{f"cICP primaries {number}": with_chunk(PNG, cicp(number, 13)) for number in (4, 5, 6, 8, 9, 11, 12, 22)},
    **{f"cICP transfer {number}": with_chunk(PNG, cicp(1, number)) for number in (1, 4, 5, 7, 8, 17)},
    **{f"nclx {numbers}": nclx(*numbers) for numbers in [(1, 13), (12, 13), (1, 8), (1, 1), (2, 2)]},
    "nclx and a profile": encode(CARD, "AVIF", quality=100, subsampling="4:4:4", icc_profile=SRGB_PROFILE),
}
HDR = {
    **{f"cICP {numbers}": with_chunk(PNG, cicp(*numbers)) for numbers in [(9, 16), (1, 16), (9, 18)]},
    **{f"nclx {numbers}": nclx(*numbers) for numbers in [(9, 16), (9, 18)]},
}


@pytest.fixture(scope="module")
def painted(browser: Browser):
    page = browser.new_page()

    def paint(content: bytes) -> np.ndarray:
        width, *pixels = page.evaluate(PAINT, f"data:image;base64,{b64encode(content).decode()}")
        return np.array(pixels, np.int16).reshape(-1, width, 4)[..., :3]

    yield paint
    page.close()


def ours(content: bytes) -> np.ndarray:
    return np.asarray(open_image(content), np.int16)


@pytest.mark.parametrize("name", TOLD)
def test_colours_told_by_numbers_are_those_of_a_browser(name, painted):
    if name == "primaries on a line":  # Chromium shows no such file
        assert np.array_equal(ours(TOLD[name]), STRIPES)
        return
    theirs = painted(TOLD[name]) if name != "a broken comment too" else painted(TOLD["cICP before sRGB"])
    assert abs(ours(TOLD[name]) - theirs).max() <= 2


@pytest.mark.parametrize("name", HDR)
def test_what_is_brighter_than_a_screen_is_as_bright_as_in_a_browser(name, painted):
    """Bright colours far from grey differ, as a browser darkens them as a whole, and a profile each channel."""
    theirs, read = painted(HDR[name]), ours(HDR[name])
    greys = 16 * len(GREYS)
    assert abs(read - theirs)[:, :greys].max() <= 3
    assert abs(read - theirs).mean() < 8 < abs(STRIPES - theirs).mean()


def test_heic_tells_its_colours_too(monkeypatch):
    """A file of another transfer is read lighter than one of sRGB; libheif gives the numbers."""
    content = (ROOT / "tests" / "phone.heic").read_bytes()
    place = content.index(b"colrnclx") + 10
    linear = content[:place] + struct.pack(">H", 8) + content[place + 2 :]
    values = ours(content).astype(float) / 255
    lighter = np.where(values <= 0.0031308, 12.92 * values, 1.055 * values ** (1 / 2.4) - 0.055)
    assert abs(ours(linear) - 255 * lighter).max() <= 3


def test_a_cameras_hif_in_wide_colours_is_read_as_they_are(tmp_path):
    content = (ROOT / "tests" / "phone.heic").read_bytes()
    place = content.index(b"colrnclx") + 8
    (tmp_path / "DSC1.HIF").write_bytes(content[:place] + struct.pack(">H", 12) + content[place + 2 :])  # Display P3
    values = ours(content).astype(float) / 255
    light = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    to_srgb = [[1.22494, -0.22494, 0], [-0.04206, 1.04206, 0], [-0.01964, -0.07864, 1.09828]]  # CSS Color 4
    light = np.clip(light @ np.array(to_srgb).T, 0, 1)
    wanted = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    shown = np.asarray(open_image(tmp_path / "DSC1.HIF"), float)
    assert abs(shown - 255 * wanted).max() <= 4 < abs(shown - 255 * values).max()
    assert ".hif" in (WEB / "cat-card.js").read_text()  # in the dialog for files


def animation(kind: str, **options) -> bytes:
    red, blue = (Image.new("RGB", (64, 64), colour) for colour in ("red", "blue"))
    return encode(red, kind, save_all=True, append_images=[blue, red], duration=10_000, **options)


def gif_of_a_part(transparent: bool) -> bytes:
    """A blue square in a canvas of four times its size; what lies around it is in no frame."""
    blue = encode(Image.new("P", (32, 32), 1), "GIF", palette=bytes([255, 0, 0, 0, 0, 255]) + bytes(762))
    frame = blue.index(b",\0\0\0\0\x20\0\x20\0")
    control = b"!\xf9\4\1\0\0\2\0" if transparent else b""
    head = blue[:6] + struct.pack("<HH", 64, 64) + b"\xf7\0\0" + bytes([255, 0, 0, 0, 0, 255]) + bytes(762)
    return head + control + b"," + struct.pack("<HH", 8, 16) + blue[frame + 5 :]


def apng_of_a_part(blend: int) -> bytes:
    """A red picture for those who show no animations, and one whose first frame, blue, covers a part of the canvas."""
    part = zlib.compress(b"".join(b"\0" + b"\0\0\xff\x80" * 32 for _ in range(32)))
    whole = zlib.compress(b"".join(b"\0" + b"\xff\0\0\xff" * 64 for _ in range(64)))
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 64, 8, 6, 0, 0, 0))
    control = [struct.pack(">IIIIIHHBB", n, 32, 32, 8, 16, 100, 1, 0, blend) for n in (0, 2)]
    frames = [
        chunk(b"fcTL", told) + chunk(b"fdAT", struct.pack(">I", n) + part)
        for told, n in zip(control, (1, 3), strict=True)
    ]
    pieces = [header, chunk(b"acTL", struct.pack(">II", 2, 0)), chunk(b"IDAT", whole), *frames, chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(pieces)


@pytest.mark.parametrize(
    "content",
    [
        apng_of_a_part(0), apng_of_a_part(1),
        animation("PNG"), animation("PNG", default_image=True), animation("GIF"), animation("WEBP", lossless=True),
        gif_of_a_part(True), gif_of_a_part(False),
    ],
)  # fmt: skip
def test_an_animation_is_its_first_frame_as_a_browser_shows_it(content, painted):
    assert abs(ours(content) - painted(content)).max() <= 1


def test_around_a_small_frame_is_grey():
    image = open_image(gif_of_a_part(False))
    assert image.getpixel((0, 0)) == NEUTRAL_GREY and image.getpixel((20, 20)) == (0, 0, 255)


@pytest.mark.parametrize("transfer", [16, 18])
def test_heic_brighter_than_a_screen_is_read_as_a_png_that_tells_the_same(transfer):
    content = (ROOT / "tests" / "phone.heic").read_bytes()
    place = content.index(b"colrnclx") + 8
    told = content[:place] + struct.pack(">HH", 9, transfer) + content[place + 4 :]
    png = with_chunk(encode(Image.fromarray(ours(content).astype(np.uint8)), "PNG"), cicp(9, transfer))
    assert abs(ours(told) - ours(png)).max() <= 4 < abs(ours(told) - ours(content)).max()
