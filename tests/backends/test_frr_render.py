import re
from dataclasses import replace
from pathlib import Path

import pytest
from backends.frr_networks import (
    ADVERTISEMENTS,
    ALL4,
    FAST,
    ONLY_A4,
    PASSWORD,
    PLAIN,
    RICH,
    advertise,
    end,
    network,
    node,
    session,
    switch_session,
)

from ferrule.compiler.backends.frr import annotate, artifacts, lower, render
from ferrule.compiler.backends.frr.render import Texts
from ferrule.compiler.backends.frr.shared import Shared
from ferrule.compiler.network import Advertisement, BfdProfile, Node, Secret, Session

TOR_A = switch_session("tor-a", "leaf-1", end("10.1.0.1"))

SMALL = """\
ip prefix-list ferrule-prod_public_ipv4_32 seq 937891834 permit 192.0.2.0/24 ge 32 le 32
ip prefix-list ferrule-prod_public_ipv4_32 seq 1991648630 permit 198.51.100.7/32
!
route-map ferrule-prod_in deny 10
exit
!
route-map ferrule-prod_out_tor-a_ipv4 permit 37509
 match ip address prefix-list ferrule-prod_public_ipv4_32
 match tag 3036436100
 set community 65000:1 no-export
 set local-preference 200
exit
!
route-map ferrule-prod_out_tor-a_ipv4 deny 65535
exit
!
route-map ferrule-prod_public_ipv4_32_b4fc5684 permit 10
 set tag 3036436100
exit
!
router bgp 65001
 bgp router-id 10.1.0.10
 no bgp default ipv4-unicast
 no bgp network import-check
 neighbor 10.1.0.1 remote-as 65000
 neighbor 10.1.0.1 description leaf-1
 !
 address-family ipv4 unicast
  network 192.0.2.9/32 route-map ferrule-prod_public_ipv4_32_b4fc5684
  neighbor 10.1.0.1 activate
  neighbor 10.1.0.1 route-map ferrule-prod_in in
  neighbor 10.1.0.1 route-map ferrule-prod_out_tor-a_ipv4 out
 exit-address-family
exit
!
"""


def text_of(device: Node, *, with_secrets: bool = False) -> str:
    return render(lower(device, network(device)), with_secrets=with_secrets)


def small(*advertisements: Advertisement, sessions: tuple[Session, ...] = (TOR_A,)) -> Node:
    return node(*sessions, classes=(ALL4,), advertisements=advertisements)


def lines_about(text: str, start: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip().startswith(start)]


def test_a_small_node_reads_like_this() -> None:
    assert text_of(small(advertise("192.0.2.9/32", ALL4))) == SMALL


def test_a_node_without_sessions_is_an_empty_file() -> None:
    assert text_of(node()) == ""


def test_an_instance_without_networks_has_no_gap() -> None:
    before = "  network 192.0.2.9/32 route-map ferrule-prod_public_ipv4_32_b4fc5684\n"
    assert text_of(small()) == SMALL.replace(before, "")


@pytest.mark.parametrize("prefix", ["192.0.2.1/32", "192.0.2.10/32", "198.51.100.7/32"])
def test_one_prefix_more_is_one_line_more(prefix: str) -> None:
    text = text_of(small(advertise("192.0.2.9/32", ALL4), advertise(prefix, ALL4)))
    more = f"  network {prefix} route-map ferrule-prod_public_ipv4_32_b4fc5684\n"
    assert text.replace(more, "", 1) == SMALL


def test_a_new_peer_only_adds_lines() -> None:
    other = session("tor-b", end("10.1.0.2"))
    before = text_of(small(advertise("192.0.2.9/32", ALL4)))
    after = iter(text_of(small(advertise("192.0.2.9/32", ALL4), sessions=(TOR_A, other))).split())
    assert all(word in after for word in before.split())


