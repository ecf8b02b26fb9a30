"""Tensors to pictures and back; pictures as files, strips and animations."""

from base64 import b64encode
from collections.abc import Sequence
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from catvae.errors import SettingError
from catvae.model import IMAGE_SIZE

FRAME_MS = 120


def is_cut(image: Image.Image) -> bool:
    """Whether a picture is as small as the faces of the training data."""
    return image.size == (IMAGE_SIZE, IMAGE_SIZE)


def to_face(image: Image.Image) -> Image.Image:
    """The centre square of an RGB picture at 64×64; pictures of that size pass unchanged."""
    if is_cut(image):
        return image
    return ImageOps.fit(image, (IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.LANCZOS)


def to_bytes(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    """A picture as a file of that kind, with Pillow's options for it."""
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def data_uri(image: Image.Image, kind: str = "PNG", **options) -> str:
    """A picture inside an address, for HTML that needs no file."""
    return f"data:image/{kind.lower()};base64,{b64encode(to_bytes(image, kind, **options)).decode()}"


def to_tensor(faces: Sequence[Image.Image]) -> Tensor:
    """RGB pictures of one size to floats in [0, 1], (N, 3, H, W)."""
    pixels = np.stack([np.asarray(face) for face in faces])
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255


def to_pil(images: Tensor) -> list[Image.Image]:
    """Images in [0, 1], (N, 3, H, W), to RGB pictures."""
    pixels = images.detach().clamp(0, 1).mul(255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    return [Image.fromarray(array) for array in pixels]


def make_strip(frames: list[Image.Image]) -> Image.Image:
    """The frames side by side in one picture."""
    width, height = frames[0].size
    strip = Image.new("RGB", (width * len(frames), height))
    for i, frame in enumerate(frames):
        strip.paste(frame, (i * width, 0))
    return strip


def make_sheet(rows: Sequence[Sequence[Image.Image]], scale: int = 2) -> Image.Image:
    """Rows of frames of one size below each other, each pixel enlarged `scale` times."""
    strips = [make_strip(list(row)) for row in rows]
    sheet = Image.new("RGB", (max(strip.width for strip in strips), sum(strip.height for strip in strips)))
    for i, strip in enumerate(strips):
        sheet.paste(strip, (0, i * strip.height))
    return sheet.resize((sheet.width * scale, sheet.height * scale), Image.Resampling.BICUBIC)


def save_frames(
    frames: list[Image.Image], out: Path, scale: int = 1, frame_ms: int = FRAME_MS, colours: int = 256
) -> None:
    """Write frames as the name of `out` says: .gif, .webp or .mp4 animated, there and back, a folder
    of PNGs where the name has no suffix, else a strip in that picture format (.png, .jpg).

    `scale` enlarges each frame that many times; `frame_ms`, a multiple of 10 as GIF counts time, is how long an
    animation shows each, so that all kinds of one mix last equally long; `colours`, at most 256, is for GIF.
    Raises SettingError for an unknown format.
    """
    kind = out.suffix.lower()
    if kind and kind not in {".mp4", *Image.registered_extensions()}:
        raise SettingError(f"{out}: {out.suffix} is no format of pictures; try .png, .jpg, .gif, .webp or .mp4")
    frames = [enlarge(frame, frame.width * scale) for frame in frames]
    if not kind:
        out.mkdir(parents=True, exist_ok=True)
        for i, frame in enumerate(frames):
            frame.save(out / f"{i:03d}.png")
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    if kind == ".gif":
        frames = share_palette(frames, colours)
    there_and_back = frames + frames[-2:0:-1]
    if kind == ".mp4":
        return _save_video(there_and_back, out, frame_ms)
    if kind in {".gif", ".webp"}:
        options: dict[str, Any] = {"quality": 90} if kind == ".webp" else {"optimize": False}
        frames[0].save(out, save_all=True, append_images=there_and_back[1:], duration=frame_ms, loop=0, **options)
        return
    make_strip(frames).save(out)


def enlarge(frame: Image.Image, side: int) -> Image.Image:
    """A square picture at that side, smoothly."""
    return frame.resize((side, side), Image.Resampling.BICUBIC)


def share_palette(frames: list[Image.Image], colours: int = 256) -> list[Image.Image]:
    """The frames with one palette for all, so that what stands still does not flicker, and a GIF of them is small."""
    sample = frames[:: max(1, len(frames) // 6)]  # neighbours have the same colours
    strip = make_strip([frame.resize((IMAGE_SIZE, IMAGE_SIZE)) for frame in sample])
    palette = strip.quantize(colours, kmeans=1)
    return [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]


def _save_video(frames: list[Image.Image], out: Path, frame_ms: int) -> None:
    """H.264 in the colour format that phones play. Sides must be even."""
    import av  # slow to import, and only needed here

    with av.open(str(out), "w") as video:
        stream = video.add_stream("libx264", rate=Fraction(1000, frame_ms), options={"crf": "18"})
        stream.width, stream.height, stream.pix_fmt = *frames[0].size, "yuv420p"
        for frame in frames:
            for packet in stream.encode(av.VideoFrame.from_image(frame)):
                video.mux(packet)
        for packet in stream.encode(None):
            video.mux(packet)
