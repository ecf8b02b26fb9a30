"""Faces cut from photos: by the squares that are found, by one that a visitor drew, or as /cut is asked."""

import math
from typing import Any

from PIL import Image

from catvae.page.components import Picture
from catvae.page.visitor import read, refuse
from catvae.photos.faces import SURE, Face, adjust, align, find_faces, to_shares, whole_picture

MAX_NUMBER = 100  # of a face; counting goes round
NEUTRAL = (1, 0, 0, 0)  # zoom, right, down, turn
SHOWN_SIDE = 1024  # pixels of the longer side of the copy that the page draws


def on_photo(image: Image.Image) -> tuple[dict[str, Any], Image.Image, Face]:
    """What the card needs to draw squares on a photo: the squares of the faces found, the best first, and of the
    whole picture, which of them is cut (0: the whole); a copy of the photo to draw on; and the square that is cut."""
    found, whole = find_faces(image), whole_picture(image)
    copy = image.copy()
    copy.thumbnail((SHOWN_SIDE, SHOWN_SIDE))
    faces = [{**to_shares(face, image), "sure": face.score >= SURE} for face in found]
    told = {"faces": faces, "whole": to_shares(whole, image), "number": 1 if found else 0}
    return told, copy, found[0] if found else whole


def cut_at(letter: str, photo: Picture, square: Any, words: dict[str, str]) -> Image.Image:
    """The face in the square that a card drew, cut from the photo as it came. Raises gr.Error for a bad one."""
    image = read(photo, letter, words)
    try:
        return align(image, face_at(image, square, words))
    except ValueError as error:
        raise refuse(words, "bad_square") from error


def face_at(image: Image.Image, square: Any, words: dict[str, str]) -> Face:
    """The square that a card drew on a photo. Raises gr.Error for a bad one."""
    said = [square.get(key) for key in ("x", "y", "side", "turn")] if isinstance(square, dict) else []
    values = [value for value in said if isinstance(value, (int, float)) and math.isfinite(value)]
    if len(values) < 4:
        raise refuse(words, "bad_square")
    x, y, side, turn = values[0] * image.width, values[1] * image.height, values[2] * image.width, values[3]
    if not (0 < side <= 4 * max(image.size) and 0 <= x <= image.width and 0 <= y <= image.height):
        raise refuse(words, "bad_square")
    return Face((x - side / 2, y - side / 2, x + side / 2, y + side / 2), 0.0, turn)


def cut_square(
    letter: str, photo: Picture, number: int, adjustment: tuple[float, ...], words: dict[str, str]
) -> tuple[Image.Image, str, int]:
    """For programs: the face `number` of a photo, its square adjusted by (zoom, right, down, turn); what was found,
    in words; its number. Raises gr.Error in the visitor's words for what cannot be cut."""
    bounds = ((0, MAX_NUMBER), (0.5, 4), (-1, 1), (-1, 1), (-180, 180))
    for value, (low, high) in zip((number, *adjustment), bounds, strict=True):
        if not isinstance(value, (int, float)) or not low <= value <= high:
            raise refuse(words, "bad_adjustment")
    image = read(photo, letter, words)
    found, number = find_faces(image), int(number)
    number = (number - 1) % len(found) + 1 if number and found else 0
    square = found[number - 1] if number else whole_picture(image)
    if adjustment != NEUTRAL:
        square = adjust(square, **dict(zip(("zoom", "right", "down", "turn"), adjustment, strict=True)))
    try:
        return align(image, square), describe(found, number, words), number
    except ValueError as error:
        raise refuse(words, "outside") from error


def describe(found: list[Face], number: int, words: dict[str, str]) -> str:
    """What a program is told of the face `number`, 1 being the best and 0 the whole picture."""
    if not found:
        return words["face_none"]
    if number == 0:
        return words["face_whole"]
    note = words["face_found"] if len(found) == 1 else words["face_of"].format(number=number, count=len(found))
    return f"{note} {words['face_unsure']}" if found[number - 1].score < SURE else note
