"""Mix two cat faces with variational autoencoders: models, training, mixing."""

from catvae.errors import CheckpointError, ImageError
from catvae.mixing import mix
from catvae.model import VARIANTS, CatVAE, VAEConfig, Variant, beta_elbo, load_checkpoint, load_variant
from catvae.photos.decode import open_image
from catvae.photos.faces import Face, align, find_faces
from catvae.training.data import load_faces
from catvae.training.start import TrainConfig
from catvae.training.train import train_variant

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
