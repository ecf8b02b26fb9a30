"""The small page at /embed, from the app and from the exported mixer; what others show of a link."""

import os
import re
from io import BytesIO

import httpx
import numpy as np
import pytest
from PIL import Image, ImageChops
from playwright.sync_api import Page, expect

from catvae.errors import SettingError
from catvae.files import EXAMPLES
from catvae.page.embed import find_mixer
from catvae.page.preview import with_head
from catvae.serving.links import FIRST_A, FIRST_B, example_face
from tests.conftest import CALM, running_app

pytestmark = pytest.mark.slow
FIRST = ("canvas.stage", ".play", ".slider", "kitten-cat[side=a]", "kitten-cat[side=b]", ".models", ".all")


def expect_ready(page: Page) -> None:
    expect(page.locator("kitten-mixer[data-state=ready]")).to_have_count(1)


def fits(page: Page, parts: tuple[str, ...], width: int, height: int = 420) -> list[str]:
    """The parts that are not to be seen whole, and whether the page scrolls sideways."""
    boxes = {part: page.locator(part).first.bounding_box() for part in parts}
    ends = {part: (box["x"] + box["width"], box["y"] + box["height"]) for part, box in boxes.items() if box}
    outside = [part for part in parts if part not in ends or ends[part][0] > width or ends[part][1] > height]
    return outside + ["sideways"] * (page.evaluate("document.documentElement.scrollWidth") > width)


def rows_of(page: Page, pictures: str) -> list[int]:
    """How many pictures stand in each row."""
    tops = page.locator(pictures).evaluate_all("all => all.map(one => Math.round(one.getBoundingClientRect().top))")
    return [tops.count(top) for top in sorted(set(tops))]


@pytest.mark.parametrize(("kind", "language", "cat"), [("remote", "en", "Cat A"), ("local", "es", "Gato A")])
def test_morph_play_cats_and_every_model_are_within_the_frame(open_embed, app_url, web_app, language, cat, kind):
    url = app_url if kind == "remote" else web_app
    for width in (320, 390, 700):
        page = open_embed(f"{url}/embed?lang={language}&theme=dark&steps=9&a=chelsea", width)
        expect_ready(page)
        assert page.locator("script").get_attribute("src").startswith("mixer" if kind == "local" else "web")
        expect(page.locator("kitten-cat").first).to_contain_text(cat)
        assert page.evaluate("document.documentElement.lang") == language
        assert fits(page, FIRST, width) == []
        cut = "all => all.filter(one => one.scrollWidth > one.clientWidth).map(one => one.textContent)"
        assert page.locator(".models label > *:visible").evaluate_all(cut) == []  # no name is cut off
        assert min(rows_of(page, ".models label")) > 1
        padding = page.locator(".mixer").evaluate("mixer => parseFloat(getComputedStyle(mixer).paddingLeft)")
        assert padding >= 8
        assert len(rows_of(page, "kitten-cat[side=a] .strip button:visible")) == 1
        assert min(rows_of(page, ".frames .show")) > 1
        link = page.evaluate("document.querySelector('kitten-mixer').link()")
        assert (link["a"], link["steps"], link["model"]) == ("chelsea", "9", "v6")
    assert page.evaluate("document.documentElement.scrollHeight") == 420


def test_the_folders_own_page_in_a_low_window_and_what_it_lacks(open_embed, web_app):
    page = open_embed(f"{web_app}/mixer/?compact&lang=es", 320)
    expect(page.locator("kitten-mixer[compact][data-state=ready]")).to_have_count(1)
    assert fits(page, FIRST, 320) == []
    page = open_embed(f"{web_app}/embed?model=v2", 700)  # was not exported: the app paints it
    expect_ready(page)
    assert page.evaluate("document.querySelector('kitten-mixer').link().model") == "v2"


def test_a_reader_of_the_page_may_mix_without_the_server(browser, web_app, tmp_path):
    page = browser.new_page(viewport={"width": 1280, "height": 900}, locale="en-US")
    page.goto(web_app)
    expect(page.locator("#mix canvas")).to_have_count(11)
    Image.open(EXAMPLES / "chelsea.jpg").save(tmp_path / "mine.jpg", quality=90)
    page.locator("#more summary").click()
    page.get_by_label("In this browser: no photo leaves your device").check()
    page.wait_for_function("document.querySelector('kitten-morph').store.engine.name === 'local'")
    expect(page.locator("#morph kitten-morph[data-mix=shown]")).to_have_count(1)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.locator("kitten-cat input[type=file]").first.set_input_files(tmp_path / "mine.jpg")
    expect(page.locator("kitten-cat .about").first).to_contain_text("Cat face found.")
    expect(page.locator("#morph kitten-morph[data-mix=shown]")).to_have_count(1)
    assert [url for url in asked if "/web/ask/" in url or "upload" in url] == []
    page.get_by_label("In this browser: no photo leaves your device").uncheck()
    page.wait_for_function("document.querySelector('kitten-morph').store.engine.name === 'remote'")
    expect(page.locator("kitten-cat .about").first).to_contain_text("Cat face found.")
    page.close()


