"""What a run begins with: its settings, its variant, its weights."""

import math
import re
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from catvae.errors import SettingError, TrainingError
from catvae.machine import by_first, say
from catvae.model import VARIANTS, CatVAE, Variant, find_models
from catvae.training.faces import Faces
from catvae.training.linear import start_linear

PEAK_LR = 1.5e-3  # of Adam, in runs of at least so many steps, by their start:
FULL_STEPS = {"random": 1, "linear": 256, "trained": 2048}
SMALL = 1000  # faces, at most, of a set that is jittered and taken in small batches by default
SMALL_BATCH, BATCH = 32, 128
MAX_SEED = 2**32 - 1  # of which torch, numpy and each epoch's own one (`train_epoch`) take any
FEW = 25  # faces, below which what is held out tells little
ON_PHOTOS = "--name mine --start-from checkpoints/v7 --epochs 10"  # what gains with photos of one's own
OWN_PHOTOS = f"For your own photos let v7's painter go on: {ON_PHOTOS}"
FEWEST = 8  # faces that a painter of one's own needs: of fewer, what other networks see in them spreads by chance


@dataclass(frozen=True)
class TrainConfig:
    """Settings that decide the result; a run resumes only under the same ones. `fill_in` chooses what is None."""

    epochs: int = 30
    batch_size: int | None = None
    lr: float | None = None  # peak, of Adam
    seed: int = 0
    start_from: str = "linear"  # `start_linear`, "random" (Kaiming-normal), or trained weights: a folder or Hub repo
    jitter: float | None = None  # strength of `augment`, against learning faces by heart
    precision: str = "auto"  # "fp32", "bf16", or whatever the device multiplies fast

    def __post_init__(self) -> None:
        if (
            self.epochs < 1
            or (self.batch_size is not None and self.batch_size < 1)
            or not (self.lr is None or 0 < self.lr < math.inf)
        ):
            raise SettingError(f"epochs, batch size and learning rate must be positive: {self}")
        if not 0 <= self.seed <= MAX_SEED:
            raise SettingError(f"seed must be a whole number from 0 to {MAX_SEED}, not {self.seed}")
        if self.jitter is not None and not 0 <= self.jitter < math.inf:
            raise SettingError(f"jitter must not be negative: {self}")

    @property
    def goes_on(self) -> bool:
        """Whether it begins with trained weights."""
        return self.start_from not in ("linear", "random")


def count_steps(config: TrainConfig, faces: int) -> int:
    """Steps of a whole run over so many training faces."""
    return config.epochs * math.ceil(faces / (config.batch_size or BATCH))


def expected_result(config: TrainConfig, faces: int, *, paints: bool) -> str:
    """What to expect of a run over so many training faces, with or without a painter; "" for more than 1,000 of them.

    The figures are those of docs/experiments.md.
    """
    if faces > SMALL or (paints and faces < FEWEST):  # which are refused
        return ""
    few = f"Learning from {faces} is little, and too few are held out to tell whether it helps: {FEW} would do. "
    if paints and config.goes_on:
        said = (
            "Expect pictures as sharp as your photos, in minutes: with 112 faces LPIPS of unseen ones went from .186 "
            "to .170, PSNR from 25.4 to 26.1 dB. It learns how cuts of photos look, not each cat."
        )
    elif config.goes_on:
        said = (
            "Expect nothing where photos look like the faces that v1 to v6 learned from: with 112 of them unseen ones "
            f"gained at most 0.004 dB. {OWN_PHOTOS}"
        )
    else:
        said = (
            "Expect much less than v6, which has 28.1 dB on unseen cuts of photos: from the start 110 faces reached "
            f"20.3 dB and 1,000 faces 24.0 dB. {OWN_PHOTOS}"
        )
    return few * (faces < FEW) + said


def fill_in(config: TrainConfig, faces: int) -> TrainConfig:
    """The settings with what was left open chosen for a run over so many training faces.

    The rate grows with the number of steps, as a short run at the full rate leaves its start further behind than it
    can come back from: trained weights more so than a linear start, and a random one has nothing to lose. Warm-up
    (`lr_factor`) and moving average (`average`) are shares of the steps anyway. Measured in docs/experiments.md.
    """
    small = faces <= SMALL
    config = replace(config, batch_size=config.batch_size or (SMALL_BATCH if small else BATCH))
    full = FULL_STEPS.get(config.start_from, FULL_STEPS["trained"])
    lr = PEAK_LR * min(1.0, count_steps(config, faces) / full)
    jitter = float(small) if config.jitter is None else config.jitter
    return replace(config, lr=config.lr or float(f"{lr:.2g}"), jitter=jitter)


def pick_variant(name: str, variant: Variant | None = None) -> Variant:
    """The variant to train under that name. Raises SettingError for a name that is taken, unknown or no name."""
    if name in VARIANTS and variant in (None, VARIANTS[name]):
        return VARIANTS[name]
    if variant is None:
        raise SettingError(f"unknown variant {name!r}: choose one of {', '.join(VARIANTS)}, or tell its beta")
    if name.lower() in VARIANTS:  # some disks do not tell V6 from v6
        raise SettingError(f"{name} is the name of another variant: choose one of your own")
    if not re.fullmatch(r"\w[\w.-]{0,39}", name):
        raise SettingError(f"a name has up to 40 letters, digits, hyphens and dots, unlike {name!r}")
    return variant


@by_first
def starting_weights(
    name: str, variant: Variant, model: CatVAE, faces: Faces, config: TrainConfig
) -> dict[str, Tensor]:
    """Trained weights, or those of `start_linear` on a sample of the training faces.

    Raises TrainingError for trained weights of another architecture.
    """
    if config.start_from != "linear":
        start = load_start(config.start_from, name)
        if start.config != model.config:
            raise TrainingError(f"{name} cannot start from {config.start_from}: they differ in architecture")
        return start.state_dict()
    if min(model.config.channels) < 2:
        raise TrainingError(f"{name}: layers of one channel cannot start linear; use --start-from random")
    say(f"{name}: starts near the linear optimum, being computed")
    start_linear(model, faces.sample(config.seed), variant.beta)
    return model.state_dict()


def load_start(source: str, name: str) -> CatVAE:
    """Trained weights to go on with: a folder of one model or of several with that `name` among them, a Hub
    repo "owner/name", or one of its models, "owner/name/v6".

    Raises TrainingError where it cannot be one of these; CheckpointError and HubError as `from_pretrained`.
    """
    folder = Path(source)
    if folder.is_dir():
        found = find_models(folder)
        if name not in found and folder.resolve().name not in found:
            raise TrainingError(f"{name} cannot start from {source}, which holds {', '.join(found)}: name one's folder")
    elif source.count("/") == 2 and not folder.is_absolute():
        source, _, name = source.rpartition("/")
    elif source.count("/") != 1:
        raise TrainingError(f"--start-from {source}: no such folder, and no OWNER/NAME of a Hub repo")
    return CatVAE.from_pretrained(source, name)
