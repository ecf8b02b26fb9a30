import re

import numpy as np
import pytest
import torch
from playwright.sync_api import Page, expect

from catvae import VARIANTS, CatVAE, VAEConfig, load_variant
from catvae.files import BUNDLED, read_json
from catvae.images import to_tensor
from catvae.latents import make_chart, move_apart
from catvae.page.tabs.explore import GAP, MAPPED
from catvae.page.tabs.understand import copies, results
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


def test_the_table_is_that_of_the_metrics_and_the_text_agrees():
    rows = results()
    assert {row["name"] for row in rows} == set(VARIANTS)
    assert [row["beta"] for row in rows] == sorted(row["beta"] for row in rows)
    data = read_json(BUNDLED / "v6" / "metrics.json")["training"]["data"]
    percent = round(100 * data["exact_copies"] / data["read"])
    assert all(f"{percent} %" in texts["lesson_found"] for texts in TEXTS.values())
    assert sum(int(count) for count in copies(data).split()) == data["read"]
    by_name = {row["name"]: row for row in rows}
    assert by_name["v1"]["psnr"] > by_name["v3"]["psnr"]  # "keeps less of a cat"
    assert by_name["v7"]["kl"] == by_name["v6"]["kl"] and by_name["v7"]["psnr"] < by_name["v6"]["psnr"]
    assert [row["kl"] for row in rows] == sorted((row["kl"] for row in rows), reverse=True)


def explore(page: Page, tab: str = "Explore") -> None:
    page.get_by_role("tab", name=tab).click()
    expect(page.locator("#map .cat-map button")).to_have_count(19)


def chosen(page: Page) -> dict[str | None, str | None]:
    return {point.get_attribute("data-letters"): point.get_attribute("data-cat") for point in points_chosen(page).all()}


def points_chosen(page: Page):
    return page.locator("#map .cat-point:not([data-letters=''])")


def test_clicking_two_cats_on_the_map_mixes_them(open_page):
    page = open_page()
    before = frames(page)
    explore(page)
    assert chosen(page) == {"A": FIRST_A, "B": FIRST_B}
    page.locator("#map .cat-map button").nth(5).click()
    expect(page.locator("#map .turn-note")).to_contain_text("cat B")
    expect(page.locator("#map [data-cat=gris]")).to_have_attribute("data-letters", "A")

    page.locator("#map .cat-map button").nth(9).focus()  # by keyboard alone
    page.keyboard.press("Enter")
    expect(page.locator("#map [data-cat=iris]")).to_have_attribute("data-letters", "B")
    expect(page.locator("#map [data-cat=iris]")).to_be_focused()
    assert chosen(page) == {"A": "gris", "B": "iris"}
    stage, slider = page.locator("#map .stage"), page.locator("#map .slider")
    pictures = []
    for key, share in (("Home", "0"), ("End", "1")):
        slider.press(key)
        expect(stage).to_have_attribute("data-share", share)
        pictures += stage.evaluate_all(CANVASES)
    assert pictures[0] != pictures[1]
    page.get_by_role("tab", name="Mix").click()
    expect_other_frames(page, before)


def test_the_map_follows_the_model_and_a_visitors_cat(open_page):
    page = open_page()
    explore(page)
    point = page.locator("#map [data-cat=kitten-07]")
    place = point.get_attribute("style")
    page.get_by_role("combobox", name="Model").last.click()
    page.get_by_role("option", name="v2").click()
    expect(point).not_to_have_attribute("style", place)
    page.locator("kitten-cat input[type=file]").first.set_input_files(CATS["chelsea"])  # is known by its face
    expect(page.locator("#map [data-cat=chelsea]")).to_have_attribute("data-letters", "A")
    page.get_by_role("tab", name="Mix").click()
    page.get_by_role("button", name="Adjust the square of Cat A").click()
    page.get_by_role("button", name="Whole picture").click()  # is no longer
    page.get_by_role("button", name="Done").click()
    page.get_by_role("tab", name="Explore").click()
    expect(page.get_by_role("img", name="Your cat, Cat A")).to_be_visible()
    page.get_by_role("tab", name="Mix").click()
    expect(page.locator("#model input")).to_have_value(re.compile("v2"))


def test_the_mix_stands_beside_the_map_in_the_first_screen(open_page):
    page = open_page(1280, 720)
    explore(page)
    spots = [page.locator(f"#map {part}").bounding_box() for part in (".turn-note", ".cat-map", ".stage", ".slider")]
    assert all(spot["y"] >= 0 and spot["y"] + spot["height"] <= 720 for spot in spots)
    _, around, stage, _ = spots
    assert stage["x"] >= around["x"] + around["width"] and stage["width"] >= 256


def test_on_a_phone_the_prompt_stays_in_sight_beside_the_mix(open_page):
    page = open_page(390, 844)
    explore(page)
    page.locator("#map .stage").evaluate("stage => stage.scrollIntoView({block: 'end'})")
    note, stage = (page.locator(f"#map {part}").bounding_box() for part in (".turn-note", ".stage"))
    assert note["y"] >= 0 and stage["y"] + stage["height"] <= 845
    assert page.evaluate("scrollY") > 0 or stage["y"] + stage["height"] <= 844


PLACES = "all => all.map(e => ({cat: e.dataset.cat, x: e.offsetLeft, y: e.offsetTop}))"


