"""The command line: what it mixes, what it refuses, and what it leaves to a traceback."""

import numpy as np
import pytest
from PIL import Image

from catvae import __main__ as command
from catvae import load_variant, mix
from catvae.files import example_kittens
from tests.conftest import draw_cat

A, _, _, B, *_ = example_kittens()


def run(monkeypatch, *words) -> None:
    monkeypatch.setattr("sys.argv", ["catvae", *map(str, words)])
    command.main()


def test_mix_writes_the_frames_of_the_library(tmp_path, monkeypatch):
    run(monkeypatch, "mix", A, B, "--variant", "v3", "--steps", 3, "--out", tmp_path / "new" / "strip.png")
    strip = np.asarray(Image.open(tmp_path / "new" / "strip.png"))
    assert (strip == np.concatenate([np.asarray(frame) for frame in mix(load_variant("v3"), A, B, 3)], axis=1)).all()


def test_mix_says_where_it_found_no_cat(tmp_path, monkeypatch, capsys):
    Image.new("RGB", (300, 200), "tan").save(tmp_path / "wall.png")
    run(monkeypatch, "mix", A, tmp_path / "wall.png", "--out", tmp_path / "mix.png")
    said = capsys.readouterr().err
    assert said == f"{tmp_path / 'wall.png'}: no cat face found, so this is the middle of the picture\n"


@pytest.mark.parametrize(
    "words, message",
    [
        (["--steps", "100000"], "--steps: must be a whole number from 2 to 1000, not '100000'"),
        (["--steps", "1"], "--steps: must be a whole number from 2 to 1000"),
        (["--steps", "2.5"], "--steps: must be a whole number from 2 to 1000"),
        (["--scale", "17"], "--scale: must be a whole number from 1 to 16"),
        (["--steps", "1000", "--scale", "16"], "1000 frames enlarged 16 times are too large"),
        (["--out", "mix.xyz"], "mix.xyz: .xyz is no format of pictures"),
        (["--out", "/proc/mix.png"], "/proc/mix.png: cannot be written"),
        (["--checkpoints", "nowhere"], "nowhere: holds no model"),
    ],
)
def test_what_a_user_can_mend_is_one_sentence(words, message, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        run(monkeypatch, "mix", A, B, *words)
    said = f"{stopped.value}\n{capsys.readouterr().err}"
    assert message in said and "Traceback" not in said
    assert not list(tmp_path.iterdir())


def test_a_bug_shows_its_traceback(monkeypatch, tmp_path):
    def broken(*_) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr(command, "interpolate", broken)
    draw_cat(0).save(tmp_path / "cat.png")
    with pytest.raises(ValueError, match="a bug"):
        run(monkeypatch, "mix", tmp_path / "cat.png", tmp_path / "cat.png")
