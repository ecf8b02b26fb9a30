"""Faces in photos: known faces on known places, pictures without any, odd sizes, the report."""

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from catvae import CatVAE, CheckpointError
from catvae.errors import DataError
from catvae.evaluation.faces import evaluate_faces
from catvae.images import to_tensor
from catvae.metrics import psnr
from catvae.model import save_checkpoint
from catvae.photos import networks
from catvae.photos.decode import open_image
from catvae.photos.faces import MIN_SCORE, Face, align, cut_face, find_faces, find_squares, to_pyramid
from catvae.photos.views import cut_views
from catvae.serving.links import CATS, example_face
from catvae.training import aligner, cat_head
from tests.conftest import ROOT, SHARED

EXAMPLES = ROOT / "examples"
PHOTOS = SHARED / "data" / "photos"
KITTENS = sorted(EXAMPLES.glob("kitten-*.png"))


def ground(width: int, height: int, seed: int = 0) -> Image.Image:
    """A blurred, coloured wall."""
    noise = np.random.default_rng(seed).integers(60, 200, (height // 40 + 1, width // 40 + 1, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)


def put(photo: Image.Image, kitten: Path, x: float, y: float, side: int, rotation: float = 0) -> None:
    """Paste a kitten, centred at (x, y) and turned clockwise, with a soft round border."""
    face = np.asarray(Image.open(kitten).convert("RGB").resize((side, side), Image.Resampling.BICUBIC))
    mirrored = np.pad(face, ((side // 2, side // 2), (side // 2, side // 2), (0, 0)), mode="symmetric")
    wide = len(mirrored)
    mask = Image.new("L", (wide, wide))
    inset = round(0.19 * side)
    mask.paste(255, (inset, inset, wide - inset, wide - inset))
    mask = mask.filter(ImageFilter.GaussianBlur(side * 0.06))
    turned = Image.fromarray(mirrored).rotate(-rotation, Image.Resampling.BICUBIC)
    mask = mask.rotate(-rotation, Image.Resampling.BICUBIC)
    photo.paste(turned, (round(x - wide / 2), round(y - wide / 2)), mask)


def is_at(face: Face, x: float, y: float, side: float, rotation: float) -> bool:
    left, top, right, bottom = face.box
    assert right - left == pytest.approx(bottom - top) and MIN_SCORE <= face.score <= 1
    shift = math.dist(((left + right) / 2, (top + bottom) / 2), (x, y))
    return shift < 0.1 * side and abs((right - left) / side - 1) < 0.3 and abs(face.rotation - rotation) < 10


def difference(a: Image.Image, b: Image.Image) -> float:
    return float(np.abs(np.asarray(a, np.float32) - np.asarray(b, np.float32)).mean())


@pytest.mark.parametrize("rotation", [0, -20, 20, -45, 45])
@pytest.mark.parametrize("side", [48, 130, 330])
def test_finds_turned_faces_of_all_sizes(side: int, rotation: int):
    right = 0
    for number, kitten in enumerate([KITTENS[0], KITTENS[1], KITTENS[4]]):
        photo = ground(600, 420, seed=number)
        put(photo, kitten, 310, 215, side, rotation)
        right += any(is_at(face, 310, 215, side, rotation) for face in find_faces(photo)[:1])
    assert right >= 2


def test_eyes_are_those_of_the_turned_frame():
    photo = ground(500, 500)
    put(photo, KITTENS[0], 250, 250, 200, 30)
    face = find_faces(photo)[0]
    (left_x, left_y), (right_x, right_y) = face.eyes
    assert math.degrees(math.atan2(right_y - left_y, right_x - left_x)) == pytest.approx(face.rotation, abs=0.01)
    assert math.dist(face.eyes[0], face.eyes[1]) == pytest.approx(0.43 * (face.box[2] - face.box[0]), rel=1e-3)


def test_lists_several_cats_best_first():
    photo = ground(640, 400)
    places = [(150, 200, 140), (470, 190, 120)]
    for kitten, (x, y, side) in zip([KITTENS[0], KITTENS[4]], places, strict=True):
        put(photo, kitten, x, y, side)
    found = find_faces(photo)
    assert len(found) == 2
    assert found[0].score >= found[1].score
    for face, place in zip(sorted(found, key=lambda face: face.box), places, strict=True):
        assert is_at(face, *place, 0)


@pytest.mark.parametrize("times", [1, 2, 5])
def test_leaves_cut_faces_alone(times: int):
    alone = 0
    for kitten in KITTENS:
        small = Image.open(kitten).convert("RGB")
        picture = small.resize((64 * times, 64 * times), Image.Resampling.NEAREST)
        found = find_faces(picture)
        if found and found[0].box == (0, 0, 64 * times, 64 * times):
            assert found[0].rotation == 0
            assert difference(align(picture, found[0]), small) < 2
            alone += 1
    assert alone >= 0.75 * len(KITTENS)


@pytest.mark.parametrize("rotation", [0, 33, -45])
@pytest.mark.parametrize("side", [64, 150, 700])
def test_align_undoes_the_turn(side: int, rotation: int):
    photo = ground(1000, 1000)
    put(photo, KITTENS[1], 500, 500, side, rotation)
    box = (500 - side / 2, 500 - side / 2, 500 + side / 2, 500 + side / 2)
    cut = align(photo, Face(box, 1.0, rotation))
    assert cut.size == (64, 64) and cut.mode == "RGB"
    assert difference(cut, Image.open(KITTENS[1]).convert("RGB")) < 6


def test_align_does_not_alias():
    """Black and white lines one pixel wide become grey, not a pattern."""
    lines = np.zeros((1280, 1280, 3), np.uint8)
    lines[:, ::2] = 255
    cut = np.asarray(align(Image.fromarray(lines), Face((100, 100, 1100, 1100), 1.0, 20)), np.float32)
    assert cut.std() < 6


def test_align_mirrors_beyond_the_photo():
    cut = align(Image.new("RGB", (200, 200), (10, 200, 30)), Face((-80, -80, 120, 120), 1.0, 10))
    assert difference(cut, Image.new("RGB", (64, 64), (10, 200, 30))) < 1


@pytest.mark.parametrize("box", [(0, 0, 0, 0), (500, 500, 700, 700), (math.nan, 0, 10, 10)])
def test_align_refuses_squares_outside(box):
    with pytest.raises(ValueError, match="no square inside"):
        align(Image.new("RGB", (100, 100)), Face(box, 1.0))


def test_finds_nothing_where_no_cat_is():
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 256, (300, 400, 3), dtype=np.uint8))
    upside_down = Image.open(EXAMPLES / "chelsea.jpg").convert("RGB").rotate(180)
    nothing = [Image.new("RGB", (640, 480), c) for c in ("white", "black", "tan")]
    nothing += [noise, noise.filter(ImageFilter.GaussianBlur(4)), noise.filter(ImageFilter.GaussianBlur(20))]
    nothing += [ground(700, 500, seed) for seed in range(12)]
    assert [len(find_faces(photo)) for photo in [*nothing, upside_down]] == [0] * (len(nothing) + 1)


@pytest.mark.parametrize("rotation", [0, 20, -20, 40, -40])
def test_finds_a_real_cat(rotation: int):
    """Chelsea, 451×300; her eyes were read off the picture."""
    photo = Image.open(EXAMPLES / "chelsea.jpg").convert("RGB")
    turned = photo.rotate(-rotation, Image.Resampling.BICUBIC, expand=True)
    angle = math.radians(rotation)
    face = find_faces(turned)[0]
    for found, (x, y) in zip(face.eyes, CHELSEAS_EYES, strict=True):
        x, y = x - photo.width / 2, y - photo.height / 2
        place = (x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle))
        place = (place[0] + turned.width / 2, place[1] + turned.height / 2)
        assert math.dist(found, place) < 28


CHELSEAS_EYES = ((171, 115), (318, 136))


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (3, 2), (7, 40), (2000, 30)])
@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "CMYK", "1", "P"])
def test_odd_sizes_and_modes_pass(size: tuple[int, int], mode: str):
    photo = Image.new(mode, size)
    for face in find_faces(photo):
        assert align(photo, face).size == (64, 64)


