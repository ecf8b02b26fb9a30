import re
import subprocess
import sys

import pytest
from huggingface_hub import RepoCard

from catvae.hub import HubError
from catvae.space import embed_snippets, publish_space
from tests.conftest import ROOT
from tests.hub_server import load

SPACE = "owner/kitten-mixer"


pytestmark = pytest.mark.usefixtures("client")


def test_a_space_gets_what_it_needs_and_nothing_else(hub):
    assert publish_space(SPACE, model_repo="owner/cats").endswith(f"/spaces/{SPACE}")
    files = hub.files(f"spaces/{SPACE}", "main")
    for name in ("app.py", "requirements.txt", "catvae/ui.py", "examples/kitten-01.png", "figures/interpolation.png"):
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
    for name, content in hub.files(f"spaces/{SPACE}", "main").items():
        (tmp_path / "space" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "space" / name).write_bytes(content)
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
