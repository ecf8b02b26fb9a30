"""Cat faces in photos: find them, and cut them as the training faces are cut.

Two small networks, both learned from displaced training faces alone (`training/aligner.py`). The
finder looks at a pyramid of the photo and guesses squares; the aligner looks at each square, moves,
turns and scales it a few times over, and says how much the result looks like an aligned cat face.
They have never seen a dog: EfficientNet-Lite0, trained on ImageNet, says whether it is a cat.

A square is a row (x, y, side, angle): its centre in pixels, its side in pixels and the angle in
radians by which it is turned clockwise as seen on the screen.
"""

# what torch gives (split, tolist, fft) and safetensors has types that pyright knows in part
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from catvae.images import is_cut, to_face, to_pil
from catvae.model import IMAGE_SIZE
from catvae.photos.landmarks import SIDE, VIEW, find_landmarks, fit_squares
from catvae.photos.networks import Aligner, Finder, load_classifier, load_networks
from catvae.photos.views import cut_squares, cut_views

EYES = ((0.29, 0.41), (0.72, 0.41))  # of the frame, in every training face
FINDER_STRIDE = 8
FINDER_SIDE = 28.0  # pixels; the finder knows faces of 18 to 44, and each pyramid level halves
BOX, LANCZOS = Image.Resampling.BOX, Image.Resampling.LANCZOS
WORKING_SIDE = 640  # pixels; larger photos are searched in a copy of this size
MIN_HEAT = 0.1  # of the finder, for a place to be looked at closer
MAX_PROPOSALS = 12
PASSES = 3  # of the aligner
MIN_FIT = 0.35  # of finder and aligner, for a square to be shown to the classifier
MAX_CLASSIFIED = 3
CAT_VIEW = 1.6  # the classifier sees this much of the square, at 128 pixels
CATS, DOGS = slice(281, 286), slice(151, 269)  # of the ImageNet classes
DOUBT = 0.05  # probability that stands for "neither": the classifier has a thousand answers
MIN_SCORE, SURE = 0.35, 0.5  # below the first it is no cat; from the second on no one is asked whether it is one
MAX_TURN = 4.0  # degrees between a square and the eyes, up to which the square stays


@dataclass(frozen=True)
class Face:
    """A cat face in a photo, in pixels of that photo with the origin at its top left corner.

    `box` is (left, top, right, bottom) of a square, which may reach out of the photo. Turned about
    its centre by `rotation` degrees, clockwise as seen on the screen, it frames the face as the
    training faces are framed. `score` is the confidence in [0, 1]. `eyes` are the left and the
    right one as seen upright, at the places the frame gives them.
    """

    box: tuple[float, float, float, float]
    score: float
    rotation: float = 0.0
    eyes: tuple[tuple[float, float], tuple[float, float]] | None = None

    def within(self, places: Tensor) -> Tensor:
        """Places (N, 2) in pixels of the photo in shares of the turned square, from its top left corner."""
        left, top, right, bottom = self.box
        away = (places - torch.tensor([(left + right) / 2, (top + bottom) / 2])) / (right - left)
        cos, sin = math.cos(math.radians(self.rotation)), math.sin(math.radians(self.rotation))
        return away @ torch.tensor([[cos, -sin], [sin, cos]]) + 0.5


@torch.inference_mode()
def find_faces(image: Image.Image) -> list[Face]:
    """The cat faces in a photo, best first; none if there is no cat face.

    Faces are found when they look at the camera, are tilted by up to about 45° and at least about
    1/30 as wide as the longer side of the photo and 20 pixels. Photos of any mode and size; a
    picture already cut like the training faces comes back as one face that is the whole picture.

    Raises CheckpointError when the networks' weights are missing or broken.
    """
    rgb, levels, shrink = to_pyramid(image)
    scale = torch.tensor([shrink, shrink, shrink, 1.0])
    if _is_small_copy(rgb):
        square = torch.tensor([[rgb.width / 2, rgb.height / 2, float(max(rgb.size)), 0.0]])
        _, aligner = load_networks()
        score = (aligner(cut_views(levels, square))[0, 4].sigmoid() * _catness(levels, square)[0]).item()
        if score > MIN_SCORE:
            return [_to_face(square[0] * scale, score)]
    squares, fit = find_squares(levels)
    scores = fit * _catness(levels, squares)
    squares = _set_upright(levels, squares)
    found = [_to_face(square * scale, score) for square, score in zip(squares, scores.tolist(), strict=True)]
    return sorted((face for face in found if face.score >= MIN_SCORE), key=lambda face: -face.score)


