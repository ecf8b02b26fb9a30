"""Pushing and loading, with the real client against a Hub stand-in over HTTP."""

import json
import shutil
import subprocess
import sys

import datasets
import pytest
import torch
from huggingface_hub import ModelCard

from catvae import CatVAE
from catvae.download import hub_calls
from catvae.errors import CheckpointError, HubError
from catvae.model import FIRST_SET, load_checkpoint, load_models, save_checkpoint
from catvae.publishing.cards import make_model_card
from catvae.publishing.weights import TRIAL, Target, check_push, push_checkpoints, push_trained
from catvae.training.painter.train import add_painter
from tests.conftest import ROOT
from tests.hub_server import READ_TOKEN

REPO = "owner/cats"


@pytest.fixture
def checkpoints(small_set, tmp_path):
    return shutil.copytree(small_set, tmp_path / "checkpoints")


def set_psnr(folder, name: str, psnr: float) -> None:
    path = folder / name / "metrics.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "psnr": psnr}))


def test_a_push_is_one_commit_with_all_that_belongs_to_it(hub, client, checkpoints):
    (checkpoints / "v6" / "history.csv").write_text("epoch,loss\n1,2\n")
    commit = push_checkpoints(checkpoints, Target(REPO, tag="v1.0"))
    files = hub.files(f"models/{REPO}", commit)
    assert hub.head(f"models/{REPO}") == commit
    assert sum(request.startswith("POST") and "/commit/" in request for request in hub.requests) == 1
    for name in FIRST_SET:
        for file in ("config.json", "model.safetensors", "metrics.json"):
            assert files[f"{name}/{file}"] == (checkpoints / name / file).read_bytes()
    assert files["v6/history.csv"] == (checkpoints / "v6" / "history.csv").read_bytes()
    assert json.loads(files["config.json"])["variants"]["v6"] == 0.005
    assert b"*.safetensors filter=lfs" in files[".gitattributes"]
    assert files["figures/interpolation.png"].startswith(b"\x89PNG")
    assert files["figures/reconstruction.png"].startswith(b"\x89PNG")
    assert [tag.target_commit for tag in client.list_repo_refs(REPO).tags] != []
    card = ModelCard(files["README.md"].decode())
    assert {result.metric_type for result in card.data.eval_results} == {"psnr", "ssim"}
    assert len(card.data.eval_results) == 2 * len(FIRST_SET)
    assert "41 %" in card.text and "no licence" in card.text
    assert "pip install ./kitten-mixer" in card.text and "arxiv.org/abs/1312.6114" in card.text


def test_pushing_the_same_again_makes_no_commit(hub, client, checkpoints):
    assert (
        push_checkpoints(checkpoints, Target(REPO))
        == push_checkpoints(checkpoints, Target(REPO))
        == hub.head(f"models/{REPO}")
    )
    assert sum("/commit/" in request for request in hub.requests) == 1


def test_worse_or_partial_sets_do_not_replace_better_ones(hub, client, checkpoints):
    head = push_checkpoints(checkpoints, Target(REPO))
    set_psnr(checkpoints, "v5", 19.9)
    with pytest.raises(HubError, match=r"better weights: v5 20\.00 dB there, 19\.90 dB here.*--force"):
        push_checkpoints(checkpoints, Target(REPO))
    shutil.rmtree(checkpoints / "v2")
    with pytest.raises(HubError, match=r"lacks v2.*--force"):
        push_checkpoints(checkpoints, Target(REPO))
    assert hub.head(f"models/{REPO}") == head
    assert push_checkpoints(checkpoints, Target(REPO, force=True)) != head


def test_a_branch_is_made_and_main_left_alone(hub, client, checkpoints):
    main = push_checkpoints(checkpoints, Target(REPO))
    set_psnr(checkpoints, "v1", 12)  # a branch takes what main would not
    branch = push_checkpoints(checkpoints, Target(REPO, revision="trial"))
    assert hub.head(f"models/{REPO}", rev="trial") == branch != main == hub.head(f"models/{REPO}")


