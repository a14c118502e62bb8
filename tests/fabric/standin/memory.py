"""What frrcfgd remembers: of every row what FRR took of it, and who belongs to whom.

Filled from CONFIG_DB when it starts, because that is what the boot template has loaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from fabric.standin.configdb import Tables, Value
from fabric.standin.lines import CHANGES, Event, Op

FAMILIES = ("ipv4_unicast", "ipv6_unicast")


@dataclass(frozen=True)
class Entry:
    """A PREFIX row as FRR's prefix-list entry, without its number and action."""

    prefix: str
    span: str

    @classmethod
    def of(cls, prefix: str, lengths: str) -> Entry:
        """The lines differ from those at boot where a range starts beyond the prefix's length."""
        network = ip_network(prefix, strict=False)
        if lengths == "exact":
            return cls(str(network), "")
        low, high = (int(one) for one in lengths.split(".."))
        least = "" if network.prefixlen >= low else f" ge {low}"
        most = "" if least and high == network.max_prefixlen else f" le {high}"
        return cls(str(network), least + most)

    def rule(self, number: str, action: str) -> str:
        """The entry as FRR writes it after the list's name."""
        return f"{number}{action} {self.prefix}{self.span}"


def prefix_key(name: str) -> tuple[str, str, Entry]:
    """Set, number (with `seq`, or empty) and entry of a PREFIX row."""
    owner, *number, prefix, lengths = name.split("|")
    return owner, f"seq {number[0]} " if number else "", Entry.of(prefix, lengths)


def is_address(text: str) -> bool:
    """Whether a neighbor is one by its address, not by an interface."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


class Memory:
    """`rows` by table and name; groups and neighbors are known as `VRF|name`."""

    def __init__(self, tables: Tables) -> None:
        def fields(table: str, field: str) -> dict[str, str]:
            rows = tables.get(table, {})
            return {name: str(row[field]) for name, row in rows.items() if field in row}

        self.rows: dict[tuple[str, str], dict[str, Value]] = {
            (table, name): dict(row) for table, rows in tables.items() for name, row in rows.items()
        }
        self.asns = fields("BGP_GLOBALS", "local_asn")
        self.operations = fields("ROUTE_MAP", "route_operation")
        self.modes = fields("PREFIX_SET", "mode")
        self.groups = set(tables.get("BGP_PEER_GROUP", {}))
        neighbors = tables.get("BGP_NEIGHBOR", {})
        self.interfaces = {one for one in neighbors if not is_address(one.partition("|")[2])}
        self._members: dict[str, set[str]] = {}
        for name, group in fields("BGP_NEIGHBOR", "peer_group_name").items():
            self.join(name, f"{name.partition('|')[0]}|{group}", "add")
        self.entries: dict[tuple[str, Entry], list[str]] = {}  # twice what is replayed
        for name, row in tables.get("PREFIX", {}).items():
            owner, number, entry = prefix_key(name)
            action = str(row.get("action", "permit"))
            self.entries.setdefault((owner, entry), []).append(entry.rule(number, action))

    def take(self, event: Event) -> None:
        """What FRR took of a row, and no more."""
        row = self.rows.setdefault((event.table, event.name), {})
        for name, field in event.fields.items():
            if field.taken and field.op in CHANGES:
                row[name] = field.value
            elif field.taken and field.op == "delete":
                row.pop(name, None)
        if not row:
            del self.rows[event.table, event.name]

    def instance(self, vrf: str) -> str | None:
        """The line that leads into the BGP instance of a VRF."""
        asn: Value | None = self.asns.get(vrf)
        if asn is None and vrf == "default":
            asn = self.rows.get(("DEVICE_METADATA", "localhost"), {}).get("bgp_asn")
        return f"router bgp {asn} vrf {vrf}" if isinstance(asn, str) else None

    def join(self, neighbor: str, group: str, op: Op) -> None:
        """A neighbor comes into a group, or leaves it."""
        members = self._members.setdefault(group, set())
        (members.add if op == "add" else members.discard)(neighbor)

    def drop(self, neighbor: str) -> None:
        """FRR has it no more."""
        self.interfaces.discard(neighbor)
        for members in self._members.values():
            members.discard(neighbor)
        self.rows.pop(("BGP_NEIGHBOR", neighbor), None)
        for family in FAMILIES:
            self.rows.pop(("BGP_NEIGHBOR_AF", f"{neighbor}|{family}"), None)

    def drop_members(self, group: str) -> None:
        for name in self._members.pop(group, set()):
            self.drop(name)

    def drop_set(self, name: str) -> None:
        self.modes.pop(name, None)
        self.entries = {one: rules for one, rules in self.entries.items() if one[0] != name}
