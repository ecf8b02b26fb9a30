import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from filelock import FileLock
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

os.environ["HF_HUB_OFFLINE"] = "1"  # before anything imports huggingface_hub: no test talks to the internet
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

from huggingface_hub import HfApi

from catvae import VARIANTS, CatVAE
from catvae.browser.packages import PACKAGES
from catvae.model import FIRST_SET, save_checkpoint
from tests.hub_server import HubServer

if "PYTEST_XDIST_WORKER" in os.environ:
    torch.set_num_threads(1)  # workers share the cores: their threads would wait for each other

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NODE = shutil.which("node", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
WAIT = 90_000  # milliseconds for what comes at last: a busy machine needs many times what an idle one does
expect.set_options(timeout=WAIT)
CALM: dict = {"reduced_motion": "reduce"}  # the child does not breathe, which keeps a core busy for four seconds
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


def draw_cat(seed: int, size: int = 64) -> Image.Image:
    """A crude cat face with colours and proportions of its own: distinct, smooth, quick to make."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:64, 0:64] / 63
    coat, background, eyes = rng.uniform(0.05, 0.95, (3, 3))
    wave = np.sin(x * rng.uniform(3, 20) + rng.uniform(0, 6)) * np.sin(y * rng.uniform(3, 20) + rng.uniform(0, 6))
    picture = coat + 0.15 * wave[..., None]
    picture[(x - 0.5) ** 2 / rng.uniform(0.15, 0.3) + (y - 0.5) ** 2 / rng.uniform(0.15, 0.3) > 1] = background
    for centre in (0.29, 0.72):
        picture[(x - centre) ** 2 + (y - 0.41) ** 2 < rng.uniform(0.003, 0.01)] = eyes
    face = Image.fromarray((picture.clip(0, 1) * 255).astype(np.uint8))
    return face if size == 64 else face.resize((size, size), Image.Resampling.BICUBIC)


# what `make quick` leaves out: tests with these fixtures, these files, and what is marked where it stands
SLOW_FIXTURES = {"app_url", "browser", "node_modules"}
SLOW_FILES = {
    *("app", "browser", "browser_export", "decoders", "faces", "hostile", "hub", "hub_faults", "hub_server", "limits"),
    *("mcp", "own_files", "perceptual", "processes", "push_data", "serving", "space", "subpath", "track", "train"),
    *("variants", "wheel"),
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow what starts a browser or other processes, trains, or takes seconds by the dozen; what looks at the
    exported mixer comes last, but for the first, which exports it while others go on."""
    for item in items:
        file = item.path.stem.removeprefix("test_")
        if file in SLOW_FILES or SLOW_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)
    exported = [item for item in items if "web_exports" in getattr(item, "fixturenames", ())]
    items[:] = exported[:1] + [item for item in items if item not in exported] + exported[1:]


@pytest.fixture(autouse=True)
def fixed_seed() -> None:
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def no_pause_after_streams(monkeypatch) -> None:
    """`datasets` waits for five seconds after each pass over a stream."""
    if "datasets" in sys.modules:
        monkeypatch.setattr("datasets.config.SLEEP_TIME_ON_THREADS_SHUTDOWN", 0.05)


@pytest.fixture(scope="session")
def cat_folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cats")
    for seed in range(60):
        draw_cat(seed).save(folder / f"{seed:03d}.png")
    return folder


@pytest.fixture(scope="session")
def small_set(tmp_path_factory) -> Path:
    """A whole set of untrained variants, with figures as evaluation writes them; of few channels, to be pushed soon."""
    folder = tmp_path_factory.mktemp("set")
    for name in FIRST_SET:
        variant = VARIANTS[name]
        metrics = {"psnr": 20.0, "ssim": 0.5, "kl": 100.0, "active_units": 50, "images": 496}
        model = CatVAE(replace(variant.config, channels=(3, 4, 8, 8)))
        save_checkpoint(folder / name, model, variant.beta, metrics)
    return folder


@pytest.fixture
def hub(tmp_path) -> Iterator[HubServer]:
    with HubServer(tmp_path / "hub") as hub:
        yield hub


@pytest.fixture
def client(hub, tmp_path, monkeypatch) -> Iterator[HfApi]:
    """The Hub's client of a user with a token that may write, on `hub`; nothing waits long for that."""
    monkeypatch.setattr("catvae.download.PAUSES", (0, 0))
    with hub.client(tmp_path / "home") as api:
        yield api


def readme_block(language: str, containing: str) -> str:
    """The first program in that language, of README.md and then docs/programs.md, that contains a text."""
    text = "".join((ROOT / page).read_text(encoding="utf-8") for page in ("README.md", "docs/programs.md"))
    blocks = re.findall(rf"```{language}\n(.*?)```", text, re.S)
    return next(block for block in blocks if containing in block)


