"""The ruler of β, the child's breath and touch, and that all of the page looks like one."""

import os
import re

import pytest
from playwright.sync_api import Page, expect

from catvae import CatVAE, VAEConfig
from catvae.files import BUNDLED, read_json
from catvae.model import by_beta, load_models, save_checkpoint
from catvae.page.theme import ORANGE
from catvae.serving.front import manifest_of, style
from catvae.serving.texts import TEXTS
from tests.conftest import running_app
from tests.page.test_accessibility import STILL
from tests.page.test_page import choose_model, open_more

MODELS = by_beta(*[load_models(BUNDLED)] * 2)
KL = {name: read_json(BUNDLED / name / "metrics.json")["kl"] for name in MODELS}
# what has the focus, through every shadow; of a radio that is not seen itself, its label
FOCUSED = """() => {
  let e = document.activeElement;
  while (e?.shadowRoot?.activeElement) e = e.shadowRoot.activeElement;
  const seen = getComputedStyle(e).opacity === '0' || e.type === 'radio' ? e.closest('label') ?? e : e;
  const {outlineStyle, outlineWidth, outlineColor} = getComputedStyle(seen);
  if (e === document.body) return [null, null];
  return [e.ariaLabel ?? (e.value || e.textContent || e.id), `${outlineStyle} ${outlineWidth} ${outlineColor}`];
}"""
# every text that is seen, with its size
LETTERS = """() => {
  const found = {}, look = root => {
    for (const e of root.querySelectorAll('*')) {
      if (e.shadowRoot) look(e.shadowRoot);
      const text = [...e.childNodes].filter(n => n.nodeType === 3).map(n => n.data.trim()).join('');
      if (text && e.checkVisibility() && e.getBoundingClientRect().width > 1)
        (found[getComputedStyle(e).fontSize] ??= []).push(text);
    }
  };
  look(document.body);
  return found;
}"""


def told(page: Page) -> str:
    return page.locator("kitten-ruler .keeps").inner_text()


def test_the_manifest_tells_what_evaluation_has_measured():
    models = load_models(BUNDLED)
    told = manifest_of(models, {"v6": {"kl": 1342.03}, "v5": {"kl": float("nan")}, "v4": {"psnr": 20.0}})["variants"]
    assert [told[name]["kl"] for name in ("v6", "v5", "v4", "v1")] == [1342.03, None, None, None]


@pytest.mark.parametrize(("language", "nats"), [("en", "1,342 nats"), ("es", "1342 nats")])
def test_a_stop_for_each_model_and_what_it_keeps(open_page, language, nats):
    page, words = open_page(query=f"/?lang={language}"), TEXTS[language]
    stops = page.locator("kitten-ruler label b")
    assert stops.all_inner_texts() == MODELS  # from the smallest β to the largest
    for end in ("remembers_all", "remembers_cat"):
        expect(page.get_by_text(words[end], exact=True)).to_be_visible()
    expect(page.locator("kitten-ruler label", has_text="v7")).to_contain_text(words["sharp"])
    seen = set()
    for name in MODELS:
        choose_model(page, name)
        expect(page.locator("kitten-ruler .keeps")).to_contain_text(re.compile(rf"^{name} · β = "))
        figure = "".join(re.search(r"· ([\d.,]+) nats: ", told(page))[1].split(","))
        assert figure == f"{KL[name]:.0f}"
        assert (words["keeps_invented"] in told(page)) == (name == "v7")
        seen.add(told(page).partition("nats: ")[2])
    assert len(seen) > 4  # models of another rate keep something else
    choose_model(page, "v6")
    expect(page.locator("kitten-ruler .keeps")).to_contain_text(f"{nats}: {words['keeps_markings']}")


def test_arrow_keys_move_along_it_and_the_dropdown_follows_and_leads(open_page):
    page = open_page()
    radio = page.locator("kitten-ruler").get_by_role("radio", name="v6")
    expect(radio).to_be_checked()
    radio.focus()
    for name in ("v5", "v4"):
        page.keyboard.press("ArrowRight")
        expect(page.locator("#model input")).to_have_value(re.compile(f"^{name}"))
        page.wait_for_function("name => document.querySelector('kitten-morph').store.state.model === name", arg=name)
    open_more(page)
    page.locator("#model input").click()
    page.get_by_role("option", name="v2").click()
    expect(page.locator("kitten-ruler").get_by_role("radio", name="v2")).to_be_checked()
    assert told(page).startswith("v2 · β = 2 · 66 nats")


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (390, 844)])
def test_the_open_dropdown_covers_neither_child_nor_cats(open_page, width, height):
    page = open_page(width, height)
    open_more(page)
    page.locator("#model input").click()
    options = page.get_by_role("listbox")
    expect(options).to_be_visible()
    box = options.bounding_box()
    for picture in ("#morph canvas", "kitten-cat[side=a] .face canvas", "kitten-cat[side=b] .face canvas"):
        seen = page.locator(picture).bounding_box()
        assert box["y"] >= seen["y"] + seen["height"], picture


def test_models_of_other_names_stand_in_order_of_beta(browser, own_models_url):
    page = browser.new_page(viewport={"width": 390, "height": 844}, locale="en-US")
    page.goto(own_models_url)
    expect(page.locator("kitten-ruler label b")).to_have_text(["wild", "a-cat-of-my-own", "tame"])
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    choose_model(page, "tame")
    expect(page.locator("#model input")).to_have_value("tame")
    expect(page.locator("kitten-ruler .keeps")).to_have_text("tame")  # no one has measured it
    page.close()


