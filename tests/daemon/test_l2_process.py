"""The process by itself: its first line, lines that are none, an agent that does not read."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterable

import pytest

from daemon.flavour import wait_for
from daemon.l2 import ip
from daemon.l2_world import SECRET, SIXES, VIPS, Agent, world

PROGRAM = [sys.executable, "-m", "ferrule.announce.process"]


def test_an_agent_that_does_not_read_delays_nothing() -> None:
    with world() as one:
        one.start_together()
        agents = one.agents.values()
        for number in range(300):  # each moves an address to and fro: events, and statuses
            names = one.names[number % 3 :][:1]
            for agent in agents:
                agent.own((names, [VIPS[1]]))
                agent.write(b"?\n" * 10)
        for _ in range(10):
            ip(one.client, "neigh", "flush", "dev", "eth0")
            wait_for(lambda: one.known(VIPS[0]), 5, "an answer")
        assert all(agent.process.poll() is None for agent in agents)
        wait_for(lambda: all(agent.hear().get("missed") for agent in agents), 10, "it is counted")
        one.wait_owned()


def test_what_is_no_message_is_counted_and_the_secret_is_in_nothing_that_is_said() -> None:
    with world() as one:
        one.start_together()
        agent = one.agents["node-1"]
        for line in (
            {"kind": "setup", "secrets": [SECRET]},
            {"kind": "own", "groups": [{"scores": {"node-1": "x"}, "addresses": []}]},
            {"kind": "own", "gone": ["192.0.2.999"]},
            {"kind": SECRET},
            {"kind": "members", "members": {"node-1": "here"}, "fresh": True},
            {"kind": "members", "members": "y" * 3_000_000, "fresh": True},
        ):
            agent.say(**line)
        agent.write(b"[" * 100_000 + b"\n")
        wait_for(lambda: agent.hear().get("badLines") == 7, 5, "all are counted")
        assert agent.process.poll() is None
        assert SECRET not in str(agent.status) + str(agent.events)
        assert len(agent.happened("badLine")) == 7
        one.wait_owned()


@pytest.mark.parametrize("first", [b"", b"no JSON\n", b'{"kind":"leave"}\n', b"x" * 3_000_000])
def test_a_first_line_that_sets_nothing_up_ends_it(first: bytes) -> None:
    done = subprocess.run(  # noqa: S603
        PROGRAM, input=first, capture_output=True, check=False, timeout=20
    )
    assert (done.returncode, done.stdout) == (64, b"")
    assert done.stderr.startswith(b"the announcer was not set up: ")
    assert done.stderr.count(b"\n") == 1


def test_without_a_secret_leases_alone_count() -> None:
    """No beats, no socket: who died is followed when its Lease is gone, by who writes its own."""
    with world() as one:
        one.secrets = []
        one.start_together()
        assert [agent.status["beats"] for agent in one.agents.values()] == [False] * 3
        for name in one.names:
            assert "7947" not in one.run_on(name, "ss", "-Hanu")
        vip = VIPS[0]
        victim = one.owner(vip)
        rest = [name for name in one.names if name != victim.name]
        victim.send(signal.SIGKILL)
        for name in rest:
            one.agents[name].roster(rest, fresh=False)
        one.agents[rest[0]].roster(fresh=False)
        assert not any(vip in one.agents[name].owned() for name in rest)
        for name in rest:
            one.agents[name].roster(rest)
        one.wait_owned(by=rest)
        assert one.owner(vip).happened("took")[-1]["from"] == victim.name


def test_a_member_whose_address_is_not_known_is_one_by_its_lease() -> None:
    with world() as one:
        one.start_together()
        for agent in one.agents.values():
            agent.say(kind="members", members=one.four | {"node-9": ""}, fresh=True)
            agent.own((["node-9"], ["192.0.2.190"]))
        wait_for(lambda: all(agent.hear() for agent in one.agents.values()), 5, "a status")
        one.wait_owned()
        assert one.owners("192.0.2.190") == {"192.0.2.190": []}


def test_the_right_to_raw_sockets_is_all_it_needs() -> None:
    only = "-all,+net_raw"
    drop = (f"--bounding-set={only}", f"--inh-caps={only}", "--no-new-privs")
    with world() as one:
        one.first = ("setpriv", *drop)
        one.start_together()
        status = one.run_on("node-1", "cat", f"/proc/{one.agents['node-1'].process.pid}/status")
        assert "CapEff:\t0000000000002000\n" in status
        assert "CapPrm:\t0000000000002000\n" in status
        for vip in (VIPS[0], SIXES[0]):
            wait_for(lambda: one.known(vip) == one.owner(vip).mac, 10, "an answer")  # noqa: B023
        ip(one.agents["node-1"].namespace, "link", "set", "eth0", "down")
        ip(one.agents["node-1"].namespace, "link", "set", "eth0", "up")
        wait_for(lambda: one.agents["node-1"].hear()["state"] != "unable", 10, "it comes back")


@pytest.mark.parametrize(
    ("first", "bind", "code", "said"),
    [
        (
            ("setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw"),
            "192.0.2.1",
            77,
            b"NET_RAW",
        ),
        ((), "192.0.2.77", 71, b"Cannot assign requested address"),
    ],
)
def test_what_it_cannot_do_without_is_one_line_and_a_code(
    first: tuple[str, ...], bind: str, code: int, said: bytes
) -> None:
    with world(1) as one:
        enter = ("ip", "netns", "exec", one.namespaces["node-1"])
        setup = {
            "kind": "setup", "node": "node-1", "cluster": "prod", "bind": bind, "port": 7947,
            "secrets": [SECRET],
        }  # fmt: skip
        done = subprocess.run(  # noqa: S603
            [*enter, *first, *PROGRAM],
            input=json.dumps(setup).encode() + b"\n",
            capture_output=True,
            check=False,
            timeout=20,
        )
        assert done.returncode == code
        assert said in done.stderr
        assert done.stderr.count(b"\n") == 1


def test_excluded_interfaces_are_used_by_what_names_them_and_by_nothing_else() -> None:
    """The uplink is veth here; without a list of interfaces no node has one."""
    with world() as one:
        one.groups = [(one.names, [VIPS[0], SIXES[0]])]
        for name in one.names:
            agent = one.agents[name] = Agent(one, name)
            one.stack.callback(agent.end)
            agent.set_up(interfaces=[])
            agent.roster()
        agents = one.agents.values()

        def own(names: Iterable[str], *addresses: str, interfaces: Iterable[str] = ()) -> None:
            each = [{"address": one, "interfaces": [*interfaces]} for one in addresses]
            group = {"scores": dict.fromkeys(names, 0), "addresses": each}
            for agent in agents:
                agent.say(kind="own", groups=[group])

        def are(state: str, named: list[str]) -> bool:
            return all(_able(agent) == (state, named) for agent in agents)

        wait_for(lambda: are("unable", ["eth0"]), 10, "there is nothing to announce on")
        own(one.names, VIPS[0], SIXES[0], interfaces=["eth0", "eth7"])
        one.wait_owned()
        for vip in (VIPS[0], SIXES[0]):
            wait_for(lambda: one.known(vip) == one.owner(vip).mac, 10, "an answer")  # noqa: B023
        assert not any(agent.hear()["findings"] for agent in agents)
        own(one.names, VIPS[1])
        wait_for(lambda: are("unable", ["eth0", "/4"]), 10, "others may count on them for it")
        own([], VIPS[1])  # as their agents say when they have read that of all Leases
        one.wait_owned()
        assert are("ready", ["eth0", "/4"])
        victim = one.owner(VIPS[0])
        ip(victim.namespace, "link", "set", "eth0", "down")
        one.wait_owned(by=[name for name in one.names if name != victim.name])


def _able(agent: Agent) -> tuple[object, object]:
    status = agent.hear()
    return status.get("state"), status.get("named")


def test_who_has_no_ipv6_owns_no_ipv6_address_and_says_so() -> None:
    with world() as one:
        one.start_together()
        six = SIXES[0]
        agent = one.owner(six)
        rest = [name for name in one.names if name != agent.name]
        one.run_on(agent.name, "sysctl", "-qw", "net.ipv6.conf.eth0.disable_ipv6=1")
        wait_for(lambda: agent.hear()["named"] == ["eth0", "/6"], 5, "it is said")
        assert not agent.owned().keys() & set(SIXES)
        assert {said["code"] for said in agent.hear()["findings"]} == {"no-link-local"}  # type: ignore[attr-defined]
        for each in one.agents.values():  # as its agent says when it has read that of the Lease
            each.own((rest, SIXES))
        one.wait_owned()
        assert one.owner(six).name in rest
        wait_for(lambda: one.known(six) == one.owner(six).mac, 10, "an answer")


def test_beats_go_over_ipv6_where_nodes_have_only_that() -> None:
    with world() as one:
        one.where = one.six
        one.start_together()
        assert one.agents["node-1"].hear()["heard"] == ["node-2", "node-3"]
        victim = one.owner(VIPS[0])
        victim.send(signal.SIGKILL)
        one.wait_owned(by=[name for name in one.names if name != victim.name])
