"""The two plots of an evaluation: rate against distortion, and how training went."""

import csv
import math
from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from catvae.files import find_checkpoints
from catvae.model import VARIANTS

SHARP = 2  # drawn this much larger, and shrunk: Pillow draws without antialiasing
INK, GREY, GRID, BLUE, RED = "#222222", "#767676", "#e4e4e4", "#2563a8", "#c2410c"
Box = tuple[float, float, float, float]  # left, top, right, bottom in pixels of the result


def make_plots(report: dict, checkpoints: Path | None = None) -> dict[str, Image.Image]:
    """The plots of a report of `evaluate_fully`, by name. Training is read from `history.csv` beside the weights."""
    histories = {}
    for name in VARIANTS:
        path = find_checkpoints(checkpoints) / name / "history.csv"
        if path.exists():
            with path.open(encoding="utf-8") as file:
                histories[name] = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    plots = {"rate_distortion": rate_distortion(report)}
    return plots | ({"training_curves": training_curves(histories)} if histories else {})


def rate_distortion(report: dict) -> Image.Image:
    """KL against PSNR of every model, with the linear optimum over all β as a line."""
    models = report["variants"] | report["also"]
    points = {name: (row["kl"][0], row["psnr"][0]) for name, row in models.items()}
    rates, values = zip(*points.values(), strict=True)
    span = (min(rates) / 1.6, max(rates) * 1.6), (min(values) - 1, max(values) + 1)
    figure, draw = _canvas(800, 480)
    place = _axes(draw, (70, 30, 780, 420), *span, log=True)
    _text(draw, (425, 462), "KL (nats), logarithmic: what the latents say about a face", "mm", GREY)
    _text(draw, (70, 14), "PSNR (dB), validation faces", "lm", GREY)

    curve = [(rate, value) for _, rate, value in report["linear_curve"] if span[0][0] < rate < span[0][1]]
    curve = [(rate, value) for rate, value in curve if span[1][0] < value < span[1][1]]
    if len(curve) > 1:
        _line(draw, [place(*point) for point in curve], GREY)
        x, y = place(*min(curve, key=lambda point: abs(point[0] - math.sqrt(min(rates) * max(rates)))))
        _text(draw, (x - 12, y - 14), "linear optimum", "rm", GREY)
    for name, point in points.items():
        ours = name in report["variants"]
        x, y = place(*point)
        _dot(draw, x, y, BLUE if ours else RED)
        beta = models[name]["beta"]
        label = name if beta is None else f"{name}, beta {beta:g}"
        _, beside = min(curve, key=lambda at: abs(at[0] - point[0]), default=point)
        away = -18 if point[1] > beside else 18  # from the line
        _text(draw, (x, y + away), label, "mm", BLUE if ours else RED)
    return _finish(figure)


def training_curves(histories: dict[str, list[dict]]) -> Image.Image:
    """Training and validation loss by epoch, a panel for each variant: three in a row."""
    width, height = 300, 220
    figure, draw = _canvas(3 * width + 10, math.ceil(len(histories) / 3) * height + 40)
    for i, (name, history) in enumerate(histories.items()):
        left, top = i % 3 * width, i // 3 * height + 30
        epochs = [row["epoch"] for row in history]
        curves = {color: [row[key] for row in history] for key, color in (("loss", GREY), ("val_loss", BLUE))}
        low = min(map(min, curves.values()))
        high = max(curves[BLUE])  # the training loss of a first epoch from random weights towers over all
        margin = 0.08 * (high - low) or 1
        box = (left + 60, top + 24, left + width - 10, top + height - 34)
        place = _axes(draw, box, (1, max(2, max(epochs))), (low - margin, high + margin), ticks=4)
        for color, losses in curves.items():
            _line(draw, [place(x, min(y, high + margin)) for x, y in zip(epochs, losses, strict=True)], color)
        _text(draw, (left + 60, top + 10), f"{name}, beta {VARIANTS[name].beta:g}", "lm", INK)
    _text(draw, (60, 16), "Loss (nats per face) by epoch:", "lm", INK)
    _text(draw, (290, 16), "training", "lm", GREY)
    _text(draw, (360, 16), "validation", "lm", BLUE)
    return _finish(figure)


def _axes(
    draw: ImageDraw.ImageDraw,
    box: Box,
    x_span: tuple[float, float],
    y_span: tuple[float, float],
    log: bool = False,
    ticks: int = 7,
) -> Callable[[float, float], tuple[float, float]]:
    """Draw a grid with numbers; returns where a point lies, in pixels of the result."""
    left, top, right, bottom = box
    scale = math.log if log else float

    def place(x: float, y: float) -> tuple[float, float]:
        across = (scale(x) - scale(x_span[0])) / (scale(x_span[1]) - scale(x_span[0]))
        return left + (right - left) * across, bottom - (bottom - top) * (y - y_span[0]) / (y_span[1] - y_span[0])

    decades = [digit * 10**power for power in range(-3, 6) for digit in (1, 2, 5)]
    for x in [x for x in decades if x_span[0] <= x <= x_span[1]] if log else _round_numbers(*x_span, ticks, whole=True):
        at = place(x, y_span[0])[0]
        _line(draw, [(at, top), (at, bottom)], GRID, 1)
        _text(draw, (at, bottom + 14), f"{x:g}", "mm", GREY)
    for y in _round_numbers(*y_span, ticks):
        at = place(x_span[0], y)[1]
        _line(draw, [(left, at), (right, at)], GRID, 1)
        _text(draw, (left - 8, at), f"{y:g}", "rm", GREY)
    return place


def _round_numbers(low: float, high: float, count: int, whole: bool = False) -> list[float]:
    """About `count` round numbers between two."""
    rough = (high - low) / count
    power = 10 ** math.floor(math.log10(rough))
    step = min((digit * power for digit in (1, 2, 5, 10)), key=lambda step: abs(step - rough))
    step = max(1, round(step)) if whole else step
    return [i * step for i in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _canvas(width: int, height: int) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    figure = Image.new("RGB", (width * SHARP, height * SHARP), "white")
    return figure, ImageDraw.Draw(figure)


def _finish(figure: Image.Image) -> Image.Image:
    return figure.resize((figure.width // SHARP, figure.height // SHARP), Image.Resampling.LANCZOS).quantize(64)


def _line(draw: ImageDraw.ImageDraw, points: list[tuple[float, float]], color: str, width: float = 2) -> None:
    points = [(x * SHARP, y * SHARP) for x, y in points]
    draw.line(points, fill=color, width=round(width * SHARP), joint="curve")


def _dot(draw: ImageDraw.ImageDraw, x: float, y: float, color: str, radius: float = 6) -> None:
    draw.circle((x * SHARP, y * SHARP), radius * SHARP, fill=color, outline="white", width=SHARP)


def _text(draw: ImageDraw.ImageDraw, at: tuple[float, float], text: str, anchor: str, color: str) -> None:
    font = ImageFont.load_default(15 * SHARP)  # ASCII alone: no β
    draw.text((at[0] * SHARP, at[1] * SHARP), text, fill=color, font=font, anchor=anchor)
