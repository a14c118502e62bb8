"""A node's answers taken apart, and the nodes that are refused."""

from dataclasses import replace
from ipaddress import ip_address

import pytest
from scripted import CONFIG, DOCUMENTS, SAID, Scripted

from ferrule.apply.target import SUDO, Answer, Trouble
from ferrule.apply.vtysh import Node, NodeFacts
from ferrule.compiler.backends import frr

FACTS = NodeFacts(
    "node-1",
    "prod",
    (*SUDO, "vtysh"),
    (ip_address("198.51.100.11"),),
    (ip_address("198.51.100.11"), ip_address("192.0.2.11")),
)
END = "-c show bfd peers json"


def reading(answer: Answer, facts: NodeFacts = FACTS) -> Node:
    return Node(Scripted({END: answer}), facts)


def test_everything_that_a_node_says() -> None:
    seen = reading(Answer(0, SAID, "sudo: unable to resolve host node-1\n")).read()

    assert (seen.device, seen.kind, seen.version, seen.warnings) == ("node-1", "node", "10.3", ())
    assert isinstance(seen.running, frr.Running)
    assert seen.running.instances[""].strangers.keys() == {"198.51.100.1"}
    assert seen.state is not None
    session = seen.state.session("default", "198.51.100.1")
    assert session is not None
    assert (session.established, session.bfd) == (True, "down")
    assert sorted(map(str, seen.addresses)) == [
        "127.0.0.1",
        "198.51.100.11",
        "2001:db8::11",
        "fe80::1",
    ]


def test_a_node_without_bfdd_has_no_bfd() -> None:
    said = CONFIG + "".join(DOCUMENTS[:2])
    seen = reading(Answer(1, said, "bfdd is not running\n")).read()

    assert seen.state is not None
    assert len(seen.state.sessions) == 1


def trouble(answer: Answer, facts: NodeFacts = FACTS) -> str:
    with pytest.raises(Trouble) as caught:
        reading(answer, facts).read()
    message = caught.value.message
    assert message.isprintable()
    return f"[{caught.value.code}] {message}"


NO_DAEMON = "Exiting: failed to connect to any daemons.\n"
REFUSED = {
    "[frr-not-running] vtysh reaches no daemon of FRR": Answer(1, "", NO_DAEMON),
    "[frr-not-running] zebra is not running": Answer(1, CONFIG, "zebra is not running\n"),
    "[frr-not-running] bgpd is not running": Answer(
        1, CONFIG + DOCUMENTS[0] + "bgpd is not running\n", ""
    ),
    '[unsupported-release] this FRR does not know "show interface vrf all json": 8.4 is the oldest '
    "that is supported": Answer(1, CONFIG + "% Unknown command: show interface vrf all json\n", ""),
    '[command-failed] "show bgp vrf all neighbors json" is not answered with JSON: BGP is odd today'
    "": Answer(0, CONFIG + DOCUMENTS[0] + "BGP is odd today\n", ""),
    '[command-failed] "show bgp vrf all neighbors json": not what FRR answers': Answer(
        0, CONFIG + DOCUMENTS[0] + "[1]" + DOCUMENTS[2], ""
    ),
    "[command-failed] its running-config cannot be read: invalid literal for int() with base 10: "
    "'1.2.3'": Answer(0, SAID.replace("router bgp 65010", "router bgp 1.2.3"), ""),
    '[command-failed] "show interface vrf all json" is not answered with JSON: '
    + "[" * 80
    + "...": Answer(0, CONFIG + "[" * 100_000, ""),
    '[missing-program] "vtysh" cannot be run there: sudo: vtysh: command not found': Answer(
        1, "", "sudo: vtysh: command not found\n"
    ),
    '[missing-program] "sudo" cannot be run there: sh: 1: sudo: not found': Answer(
        127, "", "sh: 1: sudo: not found\n"
    ),
    '[sudo-refused] sudo does not run "vtysh": sudo: a password is required': Answer(
        1, "", "sudo: unable to resolve host node-1\nsudo: a password is required\n"
    ),
    '[sudo-refused] sudo does not run "vtysh": Sorry, user ops is not allowed to execute '
    "'/usr/bin/vtysh' as root on node-1.": Answer(
        1, "", "Sorry, user ops is not allowed to execute '/usr/bin/vtysh' as root on node-1.\n"
    ),
    '[sudo-refused] sudo does not run "vtysh": ops is not in the sudoers file.': Answer(
        1, "", "ops is not in the sudoers file.\n"
    ),
    "[command-failed] \"sudo -n vtysh -c 'show running-config' -c 'show interface vrf all json' "
    "-c 'show...\" ended with code 3: \\x1b[31mno": Answer(3, "", "\x1b[31mno\n"),
}


@pytest.mark.parametrize("said", REFUSED)
def test_what_a_node_may_say_instead(said: str) -> None:
    assert trouble(REFUSED[said]) == said


def test_another_node() -> None:
    facts = replace(FACTS, addresses=tuple(map(ip_address, ("198.51.100.11", "198.51.100.12"))))

    assert trouble(Answer(0, SAID, ""), facts) == (
        "[wrong-device] this is another device: it has no address 198.51.100.12; its own are "
        "198.51.100.11, 2001:db8::11"
    )


def test_of_the_internal_ips_one_is_enough() -> None:
    facts = replace(FACTS, addresses=(), internal=(ip_address("198.51.100.12"),))

    assert "it has no address 198.51.100.12;" in trouble(Answer(0, SAID, ""), facts)
    reading(Answer(0, SAID, ""), replace(FACTS, addresses=())).read()


def test_what_cannot_be_told_is_said() -> None:
    odd = SAID.replace("version 10.3", "version 7.5")
    facts = replace(FACTS, addresses=(), internal=())

    assert reading(Answer(0, odd, ""), facts).read().warnings == (
        "nothing says which addresses are its own: whether it is the right node is not known",
        'FRR "7.5" is none that Ferrule was tried with: 8.4 to 10.x',
    )
