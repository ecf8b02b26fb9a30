import itertools
import re

import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from catvae import VARIANTS, load_variant, mix
from catvae.texts import TEXTS
from catvae.ui import example_cats
from tests.conftest import ROOT

CATS = example_cats()


@pytest.fixture(scope="module")
def client(app_url, tmp_path_factory):
    return Client(app_url, verbose=False, download_files=tmp_path_factory.mktemp("downloads"))


def ask(client, model="v6", image_a=CATS[0], image_b=CATS[3], steps=9):
    image_a, image_b = (image and handle_file(str(image)) for image in (image_a, image_b))
    return client.predict(model=model, image_a=image_a, image_b=image_b, steps=steps, api_name="/mix")


def pixels(item) -> np.ndarray:
    return np.asarray(Image.open(item["image"]).convert("RGB")).astype(int)


def test_the_api_is_one_named_endpoint_with_named_arguments(client):
    endpoints = client.view_api(return_format="dict")["named_endpoints"]
    assert list(endpoints) == ["/mix"]
    parameters = [parameter["parameter_name"] for parameter in endpoints["/mix"]["parameters"]]
    assert parameters == ["model", "image_a", "image_b", "steps"]


@pytest.mark.parametrize("steps", [2, 9, 24])
def test_gallery_is_original_frames_original_exactly(client, steps):
    gallery = ask(client, steps=steps)
    assert len(gallery) == steps + 2
    assert np.array_equal(pixels(gallery[0]), np.asarray(Image.open(CATS[0]).convert("RGB")))
    assert np.array_equal(pixels(gallery[-1]), np.asarray(Image.open(CATS[3]).convert("RGB")))
    frames = mix(load_variant("v6", ROOT / "checkpoints"), CATS[0], CATS[3], steps)
    for item, frame in zip(gallery[1:-1], frames, strict=True):
        assert abs(pixels(item) - np.asarray(frame)).max() <= 1
    captions = [item["caption"] for item in gallery]
    assert (captions[0], captions[1], captions[-2], captions[-1]) == ("Cat A", "0 % B", "100 % B", "Cat B")


def test_every_model_changes_the_picture(client):
    middles = {name: pixels(ask(client, model=name, steps=3)[2]) for name in VARIANTS}
    for a, b in itertools.combinations(middles, 2):
        assert abs(middles[a] - middles[b]).mean() > 1, (a, b)


def test_a_photo_of_another_size_is_cut_to_its_centre(client):
    gallery = ask(client, image_a=ROOT / "examples" / "chelsea.jpg", steps=2)
    assert pixels(gallery[0]).shape == (64, 64, 3)


@pytest.mark.parametrize("language", ["en", "es"])
def test_errors_speak_the_visitors_language(app_url, tmp_path, language):
    client = Client(app_url, verbose=False, headers={"accept-language": f"{language}-AR,fr;q=0.5"})
    texts = TEXTS[language]
    assert ask(client)[0]["caption"] == texts["cat_a"]
    with pytest.raises(AppError, match=texts["missing"].format(cat="B")):
        ask(client, image_b=None)
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff not a picture")
    with pytest.raises(AppError, match=texts["unreadable"].format(cat="A").partition("(")[0]):
        ask(client, image_a=broken)
    Image.new("1", (9000, 9000)).save(tmp_path / "bomb.png")
    with pytest.raises(AppError, match=texts["too_large"].format(cat="A")):
        ask(client, image_a=tmp_path / "bomb.png")


@pytest.mark.parametrize("bad", [{"steps": 1}, {"steps": 25}, {"steps": 2.5}, {"steps": "many"}, {"model": "v7"}])
def test_values_outside_the_widgets_are_refused_in_words(client, bad):
    with pytest.raises(AppError) as caught:
        ask(client, **bad)
    assert len(str(caught.value)) > 20 and "None" not in str(caught.value)


def test_both_languages_have_the_same_texts():
    assert TEXTS["en"].keys() == TEXTS["es"].keys()
    for key, english in TEXTS["en"].items():
        assert set(re.findall(r"{\w+}", english)) == set(re.findall(r"{\w+}", TEXTS["es"][key])), key
