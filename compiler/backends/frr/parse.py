"""From what a node's FRR runs to what of it is ours, and what of the rest matters to us.

Ours are objects by their name, neighbors by the name of their outbound route-map, `network` lines
by their route-map, and a `router bgp` that holds nothing else. An artifact is read by the same
`parse`, so that the two sides of a comparison cannot differ in anything but their content.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TypeVar

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
from ferrule.compiler.backends.frrtext import Body, Config, read, statements

Key = TypeVar("Key")
Said = TypeVar("Said")
LIST = re.compile(r"(ip(?:v6)? prefix-list (\S+)) (.+)")
OTHER_LIST = re.compile(
    r"((?:bgp|ip) \S*community-list (?:standard |expanded )?(\S+)) (?:seq|permit|deny) .+"
)
ENTRY = re.compile(r"route-map (\S+) (permit|deny) (\d+)")
HEADER = re.compile(r"router bgp ([\d.]+)(?: vrf (\S+))?( (?!view ).+)?")


def parse(
    text: str,
    cluster: str,
    intended: Running | None = None,
    *,
    open_run: bool = False,
    bgpd: str | None = None,
) -> Running:
    """What is ours in a running-config, or in an artifact.

    vtysh shows what any daemon has; `bgpd` is what bgpd itself has (`show running-config bgpd`).
    After it was restarted, or after a vtysh that was killed, it lacks lists and maps that zebra
    holds on to, and denies what it should permit.

    `intended` is needed where a load may have been cut: a `router bgp` with nothing in it but what
    we would write is then ours, and with `open_run`, while this cluster's run record on the node
    is open, so is a neighbor that has not got its route-maps yet.
    """
    config = read(text)
    reader = _Reader(device_name("ferrule-", cluster), intended, open_run=open_run)
    for said, body in statements(config.body):
        reader.statement(said, body)
    running = reader.running(cluster, config)
    return running if bgpd is None else _alone(running, parse(bgpd, cluster))


def intend(model: Model, cluster: str) -> Running:
    """What a node runs that runs this model and nothing else."""
    return parse(render(model, with_secrets=True), cluster)


def _alone(shown: Running, bgpd: Running) -> Running:
    """A node whose lists and maps are those of bgpd."""
    return replace(
        shown,
        lists=bgpd.lists,
        maps=bgpd.maps,
        stray_lists=_beside(shown.lists, bgpd.lists),
        stray_maps=_beside(shown.maps, bgpd.maps),
    )


def _beside(
    shown: Mapping[str, Mapping[Key, Said]], known: Mapping[str, Mapping[Key, Said]]
) -> dict[str, dict[Key, Said]]:
    """By name and key, what is shown and is not known, or not so."""
    beside = {
        name: {key: one for key, one in keys.items() if known.get(name, {}).get(key) != one}
        for name, keys in shown.items()
    }
    return {name: keys for name, keys in beside.items() if keys}


class _Reader:
    """Reads one configuration, block by block."""

    def __init__(self, prefix: str, intended: Running | None, *, open_run: bool) -> None:
        self._prefix = prefix
        self._intended = intended.instances if intended else {}
        self._open_run = open_run
        self._lists: dict[str, dict[str, str]] = {}
        self._others: set[str] = set()
        self._maps: dict[str, dict[int, Entry]] = {}
        self._profiles: dict[str, Settings] = {}
        self._instances: dict[str, Instance] = {}
        self._needed: set[str] = set()  # VRFs whose instances FRR would not let go

    def statement(self, said: str, body: Body) -> None:
        """One line and what stands in its block."""
        if found := LIST.match(said):
            if found[2].startswith(self._prefix):
                name, value = list_setting(found[3])
                self._lists.setdefault(found[1], {})[name] = value
        elif found := ENTRY.fullmatch(said):
            if found[1].startswith(self._prefix):
                settings = dict(entry_setting(text) for text, _ in statements(body))
                self._maps.setdefault(found[1], {})[int(found[3])] = Entry(found[2], settings)
        elif found := OTHER_LIST.match(said):
            if found[2].startswith(self._prefix):
                self._others.add(found[1])
        elif said == "bfd":
            self._profiles.update(_profiles(body, self._prefix))
        elif found := HEADER.fullmatch(said):
            self._router(said, found, body)
        elif said.startswith("vrf ") and any(
            text.startswith("vni ") for text, _ in statements(body)
        ):
            self._needed |= {"", said.removeprefix("vrf ")}

    def _router(self, header: str, found: re.Match[str], body: Body) -> None:
        vrf = found[2] or ""
        reader = RouterReader(self._prefix, self._intended.get(vrf), open_run=self._open_run)
        instance = reader.read(header, int(asn(found[1])), body, found[3])
        self._instances[vrf] = instance
        if instance.leaning:
            self._needed.add("")

    def running(self, cluster: str, config: Config) -> Running:
        """All of it."""
        for vrf in self._instances.keys() & self._needed:
            self._instances[vrf] = replace(self._instances[vrf], foreign=True)
        return Running(
            cluster,
            config,
            self._lists,
            frozenset(self._others),
            self._maps,
            self._profiles,
            self._instances,
        )


def _profiles(body: Body, prefix: str) -> Iterator[tuple[str, Settings]]:
    for text, inside in statements(body):
        if text.startswith(f"profile {prefix}"):
            name = text.removeprefix("profile ")
            yield name, dict(setting(one, PROFILE) for one, _ in statements(inside))
