"""A folder of photos to a folder of faces: what is found, left alone, left out and listed; what a second call does."""

import shlex
import shutil
from pathlib import Path

import pytest
from PIL import Image

import train_space
from catvae import __main__ as command
from catvae.errors import DataError, TrainingError
from catvae.photos.faces import find_faces
from catvae.training import cut
from catvae.training.cut import cut_folder, cut_source
from catvae.training.data import load_faces
from catvae.training.progress import locked
from tests.conftest import ROOT, draw_cat

PHONE = ROOT / "tests" / "phone.heic"  # a drawing, no cat


@pytest.fixture
def photos(tmp_path) -> Path:
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    cat = Image.open(ROOT / "examples" / "chelsea.jpg")
    cat.save(folder / "cat.jfif", "JPEG")
    both = Image.new("RGB", (2 * cat.width, cat.height))
    both.paste(cat, (0, 0))
    both.paste(cat, (cat.width, 0))
    both.save(folder / "more" / "two cats.avif")
    draw_cat(1).save(folder / "face.png")
    shutil.copy(PHONE, folder / "IMG_1.HEIC")
    (folder / "broken.jpe").write_bytes(b"\xff\xd8 nothing")
    (folder / "IMG_1.MOV").write_bytes(b"a film")
    (folder / "._cat.jpg").write_bytes(b"what a Mac leaves behind")
    return folder


def test_two_calls_never_fill_one_folder(photos, tmp_path):
    with locked(tmp_path / "faces"), pytest.raises(TrainingError, match="in use by another run"):
        cut_folder(photos, tmp_path / "faces")
    assert cut_folder(photos, tmp_path / "faces").faces


def test_every_cat_is_cut_and_the_rest_is_listed(photos, tmp_path):
    report = cut_folder(photos, tmp_path / "faces")
    assert report.files == "1 heic, 1 jpe, 1 jfif, 1 png, 1 avif; left out 1 mov"
    assert (report.photos, report.faces, report.already_cut) == (5, 4, 1)
    assert (report.without_cat, report.unreadable, report.deleted, report.too_small) == (1, 1, 0, 0)
    cuts = {str(path.relative_to(tmp_path / "faces")): path for path in (tmp_path / "faces").rglob("*.png")}
    assert set(cuts) == {"cat.jfif.1.png", "face.png.1.png", "more/two cats.avif.1.png", "more/two cats.avif.2.png"}
    assert all(Image.open(path).size == (64, 64) for path in cuts.values())
    assert Image.open(cuts["face.png.1.png"]).tobytes() == draw_cat(1).tobytes()
    page = (tmp_path / "faces" / "faces.html").read_text()
    assert page.count('src="data:image/jpeg;base64,') == 5 and "IMG_1.HEIC" in page and "broken.jpe" in page
    assert load_faces(tmp_path / "faces").report.read == 4


def test_a_second_call_does_what_is_new_and_brings_nothing_back(photos, tmp_path, monkeypatch):
    out = tmp_path / "faces"
    cut_folder(photos, out)
    (out / "more" / "two cats.avif.2.png").unlink()
    (photos / "cat.jfif").unlink()
    draw_cat(2).save(photos / "face 2.png")
    monkeypatch.setattr(cut, "find_faces", lambda image: pytest.fail("searched again"))
    report = cut_folder(photos, out)
    assert (report.photos, report.new, report.faces, report.deleted) == (5, 1, 3, 1)
    again = cut_folder(photos, out)  # the same once more
    assert "left out 1 mov), 0 of them new: 3 faces, 2 of them 64×64 already, 1 deleted by hand" in str(again)
    assert sorted(path.name for path in out.rglob("*.png")) == [
        "face 2.png.1.png",
        "face.png.1.png",
        "two cats.avif.1.png",
    ]


def test_faces_in_the_folder_of_their_photos_are_no_photos(photos, monkeypatch):
    monkeypatch.chdir(photos.parent)
    for _ in range(2):
        report = cut_folder(Path("photos"), photos / "faces")
        assert (report.photos, report.faces, report.files.count("png")) == (5, 4, 1)


def test_what_was_cut_survives_ctrl_c(photos, tmp_path, monkeypatch):
    searched = []

    def stopped_at_the_second(image):
        searched.append(image)
        if len(searched) == 2:
            raise KeyboardInterrupt
        return find_faces(image)

    monkeypatch.setattr(cut, "find_faces", stopped_at_the_second)
    monkeypatch.setattr(cut.os, "cpu_count", lambda: 1)
    with pytest.raises(KeyboardInterrupt):
        cut_folder(photos, tmp_path / "faces")
    monkeypatch.setattr(cut, "find_faces", find_faces)
    assert cut_folder(photos, tmp_path / "faces").faces == 4


