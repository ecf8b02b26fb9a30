"""Every view of the page under axe-core, the checker that browsers' own tools use."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from catvae.serving.texts import TEXTS

DESKTOP, PHONE = (1280, 900), (360, 740)
STILL = "*, ::before, ::after { transition: none !important; animation: none !important; }"  # colours half-way fade


def find_barriers(page: Page, view: str, node_modules: Path, sizes: tuple) -> list[str]:
    """What axe finds of impact serious or critical on screens of these sizes, in words."""
    page.add_style_tag(content=STILL)
    page.evaluate((node_modules / "axe-core" / "axe.min.js").read_text())
    barriers = []
    for width, height in sizes:
        page.set_viewport_size({"width": width, "height": height})
        for rule in page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]:
            if rule["impact"] in ("serious", "critical"):
                barriers += [f"{view} {width}: {rule['id']} {node['html']}" for node in rule["nodes"]]
    return barriers


@pytest.mark.parametrize(
    ("theme", "language", "sizes"), [("light", "es", (DESKTOP, PHONE)), ("dark", "en", (PHONE,))], ids=["es", "en"]
)
def test_no_view_has_serious_barriers(open_page, app_url, node_modules, theme, language, sizes):
    page, words = open_page(query=f"/?__theme={theme}&lang={language}"), TEXTS[language]
    page.locator("#more summary").click()
    page.get_by_role("spinbutton").fill("4")
    page.get_by_role("spinbutton").press("Enter")
    expect(page.get_by_role("button", name="33 % B", exact=True)).to_be_visible()
    barriers = find_barriers(page, "mix", node_modules, sizes)
    for key in ("all_cats_as", "adjust_cat"):
        name = words[key].partition("{count}")[0].format(cat=words["cat_a"]).strip()
        page.get_by_role("button", name=name).click()
        expect(page.get_by_role("dialog", name=name)).to_be_visible()
        barriers += find_barriers(page, name, node_modules, sizes)
        page.keyboard.press("Escape")
    for tab, shown in (("compare", "#compare table"), ("explore", "#map svg"), ("understand", "#lesson canvas")):
        page.get_by_role("tab", name=words[f"tab_{tab}"]).click()
        if tab == "understand":  # its figures are drawn when they are seen
            page.locator("kitten-lesson[kind=kept]").scroll_into_view_if_needed()
        expect(page.locator(shown).first).to_be_visible()
        barriers += find_barriers(page, tab, node_modules, sizes)
    page.get_by_text(words["sharing"]).click()
    expect(page.locator("#share textarea").first).to_have_value(re.compile("http"))
    barriers += find_barriers(page, "share", node_modules, sizes)
    page = page.context.new_page()
    page.goto(f"{app_url}/embed?theme={theme}&lang={language}")
    expect(page.locator(".frames canvas")).to_have_count(9)
    barriers += find_barriers(page, "embed", node_modules, sizes)
    assert not barriers, "\n".join(barriers)
