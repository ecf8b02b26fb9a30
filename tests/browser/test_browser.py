"""The mixer in the visitor's browser: what it shows, loads and survives, in Chromium on a plain static server."""

import base64
import json
import math
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from catvae.files import EXAMPLES
from catvae.images import to_tensor
from catvae.mixing import interpolate, lerp
from catvae.model import load_variant
from catvae.photos.decode import open_image
from catvae.photos.faces import Face, align, cut_face, find_faces
from catvae.serving.links import FIRST_A, FIRST_B, example_face
from catvae.serving.texts import TEXTS
from tests.conftest import CALM, SHARED, WAIT
from tests.page.test_accessibility import STILL
from tests.web_server import Site, serving

STRICT = (  # what docs/browser.md tells a site to send
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "worker-src 'self'; base-uri 'none'; require-trusted-types-for 'script'"
)
BLOG = EXAMPLES / "blog"


@pytest.fixture
def site(web_exports, tmp_path):
    """A server that has the mixer two folders down, beside whatever else a test puts there."""
    (tmp_path / "site" / "deep").mkdir(parents=True)
    (tmp_path / "site" / "deep" / "mixer").symlink_to(web_exports["int8"], target_is_directory=True)
    with serving(tmp_path / "site") as site:
        yield site


@pytest.fixture
def visit(browser: Browser, site: Site):
    """Opens a page; fails the test when it asks anything of another server, or its console tells of an error."""
    contexts, outside, errors = [], [], []

    def visit(path: str = "/deep/mixer/", wait: bool = True, strict: bool = True, **options) -> Page:
        context = browser.new_context(
            **{"viewport": {"width": 1280, "height": 900}, "locale": "en-US", **CALM, **options}
        )
        context.set_default_timeout(WAIT)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda r: None if r.url.startswith((site.url, "blob:", "data:")) else outside.append(r.url))
        if strict:
            page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
            page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(site.url + path)
        if wait:
            expect_ready(page)
        return page

    yield visit
    for context in contexts:
        context.close()
    assert not outside and not errors


def expect_ready(page: Page, count: int = 1) -> None:
    expect(page.locator("kitten-mixer[data-state=ready]")).to_have_count(count)


def shown(page: Page) -> np.ndarray:
    """The face that the model has painted for what is shown, (64, 64, 3) of 0 to 255."""
    page.wait_for_function("document.querySelector('kitten-mixer').picture")
    data = page.evaluate(
        "async () => { const {store} = document.querySelector('kitten-mixer');"
        "const [face] = await store.way.at([store.share]);"
        "return [...face.getContext('2d').getImageData(0, 0, 64, 64).data]; }"
    )
    return np.array(data, dtype=float).reshape(64, 64, 4)[..., :3]


def decoded(variant: str, a: str, b: str, share: float) -> np.ndarray:
    """What torch paints between two example cats, as `shown`."""
    faces = [example_face(name) for name in (a, b)]
    model = load_variant(variant)
    with torch.inference_mode():
        mu, _ = model.encode(to_tensor(faces))
        return model.decode(lerp(mu[0], mu[1], torch.tensor([float(share)])))[0].permute(1, 2, 0).numpy() * 255


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(-10 * np.log10(np.square((a - b) / 255).mean() + 1e-12))


def wait_for_share(page: Page, share: float) -> None:
    page.wait_for_function(
        "share => new Promise(resolve => { const mixer = document.querySelector('kitten-mixer');"
        " requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() =>"
        " resolve(Math.abs(mixer.share - share) < .001 && Math.abs(mixer.drawn - share) < .001)))) })",
        arg=share,
    )


