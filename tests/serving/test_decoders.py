"""Pictures that take decoders minutes or gigabytes: refused in words, ended, and no one else waits for them."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from catvae.errors import ImageError
from catvae.photos.decode import open_image
from catvae.photos.worker import work_of
from catvae.serving import decoders
from catvae.serving.decoders import HEAVY, LIGHT, LIGHT_ONES, Decoder, Sender, open_photo
from catvae.serving.texts import TEXTS
from tests.conftest import ROOT, draw_cat, running_app
from tests.hostile import encode, heavy_files, many_scans

CAT = draw_cat(1, 300)


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return heavy_files()


def memory(pid: int) -> dict[str, int]:
    """The lines of /proc that are in MB."""
    lines = (line.split() for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return {line[0].rstrip(":"): int(line[1]) // 1024 for line in lines if line[-1] == "kB"}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_a_picture_is_the_same_as_without_a_process(kind, tmp_path):
    (tmp_path / "cat").write_bytes(encode(CAT, kind))
    for source in (str(tmp_path / "cat"), encode(CAT, kind)):
        assert open_photo(source).tobytes() == open_image(encode(CAT, kind)).tobytes()
    large = open_photo(encode(CAT.resize((2400, 1600)), kind))
    assert large.size == (2048, 1365)
    expected = CAT.resize(large.size)
    assert abs(np.asarray(large, np.float32) - np.asarray(expected, np.float32)).mean() < 6


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (None, "missing"),
        ("/none.png", "missing"),
        (b"", "unreadable"),
        (b"no picture", "unreadable"),
        (encode(CAT, "JPEG")[:3000], "unreadable"),
        (encode(CAT, "JPEG") + bytes(15_500_000), "too_heavy"),
        (encode(Image.new("L", (4000, 100)), "PNG"), "too_narrow"),
        (encode(Image.new("1", (9000, 9000)), "PNG"), "too_large"),
    ],
)
def test_what_is_no_picture_is_refused_as_without_a_process(source, reason):
    with pytest.raises(ImageError) as refused:
        open_photo(source)
    assert refused.value.reason == reason


def test_what_is_decoded_at_once_is_small():
    assert not decoders._is_small(encode(Image.new("L", (4000, 4000)), "PNG"))
    assert not decoders._is_small(encode(Image.new("L", (64, 64)), "PNG") + bytes(300_000))
    assert not decoders._is_small(encode(CAT, "WEBP"))
    assert decoders._is_small(encode(CAT.resize((64, 64)), "PNG"))


def test_no_file_takes_more_seconds_or_memory_than_there_is(files):
    for name, content in files.items():
        started = time.process_time()
        try:
            assert max(open_photo(content).size) <= 2048
        except ImageError as error:
            assert error.reason == "too_much", name
            assert name in ("lossless.webp", "3000 scans.jpg", "300 scans.jpg"), name
        assert time.process_time() - started < 1, name  # of this process: it only waits
    for decoder, most in ((LIGHT_ONES, 300), (decoders.HEAVY_ONES, 500)):
        assert memory(decoder.process.pid)["VmHWM"] < most
        assert memory(decoder.process.pid)["VmRSS"] < 150  # of the last picture nothing stays


def test_photos_of_phones_wait_for_no_heavy_picture():
    noise = np.random.default_rng(0).integers(0, 255, (75, 100, 3), np.uint8)
    photo = Image.fromarray(noise).resize((4000, 3000))
    for kind, options in (("JPEG", {}), ("JPEG", {"progressive": True}), ("AVIF", {"speed": 10})):
        assert work_of(encode(photo, kind, **options)) <= LIGHT, kind
    assert LIGHT < work_of(encode(photo, "WEBP")) <= HEAVY
    assert work_of(many_scans((4000, 4000), 3000)) > HEAVY


def test_a_decoder_that_hangs_is_ended_and_the_next_picture_is_decoded(monkeypatch):
    decoder = Decoder(224, 1, 0)
    slow = many_scans((1500, 1500), 12_000)  # 7 s
    with pytest.raises(ImageError) as refused:
        decoder.decode(slow, 1e12, 1e12)
    assert refused.value.reason == "too_much"
    assert decoder.decode(encode(CAT, "JPEG"), LIGHT).size == CAT.size
    before = decoder.process.pid
    monkeypatch.setattr(decoders, "PATIENCE", 0.3)
    os.kill(before, 19)  # it is stopped: no seconds of the CPU pass
    with pytest.raises(ImageError):
        decoder.decode(encode(CAT, "JPEG"), LIGHT)
    monkeypatch.undo()
    assert decoder.decode(encode(CAT, "JPEG"), LIGHT).size == CAT.size
    decoder.process.kill()


def test_a_picture_whose_sender_left_is_not_decoded_on():
    picture = many_scans((4000, 4000), 20_000)  # two minutes; made first, as that can take longer than the timer
    decoder, sender = Decoder(224, 60, 0), Sender("10.0.0.1")
    token = decoders.SENDER.set(sender)
    try:
        threading.Timer(1, sender.left.set).start()
        started = time.monotonic()
        with pytest.raises(ImageError):
            decoder.decode(picture, 1e12, 1e12)
        assert time.monotonic() - started < 30
    finally:
        decoders.SENDER.reset(token)
        decoder.process.kill()


def test_the_process_knows_no_torch_and_ends_with_the_app():
    code = "import sys, catvae.photos.worker; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True).stdout == "False\n"
    command = [sys.executable, "-m", "catvae.photos.worker", "224", "2", "0"]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE)
    process.stdin.close()
    assert process.wait(60) == 0


def test_too_many_heavy_pictures_are_told_to_come_again(files, monkeypatch):
    monkeypatch.setattr(decoders, "heavy_slots", threading.BoundedSemaphore(1))
    assert decoders.heavy_slots.acquire(blocking=False)
    with pytest.raises(ImageError) as refused:
        open_photo(files["flat.avif"])
    assert refused.value.reason == "busy"
    assert open_photo(encode(CAT, "JPEG")).size == CAT.size


def test_one_visitor_does_not_keep_the_decoders_from_others(files, monkeypatch):
    began, ended = [], threading.Event()

    def decode(content, *_):
        began.append(decoders.SENDER.get().address)
        ended.wait(30 if began[-1] == "greedy" else 0)
        return CAT

    def ask(visitor):
        token = decoders.SENDER.set(Sender(visitor))
        try:
            return open_photo(photo)
        finally:
            decoders.SENDER.reset(token)

    photo = encode(CAT, "JPEG")
    monkeypatch.setattr(decoders.LIGHT_ONES, "decode", decode)
    with ThreadPoolExecutor(decoders.OF_ONE_VISITOR) as pool:
        waiting = [pool.submit(ask, "greedy") for _ in range(decoders.OF_ONE_VISITOR)]
        while not began or decoders.turns["greedy"].count < decoders.OF_ONE_VISITOR:
            time.sleep(0.01)
        assert ask("other") is CAT and began == ["greedy", "other"]
        with pytest.raises(ImageError) as refused:
            ask("greedy")
        assert refused.value.reason == "busy"
        ended.set()
        assert [job.result() for job in waiting] == [CAT] * decoders.OF_ONE_VISITOR
    assert not decoders.turns


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    temp = tmp_path_factory.mktemp("app")
    with running_app(temp, {**os.environ, "CATVAE_RATE": "1000"}) as url:
        pid = next(
            int(folder.name) for folder in Path("/proc").glob("[0-9]*")
            if str(temp / "gradio").encode() in _environment(folder)
            and b"app.py" in (folder / "cmdline").read_bytes()
        )  # fmt: skip
        yield url, pid, temp


def _environment(folder: Path) -> bytes:
    try:
        return (folder / "environ").read_bytes()
    except OSError:
        return b""


def heavy_decoder(app: int) -> int:
    """The process of the app that decodes heavy pictures; 0 for none."""
    for children in Path(f"/proc/{app}/task").glob("*/children"):
        for child in children.read_text().split():
            with suppress(OSError):
                if Path(f"/proc/{child}/cmdline").read_text().split("\0")[-4:] == ["420", "4", "10", ""]:
                    return int(child)
    return 0


@pytest.mark.slow
@pytest.mark.parametrize("route", ["gradio_api/run/cut", "gradio_api/api/cut", "web/ask/faces"])
def test_who_closes_the_connection_ends_the_work_on_his_picture(app, route):
    url, pid, _ = app
    heavy = encode(Image.new("RGB", (4000, 4000), "tan"), "WEBP", lossless=True)
    (path,) = httpx.post(f"{url}/gradio_api/upload", files={"files": heavy}, timeout=60).json()
    file = {"path": path, "meta": {"_type": "gradio.FileData"}}
    sent: dict[str, Any] = {"content": heavy} if "ask" in route else {"json": {"data": [file, 1, 1, 0, 0, 0]}}
    assert httpx.post(f"{url}/{route}", **sent, timeout=60).status_code == 200
    decoder = heavy_decoder(pid)
    assert decoder
    os.kill(decoder, signal.SIGSTOP)  # so that it is still at work, however fast the machine
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{url}/{route}", **sent, timeout=2)
    end = time.monotonic() + decoders.PATIENCE - 10  # the process would be ended then in any case
    while heavy_decoder(pid) in (0, decoder) and time.monotonic() < end:
        time.sleep(0.1)
    assert heavy_decoder(pid) not in (0, decoder)
    assert httpx.post(f"{url}/{route}", **sent, timeout=60).status_code == 200


@pytest.mark.slow
def test_unattended_heavy_pictures_keep_no_one_waiting_and_lift_no_memory(app, files):
    """Four of each to each endpoint, whose answers no one fetches; then someone cuts a photo."""
    url, pid, temp = app
    api = f"{url}/gradio_api"
    for content in files.values():
        (path,) = httpx.post(f"{api}/upload", files={"files": content}, timeout=60).json()
        file = {"path": path, "meta": {"_type": "gradio.FileData"}}
        for name, data in (
            ("cut", [file, 1, 1, 0, 0, 0]), ("mix", ["v6", file, file, 9, "lerp"]), ("compare", [file, file]),
            ("reconstruct", ["v6", file]),
        ):  # fmt: skip
            httpx.post(f"{api}/call/{name}", json={"data": data}, timeout=60)
    (path,) = httpx.post(f"{api}/upload", files={"files": encode(CAT, "JPEG")}, timeout=60).json()
    data = {"data": [{"path": path, "meta": {"_type": "gradio.FileData"}}, 1, 1, 0, 0, 0]}
    event = httpx.post(f"{api}/call/cut", json=data, timeout=60).json()["event_id"]
    assert "event: complete" in httpx.get(f"{api}/call/cut/{event}", timeout=120).text
    assert memory(pid)["VmHWM"] < 1200
    assert "Traceback" not in (temp / "app.log").read_text()


@pytest.mark.slow
def test_what_is_refused_is_said_in_the_visitor_s_words(app, files):
    url, _, _ = app
    for name, key in (("3000 scans.jpg", "too_much"), ("lossless.webp", "too_much")):
        (path,) = httpx.post(f"{url}/gradio_api/upload", files={"files": files[name]}, timeout=60).json()
        data = {"data": [{"path": path, "meta": {"_type": "gradio.FileData"}}, 1, 1, 0, 0, 0]}
        headers = {"accept-language": "es"}
        event = httpx.post(f"{url}/gradio_api/call/cut", json=data, headers=headers, timeout=60).json()["event_id"]
        answer = httpx.get(f"{url}/gradio_api/call/cut/{event}", timeout=120).text
        assert json.dumps(TEXTS["es"][key].format(cat="A")) in answer, (name, answer)


def test_a_photo_does_not_wait_for_pictures_that_are_much_work():
    with decoders.HEAVY_ONES.lock, ThreadPoolExecutor(1) as pool:
        assert pool.submit(open_photo, encode(CAT, "JPEG")).result(timeout=30).size == CAT.size
