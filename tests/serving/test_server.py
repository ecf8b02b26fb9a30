"""What a server must withstand: bodies of any shape, forged addresses, ports that are taken, folders of few models."""

import asyncio
import os
import re
import runpy
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from gradio_client import Client, handle_file
from starlette.datastructures import Headers

from catvae.errors import CheckpointError, HubError, SettingError
from catvae.files import EXAMPLES, read_json, write_json
from catvae.mixing import compare
from catvae.model import CatVAE, VAEConfig, save_checkpoint
from catvae.page.launch import find_port
from catvae.page.page import addresses
from catvae.serving import weights
from catvae.serving.limits import MAX_BODY, Limits, visitor
from catvae.serving.sweep import sweep, sweep_in_background
from catvae.serving.texts import TEXTS
from catvae.serving.weights import load_set
from tests.conftest import ROOT, draw_cat, running_app


def post(
    chunks: list[bytes], path: str = "/gradio_api/reset", headers: dict[str, str] | None = None, method: str = "POST"
) -> tuple:
    """Send a body in pieces through the limits; the status of the answer, its body, and bytes the app was given."""
    given, sent = [], []

    async def app(scope, receive, send):
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            given.append(len(message["body"]))
            if not message["more_body"]:
                break
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})

    pieces = iter(chunks)
    left = len(chunks)

    async def receive():
        nonlocal left
        left -= 1
        return {"type": "http.request", "body": next(pieces), "more_body": left > 0}

    async def send(message):
        sent.append(message)

    raw = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    scope = {"type": "http", "method": method, "path": path, "headers": raw, "client": ("192.0.2.1", 1)}
    asyncio.run(Limits(app)(scope, receive, send))
    return sent[0]["status"], sent[1]["body"], sum(given)


@pytest.mark.parametrize("path", ["/gradio_api/reset", "/gradio_api/upload", "/gradio_api/component_server", "/x"])
def test_a_body_without_a_length_is_counted_as_it_arrives(path):
    status, body, given = post([b"x" * 1_000_000] * 200, path, {"accept-language": "es"})
    assert status == 413 and TEXTS["es"]["too_heavy_body"] in body.decode("unicode_escape")
    assert given <= MAX_BODY
    assert post([b"x" * 1_000_000] * 14, path) == (200, b"ok", 14_000_000)


def test_a_length_that_is_too_large_or_none_is_refused_before_anything_is_read():
    for length in (str(MAX_BODY + 1), "-1", "many"):
        assert post([b"x"], headers={"content-length": length})[::2] == (413, 0)


def test_a_body_of_a_method_that_needs_none_is_counted_too():
    assert post([b"x" * 1_000_000] * 200, method="GET")[0] == 413


@pytest.mark.parametrize(
    ("client", "forwarded", "behind", "address"),
    [
        ("192.0.2.1", [], False, "192.0.2.1"),
        ("192.0.2.1", ["203.0.113.9"], False, "192.0.2.1"),  # no proxy of ours: anyone may send that
        ("10.0.0.1", ["203.0.113.9"], True, "203.0.113.9"),
        ("10.0.0.1", ["198.51.100.1, 203.0.113.9"], True, "203.0.113.9"),  # what stands before was sent by the client
        ("10.0.0.1", ["198.51.100.1", "203.0.113.9"], True, "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", [], False, "2001:0db8:0001:0002"),
        ("2001:db8:1:2:ffff::1", [], False, "2001:0db8:0001:0002"),  # the same connection
        ("2001:db8:1:3::1", [], False, "2001:0db8:0001:0003"),
        ("::ffff:203.0.113.9", [], False, "203.0.113.9"),
        ("nonsense", [], False, "nonsense"),
    ],
)
def test_a_visitor_is_the_address_that_the_nearest_proxy_saw(client, forwarded, behind, address):
    headers = Headers(raw=[(b"x-forwarded-for", value.encode()) for value in forwarded])
    assert visitor({"client": (client, 1)}, headers, behind) == address


