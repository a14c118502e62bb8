"""Layer 2 of the agent: what its announcer has to know, and what is said of what it does.

The announcer is a process of its own (`announce.process`) and decides alone, in milliseconds, who
answers for which address. It is told slowly changing things: which addresses there are and who may
have them (`contested`), and whose Lease is valid (`roll`). It is begun with the first
L2Advertisement and ended with the last one; a cluster without any has no Leases either.
"""

from __future__ import annotations

import threading
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ferrule.announce import control
from ferrule.announce.child import PROGRAM, Child, Heard
from ferrule.compiler.contests import Contest
from ferrule.compiler.network import Address
from ferrule.observe.cluster_api import Api
from ferrule.observe.cluster_lease import LABEL, VALUE
from ferrule.observe.watch import Watches
from ferrule.observe.watch_feed import Feed
from ferrule.observe.watch_inbox import Batch
from ferrule.reconcile.contested import Contested
from ferrule.reconcile.lease import boot_clock
from ferrule.reconcile.logs import Log
from ferrule.reconcile.membership import Membership
from ferrule.reconcile.roll import LEASES, Pace, Roll, member

TICK_S = 0.2
SETTLE_S = 1.0
LONGEST_KEY = 4096
NOWHERE = "127.0.0.1"
SILENCE_S = 12.0  # an announcer says how it is every five seconds


@dataclass(frozen=True, slots=True)
class Choices:
    """How layer 2 is run. `excluded` None: the usual interfaces of containers and tunnels."""

    port: int = 7947
    keys: Sequence[str] = ()  # files; the first signs
    interfaces: Sequence[str] = ()
    excluded: Sequence[str] | None = None
    program: Sequence[str] = PROGRAM


@dataclass(frozen=True, slots=True)
class Place:
    """Where this node is: in which cluster, and at which addresses its members are."""

    cluster: str
    addresses: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Roster:
    """Addresses of those whose Leases are valid; `idle` ones have not begun to announce."""

    members: Mapping[str, str]
    fresh: bool
    idle: Sequence[str] = ()