def test_missing_or_broken_weights_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    broken = tmp_path / "aligner.safetensors"
    for content in (None, b"nonsense"):
        if content:
            broken.write_bytes(content)
        monkeypatch.setattr(networks, "ALIGNER_WEIGHTS", broken)
        networks.load_networks.cache_clear()
        with pytest.raises(CheckpointError, match=r"aligner\.safetensors"):
            find_faces(Image.new("RGB", (90, 60)))
    networks.load_networks.cache_clear()


def test_weights_are_small_and_half_precision():
    from safetensors.torch import load_file

    assert networks.ALIGNER_WEIGHTS.stat().st_size < 1_000_000
    assert {tensor.dtype for tensor in load_file(networks.ALIGNER_WEIGHTS).values()} == {torch.float16}


def test_training_writes_weights_that_load(cat_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    before = networks.ALIGNER_WEIGHTS.read_bytes()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["aligner", "--data", str(cat_folder), "--steps", "2"])
    aligner.main()
    assert networks.ALIGNER_WEIGHTS.read_bytes() == before  # those in use are not written over
    monkeypatch.setattr(networks, "ALIGNER_WEIGHTS", tmp_path / "aligner.safetensors")
    networks.load_networks.cache_clear()
    find_faces(Image.new("RGB", (90, 60)))
    networks.load_networks.cache_clear()


