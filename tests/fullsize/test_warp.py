"""The pictures that a browser draws are those of Python, with WebGL2 and without."""

import base64

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import Browser, Page

from catvae.fullsize.composition import MARGIN, compose, prepare
from catvae.fullsize.movement import landmark_velocity
from catvae.images import to_pil
from catvae.photos.landmarks import STANDARD
from catvae.serving.front import WEB
from tests.conftest import draw_cat

SIDE = 128
DRAW = """
async ({kind, photos, wide, velocity, landmarks, strip, count, shares, side, furs, row}) => {
  const {createWarp} = await import("/warp.js");
  const pixels = (text, width, height) =>
    new ImageData(Uint8ClampedArray.from(atob(text), c => c.charCodeAt(0)), width, height);
  const canvas = document.createElement("canvas"), warp = createWarp(canvas, {kind});
  warp.set({photos: photos.map(text => pixels(text, wide, wide)), velocity, landmarks,
            strip: pixels(strip, 64 * count, 64), count});
  const drawn = [];
  if (row) warp.drawRow(shares, side ?? undefined, furs ?? undefined);
  for (const [i, share] of shares.entries()) {
    if (!row) warp.draw(share, side ?? undefined, furs?.[i]);
    const size = canvas.height, copy = new OffscreenCanvas(size, size).getContext("2d");
    copy.drawImage(canvas, row ? -i * size : 0, 0);
    drawn.push([...copy.getImageData(0, 0, size, size).data]);
  }
  return {kind: warp.kind, side: canvas.height, drawn};
}
"""


@pytest.fixture
def page(browser: Browser):
    """An empty page of a site that has the modules."""
    context = browser.new_context()
    page = context.new_page()
    modules = ("warp.js", "warp-canvas.js", "planes.js")
    files = {name: ("text/javascript", (WEB / name).read_text("utf-8")) for name in modules}
    files[""] = ("text/html", "<p>")

    def answer(route):
        kind, text = files[route.request.url.rsplit("/", 1)[1]]
        route.fulfill(content_type=kind, body=text)

    page.route("**/*", answer)
    page.goto("http://warp.test/")
    yield page
    context.close()


def rgba(picture: Image.Image) -> str:
    return base64.b64encode(picture.convert("RGBA").tobytes()).decode()


def draw(
    page: Page, kind: str, photos, velocity, landmarks, strip, shares, side=None, furs=None, row=False
) -> tuple[str, np.ndarray]:
    """Which kind drew, and the pictures (N, S, S, 3)."""
    count = len(strip)
    strip_row = Image.fromarray(np.concatenate([np.asarray(frame) for frame in strip], axis=1))
    answer = page.evaluate(
        DRAW,
        {
            "kind": kind,
            "photos": [rgba(photo) for photo in photos],
            "wide": photos[0].width,
            "velocity": velocity.flatten().tolist(),
            "landmarks": landmarks.flatten().tolist(),
            "strip": rgba(strip_row),
            "count": count,
            "shares": shares,
            "side": side,
            "furs": furs,
            "row": row,
        },
    )
    side = answer["side"]
    return answer["kind"], np.array(answer["drawn"], np.float32).reshape(len(shares), side, side, 4)[..., :3]


def make_pair() -> tuple[list[Image.Image], torch.Tensor, torch.Tensor, list[Image.Image]]:
    wide = round(SIDE * (1 + 2 * MARGIN))
    photos = [draw_cat(seed, wide).convert("RGB") for seed in (1, 2)]
    landmarks = torch.tensor([STANDARD, STANDARD]) + torch.tensor([[[-0.03, 0.02]], [[0.04, -0.03]]])
    landmarks[1, 2, 0] += 0.08
    velocity = landmark_velocity(landmarks[:1], landmarks[1:])
    return photos, velocity, landmarks, [draw_cat(seed, 64).convert("RGB") for seed in (3, 4, 5, 6, 7)]


