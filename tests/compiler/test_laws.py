"""What holds for every network: the same bytes for the same input, two ends that fit, and a
switch that takes what its nodes send and nothing else.

Artifacts are judged as a device would: by their text, not by what they were made from.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from short import compiled, errors
from strategies import TENANT, Data, blocks_of, grown, networks

from ferrule.compiler import views
from ferrule.compiler.network import Network, Prefix, Session, family_of, prefix_key
from ferrule.compiler.pipeline import Compilation
from ferrule.compiler.source import read


@dataclass
class Case:
    """A network as it was written, and what became of it."""

    documents: list[Data]

    @cached_property
    def compilation(self) -> Compilation:
        return compiled(self.documents)

    @cached_property
    def network(self) -> Network:
        return self.compilation.network

    @cached_property
    def texts(self) -> dict[str, str]:
        return text_of(self.compilation)

    def config_db(self, switch: str) -> Rows:
        rows: Rows = json.loads(self.texts[f"switches/{switch}/config_db.json"])
        return rows

    def frr_conf(self, node: str) -> str:
        return self.texts[f"nodes/{node}/frr.conf"]


Rows = Mapping[str, Mapping[str, Mapping[str, Any]]]
Law = Callable[[Case], None]


def text_of(compilation: Compilation) -> dict[str, str]:
    return {path: one.text for path, one in views.files(compilation.network).items()}


# Two ends.


def ends_fit(case: Case) -> None:
    """Of every session: ASNs and addresses the other way round, and one place on the switch."""
    switches = {one.name: one for one in case.network.switches}
    names = [one.name for one in case.network.sessions]
    assert len(names) == len(set(names))
    for session in case.network.sessions:
        near, far = session.node_end, session.switch_end
        if far is None:
            continue
        switch = switches[far.switch]
        assert not switch.absent
        assert (near.neighbor, near.address) == (far.address, far.neighbor)
        assert far.asn == switch.asn
        assert near.remote_as in (switch.asn, "external", "internal")
        (group,) = [one for one in switch.groups if (one.vrf, one.name) == (far.vrf, far.group)]
        assert (group.asn, group.timers) == (near.far_asn, near.timers)
        assert tuple(one.family for one in group.accepts) == near.families
        assert group.listen_range == far.listen_range
        if far.listen_range is None:
            assert far.neighbor in group.neighbors
        else:
            assert far.neighbor in far.listen_range


def no_neighbor_twice(case: Case) -> None:
    for switch in case.network.switches:
        neighbors = [(group.vrf, one) for group in switch.groups for one in group.neighbors]
        assert len(neighbors) == len(set(neighbors))
        ids = [one.router_id for one in case.network.nodes if one.ears(switch.name)]
        assert len(ids) == len(set(ids))


# What the switch takes, read off CONFIG_DB as FRR reads prefix-lists and route-maps.


class Inbound:
    """The inbound filters of one switch."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.lists: dict[str, list[tuple[int, Prefix, range, bool]]] = defaultdict(list)
        for key, fields in rows.get("PREFIX", {}).items():
            name, number, written, lengths = key.split("|")
            prefix = ip_network(written)
            low = high = prefix.prefixlen
            if lengths != "exact":
                low, high = map(int, lengths.split(".."))
            permit = fields["action"] == "permit"
            self.lists[name].append((int(number), prefix, range(low, high + 1), permit))
        for entries in self.lists.values():
            entries.sort(key=lambda one: one[0])
        self.maps: dict[str, list[tuple[int, Mapping[str, Any]]]] = defaultdict(list)
        for key, fields in rows.get("ROUTE_MAP", {}).items():
            name, number = key.split("|")
            self.maps[name].append((int(number), fields))
        for statements in self.maps.values():
            statements.sort(key=lambda one: one[0])

    def permits(self, route_map: str, prefix: Prefix) -> bool:
        """The first statement whose prefix-list permits it decides; the end of it all is deny."""
        for _, fields in self.maps[route_map]:
            wanted = fields.get("match_prefix_set")
            if wanted is None or self._in_list(wanted, prefix):
                return bool(fields["route_operation"] == "permit")
        return False

    def _in_list(self, name: str, prefix: Prefix) -> bool:
        for _, block, lengths, permit in self.lists[name]:
            if prefix.prefixlen in lengths and inside(prefix, block):
                return permit
        return False


def inside(prefix: Prefix, block: Prefix) -> bool:
    """Whether a prefix lies in a block, of whatever families."""
    return prefix.version == block.version and prefix.subnet_of(block)  # type: ignore[arg-type]


