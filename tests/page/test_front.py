"""The first screen, both languages, and that the page never passes one mix off as another."""

import re

import pytest
from playwright.sync_api import expect

from catvae.serving.texts import TEXTS
from tests.conftest import CALM, draw_cat
from tests.page.test_page import choose_model, expect_other_frames, frames, open_more

FIRST_SCREEN = ("kitten-cat[side=a] .face canvas", "kitten-cat[side=b] .face canvas", "#morph canvas")
FIRST_SCREEN += ("#morph .slider", "kitten-ruler .models")
PICTURE = "canvas => canvas.toDataURL()"
SAID = r"""
window.said = [];
const key = /\b(common|errors)\.\w/;
new MutationObserver(changes => {
  const texts = changes.flatMap(({target, addedNodes}) => target.data ?? [...addedNodes].map(node => node.textContent));
  said.push(...texts.filter(text => key.test(text) && text.length < 200));  // no script
}).observe(document, {subtree: true, childList: true, characterData: true});
"""
SHIFT = """
window.shift = 0;
new PerformanceObserver(list => { for (const entry of list.getEntries()) shift += entry.value; })
  .observe({type: 'layout-shift', buffered: true});
"""


@pytest.mark.parametrize(
    ("width", "height", "side", "seen", "locale"),
    [
        (1280, 720, 480, 6, "en-US"),
        (1280, 720, 480, 6, "es-AR"),
        (1920, 1080, 576, 6, "en-US"),
        (390, 844, 374, 6, "es-AR"),
        (360, 640, 344, 3, "es-AR"),
    ],
)
def test_the_child_is_the_page_and_what_is_needed_is_seen_without_scrolling(
    open_page, width, height, side, seen, locale
):
    page = open_page(width, height, locale, "/", init=SHIFT)
    expect(page.locator("#morph kitten-morph[data-full=on]")).to_be_visible()
    child = page.locator("#morph canvas").bounding_box()
    assert child["width"] == child["height"] == side
    first = (*FIRST_SCREEN, "#mix [data-save=send]")[:seen]
    boxes = [page.locator(selector).bounding_box() for selector in first]
    assert all(box and box["x"] >= 0 and box["x"] + box["width"] <= width for box in boxes)
    assert all(box["y"] >= 0 and box["y"] + box["height"] <= height for box in boxes)
    areas = [box["width"] * box["height"] for box in boxes]
    assert max(areas[:3]) == areas[2]  # the child is the largest
    tops = {box["y"] for box in boxes[:2]} | ({child["y"]} if width > height else set())
    assert len(tops) == 1  # the pictures begin at one height
    assert page.evaluate("document.documentElement.scrollWidth") == width
    expect(page.get_by_text(TEXTS[locale[:2]]["header"].split("|")[1])).to_be_in_viewport(ratio=1)
    assert page.evaluate("shift") < 0.05  # nothing jumps away while the page comes together
    if width == 1280:
        left = ("h1", "kitten-cat[side=a] .face canvas", "kitten-cat[side=a] .use")
        assert len({round(page.locator(part).first.bounding_box()["x"]) for part in left}) == 1
        send, surprise = (
            page.locator(part).bounding_box() for part in ("#mix [data-save=send]", "kitten-send .surprise")
        )
        assert (send["y"], send["height"]) == (surprise["y"], surprise["height"])
        assert page.locator("button.main:visible").count() == 1  # one button is asked for
        tops = page.locator("#mix canvas").evaluate_all("all => all.map(one => one.getBoundingClientRect().top)")
        assert len(tops) == 11 and len(set(tops)) == 1
        page.set_viewport_size({"width": 700, "height": 720})
        own = page.locator("kitten-cat[side=a] .own button:visible")
        tops = own.evaluate_all("all => all.map(one => one.getBoundingClientRect().top)")
        assert len(set(tops)) == 1


def test_the_cats_fold_away_where_they_are_not_mixed(open_page):
    page = open_page()
    for tab, morph, cats in (("Compare β", False, True), ("Explore", False, False), ("Mix", True, True)):
        page.get_by_role("tab", name=tab).click()
        expect(page.locator("#morph")).to_be_visible(visible=morph)
        expect(page.locator("#cats")).to_be_visible(visible=cats)


