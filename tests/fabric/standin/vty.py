"""A daemon's vty socket, as vtysh and frrcfgd talk to it: a line, its answer, its return code."""

from __future__ import annotations

import socket
from pathlib import Path


class Vty:
    """One connection to one daemon, enabled."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self.say("enable")

    def say(self, line: str) -> tuple[int, str]:
        """Return code and what was said; raises `OSError` when the daemon is gone."""
        self._socket.sendall(line.encode() + b"\0")
        answer = b""
        while not (len(answer) >= 4 and answer[-4:-1] == b"\0\0\0"):
            more = self._socket.recv(16384)
            if not more:
                raise ConnectionError("the daemon closed its vty")
            answer += more
        return answer[-1], answer[:-4].decode()


def sockets() -> Path:
    """Where this device's daemons listen; see `device.py`."""
    known = dict(
        line.split("=", 1) for line in Path("/etc/device.frr").read_text().splitlines() if line
    )
    return Path(f"{known['tree']}/run/frr", known["name"])
