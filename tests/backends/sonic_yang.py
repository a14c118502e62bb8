"""SONiC's own YANG models as the judge of rows.

The models are SONiC's data and no part of this project: FERRULE_SONIC_YANG names a folder with the
closed set around the BGP tables (sonic-bgp-*, sonic-route-map, sonic-routing-policy-sets and what
they import). The two IETF modules that those import come with libyang, so with FRR; yangson, a
test dependency, reads them all. Rows travel as XML, where every value is text as in CONFIG_DB, and
the models alone decide what is a number.
"""

import importlib
import json
import os
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from ferrule.compiler.backends.sonic.model import Row

SETTING = "FERRULE_SONIC_YANG"
LIBYANG = Path("/usr/share/yang/modules/libyang")
IETF = ("ietf-inet-types", "ietf-yang-types")


def refuse(missing: str) -> NoReturn:
    """Skip what cannot be judged here; in CI, where it must be, fail."""
    line = f"{missing}: SONiC's rows are not tested against SONiC's YANG models"
    if os.environ.get("CI") == "true":
        pytest.fail(line, pytrace=False)
    pytest.skip(line)


def find_models() -> list[Path]:
    """The files of all modules, or the end of the test that asks."""
    folder = os.environ.get(SETTING)
    if not folder:
        refuse(f"{SETTING} is not set")
    models = sorted(Path(folder).glob("sonic-*.yang"))
    if not models:
        refuse(f"no sonic-*.yang in {SETTING}={folder}")
    for name in IETF:
        found = [*Path(folder).glob(f"{name}*.yang"), *LIBYANG.glob(f"{name}*.yang")]
        if not found:
            refuse(f"no {name}.yang in {SETTING} nor in {LIBYANG} (package libyang2)")
        models.append(found[0])
    return models


class Judge:
    """The models, loaded once; `refusal` asks them."""

    def __init__(self, models: Iterable[Path], folder: Path) -> None:
        """Copy the models into `folder` under the names that yangson looks for, and load them."""
        try:
            yangson: Any = importlib.import_module("yangson")
        except ImportError:
            refuse("yangson is not installed")
        self._refused: type[Exception] = importlib.import_module(
            "yangson.exceptions"
        ).YangsonException
        modules = [_copied(path, folder) for path in models]
        library = {"ietf-yang-library:modules-state": {"module-set-id": "", "module": modules}}
        self._models = yangson.DataModel(json.dumps(library), [str(folder)])
        self._namespaces = {one["name"]: one["namespace"] for one in modules}
        self._tables = {
            table.name: (top, table)
            for top in self._models.schema.children
            for table in getattr(top, "children", ())
        }

    def refusal(self, rows: Iterable[Row]) -> str | None:
        """Why the models refuse these rows; None when they do not.

        The row of every VRF with a BGP instance is added: the operator provides it.
        """
        rows = tuple(rows)
        vrfs = {row.key[0] for row in rows if row.table == "BGP_GLOBALS"} - {"default"}
        try:
            data = self._document((*rows, *(Row("VRF", (vrf,)) for vrf in sorted(vrfs))))
            self._models.from_xml(data).validate()
        except (self._refused, LookupError) as bad:
            return f"{type(bad).__name__}: {bad}"
        return None

    def _document(self, rows: Iterable[Row]) -> ET.Element:
        """The rows as one tree; `LookupError` where no model has a place for one."""
        root = ET.Element("content-data")
        made: dict[tuple[str, ...], ET.Element] = {}
        for row in rows:
            if row.table not in self._tables:
                raise LookupError(f"no model has a table {row.table}")
            top, table = self._tables[row.table]
            lists = [one for one in table.children if len(getattr(one, "keys", ())) == len(row.key)]
            if not lists:
                raise LookupError(f"{row.table} has no key of {len(row.key)} parts")
            space = f"{{{self._namespaces[top.name]}}}"
            for path in ((top.name,), (top.name, row.table)):
                if path not in made:
                    made[path] = ET.SubElement(made.get(path[:-1], root), space + path[-1])
            entry = ET.SubElement(made[top.name, row.table], space + lists[0].name)
            for (name, _), part in zip(lists[0].keys, row.key, strict=True):
                ET.SubElement(entry, space + name).text = part
            for name, value in row.fields.items():
                for text in (value,) if isinstance(value, str) else value:
                    ET.SubElement(entry, space + name).text = text
        return root


def _copied(path: Path, folder: Path) -> dict[str, str]:
    """A copy as NAME@REVISION.yang, and its line for the module library.

    yangson has no `text()` in XPath; `.` means the same in the two places of sonic-port.
    """
    text = path.read_text().replace("[text()=", "[.=")
    name, namespace, revision = (
        match[1] if (match := re.search(pattern, text, re.MULTILINE)) else ""
        for pattern in (
            r"^\s*module\s+([\w-]+)",
            r"^\s*namespace\s+\"([^\"]+)",
            r"^\s*revision\s+\"?([\d-]+)",
        )
    )
    (folder / f"{name}@{revision}.yang").write_text(text)
    kind = "import" if name in IETF else "implement"
    return {
        "name": name,
        "revision": revision,
        "namespace": namespace,
        "conformance-type": kind,
    }
