"""The demo as a Space: just what it needs to run, in one commit."""

import re
from pathlib import Path

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, RepoCard

from catvae.hub import FILES, HUB_ERRORS, HubError, first_line
from catvae.model import VARIANTS

ROOT = Path(__file__).resolve().parent.parent
NEEDED = ("app.py", "requirements.txt", "LICENSE", "catvae/*.py", "examples/*", "figures/*.png")


def publish_space(
    repo_id: str, *, model_repo: str | None = None, private: bool = False, token: str | None = None
) -> str:
    """Create or update a Gradio Space with the app and the bundled weights; returns its address.

    With `model_repo` the Space builds with those weights in its cache and follows that repo; else
    it looks for its owner's model repo "catvae". Files that are no longer needed are deleted,
    unchanged ones make no commit. Raises HubError.
    """
    files = {path.relative_to(ROOT).as_posix(): path for pattern in NEEDED for path in sorted(ROOT.glob(pattern))}
    files |= {f"checkpoints/{name}/{file}": ROOT / "checkpoints" / name / file for name in VARIANTS for file in FILES}
    card = RepoCard.load(ROOT / "README.md")
    if model_repo:
        card.data.models = [model_repo]
        weights = ",".join(f"{name}/{file}" for name in VARIANTS for file in FILES)
        card.data.preload_from_hub = [f"{model_repo} {weights}"]
    api = HfApi(token=token)
    try:
        api.create_repo(repo_id, repo_type="space", space_sdk="gradio", private=private, exist_ok=True)
        stale = set(api.list_repo_files(repo_id, repo_type="space")) - {*files, "README.md", ".gitattributes"}
        operations = [CommitOperationDelete(name) for name in sorted(stale)]
        operations += [CommitOperationAdd(name, path) for name, path in files.items()]
        operations.append(CommitOperationAdd("README.md", str(card).encode()))
        if model_repo:
            api.add_space_variable(repo_id, "CATVAE_REPO", model_repo)
        api.create_commit(repo_id, operations, repo_type="space", commit_message="Kitten Mixer")
    except HUB_ERRORS as error:
        raise HubError(f"publishing {repo_id} failed: {first_line(error)}") from error
    return f"{api.endpoint}/spaces/{repo_id}"


def embed_snippets(repo_id: str) -> str:
    """HTML that shows a Space in a blog post: an iframe, or Gradio's web component."""
    address = f"https://{re.sub('[^a-z0-9]+', '-', repo_id.lower())}.hf.space"
    version = RepoCard.load(ROOT / "README.md").data.sdk_version
    return (
        f'<iframe src="{address}" width="100%" height="820" frameborder="0"></iframe>\n\n'
        f'<script type="module" src="https://gradio.s3-us-west-2.amazonaws.com/{version}/gradio.js"></script>\n'
        f'<gradio-app src="{address}"></gradio-app>'
    )
