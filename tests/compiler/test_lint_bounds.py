"""Whatever the foreign file is: an answer, in bounded time, and never a secret in it."""

from __future__ import annotations

import json
import time
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lint_pairs import example, running, tables

from ferrule.compiler.lint import Report, lint
from ferrule.compiler.source import MOST_BYTES

CONF = running("fabric", "tor-a")
M4 = "FERRULE_prod_in_tor-a-v4_64512_ipv4_ipv4"
FIRST = f"route-map {M4} permit 8611"
SECONDS = 20.0  # of a busy machine; most take one


def checked(text: str | bytes, file: str = "frr.conf") -> Report:
    started = time.process_time()
    report = lint(example("fabric"), file, text)
    assert time.process_time() - started < SECONDS
    assert report.summary
    assert json.dumps(report.to_json())
    return report


def codes(text: str | bytes, file: str = "frr.conf") -> set[str]:
    return {one.code for one in checked(text, file).diagnostics}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        pytest.param(b"\xff\xfer\x00", "not-text", id="utf-16"),
        pytest.param(b"router bgp \xe9", "not-text", id="latin-1"),
        pytest.param(b"router bgp 1\0", "not-text", id="binary"),
        pytest.param(b"!" * (MOST_BYTES + 1), "too-large", id="too-many-bytes"),
        pytest.param(b"x\n" * 2_000_000, "far-too-long", id="too-many-lines"),
        pytest.param(b"", "far-no-bgp", id="empty"),
        pytest.param(b"router bgp", "far-no-bgp", id="no-as"),
        pytest.param(b"router bgp 1" + b"0" * 5000, "far-no-bgp", id="an-as-without-end"),
        pytest.param(b"kind: Service\nmetadata: {}\n", "far-no-bgp", id="yaml"),
        pytest.param(b'{"BGP_GLOBALS": ', "syntax", id="cut-json"),
        pytest.param(b'{"a": ' * 200 + b"1" + b"}" * 200, "too-deep", id="deep-json"),
        pytest.param(b'{"BGP_GLOBALS": [1], "BGP_NEIGHBOR": 7}', "far-no-bgp", id="other-json"),
        pytest.param(b'{"localhost": {}, "asic0": {}}', "far-no-bgp", id="several-asics"),
    ],
)
def test_what_is_no_configuration(text: bytes, code: str) -> None:
    assert codes(text, "far.json" if text[:1] == b"{" else "frr.conf") == {code}


@pytest.mark.parametrize(
    "line",
    [
        "neighbor",
        "neighbor 198.51.100.11",
        "neighbor 198.51.100.11 remote-as",
        "neighbor 198.51.100.11 timers x y",
        "neighbor 198.51.100.11 ebgp-multihop x",
        "neighbor 198.51.100.11 ttl-security hops",
        "neighbor 198.51.100.11 local-as",
        "neighbor 198.51.100.11 port",
        "no neighbor",
        "neighbor ::::: remote-as 1",
        "bgp listen range x peer-group y",
        "bgp listen range 10.0.0.0/99 peer-group y",
        "bgp listen limit x",
        "bgp router-id x",
        "timers bgp",
        "network",
        "network x",
        "address-family",
        "maximum-paths x",
        "ip prefix-list X permit x",
        "ip prefix-list X seq 99999999999 permit 10.0.0.0/8",
        "ip prefix-list X permit 10.0.0.0/8 ge 999 le 1",
        "access-list 1 permit",
        "access-list 100 permit ip host",
        "access-list X permit 10.0.0.0/8/8",
        "bgp community-list standard X permit",
        "bgp community-list expanded X permit (((",
        "bgp as-path access-list X permit [",
        "route-map X permit 99999999999",
        "route-map X",
        "interface",
        "bfd",
        "router bgp 65001 vrf",
        "profile",
        "peer",
        "exit",
        "end",
    ],
)
def test_a_line_that_is_half_of_one(line: str) -> None:
    for text in (f"{CONF}{line}\n", CONF.replace(" neighbor", f" {line}\n neighbor", 1)):
        checked(text)


@given(st.text())
def test_any_text(text: str) -> None:
    checked(text.encode(errors="surrogatepass"))


@given(st.randoms(use_true_random=False))
def test_a_configuration_with_its_lines_and_words_in_any_order(random: Random) -> None:
    lines = CONF.splitlines()
    for _ in range(random.randrange(1, 8)):
        one, other = random.randrange(len(lines)), random.randrange(len(lines))
        words = lines[one].split(" ")
        random.shuffle(words)
        lines[one], lines[other] = lines[other], " ".join(words)
    checked("\n".join(lines))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    ),
    st.randoms(use_true_random=False),
)
def test_rows_with_anything_in_them(value: object, random: Random) -> None:
    made = tables("fabric", "tor-a")
    table = random.choice(sorted(made))
    row = random.choice(sorted(made[table]))
    place = random.randrange(3)
    if place == 0:
        made[table] = value
    elif place == 1:
        made[table][row] = value
    else:
        names = [*made[table][row], "asn", "local_addr"]
        made[table][row] = dict.fromkeys(names, value)
    checked(json.dumps(made), "config_db.json")


