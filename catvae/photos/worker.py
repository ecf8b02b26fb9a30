"""Decodes pictures in a process of its own, which can be ended: `python -m catvae.photos.worker`.

It reads a line of JSON and the bytes it announces, and answers with a line and the pixels, until its input ends. Time
and memory have hard limits, because a file of a few bytes may ask any decoder for minutes and gigabytes.
"""

import json
import math
import os
import sys
import time
from contextlib import suppress
from io import BytesIO
from typing import Any, BinaryIO

from PIL import Image

from catvae.errors import ImageError
from catvae.photos.decode import FORMATS, MAX_MEGAPIXELS, WORKING_SIDE, open_image

try:
    import resource
except ImportError:  # not on Windows
    resource = None

START_OF_SCAN = b"\xff\xda"
# What a pixel takes of time and memory, where one of a plain JPEG takes 1. Pillow holds a WebP four times over.
WORK = {"JPEG": 1, "MPO": 1, "PNG": 4, "WEBP": 10}
OTHERS_WORK, PROGRESSIVE, PER_SCAN = 5, 3, 0.05  # an empty scan takes a twentieth of decoding the picture


def work_of(content: bytes) -> float:
    """About how much work a picture is, in pixels of a plain JPEG, by its header and its scans; 0 where `open_image`
    refuses it by its header."""
    try:
        with Image.open(BytesIO(content), formats=FORMATS) as image:
            pixels = image.width * image.height
            pixel = PROGRESSIVE if "progressive" in image.info else WORK.get(image.format or "", OTHERS_WORK)
            scans = content.count(START_OF_SCAN) if image.format in ("JPEG", "MPO", "TIFF") else 0
            return pixels * (pixel + PER_SCAN * scans) if pixels <= MAX_MEGAPIXELS * 1e6 else 0
    except Exception:  # what is broken is said when it is decoded, where it may be repaired
        return 0


def answer(asked: dict[str, Any], content: bytes, megabytes: int) -> tuple[dict[str, Any], bytes]:
    """What is said of a picture, and its pixels: "size" and RGB, at most 2,048 on the longer side; "heavy" where it is
    more work than asked for; or the "reason" and "message" of an ImageError."""
    try:
        limit("DATA", None)  # a WebP reserves all its memory, and uses none of it yet
        work = work_of(content)
        if work > asked["most"]:
            raise ImageError("too_much", "the picture takes too long to decode")
        if work > asked["work"]:
            return {"heavy": True}, b""
        limit("DATA", megabytes << 20)
        image = open_image(content)
        image.thumbnail((WORKING_SIDE, WORKING_SIDE))
        return {"size": image.size}, image.tobytes()
    except ImageError as error:
        reason = "too_much" if isinstance(error.__cause__, MemoryError) else error.reason
        return {"reason": reason, "message": str(error)}, b""


def limit(name: str, value: int | None) -> None:
    """Set a limit of this process, None for no limit, where the machine knows it."""
    if resource:
        with suppress(ValueError, OSError):
            hard = resource.RLIM_INFINITY
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (hard if value is None else value, hard))


def serve(incoming: BinaryIO, outgoing: BinaryIO, megabytes: int, seconds: int) -> None:
    """Answer until the input ends, each picture with that much memory and that many seconds of the CPU."""
    while line := incoming.readline():
        asked = json.loads(line)
        content = incoming.read(asked["bytes"])
        limit("CPU", math.ceil(time.process_time()) + seconds)
        said, pixels = answer(asked, content, megabytes)
        outgoing.write(json.dumps(said | {"bytes": len(pixels)}).encode() + b"\n" + pixels)
        outgoing.flush()


def main() -> None:
    """Serve the process that started this one, with its limits as arguments; libraries print to the log."""
    outgoing = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    megabytes, seconds, niceness = map(int, sys.argv[1:])
    os.nice(niceness)
    with suppress(BrokenPipeError):  # the app has ended
        serve(sys.stdin.buffer, outgoing, megabytes, seconds)


if __name__ == "__main__":
    main()
