import re
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

import pytest
from huggingface_hub import RepoCard

from catvae.errors import HubError
from catvae.publishing.faces import push_faces
from catvae.publishing.spaces import embed_snippets, publish_space, publish_trainer
from catvae.training.data import load_faces
from tests.conftest import ROOT, free_port
from tests.hub_server import load

SPACE = "owner/kitten-mixer"


pytestmark = pytest.mark.usefixtures("client")


def test_a_space_gets_what_it_needs_and_nothing_else(hub):
    assert publish_space(SPACE, model_repo="owner/cats").endswith(f"/spaces/{SPACE}")
    files = hub.files(f"spaces/{SPACE}", "main")
    for name in ("app.py", "requirements.txt", "catvae/ui.py", "examples/kitten-01.png", "examples/blog/index.html"):
        assert files[name] == (ROOT / name).read_bytes()
    assert not [name for name in files if name.startswith(("tests/", ".ci/")) or name.endswith((".parquet", ".pt"))]
    card = RepoCard(files["README.md"].decode()).data
    assert card.models == ["owner/cats"]
    assert card.preload_from_hub[0].startswith("owner/cats v1/config.json,v1/model.safetensors")
    assert load(hub.folder / "spaces" / SPACE)["variables"] == {"CATVAE_REPO": {"value": "owner/cats"}}


def test_publishing_again_changes_only_what_changed(hub):
    publish_space(SPACE)
    first = hub.head(f"spaces/{SPACE}")
    publish_space(SPACE)
    assert hub.head(f"spaces/{SPACE}") == first
    hub.seed(f"spaces/{SPACE}", {"old.py": b"print()"})
    publish_space(SPACE)
    assert "old.py" not in hub.files(f"spaces/{SPACE}", "main")


def test_the_published_files_are_enough_to_start_the_app(hub, tmp_path):
    publish_space(SPACE)
    write_space(hub, SPACE, tmp_path / "space")
    code = "import app, catvae; print(catvae.__file__, len(app.demo.fns))"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path / "space", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert str(tmp_path) in done.stdout


def test_a_space_that_cannot_be_published_is_a_clear_error(hub):
    hub.fault("POST .*/commit/", status=500)
    with pytest.raises(HubError, match=f"publishing {SPACE} failed"):
        publish_space(SPACE)


def test_the_space_runs_the_gradio_that_is_tested():
    pinned = re.search(r"^gradio==(.+)$", (ROOT / "constraints.txt").read_text(), re.M).group(1)
    assert RepoCard.load(ROOT / "README.md").data.sdk_version == pinned
    assert f"/{pinned}/gradio.js" in embed_snippets(SPACE)
    assert "https://owner-kitten-mixer.hf.space" in embed_snippets(SPACE)


def write_space(hub, repo: str, folder) -> None:
    for name, content in hub.files(f"spaces/{repo}", "main").items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def test_a_training_space_trains_pushes_and_pauses(hub, cat_folder, tmp_path):
    arguments = ["--data", str(cat_folder), "--epochs", "1", "--batch-size", "8", "--out", str(tmp_path / "out")]
    publish_trainer("owner/trainer", [*arguments, "--push-to-hub", "owner/cats"], hardware="t4-small")
    space = load(hub.folder / "spaces" / "owner/trainer")
    assert space["private"] and space["hardware"] == "t4-small"
    assert space["secrets"]["HF_TOKEN"] == {"value": hub.token}
    assert RepoCard(hub.files("spaces/owner/trainer")["README.md"].decode()).data.app_file == "train_space.py"

    # what the Hub does next
    write_space(hub, "owner/trainer", tmp_path / "space")
    env = hub.env(tmp_path / "home", token=hub.token, SPACE_ID="owner/trainer", PORT=str(free_port()))
    env |= {name: entry["value"] for name, entry in space["variables"].items()}
    running = subprocess.Popen(
        [sys.executable, "train_space.py"], cwd=tmp_path / "space", env=env, stdout=subprocess.PIPE, text=True
    )
    try:
        deadline = time.monotonic() + 180
        while load(hub.folder / "spaces" / "owner/trainer")["stage"] != "PAUSED":
            assert running.poll() is None and time.monotonic() < deadline
            time.sleep(0.2)
        assert urlopen(f"http://127.0.0.1:{env['PORT']}", timeout=10).status == 200  # the page with the log
    finally:
        running.terminate()
        log = running.communicate()[0]
    pushed = hub.files("models/owner/cats")
    assert pushed["v6/model.safetensors"] == (tmp_path / "out" / "v6" / "model.safetensors").read_bytes(), log


def test_a_training_space_that_would_lose_its_weights_is_refused(hub):
    with pytest.raises(HubError, match="add --push-to-hub"):
        publish_trainer("owner/trainer", ["--epochs", "1"], hardware="t4-small")
    hub.fault("POST .*/hardware", status=402, body=b'{"error": "Payment required"}')
    with pytest.raises(HubError, match="publishing owner/trainer failed"):
        publish_trainer("owner/trainer", ["--push-to-hub", "owner/cats"], hardware="a100-large")


def test_the_job_of_the_readme_trains_from_the_published_space(hub, client, cat_folder, tmp_path):
    """The very command, less the rented machine, pip, and with one epoch of few faces."""
    readme = (ROOT / "README.md").read_text()
    job = re.search(r"hf jobs run .*?python:3\.11 bash -c '(.*?)'", readme, re.S).group(1)
    job = job.replace("YOU/", "owner/").replace("python train_space.py", "python train_space.py --epochs 1 --limit 40")
    publish_space("owner/kitten-mixer")
    push_faces(load_faces(cat_folder), "owner/faces")
    env = hub.env(tmp_path / "home", token=hub.token)
    env["PATH"] = f"{Path(sys.executable).parent}:{env['PATH']}"
    done = subprocess.run(
        ["bash", "-c", f"pip() {{ true; }}; {job}"], cwd=tmp_path, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "v6/model.safetensors" in hub.files("models/owner/catvae")
