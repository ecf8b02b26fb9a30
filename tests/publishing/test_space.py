"""The demo as a Space and training as one, published to the stand-in by an account without a plan, and run as there."""

import re
import shlex
import shutil
import subprocess
import sys
from collections import deque
from pathlib import Path
from urllib.request import urlopen

import gradio
import pytest
from gradio_client import Client, handle_file
from huggingface_hub import RepoCard
from starlette.testclient import TestClient

from catvae.download import FILES
from catvae.errors import HubError
from catvae.latents import LATENTS
from catvae.model import FIRST_SET
from catvae.page.trainer import _train, pause, train_and_pause
from catvae.publishing.faces import push_faces
from catvae.publishing.spaces import embed_snippets, lock_for, publish_space, publish_trainer
from catvae.training.data import load_faces
from tests.conftest import ROOT, free_port, readme_block, running_app
from tests.hub_server import load

SPACE = "owner/kitten-mixer"
MODEL_CARD = b"---\nlicense: mit\ndatasets:\n- owner/faces\n---\nCats\n"
SPACES_PACKAGE = '''
"""Stand-in of the package `spaces` as ZeroGPU has it: no start without a decorated function, every call is quota."""
import gradio

decorated = []

def GPU(function=None, **options):
    def wrap(function):
        decorated.append(function)
        def spend(*args, **kwargs):
            print("GPU quota spent", flush=True)
            return function(*args, **kwargs)
        return spend
    return wrap(function) if function else wrap

start = gradio.Blocks.launch

def launch(self, *args, **kwargs):
    if not decorated:
        raise RuntimeError("No @spaces.GPU function detected during startup")
    print("started on ZeroGPU", flush=True)
    return start(self, *args, **kwargs)

gradio.Blocks.launch = launch
'''

pytestmark = pytest.mark.usefixtures("client")


def write_space(hub, repo: str, folder: Path) -> None:
    for name, content in hub.files(f"spaces/{repo}", "main").items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def test_a_space_gets_what_it_needs_and_nothing_else(hub):
    weights = ["config.json", *(f"{name}/{file}" for name in ("mine", "v1") for file in (*FILES, LATENTS))]
    hub.seed("models/owner/cats", {"README.md": MODEL_CARD, "figures/v1.png": b"x", **dict.fromkeys(weights, b"x")})
    space = publish_space(SPACE, model_repo="owner/cats")
    assert space.address.endswith(f"/spaces/{SPACE}") and not space.advice
    files = hub.files(f"spaces/{SPACE}", "main")
    for name in (
        "app.py",
        "pyproject.toml",
        "setup.py",
        "catvae/page/page.py",
        "examples/kitten-01.png",
        "examples/blog/en.html",
    ):
        assert files[name] == (ROOT / name).read_bytes()
    assert {"catvae/serving/words/es.toml", "catvae/photos/aligner.safetensors"} < set(files)
    assert not [name for name in files if name.startswith(("tests/", ".ci/", "NOTE")) or name.endswith((".pyc", ".pt"))]
    card = RepoCard(files["README.md"].decode()).data
    assert (card.models, card.datasets) == (["owner/cats"], ["owner/faces"])
    assert (card.suggested_hardware, card.python_version) == ("zero-a10g", "3.12")
    repo, _, preloaded = card.preload_from_hub[0].partition(" ")
    assert repo == "owner/cats" and sorted(preloaded.split(",")) == sorted(weights)
    meta = load(hub.folder / "spaces" / SPACE)
    assert meta["variables"] == {"CATVAE_REPO": {"value": "owner/cats"}} and meta["hardware"] == "zero-a10g"


def test_every_picture_and_link_of_the_spaces_page_is_there(hub):
    publish_space(SPACE)
    files = hub.files(f"spaces/{SPACE}", "main")
    page = RepoCard(files["README.md"].decode())
    links = re.findall(r'\]\(([^)\s]+)\)|(?:src|href)="([^"]+)"', page.text)
    targets = {one or other for one, other in links}
    assert "figures/interpolation.png" in targets and len(targets) > 4
    assert [target for target in targets if not target.startswith("https://") and target not in files] == []
    thumbnail = page.data.thumbnail.removeprefix(f"{hub.url}/spaces/{SPACE}/resolve/main/")
    assert files[thumbnail].startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "hardware, torch", [("zero-a10g", "2.11.0"), ("cpu-basic", "2.13.0+cpu"), ("t4-small", "2.13.0")]
)
def test_what_a_space_installs_is_locked_for_its_hardware(hub, hardware, torch):
    hub.plan = "pro"
    publish_space(SPACE, hardware=hardware)
    lock = hub.files(f"spaces/{SPACE}", "main")["requirements.txt"].decode()
    assert re.search(r"^torch==(\S+)", lock, re.M)[1] == torch
    assert bool(re.search("^nvidia", lock, re.M)) == (hardware != "cpu-basic")
    lines = [line for line in lock.splitlines() if not line.startswith("--")]
    assert all("==" in line for line in lines)
    locked = {re.split("==|\\[", line)[0].lower().replace("_", "-") for line in lines}
    wanted = re.findall(r"^[\w-]+", (ROOT / "requirements.txt").read_text(), re.M)
    assert {name.lower().replace("_", "-") for name in wanted} | {"spaces"} <= locked
    assert load(hub.folder / "spaces" / SPACE)["hardware"] == hardware


