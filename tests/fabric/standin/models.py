"""Whether a whole CONFIG_DB is valid: by SONiC's YANG models, where there are any, or by ours.

Either takes half a second to load, and fabrics go back and forth between a few configurations: what
was judged once on a device is not judged again there.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ferrule.compiler.backends.sonic.model import Row, Value

VERDICTS = Path("/run/verdicts")
SETTING = "FERRULE_SONIC_YANG"
_ALIKE = re.compile(
    "which is not there$|: there is no |rows with this number$"
    "| is not (a number|true or false|up or down|permit or deny|IPv4 or IPv6|a list of one name)"
)
Config = Mapping[str, Mapping[str, Mapping[str, object]]]

# Tables that SONiC has models of beside the closed set around BGP.
OTHERS = {"INTERFACE", "LOOPBACK_INTERFACE", "MGMT_INTERFACE", "PORT", "VLAN", "VLAN_INTERFACE"}
# Of those in the set, the ones whose rows are lists keyed as in CONFIG_DB.
JUDGED = ("AS_PATH_SET", "BGP_", "COMMUNITY_SET", "EXTENDED_", "PREFIX", "ROUTE_MAP")

# The fields of those that are lists.
LISTS = {
    "as_path_set_member",
    "community_member",
    "confed_peers",
    "match_neighbor",
    "match_tag",
    "route_map",
    "route_map_in",
    "route_map_out",
    "set_community_inline",
    "set_ext_community_inline",
}


def refusal(config: Config) -> str | None:
    """Why it is not valid; None when it is."""
    file = VERDICTS / sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()
    with suppress(OSError, ValueError):  # of a disk that was full it may be half a file
        said: str | None = json.loads(file.read_text())
        return said
    verdict = _refusal(config)
    with suppress(OSError):
        VERDICTS.mkdir(exist_ok=True)
        file.write_text(json.dumps(verdict))
    return verdict


def _refusal(config: Config) -> str | None:
    vrfs = config.get("VRF", {}).keys() | {"default"}
    for name in config.get("BGP_GLOBALS", {}):
        if name not in vrfs:
            return f'Data Loading Failed:Invalid leafref value "{name}" - no target instance VRF'
    for table, name, field, value in _fields(config):
        if isinstance(value, list) != (field in LISTS):
            return f"Data Loading Failed:{table}|{name}: {field} is {value!r}"
    rows = [one for one in _rows(config) if one.table.startswith(JUDGED)]
    return _refused_by_models(rows) if os.environ.get(SETTING) else _refused_by_us(rows)


def _refused_by_us(rows: Iterable[Row]) -> str | None:
    """What our model and SONiC's refuse alike; ours is stricter, and knows no row of others."""
    from ferrule.compiler.backends.sonic.model import check

    problem = next((one for one in check(rows) if _ALIKE.search(one)), None)
    return problem and f"Data Loading Failed:{problem} (there are no YANG models: judged by ours)"


def without_model(tables: Iterable[str]) -> list[str]:
    """Those that no model knows; where there are no models, every table is known."""
    known = _tables()
    return sorted(one for one in tables if known and one not in known | OTHERS)


def _rows(config: Config) -> Iterator[Row]:
    from ferrule.compiler.backends.sonic.model import Row

    for table, rows in config.items():
        for name, fields in rows.items():
            values = {key: _value(of) for key, of in fields.items()}
            yield Row(table, tuple(name.split("|")), values)


def _fields(config: Config) -> Iterator[tuple[str, str, str, object]]:
    for table, rows in config.items():
        if table.startswith(JUDGED):
            for name, fields in rows.items():
                yield from ((table, name, field, value) for field, value in fields.items())


def _value(value: object) -> Value:
    return tuple(map(str, value)) if isinstance(value, list) else str(value)


def _refused_by_models(rows: Iterable[Row]) -> str | None:
    from backends.sonic_yang import Judge, find_models

    with tempfile.TemporaryDirectory() as folder:
        said = Judge(find_models(), Path(folder)).refusal(rows)
    return said and f"Data Loading Failed:{said}"


def _tables() -> set[str]:
    """The containers of the models' top containers; names in capitals are nothing else."""
    folder = os.environ.get(SETTING)
    if not folder:
        return set()
    words = (line.split() for file in Path(folder).glob("*.yang") for line in file.open())
    return {one[1] for one in words if one[:1] == ["container"] and one[1].isupper()}