def inbound_of(rows: Rows, session: Session, family: str) -> tuple[str, int]:
    """The inbound map and the limit of a session, found as bgpd finds its neighbor's group."""
    end = session.switch_end
    assert end is not None
    group = None
    for key, fields in rows.get("BGP_GLOBALS_LISTEN_PREFIX", {}).items():
        vrf, prefix = key.split("|")
        if vrf == end.vrf and end.neighbor in ip_network(prefix):
            group = fields["peer_group"]
    member = rows.get("BGP_NEIGHBOR", {}).get(f"{end.vrf}|{end.neighbor}")
    group = member["peer_group_name"] if member else group
    fields = rows["BGP_PEER_GROUP_AF"][f"{end.vrf}|{group}|{family}_unicast"]
    return fields["route_map_in"][0], int(fields["max_prefix_limit"])


def the_switch_takes_what_its_nodes_send(case: Case) -> None:
    nodes = {one.name: one for one in case.network.nodes}
    filters = {one.name: Inbound(case.config_db(one.name)) for one in case.network.switches}
    for session in case.network.sessions:
        if session.switch_end is None:
            continue
        inbound = filters[session.switch_end.switch]
        for family in session.node_end.families:
            name, limit = inbound_of(inbound.rows, session, family)
            sent = [
                one.prefix
                for one in nodes[session.node].advertisements
                if family_of(one.prefix) == family and one.route_class.attributes(session.peer)
            ]
            assert len(sent) <= limit
            for prefix in sent:
                assert inbound.permits(name, prefix), prefix


def probes(pools: list[Data]) -> Iterator[Prefix]:
    """Prefixes in, around and across the pools, of many lengths."""
    yield ip_network("0.0.0.0/0")
    yield ip_network("::/0")
    for pool in pools:
        for entry in pool["spec"]["addresses"]:
            for block in blocks_of(entry):
                bits = block.max_prefixlen
                for length in {block.prefixlen, *range(bits - 8, bits + 1)}:
                    for address in (block[0], block[-1], block[0] - 1, block[-1] + 1):
                        yield ip_network((address, length), strict=False)


def and_nothing_else(case: Case) -> None:
    """A probe that is let in lies in a pool at a length that the group's peers are told."""
    spec = case.compilation.inputs.spec
    pools = [one for one in case.documents if one["kind"] == "IPAddressPool"]
    blocks = {
        one["metadata"]["name"]: [b for e in one["spec"]["addresses"] for b in blocks_of(e)]
        for one in pools
    }
    allowed: dict[tuple[str, str], set[tuple[str, int]]] = defaultdict(set)  # by peer and family
    for one in spec.bgp_advertisements:
        lengths = {"ipv4": one.spec.aggregation_length, "ipv6": one.spec.aggregation_length_v6}
        for peer in one.spec.peers or [each.name for each in spec.peers]:
            for family, length in lengths.items():
                for pool in one.spec.ip_address_pools or blocks:
                    allowed[peer, family].add((pool, length))
    for switch in case.network.switches:
        filters = Inbound(case.config_db(switch.name))
        members: dict[tuple[str, str], set[str]] = defaultdict(set)
        for session in case.network.sessions:
            if session.switch_end and session.switch_end.switch == switch.name:
                for family in session.node_end.families:
                    members[inbound_of(filters.rows, session, family)[0], family].add(session.peer)
        for (name, family), peers in members.items():
            told = set().union(*(allowed[peer, family] for peer in peers))
            for probe in probes(pools):
                if filters.permits(name, probe):
                    assert any(
                        length == probe.prefixlen and any(probe.overlaps(b) for b in blocks[pool])
                        for pool, length in told
                    ), probe


# What is written refers to what is written.


def no_loose_ends(case: Case) -> None:
    """In frr.conf every name that is used is defined, and every one that is defined is used.

    The map of a class that no prefix has yet is in use by its tag.
    """
    for node in case.network.nodes:
        text = case.frr_conf(node.name)
        lists = set(re.findall(r"^ip(?:v6)? prefix-list (\S+)", text, re.M))
        maps = set(re.findall(r"^route-map (\S+)", text, re.M))
        tags = dict(re.findall(r"^route-map (\S+) permit 10\n set tag (\d+)", text, re.M))
        matched = set(re.findall(r"^ match tag (\d+)", text, re.M))
        profiles = set(re.findall(r"^ profile (\S+)", text, re.M))
        used = set(re.findall(r"^ +(?:neighbor|network) \S+ route-map (\S+)", text, re.M))
        assert set(re.findall(r"prefix-list (\S+)$", text, re.M)) == lists
        assert used <= maps
        assert all(tags.get(one) in matched for one in maps - used)
        assert set(tags.values()) == matched
        assert set(re.findall(r"bfd profile (\S+)", text)) == profiles


