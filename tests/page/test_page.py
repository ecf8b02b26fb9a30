"""The page in a real browser; skipped where there is no Chromium."""

import time

import pytest
from playwright.sync_api import Page, expect

from catvae.files import example_cats

CANVASES = "all => all.map(canvas => canvas.toDataURL())"


def frames(page: Page) -> list[str]:
    """The pictures of the gallery, parents and frames, as addresses."""
    return page.locator("#mix canvas").evaluate_all(CANVASES)


def expect_other_frames(page: Page, before: list[str], seconds: float = 30) -> None:
    """Wait until the gallery shows another mix."""
    end = time.monotonic() + seconds
    while (now := frames(page)) == before or not now:
        assert time.monotonic() < end, "the mix stays"
        page.wait_for_timeout(50)
    expect(page.locator("#morph kitten-morph[data-mix=shown]")).to_have_count(1)


def choose_cat(page: Page, name: str, letter: str = "A") -> None:
    """Choose an example among all of them."""
    card = page.locator(f"kitten-cat[side={letter.lower()}]")
    card.locator(".more").click()
    card.locator(f".shelf [data-cat={name}]").click()


def open_more(page: Page) -> None:
    """Unfold what is behind "More": model, steps, path, files."""
    if not page.locator("#rest").is_visible():
        page.locator("#more summary").click()


def choose_model(page: Page, name: str) -> None:
    """Choose a model on the ruler."""
    page.locator("kitten-ruler").get_by_role("radio", name=name).check(force=True)


def test_a_mix_shows_on_load_without_a_click(open_page):
    page = open_page(query="/?full=0")
    assert len(set(frames(page))) == 11
    expect(page.get_by_role("button", name="50 % B", exact=True)).to_be_visible()


def test_the_mix_follows_model_steps_and_cats(open_page):
    page = open_page()
    before = frames(page)
    choose_model(page, "v2")
    expect_other_frames(page, before)
    open_more(page)

    page.get_by_role("spinbutton").fill("4")
    page.get_by_role("spinbutton").press("Enter")
    expect(page.locator("#mix canvas")).to_have_count(6)

    before = frames(page)
    choose_cat(page, "kitten-06")
    expect_other_frames(page, before)
    before = frames(page)
    page.locator("kitten-cat input[type=file]").last.set_input_files(example_cats()[7])
    expect_other_frames(page, before)


def test_a_broken_photo_is_a_message_and_loses_nothing(open_page, tmp_path):
    page = open_page(360, 740, "es-ES")
    page.errors.append("422")  # the browser tells of the refusal itself
    before, place = frames(page), page.locator("#morph").bounding_box()
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff no picture")
    page.locator("kitten-cat input[type=file]").first.set_input_files(tmp_path / "broken.jpg")
    expect(page.get_by_text("No se puede leer la foto del gato A").first).to_be_visible()
    assert frames(page) == before and page.locator("#morph").bounding_box() == place  # nor does anything jump


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_phone_needs_no_sideways_scrolling_and_speaks_spanish(open_page, theme):
    page = open_page(360, 740, "es-AR", f"/?__theme={theme}")
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    expect(page.get_by_role("heading", name="Mezclador de Gatitos")).to_be_visible()
    expect(page.get_by_text("recuerda todo")).to_be_visible()
    assert "Cat A" not in page.locator("kitten-cat").first.inner_text()
