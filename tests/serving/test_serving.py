"""The app and the Hub: bundled weights at once, the Hub's when they arrive, new ones without a restart."""

import itertools
import json
import shutil
import threading
import time
from types import SimpleNamespace

import pytest
from gradio_client import Client, handle_file

from catvae import CatVAE
from catvae.files import example_cats
from catvae.model import VARIANTS, save_checkpoint
from catvae.publishing.weights import Target, push_checkpoints
from catvae.serving.weights import Weights
from tests.conftest import running_app

REPO = "owner/cats"
CAT = example_cats()[0]


def push(hub, folder, tmp_path) -> str:
    with hub.client(tmp_path / "pusher"):
        return push_checkpoints(folder, Target(REPO))


def app_env(hub, home) -> dict[str, str]:
    return hub.env(home, token=None, CATVAE_REPO=REPO, CATVAE_POLL_SECONDS="0.5")


def source(client) -> str:
    return client.predict(api_name="/weights")


def wait_for(client, text: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while text not in source(client):
        assert time.monotonic() < deadline, source(client)
        time.sleep(0.2)


def ask(client) -> list:
    return client.predict("v3", handle_file(CAT), handle_file(CAT), 2, api_name="/mix")


def test_the_app_follows_the_hub_and_survives_without_it(hub, small_set, tmp_path):
    checkpoints = shutil.copytree(small_set, tmp_path / "checkpoints")
    first = push(hub, checkpoints, tmp_path)
    with running_app(tmp_path, app_env(hub, tmp_path / "home")) as url:
        client = Client(url, verbose=False)
        wait_for(client, f"{REPO}@{first[:7]}")

        stop, errors, mixed = threading.Event(), [], itertools.count()

        def mix_in_a_loop():
            visitor = Client(url, verbose=False)
            while not stop.is_set():
                try:
                    ask(visitor)
                    next(mixed)
                except Exception as error:
                    errors.append(error)

        visitors = threading.Thread(target=mix_in_a_loop)
        visitors.start()
        save_checkpoint(checkpoints / "v3", CatVAE(VARIANTS["v3"].config), 1, json.loads(
            (checkpoints / "v3" / "metrics.json").read_text()
        ))  # fmt: skip
        second = push(hub, checkpoints, tmp_path)
        wait_for(client, f"{REPO}@{second[:7]}")
        stop.set()
        visitors.join()
        assert errors == [] and next(mixed) > 2

    hub.down()
    with running_app(tmp_path, app_env(hub, tmp_path / "home")) as url:  # from the cache
        wait_for(Client(url, verbose=False), f"{REPO}@{second[:7]}")


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 401},
        {"status": 403},
        {"status": 404},
        {"status": 429, "headers": {"Retry-After": "0"}},
        {"status": 500},
        {"status": 503},
        {"reset": True},
        {"status": 200, "body": b"<html>maintenance</html>"},
    ],
    ids=str,
)
def test_whatever_the_hub_does_it_is_said_and_bundled_weights_are_used(hub, client, fault, follow):
    hub.seed(f"models/{REPO}", {"README.md": b"cats"})
    hub.fault("(GET|HEAD) ", **fault)
    weights, said = follow()
    assert said().startswith("catvae: still running checkpoints: ")
    assert weights.current.source == "checkpoints" and "Traceback" not in said()


def test_a_hub_that_answers_nothing_keeps_no_visitor_waiting(hub, small_set, tmp_path):
    hub.seed(f"models/{REPO}", {"README.md": b"cats"})
    hub.fault("(GET|HEAD) ", delay=30)
    with running_app(tmp_path, app_env(hub, tmp_path / "home")) as url:
        client = Client(url, verbose=False)
        assert "come with the app" in source(client)
        assert len(ask(client)) == 4
    assert "Traceback" not in (tmp_path / "app.log").read_text()


@pytest.fixture
def follow(monkeypatch, capsys):
    """Follows the Hub in this process until it is said how it went; gives the weights and what was said."""

    def follow():
        hasty = SimpleNamespace(**{**vars(time), "sleep": lambda seconds: None})
        monkeypatch.setattr("huggingface_hub.utils._http.time", hasty)  # which waits between tries
        monkeypatch.setenv("CATVAE_REPO", REPO)
        monkeypatch.setenv("CATVAE_POLL_SECONDS", "1000")
        weights, text = Weights(), ""

        def said() -> str:
            nonlocal text
            deadline = time.monotonic() + 120
            while "running" not in text:
                assert time.monotonic() < deadline
                time.sleep(0.05)
                text += capsys.readouterr().out
            return text

        return weights, said

    return follow


@pytest.mark.parametrize(
    "match, fault, message",
    [
        (r"GET .*v1/model\.safetensors", {"flip_byte": True}, "v1/model.safetensors arrives damaged"),
        (r"GET .*v1/model\.safetensors", {"status": 200, "body": b"<html>"}, "cannot get v1"),
        (r"GET .*v2/config\.json", {"cut_after": 10}, "cannot get v2"),
        (r"(GET|HEAD) .*v5/model\.safetensors", {"status": 404}, "cannot get v5"),
    ],
    ids=["flipped byte", "page instead of weights", "cut body", "file gone"],
)
def test_a_set_that_arrives_damaged_is_named_and_not_served(hub, client, small_set, match, fault, message, follow):
    files = {path.relative_to(small_set).as_posix(): path.read_bytes() for path in small_set.rglob("*.*")}
    hub.seed(f"models/{REPO}", files)
    injected = hub.fault(match, **fault)
    weights, said = follow()
    assert message in said() and "Traceback" not in said()
    assert injected.hits and weights.current.source == "checkpoints"
