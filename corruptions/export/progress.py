"""A progress bar with the time left, on a terminal or in a log file."""

from __future__ import annotations

import time
from typing import TextIO

WIDTH = 30
LOG_EVERY_S = 30.0
REDRAW_EVERY_S = 0.2


class Progress:
    """Progress over a known number of jobs.

    A terminal gets one line that is redrawn, anything else a line every half minute and one at the end.

    Args:
        total: number of jobs.
        stream: where to write, or None to say nothing.
    """

    def __init__(self, total: int, stream: TextIO | None) -> None:
        self.total = total
        self.done = 0
        self.stream = stream
        self.start_s = time.monotonic()
        self.on_terminal = stream is not None and stream.isatty()
        self._last_s = self.start_s if not self.on_terminal else 0.0

    def advance(self) -> None:
        """One more job is done."""
        self.done += 1
        now_s = time.monotonic()
        finished = self.done == self.total
        if self.stream is None or not (
            finished or now_s - self._last_s >= (REDRAW_EVERY_S if self.on_terminal else LOG_EVERY_S)
        ):
            return
        self._last_s = now_s
        text = progress_line(self.done, self.total, now_s - self.start_s)
        self.stream.write(f"\r{text}\x1b[K" if self.on_terminal else f"{text}\n")
        if finished and self.on_terminal:
            self.stream.write("\n")
        self.stream.flush()

    def close(self) -> None:
        """Leave the line of an unfinished bar."""
        if self.stream is not None and self.on_terminal and 0 < self.done < self.total:
            self.stream.write("\n")
            self.stream.flush()


def progress_line(done: int, total: int, elapsed_s: float) -> str:
    """The bar as text: ``[#####     ]  50 %  24/48  0:00:12 left``."""
    share = done / total
    bar = "#" * int(share * WIDTH)
    left_s = elapsed_s * (total - done) / done
    return f"[{bar:<{WIDTH}}] {100 * share:3.0f} %  {done}/{total}  {duration(left_s)} left"


def duration(seconds: float) -> str:
    """Hours, minutes and seconds as ``1:02:03``."""
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def size(count: float) -> str:
    """Bytes in a unit that reads well: ``1.5 GB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"
