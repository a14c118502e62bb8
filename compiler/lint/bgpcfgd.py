"""What bgpcfgd makes of a CONFIG_DB in the default mode.

Most of a neighbor comes from templates in the image, not from its row: what it takes, that it is
active in its own family only, that no policy is required. The templates know neither BFD nor a
password nor a filter per peer; so a row cannot say any of it (sonic-buildimage,
`dockers/docker-fpm-frr/frr/bgpd/templates`).
"""

from __future__ import annotations

from collections.abc import Iterator

from ferrule.compiler.lint.rows import Row, Tables
from ferrule.compiler.lint.said import Foreign, Note, Said, Spot

PATHS = 514  # constants.yml of the image
KNOWN = {
    "BGP_NEIGHBOR": {
        "admin_status",
        "asn",
        "holdtime",
        "keepalive",
        "local_addr",
        "name",
        "nhopself",
        "rrclient",
    },
    "BGP_PEER_RANGE": {"ip_range", "ip_range@", "name", "peer_asn", "src_address"},
}
GENERAL, SPEAKER = "FROM_BGP_PEER", "FROM_BGP_SPEAKER"
NO_OUTBOUND = "TO_BGP"


def read_default(tables: Tables) -> Foreign:
    """The statements that the templates come to."""
    said = [*tables.itself, *_maps(tables.start)]
    device = tables.device
    number = device.text("bgp_asn") if device else ""
    if device and number.isdecimal() and int(number[:10]):
        peers: dict[str, list[Said]] = {"default": []}
        for vrf, each in _peers(tables):
            peers.setdefault(vrf, []).extend(each)
        for vrf, lines in peers.items():
            said += [*_globals(tables, device, vrf), *lines]
    return Foreign("default", tuple(said), tables.start, tuple(_notes(tables)))


def _maps(spot: Spot) -> Iterator[Said]:
    """What is announced is taken: BGP_ALLOWED_PREFIXES tags the rest, and drops nothing."""
    for name in (f"{GENERAL}_V4", f"{GENERAL}_V6", SPEAKER, NO_OUTBOUND):
        yield Said(f"route-map {name} permit 100", spot)


def _globals(tables: Tables, device: Row, vrf: str) -> Iterator[Said]:
    suffix = "" if vrf == "default" else f" vrf {vrf}"
    yield device.say(f"router bgp {device.text('bgp_asn')}{suffix}", "bgp_asn")
    for text in (
        "no bgp default ipv4-unicast",
        "no bgp ebgp-requires-policy",
        "bgp bestpath as-path multipath-relax",
    ):
        yield device.say(text)
    if router_id := device.text("bgp_router_id") or _loopback(tables, "Loopback0"):
        yield device.say(f"bgp router-id {router_id}", "bgp_router_id")
    for family in ("ipv4", "ipv6"):
        yield device.say(f"address-family {family} unicast")
        yield device.say(f"maximum-paths {PATHS}")
        yield device.say(f"maximum-paths ibgp {PATHS}")
        yield device.say("exit-address-family")


def _loopback(tables: Tables, name: str) -> str:
    """The IPv4 address of a loopback interface."""
    for row in tables.rows("LOOPBACK_INTERFACE"):
        if len(row.key) > 1 and row.key[0] == name and ":" not in row.key[-1]:
            return row.key[-1].partition("/")[0]
    return ""


def _peers(tables: Tables) -> Iterator[tuple[str, tuple[Said, ...]]]:
    """Neighbors and ranges, each with the VRF it is in."""
    for row in tables.rows("BGP_NEIGHBOR"):
        if row.text("asn").lstrip("0").isdecimal():  # the others are ignored
            yield _vrf(row), tuple(_neighbor(row))
    for row in tables.rows("BGP_PEER_RANGE"):
        yield _vrf(row), tuple(_range(tables, row))


def _vrf(row: Row) -> str:
    return row.key[0] if len(row.key) > 1 else "default"


def _neighbor(row: Row) -> Iterator[Said]:
    start = f"neighbor {row.key[-1]} "
    version = "6" if ":" in row.key[-1] else "4"
    yield row.say(f"{start}remote-as {row.text('asn')}", "asn")
    times = row.text("keepalive") or "60", row.text("holdtime") or "180"
    yield row.say(f"{start}timers {times[0]} {times[1]}", "holdtime")
    yield row.say(f"{start}timers connect 10")
    if source := row.text("local_addr"):
        yield row.say(f"{start}update-source {source}", "local_addr")
    if row.text("admin_status") == "down":
        yield row.say(f"{start}shutdown", "admin_status")
    yield from _active(row, f"ipv{version}", f"{GENERAL}_V{version}")


def _range(tables: Tables, row: Row) -> Iterator[Said]:
    """A peer group: without `peer_asn` its AS is in the image, by deployment id."""
    start = f"neighbor {row.key[-1]} "
    yield row.say(f"{start}peer-group")
    if number := row.text("peer_asn"):
        yield row.say(f"{start}remote-as {number}", "peer_asn")
    else:
        yield row.say(f"{start}remote-as auto")
    for text in ("passive", "ebgp-multihop 255"):
        yield row.say(start + text)
    if source := row.text("src_address") or _loopback(tables, "Loopback1"):
        yield row.say(f"{start}update-source {source}", "src_address")
    for prefix in row.texts("ip_range"):
        yield row.say(f"bgp listen range {prefix} peer-group {row.key[-1]}", "ip_range")
    for family in ("ipv4", "ipv6"):
        yield from _active(row, family, SPEAKER)


def _active(row: Row, family: str, inbound: str) -> Iterator[Said]:
    start = f"neighbor {row.key[-1]} "
    yield row.say(f"address-family {family} unicast")
    for text in (
        "activate",
        "soft-reconfiguration inbound",
        f"route-map {inbound} in",
        f"route-map {NO_OUTBOUND} out",
    ):
        yield row.say(start + text)
    yield row.say("exit-address-family")


def _notes(tables: Tables) -> Iterator[Note]:
    for row in tables.rows("BGP_PEER_RANGE"):
        if not row.text("peer_asn"):
            message = (
                "without peer_asn the AS of a range is in the image's constants.yml: not checked"
            )
            yield Note(row.key[-1], message, row.spot)
    for table, known in KNOWN.items():
        for row in tables.rows(table):
            for name in sorted(row.fields.keys() - known):
                message = f"bgpcfgd reads no {name} in {table}: it is said, and nothing happens"
                yield Note(row.key[-1], message, row.at(name))
