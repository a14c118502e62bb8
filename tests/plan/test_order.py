"""After every round of a plan each switch accepts at least what its nodes announce to it."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from hypothesis import assume, given
from plan.worlds import Running, do, found, running
from short import compiled
from strategies import Data, grown, networks

from ferrule.compiler.backends import frr, sonic
from ferrule.compiler.network import Network
from ferrule.compiler.observed import Observed
from ferrule.compiler.pipeline import Compilation
from ferrule.compiler.planning import make_plan


def refused(networks: tuple[Network, ...], there: Running) -> Iterator[str]:
    """Announcements that a switch which has the node as a neighbor would not take."""
    for network in networks:
        for session in network.sessions:
            end, near = session.switch_end, session.node_end
            node, switch = there.get(session.node), there.get(end.switch) if end else None
            if end is None or not isinstance(node, frr.Running) or switch is None:
                continue
            assert isinstance(switch, sonic.Running)
            told = frr.told(node).get((near.vrf, str(near.neighbor or near.interface)), {})
            takes = sonic.find(sonic.accepts(switch), end.vrf, ip_address(str(end.neighbor)))
            for prefix in told:
                if takes and not takes.admits(prefix):
                    yield f"{end.switch} refuses {prefix} of {session.node}"


def follow(before: Compilation, after: Compilation) -> None:
    """Every round in its order; rows that SONiC does not change in place are between two.

    What has left the input is in no plan: it is not there any more.
    """
    left = {one.name for one in after.network.switches}
    left |= {one.name for one in after.network.nodes}
    there = {name: one for name, one in running(before.network).items() if name in left}
    devices = found(after.network, there, before.network)
    for (_, name), seen in devices.items():
        assert isinstance(seen, Observed)
        there[name] = seen.running
    plan = make_plan(after, devices)
    assume(plan.ok)  # another ASN, or another cluster in our place, is refused
    for one in plan.rounds:
        do(there, one.steps)
        if one.phase != "detach":
            assert [*refused((before.network, after.network), there)] == [], one.phase
    again = make_plan(after, found(after.network, there))
    assert not again.changes


@given(networks(), networks())
def test_between_any_two_networks(first: list[Data], second: list[Data]) -> None:
    follow(compiled(first), compiled(second))


@given(grown())
def test_as_a_network_grows_and_shrinks(pair: tuple[list[Data], list[Data]]) -> None:
    base, more = pair
    small, large = compiled(base), compiled([*base, *more])
    follow(small, large)
    follow(large, small)
