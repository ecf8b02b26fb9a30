"""Models of one's own beside v1 to v6, or without them: in tables, figures, on the Hub and in the browser's mixer."""

import json
import re
import shutil

import gradio as gr
import pytest
import torch

import train_space
from catvae import CatVAE, CheckpointError, VAEConfig
from catvae.__main__ import parse, run_mix
from catvae.errors import HubError, SettingError
from catvae.evaluation.evaluate import evaluate_fully, evaluate_variants
from catvae.evaluation.figures import make_figures
from catvae.evaluation.plots import make_plots, read_history
from catvae.evaluation.report import format_report, format_table
from catvae.files import BUNDLED, write_json
from catvae.model import beta_of, load_models, load_variant, save_checkpoint
from catvae.page.page import Speaker
from catvae.page.tabs.understand import understand_tab
from catvae.publishing.weights import Target, check_push, push_checkpoints
from catvae.serving.texts import TEXTS
from catvae.serving.weights import Weights, WeightSet, download_set, find_commit
from catvae.training.data import load_faces
from catvae.training.faces import DataReport, Faces
from tests.conftest import ROOT
from tests.evaluation.test_evaluate import cheap_networks  # noqa: F401

REPO = "owner/own"
SMALL = VAEConfig((3, 4, 8), latent_dim=6)
METRICS = {"psnr": 20.0, "ssim": 0.5, "kl": 100.0, "active_units": 5, "images": 4}


def save_own(folder, name: str, beta: float | None = 0.02, metrics: dict | None = METRICS) -> None:
    save_checkpoint(folder / name, CatVAE(SMALL), beta, metrics)


@pytest.fixture
def own_set(small_set, tmp_path):
    """v3 and v6, and three of one's own: one without a β, one that imported weights were and so without figures."""
    folder = tmp_path / "set"
    for name in ("v3", "v6"):
        shutil.copytree(small_set / name, folder / name)
    save_own(folder, "mine")
    save_own(folder, "other", beta=None, metrics=None)
    save_own(folder, "a-rather-long-name", beta=7)
    return folder


BY_BETA = ["v6", "mine", "v3", "a-rather-long-name", "other"]


def test_tables_and_figures_show_what_is_there_by_beta(cheap_networks, own_set, cat_folder):  # noqa: F811
    faces = load_faces(cat_folder)
    table = format_table(evaluate_variants(faces, "validation", own_set))
    assert [row.split(" | ")[:2] for row in table.splitlines()[2:7]] == [
        ["| v6", "0.005"], ["| mine", "0.02"], ["| v3", "1"], ["| a-rather-long-name", "7"], ["| other", ""]
    ]  # fmt: skip
    report = evaluate_fully(faces, own_set)
    assert list(report["variants"]) == BY_BETA and list(report["linear"]) == BY_BETA[:-1]
    assert report["variants"]["mine"]["latent_dim"] == 6
    assert "| mine, linear |" in format_report(report) and "None" not in format_report(report)

    (own_set / "mine" / "history.csv").write_text("epoch,loss,bce,kl,val_loss\n0,9,8,1,9\n1,8,7,1,8\n")
    (own_set / "v6" / "history.csv").write_text("images,d_loss\n8192,1\n")  # of a painter
    assert make_plots(report, own_set).keys() == {"rate_distortion", "training_curves"}
    narrow, wide = (make_figures({name: load_variant(name, own_set)}) for name in ("mine", "a-rather-long-name"))
    assert wide["reconstruction"].width > narrow["reconstruction"].width  # room for the name
    assert wide["reconstruction"].getpixel((0, 0))[3] == 0  # on a dark page too


@pytest.mark.parametrize("content", ["epoch,loss\n1,2\n", "epoch,loss,val_loss\n1,2\n", "epoch,loss,val_loss\n1,x,2\n"])
def test_a_broken_history_is_named(content, tmp_path):
    (tmp_path / "history.csv").write_text(content)
    with pytest.raises(CheckpointError, match="history.csv: no history of a training"):
        read_history(tmp_path / "history.csv")


def test_a_set_of_own_models_alone_goes_to_the_hub_and_comes_back(hub, client, tmp_path):
    save_own(tmp_path / "set", "mine")
    assert check_push(Target(REPO), tmp_path / "set", ["mine"]) == ""
    push_checkpoints(tmp_path / "set", Target(REPO))
    save_own(tmp_path / "set", "soft", beta=3)
    commit = push_checkpoints(tmp_path / "set", Target(REPO))
    files = hub.files(f"models/{REPO}", commit)
    assert json.loads(files["config.json"])["variants"] == {"mine": 0.02, "soft": 3}
    card = files["README.md"].decode()
    assert "| mine | 0.02 | 6 | 20.00 |" in card and 'variant="mine"' in card and "v3" not in card
    shutil.rmtree(tmp_path / "set" / "mine")
    with pytest.raises(HubError, match="lacks mine"):
        push_checkpoints(tmp_path / "set", Target(REPO))

    assert find_commit(REPO, "main", ask=True) == commit
    here = download_set(REPO, commit)
    assert list(here.models) == list(here.metrics) == ["mine", "soft"]


