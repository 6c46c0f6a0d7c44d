"""Threads for what may block for as long as the sandbox wants: opening FIFOs and devices, and connecting."""

import contextlib
import errno
import os
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from posttrainbench.sandbox.provenance.kernel import Call, Listener

MOST = 256
"""Concurrent threads; further calls fail with EAGAIN."""


@dataclass(slots=True, eq=False)
class Errand:
    """One blocking action for one call.

    Attributes:
        call: the call that waits for it.
        action: returns a result, or raises OSError.
        finish: called in the main thread with the result or the error.
        wake: makes a blocked action return after its caller died.
    """

    call: Call
    action: Callable[[], int]
    finish: Callable[[int | OSError], None]
    wake: Callable[[], None]


class Helpers:
    """Runs errands in threads and hands their results back to the main thread.

    Attributes:
        bell: descriptor that is readable when a result is waiting.
    """

    def __init__(self, listener: Listener) -> None:
        self.bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._listener = listener
        self._running: set[Errand] = set()
        self._results: deque[tuple[Errand, int | OSError]] = deque()

    def start(self, errand: Errand) -> None:
        """Start a thread.

        Raises:
            OSError: too many are running.
        """
        if len(self._running) >= MOST:
            raise OSError(errno.EAGAIN, "too many blocked calls")
        self._running.add(errand)
        threading.Thread(target=self._run, args=(errand,), daemon=True).start()

    def finish(self) -> None:
        """Finish the errands whose results are waiting."""
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self.bell)
        while self._results:
            errand, result = self._results.popleft()
            self._running.discard(errand)
            errand.finish(result)

    def wake_orphans(self) -> None:
        """Release the threads whose callers died."""
        for errand in list(self._running):
            if not self._listener.waits(errand.call):
                with contextlib.suppress(OSError):
                    errand.wake()

    def _run(self, errand: Errand) -> None:
        result: int | OSError
        try:
            result = errand.action()
        except OSError as error:
            result = error
        self._results.append((errand, result))
        os.eventfd_write(self.bell, 1)
