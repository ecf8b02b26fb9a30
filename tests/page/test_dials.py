"""Dials that make a cat more of a breed, the breed that it is nearest to, and newborn kittens."""

import re

import gradio as gr
import pytest
import torch
from PIL import Image
from playwright.sync_api import expect
from starlette.applications import Starlette
from starlette.testclient import TestClient

from catvae import load_variant
from catvae.errors import CheckpointError
from catvae.files import BUNDLED
from catvae.images import to_tensor
from catvae.latents import DRAWN, TEMPERATURE, load_dials, load_latents, new_kittens
from catvae.page.front import front_routes
from catvae.page.tabs.explore import MAPPED, Explorer
from catvae.photos.faces import catness
from catvae.serving.front import REACH, WEB, manifest_of
from catvae.serving.links import example_face
from catvae.serving.texts import TEXTS
from catvae.serving.weights import Weights
from catvae.training.breeds import tints
from tests.conftest import draw_cat

DIALS = load_dials()


@pytest.fixture(scope="module")
def weights() -> Weights:
    return Weights()


@pytest.fixture(scope="module")
def v7():
    return load_variant("v7", BUNDLED)


@pytest.fixture(scope="module")
def latents(v7) -> torch.Tensor:
    return v7.encode(to_tensor([example_face(name) for name in MAPPED]))[0]


def test_breeds_directions_stand_upright_on_each_other_and_all_have_names_in_every_language():
    breeds = DIALS.directions[[name in DIALS.breeds for name in DIALS.names]]
    cosines = torch.nn.functional.normalize(breeds) @ torch.nn.functional.normalize(breeds).T
    assert torch.allclose(cosines, torch.eye(len(cosines)), atol=2e-3)
    assert 11 <= len(DIALS.names) <= 12
    for words in TEXTS.values():
        assert {f"dial_{name}" for name in (*DIALS.names, *DIALS.breeds)} <= words.keys()


def test_they_are_of_v6_and_v7_alone(weights):
    models = weights.current.models
    assert manifest_of(models, {})["dials"]["models"] == ["v7", "v6"]
    others = {name: model for name, model in models.items() if name not in ("v6", "v7")}
    assert manifest_of(others, {})["dials"]["models"] == []


@torch.inference_mode()
@pytest.mark.parametrize("name", DIALS.names)
def test_a_dial_turns_what_it_says(name, v7, latents):
    """In the pictures, seen anew: nearer to the breed, lighter, or with bluer eyes."""
    move = 2 * DIALS.directions[DIALS.names.index(name)]
    less, more = v7.decode(latents - move), v7.decode(latents + move)
    if name == "lighter":
        measures = [pictures.mean((1, 2, 3)) for pictures in (less, more)]
    elif name == "bluer_eyes":
        measures = [torch.sub(*tints(pictures)) for pictures in (less, more)]
    else:
        measures = [
            torch.tensor([DIALS.nearest(mu)[name] for mu in v7.encode(pictures)[0]]) for pictures in (less, more)
        ]
    assert (measures[1] > measures[0]).float().mean() > 0.9


def test_the_breeds_of_a_cat_are_shares_the_likeliest_first(latents):
    nearest = DIALS.nearest(latents[0])
    assert set(nearest) == set(DIALS.breeds) and sum(nearest.values()) == pytest.approx(1, abs=1e-5)
    assert list(nearest.values()) == sorted(nearest.values(), reverse=True)


def test_what_is_no_dial_is_refused_in_words(weights):
    explorer, words, still = Explorer(weights), TEXTS["en"], [0] * len(DIALS.names)
    strip, _ = explorer.turn_dials(draw_cat(0), still, 0, words)
    assert strip.size == (17 * 64, 64)
    for places, dial in ((still[1:], 0), ([*still[1:], REACH + 1], 0), ([*still[1:], "1"], 0), (None, 0)):
        with pytest.raises(gr.Error, match="no such dial"):
            explorer.turn_dials(draw_cat(0), places, dial, words)
    for dial in (len(still), -1, True, 0.5, None):
        with pytest.raises(gr.Error, match="no such dial"):
            explorer.turn_dials(draw_cat(0), still, dial, words)


