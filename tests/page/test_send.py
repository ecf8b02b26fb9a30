"""The gallery, and files to send and keep: made of what the page shows."""

import re
from io import BytesIO

import av
import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from catvae.images import enlarge
from catvae.mixing import interpolate
from catvae.model import load_variant
from catvae.page.films import FILE_KINDS, MAX_GIF_BYTES, make_film
from catvae.page.mixes import shares
from catvae.serving.front import WEB
from catvae.serving.links import FIRST_A, FIRST_B, example_face
from catvae.serving.texts import TEXTS
from tests.conftest import draw_cat
from tests.page.test_page import choose_model, expect_other_frames, frames, open_more

SHARE_SHEET = """
navigator.canShare = ({files}) => files.every(file => file.type === 'TYPE');
navigator.share = async ({files, text}) => { window.sent = [files[0].name, files[0].size, text]; };
"""


def test_halves_are_rounded_as_the_browser_rounds_them():
    assert shares(9, TEXTS["en"])[1:4] == ["13 % B", "25 % B", "38 % B"]


def way_of(count: int) -> list[Image.Image]:
    return interpolate(load_variant("v6"), (example_face("chelsea"), example_face("kitten-04")), count)


def decode(content: bytes, kind: str) -> tuple[list[Image.Image], float]:
    """The frames of an animation, and how many seconds they last together."""
    if kind == "mp4":
        with av.open(BytesIO(content)) as video:
            stream, decoded = video.streams.video[0], list(video.decode(video=0))
            return [frame.to_image() for frame in decoded], float(stream.duration * stream.time_base)
    pictures, lasts = [], 0
    with Image.open(BytesIO(content)) as animation:
        for i in range(animation.n_frames):
            animation.seek(i)
            pictures.append(animation.convert("RGB"))
            lasts += animation.info["duration"]
    return pictures, lasts / 1000


