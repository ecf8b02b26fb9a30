import re

import numpy as np
import pytest
import torch
from playwright.sync_api import Page, expect

from catvae import VARIANTS, CatVAE, VAEConfig, load_variant
from catvae.files import BUNDLED, read_json
from catvae.images import to_pil, to_tensor
from catvae.latents import add_up, make_chart, move_apart
from catvae.model import FIRST_SET
from catvae.page.tabs.explore import FIRST_SUM, GAP, MAPPED
from catvae.page.tabs.understand import results
from catvae.photos.decode import open_image
from catvae.photos.faces import cut_face
from catvae.serving.links import CATS, FIRST_A, FIRST_B
from catvae.serving.texts import TEXTS
from tests.page.test_page import CANVASES, expect_other_frames, frames


@pytest.fixture(scope="module")
def faces() -> torch.Tensor:
    return to_tensor([cut_face(open_image(CATS[name])) for name in MAPPED])


@pytest.fixture(scope="module", params=VARIANTS)
def model(request):
    return load_variant(request.param, BUNDLED)


def test_the_map_shows_the_principal_components_of_the_latents(model, faces):
    chart = make_chart(model, faces)
    latents = model.encode(faces)[0].numpy()
    covariance = np.cov(latents.astype(np.float64), rowvar=False)
    variances, axes = np.linalg.eigh(covariance)
    assert chart.share == pytest.approx(variances[-2:].sum() / variances.sum(), rel=1e-4)
    assert abs(axes[:, -2:].T[::-1] @ chart.plane.numpy()).round(2).tolist() == [[1, 0], [0, 1]]

    points = chart.project(chart.latents)
    sides = points.max(0).values - points.min(0).values
    assert sides.max() == pytest.approx(1, abs=1e-5) and points.min() >= -1e-5 and points.max() <= 1 + 1e-5
    apart = torch.cdist(points, points) + torch.eye(len(points))
    assert apart.min() > 0.005  # no two cats fall together
    again = chart.project(model.encode(faces[3:4])[0])  # one more cat lands where it belongs
    assert torch.allclose(again[0], points[3], atol=1e-4)


def test_light_cats_lie_right_and_up(model, faces):
    points, light = make_chart(model, faces).project(model.encode(faces)[0]), faces.mean((1, 2, 3))
    for axis in (0, 1):
        assert torch.corrcoef(torch.stack([points[:, axis], light]))[0, 1] >= 0


def test_pictures_on_the_map_do_not_overlap(model, faces):
    chart = make_chart(model, faces)
    points = move_apart(chart.project(chart.latents), GAP / 0.82)
    overlap = GAP / 0.82 - (points[:, None] - points).abs().amax(2).fill_diagonal_(1)
    assert overlap.max() < 2e-3 and points.min() >= 0 and points.max() <= 1


@pytest.mark.parametrize("spread", [1.0, 0.0])
def test_a_model_of_one_latent_and_one_that_sees_no_difference_have_a_map(faces, spread):
    model = CatVAE(VAEConfig((3, 4, 8), latent_dim=1)).eval()
    with torch.inference_mode():
        model.to_mu.weight.mul_(spread)
    chart = make_chart(model, faces)
    assert chart.plane.shape == (1, 2) and chart.share == pytest.approx(spread)
    points = move_apart(chart.project(chart.latents), GAP / 0.82)
    overlap = GAP / 0.82 - (points[:, None] - points).abs().amax(2).fill_diagonal_(1)
    assert overlap.max() < 2e-3 and points.min() >= 0 and points.max() <= 1


def test_points_with_room_stay_where_they_are():
    points = torch.tensor([[0.0, 0.0], [0.5, 0.1], [1.0, 1.0]])
    assert torch.equal(move_apart(points, 0.2), points)
    assert torch.isfinite(move_apart(torch.zeros(3, 2), 0.2)).all()


def test_a_cat_minus_itself_plus_another_is_the_other(model, faces):
    latents = model.encode(faces)[0]
    a, b = to_pil(model.decode(latents[:2]))
    *shown, total = add_up(model, latents[[0, 1, 1]])
    for image, wanted in zip([*shown, total], [a, b, b, a], strict=True):  # rounding differs with the batch
        assert abs(np.asarray(image).astype(int) - np.asarray(wanted)).max() <= 1
    sums = add_up(model, latents[list(FIRST_SUM)])
    assert sums[3] not in sums[:3]


def test_the_table_is_that_of_the_metrics_and_the_text_agrees():
    rows = results()
    assert [row["beta"] for row in rows] == sorted(VARIANTS[name].beta for name in FIRST_SET)
    data = read_json(BUNDLED / "v6" / "metrics.json")["training"]["data"]
    percent = round(100 * data["exact_copies"] / data["read"])
    assert all(f"{percent} %" in texts["lesson_found"] for texts in TEXTS.values())
    by_name = {row["name"]: row for row in rows}
    assert by_name["v1"]["psnr"] > by_name["v3"]["psnr"]  # "keeps less of a cat"
    assert [row["kl"] for row in rows] == sorted((row["kl"] for row in rows), reverse=True)


