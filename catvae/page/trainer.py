"""The page of a training Space: it trains, shows the log, and pauses its Space at the end."""

import os
import subprocess
import threading
from collections import deque

import gradio as gr
from huggingface_hub import HfApi
from starlette.middleware import Middleware

from catvae.download import PATIENT, hub_calls, persist
from catvae.errors import HubError
from catvae.files import find_port
from catvae.machine import catch_stops
from catvae.serving.routes import OpenRoutes

SHOWN_LINES = 200


def train_and_pause(command: list[str]) -> None:
    """Run the training `command` beside a page with its log, then pause the Space it runs on.

    Paused Spaces cost nothing. The Space is SPACE_ID; without one the page stays up. When the machine is taken back
    the training hears of it, and what it pushes then is waited for.
    """
    port = find_port()
    catch_stops()
    log: deque[str] = deque(maxlen=SHOWN_LINES)
    started: list[subprocess.Popen] = []
    thread = threading.Thread(target=_train, args=(command, log, started), daemon=True)
    thread.start()
    with gr.Blocks(title="Kitten Mixer training", analytics_enabled=False) as page:
        gr.Markdown("# Kitten Mixer training\nThe weights are pushed at the end, and this Space pauses itself.")
        gr.Textbox(lambda: "\n".join(log), every=2, lines=25, label="Log", autoscroll=True)
    try:
        guard = {"middleware": [Middleware(OpenRoutes)]}  # its environment holds a token
        page.launch(server_name=os.environ.get("GRADIO_SERVER_NAME"), server_port=port, app_kwargs=guard)
    finally:
        for training in started:
            training.terminate()
        thread.join()


def _train(command: list[str], log: deque[str], started: list[subprocess.Popen]) -> None:
    try:
        training = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",  # whatever it prints, the Space must come to its pause
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        started.append(training)
        for line in training.stdout:  # text mode ends a line at the progress bar's \r too
            if "img/s]" in line and log and "img/s]" in log[-1]:
                log.pop()
            else:
                print(line, end="", flush=True)
            log.append(line.rstrip())
        log.append("done" if training.wait() == 0 else f"training ended with exit status {training.returncode}")
    except OSError as error:
        log.append(f"training cannot start ({error})")
    finally:
        pause(log)


def pause(log: deque[str], pauses: tuple[float, ...] = PATIENT) -> None:
    """Pause the Space this runs on, if it is one, trying again after each of `pauses` (s), and say so if that fails."""

    def ask() -> None:
        with hub_calls("could not pause this Space"):
            HfApi().pause_space(space)

    if space := os.environ.get("SPACE_ID"):
        try:
            persist(ask, pauses)
        except HubError as error:
            log.append(f"{error}: pause it yourself, it costs money")
    if log:
        print(log[-1], flush=True)
