"""What the page makes beside the mix: comparison, morph, files to take home, new kittens."""

import itertools
import re
from base64 import b64decode, b64encode
from dataclasses import replace
from io import BytesIO

import httpx
import numpy as np
import pytest
import torch
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image
from playwright.sync_api import expect

from catvae import CatVAE, VAEConfig, load_variant, mix
from catvae.files import BUNDLED, example_kittens, read_json
from catvae.images import make_strip, to_bytes
from catvae.latents import TEMPERATURE, fit_latents, load_latents, sample_latents, save_latents
from catvae.metrics import evaluate_model, psnr
from catvae.mixing import compare, compare_one
from catvae.model import FIRST_SET, VARIANTS, by_beta, load_models
from catvae.page.tabs.compare import format_numbers, place_dots
from catvae.photos.decode import open_image
from catvae.serving.texts import TEXTS
from catvae.training.components import COMPONENTS, unpack
from catvae.training.linear import LinearVAE
from tests.conftest import draw_cat
from tests.page.test_page import CANVASES, choose_cat, expect_other_frames, frames

PICTURE = "canvas => canvas.toDataURL()"
A, B = (open_image(kitten) for kitten in example_kittens()[:2])
TINY = VAEConfig(channels=(3, 8, 8), latent_dim=6)


def test_measured_figures_are_those_of_the_evaluation():
    model = load_variant("v4")
    row = compare_one("v4", model, [A, B], 5)
    pixels = torch.stack([torch.from_numpy(np.array(face)).permute(2, 0, 1) for face in (A, B)])
    known = evaluate_model(model, pixels)
    assert row.psnr == pytest.approx(known["psnr"], abs=1e-3) and row.kl == pytest.approx(known["kl"], rel=1e-4)
    assert row.strip.tobytes() == make_strip(mix(model, A, B, 5)).tobytes()
    assert compare_one("v4", model, [A]).psnr == pytest.approx(evaluate_model(model, pixels[:1])["psnr"], abs=1e-3)
    shown = torch.stack([torch.from_numpy(np.array(face)).permute(2, 0, 1) / 255 for face in row.faces])
    assert psnr(shown, pixels / 255).mean().item() == pytest.approx(known["psnr"], abs=0.2)


def page_of(rows, models, metrics, language="en", kinds=("real", "own")):
    return format_numbers(rows, models, kinds, metrics, TEXTS[language])


@pytest.mark.parametrize("language", ["en", "es"])
def test_the_numbers_are_of_every_model_in_order_of_beta(language):
    models = {name: CatVAE(VARIANTS[name].config).eval() for name in FIRST_SET}
    rows = compare(models, [A, B], 9)
    metrics = {
        name: {"psnr": 20.0 + i, "kl": 50.0 * 2**i, "active_units": 7} for i, name in enumerate(by_beta(FIRST_SET))
    }
    words = TEXTS[language]
    page = page_of(rows, models, metrics, language)
    assert re.findall(r"<tr><td>(v\d)</td>", page) == ["v6", "v5", "v4", "v1", "v3", "v2"]
    assert words["v3_story"] in page and words["cross_fade_story"] in page and page.count("<circle") == 6
    assert f"<td>{'0,005' if language == 'es' else '0.005'}</td>" in page
    assert f"<td>{'1600' if language == 'es' else '1,600'}</td>" in page  # as the ruler writes it


