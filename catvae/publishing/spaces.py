"""The demo as a Space, and its training as one: just what they need to run, in one commit."""

import re
import shlex

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, RepoCard, get_token

from catvae.download import FILES, hub_calls
from catvae.errors import HubError
from catvae.files import ROOT
from catvae.model import VARIANTS
from catvae.serving.links import State, iframe, web_component

NEEDED = (
    *("app.py", "train_space.py", "requirements.txt", "LICENSE"),
    *(
        "catvae/**/*",
        "examples/*",
        "examples/blog/*",
        "figures/*.png",
        "figures/*.md",
        "checkpoints/*/latents.safetensors",
    ),
)


def publish_space(
    repo_id: str, *, model_repo: str | None = None, private: bool = False, token: str | None = None
) -> str:
    """Create or update a Gradio Space with the app and the bundled weights; returns its address.

    With `model_repo` the Space builds with those weights in its cache and follows that repo; else
    it looks for its owner's model repo "catvae". Files that are no longer needed are deleted,
    unchanged ones make no commit. Raises HubError.
    """
    card = RepoCard.load(ROOT / "README.md")
    if model_repo:
        card.data.models = [model_repo]
        weights = ",".join(f"{name}/{file}" for name in VARIANTS for file in FILES)
        card.data.preload_from_hub = [f"{model_repo} {weights}"]
    api = HfApi(token=token)
    with hub_calls(f"publishing {repo_id} failed"):
        api.create_repo(repo_id, repo_type="space", space_sdk="gradio", private=private, exist_ok=True)
        if model_repo:
            api.add_space_variable(repo_id, "CATVAE_REPO", model_repo)
        _commit_files(api, repo_id, card)
    return f"{api.endpoint}/spaces/{repo_id}"


def publish_trainer(repo_id: str, arguments: list[str], *, hardware: str, token: str | None = None) -> str:
    """Create or update a private Space that trains once on rented hardware; returns its address.

    It runs train_space.py with `arguments`, shows the log, and pauses itself at the end, whatever
    the end is, so that nothing more is paid. The token goes into its secrets: it must be able to
    push and to pause. Raises HubError, also when `arguments` do not push, as the disk is gone with
    the Space.
    """
    if "--push-to-hub" not in arguments:
        raise HubError("the training Space loses its disk at the end: add --push-to-hub OWNER/NAME")
    token = token or get_token()
    if not token:
        raise HubError("the training Space needs a token to push with; set HF_TOKEN or run: hf auth login")
    card = RepoCard.load(ROOT / "README.md")
    card.data.title, card.data.app_file = "Kitten Mixer training", "train_space.py"
    api = HfApi(token=token)
    with hub_calls(f"publishing {repo_id} failed"):
        api.create_repo(repo_id, repo_type="space", space_sdk="gradio", private=True, exist_ok=True)
        api.add_space_secret(repo_id, "HF_TOKEN", token)
        api.add_space_variable(repo_id, "CATVAE_TRAIN", shlex.join(arguments))
        _commit_files(api, repo_id, card)
        api.request_space_hardware(repo_id, hardware)
    return f"{api.endpoint}/spaces/{repo_id}"


def _commit_files(api: HfApi, repo_id: str, card: RepoCard) -> None:
    paths = [
        path for pattern in NEEDED for path in sorted(ROOT.glob(pattern)) if path.is_file() and path.suffix != ".pyc"
    ]
    files = {path.relative_to(ROOT).as_posix(): path for path in paths}
    files |= {f"checkpoints/{name}/{file}": ROOT / "checkpoints" / name / file for name in VARIANTS for file in FILES}
    stale = set(api.list_repo_files(repo_id, repo_type="space")) - {*files, "README.md", ".gitattributes"}
    operations = [CommitOperationDelete(name) for name in sorted(stale)]
    operations += [CommitOperationAdd(name, path) for name, path in files.items()]
    operations.append(CommitOperationAdd("README.md", str(card).encode()))
    api.create_commit(repo_id, operations, repo_type="space", commit_message="Kitten Mixer")


def embed_snippets(repo_id: str) -> str:
    """HTML that shows a Space in a blog post: an iframe of its small page, or Gradio's web component."""
    address = f"https://{re.sub('[^a-z0-9]+', '-', repo_id.lower())}.hf.space"
    return f"{iframe(address, State())}\n\n{web_component(address)}"
