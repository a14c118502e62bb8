"""Lines between the agent and the process: whatever comes is a message or refused."""

import json
from base64 import b64encode
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferrule.announce import control
from ferrule.announce.control import LONGEST_LINE, ControlError, Leave, Lines, Own, Roster, Setup

SETUP = {
    "kind": "setup", "node": "node-1", "cluster": "prod", "bind": "192.0.2.1", "port": 7947,
    "secrets": [b64encode(b"a secret").decode()], "interfaces": ["eth0"], "excluded": None,
}  # fmt: skip
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=6,
)


def read(**message: object) -> control.Message:
    return control.read(json.dumps(message).encode())


def test_a_setup() -> None:
    one = read(**SETUP)
    assert isinstance(one, Setup)
    assert (one.node, one.bind, one.port, one.interfaces, one.excluded) == (
        "node-1", "192.0.2.1", 7947, ("eth0",), None,
    )  # fmt: skip
    assert len(one.keys) == 1
    bare = read(**(SETUP | {"secrets": [], "excluded": ["^veth"]}))
    assert isinstance(bare, Setup)
    assert (bare.keys, bare.excluded) == ((), ("^veth",))


def test_a_roster() -> None:
    one = read(kind="members", members={"node-1": "192.0.2.1", "node-2": ""}, fresh=False)
    assert one == Roster({"node-1": "192.0.2.1", "node-2": ""}, fresh=False)
    one = read(kind="members", members={"node-1": ""}, fresh=True, idle=["node-1"])
    assert one == Roster({"node-1": ""}, fresh=True, idle=frozenset({"node-1"}))


@pytest.mark.parametrize("odd", ["", "x" * 254, "\u00e9" * 127])
def test_a_name_that_is_none_hides_no_others(odd: str) -> None:
    one = read(kind="members", members={odd: "192.0.2.9", "node-1": ""}, fresh=True)
    assert one == Roster({"node-1": ""}, fresh=True)


def test_addresses_that_are_set_and_gone() -> None:
    group = {
        "scores": {"node-1": 0, "node-2": 5},
        "addresses": [
            {"address": "192.0.2.10"},
            {"address": "2001:DB8::a", "electedBy": "192.0.2.10", "interfaces": ["eth1"]},
        ],
    }
    one = read(kind="own", groups=[group], gone=["192.0.2.11"])
    assert isinstance(one, Own)
    four, six = one.entries
    assert (four.address, four.elected_by) == (IPv4Address("192.0.2.10"),) * 2
    assert (six.address, six.elected_by) == (IPv6Address("2001:db8::a"), four.address)
    assert six.interfaces == frozenset({"eth1"})
    assert six.group.scores == {"node-1": 0, "node-2": 5}
    assert one.gone == (IPv4Address("192.0.2.11"),)
    assert read(kind="own") == Own(())
    assert read(kind="leave") == Leave()


@pytest.mark.parametrize(
    "change",
    [
        {"node": ""}, {"node": "x" * 254}, {"node": None}, {"port": 0}, {"port": "7947"},
        {"port": 1 << 16}, {"bind": "here"}, {"bind": 5}, {"secrets": "YQ=="}, {"secrets": ["?"]},
        {"excluded": ["("]}, {"interfaces": "eth0"}, {"interfaces": [1]}, {"cluster": 7},
    ],
)  # fmt: skip
def test_a_bad_setup_is_refused_and_says_nothing_of_it(change: dict[str, object]) -> None:
    with pytest.raises(ControlError) as refused:
        read(**(SETUP | change))
    assert str(SETUP["secrets"]) not in str(refused.value)


FIELDS = (
    *SETUP.keys(), "members", "fresh", "idle", "groups", "gone", "scores", "addresses", "electedBy",
    "address",
)  # fmt: skip


@given(
    st.sampled_from(["setup", "members", "own", "leave", "other"]),
    st.dictionaries(st.sampled_from(FIELDS), VALUES),
)
def test_any_message_is_read_or_refused(kind: str, fields: dict[str, object]) -> None:
    with suppress(ControlError):
        read(**(fields | {"kind": kind}))
    group = {"scores": {"node-1": 0}, "addresses": [{"address": "192.0.2.10"}]}
    with suppress(ControlError):
        read(kind="own", groups=[group | fields])
    with suppress(ControlError):
        read(kind="own", groups=[group | {"addresses": [{"address": "192.0.2.10"} | fields]}])


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with suppress(ControlError):
        control.read(data)


@pytest.mark.parametrize("address", ["fe80::1%eth0", "192.0.2.0/24", "", 5, None])
def test_what_is_no_address_to_announce_is_refused(address: object) -> None:
    with pytest.raises(ControlError):
        read(kind="own", gone=[address])
    with pytest.raises(ControlError):
        read(kind="own", groups=[{"scores": {}, "addresses": [{"address": address}]}])


def test_depth_is_no_way_to_end_it() -> None:
    with pytest.raises(ControlError):
        control.read(b"[" * 100_000)


@given(st.lists(st.binary(max_size=8).filter(lambda one: b"\n" not in one)), st.data())
def test_lines_are_the_same_however_they_come(lines: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(one + b"\n" for one in lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=5)))
    feeder, found = Lines(), list[bytes | None]()
    for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        found += feeder.feed(whole[start:end])
    assert found == lines


def test_a_line_without_end_is_one_bad_line_and_not_held() -> None:
    feeder, found = Lines(), list[bytes | None]()
    for _ in range(LONGEST_LINE // 1000 * 3):
        found += feeder.feed(b"x" * 1000)
        assert len(feeder._rest) <= LONGEST_LINE  # noqa: SLF001  # what is under test
    assert [*found, *feeder.feed(b"xx\n{}\n")] == [None, b"{}"]
