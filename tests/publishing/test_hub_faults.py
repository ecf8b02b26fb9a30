"""What goes wrong with the Hub: names, refusals, a busy Hub, files of others; the real client over HTTP."""

import inspect
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from catvae import CatVAE, VAEConfig
from catvae.__main__ import main
from catvae.download import PATIENT, check_ref, check_repo, download_variant, hub_calls, may_pass, persist
from catvae.errors import CheckpointError, HubError, UserError
from catvae.model import FIRST_SET, save_checkpoint
from catvae.publishing.faces import push_faces
from catvae.publishing.spaces import find_push, publish_space, publish_trainer
from catvae.publishing.web import publish_web, web_snippet
from catvae.publishing.weights import TRIAL, Target, check_push, push_checkpoints, push_trained
from catvae.serving.weights import download_set
from catvae.training.data import load_faces
from tests.hub_server import HubServer, load
from tests.publishing.test_hub import set_psnr

REPO, SPACE = "owner/cats", "owner/kitten-mixer"
PUSH = ["--push-to-hub", REPO]


@pytest.fixture
def checkpoints(small_set, tmp_path):
    return shutil.copytree(small_set, tmp_path / "checkpoints")


@pytest.fixture(autouse=True)
def without_figures(monkeypatch) -> None:
    """They take most of the time of a push."""
    monkeypatch.setattr("catvae.publishing.weights.make_figures", lambda models: {})


@pytest.fixture
def mine(tmp_path):
    """A whole set of one small model."""
    figures = {"psnr": 20.0, "ssim": 0.5, "kl": 100.0, "active_units": 2, "images": 496}
    save_checkpoint(tmp_path / "set" / "mine", CatVAE(VAEConfig(channels=(3, 4), latent_dim=2)), 1.0, figures)
    return tmp_path / "set"


@pytest.fixture
def one(small_set, tmp_path):
    """A folder with v3 alone, which is the smallest."""
    shutil.copytree(small_set / "v3", tmp_path / "one" / "v3")
    return tmp_path / "one"


@pytest.fixture
def web(tmp_path):
    """What an export leaves, as far as publishing looks at it."""
    (tmp_path / "web").mkdir()
    files = {"mixer.json": "{}", "index.html": '<meta content="preview.jpg">', "README.md": "---\nsdk: static\n---\n"}
    for name, text in files.items():
        (tmp_path / "web" / name).write_text(text)
    return tmp_path / "web"


def repos(hub: HubServer) -> list[str]:
    return sorted(str(path.parent.relative_to(hub.folder)) for path in hub.folder.glob("*/*/*/repo.json"))


NAMES = [
    *("kitten", "", "owner/", "/kitten", "owner/kit ten", "owner/kätzchen", "owner/a--b", "owner/a..b", "owner/.."),
    *("../owner/x", "a/b/c", "owner/x.git", "-owner/x", "owner/.x", "owner/x-", "owner/" + "x" * 97, "owner/x\n"),
]


def test_a_name_that_cannot_be_is_refused_before_anything_is_asked_or_made(hub, client, cat_folder, one, web):
    faces = load_faces(cat_folder, limit=5)
    ways = [
        lambda name: push_checkpoints(one, Target(name, force=True)),
        lambda name: check_push(Target(name), one),
        lambda name: push_faces(faces, name),
        lambda name: publish_space(name),
        lambda name: publish_space(SPACE, model_repo=name or "x"),
        lambda name: publish_trainer(name, PUSH, hardware="t4-small"),
        lambda name: publish_trainer("owner/trainer", [f"--push-to-hub={name or 'x'}"], hardware="t4-small"),
        lambda name: publish_web(web, name),
    ]
    for name in NAMES:
        with pytest.raises(HubError, match="neither a folder that is here nor a repo OWNER/NAME"):
            download_variant(name, "v3")
        for publish in ways:
            with pytest.raises(HubError, match="is no name of a repo: it must be OWNER/NAME"):
                publish(name)
    assert hub.requests == [] and repos(hub) == []


