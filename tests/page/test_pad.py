"""The pad with three or four parents: what is at its corners and between them, and how it is moved."""

import io
import json

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import expect
from starlette.applications import Starlette
from starlette.testclient import TestClient

from catvae.images import to_pil, to_tensor
from catvae.page.front import front_routes
from catvae.page.tabs.explore import Explorer
from catvae.serving.links import example_face
from catvae.serving.texts import TEXTS
from catvae.serving.weights import Weights

SIDE = 7
NAMES = ("naranja", "luna", "chelsea", "kitten-03")


@pytest.fixture(scope="module")
def weights() -> Weights:
    return Weights()


@torch.inference_mode()
@pytest.mark.parametrize("count", [3, 4])
def test_parents_are_at_the_corners_and_their_weighted_means_between(weights, count):
    explorer, faces = Explorer(weights), [example_face(name) for name in NAMES[:count]]
    strip = np.asarray(explorer.draw_pad(faces))
    model = explorer.painter
    assert model is weights.current.models["v7"]
    mu = model.encode(to_tensor(faces))[0]
    ends = {0: mu[0], SIDE - 1: mu[1], SIDE * (SIDE - 1): mu[2]}
    if count == 4:
        ends |= {SIDE * SIDE - 1: mu[3], SIDE * SIDE // 2: mu.mean(0)}
    else:
        ends |= {SIDE * SIDE // 2: (mu[1] + mu[2]) / 2, SIDE * 2 + 2: mu.mean(0)}
    for at, wanted in zip(ends, to_pil(model.decode(torch.stack(list(ends.values())))), strict=True):
        difference = strip[:, 64 * at : 64 * at + 64].astype(int) - np.asarray(wanted)
        assert np.abs(difference).max() <= 2, at


def test_bad_input_gets_a_message_in_the_language(weights):
    client = TestClient(Starlette(routes=front_routes(weights, False)))
    cats = {letter: {"cat": name} for letter, name in zip("abcd", NAMES, strict=True)}
    for parents in (cats, {letter: cats[letter] for letter in "abc"}):
        answer = client.post("/web/ask/pad", content=json.dumps(parents))
        assert answer.status_code == 200
        assert Image.open(io.BytesIO(answer.content)).size == (64 * SIDE * SIDE, 64)
    bad = [
        (cats | {"c": None}, "missing", "C"),
        (cats | {"d": None}, "missing", "D"),
        (cats | {"d": [1]}, "missing", "D"),
        (cats | {"a": {"face": 7}}, "missing", "A"),
        (cats | {"b": {"face": "no picture"}}, "unreadable", "B"),
        (cats | {"c": {"cat": "dog"}}, "embed_gone", "C"),
        ([1, 2], "missing", "A"),
        ({}, "missing", "A"),
    ]
    for told, word, cat in bad:
        for language in ("en", "es"):
            answer = client.post(f"/web/ask/pad?lang={language}", content=json.dumps(told))
            said = TEXTS[language][word].format(cat=cat)
            assert (answer.status_code, answer.json()["error"]) == (422, said), told


def test_the_point_is_moved_by_hand_and_by_keys_and_asks_nothing_meanwhile(open_page):
    page = open_page(1280, 900, "es-AR")
    page.get_by_role("tab", name="Explorar").click()
    stage, pad = page.locator("#pad .stage"), page.get_by_role("slider", name=TEXTS["es"]["pad"])
    pad.scroll_into_view_if_needed()
    expect(stage).to_have_attribute("data-place", "0.50 0.50", timeout=30_000)
    expect(pad).to_have_attribute(
        "aria-valuetext", "Naranja 25\u00a0%, Luna 25\u00a0%, Bruno 25\u00a0% y Leo 25\u00a0%"
    )
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    first = stage.evaluate("canvas => canvas.toDataURL()")
    box = pad.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    for share in (0.6, 0.8, 1.5):  # beyond the edge it is at the edge
        page.mouse.move(box["x"] + box["width"] * share, box["y"] + box["height"] / 4)
    page.mouse.up()
    expect(stage).to_have_attribute("data-place", "1.00 0.25")
    assert stage.evaluate("canvas => canvas.toDataURL()") != first
    pad.focus()
    for key in ("PageUp", "ArrowDown", "ArrowLeft"):
        page.keyboard.press(key)
    expect(stage).to_have_attribute("data-place", "0.95 0.05")
    assert not asked

    page.locator("#pad button.d").click()
    page.locator("#pad").get_by_role("button", name=TEXTS["es"]["pad_nobody"], exact=True).click()
    expect(page.locator("#pad button.d")).to_contain_text(TEXTS["es"]["pad_nobody"])
    expect(stage).to_have_attribute("data-place", "0.33 0.33", timeout=30_000)
    pad.press("End")  # across from A there is no one: it stops between B and C
    expect(stage).to_have_attribute("data-place", "0.83 0.17")
    for key in ("Home", "PageDown"):
        pad.press(key)
    expect(stage).to_have_attribute("data-place", "0.00 1.00")
    expect(pad).to_have_attribute("aria-valuetext", "Bruno 100\u00a0%")
    assert [url.partition("/ask/")[2] for url in asked] == ["pad?lang=es"]

    page.get_by_role("button", name="Usarlo como Gato B").last.click()
    expect(page.locator("#pad .status")).to_contain_text("Gato B")
    expect(stage).to_have_attribute("data-place", "1.00 0.00")
    page.get_by_role("tab", name="Mezclar").click()
    expect(page.locator("kitten-cat[side=b] .about")).to_contain_text(TEXTS["es"]["cats_child"])


def test_what_does_not_come_is_said_in_the_language(open_page):
    page = open_page(1280, 900, "es-AR")
    page.errors.append("503")
    page.route("**/web/ask/pad*", lambda route: route.fulfill(status=503))
    page.get_by_role("tab", name="Explorar").click()
    page.locator("#pad .pad").scroll_into_view_if_needed()
    expect(page.locator("#pad .status")).to_have_text(TEXTS["es"]["no_answer"], timeout=30_000)
    page.unroute("**/web/ask/pad*")
    page.get_by_role("slider", name=TEXTS["es"]["pad"]).press("ArrowRight")
    expect(page.locator("#pad .stage")).to_have_attribute("data-place", "0.55 0.50", timeout=30_000)
    expect(page.locator("#pad .status")).to_have_text("")
