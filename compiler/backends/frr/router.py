"""What of one `router bgp` is ours: one pass over its lines, then the decision.

FRR leaves out what is its default. Of all we write only `activate` can be such a default, where
somebody's `router bgp` activates families by itself; the reader then puts it in.
"""

from __future__ import annotations

import re

from ferrule.compiler.backends.frr.running import Instance, Neighbor, Networks
from ferrule.compiler.backends.frr.settings import (
    INSTANCE,
    Settings,
    address,
    neighbor_setting,
    setting,
)
from ferrule.compiler.backends.frrtext import Body, is_comment, is_end, statements

GLOBALS = (
    "bgp router-id",
    "no bgp default ipv4-unicast",
    "bgp graceful-restart preserve-fw-state",
    "no bgp network import-check",
)
DEFAULT_FAMILY = re.compile(r"(no )?bgp default (ipv4|ipv6|l2vpn)-([a-z]+(?:-unicast)?)")
LEANING = re.compile(r"(import|export) vpn|import vrf .+")
PLACEHOLDER = re.compile(r"<(secret|password):.*>")
GROUP = "peer-group"  # and no name of one after it
NETWORK = "  network "


class RouterReader:
    """Reads one `router bgp`."""

    def __init__(self, prefix: str, wanted: Instance | None, *, open_run: bool) -> None:
        self._map = f"route-map {prefix}"
        self._prefix = prefix
        self._wanted = wanted
        self._open_run = open_run
        self._foreign = False
        self._globals: dict[str, str] = {}
        self._neighbors: dict[str, dict[str, str]] = {}
        self._families: dict[str, dict[str, dict[str, str]]] = {}  # neighbor, family, settings
        self._networks: dict[str, Networks] = {}
        self._taken: dict[str, Networks] = {}
        self._active = {"ipv4 unicast"}
        self._leaning = False

    def read(self, header: str, number: int, body: Body, more: str | None) -> Instance:
        """The instance; `more` of its header than AS and VRF is foreign."""
        for text, inside in statements(body):
            self._statement(text, inside)
        ours: dict[str, Neighbor] = {}
        strangers: dict[str, Neighbor] = {}
        for name, settings in self._neighbors.items():
            whose = ours if self._is_ours(name, settings) else strangers
            whose[name] = self._neighbor(name, settings)
        return Instance(
            header,
            number,
            self._foreign or bool(more),
            self._is_begun(number),
            self._globals,
            ours,
            self._networks,
            strangers,
            self._taken,
            frozenset(self._active),
            self._leaning,
        )

    def _statement(self, text: str, inside: Body) -> None:
        if found := _neighbor_words(text):
            name, key, value = found
            self._neighbors.setdefault(name, {})[key] = value
        elif text.startswith("address-family "):
            self._family(text.removeprefix("address-family "), inside)
        else:
            key, value = setting(text, INSTANCE)
            if key in GLOBALS:
                self._globals[key] = value
            else:
                self._foreign = True
            self._activates(text)

    def _activates(self, text: str) -> None:
        """Follow `bgp default ipv6-unicast` and its like; there are defaults of other kinds."""
        if found := DEFAULT_FAMILY.fullmatch(text):
            change = self._active.discard if found[1] else self._active.add
            change(f"{found[2]} {found[3]}")

    def _family(self, family: str, body: Body) -> None:
        """The lines of an address-family; the only loop here that may be long."""
        networks: dict[str, str] = {}
        taken: dict[str, str] = {}
        for item in body:
            if isinstance(item, str) and item.startswith(NETWORK):
                prefix, _, rest = item[len(NETWORK) :].partition(" ")
                if ":" in prefix:
                    prefix = address(prefix)
                (networks if self._map in rest else taken)[prefix] = rest
            else:
                self._family_statement(family, item if isinstance(item, str) else item.header)
        if networks:
            self._networks[family] = networks
        if taken:
            self._taken[family] = taken

    def _family_statement(self, family: str, item: str) -> None:
        text = item.strip()
        if found := _neighbor_words(text):
            name, key, value = found
            self._families.setdefault(name, {}).setdefault(family, {})[key] = value
        elif not (is_comment(text) or is_end(text)):
            self._foreign = True
            self._leaning |= LEANING.fullmatch(text) is not None

    def _is_ours(self, name: str, settings: Settings) -> bool:
        """By its outbound map; a peer group has members, and is never ours."""
        if GROUP in settings:
            return False
        families = self._families.get(name, {}).values()
        if any(one.get("route-map out", "").startswith(self._prefix) for one in families):
            return True
        return self._open_run and self._is_cut(name, settings)

    def _is_cut(self, name: str, settings: Settings) -> bool:
        """Whether it may be the beginning of a neighbor that we intend, and nothing else."""
        wanted = self._wanted.neighbors.get(name) if self._wanted else None
        if wanted is None:
            return False
        families = self._families.get(name, {})
        return _within(settings, wanted.settings) and all(
            said.keys() <= {"activate", "no activate"}
            and (family in wanted.families or "activate" not in said)
            for family, said in families.items()
        )

    def _is_begun(self, number: int) -> bool:
        """Whether it may be the beginning of an instance that we intend, and nothing else."""
        wanted = self._wanted
        return (
            wanted is not None and number == wanted.asn and _within(self._globals, wanted.settings)
        )

    def _neighbor(self, name: str, settings: Settings) -> Neighbor:
        families = self._families.get(name, {})
        for family in self._active:
            said = families.setdefault(family, {})
            if "no activate" not in said:
                said["activate"] = ""
        for said in families.values():
            said.pop("no activate", None)
        return Neighbor(settings, {family: said for family, said in families.items() if said})


def _neighbor_words(text: str) -> tuple[str, str, str] | None:
    """Name, setting and value of a `neighbor` line; a `no` becomes part of the setting."""
    negated = text.startswith("no neighbor ")
    if not negated and not text.startswith("neighbor "):
        return None
    name, _, rest = text.removeprefix("no ").removeprefix("neighbor ").partition(" ")
    if negated:
        return address(name), f"no {rest}", ""
    return address(name), *neighbor_setting(rest)


def _within(said: Settings, wanted: Settings) -> bool:
    """Whether all that is said is wanted; a password that we do not know may be any."""
    return all(
        name in wanted
        and (value == wanted[name] or (name == "password" and is_unknown(wanted[name])))
        for name, value in said.items()
    )


def is_unknown(password: str) -> bool:
    """Whether it is the placeholder of a secret that this run has not got."""
    return PLACEHOLDER.fullmatch(password) is not None
