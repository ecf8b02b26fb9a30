"""How mixes at full size come out, on photos that nothing learned from.

python -m benchmarks.fullsize

A photo against itself, both bent by one smooth field (4×4 control points in the frame) in opposite ways and one of
them toned anew: PSNR of the picture half way against the true one. Pairs of cats whose eyes and noses were marked by
hand (`landmarks.csv`: two rows after each other are a pair): how far those of the two are apart half way, how sharp the
picture is beside its parents, and whether anything folds. Beside all that a cross-fade. Then times.
"""

import argparse
import math
import shutil
import statistics
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from playwright.sync_api import sync_playwright
from torch import Tensor

from catvae import load_variant, open_image
from catvae.files import ROOT
from catvae.fullsize.composition import MARGIN
from catvae.fullsize.movement import centres, flow, landmark_velocity, sample
from catvae.fullsize.parents import Parent, parent_of, scene_of
from catvae.images import to_pil, to_tensor
from catvae.metrics import psnr, sharpness
from catvae.mixing import interpolate, mix_photos
from catvae.model import CatVAE
from catvae.photos.faces import Face, align, find_faces
from catvae.photos.landmarks import STANDARD
from catvae.training.landmarks import read_marks

PHOTOS = ROOT.parent / "shared" / "data" / "oxford-cats" / "photos"
MARKS = Path(__file__).with_name("landmarks.csv")
SIZE = 256
BEND = 0.02  # sides; how far a control point moves on either side, its standard deviation: 6 % at most, about
AROUND = 0.25  # sides, of the photo around a frame that is bent


def jacobian(velocity: Tensor, time: float = 1.0, size: int = 256) -> Tensor:
    """How much the flow over a time stretches areas, at size² places of each field: (N, size - 1, size - 1)."""
    moved = flow(velocity, torch.full_like(velocity[:, 0, 0, 0], time))
    places = centres(size, moved.device) + F.interpolate(moved, size=(size, size), mode="bilinear", align_corners=False)
    across, down = places.diff(dim=3)[:, :, :-1] * size, places.diff(dim=2)[:, :, :, :-1] * size
    return across[:, 0] * down[:, 1] - across[:, 1] * down[:, 0]


def face_at(picture: Image.Image, marks: Tensor) -> tuple[Face, Tensor] | None:
    """The found face in which the marks lie, and these in shares of its frame; None where none has them."""
    for face in find_faces(picture):
        places = face.within(marks)
        if ((places > 0) & (places < 1)).all():
            return face, places
    return None


def moved(points: Tensor, velocity: Tensor, share: float) -> Tensor:
    """Where places (3, 2) of the frame are after a time."""
    displacement = flow(velocity, torch.tensor([share]))
    return points + sample(displacement, points.mT[None, :, None])[0, :, 0].mT


def halfway(parents: list[Parent], model: CatVAE) -> Tensor:
    """The picture half way, (1, 3, S, S)."""
    return to_tensor([mix_photos(model, parents, 3, size=SIZE)[1]])


def tone(picture: Tensor, generator: torch.Generator) -> Tensor:
    """Another light: each colour's gain and gamma, and a gradient over the picture."""
    gain = 1 + 0.15 * torch.randn(1, 3, 1, 1, generator=generator)
    gamma = (0.2 * torch.randn(1, 1, 1, 1, generator=generator)).exp()
    slope = 0.15 * torch.randn(2, generator=generator)
    light = 1 + ((centres(picture.shape[-1]) - 0.5) * slope[:, None, None]).sum(0)
    return (picture.clamp(1e-4, 1) ** gamma * gain * light).clamp(0, 1)


