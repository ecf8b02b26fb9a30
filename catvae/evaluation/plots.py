"""The two plots of an evaluation: rate against distortion, and how training went."""

import csv
import math
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, ScalarFormatter
from matplotlib.transforms import Bbox
from PIL import Image

from catvae.errors import CheckpointError
from catvae.model import find_models

INK, GREY, GRID, BLUE, RED = "#222222", "#767676", "#e4e4e4", "#2563a8", "#c2410c"
DOT = 6  # radius in pixels, with its white rim
LABEL_OFFSETS = [(0, 1), (0, -1), (1, 0), (-1, 0), (1, -1), (-1, 1), (1, 1), (-1, -1)]  # of a label beside its dot
Label = tuple[str, tuple[float, float], str]  # text, its point, colour


def make_plots(report: dict[str, Any], checkpoints: Path | None = None) -> dict[str, Image.Image]:
    """The plots of a report of `evaluate_fully`, by name. Training is read from `history.csv` beside the weights.

    Raises CheckpointError for a history that cannot be read.
    """
    histories, folders = {}, find_models(checkpoints)
    for name, row in report["variants"].items():
        if history := read_history(folders[name] / "history.csv"):
            beta = row.get("beta")
            histories[name if beta is None else f"{name}, β = {beta:g}"] = history
    plots = {"rate_distortion": rate_distortion(report)}
    return plots | ({"training_curves": training_curves(histories)} if histories else {})


def read_history(path: Path) -> list[dict[str, float]]:
    """Epoch, training and validation loss of each row of `history.csv`; none without one, or of a painter's.

    Raises CheckpointError for a file that is damaged.
    """
    try:
        with path.open(encoding="utf-8") as file:
            rows = csv.DictReader(file)
            if "epoch" not in (rows.fieldnames or ["epoch"]):
                return []
            return [{key: float(row[key]) for key in ("epoch", "loss", "val_loss")} for row in rows]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError, KeyError, csv.Error) as error:
        raise CheckpointError(f"{path}: no history of a training ({error}); delete it to go without") from error


def rate_distortion(report: dict[str, Any]) -> Image.Image:
    """KL against PSNR of every model, with the linear optimum over all β as a line."""
    labels: list[Label] = []
    for name, row in (report["variants"] | report["also"]).items():
        beta = row.get("beta")
        text = name if beta is None else f"{name}, β = {beta:g}"
        labels.append((text, (row["kl"][0], row["psnr"][0]), BLUE if name in report["variants"] else RED))
    rates, values = zip(*(point for _, point, _ in labels), strict=True)
    left, right, bottom, top = min(rates) / 1.6, max(rates) * 1.6, min(values) - 1, max(values) + 1
    figure = _figure(800, 480)
    axes = figure.subplots()
    _style(axes)
    axes.set(xscale="log", xlim=(left, right), ylim=(bottom, top))
    decades = [digit * 10.0**power for power in range(-3, 6) for digit in (1, 2, 5)]
    axes.set_xticks([x for x in decades if left <= x <= right])
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.minorticks_off()
    axes.set_xlabel("KL (nats), logarithmic: what the latents say about a face", color=GREY)
    axes.set_title("PSNR (dB), validation faces", loc="left", fontsize=10, color=GREY)

    curve = [(rate, value) for _, rate, value in report["linear_curve"]]
    curve = [(rate, value) for rate, value in curve if left < rate < right and bottom < value < top]
    axes.plot([rate for rate, _ in curve], [value for _, value in curve], color=GREY)
    for _, point, colour in labels:
        axes.plot(*point, "o", markersize=2 * DOT * 72 / figure.dpi, color=colour, markeredgecolor="white", zorder=3)
    if curve:
        middle = min(curve, key=lambda at: abs(at[0] - math.sqrt(min(rates) * max(rates))))
        labels.append(("linear optimum", middle, GREY))
    _write(figure, axes, labels, curve)
    return _render(figure)


def training_curves(histories: dict[str, list[dict[str, float]]]) -> Image.Image:
    """Training and validation loss by epoch, a panel under each title: three in a row."""
    rows = math.ceil(len(histories) / 3)
    figure = _figure(910, 220 * rows + 40)
    panels = figure.subplots(rows, 3, squeeze=False).flat
    for axes, (title, history) in zip(panels, histories.items(), strict=False):
        _style(axes)
        epochs = [row["epoch"] for row in history]
        training, validation = ([row[key] for row in history] for key in ("loss", "val_loss"))
        axes.plot(epochs, training, color=GREY, label="training")
        axes.plot(epochs, validation, color=BLUE, label="validation")
        # a random start, and the training loss of its first epoch, tower over all
        low, high = min(*training, *validation), max(validation[1:] or validation)
        margin = 0.08 * (high - low) or 1
        axes.set(xlim=(epochs[0], max(epochs[0] + 1, *epochs)), ylim=(low - margin, high + margin))
        axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10], integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        axes.set_title(title, loc="left", fontsize=10, color=INK)
    handles = panels[0].get_legend_handles_labels()
    for axes in panels[len(histories) :]:
        axes.remove()
    figure.suptitle("Loss (nats per face) by epoch\n", x=0.02, ha="left", fontsize=10, color=INK)
    figure.legend(*handles, loc="upper right", ncols=2, frameon=False)
    return _render(figure)


def _figure(width: int, height: int) -> Figure:
    """A white figure of that many pixels, drawn by no window and by no global state."""
    figure = Figure((width / 100, height / 100), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _style(axes: Axes) -> None:
    axes.grid(color=GRID)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelcolor=GREY)
    axes.spines[:].set_visible(False)


def _write(figure: Figure, axes: Axes, labels: list[Label], line: list[tuple[float, float]]) -> None:
    """Write each label beside its point, where it stands on no dot, no other label and not on the line."""
    figure.draw_without_rendering()  # sizes and places are known from now on
    corners = axes.transData.transform(line or [(math.nan, math.nan)])
    along = np.linspace(0, len(corners) - 1, 50 * len(corners))
    inked = np.stack([np.interp(along, range(len(corners)), corners[:, i]) for i in (0, 1)], axis=1)
    taken = [Bbox.from_extents(*at, *at).padded(DOT) for at in axes.transData.transform([at for _, at, _ in labels])]
    for text, point, colour in labels:
        for distance, (x, y) in ((d, place) for d in (7, 14, 21) for place in LABEL_OFFSETS):
            written = axes.annotate(
                text,
                point,
                (distance * x, distance * y),
                textcoords="offset points",
                ha=("center", "left", "right")[x],
                va=("center", "bottom", "top")[y],
                color=colour,
            )
            box = written.get_window_extent()
            outside = box.x0 < axes.bbox.x0 or box.x1 > axes.bbox.x1 or box.y0 < axes.bbox.y0 or box.y1 > axes.bbox.y1
            if not (outside or box.count_overlaps(taken) or box.padded(3).count_contains(inked)):
                taken.append(box)
                break
            written.remove()


def _render(figure: Figure) -> Image.Image:
    """The figure in at most 64 colours."""
    canvas = figure.canvas
    assert isinstance(canvas, FigureCanvasAgg)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB").quantize(64)