def test_the_numbers_are_of_the_models_there_are():
    models = {"v5": CatVAE(TINY).eval()}
    page = page_of(compare(models, [A, B], 9), models, {"v5": {"psnr": 20.0, "kl": 50.0, "active_units": 7}})
    assert page.count("<tr><td>") == 1 and "<svg" not in page  # no plot of one
    assert TEXTS["en"]["v3_title"] not in page and TEXTS["en"]["painted_story"] not in page
    painted = {"v5": models["v5"], "v7": CatVAE(replace(TINY, painter=4)).eval()}
    painted["v7"].beta = 0.005
    page = page_of(compare(painted, [A, B], 9), painted, {})
    assert re.findall(r"<tr><td>(v\d)</td>", page) == ["v7", "v5"]
    assert TEXTS["en"]["painted_story"] in page
    models["v3"] = CatVAE(TINY).eval()  # another network by that name
    assert TEXTS["en"]["v3_story"] not in page_of(compare(models, [A, B], 9), models, {})
    assert "<svg" not in page_of(compare(models, [A, B], 9), models, {})  # weights without figures


@pytest.mark.parametrize("language", ["en", "es"])
def test_figures_on_other_faces_are_not_shown_as_if_they_compared(language):
    models = {name: CatVAE(TINY).eval() for name in ("v6", "mine")}
    known, star = read_json(BUNDLED / "v6" / "metrics.json"), f"<p>* {TEXTS[language]['own_faces']}</p>"
    rows = compare(models, [A, B], 9)
    page = page_of(rows, models, {"v6": known, "mine": known}, language)
    assert "*<" not in page and star not in page  # the same faces
    other = {**known, "training": {"data": {**known["training"]["data"], "fingerprint": "0123"}}}
    page = page_of(rows, models, {"v6": known, "mine": other}, language)
    assert page.count("*</td>") == 2 and star in page
    assert "*" not in page[page.index("<td>v6") : page.index("<td>mine")]


def test_it_is_said_whose_cats_the_numbers_are_of(app_url):
    models = {"v6": CatVAE(TINY).eval()}
    rows, words = compare(models, [A, B], 9), TEXTS["en"]
    mine = page_of(rows, models, {}, kinds=("own", "real"))
    assert words["cats_own"] in mine and words["cats_real"] in mine and words["cats_flatter"] not in mine
    painted = page_of(rows, models, {}, kinds=("painted", "real"))
    assert words["cats_painted"] in painted and words["cats_flatter"] in painted
    for kind, said in (("cut", "cats_cut"), ("newborn", "cats_newborn"), ("<b>", "cats_own")):
        sent = {"face": b64encode(to_bytes(draw_cat(1))).decode(), "kind": kind}
        answer = httpx.post(f"{app_url}/web/ask/compare", json={"a": sent, "b": {"cat": "chelsea", "kind": "real"}})
        assert words[said] in answer.json()["numbers"] and words["cats_real"] in answer.json()["numbers"]
        strip = Image.open(BytesIO(b64decode(answer.json()["strips"]["v6"])))
        assert strip.size == (9 * 64, 64)


@pytest.mark.parametrize(
    ("sent", "key"),
    [
        (None, "missing"),
        ({}, "missing"),
        ({"face": 7}, "missing"),
        ({"face": "?"}, "unreadable"),
        ({"face": "bm8gcGljdHVyZQ=="}, "unreadable"),
        ({"face": b64encode(to_bytes(draw_cat(1, 65))).decode()}, "unreadable"),
        ({"cat": "../../etc/passwd"}, "embed_gone"),
    ],
)
def test_a_cat_that_cannot_be_used_is_said(app_url, sent, key):
    for what in ("compare", "morph?model=v6&path=lerp", "film", "map"):
        body = {"a": {"cat": "chelsea"}, "b": sent, "model": "v6", "path": "lerp", "kind": "gif", "turn": "a"}
        address = f"{app_url}/web/ask/{what}{'&' if '?' in what else '?'}lang=es"
        answer = httpx.post(address, json=body)
        assert answer.status_code == 422 and answer.json()["error"] == TEXTS["es"][key].format(cat="B"), what