def test_a_neighbor_says_everything_in_frrs_order() -> None:
    assert lines_about(text_of(RICH), "neighbor 10.9.0.1")[:9] == [
        "neighbor 10.9.0.1 remote-as external",
        "neighbor 10.9.0.1 local-as 65009 no-prepend replace-as",
        "neighbor 10.9.0.1 description tor-b",
        "neighbor 10.9.0.1 port 1790",
        "neighbor 10.9.0.1 ebgp-multihop",
        "neighbor 10.9.0.1 update-source 10.1.0.10",
        "neighbor 10.9.0.1 timers 10 30",
        "neighbor 10.9.0.1 timers connect 5",
        "neighbor 10.9.0.1 graceful-restart",
    ]


def test_an_unnumbered_neighbor_is_an_interface() -> None:
    assert lines_about(text_of(RICH), "neighbor eth2")[:3] == [
        "neighbor eth2 interface remote-as external",
        "neighbor eth2 description fabric",
        "neighbor eth2 graceful-restart",
    ]


def test_a_vrf_is_an_instance_of_its_own() -> None:
    assert lines_about(text_of(RICH), "router bgp") == [
        "router bgp 65001",
        "router bgp 65001 vrf red",
    ]


@pytest.mark.parametrize(
    ("profile", "lines"),
    [
        pytest.param(
            FAST,
            [
                "  detect-multiplier 5",
                "  transmit-interval 150",
                "  receive-interval 100",
                "  passive-mode",
                "  minimum-ttl 250",
            ],
            id="in FRR's order",
        ),
        pytest.param(
            BfdProfile(
                "fast",
                receive_interval_ms=300,
                transmit_interval_ms=300,
                echo_interval_ms=50,
                detect_multiplier=3,
                minimum_ttl=254,
                echo_mode=False,
                passive_mode=False,
                origin=FAST.origin,
            ),
            [],
            id="FRR's own values are not repeated",
        ),
        pytest.param(
            BfdProfile("fast", None, None, 60, None, None, True, False, FAST.origin),  # noqa: FBT003
            ["  echo-mode", "  echo transmit-interval 60", "  echo receive-interval 60"],
            id="an echo interval is two lines",
        ),
    ],
)
def test_a_bfd_profile(profile: BfdProfile, lines: list[str]) -> None:
    text = text_of(node(session("tor-a", end("10.1.0.1", bfd=profile))))
    block = ["bfd", " profile ferrule-prod_fast", *lines, " exit", " !", "exit", "!"]
    assert text.splitlines()[-len(block) :] == block
    assert lines_about(text, "neighbor 10.1.0.1 bfd") == [
        "neighbor 10.1.0.1 bfd",
        "neighbor 10.1.0.1 bfd profile ferrule-prod_fast",
    ]


@pytest.mark.parametrize(
    ("secret", "with_secrets", "shown"),
    [
        pytest.param(PASSWORD, False, PASSWORD.placeholder, id="is a reference"),
        pytest.param(PASSWORD, True, "p4ss!w0rd", id="is itself when asked for"),
        pytest.param(Secret("<secret:a/b>"), True, "<secret:a/b>", id="stays one when unknown"),
    ],
)
def test_a_password(secret: Secret, with_secrets: bool, shown: str) -> None:  # noqa: FBT001
    device = node(session("tor-a", end("10.1.0.1", password=secret)))
    text = text_of(device, with_secrets=with_secrets)
    assert lines_about(text, "neighbor 10.1.0.1 password") == [
        f"neighbor 10.1.0.1 password {shown}"
    ]


# Artifacts.


def test_each_node_has_its_file() -> None:
    found = [*artifacts(network(RICH, node(name="node-2")))]
    assert [(one.device, one.path, one.text) for one in found] == [
        ("node-1", "nodes/node-1/frr.conf", text_of(RICH)),
        ("node-2", "nodes/node-2/frr.conf", ""),
    ]


