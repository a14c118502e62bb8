"""FRR: the frr.conf fragment of each node.

`lower` settles everything, `render` only spells it; `parse` reads back what is ours, `diff` says
what it takes to get from there to a model, `future` where that leads. The fragment holds what is
ours and nothing else, in the spelling and order of FRR 10's `show running-config`.
"""

from collections.abc import Iterator

from ferrule.compiler.backends.base import Artifact, Line
from ferrule.compiler.backends.frr.diff import diff
from ferrule.compiler.backends.frr.future import future
from ferrule.compiler.backends.frr.impact import impacts
from ferrule.compiler.backends.frr.intentions import Intentions
from ferrule.compiler.backends.frr.lines import Lines
from ferrule.compiler.backends.frr.lower import lower
from ferrule.compiler.backends.frr.parse import intend, parse
from ferrule.compiler.backends.frr.render import Texts, annotate, render
from ferrule.compiler.backends.frr.running import Running
from ferrule.compiler.backends.frr.shared import Shared
from ferrule.compiler.backends.frr.show import clusters, listeners, owned, shown, touched
from ferrule.compiler.backends.frr.told import Memo, told, told_beside
from ferrule.compiler.backends.frrtext import script
from ferrule.compiler.network import Network

__all__ = [
    "Intentions",
    "Lines",
    "Memo",
    "Running",
    "annotate",
    "annotated",
    "artifacts",
    "clusters",
    "diff",
    "future",
    "impacts",
    "intend",
    "listeners",
    "lower",
    "owned",
    "parse",
    "render",
    "script",
    "shown",
    "told",
    "told_beside",
    "touched",
]


def artifacts(network: Network, *, with_secrets: bool = False) -> Iterator[Artifact]:
    """One frr.conf for each node, empty where the node has no session."""
    shared, texts = Shared(network), Texts()
    for node in network.nodes:
        model = lower(node, network, shared)
        yield Artifact(
            node.name,
            f"nodes/{node.name}/frr.conf",
            render(model, with_secrets=with_secrets, texts=texts),
            secret=with_secrets and any(one.value is not None for one in model.passwords),
        )


def annotated(network: Network) -> Iterator[tuple[str, tuple[Line, ...]]]:
    """The lines of every frr.conf with what caused them, by path."""
    shared = Shared(network)
    for node in network.nodes:
        yield f"nodes/{node.name}/frr.conf", annotate(lower(node, network, shared))
