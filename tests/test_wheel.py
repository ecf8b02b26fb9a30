"""The package as `pip install .` leaves it: whole, and of use from any folder."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.conftest import EXPORT_OTHERS, ROOT

PROGRAM = """
from pathlib import Path
import catvae
from catvae import CatVAE, CheckpointError, load_variant, mix
from catvae.files import PACKAGE, example_kittens

assert Path(catvae.__file__).is_relative_to({site!r}), catvae.__file__
a, b = example_kittens()[:2]
assert len(mix(load_variant("v6"), a, b, 3)) == 3
assert load_variant("v7").painter
assert load_variant("v6").config == CatVAE.from_pretrained(PACKAGE / "checkpoints").config
try:
    load_variant("v1")
except CheckpointError as error:
    assert 'CatVAE.from_pretrained("OWNER/NAME", variant="v1")' in str(error), error
else:
    raise AssertionError("v1 came from somewhere")
from catvae.page.page import build
from catvae.serving.weights import Weights
assert list(Weights().current.models) == ["v7", "v6"]
build(Weights())
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> zipfile.ZipFile:
    source = tmp_path_factory.mktemp("source")
    for name in ("catvae", "checkpoints", "examples", "figures"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyi"))
    for name in ("pyproject.toml", "setup.py", "README.md", "requirements.txt", "LICENSE"):
        shutil.copy(ROOT / name, source)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "."]
    subprocess.run([*command, "--wheel-dir", source / "dist"], cwd=source, check=True)
    return zipfile.ZipFile(next((source / "dist").glob("catvae-*.whl")))


def test_the_wheel_holds_every_file_of_the_package_and_two_variants(wheel):
    files = [path for path in (ROOT / "catvae").rglob("*") if path.is_file() and path.suffix not in (".pyc", ".pyi")]
    packed = set(wheel.namelist())
    assert {path.relative_to(ROOT).as_posix() for path in files} <= packed
    assert {name.split("/")[2] for name in packed if name.startswith("catvae/checkpoints/")} == {"v6", "v7"}
    pictures = [path.name for path in (ROOT / "examples").iterdir() if path.suffix in (".png", ".jpg")]
    assert {f"catvae/examples/{name}" for name in pictures} <= packed
    (entry_points,) = (name for name in packed if name.endswith("entry_points.txt"))
    assert "catvae = catvae.__main__:main" in wheel.read(entry_points).decode()
    assert sum(entry.compress_size for entry in wheel.infolist()) < 40e6


def test_the_installed_package_works_from_another_folder(wheel, tmp_path):
    site, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    wheel.extractall(site)
    elsewhere.mkdir()
    env = {**os.environ, "PYTHONPATH": str(site)}
    program = PROGRAM.format(site=str(site))
    subprocess.run([sys.executable, "-c", program], cwd=elsewhere, env=env, check=True)
    kittens = sorted((Path(site) / "catvae" / "examples").glob("kitten-*.png"))[:2]
    subprocess.run([sys.executable, "-m", "catvae", "mix", *kittens], cwd=elsewhere, env=env, check=True)
    assert (elsewhere / "mix.png").stat().st_size > 1000


def test_the_installed_package_exports_the_mixer_and_says_what_needs_a_clone(wheel, tmp_path, web_exports):
    wheel.extractall(tmp_path / "site")
    env = {**os.environ, "PYTHONPATH": str(tmp_path / "site"), "HF_TOKEN": "hf_none"}

    def run(*words) -> subprocess.CompletedProcess:
        command = [sys.executable, "-c", EXPORT_OTHERS.format(root=web_exports["int8"]), *words]
        return subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)

    for words in (["publish-space", "owner/mixer"], ["publish-trainer", "owner/t", "--", "--push-to-hub", "owner/m"]):
        done = run(*words)
        assert done.returncode == 1
        assert done.stderr.startswith("catvae: publishing takes files from a clone of the repository"), done.stderr
    done = run("export-web", "out", "--variants", "v6")
    if "from npm" in done.stderr or "npm cannot get" in done.stderr:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    assert (tmp_path / "out" / "v6" / "decoder.onnx").exists()
