"""What an evaluation measures, as it is written to `evaluation.json`."""

from typing import Any, TypedDict

Interval = list[float]  # value, and the low and high end of its 95 % interval


class QuickRow(TypedDict):
    """One variant in the quick table: means over the faces of a split."""

    beta: float
    latent_dim: int
    psnr: float
    ssim: float
    kl: float
    bce: float
    active_units: int
    parameters: int
    images: int


class QuickReport(TypedDict):
    """What `evaluate_variants` gives."""

    split: str
    data: dict[str, Any]
    variants: dict[str, QuickRow]


class Report(TypedDict):
    """What `evaluate_fully` gives. A row's figures are intervals; counts and settings are plain numbers."""

    split: str
    data: dict[str, Any]
    images: int  # validation faces
    set: int  # images on either side of a Fréchet distance
    looked_at: int  # of them under LPIPS
    pairs: int  # paths
    frames: int  # of each
    variants: dict[str, dict[str, Any]]
    linear: dict[str, dict[str, Any]]
    also: dict[str, dict[str, Any]]
    faces: dict[str, Interval]
    linear_curve: list[list[float]]  # β, KL, PSNR
