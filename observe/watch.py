"""Watching a cluster: each kind in a thread of its own, all feeding one inbox."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from random import SystemRandom
from time import monotonic

from ferrule.observe.cluster_api import Api
from ferrule.observe.cluster_lists import PAGE
from ferrule.observe.watch_inbox import AnyFeed, Inbox
from ferrule.observe.watch_loop import READ_S, Watcher
from ferrule.observe.watch_wire import Wire

JOIN_S = 0.9


class Watches:
    """All that somebody wants to know of a cluster; `inbox` is where it arrives.

    Threads begin within `spread_s`, so that the nodes of a cluster that start together do not ask
    together.
    """

    def __init__(
        self, api: Api, feeds: Iterable[AnyFeed], *, spread_s: float = 0.0, page: int = PAGE
    ) -> None:
        feeds = tuple(feeds)
        self.inbox = Inbox(feeds)
        self._spread_s = spread_s
        wires = ((feed, Wire(api.login, read_s=READ_S)) for feed in feeds)
        self.watchers = [Watcher(wire, feed, self.inbox, page) for feed, wire in wires]
        self._threads = [
            threading.Thread(target=self._run, args=(one,), name=f"watch {one.feed}", daemon=True)
            for one in self.watchers
        ]

    def __enter__(self) -> Watches:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for watcher in self.watchers:
            watcher.stop()
        deadline = monotonic() + JOIN_S
        for thread in self._threads:  # one that is connecting ends by itself, in CONNECT_S
            thread.join(max(0.0, deadline - monotonic()))

    def _run(self, watcher: Watcher) -> None:
        watcher.run(SystemRandom().uniform(0, self._spread_s))
