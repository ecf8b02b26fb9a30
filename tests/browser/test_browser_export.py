"""The exported mixer as files: networks that are torch's, words of both languages, a static Space."""

import gzip
import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from huggingface_hub import RepoCard

from catvae.browser.export import Check, _refuse, _write_cats, export_web
from catvae.browser.graphs import open_graph, weights_path
from catvae.browser.packages import PACKAGES, Package, _find
from catvae.errors import CheckpointError, HubError, MissingPackageError, SettingError
from catvae.files import holding
from catvae.images import to_tensor
from catvae.model import load_variant
from catvae.publishing.web import publish_web, web_snippet
from catvae.serving.front import WEB
from catvae.serving.links import example_face
from catvae.serving.texts import TEXTS
from tests.conftest import ROOT

SPACE = "owner/web-mixer"


def manifest(folder) -> dict:
    return json.loads((folder / "mixer.json").read_text())


@pytest.mark.parametrize("weights", ["int8", "fp16"])
def test_networks_give_torchs_pictures(web_exports, real_faces, weights):
    folder, model = web_exports[weights] / "v6", load_variant("v6")
    with torch.inference_mode():
        mu, _ = model.encode(real_faces)
        wanted = model.decode(mu).numpy()
    latents = open_graph(folder / "encoder.onnx").run(None, {"input": real_faces.numpy()})[0]
    difference = open_graph(folder / "decoder.onnx").run(None, {"input": latents})[0] - wanted
    if weights == "fp16":  # the checkpoints are fp16: nothing is lost
        assert np.abs(difference).max() < 1e-4
    else:
        assert -10 * np.log10(np.square(difference).mean()) > 40


def test_a_post_with_two_example_cats_takes_what_the_readme_says(web_exports):
    """Files that are not packed already count as a server sends them, with gzip."""
    for weights, limit in (("int8", 7e6), ("fp16", 10e6)):
        folder = web_exports[weights]
        names = [path for path in folder.iterdir() if path.suffix in (".js", ".css", ".json")]
        names += [
            *(folder / "onnxruntime-web").glob("ort*"),
            *(folder / "v6").glob("decoder*"),
            folder / "v6/latents.safetensors",
        ]
        sent = sum(len(gzip.compress(path.read_bytes())) for path in names) + (folder / "cats.webp").stat().st_size
        assert 5e6 < sent < limit


def test_a_manifest_tells_of_every_file(web_exports):
    folder = web_exports["int8"]
    told = manifest(folder)
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert set(told["files"]) == there - {"mixer.json"}
    assert all(
        told["files"][name]["bytes"] == (folder / name).stat().st_size for name in there - {"mixer.json", "sw.js"}
    )
    assert list(told["variants"]) == ["v6", "v3"] and told["cats"]  # from the smallest β
    assert told["version"] in (folder / "sw.js").read_text()


def test_every_word_of_the_page_is_there(web_exports):
    words = json.loads((web_exports["int8"] / "words.js").read_text().partition("export default ")[2].rstrip(";\n"))
    sources = "".join(path.read_text() for path in [*WEB.rglob("*.js"), WEB / "index.html"])
    said = set(re.findall(r"\bwords\.(\w+)|data-word=\"(\w+)\"|named\(\"(\w+)\"", sources))
    said = {key for keys in said for key in keys if key} - {"js"}
    assert len(said) > 60
    for language, texts in TEXTS.items():
        assert said <= set(words[language]), said - set(words[language])
        assert words[language].items() <= texts.items()
        assert not [
            key for key in words[language] if key.startswith("lesson_") and key not in said
        ]  # it may not say more


def test_a_painter_shares_the_networks_of_what_it_paints_over(web_exports):
    folder = web_exports["fp16"]
    told = manifest(folder)["variants"]
    assert told["v7"]["networks"] == told["v6"]["networks"] | {"painter": "v7/painter"}
    sizes = {name: sum(p.stat().st_size for p in (folder / name).iterdir()) for name in ("v6", "v7")}
    assert sizes["v7"] < 0.8e6 < 8e6 < sizes["v6"]
    faces = [example_face(name) for name in ("chelsea", "kitten-04")]
    model = load_variant("v7")
    with torch.inference_mode():
        mu, _ = model.encode(to_tensor(faces))
        wanted = model.decode(mu).numpy()
    latents = open_graph(folder / "v6/encoder.onnx").run(None, {"input": to_tensor(faces).numpy()})[0]
    soft = open_graph(folder / "v6/decoder.onnx").run(None, {"input": latents})[0]
    sharp = open_graph(folder / "v7/painter.onnx").run(None, {"input": soft, "latents": latents})[0]
    error = {name: np.square(picture - wanted).mean() for name, picture in (("v6", soft), ("v7", sharp))}
    assert -10 * np.log10(error["v7"]) > 40 and error["v7"] < error["v6"] / 5


def test_scripts_end_as_every_server_knows_them(web_exports):
    assert not [*web_exports["int8"].rglob("*.mjs")]
    told = manifest(web_exports["int8"])["files"]
    assert {"onnxruntime-web/ort.wasm.bundle.min.js", "gifenc/gifenc.esm.js", "mediabunny/mediabunny.min.js"} <= set(
        told
    )


