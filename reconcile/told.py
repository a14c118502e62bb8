"""Which BGPPeers hear of which Service from this node, and that said in MetalLB's own objects.

A ServiceBGPStatus lists, for one Service and one node, the peers that its prefixes are configured
to be told to; it says nothing of sessions (metallb.md §3.6).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from hashlib import sha256
from http import HTTPStatus

from ferrule.compiler.network import Advertisement, Ears, Prefix
from ferrule.observe.cluster_api import Api
from ferrule.observe.cluster_lists import PAGE, Resource
from ferrule.observe.watch_feed import Page
from ferrule.reconcile.publish import Post

BGP_STATUS = Resource("metallb.io/v1beta1", "ServiceBGPStatus", "servicebgpstatuses")
NODE = "metallb.io/node"
SERVICE = "metallb.io/service-name"
NAMESPACE = "metallb.io/service-namespace"
LONGEST_LABEL = 63


class Told:
    """What the node announces, by Service."""

    def __init__(self) -> None:
        self._told: dict[Prefix, Advertisement] = {}
        self._prefixes: dict[str, set[Prefix]] = defaultdict(set)

    def replace(self, advertisements: Iterable[Advertisement]) -> set[str]:
        """All of it is this now; the Services for which it may be something else."""
        now = {one.prefix: one for one in advertisements}
        gone = dict.fromkeys(self._told.keys() - now.keys())
        return self.update({**gone, **now})

    def update(self, changes: Mapping[Prefix, Advertisement | None]) -> set[str]:
        """Some prefixes are told differently; the Services that have to do with these."""
        touched: set[str] = set()
        for prefix, new in changes.items():
            old = self._told.pop(prefix, None)
            if new is not None:
                self._told[prefix] = new
            if new == old:
                continue
            before, after = (set(one.services) if one else set() for one in (old, new))
            for service in before - after:
                self._prefixes[service].discard(prefix)
                if not self._prefixes[service]:
                    del self._prefixes[service]
            for service in after:
                self._prefixes[service].add(prefix)
            touched |= before | after
        return touched

    def peers(self, service: str, ears: Ears) -> tuple[str, ...]:
        """The BGPPeers that hear of a Service, sorted."""
        classes = [self._told[one].route_class for one in self._prefixes.get(service, ())]
        return tuple(
            sorted(
                {
                    peer
                    for peer, family in ears
                    for one in classes
                    if one.family == family and one.attributes(peer) is not None
                }
            )
        )

    @property
    def services(self) -> Collection[str]:
        """All Services that are told of, as of one moment: another thread may ask."""
        return list(self._prefixes)

    def __contains__(self, service: object) -> bool:
        return service in self._prefixes


def labels(node: str, service: str) -> dict[str, str]:
    """The labels by which MetalLB's status objects are found; a name that is too long for a
    label has none.
    """
    namespace, _, name = service.partition("/")
    found = {NODE: node, SERVICE: name, NAMESPACE: namespace}
    return {key: text for key, text in found.items() if len(text) <= LONGEST_LABEL}


def status_name(kind: str, node: str, service: str) -> str:
    """`bgp-` or `l2-` and a digest: the same object after every restart."""
    return f"{kind}-{sha256(f'{node}/{service}'.encode()).hexdigest()[:20]}"


def there(
    api: Api, resource: Resource, namespace: str, label: str, node: str
) -> Mapping[str, object] | None:
    """What the objects of a kind say of this node, by name; None: the kind is not installed.

    Whoever has said it, an earlier agent too. Raises `ClusterError`.
    """
    query: dict[str, str | int] = {"limit": PAGE}
    if len(node) <= LONGEST_LABEL:
        query["labelSelector"] = f"{label}={node}"
    found: dict[str, object] = {}
    more = ""
    while True:
        asked = {**query, **({"continue": more} if more else {})}
        answer = api.send("GET", resource.path(namespace), query=asked)
        if answer.status == HTTPStatus.NOT_FOUND:
            return None
        page = api.read(Page, answer, str(resource))
        for one in page.items or ():
            status = one.get("status")
            said = status.get("node") if isinstance(status, dict) else None
            if said == node or (said is None and "labelSelector" in query):
                found[one["metadata"]["name"]] = status
        more = page.metadata.more
        if not more:
            return found


def bgp_status(namespace: str, node: str, service: str, peers: Iterable[str]) -> Post:
    """One Service's status from one node."""
    of_namespace, _, name = service.partition("/")
    status = {
        "node": node,
        "serviceName": name,
        "serviceNamespace": of_namespace,
        "peers": list(peers),
    }
    name = status_name("bgp", node, service)
    return Post(BGP_STATUS, namespace, name, status, labels=labels(node, service))