def test_own_models_are_pushed_beside_the_six_unless_they_were_never_measured(hub, client, small_set, own_set):
    for name in ("v1", "v2", "v4", "v5"):
        shutil.copytree(small_set / name, own_set / name)
    write_json(own_set / "other" / "metrics.json", {"psnr": 20.0})
    commit = push_checkpoints(own_set, Target(REPO))
    variants = json.loads(hub.files(f"models/{REPO}", commit)["config.json"])["variants"]
    assert list(variants) == ["v6", "mine", "v5", "v4", "v1", "v3", "v2", "a-rather-long-name"]
    assert download_set(REPO, commit).models.keys() == variants.keys()


def test_the_commands_take_any_model_of_a_folder(own_set, tmp_path, capsys):
    cats = sorted(map(str, (ROOT / "examples").glob("kitten-*.png")))[:2]
    shutil.rmtree(own_set / "v6")
    for words, name in (([], "mine"), (["--variant", "other"], "other")):
        run_mix(parse(["mix", *cats, "--checkpoints", str(own_set), "--out", str(tmp_path / "mix.png"), *words]))
        assert f"9 frames of {name}" in capsys.readouterr().out
    with pytest.raises(CheckpointError, match="unknown variant 'else'.*v6, v7, a-rather-long-name, mine, other"):
        run_mix(parse(["mix", *cats, "--checkpoints", str(own_set), "--variant", "else"]))
    assert list(load_models(own_set)) == BY_BETA[1:]


def test_a_model_is_called_by_our_words_where_it_is_ours_alone(own_set):
    ours = {name: load_variant(name, BUNDLED) for name in ("v3", "v6")}
    models = load_models(own_set) | ours | {"info": CatVAE(SMALL), "v1": CatVAE(SMALL), "v2": ours["v6"]}
    shown, words = WeightSet(models, "set", {}, {}), TEXTS["en"]
    assert shown.title("v6", words) == words["model_v6"] and shown.title("v3", words) == words["model_v3"]
    for name in ("mine", "info", "v1", "v2"):  # another network, or another β, by the name of one of ours
        assert shown.title(name, words) == name
    assert beta_of("v2", models["v2"]) == 0.005 and beta_of("v1", models["v1"]) == 1


@pytest.mark.parametrize("names", [["mine"], ["mine", "other"], ["v3", "mine"], ["v6", "v3", "mine", "other"]])
@pytest.mark.parametrize("language", ["en", "es"])
def test_the_page_says_where_weights_of_a_folder_are_from_and_whom_the_lesson_is_about(
    names, language, own_set, tmp_path, monkeypatch
):
    folder = tmp_path / "my <cats>@home"
    for name in names:
        shutil.copytree(own_set / name, folder / name)
    monkeypatch.setenv("CATVAE_CHECKPOINTS", str(folder))
    weights, request = Weights(), gr.Request(headers={"accept-language": language}, query_params={})
    said = TEXTS[language]["weights_folder"].format(source="my &lt;cats&gt;@home")
    assert Speaker(weights).source(request) == said
    assert "lesson_others" in lesson(weights)


def lesson(weights) -> str:
    with gr.Blocks() as demo:
        understand_tab(weights)
    return str(demo.get_config_file())


def test_the_bundled_weights_come_with_the_app_however_their_folder_is_named(monkeypatch):
    monkeypatch.setenv("CATVAE_CHECKPOINTS", f"{ROOT}/examples/../checkpoints")
    weights, request = Weights(), gr.Request(headers={}, query_params={})
    assert Speaker(weights).source(request) == TEXTS["en"]["weights_bundled"]
    assert "lesson_others" not in lesson(weights)


@pytest.mark.parametrize("language", ["en", "es"])
def test_words_for_any_models_name_none_of_ours(language):
    """Of a set of one's own the page shows all words but the titles of ours, what is said of v3, and the lesson."""
    shown = {key: text for key, text in TEXTS[language].items() if not key.startswith(("model_v", "v3_", "lesson_"))}
    assert [key for key, text in shown.items() if re.search(r"\bv[1-7]\b", text)] == []


def test_a_painter_goes_on_under_a_name_of_ones_own_only(tmp_path):
    words = ["--variants", "v7", "--start-from", str(ROOT / "checkpoints" / "v7"), "--out", str(tmp_path)]
    x = torch.zeros(8, 3, 64, 64).byte()
    faces = Faces(x, x, DataReport("faces", 16, 0, 0, 0, 8, 8, "0123"))
    with pytest.raises(SettingError, match="v7: holds no v6.*add --name"):
        train_space.train_painter(train_space.parse(words), "v7", faces, torch.device("cpu"))
