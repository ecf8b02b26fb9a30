"""The frames between two cats, drawn once for all who ask."""

from collections.abc import Sequence
from hashlib import sha256
from threading import Semaphore

from PIL import Image

from catvae.images import make_strip, to_bytes
from catvae.machine import RUNNING_AT_ONCE
from catvae.mixing import interpolate
from catvae.serving.weights import WeightSet

MORPH_FRAMES = 17  # the browser fades between neighbours, which is within 54 dB of the true picture
QUICK = {"kind": "WEBP", "quality": 90, "method": 0}  # 39 dB in 3 ms; a fifth smaller than JPEG as near
MIXING = Semaphore(RUNNING_AT_ONCE)  # the page's mix does not go through the queue, which takes twice the time


def shares(count: int, words: dict[str, str]) -> list[str]:
    """What `count` frames are called: the share of cat B in each, in words, halves rounded up as browsers do."""
    return [words["share"].format(percent=int(100 * i / (count - 1) + 0.5)) for i in range(count)]


def draw_way(
    current: WeightSet, name: str, faces: Sequence[Image.Image], method: str, count: int = MORPH_FRAMES
) -> list[Image.Image]:
    """`count` frames between two 64×64 faces by a model."""
    with MIXING:
        return interpolate(current.models[name], faces, count, method)


def draw_morph(current: WeightSet, name: str, faces: Sequence[Image.Image], method: str) -> bytes:
    """The frames of the morph side by side, each 64×64, as WebP. Of what these weights drew recently nothing is
    drawn again."""
    wanted = ("morph", name, method, *(sha256(face.tobytes()).digest() for face in faces))
    return current.recent.get(wanted, lambda: to_bytes(make_strip(draw_way(current, name, faces, method)), **QUICK))