def test_no_frame_stands_alone(open_embed, app_url):
    page = open_embed(f"{app_url}/embed?steps=2", 320)
    for steps in (2, 13, 24):
        page.evaluate(f"document.querySelector('kitten-mixer').setAttribute('steps', '{steps}')")
        expect(page.locator(".frames .show")).to_have_count(steps)
        for width in (320, 700):
            page.set_viewport_size({"width": width, "height": 420})
            assert min(rows_of(page, ".frames .show")) > 1
            assert width < 700 or page.evaluate("document.documentElement.scrollHeight") == 420


def test_a_choice_shows_its_mix_and_the_link_follows(open_embed, app_url):
    page = open_embed(f"{app_url}/embed?a=kitten-05&b=kitten-11&lang=es&path=slerp", 700)
    expect_ready(page)
    page.locator("kitten-cat[side=a] .more").click()
    page.locator("kitten-cat[side=a] .shelf [data-cat=chelsea]").click()
    expect(page.locator("kitten-cat[side=a] .about")).to_contain_text("Gato A · Chelsea")
    page.get_by_role("radio", name="v2").check(force=True)
    link = f"{app_url}/?a=chelsea&b=kitten-11&model=v2&steps=9&path=slerp&lang=es"
    page.wait_for_function("link => document.querySelector('.app').href === link", arg=link)
    page.locator(".frames .show").last.click()
    expect(page.locator("kitten-morph .share")).to_have_text("100 % B")


def test_a_server_that_does_not_answer_is_said_and_asked_again(open_embed, app_url):
    page = open_embed(f"{app_url}/embed?lang=en", 390)
    expect_ready(page)
    page.route("**/web/ask/morph?*", lambda route: route.fulfill(status=429, json={"detail": "busy"}))
    page.get_by_role("radio", name="v2").check(force=True)
    expect(page.locator("kitten-morph[data-mix=failed] .status")).to_contain_text("No answer yet")
    assert page.evaluate("document.querySelector('kitten-mixer').state.model") == "v6"
    page.unroute("**/web/ask/morph?*")
    page.wait_for_function("document.querySelector('kitten-mixer').state.model === 'v2'")
    expect(page.locator("kitten-morph .status")).to_be_empty()
    page.errors.clear()  # the browser tells of the 429 itself


def test_the_small_page_is_light(browser, app_url):
    page = browser.new_page(viewport={"width": 700, "height": 420})
    addresses: dict[str, str] = {}
    sizes: dict[str, int] = {}
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    network.on("Network.responseReceived", lambda e: addresses.update({e["requestId"]: e["response"]["url"]}))
    network.on("Network.loadingFinished", lambda e: sizes.update({e["requestId"]: e["encodedDataLength"]}))
    page.goto(f"{app_url}/embed")
    expect_ready(page)
    page.wait_for_timeout(500)
    sent = [size for key, size in sizes.items() if "/embed" in addresses[key] or "/web/" in addresses[key]]
    assert sum(sent) < 150_000, (len(sent), sum(sent))
    page.close()


def tags_of(page: str) -> dict[str, list[str]]:
    """Every content of each meta tag with a name or a property."""
    found: dict[str, list[str]] = {}
    for name, content in re.findall(r'<meta (?:property|name)="([^"]+)" content="([^"]*)">', page):
        found.setdefault(name, []).append(content.replace("&amp;", "&"))
    return found