@pytest.fixture
def node_modules() -> Path:
    """Where `make test` puts the npm packages of tests/package.json; skips the test where they are missing."""
    folder = ROOT / "tests" / "node_modules"
    if not (folder / ".package-lock.json").exists():
        pytest.skip("needs npm packages: npm ci --prefix tests")
    return folder


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def running_app(
    temp: Path, env: dict[str, str], root: Path = ROOT, python: str | Path = sys.executable
) -> Iterator[str]:
    """The app as a visitor meets it: started by its own command on a free port; gives its URL. Its log is in `temp`."""
    port = free_port()
    log = temp / "app.log"
    env = {**env, "PORT": str(port), "GRADIO_TEMP_DIR": str(temp / "gradio"), "GRADIO_ANALYTICS_ENABLED": "False"}
    with log.open("w") as output:
        app = subprocess.Popen([python, "app.py"], cwd=root, env=env, stdout=output, stderr=output)
    try:
        for _ in range(1800):  # a busy machine needs minutes
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            assert app.poll() is None, log.read_text()
            time.sleep(0.1)
        else:
            pytest.fail(f"the app did not start: {log.read_text()}")
        yield f"http://127.0.0.1:{port}"
    finally:
        app.terminate()
        app.wait()


@pytest.fixture(scope="session")
def app_url(tmp_path_factory) -> Iterator[str]:
    env = {**os.environ, "CATVAE_RATE": "1000"}  # tests ask faster than any visitor
    with running_app(tmp_path_factory.mktemp("app"), env) as url:
        yield url


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium; skips the test where there is none."""
    if CHROMIUM is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def visitors(browser) -> dict[str, BrowserContext]:
    """Browser profiles by locale, each for many tests: scripts are fetched and compiled once."""
    return {}


@pytest.fixture
def open_page(browser, app_url, visitors) -> Iterator[Callable[..., Page]]:
    """Opens the page, on the models' pictures alone where a test names no other query, which is less work, with nothing
    stored of a visit before, and fails the test on errors in the browser's console,
    but for those whose status a test puts into its `errors`: a browser tells of every answer that is none."""
    pages, errors, expected = [], [], []

    def open_page(
        width: int = 1280, height: int = 900, locale: str = "en-US", query: str = "/?full=0", init: str = ""
    ) -> Page:
        if locale not in visitors:
            visitors[locale] = browser.new_context(locale=locale, **CALM)
            visitors[locale].set_default_timeout(WAIT)
        page = visitors[locale].new_page()
        pages.append(page)
        page.set_viewport_size({"width": width, "height": height})
        page.errors = expected
        page.add_init_script(init)
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(app_url + query)
        expect(page.locator("#mix canvas")).to_have_count(11)
        return page

    yield open_page
    for page in pages:
        forget(page, app_url)
    assert [error for error in errors if not any(status in error for status in expected)] == []


def forget(page: Page, url: str) -> None:
    """Closes a page, and its other pages, with what they have stored; but for the browser's cache."""
    context = page.context
    for other in context.pages:
        if other is not page:
            other.close()
    if not page.is_closed():
        told = {"origin": url, "storageTypes": "cookies,local_storage,indexeddb,service_workers,cache_storage"}
        page.goto("about:blank")  # what leaves a page is stored before it is forgotten
        context.new_cdp_session(page).send("Storage.clearDataForOrigin", told)
        page.close()
    context.clear_permissions()


# the command line, whose export takes the networks that are the same in every export from one that is there
EXPORT_OTHERS = """
import shutil
from pathlib import Path
from catvae.__main__ import main
from catvae.browser import export
copy = lambda folder, _: shutil.copytree(Path("{root}") / folder.name, folder) and 0.0
export._export_photos = export.export_fullsize = copy
main()
"""


def copy_packages(done: Path, out: Path) -> None:
    """What an export takes from npm, from one that is there."""
    for package in PACKAGES:
        shutil.copytree(done / package.name, out / package.name)


@pytest.fixture(scope="session")
def web_exports(tmp_path_factory) -> dict[str, Path]:
    """The mixer exported for the browser, once for all processes of a test run: v6 and v3 as int8, v6 and v7
    as fp16."""
    pytest.importorskip("onnxruntime", reason="needs the extra web: pip install '.[web]'")
    pytest.importorskip("onnxscript", reason="needs the extra web: pip install '.[web]'")
    from catvae.browser.export import export_web  # not above: slow, and few tests need it
    from catvae.errors import MissingPackageError

    root = tmp_path_factory.getbasetemp()
    root = (root.parent if "PYTEST_XDIST_WORKER" in os.environ else root) / "web"
    exports = {"int8": root / "int8", "fp16": root / "fp16"}
    with FileLock(f"{root}.lock"):
        try:
            if not exports["int8"].exists():
                export_web(exports["int8"], variants=["v6", "v3"])
            if not exports["fp16"].exists():
                with pytest.MonkeyPatch.context() as patch:  # these networks are the same in both
                    copy = lambda folder, _: shutil.copytree(exports["int8"] / folder.name, folder) and 0.0  # noqa: E731
                    for name in ("_export_photos", "export_fullsize"):
                        patch.setattr(f"catvae.browser.export.{name}", copy)
                    patch.setattr(
                        "catvae.browser.export.copy_packages", lambda out: copy_packages(exports["int8"], out)
                    )
                    export_web(exports["fp16"], variants=["v6", "v7"], weights="fp16")
        except MissingPackageError as error:
            pytest.skip(str(error))
    return exports


@pytest.fixture(scope="session")
def real_faces() -> torch.Tensor:
    """32 real faces, (32, 3, 64, 64) in [0, 1]."""
    from catvae.training.data import load_faces

    path = SHARED / "data" / "cat-faces-64" / "train.parquet"
    if not path.exists():
        pytest.skip(f"needs real faces: {path}")
    return load_faces(str(path), limit=800).validation[:32].float() / 255
