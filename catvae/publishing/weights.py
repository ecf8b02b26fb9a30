"""Checkpoints to and from the Hugging Face Hub: one model repo holds all variants of a folder."""

import json
import shlex
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from math import inf, isfinite
from pathlib import Path

from huggingface_hub import CommitOperationAdd, HfApi, hf_hub_download
from huggingface_hub.errors import RemoteEntryNotFoundError, RepositoryNotFoundError

from catvae.download import FILES, PATIENT, check_ref, check_repo, hub_calls, listed_models, persist
from catvae.errors import CheckpointError, HubError
from catvae.evaluation.figures import make_figures
from catvae.files import WEIGHTS, read_json
from catvae.images import to_bytes
from catvae.latents import LATENTS
from catvae.model import FIRST_SET, VARIANTS, beta_of, by_beta, find_models, load_checkpoint
from catvae.publishing.cards import make_model_card, make_repo
from catvae.training.progress import STATE
from catvae.training.split import TRAINED_ON

PSNR_TOLERANCE = 0.05  # dB; a retrained variant that loses more is worse, not merely different
TRIAL = "trial"  # the branch of trained sets that `main` refuses
FIGURES = {"psnr", "ssim", "kl", "active_units", "images"}  # that a card shows of each model
GIT_ATTRIBUTES = "*.safetensors filter=lfs diff=lfs merge=lfs -text\n*.png filter=lfs diff=lfs merge=lfs -text\n"


class PushRefused(HubError):
    """A set that `main` does not take: it lacks a model, or one reconstructs worse than the one there."""


@dataclass(frozen=True)
class Target:
    """Where a set goes: a model repo, `private` when it is created, and its `main` or a branch, made if need be.

    `tag` also makes an annotated tag. `main` is what apps follow: without `force` it takes no set that has only some
    of v1 to v6, lacks a model that is there, or in which one reconstructs worse than the one there; a branch takes any.
    Raises HubError for names that cannot be.
    """

    repo: str
    private: bool = False
    revision: str | None = None
    tag: str | None = None
    force: bool = False

    def __post_init__(self) -> None:
        check_repo(self.repo)
        check_ref(self.revision)
        check_ref(self.tag)

    @property
    def guarded(self) -> bool:
        """Whether sets are compared with what is there."""
        return not self.force and self.revision in (None, "main")


def push_checkpoints(folder: Path, to: Target, pauses: tuple[float, ...] | None = None) -> str:
    """Push all finished models of a folder, the figures and a model card in one commit; returns the commit's hash.

    Unchanged files make no commit. A Hub that is busy or out of reach is asked again as `persist` does, from what is
    there by then. Raises PushRefused and HubError, and CheckpointError for damaged weights; nothing local changes.
    """
    if not (present := weights_in(folder)):
        raise HubError(
            f"{folder} lacks {', '.join(FIRST_SET)}, and holds no other measured model: train them first, and what is "
            "unfinished to its end with --resume"
        )
    metrics = {name: read_figures(path / "metrics.json") for name, path in present.items()}
    if to.guarded and (reason := why_refused(set(present), metrics, {})):
        raise PushRefused(
            f"{folder} {reason}: train them to their end, push what there is with --force, or to a --revision"
        )
    files = collect_files(to.repo, present, metrics)
    api = HfApi()

    def commit() -> str:
        with hub_calls(f"push to {to.repo} failed"):
            make_repo(api, to.repo, "model", files, private=to.private)
            refs = api.list_repo_refs(to.repo) if to.revision or to.tag else None
            if to.revision and refs and to.revision not in [ref.name for ref in refs.branches]:
                api.create_branch(to.repo, branch=to.revision)  # exist_ok takes a busy Hub for one that has it
            head = api.model_info(to.repo, revision=to.revision, timeout=30).sha
            there = published_metrics(to.repo, head) if to.guarded else {}
            if to.tag and refs and to.tag in [ref.name for ref in refs.tags]:
                raise HubError(f"{to.repo} has the tag {to.tag} already: take another")
            if to.guarded and (reason := why_refused(set(present), metrics, there)):
                raise PushRefused(f"{to.repo} {reason}. Replace them with --force, or push to a --revision")
            return api.create_commit(
                to.repo,
                [CommitOperationAdd(name, content) for name, content in files.items()],
                commit_message=f"Weights of {', '.join(present)}",
                revision=to.revision,
                parent_commit=head,
            ).oid

    oid = persist(commit, pauses)
    if to.tag:
        add_tag(api, to.repo, to.tag, oid, pauses)
    return oid


def add_tag(api: HfApi, repo_id: str, tag: str, commit: str, pauses: tuple[float, ...] | None) -> None:
    """An annotated tag. Raises HubError, with the command that makes it by hand."""

    def create() -> None:
        with hub_calls(f"the weights are in {repo_id}, at {commit}, but without the tag {tag}"):
            api.create_tag(repo_id, tag=tag, tag_message=f"Release {tag}", revision=commit)

    try:
        persist(create, pauses)
    except HubError as error:
        raise HubError(f"{error}\nTo tag them: hf repos tag create {repo_id} {tag} --revision {commit}") from error