def test_forged_addresses_share_one_bucket(monkeypatch):
    monkeypatch.setenv("SYSTEM", "spaces")
    monkeypatch.setenv("CATVAE_RATE", "1")
    limits = Limits(None)
    seen = [visitor({"client": ("10.0.0.1", 1)}, Headers({"x-forwarded-for": f"1.2.3.{i}, 203.0.113.9"}), True)
            for i in range(20)]  # fmt: skip
    assert [limits._take_token(address) for address in seen].count(True) == 8


@pytest.mark.parametrize(
    ("variables", "behind"),
    [({}, False), ({"SYSTEM": "spaces"}, True), ({"FORWARDED_ALLOW_IPS": "*"}, True),
     ({"FORWARDED_ALLOW_IPS": "10.0.0.1"}, False)],
)  # fmt: skip
def test_where_everyone_is_believed_the_last_entry_counts(variables, behind, monkeypatch):
    for name in ("SYSTEM", "FORWARDED_ALLOW_IPS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert Limits(None).behind_proxy is behind


@pytest.mark.parametrize(
    ("env", "port"), [({}, 7860), ({"PORT": "8080"}, 8080), ({"GRADIO_SERVER_PORT": "8081"}, 8081),
                      ({"PORT": "8080", "GRADIO_SERVER_PORT": "8081"}, 8080)]
)  # fmt: skip
def test_the_port_is_the_one_that_is_asked_for(env, port, monkeypatch):
    for name in ("PORT", "GRADIO_SERVER_PORT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert find_port() == port


@pytest.mark.parametrize("value", ["abc", "0", "65536", "-1", "8080.5"])
@pytest.mark.parametrize("name", ["PORT", "GRADIO_SERVER_PORT"])
def test_what_is_no_port_is_said(name, value, monkeypatch):
    monkeypatch.delenv("PORT", raising=False)
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingError, match=f"{name} must be a port"):
        find_port()


@pytest.mark.parametrize("name", ["CATVAE_RATE", "CATVAE_POLL_SECONDS"])
@pytest.mark.parametrize("value", ["abc", "0", "-1", "nan", "inf", "1e999", "1e300", "5 a second", "1,5"])
def test_a_setting_that_is_no_number_above_0_is_said(name, value, monkeypatch):
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingError, match=f"{name} must be a number above 0 and at most 1e.09, not '{value}'"):
        Limits(None) if name == "CATVAE_RATE" else weights.Weights()


@pytest.mark.parametrize(("value", "rate"), [("", 5), ("  ", 5), ("0.1", 0.1), (" 3 ", 3), ("1e3", 1000)])
def test_whoever_may_ask_at_all_may_ask_at_first(value, rate, monkeypatch):
    monkeypatch.setenv("CATVAE_RATE", value)
    limits = Limits(None)
    assert limits.rate == rate
    assert limits._take_token("192.0.2.1")  # at 0.1 a second too, which is not enough for one at once


def test_a_slow_rate_fills_again(monkeypatch):
    now = 100.0
    monkeypatch.setenv("CATVAE_RATE", "0.1")
    monkeypatch.setattr(time, "monotonic", lambda: now)
    limits, taken = Limits(None), []
    for _ in range(25):
        taken.append(limits._take_token("192.0.2.1"))
        now += 1
    assert (
        taken.count(True) == 3 and taken[0] and max(taken[1:10]) is False
    )  # 0.1 is no binary number: 10 or 11, 20 or 21


@pytest.mark.parametrize("name", ["CATVAE_CODE", "CATVAE_POST"])
@pytest.mark.parametrize("value", ["example.com/post", "javascript:alert(1)", "/post"])
def test_what_is_no_address_is_said(name, value, monkeypatch):
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingError, match=f"{name} must be an address that begins with https://"):
        addresses(weights.Weights())