def test_names_in_the_plot_lie_on_no_dot_and_on_no_other_name():
    known = {name: read_json(BUNDLED / name / "metrics.json") for name in by_beta(VARIANTS)}
    crowd = {f"v{i}": {"kl": 100.0 + 8 * i, "psnr": 22 + 0.3 * i} for i in range(1, 7)}
    for metrics in (known, crowd):
        dots = place_dots(metrics)["dots"]
        boxes = [(dot["x"] - 6, dot["y"] - 6, dot["x"] + 6, dot["y"] + 6) for dot in dots]
        boxes += [(dot["x"] - 10, dot["base"] - 12, dot["x"] + 10, dot["base"] + 2) for dot in dots]  # 15 units high
        for (a, b, c, d), (e, f, g, h) in itertools.combinations(boxes, 2):
            assert a >= g or e >= c or b >= h or f >= d, (dots, (a, b, c, d))


def test_new_kittens_lie_where_the_faces_lie(tmp_path):
    model = CatVAE(TINY).eval()
    faces = torch.randint(0, 256, (300, 3, 64, 64), dtype=torch.uint8)
    latents = fit_latents(model, faces)
    mu, logvar = model.encode(faces / 255)
    posteriors = torch.cat([model.reparameterize(mu, logvar) for _ in range(40)])
    assert torch.allclose(latents["mean"], mu.mean(0), atol=1e-4)
    assert torch.allclose(latents["std"], posteriors.std(0), rtol=0.05)
    save_latents(tmp_path, latents)
    drawn = sample_latents(load_latents(tmp_path), 4000)
    assert torch.allclose(drawn.std(0), TEMPERATURE * posteriors.std(0), rtol=0.1)
    assert drawn.T.corrcoef().fill_diagonal_(0).abs().max() < 0.1  # each latent for itself


@pytest.fixture(scope="module")
def client(app_url, tmp_path_factory):
    return Client(app_url, verbose=False, download_files=tmp_path_factory.mktemp("downloads"))


def test_programs_can_compare_reconstruct_and_draw(client):
    cats = [handle_file(str(path)) for path in example_kittens()[:2]]
    strips, numbers = client.predict(*cats, api_name="/compare")
    assert [item["caption"] for item in strips] == list(load_models(BUNDLED)) == list(numbers)
    assert Image.open(strips[0]["image"]).size == (7 * 64, 64)
    assert numbers["v6"]["psnr"] > numbers["v2"]["psnr"] and numbers["v6"]["kl"] > numbers["v2"]["kl"]
    picture, figures = client.predict("v6", cats[0], api_name="/reconstruct")
    assert Image.open(picture).size == (64, 64) and figures["beta"] == 0.005
    a, b = (client.predict("v4", api_name="/random") for _ in range(2))
    assert np.abs(np.asarray(Image.open(a), int) - np.asarray(Image.open(b), int)).mean() > 2
    with pytest.raises(AppError, match="There is no such model"):
        client.predict("v9", api_name="/random")


def test_the_morph_is_scrubbed_without_the_server(open_page):
    page = open_page()
    canvas = page.locator("#morph canvas[data-ready]")
    middle = canvas.evaluate(PICTURE)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    slider = page.locator("#morph .slider")
    assert slider.get_attribute("aria-valuetext") == "50 % B"  # before any key
    slider.press("Home")
    expect(page.locator("#morph .share")).to_have_text("0 % B")
    page.wait_for_timeout(100)
    assert canvas.evaluate(PICTURE) != middle
    for key, share in {
        "ArrowRight": 5,
        "ArrowUp": 10,
        "ArrowLeft": 5,
        "PageUp": 25,
        "End": 100,
        "PageDown": 80,
    }.items():
        slider.press(key)
        expect(page.locator("#morph .share")).to_have_text(f"{share} % B")
        assert slider.get_attribute("aria-valuetext") == f"{share} % B"
    page.wait_for_timeout(100)
    start = canvas.evaluate(PICTURE)
    page.locator("#morph .play").click()
    page.wait_for_timeout(500)
    page.locator("#morph .play").click()
    assert canvas.evaluate(PICTURE) != start
    assert [url for url in asked if "/web/ask/" in url or "queue" in url] == []