def known_warps(photos: list[tuple[Image.Image, Face]], model: CatVAE) -> dict[str, list[float]]:
    """PSNR (dB) against the true picture half way, the margins left out: of the mix, of a cross-fade and of v7."""
    generator, found = torch.Generator().manual_seed(0), {"full size": [], "cross-fade": [], "v7": []}
    wide, edge, painter = round(SIZE * (1 + 2 * AROUND)), round(SIZE * AROUND), load_variant("v7")
    frame = Face((edge, edge, edge + SIZE, edge + SIZE), 1.0)
    inner = slice(SIZE // 8, -SIZE // 8)
    for picture, face in photos:
        around = to_tensor([align(picture, face, SIZE, AROUND)])
        field = F.interpolate(
            BEND * torch.randn(1, 2, 6, 6, generator=generator), size=(wide, wide), mode="bicubic", align_corners=True
        ) / (1 + 2 * AROUND)
        other = tone(around, generator)
        bent = []
        for one, sign in ((around, 1), (other, -1)):
            displacement = flow_of(field, sign)
            bent.append(to_pil(sample(one, centres(wide) + displacement, "reflection", "bicubic"))[0])
        truth = ((around + other) / 2)[:, :, edge:-edge, edge:-edge]
        parents = [parent_of(one, SIZE, frame) for one in bent]
        ends = [to_tensor([one])[:, :, edge:-edge, edge:-edge] for one in bent]
        small = interpolate(painter, [parent.face for parent in parents], 3)[1].resize(
            (SIZE, SIZE), Image.Resampling.BICUBIC
        )
        pictures = {"full size": halfway(parents, model), "cross-fade": sum(ends) / 2, "v7": to_tensor([small])}
        for name, shown in pictures.items():
            found[name].append(psnr(shown[..., inner, inner], truth[..., inner, inner]).item())
    return found


def flow_of(velocity: Tensor, time: float) -> Tensor:
    """As `flow`, of a field as large as a picture."""
    displacement, identity = velocity * (time / 64), centres(velocity.shape[-1])
    for _ in range(6):
        displacement = displacement + sample(displacement, identity + displacement)
    return displacement


def times(parents: list[Parent], model: CatVAE, runs: int = 15) -> tuple[float, float]:
    """Median milliseconds of nine frames, by the clock and of the processor."""
    clock, processor = [], []
    for _ in range(runs):
        start, busy = time.perf_counter(), time.process_time()
        mix_photos(model, parents, 9, size=SIZE)
        clock.append(1000 * (time.perf_counter() - start))
        processor.append(1000 * (time.process_time() - busy))
    return statistics.median(clock), statistics.median(processor)


DRAW = """
async ({kind, wide, velocity, landmarks}) => {
  const {createWarp} = await import("/warp.js");
  const noise = (width, height) => {
    const picture = new ImageData(width, height);
    for (let i = 0; i < picture.data.length; i++) picture.data[i] = i % 4 === 3 ? 255 : (i * 7919) % 251;
    return picture;
  };
  const canvas = document.createElement("canvas"), warp = createWarp(canvas, {kind});
  const begun = performance.now();
  warp.set({photos: [noise(wide, wide), noise(wide, wide)], velocity, landmarks, strip: noise(64 * 17, 64), count: 17});
  const ready = performance.now() - begun, times = [], gl = kind === "webgl2" && canvas.getContext("webgl2");
  for (let i = 0; i < 25; i++) {
    const start = performance.now();
    warp.draw(i / 24);
    if (gl) gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));  // waits until it is drawn
    times.push(performance.now() - start);
  }
  return [warp.kind, ready, times.sort((a, b) => a - b)[12]];
}
"""


def browser_times(size: int) -> list[tuple[str, float, float]]:
    """How Chromium draws, milliseconds until it can, and milliseconds a frame, the median, for each kind."""
    script = (ROOT / "catvae" / "web" / "warp.js").read_text("utf-8")
    landmarks = torch.tensor([STANDARD, STANDARD]) + torch.tensor([[[-0.03, 0.02]], [[0.04, -0.03]]])
    velocity = landmark_velocity(landmarks[:1], landmarks[1:])
    values = {"wide": round(size * (1 + 2 * MARGIN)), "landmarks": landmarks.flatten().tolist()}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page()
        page.route("**/warp.js", lambda route: route.fulfill(content_type="text/javascript", body=script))
        page.route("**/page", lambda route: route.fulfill(content_type="text/html", body="<p>"))
        page.goto("http://warp.test/page")
        found = [
            page.evaluate(DRAW, {"kind": kind, "velocity": velocity.flatten().tolist(), **values})
            for kind in ("webgl2", "2d")
        ]
        browser.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fullsize", description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=Path, default=PHOTOS)
    parser.add_argument("--marks", type=Path, default=MARKS)
    parser.add_argument("--variant", default="v6", help="the model whose pictures say what is coarse")
    parser.add_argument("--known", type=int, default=40, metavar="N", help="photos against themselves")
    parser.add_argument("--browser", type=int, metavar="SIZE", help="only how fast Chromium draws pictures so large")
    args = parser.parse_args()
    torch.set_num_threads(2)
    if args.browser:
        for kind, ready, frame in browser_times(args.browser):
            print(f"Chromium, {args.browser} px, {kind}: ready in {ready:.0f} ms, {frame:.1f} ms a frame")
        return
    model = load_variant(args.variant)
    cats = []
    for file, marks in read_marks(args.marks).items():
        picture = open_image(args.photos / file)
        cats.append((picture, face_at(picture, marks)))
    pairs = [pair for pair in zip(cats[::2], cats[1::2], strict=True) if all(found for _, found in pair)]
    apart: dict[str, list[float]] = {"full size": [], "cross-fade": []}
    sharp, least = [], math.inf
    for pair in pairs:
        parents = [parent_of(picture, SIZE, found[0]) for picture, found in pair]
        marks = [found[1] for _, found in pair]
        velocity = scene_of(parents, SIZE).velocity
        ends = [moved(marks[0], velocity, 0.5), moved(marks[1], velocity, -0.5)]
        apart["full size"].append((ends[0] - ends[1]).norm(dim=1).mean().item())
        apart["cross-fade"].append((marks[0] - marks[1]).norm(dim=1).mean().item())
        least = min(least, *(jacobian(velocity, t, SIZE).min().item() for t in (-1, -0.5, 0.5, 1)))
        frames = to_tensor(mix_photos(model, parents, 3, size=SIZE))
        fade = (frames[:1] + frames[2:]) / 2
        parts = sharpness(torch.cat([frames, fade]))
        sharp.append((parts[1] / parts[[0, 2]].mean()).item() if len(parts) else 0)
        apart.setdefault("sharpness of a cross-fade", []).append((parts[3] / parts[[0, 2]].mean()).item())
    print(f"{len(pairs)} pairs of different cats, {SIZE} px, {args.variant}")
    for name in ("full size", "cross-fade"):
        print(f"eyes and noses apart half way, {name}: {100 * statistics.fmean(apart[name]):.2f} % of the side")
    print(
        f"sharpness half way beside the parents: {statistics.fmean(sharp):.2f}, "
        f"cross-fade {statistics.fmean(apart['sharpness of a cross-fade']):.2f}"
    )
    print(f"least Jacobian: {least:.3f}")
    alone = [(picture, found[0]) for picture, found in cats if found][: args.known]
    for name, values in known_warps(alone, model).items():
        print(f"a photo against itself, {len(alone)} photos, {name}: {statistics.fmean(values):.2f} dB")
    clock, processor = times([parent_of(picture, SIZE, found[0]) for picture, found in pairs[0]], model)
    print(f"nine frames: {clock:.0f} ms by the clock, {processor:.0f} ms of processor time, two threads")


if __name__ == "__main__":
    main()
