"""What a switch has heard inside some blocks, and from whom, as its bgpd tells it (8.4 and 10.3).

Without soft-reconfiguration only what was let in is in its table, which is what can be lost.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping

from ferrule.apply.switch import SwitchFacts
from ferrule.apply.target import Argv, Channel, Trouble, failure
from ferrule.apply.vtysh import asking
from ferrule.compiler.errors import quoted
from ferrule.reconcile.switch_cost import Blocks, Heard

BGPD = ("vtysh", "-d", "bgpd")
AT_ONCE = 32  # questions in one command line


def heard(channel: Channel, facts: SwitchFacts, blocks: Blocks) -> Heard:
    """By VRF and prefix, the neighbors that it is heard from."""
    found: dict[str, dict[str, tuple[str, ...]]] = defaultdict(dict)
    asked = [(vrf, block) for vrf, each in blocks.items() for block in each]
    for start in range(0, len(asked), AT_ONCE):
        some = asked[start : start + AT_ONCE]
        argv = (*facts.root, *asking(BGPD, *(_question(*one) for one in some)))
        answer = channel.run(argv)
        if answer.code:
            raise failure(facts.name, argv, answer)
        documents = [*_documents(answer.out)]
        if len(documents) != len(some):
            raise _nonsense(facts, argv)
        for (vrf, _), document in zip(some, documents, strict=True):
            found[vrf] |= _routes(document)
    return found


def _question(vrf: str, block: str) -> str:
    family = "ipv6" if ":" in block else "ipv4"
    return f"show bgp vrf {vrf} {family} unicast {block} longer-prefixes json"


def _documents(text: str) -> Iterator[Mapping[str, object]]:
    """The JSON documents of an answer, one after the other, as far as it is that."""
    decoder, rest = json.JSONDecoder(), text.lstrip()
    while rest:
        try:
            document, end = decoder.raw_decode(rest)
        except ValueError:
            return
        if isinstance(document, dict):
            yield document
        rest = rest[end:].lstrip()


def _routes(document: Mapping[str, object]) -> Mapping[str, tuple[str, ...]]:
    """Of a VRF that bgpd does not know, nothing: it says `warning` and no routes."""
    routes = document.get("routes")
    return {
        prefix: tuple(str(path["peerId"]) for path in paths if "peerId" in path)
        for prefix, paths in (routes.items() if isinstance(routes, dict) else ())
    }


def _nonsense(facts: SwitchFacts, argv: Argv) -> Trouble:
    message = f"{quoted(argv[-1])} is not answered with JSON"
    return Trouble("command-failed", facts.name, message)
