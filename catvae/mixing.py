"""From one cat to another through latent space, and the frames as strip, animation or files."""

from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from catvae.images import open_image, to_pil, to_tensor
from catvae.model import CatVAE
from catvae.photos.faces import cut_face

FRAME_MS = 120


def lerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """Straight line from latent `a` to `b`, each (D,), at the shares `t` (N,) of b: (N, D)."""
    return torch.lerp(a, b, t[:, None])


def slerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """As `lerp`, turning from the direction of `a` to that of `b` at constant speed.

    Shoemake (1985), https://doi.org/10.1145/325165.325242. Nearly parallel latents, and the
    origin, which has no direction, fall back to the straight line.
    """
    angle = torch.acos(torch.cosine_similarity(a, b, dim=0).clamp(-1, 1))
    if angle.sin() < 1e-4 or not (a.any() and b.any()):
        return lerp(a, b, t)
    t = t[:, None]
    return (torch.sin((1 - t) * angle) * a + torch.sin(t * angle) * b) / angle.sin()


METHODS = {"lerp": lerp, "slerp": slerp}


@torch.inference_mode()
def mix(model: CatVAE, image_a, image_b, steps: int = 9, method: str = "lerp") -> list[Image.Image]:
    """`steps` 64×64 frames from the reconstruction of cat A to that of cat B.

    Pictures are anything `open_image` takes; their best face is cut as `cut_face` does. The path runs
    between posterior means ("lerp": straight, the safe default, or "slerp"), so it is free of
    noise and the same at every call.

    Raises ImageError for a picture that cannot be used, ValueError for fewer than 2 steps or an
    unknown method.
    """
    if isinstance(steps, bool) or int(steps) != steps or steps < 2:
        raise ValueError(f"steps must be a whole number of at least 2, not {steps!r}")
    if method not in METHODS:
        raise ValueError(f"method must be one of {sorted(METHODS)}, not {method!r}")
    x = to_tensor([cut_face(open_image(image)) for image in (image_a, image_b)])
    mu = model.to_mu(model.encoder(x))  # as `encode` without logvar, a quarter of its work
    path = METHODS[method](mu[0], mu[1], torch.linspace(0, 1, int(steps)))
    return to_pil(model.decode(path))


def make_strip(frames: list[Image.Image]) -> Image.Image:
    """The frames side by side in one picture."""
    width, height = frames[0].size
    strip = Image.new("RGB", (width * len(frames), height))
    for i, frame in enumerate(frames):
        strip.paste(frame, (i * width, 0))
    return strip


def save_frames(frames: list[Image.Image], out: Path, scale: int = 1) -> None:
    """Write frames as the name of `out` says: .gif, .webp or .mp4 animated, there and back, a folder
    of PNGs where the name has no suffix, else a strip in that picture format (.png, .jpg).

    `scale` enlarges each frame that many times. Raises ValueError for an unknown format.
    """
    frames = [frame.resize((frame.width * scale, frame.height * scale), Image.Resampling.BICUBIC) for frame in frames]
    if not out.suffix:
        out.mkdir(parents=True, exist_ok=True)
        for i, frame in enumerate(frames):
            frame.save(out / f"{i:03d}.png")
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    there_and_back = frames + frames[-2:0:-1]
    if out.suffix.lower() == ".mp4":
        return _save_video(there_and_back, out)
    if out.suffix.lower() in {".gif", ".webp"}:
        options = {"quality": 90} if out.suffix.lower() == ".webp" else {}
        frames[0].save(out, save_all=True, append_images=there_and_back[1:], duration=FRAME_MS, loop=0, **options)
        return
    make_strip(frames).save(out)


def _save_video(frames: list[Image.Image], out: Path) -> None:
    """H.264 in the colour format that phones play. Sides must be even."""
    import av  # slow to import, and only needed here

    with av.open(str(out), "w") as video:
        stream = video.add_stream("libx264", rate=round(1000 / FRAME_MS * 2), options={"crf": "18"})
        stream.width, stream.height, stream.pix_fmt = *frames[0].size, "yuv420p"
        for frame in [*frames, frames[0]]:
            for packet in stream.encode(av.VideoFrame.from_image(frame)):
                video.mux(packet)
        for packet in stream.encode(None):
            video.mux(packet)
