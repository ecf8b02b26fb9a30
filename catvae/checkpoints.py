"""Weights on disk: `checkpoints/v6/{config.json, model.safetensors, metrics.json}` and so on.

The same tree is the model repo on the Hub. Weights are fp16 safetensors, imported ones float32: no code in them runs.
"""

import json
import os
from dataclasses import asdict, fields
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from catvae.model import VARIANTS, CatVAE, VAEConfig

BUNDLED = Path(__file__).resolve().parent.parent / "checkpoints"


class CheckpointError(RuntimeError):
    """A checkpoint that cannot be used; the message names the file and says what to do."""


def save_checkpoint(
    folder: Path, model: CatVAE, beta: float | None, metrics: dict | None, dtype: torch.dtype = torch.float16
) -> None:
    """Write config, weights and, where there are any, metrics; each file is replaced whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {"beta": beta, **asdict(model.config)}
    weights = {name: p.detach().to("cpu", dtype).contiguous() for name, p in model.state_dict().items()}
    partial = folder / "model.safetensors.partial"
    save_file(weights, partial, metadata={"format": "pt"})
    partial.replace(folder / "model.safetensors")
    write_json(folder / "config.json", config)
    if metrics is not None:
        write_json(folder / "metrics.json", metrics)


def load_checkpoint(folder: Path) -> CatVAE:
    """The model saved in `folder`, float32, in eval mode, on the CPU.

    Raises CheckpointError when a file is missing, truncated or does not fit the architecture.
    """
    config = read_json(folder / "config.json")
    try:
        known = {field.name for field in fields(VAEConfig)}
        model = CatVAE(VAEConfig(**{key: value for key, value in config.items() if key in known}))
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{folder / 'config.json'}: not a model configuration ({error})") from error

    path = folder / "model.safetensors"
    try:
        weights = load_file(path)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: missing; {_ADVICE}") from error
    except Exception as error:  # safetensors raises its own error type, OSError and more
        raise CheckpointError(f"{path}: truncated or not safetensors ({error}); {_ADVICE}") from error
    try:
        model.load_state_dict({name: tensor.float() for name, tensor in weights.items()})
    except RuntimeError as error:
        raise CheckpointError(f"{path}: does not fit {folder / 'config.json'} ({error}); {_ADVICE}") from error
    if not all(tensor.isfinite().all() for tensor in weights.values()):
        raise CheckpointError(f"{path}: holds NaN or infinite weights; {_ADVICE}")
    # the order in which CPUs convolve: a tenth faster, same pictures
    return model.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def load_variant(name: str, source: str | Path | None = None) -> CatVAE:
    """The trained variant "v1" to "v6", ready to use: float32, eval mode, on the CPU.

    `source` is a folder with one subfolder per variant; by default `CATVAE_CHECKPOINTS` or the
    `checkpoints/` beside the package. Raises CheckpointError for an unknown name or a bad file.
    """
    if name not in VARIANTS:
        raise CheckpointError(f"unknown variant {name!r}: choose one of {', '.join(VARIANTS)}")
    return load_checkpoint(find_checkpoints(source) / name)


def find_checkpoints(source: str | Path | None = None) -> Path:
    """The folder with one subfolder per variant that `load_variant` reads."""
    return Path(source or os.environ.get("CATVAE_CHECKPOINTS") or BUNDLED)


def read_json(path: Path) -> dict:
    """The JSON object in `path`. Raises CheckpointError when it is missing or not one."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: missing; {_ADVICE}") from error
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: not readable as JSON ({error}); {_ADVICE}") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path}: holds no JSON object; {_ADVICE}")
    return content


def write_json(path: Path, content: dict) -> None:
    """Write a JSON object, replacing the file whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    partial.replace(path)


_ADVICE = "restore it with git, copy it again, or train it with train_space.py"