def test_an_export_that_cannot_be_is_refused_and_leaves_nothing(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(SettingError, match="holds something else"):
        export_web(tmp_path / "mine")
    with pytest.raises(SettingError, match="int8, fp16"):
        export_web(tmp_path / "web", weights="int4")
    with pytest.raises(SettingError, match="variants must be some of"):
        export_web(tmp_path / "web", variants=["v9"])
    with pytest.raises(CheckpointError, match="holds no model"):
        export_web(tmp_path / "web", checkpoints=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_two_exports_never_share_a_folder(tmp_path):
    (tmp_path / "web.partial").mkdir()
    (tmp_path / "web.partial" / "half").write_text("of another one")
    with holding(tmp_path / "web.partial"), pytest.raises(SettingError, match="web is being written by another export"):
        export_web(tmp_path / "web")
    assert (tmp_path / "web.partial" / "half").read_text() == "of another one"


def test_example_cats_are_written_to_a_disk_without_modes(tmp_path, monkeypatch):
    def refuse(*_, **__) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "chmod", refuse)
    _write_cats(tmp_path)
    assert len(list((tmp_path / "cats").glob("*.jpg"))) > 20


def test_a_cache_that_cannot_be_is_named(tmp_path, monkeypatch):
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\n")
    npm.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("XDG_CACHE_HOME", f"{npm}/x")
    with pytest.raises(SettingError, match="cannot be written .*XDG_CACHE_HOME"):
        _find(PACKAGES[0])


def test_pictures_that_differ_are_refused():
    _refuse("v6", Check(largest=1 / 255, psnr=50), "fp16")
    with pytest.raises(CheckpointError, match=r"differs by 3.0 of 255"):
        _refuse("v6", Check(largest=3 / 255, psnr=50), "fp16")
    with pytest.raises(CheckpointError, match="--weights fp16"):
        _refuse("v6", Check(largest=0.2, psnr=39.9), "int8")


def test_damaged_networks_are_a_clear_error(web_exports, tmp_path):
    for path in (web_exports["int8"] / "v3").glob("decoder*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    weights_path(tmp_path / "decoder.onnx").write_bytes(b"not gzip")
    with pytest.raises(CheckpointError, match="export it again"):
        open_graph(tmp_path / "decoder.onnx")


def test_without_npm_the_message_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingPackageError, match=r"onnxruntime-web@1.30.0 from npm, and npm is not here"):
        _find(PACKAGES[0])


def test_what_is_not_the_pinned_package_is_refused(monkeypatch, tmp_path):
    """An npm of ours that packs something else."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\necho other > gifenc-1.0.3.tgz\n")
    npm.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(MissingPackageError, match="not the package with the hash"):
        _find(Package("gifenc", "1.0.3", "sha512-none", ()))
    npm.write_text("#!/bin/sh\necho 404 Not Found >&2\nexit 1\n")
    with pytest.raises(MissingPackageError, match="npm cannot get gifenc@1.0.3: 404 Not Found"):
        _find(Package("gifenc", "1.0.3", "sha512-none", ()))
    assert not list((tmp_path / "cache").rglob("*.*"))


def test_a_static_space_gets_the_folder_and_nothing_else(hub, client, web_exports):
    folder = web_exports["int8"]
    assert publish_web(folder, SPACE).endswith(f"/spaces/{SPACE}")
    files = hub.files(f"spaces/{SPACE}", "main")
    assert set(files) - {".gitattributes"} == {*manifest(folder)["files"], "mixer.json"}
    assert files["v6/decoder.safetensors.gz"] == (folder / "v6/decoder.safetensors.gz").read_bytes()
    assert b'"https://owner-web-mixer.static.hf.space/preview.jpg"' in files["index.html"]
    assert RepoCard(files["README.md"].decode()).data.sdk == "static"
    first = hub.head(f"spaces/{SPACE}")
    publish_web(folder, SPACE)
    assert hub.head(f"spaces/{SPACE}") == first
    hub.seed(f"spaces/{SPACE}", {"old.js": b"alert()"})
    publish_web(folder, SPACE)
    assert "old.js" not in hub.files(f"spaces/{SPACE}", "main")
    snippet = web_snippet("Owner/My_Mixer")
    assert (
        'src="https://owner-my-mixer.static.hf.space/kitten-mixer.js"' in snippet and "<kitten-mixer model=" in snippet
    )


def test_a_static_space_that_cannot_be_published_is_a_clear_error(hub, client, web_exports, tmp_path):
    with pytest.raises(HubError, match="holds no mixer"):
        publish_web(tmp_path, SPACE)
    hub.fault("POST .*/commit/", status=500)
    with pytest.raises(HubError, match=f"publishing {SPACE} failed"):
        publish_web(web_exports["int8"], SPACE)


def test_the_commands_refuse_what_is_no_folder_for_them(tmp_path):
    (tmp_path / "file").write_text("")
    done = subprocess.run(
        [sys.executable, "-m", "catvae", "export-web", tmp_path / "file"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode and "holds something else" in done.stderr and "Traceback" not in done.stderr
