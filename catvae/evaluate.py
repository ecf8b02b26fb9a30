"""The table of all variants: quality, information and size, measured on real faces."""

from pathlib import Path

from catvae.checkpoints import load_variant
from catvae.data import Faces
from catvae.metrics import evaluate_model
from catvae.model import VARIANTS


def evaluate_variants(faces: Faces, split: str, checkpoints: Path | None = None) -> dict:
    """Figures of every variant on a split ("train", "validation" or "all") as a JSON object.

    Raises DataError for an unknown split and CheckpointError for weights that cannot be loaded.
    """
    images = faces.split(split)
    rows = {}
    for name, variant in VARIANTS.items():
        figures = evaluate_model(load_variant(name, checkpoints), images)
        rows[name] = {"beta": variant.beta, "latent_dim": variant.config.latent_dim, **figures}
    return {"split": split, "data": faces.report.as_dict(), "variants": rows}


def format_table(report: dict) -> str:
    """The report as a Markdown table."""
    lines = [
        "| | β | PSNR (dB) | SSIM | KL (nats) | active units | parameters |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in report["variants"].items():
        lines.append(
            f"| {name} | {row['beta']:g} | {row['psnr']:.2f} | {row['ssim']:.3f} | {row['kl']:.0f} "
            f"| {row['active_units']} of {row['latent_dim']} | {row['parameters'] / 1e6:.2f} M |"
        )
    images = next(iter(report["variants"].values()))["images"]
    return "\n".join([*lines, "", f"{images} faces, split “{report['split']}”."])
