"""What a fabric needs of a machine beyond FRR."""

from __future__ import annotations

import shutil
from pathlib import Path

from daemon.need import refuse

PROGRAMS = ("sudo", "redis-server", "nsenter", "ssh-keygen")


def require_programs() -> None:
    """End the test that asks, where something is missing."""
    missing = [one for one in PROGRAMS if shutil.which(one) is None]
    if not Path("/usr/sbin/sshd").exists():
        missing.append("sshd")
    if missing:
        refuse(f"no {', '.join(missing)}")