def seen_on(canvases: Locator) -> list[np.ndarray]:
    """What canvases show, each at 64×64 as `shown`."""
    seen = canvases.evaluate_all(
        "all => all.map(canvas => { const c = document.createElement('canvas'); c.width = c.height = 64;"
        " const p = c.getContext('2d'); p.drawImage(canvas, 0, 0, 64, 64);"
        " return [...p.getImageData(0, 0, 64, 64).data] })"
    )
    return [np.array(data, dtype=float).reshape(64, 64, 4)[..., :3] for data in seen]


def choose(page: Page, name: str, side: str = "a") -> None:
    """Choose an example among all of them."""
    page.locator(f"kitten-cat[side={side}] .more").click()
    page.locator(f"kitten-cat[side={side}] .shelf [data-cat={name}]").click()


@pytest.mark.parametrize(("weights", "largest", "at_least"), [("fp16", 2, 55), ("int8", 255, 40)])
def test_pictures_are_torchs(browser, web_exports, real_faces, weights, largest, at_least):
    """32 real faces through the encoder and the decoder, in the page and in torch."""
    with serving(web_exports[weights]) as site:
        page = browser.new_page()
        page.goto(f"{site.url}/mixer.json")
        pixels = (real_faces * 255).round().byte().permute(0, 2, 3, 1).numpy()
        told = page.evaluate(
            """async data => {
                const {encode, decode} = await import('/engine/models.js');
                const bytes = Uint8Array.from(atob(data), c => c.charCodeAt(0)), latents = [];
                for (let n = 0; n < bytes.length / 12288; n++) {
                    const face = new ImageData(64, 64);
                    for (let i = 0; i < 4096; i++) {
                        const from = 12288 * n + 3 * i;
                        face.data.set([...bytes.subarray(from, from + 3), 255], 4 * i);
                    }
                    latents.push(await encode('v6', face));
                }
                return (await decode('v6', latents)).map(picture => btoa(String.fromCharCode(...picture.data)));
            }""",
            base64.b64encode(pixels.tobytes()).decode(),
        )
        page.close()
    ours = np.stack([np.frombuffer(base64.b64decode(data), np.uint8).reshape(64, 64, 4)[..., :3] for data in told])
    model = load_variant("v6")
    with torch.inference_mode():
        wanted = model.decode(model.encode(real_faces)[0]).permute(0, 2, 3, 1).numpy() * 255
    assert np.abs(ours - wanted).max() <= largest
    assert psnr(ours.astype(float), wanted) > at_least


def test_the_mix_follows_cats_model_steps_and_path(visit):
    page = visit()
    assert psnr(shown(page), decoded("v6", FIRST_A, FIRST_B, 0.5)) > 40
    choose(page, "kitten-11", "b")
    page.get_by_role("radio", name="v3").check(force=True)
    page.wait_for_function("document.querySelector('kitten-mixer').state.model === 'v3'")
    wait_for_share(page, 0.5)
    assert psnr(shown(page), decoded("v3", FIRST_A, "kitten-11", 0.5)) > 40
    page.locator("kitten-mixer summary").first.click()
    page.get_by_role("slider", name="Steps").fill("4")
    expect(page.locator(".frames .show")).to_have_count(4)
    frame = page.get_by_role("button", name="33 % B", exact=True)
    frame.click()
    wait_for_share(page, 1 / 3)
    before = shown(page)
    page.get_by_role("radio", name="Arc").check(force=True)
    page.wait_for_function("document.querySelector('kitten-mixer').state.path === 'slerp'")
    wait_for_share(page, 1 / 3)
    model = load_variant("v3")
    faces = [example_face(name) for name in (FIRST_A, "kitten-11")]
    wanted = np.asarray(interpolate(model, faces, 4, "slerp")[1], dtype=float)
    assert psnr(shown(page), wanted) > 40 and np.abs(shown(page) - before).max() > 2
    page.wait_for_function("location.search.includes('path=slerp') && location.search.includes('steps=4')")
    again = visit(page.url.removeprefix(page.url.split("/deep")[0]))
    assert again.evaluate("document.querySelector('kitten-mixer').link()") == page.evaluate(
        "document.querySelector('kitten-mixer').link()"
    )


