"""How devices are reached: from documents to logins, and to what is said where there is no way."""

from ipaddress import ip_address
from pathlib import Path
from textwrap import dedent

import pytest

from ferrule.apply import reach as reaching
from ferrule.apply.reach import Device, Reach, reach
from ferrule.apply.switch import SwitchFacts
from ferrule.apply.target import Login
from ferrule.apply.vtysh import NodeFacts
from ferrule.compiler.pipeline import compile_network, read_inputs
from ferrule.compiler.source import read

HERE = reaching.own_addresses
NETWORK = """
apiVersion: ferrule.dev/v1alpha1
kind: Switch
metadata: {name: tor-a, namespace: net}
spec:
  asn: 65001
  routerID: 198.51.100.1
  addresses: [198.51.100.1/24, "2001:db8::1/64"]
  release: "202605"
  management: {host: tor-a.example.net, port: 2222, hostKey: ssh-ed25519 AAAA, keyFile: ~/.ssh/tor}
---
apiVersion: metallb.io/v1beta2
kind: BGPPeer
metadata: {name: tor-a, namespace: metallb-system}
spec:
  myASN: 65010
  peerASN: 65001
  peerAddress: 198.51.100.1
  nodeSelectors: [{matchLabels: {rack: a}}]
---
apiVersion: v1
kind: Node
metadata: {name: node-1, labels: {rack: a}}
status:
  addresses:
  - {type: InternalIP, address: 198.51.100.11}
  - {type: InternalIP, address: "2001:db8::11"}
---
apiVersion: v1
kind: Node
metadata: {name: node-2, labels: {rack: b}}
status: {addresses: [{type: InternalIP, address: 198.51.100.12}]}
---
"""
NO_ACCESS = 'no Access selects node "{}": it cannot be reached'
FOR_ALL = "{username: ops, keyFile: ~/.ssh/id, knownHostsFile: known_hosts, port: 222}"
FOR_RACK_A = "{username: root, nodeSelectors: [{matchLabels: {rack: a}}]}"


def access(name: str, spec: str) -> str:
    head = "apiVersion: ferrule.dev/v1alpha1\nkind: Access"
    return f"{head}\nmetadata: {{name: {name}}}\nspec: {spec}\n---\n"


def reached(*documents: str, local: tuple[str, ...] = ()) -> Reach:
    text = NETWORK + "".join(documents)
    compilation = compile_network(read_inputs(read(text, "network.yaml")))
    assert compilation.ok, compilation.diagnostics
    return reach(compilation, local=local)


def device(found: Reach, name: str) -> Device:
    return next(one for one in found.devices if one.facts.name == name)


def node(found: Reach, name: str) -> NodeFacts:
    facts = device(found, name).facts
    assert isinstance(facts, NodeFacts)
    return facts


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """No node is this host."""
    monkeypatch.setattr(reaching, "own_addresses", frozenset)


def test_a_node_is_reached_by_its_access() -> None:
    found = reached(access("all", FOR_ALL))

    assert not found.unreached
    assert [one.key for one in found.devices] == [
        ("node", "node-1"),
        ("node", "node-2"),
        ("switch", "tor-a"),
    ]
    assert device(found, "node-1").login == Login(
        "198.51.100.11", 222, "ops", Path("~/.ssh/id").expanduser(), known_hosts=Path("known_hosts")
    )
    assert node(found, "node-1").vtysh == ("sudo", "-n", "vtysh")


def test_what_a_node_must_be() -> None:
    facts = node(reached(access("all", FOR_ALL)), "node-1")

    assert facts.addresses == (ip_address("198.51.100.11"),)
    assert facts.internal == (ip_address("198.51.100.11"), ip_address("2001:db8::11"))


def test_an_access_with_a_selector_beats_one_without() -> None:
    found = reached(access("all", FOR_ALL), access("rack-a", FOR_RACK_A))

    assert device(found, "node-1").login == Login("198.51.100.11", username="root")
    assert device(found, "node-2").login == Login(
        "198.51.100.12", 222, "ops", Path("~/.ssh/id").expanduser(), known_hosts=Path("known_hosts")
    )


def test_root_needs_no_sudo() -> None:
    found = reached(access("rack-a", FOR_RACK_A))

    assert node(found, "node-1").vtysh == ("vtysh",)


def test_vtysh_has_arguments_and_may_do_without_sudo() -> None:
    spec = '{username: ops, sudo: false, vtysh: "/opt/frr/vtysh -N a b"}'.replace("a b", "'a b'")

    assert node(reached(access("all", spec)), "node-1").vtysh == ("/opt/frr/vtysh", "-N", "a b")


@pytest.mark.parametrize(
    ("jump", "login"),
    {
        "bastion.example.net": Login("bastion.example.net", 22, "ops"),
        "me@bastion:2222": Login("bastion", 2222, "me"),
        "me@192.0.2.1": Login("192.0.2.1", 22, "me"),
        "[2001:db8::1]:2222": Login("2001:db8::1", 2222, "ops"),
        "me@[2001:db8::1]": Login("2001:db8::1", 22, "me"),
        "2001:db8::1": Login("2001:db8::1", 22, "ops"),
    }.items(),
)
def test_jump_hosts(jump: str, login: Login) -> None:
    found = reached(access("all", f"{{username: ops, jumpHost: '{jump}'}}"))

    one = device(found, "node-1").login
    assert one == Login("198.51.100.11", 22, "ops", jump=login)


def test_a_switch_is_reached_by_its_management() -> None:
    one = device(reached(access("all", FOR_ALL)), "tor-a")

    key_file = Path("~/.ssh/tor").expanduser()
    assert one.login == Login(
        "tor-a.example.net", 2222, "admin", key_file, host_key="ssh-ed25519 AAAA"
    )
    assert one.facts == SwitchFacts(
        "tor-a",
        "ferrule",
        (ip_address("198.51.100.1"),),
        (ip_address("198.51.100.1"), ip_address("2001:db8::1")),
        "202605",
        sudo=True,
    )