def to_pyramid(image: Image.Image) -> tuple[Image.Image, list[Tensor], float]:
    """A photo in the size in which faces are looked for: as a picture, as (3, H, W) and its halves, and how many times
    smaller it is."""
    rgb = image.convert("RGB")
    shrink = max(1.0, max(rgb.size) / WORKING_SIDE)
    if shrink > 1:
        rgb = rgb.resize((max(1, round(rgb.width / shrink)), max(1, round(rgb.height / shrink))), BOX, reducing_gap=2.0)
    return rgb, _pyramid(_to_pixels(rgb)), shrink


@torch.inference_mode()
def find_squares(levels: list[Tensor]) -> tuple[Tensor, Tensor]:
    """What finder and aligner take for faces, before it is asked whether they are cats' or dogs': up to three squares
    (N, 4) in pixels of the first level, and how well each fits, in [0, 1], (N,), best first."""
    finder, aligner = load_networks()
    height, width = levels[0].shape[1:]
    proposals, heat = _propose(levels, finder)
    squares, fit = _refine(levels, proposals, aligner)
    fit = (heat * fit).sqrt()
    chosen: list[int] = []
    for i in fit.argsort(descending=True).tolist():
        x, y = squares[i, :2].tolist()
        inside = 0 <= x <= width and 0 <= y <= height
        if inside and fit[i] >= MIN_FIT and all(_overlap(squares[i], squares[j]) <= 0.4 for j in chosen):
            chosen.append(i)
    chosen = chosen[:MAX_CLASSIFIED]
    return squares[chosen], fit[chosen]


@torch.inference_mode()
def catness(faces: Tensor) -> Tensor:
    """How much pictures (N, 3, H, W) in [0, 1], each a whole face, look like cats' faces to the networks that find
    them: the confidence in [0, 1], (N,)."""
    _, aligner = load_networks()
    side = faces.shape[-1]
    square = torch.tensor([[side / 2, side / 2, float(side), 0.0]])
    levels = [_pyramid(face) for face in faces]
    fit = aligner(torch.cat([cut_views(level, square) for level in levels]))[:, 4].sigmoid()
    return fit * torch.cat([_catness(level, square) for level in levels])


def align(image: Image.Image, face: Face, size: int = IMAGE_SIZE, margin: float = 0.0) -> Image.Image:
    """The face cut from its photo as the training faces are cut: size×size, RGB, upright.

    With a `margin`, a share of the side, more of the photo is kept on each side of the frame, and the picture is
    larger by twice as much. A face with fewer pixels than that is enlarged smoothly. Where the square leaves the
    photo, the photo goes on mirrored. Raises ValueError when the square is empty or its centre lies outside the photo.
    """
    left, top, right, bottom = face.box
    x, y, side = (left + right) / 2, (top + bottom) / 2, right - left
    if not (side > 0 and 0 <= x <= image.width and 0 <= y <= image.height):
        raise ValueError(f"no square inside the {image.width}×{image.height} photo: {face.box}")
    view = 1 + 2 * margin
    reach = 0.75 * side * view + 4  # half a diagonal, and what the interpolation needs
    corner = (max(0, int(x - reach)), max(0, int(y - reach)))
    end = (min(image.width, math.ceil(x + reach)), min(image.height, math.ceil(y + reach)))
    region = image.crop((*corner, *end)).convert("RGB")
    factor = max(1, int(side / (2 * size)))
    pixels = _to_pixels(region.reduce(factor) if factor > 1 else region)
    square = torch.tensor([[(x - corner[0]) / factor, (y - corner[1]) / factor, side / factor, 0.0]])
    square[0, 3] = math.radians(face.rotation)
    finer = max(1, round(side / factor / size))  # sample every pixel, then average: no aliasing
    cut = cut_squares(pixels, square, round(size * view) * finer, view, mode="bicubic")
    return to_pil(F.avg_pool2d(cut, finer))[0]