@pytest.mark.parametrize(("kind", "mean", "most"), [("webgl2", 0.6, 6), ("2d", 1.5, 40)])  # 2d: bilinear, not cubic
def test_browser_draws_what_python_does(page: Page, kind: str, mean: float, most: float):
    photos, velocity, landmarks, strip = make_pair()
    shares = [0, 0.25, 0.5, 0.75, 1]
    pictures = [torch.from_numpy(np.asarray(photo).copy()).permute(2, 0, 1) / 255 for photo in photos]
    models = torch.stack([torch.from_numpy(np.asarray(frame).copy()).permute(2, 0, 1) / 255 for frame in strip])
    scene = prepare(torch.stack(pictures), velocity, landmarks)
    wanted = to_pil(torch.stack(list(compose(scene, models, torch.tensor(shares)))))
    drawn_by, drawn = draw(page, kind, photos, velocity, landmarks, strip, shares)
    assert drawn_by == kind
    for share, picture, frame in zip(shares, drawn, wanted, strict=True):
        difference = np.abs(picture - np.asarray(frame, np.float32))
        assert difference.mean() < mean and difference.max() <= most, (share, difference.mean(), difference.max())
    edge = round(SIDE * MARGIN)
    for picture, photo in ((drawn[0], photos[0]), (drawn[-1], photos[1])):
        cut = np.asarray(photo, np.float32)[edge:-edge, edge:-edge]
        assert np.abs(picture - cut).max() <= 1  # the photos themselves
    assert np.abs(drawn[2] - (drawn[0] + drawn[-1]) / 2).mean() > 3  # no cross-fade


@pytest.mark.parametrize(("kind", "mean", "most"), [("webgl2", 0.6, 6), ("2d", 1.5, 40)])
def test_the_fur_may_be_the_other_cats(page: Page, kind: str, mean: float, most: float):
    photos, velocity, landmarks, strip = make_pair()
    shares, furs = [0, 0.25, 0.5, 1], [1, 0.75, 0.1, 0.4]
    pictures = [torch.from_numpy(np.asarray(photo).copy()).permute(2, 0, 1) / 255 for photo in photos]
    models = torch.stack([torch.from_numpy(np.asarray(frame).copy()).permute(2, 0, 1) / 255 for frame in strip])[
        [0, 1, 2, 4]
    ]
    scene = prepare(torch.stack(pictures), velocity, landmarks)
    wanted = to_pil(torch.stack(list(compose(scene, models, torch.tensor(shares), torch.tensor(furs)))))
    _, drawn = draw(page, kind, photos, velocity, landmarks, strip, shares, furs=furs)
    for share, picture, frame in zip(shares, drawn, wanted, strict=True):
        difference = np.abs(picture - np.asarray(frame, np.float32))
        assert difference.mean() < mean and difference.max() <= most, (share, difference.mean(), difference.max())
    _, same = draw(page, kind, photos, velocity, landmarks, strip, shares, furs=shares)
    _, alone = draw(page, kind, photos, velocity, landmarks, strip, shares)
    assert np.array_equal(same, alone) and np.abs(drawn - alone).mean() > 1


def test_a_share_beyond_the_ends_is_the_end(page: Page):
    photos, velocity, landmarks, strip = make_pair()
    _, drawn = draw(page, "2d", photos, velocity, landmarks, strip, [-1, 0, 1, 2])
    assert np.array_equal(drawn[0], drawn[1]) and np.array_equal(drawn[2], drawn[3])


@pytest.mark.parametrize("kind", ["webgl2", "2d"])
def test_a_smaller_picture_is_the_large_one_shrunk(page: Page, kind: str):
    pair = make_pair()
    _, large = draw(page, kind, *pair, [0.3, 0.5])
    _, small = draw(page, kind, *pair, [0.3, 0.5], SIDE // 4)
    assert small.shape[1] == SIDE // 4
    for picture, whole in zip(small, large, strict=True):
        shrunk = Image.fromarray(whole.astype(np.uint8)).resize((SIDE // 4, SIDE // 4), Image.Resampling.BOX)
        assert np.abs(picture - np.asarray(shrunk, np.float32)).mean() < 4
    _, again = draw(page, kind, *pair, [0.3], 2 * SIDE)
    assert np.array_equal(again[0], large[0])  # not enlarged


@pytest.mark.parametrize("kind", ["webgl2", "2d"])
@pytest.mark.parametrize("side", [SIDE, SIDE // 4])
def test_pictures_side_by_side_are_those_drawn_alone(page: Page, kind: str, side: int):
    pair, shares, furs = make_pair(), [0, 0.4, 1], [0.2, 0.4, 0.9]
    _, alone = draw(page, kind, *pair, shares, side, furs)
    _, row = draw(page, kind, *pair, shares, side, furs, row=True)
    assert row.shape == alone.shape and np.abs(row - alone).max() <= 1
