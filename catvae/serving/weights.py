"""Which weights the app runs: those on disk at once, the Hub's as soon as they are here.

A set is always of one training: all models of one folder or of one commit, replaced whole.
"""

import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf
from pathlib import Path

from huggingface_hub import hf_hub_download
from huggingface_hub.errors import EntryNotFoundError
from torch import Tensor

from catvae.download import HUB_ERRORS, download_variant, hub_calls, listed_models
from catvae.errors import CheckpointError, HubError
from catvae.files import BUNDLED, find_checkpoints, number_setting, read_json, setting
from catvae.latents import LATENTS, load_latents
from catvae.model import FIRST_SET, CatVAE, by_beta, find_models, is_variant, load_checkpoint
from catvae.serving.recent import Recent

POLL_SECONDS = 300


@dataclass(frozen=True)
class WeightSet:
    """Models of one training, ready to use, the smallest β first, and where they come from.

    A model carries its architecture (`config`); `beta_of` gives its β.
    """

    models: dict[str, CatVAE]
    source: str  # "checkpoints" or "owner/name@0123abc"
    metrics: dict[str, dict]  # of the variants that have them, as `latents`
    latents: dict[str, dict[str, Tensor]]
    recent: Recent = field(default_factory=Recent)  # what these models drew
    lasting: Recent = field(default_factory=lambda: Recent(seconds=inf))  # what is the same for all who come

    def title(self, name: str, words: Mapping[str, str]) -> str:
        """What a model is called: in our words where it is one of ours, else by its name."""
        return words[f"model_{name}"] if is_variant(name, self.models[name]) else name


class Weights:
    """The set in use, in `current`; requests take it once and keep it to their end.

    The source is the folder `CATVAE_CHECKPOINTS`, or the Hub repo `CATVAE_REPO` ("owner/name",
    with "@revision" to stay on a branch, tag or commit), or on a Space the owner's repo "catvae"
    if there is one. Until the Hub's set has arrived, and whenever it cannot be had, the bundled
    set serves. A copy in the cache serves before the Hub is asked.

    Raises CheckpointError when the folder or the bundled set cannot be loaded, and SettingError for a
    `CATVAE_POLL_SECONDS` that is no number.
    """

    def __init__(self) -> None:
        folder = setting("CATVAE_CHECKPOINTS")
        self.wait = number_setting("CATVAE_POLL_SECONDS", POLL_SECONDS)
        self.current = load_set(find_checkpoints())
        self.from_folder = bool(folder) and Path(folder).resolve() != BUNDLED.resolve()
        repo = setting("CATVAE_REPO")
        if not repo and (author := setting("SPACE_AUTHOR_NAME")):
            repo = f"{author}/catvae"
        self.repo = repo.partition("@")[0] if repo and not folder else None
        if repo and not folder:
            threading.Thread(target=self._follow, args=repo.partition("@")[::2], daemon=True).start()

    def _follow(self, repo_id: str, revision: str) -> None:
        commit, ask, said = None, False, ""
        while True:
            try:
                found = find_commit(repo_id, revision or "main", ask=ask)
                if found and found != commit:
                    self.current = download_set(repo_id, found, ask=ask)
                    commit = found
                    print(f"catvae: now running {self.current.source}", flush=True)
                said = ""
            except (HubError, CheckpointError) as error:
                if str(error) != said:  # once, though it is asked every few minutes
                    print(f"catvae: still running {self.current.source}: {error}", flush=True)
                said = str(error)
            if commit and commit == revision:
                return  # a commit never changes
            if ask:
                time.sleep(self.wait)
            ask = True


def load_set(folder: Path) -> WeightSet:
    """The models that a folder holds, each in a folder of its name, or the one that the folder itself is.

    Raises CheckpointError when there is none, or one cannot be loaded.
    """
    return _load(list(find_models(folder).values()), folder.resolve().name)


def download_set(repo_id: str, commit: str, *, ask: bool = True) -> WeightSet:
    """All models that a commit of a Hub repo lists, v1 to v6 where it has no list, with `ask` off from the
    cache alone where they are there. Raises HubError or CheckpointError."""
    names = list(FIRST_SET)
    with suppress(*HUB_ERRORS):  # older sets lack it
        path = hf_hub_download(repo_id, "config.json", revision=commit, local_files_only=not ask)
        names = listed_models(path) or names
    for name in names:
        for extra in ("metrics.json", LATENTS):
            with suppress(*HUB_ERRORS):  # older sets lack them
                hf_hub_download(repo_id, f"{name}/{extra}", revision=commit, local_files_only=not ask)
    return _load([download_variant(repo_id, name, commit) for name in names], f"{repo_id}@{commit[:7]}")


def _load(folders: list[Path], source: str) -> WeightSet:
    loaded = {folder.name: load_checkpoint(folder) for folder in folders}
    models = {name: loaded[name] for name in by_beta(loaded, loaded)}
    metrics, latents = {}, {}
    for folder in folders:
        with suppress(CheckpointError):  # the app can do without
            known = read_json(folder / "metrics.json")
            if known.keys() >= {"psnr", "kl", "active_units"}:
                metrics[folder.name] = known
        with suppress(CheckpointError):
            latents[folder.name] = load_latents(folder)
    return WeightSet(models, source, metrics, latents)


def find_commit(repo_id: str, revision: str, *, ask: bool) -> str | None:
    """The commit that a revision of a Hub repo is at: now, or with `ask` off as the cache knows it.

    Raises HubError when the Hub was asked and there is no answer, in the cache either.
    """
    first = f"{FIRST_SET[0]}/config.json"  # the Hub takes every look at the root's for a download
    try:
        with hub_calls(f"cannot look up {repo_id}"):
            # unlike model_info this leaves the answer in the cache, for the next start without a Hub
            try:
                path = hf_hub_download(repo_id, first, revision=revision, local_files_only=not ask)
                return Path(path).parent.parent.name
            except EntryNotFoundError:  # a set of other models
                path = hf_hub_download(repo_id, "config.json", revision=revision, local_files_only=not ask)
                return Path(path).parent.name
    except HubError:
        if not ask:
            return None
        raise
