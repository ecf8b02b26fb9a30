"""The stand-in of the Hub itself, where no test of our own code would notice that it is wrong."""

import subprocess
import sys

import httpx2
import pytest
from huggingface_hub import CommitOperationAdd, get_session
from huggingface_hub.errors import HfHubHTTPError

REPO = "owner/cats"


def test_a_commit_on_a_stale_parent_and_a_card_that_is_none_are_refused(hub, client):
    old = hub.seed(f"models/{REPO}", {"a.json": b"1"})
    now = hub.seed(f"models/{REPO}", {"a.json": b"2"})
    with pytest.raises(HfHubHTTPError, match="412"):
        client.create_commit(REPO, [CommitOperationAdd("b.json", b"3")], commit_message="late", parent_commit=old)
    with pytest.raises(ValueError, match="license"):
        card = CommitOperationAdd("README.md", b"---\nlicense: mine\n---\n")
        client.create_commit(REPO, [card], commit_message="card")
    assert hub.head(f"models/{REPO}") == now


def test_faults_come_in_order_and_run_out(hub, client):
    hub.seed(f"models/{REPO}", {})
    late = hub.fault("GET /api/models", status=500, skip=1, times=1)
    hub.fault("GET /api/models", status=502, times=1)
    address = f"{hub.url}/api/models/{REPO}"
    assert [get_session().get(address).status_code for _ in range(4)] == [502, 500, 200, 200]
    assert late.hits == 1
    hub.fault("GET /api/models", reset=True, times=1)
    hub.fault("GET /api/models", cut_after=9)
    for _ in range(2):
        with pytest.raises(httpx2.RemoteProtocolError):
            get_session().get(address)


def test_nothing_leaves_the_machine(hub, tmp_path):
    code = """
import httpx2
try:
    httpx2.get("https://huggingface.co/api/models")
except httpx2.ProxyError:
    print("refused")
"""
    done = subprocess.run([sys.executable, "-c", code], env=hub.env(tmp_path), capture_output=True, text=True)
    assert done.stdout.strip() == "refused", done.stderr
    assert hub.requests == ["CONNECT huggingface.co:443"]
