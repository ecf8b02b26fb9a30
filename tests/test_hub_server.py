"""The real huggingface_hub client against the stand-in: that both agree, and what the client does when things go wrong.

The second half is worth reading before code is written that downloads: it is the client's behaviour, not the server's.
"""

import hashlib
import json
import subprocess
import sys
import time
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import patch

import httpx2
import pytest
from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationDelete,
    EvalResult,
    ModelCard,
    ModelCardData,
    constants,
    get_session,
    hf_hub_download,
    snapshot_download,
)
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    IncompleteSnapshotError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from tests.hub_server import READ_TOKEN, HubServer

REPO = "owner/cats"
MODEL = f"models/{REPO}"
WEIGHTS = bytes(range(256)) * 400
FILES = {
    "v6/model.safetensors": WEIGHTS,
    "v6/config.json": b'{"beta": 0.3}',
    "README.md": b"---\nlicense: mit\n---\nCats\n",
}


@pytest.fixture
def hub(tmp_path):
    with HubServer(tmp_path / "hub") as hub:
        yield hub


@pytest.fixture
def api(hub, tmp_path):
    with hub.client(tmp_path / "home") as api:
        yield api


@pytest.fixture
def model(hub, api):
    """A repo with weights; nothing of it is in the client's cache."""
    return hub.seed(MODEL, FILES)


@pytest.fixture
def waits(monkeypatch):
    """The client's pauses between retries, in seconds: noted down and skipped."""
    noted = []
    monkeypatch.setattr("time.sleep", noted.append)
    return noted


def adds(files: dict[str, bytes]) -> list[CommitOperationAdd]:
    return [CommitOperationAdd(path, data) for path, data in files.items()]


def weights(**options) -> Path:
    return Path(hf_hub_download(REPO, "v6/model.safetensors", **options))


