"""The daemons of FRR on this node, each on a connection kept open, and their end noticed at once.

A daemon that ends closes its socket: somebody waits for that, and whoever is told connects anew.
What a daemon forgot is then loaded again, so all of them count: bgpd has the sessions, zebra and
bfdd what vtysh showed of them. bfdd may be absent, where nobody uses BFD.
"""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from ferrule.apply.vty import SOCKETS, Vty

CONFIG = "show running-config"
NEEDED = ("bgpd", "zebra")
OPTIONAL = "bfdd"
Told = Callable[[], object]


class Daemons:
    """bgpd, zebra and bfdd; `on_loss` is called, in a thread, when one of them has gone."""

    def __init__(self, node: str, sockets: Path = SOCKETS, on_loss: Told | None = None) -> None:
        self._node, self._sockets = node, sockets
        self._on_loss = on_loss
        self._open: dict[str, Vty] = {}
        self._watched: list[socket.socket] = []

    def connect(self) -> bool:
        """Connect where we are not; whether anything is known of them no longer holds."""
        lost = any(one.ended for one in self._open.values())
        if not lost and not [*self._missing()]:
            return False
        self.close()
        for name in self._missing():
            self._open[name] = Vty(self._node, name, self._sockets)
        self._watched = [one.twin() for one in self._open.values()]
        threading.Thread(target=self._wait, args=(self._watched,), daemon=True).start()
        return True

    def _missing(self) -> Iterator[str]:
        for name in (*NEEDED, OPTIONAL):
            there = name in NEEDED or (self._sockets / f"{name}.vty").exists()
            if there and name not in self._open:
                yield name

    def _wait(self, twins: list[socket.socket]) -> None:
        """Until the first of them ends, by its daemon or by us."""
        poll = select.poll()
        for one in twins:
            poll.register(one, select.POLLRDHUP)
        poll.poll()
        for one in twins:
            one.close()
        if self._on_loss is not None and self._watched is twins:  # else it was our own doing
            self._on_loss()

    @property
    def bgpd(self) -> Vty:
        """bgpd, once connected."""
        return self._open["bgpd"]

    @property
    def bfdd(self) -> Vty | None:
        """bfdd, where it runs."""
        return self._open.get(OPTIONAL)

    def texts(self) -> dict[str, str]:
        """What each of them runs, passwords included: to be compared with the same, later."""
        return {name: one.ask(CONFIG) for name, one in self._open.items()}

    def close(self) -> None:
        """End all connections."""
        self._watched = []
        for one in self._open.values():
            one.close()
        self._open.clear()