SWAYS = """window.sways = new Set();
setInterval(() => sways.add(document.querySelector('kitten-morph')?.sway), 30)"""
PLACE = "() => { const m = document.querySelector('kitten-morph'); return [m.store.share, m.drawn, m.sway] }"


def test_the_child_breathes_once_until_it_is_touched_and_keeps_its_share(browser, app_url):
    for motion, moves in (("no-preference", True), ("reduce", False)):
        page = browser.new_context(locale="en-US", reduced_motion=motion).new_page()
        page.add_init_script(SWAYS)
        page.goto(app_url)
        expect(page.locator("#morph kitten-morph[data-full=on]")).to_be_visible()
        page.wait_for_function("document.querySelector('kitten-morph').breath === 'over'")
        page.wait_for_timeout(200)
        assert page.evaluate(PLACE) == [0.5, 0.5, 0]
        sways = page.evaluate("[...sways].filter(sway => sway)")
        assert (min(sways) < -0.03 and max(sways) > 0.03) if moves else sways == []
        page.context.close()
    page = browser.new_page(locale="en-US")
    page.goto(app_url)
    page.wait_for_function("document.querySelector('kitten-morph')?.breath === 'on'")
    page.mouse.move(640, 650)
    page.mouse.down()
    assert page.evaluate("document.querySelector('kitten-morph').breath") == "over"
    page.wait_for_function("document.querySelector('kitten-morph').sway === 0")
    assert page.evaluate(PLACE)[0] == 0.5
    page.close()


def test_a_finger_on_the_child_slides_across_and_scrolls_down(browser, app_url):
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto(app_url)
    expect(page.locator("#morph kitten-morph[data-full=on]")).to_be_visible()
    fingers, box = context.new_cdp_session(page), page.locator("#morph canvas").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def swipe(right: float, down: float) -> None:
        fingers.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
        for part in range(1, 11):
            point = {"x": x + right * part / 10, "y": y + down * part / 10}
            fingers.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [point]})
        fingers.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    swipe(0, -200)
    page.wait_for_function("scrollY > 50")
    page.wait_for_timeout(1000)  # it coasts
    assert page.evaluate(PLACE)[0] == 0.5
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_function("scrollY === 0")
    swipe(box["width"] / 4, 0)
    share = page.evaluate(PLACE)[0]
    assert 0.65 < share < 0.76 and page.evaluate("scrollY") == 0
    context.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_one_ring_of_focus_and_four_sizes_of_letters(open_page, theme):
    page = open_page(query=f"/?__theme={theme}")
    page.add_style_tag(content=STILL)
    page.evaluate("document.querySelector('#more details').open = true")
    rings, stops = {}, []
    for _ in range(60):
        page.keyboard.press("Tab")
        name, ring = page.evaluate(FOCUSED)
        if not name:
            break
        stops.append(name)
        rings.setdefault(ring, []).append(name)
    assert len(rings) == 1 and next(iter(rings)).startswith("solid 3px"), rings
    first = [
        next(i for i, stop in enumerate(stops) if stop == text or (text in stop and text != "Mix"))
        for text in (
            "Skip to the mix",
            "Mix",
            "Use my photo as Cat A",
            "Adjust the square of Cat A",
            "Morph from",
            "More:",
        )
    ]
    assert first == sorted(first) and first[0] == 0  # the way in before what mends it
    if theme == "dark":
        return  # letters are those of the light theme
    for tab in ("Mix", "Compare β", "Explore", "Understand"):
        page.get_by_role("tab", name=tab, exact=True).click()
        page.wait_for_timeout(1500)  # until what it shows has come
        letters = page.evaluate(LETTERS)
        told = {size: texts[:5] for size, texts in letters.items()}
        assert set(letters) <= {"12px", "14px", "16px", "22px"}, (tab, told)


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_the_one_orange_is_read_on_every_ground():
    colours = dict(re.findall(r"--(\w[\w-]*): light-dark\(([^)]+)\)", style("mixer.css")))
    pairs = {name: [colour.strip() for colour in value.split(",")] for name, value in colours.items()}
    assert pairs["accent"] == [ORANGE.c700, ORANGE.c400] and ORANGE.c500 == ORANGE.c600 == ORANGE.c700
    for scheme in (0, 1):
        for ground in ("page", "card", "paper", "tint"):
            for ink in ("accent", "ink", "soft"):
                low, high = sorted(luminance(pairs[name][scheme]) for name in (ink, ground))
                assert (high + 0.05) / (low + 0.05) >= 4.5, (ink, ground, scheme)
        low, high = sorted(luminance(pairs[name][scheme]) for name in ("accent", "accent-ink"))
        assert (high + 0.05) / (low + 0.05) >= 4.5


@pytest.fixture(scope="module")
def own_models_url(tmp_path_factory):
    """The app on three untrained models of names of their own, that no one has measured."""
    folder = tmp_path_factory.mktemp("own")
    for name, beta in (("tame", 4.0), ("wild", 0.001), ("a-cat-of-my-own", 0.1)):
        save_checkpoint(folder / name, CatVAE(VAEConfig(channels=(3, 8, 8), latent_dim=6)), beta, {"psnr": 20.0})
    env = {**os.environ, "CATVAE_RATE": "1000", "CATVAE_CHECKPOINTS": str(folder)}
    with running_app(tmp_path_factory.mktemp("app"), env) as url:
        yield url
