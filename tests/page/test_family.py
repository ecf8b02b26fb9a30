"""Names of cats, and children that become parents."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from catvae.serving.texts import TEXTS

WORDS = TEXTS["en"]
STORE = "globalThis[Symbol.for('kitten-mixer')].get(document)"
LINK = "#share kitten-share textarea.link"


def shown(page: Page) -> None:
    page.wait_for_function(f"{STORE}.status.kind === 'shown' && !{STORE}.next && {STORE}.fullness === 'on'")


def call(page: Page, side: str, name: str) -> None:
    card = page.locator(f"kitten-cat[side={side}]")
    card.get_by_role("button", name=re.compile("^Name of")).click()
    field = card.locator("input.name")
    expect(field).to_be_focused()
    field.fill(name)
    field.press("Enter")
    expect(field).to_be_hidden()


def test_a_name_goes_with_the_cat_its_files_and_its_link(open_page):
    page = open_page(query="/")
    shown(page)
    call(page, "a", " Señor  Bigotes <b>& Cía")
    name = "Señor Bigotes <b>& Cía"
    expect(page.locator("kitten-cat[side=a] .about")).to_contain_text(name)
    expect(page.locator("kitten-send .main")).to_contain_text(f"{name} + Luna")
    page.locator("#share kitten-share summary").click()
    query = parse_qs(urlsplit(page.locator(LINK).input_value()).query)
    assert query["name-a"] == [name] and "name-b" not in query
    page.evaluate(f"{STORE}.pngSide = 64")
    with page.expect_download() as download:
        page.evaluate(f"import('/web/saving.js').then(module => module.save({STORE}, 'face'))")
    assert download.value.suggested_filename == "señor-bigotes-b-cía-luna-v6-50.png"

    other = open_page(query=f"/?name-a={'Michi' * 9}&name-b=%20%0A")
    shown(other)
    expect(other.locator("kitten-cat[side=a] .about")).to_contain_text(("Michi" * 9)[:24] + ",")
    expect(other.locator("kitten-cat[side=b] .about")).to_contain_text("Luna")
    call(other, "a", "")
    expect(other.locator("kitten-cat[side=a] .about")).to_contain_text("Naranja")


def test_escape_leaves_the_name_as_it_was(open_page):
    page = open_page(query="/")
    shown(page)
    card = page.locator("kitten-cat[side=b]")
    card.get_by_role("button", name=re.compile("^Name of")).click()
    card.locator("input.name").fill("Nadie")
    card.locator("input.name").press("Escape")
    expect(card.locator(".about")).to_contain_text("Luna")
    expect(card.get_by_role("button", name=re.compile("^Name of"))).to_be_focused()


@pytest.mark.parametrize("full", [True, False])
def test_the_child_becomes_a_parent_and_the_family_leads_back(open_page, full):
    page = open_page(query="/?a=naranja&b=luna" + ("" if full else "&full=0"))
    if full:
        shown(page)
    picture = "canvas => canvas.toDataURL()"
    page.evaluate(f"{STORE}.slide(0.25)")
    page.get_by_role("button", name=WORDS["breed"]).click()
    card = page.locator("kitten-cat[side=a]")
    expect(card.locator(".about")).to_contain_text(f"Narana, {WORDS['cats_child']}")
    expect(page.locator("kitten-cat[side=b] .about")).not_to_contain_text("Luna")
    page.wait_for_function(f"{STORE}.status.kind === 'shown' && !{STORE}.next")
    if full:
        shown(page)
        assert page.evaluate(f"{STORE}.scene.parts.painted[0]") is False  # the child has fur
        assert page.evaluate(f"{STORE}.scene.parts.photos[0].width") > 200
    page.evaluate(f"{STORE}.slide(0)")
    child = card.locator("canvas").first.evaluate(picture)
    (way,) = page.locator("kitten-family button").all()
    assert way.get_attribute("aria-label") == WORDS["family_back"].format(a="Naranja", b="Luna", percent=25)
    way.click()
    expect(card.locator(".about")).to_contain_text("Naranja")
    expect(page.locator("kitten-cat[side=b] .about")).to_contain_text("Luna")
    assert page.evaluate(f"{STORE}.share") == 0.25 and card.locator("canvas").first.evaluate(picture) != child
    expect(page.locator("kitten-family button")).to_have_count(0)


def test_a_named_example_keeps_its_name_when_its_photo_is_opened(open_page):
    page = open_page(query="/")
    shown(page)
    call(page, "a", "Misu")
    card = page.locator("kitten-cat[side=a]")
    card.locator(".adjust").click()
    expect(card.locator("dialog.cutting")).to_be_visible()
    expect(card.locator(".about")).to_contain_text("Misu")
    page.keyboard.press("Escape")
    expect(card.locator(".about")).to_contain_text("Misu")


def test_names_go_with_the_small_page_too(browser, app_url):
    page = browser.new_page()
    page.goto(f'{app_url}/embed?name-a=Misu"><b>')
    expect(page.locator("kitten-cat[side=a] .about")).to_contain_text('Misu"><b>')
    page.close()


def test_a_film_is_saved_under_the_name_of_now(open_page):
    page = open_page(query="/")
    shown(page)
    for name, file in (("", "naranja-luna-v6.gif"), ("Misu", "misu-luna-v6.gif")):
        if name:
            call(page, "a", name)
        with page.expect_download() as download:
            page.evaluate(f"import('/web/saving.js').then(module => module.save({STORE}, 'gif'))")
        assert download.value.suggested_filename == file
