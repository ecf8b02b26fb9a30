import shutil
import sys
import types
from io import BytesIO
from zipfile import ZipFile

import datasets
import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from catvae import VARIANTS, CatVAE, machine
from catvae.errors import DataError, HubError
from catvae.evaluation.evaluate import evaluate_variants
from catvae.evaluation.unseen import describe_seen, require_unseen
from catvae.training.data import load_faces, near_copy_groups, stream_faces
from catvae.training.faces import DataReport, Faces, FaceStream
from catvae.training.sources import list_files, read_content
from catvae.training.split import PUBLISHED_FINGERPRINT, load_trained_on, save_trained_on
from tests.conftest import ROOT, SHARED, draw_cat


def write_parquet(path, pictures: list[bytes], column: str = "image") -> None:
    rows = {column: [{"bytes": picture, "path": f"{i}.jpg"} for i, picture in enumerate(pictures)]}
    datasets.Dataset.from_dict(rows, features=datasets.Features({column: datasets.Image()})).to_parquet(path)


def jpeg(image: Image.Image) -> bytes:
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


@pytest.fixture(autouse=True)
def datasets_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def test_folder_is_loaded_split_and_reported(cat_folder):
    faces = load_faces(cat_folder, validation_fraction=0.2)
    train, validation = len(faces.train), len(faces.validation)
    assert faces.train.shape == (train, 3, 64, 64) and faces.train.dtype == torch.uint8
    assert train + validation == 60 and 6 <= validation <= 18
    assert (faces.report.read, faces.report.exact_copies, faces.report.near_copies) == (60, 0, 0)
    assert faces.report.files == "60 png" and "(60 png)" in str(faces.report)
    assert len(faces.split("all")) == 60
    with pytest.raises(DataError, match="test"):
        faces.split("test")


def pixels_of(faces: torch.Tensor) -> set[bytes]:
    return {face.numpy().tobytes() for face in faces}


def test_faces_that_come_and_go_move_no_other(cat_folder, tmp_path):
    shutil.copytree(cat_folder, tmp_path / "cats")
    before = load_faces(tmp_path / "cats", validation_fraction=0.3)
    for seed in range(5):
        (tmp_path / "cats" / f"{7 * seed:03d}.png").unlink()
        draw_cat(100 + seed).save(tmp_path / "cats" / f"0{seed}.png")
        (tmp_path / "cats" / f"near-{seed}.jpg").write_bytes(jpeg(draw_cat(40 + seed)))  # another hash, the same cat
    after = load_faces(tmp_path / "cats", validation_fraction=0.3)
    assert after.report.near_copies == 5
    assert not pixels_of(before.train) & pixels_of(after.validation)
    near = pixels_of(torch.stack([torch.from_numpy(np.array(draw_cat(40 + i))).permute(2, 0, 1) for i in range(5)]))
    assert pixels_of(before.validation) & pixels_of(after.train) <= near  # held out until a copy was learned from
    assert len(pixels_of(before.train) & pixels_of(after.train)) > 30
    shuffled = load_faces(tmp_path / "cats", validation_fraction=0.3)
    assert torch.equal(shuffled.train, after.train) and shuffled.report.fingerprint == after.report.fingerprint


def test_a_small_set_holds_out_a_fifth_and_the_smallest_a_face(cat_folder, tmp_path):
    assert load_faces(cat_folder, validation_fraction=0.001).report.validation == 12
    for seed in range(2):
        draw_cat(seed).save(tmp_path / f"{seed}.png")
    for fraction in (0.001, 0.999):
        faces = load_faces(tmp_path, validation_fraction=fraction)
        assert (len(faces.train), len(faces.validation)) == (1, 1)


def test_planted_copies_are_removed_and_never_straddle_the_split(cat_folder, tmp_path):
    shutil.copytree(cat_folder, tmp_path / "cats")
    for seed in range(10):
        shutil.copy(cat_folder / f"{seed:03d}.png", tmp_path / "cats" / f"exact-{seed}.png")
        (tmp_path / "cats" / f"near-{seed}.jpg").write_bytes(jpeg(draw_cat(seed)))
    ImageOps.mirror(draw_cat(20)).save(tmp_path / "cats" / "mirrored.png")
    faces = load_faces(tmp_path / "cats", validation_fraction=0.3)
    assert (faces.report.read, faces.report.exact_copies, faces.report.near_copies) == (81, 10, 11)
    assert len(faces.train) + len(faces.validation) == 60
    pixels = faces.split("all").permute(0, 2, 3, 1).numpy()
    assert len(set(near_copy_groups(pixels))) == 60


