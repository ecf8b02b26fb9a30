"""Spoils pictures at random and decodes them, to find what makes the decoder do anything but return or refuse.

python -m tests.fuzz --minutes 10
"""

import argparse
import resource
import signal
import time
import warnings
from collections import Counter

import numpy as np

from catvae.errors import ImageError
from catvae.photos.decode import open_image
from catvae.photos.faces import cut_face
from tests.hostile import hostile_files

LIMIT_S = 10  # for one picture


class TooSlow(BaseException):
    """Not an Exception, which the decoder would take for a damaged file."""


def spoil(content: bytes, rng: np.random.Generator) -> bytes:
    """A copy with bytes changed, a piece removed, doubled or replaced by noise, or its end cut off."""
    data = bytearray(content)
    for _ in range(rng.integers(1, 4)):
        if not data:
            return b""
        start = int(rng.integers(len(data)) * rng.choice([1, 0.02]))  # headers more often than chance
        end = start + int(rng.integers(1, 64))
        match rng.integers(5):
            case 0:
                data[start] ^= 1 << int(rng.integers(8))
            case 1:
                data[start:end] = rng.integers(0, 256, end - start, dtype=np.uint8).tobytes()
            case 2:
                del data[start:end]
            case 3:
                data[start:start] = data[start:end]
            case 4 if rng.random() < 0.3:
                del data[start:]
    return bytes(data)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(args.seed)
    seeds = [content for content in hostile_files().values() if 100 < len(content) < 1_000_000]
    found, slowest = Counter(), 0.0

    def too_slow(*_: object) -> None:
        raise TooSlow

    signal.signal(signal.SIGALRM, too_slow)
    end = time.monotonic() + 60 * args.minutes
    while time.monotonic() < end:
        content = spoil(seeds[rng.integers(len(seeds))], rng)
        started = time.monotonic()
        signal.alarm(LIMIT_S)
        try:
            image = open_image(content)
            if rng.random() < 0.02:
                cut_face(image)
            found["picture"] += 1
        except ImageError as error:
            found[error.reason] += 1
        except BaseException as error:
            found[f"!! {type(error).__name__}: {error}"[:200]] += 1
        finally:
            signal.alarm(0)
        slowest = max(slowest, time.monotonic() - started)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{sum(found.values())} spoiled pictures: {dict(found)}; slowest {slowest:.2f} s, peak memory {peak:.0f} MB")


if __name__ == "__main__":
    main()
