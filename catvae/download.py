"""One variant's files from the Hugging Face Hub, and the guard around calls of its client."""

import errno
import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx2
from huggingface_hub import constants, hf_hub_download, try_to_load_from_cache
from huggingface_hub.errors import EntryNotFoundError

from catvae.errors import HubError

WEIGHTS = "model.safetensors"
FILES = ("config.json", WEIGHTS, "metrics.json")

WHAT_TO_DO = {  # about an answer of the Hub, by its status
    401: "log in by `hf auth login`, or set HF_TOKEN to a token that is valid",
    402: "it has to be paid for: see https://huggingface.co/pricing",
    403: "this token may not do that: set HF_TOKEN to one that may, from https://huggingface.co/settings/tokens",
    404: "look at the name, OWNER/NAME; a private one needs a token in HF_TOKEN",
    409: "it is there already: take another name, or delete the old one first",
    412: "somebody else pushed in the meantime: look at what came, then try again",
    429: "the Hub asks for a pause: try again in some minutes",
}

REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EEXIST, errno.ENOTDIR}
# the client raises its own errors, raw httpx2 ones, OSError and, for a page that is no JSON, ValueError
HUB_ERRORS = (httpx2.HTTPError, OSError, ValueError, RuntimeError)


@contextmanager
def hub_calls(doing: str) -> Iterator[None]:
    """Around calls of the Hub's client and nothing else: its errors become HubError, with `doing` in front and
    what can be done behind."""
    try:
        yield
    except HubError:
        raise
    except HUB_ERRORS as error:
        advice = WHAT_TO_DO.get(status(error) or 0)
        advice = f"; {advice}" if advice else cache_advice(error)
        raise HubError(f"{doing} ({first_line(error)}){advice}") from error


def cache_advice(error: BaseException | None) -> str:
    """What to do about an error, or one behind it, of a cache that cannot be written; "" about others."""
    caches = [Path(constants.HF_HOME), Path(constants.HF_HUB_CACHE)]
    while error and not (isinstance(error, OSError) and error.errno in REFUSED and error.filename):
        error = error.__cause__ or error.__context__
    path = Path(os.fsdecode(error.filename)) if isinstance(error, OSError) else Path()
    here = any(path.is_relative_to(cache) or cache.is_relative_to(path) for cache in caches if path.is_absolute())
    return "; its cache cannot be written: let HF_HOME name a folder that can" if here else ""


def status(error: BaseException | None) -> int | None:
    """The HTTP status with which the Hub answered, if it did."""
    return getattr(getattr(error, "response", None), "status_code", None)


def first_line(error: Exception) -> str:
    """What the Hub said, with its status, or the first line of an error's message that says something."""
    if said := getattr(error, "server_message", None):
        return f"{status(error)}: {said.splitlines()[0]}"
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def download_variant(repo_id: str, variant: str, revision: str | None = None, token: str | None = None) -> Path:
    """Download one variant's config and weights, both of one revision, and return their folder in the cache.

    A full 40-hex revision that is in the cache makes no request; offline the cache serves.
    The Hub counts downloads by requests for the config.json at a repo's root, so one is made with each
    set that is new here. The client checks sizes only, so weights whose bytes are not those their hash promises are
    fetched once more. Raises HubError when the files cannot be had or stay damaged, at once for what is no OWNER/NAME.
    """
    where = f"{repo_id}@{revision}" if revision else repo_id
    if not re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", repo_id):
        raise HubError(f"{repo_id}: neither a folder that is here nor a repo OWNER/NAME")
    with hub_calls(f"{where}: cannot get {variant}"):
        config = Path(hf_hub_download(repo_id, f"{variant}/config.json", revision=revision, token=token))
        commit = config.parent.parent.name  # .../snapshots/COMMIT/v6/config.json
        weights = f"{variant}/{WEIGHTS}"
        if not isinstance(try_to_load_from_cache(repo_id, weights, revision=commit), str):
            with suppress(EntryNotFoundError):  # repos pushed by older versions have none
                hf_hub_download(repo_id, "config.json", revision=commit, token=token)
        if not _is_intact(hf_hub_download(repo_id, weights, revision=commit, token=token)):
            again = hf_hub_download(repo_id, weights, revision=commit, token=token, force_download=True)
            if not _is_intact(again):
                raise HubError(f"{repo_id}: {weights} arrives damaged (wrong hash); try again later")
    if json.loads(config.read_bytes()).get("painter"):  # v6's weights may lie with v6 alone
        with suppress(HubError):
            download_variant(repo_id, "v6", commit, token)
    return config.parent


def _is_intact(downloaded: str) -> bool:
    path = Path(downloaded).resolve()
    expected = path.name  # the cache names a large file by its sha256, a small one by git's sha1
    return not re.fullmatch("[0-9a-f]{64}", expected) or hashlib.sha256(path.read_bytes()).hexdigest() == expected