def test_all_models_and_the_cross_fade_follow_one_slider(visit):
    page = visit("/deep/mixer/?a=kitten-05&b=chelsea")
    page.get_by_role("button", name="All models at once").click()
    cells = page.locator(".rows canvas")
    expect(cells).to_have_count(3)
    page.get_by_role("slider", name="all models").fill("250")
    expect(page.locator(".rows[data-shown='250']")).to_be_visible()
    seen = seen_on(cells)
    a, b = (np.asarray(example_face(name), float) for name in ("kitten-05", "chelsea"))
    wanted = [decoded(name, "kitten-05", "chelsea", 0.25) for name in ("v6", "v3")] + [0.75 * a + 0.25 * b]
    for i, picture in enumerate(seen):
        errors = [psnr(picture, other) for other in wanted]
        assert errors[i] == max(errors) and errors[i] > 28  # enlarged, and WebP


def test_it_plays_and_saves(visit, tmp_path):
    page = visit("/deep/mixer/?model=v3&steps=5&full=0")
    page.get_by_role("button", name="Play", exact=True).click()
    page.wait_for_function("document.querySelector('kitten-mixer').share > .6")
    page.get_by_role("button", name="Pause", exact=True).click()
    saved = {}
    page.locator("kitten-mixer summary").first.click()
    for name in ("This kitten (PNG)", "Strip (PNG)", "GIF"):
        with page.expect_download() as download:
            page.locator("kitten-save").get_by_role("button", name=name, exact=True).click()
        saved[name] = tmp_path / download.value.suggested_filename
        download.value.save_as(saved[name])
    assert Image.open(saved["This kitten (PNG)"]).size == (512, 512)
    strip = Image.open(saved["Strip (PNG)"])
    assert strip.size == (5 * 256, 256)
    first = np.asarray(strip.convert("RGB").crop((0, 0, 256, 256)).resize((64, 64), Image.Resampling.BOX), float)
    assert psnr(first, decoded("v3", FIRST_A, FIRST_B, 0)) > 30
    gif = Image.open(saved["GIF"])
    assert (gif.n_frames, gif.size, gif.info["loop"], gif.info["duration"]) == (48, (192, 192), 0, 80)  # as the app's
    for frame, share in ((0, 0), (24, 1), (36, 0.5)):
        gif.seek(frame)
        face = np.asarray(gif.convert("RGB").resize((64, 64), Image.Resampling.BOX), float)
        assert psnr(face, decoded("v3", FIRST_A, FIRST_B, share)) > 26  # 256 colours


def photos_with_faces(kind: str, count: int) -> list[tuple[Path, Image.Image, Face]]:
    folder = SHARED / "data" / "photos" / kind
    if not folder.is_dir():
        pytest.skip(f"needs photos: {folder}")
    found = []
    for path in sorted(folder.iterdir())[::5]:
        photo = open_image(path)
        if faces := find_faces(photo):
            found.append((path, photo, faces[0]))
        if len(found) == count:
            break
    return found


FIND = """async photos => {
    const {openPhoto} = await import('/deep/mixer/engine/pixels.js');
    const {findFaces, align} = await import('/deep/mixer/engine/faces.js');
    const found = [];
    for (const data of photos) {
        const photo = await openPhoto(new Blob([Uint8Array.from(atob(data), c => c.charCodeAt(0))]));
        const [face] = await findFaces(photo);
        found.push(face ? {...face, cut: [...align(photo, face).data]} : null);
    }
    return found;
}"""


