"""The configuration that MetalLB's template makes of a node, and how MetalLB loads it.

Per neighbor a prefix-list of all its prefixes and one for each community, each sorted as text and
numbered by position: what comes or goes renumbers all that stand behind it.
"""

from __future__ import annotations

import subprocess
from collections import defaultdict
from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path

from daemon.flavour import HOST
from daemon.lab import Device
from daemon.meant import Json, Meant

RELOAD = "usr/lib/frr/frr-reload.py"


def text(meant: Meant) -> str:
    """The whole of it, for the one node that `meant` has."""
    ends = {far: sessions[0]["nodeEnd"] for far, sessions in meant.far_ends.items()}
    lists: list[str] = []
    maps: list[str] = []
    for far, end in ends.items():
        told = sorted(((prefix, entry) for prefix, _, entry in meant.told(far)), key=itemgetter(0))
        lists += _lists(end["neighbor"], told)
        maps += _maps(end["neighbor"], _communities(told))
    router = _router(meant, [*ends.values()])
    return "\n".join((*lists, *maps, *router, ""))


def changed(old: str, new: str) -> list[str]:
    """The lines that differ, in an order in which `vtysh -f` takes them."""
    before, after = (dict.fromkeys(one.splitlines()) for one in (old, new))
    lines = [f"no {one}" for one in before if one.startswith("ip ") and one not in after]
    lines += [one for one in after if one.startswith("ip ") and one not in before]
    header = next(one for one in after if one.startswith("router bgp"))
    lines += [header, " address-family ipv4 unicast"]
    lines += [one for one in after if "  network" in one and one not in before]
    return [*lines, " exit-address-family", "exit"]


def reload(device: Device, config: str, action: str = "--reload") -> None:
    """As MetalLB's reloader does it; with `--test` it only says what it would send."""
    root = device.frr.flavour.root
    run = root / "run/frr" / device.frr.name
    target, vtysh = run / "target.conf", run / "vtysh"
    target.write_text(config)
    # frr-reload.py runs out here, vtysh in its tree, where paths are shorter.
    inside = "" if root == HOST else f"chroot {root} "
    prefix = str(root).rstrip("/")
    vtysh.write_text(f'#!/bin/bash\nexec {inside}/usr/bin/vtysh "${{@#{prefix}}}"\n')
    vtysh.chmod(0o755)
    paths: dict[str, Path] = {"--bindir": run, "--rundir": run, "--confdir": run}
    if root != HOST:
        paths["--vty_socket"] = run.parent
    words = [str(word) for one in paths.items() for word in one]
    command = ["/usr/bin/python3", str(root / RELOAD), action, "-N", device.frr.name, *words]
    subprocess.run([*command, str(target)], check=True, capture_output=True)  # noqa: S603


def installed(device: Device) -> bool:
    """Whether frr-reload.py is there: Debian has it in a package of its own."""
    return (device.frr.flavour.root / RELOAD).exists()


Told = list[tuple[str, Json]]


def _communities(told: Told) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for prefix, entry in told:
        for community in entry["communities"]:
            found[community].append(prefix)
    return dict(sorted(found.items()))


def _lists(neighbor: str, told: Told) -> Iterator[str]:
    named = {
        f"{neighbor}-{community}-ip-community-prefixes": prefixes
        for community, prefixes in _communities(told).items()
    }
    named[f"{neighbor}-allowed-ipv4"] = [prefix for prefix, _ in told]
    for name, prefixes in named.items():
        for number, prefix in enumerate(prefixes, 1):
            yield f"ip prefix-list {name} seq {number} permit {prefix}"
    yield f"ipv6 prefix-list {neighbor}-allowed-ipv6 seq 1 deny any"


def _maps(neighbor: str, communities: dict[str, list[str]]) -> Iterator[str]:
    yield f"route-map {neighbor}-in deny 20\nexit"
    for number, community in enumerate(communities, 1):
        yield f"route-map {neighbor}-out permit {number}"
        yield f" match ip address prefix-list {neighbor}-{community}-ip-community-prefixes"
        yield f" set community {community} additive\n on-match next\nexit"
    for number, family in enumerate(("ip", "ipv6"), len(communities) + 1):
        yield f"route-map {neighbor}-out permit {number}"
        version = "ipv4" if family == "ip" else family
        yield f" match {family} address prefix-list {neighbor}-allowed-{version}\nexit"


def _router(meant: Meant, ends: list[Json]) -> Iterator[str]:
    (node,) = meant.network.nodes
    yield f"router bgp {ends[0]['asn']}\n bgp router-id {node.router_id}"
    yield " no bgp ebgp-requires-policy\n no bgp default ipv4-unicast"
    yield " no bgp network import-check"
    for end in ends:
        timers = end["timers"]
        yield f" neighbor {end['neighbor']} remote-as {end['remoteAs']}"
        yield f" neighbor {end['neighbor']} timers {timers['keepaliveS']} {timers['holdS']}"
        yield f" neighbor {end['neighbor']} timers connect {timers['connectS']}"
    yield " address-family ipv4 unicast"
    yield from (f"  network {one.prefix}" for one in node.advertisements)
    for end in ends:
        neighbor = end["neighbor"]
        yield f"  neighbor {neighbor} activate"
        yield f"  neighbor {neighbor} route-map {neighbor}-in in"
        yield f"  neighbor {neighbor} route-map {neighbor}-out out"
    yield " exit-address-family\nexit"