@pytest.mark.parametrize("words", [("--data", "nothing"), ("--out", "file/a.safetensors")])
def test_training_that_cannot_be_is_one_sentence(words, cat_folder: Path, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    monkeypatch.setattr(sys, "argv", ["aligner", "--data", str(cat_folder), "--steps", "1", *words])
    with pytest.raises(SystemExit, match=f"aligner: .*{words[1]}"):
        aligner.main()


def test_report_is_one_page_with_figures_beside_it(tmp_path: Path):
    save_checkpoint(tmp_path / "models" / "v6", CatVAE(), 0.005, {})
    photos = tmp_path / "photos <1>"
    photos.mkdir()
    photo = ground(300, 200)
    put(photo, KITTENS[0], 150, 100, 110)
    photo.save(photos / "cat.png")
    ground(300, 200).save(photos / "wall.jpg")
    (photos / "broken.jpg").write_bytes(b"no picture")
    some = torch.randint(0, 256, (4, 3, 64, 64), dtype=torch.uint8)
    report = evaluate_faces(photos, tmp_path / "out" / "faces.html", checkpoints=tmp_path / "models", validation=some)
    page = (tmp_path / "out" / "faces.html").read_text(encoding="utf-8")
    assert page.count("data:image/jpeg;base64,") == 4  # photo, cut and reconstruction; photo
    assert "photos &lt;1&gt;" in page and "http" not in page
    written = json.loads((tmp_path / "out" / "faces.json").read_text(encoding="utf-8"))
    assert written["photos"] == 2 and written["unreadable"] == 1 and written["share_found"] == 0.5
    assert {row["file"] for row in written["files"]} == {"cat.png", "wall.jpg", "broken.jpg"}
    assert report["validation_elbo_per_pixel"] > 0 and report["elbo_per_pixel"] > 0 and report["ms_per_photo"] > 0


def test_report_refuses_a_folder_without_pictures(tmp_path: Path):
    with pytest.raises(DataError, match="no images"):
        evaluate_faces(tmp_path, tmp_path / "faces.html")


def test_import_stays_light():
    script = "import sys, catvae; assert not {'datasets', 'gradio'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True, cwd=EXAMPLES.parent)


@pytest.mark.parametrize(
    ("folder", "low", "high"), [("portraits", 0.95, 1), ("whole-cats", 0.8, 1), ("not-cats", 0, 1 / 12)]
)
def test_share_found_in_real_photos(folder: str, low: float, high: float):
    assert low <= share_found(folder) <= high


def share_found(folder: str) -> float:
    files = sorted((PHOTOS / folder).glob("*"))
    if not files:
        pytest.skip(f"no photos in {PHOTOS / folder}")
    return sum(bool(find_faces(Image.open(file).convert("RGB"))) for file in files) / len(files)


def test_the_faces_beside_the_example_photos_are_cut_from_them():
    for name, path in CATS.items():
        cut, face = to_tensor([cut_face(open_image(path)), example_face(name)])
        assert psnr(cut[None], face[None]) > 40  # CPUs differ in the finder's last digits


def cats_by_head(folder: Path) -> float:
    """Share of photos whose best square is taken for a cat without EfficientNet-Lite0."""
    files = sorted(folder.glob("*"))
    if not files:
        pytest.skip(f"no photos in {folder}")
    network, found = networks.AlignerAndCat(networks.load_networks()[1]), 0
    for file in files:
        _, levels, _ = to_pyramid(open_image(file))
        squares, fit = find_squares(levels)
        cat = network(cut_views(levels, squares))[:, 5].sigmoid()
        found += bool((fit * cat >= MIN_SCORE).any())
    return found / len(files)


@pytest.mark.parametrize(
    ("folder", "low", "high"), [("portraits", 0.9, 1), ("whole-cats", 0.8, 1), ("not-cats", 0, 0.1)]
)
def test_the_aligner_tells_cats_from_dogs(folder: str, low: float, high: float):
    assert low <= cats_by_head(PHOTOS / folder) <= high


def test_the_head_beside_the_aligner_leaves_its_answers_alone():
    aligner, views = networks.load_networks()[1], torch.rand(3, 3, 64, 64)
    answers = networks.AlignerAndCat(aligner)(views)
    assert answers.shape == (3, 6) and torch.allclose(answers[:, :5], aligner(views), atol=1e-5)


def test_training_of_the_head_writes_one_that_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    """Kittens stand for cats, and mirrored below each other for dogs: enough to be told apart."""
    for kind in ("cats", "dogs"):
        (tmp_path / kind).mkdir()
        for number, kitten in enumerate(KITTENS[:6]):
            photo = ground(300, 240, number)
            put(photo, kitten, 150, 120, 110, rotation=0 if kind == "cats" else 30)
            photo.save(tmp_path / kind / f"breed{number}_1.png")
    (tmp_path / "cats" / "broken.jpg").write_bytes(b"no picture")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["cat_head", "--cats", "cats", "--dogs", "dogs"])
    cat_head.main()
    said = capsys.readouterr().out
    assert "left out: cats/broken.jpg" in said and "cats that the finder takes for faces" in said
    monkeypatch.setattr(networks, "CAT_HEAD", tmp_path / "cat_head.safetensors")
    networks.AlignerAndCat(networks.load_networks()[1])
    (tmp_path / "cat_head.safetensors").write_bytes(b"nonsense")
    with pytest.raises(CheckpointError, match=r"cat_head\.safetensors"):
        networks.AlignerAndCat(networks.load_networks()[1])


def test_a_head_needs_photos_with_faces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    ground(200, 200).save(tmp_path / "wall.png")
    monkeypatch.setattr(sys, "argv", ["cat_head", "--cats", str(tmp_path), "--dogs", str(tmp_path)])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="takes for a face"):
        cat_head.main()


def test_a_name_that_is_not_utf8_is_reported_as_it_is(tmp_path: Path):
    save_checkpoint(tmp_path / "models" / "v6", CatVAE(), 0.005, {})
    photos = tmp_path / "photos"
    photos.mkdir()
    ground(300, 200).save(photos / "wall.png")
    (photos / "wall.png").rename(photos / "cat \udcff.png")
    evaluate_faces(photos, tmp_path / "faces.html", checkpoints=tmp_path / "models")
    assert "cat " in (tmp_path / "faces.html").read_text(encoding="utf-8")
    (row,) = json.loads((tmp_path / "faces.json").read_text(encoding="utf-8"))["files"]
    assert row["file"] == "cat \udcff.png"
