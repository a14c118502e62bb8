"""Logs as JSON lines, with MetalLB's keys (`ts`, `level`, `event`, `msg`), to stderr.

Values are data, never part of a format: what a tenant wrote is escaped by JSON and cannot begin a
line of its own.
"""

from __future__ import annotations

import json
import sys
import threading
from datetime import UTC, datetime
from typing import TextIO

LEVELS = ("debug", "info", "warn", "error", "none")


class Log:
    """Where a program says what it does; threads may share it."""

    def __init__(self, level: str = "info", stream: TextIO | None = None) -> None:
        self._least = LEVELS.index("debug" if level == "all" else level)
        self._stream = stream or sys.stderr
        self._lock = threading.Lock()

    def debug(self, event: str, **values: object) -> None:
        """For whoever looks for a mistake."""
        self._say("debug", event, values)

    def info(self, event: str, **values: object) -> None:
        """What was done."""
        self._say("info", event, values)

    def warning(self, event: str, **values: object) -> None:
        """What somebody should look at."""
        self._say("warn", event, values)

    def error(self, event: str, **values: object) -> None:
        """What failed."""
        self._say("error", event, values)

    def _say(self, level: str, event: str, values: dict[str, object]) -> None:
        if LEVELS.index(level) < self._least:
            return
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = json.dumps({"ts": now, "level": level, "event": event, **values}, default=str)
        with self._lock:
            print(line, file=self._stream, flush=True)
