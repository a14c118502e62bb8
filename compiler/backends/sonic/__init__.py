"""SONiC: rows of CONFIG_DB for the switches.

`lower` settles everything, `render` only spells it; `parse` reads back what is ours, `diff` says
what it takes to get from there to a model, `future` where that leads, `patches` how it is sent.

Ours are the rows whose name starts with `FERRULE_<cluster>_` and the BGP_NEIGHBOR and
BGP_GLOBALS_LISTEN_PREFIX rows of such a peer group; of BGP_GLOBALS and BGP_GLOBALS_AF only the
fields that our sessions need. No VRF, interface or DEVICE_METADATA row is ever written.

The switch must run in unified mode (`frr_mgmt_framework_config` "true": frrcfgd) on SONiC 202511
or later. The default mode (bgpcfgd) knows neither BFD nor a filter per peer nor maximum-prefix,
and before 202511 each of three defects breaks it: frrcfgd dies on a PREFIX key with a sequence
number, config apply-patch does not read `route_map_in`, and a PREFIX `deny` boots as a permit.
"""

from __future__ import annotations

from collections.abc import Iterator

from ferrule.compiler.backends.base import Artifact, Line
from ferrule.compiler.backends.sonic.accepts import (
    Accepting,
    Accepts,
    accepts,
    find,
)
from ferrule.compiler.backends.sonic.diff import diff
from ferrule.compiler.backends.sonic.future import future
from ferrule.compiler.backends.sonic.impact import impacts
from ferrule.compiler.backends.sonic.live import unlike
from ferrule.compiler.backends.sonic.lower import lower
from ferrule.compiler.backends.sonic.parse import Running, parse
from ferrule.compiler.backends.sonic.render import annotate, render
from ferrule.compiler.backends.sonic.show import clusters, owned, shown, touched
from ferrule.compiler.backends.sonic.steps import patches
from ferrule.compiler.network import Network

__all__ = [
    "Accepting",
    "Accepts",
    "Running",
    "accepts",
    "annotate",
    "annotated",
    "artifacts",
    "clusters",
    "diff",
    "find",
    "future",
    "impacts",
    "lower",
    "owned",
    "parse",
    "patches",
    "render",
    "shown",
    "touched",
    "unlike",
]


def artifacts(network: Network, *, with_secrets: bool) -> Iterator[Artifact]:
    """The file of every switch; `{}` takes everything of ours off it."""
    for switch in network.switches:
        text = render(lower(switch, network), with_secrets=with_secrets)
        yield Artifact(switch.name, f"switches/{switch.name}/config_db.json", text)


def annotated(network: Network) -> Iterator[tuple[str, tuple[Line, ...]]]:
    """The rows of every switch with what caused them, by path."""
    for switch in network.switches:
        yield f"switches/{switch.name}/config_db.json", annotate(lower(switch, network))
