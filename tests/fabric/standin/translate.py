"""What frrcfgd makes of a row that changed: lines for bgpd, and what it remembers of it.

It acts on the difference between a row and its memory, remembers only what FRR took, tells nobody
but the log what FRR refused, and keeps the fields of a peer group that is gone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from fabric.standin.configdb import ConfigDb
from fabric.standin.lines import CHANGES, Event, Field, applies, compared, lines, pair_up, take
from fabric.standin.log import log_error
from fabric.standin.memory import Memory, is_address, prefix_key
from fabric.standin.settings import SETTINGS, Setting

BGPD = ("bgpd",)
EVERYBODY = ("zebra", "bgpd")  # of the daemons that route maps and prefix-lists are told
PAIRS = dict.fromkeys(("BGP_GLOBALS", "BGP_NEIGHBOR", "BGP_PEER_GROUP"), ("keepalive", "holdtime"))

_MEMBERS = {"BGP_GLOBALS_LISTEN_PREFIX": "peer_group", "BGP_NEIGHBOR": "peer_group_name"}

Run = Callable[[Sequence[str], Sequence[str]], bool]


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
        self._memory = Memory(db.read())

    def changed(self, table: str, name: str) -> None:
        """Act on a row as it is now."""
        row = self._db.row(table, name)
        known = self._memory.rows.get((table, name), {})
        fields = compared(known, row or {})
        if table in PAIRS:
            pair_up(fields, PAIRS[table])
        self._queue.append(Event(table, name, row is None, fields))
        self._work()

    def replay(self) -> None:
        """Say everything again, as frrcfgd does once the boot template is loaded."""
        for table in self._handlers:
            for event in self._rows(table):
                self._queue.append(event)
                self._work()

    def _work(self) -> None:
        done = []
        while self._queue:
            event = self._queue.popleft()
            if handle := self._handlers.get(event.table):
                done.append(event)
                handle(event)
        for event in done:
            self._memory.take(event)

    def _rows(self, table: str) -> Iterator[Event]:
        """All rows of a table, each as if it came just now."""
        for name, row in self._db.read().get(table, {}).items():
            fields = {key: Field(value, "add") for key, value in row.items()}
            yield Event(table, name, gone=False, fields=fields)

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
            if not applies(setting, event.fields):
                continue
            said = lines(setting, event.fields, key)
            tried += bool(said)
            if self._all(setting, within, said, daemons):
                taken += bool(said)
                take(setting, event.fields)
        return not tried or bool(taken)

    def _all(
        self, setting: Setting, within: Sequence[str], said: Iterable[str], daemons: Sequence[str]
    ) -> bool:
        for line in said:
            if not self._say(within, line, setting.only or daemons):
                log_error("bgp#frrcfgd", f"failed running FRR command: {line}")
                return False
        return True

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
                self._memory.asns[vrf] = asn.text
                asn.taken = True
        elif asn:
            asn.taken = True
        if instance := self._memory.instance(vrf):
            self._apply(event, [instance])

    def _end_instance(self, event: Event) -> None:
        suffix = "" if event.name == "default" else f" vrf {event.name}"
        asn = self._memory.asns.get(event.name)
        if asn and self._say([], f"no router bgp {asn}{suffix}", BGPD):
            del self._memory.asns[event.name]
            event.take(gone=True)

    def _globals_family(self, event: Event) -> None:
        if instance := self._memory.instance(event.first):
            self._apply(event, [instance, f"address-family {_family(event.rest)}"])

    def _listen(self, event: Event) -> None:
        if instance := self._memory.instance(event.first):
            self._apply(event, [instance], range=event.rest)

    def _group(self, event: Event) -> None:
        instance = self._memory.instance(event.first)
        if instance is None:
            return
        if event.gone:
            self._memory.drop_members(event.name)
            self._end_neighbor(event, instance)
            self._memory.groups.discard(event.name)
            return
        if event.name not in self._memory.groups:
            if not self._say([instance], f"neighbor {event.rest} peer-group", BGPD):
                return
            self._memory.groups.add(event.name)
        self._session(event, instance, ("asn",))

    def _neighbor(self, event: Event) -> None:
        instance = self._memory.instance(event.first) if event.rest else None
        if instance is None:
            return
        if event.gone:
            self._end_neighbor(event, instance)
            self._memory.drop(event.name)
            return
        if not is_address(event.rest) and event.name not in self._memory.interfaces:
            if not self._say([instance], f"neighbor {event.rest} interface", BGPD):
                return
            self._memory.interfaces.add(event.name)
        own = ("asn", "peer_group_name") if is_address(event.rest) else ("peer_group_name",)
        self._session(event, instance, own)

    def _session(self, event: Event, instance: str, makers: Sequence[str]) -> None:
        """The settings of a group or neighbor, and what stands on those that make it one.

        BFD that is turned on takes with it what was said of its control plane.
        """
        bfd, check = (event.fields.get(n) for n in ("bfd", "bfd_check_ctrl_plane_failure"))
        if bfd and bfd.op in CHANGES and bfd.text == "true" and check:
            check.op = "add" if (check.op, check.text) == ("none", "true") else check.op
        if not self._apply(event, [instance], peer=event.rest):
            return
        group = event.fields.get("peer_group_name")
        if group and group.op in ("add", "delete"):
            name = f"{event.first}|{group.text}"
            if name not in self._memory.groups:
                return
            self._memory.join(event.name, name, group.op)
        ops = [event.fields[name].op for name in makers if name in event.fields]
        made = next((op for op in ops if op in ("add", "delete")), None)
        if made == "add":
            self._queue += self._waiting(event)
        elif made == "delete" and event.table == "BGP_PEER_GROUP":
            self._memory.drop_members(event.name)
        elif made == "delete" and is_address(event.rest):
            self._memory.drop(event.name)
            for field in event.fields.values():
                field.op, field.taken = "none", True

    def _waiting(self, event: Event) -> Iterator[Event]:
        """Rows that wait for a group or a neighbor to be one."""
        if event.table == "BGP_NEIGHBOR":
            rows = self._rows("BGP_NEIGHBOR_AF")
            yield from (one for one in rows if one.name.startswith(f"{event.name}|"))
            return
        for table, field in _MEMBERS.items():
            for one in self._rows(table):
                group = one.fields.get(field)
                if group and f"{one.first}|{group.text}" == event.name:
                    yield one

    def _end_neighbor(self, event: Event, instance: str) -> None:
        """Of a group what is remembered stays: frrcfgd looks for it in the neighbors' table."""
        if not self._say([instance], f"no neighbor {event.rest}", BGPD):
            log_error("bgp#frrcfgd", f"failed to delete VRF {event.first} bgp neigbor {event.rest}")
        for field in event.fields.values():
            field.op, field.taken = "none", True

    def _neighbor_family(self, event: Event) -> None:
        peer, _, family = event.rest.partition("|")
        if instance := self._memory.instance(event.first):
            self._apply(event, [instance, f"address-family {_family(family)}"], peer=peer)

    def _prefix_set(self, event: Event) -> None:
        if event.gone:
            self._memory.drop_set(event.name)
        elif event.name in self._memory.modes or "mode" not in event.fields:
            return
        else:
            self._memory.modes[event.name] = event.fields["mode"].text
        event.take()

    def _prefix(self, event: Event) -> None:
        owner, number, entry = prefix_key(event.name)
        action = event.fields.get("action")
        if owner not in self._memory.modes or action is None or action.op == "none":
            return
        word = "ip" if self._memory.modes[owner].lower() == "ipv4" else "ipv6"
        rules = self._memory.entries.setdefault((owner, entry), [])
        if action.op in ("delete", "update"):
            said = rules and self._say([], f"no {word} prefix-list {owner} {rules[0]}", EVERYBODY)
            if not said:
                return
            del rules[0]
        if action.op in CHANGES:
            new = entry.rule(number, action.text.lower())
            if not self._say([], f"{word} prefix-list {owner} {new}", EVERYBODY):
                return
            rules.append(new)
        event.take()

    def _statement(self, event: Event) -> None:
        name, number = event.first, event.rest
        operation = event.fields.get("route_operation")
        if event.gone or (operation and operation.op == "delete"):
            said = self._memory.operations.get(event.name)
            if said and self._say([], f"no route-map {name} {said} {number}", EVERYBODY):
                del self._memory.operations[event.name]
                event.take(gone=True)
            return
        if operation and operation.op in CHANGES:
            if not self._say([], f"route-map {name} {operation.text} {number}", EVERYBODY):
                return
            self._memory.operations[event.name] = operation.text
            for field in event.fields.values():
                field.op = "update" if field.op == "none" else field.op
            operation.taken = True
        if said := self._memory.operations.get(event.name):
            matched = event.fields.get("match_prefix_set")
            mode = self._memory.modes.get(matched.text, "") if matched else ""
            family = "ip" if mode.lower() == "ipv4" else "ipv6"
            within = [f"route-map {name} {said} {number}"]
            self._apply(event, within, EVERYBODY, family=family)


def _family(afi_safi: str) -> str:
    return afi_safi.lower().replace("_", " ")
