"""Mixes at full size through the API, beside clients that do not know of them."""

import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from catvae import load_variant, mix
from catvae.files import EXAMPLES
from catvae.serving.texts import TEXTS
from tests.conftest import ROOT

CHELSEA, KITTEN = EXAMPLES / "chelsea.jpg", EXAMPLES / "kitten-01.png"


def ask(client: Client, **options) -> list[tuple[np.ndarray, str]]:
    cats = {"image_a": handle_file(str(CHELSEA)), "image_b": handle_file(str(KITTEN))}
    gallery = client.predict(model="v6", **cats, steps=3, path="lerp", api_name="/mix", **options)
    return [(np.asarray(Image.open(row["image"]).convert("RGB")).astype(int), row["caption"]) for row in gallery]


@pytest.fixture(scope="module")
def client(app_url) -> Client:
    return Client(app_url, verbose=False)


def test_a_size_gives_the_fur_of_the_photos(client):
    answer = ask(client, size=128)
    expected = mix(load_variant("v6", ROOT / "checkpoints"), CHELSEA, KITTEN, 3, size=128)
    assert [picture.shape for picture, _ in answer] == [(128, 128, 3)] * 5
    for (picture, _), frame in zip(answer[1:4], expected, strict=True):
        assert abs(picture - np.asarray(frame)).max() <= 2
    words = TEXTS["en"]
    assert answer[0][1] == words["cat_a"] and answer[4][1] == f"{words['cat_b']} ({words['only_painted']})"


def test_without_a_size_all_is_as_before(client):
    plain, same = ask(client), ask(client, size=64)
    assert [picture.shape for picture, _ in plain] == [(64, 64, 3)] * 5
    assert all(np.array_equal(one, other) for (one, _), (other, _) in zip(plain, same, strict=True))


@pytest.mark.parametrize("size", [0, 100, 1024])
def test_other_sizes_are_refused_in_words(client, size):
    with pytest.raises(AppError, match="multiple of 8 from 64 to 512"):
        ask(client, size=size)
