"""Answers given of late, for those who ask the same again."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from weakref import WeakMethod


class Recent:
    """At most `count` answers, the longest unused leave first, and none is kept for more than twice `seconds`."""

    def __init__(self, count: int = 256, seconds: float = 300) -> None:
        self.count, self.seconds = count, seconds
        self.answers: OrderedDict[Hashable, tuple[float, str]] = OrderedDict()  # time made, answer
        self.lock = threading.Lock()
        self.forgetting = False

    def get(self, key: Hashable, make: Callable[[], str]) -> str:
        """The answer to `key`, made by `make` unless it was made of late. What `make` raises is not kept."""
        with self.lock:
            if key in self.answers:
                self.answers.move_to_end(key)
                return self.answers[key][1]
        answer = make()
        with self.lock:
            self.answers[key] = time.monotonic(), answer
            while len(self.answers) > self.count:
                self.answers.popitem(last=False)
            if not self.forgetting:
                self._forget_later()
        return answer

    def _forget_later(self) -> None:
        # a weak method: the answers of weights that are gone go with them
        forget = WeakMethod(self._forget)
        timer = threading.Timer(self.seconds, lambda: (method := forget()) and method())
        timer.daemon = True
        timer.start()
        self.forgetting = True

    def _forget(self) -> None:
        with self.lock:
            old = time.monotonic() - self.seconds
            for key in [key for key, (made, _) in self.answers.items() if made <= old]:
                del self.answers[key]
            self.forgetting = False
            if self.answers:
                self._forget_later()
