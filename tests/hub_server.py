"""A small Hugging Face Hub for tests: a real HTTP server on loopback that keeps what it gets on disk.

    with HubServer(tmp_path / "hub") as hub, hub.client(tmp_path / "home") as api:
        api.create_repo("owner/cats")
        hub.fault("GET .*model.safetensors", status=503, times=2)
        hf_hub_download("owner/cats", "model.safetensors", revision=hub.head("models/owner/cats"))

Two ways for a client to reach it:
- `subprocess.run(..., env=hub.env(home))`: everything works, `datasets` too. The variables are read when
  huggingface_hub is imported, so this takes a new process. The hub is also its proxy for all other hosts: it logs such
  requests and refuses them, and nothing leaves the machine.
- `with hub.client(home) as api:` sets the same values inside this process, and is faster; not for `datasets`.

On disk, `{kind}/{owner}/{name}/` holds `repo.json` (branches, tags, private, a Space's hardware), `commits/{sha}.json`
(each with its whole list of files), `git/{sha1}` and `lfs/{sha256}`. `hub.plan` is the account's, "free" or "pro".
Left out: Xet, pull requests, redirects to a CDN, pagination, organisations, running Spaces.
"""

import asyncio
import base64
import hashlib
import json
import os
import re
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch
from urllib.parse import parse_qs, unquote

import uvicorn
import yaml
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

if TYPE_CHECKING:
    from huggingface_hub import HfApi  # which reads where the Hub is when it is imported

USER = "owner"
WRITE_TOKEN, READ_TOKEN = "hf_write", "hf_read"
ROLES = {WRITE_TOKEN: "write", READ_TOKEN: "read"}
KINDS = {"model": "models", "dataset": "datasets", "space": "spaces"}
LFS_SUFFIXES = "safetensors|bin|pt|pth|ckpt|onnx|npz|npy|h5|pkl|parquet|arrow|zip|tar|gz"
LFS_SIZE = 10 * 1024 * 1024  # text files from here on go to LFS too

FREE_SPACES = 2  # Gradio Spaces of a free account, on ZeroGPU
LICENSES = "apache-2.0|mit|openrail|bsd-3-clause|cc0-1.0|cc-by(-nc)?(-sa)?-4.0|unknown|other"  # those in common use
FRONT_MATTER = re.compile(r"\A\s*---[ \t]*\r?\n(.*?)\r?\n---[ \t]*(?:\r?\n|\Z)", re.DOTALL)


class HubError(Exception):
    """An answer other than 2xx; `code` is what the client picks its exception by."""

    def __init__(self, status: int, message: str, code: str | None = None, commit: str | None = None):
        self.status, self.message = status, message
        headers = {"X-Error-Message": message, "X-Error-Code": code, "X-Repo-Commit": commit}
        self.headers = {key: value for key, value in headers.items() if value}


# --- Repos on disk


def load(repo: Path) -> dict:
    return json.loads((repo / "repo.json").read_text())


def save(path: Path, value: dict) -> None:
    """Write JSON whole or not at all: the server may be stopped, and read from another thread, at any time."""
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(value))
    partial.replace(path)


def find(repo: Path, rev: str) -> tuple[str, dict]:
    """The commit that a branch, a tag or a full sha stands for."""
    meta = load(repo)
    sha = meta["branches"].get(rev) or meta["tags"].get(rev, {}).get("target") or rev
    path = repo / "commits" / f"{sha}.json"
    if not re.fullmatch("[0-9a-f]{40}", sha) or not path.exists():
        raise HubError(404, f"Invalid rev id: {rev}", "RevisionNotFound")
    return sha, json.loads(path.read_text())


