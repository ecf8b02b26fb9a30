"""The first picture: there before the page is built, gone when it is, and never another mix than the page's."""

import json
import re
from base64 import b64decode
from io import BytesIO

import httpx
import numpy as np
from PIL import Image
from playwright.sync_api import expect

from catvae import load_variant, mix
from catvae.images import make_strip
from catvae.serving.links import CATS, State
from catvae.serving.texts import TEXTS


def test_the_page_arrives_with_the_mix_of_a_fresh_page(app_url):
    head = httpx.get(app_url).text.partition("<body")[0]
    values = json.loads(re.search(r"const {count, strip, titles} = (.*?);\n", head).group(1))
    assert values["titles"]["es"].endswith(TEXTS["es"]["web_title"])
    shown = Image.open(BytesIO(b64decode(values["strip"].partition(",")[2]))).convert("RGB")
    strip = make_strip(mix(load_variant("v6"), CATS[State().a], CATS[State().b], values["count"]))
    assert np.abs(np.asarray(shown, np.float32) - np.asarray(strip, np.float32)).mean() < 5  # WebP
    assert httpx.head(app_url).status_code == 200


def test_it_leaves_when_the_page_is_there(open_page):
    page = open_page()
    expect(page.locator("#morph canvas[data-ready]")).to_be_visible()
    expect(page.locator("#first-look")).to_have_count(0)


def test_a_link_to_another_mix_shows_none(open_page):
    page = open_page(
        query="/?model=v2",
        init="new MutationObserver(() => { if (document.querySelector('#first-look')) "
        "window.looked = true }).observe(document, {childList: true, subtree: true})",
    )
    expect(page.locator("#morph canvas[data-ready]")).to_be_visible()
    assert page.evaluate("window.looked") is None
