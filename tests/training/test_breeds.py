"""Directions of breeds and the read-out: their mathematics, and the command that learns them."""

import sys
from pathlib import Path

import pytest
import torch

from catvae.files import example_kittens
from catvae.latents import load_dials
from catvae.photos.decode import open_image
from catvae.training import breeds


def clusters(count: int = 40, dim: int = 20) -> tuple[torch.Tensor, torch.Tensor]:
    """Latents (N, 2, D) of three kinds about means of their own, and the kinds (N,)."""
    means = 2 * torch.eye(3, dim)
    targets = torch.arange(3).repeat_interleave(count)
    return means[targets, None] + 0.5 * torch.randn(len(targets), 2, dim), targets


def test_the_read_out_tells_kinds_apart_that_it_has_not_learned_from():
    z, targets = clusters()
    logits = breeds.cross_validate(z, targets)
    assert (logits.argmax(1) == targets).float().mean() > 0.95
    shuffled = breeds.cross_validate(z, targets[torch.randperm(len(targets))])
    assert (shuffled.argmax(1) == targets).float().mean() < 0.55  # it has learned nothing by heart


def test_the_temperature_makes_it_as_sure_as_it_is_right():
    truth = torch.randn(4000, 3)
    targets = torch.multinomial(truth.softmax(1), 1)[:, 0]
    assert breeds.calibrate(4 * truth, targets) == pytest.approx(4, rel=0.15)


def test_directions_are_orthogonal_near_to_the_means_and_as_long():
    z, targets = clusters()
    names = [("Ash", "Birman", "Ragdoll")[target] for target in targets]
    faces = torch.rand(len(z), 3, 64, 64)
    found, directions = breeds.find_directions(z.mean(1), faces, names)
    assert found == ("Ash", "Ragdoll", "lighter", "bluer_eyes")  # a Birman has the Ragdoll's
    for group in (directions[:2], directions[2:]):
        cosines = torch.nn.functional.normalize(group) @ torch.nn.functional.normalize(group).T
        assert torch.allclose(cosines, torch.eye(2), atol=1e-4)
    z = z.mean(1)
    means = torch.stack([z[targets == i].mean(0) for i in range(3)])
    wanted = means[0] - means.mean(0)
    along = torch.nn.functional.normalize(directions[0], dim=0) @ wanted
    assert along == pytest.approx(directions[0].norm().item(), rel=1e-4) and along > 0.9 * wanted.norm()


def test_blue_is_measured_at_the_eyes():
    grey, blue = torch.full((1, 3, 64, 64), 0.5), torch.full((1, 3, 64, 64), 0.5)
    for x, y in breeds.EYES:
        blue[:, 2, round(64 * y) - 2 : round(64 * y) + 2, round(64 * x) - 2 : round(64 * x) + 2] = 1
    everywhere = grey.clone()
    everywhere[:, 2] = 1
    (eyes, whole), (none, _), (_, all_over) = (breeds.tints(faces) for faces in (blue, grey, everywhere))
    assert eyes > 0.2 and whole < 0.02 and none == 0 and all_over == 0.5


def test_the_command_writes_what_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    for number, kitten in enumerate(example_kittens()[:12]):
        open_image(kitten).resize((192, 192)).save(tmp_path / f"{('Bengal', 'Maine_Coon')[number % 2]}_{number}.png")
    (tmp_path / "Bengal_99.jpg").write_bytes(b"no picture")
    (tmp_path / "Sphynx_0.png").write_bytes(b"not looked at: it is an example's")
    monkeypatch.setattr(breeds, "EXAMPLES", tmp_path)
    (tmp_path / "cats.csv").write_text("name,breed,source\nsfinge,Sphynx,Sphynx_0.png\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["breeds", "--photos", str(tmp_path), "--out", "found/dials.safetensors"])
    breeds.main()
    said = capsys.readouterr().out
    assert "Bengal_99.jpg" in said and "Sphynx" not in said and "chance is 0.500" in said
    dials = load_dials(tmp_path / "found" / "dials.safetensors")
    assert dials.breeds == ("Bengal", "Maine_Coon") and dials.directions.shape == (3, 500)
    assert dials.weight.shape == (2, 500) and 0 <= dials.accuracy <= 1 and dials.over == load_dials().over


def test_one_breed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    open_image(example_kittens()[0]).resize((192, 192)).save(tmp_path / "Bengal_1.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["breeds", "--photos", str(tmp_path)])
    with pytest.raises(SystemExit, match="two breeds"):
        breeds.main()
