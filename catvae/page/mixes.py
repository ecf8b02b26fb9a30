"""What lies between two cats, as the page and its previews show it: a model's frames, and the mix at full size."""

from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256
from threading import Semaphore
from typing import Any

from PIL import Image

from catvae.fullsize.parents import SIZES, Parent, parent_of, parts_of, scene_of
from catvae.images import make_strip, to_bytes
from catvae.machine import RUNNING_AT_ONCE
from catvae.mixing import interpolate, mix_photos
from catvae.model import find_painter
from catvae.photos.decode import open_image
from catvae.photos.faces import Face, best_face
from catvae.serving.links import CATS
from catvae.serving.weights import WeightSet

MORPH_FRAMES = 17  # the browser fades between neighbours, which is within 54 dB of the true picture
QUICK = {"kind": "JPEG", "quality": 92, "subsampling": 0}  # 42 dB, in a tenth of the time of WebP
LIGHT = {"kind": "WEBP", "quality": 90, "method": 0}  # 39 dB, a third smaller
MIXING = Semaphore(RUNNING_AT_ONCE)  # the page's mix does not go through the queue, which takes twice the time
SMALLEST = 128  # pixels a side
SMALL_FRAME = 256  # what the small page of a post asks for at most
LARGE, FEW_BYTES = ({"quality": 82, "method": 2}, {"quality": 75, "method": 4})  # photos as WebP, 37 and 35 dB
Picture = tuple[Image.Image, Face]  # a photo and the square of the face in it


def shares(count: int, words: dict[str, str]) -> list[str]:
    """What `count` frames are called: the share of cat B in each, in words, halves rounded up as browsers do."""
    return [words["share"].format(percent=int(100 * i / (count - 1) + 0.5)) for i in range(count)]


def draw_way(
    current: WeightSet, name: str, faces: Sequence[Image.Image], method: str, count: int = MORPH_FRAMES
) -> list[Image.Image]:
    """`count` frames between two 64×64 faces by a model."""
    with MIXING:
        return interpolate(current.models[name], faces, count, method)


def draw_morph(current: WeightSet, name: str, faces: Sequence[Image.Image], method: str, light: bool = False) -> bytes:
    """The frames of the morph side by side, each 64×64, as JPEG, or, `light`, as WebP. Of what these weights drew
    recently nothing is drawn again."""
    options = LIGHT if light else QUICK
    wanted = ("morph", options["kind"], name, method, *(sha256(face.tobytes()).digest() for face in faces))
    return current.recent.get(wanted, lambda: to_bytes(make_strip(draw_way(current, name, faces, method)), **options))


@lru_cache(maxsize=64)
def example(name: str) -> Picture:
    """The photo of an example cat, or its picture of 64×64, and its face."""
    picture = open_image(CATS[name])
    return picture, best_face(picture)


@lru_cache(maxsize=64)
def example_parent(name: str, size: int) -> Parent:
    picture, face = example(name)
    return parent_of(picture, size, face)


def size_for(pictures: Sequence[Picture], most: int = SIZES[-1]) -> int:
    """The side at which nothing of the larger face is lost, as far as that can be."""
    side = max(face.box[2] - face.box[0] for _, face in pictures)
    return int(min(most, max(SMALLEST, -(-side // SIZES.step) * SIZES.step)))


def parents_of(cats: Sequence[str | Picture], most: int = SIZES[-1]) -> tuple[list[Parent], int]:
    """Two cats, each the name of an example or a photo with its face, at one size, and that size."""
    pictures = [example(cat) if isinstance(cat, str) else cat for cat in cats]
    size = size_for(pictures, most)
    parents = [example_parent(cat, size) if isinstance(cat, str) else parent_of(cat[0], size, cat[1]) for cat in cats]
    return parents, size


def tell_scene(current: WeightSet, cats: Sequence[str | Picture], most: int = SIZES[-1]) -> dict[str, Any]:
    """What the front draws a mix of at most `most` pixels from (`parts_of`), and which of the cats exist at 64×64 only
    ("painted")."""
    with MIXING:
        parents, size = parents_of(cats, most)
        scene = scene_of(parents, size, find_painter(current.models))
    options = LARGE if most > SMALL_FRAME else FEW_BYTES
    return {**parts_of(scene, options), "painted": [parent.photo is None for parent in parents]}


def draw_full(
    current: WeightSet,
    model: str,
    cats: Sequence[str | Picture],
    method: str,
    count: int,
    most: int,
    fur: float | None = None,
) -> list[Image.Image]:
    """`count` frames of a mix at full size, at most `most` pixels a side; `fur` is B's share in the fur of all."""
    with MIXING:
        parents, size = parents_of(cats, most)
        return mix_photos(current.models[model], parents, count, method, size, find_painter(current.models), fur)
