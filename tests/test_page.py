"""The page in a real browser; skipped where there is no Chromium."""

import pytest
from playwright.sync_api import Page, expect

from catvae.files import EXAMPLES, example_cats


def frames(page: Page) -> list[str]:
    return [image.get_attribute("src") for image in page.locator("#mix img").all()]


def expect_other_frames(page: Page, before: list[str]) -> None:
    page.wait_for_function(
        "before => { const now = [...document.querySelectorAll('#mix img')].map(i => i.getAttribute('src'));"
        " return now.length && now.join() !== before.join() }",
        arg=before,
        timeout=30_000,
    )


def test_a_mix_shows_on_load_without_a_click(open_page):
    page = open_page()
    page.wait_for_function("[...document.querySelectorAll('#mix img')].every(i => i.naturalWidth === 64)")
    assert page.locator("#mix img").nth(5).get_attribute("alt")


def test_the_mix_follows_model_steps_and_cats(open_page):
    page = open_page()
    before = frames(page)
    page.get_by_label("Model", exact=False).first.click()
    page.get_by_role("option", name="v2").click()
    expect_other_frames(page, before)

    page.get_by_role("spinbutton").fill("4")
    page.get_by_role("spinbutton").press("Enter")
    expect(page.locator("#mix img")).to_have_count(6, timeout=30_000)

    before = frames(page)
    page.locator(".cat").nth(0).locator(".gallery-item").nth(5).click()
    expect_other_frames(page, before)
    before = frames(page)
    page.locator("input[type=file]").last.set_input_files(example_cats()[7])
    expect_other_frames(page, before)


def test_an_uploaded_photo_shows_its_face_and_ways_to_choose_another(open_page):
    page = open_page()
    expect(page.locator(".note").first).to_be_hidden()  # the kitten is a cut face already
    before = frames(page)
    page.locator("input[type=file]").first.set_input_files(EXAMPLES / "chelsea.jpg")
    expect(page.locator(".note").first).to_have_text("Cat face found.", timeout=30_000)
    expect_other_frames(page, before)
    face = page.locator(".face img").first

    before, seen = frames(page), face.get_attribute("src")
    page.get_by_role("button", name="Whole picture").first.click()
    expect(page.locator(".note").first).to_have_text("The middle of the whole picture.")
    expect_other_frames(page, before)
    assert face.get_attribute("src") != seen

    before, seen = frames(page), face.get_attribute("src")
    page.get_by_role("button", name="Adjust by hand").first.click()
    zoom = page.get_by_role("slider", name="Zoom").first
    expect(zoom).to_be_visible()
    page.wait_for_timeout(500)  # a slider just shown may take its value once more, and forget a key sooner than a hand
    zoom.press("ArrowRight")  # by keyboard alone
    expect_other_frames(page, before)
    assert face.get_attribute("src") != seen

    page.locator(".cat").first.locator(".gallery-item").nth(4).click()
    expect(page.locator(".note").first).to_be_hidden(timeout=30_000)


def test_a_broken_photo_is_a_message_and_loses_nothing(open_page, tmp_path):
    page = open_page(locale="es-ES")
    before = frames(page)
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff no picture")
    page.locator("input[type=file]").first.set_input_files(tmp_path / "broken.jpg")
    expect(page.get_by_text("No se puede leer la foto del gato A").first).to_be_visible(timeout=30_000)
    assert frames(page) == before


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_phone_needs_no_sideways_scrolling_and_speaks_spanish(open_page, theme):
    page = open_page(360, 740, "es-AR", f"/?__theme={theme}")
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    expect(page.get_by_role("heading", name="Mezclador de Gatitos")).to_be_visible()
    assert "Modelo" in page.inner_text("body") and "Cat A" not in page.inner_text("body")