def test_near_copies_chain_across_chunks():
    pixels = np.stack([np.asarray(draw_cat(seed)) for seed in (1, 2, 3, 1, 2, 3, 4)])
    pixels[3:6] = pixels[3:6] // 2 + 60  # darker and flatter, the same cats
    groups = near_copy_groups(pixels, chunk=2)
    assert groups == [0, 1, 2, 0, 1, 2, 6]


def test_parquet_gives_the_same_faces_as_the_folder(cat_folder, tmp_path):
    files = sorted(cat_folder.iterdir())
    write_parquet(tmp_path / "cats.parquet", [file.read_bytes() for file in files])
    from_folder, from_parquet = load_faces(cat_folder), load_faces(tmp_path / "cats.parquet")
    assert torch.equal(from_folder.train, from_parquet.train)
    assert len(load_faces(tmp_path / "cats.parquet", limit=20).split("all")) == 20


def test_other_sizes_are_cut_to_64(tmp_path):
    for seed in range(4):
        draw_cat(seed, size=100 + 30 * seed).save(tmp_path / f"{seed}.png")
    face = load_faces(tmp_path).split("all")
    assert face.shape == (4, 3, 64, 64)


def test_broken_images_are_counted_and_skipped(cat_folder, tmp_path):
    shutil.copytree(cat_folder, tmp_path / "cats")
    (tmp_path / "cats" / "broken.jpg").write_bytes(jpeg(draw_cat(1))[:300])
    (tmp_path / "cats" / "text.png").write_text("not a picture")
    with pytest.warns(UserWarning, match=r"skipped 2 broken images.*broken\.jpg"):
        report = load_faces(tmp_path / "cats").report
    assert (report.read, report.broken) == (62, 2)


def test_kaggle_handles_go_through_kagglehub(cat_folder, monkeypatch):
    asked = []
    fake = types.SimpleNamespace(dataset_download=lambda handle: asked.append(handle) or str(cat_folder))
    monkeypatch.setitem(sys.modules, "kagglehub", fake)
    assert load_faces("kaggle:someone/cats").report.read == 60
    assert asked == ["someone/cats"]

    def offline(handle):
        raise ConnectionError("no route")

    fake.dataset_download = offline
    with pytest.raises(DataError, match="kaggle:someone/cats: download failed .no route"):
        load_faces("kaggle:someone/cats")
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(DataError, match="pip install kagglehub"):
        load_faces("kaggle:someone/cats")


def test_errors_name_the_thing(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty: no images in this folder"):
        load_faces(tmp_path / "empty")
    with pytest.raises(DataError, match="no such file or folder"):
        load_faces(tmp_path / "missing.parquet")
    (tmp_path / "faces.zip").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"faces\.zip: not a \.parquet file"):
        load_faces(tmp_path / "faces.zip")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 nonsense")
    with pytest.raises(DataError, match=r"bad\.parquet: cannot be read"):
        load_faces(tmp_path / "bad.parquet")
    write_parquet(tmp_path / "other.parquet", [jpeg(draw_cat(i)) for i in range(3)], column="picture")
    with pytest.raises(DataError, match="no column 'image'; it has picture"):
        load_faces(tmp_path / "other.parquet")
    assert load_faces(tmp_path / "other.parquet", column="picture").report.read == 3
    datasets.Dataset.from_dict({"image": [1, 2]}).to_parquet(tmp_path / "numbers.parquet")
    with pytest.raises(DataError, match="does not hold images"):
        load_faces(tmp_path / "numbers.parquet")
    for i in range(3):
        draw_cat(1).save(tmp_path / "empty" / f"{i}.png")
    with pytest.raises(DataError, match="all 3 images are copies of one"):
        load_faces(tmp_path / "empty")


@pytest.mark.parametrize("name", ["cats [1].parquet", "a[b]/cats.parquet", "cats*.parquet", "cats?.PARQUET"])
def test_a_path_is_no_pattern(name, cat_folder, tmp_path):
    pictures = [file.read_bytes() for file in sorted(cat_folder.iterdir())]
    (tmp_path / name).parent.mkdir(exist_ok=True)
    write_parquet(tmp_path / name, pictures[:10])
    for neighbour in ("cats 1.parquet", "ab/cats.parquet", "cats2.parquet", "cats2.PARQUET"):
        (tmp_path / neighbour).parent.mkdir(exist_ok=True)
        write_parquet(tmp_path / neighbour, pictures)
    assert load_faces(tmp_path / name).report.read == 10


