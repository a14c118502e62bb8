"""Members that hold a Lease and do not answer, and how processes take it."""

from daemon.flavour import wait_for
from daemon.l2_world import SIXES, VIPS, world


def test_who_holds_a_lease_and_has_not_begun_hides_no_address() -> None:
    with world() as one:
        one.groups = [((*one.names, "node-9"), [*VIPS, *SIXES])]
        one.start_together()
        first = one.owners()
        for agent in one.agents.values():
            agent.events.clear()
            members = one.four | {"node-9": "192.0.2.99"}
            agent.say(kind="members", members=members, fresh=True, idle=["node-9"])
            agent.own((one.names, ["192.0.2.190"]))
        wait_for(lambda: any(one.owners("192.0.2.190").values()), 5, "they have heard it")
        one.wait_owned()
        assert one.owners() == first
        assert not any("node-9" in str(agent.happened("passed")) for agent in one.agents.values())
