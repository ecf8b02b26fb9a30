"""The mixer as a folder of plain files that any static server can show, checked against torch as it is written."""

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.numpy import save as save_tensors
from torch import Tensor

from catvae.browser.graphs import WEIGHTS, Decoder, Encoder, open_graph, save_graph
from catvae.browser.packages import copy_packages
from catvae.errors import CheckpointError, SettingError
from catvae.files import COLOURS, MANIFEST, ROOT
from catvae.images import make_strip, to_bytes, to_tensor
from catvae.mixing import interpolate
from catvae.model import IMAGE_SIZE, PAINTED, VARIANTS, CatVAE, beta_of, by_beta, find_models, load_variant
from catvae.photos.networks import load_networks
from catvae.serving.links import (
    CATS,
    DEFAULT_STEPS,
    DEFAULT_VARIANT,
    FIRST_A,
    FIRST_B,
    MAX_STEPS,
    MIN_STEPS,
    example_face,
    is_painted,
)
from catvae.serving.texts import TEXTS

STATIC = Path(__file__).parent / "static"
MAX_DIFFERENCE = {"fp16": 2 / 255}  # of any pixel in [0, 1] of a face encoded and decoded, from torch's
MIN_PSNR = {"int8": 40.0}  # dB, of each variant's pictures against torch's
MAX_PHOTO_DIFFERENCE = 5e-3  # of what finder and aligner say, in cells, sides, radians and logits
STYLED = ("mixer.css", "page.css")  # with the colours before them
SHARED_WORDS = (
    *(
        "cat_a",
        "cat_b",
        "model",
        *(f"model_{name}" for name in (*VARIANTS, PAINTED)),
        "steps",
        "path",
        "path_lerp",
        "path_slerp",
    ),
    *("result", "share", "morph", "play", "pause", "save_png", "save_gif", "kitten", "own_cat", "cats_painted"),
    "surprise",
    *("face_unsure", "face_none", "face_whole", "next_face", "whole", "adjust"),
    *(f"name_{name}" for name in CATS if not is_painted(name)),
    *("zoom", "right", "down", "turn", "too_large", "too_heavy", "too_narrow"),
)


@dataclass(frozen=True)
class Check:
    """How far one variant's pictures are from torch's: the largest difference of a pixel in [0, 1], and PSNR in dB."""

    largest: float
    psnr: float


