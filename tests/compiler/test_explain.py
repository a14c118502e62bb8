"""What a code means, and how far a Service gets."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner
from specimens import ADVERTISEMENT, EXTRA, NODE, OBJECTS, SERVICE, Data, documents

from ferrule.cli import main
from ferrule.compiler import explain
from ferrule.compiler.explain import Chain, catalogue, chain
from ferrule.compiler.pipeline import compile_network, read_inputs
from ferrule.compiler.yamltext import documents as documents_of


@pytest.mark.parametrize("name", catalogue())
def test_an_entry_is_a_title_a_reason_an_example_and_a_way_out(name: str) -> None:
    code = catalogue()[name]

    assert len(code.title) <= 90
    assert not code.title.endswith(".")
    assert all(text.rstrip().endswith((".", ")")) for text in (code.why, code.fix))
    is_frr = name.startswith("far-")  # of a foreign frr.conf
    if name not in ("syntax", "aliases") and not is_frr:  # every other example is YAML
        list(documents_of(code.example.replace("...", "x"), marks=False))


def test_a_code_reads_as_a_page() -> None:
    text = str(catalogue()["host-bits"])

    assert text.splitlines()[0] == "host-bits: A CIDR of a pool has host bits"
    assert "For example:\n\n    spec: {addresses: [192.0.2.10/24]}\n\nTo fix it: " in text


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("unknown-pol", 'no code "unknown-pol"; did you mean "unknown-pool"?'),
        ("shop/web", '"shop/web" is no code; to explain a Service or an address, add PATH...'),
        ("192.0.2.10", "is no code; to explain a Service or an address, add PATH..."),
    ],
)
def test_what_is_no_code(what: str, message: str) -> None:
    assert message in explain.unknown(what)


def test_the_command_explains_a_code() -> None:
    text = CliRunner().invoke(main, ["explain", "timers"])
    data = CliRunner().invoke(main, ["explain", "timers", "--output", "json"])
    none = CliRunner().invoke(main, ["explain", "timer"])

    assert text.stdout == f"{catalogue()['timers']}\n"
    assert json.loads(data.stdout)["code"] == "timers"
    assert (none.exit_code, none.stdout) == (1, "")
    assert 'did you mean "timers"?' in none.stderr


# Chains


def of(*changed: Data, what: str = "shop/web", without: str = "") -> Chain:
    """The chain in the network of the specimens, with some objects changed."""
    names = {(one["kind"], one["metadata"]["name"]) for one in changed}
    objects = [*OBJECTS.values(), *EXTRA]
    kept = [
        one
        for one in objects
        if (one["kind"], one["metadata"]["name"]) not in names and one["kind"] != without
    ]
    return chain(compile_network(read_inputs(documents(*kept, *changed))), what)


def but(one: Data, **spec: Any) -> Data:
    """An object with some fields of its spec changed."""
    return {**one, "spec": {**one["spec"], **spec}}


def hops(one: Chain) -> Iterator[str]:
    for hop in one.hops:
        yield f"{'' if hop.ok else 'NO '}{hop.what}: {hop.found}"


def test_a_chain_leads_from_the_service_to_the_switch() -> None:
    whole = of()

    assert whole.whole
    assert list(hops(whole)) == [
        "Service: ports 443, Local",
        "address: 192.0.2.10, 2001:db8:100::10 from pool public",
        "endpoints: on nodes node-1",
        "advertisements: public",
        "nodes: announced by node-1",
        "switch tor-a: accepts 192.0.2.10/32, 2001:db8:100::10/128",
    ]


@pytest.mark.parametrize("what", ["192.0.2.10", "2001:db8:100::10"])
def test_an_address_leads_to_its_service(what: str) -> None:
    assert of(what=what) == of()


@pytest.mark.parametrize(
    ("chain_", "last"),
    [
        (
            of(what="shop/wbe"),
            "NO Service: no Service of ours is called so or has that address;"
            ' did you mean "shop/web"? defined Services: shop/web',
        ),
        (
            of(but(ADVERTISEMENT, serviceSelectors=[{"matchLabels": {"tier": "none"}}])),
            "NO advertisements: those of pool public select other Services, or on layer 2 no node",
        ),
        (
            of(without="BGPAdvertisement"),
            "NO advertisements: none mentions pool public",
        ),
        (
            of(but(ADVERTISEMENT, nodeSelectors=[{"matchLabels": {"rack": "z"}}])),
            "NO nodes: the advertisements select no node",
        ),
        (
            of(
                {
                    **NODE,
                    "status": {
                        **NODE["status"],
                        "conditions": [{"type": "NetworkUnavailable", "status": "True"}],
                    },
                }
            ),
            "NO nodes: every selected node is excluded from load balancing or has no network",
        ),
        (of(without="Switch"), "foreign ends: told to tor-a; what these accept is not known"),
        (of(but(SERVICE, externalTrafficPolicy=5)), "NO spec: it has errors: run ferrule validate"),
    ],
    ids=[
        "no such Service",
        "other Services",
        "no advertisement",
        "no node selected",
        "no network",
        "no switch",
        "errors",
    ],
)
def test_a_chain_ends_where_it_is_broken(chain_: Chain, last: str) -> None:
    assert list(hops(chain_))[-1] == last


def test_a_waiting_service_has_no_address() -> None:
    asking = {
        **SERVICE,
        "metadata": {**SERVICE["metadata"], "annotations": {"metallb.io/address-pool": "publik"}},
        "status": {},
    }

    (_, address) = hops(of(asking))

    assert address.startswith('NO address: there is no IPAddressPool "publik"')
    assert address.endswith("[pool-not-found]")


def test_without_a_healthy_endpoint_it_ends_there() -> None:
    empty = {**OBJECTS["EndpointSlice"], "endpoints": []}

    assert list(hops(of(empty)))[-1] == "NO endpoints: none is ready"


def test_a_chain_prints_and_is_data() -> None:
    one = of(what="nothing")

    assert str(one).splitlines()[1].startswith("  NO  Service: ")
    assert one.to_json()["whole"] is False
