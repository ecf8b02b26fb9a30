import re
import shutil
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qsl, urlsplit

import pytest
from playwright.sync_api import expect

from catvae.files import EXAMPLES, example_cats
from catvae.serving.links import (
    CATS,
    State,
    app_address,
    app_link,
    cat_title,
    example_name,
    iframe,
    read_state,
    web_component,
)
from catvae.serving.texts import TEXTS
from tests.conftest import ROOT, draw_cat
from tests.page.test_page import choose_cat, choose_model, expect_other_frames, frames, open_more

PROXY = {"x-forwarded-host": "cats.example, inner", "x-forwarded-proto": "https,http"}
BLOG = ROOT / "examples" / "blog"


def test_a_link_says_what_it_was_made_of():
    for state in (State("chelsea", "kitten-16", "v2", 24), State(path="slerp")):
        assert read_state(dict(parse_qsl(urlsplit(app_link("http://x", state)).query))) == state


@pytest.mark.parametrize("key", ["a", "b"])
@pytest.mark.parametrize(
    "value",
    [
        "",
        "kitten-99",
        "KITTEN-01",
        "../README",
        "/etc/passwd",
        "kitten-01.png",
        "blog",
        "\0",
        "<b>",
        "a" * 10**6,
        None,
        ["x"],
    ],
)
def test_a_cat_that_is_no_example_is_the_default(key, value):
    assert read_state({key: value}) == State()


@pytest.mark.parametrize(
    "value", ["1", "25", "-3", "9.0", " 5", "1e1", "٩", "nan", "inf", "0x9", "9" * 10_000, "", None, True]
)
def test_steps_out_of_range_are_the_default(value):
    assert read_state({"steps": value}) == State()


@pytest.mark.parametrize("value", ["v0", "v8", "V6", "", "v6/../v5", None])
def test_an_unknown_model_is_the_default(value):
    assert read_state({"model": value}) == State()


@pytest.mark.parametrize("value", ["", "arc", "SLERP", "__class__", None])
def test_an_unknown_path_is_the_straight_one(value):
    assert read_state({"path": value}) == State()


def test_what_is_right_is_taken_beside_what_is_wrong():
    assert read_state({"a": "../x", "b": "chelsea", "steps": "2", "model": "?", "more": "1"}) == State(
        b="chelsea", steps=2
    )


def test_only_an_example_by_name_and_content_has_a_name(tmp_path):
    assert example_name(example_cats()[0]) == "naranja"
    draw_cat(1).save(tmp_path / "kitten-01.png")
    assert example_name(str(tmp_path / "kitten-01.png")) is None
    shutil.copy(EXAMPLES / "kitten-02.png", tmp_path / "mine.png")
    assert example_name(str(tmp_path / "mine.png")) is None
    assert example_name(None) is None
    assert example_name(str(tmp_path / "gone" / "kitten-01.png")) is None


@pytest.mark.parametrize(
    ("url", "headers", "root", "address"),
    [
        ("http://127.0.0.1:7860/", {}, "", "http://127.0.0.1:7860"),
        ("http://host/cats/", {}, "", "http://host/cats"),
        ("http://10.0.0.1/", PROXY, "", "https://cats.example"),
        ("http://10.0.0.1/", PROXY, "/cats", "https://cats.example/cats"),
        ("http://10.0.0.1/cats/", PROXY, "/cats/", "https://cats.example/cats"),
        ("http://10.0.0.1/catsup/", PROXY, "/cats", "https://cats.example/cats/catsup"),
        ("http://10.0.0.1/", {}, "https://cats.example/cats", "https://cats.example/cats"),
    ],
)
def test_the_address_is_the_one_visitors_use(url, headers, root, address, monkeypatch):
    assert app_address(url, headers, root) == address
    monkeypatch.setenv("SPACE_HOST", "owner-cats.hf.space")
    assert app_address(url, headers, root) == "https://owner-cats.hf.space"