def cut_face(image: Image.Image) -> Image.Image:
    """The best face of a picture as `align` cuts it; the centre square where no cat face is found.

    Pictures of 64×64 pass unchanged.
    """
    face = best_face(image)
    return align(image, face) if face.score else to_face(image)


def adjust(face: Face, *, zoom: float = 1.0, right: float = 0.0, down: float = 0.0, turn: float = 0.0) -> Face:
    """The face's square made `zoom` times smaller, moved by shares of its side and turned by degrees,
    right, down and clockwise as seen in the cut face. Its eyes are no longer known."""
    left, top, edge, bottom = face.box
    side, angle = edge - left, math.radians(face.rotation)
    x = (left + edge) / 2 + side * (right * math.cos(angle) - down * math.sin(angle))
    y = (top + bottom) / 2 + side * (right * math.sin(angle) + down * math.cos(angle))
    half = side / zoom / 2
    return Face((x - half, y - half, x + half, y + half), face.score, face.rotation + turn)


def whole_picture(image: Image.Image) -> Face:
    """The centre square of a picture as if it were a face, with score 0."""
    half, x, y = min(image.size) / 2, image.width / 2, image.height / 2
    return Face((x - half, y - half, x + half, y + half), 0.0)


def to_shares(face: Face, image: Image.Image) -> dict[str, float]:
    """A square as pages have it: "x" and "y" of its centre in shares of the photo's width and height, "side" in shares
    of its width, "turn" in degrees clockwise."""
    left, top, right, bottom = face.box
    x, y = (left + right) / 2 / image.width, (top + bottom) / 2 / image.height
    return {"x": x, "y": y, "side": (right - left) / image.width, "turn": face.rotation}


def best_face(image: Image.Image) -> Face:
    """The best face of a picture; all of one of 64×64, and the centre square where no cat face is found."""
    found = [] if is_cut(image) else find_faces(image)
    return found[0] if found else whole_picture(image)


