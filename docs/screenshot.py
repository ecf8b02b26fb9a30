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
    page.wait_for_selector("kitten-morph[data-full=on]", timeout=60_000)
    page.wait_for_selector("#first-look", state="detached")
    page.wait_for_timeout(5000)  # until it has breathed
    return page


with sync_playwright() as playwright:
    browser = playwright.chromium.launch(
        executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
    )
    for name, *how in (("page", 1280, 720, "en-US", "light"), ("phone", 390, 844, "es-ES", "dark")):
        open_page(browser, *how).screenshot(path=DOCS / f"{name}.jpg", type="jpeg", quality=80)
    browser.close()
