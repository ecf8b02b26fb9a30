"""Mixes at full size on the page: what the front asks for, and what it draws of it."""

import base64
import io
import json
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from catvae.fullsize.parents import parent_of
from catvae.mixing import mix_photos
from catvae.model import load_variant
from catvae.page.mixes import example, parents_of, size_for
from catvae.photos.decode import open_image
from catvae.photos.faces import find_faces
from catvae.serving.links import CATS, FIRST_A, FIRST_B
from catvae.serving.texts import TEXTS

MORPH = "document.querySelector('kitten-morph')"
SHOWN = f"""() => {{ const {{picture}} = {MORPH}, pen = picture.getContext('2d');
  return [picture.width, [...pen.getImageData(0, 0, picture.width, picture.width).data]]; }}"""


def pixels(address: str) -> Image.Image:
    return open_image(base64.b64decode(address.partition(",")[2]))


def test_a_scene_has_both_photos_and_says_how_one_moves_into_the_other(app_url):
    scene = httpx.get(f"{app_url}/web/ask/scene", params={"a": FIRST_A, "b": "kitten-03"}, timeout=60).json()
    size = size_for([example(FIRST_A), example("kitten-03")])
    assert [photo.size for photo in map(pixels, scene["photos"])] == [(1.25 * size, 1.25 * size)] * 2 and size % 8 == 0
    assert len(scene["velocity"]) == 2 * 32 * 32 and len(scene["landmarks"]) == 12
    assert scene["painted"] == [False, True]  # a kitten exists at 64×64 only
    for path in ("scene", "morph"):  # a page of another site is not given what ours was answered
        query = {"a": FIRST_A, "b": FIRST_B, "model": "v6", "path": "lerp"}
        answer = httpx.get(f"{app_url}/web/ask/{path}", params=query, timeout=60)
        assert "max-age" in answer.headers["cache-control"] and "origin" in answer.headers["vary"].lower()
    assert httpx.get(f"{app_url}/web/ask/scene", params={"a": "no-cat", "b": FIRST_B}).status_code == 422


def test_a_photo_that_was_sent_is_cut_at_full_size_where_its_square_is(app_url):
    photo, ask = Path(CATS[FIRST_A]).read_bytes(), f"{app_url}/web/ask"
    told = httpx.post(f"{ask}/faces", content=photo, timeout=60).json()
    asked = {"a": {"key": told["key"], "square": told["faces"][0]}, "b": {"cat": FIRST_B}}
    mine, example_scene = (
        httpx.post(f"{ask}/scene", content=json.dumps(body), timeout=60).json()
        for body in (asked, {"a": {"cat": FIRST_A}, "b": {"cat": FIRST_B}})
    )
    a, b = (np.asarray(pixels(scene["photos"][0]), float) for scene in (mine, example_scene))
    assert a.shape == b.shape and np.abs(a - b).mean() < 2
    moved = asked["a"] | {"square": told["faces"][0] | {"x": 0.3}}
    other = httpx.post(f"{ask}/scene", content=json.dumps(asked | {"a": moved}), timeout=60).json()
    assert np.abs(np.asarray(pixels(other["photos"][0]), float) - a).mean() > 5
    gone = httpx.post(f"{ask}/scene", content=json.dumps(asked | {"a": {"key": "0" * 64, "square": {}}}))
    assert gone.status_code == 404 and gone.json()["gone"] is True
    bad = httpx.post(f"{ask}/scene", content=json.dumps(asked | {"a": asked["a"] | {"square": {"x": "y"}}}))
    assert bad.status_code == 422 and bad.json()["error"]


@pytest.mark.parametrize(("kind", "side"), [("gif", 192), ("mp4", 512)])
def test_a_film_at_full_size_has_the_fur(app_url, kind, side):
    asked = {"kind": kind, "model": "v2", "path": "lerp", "a": {"cat": FIRST_A}, "b": {"cat": FIRST_B}}
    films = [
        httpx.post(f"{app_url}/web/ask/film", content=json.dumps(asked | {"full": full}), timeout=120).content
        for full in (False, True)
    ]
    if kind == "mp4":
        assert len(films[1]) > 1.5 * len(films[0])  # v2 alone remembers no fur
        return
    contrasts = []
    for content in films:
        with Image.open(io.BytesIO(content)) as film:
            assert film.size in ((side, side), (128, 128), (64, 64)) and film.n_frames == 48
            frame = np.asarray(film.convert("RGB").resize((side, side)), float)
            contrasts.append(np.abs(np.diff(frame, axis=1)).mean())
    assert contrasts[1] > 1.5 * contrasts[0]