def test_empty_rows_are_counted_and_a_stream_leaves_them_out(tmp_path):
    rows = [{"bytes": jpeg(draw_cat(seed)), "path": None} for seed in range(4)]
    table = {"image": [rows[0], None, rows[1], {"bytes": b"", "path": None}, {"bytes": b"x", "path": None}, *rows[2:]]}
    written = datasets.Dataset.from_dict(table, features=datasets.Features({"image": datasets.Image(decode=False)}))
    written.to_parquet(tmp_path / "cats.parquet")
    with pytest.warns(UserWarning, match="skipped 3 broken images, the first row 1: no picture given"):
        report = load_faces(tmp_path / "cats.parquet").report
    assert (report.read, report.broken) == (7, 3)
    assert sum(map(len, FaceStream(written.to_iterable_dataset(), "image", 7).batches(2, seed=0))) == 4
    broken = FaceStream(written.select([1, 3, 4]).to_iterable_dataset(), "image", 3)
    with pytest.raises(DataError, match="no readable image"):
        list(broken.batches(2, seed=0))


def test_a_stream_whose_validation_images_are_all_broken_says_so(tmp_path, monkeypatch):
    rows = datasets.Dataset.from_dict({"image": [None]}, features=datasets.Features({"image": datasets.Image()}))
    rows = rows.cast_column("image", datasets.Image(decode=False)).to_iterable_dataset()
    rows.info.splits = datasets.SplitDict(train=datasets.SplitInfo("train", num_examples=1))
    monkeypatch.setattr("huggingface_hub.HfApi.dataset_info", lambda *_, **__: types.SimpleNamespace(sha="c0ffee"))
    monkeypatch.setattr("catvae.training.data.load_rows", lambda *_, **__: {"train": rows, "validation": rows})
    with pytest.raises(DataError, match="owner/cats: none of 1 validation images is readable"):
        stream_faces("owner/cats")


def test_weights_that_are_no_folder_and_no_repo_are_refused_at_once(monkeypatch):
    monkeypatch.setattr("catvae.download.hf_hub_download", lambda *_, **__: pytest.fail("asked the Hub"))
    for name in ("bogus", "a/b/c", "~/weights", "../weights"):
        with pytest.raises(HubError, match="neither a folder that is here nor a repo OWNER/NAME"):
            CatVAE.from_pretrained(name)


def test_what_weights_learned_from_is_not_measured_as_unseen(cat_folder, small_set, tmp_path):
    faces = load_faces(cat_folder)
    shutil.copytree(small_set / "v6", tmp_path / "v6")
    save_trained_on(tmp_path / "v6", faces.trained_on, None)
    weights = {"v6": tmp_path / "v6"}
    require_unseen(weights, faces.validation)
    assert describe_seen(weights, faces.validation) == ""
    assert describe_seen(weights, faces.split("all")) == f"v6 learned from {len(faces.train)} of these 60 faces"
    assert "is not known" in describe_seen({"v5": small_set / "v5"}, faces.validation)
    other = Faces(train=faces.validation, validation=faces.train[:9], report=faces.report)  # as another split would be
    shutil.copytree(small_set / "v5", tmp_path / "v5")
    with pytest.raises(DataError, match="v6 learned from 9 of these 9 validation faces"):
        evaluate_variants(other, "validation", tmp_path)
    assert set(evaluate_variants(other, "all", tmp_path)["variants"]) == {"v5", "v6"}
    save_trained_on(tmp_path / "v5", torch.tensor([7]), tmp_path / "v6")  # went on from them
    with pytest.raises(DataError, match="v5, v6 learned from|v6, v5 learned from"):
        evaluate_variants(other, "validation", tmp_path)


def test_the_committed_weights_know_the_faces_they_learned_from():
    for name in VARIANTS:
        numbers, unknown = load_trained_on(ROOT / "checkpoints" / name)
        assert (len(numbers), unknown) == (7799, "")  # with 36 near copies


def test_links_to_folders_are_followed_and_each_folder_is_read_once(tmp_path):
    for folder, seeds in (("set/a", range(4)), ("elsewhere", range(4, 9)), ("set/.hidden", range(9, 12))):
        (tmp_path / folder).mkdir(parents=True)
        for seed in seeds:
            draw_cat(seed).save(tmp_path / folder / f"{seed}.png")
    links = {"0 first": "set/a", "more": "elsewhere", "again": "elsewhere", "loop": "set", "up": ".", "x": "y"}
    for link, target in links.items():
        (tmp_path / "set" / link).symlink_to(tmp_path / target)
    (tmp_path / "elsewhere" / "back").symlink_to(tmp_path / "set")
    images, others = list_files(tmp_path / "set")
    assert [str(path.relative_to(tmp_path / "set")) for path in images] == [
        *(f"a/{seed}.png" for seed in range(4)), *(f"again/{seed}.png" for seed in range(4, 9))
    ]  # fmt: skip
    assert not others and load_faces(tmp_path / "set").report.exact_copies == 0
    (tmp_path / "link").symlink_to(tmp_path / "set")
    assert load_faces(tmp_path / "link").report.read == 9


