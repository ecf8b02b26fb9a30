"""Weights of the published project, as its `torch.save(model.state_dict(), "vae.pt")` left them."""

import math
import pickle
import zipfile
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from catvae.errors import CheckpointError
from catvae.files import writing
from catvae.model import CatVAE, VAEConfig, save_checkpoint

MAX_MEGABYTES = 400  # of the file, and of float32 weights; the published models have 20 to 30
MAX_SIDE = 65536  # of a tensor

_ADVICE = 'It must be what torch.save(model.state_dict(), "vae.pt") wrote; save it again that way, or copy it again'


def import_published(path: Path, out: Path, activation: str = "leaky_relu") -> CatVAE:
    """Write published weights to the folder `out`, so that `CatVAE.from_pretrained(out)` loads them.

    Channels and latents are read off the shapes; which activation it was, "leaky_relu" or, in v3,
    "relu", and β the weights do not tell. Weights stay float32: the pictures are those of the
    published model. Returns the model as `load_checkpoint` does.

    Raises CheckpointError for a file that cannot be used; no code in it runs. ValueError for an
    unknown activation. `out` is only written when all is well.
    """
    config = VAEConfig(activation=activation, activation_before_sigmoid=True)
    if (out / "metrics.json").exists():
        raise CheckpointError(f"{out}: holds weights that were trained here; choose another folder")
    weights = _read(path)
    widths, mean = _widths(weights), weights.get("encoder._mean_linear.bias")
    if not widths or mean is None or mean.ndim != 1:
        raise CheckpointError(f"{path}: not of the published project: no encoder.convs.0.conv or _mean_linear in it")
    try:
        config = replace(config, channels=widths, latent_dim=len(mean))
    except ValueError as error:
        raise CheckpointError(f"{path}: not an architecture of the published project ({error})") from error
    with torch.device("meta"):  # shapes without memory: they come from the file
        model = CatVAE(config)
    names = {ours: _published_name(ours) for ours in model.state_dict()}
    if missing := sorted(set(names.values()) - set(weights)):
        raise CheckpointError(f"{path}: lacks {_some(missing)}. {_ADVICE}")
    if unknown := sorted(set(weights) - set(names.values())):
        raise CheckpointError(f"{path}: holds {_some(unknown)}, which the published project has not")
    wrong = [
        f"{names[ours]} is {tuple(weights[names[ours]].shape)}, not {tuple(parameter.shape)}"
        for ours, parameter in model.state_dict().items()
        if weights[names[ours]].shape != parameter.shape
    ]
    if wrong:
        raise CheckpointError(f"{path}: shapes do not fit each other: {_some(wrong)}")
    if broken := [name for name, tensor in weights.items() if not tensor.isfinite().all()]:
        raise CheckpointError(f"{path}: NaN or infinite weights in {_some(broken)}, as float32; train it anew")

    model.load_state_dict({ours: weights[name] for ours, name in names.items()}, assign=True)
    with writing(out):
        save_checkpoint(out, model, beta=None, metrics=None, dtype=torch.float32)
    return model.eval().requires_grad_(False)


def _read(path: Path) -> dict[str, Tensor]:
    """The tensors of a state dict by name, each with its own memory: float32, on the CPU, of bearable size."""
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file")
    try:
        if _unpacked_size(path) > MAX_MEGABYTES * 1e6:
            raise CheckpointError(f"{path}: over {MAX_MEGABYTES} MB, more than any published model. {_ADVICE}")
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except CheckpointError:
        raise
    except pickle.UnpicklingError as error:  # whose message advises to run the code after all
        raise CheckpointError(
            f"{path}: damaged, or holds more than tensors; nothing in it was run. {_ADVICE}"
        ) from error
    except Exception as error:  # damaged files make torch.load raise nearly anything
        raise CheckpointError(f"{path}: truncated or not saved by torch.save ({error}). {_ADVICE}") from error
    if not isinstance(weights, dict) or not all(isinstance(name, str) for name in weights):
        raise CheckpointError(f"{path}: holds no state dict. {_ADVICE}")
    for name, tensor in weights.items():
        if not (isinstance(tensor, Tensor) and tensor.is_floating_point() and tensor.layout == torch.strided):
            raise CheckpointError(f"{path}: {name} is no tensor of weights. {_ADVICE}")
        if tensor.device.type != "cpu" or not all(1 <= side <= MAX_SIDE for side in tensor.shape):
            raise CheckpointError(f"{path}: {name} has no usable shape or no content: {tuple(tensor.shape)}. {_ADVICE}")
    if 4 * sum(math.prod(tensor.shape) for tensor in weights.values()) > MAX_MEGABYTES * 1e6:
        raise CheckpointError(f"{path}: shapes claim over {MAX_MEGABYTES} MB, more than any published model. {_ADVICE}")
    try:
        return {name: tensor.detach().to(torch.float32, copy=True) for name, tensor in weights.items()}
    except RuntimeError as error:  # of 4 bits, for one
        raise CheckpointError(f"{path}: weights of a kind that is no plain float ({error}). {_ADVICE}") from error


def _unpacked_size(path: Path) -> int:
    """Bytes of a file, as an archive unpacked: torch.save only stores, but torch.load also inflates."""
    if not zipfile.is_zipfile(path):
        return path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        return sum(entry.file_size for entry in archive.infolist())


def _widths(weights: dict[str, Tensor]) -> tuple[int, ...]:
    """The image's channels and the width of each convolution of the encoder; empty without one."""
    convs: list[Tensor] = []
    while (conv := weights.get(f"encoder.convs.{len(convs)}.conv.weight")) is not None and conv.ndim == 4:
        convs.append(conv)
    return (convs[0].shape[1], *(conv.shape[0] for conv in convs)) if convs else ()


def _published_name(ours: str) -> str:
    """`encoder.2.bias`, for one, is `encoder.convs.1.conv.bias`: there activations are no layers of their own."""
    module, _, kind = ours.rpartition(".")
    half, _, number = module.partition(".")
    if not number:
        return {"to_mu": "encoder._mean_linear", "to_logvar": "encoder._log_var_linear"}[half] + f".{kind}"
    if half == "encoder":
        return f"encoder.convs.{int(number) // 2}.conv.{kind}"
    if number == "0":
        return f"decoder.decoder.0.{kind}"
    return f"decoder.decoder.{1 + int(number) // 2}.conv_trans.{kind}"


def _some(parts: list[str]) -> str:
    return ", ".join(parts[:3]) + (f" and {len(parts) - 3} more" if len(parts) > 3 else "")
