"""What was drawn of late is not drawn again, and is not kept."""

import gc
import json
import re
import weakref
from base64 import b64decode
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from catvae import CatVAE, load_variant, mix
from catvae.files import example_kittens
from catvae.mixing import interpolate
from catvae.model import VAEConfig
from catvae.page import morph
from catvae.page.morph import draw_mix
from catvae.photos.decode import open_image
from catvae.serving.recent import Recent
from catvae.serving.weights import WeightSet

FACES = [open_image(kitten) for kitten in example_kittens()[:2]]


def tiny_set() -> WeightSet:
    return WeightSet({"v6": CatVAE(VAEConfig(channels=(3, 8, 8), latent_dim=6)).eval()}, "tiny", {}, {})


def pictures(html: str) -> list[np.ndarray]:
    sources = re.findall('src="data:image/jpeg;base64,([^"]+)"', html)
    return [np.asarray(Image.open(BytesIO(b64decode(source))).convert("RGB"), np.float32) for source in sources]


@pytest.fixture
def mixes(monkeypatch):
    """The numbers of frames that models were asked for."""
    asked = []
    monkeypatch.setattr(morph, "interpolate", lambda *args: asked.append(args[2]) or interpolate(*args))
    return asked


@pytest.mark.parametrize("count", [2, 9, 10])
def test_the_page_shows_what_mix_gives(count):
    current = replace(tiny_set(), models={"v6": load_variant("v6")})
    frames, value, _ = draw_mix(current, "v6", FACES, count, "lerp", "en")
    expected = [FACES[0], *mix(current.models["v6"], *FACES, count), FACES[1]]
    for shown, true in zip(pictures(frames), expected, strict=True):
        assert np.abs(shown - np.asarray(true, np.float32)).mean() < 4  # WebP
    assert json.loads(value)["count"] == 17


def test_the_same_mix_comes_from_what_was_drawn_and_other_weights_draw_anew(mixes):
    current = tiny_set()
    first = draw_mix(current, "v6", FACES, 10, "lerp", "en")
    assert mixes == [10, 17]
    assert draw_mix(current, "v6", [face.copy() for face in FACES], 10, "lerp", "en") == first
    assert mixes == [10, 17]
    draw_mix(replace(current, recent=Recent()), "v6", FACES, 10, "lerp", "en")
    assert mixes == [10, 17] * 2
    assert draw_mix(tiny_set(), "v6", FACES, 10, "lerp", "en") != first


def test_another_pixel_model_path_number_or_language_is_another_mix(mixes):
    current = tiny_set()
    current.models["v1"] = tiny_set().models["v6"]
    other = FACES[0].copy()
    other.putpixel((0, 0), (1, 2, 3))
    asked = [("v6", FACES, 9, "lerp", "en"), ("v1", FACES, 9, "lerp", "en"), ("v6", [other, FACES[1]], 9, "lerp", "en")]
    asked += [("v6", FACES[::-1], 9, "lerp", "en"), ("v6", FACES, 9, "slerp", "en"), ("v6", FACES, 9, "lerp", "es")]
    asked += [("v6", FACES, 8, "lerp", "en")]
    assert len({draw_mix(current, *question)[0] for question in asked}) == len(asked)
    assert len(mixes) == len(asked)  # nine frames are among the morph's


def test_a_morph_that_the_page_has_is_not_sent_again():
    current = tiny_set()
    _, value, shown = draw_mix(current, "v6", FACES, 9, "lerp", "en")
    assert value is not None
    assert draw_mix(current, "v6", FACES, 5, "lerp", "en", shown)[1] is None
    assert draw_mix(current, "v6", FACES[::-1], 5, "lerp", "en", shown)[1] is not None
    assert draw_mix(replace(current, source="new"), "v6", FACES, 5, "lerp", "en", shown)[1] is not None


def test_the_same_question_is_answered_once():
    recent, made = Recent(), []
    for key in ("a", "b", "a"):
        assert recent.get(key, lambda key=key: made.append(key) or f"answer {key}") == f"answer {key}"
    assert made == ["a", "b"]


def test_the_longest_unused_leaves_first():
    recent = Recent(count=2)
    for key in ("a", "b", "a", "c"):
        recent.get(key, str)
    assert list(recent.answers) == ["a", "c"]


def test_nothing_is_kept_for_long_even_if_no_one_asks(monkeypatch):
    now = [0.0]
    recent = Recent(seconds=10, clock=lambda: now[0])
    recent.get("a", str)
    now[0] = 9
    recent.get("a", str)  # use does not lengthen it
    recent.get("b", str)
    now[0] = 11
    recent.forget()
    assert list(recent.answers) == ["b"]


def test_what_fails_is_not_kept():
    recent = Recent()
    for make in (lambda: 1 / 0, str):
        try:
            recent.get("a", make)
        except ZeroDivisionError:
            assert not recent.answers
    assert list(recent.answers) == ["a"]


def test_answers_go_with_their_weights():
    recent = Recent()
    recent.get("a", str)
    gone = weakref.ref(recent)
    del recent
    gc.collect()
    assert gone() is None