@pytest.mark.parametrize(
    "words",
    [
        ["push", "/nowhere"],
        ["push-data", "/nowhere"],
        ["publish-space"],
        ["publish-trainer"],
        ["publish-web"],
        ["publish-space", SPACE, "--model-repo"],
    ],
    ids=" ".join,
)
def test_every_command_looks_at_the_name_before_it_works(hub, client, words, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["catvae", *words, "kitten", *(["--", *PUSH] if "trainer" in words[0] else [])])
    with pytest.raises(SystemExit, match="catvae: 'kitten' is no name of a repo"):
        main()
    assert hub.requests == []


def test_names_that_can_be_are_taken():
    for name in ("owner/kitten-mixer", "a/b", "Owner_1/cats.v2", "owner/" + "x" * 96):
        assert check_repo(name) == name
    for name in (None, "trial", "v1.0", "feature/x-1", "2026"):
        check_ref(name)


REFS = ["", "a b", "a..b", "refs/pr/1", "x/", "x.", ".x", "a/.b", "a//b", "x.lock", "-x", "a~1", "a^", "a:b", "0" * 40]


def test_a_branch_or_tag_that_cannot_be_is_refused_first(hub, client, one):
    for ref in REFS:
        for how in ({"revision": ref}, {"tag": ref}):
            with pytest.raises(HubError, match="can be no name of a branch or tag"):
                push_checkpoints(one, Target(REPO, force=True, **how))
        with pytest.raises(HubError, match="can be no name of a branch or tag"):
            check_push(Target(REPO, revision=ref), one)
    assert hub.requests == []


def test_a_card_that_the_hub_refuses_leaves_no_repo(hub, client, cat_folder, one, web, monkeypatch):
    faces = load_faces(cat_folder, limit=5)
    with pytest.raises(HubError, match=r"push to owner/faces failed \(.*license"):
        push_faces(faces, "owner/faces", license="bogus")
    hub.fault("POST /api/validate-yaml", status=400)
    for publish in (
        lambda: push_checkpoints(one, Target(REPO, force=True)),
        lambda: push_faces(faces, "owner/faces"),
        lambda: publish_space(SPACE),
        lambda: publish_trainer("owner/trainer", PUSH, hardware="t4-small"),
        lambda: publish_web(web, SPACE),
    ):
        with pytest.raises(HubError, match="failed"):
            publish()
    assert repos(hub) == []


BUSY = b'{"error": "Another commit operation is in progress for this repository. Please try again later."}'


def test_a_commit_under_way_is_waited_for_by_all_that_publish(hub, client, cat_folder, one, web, capsys):
    hub.plan, faces = "pro", load_faces(cat_folder, limit=5)
    for where, publish in (
        ("models/owner/cats", lambda: push_checkpoints(one, Target(REPO, force=True))),
        ("datasets/owner/faces", lambda: push_faces(faces, "owner/faces")),
        ("spaces/owner/kitten-mixer", lambda: publish_space(SPACE)),
        ("spaces/owner/trainer", lambda: publish_trainer("owner/trainer", PUSH, hardware="t4-small")),
        ("spaces/owner/web", lambda: publish_web(web, "owner/web")),
    ):
        fault = hub.fault("POST .*/commit/", status=409, body=BUSY, times=2)
        publish()
        assert fault.hits == 2 and len(hub.files(where)) > 2, where
    assert capsys.readouterr().out.count("Another commit operation is in progress") == 10


def test_what_others_pushed_in_the_meantime_stays(hub, client, mine):
    push_checkpoints(mine, Target(REPO))
    set_psnr(mine, "mine", 21)
    theirs = hub.fault("POST .*/commit/", times=1, before=lambda: hub.seed(f"models/{REPO}", {"notes.md": b"theirs"}))
    assert push_trained(mine, Target(REPO), pauses=(0,)).startswith(f"pushed to {REPO}, branch main")
    files = hub.files(f"models/{REPO}")
    assert theirs.hits == 1 and files["notes.md"] == b"theirs" and b'"psnr": 21' in files["mine/metrics.json"]


