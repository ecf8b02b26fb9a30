"""One visitor who asks without end is told to wait, and everyone else is served."""

import threading

import httpx
import pytest
from gradio_client import Client, handle_file
from starlette.datastructures import Headers

from catvae.files import example_cats
from catvae.serving.limits import spoken
from catvae.serving.texts import TEXTS
from tests.conftest import running_app

CAT = example_cats()[0]
BODY = {"data": ["v3", None, None, 2], "session_hash": "x", "fn_index": 0}


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    env = {"PATH": "/usr/bin:/bin", "CATVAE_RATE": "3"}  # less than a busy machine gets through
    with running_app(tmp_path_factory.mktemp("app"), env) as url:
        yield url


def test_a_flood_is_told_to_wait_in_its_language_while_others_are_served(url):
    stop, answers = threading.Event(), []

    def flood():
        with httpx.Client(headers={"x-forwarded-for": "203.0.113.7", "accept-language": "es"}, timeout=60) as visitor:
            while not stop.is_set():
                answers.append(visitor.post(f"{url}/gradio_api/queue/join", json=BODY))

    flooding = threading.Thread(target=flood)
    flooding.start()
    try:
        other = Client(url, verbose=False, download_files=False, httpx_kwargs={"timeout": 60})
        for _ in range(5):
            gallery = other.predict("v3", handle_file(CAT), handle_file(CAT), 2, api_name="/mix")
            assert len(gallery) == 4
    finally:
        stop.set()
        flooding.join()
    refused = [answer for answer in answers if answer.status_code == 429]
    assert len(refused) > 0.5 * len(answers)
    assert {answer.json()["detail"] for answer in refused} == {TEXTS["es"]["busy"]}
    assert {answer.status_code for answer in answers} == {200, 429}


def test_visitors_have_buckets_of_their_own_that_fill_again(url):
    def ask(address: str, times: int) -> list[int]:
        with httpx.Client(headers={"x-forwarded-for": address}, timeout=30) as visitor:
            return [visitor.post(f"{url}/gradio_api/queue/join", json=BODY).status_code for _ in range(times)]

    assert 429 in ask("203.0.113.8", 80)
    assert ask("203.0.113.9", 1) == [200]


def test_pictures_that_cost_a_mix_are_counted_whatever_the_method(url):
    with httpx.Client(headers={"x-forwarded-for": "203.0.113.10"}, timeout=30) as visitor:
        for page in ("preview.jpg", "web/ask/morph"):
            assert 429 in [visitor.get(f"{url}/{page}?model=v6").status_code for _ in range(80)]


def test_a_full_queue_is_busy_not_broken(url):
    answers = []

    def ask(address: str):
        headers = {"x-forwarded-for": address}
        body = {**BODY, "session_hash": address, "data": ["v6", CAT, CAT, 24]}
        for _ in range(8):
            answers.append(httpx.post(f"{url}/gradio_api/queue/join", json=body, headers=headers, timeout=60))

    threads = [threading.Thread(target=ask, args=(f"198.51.100.{i}",)) for i in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} <= {200, 429}
    assert {answer.json()["detail"] for answer in answers if answer.status_code == 429} <= {TEXTS["en"]["busy"]}


@pytest.mark.parametrize(
    ("query", "referer", "language"),
    [
        ("lang=es", "https://cats.example/?lang=en", "es"),
        ("a=b", "https://cats.example/cats/?a=kitten-01&lang=es", "es"),
        ("", "https://cats.example/?lang=fr", "en"),
        ("", "", "en"),
    ],
)
def test_refusals_speak_as_the_page_that_asks(query, referer, language):
    headers = Headers({"referer": referer, "accept-language": "en-GB"})
    assert spoken({"query_string": query.encode()}, headers) == language


def test_bodies_larger_than_any_photo_are_refused(url):
    answer = httpx.post(f"{url}/gradio_api/queue/join", content=b"x" * 22_000_000, headers={"accept-language": "es"})
    assert answer.status_code == 413 and answer.json()["detail"] == TEXTS["es"]["too_heavy_body"]
