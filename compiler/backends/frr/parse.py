"""From what a node's FRR runs to what of it is ours, and what of the rest matters to us.

Ours are objects by their name, neighbors by the name of their outbound route-map, `network` lines
by their route-map, and a `router bgp` that holds nothing else. An artifact is read by the same
`parse`, so that the two sides of a comparison cannot differ in anything but their content.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ferrule.compiler.backends.base import device_name
from ferrule.compiler.backends.frr.model import Model
from ferrule.compiler.backends.frr.render import render
from ferrule.compiler.backends.frr.router import RouterReader
from ferrule.compiler.backends.frr.running import Entry, Instance, Running
from ferrule.compiler.backends.frr.settings import (
    PROFILE,
    Settings,
    asn,
    entry_setting,
    list_setting,
    setting,
)
from ferrule.compiler.backends.frrtext import Body, read, statements

LIST = re.compile(r"(ip(?:v6)? prefix-list (\S+)) (.+)")
OTHER_LIST = re.compile(
    r"((?:bgp|ip) \S*community-list (?:standard |expanded )?(\S+)) (?:seq|permit|deny) .+"
)
ENTRY = re.compile(r"route-map (\S+) (permit|deny) (\d+)")
HEADER = re.compile(r"router bgp ([\d.]+)(?: vrf (\S+))?( (?!view ).+)?")


def parse(
    text: str, cluster: str, intended: Running | None = None, *, open_run: bool = False
) -> Running:
    """What is ours in a running-config, or in an artifact.

    `intended` is needed where a load may have been cut: a `router bgp` with nothing in it but what
    we would write is then ours, and with `open_run`, while this cluster's run record on the node
    is open, so is a neighbor that has not got its route-maps yet.
    """
    config = read(text)
    prefix = device_name("ferrule-", cluster)
    lists: dict[str, dict[str, str]] = {}
    others: set[str] = set()
    maps: dict[str, dict[int, Entry]] = {}
    profiles: dict[str, Settings] = {}
    instances: dict[str, Instance] = {}
    for said, body in statements(config.body):
        if found := LIST.match(said):
            if found[2].startswith(prefix):
                name, value = list_setting(found[3])
                lists.setdefault(found[1], {})[name] = value
        elif found := ENTRY.fullmatch(said):
            if found[1].startswith(prefix):
                settings = dict(entry_setting(text) for text, _ in statements(body))
                maps.setdefault(found[1], {})[int(found[3])] = Entry(found[2], settings)
        elif found := OTHER_LIST.match(said):
            if found[2].startswith(prefix):
                others.add(found[1])
        elif said == "bfd":
            profiles.update(_profiles(body, prefix))
        elif found := HEADER.fullmatch(said):
            vrf = found[2] or ""
            wanted = intended.instances.get(vrf) if intended else None
            reader = RouterReader(prefix, wanted, open_run=open_run)
            instances[vrf] = reader.read(said, int(asn(found[1])), body, found[3])
    return Running(cluster, config, lists, frozenset(others), maps, profiles, instances)


def intend(model: Model, cluster: str) -> Running:
    """What a node runs that runs this model and nothing else."""
    return parse(render(model, with_secrets=True), cluster)


def _profiles(body: Body, prefix: str) -> Iterator[tuple[str, Settings]]:
    for text, inside in statements(body):
        if text.startswith(f"profile {prefix}"):
            name = text.removeprefix("profile ")
            yield name, dict(setting(one, PROFILE) for one, _ in statements(inside))
