"""The first picture: there before the page is built, gone when it is."""

import re
from base64 import b64decode
from io import BytesIO

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from catvae import load_variant, mix
from catvae.files import EXAMPLES
from catvae.images import make_strip


def first_look(html: str) -> np.ndarray:
    (source,) = re.findall('<body[^>]*>\\s*<div id="first-look".*?src="data:image/webp;base64,([^"]+)"', html, re.S)
    return np.asarray(Image.open(BytesIO(b64decode(source))).convert("RGB"), np.float32)


@pytest.mark.parametrize(
    ("query", "cats", "variant", "method"),
    [
        ("", ("kitten-01", "kitten-04"), "v6", "lerp"),
        ("?a=kitten-05&b=kitten-02&model=v2&path=slerp", ("kitten-05", "kitten-02"), "v2", "slerp"),
        ("?a=../README&model=v9", ("kitten-01", "kitten-04"), "v6", "lerp"),
    ],
)
def test_the_page_arrives_with_the_mix_that_its_address_asks_for(app_url, query, cats, variant, method):
    answer = httpx.get(f"{app_url}/{query}")
    assert int(answer.headers["content-length"]) == len(answer.content)
    strip = make_strip(mix(load_variant(variant), *(EXAMPLES / f"{cat}.png" for cat in cats), 17, method))
    assert np.abs(first_look(answer.text) - np.asarray(strip, np.float32)).mean() < 5  # WebP


def test_the_title_is_in_the_visitors_language_and_other_pages_have_none(app_url):
    spanish = httpx.get(app_url, headers={"accept-language": "es-AR,en;q=0.5"}).text
    assert re.search('id="first-look".*?</style>🐱 Mezclador de Gatitos<div>', spanish, re.S)
    assert httpx.head(app_url).status_code == 200
    for path in ("/embed", "/config"):
        assert "first-look" not in httpx.get(app_url + path).text


def test_it_leaves_when_the_page_is_there(open_page):
    page = open_page()
    expect(page.locator("#morph canvas[data-ready]")).to_be_visible()
    expect(page.locator("#first-look")).to_have_count(0)