def test_names_that_are_odd_and_faces_that_are_damaged_stop_nothing(tmp_path):
    photos, out = tmp_path / "na\udcffme", tmp_path / "faces"
    photos.mkdir()
    names = ["cat \udcff.png", "n" * 251 + ".png", "m" * 225 + ".png", "é\n.png"]
    for seed, name in enumerate(names):
        draw_cat(seed).save(photos / name)
    for _ in range(2):
        report = cut_folder(photos, out)
        assert (report.photos, report.faces, report.unreadable) == (4, 4, 0)
    assert r"cat \udcff.png.1.png" in (out / cut.SHEET).read_text()
    assert (out / "cat \udcff.png.1.png").exists() and (out / f"{'m' * 225}.png.1.png").exists()
    empty, broken, deleted, whole = sorted(out.glob("*.png"))
    empty.write_bytes(b"")
    broken.write_bytes(whole.read_bytes()[:60])
    deleted.unlink()
    (out / "é\n.png.1.png.99.partial").write_bytes(whole.read_bytes())  # of a cut that was killed
    report = cut_folder(photos, out)
    assert (report.faces, report.deleted, report.unreadable) == (3, 1, 0)
    faces = load_faces(out)
    assert (faces.report.read, faces.report.broken) == (3, 0)
    assert load_faces(photos).report.source == r"na\xffme"


def test_a_folder_that_holds_something_else_is_left_alone(photos, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear cat")
    with pytest.raises(DataError, match="mine: there is something else already"):
        cut_folder(photos, tmp_path / "mine")
    cut_folder(photos / "more", tmp_path / "faces")
    with pytest.raises(DataError, match="holds the faces of .*more"):
        cut_folder(photos, tmp_path / "faces")


def test_a_folder_without_pictures_leaves_none_behind(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty"):
        cut_folder(tmp_path / "empty", tmp_path / "faces")
    assert not (tmp_path / "faces").exists()


def test_training_cuts_what_is_not_cut_yet_and_nothing_else(photos, cat_folder, capsys):
    assert cut_source(str(cat_folder)) == str(cat_folder) and cut_source("owner/name") == "owner/name"
    assert cut_source(str(photos), "never") == str(photos)
    assert cut_source(str(photos)) == str(photos.with_name("photos-faces"))
    captured = capsys.readouterr()
    assert "4 faces" in captured.err and not captured.out  # which is the table's, of a command that measures


@pytest.mark.parametrize(
    "words",
    [
        ["evaluate", "--data", "PHOTOS", "--checkpoints", "SET"],
        ["evaluate", "--data", "PHOTOS", "--checkpoints", "SET", "--faces", "OTHER"],
        ["push-data", "PHOTOS", "owner/faces"],
        ["export-web", "OUT", "--data", "PHOTOS"],
        ["evaluate-faces", "PHOTOS", "--data", "PHOTOS"],
    ],
)
def test_every_command_with_photos_takes_the_faces_that_training_cuts(words, photos, tmp_path, monkeypatch):
    taken = []

    def take(source, **_):
        taken.append(Path(source))
        raise DataError("enough")

    monkeypatch.setattr(command, "load_faces", take)
    places = {"PHOTOS": str(photos), "SET": str(ROOT / "checkpoints"), "OTHER": str(tmp_path / "other"), "OUT": "x"}
    args = command.parse([places.get(word, word) for word in words])
    with pytest.raises(DataError, match="enough"):
        args.run(args)
    assert taken == [tmp_path / "other" if "OTHER" in words else tmp_path / "photos-faces"]
    assert len(list(taken[0].rglob("*.png"))) == 4


def test_photos_without_a_cat_are_said_in_place_of_an_empty_folder(tmp_path):
    (tmp_path / "photos").mkdir()
    shutil.copy(PHONE, tmp_path / "photos" / "IMG_1.HEIC")
    with pytest.raises(DataError, match="photos: no cat's face was cut; .*photos-faces/faces.html shows"):
        cut_source(str(tmp_path / "photos"))


def test_the_command_names_the_next_one(photos, tmp_path, capsys):
    args = command.parse(["cut", str(photos), str(tmp_path / "my faces")])
    args.run(args)
    last = capsys.readouterr().out.splitlines()[-1]
    words = shlex.split(last.partition("python train_space.py ")[2])
    options = train_space.parse(words)
    assert options.data == str(tmp_path / "my faces") and options.start_from == "checkpoints/v7"
