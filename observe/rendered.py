"""A rendered directory as if devices ran it: what `plan --against DIR` compares with.

No device is needed, so a pull request can show what it would change. Passwords are placeholders
there and are not compared.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ferrule.compiler.backends import frr, sonic
from ferrule.compiler.errors import Diagnostic, Place, Position, error
from ferrule.compiler.network import Network
from ferrule.compiler.observed import Key, Kind, Observed

MARKER = ".ferrule"
FILES: Mapping[Kind, tuple[str, str]] = {
    "node": ("nodes", "frr.conf"),
    "switch": ("switches", "config_db.json"),
}


@dataclass(frozen=True, slots=True)
class Rendered:
    """What a directory says: devices, owners of layer-2 addresses, devices that are no more."""

    found: Mapping[Key, Observed | Diagnostic]
    owners: Mapping[str, str]
    vanished: tuple[str, ...]


def load(directory: str, network: Network) -> Rendered:
    """The devices of a network as the directory has them; one it has not runs nothing.

    Raises `FileNotFoundError` where `render -o` has not written.
    """
    root = Path(directory)
    if not (root / MARKER).is_file():
        raise FileNotFoundError(f"{directory}: not a directory that ferrule render has written")
    names: dict[Kind, list[str]] = {
        "node": [one.name for one in network.nodes],
        "switch": [one.name for one in network.switches],
    }
    found = {
        (kind, name): _device(root, kind, name, network.cluster)
        for kind, here in names.items()
        for name in here
    }
    vanished = {
        f"{kind} {path.name}"
        for kind, (folder, file) in FILES.items()
        for path in root.glob(f"{folder}/*")
        if path.name not in names[kind] and (path / file).is_file()
    }
    return Rendered(found, dict(_owners(root)), tuple(sorted(vanished)))


def _device(root: Path, kind: Kind, name: str, cluster: str) -> Observed | Diagnostic:
    folder, file = FILES[kind]
    path = root / folder / name / file
    try:
        if kind == "node":
            text = path.read_text() if path.exists() else ""
            return Observed(name, kind, "", frr.parse(text, cluster))
        text = path.read_text() if path.exists() else "{}"
        return Observed(name, kind, "", sonic.parse(text, cluster))
    except (OSError, ValueError) as bad:
        reason = getattr(bad, "strerror", None) or str(bad)
        return error("unreadable", f"cannot be read: {reason.lower()}", _place(path))


def _owners(root: Path) -> Iterator[tuple[str, str]]:
    """Which node answered for which address; a file that cannot be read says nothing of it."""
    for path in sorted(root.glob("nodes/*/announcements.json")):
        try:
            said = json.loads(path.read_text())["announcements"]
            owners = [(str(one["address"]), path.parent.name) for one in said]
        except (OSError, ValueError, KeyError, TypeError):
            continue
        yield from owners


def _place(path: Path) -> Place:
    return Place(Position(str(path), 1, 1))
