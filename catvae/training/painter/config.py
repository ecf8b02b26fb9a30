"""Settings of a painter's training."""

from dataclasses import dataclass

# of a painter that goes on with photos of one's own, where little is to be learned, and soon: its rate, and how many
# faces it sees at least
OWN_LR, OWN_LEAST = 1e-4, 480


@dataclass(frozen=True)
class PainterConfig:
    """Settings that decide the result, in faces seen, and the weights of the losses, on faces and on mixes."""

    images: int = 500_000
    batch_size: int = 24
    mixes: int = 24  # painted beside each batch
    lr: float = 3e-4  # of the painter, falling to a tenth over the last third; the discriminators' is three times that
    seed: int = 0
    jitter: float = 0.5
    l1: float = 12.0  # to the real face
    coarse: float = 2.0  # to the decoder's picture, as 4×4 means
    colour_mixes: float = (
        100.0  # to the decoder's picture, as 2×2 means without their grey: no red or green is invented
    )
    lpips: float = 28.0  # distance of features, to the real face
    lpips_mixes: float = 10.0  # to the cross-fade of the parents
    adversarial: float = 0.05
    adversarial_mixes: float = 0.3
    features: float = 0.12
    features_mixes: float = 0.6
    spectrum: float = 1.5
    spectrum_mixes: float = 1.5
    power: float = 0.85  # of real faces' power, to which the spectra are compared: all of it costs nearness to the cat,
    power_mixes: float = 0.7  # and what nobody knows of a mix is better soft than a mesh
    drift_mixes: float = 2.5  # of the mean features of mixes from those of real faces
    grow: int = 10_000  # images over which the discriminators' share comes in
    gamma: float = 0.05  # of the gradient penalties
    ema: float = 0.998