def test_the_map_is_one_tab_stop_and_arrows_go_to_the_nearest_cat_that_way(open_page):
    page = open_page()
    explore(page)
    stops = page.locator("#map .cat-map button[tabindex='0']")
    expect(stops).to_have_count(1)
    stops.focus()
    places = {place.pop("cat"): place for place in page.locator("#map .cat-map button").evaluate_all(PLACES)}
    gone = set()
    for key, axis, sign in (
        ("ArrowRight", "x", 1),
        ("ArrowDown", "y", 1),
        ("ArrowLeft", "x", -1),
        ("ArrowUp", "y", -1),
    ):
        for _ in range(len(places)):
            here = stops.get_attribute("data-cat")
            page.keyboard.press(key)
            there = stops.get_attribute("data-cat")
            gone.add(there)
            expect(page.locator(f"#map [data-cat={there}]")).to_be_focused()
            ahead = {name for name, place in places.items() if sign * (place[axis] - places[here][axis]) > 0}
            if not ahead:
                assert there == here  # at the edge
                break
            assert there in ahead
            other = "y" if axis == "x" else "x"
            away = {
                name: sign * (places[name][axis] - places[here][axis])
                + 2 * abs(places[name][other] - places[here][other])
                for name in ahead
            }
            assert away[there] == min(away.values())
    assert len(gone) >= 4
    cat = stops.get_attribute("data-cat")
    page.keyboard.press("Enter")
    expect(page.locator(f"#map [data-cat={cat}]")).to_have_attribute("data-letters", re.compile("A"))
    expect(page.locator(f"#map [data-cat={cat}]")).to_be_focused()
    expect(stops).to_have_count(1)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_phone_shows_both_tabs_in_spanish_without_sideways_scrolling(open_page, theme):
    page = open_page(360, 740, "es-AR", f"/?__theme={theme}")
    explore(page, "Explorar")
    expect(page.locator("#map .turn-note")).to_have_text("Tocá un gato: va a ser el gato A.")
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    sizes = page.locator("#map .cat-map button").evaluate_all(
        "all => all.map(e => Math.min(e.offsetWidth, e.offsetHeight))"
    )
    assert min(sizes) >= 40

    page.get_by_role("tab", name="Entender").click()
    expect(page.get_by_role("heading", name="Qué hace β")).to_be_visible()
    expect(page.locator("#results tbody tr")).to_have_count(7)  # v1 to v7
    best = read_json(BUNDLED / "v6" / "metrics.json")["psnr"]
    results = page.locator("#results").inner_text()
    assert f"{best:.2f}".replace(".", ",") in results and "496 caras" in results
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    gaps = page.locator("#results tr").evaluate_all(GAPS)
    assert min(gaps) >= 4  # columns do not touch
    assert (
        page.evaluate("(t => t.scrollWidth - t.parentElement.clientWidth)(document.querySelector('#results table'))")
        <= 0
    )


# between the texts of neighbouring cells
GAPS = """rows => rows.flatMap(row => {
    const boxes = [...row.children].map(cell => {
        const range = document.createRange();
        range.selectNodeContents(cell);
        return range.getBoundingClientRect();
    });
    return boxes.slice(1).map((box, i) => box.left - boxes[i].right);
})"""


def test_the_figures_of_the_lesson_are_of_the_cats_and_the_model_that_are_chosen(open_page):
    page = open_page(query="/?a=luna&b=rufus&model=v6")
    page.get_by_role("tab", name="Understand").click()
    kept = page.locator("kitten-lesson[kind=kept] canvas")
    page.locator("kitten-lesson[kind=kept]").scroll_into_view_if_needed()
    expect(kept).to_have_count(2 * (1 + 7))
    assert len(set(kept.evaluate_all(CANVASES))) == 16
    ways = page.locator("kitten-lesson[kind=ways] canvas")
    page.locator("kitten-lesson[kind=ways]").scroll_into_view_if_needed()
    expect(ways).to_have_count(7)
    expect(page.get_by_role("img", name="Cat A, v2").first).to_be_visible()
    axes = page.locator("kitten-lesson[kind=axes]")
    axes.scroll_into_view_if_needed()
    expect(axes.locator("canvas")).to_have_count(2 * (1 + 7))
    assert len(set(axes.locator("canvas").evaluate_all(CANVASES))) == 15  # the mean stands twice
    page.locator("kitten-lesson[kind=data]").scroll_into_view_if_needed()
    expect(page.locator("kitten-lesson[kind=data] li").last).to_contain_text("5,763 exact copies")

    network = page.locator("kitten-lesson[kind=network]")
    network.scroll_into_view_if_needed()
    expect(network.locator("rect:is(.encoder, .decoder)")).to_have_count(10)
    expect(network.locator("figcaption")).to_contain_text("v6: 4 convolutions")
    page.get_by_role("tab", name="Explore").click()
    page.get_by_role("combobox", name="Model").last.click()
    page.get_by_role("option", name="v3").click()
    page.get_by_role("tab", name="Understand").click()
    expect(network.locator("rect:is(.encoder, .decoder)")).to_have_count(6)
    expect(network.get_by_text("100", exact=True)).to_be_visible()
    before = kept.evaluate_all(CANVASES)
    page.get_by_role("tab", name="Explore").click()
    page.locator("#map [data-cat=gris]").click()
    expect(page.locator("#map [data-cat=gris]")).to_have_attribute("data-letters", "A")
    page.get_by_role("tab", name="Understand").click()
    page.locator("kitten-lesson[kind=kept]").scroll_into_view_if_needed()
    figure = "document.querySelector('kitten-lesson[kind=kept]').shadowRoot"
    page.wait_for_function(f"before => {figure}.querySelector('canvas').toDataURL() !== before", arg=before[0])
