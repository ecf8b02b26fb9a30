"""The demo as a Space, and its training as one: just what they need to run, in one commit."""

import argparse
import re
import shlex
from pathlib import Path
from typing import NamedTuple

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, ModelInfo, RepoCard, get_token

from catvae.download import FILES, check_repo, hub_calls, persist, status
from catvae.errors import HubError
from catvae.files import ROOT
from catvae.latents import LATENTS
from catvae.model import VARIANTS
from catvae.publishing.cards import make_repo, make_space_text
from catvae.serving.links import State, iframe, web_component

FREE = "zero-a10g"  # the hardware on which an account without a plan may have Gradio Spaces
# of a model repo, whatever its models are called: all that `serving.weights` reads
PRELOADED = re.compile("|".join([r"config\.json", *(rf"[^/]+/{re.escape(file)}" for file in (*FILES, LATENTS))]))
NEEDED = (
    *("app.py", "train_space.py", "pyproject.toml", "setup.py", "LICENSE"),
    *(
        "catvae/**/*",
        "examples/*",
        "examples/blog/*",
        "figures/*.png",
        "figures/*.md",
        "checkpoints/*/latents.safetensors",
    ),
)
CHOICES = """The Hub lets this account have no such Space on {hardware}. The ways on:
- --hardware zero-a10g: free, for two Spaces of an account that is older than 30 days and has a verified address;
- a paid plan, https://huggingface.co/pricing, for any hardware;
- the mixer as a static page, which runs in the visitor's browser and is free for all:
  python -m catvae publish-web {repo}"""
JOB_INSTEAD = """A training Space needs a paid plan, https://huggingface.co/pricing. A Job needs credit alone:
  hf jobs uv run --flavor {hardware} --timeout 3h --secrets HF_TOKEN train_space.py {arguments}"""
PRIVATE = """{model_repo} is private: the Space needs a token that may read it, as its secret HF_TOKEN, and runs the
weights it comes with until then. Set it under {address}/settings, or publish again with --with-token, which puts the
token there that you are logged in with."""


class Published(NamedTuple):
    """Where a Space is, and what is left to do for it to work, if anything."""

    address: str
    advice: str = ""


def publish_space(
    repo_id: str,
    *,
    hardware: str = FREE,
    model_repo: str | None = None,
    private: bool = False,
    with_token: bool = False,
) -> Published:
    """Create or update a Gradio Space with the app and the bundled weights, on `hardware` as the Hub names it.

    What it installs is locked for that hardware. With `model_repo` the Space builds with those
    weights in its cache and follows that repo; else it looks for its owner's model repo "catvae".
    `with_token` puts the token logged in with into the Space's secrets, for a private `model_repo`. Files that are
    no longer needed are deleted, unchanged ones make no commit. Raises HubError.
    """
    check_repo(repo_id)
    api, model = HfApi(), None
    address = f"{api.endpoint}/spaces/{repo_id}"
    if model_repo:
        check_repo(model_repo)
        with hub_calls(f"cannot look at {model_repo}"):
            model = api.model_info(model_repo, timeout=30)
    files = collect_files(hardware)
    files["README.md"] = str(make_space_card(repo_id, hardware, model, api.endpoint)).encode()
    variables = {"CATVAE_REPO": model_repo} if model_repo else {}
    secrets = {"HF_TOKEN": find_token()} if with_token else {}

    def update() -> None:
        create_space(api, repo_id, files, hardware, private, CHOICES.format(hardware=hardware, repo=repo_id))
        set_values(api, repo_id, variables, secrets)
        with hub_calls(f"publishing {repo_id} failed"):
            commit_files(api, repo_id, files)
            runtime = api.get_space_runtime(repo_id)
            if hardware not in (runtime.requested_hardware, runtime.hardware):  # an older Space, moved
                api.request_space_hardware(repo_id, hardware)

    persist(update)
    if model and model.private and not with_token:
        return Published(address, PRIVATE.format(model_repo=model_repo, address=address))
    return Published(address)


def publish_trainer(repo_id: str, arguments: list[str], *, hardware: str) -> str:
    """Create or update a private Space that trains once on rented hardware; returns its address.

    It runs train_space.py with `arguments`, shows the log, and pauses itself at the end, whatever
    the end is, so that nothing more is paid. The token goes into its secrets: it must be able to
    push and to pause. Raises HubError, also when `arguments` do not push, as the disk is gone with
    the Space.
    """
    check_repo(repo_id)
    if not (pushed := find_push(arguments)):
        raise HubError("the training Space loses its disk at the end: add --push-to-hub OWNER/NAME")
    check_repo(pushed)
    token, files = find_token(), collect_files(hardware)
    card = RepoCard.load(ROOT / "README.md")
    card.data.title, card.data.app_file = "Kitten Mixer training", "train_space.py"
    card.text = f"\n# Kitten Mixer training\n\n`train_space.py {shlex.join(arguments)}` runs here once.\n"
    files["README.md"] = str(card).encode()
    api = HfApi()

    def update() -> None:
        instead = JOB_INSTEAD.format(hardware=hardware, arguments=shlex.join(arguments))
        create_space(api, repo_id, files, None, True, instead)
        set_values(api, repo_id, {"CATVAE_TRAIN": shlex.join(arguments)}, {"HF_TOKEN": token})
        with hub_calls(f"publishing {repo_id} failed"):
            commit_files(api, repo_id, files)
            api.request_space_hardware(repo_id, hardware)  # last: from here on it costs

    persist(update)
    return f"{api.endpoint}/spaces/{repo_id}"


