"""CONFIG_DB as rows whose fields know their place, and who on the switch reads them.

The text is what `sonic-cfggen -d --print-data` prints. Nothing is taken on trust: what is not a
table of rows of texts is passed over, and a value that is not one word never becomes a part of a
statement.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ferrule.compiler.errors import Place, error
from ferrule.compiler.lint.said import Form, Said, Spot
from ferrule.compiler.source import Document, UnreadableError, read
from ferrule.compiler.yamltext import Path

DEVICE = ("DEVICE_METADATA", "localhost")
MULTI_ASIC = "localhost"
ADDRESS_TABLES = (
    "INTERFACE",
    "LOOPBACK_INTERFACE",
    "PORTCHANNEL_INTERFACE",
    "VLAN_INTERFACE",
    "VLAN_SUB_INTERFACE",
)


@dataclass(frozen=True, slots=True)
class RowSpot:
    """A row, or a field of one; shown is its key."""

    document: Document = field(repr=False)
    path: Path

    def place(self) -> Place:
        """Where the key stands."""
        return self.document.place(self.path, key=True)


@dataclass(frozen=True, slots=True)
class Row:
    """One row: the parts of its key, and its fields."""

    table: str
    key: tuple[str, ...]
    fields: Mapping[str, object] = field(repr=False)
    spot: RowSpot

    def text(self, name: str) -> str:
        """A field of one word; empty where it is missing or is none."""
        value = self.fields.get(name, "")
        if isinstance(value, bool | int):
            value = str(value).lower()
        return value if isinstance(value, str) and len(value.split()) == 1 else ""

    def texts(self, name: str) -> tuple[str, ...]:
        """A field that is a list, spelt as JSON or as redis does (`route_map_in@`: "a,b")."""
        value = self.fields.get(name)
        if value is None:
            value = self.fields.get(f"{name}@")
        if isinstance(value, str):
            value = value.split(",")
        if not isinstance(value, list):
            return ()
        return tuple(one for one in value if isinstance(one, str) and len(one.split()) == 1)

    def at(self, name: str) -> Spot:
        """Where a field stands, or the row that has not got it."""
        for spelt in (name, f"{name}@"):
            if spelt in self.fields:
                return RowSpot(self.spot.document, (*self.spot.path, spelt))
        return self.spot

    def say(self, text: str, name: str = "") -> Said:
        """A statement that the row, or this field of it, comes to."""
        return Said(text, self.at(name) if name else self.spot)


@dataclass(eq=False)
class Tables:
    """A whole CONFIG_DB; every table is gone through once."""

    document: Document = field(repr=False)
    _rows: dict[str, tuple[Row, ...]] = field(default_factory=dict, repr=False)
    _by_vrf: dict[str, dict[str, list[Row]]] = field(default_factory=dict, repr=False)

    def rows(self, table: str) -> tuple[Row, ...]:
        """The rows of a table, by their keys."""
        if table not in self._rows:
            self._rows[table] = tuple(self._read(table))
        return self._rows[table]

    def in_vrf(self, table: str, vrf: str) -> list[Row]:
        """Those of one VRF, where that is the first part of the key."""
        if table not in self._by_vrf:
            found = self._by_vrf[table] = defaultdict(list)
            for row in self.rows(table):
                if len(row.key) > 1:
                    found[row.key[0]].append(row)
        return self._by_vrf[table].get(vrf, [])

    def _read(self, table: str) -> Iterator[Row]:
        rows = self.document.data.get(table)
        if not isinstance(rows, dict):
            return
        for key in sorted(one for one in rows if isinstance(one, str) and one.split() == [one]):
            if isinstance(rows[key], dict):
                spot = RowSpot(self.document, (table, key))
                yield Row(table, tuple(key.split("|")), rows[key], spot)

    @property
    def device(self) -> Row | None:
        """What the switch says of itself."""
        table, key = DEVICE
        return next((row for row in self.rows(table) if row.key == (key,)), None)

    @property
    def start(self) -> Spot:
        """The text itself."""
        return RowSpot(self.document, ())

    @property
    def form(self) -> Form:
        """Who reads it: frrcfgd in unified mode, bgpcfgd otherwise.

        A part of a CONFIG_DB that does not say is told by tables that only one of the two knows.
        """
        if self.device is not None and self.device.text("bgp_asn") + self.device.text(FLAG):
            return "unified" if self.device.text(FLAG) == "true" else "default"
        neighbors = [row.key for row in self.rows("BGP_NEIGHBOR")]
        unified = bool(self.rows("BGP_GLOBALS")) or any(len(key) > 1 for key in neighbors)
        return "unified" if unified else "default"

    @property
    def itself(self) -> Iterator[Said]:
        """The name and the addresses of the switch, as statements of FRR."""
        if self.device and (name := self.device.text("hostname")):
            yield self.device.say(f"hostname {name}", "hostname")
        for table in ADDRESS_TABLES:
            for row in self.rows(table):
                if len(row.key) > 1:
                    yield row.say(f"interface {row.key[0]}")
                    family = "ipv6" if ":" in row.key[-1] else "ip"
                    yield row.say(f"{family} address {row.key[-1]}")


FLAG = "frr_mgmt_framework_config"


def read_tables(text: str, file: str) -> Tables:
    """A CONFIG_DB; raises `UnreadableError` where it is none, or one that FRR does not follow."""
    (document, *_) = read(text, file)
    if MULTI_ASIC in document.data and isinstance(document.data[MULTI_ASIC], dict):
        help = "give the object of one ASIC"
        message = "this is the CONFIG_DB of several ASICs"
        raise UnreadableError(
            error("far-no-bgp", message, document.place((MULTI_ASIC,)), help=help)
        )
    tables = Tables(document)
    device = tables.device
    mode = device.text("docker_routing_config_mode") if device else ""
    if device and mode.startswith("split"):
        raise UnreadableError(
            error(
                "far-split-mode",
                f"the switch is in {mode} mode: FRR runs its own files, whatever CONFIG_DB says",
                device.at("docker_routing_config_mode").place(),
                help="lint what `vtysh -c 'show running-config'` prints on the switch",
            )
        )
    return tables