def test_all_locks_pin_what_is_tested():
    def pins(path: Path) -> dict[str, str]:
        return dict(re.findall(r"^([\w.-]+)==([^\s;]+)", path.read_text(), re.M))

    tested = pins(ROOT / "constraints.txt")
    for hardware in ("zero-a10g", "cpu-basic", "t4-small"):
        lock = pins(lock_for(hardware))
        other = {name for name in set(lock) & set(tested) if lock[name] != tested[name]}
        assert not [name for name in other if not re.match("torch|triton|nvidia|cuda|setuptools", name)], hardware
    assert pins(ROOT / "constraints-gpu.txt")["torch"] == tested["torch"]


def test_an_account_without_a_plan_is_told_its_choices(hub):
    with pytest.raises(HubError, match=r"(?s)402: .*cpu-basic.*--hardware zero-a10g.*publish-web owner/kitten-mixer"):
        publish_space(SPACE, hardware="cpu-basic")
    for name in ("owner/one", "owner/two"):
        publish_space(name)
    with pytest.raises(HubError, match=r"(?s)403: .*two Spaces.*publish-web"):
        publish_space(SPACE)
    with pytest.raises(HubError, match=r"(?s)402: .*paid plan.*hf jobs uv run --flavor t4-small.*--push-to-hub"):
        publish_trainer("owner/trainer", ["--push-to-hub", "owner/cats"], hardware="t4-small")