def run_client(hub: HubServer, home: Path, code: str, **env: str | None) -> str:
    process = subprocess.run([sys.executable, "-c", code], env=hub.env(home, **env), capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    return process.stdout.strip()


# --- Pushing


def test_a_push_is_one_commit_of_lfs_and_regular_files(hub, api):
    url = api.create_repo(REPO)
    assert (url.repo_id, url.repo_type) == (REPO, "model")
    pushed = api.create_commit(REPO, adds(FILES), commit_message="Six variants", commit_description="beta 0.3")

    assert pushed.oid == hub.head(MODEL) and len(pushed.oid) == 40
    files = hub.files(MODEL)
    del files[".gitattributes"]
    assert files == FILES
    assert [line.split()[0] for line in hub.requests].count("PUT") == 1
    assert hub.requests.count(f"POST /api/models/{REPO}/commit/main") == 1
    assert [(c.title, c.message, c.authors) for c in api.list_repo_commits(REPO)] == [
        ("Six variants", "beta 0.3", ["owner"]),
        ("initial commit", "", ["owner"]),
    ]
    info = api.model_info(REPO, files_metadata=True)
    assert (info.sha, info.private, info.card_data.license) == (pushed.oid, False, "mit")
    siblings = {sibling.rfilename: sibling for sibling in info.siblings}
    assert siblings["v6/model.safetensors"].lfs.sha256 == hashlib.sha256(WEIGHTS).hexdigest()
    assert siblings["v6/model.safetensors"].size == len(WEIGHTS)
    assert siblings["v6/config.json"].lfs is None
    assert api.model_info(REPO).siblings[0].size is None


def test_git_hashes_are_those_of_git(hub, api):
    hub.seed(MODEL, {"hello": b"hello\n", "hello.bin": b"hello\n"})
    regular, lfs = api.get_paths_info(REPO, ["hello", "hello.bin"])
    assert regular.blob_id == "ce013625030ba8dba906f756967f9e9ca394464a"
    assert lfs.blob_id == "fa61e1ef71c9908c0926776a4aa3504b3a27f159"


def test_pushing_the_same_again_uploads_and_commits_nothing(hub, api, model):
    same = api.create_commit(REPO, adds(FILES), commit_message="again")
    assert same.oid == model == hub.head(MODEL)
    assert not [line for line in hub.requests if line.startswith("PUT") or "/commit/" in line]

    changed = api.create_commit(REPO, adds(FILES | {"v6/config.json": b"{}"}), commit_message="config only")
    assert changed.oid == hub.head(MODEL) != model
    assert not [line for line in hub.requests if line.startswith("PUT")]


def test_a_failed_commit_changes_nothing(hub, api, model):
    missing = CommitOperationDelete("nowhere.json")
    with pytest.raises(RemoteEntryNotFoundError, match="nowhere.json"):
        api.create_commit(REPO, [*adds({"new.json": b"{}"}), missing], commit_message="half")
    url, headers = f"{hub.url}/api/{MODEL}/commit/main", {"Authorization": f"Bearer {hub.token}"}
    for key, value, message in (  # the client checks these two before it asks
        ("lfsFile", {"path": "a.bin", "oid": "0" * 64}, "does not exist"),
        ("file", {"path": "README.md", "content": b64encode(b"---\nlicense: mine\n---\n").decode()}, "license"),
    ):
        lines = [{"key": "header", "value": {"summary": "x"}}, {"key": key, "value": value}]
        answer = get_session().post(url, content="\n".join(map(json.dumps, lines)), headers=headers)
        assert answer.status_code == 400 and message in answer.json()["error"]
    assert hub.head(MODEL) == model


def test_files_and_folders_are_deleted(hub, api, model):
    api.delete_folder("v6", REPO)
    assert set(hub.files(MODEL)) == {".gitattributes", "README.md"}
    api.delete_file("README.md", REPO)
    assert set(hub.files(MODEL)) == {".gitattributes"}
    assert hub.files(MODEL, model).keys() == FILES.keys() | {".gitattributes"}


def test_a_stale_parent_is_refused(hub, api, model):
    now = api.create_commit(REPO, adds({"a.json": b"1"}), commit_message="a", parent_commit=model).oid
    with pytest.raises(HfHubHTTPError, match="412") as caught:
        api.create_commit(REPO, adds({"b.json": b"2"}), commit_message="b", parent_commit=model)
    assert caught.value.response.status_code == 412
    assert hub.head(MODEL) == now


def test_uploads_are_checked_against_their_hash(hub, api, model):
    oid = hashlib.sha256(b"what was announced").hexdigest()
    answer = get_session().put(f"{hub.url}/lfs/{MODEL}/{oid}", content=b"what arrived")
    assert answer.status_code == 400 and "BadDigest" in answer.json()["error"]
    assert len(list((hub.folder / MODEL / "lfs").iterdir())) == 1


def test_concurrent_pushes_all_arrive(hub, api, model):
    def push(n: int) -> str:
        return api.create_commit(
            REPO, adds({f"{n}.bin": b"\0%d" % n, f"{n}.json": b"%d" % n}), commit_message=str(n)
        ).oid

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(push, range(8)))) == 8
    assert {f"{n}.{kind}" for n in range(8) for kind in ("bin", "json")} < set(hub.files(MODEL))
    assert len(api.list_repo_commits(REPO)) == 10


def test_tags_and_branches(hub, api, model):
    api.create_tag(REPO, tag="v1.0", tag_message="First release")
    api.create_branch(REPO, branch="feature/tags")
    later = api.create_commit(
        REPO, adds({"v6/model.safetensors": b"new"}), commit_message="b", revision="feature/tags"
    ).oid
    assert weights(revision="v1.0").read_bytes() == WEIGHTS == weights().read_bytes()
    assert weights(revision="feature/tags").read_bytes() == b"new"
    refs = api.list_repo_refs(REPO)
    assert {ref.name: ref.target_commit for ref in refs.branches} == {"main": model, "feature/tags": later}
    assert {ref.name: ref.target_commit for ref in refs.tags} == {"v1.0": model}

    with pytest.raises(HfHubHTTPError, match="409"):
        api.create_tag(REPO, tag="v1.0", revision="feature/tags")
    api.create_tag(REPO, tag="v1.0", exist_ok=True)
    api.create_branch(REPO, branch="feature/tags", exist_ok=True)
    for revision in ("nowhere", "v1.0"):  # a push needs a branch, and does not create it
        with pytest.raises(RevisionNotFoundError):
            api.create_commit(REPO, adds({"x": b"x"}), commit_message="x", revision=revision)
    api.delete_tag(REPO, tag="v1.0")
    api.delete_branch(REPO, branch="feature/tags")
    assert [ref.name for ref in api.list_repo_refs(REPO).branches] == ["main"]
    for revision in ("v1.0", "feature/tags", "0" * 40):
        with pytest.raises(RevisionNotFoundError):
            api.model_info(REPO, revision=revision)


