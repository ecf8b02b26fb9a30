"""The mixer without a server where browsers, servers and readers do what is not usual."""

import shutil
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from catvae.files import EXAMPLES
from catvae.serving.front import WEB
from catvae.serving.texts import TEXTS
from tests.conftest import CALM
from tests.web_server import serving

MIXER = "document.querySelector('kitten-mixer')"
OLD_WORKER = """
const NAME = `kitten-mixer-page ${registration.scope} old`;
self.addEventListener("install", event => event.waitUntil((async () => {
  await (await caches.open(NAME)).add(new Request("./", {cache: "no-cache"}));
  await skipWaiting();
})()));
self.addEventListener("activate", event => event.waitUntil(clients.claim()));
self.addEventListener("fetch", event => {
  if (event.request.mode === "navigate") event.respondWith(caches.open(NAME).then(store => store.match("./")));
});
"""
NOISE = """
const read = CanvasRenderingContext2D.prototype.getImageData;
CanvasRenderingContext2D.prototype.getImageData = function (...where) {
  const pixels = read.apply(this, where);
  for (let i = 0; i < pixels.data.length; i++) if (i % 4 < 3) pixels.data[i] = 255 * Math.random();
  return pixels;
};
"""


def expect_ready(page: Page, model: str = "") -> None:
    expect(page.locator(f"kitten-mixer[data-state=ready]{model}")).to_have_count(1)


@pytest.fixture
def root(web_exports, tmp_path) -> Path:
    """A site whose root is a mixer, with a post, another file, and a second mixer further down."""
    shutil.copytree(web_exports["int8"], tmp_path / "site")
    (tmp_path / "site" / "blog").mkdir()
    (tmp_path / "site" / "blog" / "post.html").write_text("<!doctype html><title>Post</title><h1>About cats</h1>")
    (tmp_path / "site" / "notes.txt").write_text("plain notes")
    shutil.copytree(web_exports["int8"], tmp_path / "site" / "deep")
    return tmp_path / "site"


def controlled(page: Page) -> None:
    page.wait_for_function("navigator.serviceWorker.controller")


def test_the_worker_answers_for_its_own_page_alone(browser: Browser, root):
    context = browser.new_context(locale="en-US", **CALM)
    page = context.new_page()
    with serving(root) as site:
        page.goto(site.url)
        expect_ready(page)
        controlled(page)
        page.goto(f"{site.url}/blog/post.html")
        expect(page.get_by_role("heading", name="About cats")).to_be_visible()
        assert "plain notes" in page.goto(f"{site.url}/notes.txt").text()
        assert page.goto(f"{site.url}/nowhere").status == 404
    for path in ("/", "/index.html?a=chelsea"):  # without the network
        page.goto(f"{site.url}{path}")
        expect_ready(page)
    context.close()


def test_a_worker_that_answered_for_the_whole_site_repairs_itself(browser: Browser, root):
    new = (root / "sw.js").read_text()
    (root / "sw.js").write_text(OLD_WORKER)
    context = browser.new_context(locale="en-US", **CALM)
    page = context.new_page()
    with serving(root) as site:
        page.goto(site.url)
        controlled(page)
        page.goto(f"{site.url}/blog/post.html")
        expect(page.locator("kitten-mixer")).to_have_count(1)  # the post is hidden
        (root / "sw.js").write_text(new)
        heading = page.get_by_role("heading", name="About cats")
        for _ in range(12):  # a visit looks for a newer worker, the next one has it; often the first is shown anew
            page.goto(f"{site.url}/blog/post.html")
            with suppress(AssertionError):
                expect(heading).to_be_visible(timeout=8000)
                break
            # a busy browser's own look comes late
            workers = page.evaluate("""async () => {
                const found = await navigator.serviceWorker.getRegistration();
                await found?.update();
                return [found?.installing?.state, found?.waiting?.state, found?.active?.state]; }""")
        else:
            pytest.fail(f"{workers}")
    context.close()


def test_an_upper_mixer_leaves_alone_what_a_lower_one_keeps(browser: Browser, root):
    context = browser.new_context(locale="en-US", **CALM)
    page = context.new_page()
    kept = """async () => { const names = await caches.keys(), urls = [];
        for (const name of names) for (const {url} of await (await caches.open(name)).keys()) urls.push(url);
        return urls.filter(url => url.includes('/deep/')).sort(); }"""
    with serving(root) as site:
        page.goto(f"{site.url}/deep/")
        expect_ready(page)
        controlled(page)
        before = page.evaluate(kept)
        assert any("v6/decoder" in url for url in before) and f"{site.url}/deep/" in before  # networks, and its page
        page.goto(site.url)
        expect_ready(page)
        controlled(page)
        page.wait_for_timeout(500)
        assert set(before) <= set(page.evaluate(kept))
    context.close()