def _to_pixels(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255


def _to_face(square: Tensor, score: float) -> Face:
    x, y, side, angle = square.tolist()
    cos, sin = math.cos(angle) * side, math.sin(angle) * side
    left, right = ((x + (u - 0.5) * cos - (v - 0.5) * sin, y + (u - 0.5) * sin + (v - 0.5) * cos) for u, v in EYES)
    return Face((x - side / 2, y - side / 2, x + side / 2, y + side / 2), score, math.degrees(angle), (left, right))


def _is_small_copy(image: Image.Image) -> bool:
    """Whether a square picture holds no more than 64×64 pixels do: what going through that size
    loses is little beside what going on to 32×32 loses (a third; in photos at least two thirds)."""
    if min(image.size) < IMAGE_SIZE or abs(image.width - image.height) > 0.03 * image.width:
        return False
    image = image.resize((4 * IMAGE_SIZE, 4 * IMAGE_SIZE), LANCZOS) if max(image.size) > 4 * IMAGE_SIZE else image
    lost = min(_lost(image, IMAGE_SIZE, LANCZOS, LANCZOS), _lost(image, IMAGE_SIZE, BOX, Image.Resampling.NEAREST))
    small = image.resize((IMAGE_SIZE, IMAGE_SIZE), LANCZOS)
    return lost < 0.5 * (_lost(small, IMAGE_SIZE // 2, LANCZOS, LANCZOS) + 0.5)


def _lost(image: Image.Image, side: int, down: Image.Resampling, up: Image.Resampling) -> float:
    """Root mean square of what is lost on the way to a side and back, in grey levels."""
    back = image.resize((side, side), down).resize(image.size, up)
    return float((np.asarray(back, np.float32) - np.asarray(image, np.float32)).std())


def _overlap(a: Tensor, b: Tensor) -> float:
    """Shared area of two squares, taken as upright, over that of the smaller one."""
    width, height = ((a[2] + b[2]) / 2 - (a[:2] - b[:2]).abs()).clamp(min=0).clamp(max=min(a[2], b[2])).tolist()
    return width * height / float(min(a[2], b[2])) ** 2


def _catness(levels: list[Tensor], squares: Tensor) -> Tensor:
    """How sure it is that the squares (N, 4) show cats rather than dogs, in [0, 1], (N,); 0.5 for neither."""
    if len(squares) == 0:
        return torch.zeros(0)
    views = cut_views(levels, squares, 128, CAT_VIEW)
    views = views.mul(255).sub(127).div(128).contiguous(memory_format=torch.channels_last)
    answers = load_classifier()(views).softmax(1)
    cat, dog = (answers[:, classes].sum(1) for classes in (CATS, DOGS))
    return (cat + DOUBT) / (cat + dog + 2 * DOUBT)


def _pyramid(pixels: Tensor) -> list[Tensor]:
    """The photo (3, H, W), then each time half as large until no face could be smaller."""
    levels = [pixels]
    while max(levels[-1].shape[1:]) > 48 and min(levels[-1].shape[1:]) > 1:
        levels.append(F.avg_pool2d(levels[-1], 2))
    return levels


def _propose(levels: list[Tensor], finder: Finder) -> tuple[Tensor, Tensor]:
    """Squares (N, 4) worth a closer look, in pixels of the first level, and how sure the finder is, (N,)."""
    heats, squares = [], []
    for number, level in enumerate(levels):
        height, width = level.shape[1:]
        # faces may reach the border: 16 pixels around, and full cells
        margin = (16, 16 + -width % FINDER_STRIDE, 16, 16 + -height % FINDER_STRIDE)
        padded = F.pad(level[None], margin, mode="replicate")
        output = finder(padded.contiguous(memory_format=torch.channels_last))[0]
        heat = output[0].sigmoid()
        peak = (heat >= F.max_pool2d(heat[None], 3, 1, 1)[0]) & (heat > MIN_HEAT)
        row, column = peak.nonzero(as_tuple=True)
        _, x, y, scale, sin, cos = output[:, row, column]
        zoom = 2**number
        x = ((column + 0.5 + x) * FINDER_STRIDE - 16) * zoom
        y = ((row + 0.5 + y) * FINDER_STRIDE - 16) * zoom
        squares.append(torch.stack([x, y, FINDER_SIDE * zoom * scale.exp(), torch.atan2(sin, cos)], 1))
        heats.append(heat[row, column])
    heat, best = torch.cat(heats).sort(descending=True)
    return torch.cat(squares)[best[:MAX_PROPOSALS]], heat[:MAX_PROPOSALS]


def _refine(levels: list[Tensor], squares: Tensor, aligner: Aligner) -> tuple[Tensor, Tensor]:
    """The squares (N, 4) moved onto the faces, and how sure the aligner is of each, (N,)."""
    scores = torch.zeros(len(squares))
    for turn in range(PASSES + 1 if len(squares) else 0):
        output = aligner(cut_views(levels, squares))
        scores = output[:, 4].sigmoid()
        if turn < PASSES:
            squares = _move(squares, output[:, :4])
    return squares, scores


def _set_upright(levels: list[Tensor], squares: Tensor) -> Tensor:
    """Squares (N, 4) turned, moved and scaled by eyes and nose where these say that they are far off."""
    if len(squares) == 0:
        return squares
    missing = fit_squares(find_landmarks(cut_views(levels, squares, SIDE, VIEW)))
    off = missing[:, 3].abs() > math.radians(MAX_TURN)
    return torch.where(off[:, None], _move(squares, missing), squares)


def _move(squares: Tensor, missing: Tensor) -> Tensor:
    x, y, side, angle = squares.unbind(1)
    dx, dy, scale, turn = missing.clamp(-0.6, 0.6).unbind(1)
    x, y = x + side * (dx * angle.cos() - dy * angle.sin()), y + side * (dx * angle.sin() + dy * angle.cos())
    return torch.stack([x, y, side * scale.exp(), angle + turn], 1)
