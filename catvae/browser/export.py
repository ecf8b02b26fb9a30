"""The mixer as a folder of plain files that any static server can show, checked against torch as it is written."""

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.numpy import save as save_tensors
from torch import Tensor

from catvae.browser.fullsize import export_fullsize
from catvae.browser.graphs import PRECISIONS, Decoder, Encoder, Painting, open_graph, save_graph
from catvae.browser.packages import copy_packages
from catvae.errors import CheckpointError, SettingError
from catvae.files import LICENSE, MANIFEST, check_writable, holding, read_json
from catvae.images import make_strip, to_bytes, to_tensor
from catvae.latents import load_latents
from catvae.machine import to_memory_format
from catvae.mixing import interpolate
from catvae.model import IMAGE_SIZE, CatVAE, by_beta, find_models, load_variant
from catvae.photos.decode import open_image
from catvae.photos.faces import find_faces, to_shares
from catvae.photos.networks import AlignerAndCat, load_networks
from catvae.serving.front import SPRITE, STYLES, WEB, manifest_of, photo_of, sprite, style, words_module
from catvae.serving.links import CATS, FIRST_A, FIRST_B, example_face, is_painted

MAX_DIFFERENCE = {"fp16": 2 / 255}  # of any pixel in [0, 1] of a face encoded and decoded, from torch's
MIN_PSNR = {"int8": 40.0}  # dB, of each variant's pictures against torch's
MAX_PHOTO_DIFFERENCE = 5e-3  # of what finder and aligner say, in cells, sides, radians and logits
OF_THE_APP = (
    "remote.js",
    "gradio.js",
    "explore.js",
    "lesson.js",
    "pad.js",
    "explore.css",
    "colours.css",
    "*.d.ts",
    "__pycache__",
)  # of no use without a server


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
) -> dict[str, Check]:
    """Write the mixer to the folder `out`, which is replaced whole if it is one already; gives each variant's check.

    `variants` are all that the folder of checkpoints holds, by default.

    Each network is compared with torch on the example cats and on `faces`, uint8 (N, 3, 64, 64): its
    largest difference is printed. Raises SettingError for an unknown variant or form of the
    weights or a folder that holds something else, CheckpointError when a difference is out of bounds,
    MissingPackageError without the packages of the extra "web" or npm's.
    """
    if weights not in PRECISIONS:
        raise SettingError(f"weights must be one of {', '.join(PRECISIONS)}, not {weights!r}")
    found = find_models(checkpoints)
    variants = list(found) if variants is None else variants
    if not variants or any(name not in found for name in variants):
        raise SettingError(f"variants must be some of {', '.join(found)}, not {', '.join(variants) or 'none'}")
    if out.exists() and not (out / MANIFEST).exists() and (not out.is_dir() or any(out.iterdir())):
        raise SettingError(f"{out} holds something else: name a new folder")
    out = out.resolve()  # "." has a name too
    check_writable(out.parent)
    with _unfinished(out) as partial:
        for path in WEB.rglob("*"):
            copy = partial / path.relative_to(WEB)
            if path.is_file() and path.name not in OF_THE_APP:
                copy.parent.mkdir(exist_ok=True)
                copy.write_bytes(path.read_bytes())  # no modes, which some disks refuse to take over
        cats = {name: example_face(name) for name in CATS}
        _write_cats(partial)
        seen = to_tensor(list(cats.values()))
        checks, networks = {}, {}
        models = {name: load_variant(name, checkpoints) for name in variants}
        for name in sorted(by_beta(models, models), key=lambda name: models[name].painter is not None):
            model = to_memory_format(models[name], torch.contiguous_format)
            twin = next((other for other in networks if _same_networks(model, models[other])), None)
            networks[name] = dict(networks[twin]) if twin else _export_networks(model, partial, name, seen, weights)
            if model.painter is not None:
                networks[name] |= _export_painter(model, partial, name, seen, weights)
            _write_latents(partial / networks[name]["latents"], model, seen, found[name])
            checks[name] = _check(model, partial, networks[name], seen, faces)
            print(f"{name}: largest difference {255 * checks[name].largest:.2f} of 255, {checks[name].psnr:.1f} dB")
            _refuse(name, checks[name], weights)
        print(f"finder and aligner: largest difference {_export_photos(partial / 'photos', seen):.1e}")
        pairs = seen[:8].view(4, 2, *seen.shape[1:])
        print(f"full size: largest difference {export_fullsize(partial / 'fullsize', pairs):.1e}")
        for name in STYLES:
            (partial / name).write_text(style(name), "utf-8")
        copy_packages(partial)
        (partial / "LICENSE").write_bytes(LICENSE.read_bytes())
        _write_preview(partial, models[next(iter(checks))], cats)
        (partial / "words.js").write_text(words_module("local"), encoding="utf-8")
        ordered = {name: models[name] for name in by_beta(models, models)}
        known = {name: _figures(found[name]) for name in ordered}
        _write_manifest(partial, manifest_of(ordered, known) | {"squares": example_squares()}, networks, weights)
        if out.exists():
            shutil.rmtree(out)
        partial.rename(out)
    return checks


@contextmanager
def _unfinished(out: Path) -> Iterator[Path]:
    """The folder beside `out` that an export is written to, empty, and gone at the end unless it became `out`.

    Raises SettingError where another export is writing there.
    """
    partial = out.with_name(f"{out.name}.partial")
    partial.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        try:
            held.enter_context(holding(partial))
        except BlockingIOError as error:
            raise SettingError(f"{out} is being written by another export: wait, or name another folder") from error
        held.callback(shutil.rmtree, partial, ignore_errors=True)
        for left in partial.iterdir():  # by an export that was killed
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        yield partial