def test_servers_that_know_no_mjs_run_it(browser: Browser, web_exports):
    with serving(web_exports["int8"]) as site:
        page = browser.new_page()
        answers: list[tuple[str, str]] = []
        page.on("response", lambda r: answers.append((r.url, r.headers.get("content-type", ""))))
        page.goto(site.url)
        expect_ready(page)
        scripts = [url.split("?")[0] for url, kind in answers if "javascript" in kind]
        assert scripts and all(url.endswith(".js") for url in scripts)
        assert not [url for url, _ in answers if ".mjs" in url]
        page.close()


def test_what_is_set_while_it_loads_counts(browser: Browser, web_exports):
    with serving(web_exports["int8"]) as site:
        page = browser.new_page(locale="en-US", **CALM)
        page.route("**/mixer.json", lambda route: (page.wait_for_timeout(700), route.continue_()))
        page.goto(site.url, wait_until="commit")
        page.wait_for_function(f"{MIXER}?.begun")
        wish = {"model": "v3", "a": "chelsea", "lang": "es"}
        page.evaluate(f"wish => {{ for (const key in wish) {MIXER}.setAttribute(key, wish[key]) }}", wish)
        expect_ready(page)
        link = page.evaluate(f"{MIXER}.link()")
        assert (link["a"], link["b"], link["model"]) == ("chelsea", "luna", "v3")
        expect(page.get_by_role("button", name="Reproducir", exact=True)).to_be_visible()
        page.close()


def test_taken_out_while_it_plays_it_rests_and_comes_back(browser: Browser, web_exports):
    with serving(web_exports["int8"]) as site:
        page = browser.new_page(locale="en-US", **CALM)
        page.goto(f"{site.url}/?model=v3")
        expect_ready(page)
        page.evaluate(f"window.mixer = {MIXER}; window.frames_ = 0; mixer.addEventListener('frame', () => frames_++)")
        page.get_by_role("button", name="Play", exact=True).click()
        page.wait_for_function("frames_ > 3")
        page.evaluate("mixer.remove()")
        page.wait_for_timeout(300)
        before = page.evaluate("frames_")
        page.wait_for_timeout(500)
        assert page.evaluate("frames_") == before and not page.evaluate("mixer.store.playing")
        page.evaluate("document.querySelector('main').append(mixer)")
        page.get_by_role("slider", name="Morph").fill("250")
        page.wait_for_function(f"frames_ > {before} && {MIXER}.drawn === .25")
        page.close()


def test_names_of_every_object_are_no_models_and_no_languages(browser: Browser, web_exports):
    with serving(web_exports["int8"]) as site:
        page = browser.new_page(locale="en-US", **CALM)
        name = "constructor"
        page.goto(f"{site.url}/?model={name}&a={name}&lang={name}&path={name}&steps={name}")
        expect_ready(page)
        for name in ("constructor", "__proto__", "toString", "hasOwnProperty"):
            for key in ("model", "a", "lang", "path", "steps"):
                page.evaluate(f"{MIXER}.setAttribute('{key}', '{name}')")
            page.wait_for_timeout(300)
            link = page.evaluate(f"{MIXER}.link()")
            assert (link["model"], link["steps"], link["path"], link["a"]) == ("v6", "9", "lerp", "naranja")
            assert page.evaluate(f"{MIXER}.dataset.state") == "ready"
        page.close()


def test_a_browser_that_gives_noise_is_said_and_no_photo_is_blamed(browser: Browser, web_exports):
    with serving(web_exports["int8"]) as site:
        page = browser.new_page(locale="en-US", **CALM)
        page.add_init_script(NOISE)
        page.goto(f"{site.url}/?model=v3")
        expect_ready(page)  # examples need no canvas that is read
        page.locator("input[type=file]").first.set_input_files(EXAMPLES / "chelsea.jpg")
        expect(page.get_by_role("alert").first).to_have_text(TEXTS["en"]["web_noise"])
        assert page.evaluate(f"{MIXER}.state.a.name") == "naranja"
        page.locator("summary").first.click()
        for name in ("GIF", "This kitten (PNG)"):  # nor is noise saved
            page.evaluate(f"{MIXER}.store.note('')")
            page.get_by_role("button", name=name, exact=True).click()
            expect(page.locator("kitten-send .note")).to_have_text(TEXTS["en"]["web_noise"])
        page.close()


def test_opened_as_a_file_it_says_what_to_do(browser: Browser, web_exports):
    page = browser.new_page()
    page.goto((web_exports["int8"] / "index.html").as_uri())
    expect(page.get_by_role("alert")).to_contain_text("python -m http.server")
    page.close()
    assert (WEB / "file.js").is_file()


