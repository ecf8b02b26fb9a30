"""The commands that teach the networks of mixes at full size."""

import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from catvae.files import EXAMPLES
from catvae.fullsize.movement import Movement, flow, landmark_velocity, sample
from catvae.photos.landmarks import STANDARD, Landmarks
from catvae.training import landmarks, movement
from catvae.training.landmarks import Views, add_surroundings, label, read_marks
from catvae.training.movement import augment, known_pairs

HEAD = "file,left_x,left_y,right_x,right_y,nose_x,nose_y\n"
ROW = "marked.jpg,171,115,318,136,261,240\n"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A photo with marks, one without, one that nothing is to learn from."""
    folder = tmp_path / "photos"
    folder.mkdir()
    photo = Image.open(EXAMPLES / "chelsea.jpg").convert("RGB")
    photo.save(folder / "marked.jpg", quality=95)
    photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(folder / "other.jpg", quality=95)
    photo.resize((300, 200)).save(folder / "kept.jpg", quality=95)
    (tmp_path / "marks.csv").write_text(HEAD + ROW)
    (tmp_path / "without.csv").write_text(HEAD + ROW.replace("marked", "kept"))
    return folder


def run(module, monkeypatch: pytest.MonkeyPatch, photos: Path, *words: str) -> None:
    files = ["--marks", str(photos.parent / "marks.csv"), "--without", str(photos.parent / "without.csv")]
    monkeypatch.setattr(sys, "argv", ["train", "--photos", str(photos), *files, *words])
    module.main()


def test_landmarks_are_taught_from_marks(photos, cat_folder, tmp_path, monkeypatch):
    marked, others = landmarks.read_photos(photos, read_marks(tmp_path / "marks.csv"), ["kept.jpg"])
    assert len(marked.pixels) == len(others.pixels) == 1 and marked.pixels.shape[1:] == (3, 144, 144)
    assert (marked.landmarks - torch.tensor(STANDARD)).abs().max() < 0.15  # Chelsea's square is about right
    assert torch.allclose(others.landmarks, torch.tensor([STANDARD]))
    out = tmp_path / "landmarks.safetensors"
    run(landmarks, monkeypatch, photos, "--data", str(cat_folder), "--steps", "14", "--out", str(out))
    Landmarks().load_state_dict({name: value.float() for name, value in load_file(out).items()})


def test_movement_is_taught_and_gone_on_with(photos, cat_folder, tmp_path, monkeypatch, capsys):
    state, out = tmp_path / "state", tmp_path / "movement.safetensors"
    state.mkdir()
    pairs = {
        "faces": torch.randint(0, 256, (2, 2, 3, 64, 64), dtype=torch.uint8),
        "landmarks": torch.tensor(STANDARD).expand(2, 2, 3, 2).clone(),
        "velocity": torch.zeros(2, 2, 32, 32).half(),
    }
    torch.save(pairs, state / "pairs.pt")  # OpenCV need not be here
    words = "--data", str(cat_folder), "--state", str(state), "--out", str(out)
    for steps in ("1", "2"):
        run(movement, monkeypatch, photos, *words, "--steps", steps)
        assert f"{steps}/{steps}: known" in capsys.readouterr().out
    assert torch.load(state / "training.pt", weights_only=True)["step"] == 2
    Movement().load_state_dict({name: value.float() for name, value in load_file(out).items()})


@pytest.mark.parametrize("text", ["nonsense", HEAD + "a.jpg,1,2,3\n", HEAD + "a.jpg,1,2,3,4,5,x\n"])
def test_bad_marks_are_one_sentence(text, photos, cat_folder, tmp_path, monkeypatch):
    (tmp_path / "marks.csv").write_text(text if text != "nonsense" else "a,b\n1,2\n")
    with pytest.raises(SystemExit, match=r"landmarks: .*marks\.csv: no table of marks"):
        run(landmarks, monkeypatch, photos, "--data", str(cat_folder), "--out", str(tmp_path / "x"))


def test_known_pairs_are_told_their_movement():
    """Along its velocities the landmarks of one face flow to those of the other, but for the error that is put in."""
    views = Views(torch.randint(0, 256, (8, 3, 64, 64), dtype=torch.uint8), torch.tensor(STANDARD).expand(8, 3, 2))
    faces, places, velocity = known_pairs([views], 32)
    assert faces.shape == (32, 2, 3, 64, 64)
    displacement = flow(velocity, torch.ones(32))
    reached = places[:, 0] + sample(displacement, places[:, 0].mT[:, :, None])[:, :, 0].mT
    assert (reached - places[:, 1]).norm(dim=2).median() < 0.04 < (places[:, 0] - places[:, 1]).norm(dim=2).median()


def test_mirrored_and_exchanged_pairs_fit():
    a = torch.tensor(STANDARD) + torch.tensor([[0.03, -0.02]])
    places = torch.stack([torch.tensor(STANDARD), a])[None].expand(64, -1, -1, -1)
    velocity = landmark_velocity(places[:, 0], places[:, 1])
    _, moved, said = augment(torch.rand(64, 2, 3, 64, 64), places, velocity)
    assert torch.allclose(landmark_velocity(moved[:, 0], moved[:, 1]), said, atol=1e-3)
    assert len({round(value, 3) for value in said[:, 0, 16, 16].tolist()}) == 2


def test_labels_undo_what_a_look_does():
    """A network that always says the same places of what it sees: on average these places."""

    class Fixed(torch.nn.Module):
        def forward(self, x):
            return torch.tensor(STANDARD).expand(len(x), 3, 2)

    around = add_surroundings(torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8))
    said = label(Fixed(), around, rounds=60)
    assert (said - torch.tensor(STANDARD)).abs().max() < 0.12