def test_a_value_of_several_words_is_no_statement_of_its_own() -> None:
    made = tables("fabric", "tor-a")
    for row in made["BGP_PEER_GROUP"].values():
        row["local_addr"] = "198.51.100.1\n neighbor 198.51.100.11 shutdown"
        row["name"] = "router bgp 7"
    assert codes(json.dumps(made), "config_db.json") == set()


# What would take for ever.


def entry(*lines: str, seq: int = 5) -> str:
    return f"route-map {M4} permit {seq}\n" + "".join(f" {one}\n" for one in lines)


def test_an_expression_that_tries_everything() -> None:
    evil = "(((a*)*)*)*" * 20 + "([0-9]+)+$"
    lists = ("bgp community-list expanded", "bgp as-path access-list")
    text = "".join(f"{one} EVIL permit {evil}\n" for one in lists)
    checked(text + entry("match community EVIL", "match as-path EVIL") + CONF)


def test_maps_that_call_each_other() -> None:
    loop = "".join(
        f"route-map L{n} permit 10\n call L{(n + 1) % 50}\nroute-map L{n} permit 20\n"
        for n in range(50)
    )
    assert "far-filter-denies" in codes(loop + entry("call L0") + CONF)


def test_maps_that_go_on_and_back() -> None:
    on = "".join(
        entry("on-match next", f"match local-preference {n}", seq=n) for n in range(1, 8000)
    )
    checked(on + CONF)


def test_a_list_that_is_longer_than_anybody_reads() -> None:
    rules = "".join(
        f"access-list LONG seq {n} permit 10.{n >> 8 & 255}.{n & 255}.0/24\n" for n in range(60_000)
    )
    more = entry("match ip address LONG") + "".join(
        entry("match ip address LONG", f"match local-preference {n}", seq=n) for n in range(6, 300)
    )
    assert "far-filter-unknown" in codes(rules + more + CONF)


def test_a_hundred_thousand_prefixes_are_tried() -> None:
    rules = "".join(
        f"ip prefix-list LONG seq {n + 1} deny 10.{n >> 8 & 255}.{n & 255}.{n >> 16}/32\n"
        for n in range(100_000)
    )
    assert codes(rules + entry("match ip address prefix-list LONG") + CONF) == set()


def test_as_many_instances_and_ranges_as_a_file_holds() -> None:
    instances = "".join(
        f"router bgp 65001 vrf Vrf_{n}\n neighbor 198.51.100.11 remote-as 64512\n"
        f" bgp listen range 10.{n >> 8 & 255}.{n & 255}.0/24 peer-group X\n"
        for n in range(20_000)
    )
    assert codes(instances + CONF) == set()


def test_as_many_rows_as_a_file_holds() -> None:
    made = tables("fabric", "tor-a")
    for n in range(3000):
        made["BGP_GLOBALS"][f"Vrf_{n}"] = {"local_asn": "65001"}
        for host in range(5):
            made["BGP_NEIGHBOR"][f"Vrf_{n}|10.0.0.{host}"] = {"asn": "1"}
    assert codes(json.dumps(made), "config_db.json") == set()


# Secrets.


@pytest.mark.parametrize(
    "line",
    [
        "neighbor {} password hunter2",
        "neighbor {} password 8 hunter2",
        "neighbor {} remote-as 1 hunter2-password hunter2",
    ],
)
def test_no_password_is_shown(line: str) -> None:
    group = "FERRULE_prod_tor-a-v4_64512_ipv4"
    report = checked(CONF.replace(f" neighbor {group} remote-as 64512", " " + line.format(group)))
    assert report.diagnostics
    shown = "".join(map(str, report.diagnostics)) + repr(report) + json.dumps(report.to_json())
    assert "hunter2" not in shown


def test_no_password_of_a_row_is_shown() -> None:
    made = tables("fabric", "tor-a")
    for row in made["BGP_PEER_GROUP"].values():
        row |= {"auth_password": "hunter2", "asn": "1"}
    for text in (json.dumps(made), json.dumps(made, indent=1)):
        report = checked(text, "config_db.json")
        assert {one.code for one in report.diagnostics} == {"far-password", "far-remote-as"}
        assert "hunter2" not in "".join(map(str, report.diagnostics)) + repr(report)


def test_what_a_file_says_moves_no_cursor() -> None:
    text = CONF.replace("route-map " + M4 + " in", "route-map \x1b[31mRED\x07 in")
    said = "".join(map(str, checked(text).diagnostics))
    assert "RED" in said
    assert said.replace("\n", "").isprintable()
