"""The switch's log, where alone frrcfgd says what went wrong."""

from __future__ import annotations

import socket
from datetime import UTC, datetime
from pathlib import Path

SYSLOG = Path("/var/log/syslog")


def log_error(program: str, message: str) -> None:
    """A line as rsyslog on a switch writes it."""
    now = datetime.now(tz=UTC).strftime("%Y %b %d %H:%M:%S.%f")
    with SYSLOG.open("a") as log:
        log.write(f"{now} {socket.gethostname()} ERR {program}: {message}\n")
