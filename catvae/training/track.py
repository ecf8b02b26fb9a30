"""Training runs in trackio, for `train_space.py --track`: a run for each variant, a point for each epoch."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from catvae.errors import MissingPackageError, TrainingError

PROJECT = "catvae"


def import_trackio() -> Any:
    """The module. Raises MissingPackageError with the command that installs it."""
    try:
        import trackio
    except ImportError as error:
        raise MissingPackageError("--track needs a package: pip install trackio") from error
    return trackio


@contextmanager
def tracked(
    name: str, settings: dict[str, Any], *, resume: bool, on: bool = True
) -> Iterator[Callable[[dict[str, float]], None]]:
    """Within it, the function given takes each epoch's row of `history.csv` to the run `name`, with `resume` to the
    last one of that name; unless it is `on`, nowhere.

    trackio keeps runs on this disk, or in the Space that TRACKIO_SPACE_ID names. Once started it stops no
    training: it warns, and keeps what it could not send. Raises MissingPackageError and TrainingError.
    """
    if not on:
        yield ignore
        return
    trackio = import_trackio()
    try:
        run = trackio.init(PROJECT, name, config=settings, resume="allow" if resume else "never", embed=False)
    except Exception as error:  # of its Space, its token, its disk; it has no error of its own
        raise TrainingError(f"--track: trackio cannot start ({error}); see TRACKIO_SPACE_ID and TRACKIO_DIR") from error
    try:
        yield lambda row: run.log({key: row[key] for key in row if key != "epoch"}, step=int(row["epoch"]))
    finally:
        run.finish()


def ignore(row: dict[str, float]) -> None:
    """Follow no run."""
