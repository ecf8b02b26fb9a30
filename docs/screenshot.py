"""Picture of the running page for the README: start `make app`, then `python docs/screenshot.py`."""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

URL = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:7860"

with sync_playwright() as playwright:
    browser = playwright.chromium.launch(
        executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
    )
    page = browser.new_page(viewport={"width": 1280, "height": 860}, locale="en-US")
    page.goto(f"{URL}/?__theme=light")
    page.wait_for_function("document.querySelectorAll('#mix img').length === 11")
    page.wait_for_function("[...document.querySelectorAll('img')].every(image => image.complete)")
    page.screenshot(path=Path(__file__).parent / "page.png")
    browser.close()