def test_a_revision_may_have_slashes(monkeypatch):
    asked = []

    def load_dataset(*args, **options):
        asked.append((args, options))
        raise OSError("offline")

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    for source in ("owner/cats@refs/convert/parquet", "owner/cats@v1.parquet"):
        with pytest.raises(DataError, match="cannot be read as a dataset"):
            load_faces(source)
    assert asked == [
        (("owner/cats",), {"revision": "refs/convert/parquet"}), (("owner/cats",), {"revision": "v1.parquet"})
    ]  # fmt: skip
    for source in ("a/b/c", "./cats@main", "a@b/c", "cats@refs/pr/1"):
        with pytest.raises(DataError, match="no such file or folder"):
            load_faces(source)


def test_an_encrypted_archive_is_named(tmp_path):
    with ZipFile(tmp_path / "cats.zip", "w") as archive:
        archive.writestr("cat.png", jpeg(draw_cat(1)))
    content = bytearray((tmp_path / "cats.zip").read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1  # the flag in the list of contents
    (tmp_path / "cats.zip").write_bytes(content)
    with pytest.raises(DataError, match=r"cats\.zip: has a password"):
        read_content({"bytes": None, "path": f"zip://cat.png::{tmp_path / 'cats.zip'}"})


def test_an_unreachable_hub_dataset_is_a_clear_error():
    with pytest.raises(DataError, match="someone/no-cats-here"):
        load_faces("someone/no-cats-here@main")


def test_the_published_faces_keep_the_split_of_the_published_figures(tmp_path):
    parquet = SHARED / "data" / "cat-faces-64" / "train.parquet"
    if not parquet.exists():
        pytest.skip(f"needs {parquet.name} of the shared data")
    faces = load_faces(parquet)
    assert (faces.report.read, faces.report.exact_copies, faces.report.near_copies) == (14060, 5763, 38)
    assert (faces.report.train, faces.report.validation) == (7763, 496)
    assert faces.report.fingerprint == PUBLISHED_FINGERPRINT
    rows = datasets.load_dataset("parquet", data_files=str(parquet), split="train").select(range(300, 14060))
    rows.to_parquet(tmp_path / "less.parquet")
    less = load_faces(tmp_path / "less.parquet")
    assert less.report.train + less.report.validation < 8259
    assert pixels_of(less.validation) < pixels_of(faces.validation)
    assert not pixels_of(less.train) & pixels_of(faces.validation)


def rows_of(seeds: range) -> datasets.Dataset:
    pictures = [BytesIO() for _ in seeds]
    for seed, picture in zip(seeds, pictures, strict=True):
        draw_cat(seed).save(picture, "PNG")
    return datasets.Dataset.from_dict({"image": [{"bytes": picture.getvalue(), "path": None} for picture in pictures]})


@pytest.mark.parametrize("shards", [1, 2])
def test_parts_of_a_stream_share_no_face(shards):
    stream = FaceStream(rows_of(range(10)).to_iterable_dataset(num_shards=shards), "image", 10)
    parts = [torch.cat(list(stream.batches(2, seed=3, part=part, parts=2))) for part in range(2)]
    seen = [{bytes(face.numpy()) for face in part} for part in parts]
    assert not seen[0] & seen[1] and len(seen[0] | seen[1]) == sum(map(len, parts)) == 10 and all(seen)


@pytest.mark.parametrize("files", [2, 3, 4])  # whole files for each process, or every second row of all
def test_no_two_processes_learn_from_the_same_row_of_a_stream(files, tmp_path, monkeypatch):
    """Files of 4, 10, 16 … rows: who has the shorter ones starts anew before the epoch is over."""
    for number in range(files):
        rows_of(range(50 * number, 50 * number + 4 + 6 * number)).to_parquet(tmp_path / f"{number}.parquet")
    rows = datasets.load_dataset("parquet", data_files=str(tmp_path / "*.parquet"), split="train", streaming=True)
    stream = FaceStream(rows, "image", sum(4 + 6 * number for number in range(files)))
    report = DataReport("stream", 0, 0, 0, 0, len(stream), 0, "0123")
    for epoch in range(4):
        learned = []
        for process in range(2):
            monkeypatch.setattr(machine, "rank", lambda process=process: process)
            monkeypatch.setattr(machine, "world_size", lambda: 2)
            torch.manual_seed(epoch)
            parts = [part for part, _ in Faces(stream, torch.empty(0), report).epoch(4)]
            learned.append({bytes(face.numpy()) for part in parts for face in part})
        assert all(learned) and not learned[0] & learned[1]