def test_the_link_reopens_what_the_page_shows(open_page, app_url):
    page = open_page(query="/")
    page.get_by_text("Share and embed").click()
    link = page.locator("#share textarea").first
    expect(page.locator("#share .iframe")).to_have_value(
        re.compile(
            r'^<iframe src="http://[^"]*/embed\?a=naranja&amp;b=luna&amp;model=v6&amp;steps=9"'
            r' title="Kitten Mixer" '
        )
    )
    expect(page.locator("#share .app")).to_have_value(re.compile(r'<gradio-app src="http://[^"/]*"></gradio-app>$'))
    assert page.locator("#share .iframe").input_value() == iframe(app_url, State())  # as publish-space prints them
    assert page.locator("#share .app").input_value() == web_component(app_url)
    names = page.evaluate(
        "async names => { const {nameOf} = await import('/web/cats.js');"
        " const {default: words} = await import('/web/words.js');"
        " return Object.keys(words).map(code => names.map(name => nameOf(name, words[code]))); }",
        list(CATS),
    )
    assert names == [[cat_title(name, words) for name in CATS] for words in TEXTS.values()]
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy: Link to this mix").click()
    assert page.evaluate("navigator.clipboard.readText()") == link.input_value()
    expect(link).to_have_value(re.compile(r"/\?a=naranja&b=luna&model=v6&steps=9$"))

    before = frames(page)
    choose_cat(page, "chelsea")
    expect_other_frames(page, before)
    choose_model(page, "v2")
    open_more(page)
    page.get_by_role("spinbutton").first.fill("4")
    page.get_by_role("spinbutton").first.press("Enter")
    expect(link).to_have_value(re.compile(r"/\?a=chelsea&b=luna&model=v2&steps=4$"))
    expect(page.locator("#mix canvas")).to_have_count(6)
    before = frames(page)
    page.get_by_label("Arc").click()
    expect_other_frames(page, before)
    expect(link).to_have_value(re.compile(r"&steps=4&path=slerp$"))
    shown = frames(page)

    page.goto(link.input_value())
    expect(page.locator("#mix canvas")).to_have_count(6)
    for _ in range(100):
        if frames(page) == shown:
            break
        page.wait_for_timeout(100)
    assert frames(page) == shown
    expect(page.get_by_role("button", name="Adjust the square of Cat A")).to_be_visible()  # as after a click on Chelsea


def test_a_hostile_link_opens_the_fresh_page(open_page):
    page = open_page(query="/?a=../../etc/passwd&b=%3Cscript%3E&model=v9&steps=99999999999")
    page.get_by_text("Share and embed").click()
    expect(page.locator("#share textarea").first).to_have_value(re.compile(r"a=naranja&b=luna&model=v6&steps=9$"))


def test_an_uploaded_photo_is_in_no_link(open_page, tmp_path):
    page = open_page(locale="es-ES", query="/?lang=es")
    draw_cat(1).save(tmp_path / "kitten-01.png")  # named as an example
    page.locator("kitten-cat input[type=file]").first.set_input_files(tmp_path / "kitten-01.png")
    page.get_by_text("Compartir e insertar").click()
    expect(page.locator("#share")).to_contain_text("tus fotos son privadas. Fuera del enlace: Gato A.")
    expect(page.locator("#share textarea").first).to_have_value(re.compile(r"^http://[^?]*/\?lang=es$"))
    assert "kitten-01" not in page.locator("#share").inner_text()


@pytest.fixture(scope="module")
def blog_url():
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args) -> None:
            pass

        def do_GET(self) -> None:
            if not self.path.startswith("/mixer/"):
                return super().do_GET()
            self.send_response(
                200
            )  # the mixer of the browser is exported and tested elsewhere: here a module of nothing
            self.send_header("Content-Type", "text/javascript")
            self.end_headers()

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=BLOG)) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(
    ("file", "locale", "label", "theme"),
    [("index.html", "en-US", "Gato A", "light"), ("en.html", "es-ES", "Cat A", "dark")],
)
def test_the_post_shows_the_small_page_in_its_language_and_theme(
    open_page, app_url, blog_url, file, locale, label, theme
):
    page = open_page(1000, 800, locale)
    page.goto(f"{blog_url}/{file}?app={app_url}&theme={theme}")
    page.locator("iframe").first.scroll_into_view_if_needed()
    frame = page.frame_locator("iframe").first
    expect(frame.locator(".frames canvas")).to_have_count(9)
    expect(frame.get_by_text(label).first).to_be_visible()
    assert frame.locator("html").evaluate("html => getComputedStyle(html).colorScheme") == theme
    size = "[innerWidth, innerHeight, document.documentElement.scrollWidth, document.documentElement.scrollHeight]"
    assert frame.locator("body").evaluate(size) == [700, 420, 700, 420]

    frame.locator("kitten-cat[side=a] .more").click()
    frame.locator("kitten-cat[side=a] .shelf [data-cat=kitten-03]").click()
    link = re.compile(r"/\?a=kitten-03&b=luna&model=v6&steps=9&full=0&lang=")
    expect(frame.get_by_role("link")).to_have_attribute("href", link)

    page.locator(".app").scroll_into_view_if_needed()
    expect(page.locator("gradio-app #mix canvas")).to_have_count(11)


def test_the_post_stands_without_the_app(browser, blog_url):
    page = browser.new_page()
    page.goto(f"{blog_url}/en.html?app=http://127.0.0.1:9")
    expect(page.locator(".app")).to_have_count(0)
    expect(page.get_by_role("link", name="open it on its own page")).to_have_attribute("href", "http://127.0.0.1:9")
    page.close()