def test_the_readmes_commands_take_a_fresh_free_account_to_a_space_on_zerogpu(hub, cat_folder, tmp_path):
    script = readme_block("sh", "publish-space YOU/kitten-mixer")
    here = {
        "hf auth login": f"hf auth login --token {hub.token}",
        "--data YOUR_CATS --out yours": f"--data {cat_folder} --out {tmp_path / 'yours'} --epochs 1",
        "YOU/": "owner/",
    }
    for words, ours in here.items():
        assert words in script
        script = script.replace(words, ours)
    assert len(script.splitlines()) <= 5
    env = hub.env(tmp_path / "home", token=None)
    env["PATH"] = f"{Path(sys.executable).parent}:{env['PATH']}"  # as `source .venv/bin/activate` has it
    done = subprocess.run(["bash", "-ec", script], cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {f"{name}/model.safetensors" for name in FIRST_SET} <= set(hub.files("models/owner/catvae"))
    space = load(hub.folder / "spaces" / SPACE)
    assert hub.plan == "free" and space["hardware"] == "zero-a10g"
    assert space["variables"]["CATVAE_REPO"]["value"] == "owner/catvae"
    assert f"{hub.url}/spaces/{SPACE}" in done.stdout


def test_a_private_model_repo_needs_a_token_in_the_space(hub, client):
    client.create_repo("owner/cats", private=True)
    space = publish_space(SPACE, model_repo="owner/cats")
    assert "owner/cats is private" in space.advice and "--with-token" in space.advice
    assert "preload_from_hub" not in hub.files(f"spaces/{SPACE}")["README.md"].decode()
    assert "secrets" not in load(hub.folder / "spaces" / SPACE)
    assert not publish_space(SPACE, model_repo="owner/cats", with_token=True).advice
    assert load(hub.folder / "spaces" / SPACE)["secrets"] == {"HF_TOKEN": {"value": hub.token}}


def test_publishing_again_changes_only_what_changed(hub):
    publish_space(SPACE)
    first = hub.head(f"spaces/{SPACE}")
    publish_space(SPACE)
    assert hub.head(f"spaces/{SPACE}") == first
    assert not [line for line in hub.requests if line.endswith("/hardware")]
    hub.seed(f"spaces/{SPACE}", {"old.py": b"print()"})
    publish_space(SPACE)
    assert "old.py" not in hub.files(f"spaces/{SPACE}", "main")
    hub.plan = "pro"
    publish_space(SPACE, hardware="cpu-upgrade")
    assert load(hub.folder / "spaces" / SPACE)["hardware"] == "cpu-upgrade"


def test_the_published_files_mix_on_zerogpu_and_spend_none_of_it(hub, tmp_path):
    publish_space(SPACE)
    write_space(hub, SPACE, tmp_path / "space")
    (tmp_path / "zerogpu").mkdir()
    (tmp_path / "zerogpu" / "spaces.py").write_text(SPACES_PACKAGE)
    env = hub.env(tmp_path / "home", PYTHONPATH=str(tmp_path / "zerogpu"))
    bare = "import spaces, gradio; gradio.Blocks().launch()"
    refused = subprocess.run([sys.executable, "-c", bare], env=env, capture_output=True, text=True)
    assert "No @spaces.GPU function detected" in refused.stderr

    with running_app(tmp_path, env, tmp_path / "space") as url:
        cats = [handle_file(ROOT / "examples" / f"kitten-0{i}.png") for i in (1, 4)]
        frames = Client(url, verbose=False).predict("v6", *cats, 5, api_name="/mix")
        assert len(frames) == 5 + 2  # and the two cats as they came
    log = (tmp_path / "app.log").read_text()
    assert "started on ZeroGPU" in log and "quota spent" not in log and "Traceback" not in log


def test_a_space_that_cannot_be_published_is_a_clear_error(hub):
    hub.fault("POST .*/commit/", status=500)
    with pytest.raises(HubError, match=f"publishing {SPACE} failed"):
        publish_space(SPACE)


@pytest.mark.parametrize("hardware", ["zero-a10g", "cpu-basic"])
def test_without_a_token_it_says_how_to_log_in(hub, tmp_path, hardware):
    with hub.client(tmp_path / "home", token=None), pytest.raises(HubError, match="401: .*hf auth login"):
        publish_space(SPACE, hardware=hardware)
    with hub.client(tmp_path / "home", token=None), pytest.raises(HubError, match="hf auth login"):
        publish_trainer("owner/trainer", ["--push-to-hub", "owner/cats"], hardware=hardware)


def test_the_space_runs_the_gradio_that_is_tested():
    pinned = re.search(r"^gradio==(.+)$", (ROOT / "constraints.txt").read_text(), re.M).group(1)
    assert RepoCard.load(ROOT / "README.md").data.sdk_version == pinned
    assert f"/{pinned}/gradio.js" in embed_snippets(SPACE)
    assert "https://owner-kitten-mixer.hf.space" in embed_snippets(SPACE)


def test_a_training_space_trains_pushes_and_pauses(hub, cat_folder, tmp_path):
    hub.plan = "pro"
    arguments = ["--data", str(cat_folder), "--variants", "v3", "--epochs", "1", "--out", str(tmp_path / "out")]
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
        log = []
        for line in running.stdout:
            log.append(line.strip())
            if log[-1] == "done" or log[-1].startswith("training ended"):
                break
        assert urlopen(f"http://127.0.0.1:{env['PORT']}", timeout=60).status == 200  # the page with the log
    finally:
        running.terminate()
        running.communicate()
    assert log[-1] == "done", log
    assert load(hub.folder / "spaces" / "owner/trainer")["stage"] == "PAUSED"
    pushed = hub.files("models/owner/cats", "trial")  # main takes no set of one
    assert pushed["v3/model.safetensors"] == (tmp_path / "out" / "v3" / "model.safetensors").read_bytes(), log


def test_a_training_space_that_is_taken_back_pushes_what_is_finished(hub, cat_folder, tmp_path):
    hub.seed("spaces/owner/trainer", {})
    arguments = ["--data", str(cat_folder), "--variants", "v3", "v1", "--epochs", "12", "--batch-size", "8"]
    arguments += ["--out", str(tmp_path / "out"), "--push-to-hub", "owner/cats"]
    env = hub.env(tmp_path / "home", token=hub.token, SPACE_ID="owner/trainer", PORT=str(free_port()))
    env |= {"CATVAE_TRAIN": shlex.join(arguments), "OMP_NUM_THREADS": "1"}
    running = subprocess.Popen(
        [sys.executable, "train_space.py"],
        cwd=ROOT,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    for line in running.stdout:
        if "v1 epoch 1/" in line:
            break
    running.terminate()
    said, _ = running.communicate(timeout=120)
    assert "v3/model.safetensors" in hub.files("models/owner/cats", "trial"), said
    assert load(hub.folder / "spaces" / "owner/trainer")["stage"] == "PAUSED"


@pytest.mark.parametrize(
    "command, shown",
    [
        ([sys.executable, "-c", r"import sys; sys.stdout.buffer.write(b'caf\xe9 \xff\n')"], "done"),
        ([sys.executable, "-c", r"import os; os.write(1, b'caf\xc3'); os._exit(3)"], "exit status 3"),
        (["/nowhere/python"], "cannot start"),
        ([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"], "exit status -9"),
    ],
    ids=["not UTF-8", "dies within a character", "cannot start", "killed"],
)
def test_a_training_space_pauses_whatever_its_command_does(hub, monkeypatch, command, shown):
    hub.seed("spaces/owner/trainer", {})
    monkeypatch.setenv("SPACE_ID", "owner/trainer")
    log = deque()
    _train(command, log, [])
    assert shown in log[-1]
    assert load(hub.folder / "spaces" / "owner/trainer")["stage"] == "PAUSED"


def test_a_pause_is_tried_again_and_told_of_when_it_fails(hub, monkeypatch):
    hub.seed("spaces/owner/trainer", {})
    monkeypatch.setenv("SPACE_ID", "owner/trainer")
    log = deque(["done"])
    hub.fault("/pause", status=503, times=2)
    pause(log, pauses=(0, 0))
    assert load(hub.folder / "spaces" / "owner/trainer")["stage"] == "PAUSED" and log[-1] == "done"
    hub.fault("/pause", status=403)
    pause(log, pauses=(0, 0))
    assert "pause it yourself" in log[-1]


def test_a_training_space_that_would_lose_its_weights_is_refused(hub):
    with pytest.raises(HubError, match="add --push-to-hub"):
        publish_trainer("owner/trainer", ["--epochs", "1"], hardware="t4-small")
    hub.plan = "pro"
    hub.fault("POST .*/hardware", status=402, body=b'{"error": "Payment required"}')
    with pytest.raises(HubError, match="publishing owner/trainer failed .*paid for"):
        publish_trainer("owner/trainer", ["--push-to-hub", "owner/cats"], hardware="a100-large")


def test_a_job_trains_with_the_script_alone(hub, cat_folder, tmp_path):
    """As `hf jobs uv run` does it: the script, what its own metadata names, a token, and the package from the Space."""
    script = (ROOT / "train_space.py").read_text()
    named = [pin.lower().replace("_", "-") for pin in re.findall(r'^#     "(\S+)",', script, re.M)]
    pinned = (ROOT / "constraints.txt").read_text() + (ROOT / "Makefile").read_text()
    pins = set(re.findall(r"\S+==\S+", pinned.lower().replace("_", "-")))
    assert len(named) > 8 and set(named) - pins == set()

    shutil.copy(ROOT / "train_space.py", tmp_path)
    # this environment has the package, a Job has not
    hide = "import sys; sys.meta_path[:] = [f for f in sys.meta_path if 'Editable' not in getattr(f, '__name__', '')]"
    command = (
        f"{hide}; import runpy; runpy.run_path('train_space.py', run_name='__main__'); print(*sorted(sys.modules))"
    )
    options = ["--data", "owner/faces", "--variants", "v3", "--epochs", "1", "--push-to-hub", "owner/catvae"]

    def job(**more) -> subprocess.CompletedProcess:
        env = hub.env(tmp_path / "home", token=hub.token, PYTHONPATH="", **more)  # nor has it a path to one
        return subprocess.run(
            [sys.executable, "-P", "-c", command, *options], cwd=tmp_path, env=env, capture_output=True, text=True
        )

    assert "CATVAE_SPACE" in job().stderr
    publish_space(SPACE)
    push_faces(load_faces(cat_folder), "owner/faces")
    done = job(CATVAE_SPACE=SPACE)
    assert done.returncode == 0, done.stderr
    assert "the weights will go to the branch trial" in done.stdout
    assert "v3/model.safetensors" in hub.files("models/owner/catvae", "trial")
    modules = set(done.stdout.splitlines()[-1].split())
    assert "torch" in modules
    assert not modules & {"gradio", "matplotlib", "starlette.applications", "cachetools", "av", "skimage"}


def test_the_page_of_a_training_space_opens_no_route_that_it_does_not_need(monkeypatch):
    """Its environment holds a token, and Gradio's proxy would lend it to anyone."""
    launched, launch = [], gradio.Blocks.launch

    def launch_and_go_on(page, **options) -> None:
        launched.append((page, launch(page, prevent_thread_lock=True, quiet=True, **options)[0]))

    monkeypatch.setenv("PORT", str(free_port()))
    monkeypatch.setenv("GRADIO_SERVER_NAME", "127.0.0.1")
    monkeypatch.setattr("catvae.page.trainer.catch_stops", lambda: None)
    monkeypatch.setattr("catvae.page.trainer._train", lambda *_: None)
    monkeypatch.setattr(gradio.Blocks, "launch", launch_and_go_on)
    train_and_pause([])
    ((page, app),) = launched
    client = TestClient(app)
    assert client.get("/gradio_api/proxy=https://owner-cats.hf.space/file").status_code == 404
    assert client.post("/gradio_api/process_recording").status_code == 404
    assert client.get("/").status_code == 200
    page.close(verbose=False)