def test_the_page_draws_what_python_does_and_the_switch_shows_the_model_alone(open_page):
    page: Page = open_page(query="/")
    expect(page.locator("kitten-morph")).to_have_attribute("data-full", "on")
    page.wait_for_function(f"{MORPH}.picture?.width > 64")
    width, data = page.evaluate(SHOWN)
    drawn = np.array(data, float).reshape(width, width, 4)[..., :3]
    parents, size = parents_of([FIRST_A, FIRST_B])
    wanted = mix_photos(load_variant("v6"), parents, 3, "lerp", size)[1]
    assert width == size and np.abs(drawn - np.asarray(wanted, float)).mean() < 3  # photos came as JPEG
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.locator("kitten-morph .slider").fill("250")
    page.wait_for_function(f"{MORPH}.picture.width > 64")
    assert not [url for url in asked if "/ask/" in url]  # nothing is asked while sliding
    switch = page.get_by_role("switch", name="Fur from the photos")
    switch.click()
    expect(page.locator("kitten-morph")).to_have_attribute("data-full", "off")
    page.wait_for_function(f"{MORPH}.picture.width == 64")
    assert page.evaluate(f"{MORPH}.store.link().full") == "0"
    switch.click()
    page.wait_for_function(f"{MORPH}.picture.width > 64")


def test_a_link_without_full_size_shows_the_model_alone(open_page):
    page = open_page(query="/?full=0")
    expect(page.locator("kitten-morph")).to_have_attribute("data-full", "off")
    assert page.evaluate(f"{MORPH}.picture.width") == 64
    expect(page.get_by_role("switch", name="Fur from the photos")).not_to_be_checked()


def test_the_picture_itself_is_dragged(open_page):
    page = open_page(query="/")
    box = page.locator("kitten-morph .stage").bounding_box()
    assert box
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] / 2, y)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.7 * box["width"], y, steps=4)
    page.mouse.up()
    page.mouse.move(box["x"], y)  # no longer held
    assert page.evaluate(f"{MORPH}.store.share") == pytest.approx(0.7, abs=0.02)


def test_where_the_photos_do_not_come_the_model_stands_and_it_is_said(open_page):
    page = open_page(query="/?full=0")
    page.errors.append("ERR_FAILED")
    page.route("**/ask/scene*", lambda route: route.abort())
    page.get_by_role("switch", name="Fur from the photos").click()
    expect(page.locator("kitten-morph .status")).to_contain_text("fur did not arrive")
    assert page.evaluate(f"{MORPH}.picture.width") == 64


def test_a_photo_of_few_pixels_is_not_taken_for_more():
    picture = open_image(CATS[FIRST_A]).resize((100, 100))
    assert parent_of(picture, 128, find_faces(picture)[0]).photo is None


def test_the_fur_may_be_one_cats_and_the_rest_the_others(open_page):
    page = open_page(1280, 900, "es-AR", "/")
    expect(page.locator("#morph kitten-morph[data-full=on]")).to_be_visible(timeout=60_000)
    page.locator("#more summary").click()
    fur = page.get_by_role("slider", name=TEXTS["es"]["fur"], exact=True)
    expect(fur).to_have_attribute("aria-valuetext", TEXTS["es"]["fur_same"])
    canvas = page.locator("#morph canvas")
    first = canvas.evaluate("canvas => canvas.toDataURL()")
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    fur.press("PageUp")
    expect(fur).to_have_attribute("aria-valuetext", "70 % B")
    page.wait_for_function("first => document.querySelector('kitten-morph').canvas.toDataURL() !== first", arg=first)
    page.locator("#fur .reset").click()
    expect(fur).to_be_focused()
    expect(fur).to_have_attribute("aria-valuetext", TEXTS["es"]["fur_same"])
    page.wait_for_function("first => document.querySelector('kitten-morph').canvas.toDataURL() === first", arg=first)
    assert not asked
    fur.press("End")
    page.get_by_role("button", name=TEXTS["es"]["surprise"]).click()  # for other cats it begins anew
    expect(fur).to_have_attribute("aria-valuetext", TEXTS["es"]["fur_same"], timeout=30_000)
    page.get_by_role("switch", name=TEXTS["es"]["full"]).uncheck()
    expect(fur).to_be_hidden()


def test_a_share_of_fur_that_cannot_be_is_refused(app_url):
    asked = {"kind": "gif", "model": "v2", "path": "lerp", "a": {"cat": FIRST_A}, "b": {"cat": FIRST_B}, "full": True}
    for fur in (2, "1", True, [0.5]):
        answer = httpx.post(f"{app_url}/web/ask/film?lang=es", content=json.dumps(asked | {"fur": fur}), timeout=60)
        assert (answer.status_code, answer.json()["error"]) == (422, TEXTS["es"]["bad_fur"])
    film, plain = (
        httpx.post(f"{app_url}/web/ask/film", content=json.dumps(asked | more), timeout=120).content
        for more in ({"fur": 1}, {})
    )
    assert film[:3] == b"GIF" and film != plain