def _export_networks(model: CatVAE, out: Path, name: str, seen: Tensor, weights: str) -> dict[str, str]:
    """Encoder and decoder of a variant, and where they and its latents lie."""
    save_graph(Encoder(model), {"input": seen[:2]}, (0,), out / name / "encoder.onnx", weights)
    latents = Encoder(model)(seen[:2])
    save_graph(Decoder(model), {"input": latents}, (0,), out / name / "decoder.onnx", weights)
    return {"encoder": f"{name}/encoder", "decoder": f"{name}/decoder", "latents": f"{name}/latents.safetensors"}


def _export_painter(model: CatVAE, out: Path, name: str, seen: Tensor, weights: str) -> dict[str, str]:
    latents = Encoder(model)(seen[:2])
    examples = {"input": Decoder(model)(latents), "latents": latents}
    save_graph(Painting(model), examples, (0,), out / name / "painter.onnx", weights)
    return {"painter": f"{name}/painter"}


def _same_networks(model: CatVAE, other: CatVAE) -> bool:
    """Whether two models differ in their painters alone."""
    ours, theirs = (
        {key: value for key, value in each.state_dict().items() if not key.startswith("painter.")}
        for each in (model, other)
    )
    return ours.keys() == theirs.keys() and all(torch.equal(value, theirs[key]) for key, value in ours.items())


def _write_latents(path: Path, model: CatVAE, seen: Tensor, folder: Path) -> None:
    """Those of the example cats, and where faces lie, from which newborns are drawn."""
    tensors = {"latents": Encoder(model)(seen).numpy()}
    with suppress(CheckpointError):  # older weights lack them
        tensors |= {name: value.numpy() for name, value in load_latents(folder).items()}
    path.write_bytes(save_tensors(tensors))


def _figures(folder: Path) -> dict:
    """What evaluation has measured of a variant; nothing where it has not."""
    with suppress(CheckpointError):
        return read_json(folder / "metrics.json")
    return {}


def _check(model: CatVAE, out: Path, networks: dict[str, str], seen: Tensor, faces: Tensor | None) -> Check:
    """The pictures of faces through the networks that were written, beside torch's."""

    def run(kind: str, **inputs: np.ndarray) -> np.ndarray:
        return np.asarray(open_graph(out / f"{networks[kind]}.onnx").run(None, inputs)[0])

    real = seen if faces is None else torch.cat([seen, faces.float() / 255])
    wanted = model.decode(Encoder(model)(real)).numpy()
    latents = run("encoder", input=real.numpy())
    pictures = run("decoder", input=latents)
    if "painter" in networks:
        pictures = run("painter", input=pictures, latents=latents)
    difference = pictures - wanted
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
    largest, (finder, aligner) = 0.0, load_networks()
    for network, name, picture, axes in zip(
        (finder, AlignerAndCat(aligner)), ("finder", "aligner"), (wide, seen[:2]), ((2, 3), (0,)), strict=True
    ):
        contiguous = to_memory_format(deepcopy(network), torch.contiguous_format)
        save_graph(contiguous, {"input": picture}, axes, folder / f"{name}.onnx", "fp16")
        for example in (picture, picture.flip(-1)):
            told = open_graph(folder / f"{name}.onnx").run(None, {"input": example.numpy()})[0]
            largest = max(largest, float(np.abs(told - network(example).numpy()).max()))
    if largest > MAX_PHOTO_DIFFERENCE:
        raise CheckpointError(f"finder or aligner differ by {largest:.1e} from torch")
    return largest


def example_squares() -> dict[str, dict[str, float]]:
    """Where the faces of the example cats are in their photos."""
    squares = {}
    for name, path in CATS.items():
        photo = open_image(path)
        if not is_painted(name) and (found := find_faces(photo)):
            squares[name] = to_shares(found[0], photo)
    return squares


def _write_preview(out: Path, model: CatVAE, cats: dict[str, Image.Image]) -> None:
    """What stands in place of a mixer that cannot run: five faces of a mix, as an ordinary picture."""
    frames = interpolate(model, [cats[FIRST_A], cats[FIRST_B]], 5)
    side = 3 * IMAGE_SIZE
    strip = make_strip([frame.resize((side, side), Image.Resampling.BICUBIC) for frame in frames])
    (out / "preview.jpg").write_bytes(to_bytes(strip, "JPEG", quality=85, optimize=True))


def _write_cats(out: Path) -> None:
    """The faces of the example cats in one picture, the photos of the real ones, and the page's icon."""
    (out / SPRITE).write_bytes(sprite())
    (out / "icon.png").write_bytes(to_bytes(example_face(next(reversed(CATS)))))
    (out / "cats").mkdir()
    for name in CATS:
        if photo_of(name).suffix == ".jpg":
            shutil.copyfile(photo_of(name), out / "cats" / photo_of(name).name)  # no modes, which some disks refuse


def _write_manifest(out: Path, content: dict, networks: dict[str, dict[str, str]], weights: str) -> None:
    """`mixer.json`: what there is, and each file's length and hash; the service worker gets the hash of it all."""
    files = {}
    for path in sorted(path for path in out.rglob("*") if path.is_file()):
        raw = path.read_bytes()
        files[path.relative_to(out).as_posix()] = {"bytes": len(raw), "hash": hashlib.sha256(raw).hexdigest()[:12]}
    for name, row in content["variants"].items():
        row["networks"] = networks[name]
    version = hashlib.sha256(json.dumps([files, content]).encode()).hexdigest()[:12]
    worker = out / "sw.js"
    worker.write_text(worker.read_text("utf-8").replace("VERSION", version, 1), "utf-8")
    content |= {"version": version, "weights": weights, "files": files}
    (out / MANIFEST).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
