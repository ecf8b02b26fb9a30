"""Visitors' pictures leave the disk within an hour, whatever put them there."""

import os
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

AGE, EVERY = 3600, 300  # seconds


def temp_folder() -> Path:
    """The folder of this app alone for uploads, pictures in requests and results.

    `GRADIO_TEMP_DIR` where it is set, else a folder of our own: Gradio would share one with every
    other app of this user, and sweeping it would take their files.
    """
    folder = os.environ.setdefault("GRADIO_TEMP_DIR", str(Path(tempfile.gettempdir()) / "catvae"))
    return Path(folder)


def sweep(folder: Path, age: float = AGE) -> int:
    """Delete files under `folder` that were last written more than `age` seconds ago, and folders that are
    empty since; returns how many files went. Files of a process before this one go too."""
    gone, old = 0, time.time() - age
    for path in sorted(folder.rglob("*"), reverse=True):  # files before the folders that hold them
        with suppress(OSError):  # another process was faster, or the folder is in use
            if path.is_dir() and not path.is_symlink():
                if path.stat().st_mtime < old:
                    path.rmdir()
            elif path.lstat().st_mtime < old:
                path.unlink()
                gone += 1
    return gone


def sweep_in_background(
    also: Callable[[], None] = lambda: None, age: float = AGE, every: float = EVERY
) -> threading.Thread:
    """Sweep the app's folder now, and then with `also` every `every` seconds until the process ends."""
    folder = temp_folder()
    sweep(folder, age)

    def run() -> None:
        while True:
            time.sleep(every)
            sweep(folder, age)
            also()

    thread = threading.Thread(target=run, name="sweep", daemon=True)
    thread.start()
    return thread