def find_push(arguments: list[str]) -> str | None:
    """The model repo that arguments of train_space.py push to, in whatever way argparse lets it be written."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--push-to-hub", nargs="?")
    return parser.parse_known_args(arguments)[0].push_to_hub


def create_space(
    api: HfApi, repo_id: str, files: dict[str, Path | bytes], hardware: str | None, private: bool, choices: str
) -> None:
    """A Gradio Space, if it is not there. Raises HubError, with `choices` where the account has no right to one."""
    try:
        with hub_calls(f"creating {repo_id} failed"):
            make_repo(api, repo_id, "space", files, space_sdk="gradio", space_hardware=hardware, private=private)
            api.auth_check(repo_id, repo_type="space", write=True)
    except HubError as error:
        if status(error) not in (402, 403):
            raise
        raise HubError(f"{error}\n{choices}") from error


def set_values(api: HfApi, repo_id: str, variables: dict[str, str], secrets: dict[str, str]) -> None:
    """Set variables and secrets of a Space. Raises HubError, with where they are set by hand."""
    with hub_calls(f"{repo_id} is there, but {', '.join((*variables, *secrets))} cannot be set"):
        for key, value in variables.items():
            api.add_space_variable(repo_id, key, value)
        for key, value in secrets.items():
            api.add_space_secret(repo_id, key, value)


def find_token() -> str:
    """The token logged in with. Raises HubError without one."""
    if not (token := get_token()):
        raise HubError("the Space needs a token; set HF_TOKEN or run: hf auth login")
    return token


def make_space_card(repo_id: str, hardware: str, model: ModelInfo | None, endpoint: str) -> RepoCard:
    """The README of the Space: the front matter of ours, with what is known of this Space, over a text of its own."""
    card = RepoCard.load(ROOT / "README.md")
    card.data.suggested_hardware = hardware
    card.data.thumbnail = f"{endpoint}/spaces/{repo_id}/resolve/main/figures/interpolation.png"
    datasets = list((model.card_data or {}).get("datasets") or []) if model else []
    if datasets:
        card.data.datasets = datasets
    if model:
        card.data.models = [model.id]
        weights = [file.rfilename for file in model.siblings or () if PRELOADED.fullmatch(file.rfilename)]
        if weights and not model.private:  # the Hub preloads no private repos
            card.data.preload_from_hub = [f"{model.id} {','.join(weights)}"]
    card.text = make_space_text(
        repo_id=repo_id,
        address=space_address(repo_id),
        endpoint=endpoint,
        model_repo=model.id if model else None,
        datasets=datasets,
        hardware=hardware,
    )
    return card


def lock_for(hardware: str) -> Path:
    """The lock of what a Space installs on that hardware; `make locks` writes them."""
    kind = {"zero": "zerogpu", "cpu": "cpu"}.get(hardware.partition("-")[0], "gpu")
    return ROOT / f"constraints-{kind}.txt"


def collect_files(hardware: str) -> dict[str, Path | bytes]:
    """What a Space needs to run on that hardware, by its path there. Raises HubError outside of a checkout."""
    if not (ROOT / "app.py").is_file():
        raise HubError("publishing takes files from a clone of the repository, not from an installed package")
    paths = [path for pattern in NEEDED for path in sorted(ROOT.glob(pattern)) if path.is_file()]
    files: dict[str, Path | bytes] = {
        path.relative_to(ROOT).as_posix(): path for path in paths if path.suffix != ".pyc"
    }
    names = [name for name in VARIANTS if (ROOT / "checkpoints" / name).is_dir()]
    files |= {f"checkpoints/{name}/{file}": ROOT / "checkpoints" / name / file for name in names for file in FILES}
    return files | {"requirements.txt": lock_for(hardware)}


def commit_files(api: HfApi, repo_id: str, files: dict[str, Path | bytes]) -> None:
    """Make a Space hold these files and no others. The client's errors pass."""
    head = api.space_info(repo_id, timeout=30)
    stale = {file.rfilename for file in head.siblings or ()} - {*files, ".gitattributes"}
    operations = [CommitOperationDelete(name) for name in sorted(stale)]
    operations += [CommitOperationAdd(name, content) for name, content in files.items()]
    message = "Kitten Mixer"
    api.create_commit(repo_id, operations, repo_type="space", commit_message=message, parent_commit=head.sha)


def space_address(repo_id: str, host: str = "hf.space") -> str:
    """Where a Space is to be opened, without the Hub around it; static ones have the host "static.hf.space"."""
    return f"https://{re.sub('[^a-z0-9]+', '-', repo_id.lower())}.{host}"


def embed_snippets(repo_id: str) -> str:
    """HTML that shows a Space in a blog post: an iframe of its small page, or Gradio's web component."""
    address = space_address(repo_id)
    return f"{iframe(address, State())}\n\n{web_component(address)}"
