"""A client may name any file: what was sent to this app and the examples are read, nothing else of the disk."""

import json
import os
from pathlib import Path

import httpx
import pytest

from catvae.files import EXAMPLES, ROOT, example_kittens
from catvae.images import data_uri
from catvae.page.components import PhotoInput, own_file
from catvae.photos.decode import open_image
from catvae.serving.texts import TEXTS
from tests.conftest import draw_cat, running_app

MISSING = TEXTS["en"]["missing"].format(cat="A")
SQUARE = [0, 1, 0, 0, 0]


@pytest.fixture
def uploads(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "uploads"
    folder.mkdir()
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(folder))
    return folder


def test_uploads_and_examples_are_ours_and_nothing_else(uploads, tmp_path):
    mine, secret = uploads / "cat.png", tmp_path / "secret.png"
    for file in (mine, secret):
        draw_cat(1).save(file)
    (uploads / "link.png").symlink_to(secret)
    os.mkfifo(uploads / "pipe.png")
    assert own_file(str(mine)) == str(mine.resolve())
    assert own_file(str(EXAMPLES / "chelsea.jpg")) == str(EXAMPLES / "chelsea.jpg")
    assert own_file(str(uploads / "swept.png")) == str(uploads / "swept.png")  # so that the visitor is told
    for path in (
        secret,
        tmp_path / "none.png",
        uploads / "link.png",
        uploads / "pipe.png",
        uploads,
        uploads / ".." / "secret.png",
        os.path.relpath(secret),
        "/dev/ptmx",
        "/dev/stdin",
        "/proc/self/environ",
        "examples",
        "a\0b",
        "x" * 5000,
        "",
    ):
        assert own_file(str(path)) is None, path


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    """An app whose folder is not that of other tests, beside a picture that is not its own."""
    temp = tmp_path_factory.mktemp("own")
    draw_cat(1).save(temp / "secret.png")
    with running_app(temp, {"PATH": "/usr/bin:/bin", "CATVAE_RATE": "1000"}) as url:
        yield url, temp


def called(url: str, name: str, data: list) -> str:
    """What the endpoint sends of its answer."""
    event = httpx.post(f"{url}/gradio_api/call/{name}", json={"data": data}, timeout=60).json()
    if "event_id" not in event:
        return json.dumps(event)
    return httpx.get(f"{url}/gradio_api/call/{name}/{event['event_id']}", timeout=60).text


def called_by_name(url: str, name: str, arguments: dict) -> str:
    """What the endpoint sends of its answer to arguments by name."""
    event = httpx.post(f"{url}/gradio_api/call/v2/{name}", json=arguments, timeout=60).json()
    if "event_id" not in event:
        return json.dumps(event)
    return httpx.get(f"{url}/gradio_api/call/v2/{name}/{event['event_id']}", timeout=60).text


def others(temp: Path) -> list[str]:
    """Paths that are not for reading: there and not there, absolute and relative, files and devices."""
    secret = temp / "secret.png"
    names = [secret, temp / "none.png", os.path.relpath(secret, ROOT), "README.md", "/etc/hostname", "/etc/none"]
    return [str(name) for name in [*names, "/dev/ptmx", "/dev/stdin", "/proc/self/environ"]]


def test_every_public_endpoint_refuses_them_with_one_answer(app):
    url, temp = app
    cat = {"url": data_uri(draw_cat(2)), "meta": {"_type": "gradio.FileData"}}
    for name, args in {
        "cut": lambda picture: [picture, *SQUARE],
        "mix": lambda picture: ["v6", picture, cat, 3, "lerp"],
        "compare": lambda picture: [picture, cat],
        "reconstruct": lambda picture: ["v6", picture],
    }.items():
        answers = {}
        for meta in ({}, {"meta": {"_type": "gradio.FileData"}}):
            for path in others(temp):
                answer = called(url, name, args({"path": path, **meta}))
                for named in (os.path.abspath(ROOT / path), path):  # as the client named it
                    answer = answer.replace(named, "PATH")
                answers[path, bool(meta)] = answer
        for asked, answer in answers.items():
            assert "event: error" in answer or '"error"' in answer, (name, asked, answer)
            assert "base64" not in answer, (name, asked, answer)
        for meta in (False, True):
            assert len({answer for (_, named), answer in answers.items() if named == meta}) == 1, (name, answers)


