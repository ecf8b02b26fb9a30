"""What a visitor does is the same on the app's page, in its small one and in the exported mixer."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import pytest
from PIL import Image, ImageOps
from playwright.sync_api import Browser, BrowserContext, Page, expect

from catvae.files import EXAMPLES
from catvae.serving.texts import TEXTS
from tests.browser.test_browser import decoded, psnr, seen_on
from tests.conftest import CALM, WAIT
from tests.web_server import serving

PLACES = ("app", "embed", "export")
STORE = "(document.querySelector('kitten-mixer') ?? document.querySelector('kitten-morph')).store"


@pytest.fixture(scope="module", params=PLACES)
def place(request, browser: Browser, app_url: str, web_exports) -> Iterator[tuple[str, str, BrowserContext]]:
    """Its name, its address, and a visitor's browser, which fetches what it needs once."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-US", **CALM)
    context.set_default_timeout(WAIT)
    with serving(web_exports["int8"]) as site:
        home = {"app": f"{app_url}/", "embed": f"{app_url}/embed", "export": f"{site.url}/"}[request.param]
        yield request.param, home, context
        context.close()


@pytest.fixture
def visit(place) -> Iterator[Callable[..., Page]]:
    """Opens a mix of two example cats by v3 at one of the places, and fails the test on errors in the console, but for
    those whose text a test puts into `expected` of the page."""
    name, home, context = place
    errors, expected = [], []

    def visit(**more: str) -> Page:
        page = context.new_page()
        page.place, page.expected = name, expected
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        wish = {"a": "kitten-05", "b": "chelsea", "model": "v3", "steps": "5", "full": "0", **more}
        page.goto(f"{home}?{urlencode(wish)}")
        expect(page.locator("kitten-morph[data-mix=shown]").first).to_be_visible()
        expect(page.locator("kitten-gallery .show:visible")).to_have_count(5)
        return page

    yield visit
    for page in context.pages:
        page.close()
    assert [error for error in errors if not any(text in error for text in expected)] == []


@pytest.fixture
def photos(tmp_path) -> dict[str, Path]:
    """A cat that is no example, no cat, and no picture."""
    paths = {name: tmp_path / f"{name}.jpg" for name in ("cat", "none", "broken")}
    ImageOps.expand(Image.open(EXAMPLES / "chelsea.jpg"), 300, "tan").save(paths["cat"], quality=90)
    Image.linear_gradient("L").convert("RGB").save(paths["none"])
    paths["broken"].write_bytes(b"\xff\xd8\xff no picture")
    return paths


def state(page: Page, what: str):
    return page.evaluate(f"() => {STORE}.{what}")


def wait_for(page: Page, condition: str) -> None:
    page.wait_for_function(f"() => {{ const store = {STORE}; return {condition} }}")


def bring(page: Page, path: Path) -> None:
    page.locator("kitten-cat[side=a] input[type=file]").set_input_files(path)


def test_frames_and_slider_show_what_the_model_paints(visit):
    page = visit()
    frames = seen_on(page.locator("kitten-gallery .show canvas"))
    for picture, share in zip(frames, np.linspace(0, 1, 5), strict=True):
        assert psnr(picture, decoded("v3", "kitten-05", "chelsea", share)) > 30  # enlarged, WebP or int8
    slider = page.locator("kitten-morph .slider:visible")
    for key, share in (("End", 1), ("ArrowLeft", 0.95), ("Home", 0), ("ArrowRight", 0.05), ("PageUp", 0.25)):
        slider.press(key)
        wait_for(page, f"Math.abs(store.share - {share}) < .001")
        expect(page.locator("kitten-morph .share:visible")).to_have_text(f"{round(100 * share)} % B")
    page.locator("kitten-gallery .show").nth(3).click()
    wait_for(page, "Math.abs(store.share - .75) < .001")
    box = page.locator("canvas.stage").first.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - box["width"] / 4, y, steps=4)
    page.mouse.up()
    assert state(page, "share") == pytest.approx(0.5, abs=0.02)
    page.get_by_role("button", name="Play", exact=True).first.click()
    wait_for(page, "store.share > .6")
    page.get_by_role("button", name="Pause", exact=True).first.click()
    assert not state(page, "playing")


def test_cats_and_models_are_chosen_and_the_link_follows(visit):
    page = visit()
    card = page.locator("kitten-cat[side=b]")
    card.locator(".more").click()
    card.locator(".shelf [data-cat=kitten-11]").click()
    wait_for(page, "store.state.b.name === 'kitten-11'")
    expect(card.locator(".about")).to_contain_text("Kitten 11")
    page.get_by_role("radio", name="v6").check(force=True)
    wait_for(page, "store.state.model === 'v6'")
    link = state(page, "link()")
    assert {key: link[key] for key in ("a", "b", "model", "steps", "path", "full")} == {
        "a": "kitten-05", "b": "kitten-11", "model": "v6", "steps": "5", "path": "lerp", "full": "0"
    }  # fmt: skip
    card.locator(".rename").click()
    card.locator("input.name").fill("Mishka")
    card.locator("input.name").press("Enter")
    expect(card.locator(".about")).to_contain_text("Mishka")
    assert state(page, "link()")["name-b"] == "Mishka"