def push_trained(folder: Path, to: Target, pauses: tuple[float, ...] = PATIENT) -> str:
    """Push what was trained in `folder`, so that it survives a machine which does not; returns what happened, in words.

    A set that `main` refuses goes to the branch "trial". When the Hub cannot be reached it is tried
    again after each of `pauses` (s). Raises HubError, with the command to try again by hand.
    """
    refusal = ""
    try:
        try:
            commit = push_checkpoints(folder, to, pauses)
        except PushRefused as refused:
            refusal, to = f"{refused}\nso they go to the branch {TRIAL}: ", replace(to, revision=TRIAL)
            commit = push_checkpoints(folder, to, pauses)
        return f"{refusal}pushed to {to.repo}, branch {to.revision or 'main'}, at {commit}"
    except HubError as error:
        words = ["python", "-m", "catvae", "push", str(folder), to.repo]
        words += ["--revision", to.revision] if to.revision else []
        words += ["--force"] if to.force else []
        hint = f"The weights are safe in {folder}. To try again: {shlex.join(words)}"
        raise HubError(f"{error}\n{hint}") from error


def check_push(to: Target, folder: Path, trained: Iterable[str] = ()) -> str:
    """Make sure, before hours of training, that the push afterwards may happen; "" when it can go where it should.

    Creates the repo when it does not exist. `trained` are the variants that training will add to
    `folder`. Returns why `main` will refuse the set whatever they become, in words: then
    `push_trained` puts it on another branch. Raises HubError without a token that may write there.
    """
    api = HfApi()
    with hub_calls(f"cannot push to {to.repo}"):
        user = api.whoami()
        try:
            api.auth_check(to.repo, write=True)
        except RepositoryNotFoundError:
            api.create_repo(to.repo, private=to.private, exist_ok=True)
    if user.get("auth", {}).get("accessToken", {}).get("role") == "read":
        raise HubError(f"cannot push to {to.repo}: the token may only read; set HF_TOKEN to one that may write")
    if not to.guarded:
        return ""
    kept = {name: path for name, path in weights_in(folder).items() if name not in trained}
    metrics = {name: read_figures(path / "metrics.json") for name, path in kept.items()}
    with hub_calls(f"cannot look at {to.repo}"):
        there = published_metrics(to.repo, api.model_info(to.repo, timeout=30).sha)
    there = {name: figures for name, figures in there.items() if name not in trained}
    return why_refused({*kept, *trained}, metrics, there)


def weights_in(folder: Path) -> dict[str, Path]:
    """Where the weights of `VARIANTS` lie in a folder, and of other models for which the card finds their figures.

    What is still in training is not among them.
    """
    present = {name: folder / name for name in VARIANTS if (folder / name / WEIGHTS).exists()}
    with suppress(CheckpointError):  # none at all
        for name, path in find_models(folder).items():
            with suppress(CheckpointError):  # imported weights have no figures
                read_figures(path / "metrics.json")
                present.setdefault(name, path)
    return {name: path for name, path in present.items() if not (path / STATE).exists()}


def read_figures(path: Path) -> dict:
    """The figures of a model that a card shows, and its training. Raises CheckpointError where one is missing."""
    figures = read_json(path)
    if not all(isinstance(figures.get(key), (int, float)) and isfinite(figures[key]) for key in FIGURES):
        raise CheckpointError(f"{path}: lacks one of {', '.join(sorted(FIGURES))}; train that model again")
    return figures


def collect_files(repo_id: str, present: dict[str, Path], metrics: dict[str, dict]) -> dict[str, bytes | Path]:
    """What a model repo holds, by path: weights, their histories, figures, card, and what the Hub and git look for.

    Raises CheckpointError for damaged weights.
    """
    loaded = {name: load_checkpoint(path) for name, path in present.items()}
    models = {name: loaded[name] for name in by_beta(loaded, loaded)}
    files: dict[str, bytes | Path] = {
        f"{name}/{file}": path / file
        for name, path in present.items()
        for file in (*FILES, LATENTS, TRAINED_ON, "history.csv")
        if (path / file).exists()
    }
    files |= {f"figures/{name}.png": to_bytes(figure, optimize=True) for name, figure in make_figures(models).items()}
    betas = {name: beta_of(name, model) for name, model in models.items()}
    files["config.json"] = (json.dumps({"model_type": "catvae", "variants": betas}, indent=2) + "\n").encode()
    files[".gitattributes"] = GIT_ATTRIBUTES.encode()
    files["README.md"] = str(make_model_card(repo_id, models, metrics)).encode()
    return files


def published_metrics(repo_id: str, head: str | None) -> dict[str, dict]:
    """What is recorded of each model at a commit of a repo, {} for one without figures. The client's errors pass."""
    found, names = {}, list(FIRST_SET)
    with suppress(RemoteEntryNotFoundError):  # repos of older versions hold no list
        names = listed_models(hf_hub_download(repo_id, "config.json", revision=head)) or names
    for name in names:
        with suppress(RemoteEntryNotFoundError):
            path = hf_hub_download(repo_id, f"{name}/metrics.json", revision=head)
            found[name] = {}
            with suppress(CheckpointError):
                found[name] = read_figures(Path(path))
    return found


def why_refused(present: set[str], here: dict[str, dict], there: dict[str, dict]) -> str:
    """Why `main` keeps what is there, in words, or "": models missing here, or worse here by their PSNR (dB).

    Of v1 to v6 none may be missing, but for a set that has none of them, here or there.
    """
    wanted = [*(FIRST_SET if not present or present.intersection(FIRST_SET) else ()), *there]
    if missing := [name for name in dict.fromkeys(wanted) if name not in present]:
        return f"lacks {', '.join(missing)}"
    worse = [
        f"{name} {there[name]['psnr']:.2f} dB there, {figures['psnr']:.2f} dB here"
        for name, figures in here.items()
        if name in there and figures["psnr"] < there[name].get("psnr", -inf) - PSNR_TOLERANCE
    ]
    return f"holds better weights: {'; '.join(worse)}" if worse else ""
