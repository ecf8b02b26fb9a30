"""The two plots of an evaluation: rate against distortion, and how training went."""

import csv
import math
from io import BytesIO
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

from catvae.evaluation.rows import Report
from catvae.files import find_checkpoints
from catvae.model import VARIANTS

GREY, BLUE, RED = "#767676", "#2563a8", "#c2410c"


def make_plots(report: Report, checkpoints: Path | None = None) -> dict[str, Image.Image]:
    """The plots of a report of `evaluate_fully`, by name. Training is read from `history.csv` beside the weights."""
    histories = {}
    for name in VARIANTS:
        path = find_checkpoints(checkpoints) / name / "history.csv"
        if path.exists():
            with path.open(encoding="utf-8") as file:
                histories[name] = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    plots = {"rate_distortion": rate_distortion(report)}
    return plots | ({"training_curves": training_curves(histories)} if histories else {})


def rate_distortion(report: Report) -> Image.Image:
    """KL against PSNR of every model, with the linear optimum over all β as a line."""
    figure = Figure(figsize=(8, 4.8), dpi=100, layout="constrained")
    axes = figure.subplots()
    models = report["variants"] | report["also"]
    rates = [row["kl"][0] for row in models.values()]
    values = [row["psnr"][0] for row in models.values()]
    axes.set_xscale("log")
    axes.set_xlim(min(rates) / 1.6, max(rates) * 1.6)
    axes.set_ylim(min(values) - 1, max(values) + 1)
    ticks = [digit * 10**power for power in range(6) for digit in (1, 2, 5)]
    axes.set_xticks([tick for tick in ticks if min(rates) / 1.6 < tick < max(rates) * 1.6], minor=False)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.minorticks_off()
    axes.grid(color="#e4e4e4")
    axes.set_xlabel("KL (nats), logarithmic: what the latents say about a face", color=GREY)
    axes.set_ylabel("PSNR (dB), validation faces", color=GREY)
    curve = [(rate, value) for _, rate, value in report["linear_curve"] if rate > 0]
    axes.plot(*zip(*curve, strict=True), color=GREY, zorder=1, label="linear optimum")
    for name, rate, value in zip(models, rates, values, strict=True):
        colour = BLUE if name in report["variants"] else RED
        axes.scatter(rate, value, s=60, color=colour, edgecolors="white", zorder=3)
        beta = models[name]["beta"]
        _, beside = min(curve, key=lambda at: abs(math.log(at[0] / rate)), default=(rate, value))
        axes.annotate(
            name if beta is None else f"{name}, β {beta:g}",
            (rate, value),
            (0, 14 if value >= beside else -14),  # away from the line
            textcoords="offset points",
            ha="center",
            va="center",
            color=colour,
        )
    axes.legend(frameon=False, labelcolor=GREY)
    return _to_picture(figure)


def training_curves(histories: dict[str, list[dict[str, float]]]) -> Image.Image:
    """Training and validation loss by epoch, a panel for each variant: three in a row."""
    rows = math.ceil(len(histories) / 3)
    figure = Figure(figsize=(9, 2.3 * rows + 0.4), dpi=100, layout="constrained")
    panels = figure.subplots(rows, 3, squeeze=False).flat
    for axes, (name, history) in zip(panels, histories.items(), strict=False):
        epochs = [row["epoch"] for row in history]
        losses = {key: [row[key] for row in history] for key in ("loss", "val_loss")}
        low, high = min(map(min, losses.values())), max(losses["val_loss"])
        margin = 0.08 * (high - low) or 1
        # the training loss of a first epoch from random weights towers over all
        axes.set_ylim(low - margin, high + margin)
        axes.plot(epochs, losses["loss"], color=GREY, label="training")
        axes.plot(epochs, losses["val_loss"], color=BLUE, label="validation")
        axes.grid(color="#e4e4e4")
        axes.set_title(f"{name}, β {VARIANTS[name].beta:g}", loc="left", fontsize=10)
    for axes in panels:
        axes.remove()
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside upper right", ncols=2, frameon=False)
    figure.suptitle("Loss (nats per face) by epoch", x=0.01, ha="left", fontsize=11)
    return _to_picture(figure)


def _to_picture(figure: Figure) -> Image.Image:
    buffer = BytesIO()
    figure.savefig(buffer, format="png")
    with Image.open(buffer) as image:
        return image.convert("RGB").quantize(64)
