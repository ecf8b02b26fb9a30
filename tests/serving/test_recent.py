"""What was drawn of late is not drawn again, and is not kept."""

import gc
import weakref
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from catvae import CatVAE, load_variant, mix
from catvae.files import example_kittens
from catvae.mixing import interpolate
from catvae.model import VAEConfig
from catvae.page.mixes import draw_morph
from catvae.photos.decode import open_image
from catvae.serving.recent import Recent
from catvae.serving.weights import WeightSet

FACES = [open_image(kitten) for kitten in example_kittens()[:2]]


def tiny_set() -> WeightSet:
    return WeightSet({"v6": CatVAE(VAEConfig(channels=(3, 8, 8), latent_dim=6)).eval()}, "tiny", {}, {})


@pytest.fixture
def mixes(monkeypatch):
    """The numbers of frames that models were asked for."""
    asked = []
    monkeypatch.setattr("catvae.page.mixes.interpolate", lambda *args: asked.append(args[2]) or interpolate(*args))
    return asked


def test_the_page_shows_what_mix_gives():
    current = replace(tiny_set(), models={"v6": load_variant("v6")})
    strip = Image.open(BytesIO(draw_morph(current, "v6", FACES, "lerp"))).convert("RGB")
    assert strip.size == (17 * 64, 64)
    for i, true in enumerate(mix(current.models["v6"], *FACES, 17)):
        shown = strip.crop((64 * i, 0, 64 * i + 64, 64))
        assert np.abs(np.asarray(shown, np.float32) - np.asarray(true, np.float32)).mean() < 4  # JPEG


def test_the_same_mix_comes_from_what_was_drawn_and_other_weights_draw_anew(mixes):
    current = tiny_set()
    first = draw_morph(current, "v6", FACES, "lerp")
    assert draw_morph(current, "v6", [face.copy() for face in FACES], "lerp") == first
    assert mixes == [17]
    draw_morph(replace(current, recent=Recent()), "v6", FACES, "lerp")
    assert mixes == [17] * 2
    assert draw_morph(tiny_set(), "v6", FACES, "lerp") != first


def test_another_pixel_model_or_path_is_another_mix(mixes):
    current = tiny_set()
    current.models["v1"] = tiny_set().models["v6"]
    other = FACES[0].copy()
    other.putpixel((0, 0), (1, 2, 3))
    asked = [("v6", FACES, "lerp"), ("v1", FACES, "lerp"), ("v6", [other, FACES[1]], "lerp")]
    asked += [("v6", FACES[::-1], "lerp"), ("v6", FACES, "slerp")]
    assert len({draw_morph(current, *question) for question in asked}) == len(asked) == len(mixes)


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
