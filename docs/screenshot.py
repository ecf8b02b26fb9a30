"""Pictures of the running page for the README: start `make app`, then `python docs/screenshot.py`."""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

URL = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:7860"
DOCS = Path(__file__).parent


def open_page(browser: Browser, width: int, height: int, locale: str, theme: str) -> Page:
    page = browser.new_page(viewport={"width": width, "height": height}, locale=locale)
    page.goto(f"{URL}/?__theme={theme}")
    page.wait_for_selector("#morph canvas[data-ready]")
    page.wait_for_selector("#first-look", state="detached")
    page.locator("#mix canvas").nth(10).wait_for()
    return page


with sync_playwright() as playwright:
    browser = playwright.chromium.launch(
        executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
    )
    page = open_page(browser, 1280, 860, "en-US", "light")
    page.screenshot(path=DOCS / "page.png")
    phone = open_page(browser, 360, 1240, "es-ES", "dark")
    phone.screenshot(path=DOCS / "phone.png")
    browser.close()
