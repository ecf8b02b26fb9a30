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
from catvae.serving.links import CATS, State
from catvae.serving.texts import TEXTS


def test_the_page_arrives_with_the_mix_of_a_fresh_page(app_url):
    head = httpx.get(app_url).text.partition("<body")[0]
    values = json.loads(re.search(r"const {pictures, titles} = (.*?);\n", head).group(1))
    assert values["titles"]["es"].endswith(TEXTS["es"]["web_title"])
    pictures = [
        Image.open(BytesIO(b64decode(source.partition(",")[2]))).convert("RGB") for source in values["pictures"]
    ]
    assert len({picture.size for picture in pictures}) == 1 and pictures[0].width >= 200  # what the photos have
    wanted = mix(load_variant("v6"), CATS[State().a], CATS[State().b], 3, size=pictures[0].width)
    for shown, true in zip(pictures, wanted, strict=True):
        assert np.abs(np.asarray(shown, np.float32) - np.asarray(true, np.float32)).mean() < 5  # WebP
    assert sum(map(len, values["pictures"])) < 60_000
    assert httpx.head(app_url).status_code == 200
    assert len(httpx.get(app_url).content) < 250_000


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
