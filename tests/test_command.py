"""The command line: what it mixes, what it refuses, and what it leaves to a traceback."""

import errno
import io
import os
import runpy
import sys

import numpy as np
import pytest
from PIL import Image

import train_space
from catvae import VAEConfig, load_variant, mix
from catvae import __main__ as command
from catvae.errors import SettingError
from catvae.files import example_kittens, replacing, sweep
from catvae.training.progress import locked
from tests.conftest import draw_cat

A, _, _, B, *_ = example_kittens()
OWN = ["--name", "mine", "--beta", "1"]
LOST = "0" * 20 + ".parquet"


def run(monkeypatch, *words, main=command.main) -> None:
    monkeypatch.setattr("sys.argv", ["catvae", *map(str, words)])
    main()


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
        (["--checkpoints", ""], "--checkpoints: must not be empty"),
        (["--checkpoints", "n" * 300], "nnn: cannot be used (File name too long)"),
        (["--out", "na\udcffme.png"], r"--out: must be UTF-8, unlike 'na\udcffme.png'"),
        (["--variant", "  "], "--variant: must not be empty"),
        (["--steps", "9" * 5000], "--steps: must be a whole number from 2 to 1000, not '999"),
        (["--out", f"{A}/mix.png"], "mix.png: cannot be written"),
    ],
)
def test_what_a_user_can_put_right_is_one_sentence(words, message, monkeypatch, capsys, tmp_path):
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


