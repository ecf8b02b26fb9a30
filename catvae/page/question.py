"""What the front asks of the app: read once, checked, and refused in the visitor's words."""

import json
import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any

from PIL import Image
from starlette.requests import Request

from catvae.fullsize.parents import SIZES
from catvae.images import is_cut
from catvae.page.addresses import too_many_parts
from catvae.page.cutting import face_at
from catvae.page.mixes import Picture
from catvae.page.visitor import language_for, read, refuse
from catvae.photos.faces import whole_picture
from catvae.serving.links import CATS, example_face
from catvae.serving.sweep import temp_folder
from catvae.serving.texts import TEXTS

CAT = "{cat}"  # in sentences: the page knows whether it is A or B


class PhotoGone(Exception):
    """A photo that has left the server: its sender has it."""


@dataclass(frozen=True)
class Question:
    """A request's body, the parameters of its address, and the words of its visitor's language."""

    body: bytes
    params: Mapping[str, str]
    words: dict[str, str]

    @classmethod
    async def of(cls, request: Request) -> "Question":
        return cls(await request.body(), request.query_params, TEXTS[language_for(request)])

    @cached_property
    def told(self) -> dict[str, Any]:
        """The body as an object; without a body, the examples A and B by their names in the address."""
        return parse(self.body) if self.body else {letter: {"cat": self.params.get(letter)} for letter in "ab"}

    @property
    def most(self) -> int:
        """As how many pixels a side the front shows a mix at most."""
        told = self.params.get("most", "")
        return int(told) if told in map(str, SIZES) else SIZES[-1]

    def faces(self, letters: str = "ab") -> list[Image.Image]:
        """The faces of A and B, 64×64: {"cat"} an example, {"face"} a picture in base64. Raises gr.Error for others."""
        return [self.face(letter) for letter in letters]

    def face(self, key: str) -> Image.Image:
        told, letter = self._cat(key), key.upper() if len(key) == 1 else CAT
        name, face = told.get("cat"), told.get("face")
        if isinstance(name, str):
            if name not in CATS:
                raise refuse(self.words, "embed_gone")
            return example_face(name)
        if not isinstance(face, str):
            raise refuse(self.words, "missing", cat=letter)
        try:
            image = read(b64decode(face, validate=True), letter, self.words)
        except (Base64Error, ValueError) as error:
            raise refuse(self.words, "unreadable", cat=letter) from error
        if not is_cut(image):
            raise refuse(self.words, "unreadable", cat=letter)
        return image

    def photos(self) -> list[str | Picture]:
        """A and B with their photos: {"cat"} an example, {"key", "square"} a photo that was sent, {"face"} a picture of
        64×64 pixels. Raises gr.Error, and PhotoGone."""
        return [self._photo(letter) for letter in "ab"]

    def _photo(self, letter: str) -> str | Picture:
        told = self._cat(letter)
        if "key" in told:
            image = read(sent_photo(told["key"]), letter.upper(), self.words)
            return image, face_at(image, told.get("square"), self.words)
        face = self.face(letter)  # which says what is wrong
        return told["cat"] if isinstance(told.get("cat"), str) else (face, whole_picture(face))

    def _cat(self, key: str) -> dict[str, Any]:
        told = self.told.get(key)
        return told if isinstance(told, dict) else {}


def parse(body: bytes) -> dict[str, Any]:
    """The object in a body; an empty one for anything else."""
    try:
        told = {} if too_many_parts(body) else json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def keep_photo(content: bytes) -> str:
    """The key of a photo, a hash of its content. It is kept for an hour; who sends it again keeps it for longer."""
    folder = temp_folder() / "front"
    folder.mkdir(parents=True, exist_ok=True)
    key = sha256(content).hexdigest()
    (folder / key).write_bytes(content)
    return key


def sent_photo(key: Any) -> str:
    """Where the photo of a key lies. Raises PhotoGone where it does not (any more)."""
    path = temp_folder() / "front" / key if isinstance(key, str) and re.fullmatch("[0-9a-f]{64}", key) else None
    if path is None or not path.is_file():
        raise PhotoGone
    return str(path)
