"""The mixer in the browser: sizes, first morph, frames a second, memory; and onnxruntime beside torch, in one run.

python -m benchmarks.web
"""

import argparse
import gzip
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import brotli
import psutil
import torch
from onnxruntime import InferenceSession
from playwright.sync_api import Browser, Page, sync_playwright

from catvae.browser.export import export_web
from catvae.browser.graphs import open_graph
from catvae.images import to_tensor
from catvae.model import load_variant
from catvae.serving.links import FIRST_A, FIRST_B, example_face
from tests.web_server import serving

PACKED = (".gz", ".webp", ".jpg")

# the first frame that was painted, and how many, in milliseconds since the page was asked for
WATCH = """
window.frames = [];
addEventListener('DOMContentLoaded', () => document.querySelector('kitten-mixer')
  .addEventListener('frame', () => frames.push(performance.now())));
"""


def transfer_sizes(folder: Path) -> dict[str, float]:
    """Megabytes that a post with v6 at full size takes, of a painted cat and a real one: as the files lie, and as gzip
    and brotli send them."""
    names = [path for path in folder.iterdir() if path.suffix in (".js", ".css", ".json", ".webp")]
    names += [*(folder / "engine").iterdir(), *(folder / "fullsize").iterdir(), *(folder / "v7").glob("painter*")]
    names += [*(folder / "onnxruntime-web").glob("ort*"), *(folder / "v6").glob("decoder*")]
    names += [folder / "v6" / "latents.safetensors", folder / "cats" / "chelsea.jpg"]
    read = {path: path.read_bytes() for path in names}
    sizes = {"files": sum(map(len, read.values()))}
    for name, compress in (("gzip", gzip.compress), ("brotli", brotli.compress)):
        sizes[name] = sum(
            len(content if path.suffix in PACKED else compress(content)) for path, content in read.items()
        )
    return {name: size / 1e6 for name, size in sizes.items()}


def open_mixer(browser: Browser, url: str) -> Page:
    page = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-US").new_page()
    page.add_init_script(WATCH)
    page.goto(url)
    page.wait_for_selector("kitten-mixer[data-state=ready]")
    return page


def frames_per_second(page: Page, seconds: float = 4) -> float:
    """How many decoded frames are painted while the slider is moved at every frame of the screen."""
    return page.evaluate(
        """seconds => new Promise(resolve => {
            const mixer = document.querySelector('kitten-mixer'), begun = performance.now(), before = frames.length;
            const move = now => {
                if (now - begun > 1000 * seconds) return resolve(1000 * (frames.length - before) / (now - begun));
                mixer.slide(.5 + .5 * Math.sin(now / 500));
                requestAnimationFrame(move);
            };
            requestAnimationFrame(move);
        })""",
        seconds,
    )


def renderer_memory(browser_pid: int) -> float:
    """Resident megabytes of the largest of Chromium's processes that run a page."""
    pages = [p for p in psutil.Process(browser_pid).children(recursive=True) if "--type=renderer" in p.cmdline()]
    return max(process.memory_info().rss for process in pages) / 1e6


def measure_page(folder: Path, rounds: int) -> None:
    with serving(folder) as site, sync_playwright() as playwright:
        first, again = [], []
        for _ in range(rounds):
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
            )
            page = open_mixer(browser, site.url)
            first.append(page.evaluate("frames[0]"))
            page.evaluate("navigator.serviceWorker.ready.then(() => 1)")
            page.reload()
            page.wait_for_selector("kitten-mixer[data-state=ready]")
            again.append(page.evaluate("frames[0]"))
            if len(first) < rounds:
                browser.close()
        print(f"first morph: {statistics.median(first):.0f} ms after the page is asked for", end=", ")
        print(f"{statistics.median(again):.0f} ms on a second visit")
        pid = next(
            p.pid
            for p in psutil.Process().children(recursive=True)
            if "chrom" in p.name() and "--type=" not in " ".join(p.cmdline())
        )
        print(f"slider: {frames_per_second(page):.0f} frames a second, memory {renderer_memory(pid):.0f} MB")
        page.evaluate("document.querySelector('kitten-mixer').toggleAttribute('compare', true)")
        page.wait_for_selector("kitten-compare [data-shown]")
        print(f"all models: {frames_per_second(page):.0f} frames a second, memory {renderer_memory(pid):.0f} MB")
        browser.close()


def measure_runtimes(folder: Path, rounds: int) -> None:
    """Two faces encoded and nine frames decoded with v6, by torch and by onnxruntime in turns: medians of both, by
    the clock and of processor time, and of the ratio of these within a turn, with its quartiles. The app mixes with
    one thread; two need two idle cores."""
    model = load_variant("v6")
    faces = to_tensor([example_face(name) for name in (FIRST_A, FIRST_B)])
    shares = torch.linspace(0, 1, 9)[:, None]

    @torch.inference_mode()
    def by_torch() -> None:
        mu = model.to_mu(model.encoder(faces))
        model.decode(torch.lerp(mu[0], mu[1], shares))

    for threads in (1, 2):  # one after the other: a change of threads slows what comes next
        torch.set_num_threads(threads)
        encoder, decoder = (open_graph(folder / "v6" / f"{name}.onnx", threads) for name in ("encoder", "decoder"))

        def by_onnxruntime(encoder: InferenceSession = encoder, decoder: InferenceSession = decoder) -> None:
            mu = torch.from_numpy(encoder.run(None, {"input": faces.numpy()})[0])
            decoder.run(None, {"input": torch.lerp(mu[0], mu[1], shares).numpy()})

        def timed(act: Callable[[], None]) -> tuple[float, float]:
            clock, processor = time.perf_counter(), time.process_time()
            act()
            return 1000 * (time.perf_counter() - clock), 1000 * (time.process_time() - processor)

        turns = [(timed(by_torch), timed(by_onnxruntime)) for _ in range(rounds + 5)][5:]
        load = ", ".join(f"{value:.1f}" for value in os.getloadavg()[:2])
        print(f"nine frames, {threads} thread(s), {rounds} turns, load {load} on {os.cpu_count()} cores")
        for i, kind in enumerate(("clock", "processor")):
            ours, other = (statistics.median(turn[n][i] for turn in turns) for n in (0, 1))
            low, ratio, high = statistics.quantiles((turn[0][i] / turn[1][i] for turn in turns), n=4)
            print(f"  {kind:9} torch {ours:.1f} ms, onnxruntime {other:.1f} ms, {ratio:.2f}× ({low:.2f} to {high:.2f})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--turns", type=int, default=100)
    parser.add_argument("--runtimes", action="store_true", help="onnxruntime beside torch alone")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temp:
        if args.runtimes:
            export_web(Path(temp) / "web", variants=["v6"], weights="fp16")
            return measure_runtimes(Path(temp) / "web", args.turns)
        for weights in ("fp16", "int8"):
            folder = Path(temp) / weights
            export_web(folder, weights=weights)
            sizes = ", ".join(f"{size:.2f} MB {name}" for name, size in transfer_sizes(folder).items())
            print(f"{weights}: a post with v6 at full size takes {sizes}")
        measure_page(folder, args.rounds)
        measure_runtimes(folder, args.turns)


if __name__ == "__main__":
    main()
