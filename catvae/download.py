"""One variant's files from the Hugging Face Hub, and the guard around calls of its client."""

import errno
import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import httpx2
from huggingface_hub import constants, get_session, hf_hub_download, try_to_load_from_cache
from huggingface_hub.errors import (
    EntryNotFoundError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import validate_repo_id
from safetensors import SafetensorError, safe_open

from catvae.errors import HubError
from catvae.files import WEIGHTS

FILES = ("config.json", WEIGHTS, "metrics.json")

PAUSES = (2, 5, 15, 60)  # seconds between tries while somebody waits
PATIENT = (*PAUSES, 120, 300)  # where work would be lost: longer than the Hub's window of five minutes
TIMEOUT = 60  # seconds without a byte; the client itself waits for ever
T = TypeVar("T")

WHAT_TO_DO = {  # about an answer of the Hub, by its status, or by the client's error where that tells more
    RepositoryNotFoundError: "look at the name, OWNER/NAME; a private one needs a token in HF_TOKEN",
    RevisionNotFoundError: "look at the name of the branch, tag or commit",
    401: "log in by `hf auth login`, or set HF_TOKEN to a token that is valid",
    402: "it has to be paid for: see https://huggingface.co/pricing",
    403: "this token may not do that: set HF_TOKEN to one that may, from https://huggingface.co/settings/tokens",
    409: "another change of it is under way, or that name is taken: try again in some minutes, or take another name",
    412: "somebody else pushed in the meantime: look at what came, then try again",
    413: "that is more than the Hub takes at once",
    429: "the Hub asks for a pause: try again in some minutes",
}

REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EEXIST, errno.ENOTDIR}
# the client raises its own errors, raw httpx2 ones, OSError and, for a page that is none of the Hub's, the last two
HUB_ERRORS = (httpx2.HTTPError, OSError, RuntimeError, ValueError, KeyError)
PASSING = (httpx2.TransportError, LocalEntryNotFoundError, json.JSONDecodeError, KeyError)  # without a status


@contextmanager
def hub_calls(doing: str) -> Iterator[None]:
    """Around calls of the Hub's client and nothing else: its errors become HubError, with `doing` in front and
    what can be done behind."""
    try:
        get_session().timeout = TIMEOUT
        yield
    except HubError:
        raise
    except HUB_ERRORS as error:
        code = status(error)
        advice = WHAT_TO_DO.get(code if code == 401 else type(error)) or WHAT_TO_DO.get(code or 0)
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


def persist(attempt: Callable[[], T], pauses: tuple[float, ...] | None = None) -> T:
    """What `attempt` returns; while the Hub is out of reach, busy or out of order it is tried again after each of
    `pauses` (s), by default PAUSES, and must look at the Hub anew. Raises HubError, at once when the Hub is against it.
    """
    for pause in (*(PAUSES if pauses is None else pauses), None):
        try:
            return attempt()
        except HubError as error:
            if pause is None or not may_pass(error):
                raise
            with suppress(OSError):  # whoever listened may be gone
                print(f"{error}; once more in {pause} s", flush=True)
            time.sleep(pause)
    raise AssertionError("the last try returns or raises")


def may_pass(error: HubError) -> bool:
    """Whether the Hub was out of reach, busy or out of order, rather than against it."""
    code = status(error)
    if code is None:
        return any(isinstance(cause, PASSING) for cause in causes(error))
    return code in (408, 412, 429) or code >= 500 or (code == 409 and "already" not in str(error.__cause__))


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and what it came from."""
    while error:
        yield error
        error = error.__cause__


def status(error: BaseException | None) -> int | None:
    """The HTTP status with which the Hub answered, if it did."""
    answers = (getattr(cause, "response", None) for cause in causes(error))
    return next((answer.status_code for answer in answers if answer is not None), None)


def first_line(error: BaseException) -> str:
    """What the Hub said, with its status, or the first line of an error's message that says something."""
    if said := getattr(error, "server_message", None):
        return f"{status(error)}: {said.splitlines()[0]}"
    if isinstance(error, KeyError):
        return f"the answer lacks {error}"
    line = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    # what goes wrong with an upload is told by the cause alone
    return f"{line} {first_line(error.__cause__)}" if isinstance(error.__cause__, httpx2.HTTPError) else line


def check_repo(repo_id: str) -> str:
    """The name of a repo, if the Hub can have one of that name. Raises HubError, without asking for anything."""
    try:
        validate_repo_id(repo_id)
        possible = repo_id.count("/") == 1
    except HFValidationError:
        possible = False
    if not possible:
        raise HubError(
            f"{repo_id!r} is no name of a repo: it must be OWNER/NAME, such as jane/kitten-mixer, of up to 96 letters, "
            "digits, hyphens, dots and underscores, without -- and .."
        )
    return repo_id


def check_ref(name: str | None) -> None:
    """Raises HubError for what cannot be the name of a branch or a tag, as git and the Hub have it; None is fine."""
    if name is not None and not re.fullmatch(r"(?!refs/|[0-9a-f]{40}$)(?!.*([./]\.|//|\.lock$|[./]$))\w[\w./-]*", name):
        raise HubError(f"{name!r} can be no name of a branch or tag: take letters, digits, hyphens and dots")


def download_variant(repo_id: str, variant: str, revision: str | None = None, token: str | None = None) -> Path:
    """Download one variant's config and weights, both of one revision, and return their folder in the cache.

    A full 40-hex revision that is in the cache makes no request; offline the cache serves.
    The Hub counts downloads by requests for the config.json at a repo's root, so one is made with each
    set that is new here. The client checks sizes only, so weights whose bytes are not those their hash promises are
    fetched once more. Raises HubError when the files cannot be had or stay damaged, at once for what is no OWNER/NAME.
    """
    where = f"{repo_id}@{revision}" if revision else repo_id
    try:
        check_repo(repo_id)
    except HubError as error:
        raise HubError(f"{repo_id}: neither a folder that is here nor a repo OWNER/NAME") from error
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
    try:
        painted = json.loads(config.read_bytes()).get("painter")
    except (ValueError, AttributeError) as error:  # HTML, a list
        raise HubError(f"{where}: {variant}/config.json describes no model") from error
    if painted:  # the weights that it paints over may lie with their own model alone
        with suppress(SafetensorError), safe_open(config.parent / WEIGHTS, "np") as file, suppress(HubError):
            download_variant(repo_id, (file.metadata() or {}).get("over", "v6"), commit, token)
    return config.parent


def listed_models(path: str) -> list[str]:
    """The models that the config.json of a repo lists; none where that is another project's, or damaged."""
    with suppress(OSError, ValueError, AttributeError, RecursionError):
        listed = json.loads(Path(path).read_bytes()).get("variants")
        if isinstance(listed, dict) and all(re.fullmatch(r"\w[\w.-]{0,39}", name) for name in listed):
            return list(listed)
    return []


def _is_intact(downloaded: str) -> bool:
    path = Path(downloaded).resolve()
    expected = path.name  # the cache names a large file by its sha256, a small one by git's sha1
    return not re.fullmatch("[0-9a-f]{64}", expected) or hashlib.sha256(path.read_bytes()).hexdigest() == expected
