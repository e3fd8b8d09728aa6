"""When a call is repeated: the part of it that neither calls nor waits."""

from __future__ import annotations

import random
import time

from grpc import StatusCode

from tactful._errors import TactfulError

_FIRST_PAUSE = 0.025
_LONGEST_PAUSE = 1.0


class Attempts:
    """The attempts of one call within its time. All of them have the same id, so that the server counts them once."""

    def __init__(self, timeout: float) -> None:
        self._end = time.monotonic() + timeout
        self._longest = _FIRST_PAUSE
        self._before: TactfulError | None = None

    def left(self) -> float:
        """How many seconds are left for the next attempt."""
        return max(0.001, self._end - time.monotonic())

    def pause_after(self, error: TactfulError) -> float:
        """How many seconds to wait before the next attempt.

        Raises the error if there is none: it is final, or the time is up.
        """
        if error.code is StatusCode.DEADLINE_EXCEEDED:
            # Why the time went by says more than that it did.
            raise self._before or error
        self._before = error
        pause = error.retry_delay
        if pause is None:
            pause = random.uniform(0, self._longest)  # noqa: S311
            self._longest = min(_LONGEST_PAUSE, self._longest * 2)
        if not error.is_retryable or time.monotonic() + pause >= self._end:
            raise error
        return pause