def test_faces_are_found_and_cut_as_the_app_does(visit):
    """20 photos: the same square within 1 % of its side and 0.3°, the same cut within 2 grey levels on average. A small
    head of the aligner says here what is a cat: of two at most it is less sure than the app."""
    torch.set_num_threads(1)  # beside a browser more of them wait for each other
    wanted = photos_with_faces("portraits", 10) + photos_with_faces("whole-cats", 10)
    page = visit()
    found = page.evaluate(FIND, [base64.b64encode(path.read_bytes()).decode() for path, _, _ in wanted])
    assert len(found) == 20 and found.count(None) <= 2
    for (path, photo, face), ours in zip(wanted, found, strict=True):
        if ours is None:
            continue
        left, top, right, bottom = face.box
        side = right - left
        off = math.hypot(ours["x"] - (left + right) / 2, ours["y"] - (top + bottom) / 2) / side
        assert off < 0.01 and abs(ours["side"] / side - 1) < 0.01, path
        assert abs(math.degrees(ours["angle"]) - face.rotation) < 0.3, path
        cut = np.array(ours["cut"], dtype=float).reshape(64, 64, 4)[..., :3]
        assert np.abs(cut - np.asarray(align(photo, face), float)).mean() < 2, path


def test_two_photos_are_mixed_without_the_network(browser, web_exports, tmp_path):
    """The server ends once the page has loaded: the page opens again, and both faces and the mix are the app's."""
    a, b = EXAMPLES / "chelsea.jpg", tmp_path / "turned.jpg"
    turned = Image.open(a).transpose(Image.Transpose.FLIP_LEFT_RIGHT).rotate(15, expand=True, fillcolor=(90, 80, 70))
    exif = turned.getexif()
    exif[274] = 6  # to be shown a quarter turn clockwise
    turned.transpose(Image.Transpose.ROTATE_90).save(b, quality=95, exif=exif)
    context = browser.new_context(locale="en-US", **CALM)
    page = context.new_page()
    with serving(web_exports["int8"]) as site:
        page.goto(site.url)
        expect(page.locator("kitten-mixer[data-offline=v6]")).to_have_count(1)
        page.evaluate("navigator.serviceWorker.ready.then(() => 1)")
    page.reload()
    expect_ready(page)
    for side, path in enumerate((a, b)):
        page.locator("input[type=file]").nth(side).set_input_files(path)
        page.wait_for_function("side => document.querySelector('kitten-mixer').state[side].photo", arg="ab"[side])
    expect(page.locator("kitten-cat .about").get_by_text("Cat face found.")).to_have_count(2)
    wait_for_share(page, 0.5)
    faces = [cut_face(open_image(path)) for path in (a, b)]
    seen = page.evaluate("['a', 'b'].map(side => [...document.querySelector('kitten-mixer').state[side].pixels.data])")
    for data, face in zip(seen, faces, strict=True):
        assert np.abs(np.array(data, float).reshape(64, 64, 4)[..., :3] - np.asarray(face, float)).mean() < 2
    wanted = np.asarray(interpolate(load_variant("v6"), faces, 3)[1], float)
    assert psnr(shown(page), wanted) > 36
    context.close()


def test_a_photo_that_cannot_be_used_is_a_sentence_and_loses_nothing(visit, tmp_path):
    page = visit("/deep/mixer/?lang=es&model=v3", strict=False)
    before = shown(page)
    for name, mode, size, words in (
        ("large.png", "L", (8000, 5100), "too_large"),
        ("narrow.png", "L", (900, 30), "too_narrow"),
        ("heavy.bmp", "RGB", (2400, 2100), "too_heavy"),
    ):
        Image.new(mode, size).save(tmp_path / name)
        page.locator("input[type=file]").first.set_input_files(tmp_path / name)
        expect(page.get_by_role("alert").first).to_contain_text(TEXTS["es"][words].replace("{cat}", "A"))
        assert (shown(page) == before).all()
        assert page.evaluate("document.querySelector('kitten-mixer').state.a.name") == FIRST_A


