"""Checkpoints to and from the Hugging Face Hub: one model repo holds all six variants."""

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

from catvae.download import FILES, HUB_ERRORS, WEIGHTS, first_line
from catvae.errors import CheckpointError, HubError
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
    present = {name: folder / name for name in VARIANTS if (folder / name / WEIGHTS).exists()}
    if not present or (len(present) < len(VARIANTS) and not force):
        missing = ", ".join(name for name in VARIANTS if name not in present)
        raise HubError(f"{folder} lacks {missing}: train them, or push what there is with --force")
    try:
        models = {name: load_checkpoint(path) for name, path in present.items()}
        metrics = {name: read_json(path / "metrics.json") for name, path in present.items()}
    except CheckpointError as error:
        raise HubError(str(error)) from error

    api = HfApi(token=token)
    try:
        api.create_repo(repo_id, private=private, exist_ok=True)
        if revision:
            api.create_branch(repo_id, branch=revision, exist_ok=True)
        head = api.model_info(repo_id, revision=revision, timeout=30).sha
        if not force and (worse := _worse_than_published(repo_id, head, metrics, token)):
            raise HubError(f"{repo_id} holds better weights: {'; '.join(worse)}. Replace them with --force")
        operations = [
            CommitOperationAdd(f"{name}/{file}", path / file)
            for name, path in present.items()
            for file in (*FILES, LATENTS)
            if (path / file).exists()
        ]
        operations += [
            CommitOperationAdd(f"figures/{name}.png", to_bytes(figure, optimize=True))
            for name, figure in make_figures(models).items()
        ]
        card = make_model_card(repo_id, metrics)
        card.validate()
        operations.append(CommitOperationAdd("README.md", str(card).encode()))
        commit = api.create_commit(
            repo_id,
            operations,
            commit_message=f"Weights of {', '.join(present)}",
            revision=revision,
            parent_commit=head,
        )
        if tag:
            api.create_tag(repo_id, tag=tag, tag_message=f"Release {tag}", revision=commit.oid)
    except HubError:
        raise
    except HUB_ERRORS as error:
        raise HubError(f"push to {repo_id} failed: {first_line(error)}") from error
    return commit.oid


def check_write_access(repo_id: str, *, private: bool = False, token: str | None = None) -> None:
    """Make sure, before hours of training, that the push afterwards may happen.

    Creates the repo when it does not exist. Raises HubError without a token that may write there.
    """
    try:
        user = HfApi(token=token).whoami()
        HfApi(token=token).create_repo(repo_id, private=private, exist_ok=True)
    except HUB_ERRORS as error:
        raise HubError(f"cannot push to {repo_id} ({first_line(error)}); set HF_TOKEN or run: hf auth login") from error
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
    return ModelCard(_CARD.format(front=data.to_yaml(), rows=rows, images=first["images"], repo_id=repo_id))


def _worse_than_published(repo_id: str, head: str, metrics: dict[str, dict], token: str | None) -> list[str]:
    worse = []
    for name in VARIANTS:
        try:
            path = hf_hub_download(repo_id, f"{name}/metrics.json", revision=head, token=token)
        except (EntryNotFoundError, RevisionNotFoundError):
            continue
        published = read_json(Path(path))["psnr"]
        ours = metrics[name]["psnr"] if name in metrics else float("-inf")
        if ours < published - PSNR_TOLERANCE:
            worse.append(f"{name} {published:.2f} dB there, {ours:.2f} dB here")
    return worse


_CARD = """---
{front}
---

# Kitten Mixer

Six convolutional β-VAEs of 64×64 cat faces that differ in the weight β of the KL term (and v3 in its size), made to be
compared: mix two cats and see what each model keeps.

| | β | latents | PSNR (dB) | SSIM | KL (nats) | active units |
|---|---|---|---|---|---|---|
{rows}

Reconstructions from posterior means of {images} validation faces, of which no copy was trained on.

![What each model keeps of a cat](figures/reconstruction.png)
![From one cat to another through each model](figures/interpolation.png)

## Use

```python
from catvae import CatVAE, mix
model = CatVAE.from_pretrained("{repo_id}", variant="v6")
frames = mix(model, "A.jpg", "B.jpg", steps=9)
```

Weights are fp16 safetensors. Pictures should be frontal cat faces cut like the training data: eyes at about
(0.29, 0.41) and (0.72, 0.41) of the frame.

## Training data

Frontal 64×64 cat faces of the Kaggle dataset `spandan2/cats-faces-64x64-for-generative-models`. 41 % of its files are
exact copies; these and near copies were removed before the split. Its author states no licence.

## Intended use and limits

For teaching and play. The models know nothing but aligned cat faces: other pictures come back as cats or as mush. At
high β reconstructions are blurred by design. Coats that are rare in the data are reconstructed worse.
"""