@torch.inference_mode()
def export_web(
    out: Path,
    *,
    checkpoints: Path | None = None,
    variants: Sequence[str] | None = None,
    weights: str = "int8",
    faces: Tensor | None = None,
    report: Callable[[str], None] = print,
) -> dict[str, Check]:
    """Write the mixer to the folder `out`, which is replaced whole if it is one already; gives each variant's check.

    `variants` are all that the folder of checkpoints holds, by default.

    Each network is compared with torch on the example cats and on `faces`, uint8 (N, 3, 64, 64): its
    largest difference goes to `report`. Raises SettingError for an unknown variant or form of the
    weights or a folder that holds something else, CheckpointError when a difference is out of bounds,
    MissingPackageError without the packages of the extra "web" or npm's.
    """
    if weights not in WEIGHTS:
        raise SettingError(f"weights must be one of {', '.join(WEIGHTS)}, not {weights!r}")
    found = find_models(checkpoints)
    variants = list(found) if variants is None else variants
    if not variants or any(name not in found for name in variants):
        raise SettingError(f"variants must be some of {', '.join(found)}, not {', '.join(variants) or 'none'}")
    if out.exists() and not (out / MANIFEST).exists() and (not out.is_dir() or any(out.iterdir())):
        raise SettingError(f"{out} holds something else: name a new folder")
    partial = out.with_name(f"{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(STATIC, partial)
    try:
        cats = {name: example_face(name) for name in CATS}
        for name, face in cats.items():
            path = partial / "cats" / f"{name}.webp"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(to_bytes(face, "WEBP", quality=92, method=6))
        seen = to_tensor(list(cats.values()))
        checks = {}
        models = {name: load_variant(name, checkpoints) for name in set(variants)}
        for name in by_beta(models, models):
            model = models[name].to(memory_format=torch.contiguous_format)
            checks[name] = _export_variant(model, partial / name, seen, faces, weights)
            report(f"{name}: largest difference {255 * checks[name].largest:.2f} of 255, {checks[name].psnr:.1f} dB")
            _refuse(name, checks[name], weights)
        report(f"finder and aligner: largest difference {_export_photos(partial / 'photos', seen):.1e}")
        for name in STYLED:
            (partial / name).write_text(COLOURS.read_text("utf-8") + (STATIC / name).read_text("utf-8"), "utf-8")
        copy_packages(partial)
        shutil.copy(ROOT / "LICENSE", partial / "LICENSE")
        _write_preview(partial, models[next(iter(checks))], cats)
        _write_words(partial / "words.js")
        _write_manifest(partial, {name: models[name] for name in checks}, list(cats), weights)
        if out.exists():
            shutil.rmtree(out)
        partial.rename(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return checks


def _export_variant(model: CatVAE, folder: Path, seen: Tensor, faces: Tensor | None, weights: str) -> Check:
    save_graph(Encoder(model), {"input": seen[:2]}, (0,), folder / "encoder.onnx", weights)
    latents = Encoder(model)(seen)
    save_graph(Decoder(model), {"input": latents[:2]}, (0,), folder / "decoder.onnx", weights)
    (folder / "latents.safetensors").write_bytes(save_tensors({"latents": latents.numpy()}))
    real = seen if faces is None else torch.cat([seen, faces.float() / 255])
    wanted = model.decode(Encoder(model)(real)).numpy()
    latents = open_graph(folder / "encoder.onnx").run(None, {"input": real.numpy()})[0]
    difference = open_graph(folder / "decoder.onnx").run(None, {"input": latents})[0] - wanted
    return Check(float(np.abs(difference).max()), float(-10 * np.log10(np.square(difference).mean() + 1e-20)))


def _refuse(name: str, check: Check, weights: str) -> None:
    """Raises CheckpointError for a variant whose pictures differ too much."""
    if check.largest > MAX_DIFFERENCE.get(weights, 1):
        raise CheckpointError(f"{name} as {weights} differs by {255 * check.largest:.1f} of 255 from torch")
    if check.psnr < MIN_PSNR.get(weights, 0):
        raise CheckpointError(f"{name} as {weights} is {check.psnr:.1f} dB from torch: export it with --weights fp16")


def _export_photos(folder: Path, seen: Tensor) -> float:
    """Finder and aligner, whose weights are fp16 from the start; the largest difference of what they say."""
    wide = torch.nn.functional.pad(seen[:1], (16, 32, 16, 16), mode="replicate")
    largest = 0.0
    for network, name, picture, axes in zip(
        load_networks(), ("finder", "aligner"), (wide, seen[:2]), ((2, 3), (0,)), strict=True
    ):
        contiguous = deepcopy(network).to(memory_format=torch.contiguous_format)
        save_graph(contiguous, {"input": picture}, axes, folder / f"{name}.onnx", "fp16")
        for example in (picture, picture.flip(-1)):
            told = open_graph(folder / f"{name}.onnx").run(None, {"input": example.numpy()})[0]
            largest = max(largest, float(np.abs(told - network(example).numpy()).max()))
    if largest > MAX_PHOTO_DIFFERENCE:
        raise CheckpointError(f"finder or aligner differ by {largest:.1e} from torch")
    return largest


def _write_preview(out: Path, model: CatVAE, cats: dict[str, Image.Image]) -> None:
    """What stands in place of a mixer that cannot run: five faces of a mix, as an ordinary picture."""
    frames = interpolate(model, [cats[FIRST_A], cats[FIRST_B]], 5)
    side = 3 * IMAGE_SIZE
    strip = make_strip([frame.resize((side, side), Image.Resampling.BICUBIC) for frame in frames])
    (out / "preview.jpg").write_bytes(to_bytes(strip, "JPEG", quality=85, optimize=True))


def _write_words(path: Path) -> None:
    """The words that the page needs, of both languages, from where the app's words are."""
    words = {
        language: {key: text for key, text in texts.items() if key in SHARED_WORDS or key.startswith(("web_", "name_"))}
        for language, texts in TEXTS.items()
    }
    path.write_text(f"export default {json.dumps(words, ensure_ascii=False, indent=1)};\n", encoding="utf-8")


def _write_manifest(out: Path, models: dict[str, CatVAE], cats: list[str], weights: str) -> None:
    """`mixer.json`: what there is, and each file's length and hash; the service worker gets the hash of it all."""
    files = {}
    for path in sorted(path for path in out.rglob("*") if path.is_file()):
        content = path.read_bytes()
        files[path.relative_to(out).as_posix()] = {
            "bytes": len(content),
            "hash": hashlib.sha256(content).hexdigest()[:12],
        }
    version = hashlib.sha256(json.dumps([files, list(models), cats]).encode()).hexdigest()[:12]
    worker = out / "sw.js"
    worker.write_text(worker.read_text().replace("VERSION", version, 1))
    content = {
        "version": version,
        "weights": weights,
        "first": {
            "a": FIRST_A,
            "b": FIRST_B,
            "model": DEFAULT_VARIANT if DEFAULT_VARIANT in models else next(iter(models)),
        },
        "steps": {"min": MIN_STEPS, "max": MAX_STEPS, "first": DEFAULT_STEPS},
        "variants": {
            name: {"beta": beta_of(name, model), "latents": model.config.latent_dim} for name, model in models.items()
        },
        "cats": cats,
        "files": files,
    }
    (out / MANIFEST).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