def git_hash(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def git_entry(repo: Path, data: bytes) -> dict:
    """Store a regular file and describe it."""
    (repo / "git" / git_hash(data)).write_bytes(data)
    return {"oid": git_hash(data), "size": len(data)}


def lfs_entry(repo: Path, sha256: str) -> dict:
    """Describe an LFS file that has been uploaded."""
    blob = repo / "lfs" / sha256
    if not re.fullmatch("[0-9a-f]{64}", sha256) or not blob.exists():
        raise HubError(400, f"LFS pointer pointed to a file that does not exist: {sha256}")
    size = blob.stat().st_size
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()
    lfs = {"oid": sha256, "size": size, "pointerSize": len(pointer)}
    return {"oid": git_hash(pointer), "size": size, "lfs": lfs}


def content_hash(entry: dict) -> str:
    return entry["lfs"]["oid"] if "lfs" in entry else entry["oid"]


def blob(repo: Path, entry: dict) -> Path:
    return repo / ("lfs" if "lfs" in entry else "git") / content_hash(entry)


def is_lfs(path: str, size: int, start: bytes) -> bool:
    return bool(re.search(rf"\.({LFS_SUFFIXES})$", path)) or size >= LFS_SIZE or b"\0" in start


def add_commit(repo: Path, branch: str, files: dict, title: str, message: str = "") -> str:
    meta = load(repo)
    date = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    commit = {"parent": meta["branches"].get(branch), "title": title, "message": message, "date": date}
    commit |= {"repo": "/".join(repo.parts[-3:]), "files": dict(sorted(files.items()))}
    sha = hashlib.sha1(json.dumps(commit).encode()).hexdigest()
    save(repo / "commits" / f"{sha}.json", commit)
    meta["branches"][branch] = sha
    save(repo / "repo.json", meta)
    return sha


def new_repo(repo: Path, private: bool = False, sdk: str | None = None) -> None:
    """A repo with a first commit, like the real Hub's."""
    for folder in ("git", "lfs", "commits"):
        (repo / folder).mkdir(parents=True)
    save(repo / "repo.json", {"private": private, "branches": {}, "tags": {}})
    rules = "".join(f"*.{suffix} filter=lfs diff=lfs merge=lfs -text\n" for suffix in LFS_SUFFIXES.split("|"))
    files = {".gitattributes": git_entry(repo, rules.encode())}
    if sdk:
        card = f"---\ntitle: {repo.name}\ncolorFrom: blue\ncolorTo: green\nsdk: {sdk}\n---\n"
        files["README.md"] = git_entry(repo, card.encode())
    add_commit(repo, "main", files, "initial commit")


def listing(files: dict, folder: str = "") -> dict[str, dict]:
    """Path → description of every file and folder below `folder`."""
    found = {path: {"type": "file", "path": path, **entry} for path, entry in files.items()}
    for parent in {str(parent) for path in files for parent in Path(path).parents} - {"."}:
        below = [(path, entry["oid"]) for path, entry in sorted(files.items()) if path.startswith(parent + "/")]
        oid = hashlib.sha1(json.dumps(below).encode()).hexdigest()
        found[parent] = {"type": "directory", "path": parent, "oid": oid, "size": 0}
    return {path: found[path] for path in sorted(found) if not folder or path.startswith(folder + "/")}


def read_card(text: str, kind: str) -> tuple[dict, list[str]]:
    """A README's metadata and what is wrong with it: the checks that cards fail most, not all of the real Hub's."""
    block = FRONT_MATTER.match(text)
    try:
        card = (yaml.safe_load(block[1]) or {}) if block else {}
    except yaml.YAMLError as error:
        return {}, [f"bad YAML: {error}"]
    if not isinstance(card, dict):
        return {}, ["the metadata must be an object"]
    card = json.loads(json.dumps(card, default=str))  # YAML has dates, JSON has not
    errors = [] if re.fullmatch(LICENSES, card.get("license", "other")) else ['"license" is none that is known']
    for key in {"tags", "datasets", "models"} & set(card):
        if not isinstance(card[key], list) or not all(isinstance(item, str) for item in card[key]):
            errors.append(f'"{key}" must be a list of strings')
    if kind == "space" and "sdk" not in card:
        errors.append('"sdk" is required')
    if len(str(card.get("short_description", ""))) > 60:
        errors.append('"short_description" length must be less than or equal to 60 characters long')
    return card, errors


# --- Requests


def arg(request: Request, name: str, default: str = "") -> str:
    return unquote(request.path_params.get(name, default))


def truthy(value: object) -> bool:
    return str(value).lower() in ("true", "1")


def web_address(request: Request, repo: Path) -> str:
    kind, owner, name = repo.parts[-3:]
    return f"http://{request.headers['host']}/{'' if kind == 'models' else kind + '/'}{owner}/{name}"


def get_role(request: Request) -> str | None:
    """What the caller's token allows: "write", "read", or None without a token."""
    token = request.headers.get("authorization", "").removeprefix("Bearer ")
    if token and token not in ROLES:
        raise HubError(401, "Invalid credentials in Authorization header")
    return ROLES.get(token)


def require_write(request: Request, owner: str) -> None:
    if get_role(request) is None:
        raise HubError(401, "Invalid username or password.")
    if get_role(request) != "write":
        raise HubError(403, "Forbidden: you must use a write token to upload to a repository.")
    if owner != USER:
        raise HubError(403, f"You don't have the rights to write under the namespace {owner}")


def repo_folder(request: Request, kind: str, owner: str, name: str) -> Path:
    forbidden = re.search(r"--|\.\.|\.git$|[.-]$", name) or len(name) > 96
    if kind not in KINDS.values() or forbidden or not all(re.fullmatch(r"\w[\w.-]*", part) for part in (owner, name)):
        raise HubError(400, f"Invalid repo name: {kind}/{owner}/{name}")
    return request.app.state.folder / kind / owner / name


def open_repo(request: Request, write: bool = False) -> Path:
    """The repo that the path names, if the caller may see (and write) it."""
    repo = repo_folder(request, arg(request, "kind", "models"), arg(request, "owner"), arg(request, "name"))
    stranger = get_role(request) is None
    if not repo.exists() or (stranger and load(repo)["private"]):
        # a stranger cannot tell a private repo from one that does not exist
        message = "Invalid username or password." if stranger else "Repository not found"
        raise HubError(401 if stranger else 404, message, "RepoNotFound")
    if write:
        require_write(request, repo.parent.name)
    return repo


async def whoami(request: Request) -> Response:
    if not (role := get_role(request)):
        raise HubError(401, "Invalid username or password.")
    auth = {"type": "access_token", "accessToken": {"displayName": "tests", "role": role}}
    return JSONResponse({"type": "user", "id": "1", "name": USER, "fullname": USER, "orgs": [], "auth": auth})


def check_plan(request: Request, body: dict) -> None:
    """Who may have which Space, by the Hub's documentation of August 2026; static ones are free for all."""
    hardware = body.get("hardware") or body.get("flavor") or "cpu-basic"
    if request.app.state.hub.plan != "free" or body.get("sdk") == "static":
        return
    if hardware != "zero-a10g":
        raise HubError(402, f"A paid plan is required to run a Space on {hardware}")
    spaces = (load(path.parent) for path in (request.app.state.folder / "spaces").glob("*/*/repo.json"))
    if sum(space.get("hardware") == "zero-a10g" for space in spaces) >= FREE_SPACES:
        raise HubError(403, f"A free account may have {FREE_SPACES} Spaces on ZeroGPU")


async def create(request: Request) -> Response:
    body = await request.json()
    owner = body.get("organization") or USER
    repo = repo_folder(request, KINDS.get(body.get("type") or "model", ""), owner, body["name"])
    require_write(request, owner)
    answer = {"url": web_address(request, repo), "name": f"{owner}/{repo.name}", "id": f"{owner}/{repo.name}"}
    if repo.exists():
        return JSONResponse(answer | {"error": "You already created this repo"}, 409)
    if body.get("type") == "space":
        check_plan(request, body)
    new_repo(repo, body.get("visibility") == "private", body.get("sdk"))
    if body.get("type") == "space":
        save(repo / "repo.json", load(repo) | {"hardware": body.get("hardware") or "cpu-basic", "stage": "BUILDING"})
    return JSONResponse(answer)


async def auth_check(request: Request) -> Response:
    open_repo(request, write=request.scope["path"].endswith("/write"))
    return JSONResponse({})


async def validate_yaml(request: Request) -> Response:
    body = await request.json()
    card, errors = read_card(body["content"], body.get("repoType") or "model")
    warnings = [] if card or errors else ["empty or missing yaml metadata in repo card"]
    found = {"errors": [{"message": text} for text in errors], "warnings": [{"message": text} for text in warnings]}
    return JSONResponse(found, 400 if errors else 200)


async def info(request: Request) -> Response:
    repo = open_repo(request)
    sha, commit = find(repo, arg(request, "rev", "main"))
    kind, owner, name = repo.parts[-3:]
    readme = commit["files"].get("README.md")
    card = read_card(blob(repo, readme).read_text(), kind[:-1])[0] if readme else {}
    siblings = [{"rfilename": path} for path in commit["files"]]
    shown = {"id": f"{owner}/{name}", "author": owner, "sha": sha, "lastModified": commit["date"], "siblings": siblings}
    shown |= {"private": load(repo)["private"], "gated": False, "disabled": False, "downloads": 0, "likes": 0}
    shown |= {"tags": card.get("tags") or [], "cardData": card or None}
    shown |= {key: card[key] for key in ("pipeline_tag", "library_name", "model-index", "sdk") if key in card}
    wanted = request.query_params.getlist("expand") + request.query_params.getlist("expand[]")
    return JSONResponse({key: shown[key] for key in shown if not wanted or key in {"id", *wanted}})


async def tree(request: Request) -> Response:
    repo, folder = open_repo(request), arg(request, "path").strip("/")
    sha, commit = find(repo, arg(request, "rev"))
    found = list(listing(commit["files"], folder).values())
    if folder and not found:
        raise HubError(404, f"{folder} does not exist", "EntryNotFound", sha)
    if not truthy(request.query_params.get("recursive")):
        found = [shown for shown in found if "/" not in shown["path"].removeprefix(folder).lstrip("/")]
    return JSONResponse(found)


async def paths_info(request: Request) -> Response:
    repo, asked = open_repo(request), parse_qs((await request.body()).decode())
    _, commit = find(repo, arg(request, "rev"))
    known = listing(commit["files"])
    return JSONResponse([known[path.strip("/")] for path in asked["paths"] if path.strip("/") in known])


async def refs(request: Request) -> Response:
    meta = load(open_repo(request))
    branches = [{"name": n, "ref": f"refs/heads/{n}", "targetCommit": sha} for n, sha in meta["branches"].items()]
    tags = [{"name": n, "ref": f"refs/tags/{n}", "targetCommit": t["target"]} for n, t in meta["tags"].items()]
    return JSONResponse({"branches": branches, "tags": tags, "converts": [], "pullRequests": []})


async def create_ref(request: Request) -> Response:
    """Create a branch or a tag."""
    repo, body = open_repo(request, write=True), json.loads(await request.body() or "{}")
    what, name, meta = request.scope["path"].split("/")[-2], arg(request, "rev"), load(repo)
    known = meta["tags" if what == "tag" else "branches"]
    start, name = (name, body["tag"]) if what == "tag" else (body.get("startingPoint", "main"), name)
    if name.startswith("refs/") or re.search(r"\.\.|[\s~^:?*\\[]|[./]$", name):
        raise HubError(400, f"Invalid reference for a {what}: {name}")
    if name in known:
        raise HubError(409, f"Reference already exists: {name}")
    sha, _ = find(repo, start)
    known[name] = {"target": sha, "message": body.get("message")} if what == "tag" else sha
    save(repo / "repo.json", meta)
    return JSONResponse({})


async def resolve(request: Request) -> Response:
    """A file or a range of it, or its headers alone."""
    repo, path = open_repo(request), arg(request, "path")
    sha, commit = find(repo, arg(request, "rev"))
    if not (entry := commit["files"].get(path)):
        raise HubError(404, f"{path} does not exist", "EntryNotFound", sha)
    headers = {"X-Repo-Commit": sha, "ETag": f'"{content_hash(entry)}"'}
    if "lfs" in entry:
        headers |= {"X-Linked-Etag": headers["ETag"], "X-Linked-Size": str(entry["size"])}
    return FileResponse(blob(repo, entry), headers=headers, filename=Path(path).name)


async def preupload(request: Request) -> Response:
    """Which way each file has to come, and what is there now: the client leaves out what has not changed."""
    repo, body = open_repo(request, write=True), await request.json()
    files, answer = find(repo, arg(request, "rev"))[1]["files"], []
    for asked in body["files"]:
        lfs = is_lfs(asked["path"], asked["size"], base64.b64decode(asked.get("sample", "")))
        oid = content_hash(files[asked["path"]]) if asked["path"] in files else None
        mode = "lfs" if lfs else "regular"
        answer.append({"path": asked["path"], "uploadMode": mode, "shouldIgnore": False, "oid": oid})
    return JSONResponse({"files": answer})


async def lfs_batch(request: Request) -> Response:
    repo, body = open_repo(request, write=True), await request.json()
    answer = [{"oid": asked["oid"], "size": asked["size"]} for asked in body["objects"]]
    for shown in answer:
        if not (repo / "lfs" / shown["oid"]).exists():
            put = f"http://{request.headers['host']}/lfs/{'/'.join(repo.parts[-3:])}/{shown['oid']}"
            verify = f"{web_address(request, repo)}.git/info/lfs/objects/verify"
            shown["actions"] = {"upload": {"href": put, "header": {}}, "verify": {"href": verify, "header": {}}}
    return JSONResponse({"transfer": "basic", "objects": answer})


async def lfs_put(request: Request) -> Response:
    """Takes one LFS file. No token: on the real Hub this is a presigned URL of another host."""
    repo = repo_folder(request, *(arg(request, key) for key in ("kind", "owner", "name")))
    digest, partial = hashlib.sha256(), repo / "lfs" / f"{time.monotonic_ns()}.partial"
    try:
        with partial.open("wb") as file:
            async for chunk in request.stream():
                digest.update(chunk)
                file.write(chunk)
        if digest.hexdigest() != arg(request, "oid"):
            raise HubError(400, f"BadDigest: the sha256 of what arrived is {digest.hexdigest()}")
        partial.replace(repo / "lfs" / digest.hexdigest())
    finally:
        partial.unlink(missing_ok=True)
    return Response()


async def lfs_verify(request: Request) -> Response:
    repo, body = open_repo(request, write=True), await request.json()
    if lfs_entry(repo, body["oid"])["size"] != body["size"]:
        raise HubError(400, "The size is not the one announced")
    return JSONResponse({})


async def commit(request: Request) -> Response:
    """One atomic commit. Nothing is awaited once the body is here, so no other request comes in between."""
    repo, branch = open_repo(request, write=True), arg(request, "rev")
    lines = [json.loads(line) for line in (await request.body()).splitlines()]
    head = load(repo)["branches"].get(branch)
    if head is None:
        raise HubError(404, f"Invalid rev id: {branch}", "RevisionNotFound")
    files, header = find(repo, head)[1]["files"], lines[0]["value"]
    if not head.startswith(header.get("parentCommit") or head):
        raise HubError(412, "A commit has happened since. Please refresh and try again.")
    for key, value in ((line["key"], line["value"]) for line in lines[1:]):
        path = value["path"].rstrip("/")
        if key == "file":
            data = base64.b64decode(value["content"])
            if path == "README.md" and (errors := read_card(data.decode(), repo.parts[-3][:-1])[1]):
                raise HubError(400, f"Invalid metadata in README.md: {'; '.join(errors)}")
            files[path] = git_entry(repo, data)
        elif key == "lfsFile":
            files[path] = lfs_entry(repo, value["oid"])
        else:
            gone = [p for p in files if (p.startswith(path + "/") if key == "deletedFolder" else p == path)]
            if not gone:
                raise HubError(404, f"A file with this name doesn't exist: {path}", "EntryNotFound", head)
            files = {p: entry for p, entry in files.items() if p not in gone}
    sha = add_commit(repo, branch, files, header["summary"], header.get("description", ""))
    return JSONResponse({"success": True, "commitOid": sha, "commitUrl": f"{web_address(request, repo)}/commit/{sha}"})


async def on_error(request: Request, error: HubError) -> Response:
    return JSONResponse({"error": error.message}, error.status, error.headers)


async def set_value(request: Request) -> Response:
    """Sets a variable or a secret of a Space."""
    repo, body = open_repo(request, write=True), json.loads(await request.body())
    meta, kind = load(repo), request.url.path.split("/")[-1]
    meta.setdefault(kind, {})[body["key"]] = {"value": body["value"]}
    save(repo / "repo.json", meta)
    return JSONResponse(meta[kind] if kind == "variables" else {})


async def runtime(request: Request) -> Response:
    """Where a Space runs; rents hardware, or pauses it."""
    repo = open_repo(request, write=request.method == "POST")
    meta = load(repo)
    if request.url.path.endswith("/pause"):
        meta["stage"] = "PAUSED"
    elif request.method == "POST":
        body = json.loads(await request.body())
        check_plan(request, body)
        meta |= {"stage": "BUILDING", "hardware": body["flavor"]}
    if request.method == "POST":
        save(repo / "repo.json", meta)
    hardware = {"current": None, "requested": meta.get("hardware")}
    return JSONResponse({"stage": meta["stage"], "hardware": hardware, "gcTimeout": None})


def make_app(hub: "HubServer") -> Starlette:
    api, lfs = "/api/{kind}/{owner}/{name}", "/{owner}/{name}.git/info/lfs/objects/"
    table = [
        ("GET", "/api/whoami-v2", whoami),
        ("POST", "/api/repos/create", create),
        ("POST", "/api/validate-yaml", validate_yaml),
        ("GET", api, info),
        ("GET", api + "/revision/{rev}", info),
        ("GET", api + "/tree/{rev}", tree),
        ("GET", api + "/tree/{rev}/{path:path}", tree),
        ("POST", api + "/paths-info/{rev}", paths_info),
        ("GET", api + "/refs", refs),
        ("GET", api + "/auth-check", auth_check),
        ("GET", api + "/auth-check/write", auth_check),
        ("POST", api + "/preupload/{rev}", preupload),
        ("POST", api + "/commit/{rev}", commit),
        ("POST", api + "/variables", set_value),
        ("POST", api + "/secrets", set_value),
        ("GET", api + "/runtime", runtime),
        ("POST", api + "/hardware", runtime),
        ("POST", api + "/pause", runtime),
        ("PUT", "/lfs/{kind}/{owner}/{name}/{oid}", lfs_put),
    ]
    for prefix in ("", "/{kind}"):  # models have none
        table.append(("GET", prefix + "/{owner}/{name}/resolve/{rev}/{path:path}", resolve))
        table.append(("POST", prefix + lfs + "batch", lfs_batch))
        table.append(("POST", prefix + lfs + "verify", lfs_verify))
    for path in (api + "/tag/{rev}", api + "/branch/{rev}"):
        table.append(("POST", path, create_ref))
    routes = [Route(path, endpoint, methods=[method]) for method, path, endpoint in table]
    app = Starlette(routes=routes, exception_handlers={HubError: on_error})
    app.state.hub, app.state.folder = hub, hub.folder
    return app


# --- Faults


@dataclass
class Fault:
    """What goes wrong with requests whose "METHOD path" `match` is found in; see HubServer.fault."""

    match: str
    times: int | None = None
    skip: int = 0
    status: int | None = None
    body: bytes = b'{"error": "injected"}'
    headers: dict[str, str | None] = field(default_factory=dict)
    delay: float = 0
    reset: bool = False
    cut_after: int | None = None
    flip_byte: bool = False
    before: Callable[[], object] | None = None
    hits: int = 0

    def takes(self, line: str) -> bool:
        if self.times == 0 or not re.search(self.match, line):
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.hits += 1
        self.times = self.times and self.times - 1
        return True


async def misbehave(fault: Fault, app: Starlette, scope: dict, receive, send) -> None:
    """Serve one request with a fault in the answer."""
    transport, position, total = send.__self__.transport, 0, 0  # uvicorn's own; ASGI has no word for hanging up

    async def faulty_send(message: dict) -> None:
        nonlocal position, total
        if transport.is_closing():
            return None
        if message["type"] == "http.response.start":
            headers = {key.lower(): value for key, value in message["headers"]}
            headers |= {key.lower().encode(): value and value.encode() for key, value in fault.headers.items()}
            total = int(headers.get(b"content-length", 0))
            return await send(message | {"headers": [(key, value) for key, value in headers.items() if value]})
        data, start = bytearray(message.get("body", b"")), position
        position += len(data)
        if fault.flip_byte and start <= total // 2 < position:
            data[total // 2 - start] ^= 0xFF
        if fault.cut_after is None or position <= fault.cut_after:
            return await send(message | {"body": bytes(data)})
        await send(message | {"body": bytes(data[: fault.cut_after - start]), "more_body": True})
        return transport.close()

    if fault.before:
        fault.before()
    await asyncio.sleep(fault.delay)
    if fault.reset:
        return transport.abort()
    if fault.status:
        while (await receive()).get("more_body"):  # the client would see a broken pipe before it sees the answer
            pass
        return await Response(fault.body, fault.status, media_type="application/json")(scope, receive, faulty_send)
    await app(scope, receive, faulty_send)


class HubServer:
    """A hub that keeps its repos in `folder`. A context manager: it listens from enter to exit."""

    token, read_token = WRITE_TOKEN, READ_TOKEN

    def __init__(self, folder: Path, port: int = 0):
        self.folder = folder
        self.requests: list[str] = []  # "METHOD path", in order of arrival
        self.faults: list[Fault] = []
        self.plan = "free"
        self._app = make_app(self)
        # Bound, never listening: holds the port while the hub is down, so that nothing else can take it.
        self._held = self._bind(port)
        self.port = self._held.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._server: uvicorn.Server | None = None

    @staticmethod
    def _bind(port: int) -> socket.socket:
        sock = socket.socket()
        for option in {"SO_REUSEADDR", "SO_REUSEPORT"} & set(dir(socket)):
            sock.setsockopt(socket.SOL_SOCKET, getattr(socket, option), 1)
        sock.bind(("127.0.0.1", port))
        return sock

    def __enter__(self) -> "HubServer":
        self.up()
        return self

    def __exit__(self, *_: object) -> None:
        self.down()
        self._held.close()

    def up(self) -> None:
        """Listen, on the same port as ever."""
        if self._server:
            return
        config = uvicorn.Config(
            self._serve,
            **{"interface": "asgi3", "http": "h11", "lifespan": "off", "timeout_graceful_shutdown": 0},
            **{"log_config": None, "log_level": "critical"},  # it calls injected faults and `down` errors
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._bind(self.port)],), daemon=True)
        self._thread.start()
        while self._thread.is_alive() and not self._server.started:
            self._thread.join(0.005)

    def down(self) -> None:
        """Stop listening and drop all connections: clients see "connection refused"."""
        if not (server := self._server):
            return

        def hang_up() -> None:
            server.servers[0].close()
            for connection in list(server.server_state.connections):
                connection.transport.abort()

        server.servers[0].get_loop().call_soon_threadsafe(hang_up)
        server.should_exit = True
        self._thread.join()
        self._server = None

    async def _serve(self, scope: dict, receive, send) -> None:
        scope["path"] = scope["raw_path"].decode()  # routes are told apart before %2F becomes "/"
        line = f"{scope['method']} {scope['path']}"
        self.requests.append(line)
        fault = next((fault for fault in self.faults if fault.takes(line)), None)
        try:
            await (misbehave(fault, self._app, scope, receive, send) if fault else self._app(scope, receive, send))
        except Exception:
            traceback.print_exc()
            raise

    def fault(self, match: str, **what: object) -> Fault:
        """From now on, let something go wrong with requests in whose "METHOD path" the regular expression is found.

        times=2: only twice (else until `clear_faults`); skip=1: not the first time. What happens:
        status=503, body=b"...": this is the answer, and nothing is done;
        headers={"ETag": '"x"', "X-Repo-Commit": None}: headers are set or dropped;
        delay=3: the answer comes 3 s late;
        reset=True: the connection closes, nothing is done; cut_after=100: it closes after 100 bytes of the body;
        flip_byte=True: one byte is changed in the middle of the body;
        before=lambda: hub.seed(...): this is done first, as if by somebody else.
        The result counts its `hits`. The first fault that matches is the one that happens.
        """
        self.faults.append(Fault(match, **what))
        return self.faults[-1]

    def clear_faults(self) -> None:
        self.faults.clear()

    def head(self, repo: str, rev: str = "main") -> str:
        """The commit that a branch or tag of "models/owner/name" points to."""
        return find(self.folder / repo, rev)[0]

    def files(self, repo: str, rev: str = "main") -> dict[str, bytes]:
        """Path → content of all files at a revision of "models/owner/name"."""
        folder = self.folder / repo
        return {path: blob(folder, entry).read_bytes() for path, entry in find(folder, rev)[1]["files"].items()}

    def seed(self, repo: str, files: dict[str, bytes]) -> str:
        """Commit files to "models/owner/name" without a client, creating the repo if need be, whoever owns it."""
        folder = self.folder / repo
        if not folder.exists():
            new_repo(folder, sdk="gradio" if repo.startswith("spaces/") else None)
        entries = dict(find(folder, "main")[1]["files"])
        for path, data in files.items():
            entries[path] = git_entry(folder, data)
            if is_lfs(path, len(data), data[:512]):
                sha256 = hashlib.sha256(data).hexdigest()
                (folder / "lfs" / sha256).write_bytes(data)
                entries[path] = lfs_entry(folder, sha256)
        return add_commit(folder, "main", entries, "seed")

    def env(self, home: Path, token: str | None = WRITE_TOKEN, **more: str) -> dict[str, str]:
        """The whole environment for a process whose client talks to this hub and keeps its cache in `home`."""
        drop = re.compile("HF_|HUGGING|TRANSFORMERS_OFFLINE|XDG_CACHE|.*_proxy$", re.IGNORECASE)
        env = {key: value for key, value in os.environ.items() if not drop.match(key)}
        env |= {"HF_ENDPOINT": self.url, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1"}
        env |= {f"HF_HUB_DISABLE_{what}": "1" for what in ("TELEMETRY", "PROGRESS_BARS", "UPDATE_CHECK")}
        env |= {"http_proxy": self.url, "https_proxy": self.url, "no_proxy": "127.0.0.1,localhost,0.0.0.0"}
        return env | ({"HF_TOKEN": token} if token else {}) | more

    @contextmanager
    def client(self, home: Path, token: str | None = WRITE_TOKEN) -> Iterator["HfApi"]:
        """What `env` does, for this process and the time of the block: the client looks the values up at each call."""
        from huggingface_hub import HfApi, close_session, constants, hf_api

        values = {
            "ENDPOINT": self.url,
            "HUGGINGFACE_CO_URL_TEMPLATE": self.url + "/{repo_id}/resolve/{revision}/{filename}",
            "HF_HUB_CACHE": str(home / "hub"),
            "HF_TOKEN_PATH": str(home / "token"),
            "HF_HUB_OFFLINE": False,
            "HF_HUB_DISABLE_XET": True,
            "HF_HUB_DISABLE_TELEMETRY": True,
        }
        variables = patch.dict(os.environ, {"HF_TOKEN": token or "", "no_proxy": "127.0.0.1"})
        close_session()  # one opened earlier has looked up its proxies
        try:
            with patch.multiple(constants, **values), patch.object(hf_api.api, "endpoint", self.url), variables:
                yield HfApi()
        finally:
            close_session()
