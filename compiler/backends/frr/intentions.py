"""What many nodes of one network come to run; a table that they share is read once."""

from __future__ import annotations

from dataclasses import replace

from ferrule.compiler.backends.frr.model import Instance, Model, Networks, without_networks
from ferrule.compiler.backends.frr.parse import parse
from ferrule.compiler.backends.frr.render import render
from ferrule.compiler.backends.frr.running import Networks as Table
from ferrule.compiler.backends.frr.running import Running


class Intentions:
    """One run over one network. Of what it makes, `config` lacks the `network` lines."""

    def __init__(self, cluster: str) -> None:
        self._cluster = cluster
        self._tables: dict[int, tuple[Networks, Table]] = {}

    def of(self, model: Model) -> Running:
        """As `intend`, at a cost that does not grow with what nodes have in common."""
        bare = render(without_networks(model), with_secrets=True)
        running = parse(bare, self._cluster)
        instances = {
            one.vrf: replace(running.instances[one.vrf], networks=dict(self._networks(one)))
            for one in model.instances
        }
        return replace(running, instances=instances)

    def _networks(self, instance: Instance) -> list[tuple[str, Table]]:
        return [
            (f"{one.family} unicast", self._table(one.networks))
            for one in instance.families
            if one.networks.lines
        ]

    def _table(self, networks: Networks) -> Table:
        """By identity: the value itself is kept, so that it stays what it is."""
        if id(networks) not in self._tables:
            table = {str(one.prefix): f"route-map {one.route_map}" for one in networks.lines}
            self._tables[id(networks)] = (networks, table)
        return self._tables[id(networks)][1]