def test_a_model_that_cannot_be_loaded_leaves_the_one_before(visit, site):
    page = visit(strict=False)
    site.faults["v3/decoder.safetensors.gz"] = 404
    before = shown(page)
    page.get_by_role("radio", name="v3").click(force=True)  # not check(): it may be refused before the click ends
    expect(page.locator("kitten-morph .status")).to_contain_text("cannot be reached")
    expect(page.get_by_role("radio", name="v6")).to_be_checked()
    assert (shown(page) == before).all()
    site.faults.clear()
    page.get_by_role("radio", name="v3").check(force=True)
    page.wait_for_function("document.querySelector('kitten-mixer').state.model === 'v3'")


def spoil(content: bytes) -> bytes:
    return content[: len(content) // 2] + bytes(100) + content[len(content) // 2 + 100 :]


@pytest.mark.parametrize(
    ("file", "fault", "script", "words"),
    [
        ("mixer.json", 404, "", "web_missing"),
        ("mixer.json", lambda content: content[:100], "", "web_broken"),
        ("mixer.css", 404, "", "web_missing"),
        ("decoder.safetensors.gz", 500, "", "web_missing"),
        ("decoder.safetensors.gz", spoil, "", "web_broken"),
        ("decoder.onnx", lambda content: content[:1000], "", "web_broken"),
        ("threaded.wasm.gz", 404, "", "web_missing"),
        ("threaded.wasm.gz", spoil, "", "web_broken"),
        ("ort.wasm.bundle.min.js", 404, "", "web_missing"),
        (None, None, "delete window.WebAssembly", "web_unable"),
        (
            None,
            None,
            "WebAssembly.Memory = function () { throw new RangeError('could not allocate memory') }",
            "web_memory",
        ),
    ],
)
def test_what_cannot_run_is_a_sentence_and_a_picture(browser, site, file, fault, script, words):
    page = browser.new_page(locale="es-ES")
    page.add_init_script(script)
    if file:
        site.faults[file] = fault
    page.goto(f"{site.url}/deep/mixer/")
    expect(page.get_by_role("alert")).to_contain_text(TEXTS["es"][words])
    picture = page.locator("kitten-mixer > img")
    assert picture.evaluate("image => image.complete && image.naturalWidth > 0 && image.offsetWidth > 200")
    if file:  # and once it is put right
        site.faults.clear()
        page.get_by_role("button", name="Probar otra vez").click()
        if "bundle" not in file:  # a module that failed stays failed until the page is loaded again
            expect_ready(page)
    page.close()


def test_without_its_script_or_its_picture_there_is_still_something_to_see(browser, site, tmp_path):
    page = browser.new_page()
    site.faults["kitten-mixer.js"] = 404
    page.goto(f"{site.url}/deep/mixer/")
    expect(page.locator("kitten-mixer img")).to_be_visible()
    page.close()
    page = browser.new_context().new_page()  # with nothing kept
    site.faults = {"mixer.json": 404, "preview.jpg": 404}
    (tmp_path / "site" / "post.html").write_text(
        '<script type="module" src="deep/mixer/kitten-mixer.js"></script><kitten-mixer></kitten-mixer>'
    )
    page.goto(f"{site.url}/post.html")
    expect(page.get_by_role("alert")).to_contain_text(TEXTS["en"]["web_missing"])
    expect(page.locator("kitten-mixer svg")).to_be_visible()
    page.goto(f"{site.url}/deep/mixer/")  # which has a picture between its tags
    expect(page.locator("kitten-mixer svg")).to_be_visible()
    page.context.close()


def test_a_post_under_a_strict_policy_holds_two_mixers_and_a_frame(visit, site, tmp_path):
    site.policy = f"{STRICT}; frame-src 'self'"
    (tmp_path / "site" / "post.html").write_text(
        '<!doctype html><html lang="es"><title>Post</title><link rel="icon" href="deep/mixer/icon.png">'
        '<script type="module" src="deep/mixer/kitten-mixer.js"></script>'
        '<kitten-mixer model="v6" a="chelsea" b="kitten-04"></kitten-mixer>'
        '<kitten-mixer model="v3" a="kitten-05" b="kitten-11" lang="en"></kitten-mixer>'
        '<iframe src="deep/mixer/?model=v3&amp;lang=es" width="700" height="900"></iframe>'
    )
    page = visit("/post.html", wait=False)
    for mixer in page.locator("kitten-mixer").all():
        mixer.scroll_into_view_if_needed()
        expect(mixer).to_have_attribute("data-state", "ready")
    first, second = page.locator("kitten-mixer").all()
    expect(first.get_by_role("button", name="Reproducir", exact=True)).to_be_visible()
    expect(second.get_by_role("button", name="Play", exact=True)).to_be_visible()
    frame = page.frame_locator("iframe").locator("kitten-mixer")
    page.locator("iframe").scroll_into_view_if_needed()
    expect(frame).to_have_attribute("data-state", "ready")
    expect(frame.get_by_role("button", name="Reproducir", exact=True)).to_be_visible()
    expect(page.frame_locator("iframe").locator("header")).to_be_hidden()
    wasm = [path for path in site.asked if ".wasm.gz" in path]
    assert len(wasm) <= 2  # two mixers share one; the frame is a page of its own
    with page.expect_download():
        first.locator("summary").first.click()
        first.get_by_role("button", name="GIF").click()


def test_the_second_visit_asks_for_no_large_file_again(visit, site):
    page = visit()
    page.evaluate("navigator.serviceWorker.ready.then(() => 1)")
    asked = len(site.asked)
    page.reload()
    expect_ready(page)
    again = set(site.asked[:asked]) & set(site.asked[asked:])
    assert not [path for path in again if path.split("?")[0].endswith((".gz", ".onnx", "bundle.min.js"))]


def test_a_new_export_is_taken_over_and_the_old_files_are_forgotten(browser, web_exports, tmp_path):
    folder = tmp_path / "mixer"
    shutil.copytree(web_exports["int8"], folder)
    context = browser.new_context()
    page = context.new_page()
    with serving(folder) as site:
        page.goto(f"{site.url}/?model=v3")
        expect(page.locator("kitten-mixer[data-offline=v3]")).to_have_count(1)
        manifest = json.loads((folder / "mixer.json").read_text())
        manifest["files"]["v3/decoder.onnx"]["hash"] = "another"
        (folder / "mixer.json").write_text(json.dumps(manifest))
        page.reload()
        expect_ready(page)
        kept = page.evaluate(
            "caches.open(`kitten-mixer ${location.origin}/`).then(c => c.keys()).then(k => k.map(r => r.url))"
        )
    kept = [url for url in kept if "v3/decoder.onnx" in url]
    assert len(kept) == 1 and kept[0].endswith("v=another")
    context.close()


def test_on_a_phone_result_cats_and_models_are_on_the_first_screen(visit):
    page = visit(viewport={"width": 390, "height": 844}, locale="es-AR")
    parts = (
        "canvas.stage",
        "kitten-morph .slider",
        "kitten-cat[side=b] .face canvas",
        "kitten-cat[side=b] .strip",
        ".models",
    )
    for width, height in ((390, 844), (360, 740)):
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert page.get_by_role("heading", name="Mezclador de Gatitos").is_visible()
        for part in parts:
            box = page.locator(part).first.bounding_box()
            assert box["y"] + box["height"] <= height and box["width"] <= width, (part, width)
        stage = page.locator("canvas.stage").first.bounding_box()
        assert stage["width"] >= 0.75 * min(width, 0.5 * height)
    assert "Cat A" not in page.locator("kitten-cat").first.inner_text()


def test_the_language_changes_in_place(visit):
    page = visit("/deep/mixer/?model=v3&b=chelsea")
    page.get_by_role("link", name="ES").click()
    expect(page.get_by_role("button", name="Reproducir", exact=True)).to_be_visible()
    expect(page.get_by_text("β 1").first).to_be_visible()
    assert page.evaluate("[document.documentElement.lang, document.title]") == ["es", "Mezclador de Gatitos"]
    assert page.evaluate("document.querySelector('kitten-mixer').state.b.name") == "chelsea"
    expect(page).to_have_url(re.compile("lang=es"))


def test_a_snippet_speaks_as_its_reader_unless_a_language_was_chosen(visit):
    page = visit("/deep/mixer/?model=v3")
    page.get_by_text("Share and embed").click()
    snippet = page.locator("textarea.component")
    assert " lang=" not in snippet.input_value() and ' model="v3"' in snippet.input_value()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy: In your own page").click()
    assert page.evaluate("navigator.clipboard.readText()") == snippet.input_value()
    page.get_by_role("link", name="ES").click()
    expect(snippet).to_have_value(re.compile(' lang="es"'))


def test_the_keyboard_does_it_all(visit):
    page = visit()
    slider, deep = page.locator("kitten-morph .slider"), "let e = document.activeElement; while (e?.shadowRoot) e ="
    stops = 0
    while stops < 30:
        page.keyboard.press("Tab")
        stops += 1
        if page.evaluate(f"(() => {{ {deep} e.shadowRoot.activeElement; return e?.className }})()") == "slider":
            break
    assert stops < 12  # one stop for all examples of a cat
    page.keyboard.press("End")
    wait_for_share(page, 1)
    slider.press("ArrowLeft")
    wait_for_share(page, 0.95)
    page.get_by_role("radio", name="v6").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.querySelector('kitten-mixer').state.model === 'v3'")
    news = "New mix: 9 frames from Naranja to Luna with v3"
    expect(page.locator("kitten-gallery .unseen")).to_have_text(news)


def test_there_are_no_serious_barriers(visit, node_modules):
    axe = (node_modules / "axe-core" / "axe.min.js").read_text()
    page = visit("/deep/mixer/?model=v3")
    page.locator("input[type=file]").first.set_input_files(EXAMPLES / "chelsea.jpg")
    expect(page.locator("kitten-cat .about").first).to_contain_text("Cat face found.")
    page.get_by_text("Share and embed").click()
    page.add_style_tag(content=STILL)
    page.evaluate(axe)
    barriers = []
    for width, height, theme in ((1280, 900, "light"), (360, 740, "light"), (360, 740, "dark"), (1280, 900, "dark")):
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=theme)
        for rule in page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]:
            barriers += [f"{width} {theme}: {rule['id']} {rule['impact']} {node['html']}" for node in rule["nodes"]]
    assert not barriers, "\n".join(barriers)


def test_the_example_post_shows_the_mixer_that_lies_beside_it(browser, web_exports, tmp_path):
    shutil.copytree(BLOG, tmp_path / "blog")
    (tmp_path / "blog" / "mixer").symlink_to(web_exports["int8"], target_is_directory=True)
    with serving(tmp_path / "blog") as site:
        for name, play in (("index.html", "Reproducir"), ("en.html", "Play")):
            page = browser.new_page(viewport={"width": 390, "height": 844})
            page.goto(f"{site.url}/{name}?theme=dark")
            page.locator("kitten-mixer").scroll_into_view_if_needed()
            expect_ready(page)
            expect(page.get_by_role("button", name=play, exact=True)).to_be_visible()
            assert page.evaluate("document.documentElement.scrollWidth") == 390
            page.close()
        site.faults["kitten-mixer.js"] = 404
        page = browser.new_page()
        page.goto(site.url)
        expect(page.locator("figure.wide figcaption")).to_have_count(0)  # nothing asks to be dragged
        expect(page.locator("kitten-mixer img")).to_be_visible()
        assert page.locator("kitten-mixer img").evaluate("image => image.naturalWidth") == 768
        page.close()
