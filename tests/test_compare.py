"""What the page makes beside the mix: comparison, morph, files to take home, new kittens."""

import json
import re
from base64 import b64decode
from io import BytesIO

import av
import numpy as np
import pytest
import torch
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image
from playwright.sync_api import expect

from catvae import CatVAE, VAEConfig, load_variant, mix
from catvae.files import example_kittens
from catvae.images import make_strip
from catvae.latents import fit_latents, load_latents, sample_latents, save_latents
from catvae.metrics import evaluate_model, psnr
from catvae.mixing import compare, measure
from catvae.model import VARIANTS, by_beta
from catvae.page.morph import FILE_KINDS, make_file, morph_value
from catvae.page.tabs.compare import format_page
from catvae.photos.decode import open_image
from catvae.serving.texts import TEXTS

A, B = (open_image(kitten) for kitten in example_kittens()[:2])
TINY = VAEConfig(channels=(3, 8, 8), latent_dim=6)


def bytes_of(uri: str) -> bytes:
    return b64decode(uri.partition("base64,")[2])


def test_measured_figures_are_those_of_the_evaluation():
    model = load_variant("v4")
    row = measure("v4", model, [A, B], 5)
    pixels = torch.stack([torch.from_numpy(np.array(face)).permute(2, 0, 1) for face in (A, B)])
    known = evaluate_model(model, pixels)
    assert row.psnr == pytest.approx(known["psnr"], abs=1e-3) and row.kl == pytest.approx(known["kl"], rel=1e-4)
    assert row.strip.tobytes() == make_strip(mix(model, A, B, 5)).tobytes()
    assert measure("v4", model, [A]).psnr == pytest.approx(evaluate_model(model, pixels[:1])["psnr"], abs=1e-3)
    shown = torch.stack([torch.from_numpy(np.array(face)).permute(2, 0, 1) / 255 for face in row.faces])
    assert psnr(shown, pixels / 255).mean().item() == pytest.approx(known["psnr"], abs=0.2)


@pytest.mark.parametrize("language", ["en", "es"])
def test_the_comparison_shows_every_model_in_order_of_beta(language):
    models = {name: CatVAE(TINY).eval() for name in VARIANTS}
    rows = compare(models, [A, B])
    metrics = {
        name: {"psnr": 20.0 + i, "kl": 50.0 * 2**i, "active_units": 7} for i, name in enumerate(by_beta(VARIANTS))
    }
    page = format_page(rows, [A, B], metrics, TEXTS[language])
    assert re.findall(r'data-model="(v\d)"', page) == ["v6", "v5", "v4", "v1", "v3", "v2"]
    assert TEXTS[language]["v3_story"] in page and page.count("<circle") == 6
    assert all('alt="' in image for image in re.findall("<img[^>]*>", page))
    assert "<svg" not in format_page(rows, [A, B], {}, TEXTS[language])  # weights without figures


def test_the_morph_holds_all_frames_in_one_strip():
    frames = mix(CatVAE(TINY).eval(), A, B, 5)
    value = json.loads(morph_value(frames, TEXTS["es"]))
    strip = Image.open(BytesIO(bytes_of(value["strip"])))
    assert (value["count"], strip.size) == (5, (5 * 64, 64))
    assert value["play"] == TEXTS["es"]["play"]


@pytest.mark.parametrize("kind", FILE_KINDS)
def test_files_hold_the_frames(kind):
    frames = mix(load_variant("v6"), A, B, 6)
    file = json.loads(make_file(frames, kind, "kittens"))
    assert file["name"] == f"kittens.{kind}"
    content = BytesIO(bytes_of(file["data"]))
    if kind == "mp4":
        with av.open(content) as video:
            decoded = [frame.to_image() for frame in video.decode(video=0)]
        assert (len(decoded), decoded[0].size) == (11, (256, 256))  # there and back
    elif kind == "png":
        assert Image.open(content).size == (6 * 256, 256)
        return
    else:
        animation = Image.open(content)
        assert (animation.n_frames, animation.size) == (10, (256, 256))
        decoded = [animation.convert("RGB")]
        animation.seek(5)
        decoded += [animation.convert("RGB")] * 5
    for place, frame in ((0, frames[0]), (5, frames[5])):
        large = np.asarray(frame.resize((256, 256), Image.Resampling.BICUBIC), np.float32)
        assert np.abs(np.asarray(decoded[place], np.float32) - large).mean() < 6


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
    assert torch.allclose(drawn.std(0), 0.85 * posteriors.std(0), rtol=0.1)
    assert drawn.T.corrcoef().fill_diagonal_(0).abs().max() < 0.1  # each latent for itself


@pytest.fixture(scope="module")
def client(app_url, tmp_path_factory):
    return Client(app_url, verbose=False, download_files=tmp_path_factory.mktemp("downloads"))


def test_programs_can_compare_reconstruct_and_draw(client):
    cats = [handle_file(str(path)) for path in example_kittens()[:2]]
    strips, numbers = client.predict(*cats, api_name="/compare")
    assert [item["caption"] for item in strips] == by_beta(VARIANTS) == list(numbers)
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
    page.wait_for_selector("#morph canvas[data-ready='17']")
    picture = "document.querySelector('#morph canvas').toDataURL()"
    middle = page.evaluate(picture)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    slider = page.locator("#morph input")
    slider.press("Home")
    assert page.evaluate(picture) != middle and page.locator("#morph output").inner_text() == "0 % B"
    slider.press("ArrowRight")
    start = page.evaluate(picture)
    page.locator("#morph .play").click()
    page.wait_for_timeout(500)
    page.locator("#morph .play").click()
    assert page.evaluate(picture) != start
    assert [url for url in asked if "queue" in url] == []


def test_a_click_on_a_frame_shows_it_large(open_page):
    page = open_page()
    page.wait_for_selector("#morph canvas[data-ready]")
    page.locator("#mix button").nth(2).click()
    expect(page.locator("#morph output")).to_have_text("25 % B")
    page.locator("#mix button").last.press("Enter")  # by keyboard
    expect(page.locator("#morph output")).to_have_text("100 % B")


def test_files_are_downloaded_by_one_click(open_page, tmp_path):
    page = open_page()
    with page.expect_download() as download:
        page.get_by_role("button", name="Strip (PNG)").click()
    download.value.save_as(tmp_path / "strip.png")
    assert download.value.suggested_filename == "kittens-v6.png"
    assert Image.open(tmp_path / "strip.png").size == (9 * 256, 256)


def test_models_are_compared_and_a_row_opens_one(open_page):
    page = open_page()
    page.get_by_role("tab", name="Compare β").click()
    rows = page.locator("#compare .row")
    expect(rows).to_have_count(6, timeout=30_000)
    before = rows.first.locator("img").get_attribute("src")
    page.locator(".cat").first.locator(".gallery-item").nth(5).click()
    page.wait_for_function(
        "before => document.querySelector('#compare .row img').getAttribute('src') !== before", arg=before
    )
    rows.nth(2).press("Enter")  # by keyboard
    expect(page.locator("#model input")).to_have_value(re.compile("v4"))
    expect(page.locator("#mix")).to_be_visible()


def test_surprises_are_other_cats(open_page):
    page = open_page()
    for button in ("Surprise me", "Newborn kittens"):
        before = page.locator("#mix img").first.get_attribute("src")
        page.get_by_role("button", name=button).click()
        page.wait_for_function(
            "before => document.querySelector('#mix img').getAttribute('src') !== before", arg=before, timeout=30_000
        )