def test_repos_are_created_once_and_deleted(hub, api):
    api.create_repo(REPO)
    with pytest.raises(HfHubHTTPError, match="409"):
        api.create_repo(REPO)
    assert api.create_repo(REPO, exist_ok=True).repo_id == REPO
    api.create_repo(REPO, repo_type="dataset")  # another repo of the same name
    api.delete_repo(REPO)
    with pytest.raises(RepositoryNotFoundError):
        api.model_info(REPO)
    with pytest.raises(RepositoryNotFoundError):
        api.delete_repo(REPO)
    assert api.dataset_info(REPO).id == REPO


def test_a_space_is_published(hub, api, tmp_path):
    api.create_repo("owner/mixer", repo_type="space", space_sdk="gradio")
    assert api.space_info("owner/mixer").sdk == "gradio"
    (tmp_path / "space" / "catvae").mkdir(parents=True)
    (tmp_path / "space" / "README.md").write_text("---\ntitle: Mixer\nsdk: gradio\nmodels:\n- owner/cats\n---\n")
    (tmp_path / "space" / "app.py").write_text("print()")
    (tmp_path / "space" / "catvae" / "cat.png").write_bytes(b"\x89PNG\0\0")
    api.upload_folder(repo_id="owner/mixer", repo_type="space", folder_path=tmp_path / "space")
    assert set(hub.files("spaces/owner/mixer")) == {".gitattributes", "README.md", "app.py", "catvae/cat.png"}
    api.upload_folder(
        repo_id="owner/mixer",
        repo_type="space",
        folder_path=tmp_path / "space",
        allow_patterns="*.md",
        delete_patterns="*",
    )
    assert set(hub.files("spaces/owner/mixer")) == {".gitattributes", "README.md"}
    assert api.space_info("owner/mixer").card_data.title == "Mixer"


# --- Model cards


def test_a_complete_model_card_is_valid(hub, api):
    result = EvalResult(
        task_type="image-to-image",
        dataset_type="owner/faces",
        dataset_name="Faces",
        metric_type="psnr",
        metric_value=25.1,
    )
    data = ModelCardData(
        license="mit", tags=["vae"], model_name="Cats v6", eval_results=[result], library_name="catvae"
    )
    card = ModelCard(f"---\n{data.to_yaml()}\n---\n# Cats\n")
    card.validate()
    api.create_repo(REPO)
    card.push_to_hub(REPO)
    info = api.model_info(REPO)
    assert info.tags == ["vae"] and info.card_data.eval_results[0].metric_value == 25.1


@pytest.mark.parametrize(
    ("kind", "metadata", "message"),
    [
        ("model", "tags: [a", "bad YAML"),
        ("model", "just text", "object"),
        ("model", "license: mine", "license"),
        ("model", "tags: vae", "tags"),
        ("model", "model-index:\n- name: Cats\n  results:\n  - task: {type: x}", "model-index"),
        ("space", "title: Mixer", "sdk"),
        ("space", "sdk: gradio\ncolorFrom: mauve", "colorFrom"),
        ("space", f"sdk: gradio\nshort_description: {'x' * 61}", "short_description"),
    ],
)
def test_wrong_metadata_is_refused(hub, api, kind, metadata, message):
    api.create_repo(REPO, repo_type=kind, space_sdk="gradio" if kind == "space" else None)
    before = hub.head(f"{kind}s/{REPO}")
    readme = f"---\n{metadata}\n---\n".encode()
    with pytest.raises(ValueError, match=message):  # before anything is uploaded
        api.create_commit(REPO, adds({"README.md": readme}), commit_message="card", repo_type=kind)
    assert hub.head(f"{kind}s/{REPO}") == before


