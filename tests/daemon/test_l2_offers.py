"""What nodes cannot announce, in a cluster: the others know it by the Leases."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter

import pytest

from daemon.cluster_world import SOON_S
from daemon.flavour import wait_for
from daemon.roles import kubeconfig_of_account
from daemon.test_layer2 import LEASES, NAMES, Site, segment, site
from ferrule.reconcile.roll import INTERFACES

pytestmark = pytest.mark.daemon
__all__ = ["segment", "site"]  # fixtures


def begin(site: Site) -> None:
    """Agents that were told of no interface: the uplinks are veth, and are left out."""
    account = str(kubeconfig_of_account(site.segment.plane, "agent", site.world.name))
    for name in NAMES:
        enter = ["ip", "netns", "exec", site.segment.nodes[name]]
        given = ["--kubeconfig", account, "--namespace", site.world.name]
        given += ["--lb-class", site.world.lb_class, "--health-port", "0", "--metrics-port", "9120"]
        given += ["--node-name", site.names[name], "--frr-dir", "/nonexistent"]
        given += ["--vtysh", "false", "--heartbeat-key", str(site.folder / "key")]
        with (site.folder / f"{name}.log").open("ab") as log:
            site.processes[name] = subprocess.Popen(  # noqa: S603
                [*enter, sys.executable, "-m", "ferrule.cli", "agent", *given],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        site.stack.callback(site.end, name, signal.SIGTERM)


def said(site: Site, name: str) -> str:
    """What a node's Lease says."""
    each = site.world.items("leases", LEASES)
    mine = (one for one in each if one["spec"].get("holderIdentity") == site.names[name])
    return "".join(one["metadata"].get("annotations", {}).get(INTERFACES, "") for one in mine)


def test_uplinks_that_are_left_out_are_used_by_what_names_them(site: Site) -> None:
    site.world.pool("others", "198.51.100.1-198.51.100.9", autoAssign=False)
    site.world.apply("L2Advertisement", "all", interfaces=["eth0"], ipAddressPools=["lan"])
    begin(site)
    names = [f"web-{number}" for number in range(3)]
    for name in names:
        site.service(name, ipFamilyPolicy="PreferDualStack", ipFamilies=["IPv4"])
    site.world.served(*names)
    site.settles(NAMES)

    # For what names none they cannot be counted on, and none of them is.
    site.world.apply("L2Advertisement", "others", ipAddressPools=["others"])
    site.service("other", loadBalancerIP="198.51.100.1")
    site.world.served("other")
    for name in NAMES:
        wait_for(lambda n=name: '"/4"' in said(site, n), SOON_S, "it is said")  # type: ignore[misc]
    each = {(name, site.names[site.elected(site.addresses()[name][0])]) for name in names}
    site.tells(Counter(each), 60)
    for name in names:
        first = site.addresses()[name][0]
        assert site.answering(first) == site.elected(first)


def test_who_has_no_ipv6_answers_for_no_ipv6_address(site: Site) -> None:
    for name in NAMES:
        site.agent(name)
    names = [f"web-{number}" for number in range(6)]
    for name in names:
        site.service(name, ipFamilyPolicy="SingleStack", ipFamilies=["IPv6"])
    site.world.served(*names)
    site.settles(NAMES)
    disabled = "net.ipv6.conf.eth0.disable_ipv6"
    enter = ["ip", "netns", "exec", site.segment.nodes["node-1"], "sysctl", "-qw"]
    subprocess.run([*enter, f"{disabled}=1"], check=True)  # noqa: S603
    try:
        site.settles(("node-2", "node-3"))
        assert '"/6"' in said(site, "node-1")
        reasons = site.world.reasons
        wait_for(
            lambda: any("NoLinkLocal" in reasons(name) for name in names), SOON_S, "it is told"
        )
    finally:
        subprocess.run([*enter, f"{disabled}=0"], check=True)  # noqa: S603
