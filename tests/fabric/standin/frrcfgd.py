"""A stand-in for frrcfgd: listens to CONFIG_DB and tells bgpd, row by row.

Files in /run/fault/frrcfgd make it fail:
    ignore   it looks away
    refuse   a pattern: FRR is given a matching line with a word it does not know
    slow     seconds before it acts on a row
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from fabric.standin import NAME
from fabric.standin.configdb import ConfigDb
from fabric.standin.log import log_error
from fabric.standin.redis import CONFIG_DB, Redis
from fabric.standin.translate import EVERYBODY, Translator
from fabric.standin.vty import Vty, sockets

FAULTS = Path("/run/fault/frrcfgd")
READY = Path("/run/frrcfgd.pid")
CHANNEL = f"__keyspace@{CONFIG_DB}__:"
SETTLED = "settled"  # no table: asks whether all that came before has been acted on


class Daemons:
    """The daemons, told line by line; a line is taken when one of them takes it."""

    def __init__(self, names: Iterable[str]) -> None:
        self._vtys = {name: Vty(sockets() / f"{name}.vty") for name in names}

    def run(self, said: Sequence[str], daemons: Sequence[str]) -> bool:
        """`configure terminal`, the lines, `end`; False when any of them was refused."""
        refused = _fault("refuse")
        *within, line = said
        if refused and re.search(refused, line):
            line += " which-is-refused"
        ok = True
        for one in ("configure terminal", *within, line, "end"):
            answers = [self._say(name, one) for name in daemons]  # every one is told
            ok &= any(answers)
        if not ok:
            log_error("bgp#frrcfgd", f'command execution failure. Command: "{list(said)}"')
        return ok

    def _say(self, daemon: str, line: str) -> bool:
        try:
            return self._vtys[daemon].say(line)[0] == 0
        except OSError:
            return False


def _fault(name: str) -> str:
    file = FAULTS / name
    return file.read_text().strip() or "0" if file.exists() else ""


def main() -> None:
    """Listen to CONFIG_DB for ever."""
    if sys.argv[1:]:
        sys.stdout.write(f"frrcfgd: {NAME}\n")
        return
    messages = Redis().messages(f"{CHANNEL}*")
    daemon = Translator(ConfigDb(), Daemons(EVERYBODY).run)
    daemon.replay()
    READY.write_text(str(os.getpid()))
    for channel, _ in messages:
        table, _, name = channel.removeprefix(CHANNEL).partition("|")
        if table == SETTLED:
            Path(f"/run/{SETTLED}").write_text(name)
        elif name and not _fault("ignore"):
            if seconds := _fault("slow"):
                time.sleep(float(seconds))
            daemon.changed(table, name)


if __name__ == "__main__":
    main()