DRAG = """(slider, places) => {
    for (const place of places) {
        slider.value = place;
        for (const kind of ["input", "change"]) slider.dispatchEvent(new Event(kind, {bubbles: true, composed: true}));
    }
}"""


def test_a_drag_changes_the_address_once(browser: Browser, web_exports):
    with serving(web_exports["int8"]) as site:
        page = browser.new_page(locale="en-US", **CALM)
        page.add_init_script(
            "const put = history.replaceState; window.puts = 0;"
            "history.replaceState = function (...what) { puts++; return put.apply(this, what); }"
        )
        page.goto(f"{site.url}/?model=v3")
        expect_ready(page)
        page.wait_for_timeout(600)
        before = page.evaluate("puts")
        page.locator("summary").first.click()
        steps = page.get_by_role("slider", name="Steps")
        steps.evaluate(DRAG, [*range(2, 25), *range(23, 2, -1)])
        page.wait_for_function("location.search.includes('steps=3')")
        assert page.evaluate("puts") - before < 10
        page.close()


def test_an_address_that_may_not_be_changed_breaks_nothing(browser: Browser, web_exports):
    with serving(web_exports["int8"]) as site:
        page = browser.new_page(locale="en-US", **CALM)
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.add_init_script("history.replaceState = () => { throw new DOMException('too often', 'SecurityError') }")
        page.goto(f"{site.url}/?model=v3")
        expect_ready(page)
        page.locator("summary").first.click()
        page.get_by_role("slider", name="Steps").evaluate(DRAG, [*range(2, 12), 3])
        expect(page.locator(".frames .show")).to_have_count(3)
        page.wait_for_timeout(700)
        assert errors == []
        page.close()


SLOW_STORAGE = """const open = IDBFactory.prototype.open;
IDBFactory.prototype.open = function (...what) {
  const request = open.apply(this, what);
  const late = act => request.addEventListener("success", () => setTimeout(act, 1500));
  Object.defineProperty(request, "onsuccess", {set: late});
  return request;
}"""


def test_what_is_set_before_a_visit_is_recalled_counts(browser: Browser, web_exports):
    with serving(web_exports["int8"]) as site:
        page = browser.new_context(locale="en-US", **CALM).new_page()
        page.goto(f"{site.url}/?model=v6&a=chelsea&steps=5")
        expect_ready(page)
        page.wait_for_timeout(500)
        page.add_init_script(SLOW_STORAGE)
        page.reload(wait_until="commit")
        page.wait_for_function(f"{MIXER}?.store?.engine")
        page.evaluate(f"{MIXER}.setAttribute('model', 'v3')")
        page.wait_for_function(f"{MIXER}.state?.model === 'v3' && !{MIXER}.store.next")
        page.wait_for_timeout(2000)
        link = page.evaluate(f"{MIXER}.link()")
        assert (link["model"], link["a"], link["steps"]) == ("v3", "chelsea", "5")
        page.context.close()


def test_where_storage_is_refused_the_mixer_runs(browser: Browser, web_exports):
    with serving(web_exports["int8"]) as site:
        page = browser.new_page(locale="en-US", **CALM)
        page.add_init_script(
            "for (const name of ['sessionStorage', 'localStorage', 'indexedDB', 'caches'])"
            "  Object.defineProperty(window, name, {get() { throw new DOMException('refused', 'SecurityError'); }});"
        )
        page.goto(f"{site.url}/?model=v3&a=chelsea")
        expect_ready(page)
        assert page.evaluate(f"{MIXER}.link().a") == "chelsea"
        page.close()


def test_a_reload_keeps_the_photo_and_another_visit_does_not(browser: Browser, web_exports):
    with serving(web_exports["int8"]) as site:
        context = browser.new_context(locale="en-US", **CALM)
        page = context.new_page()
        page.goto(f"{site.url}/?model=v3")
        expect_ready(page)
        page.locator("input[type=file]").first.set_input_files(EXAMPLES / "chelsea.jpg")
        about = page.locator("kitten-cat .about").first
        expect(about).to_contain_text("Cat face found.")
        page.wait_for_function(f"!{MIXER}.state.a.name")
        page.wait_for_timeout(700)
        page.reload()
        expect(about).to_contain_text("Cat face found.")
        page.wait_for_function(f"{MIXER}.state && !{MIXER}.state.a.name && {MIXER}.state.model === 'v3'")
        page.goto(f"{site.url}/?a=kitten-02")
        expect_ready(page)
        assert page.evaluate(f"{MIXER}.link().a") == "kitten-02"
        context.close()
