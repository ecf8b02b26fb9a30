"""What glibc's malloc does with freed memory, mallopt(3). Under other C libraries nothing changes."""

import ctypes
from contextlib import suppress

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -3, -4, -8


def keep_freed_memory() -> None:
    """For loops over tensors of the same sizes: memory that is given back must be zeroed page by page again."""
    _mallopt({M_MMAP_MAX: 0, M_TRIM_THRESHOLD: -1})


def return_freed_memory() -> None:
    """For a server, whose tensors of ever other sizes leave holes: fewer arenas, and large pieces given back."""
    _mallopt({M_ARENA_MAX: 2, M_MMAP_THRESHOLD: 1 << 20, M_TRIM_THRESHOLD: 16 << 20})


def _mallopt(options: dict[int, int]) -> None:
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        for option, value in options.items():
            libc.mallopt(option, value)
