"""A script for `vtysh -f`, as a file that is in no directory.

vtysh of FRR 10 starts a process for each daemon, and each opens the file for itself. Where that is
/dev/stdin and a pipe, they take the lines from one another: bgpd 10.3 got none of them, or a part
that began in the middle of a line, and vtysh ended with 0. 8.4 reads it once. So it is given a file
in memory, of which whoever opens /dev/stdin has a beginning of his own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from ferrule.apply.target import Argv

FROM_FILE = 'file=$1; shift; exec "$@" <"$file"'


@contextmanager
def in_memory(text: str) -> Iterator[str]:
    """The path of a file with this text, as long as it is needed; it may hold passwords."""
    with os.fdopen(os.memfd_create("frr.conf"), "w") as file:
        file.write(text)
        file.flush()
        yield f"/proc/{os.getpid()}/fd/{file.fileno()}"


def reading(path: str, argv: Argv) -> Argv:
    """A command with that file as its input."""
    return ("sh", "-c", FROM_FILE, "sh", path, *argv)