def test_arguments_by_name_are_refused_alike(app):
    url, temp = app
    assert "event: complete" in called_by_name(url, "cut", {"photo": {"url": data_uri(draw_cat(2))}})
    answers = set()
    for path in others(temp):
        answer = called_by_name(url, "cut", {"photo": {"path": path}})
        assert "base64" not in answer and "event: complete" not in answer, (path, answer)
        answers.add(answer.replace(os.path.abspath(ROOT / path), "PATH").replace(path, "PATH"))
    assert len(answers) == 1, answers


def test_so_do_the_page_s_own_endpoints(app):
    url, temp = app
    config = httpx.get(f"{url}/config", timeout=60).json()
    kinds = {component["id"]: component["type"] for component in config["components"]}
    tried = 0
    for fn in config["dependencies"]:
        pictures = [kinds[i] == "image" for i in fn["inputs"]]
        if not any(pictures) or not fn["backend_fn"]:
            continue
        tried += 1
        answers = set()
        for path in (str(temp / "secret.png"), str(temp / "none.png"), "/dev/ptmx"):
            data = [{"path": path} if picture else None for picture in pictures]
            body = {"data": data, "fn_index": fn["id"], "session_hash": "own"}
            for route in ("run/predict", "api/predict"):
                done = httpx.post(f"{url}/gradio_api/{route}", json=body, timeout=60)
                said = {key: value for key, value in done.json().items() if key in ("data", "error", "detail")}
                answers.add((done.status_code, json.dumps(said).replace(path, "PATH")))
                assert "base64" not in done.text, (fn["id"], done.text)
        assert len(answers) == 1, (fn["api_name"], answers)
    assert tried >= 4


def test_nor_do_the_keys_of_photos(app):
    """Kept photos are named by what is in them; any other name is as if there were none."""
    url, temp = app
    square = {"x": 0.5, "y": 0.5, "side": 0.5, "turn": 0}
    answers = set()
    for key in (*others(temp), "../" * 5 + "etc/passwd", "0" * 64, "", None, ["a"], 7):
        done = httpx.post(f"{url}/web/ask/cut", json={"key": key, "square": square}, timeout=60)
        answers.add((done.status_code, done.text))
    assert len(answers) == 1 and next(iter(answers))[0] == 404
    photo = (EXAMPLES / "chelsea.jpg").read_bytes()
    key = httpx.post(f"{url}/web/ask/faces", content=photo, timeout=60).json()["key"]
    assert httpx.post(f"{url}/web/ask/cut", json={"key": key, "square": square}, timeout=60).json()["face"]


def test_a_picture_within_an_address_works_as_the_api_s_info_says(app):
    url, _ = app
    cat = draw_cat(3)
    for picture in ({"url": data_uri(cat)}, {"path": None, "url": data_uri(cat)}):
        answer = called(url, "cut", [picture, *SQUARE])
        assert "event: complete" in answer, answer
    for broken in ("data:image/png;base64,no!", "data:image/png;base64,AAAA", "data:,"):
        answer = called(url, "cut", [{"url": broken}, *SQUARE])
        assert "event: error" in answer and "Traceback" not in answer, answer


def test_uploaded_files_and_examples_are_still_read(app):
    url, temp = app
    with (temp / "secret.png").open("rb") as file:
        path = httpx.post(f"{url}/gradio_api/upload", files={"files": ("cat.png", file)}, timeout=60).json()[0]
    for picture in (path, str(example_kittens()[0])):
        answer = called(url, "cut", [{"path": picture, "meta": {"_type": "gradio.FileData"}}, *SQUARE])
        assert "event: complete" in answer, answer


def test_a_picture_comes_undecoded_with_its_path_or_bytes(uploads):
    photo = PhotoInput(type="filepath")
    draw_cat(1).save(uploads / "cat.png")
    data = photo.data_model(path=str(uploads / "cat.png"))
    assert photo.preprocess(data) == str((uploads / "cat.png").resolve()) and photo.preprocess(None) is None
    sent = photo.preprocess(photo.data_model(url=data_uri(draw_cat(2))))
    assert open_image(sent).tobytes() == draw_cat(2).tobytes()
