"""Mix two cat faces with variational autoencoders: models, training, mixing."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from catvae.errors import CheckpointError, ImageError
    from catvae.mixing import mix
    from catvae.model import VARIANTS, CatVAE, VAEConfig, Variant, beta_elbo, load_checkpoint, load_variant
    from catvae.photos.decode import open_image
    from catvae.photos.faces import Face, align, find_faces
    from catvae.training.data import load_faces
    from catvae.training.start import TrainConfig
    from catvae.training.train import train_variant

HOMES = {  # read when they are first asked for: a process that decodes pictures does without torch
    "errors": ("CheckpointError", "ImageError"),
    "mixing": ("mix",),
    "model": ("VARIANTS", "CatVAE", "VAEConfig", "Variant", "beta_elbo", "load_checkpoint", "load_variant"),
    "photos.decode": ("open_image",),
    "photos.faces": ("Face", "align", "find_faces"),
    "training.data": ("load_faces",),
    "training.start": ("TrainConfig",),
    "training.train": ("train_variant",),
}

__all__ = [
    "VARIANTS",
    "CatVAE",
    "CheckpointError",
    "Face",
    "ImageError",
    "TrainConfig",
    "VAEConfig",
    "Variant",
    "align",
    "beta_elbo",
    "find_faces",
    "load_checkpoint",
    "load_faces",
    "load_variant",
    "mix",
    "open_image",
    "train_variant",
]


def __getattr__(name: str) -> object:
    home = next((home for home, names in HOMES.items() if name in names), None)
    if home is None:
        raise AttributeError(f"module 'catvae' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"catvae.{home}"), name)
    return value


def __dir__() -> list[str]:
    return __all__
