"""Files as no decoder likes them, through decoder, API, page and command line: a picture or a clear message each."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from playwright.sync_api import TimeoutError as PageTimeout
from playwright.sync_api import expect

from catvae.errors import ImageError
from catvae.photos.decode import open_image
from catvae.serving.texts import TEXTS
from tests.conftest import ROOT, running_app
from tests.hostile import hostile_files
from tests.page.test_page import choose_cat, expect_other_frames, frames


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    for name, content in hostile_files().items():
        (folder / name).write_bytes(content)
    assert len(list(folder.iterdir())) >= 100
    return folder


def test_each_file_is_a_picture_or_an_image_error(folder):
    read, refused = set(), {}
    for path in sorted(folder.iterdir()):
        try:
            image = open_image(path)
            assert image.mode == "RGB" and max(image.size) < 4096
            read.add(path.name)
        except ImageError as error:
            assert len(str(error)) > 30
            refused[path.name] = error.reason
    for name in ("mode P.png", "48 bit.png", "cmyk.jpg", "exif 99.jpg", "icc rubbish.png", "phone.heic", "no suffix"):
        assert name in read
    for name, reason in [
        ("half of plain.jpg", "unreadable"),
        ("drawing.svg", "unreadable"),
        ("other kind.pdf", "unreadable"),
        ("other kind.eps", "unreadable"),
        ("no pixels.png", "unreadable"),
        ("endless.png", "too_large"),
        ("bomb of 400 megapixels.png", "too_large"),
        ("bomb with a broken chunk.png", "too_large"),
        ("bomb without an end.jpg", "too_large"),
        ("too heavy.jpg", "too_heavy"),
        ("wide.jpg", "too_narrow"),
    ]:
        assert refused[name] == reason


def some_of(folder: Path) -> list[Path]:
    """The largest of each kind of trouble, and every fourth of the others: the decoder above has had all of them."""
    paths = sorted(folder.iterdir())
    heavy = [path for path in paths if re.search("bomb|endless|heavy|allowed|large|wide", path.name)]
    return heavy + [path for path in paths if path not in heavy][::4]


COMMAND_LINE = """
import sys
from pathlib import Path
from catvae.__main__ import main
out, *paths = sys.argv[1:]
for path in map(Path, paths):
    sys.argv = ["catvae", "mix", str(path), "examples/kitten-01.png", "--steps", "2", "--out", out]
    try:
        main()
        print(path.name, "->", "picture")
    except SystemExit as error:
        assert str(error).startswith("catvae: "), error
        print(path.name, "->", error)
# not ru_maxrss, which counts what the parent had before this process began
status = Path("/proc/self/status")
print("peak MB", int(status.read_text().split("VmHWM:")[1].split()[0]) // 1024 if status.exists() else 0)
"""


def test_the_command_line_ends_in_a_picture_or_a_message_and_leaves_nothing_behind(folder, tmp_path):
    (tmp_path / "temp").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", COMMAND_LINE, tmp_path / "strip.png", *some_of(folder)],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "TMPDIR": str(tmp_path / "temp"), "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        timeout=900,  # a busy machine takes minutes
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout.count(" -> ") == len(some_of(folder)) > 20
    assert int(done.stdout.rsplit(maxsplit=1)[1]) < 1000  # MB, torch and the networks included
    assert list((tmp_path / "temp").iterdir()) == []


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    """An app of its own, to look at its log and at its files, and one that lets a test ask as fast as it can."""
    temp = tmp_path_factory.mktemp("app")
    with running_app(temp, {"PATH": "/usr/bin:/bin", "CATVAE_RATE": "1000"}) as url:
        yield url, temp


def test_the_api_answers_each_with_a_picture_or_a_message(folder, app):
    url, temp = app
    client = Client(url, verbose=False, download_files=False)
    pictures, messages = 0, set()
    for path in some_of(folder):
        try:
            client.predict(photo=handle_file(str(path)), api_name="/cut")
            pictures += 1
        except AppError as error:
            messages.add(str(error).partition("\n")[0])
        except Exception as error:
            assert "413" in str(error), (path.name, error)  # Gradio's own limit on uploads
    assert pictures > 10
    known = {
        TEXTS["en"][key].format(cat="A") for key in ("unreadable", "too_large", "too_narrow", "missing", "too_heavy")
    }
    assert messages <= known and len(messages) >= 3
    assert "Traceback" not in (temp / "app.log").read_text()


def test_the_page_survives_them_all_and_goes_on_mixing(browser, folder, app):
    url, temp = app
    page = browser.new_page(locale="es-ES")
    page.goto(url)
    expect(page.locator("#mix canvas")).to_have_count(11)
    asked = []
    page.on("request", lambda request: asked.append(request.url) if "/ask/faces" in request.url else None)
    for path in some_of(folder)[::2]:
        try:
            with page.expect_response("**/ask/faces*", timeout=2500):
                page.locator("kitten-cat input[type=file]").first.set_input_files(path)
        except PageTimeout:
            pass  # the page itself refused it
    assert len(asked) > 10
    page.wait_for_timeout(1000)
    before = frames(page)
    choose_cat(page, "kitten-06")
    expect_other_frames(page, before)
    page.close()
    assert "Traceback" not in (temp / "app.log").read_text()