def test_a_photo_is_found_cut_and_cut_anew(visit, photos):
    page = visit()
    card = page.locator("kitten-cat[side=a]")
    bring(page, photos["cat"])
    expect(card.locator(".about")).to_contain_text("Cat face found.")
    wait_for(page, "!store.state.a.name")
    found = state(page, "state.a.square")
    card.get_by_role("button", name="Adjust the square of Cat A").click()
    square = card.locator(".square")
    square.press("ArrowRight")
    wait_for(page, "store.state.a.byHand")
    assert state(page, "state.a.square.x") > found["x"]
    page.keyboard.press("Escape")  # takes it back
    wait_for(page, "!store.state.a.byHand")
    assert state(page, "state.a.square") == found
    card.get_by_role("button", name="Adjust the square of Cat A").click()
    square.press("ArrowRight")
    wait_for(page, "store.state.a.byHand")
    card.get_by_role("button", name="Done", exact=True).click()
    assert state(page, "state.a.byHand")
    bring(page, photos["none"])
    expect(card.locator(".about")).to_contain_text("No cat face found")
    if page.place != "embed":  # where nothing is sent
        ruler, send = (page.locator(part).first.bounding_box() for part in ("kitten-ruler", "kitten-send"))
        assert send["y"] - ruler["y"] - ruler["height"] <= 24  # no hole under the models


def test_what_is_no_picture_is_a_sentence_and_loses_nothing(visit, photos):
    page = visit(lang="es")
    page.expected.append("422")  # the browser tells of a refusal itself
    before = seen_on(page.locator("kitten-gallery .show canvas"))
    place = page.locator("canvas.stage").first.bounding_box()
    bring(page, photos["broken"])
    said = page.locator("kitten-cat[side=a] .refusal:visible")
    key = "web_unreadable" if page.place == "export" else "unreadable"
    expect(said.first).to_contain_text(re.split(r"[.:(]", TEXTS["es"][key].replace("{cat}", "A"))[0].strip()[:30])
    assert state(page, "state.a.name") == "kitten-05"
    assert np.array_equal(seen_on(page.locator("kitten-gallery .show canvas")), before)
    assert page.locator("canvas.stage").first.bounding_box() == place  # nothing jumps


def test_every_model_is_seen_at_once(visit):
    page = visit()
    if page.place == "app":
        page.get_by_role("tab", name="Compare").click()
    else:
        page.get_by_role("button", name="All models at once").click()
    compare = page.locator("kitten-compare:visible")
    cells = compare.locator(".rows canvas")
    expect(cells.first).to_be_visible()
    compare.locator("input.slider").fill("250")
    expect(compare.locator(".rows[data-shown='250']")).to_be_visible()
    names = state(page, "manifest.variants")
    assert cells.count() == len(names) + 1  # and a cross-fade
    wanted = decoded("v3", "kitten-05", "chelsea", 0.25)
    assert max(psnr(picture, wanted) for picture in seen_on(cells)) > 28


def test_words_and_files_are_the_visitors(visit, tmp_path):
    page = visit(**{"lang": "es", "name-a": "Mishka"})
    assert page.evaluate("document.documentElement.lang") == "es"
    expect(page.locator("kitten-cat[side=a] .about")).to_contain_text("Mishka")
    expect(page.get_by_role("button", name="Reproducir", exact=True).first).to_be_visible()
    if page.place == "embed":
        return  # files are made on the whole page, to which it links
    with page.expect_download() as download:
        page.locator("kitten-gallery .keep").first.click()
    assert "mishka" in download.value.suggested_filename and download.value.suggested_filename.endswith("-0.png")
    download.value.save_as(tmp_path / "frame.png")
    picture = Image.open(tmp_path / "frame.png").convert("RGB")
    assert picture.size == (512, 512)
    small = np.asarray(picture.resize((64, 64), Image.Resampling.BOX), float)
    assert psnr(small, decoded("v3", "kitten-05", "chelsea", 0)) > 30


def test_the_fur_of_the_photos_is_on_the_picture(visit):
    page = visit(a="naranja", full="1")
    expect(page.locator("kitten-morph[data-full=on]").first).to_be_visible()
    assert state(page, "state.full") is True
    width = page.evaluate(f"async () => (await {STORE}.morph.at([.5]))[0].width")
    assert width > 64
    page.get_by_role("switch").first.uncheck(force=True)
    wait_for(page, "store.fullness === 'off'")
    assert page.evaluate(f"async () => (await {STORE}.morph.at([.5]))[0].width") == 64
