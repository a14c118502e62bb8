"""Which device is on which segment with which address, for a compiled network.

One segment per switch, its rack; `mgmt` has the switches' management ports; `spare` the nodes that
no switch serves. The workstation is on all of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from ipaddress import IPv6Interface, ip_interface, ip_network

from ferrule.compiler.network import Address, Prefix
from ferrule.compiler.pipeline import Compilation

MANAGEMENT = IPv6Interface("2001:db8:ffff::/64")
WORKSTATION = "workstation"

Links = dict[str, list[str]]  # segment -> addresses with their length


def cables(compilation: Compilation) -> dict[str, Links]:
    """The links of every device and of the workstation."""
    links: dict[str, Links] = defaultdict(dict)
    switches = compilation.inputs.spec.switches
    for number, name in enumerate((WORKSTATION, *(one.name for one in switches)), start=1):
        management = MANAGEMENT.network[number]
        links[name]["mgmt"] = [f"{management}/{MANAGEMENT.network.prefixlen}"]
    declared = [one.network for each in switches for one in each.spec.addresses if one.network]
    for segment, places in _places(compilation).items():
        everybody = [one for each in places.values() for one in each]
        subnets = {version: _subnet(everybody, version, declared) for version in (4, 6)}
        for device, addresses in places.items():
            links[device][segment] = [_written(one, subnets[one.version]) for one in addresses]
        links[WORKSTATION][segment] = [
            _written(_free(subnet, everybody), subnet) for subnet in subnets.values() if subnet
        ]
    return dict(links)


def _places(compilation: Compilation) -> dict[str, dict[str, list[Address]]]:
    """Segment to device to addresses; an address of a node is where a session needs it."""
    segments: dict[str, dict[str, list[Address]]] = {}
    for switch in compilation.inputs.spec.switches:
        mine = list(dict.fromkeys(one.ip for one in switch.spec.addresses))
        segments[f"rack-{switch.name}"] = {switch.name: mine}
    placed: set[tuple[str, Address]] = set()
    home: dict[str, str] = {}
    for session in compilation.network.sessions:
        if end := session.switch_end:
            rack = segments[f"rack-{end.switch}"].setdefault(session.node, [])
            if end.neighbor not in rack:
                rack.append(end.neighbor)
            placed.add((session.node, end.neighbor))
            home.setdefault(session.node, f"rack-{end.switch}")
    for node in compilation.inputs.nodes:
        segment = segments.setdefault(home.get(node.name, "spare"), {})
        rest = [one for one in node.internal if (node.name, one) not in placed]
        segment.setdefault(node.name, []).extend(rest)
    return {name: places for name, places in segments.items() if places}


def _subnet(
    addresses: Iterable[Address], version: int, declared: Iterable[Prefix]
) -> Prefix | None:
    """The one declared for them, or the smallest in which they and one more are hosts."""
    mine = [one for one in addresses if one.version == version]
    if not mine:
        return None
    for subnet in declared:
        if all(_is_host(one, subnet) for one in mine):
            return subnet
    subnet = ip_network(mine[0])
    while not all(_is_host(one, subnet) for one in mine) or subnet.num_addresses < len(mine) + 3:
        subnet = subnet.supernet()
    return subnet if version == 4 else subnet.supernet(new_prefix=min(64, subnet.prefixlen))


def _is_host(address: Address, subnet: Prefix) -> bool:
    ends = (subnet.network_address, subnet.broadcast_address)
    return address in subnet and address not in ends


def _free(subnet: Prefix, taken: Iterable[Address]) -> Address:
    used = {*taken}
    last = subnet.num_addresses - 2
    return next(subnet[n] for n in range(last, 0, -1) if subnet[n] not in used)


def _written(address: Address, subnet: Prefix | None) -> str:
    assert subnet is not None
    return str(ip_interface(f"{address}/{subnet.prefixlen}"))


def hosts(links: Mapping[str, list[str]]) -> list[str]:
    """The addresses of one device without their lengths, in order."""
    return [one.partition("/")[0] for each in links.values() for one in each]