def test_a_keyboard_skips_to_the_mix(open_page):
    page = open_page()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#morph .slider")).to_be_focused()


def test_the_switch_changes_every_word_in_place_and_keeps_what_is_chosen(open_page, tmp_path):
    page = open_page(query="/?model=v2&full=0", init=SAID)
    draw_cat(1).resize((200, 160)).save(tmp_path / "mine.png")
    before = frames(page)
    page.locator("kitten-cat input[type=file]").first.set_input_files(tmp_path / "mine.png")
    expect_other_frames(page, before)
    other = page.locator("kitten-cat[side=b]")
    other.locator(".rename").click()
    other.locator("input.name").fill("Mishka")
    other.locator("input.name").press("Enter")
    face = page.locator("kitten-cat .face canvas").first
    mine, loaded = face.evaluate(PICTURE), page.evaluate("performance.timeOrigin")

    page.get_by_role("link", name="ES").click()
    expect(page.get_by_role("tab", name="Comparar β")).to_be_visible()
    expect(page.get_by_role("button", name="Usar mi foto como Gato A")).to_be_visible()
    expect(page.locator("#model input")).to_have_value(re.compile("v2 · β = 2 · los más suaves"))
    expect(page.locator("#weights")).to_contain_text("Pesos")
    assert "lang=es" in page.url and page.evaluate("document.documentElement.lang") == "es"
    assert page.evaluate("performance.timeOrigin") == loaded and face.evaluate(PICTURE) == mine
    said = page.locator("body").inner_text()
    assert not [word for word in ("Steps", "Straight", "Save", "Compare", "complete") if word in said]
    assert page.evaluate("window.said") == []  # nor do screen readers hear a key of Gradio's
    open_more(page)
    expect(page.get_by_role("slider", name="Pasos", exact=True)).to_have_count(1)
    page.get_by_role("tab", name="Entender").click()
    expect(page.locator("#results")).to_contain_text("0,005")
    page.get_by_role("tab", name="Mezclar").click()

    page.reload()  # photos and all are still there
    expect(page.get_by_role("tab", name="Comparar β")).to_be_visible()
    expect(page.locator("#model input")).to_have_value(re.compile("v2 · β = 2 · los más suaves"))
    expect(page.locator("kitten-cat .about").first).to_contain_text("No se encontró")
    expect(other.locator(".about")).to_contain_text("Mishka")
    assert face.evaluate(PICTURE) == mine
    assert page.get_by_role("link", name="ES").get_attribute("aria-current") == "true"


def test_without_the_network_the_language_changes_and_the_photo_stays(open_page, tmp_path):
    page = open_page(query="/?full=0")
    draw_cat(1).resize((200, 160)).save(tmp_path / "mine.png")
    before = frames(page)
    page.locator("kitten-cat input[type=file]").first.set_input_files(tmp_path / "mine.png")
    expect_other_frames(page, before)
    face = page.locator("kitten-cat .face canvas").first
    mine, loaded = face.evaluate(PICTURE), page.evaluate("performance.timeOrigin")
    page.errors.append("ERR_INTERNET_DISCONNECTED")
    page.context.set_offline(True)
    try:
        page.get_by_role("link", name="ES").click()
        expect(page.get_by_role("button", name="Usar mi foto como Gato A")).to_be_visible()
        page.wait_for_timeout(1000)
        assert page.evaluate("performance.timeOrigin") == loaded and face.evaluate(PICTURE) == mine
        assert "onnection" not in page.locator("body").inner_text()
    finally:
        page.context.set_offline(False)


STORAGE_REFUSED = """
for (const name of ['sessionStorage', 'localStorage', 'indexedDB'])
  Object.defineProperty(window, name, {get() { throw new DOMException('refused', 'SecurityError'); }});
"""