def test_missing_metadata_is_warned_of(hub, api, model):
    with pytest.warns(UserWarning, match="empty or missing yaml metadata"):
        api.create_commit(REPO, adds({"README.md": b"# Cats"}), commit_message="card")


# --- Rights


def test_a_read_token_reads_only(hub, api, model):
    read = {"token": READ_TOKEN}
    assert api.whoami(**read)["auth"]["accessToken"]["role"] == "read"
    assert api.whoami()["auth"]["accessToken"]["role"] == "write"
    assert weights(**read).read_bytes() == WEIGHTS
    api.auth_check(REPO, **read)
    for write in (
        lambda: api.create_repo("owner/new", **read),
        lambda: api.create_commit(REPO, adds({"v6/model.safetensors": b"\0"}), commit_message="x", **read),
        lambda: api.create_tag(REPO, tag="x", **read),
        lambda: api.delete_repo(REPO, **read),
        lambda: api.auth_check(REPO, write=True, **read),
    ):
        with pytest.raises(HfHubHTTPError, match="403 Forbidden") as caught:
            write()
        assert caught.value.response.status_code == 403
    assert hub.head(MODEL) == model


def test_nobody_writes_into_a_foreign_namespace(hub, api):
    before = hub.seed("models/stranger/cats", FILES)
    with pytest.raises(HfHubHTTPError, match="403.*namespace stranger"):
        api.create_commit("stranger/cats", adds({"x": b"x"}), commit_message="x")
    with pytest.raises(HfHubHTTPError, match="403.*namespace stranger"):
        api.create_repo("stranger/new", exist_ok=True)
    assert hub.head("models/stranger/cats") == before


def test_a_private_repo_is_there_for_tokens_only(hub, api, tmp_path):
    api.create_repo(REPO, private=True)
    api.create_commit(REPO, adds(FILES), commit_message="private")
    assert api.model_info(REPO).private
    with pytest.raises(RepositoryNotFoundError) as caught:  # "not found": it does not even say that there is one
        weights(token=False)
    assert caught.value.response.status_code == 401
    with hub.client(tmp_path / "stranger", token=None) as stranger, pytest.raises(RepositoryNotFoundError):
        stranger.model_info(REPO)
    with pytest.raises(HfHubHTTPError, match="Invalid credentials") as caught:
        weights(token="hf_wrong")
    assert not isinstance(caught.value, RepositoryNotFoundError)
    assert weights(token=READ_TOKEN).read_bytes() == WEIGHTS
    with pytest.raises(RepositoryNotFoundError) as caught:
        hf_hub_download("owner/none", "config.json")
    assert caught.value.response.status_code == 404


# --- Downloading


def test_downloads_are_the_bytes_that_were_pushed(hub, api, model):
    path = weights()
    assert path.read_bytes() == WEIGHTS
    assert path.parent.parent.name == model
    headers = get_session().head(f"{hub.url}/{REPO}/resolve/main/v6/model.safetensors").headers
    assert (headers["X-Repo-Commit"], headers["Content-Length"]) == (model, str(len(WEIGHTS)))
    assert headers["ETag"] == headers["X-Linked-Etag"] == f'"{hashlib.sha256(WEIGHTS).hexdigest()}"'
    assert headers["X-Linked-Size"] == str(len(WEIGHTS))
    # The blob is named after the hash the hub gave: sha256 of LFS files. This is what a caller can check.
    assert path.resolve().name == hashlib.sha256(WEIGHTS).hexdigest()
    snapshot = Path(snapshot_download(REPO))
    assert {str(p.relative_to(snapshot)) for p in snapshot.rglob("*") if p.is_file()} == set(hub.files(MODEL))
    with pytest.raises(RemoteEntryNotFoundError):
        hf_hub_download(REPO, "v7/model.safetensors")


@pytest.mark.parametrize(
    ("asked", "status", "part"),
    [("bytes=10-19", 206, WEIGHTS[10:20]), ("bytes=-5", 206, WEIGHTS[-5:]), ("bytes=999999-", 416, None)],
)
def test_ranges(hub, api, model, asked, status, part):
    answer = get_session().get(f"{hub.url}/{REPO}/resolve/main/v6/model.safetensors", headers={"Range": asked})
    assert answer.status_code == status
    assert part is None or (answer.content == part and answer.headers["Content-Range"].endswith(f"/{len(WEIGHTS)}"))