def cells(page) -> list[str]:
    return page.locator("#compare .rows canvas").evaluate_all(CANVASES)


def expect_other_cells(page, before: list[str]) -> list[str]:
    """Wait until every one of them shows something else."""
    for _ in range(600):
        now = cells(page)
        if all(a != b for a, b in zip(now, before, strict=True)):
            return now
        page.wait_for_timeout(50)
    raise AssertionError("the comparison stays")


def open_compare(page):
    """The tab, with all faces drawn."""
    page.get_by_role("tab", name="Compare β").click()
    expect(page.locator("#compare .rows[data-shown]")).to_be_visible()


def test_one_slider_moves_all_models_on_the_way_that_is_chosen(open_page):
    page = open_page(1280, 720)
    open_compare(page)
    models = by_beta(*[load_models(BUNDLED)] * 2)
    expect(page.locator("#compare .row:not(.fade)")).to_have_count(len(models))
    expect(page.locator("#compare")).to_contain_text("PSNR")
    slider = page.locator("#compare .way input")
    slider.fill("500")
    expect(page.locator("#compare .rows[data-shown='500']")).to_be_visible()
    middle = cells(page)
    assert len(set(middle)) == len(models) + 1  # and a cross-fade
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    slider.press("ArrowRight")
    expect(page.locator("#compare .way .share")).to_have_text("55 % B")
    slider.fill("250")
    expect(page.locator("#compare .way .share")).to_have_text("25 % B")
    before = expect_other_cells(page, middle)
    assert [url for url in asked if "/web/ask/" in url] == []

    page.locator("#compare .way .play").click()
    page.wait_for_function("document.querySelector('#compare').querySelector('kitten-compare').store.share > .5")
    page.locator("#compare .way .play").click()
    slider.fill("250")
    choose_cat(page, "kitten-06")
    before = expect_other_cells(page, before)
    expect(page.locator("#compare .way .share")).to_have_text("25 % B")  # other cats at the same place

    page.get_by_role("tab", name="Mix").click()
    page.locator("#more summary").click()
    page.locator("#path label").nth(1).click()
    open_compare(page)
    now = expect_other_cells(page, [*before[:-1], ""])
    assert now[-1] == before[-1]  # a fade has no arc


def test_it_opens_at_cat_a_where_beta_shows_most_and_mix_stays_as_it_was(open_page):
    page = open_page()
    share = page.locator("#compare .way .share")
    open_compare(page)
    expect(share).to_have_text("0 % B")
    page.get_by_role("tab", name="Mix").click()
    expect(page.locator("#morph .share")).to_have_text("50 % B")
    open_compare(page)
    expect(share).to_have_text("0 % B")
    page.locator("#compare .way input").press("PageUp")
    page.get_by_role("tab", name="Mix").click()
    expect(page.locator("#morph .share")).to_have_text("20 % B")  # what was moved there


def test_it_opens_where_the_visitor_has_moved_mix(open_page):
    page = open_page()
    page.locator("#morph .slider").fill("700")
    open_compare(page)
    expect(page.locator("#compare .rows[data-shown='700']")).to_be_visible()


def test_text_and_faces_are_on_the_first_screen(open_page):
    page = open_page(1280, 720)
    open_compare(page)
    boxes = [face.bounding_box() for face in page.locator("#compare .rows canvas").all()]
    assert min(box["width"] for box in boxes) >= 190
    assert len({round(box["x"]) for box in boxes}) == 4 and len(boxes) == 8
    inside = "#compare .compare-intro", "#compare .way", "#compare .linear canvas", "#compare .betas"
    boxes += [page.locator(part).bounding_box() for part in inside]
    assert all(box["y"] >= 0 and box["y"] + box["height"] <= 720 for box in boxes)

    page.set_viewport_size({"width": 390, "height": 844})
    boxes = [face.bounding_box() for face in page.locator("#compare .rows canvas").all()]
    assert len({round(box["x"]) for box in boxes}) == 2 and min(box["width"] for box in boxes) > 150
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.locator("#compare .fade").scroll_into_view_if_needed()
    slider = page.locator("#compare .way input").bounding_box()  # it stays, for the last faces too
    assert 0 <= slider["y"] < 844


