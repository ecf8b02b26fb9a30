"""Animations of a mix to send and keep."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from catvae.images import save_frames

MAX_GIF_BYTES = 1_000_000  # what messengers send without asking


@dataclass(frozen=True)
class FileKind:
    """How a film is written: frames one way, milliseconds for each, and of how many pixels a side and in how many
    colours, the best first: the next is for a file above `max_bytes`. There and back, all kinds last equally long."""

    mime: str
    frames: int
    frame_ms: int
    sizes: tuple[tuple[int, int], ...]
    max_bytes: int = 10**9


FILE_KINDS = {
    "gif": FileKind("image/gif", 25, 80, ((192, 256), (192, 128), (192, 64), (128, 128), (64, 64)), MAX_GIF_BYTES),
    "webp": FileKind("image/webp", 33, 60, ((256, 256),)),
    "mp4": FileKind("video/mp4", 33, 60, ((512, 256),)),
}


def make_film(frames: Sequence[Image.Image], kind: str) -> bytes:
    """The square frames, as many as the kind ("gif", "webp", "mp4") has, as an animation there and back."""
    how, content = FILE_KINDS[kind], b""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"morph.{kind}"
        for side, colours in how.sizes:
            sized = [frame.resize((side, side), Image.Resampling.BICUBIC) for frame in frames]
            save_frames(sized, path, 1, how.frame_ms, colours)
            content = path.read_bytes()
            if len(content) <= how.max_bytes:
                break
    return content