def every_class_of_a_line_is_there(case: Case) -> None:
    for node in case.network.nodes:
        known = set(node.classes)
        keys = [prefix_key(one.prefix) for one in node.advertisements]
        assert keys == sorted(set(keys))
        for one in node.advertisements:
            assert one.route_class in known
            assert one.route_class.length == one.prefix.prefixlen
            assert any(
                one.route_class.attributes(session.peer)
                and family_of(one.prefix) in session.node_end.families
                for session in node.sessions
            )


def no_tenant_s_string(case: Case) -> None:
    for path, text in case.texts.items():
        if path.endswith(("frr.conf", "config_db.json")):
            assert TENANT not in text


def routes_are_what_the_nodes_say(case: Case) -> None:
    network: Any = views.network_json(case.compilation)
    wanted: dict[str, set[tuple[str, str]]] = {name: set() for name in network["switches"]}
    for session in network["sessions"]:
        if session["switch"] is None:
            continue
        for one in network["nodes"][session["node"]]["advertisements"]:
            family = "ipv6" if ":" in one["prefix"] else "ipv4"
            if session["peer"] in one["peers"] and family in session["nodeEnd"]["families"]:
                wanted[session["switch"]].add((one["prefix"], session["node"]))
    found = {
        name: {(route["prefix"], node) for route in switch["routes"] for node in route["from"]}
        for name, switch in network["switches"].items()
    }
    assert found == wanted


LAWS: tuple[Law, ...] = (
    ends_fit,
    no_neighbor_twice,
    the_switch_takes_what_its_nodes_send,
    and_nothing_else,
    no_loose_ends,
    every_class_of_a_line_is_there,
    no_tenant_s_string,
    routes_are_what_the_nodes_say,
)


def check(documents: list[Data], shuffled: list[Data]) -> None:
    case = Case(documents)
    assert errors(case.compilation) == []
    for law in LAWS:
        law(case)
    assert Case(shuffled).texts == case.texts


def with_another_order(documents: list[Data]) -> st.SearchStrategy[tuple[list[Data], list[Data]]]:
    return st.tuples(st.just(documents), st.permutations(documents))


@given(networks().flatmap(with_another_order))
def test_laws(case: tuple[list[Data], list[Data]]) -> None:
    check(*case)


@pytest.mark.soak
@settings(max_examples=3000)
@given(networks().flatmap(with_another_order))
def test_laws_for_long(case: tuple[list[Data], list[Data]]) -> None:
    check(*case)


# One Service more.


def one_more(base: list[Data], more: list[Data]) -> None:
    """It moves nobody's address, adds its own lines, and changes nothing on a switch but limits."""
    before = compiled(base)
    lock = read(views.lock_yaml(before.network), "addresses.yaml")
    after = compiled([*base, *more], previous=lock)
    assert errors(after) == []
    given_before = {one.key: one.addresses for one in before.network.services}
    given_after = {one.key: one.addresses for one in after.network.services}
    (new,) = given_after.keys() - given_before.keys()
    assert {key: given_after[key] for key in given_before} == given_before
    own = {ip_network(one) for one in given_after[new]}
    texts = text_of(before), text_of(after)
    for old, now in zip(before.network.nodes, after.network.nodes, strict=True):
        if set(now.classes) <= set(old.classes):
            path = f"nodes/{old.name}/frr.conf"
            _only_own_lines(texts[0][path].splitlines(), texts[1][path].splitlines(), own)
    for switch in before.network.switches:
        path = f"switches/{switch.name}/config_db.json"
        rows = [json.loads(text[path]) for text in texts]
        for each in rows:
            for fields in each.get("BGP_PEER_GROUP_AF", {}).values():
                del fields["max_prefix_limit"]
        assert rows[0] == rows[1]


def _only_own_lines(before: list[str], after: list[str], own: set[Any]) -> None:
    kept = iter(after)
    added = []
    for line in before:
        for other in kept:
            if other == line:
                break
            added.append(other)
        else:
            pytest.fail(f"{line!r} is gone")
    for line in [*added, *kept]:
        match = re.fullmatch(r"  network (\S+) route-map \S+", line)
        assert match, line
        prefix: Any = ip_network(match[1])
        assert any(inside(one, prefix) for one in own), line


@given(grown())
def test_one_service_more(network: tuple[list[Data], list[Data]]) -> None:
    one_more(*network)


@pytest.mark.soak
@settings(max_examples=3000)
@given(grown())
def test_one_service_more_for_long(network: tuple[list[Data], list[Data]]) -> None:
    one_more(*network)
