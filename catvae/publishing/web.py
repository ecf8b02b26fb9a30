"""The mixer without a server as a static Space: free, never asleep, the same files as on any other host."""

from pathlib import Path

from huggingface_hub import HfApi

from catvae.download import check_repo, hub_calls, persist
from catvae.errors import HubError
from catvae.files import MANIFEST
from catvae.publishing.cards import make_repo
from catvae.publishing.spaces import commit_files, find_token, space_address
from catvae.serving.links import DEFAULT_VARIANT, FIRST_A, FIRST_B

SNIPPET = """<script type="module" src="{address}/kitten-mixer.js"></script>
<kitten-mixer model="{model}" a="{a}" b="{b}">
  <a href="{address}"><img src="{address}/preview.jpg" alt="Kitten Mixer"></a>
</kitten-mixer>

or, where a page allows no scripts of others (without "compact" and 860px high, the whole mixer):

<iframe src="{address}/?compact&amp;model={model}&amp;a={a}&amp;b={b}" title="Kitten Mixer" loading="lazy" \
style="width: 100%; height: 420px; border: 0"></iframe>"""


def publish_web(folder: Path, repo_id: str, *, private: bool = False) -> str:
    """Create or update a static Space with what `export_web` wrote to `folder`; returns its address.

    Files that are no longer needed are deleted, unchanged ones make no commit. Raises HubError.
    """
    check_repo(repo_id)
    if not (folder / MANIFEST).exists():
        raise HubError(f"{folder} holds no mixer: write one with python -m catvae export-web {folder}")
    files: dict[str, Path | bytes] = {
        path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()
    }
    address = space_address(repo_id, "static.hf.space")  # whoever previews a link wants the picture's whole address
    page = (folder / "index.html").read_text("utf-8")
    files["index.html"] = page.replace('content="preview.jpg"', f'content="{address}/preview.jpg"').encode()
    api = HfApi(token=find_token())

    def update() -> None:
        with hub_calls(f"publishing {repo_id} failed"):
            make_repo(api, repo_id, "space", files, space_sdk="static", private=private)
            api.auth_check(repo_id, repo_type="space", write=True)
            commit_files(api, repo_id, files)

    persist(update)
    return f"{api.endpoint}/spaces/{repo_id}"


def web_snippet(repo_id: str) -> str:
    """HTML that shows the mixer of a static Space in a blog post: as a web component, and as an iframe."""
    address = space_address(repo_id, "static.hf.space")
    return SNIPPET.format(address=address, a=FIRST_A, b=FIRST_B, model=DEFAULT_VARIANT)
