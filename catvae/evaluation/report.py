"""How an evaluation is written down: what its JSON holds, and Markdown tables of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict

from jinja2 import Template

from catvae.errors import DataError
from catvae.files import write_json
from catvae.metrics import Scores

DOCUMENT = Path(__file__).with_name("report.md")
OF_NO_MODEL = {"psnr", "ssim", "kl", "lpips", "sharpness"}  # trivial where nothing is lost

Interval = list[float]  # a value and the ends of its 95 % interval, to four decimals


class QuickRow(Scores):
    """One variant as `evaluate_variants` sees it."""

    beta: float
    latent_dim: int


class QuickReport(TypedDict):
    """What `evaluate_variants` gives: plain JSON, rows by the name of the variant."""

    split: str
    data: dict[str, Any]
    variants: dict[str, QuickRow]


class Figures(TypedDict, total=False):
    """What `measure` finds of one model. Paths and new kittens are not measured on every one."""

    psnr: Interval
    lpips: Interval
    ssim: Interval
    kl: Interval
    sharpness: Interval
    nearest: Interval
    frechet: Interval
    frechet_midpoints: Interval
    lpips_midpoints: Interval
    nearest_midpoints: Interval
    sharpness_midpoints: Interval
    path: Interval
    spread: Interval
    frechet_fitted: Interval
    sharpness_fitted: Interval
    nearest_fitted: Interval
    frechet_prior: Interval
    sharpness_prior: Interval


class Row(Figures, total=False):
    """One line of the report: the figures, and what is known of the model behind them."""

    beta: float | None
    latent_dim: int
    bce: float
    active_units: int
    parameters: int
    images: int
    components: int  # of a linear optimum
    rate: float  # and its KL on the training faces
    psnr_over_linear: Interval
    lpips_over_linear: Interval


class Report(TypedDict):
    """What `evaluate_fully` gives: plain JSON, rows by name."""

    split: str
    data: dict[str, Any]
    images: int
    set: int
    looked_at: int
    pairs: int
    frames: int
    variants: dict[str, Row]
    linear: dict[str, Row]
    also: dict[str, Row]
    faces: Row
    linear_curve: list[list[float]]


def format_table(report: QuickReport) -> str:
    """The report of `evaluate_variants` as a Markdown table."""
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


SUMMARY = {  # title: figure, digits
    "β": ("beta", None),
    "PSNR (dB)": ("psnr", 2),
    "SSIM": ("ssim", 3),
    "KL (nats)": ("kl", 0),
    "LPIPS": ("lpips", 3),
    "Fréchet: reconstructed": ("frechet", 0),
    "mixed": ("frechet_midpoints", 0),
    "new": ("frechet_fitted", 0),
}
TABLES = {
    "Reconstructions": {
        **{title: SUMMARY[title] for title in ("PSNR (dB)", "SSIM", "KL (nats)", "LPIPS", "Fréchet: reconstructed")},
        "sharpness": ("sharpness", 2),
        "LPIPS to the nearest": ("nearest", 3),
    },
    "Mixes, half of each cat": {
        "Fréchet": ("frechet_midpoints", 0),
        "LPIPS to both": ("lpips_midpoints", 3),
        "LPIPS to the nearest": ("nearest_midpoints", 3),
        "sharpness": ("sharpness_midpoints", 2),
        "path": ("path", 2),
        "spread": ("spread", 2),
    },
    "New kittens, fitted Gaussian and prior": {
        "Fréchet": ("frechet_fitted", 0),
        "prior": ("frechet_prior", 0),
        "sharpness": ("sharpness_fitted", 2),
        "prior ": ("sharpness_prior", 2),
        "LPIPS to the nearest": ("nearest_fitted", 3),
    },
    "Size, and what a network gains over the linear optimum": {
        "latents": ("latent_dim", None),
        "active": ("active_units", None),
        "parameters": ("parameters", None),
        "components": ("components", None),
        "rate (nats)": ("rate", 4),
        "PSNR over linear": ("psnr_over_linear", 2),
        "LPIPS over linear": ("lpips_over_linear", 3),
    },
}


def format_summary(report: Report) -> str:
    """The main figures of the report of `evaluate_fully`, without intervals, as a Markdown table."""
    return _table(report, SUMMARY, intervals=False)


def format_report(report: Report) -> str:
    """The report of `evaluate_fully` as a Markdown document."""
    tables = "\n\n".join(f"## {title}\n\n{_table(report, columns)}" for title, columns in TABLES.items())
    template = Template(DOCUMENT.read_text(encoding="utf-8"), keep_trailing_newline=True)
    return template.render(report, summary=format_summary(report), tables=tables)


def _table(report: Report, columns: dict[str, tuple[str, int | None]], intervals: bool = True) -> str:
    named: dict[str, Mapping[str, Any]] = {
        **report["variants"],
        **{f"{name}, linear": row for name, row in report["linear"].items()},
        **report["also"],
        "real, cross-fade": {name: value for name, value in report["faces"].items() if name not in OF_NO_MODEL},
    }
    lines = [f"| | {' | '.join(title.strip() for title in columns)} |", "|---" * (len(columns) + 1) + "|"]
    for label, row in named.items():
        cells = [_cell(row.get(key), digits, intervals) for key, digits in columns.values()]
        if any(cells):
            lines.append(f"| {label} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(value: float | list[float] | None, digits: int | None, interval: bool) -> str:
    if not isinstance(value, list):
        return "" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:.{digits or 6}g}"
    middle, low, high = value
    return f"{middle:.{digits}f}" + (f" ± {(high - low) / 2:.{digits}f}" if interval else "")


def write_report(report: Report, out: Path) -> None:
    """`evaluation.json` and `evaluation.md` in the folder `out`."""
    write_json(out / "evaluation.json", report)
    (out / "evaluation.md").write_text(format_report(report), encoding="utf-8")


def insert_table(page: Path, table: str) -> None:
    """Put the table between the lines `<!-- table -->` and `<!-- /table -->` of a Markdown page.

    Raises DataError where these are not.
    """
    before, start, rest = page.read_text(encoding="utf-8").partition("<!-- table -->\n")
    _, end, after = rest.partition("<!-- /table -->\n")
    if not start or not end:
        raise DataError(f"{page}: lacks the lines <!-- table --> and <!-- /table -->")
    page.write_text(f"{before}{start}{table}\n{end}{after}", encoding="utf-8")
