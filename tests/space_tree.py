"""Publishes the demo to the Hub's stand-in, installs what the Space got by the Space's own requirements in a fresh
environment, starts it there, and asks it for a mix.

    python -m tests.space_tree --hardware zero-a10g --python python3.12
    python -m tests.space_tree --hardware cpu-basic --python python3.12 --plain-torch

Downloads what a Space would, 3 GB for ZeroGPU. `--plain-torch` is for machines that do not reach download.pytorch.org:
the torch of the same version comes from PyPI's index, and nothing else changes.
"""

import argparse
import re
import subprocess
import tempfile
import time
from pathlib import Path

from gradio_client import Client, handle_file

from catvae.files import EXAMPLES
from catvae.publishing.spaces import publish_space
from tests.conftest import running_app
from tests.hub_server import HubServer

SPACE = "owner/kitten-mixer"


def upload(hub: HubServer, home: Path, hardware: str, folder: Path) -> None:
    """What `publish-space` sends for that hardware, written to `folder`."""
    hub.plan = "free" if hardware.startswith("zero") else "pro"
    with hub.client(home):
        publish_space(SPACE, hardware=hardware)
    for name, content in hub.files(f"spaces/{SPACE}").items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def install(folder: Path, python: str, plain_torch: bool) -> Path:
    """The Space's requirements in a fresh environment; returns its Python."""
    requirements = (folder / "requirements.txt").read_text()
    if plain_torch:
        requirements = re.sub(r"^--extra-index-url .*pytorch.*\n|\+cpu$", "", requirements, flags=re.M)
    (folder / "requirements.txt").write_text(requirements)
    subprocess.run([python, "-m", "venv", folder / ".venv"], check=True)
    fresh = folder / ".venv" / "bin" / "python"
    subprocess.run([fresh, "-m", "pip", "install", "--quiet", "-r", "requirements.txt"], cwd=folder, check=True)
    return fresh


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hardware", default="zero-a10g")
    parser.add_argument("--python", default="python3.12", help="the interpreter that the Space's front matter asks for")
    parser.add_argument("--plain-torch", action="store_true", help="torch from PyPI, not from download.pytorch.org")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temp, HubServer(Path(temp) / "hub") as hub:
        folder, started = Path(temp) / "space", time.monotonic()
        upload(hub, Path(temp) / "home", args.hardware, folder)
        print(f"{args.hardware}: {len(list(folder.rglob('*')))} files and folders uploaded", flush=True)
        fresh = install(folder, args.python, args.plain_torch)
        has = "import sys, torch, gradio; print('Python', sys.version.split()[0], 'torch', torch.__version__,"
        subprocess.run([fresh, "-c", f"{has} 'gradio', gradio.__version__, flush=True)"], check=True)
        print(f"installed after {time.monotonic() - started:.0f} s", flush=True)
        with running_app(Path(temp), hub.env(Path(temp) / "visitor", token=None), folder, fresh) as url:
            cats = [handle_file(EXAMPLES / name) for name in ("kitten-01.png", "kitten-04.png")]
            pictures = Client(url, verbose=False).predict("v6", *cats, 5, api_name="/mix")
        assert len(pictures) == 5 + 2
        print(f"/mix gave 5 frames and the two cats, {time.monotonic() - started:.0f} s in all")


if __name__ == "__main__":
    main()