def switch(management: str) -> str:
    return dedent(f"""\
        apiVersion: ferrule.dev/v1alpha1
        kind: Switch
        metadata: {{name: tor-b, namespace: net}}
        spec:
          asn: 65001
          routerID: 198.51.100.2
          addresses: [198.51.100.2/24]
          nodeSelectors: [{{matchLabels: {{rack: b}}}}]
          management: {{host: tor-b, knownHostsFile: known, {management}}}
        ---
        """)


LOGIN = """
apiVersion: v1
kind: Secret
metadata: {name: login, namespace: net}
stringData: {password: hunter2}
"""


def test_the_password_of_a_switch_is_its_secret_s_and_never_shown() -> None:
    one = device(reached(switch("passwordSecret: {name: login}"), LOGIN), "tor-b")

    assert one.login is not None
    assert one.login.password == "hunter2"  # noqa: S105
    assert "hunter2" not in repr(one)


def test_this_host_by_name() -> None:
    found = reached(access("all", FOR_ALL), local=("node-2",))

    assert device(found, "node-2").login is None
    assert node(found, "node-2").vtysh[-1] == "vtysh"
    assert device(found, "node-1").login is not None


def test_this_host_by_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    here = frozenset({ip_address("198.51.100.12"), ip_address("127.0.0.1")})
    monkeypatch.setattr(reaching, "own_addresses", lambda: here)

    assert device(reached(), "node-2").login is None
    assert device(reached(access("all", FOR_ALL)), "node-2").login is not None


@pytest.mark.parametrize("uid", [0, 1000])
def test_sudo_on_this_host_only_for_who_is_not_root(
    uid: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: uid)
    local = ("node-1", "node-2")

    assert node(reached(local=local), "node-1").vtysh == ("sudo", "-n", "vtysh")[2 * (not uid) :]
    plain = access("rack-a", FOR_RACK_A.replace("root", "root, sudo: false"))
    assert node(reached(plain, local=local), "node-1").vtysh == ("vtysh",)


def test_a_device_that_cannot_be_reached_is_said() -> None:
    found = reached(
        switch("").replace("management: {host: tor-b, knownHostsFile: known, }", "state: present")
    )

    assert [str(one).splitlines()[0] for one in found.unreached.values()] == [
        f"network.yaml:23:18: error[no-access]: {NO_ACCESS.format('node-1')}",
        f"network.yaml:31:18: warning[no-access]: {NO_ACCESS.format('node-2')}, and what it may "
        "still hold of ours is not known",
        'network.yaml:36:18: error[no-access]: Switch "tor-b" has no management: it cannot be '
        "reached (Switch net/tor-b)",
    ]
    assert [one.facts.name for one in found.devices] == ["tor-a"]


REFUSED = {
    "two with a selector": (
        (access("a-1", FOR_RACK_A), access("a-2", FOR_RACK_A), access("all", FOR_ALL)),
        "node-1",
        'ambiguous-access]: node "node-1" is selected by Access "a-1" and "a-2" alike',
    ),
    "two without": (
        (access("all", FOR_ALL), access("every", FOR_ALL)),
        "node-2",
        'ambiguous-access]: node "node-2" is selected by Access "all" and "every" alike',
    ),
    "no jump host": (
        (access("all", "{jumpHost: 'bastion:99999'}"),),
        "node-1",
        'invalid-value]: jumpHost "bastion:99999": not [USER@]HOST[:PORT]',
    ),
    "no vtysh": (
        (access("all", '{vtysh: "vtysh \'"}'),),
        "node-1",
        'invalid-value]: vtysh "vtysh \'": no closing quotation',
    ),
    "only spaces": (
        (access("all", "{vtysh: ' '}"),),
        "node-1",
        'invalid-value]: vtysh " ": no program',
    ),
    "a secret that is not there": (
        (switch("passwordSecret: {name: login}"),),
        "tor-b",
        'secret-missing]: Secret "net/login" of Switch "tor-b" is not in the input',
    ),
    "a secret without a password": (
        (switch("passwordSecret: {name: login}"), LOGIN.replace("password:", "other:")),
        "tor-b",
        'secret-unusable]: Secret "net/login" holds no password that can be used',
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_way(case: str) -> None:
    documents, name, message = REFUSED[case]
    said = {key[1]: str(one) for key, one in reached(*documents).unreached.items()}

    assert message in said[name].splitlines()[0]
    assert "hunter2" not in said[name]


def test_an_ambiguity_cites_both() -> None:
    found = reached(access("all", FOR_ALL), access("every", FOR_ALL))

    assert len(found.unreached["node", "node-1"].places) == 2


def test_a_node_that_is_said_to_be_this_host_and_is_none() -> None:
    found = reached(access("all", FOR_ALL), local=("zebra",))

    assert str(found.unreached["node", "zebra"]) == (
        'input: error[no-access]: --local names "zebra", which is no Node of the input\n'
        "  = help: defined Nodes: node-1, node-2"
    )


def test_a_node_without_addresses_needs_an_access_with_one() -> None:
    bare = "apiVersion: v1\nkind: Node\nmetadata: {name: node-3}\n---\n"

    assert ("node", "node-3") in reached(bare, access("all", FOR_ALL)).unreached
    found = reached(bare, access("all", "{address: node-3.example.net}"))
    assert device(found, "node-3").login == Login("node-3.example.net")


def test_the_addresses_of_this_host_hold_its_loopback() -> None:
    assert ip_address("127.0.0.1") in HERE()
