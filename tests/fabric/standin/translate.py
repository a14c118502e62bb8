"""What frrcfgd makes of a row that changed: lines for bgpd, and what it remembers of it.

It acts on the difference between a row and its memory, remembers only what FRR took, tells nobody
but the log what FRR refused, and keeps the fields of a peer group that is gone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from fabric.standin.configdb import ConfigDb, Value
from fabric.standin.log import log_error
from fabric.standin.memory import CHANGES, Field, Fields, compared, lines, pair_up, prefix_key
from fabric.standin.settings import SETTINGS, Setting

BGPD = ("bgpd",)
EVERYBODY = ("zebra", "bgpd")  # of the daemons that route maps and prefix-lists are told
FAMILY = {"ipv4_unicast": "ipv4 unicast", "ipv6_unicast": "ipv6 unicast"}
PAIRS = dict.fromkeys(("BGP_GLOBALS", "BGP_NEIGHBOR", "BGP_PEER_GROUP"), ("keepalive", "holdtime"))

Run = Callable[[Sequence[str], Sequence[str]], bool]


@dataclass
class Event:
    """A row that may have changed; `gone` when it is not there any more."""

    table: str
    name: str
    gone: bool
    fields: Fields

    @property
    def first(self) -> str:
        return self.name.partition("|")[0]

    @property
    def rest(self) -> str:
        return self.name.partition("|")[2]

    def take(self, *, gone: bool = False) -> None:
        """FRR has what the row says, in every field; or it has nothing of it."""
        for field in self.fields.values():
            field.taken = True
            if gone:
                field.op = "delete"


class Translator:
    """Its memory, filled from what the switch booted with, and what it does with a row."""

    def __init__(self, db: ConfigDb, run: Run) -> None:
        self._db, self._run = db, run
        self._handlers: Mapping[str, Callable[[Event], None]] = {
            "DEVICE_METADATA": Event.take,
            "BGP_GLOBALS": self._globals,
            "BGP_GLOBALS_AF": self._globals_family,
            "PREFIX_SET": self._prefix_set,
            "PREFIX": self._prefix,
            "ROUTE_MAP": self._statement,
            "BGP_PEER_GROUP": self._group,
            "BGP_NEIGHBOR": self._neighbor,
            "BGP_PEER_GROUP_AF": self._neighbor_family,
            "BGP_NEIGHBOR_AF": self._neighbor_family,
            "BGP_GLOBALS_LISTEN_PREFIX": self._listen,
        }
        self._queue: deque[Event] = deque()
        tables = db.read()
        self._known: dict[tuple[str, str], dict[str, Value]] = {
            (table, name): dict(row) for table, rows in tables.items() for name, row in rows.items()
        }
        self._asn = {
            vrf: str(row["local_asn"])
            for vrf, row in tables.get("BGP_GLOBALS", {}).items()
            if "local_asn" in row
        }
        self._groups = set(tables.get("BGP_PEER_GROUP", {}))
        self._interfaces = {
            name
            for name in tables.get("BGP_NEIGHBOR", {})
            if not _is_address(name.partition("|")[2])
        }
        self._members: dict[str, set[str]] = {}
        for name, row in tables.get("BGP_NEIGHBOR", {}).items():
            if "peer_group_name" in row:
                group = f"{name.partition('|')[0]}|{row['peer_group_name']}"
                self._members.setdefault(group, set()).add(name)
        self._operations = {
            name: str(row["route_operation"])
            for name, row in tables.get("ROUTE_MAP", {}).items()
            if "route_operation" in row
        }
        self._modes = {
            name: str(row["mode"])
            for name, row in tables.get("PREFIX_SET", {}).items()
            if "mode" in row
        }
        self._entries: dict[tuple[str, object], str] = {}
        for name, row in tables.get("PREFIX", {}).items():
            owner, number, entry = prefix_key(name)
            action = str(row.get("action", "permit"))
            self._entries.setdefault((owner, entry), f"{number}{action} {entry.prefix}{entry.span}")

    def changed(self, table: str, name: str) -> None:
        """Act on a row as it is now."""
        row = self._db.row(table, name)
        known = self._known.get((table, name), {})
        fields = compared(known, row or {})
        if table in PAIRS:
            pair_up(fields, PAIRS[table])
        self._queue.append(Event(table, name, row is None, fields))
        self._work()

    def replay(self) -> None:
        """Say everything again, as frrcfgd does once the boot template is loaded."""
        for table in self._handlers:
            self._again(table, lambda *_: True)
        self._work()

    def _work(self) -> None:
        done = []
        while self._queue:
            event = self._queue.popleft()
            if handle := self._handlers.get(event.table):
                done.append(event)
                handle(event)
        for event in done:
            self._remember(event)

    def _remember(self, event: Event) -> None:
        known = self._known.setdefault((event.table, event.name), {})
        for name, field in event.fields.items():
            if field.taken and field.op in CHANGES:
                known[name] = field.value
            elif field.taken and field.op == "delete":
                known.pop(name, None)
        if not known:
            del self._known[event.table, event.name]

    def _again(self, table: str, wanted: Callable[[str, Mapping[str, Value]], bool]) -> None:
        """Rows that FRR can only take now."""
        for name, row in self._db.read().get(table, {}).items():
            if wanted(name, row):
                fields = {key: Field(value, "add") for key, value in row.items()}
                self._queue.append(Event(table, name, gone=False, fields=fields))

    # Lines.

    def _say(self, within: Sequence[str], line: str, daemons: Sequence[str]) -> bool:
        return self._run([*within, line], daemons)

    def _apply(
        self,
        event: Event,
        within: Sequence[str],
        daemons: Sequence[str] = BGPD,
        **key: str,
    ) -> bool:
        """Say all that the fields mean; False when FRR took nothing of it."""
        tried = taken = 0
        for setting in SETTINGS[event.table]:
            if any(name not in event.fields for name in setting.needed):
                continue
            said = lines(setting, event.fields, key)
            tried += bool(said)
            if self._all(setting, within, said, daemons):
                taken += bool(said)
                _take(setting, event.fields)
        return not tried or bool(taken)

    def _all(
        self, setting: Setting, within: Sequence[str], said: Iterable[str], daemons: Sequence[str]
    ) -> bool:
        for line in said:
            if not self._say(within, line, setting.only or daemons):
                log_error("bgp#frrcfgd", f"failed running FRR command: {line}")
                return False
        return True

    def _instance(self, vrf: str) -> str | None:
        asn = self._asn.get(vrf)
        if asn is None and vrf == "default":
            value = self._known.get(("DEVICE_METADATA", "localhost"), {}).get("bgp_asn")
            asn = value if isinstance(value, str) else None
        return None if asn is None else f"router bgp {asn} vrf {vrf}"

    # Tables.

    def _globals(self, event: Event) -> None:
        vrf, asn = event.name, event.fields.get("local_asn")
        if event.gone or (asn and asn.op == "delete"):
            self._end_instance(event)
            return
        if asn and asn.op == "update":
            log_error("bgp#frrcfgd", "local_asn could not be modified")
        if asn and asn.op == "add":
            within = [f"router bgp {asn.text} vrf {vrf}"]
            if self._say(within, "no bgp default ipv4-unicast", BGPD):
                self._asn[vrf] = asn.text
                asn.taken = True
        elif asn:
            asn.taken = True
        if instance := self._instance(vrf):
            self._apply(event, [instance])

    def _end_instance(self, event: Event) -> None:
        suffix = "" if event.name == "default" else f" vrf {event.name}"
        asn = self._asn.get(event.name)
        if asn and self._say([], f"no router bgp {asn}{suffix}", BGPD):
            del self._asn[event.name]
            event.take(gone=True)

    def _globals_family(self, event: Event) -> None:
        if instance := self._instance(event.first):
            self._apply(event, [instance, f"address-family {_family(event.rest)}"])

    def _listen(self, event: Event) -> None:
        if instance := self._instance(event.first):
            self._apply(event, [instance], range=event.rest)

    def _group(self, event: Event) -> None:
        instance = self._instance(event.first)
        if instance is None:
            return
        if event.gone:
            self._forget_members(event.name)
            self._end_neighbor(event, instance)
            self._groups.discard(event.name)
            return
        if event.name not in self._groups:
            if not self._say([instance], f"neighbor {event.rest} peer-group", BGPD):
                return
            self._groups.add(event.name)
        self._session(event, instance, ("asn",))

    def _neighbor(self, event: Event) -> None:
        instance = self._instance(event.first) if event.rest else None
        if instance is None:
            return
        if event.gone:
            self._end_neighbor(event, instance)
            self._drop(event.name)
            return
        if not _is_address(event.rest) and event.name not in self._interfaces:
            if not self._say([instance], f"neighbor {event.rest} interface", BGPD):
                return
            self._interfaces.add(event.name)
        own = ("asn", "peer_group_name") if _is_address(event.rest) else ("peer_group_name",)
        self._session(event, instance, own)

    def _session(self, event: Event, instance: str, makers: Sequence[str]) -> None:
        """The settings of a group or neighbor, and what stands on those that make it one."""
        if not self._apply(event, [instance], peer=event.rest):
            return
        group = event.fields.get("peer_group_name")
        if group and group.op in ("add", "delete"):
            name = f"{event.first}|{group.text}"
            if name not in self._groups:
                return
            members = self._members.setdefault(name, set())
            (members.add if group.op == "add" else members.discard)(event.name)
        made = next(
            (
                f.op
                for name in makers
                if (f := event.fields.get(name)) and f.op in ("add", "delete")
            ),
            None,
        )
        if made == "add":
            self._follow(event)
        elif made == "delete" and event.table == "BGP_PEER_GROUP":
            self._forget_members(event.name)
        elif made == "delete" and _is_address(event.rest):
            self._drop(event.name)
            for field in event.fields.values():
                field.op, field.taken = "none", True

    def _follow(self, event: Event) -> None:
        """Rows that wait for a group or a neighbor to be one."""
        if event.table == "BGP_PEER_GROUP":
            mine = f"{event.first}|"
            for table, field in (
                ("BGP_GLOBALS_LISTEN_PREFIX", "peer_group"),
                ("BGP_NEIGHBOR", "peer_group_name"),
            ):
                self._again(
                    table,
                    lambda name, row, field=field: (
                        name.startswith(mine)  # type: ignore[misc]
                        and row.get(field) == event.rest
                    ),
                )
        else:
            self._again("BGP_NEIGHBOR_AF", lambda name, _: name.startswith(f"{event.name}|"))

    def _end_neighbor(self, event: Event, instance: str) -> None:
        """Of a group what is remembered stays: frrcfgd looks for it in the neighbors' table."""
        if not self._say([instance], f"no neighbor {event.rest}", BGPD):
            log_error("bgp#frrcfgd", f"failed to delete VRF {event.first} bgp neigbor {event.rest}")
        for field in event.fields.values():
            field.op, field.taken = "none", True

    def _drop(self, name: str) -> None:
        """Forget a neighbor that FRR has no more."""
        self._interfaces.discard(name)
        for members in self._members.values():
            members.discard(name)
        self._known.pop(("BGP_NEIGHBOR", name), None)
        for family in FAMILY:
            self._known.pop(("BGP_NEIGHBOR_AF", f"{name}|{family}"), None)

    def _forget_members(self, group: str) -> None:
        for name in self._members.pop(group, set()):
            self._drop(name)

    def _neighbor_family(self, event: Event) -> None:
        peer, _, family = event.rest.partition("|")
        if instance := self._instance(event.first):
            self._apply(event, [instance, f"address-family {_family(family)}"], peer=peer)

    def _prefix_set(self, event: Event) -> None:
        if event.gone:
            self._modes.pop(event.name, None)
        elif event.name in self._modes or "mode" not in event.fields:
            return
        else:
            self._modes[event.name] = event.fields["mode"].text
        event.take()

    def _prefix(self, event: Event) -> None:
        owner, number, entry = prefix_key(event.name)
        action = event.fields.get("action")
        if owner not in self._modes or action is None or action.op == "none":
            return
        word = "ip" if self._modes[owner].lower() == "ipv4" else "ipv6"
        if action.op in ("delete", "update"):
            old = self._entries.get((owner, entry))
            if old is None or not self._say([], f"no {word} prefix-list {owner} {old}", EVERYBODY):
                return
            del self._entries[owner, entry]
        if action.op in CHANGES:
            new = f"{number}{action.text.lower()} {entry.prefix}{entry.span}"
            if not self._say([], f"{word} prefix-list {owner} {new}", EVERYBODY):
                return
            self._entries.setdefault((owner, entry), new)
        event.take()

    def _statement(self, event: Event) -> None:
        name, number = event.first, event.rest
        operation = event.fields.get("route_operation")
        if event.gone or (operation and operation.op == "delete"):
            said = self._operations.get(event.name)
            if said and self._say([], f"no route-map {name} {said} {number}", EVERYBODY):
                del self._operations[event.name]
                event.take(gone=True)
            return
        if operation and operation.op in CHANGES:
            if not self._say([], f"route-map {name} {operation.text} {number}", EVERYBODY):
                return
            self._operations[event.name] = operation.text
            for field in event.fields.values():
                field.op = "update" if field.op == "none" else field.op
            operation.taken = True
        if said := self._operations.get(event.name):
            matched = event.fields.get("match_prefix_set")
            mode = self._modes.get(matched.text, "") if matched else ""
            family = "ip" if mode.lower() == "ipv4" else "ipv6"
            within = [f"route-map {name} {said} {number}"]
            self._apply(event, within, EVERYBODY, family=family)


def _take(setting: Setting, fields: Fields) -> None:
    for name in (*setting.needed, *setting.optional):
        if name in fields:
            fields[name].taken = True


def _family(afi_safi: str) -> str:
    return afi_safi.lower().replace("_", " ")


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
