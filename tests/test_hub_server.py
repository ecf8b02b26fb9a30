"""The real huggingface_hub client against the stand-in: that they agree in what our own code relies on."""

import hashlib
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest
from huggingface_hub import CommitOperationAdd, get_session, hf_hub_download
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

from tests.hub_server import READ_TOKEN

REPO = "owner/cats"
MODEL = f"models/{REPO}"
WEIGHTS = bytes(range(256)) * 400
FILES = {"v6/model.safetensors": WEIGHTS, "v6/config.json": b"{}", "README.md": b"---\nlicense: mit\n---\nCats\n"}


@pytest.fixture
def model(hub, client):
    """A repo with weights; nothing of it is in the client's cache."""
    return hub.seed(MODEL, FILES)


def push(client, files: dict[str, bytes], **options) -> str:
    adds = [CommitOperationAdd(path, data) for path, data in files.items()]
    return client.create_commit(REPO, adds, commit_message="cats", **options).oid


def weights(**options) -> Path:
    return Path(hf_hub_download(REPO, "v6/model.safetensors", **options))


def test_a_push_is_one_commit_of_lfs_and_regular_files(hub, client):
    client.create_repo(REPO)
    pushed = push(client, FILES)
    assert pushed == hub.head(MODEL)
    files = hub.files(MODEL)
    del files[".gitattributes"]
    assert files == FILES
    assert [line.split()[0] for line in hub.requests].count("PUT") == 1
    assert weights(revision=pushed).read_bytes() == WEIGHTS
    assert weights().resolve().name == hashlib.sha256(WEIGHTS).hexdigest()  # what download_variant checks


def test_the_same_again_is_no_commit_and_a_stale_parent_is_refused(hub, client, model):
    assert push(client, FILES) == model
    assert not [line for line in hub.requests if line.startswith("PUT") or "/commit/" in line]
    now = push(client, {"a.json": b"1"}, parent_commit=model)
    with pytest.raises(HfHubHTTPError, match="412"):
        push(client, {"b.json": b"2"}, parent_commit=model)
    assert hub.head(MODEL) == now


def test_tags_and_branches(hub, client, model):
    client.create_tag(REPO, tag="v1.0", tag_message="First release")
    client.create_branch(REPO, branch="trial")
    later = push(client, {"v6/model.safetensors": b"new"}, revision="trial")
    assert weights(revision="v1.0").read_bytes() == WEIGHTS == weights().read_bytes()
    refs = client.list_repo_refs(REPO)
    assert {ref.name: ref.target_commit for ref in refs.branches} == {"main": model, "trial": later}
    assert {ref.name: ref.target_commit for ref in refs.tags} == {"v1.0": model}
    with pytest.raises(HfHubHTTPError, match="409"):
        client.create_tag(REPO, tag="v1.0")
    with pytest.raises(RevisionNotFoundError):
        push(client, {"x": b"x"}, revision="nowhere")


def test_who_may_write_and_who_may_read(hub, client, model, tmp_path):
    client.auth_check(REPO, token=READ_TOKEN)
    with pytest.raises(HfHubHTTPError, match="403"):
        client.auth_check(REPO, write=True, token=READ_TOKEN)
    hub.seed("models/stranger/cats", FILES)
    with pytest.raises(HfHubHTTPError, match="403.*namespace stranger"):
        client.auth_check("stranger/cats", write=True)
    client.create_repo("owner/secret", private=True)
    with hub.client(tmp_path / "stranger", token=None) as stranger, pytest.raises(RepositoryNotFoundError):
        stranger.model_info("owner/secret")
    assert client.model_info("owner/secret", token=READ_TOKEN).private


def test_a_free_account_has_two_spaces_on_zerogpu(hub, client):
    space = {"repo_type": "space", "space_sdk": "gradio"}
    for hardware in (None, "cpu-basic", "t4-small"):
        with pytest.raises(HfHubHTTPError, match="402"):
            client.create_repo("owner/mixer", space_hardware=hardware, **space)
    client.create_repo("owner/page", repo_type="space", space_sdk="static")
    for name in ("one", "two"):
        client.create_repo(f"owner/{name}", space_hardware="zero-a10g", **space)
    with pytest.raises(HfHubHTTPError, match="403"):
        client.create_repo("owner/three", space_hardware="zero-a10g", **space)
    with pytest.raises(HfHubHTTPError, match="402"):
        client.request_space_hardware("owner/one", "t4-small")
    hub.plan = "pro"
    client.create_repo("owner/three", **space)
    client.request_space_hardware("owner/three", "t4-small")
    assert client.get_space_runtime("owner/three").requested_hardware == "t4-small"


@pytest.mark.parametrize(
    "kind, metadata, message",
    [
        ("model", "license: mine", "license"),
        ("model", "datasets: owner/faces", "datasets"),
        ("space", "title: Mixer", "sdk"),
        ("space", f"sdk: gradio\nshort_description: {'x' * 61}", "short_description"),
    ],
)
def test_wrong_metadata_is_refused(hub, client, kind, metadata, message):
    hub.seed(f"{kind}s/{REPO}", {})
    with pytest.raises(ValueError, match=message):  # before anything is uploaded
        push(client, {"README.md": f"---\n{metadata}\n---\n".encode()}, repo_type=kind)


def test_a_pinned_revision_in_the_cache_takes_no_request(hub, client, model):
    first = weights(revision=model)
    hub.requests.clear()
    hub.down()
    assert weights(revision=model) == first
    hub.up()
    assert hub.requests == []


def test_the_client_does_not_notice_a_changed_byte(hub, client, model):
    hub.fault("GET .*model.safetensors", flip_byte=True)
    path = weights()
    assert sum(a != b for a, b in zip(path.read_bytes(), WEIGHTS, strict=True)) == 1
    assert path.resolve().name != hashlib.sha256(path.read_bytes()).hexdigest()


def test_faults_come_in_order_and_run_out(hub, client, model):
    late = hub.fault("GET /api/models", status=500, skip=1, times=1)
    hub.fault("GET /api/models", status=502, times=1)
    assert [get_session().get(f"{hub.url}/api/{MODEL}").status_code for _ in range(4)] == [502, 500, 200, 200]
    assert late.hits == 1
    hub.fault("GET /api/models", reset=True, times=1)
    hub.fault("GET /api/models", cut_after=9)
    for _ in range(2):
        with pytest.raises(httpx2.RemoteProtocolError):
            get_session().get(f"{hub.url}/api/{MODEL}")


def test_nothing_leaves_the_machine(hub, tmp_path):
    code = """
import httpx2
try:
    httpx2.get("https://huggingface.co/api/models")
except httpx2.ProxyError:
    print("refused")
"""
    done = subprocess.run([sys.executable, "-c", code], env=hub.env(tmp_path), capture_output=True, text=True)
    assert done.stdout.strip() == "refused", done.stderr
    assert hub.requests == ["CONNECT huggingface.co:443"]