def test_a_broken_file_says_what_mends_it(tmp_path):
    (tmp_path / "dials.safetensors").write_bytes(b"nonsense")
    with pytest.raises(CheckpointError, match=r"catvae\.training\.breeds"):
        load_dials(tmp_path / "dials.safetensors")


def test_of_several_newborns_those_stay_that_look_most_like_cats(v7):
    latents = load_latents(BUNDLED / "v7")
    kept = catness(to_tensor(new_kittens(v7, latents, 4, torch.Generator().manual_seed(0))))
    z = latents["mean"] + 0.85 * latents["std"] * torch.randn(24, 500, generator=torch.Generator().manual_seed(0))
    any_of_before = catness(v7.decode(z).detach())
    assert kept.mean() > any_of_before.mean() and kept.min() > any_of_before.median()
    assert catness(torch.rand(1, 3, 64, 64)) < 0.1 < kept.min()


def test_dials_turn_the_picture_by_keyboard_and_go_back(open_page):
    page = open_page()
    page.get_by_role("tab", name="Explore").click()
    stage, dial = page.locator("#dials .stage"), page.get_by_role("slider", name="Siamese", exact=True)
    dial.scroll_into_view_if_needed()
    expect(page.locator("#dials .nearest")).to_contain_text("%")
    expect(stage).to_have_attribute("data-places", " ".join("0" * len(DIALS.names)))
    first = stage.evaluate("canvas => canvas.toDataURL()")
    dial.focus()
    page.keyboard.press("End")
    expect(dial).to_have_attribute("aria-valuetext", "+3")
    expect(stage).to_have_attribute("data-places", re.compile(r"\b3\b"))
    assert stage.evaluate("canvas => canvas.toDataURL()") != first

    page.locator("#dials").get_by_role("button", name="Take it as Cat B").click()
    expect(page.locator("#dials .status")).to_contain_text("Cat B")
    expect(page.locator("#dials [data-side=b]")).to_contain_text("Your cat")
    page.get_by_role("button", name="Reset").click()
    expect(stage).to_have_attribute("data-places", " ".join("0" * len(DIALS.names)))
    assert stage.evaluate("canvas => canvas.toDataURL()") == first
    page.get_by_role("tab", name="Mix").click()
    expect(page.locator("kitten-cat[side=b] .about")).to_contain_text("newborn")


def test_where_v6_and_v7_do_not_run_the_page_says_for_whom_the_dials_are(open_page):
    page = open_page()

    def answer(route) -> None:
        manifest = route.fetch().json()
        manifest["dials"]["models"] = []
        route.fulfill(json=manifest)

    page.route("**/web/mixer.json", answer)
    page.reload()
    page.get_by_role("tab", name="Explore").click()
    expect(page.locator("#dials .status")).to_contain_text("v6 and v7")
    expect(page.locator("#dials input")).to_have_count(0)


def test_newborns_are_of_the_model_that_paints_and_from_a_narrower_distribution(weights, monkeypatch):
    asked = []

    def paint(model, told, count) -> list[Image.Image]:
        asked.append(model)
        return [Image.new("RGB", (64, 64))] * count

    monkeypatch.setattr("catvae.page.front.new_kittens", paint)
    client = TestClient(Starlette(routes=front_routes(weights, beside=False)))
    for name in ("v6", "v1"):
        assert len(client.post(f"/web/ask/newborn?model={name}").json()["faces"]) == 2
    assert [model is weights.current.models["v7"] for model in asked] == [True, True]
    script = (WEB / "engine" / "local.js").read_text("utf-8")
    told = re.search(r"TEMPERATURE = ([\d.]+), DRAWN = (\d+)", script)
    assert (float(told[1]), int(told[2])) == (TEMPERATURE, DRAWN) and TEMPERATURE < 0.85
