"""The network as it is now, over both ends: sessions, devices, addresses.

Made of what devices were found to run, and of the plan that comes of it; nothing is asked of a
device here. What could not be read is never taken to be well.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from ferrule.compiler.backends import sonic
from ferrule.compiler.errors import Diagnostic, has_errors
from ferrule.compiler.health import Health
from ferrule.compiler.network import Address, Advertisement, Network
from ferrule.compiler.observed import Key, Kind, Observed
from ferrule.compiler.plan import DevicePlan, Plan
from ferrule.compiler.sessions import Reached, Sessions

Found = Mapping[Key, Observed | Diagnostic]


@dataclass(frozen=True, slots=True)
class Carried:
    """What of our rows has reached bgpd: lines that it lacks, and lines that no row makes."""

    missing: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether it runs what they mean."""
        return not (self.missing or self.stale)


@dataclass(frozen=True, slots=True)
class DeviceStatus:
    """A device: could it be read, and how far is it from what is intended.

    `changes` is how many a plan would make; `problems` are why it would refuse to, and doubts.
    `bgpd` is None on a node, and where its rows are not such as we write.
    """

    kind: Kind
    device: str
    version: str = ""
    failed: Diagnostic | None = None
    changes: int = 0
    problems: tuple[Diagnostic, ...] = ()
    notes: tuple[str, ...] = ()
    bgpd: Carried | None = None

    @property
    def drifted(self) -> bool:
        """Whether it runs something else than is intended."""
        deaf = self.bgpd is not None and not self.bgpd.ok
        return bool(self.changes) or has_errors(self.problems) or deaf

    @property
    def ok(self) -> bool:
        """Whether it was read and is as intended."""
        return self.failed is None and not self.drifted


@dataclass(frozen=True, slots=True)
class Shortfall:
    """An address of Services that fewer nodes announce than should."""

    services: tuple[str, ...]
    address: Address
    intended: int
    missing: tuple[str, ...]  # the nodes that do not


@dataclass(frozen=True, slots=True)
class Status:
    """The whole; `addresses` are all that are to be announced, `short` those that fall short."""

    cluster: str
    sessions: tuple[Health, ...]
    devices: tuple[DeviceStatus, ...]
    addresses: int
    short: tuple[Shortfall, ...]
    reached: Reached
    problems: tuple[Diagnostic, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether everything is as intended."""
        if self.short or has_errors(self.problems):
            return False
        return all(one.ok for one in self.sessions) and all(one.ok for one in self.devices)


def make_status(network: Network, plan: Plan, found: Found) -> Status:
    """The status of all devices in `found`; `plan` is the one that comes of them."""
    seen = {key: one for key, one in found.items() if isinstance(one, Observed)}
    sessions = Sessions(
        network,
        {name: one for (kind, name), one in seen.items() if kind == "node"},
        {name: one for (kind, name), one in seen.items() if kind == "switch"},
    )
    addresses, short = _addresses(network, sessions.announced())
    return Status(
        network.cluster,
        sessions.healths,
        tuple(_devices(network, plan, seen)),
        addresses,
        short,
        sessions.reached(),
        plan.problems,
    )


# Devices.


def _devices(network: Network, plan: Plan, seen: Mapping[Key, Observed]) -> Iterator[DeviceStatus]:
    """Switches, then nodes, as the network has them; last what it has not."""
    found: dict[Key, DeviceStatus] = {
        (one.kind, one.device): _device(one, seen[one.kind, one.device]) for one in plan.devices
    }
    for (kind, name), why in plan.failed:
        found[kind, name] = DeviceStatus(kind, name, failed=why)
    for switch in network.switches:
        if one := found.pop(("switch", switch.name), None):
            yield one
    for node in network.nodes:
        if one := found.pop(("node", node.name), None):
            yield one
    yield from found.values()


def _device(plan: DevicePlan, seen: Observed) -> DeviceStatus:
    notes, bgpd = [*plan.notes, *([plan.held] if plan.held else [])], None
    if isinstance(seen.running, sonic.Running):
        bgpd = _carried(seen.running, seen.bgpd)
        if bgpd is None:
            notes.append("its rows are not such as Ferrule writes: bgpd was not compared with them")
    return DeviceStatus(
        plan.kind,
        plan.device,
        plan.version,
        None,
        0 if plan.diff.empty else len(plan.diff.changes),
        plan.diff.problems,
        tuple(notes),
        bgpd,
    )


def _carried(running: sonic.Running, text: str) -> Carried | None:
    """What frrcfgd made of our rows.

    A password is in no row: the operator gave it to bgpd by hand, and it is not to be shown.
    """
    try:
        unlike = sonic.unlike(running, text)
    except (KeyError, ValueError):  # a field was taken out of a row of ours, or put into one
        return None
    return Carried(unlike.missing, tuple(one for one in unlike.stale if " password " not in one))


# Addresses.

Table = Mapping[str, tuple[Address, ...]]  # what of the Services is behind each prefix


def _addresses(
    network: Network, announced: Mapping[str, Collection[str]]
) -> tuple[int, tuple[Shortfall, ...]]:
    """How many addresses nodes are to announce, and those of which some node does not."""
    owners = _owners(network)
    tables: dict[int, Table] = {}
    for node in network.nodes:
        key = id(node.advertisements)  # nodes that announce the same share it
        if key not in tables:
            tables[key] = {
                str(one.prefix): tuple(_behind(one, owners)) for one in node.advertisements
            }
    missing: dict[Address, dict[str, None]] = defaultdict(dict)
    for node in network.nodes:
        table = tables[id(node.advertisements)]
        for prefix in table.keys() - {*announced.get(node.name, ())}:
            for address in table[prefix]:
                missing[address][node.name] = None
    holds = {key: {one for each in table.values() for one in each} for key, table in tables.items()}
    width = Counter(
        address
        for node in network.nodes
        for address in holds[id(node.advertisements)] & missing.keys()
    )
    short = (
        Shortfall(owners[one], one, width[one], tuple(missing[one]))
        for one in sorted(missing, key=lambda one: (one.version, int(one)))
    )
    return len(set[Address]().union(*holds.values())), tuple(short)


def _owners(network: Network) -> Mapping[Address, tuple[str, ...]]:
    """The Services of every address; several may share one."""
    owners: dict[Address, tuple[str, ...]] = {}
    for service in network.services:
        for address in service.addresses:
            owners[address] = (*owners.get(address, ()), service.key)
    return owners


def _behind(one: Advertisement, owners: Mapping[Address, tuple[str, ...]]) -> Iterator[Address]:
    prefix = one.prefix
    if prefix.prefixlen == prefix.max_prefixlen:
        yield prefix.network_address
        return
    for address, keys in owners.items():
        if address in prefix and not {*keys}.isdisjoint(one.services):
            yield address