def test_the_tree_and_its_last_commits(hub, api, model):
    api.create_commit(REPO, adds({"v6/config.json": b"{}"}), commit_message="config")
    found = {entry.path: entry for entry in api.list_repo_tree(REPO, recursive=True, expand=True)}
    assert set(found) == set(hub.files(MODEL)) | {"v6"}
    titles = {path: entry.last_commit.title for path, entry in found.items()}
    assert titles["v6/model.safetensors"] == "seed" and titles["v6/config.json"] == titles["v6"] == "config"
    assert {entry.path for entry in api.list_repo_tree(REPO)} == {".gitattributes", "README.md", "v6"}
    assert {entry.path for entry in api.list_repo_tree(REPO, "v6")} == {"v6/config.json", "v6/model.safetensors"}
    assert [entry.path for entry in api.get_paths_info(REPO, ["v6", "README.md", "none"])] == ["v6", "README.md"]
    with pytest.raises(RemoteEntryNotFoundError):
        list(api.list_repo_tree(REPO, "none"))


def test_a_pinned_revision_in_the_cache_takes_no_request(hub, api, model):
    first = weights(revision=model)
    hub.seed(MODEL, {"v6/model.safetensors": b"newer"})
    hub.requests.clear()
    assert weights(revision=model) == first and first.read_bytes() == WEIGHTS
    assert hub.requests == []
    assert weights().read_bytes() == b"newer"
    assert [line.split()[0] for line in hub.requests] == ["HEAD", "GET"]


def test_polling_sees_a_push(hub, api, model):
    assert api.model_info(REPO, expand=["sha"]).sha == model
    assert api.model_info(REPO, expand=["sha"]).siblings is None
    pushed = api.create_commit(REPO, adds({"x.json": b"1"}), commit_message="x").oid
    assert api.model_info(REPO, timeout=60).sha == pushed


def test_offline_mode_uses_the_cache_and_asks_nobody(hub, api, model):
    cached = weights()
    hub.requests.clear()
    with patch.object(constants, "HF_HUB_OFFLINE", True):
        assert weights() == cached == weights(revision=model)
        with pytest.raises(LocalEntryNotFoundError):
            hf_hub_download(REPO, "v6/config.json")
        with pytest.raises(OfflineModeIsEnabled):
            api.model_info(REPO)
    assert hub.requests == []


def test_a_new_process_needs_the_environment_only(hub, tmp_path):
    hub.seed(MODEL, FILES, private=True)
    code = f"from huggingface_hub import hf_hub_download as d; print(open(d('{REPO}', 'v6/config.json')).read())"
    assert run_client(hub, tmp_path, code) == FILES["v6/config.json"].decode()
    hub.requests.clear()
    assert run_client(hub, tmp_path, code, HF_HUB_OFFLINE="1") == FILES["v6/config.json"].decode()
    assert hub.requests == []


def test_the_endpoint_argument_is_enough_to_read_and_create(hub, tmp_path):
    hub.seed(MODEL, FILES, private=True)
    code = f"""
from huggingface_hub import HfApi, hf_hub_download, snapshot_download
hub = dict(endpoint={hub.url!r}, token={hub.token!r})
assert len(open(hf_hub_download({REPO!r}, "v6/model.safetensors", **hub), "rb").read()) == {len(WEIGHTS)}
snapshot_download({REPO!r}, **hub)
api = HfApi(**hub)
api.create_repo("owner/new")
api.upload_file(path_or_fileobj=b"text", path_in_repo="a.txt", repo_id="owner/new")
"""
    env = {"token": None, "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_DISABLE_XET": "0"}
    run_client(hub, tmp_path, code, **env)
    assert hub.files("models/owner/new")["a.txt"] == b"text"


