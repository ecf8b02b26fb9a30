"""The page in a real browser; skipped where there is no Chromium."""

import shutil

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from catvae.ui import example_cats

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser, app_url):
    """Opens the page and fails the test on errors in the browser's console."""
    contexts, errors = [], []

    def open_page(width: int = 1280, height: int = 900, locale: str = "en-US", query: str = "") -> Page:
        contexts.append(browser.new_context(viewport={"width": width, "height": height}, locale=locale))
        page = contexts[-1].new_page()
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(app_url + query)
        expect(page.locator("#mix img")).to_have_count(11, timeout=30_000)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []


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
    page.locator(".examples").nth(0).locator(".gallery-item").nth(5).click()
    expect_other_frames(page, before)
    before = frames(page)
    page.locator("input[type=file]").last.set_input_files(example_cats()[7])
    expect_other_frames(page, before)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_phone_needs_no_sideways_scrolling_and_speaks_spanish(open_page, theme):
    page = open_page(360, 740, "es-AR", f"/?__theme={theme}")
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    expect(page.get_by_role("heading", name="Mezclador de Gatitos")).to_be_visible()
    assert "Modelo" in page.inner_text("body") and "Cat A" not in page.inner_text("body")
