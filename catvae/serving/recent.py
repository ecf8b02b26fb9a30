"""Answers given recently, for those who ask the same again."""

import threading
import time
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from cachetools import TTLCache

Answer = TypeVar("Answer")


class Recent:
    """At most `count` answers, the longest unused leave first, and none is given after `seconds`."""

    def __init__(self, count: int = 256, seconds: float = 300, clock: Callable[[], float] = time.monotonic) -> None:
        self.answers: TTLCache[Hashable, Any] = TTLCache(count, seconds, timer=clock)
        self.lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], Answer]) -> Answer:
        """The answer to `key`, made by `make` unless it was made recently. What `make` raises is not kept."""
        with self.lock:
            if key in self.answers:
                return self.answers[key]
        answer = make()
        with self.lock:
            self.answers[key] = answer
        return answer

    def forget(self) -> None:
        """Let go of what is too old to be given, though no one asks."""
        with self.lock:
            self.answers.expire()