def test_after_a_conflict_it_is_asked_again_whether_main_holds_better(hub, client, mine):
    push_checkpoints(mine, Target(REPO))
    set_psnr(mine, "mine", 21)
    better = json.dumps(json.loads((mine / "mine" / "metrics.json").read_text()) | {"psnr": 25.0}).encode()
    hub.fault("POST .*/commit/", times=1, before=lambda: hub.seed(f"models/{REPO}", {"mine/metrics.json": better}))
    said = push_trained(mine, Target(REPO), pauses=(0,))
    assert "holds better weights: mine 25.00 dB there, 21.00 dB here" in said and f"branch {TRIAL}" in said
    assert hub.files(f"models/{REPO}")["mine/metrics.json"] == better
    assert b'"psnr": 21' in hub.files(f"models/{REPO}", TRIAL)["mine/metrics.json"]


CALLS = [
    *("POST /api/repos/create", "POST .*/branch/", "GET /api/models/.*/revision/", "POST /api/validate-yaml"),
    *("POST .*/preupload/", "POST .*/objects/batch", "PUT /lfs/", "POST .*/objects/verify", "POST .*/commit/"),
]


@pytest.mark.parametrize("call", CALLS)
def test_each_call_of_a_push_is_tried_again_or_refused_with_a_reason(hub, client, mine, call, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # the client's own pauses too
    out_of_order = [{"status": code, "body": BUSY} for code in (408, 409, 412, 429, 500, 502, 503, 504)]
    for fault in [*out_of_order, {"reset": True}]:
        shutil.rmtree(hub.folder, ignore_errors=True)
        injected = hub.fault(call, times=2, **fault)
        assert "pushed to" in push_trained(mine, Target(REPO, revision="mine")), fault
        assert injected.hits and "mine/model.safetensors" in hub.files(f"models/{REPO}", "mine"), fault
        hub.clear_faults()
    for code in (400, 401, 402, 403, 404, 413):
        shutil.rmtree(hub.folder, ignore_errors=True)
        injected = hub.fault(call, status=code)
        with pytest.raises(HubError, match=r"(?s)owner/cats.* safe in .*push .* --revision mine") as refused:
            push_trained(mine, Target(REPO, revision="mine"))
        assert injected.hits == 1 and "delete" not in str(refused.value), code
        assert code in (400, 404) or f"{code}: injected" in str(refused.value)
        hub.clear_faults()


def test_a_hub_that_does_not_answer_is_asked_again(hub, client, one, monkeypatch):
    monkeypatch.setattr("catvae.download.TIMEOUT", 0.5)
    silent = hub.fault("POST /api/repos/create", delay=3, times=1)
    assert "pushed to" in push_trained(one, Target(REPO, revision="mine"), pauses=(0,))
    assert silent.hits == 1


def test_a_hub_that_is_down_is_asked_again_until_there_are_no_pauses_left(hub, client, one, capsys):
    hub.down()
    with pytest.raises(HubError, match="safe in"):
        push_trained(one, Target(REPO, revision="mine"), pauses=(0, 0))
    assert capsys.readouterr().out.count("once more in 0 s") == 2


def test_metrics_that_cannot_be_read_for_the_network_are_not_taken_for_missing(hub, client, mine, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    head = push_checkpoints(mine, Target(REPO))
    set_psnr(mine, "mine", 12)
    hub.fault("(GET|HEAD) .*/resolve/.*mine/metrics", reset=True)
    shutil.rmtree(hub.folder.parent / "home")
    with pytest.raises(HubError, match="push to owner/cats failed"):
        push_checkpoints(mine, Target(REPO))
    assert hub.head(f"models/{REPO}") == head  # it is worse


def test_what_cannot_pass_is_not_tried_again(client):
    for error in (HubError("ours"), HubError("x")):
        assert not may_pass(error)
    tried = []

    def attempt() -> None:
        tried.append(1)
        with hub_calls("reading"):
            raise ValueError("a page that is no JSON")

    with pytest.raises(HubError, match="reading .a page"):
        persist(attempt)
    assert len(tried) == 1


def test_a_push_after_training_outlasts_the_hubs_window():
    """Its limits are counted over five minutes: https://huggingface.co/docs/hub/rate-limits"""
    assert sum(PATIENT) > 300 + max(PATIENT[:-1])
    assert inspect.signature(push_trained).parameters["pauses"].default is PATIENT


def test_a_tag_that_is_refused_says_that_the_weights_are_there_and_how_to_tag_them(hub, client, one, tmp_path):
    hub.fault("POST .*/tag/", status=403, times=1)
    with pytest.raises(
        HubError, match="the weights are in owner/cats, at .*, but without the tag v1.0 .403"
    ) as refused:
        push_checkpoints(one, Target(REPO, force=True, tag="v1.0"))
    head = hub.head(f"models/{REPO}")
    command = f"hf repos tag create owner/cats v1.0 --revision {head}"
    assert str(refused.value).endswith(command) and "push to owner/cats failed" not in str(refused.value)
    env = hub.env(tmp_path / "home")
    hf = Path(sys.executable).parent / "hf"
    done = subprocess.run([hf, *command.split()[1:]], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert load(hub.folder / "models" / REPO)["tags"]["v1.0"]["target"] == head


def test_the_same_command_tags_what_was_pushed_without_a_tag(hub, client, one):
    hub.fault("POST .*/tag/", status=500, times=4)
    with pytest.raises(HubError, match="but without the tag"):
        push_checkpoints(one, Target(REPO, force=True, tag="v1.0"), pauses=())
    hub.clear_faults()
    head = push_checkpoints(one, Target(REPO, force=True, tag="v1.0"))
    assert load(hub.folder / "models" / REPO)["tags"]["v1.0"]["target"] == head


FOREIGN = {
    "HTML": b"<!doctype html><html>",
    "list": b"[]",
    "empty": b"",
    "number": b"5",
    "null": b"null",
    "not UTF-8": b"\xff\xfe",
    "missing keys": b'{"model_type": "bert"}',
    "NaN": b'{"latent_dim": NaN, "channels": [NaN], "beta": NaN}',
    "text for numbers": b'{"latent_dim": "many", "channels": "wide", "painter": "yes"}',
    "large": b'{"latent_dim": 1e99}',
    "list of variants": b'{"variants": [1, 2]}',
    "number of variants": b'{"variants": 5}',
    "paths for variants": b'{"variants": {"../../x": 1, "/etc": 2}}',
}


@pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN)
def test_a_config_of_another_project_is_one_sentence_and_no_hindrance(hub, client, mine, content):
    push_checkpoints(mine, Target(REPO))
    hub.seed(f"models/{REPO}", {"mine/config.json": content})
    with pytest.raises(UserError, match=r"config\.json") as refused:
        CatVAE.from_pretrained(REPO, "mine")
    assert "\n" not in str(refused.value)

    hub.seed(f"models/{REPO}", {"mine/config.json": (mine / "mine" / "config.json").read_bytes()})
    commit = hub.seed(f"models/{REPO}", {"config.json": content})
    with pytest.raises(HubError, match="cannot get v1"):  # it goes by its own list
        download_set(REPO, commit)
    push_checkpoints(mine, Target(REPO))
    assert json.loads(hub.files(f"models/{REPO}")["config.json"])["variants"] == {"mine": 1.0}


FIGURES = [*list(FOREIGN.values())[:7], b'{"psnr": NaN}', b'{"psnr": "20"}']


@pytest.mark.parametrize("content", FIGURES)
def test_figures_of_another_project_are_none(hub, client, checkpoints, mine, content):
    push_checkpoints(mine, Target(REPO))
    hub.seed(f"models/{REPO}", {"mine/metrics.json": content})
    push_checkpoints(mine, Target(REPO))
    assert hub.files(f"models/{REPO}")["mine/metrics.json"] == (mine / "mine" / "metrics.json").read_bytes()
    (checkpoints / "v3" / "metrics.json").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"v3.metrics\.json"):
        push_checkpoints(checkpoints, Target(REPO))


def test_what_is_still_in_training_is_never_pushed(hub, client, checkpoints):
    head = push_checkpoints(checkpoints, Target(REPO))
    for name in ("v5", "v6"):
        set_psnr(checkpoints, name, 30)
    (checkpoints / "v6" / "training.pt").write_bytes(b"half way")
    with pytest.raises(HubError, match="lacks v6: train them to their end"):
        push_checkpoints(checkpoints, Target(REPO))
    assert check_push(Target(REPO), checkpoints, ["v5"]) == "lacks v6"
    assert f"branch {TRIAL}" in push_trained(checkpoints, Target(REPO))
    trial = hub.files(f"models/{REPO}", TRIAL)
    assert hub.head(f"models/{REPO}") == head and b'"psnr": 30' in trial["v5/metrics.json"]
    assert b'"psnr": 20' in trial["v6/metrics.json"]  # as it was on main
    push_checkpoints(checkpoints, Target(REPO, force=True))
    assert b'"psnr": 20' in hub.files(f"models/{REPO}")["v6/metrics.json"]
    (checkpoints / "v3" / "training.pt").write_bytes(b"half way")
    for name in set(FIRST_SET) - {"v3", "v6"}:
        shutil.rmtree(checkpoints / name)
    with pytest.raises(HubError, match="unfinished to its end with --resume"):
        push_checkpoints(checkpoints, Target(REPO, force=True))


def test_a_training_space_pushes_however_that_is_written(hub, client):
    for words in ([f"--push-to-hub={REPO}"], ["--epochs", "1", "--push", REPO], PUSH, [*PUSH, "--variants", "v3"]):
        assert find_push(words) == REPO
    for words in ([], ["--push-to-hub"], ["--push-to-hub="], ["--epochs", "1"]):
        with pytest.raises(HubError, match="add --push-to-hub"):
            publish_trainer("owner/trainer", words, hardware="t4-small")
    hub.plan = "pro"
    publish_trainer("owner/trainer", [f"--push-to-hub={REPO}"], hardware="t4-small")
    assert load(hub.folder / "spaces/owner/trainer")["variables"]["CATVAE_TRAIN"]["value"] == f"--push-to-hub={REPO}"


@pytest.mark.parametrize("what", ["variables", "secrets"])
def test_a_space_whose_values_cannot_be_set_says_which(hub, client, what):
    client.create_repo(REPO)
    hub.fault(f"POST .*/{what}", status=404)
    words = r"owner/kitten-mixer is there, but CATVAE_REPO, HF_TOKEN cannot be set \(404: injected\)$"
    with pytest.raises(HubError, match=words):
        publish_space(SPACE, model_repo=REPO, with_token=True)


def test_only_what_is_missing_is_said_to_be(hub, client, one):
    push_checkpoints(one, Target(REPO, force=True))
    for variant, revision, advice in (("v9", None, r"does not exist\)$"), ("v3", "nowhere", "branch, tag or commit")):
        with pytest.raises(HubError, match=advice):
            download_variant(REPO, variant, revision)
    with pytest.raises(HubError, match="look at the name"):
        download_variant("owner/nothing", "v3")


def test_a_snippet_speaks_the_language_of_its_reader():
    assert "lang" not in web_snippet(SPACE)
