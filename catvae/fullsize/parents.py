"""The two cats of a mix at full size: their photos' cuts, the small faces that the models see, their landmarks."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from catvae.errors import SettingError
from catvae.fullsize.composition import MARGIN, Scene, prepare
from catvae.fullsize.movement import load_movement
from catvae.images import data_uri, is_cut, to_pil, to_tensor
from catvae.model import IMAGE_SIZE, CatVAE
from catvae.photos.faces import Face, adjust, align, best_face
from catvae.photos.landmarks import SIDE, VIEW, find_landmarks, fit_squares

SIZES = range(IMAGE_SIZE, 513, 8)  # pixels a side; the margin is whole pixels
SMALL = 72  # pixels; a face of no more is taken for one of 64×64


@dataclass(frozen=True)
class Parent:
    """A cat: its face as models see it, 64×64; the same frame with a margin of its photo around it, or None where it
    exists at 64×64 only; its eyes and nose (3, 2) in shares of the frame; and whether it is a face, not the middle of a
    picture without one."""

    face: Image.Image
    photo: Image.Image | None
    landmarks: Tensor
    is_face: bool = True


def check_size(size: float) -> int:
    """Raises SettingError for anything but a multiple of 8 from 64 to 512."""
    if isinstance(size, bool) or size not in SIZES:
        raise SettingError(f"size must be a multiple of 8 from {SIZES[0]} to {SIZES[-1]} pixels, not {size!r}")
    return int(size)


def parent_of(picture: Image.Image, size: int = 256, face: Face | None = None) -> Parent:
    """A face of an RGB picture, by default the best or else the centre square, with its photo at that size.

    A photo with fewer pixels is enlarged smoothly; one of a face of at most 72 pixels is none. Raises SettingError
    for a size that cannot be, CheckpointError for missing weights.
    """
    size = check_size(size)
    face = face or best_face(picture)
    is_face = is_cut(picture) or face.score > 0
    left, _, right, _ = face.box
    photo = align(picture, face, size, MARGIN) if right - left > SMALL else None
    cut = picture if is_cut(picture) else align(picture, face)
    return Parent(cut, photo, _landmarks(picture, face), is_face)


def _landmarks(picture: Image.Image, face: Face) -> Tensor:
    """Eyes and nose (3, 2) in shares of the face's frame: the mean of two looks, the second with the square set by the
    first."""
    first = find_landmarks(_view(picture, face))
    x, y, growth, turn = fit_squares(first)[0].tolist()
    zoom = math.exp(-growth)
    second = adjust(adjust(face, right=x, down=y), zoom=zoom, turn=math.degrees(turn))
    try:
        found = find_landmarks(_view(picture, second))[0] - 0.5
    except ValueError:  # its centre lies outside the photo
        return first[0]
    cos, sin = math.cos(turn) / zoom, math.sin(turn) / zoom
    return (first[0] + found @ torch.tensor([[cos, sin], [-sin, cos]]) + torch.tensor([x, y]) + 0.5) / 2


def _view(picture: Image.Image, face: Face) -> Tensor:
    return to_tensor([align(picture, face, round(SIDE / VIEW), (VIEW - 1) / 2)])


@torch.inference_mode()
def scene_of(parents: Sequence[Parent], size: int, painter: CatVAE | None = None) -> Scene:
    """What the pictures between two cats are made of.

    For a cat that exists at 64×64 only stands what `painter` (v7) makes of its face, or the face itself, enlarged.
    """
    wide = round(size * (1 + 2 * MARGIN))
    photos = torch.cat(
        [
            _enlarged(parent.face, wide, painter) if parent.photo is None else to_tensor([parent.photo])
            for parent in parents
        ]
    )
    landmarks = torch.stack([parent.landmarks for parent in parents])
    faces = to_tensor([parent.face for parent in parents])
    return prepare(photos, load_movement()(faces[None], landmarks[None]), landmarks)


def parts_of(scene: Scene, options: Mapping[str, int]) -> dict[str, list]:
    """What `warp.js` draws from but for the model's strip, as JSON takes it: "photos", two addresses that need no file,
    "velocity", 2·32·32 numbers in sides, and "landmarks", 2·3·2 in shares of the frame. `options` are of the photos as
    WebP."""
    return {
        "photos": [data_uri(photo, "WEBP", **options) for photo in to_pil(scene.photos)],
        "velocity": [round(value, 4) for value in scene.velocity.flatten().tolist()],
        "landmarks": [round(value, 4) for value in scene.landmarks.flatten().tolist()],
    }


def _enlarged(face: Image.Image, wide: int, painter: CatVAE | None) -> Tensor:
    """A face (1, 3, wide, wide) with its margin, which is mirrored."""
    picture = to_tensor([face])
    if painter is not None:
        picture = painter.decode(painter.encode(picture)[0])
    around = round(IMAGE_SIZE * MARGIN)
    picture = F.pad(picture, (around, around, around, around), mode="reflect")
    return F.interpolate(picture, size=(wide, wide), mode="bicubic", align_corners=False).clamp(0, 1)