def test_nothing_leaves_the_machine(hub, tmp_path):
    code = """
import httpx2
assert httpx2.get("http://example.org/x").status_code == 404
try:
    httpx2.get("https://huggingface.co/api/models")
except httpx2.ProxyError:
    print("refused")
"""
    assert run_client(hub, tmp_path, code) == "refused"
    assert hub.requests == ["GET http://example.org/x", "CONNECT huggingface.co:443"]


def test_datasets_are_loaded_and_streamed(hub, api, tmp_path):
    pytest.importorskip("datasets")
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    api.create_repo("owner/faces", repo_type="dataset", private=True)
    commits = []
    for first in (0, 100):
        parquet.write_table(pyarrow.table({"n": range(first, first + 100)}), tmp_path / "train.parquet")
        pushed = api.upload_file(
            path_or_fileobj=tmp_path / "train.parquet",
            path_in_repo="data/train-00000-of-00001.parquet",
            repo_id="owner/faces",
            repo_type="dataset",
        )
        commits.append(pushed.oid)
    code = f"""
from datasets import load_dataset
for options in ({{}}, {{"streaming": True}}, {{"revision": {commits[0]!r}}}):
    print(sum(row["n"] for row in load_dataset("owner/faces", split="train", **options)))
"""
    assert run_client(hub, tmp_path / "home", code).split() == ["14950", "14950", "4950"]
    outside = {line.split()[1] for line in hub.requests if not line.split()[1].startswith("/")}
    assert outside == {"s3.amazonaws.com:443", f"http://datasets-server.127.0.0.1:{hub.port}/info"}


# --- When the hub is at fault: what the client does


def test_a_changed_byte_goes_unnoticed(hub, api, model):
    """The client compares sizes, never hashes: who downloads has to check the sha256."""
    hub.fault("GET .*model.safetensors", flip_byte=True)
    path = weights()
    assert path.stat().st_size == len(WEIGHTS)
    assert sum(a != b for a, b in zip(path.read_bytes(), WEIGHTS, strict=True)) == 1
    assert path.resolve().name != hashlib.sha256(path.read_bytes()).hexdigest()
    hub.clear_faults()
    assert weights().read_bytes() != WEIGHTS  # and the bad file stays in the cache
    assert [mismatch["path"] for mismatch in api.verify_repo_checksums(REPO).mismatches] == ["v6/model.safetensors"]
    assert weights(force_download=True).read_bytes() == WEIGHTS


def test_a_body_cut_once_is_fetched_again(hub, api, model, waits):
    fault = hub.fault("GET .*model.safetensors", cut_after=40_000, times=1)
    assert weights().read_bytes() == WEIGHTS
    assert fault.hits == 1 and waits == [1]


def test_a_body_cut_always_fails_after_six_tries(hub, api, model, waits, tmp_path):
    """The error is httpx2's own, neither OSError nor HfHubHTTPError, and nothing half-done stays behind."""
    fault = hub.fault("GET .*model.safetensors", cut_after=40_000)
    with pytest.raises(httpx2.RemoteProtocolError, match="received 40000 bytes"):
        weights()
    assert fault.hits == 6 and waits == [1] * 5
    assert not [path for path in (tmp_path / "home" / "hub").rglob("*") if path.is_file() and "blobs" in path.parts]


def test_a_body_that_stalls_times_out_six_times(hub, api, model, waits):
    fault = hub.fault("GET .*model.safetensors", cut_after=40_000, stall=30)
    with patch.object(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.5), pytest.raises(httpx2.ReadTimeout):
        weights()
    assert fault.hits == 6


CACHE_OR = {  # a HEAD fault → what the client raises when the file is not in its cache
    "401": ({"status": 401}, HfHubHTTPError),
    "403": ({"status": 403}, LocalEntryNotFoundError),
    "404": ({"status": 404}, LocalEntryNotFoundError),
    "gated": ({"status": 403, "headers": {"X-Error-Code": "GatedRepo"}}, GatedRepoError),
    "repo gone": ({"status": 404, "headers": {"X-Error-Code": "RepoNotFound"}}, RepositoryNotFoundError),
    "429": ({"status": 429}, LocalEntryNotFoundError),
    "500": ({"status": 500}, LocalEntryNotFoundError),
    "503": ({"status": 503}, LocalEntryNotFoundError),
    "some web page": ({"status": 200, "body": b"<html>"}, LocalEntryNotFoundError),
    "no commit": ({"headers": {"X-Repo-Commit": None}}, LocalEntryNotFoundError),
}


