"""Mix two cat faces with variational autoencoders: models, training, mixing."""

from catvae.checkpoints import CheckpointError, load_checkpoint, load_variant
from catvae.images import ImageError
from catvae.mixing import mix
from catvae.model import VARIANTS, CatVAE, VAEConfig, Variant, beta_elbo

__all__ = [
    "VARIANTS",
    "CatVAE",
    "CheckpointError",
    "ImageError",
    "VAEConfig",
    "Variant",
    "beta_elbo",
    "load_checkpoint",
    "load_variant",
    "mix",
]
