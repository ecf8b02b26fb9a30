"""Mixes at full size: the photos at the ends, nothing folded, landmarks that meet, sizes and cats without a photo."""

import json
import math
from base64 import b64decode
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.fullsize import jacobian
from catvae import load_variant, mix, open_image
from catvae.__main__ import main
from catvae.errors import CheckpointError, SettingError
from catvae.files import EXAMPLES
from catvae.fullsize import movement
from catvae.fullsize.composition import MARGIN, compose, prepare, resize
from catvae.fullsize.movement import Movement, centres, flow, landmark_velocity, load_movement, sample
from catvae.fullsize.parents import parent_of, parts_of, scene_of
from catvae.images import to_pil, to_tensor
from catvae.metrics import psnr, sharpness
from catvae.photos import landmarks
from catvae.photos.faces import Face, adjust, align, find_faces
from catvae.photos.landmarks import SIDE, STANDARD, VIEW, Landmarks, find_landmarks, fit_squares, load_landmarks

CHELSEA, KITTEN = EXAMPLES / "chelsea.jpg", EXAMPLES / "kitten-01.png"
CHELSEAS = ((171, 115), (318, 136), (261, 240))  # eyes and nose, read off the picture


def random_landmarks(n: int, spread: float, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    a, b = (torch.tensor(STANDARD) + spread * torch.randn(n, 3, 2, generator=generator) for _ in "ab")
    return a, b


def test_landmarks_flow_onto_each_other_and_nothing_folds():
    a, b = random_landmarks(16, 0.04)
    velocity = landmark_velocity(a, b)
    displacement = flow(velocity, torch.ones(16))
    reached = a + sample(displacement, a.mT[:, :, None])[:, :, 0].mT
    assert (reached - b).norm(dim=2).max() < 0.01 < 0.05 < (a - b).norm(dim=2).mean()
    assert jacobian(velocity).min() > 0


def test_a_similarity_of_the_landmarks_is_that_of_the_frame():
    a = torch.tensor([STANDARD])
    angle, scale = 0.2, 1.1
    turn = scale * torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    b = (a - 0.5) @ turn.mT + torch.tensor([0.53, 0.48])
    displacement = flow(landmark_velocity(a, b), torch.ones(1))
    places = torch.tensor([[0.3, 0.3], [0.5, 0.6], [0.7, 0.5]])
    reached = places + sample(displacement, places.mT[None, :, None])[0, :, 0].mT
    assert torch.allclose(reached, (places - 0.5) @ turn.mT + torch.tensor([0.53, 0.48]), atol=3e-3)


def test_exchanged_cats_move_the_other_way():
    torch.manual_seed(0)
    network = Movement().eval()
    torch.nn.init.normal_(network.leave.weight, std=0.1)
    faces = torch.rand(2, 2, 3, 64, 64)
    places = torch.stack(random_landmarks(2, 0.03), 1)
    alone = landmark_velocity(places[:, 0], places[:, 1])
    more, less = network.more(faces, alone), network.more(faces.flip(1), -alone)
    assert more.abs().max() > 0.01 and torch.allclose(more, -less, atol=1e-3)
    # noise and other noise are not alike: the landmarks have to do
    assert torch.equal(network(faces, places), alone)


def test_a_bent_cat_meets_itself():
    """Both ways bent and one paler: the picture half way is the cat, and no cross-fade."""
    photo = to_tensor([align(open_image(CHELSEA), find_faces(open_image(CHELSEA))[0], 128, 0.25)])
    generator = torch.Generator().manual_seed(1)
    bend = torch.nn.functional.interpolate(
        0.05 * torch.randn(1, 2, 5, 5, generator=generator), size=(32, 32), mode="bicubic", align_corners=True
    )
    bent = []
    for time, light in ((0.5, 1.0), (-0.5, 0.8)):
        places = centres(192) + resize(flow(bend, torch.tensor([time])), 192)
        bent.append(sample(photo * light, places, "reflection", "bicubic").clamp(0, 1))
    frame = Face((32, 32, 160, 160), 1.0)
    scene = scene_of([parent_of(to_pil(one)[0], 128, frame) for one in bent], 128)
    still = prepare(scene.photos, torch.zeros_like(scene.velocity), scene.landmarks)
    truth = photo[:, :, 32:-32, 32:-32] * 0.9
    inner = (..., slice(16, -16), slice(16, -16))
    strip = torch.nn.functional.interpolate(truth, size=(64, 64), mode="area")
    moved, faded = (
        psnr(next(compose(one, strip, torch.tensor([0.5])))[None][inner], truth[inner]).item() for one in (scene, still)
    )
    assert moved > faded + 4
    assert min(jacobian(scene.velocity, time).min() for time in (-1, -0.5, 0.5, 1)) > 0


def test_ends_are_the_photos_and_the_middle_is_as_sharp():
    generator = torch.Generator().manual_seed(0)
    photos = torch.rand(2, 3, 160, 160, generator=generator)
    a, b = random_landmarks(1, 0.03)
    scene = prepare(photos, landmark_velocity(a, b), torch.cat([a, b]))
    strip = torch.full((3, 3, 64, 64), 0.5)
    pictures = torch.stack(list(compose(scene, strip, torch.tensor([0.0, 0.5, 1.0]))))
    edge = round(160 * MARGIN / (1 + 2 * MARGIN))
    ends = photos[:, :, edge:-edge, edge:-edge]
    assert torch.allclose(pictures[[0, 2]], ends, atol=1e-5)
    power = sharpness(pictures)[1] / sharpness(ends).mean()
    assert 0.55 < power < 1.1 and sharpness(ends.mean(0, keepdim=True)) / sharpness(ends).mean() < 0.55


def test_a_cat_and_itself_is_that_cat():
    parent = parent_of(open_image(CHELSEA), 128)
    scene = scene_of([parent, parent], 128)
    assert jacobian(scene.velocity).sub(1).abs().max() < 0.02
    frames = mix(load_variant("v6"), CHELSEA, CHELSEA, 3, size=128)
    assert psnr(*(to_tensor([frames[i]]) for i in (0, 1))) > 27  # what is coarse is the model's


def test_mix_at_full_size_goes_from_photo_to_photo():
    photo = open_image(CHELSEA)
    turned = photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    frames = mix(load_variant("v6"), photo, turned, 5, size=256)
    assert [frame.size for frame in frames] == [(256, 256)] * 5
    for picture, frame in ((photo, frames[0]), (turned, frames[-1])):
        cut = align(picture, find_faces(picture)[0], 256)
        assert psnr(to_tensor([frame]), to_tensor([cut])) > 45
    sharp = sharpness(to_tensor(frames))
    assert 0.6 < sharp[2] / sharp[[0, 4]].mean() < 1.2
    other = mix(load_variant("v2"), photo, turned, 3, size=256)
    assert psnr(to_tensor([other[1]]), to_tensor([frames[2]])) < 35  # the model still matters
    assert psnr(to_tensor([other[0]]), to_tensor([frames[0]])) > 45


def test_a_picture_without_a_cat_is_said():
    said: list[str] = []
    mix(load_variant("v6"), Image.new("RGB", (300, 200), "tan"), CHELSEA, 2, size=64, report=said.append)
    assert said == ["cat A: no cat face found, so this is the middle of the picture"]


def test_without_a_size_all_is_as_before():
    assert [frame.size for frame in mix(load_variant("v6"), CHELSEA, KITTEN, 2)] == [(64, 64)] * 2


def test_a_cat_without_a_photo_is_painted_and_that_is_said():
    said: list[str] = []
    frames = mix(load_variant("v6"), KITTEN, CHELSEA, 3, size=128, report=said.append)
    assert said == ["cat A exists at 64×64 pixels only: it is enlarged and painted"]
    painted = mix(load_variant("v7"), KITTEN, CHELSEA, 2)[0].resize((128, 128), Image.Resampling.BICUBIC)
    assert psnr(to_tensor([frames[0]]), to_tensor([painted])) > 30


@pytest.mark.parametrize("size", [0, 63, 100, 520, 256.5, True, math.nan, "256"])
def test_sizes_that_cannot_be(size):
    with pytest.raises(SettingError, match="size must be a multiple of 8 from 64 to 512 pixels"):
        mix(load_variant("v6"), CHELSEA, KITTEN, 2, size=size)


@pytest.mark.parametrize("turn", [0, 10, -20])
def test_eyes_and_nose_are_found(turn: float):
    """Chelsea's, however the square is turned; which they set upright again."""
    photo = open_image(CHELSEA)
    face = adjust(find_faces(photo)[0], turn=turn, right=0.03)
    found = parent_of(photo, 64, face).landmarks
    left, top, right, bottom = face.box
    angle, side = math.radians(face.rotation), right - left
    turned = torch.tensor([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    places = (found - 0.5) @ turned * side + torch.tensor([(left + right) / 2, (top + bottom) / 2])
    assert (places - torch.tensor(CHELSEAS, dtype=torch.float)).norm(dim=1).max() < 0.03 * side


def test_squares_are_fitted_to_landmarks():
    places = torch.tensor(STANDARD) - 0.5
    for x, y, growth, turn in ((0.1, -0.05, 0.2, 0.3), (-0.1, 0.08, -0.15, -0.25)):
        scaled = math.exp(growth) * torch.tensor([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
        seen = places @ scaled.mT + torch.tensor([x, y]) + 0.5
        assert torch.allclose(fit_squares(seen[None]), torch.tensor([[x, y, growth, turn]]), atol=1e-5)


def test_a_turned_cut_is_set_upright():
    photo = open_image(CHELSEA)
    for turn in (-30, -15, 0, 15, 30):
        turned = photo.rotate(-turn, Image.Resampling.BICUBIC, expand=True)
        assert abs(find_faces(turned)[0].rotation - 8 - turn) < 6  # her eyes are 8° off the horizontal


def test_no_face_has_the_standard_landmarks():
    assert torch.allclose(find_landmarks(torch.zeros(1, 3, SIDE, SIDE)), torch.tensor([STANDARD]), atol=0.3)
    assert parent_of(Image.new("RGB", (300, 200), "tan"), 64).landmarks.shape == (3, 2)


def test_the_parts_of_a_scene_go_through_json():
    parents = [parent_of(open_image(path), 64) for path in (CHELSEA, KITTEN)]
    scene = scene_of(parents, 64)
    parts = json.loads(json.dumps(parts_of(scene, {"quality": 82})))
    assert len(parts["velocity"]) == 2 * 32 * 32 and len(parts["landmarks"]) == 12
    assert torch.allclose(torch.tensor(parts["velocity"]), scene.velocity.flatten(), atol=1e-4)
    photos = [open_image(b64decode(address.partition(",")[2])) for address in parts["photos"]]
    assert [photo.size for photo in photos] == [(80, 80)] * 2
    assert psnr(to_tensor(photos), scene.photos).min() > 30


@pytest.mark.parametrize(("nose", "kept"), [(0.72, True), (0.5, True), (0.4, False), (0.9, True), (1.2, False)])
def test_a_flat_face_keeps_its_nose_and_what_is_no_face_has_the_usual_one(nose, kept, monkeypatch):
    """Persians that look up have it between the eyes."""
    said = torch.tensor([[0.29, 0.45], [0.71, 0.45], [0.5, nose]])
    monkeypatch.setattr(landmarks, "load_landmarks", lambda: lambda views: said.expand(len(views), 3, 2))
    found = find_landmarks(torch.zeros(1, 3, SIDE, SIDE))[0]
    assert torch.allclose(found, said if kept else torch.tensor(STANDARD), atol=1e-5)


def test_networks_are_small():
    assert sum(p.numel() for p in Landmarks().parameters()) <= 200_000
    assert sum(p.numel() for p in Movement().parameters()) <= 500_000
    assert landmarks.LANDMARKS_WEIGHTS.stat().st_size + movement.MOVEMENT_WEIGHTS.stat().st_size <= 2_000_000
    assert round(SIDE / VIEW) == 64


@pytest.mark.parametrize(
    ("module", "name", "load"),
    [(landmarks, "LANDMARKS_WEIGHTS", load_landmarks), (movement, "MOVEMENT_WEIGHTS", load_movement)],
)
def test_missing_or_broken_weights_are_named(module, name, load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for content in (None, b"nonsense"):
        path = tmp_path / getattr(module, name).name
        if content:
            path.write_bytes(content)
        monkeypatch.setattr(module, name, path)
        load.cache_clear()
        with pytest.raises(CheckpointError, match=path.name):
            load()
    load.cache_clear()


@pytest.mark.parametrize("out", ["mix.png", "mix.gif", "mix.webp", "mix.mp4"])
def test_the_command_writes_all_kinds(out: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    words = ["catvae", "mix", str(CHELSEA), str(KITTEN), "--size", "64", "--steps", "3", "--out", str(tmp_path / out)]
    monkeypatch.setattr("sys.argv", words)
    main()
    assert (tmp_path / out).stat().st_size > 500
    assert "cat B exists at 64×64 pixels only" in capsys.readouterr().err
    if out == "mix.png":
        with Image.open(tmp_path / out) as strip:
            assert strip.size == (192, 64) and np.asarray(strip).std() > 20


def test_fine_from_one_and_coarse_from_the_other():
    """In the picture at cat A with B's fur what is coarse is A's, what is fine B's; equal shares change nothing."""
    photos = torch.rand(2, 3, 160, 160, generator=torch.Generator().manual_seed(2)) * 0.2
    photos[0] += 0.6  # two furs of other light
    scene = prepare(photos, torch.zeros(1, 2, 32, 32), torch.tensor([STANDARD, STANDARD]))
    strip, shares = torch.rand(3, 3, 64, 64), torch.tensor([0.0, 0.4, 1.0])
    for one, other in zip(compose(scene, strip, shares), compose(scene, strip, shares, shares.clone()), strict=True):
        assert torch.equal(one, other)
    mixed = next(compose(scene, strip[:1], torch.zeros(1), torch.ones(1)))
    a, b = photos[:, :, 16:144, 16:144]
    corner = (slice(None), slice(0, 32), slice(0, 32))  # away from the eyes
    assert abs((mixed - a)[corner].mean()) < 0.02 < 0.5 < abs((mixed - b)[corner].mean())
    fine = [(x - x.mean((1, 2), keepdim=True))[corner].flatten() for x in (mixed, a, b)]
    assert (
        torch.cosine_similarity(fine[0], fine[2], dim=0) > 0.9 > 0.2 > torch.cosine_similarity(fine[0], fine[1], dim=0)
    )


def test_a_mix_takes_the_fur_of_one_cat():
    model = load_variant("v6")
    plain, furry = (mix(model, CHELSEA, EXAMPLES / "luna.jpg", steps=2, size=64, fur=fur) for fur in (None, 1))
    assert plain[1].tobytes() == furry[1].tobytes() and plain[0].tobytes() != furry[0].tobytes()
    for fur in (-0.1, 1.5, True, "1", float("nan")):
        with pytest.raises(SettingError, match="from 0 to 1"):
            mix(model, CHELSEA, EXAMPLES / "luna.jpg", steps=2, size=64, fur=fur)
    with pytest.raises(SettingError, match="needs a size"):
        mix(model, CHELSEA, EXAMPLES / "luna.jpg", steps=2, fur=0.5)