@pytest.mark.parametrize("name", CACHE_OR)
def test_a_head_error_falls_back_to_the_cache(hub, api, model, waits, name):
    fault, error = CACHE_OR[name]
    hub.fault("HEAD .*model.safetensors", **fault)
    with pytest.raises(error) as caught:
        weights()
    assert type(caught.value) is error
    assert waits == ([1, 2, 4, 8, 8] if name in ("429", "500", "503") else [])
    hub.clear_faults()
    weights()
    hub.fault("HEAD .*model.safetensors", **fault)
    waits.clear()
    assert weights().read_bytes() == WEIGHTS and waits == []


def test_what_the_cache_does_not_save_from(hub, api, model):
    """Closed connections (RemoteProtocolError) and files or revisions that are gone raise, cached or not."""
    weights()
    hub.fault("HEAD .*model.safetensors", reset=True, times=1)
    with pytest.raises(httpx2.RemoteProtocolError):
        weights()
    for code, error in (("EntryNotFound", RemoteEntryNotFoundError), ("RevisionNotFound", RevisionNotFoundError)):
        hub.fault("HEAD .*model.safetensors", status=404, headers={"X-Error-Code": code}, times=1)
        with pytest.raises(error):
            weights()


def test_a_slow_head_is_given_up_for_the_cache(hub, api, model):
    weights()
    hub.fault("HEAD .*model.safetensors", delay=60)
    start = time.monotonic()
    assert weights(etag_timeout=0.2).read_bytes() == WEIGHTS
    assert time.monotonic() - start < 30


def test_polling_needs_its_own_timeout(hub, api, model):
    """`model_info` never retries and without `timeout=` waits for ever."""
    fault = hub.fault("GET /api/models", delay=60, times=1)
    with pytest.raises(httpx2.ReadTimeout):
        api.model_info(REPO, timeout=0.2)
    for what, error in (
        ({"status": 503}, HfHubHTTPError),
        ({"status": 429}, HfHubHTTPError),
        ({"reset": True}, httpx2.RemoteProtocolError),
        ({"status": 200, "body": b"<html>"}, ValueError),
    ):
        fault = hub.fault("GET /api/models", times=1, **what)
        with pytest.raises(error):
            api.model_info(REPO, timeout=60)
        assert fault.hits == 1
    assert api.model_info(REPO).sha == model


def test_a_get_error_is_final_but_429_is_waited_for(hub, api, model, waits):
    hub.fault("GET .*model.safetensors", status=503, times=1)
    with pytest.raises(HfHubHTTPError, match="503"):
        weights()
    assert waits == []
    hub.fault("GET .*model.safetensors", status=429, times=2)
    hub.fault("GET .*model.safetensors", status=429, times=1, headers={"Retry-After": "60"})
    assert weights().read_bytes() == WEIGHTS
    assert waits == [1, 2, 61]  # however long the hub says, and a second more


def test_the_size_is_checked(hub, api, model):
    hub.fault("HEAD .*model.safetensors", headers={"X-Linked-Size": "5"})
    with pytest.raises(OSError, match="should be of size 5"):
        weights()


def test_an_etag_is_believed(hub, api, model):
    wrong = f'"{"0" * 64}"'
    hub.fault("HEAD .*model.safetensors", headers={"ETag": wrong, "X-Linked-Etag": wrong})
    assert weights().resolve().name == "0" * 64


def test_a_push_survives_short_failures_up_to_the_commit(hub, api, model, waits):
    for match in ("preupload", "objects/batch", "PUT ", "objects/verify"):
        hub.fault(match, status=503, times=1)
        hub.fault(match, reset=True, times=1)
    pushed = api.create_commit(REPO, adds({"v6/model.safetensors": b"\0new"}), commit_message="new").oid
    assert hub.files(MODEL, pushed)["v6/model.safetensors"] == b"\0new"
    assert waits == [1, 2] * 4

    fault = hub.fault("/commit/", status=503)  # the commit itself is tried once
    with pytest.raises(HfHubHTTPError, match="503"):
        api.create_commit(REPO, adds({"x.json": b"x"}), commit_message="x")
    assert fault.hits == 1 and hub.head(MODEL) == pushed


