from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image

from catvae.errors import ImageError
from catvae.images import to_face, to_pil, to_tensor
from catvae.photos.decode import open_image
from tests.conftest import draw_cat


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def test_phone_photos_are_turned_upright():
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright: rotate 90° clockwise to view
    photo = Image.new("RGB", (40, 20), "red")
    photo.paste("blue", (0, 0, 20, 20))
    upright = open_image(encoded(photo, "JPEG", exif=exif, quality=95))
    assert upright.size == (20, 40)
    assert upright.getpixel((10, 5))[2] > 200  # the left half is on top


def test_transparency_lies_on_grey():
    assert open_image(encoded(Image.new("RGBA", (8, 8), (255, 0, 0, 0)), "PNG")).getpixel((4, 4)) == (128, 128, 128)
    palette = draw_cat(1).quantize(8)
    hole = encoded(palette, "PNG", transparency=palette.getpixel((4, 4)))
    assert open_image(hole).getpixel((4, 4)) == (128, 128, 128)


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "1", "LA"])
def test_every_mode_becomes_rgb(mode):
    image = draw_cat(1).convert(mode)
    assert open_image(encoded(image, "TIFF" if mode == "CMYK" else "PNG")).mode == "RGB"


def test_sixteen_bit_greys_keep_their_brightness():
    grey = Image.fromarray(np.full((8, 8), 32768, np.uint16))
    assert open_image(encoded(grey, "PNG")).getpixel((4, 4)) == pytest.approx((127, 127, 127), abs=1)


@pytest.mark.parametrize(
    "content, reason",
    [
        (None, "missing"),
        (b"", "unreadable"),
        (b"not a picture", "unreadable"),
        (encoded(draw_cat(1), "JPEG")[:600], "unreadable"),
        (encoded(draw_cat(1), "PNG")[:600], "unreadable"),
        ("no/such/file.png", "missing"),
        (encoded(Image.new("1", (9000, 9000)), "PNG"), "too_large"),
    ],
)
def test_bad_pictures_say_what_is_wrong(content, reason):
    with pytest.raises(ImageError) as caught:
        open_image(content)
    assert caught.value.reason == reason


def test_a_huge_picture_is_refused_before_it_is_decoded(monkeypatch):
    content = encoded(Image.new("1", (9000, 9000)), "PNG")
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda self: pytest.fail("decoded"))
    with pytest.raises(ImageError, match="9000×9000"):
        open_image(content)


def test_faces_are_the_centre_square_and_64_pixels_pass_unchanged():
    wide = Image.new("RGB", (300, 100), "red")
    wide.paste("blue", (100, 0, 200, 100))
    face = to_face(wide)
    assert face.size == (64, 64)
    assert face.getpixel((2, 32))[2] > 200
    cat = draw_cat(5)
    assert to_face(cat) is cat


def test_tensors_and_pictures_round_trip():
    cats = [draw_cat(seed) for seed in range(3)]
    tensor = to_tensor(cats)
    assert tensor.shape == (3, 3, 64, 64) and tensor.dtype == torch.float32 and 0 <= tensor.min() <= tensor.max() <= 1
    for before, after in zip(cats, to_pil(tensor), strict=True):
        assert np.array_equal(np.asarray(before), np.asarray(after))