@pytest.mark.parametrize("kind", FILE_KINDS)
def test_animations_hold_the_frames_and_last_equally_long(app_url, kind):
    asked = {"kind": kind, "a": {"cat": "chelsea"}, "b": {"cat": "kitten-04"}, "model": "v6", "path": "lerp"}
    answer = httpx.post(f"{app_url}/web/ask/film", json=asked, timeout=60).raise_for_status()
    assert answer.headers["content-type"] == FILE_KINDS[kind].mime
    assert kind != "gif" or len(answer.content) <= MAX_GIF_BYTES
    pictures, lasts = decode(answer.content, kind)
    assert len(pictures) == 2 * FILE_KINDS[kind].frames - 2 and lasts == pytest.approx(3.84)
    assert pictures[0].width >= 192
    first, middle, last = way_of(3)
    for place, frame in ((0, first), (len(pictures) // 4, middle), (len(pictures) // 2, last)):
        large = np.asarray(enlarge(frame, pictures[0].width), int)
        assert np.abs(np.asarray(pictures[place], int) - large).mean() < 6


def test_a_gif_of_pictures_that_hardly_shrink_is_small_too():
    noise = np.random.default_rng(0).integers(0, 256, (FILE_KINDS["gif"].frames, 64, 64, 3), dtype=np.uint8)
    assert len(make_film([Image.fromarray(frame) for frame in noise], "gif")) <= MAX_GIF_BYTES


def test_the_browsers_films_are_as_long_and_as_large():
    script = (WEB / "engine" / "film.js").read_text("utf-8")
    for name, kind in (("GIF", "gif"), ("VIDEO", "mp4")):
        frames, ms, side = map(int, re.search(rf"{name} = {{frames: (\d+), ms: (\d+), side: (\d+)", script).groups())
        told = FILE_KINDS[kind]
        assert (frames, ms, side) == (told.frames, told.frame_ms, told.sizes[0][0])


def save(page: Page, name: str, tmp_path) -> tuple[str, Image.Image]:
    """Name and picture of a file that a button saves."""
    open_more(page)
    button = page.get_by_role("button", name=name, exact=True)
    with page.expect_download() as download:
        button.click()
    download.value.save_as(tmp_path / download.value.suggested_filename)
    expect(page.locator("#mix .note")).to_contain_text(download.value.suggested_filename)
    picture = Image.open(tmp_path / download.value.suggested_filename)
    return download.value.suggested_filename, picture


def test_a_click_on_a_frame_shows_it_large_in_view_under_the_same_name(open_page):
    page = open_page(1280, 720)
    page.emulate_media(reduced_motion="reduce")  # no gliding: it ends at once
    page.wait_for_selector("#morph canvas[data-ready]")
    for i, place in enumerate(page.locator("#mix .show").all()):
        page.evaluate("scrollTo(0, 0)")
        place.press("Enter") if i % 2 else place.click()
        expect(page.locator("#morph .share")).to_have_text(place.inner_text())
        expect(page.locator("#morph canvas")).to_be_in_viewport(ratio=1)


def test_frames_and_pictures_are_saved_without_the_server(open_page, tmp_path):
    page = open_page(query="/?full=0")
    page.wait_for_selector("#morph canvas[data-ready]")
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    name, picture = save(page, "Save 13 % B as PNG", tmp_path)
    assert (name, picture.size) == ("naranja-luna-v6-13.png", (512, 512))
    page.locator("kitten-save select").select_option("64")
    name, picture = save(page, "Save 25 % B as PNG", tmp_path)
    assert picture.size == (64, 64)
    faces = [example_face(name) for name in (FIRST_A, FIRST_B)]
    true = interpolate(load_variant("v6"), faces, 9)[2]
    assert np.abs(np.asarray(picture.convert("RGB"), int) - np.asarray(true, int)).mean() < 2
    assert save(page, "This kitten (PNG)", tmp_path)[0] == "naranja-luna-v6-50.png"
    assert save(page, "Strip (PNG)", tmp_path)[1].size == (9 * 256, 256)
    assert save(page, "Card with both parents", tmp_path)[1].size == (1080, 1350)
    assert [url for url in asked if "/web/ask/" in url or "queue" in url] == []


def test_files_are_of_the_mix_that_is_shown_though_cat_a_is_another(open_page, tmp_path):
    page = open_page()
    page.wait_for_selector("#morph canvas[data-ready]")
    page.evaluate(
        "new MutationObserver(([{target: on}]) => { if (on.ariaBusy) window.busy = [on.textContent, on.disabled] })"
        ".observe(document.querySelector('kitten-save').shadowRoot, {subtree: true, attributeFilter: ['aria-busy']})"
    )
    first = save(page, "GIF", tmp_path)[1].convert("RGB")
    assert page.evaluate("window.busy") == ["Making…", True]
    expect(page.locator("kitten-save [data-save=gif]")).to_be_enabled()
    choose_model(page, "v2")
    expect(page.locator("#mix .unseen")).to_have_text("New mix: 9 frames from Naranja to Luna with v2")
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    page.errors.append("422")
    page.locator("kitten-cat input[type=file]").first.set_input_files(tmp_path / "broken.jpg")
    expect(page.get_by_text("The picture of cat A cannot be read").first).to_be_visible()
    name, second = save(page, "WebP", tmp_path)
    assert name == "naranja-luna-v2.webp"
    second = second.convert("RGB").resize(first.size)
    assert np.abs(np.asarray(first, int) - np.asarray(second, int)).mean() > 2  # v2 paints another A
    assert save(page, "Strip (PNG)", tmp_path)[1].width == 9 * 256


def test_a_card_has_the_fur_that_the_page_shows(open_page, tmp_path):
    page, power = open_page(query="/"), []
    expect(page.locator("#morph kitten-morph[data-full=on]")).to_be_visible()
    for full in ("on", "off"):
        expect(page.locator(f"#morph kitten-morph[data-full={full}]")).to_be_visible()
        card = (
            save(page, "Card with both parents", tmp_path)[1].convert("L").crop((340, 650, 740, 1050))
        )  # of the kitten
        power.append(np.diff(np.asarray(card, float)).std())
        page.get_by_role("switch").first.uncheck(force=True)
    assert power[0] > 1.5 * power[1]


@pytest.mark.parametrize(("mime", "name"), [("video/mp4", "v6.mp4"), ("image/jpeg", "v6-50-card.jpg")])
def test_the_share_sheet_gets_a_file_and_the_link(open_page, tmp_path, mime, name):
    page = open_page(390, 844, query="/?lang=es", init=SHARE_SHEET.replace("TYPE", mime))
    page.wait_for_selector("#morph canvas[data-ready]")
    page.get_by_role("button", name="Enviar el gatito de Naranja y Luna", exact=True).click()
    page.wait_for_function("window.sent")
    sent, size, text = page.evaluate("window.sent")
    assert sent == f"naranja-luna-{name}" and size > 10_000
    assert re.fullmatch(r"Mezclador de Gatitos: http://.*/\?a=naranja&b=luna&model=v6&steps=9&lang=es", text)

    before = frames(page)
    draw_cat(1, 300).save(tmp_path / "mine.png")
    page.locator("kitten-cat input[type=file]").first.set_input_files(tmp_path / "mine.png")
    expect_other_frames(page, before)
    page.evaluate("window.sent = null")
    page.get_by_role("button", name="Enviar el gatito", exact=True).click()
    page.wait_for_function("window.sent")
    sent, _, text = page.evaluate("window.sent")
    assert sent == f"cat-a-luna-{name}" and re.fullmatch(r"Mezclador de Gatitos: http://[^?]*/\?lang=es", text)
    expect(page.locator("#mix .note")).to_contain_text("Tus fotos viajan solo en la imagen")


def test_without_a_share_sheet_the_file_is_saved(open_page):
    page = open_page(init="delete Navigator.prototype.canShare")
    with page.expect_download() as download:
        page.get_by_role("button", name="Send Naranja + Luna's kitten", exact=True).click()
    name = "naranja-luna-v6.mp4"
    assert download.value.suggested_filename == name
    expect(page.locator("#mix .note")).to_have_text(f"Saved, to attach to a message: {name}")


def test_what_was_saved_is_said_within_sight_on_a_phone(open_page):
    page = open_page(390, 844, init="delete Navigator.prototype.canShare")
    with page.expect_download():
        page.get_by_role("button", name="Send Naranja + Luna's kitten", exact=True).click()
    expect(page.locator("#mix .note")).to_contain_text("naranja-luna-v6.mp4")
    expect(page.locator("#mix .note")).to_be_in_viewport(ratio=1)


def test_a_busy_server_is_asked_again(browser, app_url):
    page = browser.new_page()  # 429 is an error in its console
    page.goto(app_url)
    page.wait_for_selector("#morph canvas[data-ready]")
    page.route("**/web/ask/film*", lambda route: route.fulfill(status=429, json={"error": "busy"}), times=1)
    open_more(page)
    with page.expect_response(lambda answer: answer.status == 429), page.expect_download() as download:
        page.get_by_role("button", name="WebP", exact=True).click()
    assert download.value.suggested_filename.endswith(".webp")
    page.close()