def test_where_storage_is_refused_links_and_languages_work(browser, app_url):
    page = browser.new_page(locale="en-US", **CALM)  # Gradio tells of it in the console
    page.add_init_script(STORAGE_REFUSED)
    page.goto(f"{app_url}/?model=v2&a=chelsea&steps=4")
    expect(page.locator("#mix canvas")).to_have_count(6)
    expect(page.locator("#model input")).to_have_value(re.compile("^v2"))
    expect(page.locator("kitten-cat .about").first).to_contain_text("Chelsea")
    page.get_by_role("link", name="ES").click()
    expect(page.get_by_role("tab", name="Comparar β")).to_be_visible()
    expect(page.locator("kitten-cat .about").first).to_contain_text("Chelsea, un gato real")
    page.close()


def test_steps_that_cannot_be_are_said_over_the_mix_before(open_page):
    page = open_page()
    open_more(page)
    before = frames(page)
    steps, status = page.get_by_role("spinbutton").first, page.locator("#morph .status")
    for wrong in ("9.5", "500"):
        steps.fill(wrong)
        steps.press("Enter")
        expect(status).to_have_text("The number of steps must be a whole number from 2 to 24.")
        expect(page.locator("#mix [data-mix=refused]")).to_have_count(1)
    expect(page.locator("#mix .frames")).to_have_css("opacity", "0.3")
    assert frames(page) == before

    steps.fill("4")
    steps.press("Enter")
    expect(page.locator("#mix canvas")).to_have_count(6)
    expect(status).to_have_text("")
    expect(page.locator("#mix .frames")).to_have_css("opacity", "1")


def test_what_gets_no_answer_is_asked_for_again(browser, app_url):
    page = browser.new_page(locale="en-US", **CALM)  # whose console tells of the fault
    page.goto(app_url)
    expect(page.locator("#mix canvas")).to_have_count(11)
    for status, model in ((429, "v2"), (500, "v4"), ("no line", "v5")):
        before, broken = frames(page), [True]

        def answer(route, *, status=status, broken=broken):
            if not broken:
                route.continue_()
            elif status == "no line":
                route.abort()
            else:
                route.fulfill(status=status, json={"detail": "no", "error": "no"})

        page.route("**/web/ask/morph*", answer)
        choose_model(page, model)
        expect(page.locator("#morph [data-mix=failed] .status")).to_contain_text("No answer yet")
        assert frames(page) == before
        broken.clear()
        expect_other_frames(page, before)
        expect(page.locator("#morph .status")).to_have_text("")
        page.unroute("**/web/ask/morph*")
    page.close()


def test_the_first_visit_is_light_and_loads_no_player(browser, app_url):
    page = browser.new_page(locale="en-US", **CALM)
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    asked: dict[str, str] = {}
    sizes: dict[str, int] = {}
    network.on("Network.responseReceived", lambda e: asked.update({e["requestId"]: e["response"]["url"]}))
    network.on("Network.loadingFinished", lambda e: sizes.update({e["requestId"]: e["encodedDataLength"]}))
    page.goto(app_url)
    expect(page.locator("#mix canvas")).to_have_count(11)
    page.wait_for_timeout(2000)
    urls = [url for url in asked.values() if not url.startswith("data:")]
    assert len(urls) <= 110 and sum(sizes.values()) <= 900_000, (len(urls), sum(sizes.values()))
    assert not [url for url in urls if "hls" in url]
    page.close()


def test_what_is_chosen_is_marked_in_forced_colours(browser, app_url):
    page = browser.new_context(locale="en-US", forced_colors="active").new_page()
    page.goto(app_url)
    expect(page.locator("#mix canvas")).to_have_count(11)
    open_more(page)
    width = "element => parseFloat(getComputedStyle(element).outlineWidth)"
    for chosen in ("[role=tab][aria-selected=true]", "#path label:has(:checked)", "kitten-cat [aria-pressed=true]"):
        assert page.locator(chosen).locator("visible=true").first.evaluate(width) >= 3, chosen
    assert page.locator("#steps input[type=range]").evaluate(width) >= 1
    ground = "all => all.map(one => getComputedStyle(one).backgroundColor)"
    grounds = page.locator("kitten-ruler label").evaluate_all(ground)
    assert sorted(map(grounds.count, set(grounds))) == [1, len(grounds) - 1]  # the chosen model has another one
    page.context.close()
