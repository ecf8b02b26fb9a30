"""The cards of repos on the Hub: front matter from what was measured, text from a template beside this file."""

import re
from pathlib import Path
from typing import Any

from huggingface_hub import DatasetCard, DatasetCardData, EvalResult, HfApi, ModelCard, ModelCardData, RepoCard
from jinja2 import Template

from catvae.model import VARIANTS, CatVAE, beta_of
from catvae.training.data import PUBLISHED_DATASET
from catvae.training.faces import DataReport


def make_model_card(repo_id: str, models: dict[str, CatVAE], metrics: dict[str, dict]) -> ModelCard:
    """Card with the models in their order, their training, and `model-index`; the same metrics give the same text."""
    metrics = {name: metrics[name] for name in models}
    runs = {name: figures["training"] for name, figures in metrics.items() if figures.get("training")}
    sources = sorted({run["data"]["source"] for run in runs.values()})
    hub_sets = [source for source in sources if re.fullmatch(r"[\w.-]+/[\w.-]+(@[\w./-]+)?", source)]
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
        datasets=[source.partition("@")[0] for source in hub_sets] or None,
        model_name="Kitten Mixer",
        eval_results=results,
    )
    owner = repo_id.partition("/")[0]
    return ModelCard(
        _fill(
            "model_card.md",
            front=data.to_yaml(),
            repo_id=repo_id,
            space=f"{owner}/kitten-mixer",
            betas={name: beta_of(name, model) for name, model in models.items()},
            latents={name: model.config.latent_dim for name, model in models.items()},
            shown="v6" if "v6" in models else next(iter(models)),
            metrics=metrics,
            runs=runs,
            painters={name: model.config.painter for name, model in models.items() if model.config.painter},
            over={name: row.over for name, row in VARIANTS.items()},
            images=next(iter(metrics.values()))["images"],
            sources=sources,
            published=PUBLISHED_DATASET.removeprefix("kaggle:"),
        )
    )


def make_dataset_card(repo_id: str, report: DataReport, splits: list[dict], license: str) -> DatasetCard:
    """Card with what `datasets` needs to know in its front matter; the same faces give the same text."""
    size = sum(split["num_bytes"] for split in splits)
    data = DatasetCardData(
        license=license,
        pretty_name="Cat faces 64×64, without copies",
        task_categories=["unconditional-image-generation"],
        tags=["cats", "faces"],
        configs=[
            {
                "config_name": "default",
                "data_files": [{"split": split["name"], "path": f"data/{split['name']}-*"} for split in splits],
            }
        ],
        dataset_info={
            "features": [{"name": "image", "dtype": "image"}],
            "splits": splits,
            "download_size": size,
            "dataset_size": size,
        },
    )
    return DatasetCard(_fill("dataset_card.md", front=data.to_yaml(), repo_id=repo_id, report=report))


def make_repo(api: HfApi, repo_id: str, kind: str, files: dict[str, Path | bytes], **how: Any) -> None:
    """Create a repo of that `kind` for those files, `how` the client takes it, unless it is there. What the Hub says
    against their card it says before, so that no empty repo stays behind. The client's errors pass."""
    card = files["README.md"]
    text = card.read_text("utf-8") if isinstance(card, Path) else card.decode()
    RepoCard(text, ignore_metadata_errors=True).validate(kind)
    api.create_repo(repo_id, repo_type=kind, exist_ok=True, **how)


def make_space_text(**values: object) -> str:
    """The page of a Space, below its front matter."""
    return _fill("space_card.md", **values)


def _fill(name: str, **values: object) -> str:
    text = Path(__file__).with_name(name).read_text(encoding="utf-8")
    return Template(text, keep_trailing_newline=True, trim_blocks=True, lstrip_blocks=True).render(**values)
