"""How long a mix takes: ours beside the published app's, six models beside one, a photo; and the first after a start.

python -m benchmarks.mix
"""

import argparse
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import httpx
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks.load import KITTENS, PHOTO, ROOT, free_port
from catvae import CatVAE, load_variant, mix, open_image
from catvae.machine import to_memory_format
from catvae.mixing import compare
from catvae.model import FIRST_SET, load_models
from catvae.photos.faces import cut_face

STEPS = 9
# app.py as `python app.py` runs it, saying when its imports are done and how long its weights took
STARTED = """
import runpy, time
import catvae.page.page
from catvae.serving.weights import Weights
print("imports", time.time(), flush=True)
load = Weights.__init__
def timed(weights):
    started = time.time()
    load(weights)
    print("weights", time.time() - started, flush=True)
Weights.__init__ = timed
runpy.run_path("app.py", run_name="__main__")
"""


@torch.no_grad()
def published_mix(model: CatVAE, image_a: Image.Image, image_b: Image.Image, steps: int) -> list[Image.Image]:
    """The published app's function, restated: samples of the posterior, a straight line of `steps` + 2 in one batch."""

    def to_latent(image: Image.Image) -> Tensor:
        x = torch.from_numpy(np.array(image.resize((64, 64)))).permute(2, 0, 1).contiguous().float().div(255)
        mu, logvar = model.encode(x.unsqueeze(0))
        return mu + torch.exp(0.5 * logvar) * torch.randn_like(logvar)

    a, b = to_latent(image_a), to_latent(image_b)
    shares = torch.linspace(0, 1, steps + 2)[:, None]
    pictures = model.decode((1 - shares) * a + shares * b).permute(0, 2, 3, 1).cpu().numpy()
    return [Image.fromarray((picture * 255).astype(np.uint8)) for picture in pictures]


def alternate(functions: dict[str, Callable[[], object]], runs: int) -> dict[str, tuple[float, float]]:
    """Median milliseconds of each function by the clock and of processor time, all taking turns, so that
    other work on the machine hits all."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in functions}
    for _ in range(runs + 2):  # the first two warm up
        for name, function in functions.items():
            clock, processor = time.perf_counter(), time.process_time()
            function()
            times[name].append((1000 * (time.perf_counter() - clock), 1000 * (time.process_time() - processor)))
    return {name: tuple(map(statistics.median, zip(*rows[2:], strict=True))) for name, rows in times.items()}


def compare_functions(runs: int) -> None:
    models = {name: load_variant(name) for name in FIRST_SET}
    plain = to_memory_format(load_variant("v6"), torch.contiguous_format)  # as torch.load left it there
    cats = [Image.open(path).convert("RGB") for path in (KITTENS[0], KITTENS[3])]
    painted = {name: model for name, model in load_models().items() if model.painter}
    functions = {
        "ours": lambda: mix(models["v6"], cats[0], cats[1], STEPS),
        "published": lambda: published_mix(plain, cats[0], cats[1], STEPS - 2),
        **{f"ours, {name}": partial(mix, model, *cats, STEPS) for name, model in painted.items()},
        "all six, compared": lambda: compare(models, cats, STEPS),
        f"the face in {PHOTO.name}": lambda: cut_face(open_image(PHOTO)),
    }
    print(f"{STEPS} frames of two 64×64 pictures, v6, medians of {runs} runs; two threads need two idle cores")
    print(f"{'':10}{'':22}{'clock':>10}{'÷ ours':>9}{'processor':>13}{'÷ ours':>9}")
    for threads in (1, 2):  # one after the other: a change of threads slows what comes next
        torch.set_num_threads(threads)
        ms = alternate(functions, runs)
        for name, (clock, processor) in ms.items():
            shares = [value / ours for value, ours in zip((clock, processor), ms["ours"], strict=True)]
            print(f"{threads} thread(s) {name:22}{clock:7.1f} ms{shares[0]:8.1f}×{processor:10.1f} ms{shares[1]:8.1f}×")


def ask_for_mix(url: str) -> None:
    """One mix over HTTP, as a program asks for it. Raises for any other answer than a mix."""
    with httpx.Client(base_url=f"{url}/gradio_api", timeout=120) as client:
        answer = client.post("/upload", files=[("files", KITTENS[i].read_bytes()) for i in (0, 3)]).raise_for_status()
        files = [{"path": path, "meta": {"_type": "gradio.FileData"}} for path in answer.json()]
        answer = client.post("/call/mix", json={"data": ["v6", *files, STEPS, "lerp"]}).raise_for_status()
        answer = client.get(f"/call/mix/{answer.json()['event_id']}")
        if "event: complete" not in answer.text:
            raise RuntimeError(answer.text)


def measure_start() -> dict[str, float]:
    """Seconds from nothing to the first mix over HTTP, by part, and of a second mix."""
    port = free_port()
    env = {**os.environ, "PORT": str(port), "GRADIO_ANALYTICS_ENABLED": "False"}
    started = time.time()
    app = subprocess.Popen([sys.executable, "-c", STARTED], cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True)
    try:
        while app.poll() is None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.01)
        listening = time.time()
        ask_for_mix(f"http://127.0.0.1:{port}")
        first = time.time()
        ask_for_mix(f"http://127.0.0.1:{port}")
        second = time.time()
        said = dict(app.stdout.readline().split() for _ in range(2))
    finally:
        app.terminate()
        app.wait()
    imports, weights = float(said["imports"]) - started, float(said["weights"])
    page = listening - started - imports - weights
    parts = {"imports": imports, "weights": weights, "page and server": page, "first mix": first - listening}
    return {**parts, "in all": first - started, "second mix": second - first}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--starts", type=int, default=3)
    args = parser.parse_args()
    compare_functions(args.runs)
    starts = [measure_start() for _ in range(args.starts)]
    if starts:
        print(f"app.py from its start to the first mix over HTTP, medians of {args.starts} starts:")
        print(", ".join(f"{name} {statistics.median(s[name] for s in starts):.2f} s" for name in starts[0]))


if __name__ == "__main__":
    main()