def test_a_face_is_enlarged_and_opens_in_mix(open_page):
    page = open_page(1280, 720)
    open_compare(page)
    models = by_beta(*[load_models(BUNDLED)] * 2)
    tile, large = page.locator("#compare .row").nth(models.index("v4")), page.locator("#compare dialog.large")
    tile.press("Enter")
    expect(large).to_be_visible()
    assert large.locator("canvas").bounding_box()["width"] >= 400
    large.locator(".slider").press("PageUp")
    expect(large.locator("canvas")).to_have_attribute("aria-label", re.compile("v4.*: 20 % B"))
    page.keyboard.press("Escape")
    expect(large).to_have_count(0)
    assert tile.evaluate("tile => tile.getRootNode().activeElement === tile")
    page.locator("#compare .fade").click()  # no model: nothing to open
    expect(large.get_by_role("button", name="Open in Mix")).to_have_count(0)
    large.get_by_role("button", name="Close").click()
    tile.click()
    large.get_by_role("button", name="Open in Mix").click()
    expect(page.locator("#model input")).to_have_value(re.compile("v4"))
    expect(page.locator("#mix")).to_be_visible()
    expect(page.locator("#morph .share")).to_have_text("20 % B")  # the face that was seen


def test_the_linear_model_is_there_for_every_beta(open_page):
    page = open_page(1280, 720)
    open_compare(page)
    linear = page.locator("#compare .linear")
    ruler, best = linear.get_by_role("slider", name="β of the linear model"), linear.locator("canvas")
    expect(linear).to_contain_text("β = 0.05")
    components = unpack(COMPONENTS.read_bytes())
    seen = set()
    for key, beta in (("PageUp", 0.5), ("PageUp", 1), ("PageUp", 2), ("PageDown", 1), ("ArrowLeft", None)):
        ruler.press(key)
        if beta:
            rate = round(LinearVAE(components, beta, 500).rate)
            expect(linear).to_contain_text(f"β = {beta}: {rate} nats")
            expect(ruler).to_have_attribute("aria-valuetext", f"β = {beta}, {rate} nats")
        seen.add(best.evaluate(PICTURE))
    assert len(seen) == 4
    expect(linear).to_contain_text("Trained at β = 1: v1 114, v3 97 nats.")
    ruler.press("End")
    expect(linear).to_contain_text("0 nats, in 0 of 500 latents")
    average = best.evaluate(PICTURE)
    page.locator("#compare .way input").press("End")
    expect(page.locator("#compare .rows[data-shown='1000']")).to_be_visible()
    assert best.evaluate(PICTURE) == average  # every cat is the average cat
    ruler.press("Home")
    expect(linear).to_contain_text("500 of 500 latents")
    assert best.evaluate(PICTURE) != average


def test_surprises_are_other_cats(open_page):
    page = open_page()
    for button in ("Surprise me", "Newborn kittens"):
        before = frames(page)
        page.get_by_role("button", name=button).click()
        expect_other_frames(page, before)
        assert frames(page)[0] != before[0] and frames(page)[-1] != before[-1]


def test_numbers_are_written_as_the_language_of_the_page_does(open_page):
    page = open_page(locale="en-US", query="/?lang=es")
    page.locator("#tabs").get_by_role("tab").nth(3).click()
    expect(page.locator("#results")).to_contain_text("0,005")
    page.locator("#tabs").get_by_role("tab").nth(1).click()
    expect(page.locator("#compare .row").first).to_contain_text("β = 0,005")
    assert "0.005" not in page.locator("#compare").inner_text()