def test_a_tag_that_exists_is_said_before_anything_is_pushed(hub, client, checkpoints):
    head = push_checkpoints(checkpoints, Target(REPO, tag="v1.0"))
    set_psnr(checkpoints, "v1", 21)
    with pytest.raises(HubError, match=r"owner/cats has the tag v1\.0 already: take another"):
        push_checkpoints(checkpoints, Target(REPO, tag="v1.0"))
    assert hub.head(f"models/{REPO}") == head


def test_trained_weights_survive_on_a_branch_where_main_refuses_them(hub, client, checkpoints):
    head = push_checkpoints(checkpoints, Target(REPO))
    set_psnr(checkpoints, "v5", 12)
    said = push_trained(checkpoints, Target(REPO))
    assert "holds better weights: v5" in said and "branch trial" in said
    assert b'"psnr": 12' in hub.files(f"models/{REPO}", TRIAL)["v5/metrics.json"]
    assert hub.head(f"models/{REPO}") == head
    assert "branch main" in push_trained(checkpoints, Target(REPO, force=True))
    assert hub.head(f"models/{REPO}") != head


def test_a_push_after_training_waits_for_a_hub_that_is_out_of_order(hub, client, checkpoints):
    fault = hub.fault("POST .*/repos/create", status=503, times=2)
    assert "branch main" in push_trained(checkpoints, Target(REPO), pauses=(0, 0))
    assert fault.hits == 2
    fault = hub.fault("POST .*/commit/", status=403)
    set_psnr(checkpoints, "v5", 21)
    with pytest.raises(HubError, match=r"403.*HF_TOKEN(?s:.*)python -m catvae push \S+checkpoints owner/cats --force"):
        push_trained(checkpoints, Target(REPO, force=True), pauses=(0, 0))
    assert fault.hits == 1


FAULTS = [
    {"match": "PUT ", "status": 403},  # first: what has arrived is not sent again
    {"match": "POST .*/commit/", "status": 500},
    {"match": "POST .*/commit/", "status": 412},
    {"match": "POST .*/commit/", "reset": True},
    {"match": "POST /api/validate-yaml", "status": 400},
    {"match": "POST .*/preupload/", "status": 401},
    {"match": "GET .*/revision/|GET /api/models/", "status": 429, "headers": {"Retry-After": "0"}},
]


def test_a_push_that_fails_says_so_and_loses_nothing(hub, client, checkpoints):
    for name in set(FIRST_SET) - {"v3"}:
        shutil.rmtree(checkpoints / name)  # one small variant will do
    client.create_repo(REPO)
    head = hub.head(f"models/{REPO}")
    before = {path: path.read_bytes() for path in checkpoints.rglob("*.*")}
    for fault in FAULTS:
        injected = hub.fault(**fault)
        with pytest.raises(HubError, match=f"push to {REPO} failed"):
            push_checkpoints(checkpoints, Target(REPO, force=True))
        assert injected.hits > 0, fault
        assert hub.head(f"models/{REPO}") == head
        hub.clear_faults()
    assert before == {path: path.read_bytes() for path in checkpoints.rglob("*.*")}
    assert push_checkpoints(checkpoints, Target(REPO, force=True)) != head


def test_damaged_weights_are_not_pushed(hub, client, checkpoints):
    (checkpoints / "v4" / "model.safetensors").write_bytes(b"oops")
    with pytest.raises(CheckpointError, match=r"v4.model\.safetensors: truncated"):
        push_checkpoints(checkpoints, Target(REPO))
    assert hub.requests == []


def test_access_is_checked_before_training_for_repos_that_exist_too(hub, tmp_path):
    hub.seed("models/someone-else/cats", {})
    hub.seed("models/owner/old", {})
    with hub.client(tmp_path / "home"):
        assert "lacks v1" in check_push(Target(REPO), tmp_path)
        for repo in ("someone-else/cats", "someone-else/new"):
            with pytest.raises(HubError, match=f"cannot push to {repo} .403: .*someone-else.*HF_TOKEN"):
                check_push(Target(repo), tmp_path)
    with hub.client(tmp_path / "home", token=READ_TOKEN):
        for repo in ("owner/old", "owner/new"):
            with pytest.raises(HubError, match=f"cannot push to {repo} .403: .*write token.*HF_TOKEN"):
                check_push(Target(repo), tmp_path)
    with hub.client(tmp_path / "home", token=None), pytest.raises(HubError, match="hf auth login"):
        check_push(Target("owner/old"), tmp_path)


