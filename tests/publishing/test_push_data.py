"""Faces as a dataset repo: pushed once, loaded or streamed from there, with the real client over HTTP."""

import json
import shutil
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import pytest
from huggingface_hub import DatasetCard

from catvae.errors import HubError
from catvae.latents import load_latents
from catvae.publishing.faces import push_faces
from catvae.training.data import load_faces
from tests.conftest import ROOT, draw_cat

REPO = "owner/faces"


def run(hub, tmp_path, *arguments, **env) -> subprocess.CompletedProcess:
    """A process of its own: `datasets` reads where the Hub is when it is imported."""
    env = hub.env(tmp_path / "home", **{"token": hub.token, **env})
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, env=env, capture_output=True, text=True)


@pytest.fixture
def train_space(tmp_path) -> Path:
    """train_space.py without the five seconds for which `datasets` waits after each pass over a stream."""
    script = tmp_path / "train.py"
    script.write_text(
        f"import runpy, sys, datasets\nsys.path.insert(0, {str(ROOT)!r})\n"
        "datasets.config.SLEEP_TIME_ON_THREADS_SHUTDOWN = 0.05\n"
        f"runpy.run_path({str(ROOT / 'train_space.py')!r}, run_name='__main__')\n"
    )
    return script


def test_pushed_faces_are_distinct_and_split_and_load_again_as_they_were(hub, client, cat_folder, tmp_path):
    shutil.copytree(cat_folder, tmp_path / "cats")
    shutil.copy(cat_folder / "000.png", tmp_path / "cats" / "copy.png")
    done = run(hub, tmp_path, "-m", "catvae", "push-data", tmp_path / "cats", REPO, "--license", "cc-by-4.0")
    assert done.returncode == 0, done.stderr
    assert f"{hub.url}/datasets/{REPO}" in done.stdout and "1 exact" in done.stdout

    card = DatasetCard(hub.files(f"datasets/{REPO}")["README.md"].decode())
    assert card.data.license == "cc-by-4.0" and "1 exact" in card.text
    assert [split["num_examples"] for split in card.data.dataset_info["splits"]] == [48, 12]

    local = load_faces(tmp_path / "cats").report
    load = f"from catvae.training.data import load_faces; print(load_faces({REPO!r}).report.fingerprint)"
    assert run(hub, tmp_path, "-c", load).stdout.strip() == local.fingerprint
    load = load.replace(").report.fingerprint", ", limit=20).report.train")
    assert run(hub, tmp_path, "-c", load).stdout.strip() == "19"

    head = hub.head(f"datasets/{REPO}")
    push_faces(load_faces(tmp_path / "cats"), REPO, license="cc-by-4.0")
    assert hub.head(f"datasets/{REPO}") == head  # the same again is no commit
    push_faces(load_faces(tmp_path / "cats", limit=30), REPO)
    assert hub.head(f"datasets/{REPO}") != head


def test_a_published_split_loses_training_faces_that_are_copies_of_validation(hub, client, cat_folder, tmp_path):
    faces = load_faces(cat_folder)
    leaking = type(faces)(faces.split("all"), faces.validation, faces.report)
    push_faces(leaking, REPO)
    load = f"from catvae.training.data import load_faces; r = load_faces({REPO!r}).report; print(r.train, r.validation)"
    assert run(hub, tmp_path, "-c", load).stdout.strip() == "48 12"


def test_streaming_trains_and_resumes_from_the_published_split(hub, client, cat_folder, tmp_path, train_space):
    push_faces(load_faces(cat_folder), REPO)
    train = [train_space, "--data", REPO, "--streaming", "--variants", "v3", "--epochs", "2", "--batch-size", "8"]

    latents = tmp_path / "whole" / "v3" / "latents.safetensors"
    latents.parent.mkdir(parents=True)
    latents.write_bytes(b"of an earlier run")
    done = run(hub, tmp_path, *train, "--out", tmp_path / "whole")
    assert done.returncode == 0, done.stderr
    assert load_latents(latents.parent)["mean"].shape == (100,)
    metrics = json.loads((tmp_path / "whole" / "v3" / "metrics.json").read_text())
    assert metrics["images"] == 12
    assert metrics["training"]["data"]["train"] == 48
    assert metrics["training"]["data"]["fingerprint"] == hub.head(f"datasets/{REPO}")
    history = (tmp_path / "whole" / "v3" / "history.csv").read_text()

    # the Hub dies in the second epoch: the shard is asked for once to look at it, once to start, once in each epoch
    fault = hub.fault(r"GET .*train-00000", status=403, skip=4)
    cut = run(hub, tmp_path, *train, "--out", tmp_path / "cut")
    if fault.hits:
        assert cut.returncode == 1 and "--resume" in cut.stderr and "Traceback" not in cut.stderr
        hub.clear_faults()
        done = run(hub, tmp_path, *train, "--out", tmp_path / "cut", "--resume")
        assert done.returncode == 0, done.stderr
    assert fault.hits
    assert (tmp_path / "cut" / "v3" / "history.csv").read_text() == history