@pytest.mark.parametrize(
    ("name", "value"),
    [("CATVAE_RATE", "abc"), ("CATVAE_POLL_SECONDS", "abc"), ("CATVAE_WEB", "none"), ("CATVAE_CHECKPOINTS", "none"),
     ("CATVAE_POST", "my post"), ("PORT", "eighty")],
)  # fmt: skip
def test_a_bad_setting_is_one_line_on_start(name, value, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", os.environ.get("GRADIO_TEMP_DIR", ""))  # which app.py sets
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(ROOT / "app.py"), run_name="__main__")
    assert re.fullmatch(r"app\.py: .+", stop.value.code) and (name in stop.value.code or value in stop.value.code)


@pytest.mark.slow
def test_a_port_that_is_taken_is_a_sentence(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        env = {**os.environ, "PORT": str(other.getsockname()[1]), "GRADIO_TEMP_DIR": str(tmp_path)}
        app = subprocess.run([sys.executable, "app.py"], cwd=ROOT, env=env, capture_output=True, text=True, timeout=300)
    assert app.returncode == 1 and "Traceback" not in app.stderr
    assert "is taken: stop what listens there, or set PORT" in app.stderr


def test_a_folder_shows_what_it_holds_in_the_order_of_beta(small_set, tmp_path):
    for name in ("v1", "v5", "v3"):
        shutil.copytree(small_set / name, tmp_path / name)
    assert list(load_set(tmp_path).models) == ["v5", "v1", "v3"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match="holds no model, neither v1, v2"):
        load_set(tmp_path / "empty")


def save_model(folder: Path, beta: object) -> Path:
    """A small model in a folder of that name, with whatever is given as β."""
    save_checkpoint(folder, CatVAE(VAEConfig(channels=(3, 8, 8), latent_dim=6)), 1.0, {"psnr": 12.0})
    write_json(folder / "config.json", read_json(folder / "config.json") | {"beta": beta})
    return folder


def test_models_of_other_names_stand_by_the_beta_that_they_tell(small_set, tmp_path):
    shutil.copytree(small_set / "v5", tmp_path / "v5")  # 0.05
    for name, beta in (("tame", 4), ("wild", 0.001), ("an-import", None)):
        save_model(tmp_path / name, beta)
    current = load_set(tmp_path)
    assert list(current.models) == ["wild", "v5", "tame", "an-import"]
    assert set(current.metrics) == {"v5"}  # the others' lack what the page shows
    rows = compare(current.models, [draw_cat(0), draw_cat(1)])
    assert [(name, row.beta) for name, row in rows.items()] == [
        ("wild", 0.001), ("v5", 0.05), ("tame", 4), ("an-import", None)
    ]  # fmt: skip


@pytest.mark.parametrize("beta", ["1", True, -1, float("nan"), [1]])
def test_a_beta_that_is_no_number_is_said(beta, tmp_path):
    with pytest.raises(CheckpointError, match="beta must be a number"):
        load_set(save_model(tmp_path / "mine", beta))


@pytest.mark.slow
def test_a_folder_that_is_one_model_is_an_app_of_that_model(tmp_path):
    folder = save_model(tmp_path / "an-import", None)
    cat = str(EXAMPLES / "kitten-01.png")
    with running_app(tmp_path, {**os.environ, "CATVAE_CHECKPOINTS": str(folder)}) as url:
        client = Client(url, verbose=False)
        assert len(client.predict("an-import", handle_file(cat), handle_file(cat), 3, api_name="/mix")) == 5
        strips, numbers = client.predict(handle_file(cat), handle_file(cat), api_name="/compare")
        assert [strip["caption"] for strip in strips] == ["an-import"] and numbers["an-import"]["beta"] is None
        assert httpx.get(f"{url}/embed").status_code == 200


def test_a_repo_that_does_not_exist_is_said_once(capsys, monkeypatch):
    polls = iter(range(3))

    def find(repo_id: str, revision: str, *, ask: bool) -> None:
        if ask:
            raise HubError(f"cannot look up {repo_id} (404: Repository not found)")

    def sleep(seconds: float) -> None:
        next(polls)

    monkeypatch.setattr(weights, "find_commit", find)
    monkeypatch.setattr(weights.time, "sleep", sleep)
    with pytest.raises(StopIteration):
        weights.Weights()._follow("nobody/cats", "")
    (line,) = capsys.readouterr().out.splitlines()
    assert line == "catvae: still running checkpoints: cannot look up nobody/cats (404: Repository not found)"


def test_pictures_of_a_process_before_are_swept_and_young_ones_stay(tmp_path):
    old, young = tmp_path / "a" / "old.jpg", tmp_path / "b" / "young.jpg"
    for path in (old, young):
        path.parent.mkdir()
        path.write_bytes(b"x")
    outside = tmp_path.parent / f"{tmp_path.name}-outside.jpg"
    outside.write_bytes(b"x")
    (tmp_path / "link.jpg").symlink_to(outside)
    for path in (old, old.parent):
        os.utime(path, (time.time() - 4000,) * 2)
    os.utime(tmp_path / "link.jpg", (time.time() - 4000,) * 2, follow_symlinks=False)
    assert sweep(tmp_path) == 2
    assert not old.exists() and young.exists() and outside.exists() and not (tmp_path / "link.jpg").is_symlink()
    outside.unlink()


def test_photos_lie_in_no_folder_that_others_can_read(tmp_path, monkeypatch):
    def refuse(*_, **__) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "photos"))
    monkeypatch.setattr(os, "chmod", refuse)  # as a disk without modes does
    with pytest.raises(SettingError, match="photos: cannot be written .Operation not permitted"):
        sweep_in_background(lambda: None)