def test_what_main_will_refuse_is_known_before_training(hub, client, checkpoints, tmp_path):
    assert check_push(Target(REPO), tmp_path / "empty", FIRST_SET) == ""
    assert check_push(Target(REPO), tmp_path / "empty", ["v3"]) == "lacks v1, v2, v4, v5, v6"
    assert check_push(Target(REPO, force=True), tmp_path / "empty", ["v3"]) == ""
    assert check_push(Target(REPO, revision="mine"), tmp_path / "empty", ["v3"]) == ""
    push_checkpoints(checkpoints, Target(REPO))
    set_psnr(checkpoints, "v5", 19.9)
    assert check_push(Target(REPO), checkpoints, ["v3"]) == "holds better weights: v5 20.00 dB there, 19.90 dB here"
    assert check_push(Target(REPO), checkpoints, ["v3", "v5"]) == ""  # that one is trained anew


ADVICE = [(401, "hf auth login"), (402, "paid for"), (403, "may not do that"), (409, "another name"), (429, "pause")]


@pytest.mark.parametrize("status, advice", ADVICE)
def test_what_the_hub_refuses_comes_with_what_to_do(hub, client, status, advice):
    hub.fault("POST .*/x", status=status, body=b'{"error": "No."}')
    with (
        pytest.raises(HubError, match=f"renting failed .{status}: No..; .*{advice}") as refused,
        hub_calls("renting failed"),
    ):
        client.add_space_variable("owner/x", "A", "b")
    assert "delete" not in str(refused.value)


def test_a_painter_comes_with_the_v6_that_it_paints_over(hub, client, checkpoints):
    v7 = add_painter(load_checkpoint(checkpoints / "v6"))
    torch.nn.init.normal_(v7.painter.last.weight, std=0.1)
    metrics = {"psnr": 20.0, "ssim": 0.5, "kl": 100.0, "active_units": 50, "images": 496}
    save_checkpoint(checkpoints / "v7", v7, 0.005, metrics, over=checkpoints / "v6")
    push_checkpoints(checkpoints, Target(REPO))
    assert len(hub.files(f"models/{REPO}")["v7/model.safetensors"]) < 1e6
    from_hub, z = CatVAE.from_pretrained(REPO, variant="v7"), torch.randn(2, 500)
    assert torch.equal(from_hub.decode(z), load_checkpoint(checkpoints / "v7").decode(z))


def test_from_pretrained_gives_the_pushed_weights(hub, client, checkpoints, tmp_path):
    commit = push_checkpoints(checkpoints, Target(REPO))
    from_hub = CatVAE.from_pretrained(REPO, variant="v3")
    from_folder = CatVAE.from_pretrained(str(checkpoints), variant="v3")
    for a, b in zip(from_hub.parameters(), from_folder.parameters(), strict=True):
        assert torch.equal(a, b)
    CatVAE.from_pretrained(REPO, variant="v6")
    assert hub.requests.count(f"GET /{REPO}/resolve/{commit}/config.json") == 1  # what the Hub counts, once for a set
    hub.requests.clear()
    CatVAE.from_pretrained(REPO, variant="v3", revision=commit)
    assert hub.requests == []
    hub.down()
    assert CatVAE.from_pretrained(REPO, variant="v3", revision=commit).config == from_folder.config


def test_private_repos_need_the_token(hub, checkpoints, tmp_path):
    with hub.client(tmp_path / "home"):
        push_checkpoints(checkpoints, Target(REPO, private=True))
    with hub.client(tmp_path / "reader", token=READ_TOKEN):
        CatVAE.from_pretrained(REPO, variant="v3")
    with hub.client(tmp_path / "stranger", token=None), pytest.raises(HubError, match=REPO):
        CatVAE.from_pretrained(REPO, variant="v3")


def test_a_flipped_byte_is_fetched_again_and_a_lasting_one_refused(hub, client, checkpoints):
    push_checkpoints(checkpoints, Target(REPO))
    once = hub.fault(r"GET .*v3/model\.safetensors", flip_byte=True, times=1)
    loaded = CatVAE.from_pretrained(REPO, variant="v3")
    assert once.hits == 1
    assert torch.equal(loaded.to_mu.bias, CatVAE.from_pretrained(str(checkpoints), "v3").to_mu.bias)
    hub.fault(r"GET .*v1/model\.safetensors", flip_byte=True)
    with pytest.raises(HubError, match="v1/model.safetensors arrives damaged"):
        CatVAE.from_pretrained(REPO, variant="v1")


