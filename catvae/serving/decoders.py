"""One budget of memory and time for all pictures that visitors send, whichever endpoint they send them to.

Two processes decode them: one those that are little work, the other, which gives way to all else, the rest. Each is
ended when a picture takes more of the CPU or of memory than it has, and when its sender has left.
"""

import json
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from catvae.errors import ImageError
from catvae.files import ROOT, setting
from catvae.photos.decode import MAX_MEGABYTES, open_image

LIGHT, HEAVY = 64e6, 200e6  # work, in pixels of a plain JPEG
WAITING = 3  # heavy pictures at once, the one in work among them: who comes then is told to try again
OF_ONE_VISITOR = 6  # pictures at once, of which one is decoded: a page sends two, and cuts others meanwhile
PATIENCE = 20  # seconds until a process that does nothing is ended
SMALL_PNG, SMALL_SIDE = 200_000, 256  # bytes and pixels of what is decoded at once: faces, which the page sends often
PNG_HEADER = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
# memory goes back when a picture is done; numpy starts no threads
ENVIRONMENT = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "131072", "OPENBLAS_NUM_THREADS": "1"}


@dataclass
class Sender:
    """Whose request runs: an address, whether it has left, and whether the request was answered. Tasks that a request
    has started, as Gradio's queue, keep its sender: after the answer what they do is not that sender's any more."""

    address: str
    left: threading.Event = field(default_factory=threading.Event)
    answered: bool = False


SENDER: ContextVar[Sender | None] = ContextVar("sender", default=None)


class HeavyPicture(Exception):
    """A picture that is more work than it was sent to."""


class Decoder:
    """A process that decodes one picture after another, started when it is first needed and when the last one ended."""

    def __init__(self, megabytes: int, seconds: int, niceness: int) -> None:
        self.limits = [str(value) for value in (megabytes, seconds, niceness)]
        self.process: subprocess.Popen | None = None
        self.lock = threading.Lock()

    def decode(self, content: bytes, work: float = HEAVY, most: float = HEAVY) -> Image.Image:
        """The picture. Raises HeavyPicture where it is more `work` than that, and ImageError as `open_image` does, and
        "too_much" where it is more than `most`, or takes more memory or time than the process has."""
        with self.lock:
            end = time.monotonic() + PATIENCE
            try:
                left = sender.left if (sender := SENDER.get()) else None
                if left and left.is_set():  # while it waited for those before it
                    raise ImageError("missing", "the sender has left")
                process = self._running()
                asked, answers = process.stdin, process.stdout
                assert asked and answers
                line = json.dumps({"work": work, "most": most, "bytes": len(content)}).encode() + b"\n"
                asked.write(line + content)
                asked.flush()
                while not select.select([answers], [], [], 0.1)[0]:
                    if time.monotonic() > end or (left and left.is_set()):
                        process.kill()
                said = json.loads(answers.readline() or b"{}")
                pixels = answers.read(said["bytes"])
            except ImageError:
                raise
            except (OSError, KeyError, ValueError) as error:  # it has ended
                self.restart()
                raise ImageError("too_much", "the picture takes too long to decode, or too much memory") from error
        if "reason" in said:
            raise ImageError(said["reason"], said["message"])
        if "heavy" in said:
            raise HeavyPicture
        return Image.frombytes("RGB", tuple(said["size"]), pixels)

    def _running(self) -> subprocess.Popen:
        return self.process if self.process and self.process.poll() is None else self.restart()

    def restart(self) -> subprocess.Popen:
        """A new process, and an end of the one before."""
        if self.process:
            self.process.kill()
            with suppress(OSError):
                self.process.communicate()
        path = os.pathsep.join(filter(None, [str(ROOT), setting("PYTHONPATH")]))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "catvae.photos.worker", *self.limits],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **ENVIRONMENT, "PYTHONPATH": path},
        )
        return self.process


LIGHT_ONES, HEAVY_ONES = Decoder(224, 2, 0), Decoder(420, 4, 10)
heavy_slots = threading.BoundedSemaphore(WAITING)


@dataclass
class Turn:
    """What one visitor's pictures wait for: each other."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    count: int = 0


turns: dict[str, Turn] = {}
turns_lock = threading.Lock()


def open_photo(source: str | bytes | None) -> Image.Image:
    """What `open_image` makes of a file or of its bytes, within the budget of this process.

    Raises ImageError as `open_image` does; "too_much" for a picture that is more work than any photo, and "busy" when
    too many wait that are much, or too many of one visitor.
    """
    content = _content(source)
    if content is None or _is_small(content):
        return open_image(source if content is None else content)
    with _turn_of(SENDER.get()):
        with suppress(HeavyPicture):
            return LIGHT_ONES.decode(content, LIGHT)
        if not heavy_slots.acquire(blocking=False):
            raise ImageError("busy", "too many large pictures at once: try again in a few seconds")
        try:
            return HEAVY_ONES.decode(content)
        finally:
            heavy_slots.release()


@contextmanager
def _turn_of(sender: Sender | None) -> Iterator[None]:
    """One picture of a visitor after another, so that none keeps the decoders from all others; the queue, whose calls
    have no sender, has a bound of its own. Raises ImageError ("busy") for who has too many waiting."""
    if sender is None or sender.answered:
        yield
        return
    with turns_lock:
        turn = turns.setdefault(sender.address, Turn())
        if turn.count >= OF_ONE_VISITOR:
            raise ImageError("busy", "other pictures of this visitor are being read: try again in a few seconds")
        turn.count += 1
    try:
        with turn.lock:
            yield
    finally:
        with turns_lock:
            turn.count -= 1
            if not turn.count:
                del turns[sender.address]


def _content(source: str | bytes | None) -> bytes | None:
    """The bytes to decode; None for what is missing or too heavy, which `open_image` says without decoding any."""
    if not isinstance(source, str):
        return source if source is None or len(source) <= MAX_MEGABYTES * 1e6 else None
    with suppress(OSError):
        if os.stat(source).st_size <= MAX_MEGABYTES * 1e6:
            return Path(source).read_bytes()
    return None


def _is_small(content: bytes) -> bool:
    """Whether this is a PNG of so few pixels that no process is needed to bound it."""
    sides = [int.from_bytes(content[place : place + 4]) for place in (16, 20)]
    return content.startswith(PNG_HEADER) and len(content) <= SMALL_PNG and max(sides) <= SMALL_SIDE
