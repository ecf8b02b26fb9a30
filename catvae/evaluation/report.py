"""How an evaluation is written down: Markdown tables and a JSON file of what `catvae.evaluation.evaluate` measured."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Template

from catvae.errors import SettingError, describe
from catvae.files import replacing, write_json, writing

DOCUMENT = Path(__file__).with_name("report.md")
OF_NO_MODEL = {"psnr", "ssim", "kl", "lpips", "sharpness", "power"}  # trivial where nothing is lost


def format_table(report: dict[str, Any]) -> str:
    """The report of `evaluate_variants` as a Markdown table."""
    lines = ["| | β | PSNR (dB) | SSIM | KL (nats) | active units | parameters |", "|---|---|---|---|---|---|---|"]
    for name, row in report["variants"].items():
        lines.append(
            f"| {name} | {_cell(row['beta'], None, False)} | {row['psnr']:.2f} | {row['ssim']:.3f} | {row['kl']:.0f} "
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
        "Fréchet, VGG": ("frechet_vgg", 0),
    },
    "Mixes, half of each cat": {
        "Fréchet": ("frechet_midpoints", 0),
        "LPIPS to both": ("lpips_midpoints", 3),
        "LPIPS to the nearest": ("nearest_midpoints", 3),
        "sharpness": ("sharpness_midpoints", 2),
        "of real faces": ("sharpness_of_mixes", 2),
        "path": ("path", 2),
        "spread": ("spread", 2),
        "Fréchet, VGG": ("frechet_vgg_midpoints", 0),
    },
    "Power at the edge of the spectrum over that of real faces": {
        "reconstructed: Nyquist row": ("power.row", 2),
        "column": ("power.column", 2),
        "quarter": ("power.quarter", 2),
        "mixed: Nyquist row": ("power_midpoints.row", 2),
        "column ": ("power_midpoints.column", 2),
        "quarter ": ("power_midpoints.quarter", 2),
    },
    "New kittens, fitted Gaussian and prior": {
        "Fréchet": ("frechet_fitted", 0),
        "prior": ("frechet_prior", 0),
        "sharpness": ("sharpness_fitted", 2),
        "prior ": ("sharpness_prior", 2),
        "LPIPS to the nearest": ("nearest_fitted", 3),
    },
    "Paintings beside what their own decoder made": {
        "LPIPS to their own": ("lpips_to_own", 3),
        "to other cats": ("lpips_to_others", 3),
        "share nearest to their own": ("share_nearest_to_own", 4),
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


def format_summary(report: dict[str, Any]) -> str:
    """The main figures of the report of `evaluate_fully`, without intervals, as a Markdown table."""
    return _table(report, SUMMARY, intervals=False)


def format_report(report: dict[str, Any]) -> str:
    """The report of `evaluate_fully` as a Markdown document."""
    tables = "\n\n".join(f"## {title}\n\n{_table(report, columns)}" for title, columns in TABLES.items())
    template = Template(DOCUMENT.read_text(encoding="utf-8"), keep_trailing_newline=True)
    return template.render(report, summary=format_summary(report), tables=tables)


def _table(report: dict[str, Any], columns: dict[str, tuple[str, int | None]], intervals: bool = True) -> str:
    named: dict[str, Mapping[str, Any]] = {
        **report["variants"],
        **{f"{name}, linear": row for name, row in report["linear"].items()},
        **report["also"],
        "real, cross-fade": {name: value for name, value in report["faces"].items() if name not in OF_NO_MODEL},
    }
    lines = [f"| | {' | '.join(title.strip() for title in columns)} |", "|---" * (len(columns) + 1) + "|"]
    for label, row in named.items():
        cells = [_cell(_look_up(row, key), digits, intervals) for key, digits in columns.values()]
        if any(cells):
            lines.append(f"| {label} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _look_up(row: Mapping[str, Any], key: str) -> Any:
    """The figure of that name, "group.name" within a group; None where a row has none."""
    group, _, name = key.partition(".")
    found = row.get(group)
    return found.get(name) if name and found else found


def _cell(value: float | list[float] | None, digits: int | None, interval: bool) -> str:
    if not isinstance(value, list):
        return "" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:.{digits or 6}g}"
    middle, low, high = value
    return f"{middle:.{digits}f}" + (f" ± {(high - low) / 2:.{digits}f}" if interval else "")


def write_report(report: dict[str, Any], out: Path) -> None:
    """`evaluation.json` and `evaluation.md` in the folder `out`."""
    write_json(out / "evaluation.json", report)
    (out / "evaluation.md").write_text(format_report(report), encoding="utf-8")


def split_page(page: Path) -> tuple[str, str]:
    """What a Markdown page has up to the line `<!-- table -->`, and from `<!-- /table -->` on.

    Raises SettingError for a page without these, or that cannot be read.
    """
    try:
        before, start, rest = page.read_text(encoding="utf-8").partition("<!-- table -->\n")
    except OSError as error:
        raise SettingError(describe(error, page, "read")) from error
    except UnicodeDecodeError as error:
        raise SettingError(f"{page}: cannot be read ({error})") from error
    _, end, after = rest.partition("<!-- /table -->\n")
    if not start or not end:
        raise SettingError(f"{page}: lacks the lines <!-- table --> and <!-- /table -->")
    return before + start, end + after


def insert_table(page: Path, table: str) -> None:
    """Put the table between the two lines that `split_page` looks for."""
    before, after = split_page(page)
    with writing(page), replacing(page) as partial:
        partial.write_text(f"{before}{table}\n{after}", encoding="utf-8")