@pytest.mark.parametrize(
    "words, message",
    [
        (["--limit", "-1"], "--limit: must be a whole number from 2 to 1000000000, not '-1'"),
        (["--limit", "1"], "--limit: must be a whole number from 2"),
        (["--seed", "9" * 20], "--seed: must be a whole number from 0 to 4294967295, not '99999999999999999999'"),
        (["--seed", "-1"], "--seed: must be a whole number from 0"),
        (["--epochs", "9" * 5000], "--epochs: must be a whole number from 1 to 1000000000, not '999"),
        (["--batch-size", "0"], "--batch-size: must be a whole number from 1"),
        (["--lr", "nan"], "--lr: must be a number from 0 to 10, not 'nan'"),
        (["--jitter", "1e400"], "--jitter: must be a number from 0 to 10, not '1e400'"),
        ([*OWN, "--beta", "inf"], "--beta: must be a number, not 'inf'"),
        ([*OWN, "--latents", "20000000"], "a model of over 1,000,000,000 weights is too large"),
        ([*OWN, "--channels", "3", "100000000"], "a model of over 1,000,000,000 weights is too large"),
        ([*OWN, "--channels", "3", "-5"], "--channels: must be a whole number from 1"),
        (["--device", "meta"], "device 'meta' cannot be used here"),
        (["--device", "hpu"], "device 'hpu' cannot be used here"),
        (["--data", ""], "--data: must not be empty"),
        (["--data", "na\udcffme"], "--data: must be UTF-8"),
        (["--push-to-hub", ""], "--push-to-hub: must not be empty"),
        (["--push-to-hub", "kitten"], "kitten"),
        (["--push-to-hub", "owner/cats", "--revision", "a b"], "a b"),
        (["--out", __file__], "cannot be written (a file has the name of a folder)"),
        (["--out", f"{__file__}/deep/folder"], f"({__file__}: a file has the name of a folder)"),
        (["--out", "/proc/catvae"], "/proc/catvae: cannot be written"),
    ],
    ids=lambda value: "-".join(value)[:40] if isinstance(value, list) else "",
)
def test_what_training_cannot_do_is_one_sentence_before_it_reads(words, message, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(train_space, "load_faces", lambda *_, **__: pytest.fail("read the faces"))
    monkeypatch.setattr(train_space, "cut_source", lambda source, *_: source)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        run(monkeypatch, "--out", "runs", *words, main=train_space.main)
    said = f"{stopped.value}\n{capsys.readouterr().err}"
    assert message in said and "Traceback" not in said
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "env",
    [
        {"WORLD_SIZE": "2"},
        {"WORLD_SIZE": "abc", "RANK": "0"},
        {"WORLD_SIZE": "-1", "RANK": "0"},
        {"WORLD_SIZE": "2", "RANK": ""},
        {"WORLD_SIZE": "2", "RANK": "5", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"},
        {"WORLD_SIZE": "2", "RANK": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "port"},
    ],
    ids=str,
)
def test_half_a_launcher_is_one_sentence(env, monkeypatch):
    for name in ("WORLD_SIZE", "RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.setenv(name, env[name]) if name in env else monkeypatch.delenv(name, raising=False)
    with pytest.raises(SystemExit, match=f"WORLD_SIZE is '{env['WORLD_SIZE']}', .* or unset WORLD_SIZE"):
        run(monkeypatch, "--data", LOST, main=train_space.main)


def test_a_variant_named_twice_is_trained_once_under_an_empty_world_size(cat_folder, monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("WORLD_SIZE", "")
    words = ["--data", cat_folder, "--limit", 6, "--variants", "v3", "v3", "--epochs", 1, "--start-from", "random"]
    run(monkeypatch, *words, "--out", tmp_path, main=train_space.main)
    assert capsys.readouterr().out.count(f"saved in {tmp_path / 'v3'}") == 1


def test_a_console_without_our_letters_gets_their_codes(cat_folder, small_set, monkeypatch):
    stdout = io.TextIOWrapper(io.BytesIO(), "ascii")
    monkeypatch.setattr(sys, "stdout", stdout)
    run(monkeypatch, "evaluate", "--data", cat_folder, "--checkpoints", small_set, "--split", "all")
    with pytest.raises(SystemExit):
        run(monkeypatch, "--help", main=train_space.main)
    written = stdout.buffer.getvalue().decode()
    assert "| | \\u03b2 | PSNR (dB)" in written and "Muon's is 10\\xd7" in written


@pytest.mark.parametrize("words", [["--help"], ["mix", A, B, "--out", "mix.png"]], ids=str)
def test_a_reader_that_goes_away_is_no_traceback(words, monkeypatch, capfd, tmp_path):
    monkeypatch.chdir(tmp_path)
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        with pytest.raises(SystemExit) as stopped:
            run(monkeypatch, *words)
    assert stopped.value.code == 1 and not capfd.readouterr().err


def test_the_systems_refusals_and_a_full_memory_are_sentences(monkeypatch, tmp_path):
    def refuse(error: Exception) -> str:
        def interpolate(*_) -> None:
            raise error

        monkeypatch.setattr(command, "interpolate", interpolate)
        with pytest.raises(SystemExit) as stopped:
            run(monkeypatch, "mix", A, B)
        return str(stopped.value)

    assert refuse(PermissionError(13, "Permission denied", "/x")) == "catvae: /x: cannot be used (Permission denied)"
    assert refuse(OSError(28, "No space left on device")) == "catvae: a file: cannot be used (No space left on device)"
    full = "DefaultCPUAllocator: can't allocate memory: you tried to allocate 983040000000 bytes"
    assert "memory is too small" in refuse(RuntimeError(full)) and "memory" in refuse(MemoryError())
    with pytest.raises(RuntimeError, match="a bug"):
        refuse(RuntimeError("a bug"))


def test_the_folder_of_an_evaluation_is_tried_before_minutes_of_measuring(monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(command, "load_faces", lambda *_, **__: pytest.fail("read the faces"))
    with pytest.raises(SystemExit, match="cannot be written"):
        run(monkeypatch, "evaluate", "--out", f"{__file__}/report")


def test_the_page_of_an_evaluation_is_tried_before_it_too(monkeypatch, tmp_path):
    pytest.importorskip("matplotlib")
    tried = []
    monkeypatch.setattr(command, "split_page", lambda page: None)
    monkeypatch.setattr(command, "check_writable", tried.append)
    monkeypatch.setattr(command, "load_faces", lambda *_, **__: sys.exit("read the faces"))
    with pytest.raises(SystemExit, match="read the faces"):
        run(monkeypatch, "evaluate", "--out", tmp_path / "out", "--readme", tmp_path / "docs" / "page.md")
    assert tried == [tmp_path / "out", tmp_path / "docs"]


@pytest.mark.parametrize(
    "words", [("cut", "PHOTOS", __file__), ("figures", "--out", __file__)], ids=lambda words: words[0]
)
def test_a_file_in_place_of_a_folder_is_one_sentence(words, monkeypatch, tmp_path):
    draw_cat(1).save(tmp_path / "cat.png")
    monkeypatch.setattr(command, "make_figures", lambda _: {"v6": Image.new("RGB", (8, 8))})
    with pytest.raises(SystemExit) as stopped:
        run(monkeypatch, *[tmp_path if word == "PHOTOS" else word for word in words])
    assert "test_command.py" in str(stopped.value) and "\n" not in str(stopped.value)


@pytest.mark.parametrize(("name", "value"), [("PORT", "abc"), ("CATVAE_TRAIN", "--epochs '1")])
def test_a_training_space_refuses_what_it_cannot_do_in_one_line(name, value, monkeypatch):
    monkeypatch.setenv("CATVAE_TRAIN", "--epochs 1")
    monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["train_space.py"])
    monkeypatch.setattr("catvae.page.trainer.catch_stops", lambda: pytest.fail("it begins"))
    with pytest.raises(SystemExit) as stopped:
        runpy.run_path(train_space.__file__, run_name="__main__")
    assert str(stopped.value).startswith(f"train_space.py: {name} must be ") and "\n" not in stopped.value.code


def test_a_disk_without_locks_is_trained_on(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")

    def refuse(*_) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with locked(tmp_path / "run"):
        (tmp_path / "run" / "kept").write_text("whole")
    assert (tmp_path / "run" / "kept").read_text() == "whole"


def test_a_device_is_no_photo(monkeypatch, tmp_path):
    with pytest.raises(SystemExit, match="/dev/full: no such file"):
        run(monkeypatch, "mix", A, "/dev/full", "--out", tmp_path / "mix.png")


def test_a_disk_without_modes_is_written_to(tmp_path, monkeypatch):
    def refuse(*_, **__) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "chmod", refuse)
    with replacing(tmp_path / "kept") as partial:
        partial.write_text("whole")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["whole"]


def test_what_killed_writers_left_is_swept_and_nothing_else(tmp_path):
    kept = [tmp_path / name for name in ("training.pt", "film.mkv.partial", "sub", "12.partial")]
    for path in (*kept[:2], kept[3], tmp_path / "training.pt.4711.partial", tmp_path / "v3.1.partial"):
        path.write_text("")
    kept[2].mkdir()
    (kept[2] / "cat.jpg.1.png.12.partial").write_text("")
    sweep(tmp_path)
    assert sorted(tmp_path.rglob("*")) == sorted(kept)


def test_a_model_too_large_for_any_machine_is_no_configuration():
    with pytest.raises(SettingError, match="fewer latents or channels"):
        VAEConfig(painter=10**6)
    assert VAEConfig((3, 64, 128, 256, 512), latent_dim=4000).latent_dim == 4000
