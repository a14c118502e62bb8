"""How the sessions of a node do, said in the objects that frr-k8s has for that.

A BGPSessionState tells of one neighbor of one node what FRR says of it, in FRR's own words:
`bgpStatus` is `Established`, `Active` and so on, `bfdStatus` `Up`, `Down`, `Admin Down`, or `N/A`
where there is no BFD. frr-k8s (0.0.21) calls the default VRF by an empty name, and an IPv6 address
is spelled in full with dashes, as a label cannot hold a colon. While FRR does not answer, nobody
knows: `Unknown`, as FRR itself calls it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv6Address, ip_address

from ferrule.apply.vty_state import Session
from ferrule.compiler import network
from ferrule.observe.cluster_lists import Resource
from ferrule.reconcile.publish import Post
from ferrule.reconcile.told import LONGEST_LABEL, status_name

SESSION_STATE = Resource("frrk8s.metallb.io/v1beta1", "BGPSessionState", "bgpsessionstates")
GROUP = "frrk8s.metallb.io"
NODE = f"{GROUP}/node"
WITHOUT_BFD = "N/A"
UNKNOWN = "Unknown"


def posts(
    namespace: str,
    node: str,
    intended: Iterable[network.Session],
    known: Iterable[Session] | None,
) -> Iterator[Post]:
    """One for each session that is intended; those of others on the same FRR are not ours to tell.

    `known` is what FRR says, None where it does not answer.
    """
    said = {(one.state.vrf, one.state.neighbor): one for one in known or ()}
    for end in (one.node_end for one in intended):
        name = str(end.neighbor) if end.neighbor is not None else end.interface or ""
        yield _post(namespace, node, end.vrf, name, said.get((end.vrf, name)))


def _post(namespace: str, node: str, vrf: str, name: str, session: Session | None) -> Post:
    peer = spelled(name)
    labels = {"node": node, "peer": peer, "vrf": vrf}
    status = {
        **labels,
        "bgpStatus": session.state.state if session else UNKNOWN,
        "bfdStatus": (session.bfd_status or WITHOUT_BFD) if session else UNKNOWN,
    }
    return Post(
        SESSION_STATE,
        namespace,
        status_name("session", node, f"{vrf}/{peer}"),
        status,
        labels={
            f"{GROUP}/{key}": text for key, text in labels.items() if len(text) <= LONGEST_LABEL
        },
    )


def spelled(neighbor: str) -> str:
    """A neighbor as a label can hold it; an interface keeps its name."""
    try:
        address = ip_address(neighbor)
    except ValueError:
        return neighbor
    return address.exploded.replace(":", "-") if isinstance(address, IPv6Address) else neighbor
