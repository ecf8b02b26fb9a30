"""Checkpoints to and from the Hugging Face Hub: one model repo holds all six variants."""

from contextlib import suppress
from pathlib import Path

from huggingface_hub import (
    CommitOperationAdd,
    EvalResult,
    HfApi,
    ModelCard,
    ModelCardData,
    hf_hub_download,
)
from huggingface_hub.errors import EntryNotFoundError, RevisionNotFoundError

from catvae.download import FILES, WEIGHTS, hub_calls
from catvae.errors import HubError
from catvae.evaluation.figures import make_figures
from catvae.files import read_json
from catvae.images import to_bytes
from catvae.latents import LATENTS
from catvae.model import VARIANTS, load_checkpoint

PSNR_TOLERANCE = 0.05  # dB; a retrained variant that loses more is worse, not merely different


def push_checkpoints(
    folder: Path,
    repo_id: str,
    *,
    private: bool = False,
    revision: str | None = None,
    tag: str | None = None,
    force: bool = False,
    token: str | None = None,
) -> str:
    """Push the six variants, the figures and a model card in one commit; returns the commit's hash.

    Unchanged files make no commit. With `revision` the commit goes to that branch, created if need
    be; `tag` makes an annotated tag. Without `force` a set that lacks a variant, or in which one
    reconstructs worse than the one on the Hub, is refused.

    Raises HubError; nothing local changes.
    """
    present = present_variants(folder, force)
    models = {name: load_checkpoint(path) for name, path in present.items()}
    metrics = {name: read_json(path / "metrics.json") for name, path in present.items()}
    files = {
        f"{name}/{file}": path / file
        for name, path in present.items()
        for file in (*FILES, LATENTS)
        if (path / file).exists()
    }
    files |= {f"figures/{name}.png": to_bytes(figure, optimize=True) for name, figure in make_figures(models).items()}
    card = make_model_card(repo_id, metrics)
    files["README.md"] = str(card).encode()

    api = HfApi(token=token)
    with hub_calls(f"push to {repo_id} failed"):
        api.create_repo(repo_id, private=private, exist_ok=True)
        if revision:
            api.create_branch(repo_id, branch=revision, exist_ok=True)
        head = api.model_info(repo_id, revision=revision, timeout=30).sha
        there = {} if force else published_metrics(repo_id, head, token)
    if worse := list_worse(there, metrics):
        raise HubError(f"{repo_id} holds better weights: {'; '.join(worse)}. Replace them with --force")
    with hub_calls(f"push to {repo_id} failed"):
        card.validate()
        commit = api.create_commit(
            repo_id,
            [CommitOperationAdd(name, content) for name, content in files.items()],
            commit_message=f"Weights of {', '.join(present)}",
            revision=revision,
            parent_commit=head,
        )
        if tag:
            api.create_tag(repo_id, tag=tag, tag_message=f"Release {tag}", revision=commit.oid)
    return commit.oid


def present_variants(folder: Path, partial: bool) -> dict[str, Path]:
    """The variants whose weights are in a folder. Raises HubError when one is missing and `partial` is off."""
    present = {name: folder / name for name in VARIANTS if (folder / name / WEIGHTS).exists()}
    if not present or (len(present) < len(VARIANTS) and not partial):
        missing = ", ".join(name for name in VARIANTS if name not in present)
        raise HubError(f"{folder} lacks {missing}: train them, or push what there is with --force")
    return present


def check_write_access(repo_id: str, *, private: bool = False, token: str | None = None) -> None:
    """Make sure, before hours of training, that the push afterwards may happen.

    Creates the repo when it does not exist. Raises HubError without a token that may write there.
    """
    with hub_calls(f"cannot push to {repo_id}; set HF_TOKEN or run: hf auth login"):
        user = HfApi(token=token).whoami()
        HfApi(token=token).create_repo(repo_id, private=private, exist_ok=True)
    if user.get("auth", {}).get("accessToken", {}).get("role") == "read":
        raise HubError(f"cannot push to {repo_id}: the token may only read; make one that may write")


def make_model_card(repo_id: str, metrics: dict[str, dict]) -> ModelCard:
    """Card with the table of variants and `model-index`; the same metrics give the same text."""
    results = [
        EvalResult(
            task_type="image-to-image",
            task_name="reconstruction from the posterior mean",
            dataset_type="cat-faces-64",
            dataset_name="cat faces 64×64, validation split",
            metric_type=metric,
            metric_name=f"{metric.upper()} of {name}",
            metric_value=round(figures[metric], 4),
        )
        for name, figures in metrics.items()
        for metric in ("psnr", "ssim")
    ]
    data = ModelCardData(
        license="mit",
        library_name="pytorch",
        pipeline_tag="image-to-image",
        tags=["vae", "beta-vae", "cats", "latent-space"],
        model_name="Kitten Mixer",
        eval_results=results,
    )
    rows = "\n".join(
        f"| {name} | {VARIANTS[name].beta:g} | {VARIANTS[name].config.latent_dim} | {figures['psnr']:.2f} "
        f"| {figures['ssim']:.3f} | {figures['kl']:.0f} | {figures['active_units']} |"
        for name, figures in metrics.items()
    )
    first = next(iter(metrics.values()))
    return ModelCard(
        Path(__file__)
        .with_name("model_card.md")
        .read_text(encoding="utf-8")
        .format(front=data.to_yaml(), rows=rows, images=first["images"], repo_id=repo_id)
    )


def published_metrics(repo_id: str, head: str, token: str | None) -> dict[str, dict]:
    """What is recorded of each variant at a commit of a repo. The client's errors pass."""
    found = {}
    for name in VARIANTS:
        with suppress(EntryNotFoundError, RevisionNotFoundError):
            found[name] = read_json(Path(hf_hub_download(repo_id, f"{name}/metrics.json", revision=head, token=token)))
    return found


def list_worse(there: dict[str, dict], here: dict[str, dict]) -> list[str]:
    """The variants that reconstruct worse here, or are missing, in words."""
    worse = []
    for name, published in there.items():
        ours = here[name]["psnr"] if name in here else float("-inf")
        if ours < published["psnr"] - PSNR_TOLERANCE:
            worse.append(f"{name} {published['psnr']:.2f} dB there, {ours:.2f} dB here")
    return worse
