"""A variant is a row of `VARIANTS`, its words and its weights: one that is added is everywhere."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from gradio_client import Client, handle_file

from catvae.model import VARIANTS, find_painter, is_variant, load_models
from catvae.publishing.weights import why_refused
from catvae.serving.texts import TEXTS
from tests.conftest import EXPORT_OTHERS, ROOT, running_app

LAST = '    "v6": Variant(beta=0.005),\n'
CARD = """
import json
from catvae.model import load_models
from catvae.publishing.cards import make_model_card
from catvae.publishing.weights import read_figures, weights_in
from pathlib import Path
metrics = {name: read_figures(path / "metrics.json") for name, path in weights_in(Path("checkpoints")).items()}
print(make_model_card("owner/cats", load_models("checkpoints"), metrics))
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> Path:
    """A copy of the repository with a v8 of β = 0.1, beside v6 and v7: a row, a word in each language, and weights."""
    tree = tmp_path_factory.mktemp("tree")
    shutil.copytree(ROOT / "catvae", tree / "catvae", ignore=shutil.ignore_patterns("__pycache__", "*.pyi"))
    for name in ("v6", "v7"):
        shutil.copytree(ROOT / "checkpoints" / name, tree / "checkpoints" / name)
    for name in ("app.py", "train_space.py"):  # a link would take the code beside what it points to
        shutil.copy(ROOT / name, tree)
    for name in ("LICENSE", "examples", "figures"):
        (tree / name).symlink_to(ROOT / name)

    model = tree / "catvae" / "model.py"
    code = model.read_text(encoding="utf-8")
    assert code.count(LAST) == 1
    model.write_text(code.replace(LAST, LAST + '    "v8": Variant(beta=0.1),\n'), encoding="utf-8")
    for words in (tree / "catvae" / "serving" / "words").glob("*.toml"):
        text = words.read_text(encoding="utf-8")
        assert text.count("model_v6 =") == 1
        words.write_text(text.replace("model_v6 =", 'model_v8 = "v8 · β = 0.1"\nmodel_v6 ='), encoding="utf-8")

    v8 = tree / "checkpoints" / "v8"
    shutil.copytree(ROOT / "checkpoints" / "v5", v8)
    config = json.loads((v8 / "config.json").read_text())
    (v8 / "config.json").write_text(json.dumps(config | {"beta": 0.1}))
    return tree


def run(tree: Path, *words: str) -> subprocess.CompletedProcess:
    env = {**os.environ, "PYTHONPATH": str(tree)}
    return subprocess.run([sys.executable, *words], cwd=tree, env=env, capture_output=True, text=True)


def test_a_new_row_is_on_the_page_in_the_api_and_in_the_comparison(tree, tmp_path):
    env = {**os.environ, "PYTHONPATH": str(tree), "CATVAE_RATE": "1000"}
    with running_app(tmp_path, env, root=tree) as url:
        rows = httpx.get(f"{url}/web/mixer.json").json()["variants"]
        assert list(rows) == ["v7", "v6", "v8"] and rows["v8"]["beta"] == 0.1
        assert "v8 · β = 0.1" in httpx.get(f"{url}/web/words.js").text
        choices = [part["props"].get("choices") or [] for part in httpx.get(f"{url}/config").json()["components"]]
        assert any("v8" in [choice[1] for choice in options] for options in choices)

        cats = [handle_file(str(ROOT / "examples" / f"{name}.png")) for name in ("luna", "naranja")]
        client = Client(url, verbose=False, download_files=tmp_path)
        assert len(client.predict("v8", *cats, 3, api_name="/mix")) == 5
        assert client.predict(*cats, api_name="/compare")[1]["v8"]["beta"] == 0.1
        asked = {"a": {"cat": "luna", "kind": "real"}, "b": {"cat": "naranja", "kind": "real"}}
        answer = httpx.post(f"{url}/web/ask/compare", json=asked, timeout=60).json()
        assert "v8" in answer["strips"] and ">v8<" in answer["numbers"]


def test_a_new_row_is_exported(tree, web_exports):
    done = run(tree, "-c", EXPORT_OTHERS.format(root=web_exports["int8"]), "export-web", "web", "--variants", "v8")
    if "from npm" in done.stderr or "npm cannot get" in done.stderr:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stderr
    assert json.loads((tree / "web" / "mixer.json").read_text())["variants"]["v8"]["beta"] == 0.1
    assert (tree / "web" / "v8" / "decoder.onnx").exists()


def test_a_new_row_is_on_the_model_card(tree):
    done = run(tree, "-c", CARD)
    assert done.returncode == 0, done.stderr
    assert "| v8 | 0.1 | 500 |" in done.stdout
    assert "v7 is v6 with a painter after its decoder" in done.stdout


def test_every_row_has_words_in_every_language():
    for words in TEXTS.values():
        assert {f"model_{name}" for name in VARIANTS} <= words.keys()


def test_a_variant_over_another_has_its_networks_and_a_painter():
    models = load_models(ROOT / "checkpoints")
    assert all(is_variant(name, models[name]) for name in VARIANTS)
    assert [name for name, variant in VARIANTS.items() if variant.over] == ["v7"]
    v6, v7 = models["v6"], models["v7"]
    assert find_painter(models) is v7 and find_painter({"mine": v7, "v6": v6}) is v7
    assert find_painter({"v6": v6}) is None
    assert not is_variant("v6", v7) and not is_variant("mine", v6)


def test_a_set_without_later_rows_is_pushed_and_one_with_some_of_the_first_is_not():
    first, metrics = {"v1", "v2", "v3", "v4", "v5", "v6"}, {}
    assert why_refused(first, metrics, {}) == why_refused({*first, "v7"}, metrics, {}) == ""
    assert why_refused({"v5", "v6"}, metrics, {}) == "lacks v1, v2, v3, v4"
    assert why_refused(first, metrics, {"v7": {}}) == "lacks v7"  # which is there
    assert why_refused({"mine"}, metrics, {}) == ""