@pytest.mark.parametrize("page", ["", "embed"])
@pytest.mark.parametrize(("lang", "title"), [("en", "Kitten Mixer"), ("es", "Mezclador de Gatitos")])
def test_a_link_previews_as_the_mix_it_names(app_url, page, lang, title):
    outside = {"x-forwarded-host": "cats.example", "x-forwarded-proto": "https"}
    answer = httpx.get(f"{app_url}/{page}?a=chelsea&b=kitten-02&model=v2&lang={lang}", headers=outside)
    html = answer.text
    tags = tags_of(html)
    assert re.search(r'<html\s+lang="(\w+)"', html)[1] == lang
    assert tags["og:title"] == [title] and f"<title>{title}</title>" in html
    assert "Chelsea" in tags["og:description"][0] and "v2" in tags["og:description"][0]
    assert tags["twitter:card"] == ["summary_large_image"]
    assert tags["og:url"][0].startswith(f"https://cats.example/{page}?a=chelsea&b=kitten-02&model=v2")
    assert tags["og:image"][0].startswith("https://cats.example/preview.jpg?a=chelsea&b=kitten-02&model=v2")
    assert len(answer.content) == int(answer.headers["content-length"])
    assert not [name for name, contents in tags.items() if len(contents) > 1 or "radio" in contents[0]]


def test_the_preview_is_the_picture_of_the_mix(app_url):
    def ask(query: str) -> Image.Image:
        answer = httpx.get(f"{app_url}/preview.jpg?{query}").raise_for_status()
        assert answer.headers["content-type"] == "image/jpeg" and len(answer.content) < 300_000
        return Image.open(BytesIO(answer.content)).convert("RGB")

    first, hostile = ask(f"a={FIRST_A}&b={FIRST_B}"), ask("a=../../etc&model=v99&steps=-1&path=%00")
    alone = ask(f"a={FIRST_A}&b={FIRST_B}&full=0")
    middles = (np.asarray(one.crop((480, 200, 720, 440)).convert("L"), float) for one in (first, alone))
    sharp, soft = (np.diff(middle).std() for middle in middles)
    assert sharp > 1.5 * soft  # full size, where the photos are there
    assert first.size == (1200, 630) and not ImageChops.difference(first, hostile).getbbox()
    middle, left = (380, 100, 820, 530), (40, 160, 350, 470)
    other = ask(f"a={FIRST_A}&b={FIRST_B}&model=v2")
    assert ImageChops.difference(first.crop(middle), other.crop(middle)).getbbox()
    face = first.crop(left).resize((64, 64), Image.Resampling.BOX).crop((16, 16, 48, 48))
    cat = example_face(FIRST_A).crop((16, 16, 48, 48))
    difference = ImageChops.difference(face, cat).convert("L").resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
    assert difference < 20


def test_mixes_that_are_not_here_are_no_other_mix(app_url):
    for query in ("a=chelsea&b=nobody&model=v6&path=lerp", "a=chelsea&b=kitten-02&model=v9&path=lerp", ""):
        answer = httpx.get(f"{app_url}/web/ask/morph?{query}&lang=es")
        assert answer.status_code == 422 and len(answer.json()["error"]) > 20
    answer = httpx.get(f"{app_url}/web/ask/morph?a=chelsea&b=nobody&model=v6&path=lerp&lang=es")
    assert "recargá la página" in answer.json()["error"]


def test_the_other_data_of_the_page_are_left_alone():
    page = b'<html lang="en"><meta charset="utf-8"><meta property="og:title" content="Gradio">'
    rest = b'window.gradio_config = "<meta property=\\"og:title\\">"'
    ours = with_head(page + rest, "OURS", "es")
    assert ours.startswith(b'<html lang="es"><meta charset="utf-8">') and ours.endswith(b"OURS" + rest)


def test_a_folder_without_a_mixer_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("CATVAE_WEB", str(tmp_path))
    with pytest.raises(SettingError, match="holds no mixer"):
        find_mixer()
    (tmp_path / "mixer.json").write_text("{}")
    assert find_mixer() == tmp_path


@pytest.fixture(scope="module")
def web_app(tmp_path_factory, web_exports):
    """The app beside an exported mixer of v6 and v3."""
    env = {**os.environ, "CATVAE_RATE": "1000", "CATVAE_WEB": str(web_exports["int8"])}
    with running_app(tmp_path_factory.mktemp("app"), env) as url:
        yield url


@pytest.fixture
def open_embed(browser):
    """Opens a small page in a frame's size and fails the test on errors in the browser's console."""
    contexts, errors = [], []

    def open_embed(url: str, width: int) -> Page:
        contexts.append(browser.new_context(viewport={"width": width, "height": 420}, locale="en-US", **CALM))
        page = contexts[-1].new_page()
        page.errors = errors
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(url)
        return page

    yield open_embed
    for context in contexts:
        context.close()
    assert errors == []