def test_two_processes_train_from_one_stream(hub, client, cat_folder, tmp_path, train_space):
    push_faces(load_faces(cat_folder), REPO)
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", train_space]
    options = ["--data", REPO, "--streaming", "--variants", "v3", "--epochs", "3", "--batch-size", "9"]
    done = run(hub, tmp_path, *launcher, *options, "--out", tmp_path / "out", OMP_NUM_THREADS="1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 process(es)" in done.stdout and done.stdout.count("epoch 3/3:") == 1
    rows = (tmp_path / "out" / "v3" / "history.csv").read_text().splitlines()
    losses = [float(row.split(",")[1]) for row in rows[1:]]
    assert len(losses) == 4 and losses[3] < losses[1]


def test_what_cannot_be_streamed_is_named(hub, client, cat_folder, tmp_path):
    def complaint(source: str) -> str:
        done = run(hub, tmp_path, "train_space.py", "--data", source, "--streaming", "--out", tmp_path / "out")
        assert done.returncode == 1 and "Traceback" not in done.stderr
        return done.stderr

    assert "nowhere: not a Hub dataset" in complaint("owner/nowhere")
    push_faces(load_faces(cat_folder), REPO)
    files = hub.files(f"datasets/{REPO}")
    parquet = {name: content for name, content in files.items() if "train" in name}
    hub.seed("datasets/owner/unsplit", parquet)
    assert "push-data" in complaint("owner/unsplit")
    hub.seed("datasets/owner/no-card", {name: content for name, content in files.items() if name != "README.md"})
    assert "does not tell how many" in complaint("owner/no-card")


def test_archives_and_folders_of_images_on_the_hub_are_read_and_streamed(hub, client, cat_folder, tmp_path):
    pictures = [path.read_bytes() for path in sorted(cat_folder.iterdir())]
    local = load_faces(cat_folder)
    splits = {"train": pictures[:48], "validation": pictures[48:]}
    zips, folders = ({"README.md": dataset_card(48 + more, 12 + more)} for more in (1, 0))
    for name, images in splits.items():
        packed = BytesIO()
        with ZipFile(packed, "w") as archive:
            for number, image in enumerate(images):
                archive.writestr(f"cats/{number:02d}.png", image)
                folders[f"data/{name}/{number:02d}.png"] = image
            archive.writestr("cats/99.png", b"broken")
        zips[f"data/{name}.zip"] = packed.getvalue()
    hub.seed("datasets/owner/zips", zips)
    hub.seed("datasets/owner/folders", folders)
    load = (
        "import warnings, datasets; warnings.simplefilter('ignore')\n"
        "datasets.config.SLEEP_TIME_ON_THREADS_SHUTDOWN = 0.05\n"
        "from catvae.training.data import load_faces, stream_faces\n"
        "faces, stream = load_faces({0!r}), stream_faces({0!r})\n"
        "print(len(faces.train), len(faces.validation), faces.report.broken, len(stream.validation))\n"
        "print(sum(len(batch) for batch in stream.train.batches(10, seed=0)))\n"
        "print(sum(batch.sum().item() for batch in stream.train.batches(10, seed=0)), faces.train.sum().item())"
    )
    for source, broken in (("owner/zips", 2), ("owner/folders", 0)):
        done = run(hub, tmp_path, "-c", load.format(source))
        assert done.returncode == 0, done.stderr
        counts, streamed, sums = done.stdout.splitlines()
        assert (counts, streamed) == (f"48 12 {broken} 12", "48") and len(set(sums.split())) == 1
    assert len(local.train) == 48


def dataset_card(train: int, validation: int) -> bytes:
    sizes = {"train": train, "validation": validation}
    splits = "".join(f"  - name: {name}\n    num_bytes: 1\n    num_examples: {size}\n" for name, size in sizes.items())
    features = "  features:\n  - name: image\n    dtype: image\n"
    return f"---\ndataset_info:\n{features}  splits:\n{splits}---\nCats\n".encode()


def test_a_cache_that_cannot_be_written_names_its_variable(hub, client, cat_folder, tmp_path):
    push_faces(load_faces(cat_folder), REPO)
    (tmp_path / "file").write_text("")
    hub.seed("models/owner/model", {"v1/config.json": b"{}", "v1/model.safetensors": b"weights"})
    for command in (
        ["-m", "catvae", "evaluate", "--data", REPO],
        ["train_space.py", "--data", cat_folder, "--start-from", "owner/model", "--out", tmp_path / "out"],
    ):
        done = run(hub, tmp_path, *command, HF_HOME=str(tmp_path / "file" / "cache"))
        assert done.returncode == 1 and "Traceback" not in done.stderr
        assert "let HF_HOME name a folder that can" in done.stderr, done.stderr


@pytest.mark.parametrize("fault", [{"status": 500}, {"status": 401}, {"reset": True}], ids=str)
def test_a_push_of_faces_that_fails_is_a_clear_error(hub, client, cat_folder, fault):
    client.create_repo(REPO, repo_type="dataset")
    head = hub.head(f"datasets/{REPO}")
    hub.fault("POST .*/commit/", **fault)
    with pytest.raises(HubError, match=f"push to {REPO} failed"):
        push_faces(load_faces(cat_folder), REPO)
    assert hub.head(f"datasets/{REPO}") == head


def test_pixels_survive_the_way_through_png(hub, client, tmp_path):
    for seed in range(3):
        draw_cat(seed).save(tmp_path / f"{seed}.png")
    faces = load_faces(tmp_path)
    push_faces(faces, REPO)
    assert [name for name in hub.files(f"datasets/{REPO}") if name.endswith(".parquet")] == [
        "data/train-00000-of-00001.parquet", "data/validation-00000-of-00001.parquet"
    ]  # fmt: skip