class Layer2(threading.Thread):
    """One node's announcer and its Lease, from `start` to `stop`.

    `hear` is told what the announcer says; it is called in another thread, and not for long.
    """

    def __init__(
        self,
        api: Api,
        namespace: str,
        node: str,
        choices: Choices,
        log: Log,
        hear: Callable[[Heard], None],
        *,
        spread_s: float = 0.0,
    ) -> None:
        super().__init__(name="layer 2", daemon=True)
        self._node, self._choices, self._log, self._tell = node, choices, log, hear
        self._lock = threading.Lock()  # of all that follows
        self.contested = Contested(node)
        self.roll = Roll(node)
        self._place = Place("", {})
        self._listed, self._seen_at = False, boot_clock()
        self._well, self._well_at = True, boot_clock()
        self._members = _Roster({}, fresh=False)
        self._leases = Feed(LEASES, member, namespace, labels=f"{LABEL}={VALUE}")
        self._watches = Watches(api, (self._leases,), spread_s=spread_s)
        self._membership = Membership(
            api, namespace, node, self._pace, self._is_there, self._wrote, log
        )
        self.child = Child(self._greet, self._heard, self._mutter, choices.program)
        self._stopping = threading.Event()

    # What the agent says.

    def moved(self, place: Place) -> None:
        """The Nodes, or the cluster's name, are different."""
        with self._lock:
            before, self._place = self._place, place
            mine = [one.addresses.get(self._node) for one in (before, place)]
            if (before.cluster, mine[0]) != (place.cluster, mine[1]):
                self.child.again()
            else:
                self._call()

    def replace(self, contests: Mapping[str, Contest]) -> None:
        """All contests there are."""
        with self._lock:
            self._spread(self.contested.replace(contests))

    def update(self, changes: Mapping[str, Contest | None]) -> None:
        """Some are different."""
        with self._lock:
            self._spread(self.contested.update(changes))

    # Of the thread.

    def run(self) -> None:
        """Until `stop`."""
        self._membership.start()
        with self._watches:
            while not self._stopping.is_set():
                batch = self._watches.inbox.take(TICK_S)
                if batch:
                    self._learn(batch)
                with self._lock:
                    self._spread(self.contested.equipped(self.roll.interfaces()))
                    self._call()
                if self.child.ident is None and self._is_settled():
                    with self._lock:  # else it could begin right after `stop` has looked
                        if not self._stopping.is_set():
                            self._well_at = boot_clock()
                            self.child.start()

    def _is_settled(self) -> bool:
        """Whether the roll is long enough on: a node that sees nobody takes everything.

        All agents of a cluster may begin at once; what was written before our own Lease is seen
        before it, and for what comes right after it there is a little time.
        """
        now = boot_clock()
        if not self._listed or not self.roll.includes_us:
            self._seen_at = now
        return now - self._seen_at >= SETTLE_S

    def _learn(self, batch: Batch) -> None:
        for key, why in batch.refused.get(self._leases, {}).items():
            self._log.warning("objectRefused", kind="Lease", object=key, error=why)
        with self._lock:
            self.roll.hear(batch.of(self._leases), boot_clock())
            self._listed |= batch.complete

    def stop(self) -> None:
        """Hand everything over, to whoever is there, and be silent."""
        with self._lock:
            self._stopping.set()
        giving_back = threading.Thread(target=self._membership.stop)
        giving_back.start()  # so that those who hear no beats know as soon as they can
        if self.child.ident is not None:
            self.child.end()
        for thread in (giving_back, self):
            thread.join(TICK_S + 2)

    @property
    def fresh(self) -> bool:
        """Whether the API server knows that this node is there."""
        return self.roll.fresh(boot_clock())

    def present(self) -> frozenset[str]:
        """The other nodes whose Leases are valid."""
        with self._lock:
            return frozenset(self.roll.present(boot_clock()))

    def has(self, interfaces: Iterable[str]) -> None:
        """Where this node can announce, as its announcer says: the others have to know."""
        self._membership.has([*interfaces])

    # What the announcer is told; all with the lock held.

    def _spread(self, addresses: Iterable[Address]) -> None:
        for one in self.contested.messages(addresses):
            self.child.say(control.line("own", **one))

    def _call(self) -> None:
        """The roll, if it is another one."""
        now = self._roster()
        if now != self._members:
            self._members = now
            self._log.info("members", nodes=sorted(now.members), fresh=now.fresh, idle=now.idle)
            self.child.say(self._members_line())

    def _roster(self) -> _Roster:
        now = boot_clock()
        where = self._place.addresses
        names = sorted({self._node, *self.roll.present(now)})
        members = {name: where.get(name, "") for name in names}
        return _Roster(members, self.roll.fresh(now), self.roll.idle(now))

    def _members_line(self) -> bytes:
        now = self._members
        return control.line("members", members=now.members, fresh=now.fresh, idle=now.idle)

    # Called by other threads.

    def _pace(self) -> Pace:
        return self.roll.pace

    def _is_there(self) -> bool:
        """Whether the others may count on this node: its announcer runs, and can announce.

        What beats say of that is not to be said by the Lease too.
        """
        if self.child.ident is None:  # it waits for the Lease
            return True
        return self._well and boot_clock() - self._well_at <= SILENCE_S

    def _wrote(self) -> None:
        with self._lock:
            self.roll.wrote(boot_clock())
            self._call()

    def _greet(self) -> None:
        """Everything, for an announcer that has just begun."""
        with self._lock:
            self._members = self._roster()
            own = [control.line("own", **one) for one in self.contested.messages(self.contested)]
            self.child.open([self._setup(), self._members_line(), *own])

    def _setup(self) -> bytes:
        choices, own = self._choices, self._place.addresses.get(self._node)
        secrets = [*self._secrets()] if own else []  # nobody knows where to send beats to
        if not secrets:
            text = "no key for heartbeats: a node that is lost is missed when its Lease ends"
            self._log.warning("noHeartbeats", said=text)
        return control.line(
            "setup",
            node=self._node,
            cluster=self._place.cluster,
            bind=own or NOWHERE,
            port=choices.port,
            secrets=[b64encode(one).decode() for one in secrets],
            interfaces=list(choices.interfaces),
            excluded=None if choices.excluded is None else list(choices.excluded),
        )

    def _secrets(self) -> Iterable[bytes]:
        """What heartbeats are signed with; read anew for each announcer."""
        for path in self._choices.keys:
            try:
                with Path(path).open("rb") as file:
                    secret = file.read(LONGEST_KEY).strip()
            except FileNotFoundError:
                continue
            except OSError as bad:
                self._log.warning("heartbeatKeyNotRead", file=str(path), error=bad.strerror)
                continue
            if secret:
                yield secret

    def _heard(self, said: Heard) -> None:
        if said["kind"] == "status":
            self._well_at = boot_clock()
            self._well = bool(said["beats"]) or said["state"] != "unable"
        self._tell(said)

    def _mutter(self, line: str) -> None:
        if line.strip():
            self._log.warning("announcer", said=line)