def explore(page: Page, tab: str = "Explore") -> None:
    page.get_by_role("tab", name=tab).click()
    expect(page.locator("#map button")).to_have_count(19, timeout=30_000)
    expect(page.locator("#sum button")).to_have_count(3 + 19, timeout=30_000)


def chosen(page: Page) -> dict[str, str]:
    return {point.get_attribute("data-letters"): point.get_attribute("data-cat") for point in points_chosen(page).all()}


def points_chosen(page: Page):
    return page.locator("#map .cat-point:not([data-letters=''])")


def test_clicking_two_cats_on_the_map_mixes_them(open_page):
    page = open_page()
    before = frames(page)
    explore(page)
    assert chosen(page) == {"A": FIRST_A, "B": FIRST_B}
    page.locator("#map button").nth(5).click()
    expect(page.locator("#map .turn-note")).to_contain_text("cat B", timeout=30_000)
    expect(page.locator("#map [data-cat=gris]")).to_have_attribute("data-letters", "A", timeout=30_000)

    page.locator("#map button").nth(9).focus()  # by keyboard alone
    page.keyboard.press("Enter")
    expect(page.locator("#map [data-cat=iris]")).to_have_attribute("data-letters", "B", timeout=30_000)
    expect(page.locator("#map [data-cat=iris]")).to_be_focused()
    assert chosen(page) == {"A": "gris", "B": "iris"}
    way = page.locator("#map .strip-way canvas").evaluate_all(CANVASES)
    assert len(set(way)) == 7
    page.get_by_role("tab", name="Mix").click()
    expect_other_frames(page, before)


def test_the_map_follows_the_model_and_a_visitors_cat(open_page):
    page = open_page()
    explore(page)
    point = page.locator("#map [data-cat=kitten-07]")
    place = point.get_attribute("style")
    page.get_by_role("combobox", name="Model").last.click()
    page.get_by_role("option", name="v2").click()
    expect(point).not_to_have_attribute("style", place, timeout=30_000)
    page.locator("kitten-cat input[type=file]").first.set_input_files(CATS["chelsea"])  # is known by its face
    expect(page.locator("#map [data-cat=chelsea]")).to_have_attribute("data-letters", "A", timeout=30_000)
    page.get_by_role("tab", name="Mix").click()
    page.get_by_role("button", name="Adjust the square of Cat A").click()
    page.get_by_role("button", name="Whole picture").click()  # is no longer
    page.get_by_role("button", name="Done").click()
    page.get_by_role("tab", name="Explore").click()
    expect(page.get_by_role("img", name="Your cat, Cat A")).to_be_visible(timeout=30_000)
    page.get_by_role("tab", name="Mix").click()
    expect(page.locator("#model input")).to_have_value(re.compile("v2"))


def test_sums_of_cats_change_with_each_click(open_page):
    page = open_page()
    explore(page)
    total = page.locator("#sum .total img")
    before = total.get_attribute("src", timeout=30_000)
    page.locator("#sum .shelf-row button").nth(10).click()
    expect(total).not_to_have_attribute("src", before, timeout=30_000)
    page.locator("#sum .term button").first.click()
    expect(page.locator("#sum .term button").first).to_have_attribute("aria-pressed", "true", timeout=30_000)
    expect(page.locator("#sum .shelf-row [aria-pressed=true]")).to_have_attribute("data-cat", str(FIRST_SUM[0]))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_phone_shows_both_tabs_in_spanish_without_sideways_scrolling(open_page, theme):
    page = open_page(360, 740, "es-AR", f"/?__theme={theme}")
    explore(page, "Explorar")
    expect(page.locator("#map .turn-note")).to_have_text("Tocá un gato: va a ser el gato A.")
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    for selector in ("#map button", "#sum button"):
        sizes = page.locator(selector).evaluate_all("all => all.map(e => Math.min(e.offsetWidth, e.offsetHeight))")
        assert min(sizes) >= 40

    page.get_by_role("tab", name="Entender").click()
    expect(page.get_by_role("heading", name="Qué hace β")).to_be_visible()
    expect(page.locator("#results tbody tr")).to_have_count(6)  # the variants of the text
    best = read_json(BUNDLED / "v6" / "metrics.json")["psnr"]
    results = page.locator("#results").inner_text()
    assert f"{best:.2f}".replace(".", ",") in results and "496 caras" in results
    expect(page.get_by_alt_text("Ocho gatitos", exact=False)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    assert (
        page.evaluate("(t => t.scrollWidth - t.parentElement.clientWidth)(document.querySelector('#results table'))")
        <= 0
    )
