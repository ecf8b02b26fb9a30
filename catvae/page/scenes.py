"""Both cats of a mix at full size: for the front, which draws the mix itself, for films and for previews."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from PIL import Image

from catvae.fullsize.parents import SIZES, Parent, parent_of, parts_of, scene_of
from catvae.mixing import mix_photos
from catvae.model import find_painter
from catvae.page.morph import MIXING
from catvae.photos.decode import open_image
from catvae.photos.faces import Face, best_face
from catvae.serving.links import CATS
from catvae.serving.weights import WeightSet

SMALLEST = 128  # pixels a side
SMALL_FRAME = 256  # what the small page of a post asks for at most
LARGE, FEW_BYTES = ({"quality": 82, "method": 2}, {"quality": 75, "method": 4})  # photos as WebP, 37 and 35 dB
Picture = tuple[Image.Image, Face]  # a photo and the square of the face in it


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
