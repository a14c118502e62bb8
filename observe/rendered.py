"""A rendered directory as if devices ran it: what `plan --against DIR` compares with.

No device is needed, so a pull request can show what it would change. Passwords are placeholders
there, or are made the same, and are not compared.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from ferrule.compiler.backends import frr, sonic
from ferrule.compiler.costs import Before
from ferrule.compiler.errors import Diagnostic, Place, Position, error, printable
from ferrule.compiler.network import Address, Network
from ferrule.compiler.observed import Key, Kind, Observed
from ferrule.compiler.spec import read_spec, sort_documents
from ferrule.observe import files

MARKER = ".ferrule"
FILES: Mapping[Kind, tuple[str, str]] = {
    "node": ("nodes", "frr.conf"),
    "switch": ("switches", "config_db.json"),
}


@dataclass(frozen=True, slots=True)
class Rendered:
    """What a directory says: devices, what no device tells, and devices that are no more."""

    found: Mapping[Key, Observed | Diagnostic]
    before: Before
    vanished: tuple[str, ...]


def load(directory: str, network: Network) -> Rendered:
    """The devices of a network as the directory has them; one it has not runs nothing.

    Raises `OSError` where `render -o` has not written, or it cannot be read.
    """
    root = Path(directory)
    written = _written(root)
    names: dict[Kind, list[str]] = {
        "node": [one.name for one in network.nodes],
        "switch": [one.name for one in network.switches],
    }
    found = {
        (kind, name): _device(root, kind, name, network.cluster, written)
        for kind, here in names.items()
        for name in here
    }
    vanished = {
        f"{kind} {path.name}"
        for kind, (folder, file) in FILES.items()
        for path in root.glob(f"{folder}/*")
        if path.name not in names[kind] and (path / file).is_file()
    }
    before = Before(dict(_owners(root)), dict(_addresses(root)))
    return Rendered(found, before, tuple(sorted(vanished)))


def _written(root: Path) -> frozenset[str]:
    """The files that `render` left there."""
    marker = root / MARKER
    if not marker.is_file():
        raise FileNotFoundError(f"{root}: not a directory that ferrule render has written")
    return frozenset(marker.read_text(errors="replace").splitlines())


def _device(
    root: Path, kind: Kind, name: str, cluster: str, written: frozenset[str]
) -> Observed | Diagnostic:
    folder, file = FILES[kind]
    inside = f"{folder}/{name}/{file}"
    try:
        text = (root / inside).read_text() if inside in written or (root / inside).exists() else ""
        if kind == "node":
            return Observed(name, kind, "", frr.parse(text, cluster))
        return Observed(name, kind, "", sonic.parse(text or "{}", cluster))
    except (OSError, ValueError, RecursionError) as bad:  # json nests as deep as it is told to
        reason = str(getattr(bad, "strerror", None) or bad).lower()
        message = f"{name}: {root / inside} cannot be read: {reason}"
        return error("unreadable", printable(message), _place(root / inside))


def _addresses(root: Path) -> Iterator[tuple[str, tuple[Address, ...]]]:
    """Which Service had which addresses; a lock that cannot be read is said with the input."""
    lock = root / "addresses.yaml"
    if not lock.is_file():
        return
    documents, _ = files.load([str(lock)])
    spec, _ = read_spec(sort_documents(documents)[0].spec)
    for one in spec.locks:
        yield from ((name, entry.addresses) for name, entry in one.spec.services.items())


def _owners(root: Path) -> Iterator[tuple[str, str]]:
    """Which node answered for which address; a file that cannot be read says nothing of it."""
    for path in sorted(root.glob("nodes/*/announcements.json")):
        try:
            said = json.loads(path.read_text())["announcements"]
            owners = [(str(ip_address(one["address"])), path.parent.name) for one in said]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            continue
        yield from owners


def _place(path: Path) -> Place:
    return Place(Position(str(path), 1, 1))
