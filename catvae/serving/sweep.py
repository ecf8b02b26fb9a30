"""Visitors' pictures leave the disk within an hour, whatever put them there."""

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from catvae.files import writing

AGE, EVERY = 3600, 60  # seconds
MOST = 4 << 30  # bytes that may lie there at once


def temp_folder() -> Path:
    """The folder of this app alone for uploads, pictures in requests and results; `app.py` names it before
    Gradio is imported. Raises KeyError where nobody named one: Gradio's own is every app's of this user."""
    return Path(os.environ["GRADIO_TEMP_DIR"])


def sweep(folder: Path, age: float = AGE, most: int = MOST) -> int:
    """Delete files under `folder` that were last written more than `age` seconds ago, then the oldest until those
    that stay have `most` bytes, and folders that are empty since; returns how many files went. Files of a process
    before this one go too."""
    gone, old, young = 0, time.time() - age, []
    for where, folders, files in os.walk(folder, topdown=False):
        for path in (Path(where, name) for name in (*files, *folders)):
            with suppress(OSError):  # another process was faster, or the folder is in use
                entry = path.lstat()
                if not path.is_dir() or path.is_symlink():
                    young.append((entry.st_mtime, entry.st_size, path))
                elif entry.st_mtime < old:
                    path.rmdir()
    room = most
    for written, size, path in sorted(young, reverse=True):
        room -= size
        if written < old or room < 0:
            with suppress(OSError):
                path.unlink()
                gone += 1
    return gone


def sweep_in_background(also: Callable[[], None]) -> None:
    """Sweep the app's folder now, and then with `also` every minute until the process ends.

    Raises SettingError for a folder that is not ours to write."""
    folder = temp_folder()
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)  # other users of the machine see no visitor's photo
    sweep(folder)

    def run() -> None:
        while True:
            time.sleep(EVERY)
            sweep(folder)
            also()

    threading.Thread(target=run, name="sweep", daemon=True).start()
