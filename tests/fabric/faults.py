"""What goes wrong while a device is changed, and where that must end: as before, or as planned."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

from fabric.chaos import Trap, World, is_load
from ferrule.apply.target import Argv

NODE, SWITCH = "node-1", "tor-a"
BEFORE, PLANNED, EITHER = "before", "planned", "either"
CUT_S = 0.05
SLOW_S = 60
THEIRS = "ip prefix-list theirs seq 5 permit 203.0.113.0/24\n"
GROUP = ("BGP_PEER_GROUP", "default|OTHERS")

Bring = Callable[[World], AbstractContextManager[object]]


@dataclass(frozen=True)
class Fault:
    """On which device, what it is called, how it comes, and where a run ends in which it comes.

    `code` is what the device answers all the same; `costs` sessions of its own, where it must.
    """

    device: str
    name: str
    bring: Bring
    ends: str = BEFORE
    code: int | None = None
    costs: bool = False

    def __str__(self) -> str:
        return f"{self.device}-{self.name}"

    def trap(self, world: World, number: int = 1, of: Callable[[Argv], bool] = is_load) -> Trap:
        """Where it lies in wait."""
        return Trap(self.device, lambda: self.bring(world), number, of, self.code)


# How they come.


def vtysh(fault: str, value: object = "") -> Bring:
    return lambda world: world.fabric.nodes[NODE].fault("vtysh", fault, value)


def config(fault: str, value: object = "") -> Bring:
    return lambda world: world.fabric.switches[SWITCH].fault("config", fault, value)


def frrcfgd(fault: str, value: object = "") -> Bring:
    return lambda world: world.fabric.switches[SWITCH].fault("frrcfgd", fault, value)


def foreign(row: tuple[str, str], fields: object) -> Bring:
    """Somebody writes a row between two of ours."""
    table, name = row
    said = {"after": 1, "table": table, "name": name, "fields": fields}
    return config("foreign", json.dumps(said))


def nothing(_world: World) -> AbstractContextManager[object]:
    return nullcontext()


def cut(device: str) -> Bring:
    """The connection ends while the device is at work."""

    @contextmanager
    def soon(world: World) -> Iterator[None]:
        timer = threading.Timer(CUT_S, world.fabric.devices[device].cut)
        timer.start()
        try:
            yield
        finally:
            timer.join()

    return soon


def restarted(device: str) -> Bring:
    """bgpd comes back with what is saved, while it is given something else."""

    @contextmanager
    def at_once(world: World) -> Iterator[None]:
        world.fabric.devices[device].restart_bgpd()
        yield

    return at_once


def silent(device: str) -> Bring:
    """Nothing that is sent arrives, until it is too late."""
    return lambda world: world.fabric.devices[device].unreachable()


@contextmanager
def somebody_writes(world: World) -> Iterator[None]:
    """Lines of others, while ours are loaded."""
    writer = threading.Thread(target=world.fabric.nodes[NODE].frr.load, args=(THEIRS,))
    writer.start()
    try:
        yield
    finally:
        writer.join()


@contextmanager
def somebody_takes(world: World) -> Iterator[None]:
    """A line of ours is taken away, which the change leaves as it is."""
    world.fabric.nodes[NODE].frr.load(
        "router bgp 64512\naddress-family ipv6 unicast\nno network 2001:db8:100::/128\n"
    )
    yield


@contextmanager
def somebody_removes(world: World) -> Iterator[None]:
    """A row of ours goes, which the patch leaves as it is."""
    db = world.fabric.switches[SWITCH].db
    db.write("PREFIX", next(name for name in db.read()["PREFIX"] if "2001:db8" in name), None)
    yield


def full(device: str) -> Bring:
    """FRR takes away its backup before it writes: the room of that is enough for a small file."""

    def fill(world: World) -> AbstractContextManager[object]:
        there = world.fabric.devices[device]
        there.machine.path("/etc/frr/frr.conf.sav").unlink(missing_ok=True)
        return there.full_disk()

    return fill


AT_LOADS = (
    Fault(NODE, "vtysh-dies", vtysh("die", 2)),
    Fault(NODE, "answers-2-though-written", nothing, code=2),
    Fault(NODE, "somebody-else-writes", somebody_writes, PLANNED),
    Fault(NODE, "somebody-takes-what-is-ours", somebody_takes),
    Fault(NODE, "bgpd-refuses-a-line", vtysh("refuse", r"network\|prefix-list")),
    Fault(NODE, "it-is-slow", vtysh("slow", SLOW_S), PLANNED),
    Fault(NODE, "the-disk-is-full", full(NODE)),
    Fault(NODE, "the-connection-is-cut", cut(NODE)),
    Fault(NODE, "bgpd-is-restarted", restarted(NODE), costs=True),
    Fault(NODE, "nothing-gets-through", silent(NODE)),
    Fault(SWITCH, "the-tool-dies", config("die", 1)),
    Fault(SWITCH, "answers-2-though-written", nothing, PLANNED, code=2),
    Fault(SWITCH, "somebody-else-writes", foreign(GROUP, {"asn": "65099"}), PLANNED),
    Fault(SWITCH, "somebody-removes-what-is-ours", somebody_removes),
    Fault(SWITCH, "frr-refuses-a-line", frrcfgd("refuse", "prefix-list")),
    Fault(SWITCH, "frrcfgd-looks-away", frrcfgd("ignore")),
    Fault(SWITCH, "frrcfgd-is-slow", frrcfgd("slow", 5), EITHER),
    Fault(SWITCH, "it-is-slow", config("slow", SLOW_S), PLANNED),
    Fault(SWITCH, "the-disk-is-full", full(SWITCH), EITHER),
    Fault(SWITCH, "the-connection-is-cut", cut(SWITCH)),
    Fault(SWITCH, "bgpd-is-restarted", restarted(SWITCH), costs=True),
    Fault(SWITCH, "nothing-gets-through", silent(SWITCH)),
)
AT_THE_SAVE = (
    Fault(NODE, "the-disk-is-full", full(NODE)),
    Fault(NODE, "it-is-slow", vtysh("slow", SLOW_S), PLANNED),
    Fault(NODE, "the-connection-is-cut", cut(NODE)),
    Fault(SWITCH, "the-disk-is-full", config("full")),
    Fault(SWITCH, "it-is-slow", config("slow", SLOW_S), PLANNED),
    Fault(SWITCH, "the-connection-is-cut", cut(SWITCH)),
)
ANYWHERE = tuple(
    Fault(device, name, bring(device), EITHER)
    for device in ("node-2", "tor-b")  # in a batch, after the first of their kind
    for name, bring in (
        ("the-connection-is-cut", cut),
        ("the-disk-is-full", full),
        ("nothing-gets-through", silent),
    )
)