@pytest.mark.parametrize("status", [401, 403, 404, 503])
def test_what_the_hub_refuses_is_a_clear_error(hub, client, checkpoints, status, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # the client's pauses between tries, 23 s in all
    push_checkpoints(checkpoints, Target(REPO))
    hub.fault("(HEAD|GET) .*resolve", status=status)
    with pytest.raises(HubError, match="owner/cats: cannot get v3"):
        CatVAE.from_pretrained(REPO, variant="v3")


def test_a_missing_variant_or_revision_is_named(hub, client, checkpoints):
    push_checkpoints(checkpoints, Target(REPO))
    with pytest.raises(HubError, match="cannot get v9"):
        CatVAE.from_pretrained(REPO, variant="v9")
    with pytest.raises(HubError, match="owner/cats@nowhere"):
        CatVAE.from_pretrained(REPO, variant="v3", revision="nowhere")


def test_card_is_valid_and_does_not_change_by_itself(small_set):
    metrics = {name: json.loads((small_set / name / "metrics.json").read_text()) for name in FIRST_SET}
    models = load_models(small_set)
    assert str(make_model_card(REPO, models, metrics)) == str(make_model_card(REPO, models, metrics))


def test_training_is_checked_before_and_pushed_after(hub, cat_folder, tmp_path):
    command = [sys.executable, "train_space.py", "--data", cat_folder, "--out", tmp_path / "out", "--variants", "v3",
               "--epochs", "1", "--push-to-hub", REPO]  # fmt: skip

    def train(**env):
        return subprocess.run(command, cwd=ROOT, env=hub.env(tmp_path / "home", **env), capture_output=True, text=True)

    hub.seed(f"models/{REPO}", {})
    refused = train(token=READ_TOKEN)
    assert refused.returncode == 1 and "write token" in refused.stderr
    assert "Traceback" not in refused.stderr and "epoch 1" not in refused.stdout

    fault = hub.fault("POST .*/commit/", status=403)
    busy = hub.fault("GET .*/auth-check/write", status=503, times=1)
    failed = train(token=hub.token)
    assert failed.returncode == 1 and fault.hits and busy.hits
    assert "lacks v1, v2, v4, v5, v6: the weights will go to the branch trial" in failed.stdout
    retry = f"python -m catvae push {tmp_path / 'out'} {REPO} --revision trial"
    assert retry in failed.stderr and "Traceback" not in failed.stderr
    hub.clear_faults()
    env = hub.env(tmp_path / "home", token=hub.token)
    done = subprocess.run([sys.executable, *retry.split()[1:]], cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    pushed = hub.files(f"models/{REPO}", "trial")["v3/model.safetensors"]
    assert pushed == (tmp_path / "out" / "v3" / "model.safetensors").read_bytes()


def test_faces_load_from_a_hub_dataset_at_a_revision(hub, cat_folder, tmp_path):
    files = sorted(cat_folder.iterdir())
    rows = {"image": [{"bytes": file.read_bytes(), "path": file.name} for file in files]}
    parquet = tmp_path / "train.parquet"
    features = datasets.Features({"image": datasets.Image()})
    datasets.Dataset.from_dict(rows, features=features).to_parquet(parquet)
    first = hub.seed("datasets/owner/faces", {"data/train-00000-of-00001.parquet": parquet.read_bytes()})
    datasets.Dataset.from_dict({"image": rows["image"][:9]}, features=features).to_parquet(parquet)
    hub.seed("datasets/owner/faces", {"data/train-00000-of-00001.parquet": parquet.read_bytes()})

    def count(source: str) -> int:
        code = f"from catvae.training.data import load_faces; print(load_faces({source!r}).report.read)"
        env = hub.env(tmp_path / "home", token=hub.token)
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return int(done.stdout)

    assert count("owner/faces") == 9
    assert count(f"owner/faces@{first}") == 60
