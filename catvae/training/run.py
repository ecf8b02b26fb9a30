"""The state of a training run, and the settings by which `--resume` recognises it."""

from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from catvae.errors import TrainingError
from catvae.model import VARIANTS, CatVAE, Variant
from catvae.training.faces import Faces
from catvae.training.progress import ANEW
from catvae.training.start import TrainConfig

LEAST_GAIN = 0.1  # nats of validation loss that make another model of a start: about 0.01 dB, which nobody would see


@dataclass
class Run:
    """What a run of training holds between epochs."""

    name: str
    variant: Variant
    config: TrainConfig
    model: CatVAE
    ema: AveragedModel
    optimizers: list[torch.optim.Optimizer]
    gradients: Tensor  # of all parameters, one after the other
    steps: int  # of the whole run
    history: list[dict[str, float]] = field(default_factory=list)

    def state(self) -> dict[str, Any]:
        """All that is needed to go on, beside the record of the run's settings."""
        return {
            "model": self.model.state_dict(),
            "ema": self.ema.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "history": self.history,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a `state`. Raises TrainingError for one of another network."""
        try:
            self.model.load_state_dict(state["model"])
            self.ema.load_state_dict(state["ema"])
            for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
                optimizer.load_state_dict(saved)
        except (RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:
            reason = str(error).partition("\n")[0]
            raise TrainingError(f"{self.name}: its training.pt does not fit the network ({reason}){ANEW}") from error
        self.history = state["history"]

    @property
    def average(self) -> CatVAE:
        """The moving average of the weights, which is measured and kept."""
        assert isinstance(self.ema.module, CatVAE)
        return self.ema.module

    @property
    def begins_as_another(self) -> bool:
        """Whether its start is a model that has another name."""
        return self.config.goes_on and self.name not in VARIANTS

    @property
    def best(self) -> dict[str, float]:
        """The row of the history whose weights are kept."""
        start, best = self.history[0], min(self.history, key=lambda row: row["val_loss"])
        same = self.begins_as_another and start["val_loss"] - best["val_loss"] < LEAST_GAIN
        return start if same else best


def run_record(name: str, variant: Variant, config: TrainConfig, faces: Faces) -> dict[str, Any]:
    """What a run is known by: one that goes on has the same, and its weights carry it."""
    record = {"variant": name, "beta": variant.beta, **asdict(config), "data": faces.report.as_dict()}
    if name not in VARIANTS:
        record["network"] = {**asdict(variant.config), "channels": list(variant.config.channels)}
    return record
