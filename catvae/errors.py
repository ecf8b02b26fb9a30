"""What a user can put right, under one base: command lines print these messages and let bugs show their traceback."""

import argparse
import math
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path


class UserError(Exception):
    """Something the user can put right; the message names the thing and says what to do."""


class SettingError(UserError, ValueError):
    """A setting outside of what is possible, such as one step, or a batch of no faces."""


class ImageError(UserError, ValueError):
    """A picture that cannot be used.

    `reason` is "missing", "unreadable", "too_large" (pixels), "too_heavy" (bytes) or "too_narrow"; where visitors share
    a server also "too_much" (work) or "busy".
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class DataError(UserError, ValueError):
    """A source of faces that cannot be used."""


class CheckpointError(UserError, RuntimeError):
    """Weights that cannot be used: missing, damaged, or of another architecture."""


class TrainingError(UserError, RuntimeError):
    """Training that cannot start, resume or go on."""


class MissingPackageError(UserError, RuntimeError):
    """An optional package, or the weights in it, is not installed or not what it should be."""


class HubError(UserError, RuntimeError):
    """The Hub refused or could not be reached."""


def describe(error: OSError, path: Path | None = None, doing: str = "used") -> str:
    """A sentence about what the system refused, of the file that the error names where `path` does not."""
    reason = error.strerror or str(error)
    if isinstance(error, (FileExistsError, NotADirectoryError)):
        reason = "a file has the name of a folder"
    elsewhere = error.filename if path and error.filename and Path(os.fsdecode(error.filename)) != path else ""
    return f"{path or error.filename or 'a file'}: cannot be {doing} ({elsewhere and f'{elsewhere}: '}{reason})"


@contextmanager
def command_line(program: str, stopped: str = "stopped") -> Iterator[None]:
    """Around all that a command line does: what a user can put right ends it with a sentence, a bug with its traceback,
    Ctrl-C with `stopped`, and a reader of its output that goes away, as `head` does, without a word.

    What a console cannot show is written as its code.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            yield
        finally:
            if sys.stdout:  # None where it was closed before the start
                sys.stdout.flush()
    except UserError as error:
        sys.exit(f"{program}: {error}")
    except KeyboardInterrupt:
        sys.exit(f"{program}: {stopped}")
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains as it ends
        sys.exit(1)
    except OSError as error:
        if error.errno is None:  # not the system's
            raise
        sys.exit(f"{program}: {describe(error)}")
    except (MemoryError, RuntimeError) as error:  # torch's have no type of their own on a CPU
        reason = str(error).partition("\n")[0]
        if not isinstance(error, MemoryError) and not any(word in reason for word in ("out of memory", "alloc")):
            raise
        sys.exit(f"{program}: the memory is too small for this; smaller batches, models or sets need less ({reason})")


class Arguments(argparse.ArgumentParser):
    """A parser that refuses empty words, names that are not UTF-8 and numbers that are not finite, whatever option."""

    def __init__(self, *args, **options) -> None:
        super().__init__(*args, **options)
        for kind, read in ((None, text), (Path, lambda word: Path(text(word))), (float, number())):
            self.register("type", kind, read)


def text(word: str) -> str:
    """A type for argparse: a word that can be written down."""
    if not word.strip():
        raise argparse.ArgumentTypeError("must not be empty")
    try:
        word.encode()
    except UnicodeEncodeError:
        raise argparse.ArgumentTypeError(f"must be UTF-8, unlike {word!r}") from None
    return word


def whole_number(low: int, high: int = 10**9) -> Callable[[str], int]:
    """A type for argparse, with a sentence instead of a list of all choices."""

    def read(word: str) -> int:
        if not word.isdecimal() or len(word) > 18 or not low <= int(word) <= high:
            raise argparse.ArgumentTypeError(f"must be a whole number from {low} to {high}, not {word[:30]!r}")
        return int(word)

    return read


def number(low: float = -math.inf, high: float = math.inf) -> Callable[[str], float]:
    """A type for argparse: a finite number, from `low` to `high`."""

    def read(word: str) -> float:
        try:
            value = float(word)
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and low <= value <= high):
            span = f" from {low:g} to {high:g}" if math.isfinite(high) else ""
            raise argparse.ArgumentTypeError(f"must be a number{span}, not {word[:30]!r}")
        return value

    return read