def test_an_artifact_is_secret_only_when_it_holds_a_password() -> None:
    unknown = node(session("tor-a", end("10.1.0.1", password=Secret("<x>"))), name="node-2")
    whole = network(RICH, unknown)
    assert [one.secret for one in artifacts(whole)] == [False, False]
    assert [one.secret for one in artifacts(whole, with_secrets=True)] == [True, False]


def test_the_text_of_a_shared_table_is_made_once() -> None:
    nodes = [node(TOR_A, name=f"node-{number}") for number in range(2)]
    whole = network(*nodes)
    run, texts = Shared(whole), Texts()
    first, second = (
        texts.of(lower(each, whole, run).instances[0].families[0].networks) for each in nodes
    )
    assert first is second


def test_texts_of_one_run_do_not_mix() -> None:
    texts = Texts()
    for table in (ADVERTISEMENTS, ADVERTISEMENTS[:3], ADVERTISEMENTS[3:]):
        device = node(TOR_A, advertisements=table)
        model = lower(device, network(device))
        assert render(model, texts=texts) == render(model)


# Origins.


def caused_by(device: Node) -> dict[str, str | None]:
    def name(line_origin: object) -> str | None:
        found = re.search(r"'name': '([^']+)'", repr(line_origin))
        return found and found[1]

    return {line.text: name(line.origin) for line in annotate(lower(device, network(device)))}


@pytest.mark.parametrize("device", [RICH, node(), small()], ids=["rich", "empty", "no networks"])
def test_annotated_lines_are_the_text(device: Node) -> None:
    lines = annotate(lower(device, network(device)))
    assert "".join(f"{line.text}\n" for line in lines) == text_of(device)


@pytest.mark.parametrize(
    ("start", "cause"),
    [
        pytest.param("ip prefix-list ferrule-prod_internal_", "internal", id="a list by its pool"),
        pytest.param("  network 192.0.2.10/32 ", "shop/db", id="a prefix by its Service"),
        pytest.param("  network 192.0.2.9/32 ", "shop/web", id="another one by another"),
        pytest.param(" neighbor 10.9.0.1 timers 10 30", "tor-b", id="a neighbor by its peer"),
        pytest.param("  neighbor 10.9.0.1 activate", "tor-b", id="its activation too"),
        pytest.param("route-map ferrule-prod_out_tor-b_ipv4 deny", "tor-b", id="its map too"),
        pytest.param("  detect-multiplier 5", "fast", id="BFD by its profile"),
        pytest.param("router bgp 65001 vrf red", "tenant", id="an instance by its first peer"),
        pytest.param("exit", None, id="an end by nobody"),
    ],
)
def test_a_line_is_caused_by(start: str, cause: str | None) -> None:
    found = {by for text, by in caused_by(RICH).items() if text.startswith(start)}
    assert found == {cause}


def test_only_separators_and_ends_are_caused_by_nobody() -> None:
    nobody = {text.strip() for text, cause in caused_by(RICH).items() if cause is None}
    assert nobody == {"!", "exit", "exit-address-family", "bfd"}


def test_annotated_lines_show_no_password() -> None:
    whole = "\n".join(line.text for line in annotate(lower(RICH, network(RICH))))
    assert PASSWORD.placeholder in whole
    assert PASSWORD.value is not None
    assert PASSWORD.value not in whole


def test_templates_hold_no_more_than_loops_conditions_and_values() -> None:
    folder = Path(__file__).parents[2] / "templates" / "frr"
    for path in folder.glob("*.j2"):
        statements = re.findall(r"{%-? *(\w+)", path.read_text())
        assert {*statements} <= {"for", "endfor", "if", "endif"}


def test_a_class_in_use_nowhere_is_still_there() -> None:
    idle = node(TOR_A, classes=(PLAIN, ONLY_A4), advertisements=())
    used = replace(idle, advertisements=(advertise("192.0.2.9/32", PLAIN),))
    (line,) = {*text_of(used).splitlines()} - {*text_of(idle).splitlines()}
    assert line.startswith("  network 192.0.2.9/32 route-map ")