def test_a_push_whose_answer_is_lost_has_happened(hub, api, model):
    hub.fault("/commit/", lose_answer=True, times=1)
    with pytest.raises(httpx2.RemoteProtocolError):
        api.create_commit(REPO, adds({"x.json": b"x"}), commit_message="x")
    arrived = hub.head(MODEL)
    assert arrived != model
    assert api.create_commit(REPO, adds({"x.json": b"x"}), commit_message="x").oid == arrived


def test_a_hub_that_is_down(hub, api, model, waits):
    snapshot_download(REPO, allow_patterns="*.safetensors")
    cached = weights()
    hub.down()
    hub.requests.clear()
    assert weights() == cached and waits == []  # from the cache at once
    with pytest.raises(LocalEntryNotFoundError):
        hf_hub_download(REPO, "v6/config.json")
    assert waits == [1, 2, 4, 8, 8]  # 23 s, which no setting shortens
    with pytest.raises(LocalEntryNotFoundError):
        hf_hub_download(REPO, "v6/config.json", local_files_only=True)
    with pytest.raises(LocalEntryNotFoundError):
        snapshot_download("owner/other")
    with pytest.raises(IncompleteSnapshotError):
        snapshot_download(REPO)
    with pytest.raises(httpx2.ConnectError):
        api.model_info(REPO)
    assert len(waits) == 5
    with pytest.raises(httpx2.ConnectError):
        api.create_commit(REPO, adds({"x": b"x"}), commit_message="x")
    assert waits == [1, 2, 4, 8, 8] * 2

    hub.up()
    assert hub.requests == []
    assert Path(hf_hub_download(REPO, "v6/config.json")).read_bytes() == FILES["v6/config.json"]


def test_a_partial_snapshot_may_pass_for_a_whole_one(hub, api, model):
    """Only `snapshot_download` notes what belongs to a revision. After `hf_hub_download` alone, with the hub down, it
    returns a folder in which files are missing."""
    weights()
    hub.down()
    snapshot = Path(snapshot_download(REPO))
    assert (snapshot / "v6" / "model.safetensors").exists() and not (snapshot / "v6" / "config.json").exists()


# --- The stand-in itself


def test_a_hub_carries_on_where_it_stopped(hub, api, model):
    api.create_tag(REPO, tag="v1")
    hub.down()
    hub.up()
    assert api.model_info(REPO, revision="v1").sha == model
    hub.__exit__()
    with HubServer(hub.folder, hub.port) as successor:
        assert successor.url == hub.url
        assert weights().read_bytes() == WEIGHTS
        assert api.create_commit(REPO, adds({"x": b"x"}), commit_message="x").oid == successor.head(MODEL)


def test_going_down_hangs_up_on_running_requests(hub, api, model):
    hub.fault("GET /api/models", delay=60)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(api.model_info, REPO)
        while not hub.requests:
            time.sleep(0.01)
        start = time.monotonic()
        hub.down()
        with pytest.raises(httpx2.RemoteProtocolError):
            waiting.result(timeout=30)
        assert time.monotonic() - start < 30


def test_faults_come_in_order_and_run_out(hub, api, model):
    late = hub.fault("GET /api/models", status=500, skip=1, times=1)
    hub.fault("GET /api/models", status=502, times=1)
    assert [get_session().get(f"{hub.url}/api/{MODEL}").status_code for _ in range(4)] == [502, 500, 200, 200]
    assert late.hits == 1
    hub.fault("resolve/main/v6/config.json", flip_byte=2)
    body = get_session().get(f"{hub.url}/{REPO}/resolve/main/v6/config.json").content
    assert [n for n, (a, b) in enumerate(zip(body, FILES["v6/config.json"], strict=True)) if a != b] == [2]
    hub.clear_faults()
    assert get_session().get(f"{hub.url}/{REPO}/resolve/main/v6/config.json").content == FILES["v6/config.json"]
