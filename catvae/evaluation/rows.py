"""What an evaluation gives, as it stands in its JSON."""

from typing import Any, NotRequired, TypedDict

from catvae.metrics import Scores

FREQUENCIES = ("row", "column", "quarter")  # of the spectrum, as `catvae.metrics.spectrum` gives them
Interval = list[float]  # a value and the ends of its 95 % interval, to four decimals


class QuickRow(Scores):
    """One model as `evaluate_variants` sees it."""

    beta: float | None
    latent_dim: int


class QuickReport(TypedDict):
    """What `evaluate_variants` gives: plain JSON, rows by the name of the model."""

    split: str
    data: dict[str, Any]
    variants: dict[str, QuickRow]


class PathFigures(TypedDict):
    """What `path_figures` finds."""

    lpips_midpoints: Interval
    nearest_midpoints: Interval
    sharpness_midpoints: Interval
    path: NotRequired[Interval]  # of whole paths, not of midpoints alone
    spread: NotRequired[Interval]


class Figures(PathFigures):
    """What `model_figures` finds of any model."""

    psnr: Interval
    lpips: Interval
    ssim: Interval
    kl: Interval
    sharpness: Interval
    nearest: Interval
    frechet: Interval
    frechet_midpoints: Interval
    frechet_vgg: Interval
    frechet_vgg_midpoints: Interval
    sharpness_of_mixes: Interval  # over that of real faces; `sharpness_midpoints` is over the path's own ends
    power: dict[str, Interval]  # at each of `FREQUENCIES`, over that of real faces
    power_midpoints: dict[str, Interval]


class PainterFigures(TypedDict, total=False):
    """What `painter_figures` finds of a model with a painter."""

    lpips_to_own: Interval
    lpips_to_others: Interval
    share_nearest_to_own: float


class SampleFigures(TypedDict, total=False):
    """What `sample_figures` finds of a model that can be drawn from."""

    frechet_fitted: Interval
    sharpness_fitted: Interval
    nearest_fitted: Interval
    frechet_prior: Interval
    sharpness_prior: Interval


class Row(Figures, SampleFigures, PainterFigures, total=False):
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