def test_a_folder_that_grows_too_large_loses_its_oldest_pictures(tmp_path):
    paths = [tmp_path / f"{i}.jpg" for i in range(4)]
    for i, path in enumerate(paths):
        path.write_bytes(bytes(1000))
        os.utime(path, (time.time() - 100 + i,) * 2)
    assert sweep(tmp_path, most=2500) == 2
    assert [path.exists() for path in paths] == [False, False, True, True]


@pytest.mark.slow
@pytest.mark.parametrize("named", [True, False])
def test_all_of_gradio_writes_into_a_folder_of_this_app_alone(named, tmp_path):
    """What reads the folder once, on import, as MCP's pictures do, reads the one that is swept."""
    show = (
        "import runpy; demo = runpy.run_path('app.py')['demo']; import gradio.mcp, gradio.utils;"
        "from catvae.serving.sweep import temp_folder;"
        "print(demo.GRADIO_CACHE, gradio.mcp.DEFAULT_TEMP_DIR, gradio.utils.get_upload_folder(), temp_folder())"
    )
    env = {key: value for key, value in os.environ.items() if key != "GRADIO_TEMP_DIR"}
    env |= {"GRADIO_TEMP_DIR": str(tmp_path)} if named else {"TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", show], cwd=ROOT, env=env, capture_output=True, text=True, timeout=300)
    folders = set(done.stdout.split())
    assert len(folders) == 1, done.stderr
    assert Path(folders.pop()).parent == tmp_path  # a folder that others use as well is not swept


@pytest.mark.slow
def test_a_photo_of_a_killed_app_is_swept_by_the_next(tmp_path):
    env = {**os.environ, "TMPDIR": str(tmp_path)}
    with running_app(tmp_path, env) as url:
        sent = httpx.post(f"{url}/gradio_api/upload", files={"files": b"a photo"})
        (photo,) = (Path(path) for path in sent.json())
        assert photo.read_bytes() == b"a photo" and photo.is_relative_to(tmp_path / "gradio")
        assert (tmp_path / "gradio" / f"catvae-{os.getuid()}").stat().st_mode & 0o077 == 0
    other = tmp_path / "gradio" / "of-another-app.png"
    other.write_bytes(b"x")
    for path in (photo, other):
        assert path.exists()
        os.utime(path, (time.time() - 4000,) * 2)
    with running_app(tmp_path, env) as url:
        assert not photo.exists() and other.exists()
        assert httpx.get(f"{url}/gradio_api/file={photo}").status_code in (403, 404)
