"""The cluster is called something else: what a node's FRR has under the old name goes on under the
new one, and nothing of the old one stays.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from daemon.ear import Ears
from daemon.flavour import Flavour
from daemon.rig import load
from daemon.test_speaker import FOREIGN, Beside, beside
from ferrule.apply import speaker as speaker_
from ferrule.apply.hand import Run
from ferrule.apply.speaker import Speaker, Synced
from ferrule.apply.target import Trouble
from ferrule.compiler.backends import frr

pytestmark = pytest.mark.daemon

OLD, NEW = "ferrule-prod", "ferrule-next"


@contextmanager
def announcing(flavours: dict[str, Flavour], flavour: str, locks: Path) -> Iterator[Beside]:
    """By the old name, beside somebody else."""
    with beside(flavours, flavour, locks, 20) as one:
        one.speaker.sync(one.intended)
        one.rig.wait()
        assert load(one.node, FOREIGN) == []
        yield one


@pytest.fixture
def node(flavours: dict[str, Flavour], tmp_path: Path) -> Iterator[Beside]:
    with announcing(flavours, "10", tmp_path) as one:
        yield one


def renamed(node: Beside, asn: int = 64512) -> tuple[Speaker, frr.Running]:
    """The speaker of the new name, and what it is to run."""
    network = replace(node.rig.meant.network, cluster="next")
    text = frr.render(frr.lower(network.nodes[0], network), with_secrets=True)
    intended = frr.parse(text.replace("router bgp 64512", f"router bgp {asn}"), "next")
    turns = replace(node.turns, cluster="next")
    return Speaker(turns, node.place, clock=lambda: node.now), intended


def is_all_under_the_new_name(node: Beside, intended: frr.Running) -> None:
    config = node.node.frr.running_config()
    assert OLD not in config
    assert frr.diff(frr.parse(config, "next"), intended).empty
    for line in FOREIGN.splitlines():
        assert line in config


def test_neighbors_hear_nothing_new(
    flavours: dict[str, Flavour], flavour: str, tmp_path: Path
) -> None:
    with announcing(flavours, flavour, tmp_path) as node:
        neighbors_hear_nothing_new(node)


def neighbors_hear_nothing_new(node: Beside) -> None:
    lives, ears = node.lives(), Ears(node.rig.far)
    speaker, intended = renamed(node)
    with closing(speaker):
        assert len(speaker.announced()) == 20
        assert speaker.sync(intended).problems == ()
        is_all_under_the_new_name(node, intended)
        ears.wait_quiet()
        for (
            heard
        ) in ears.heard().values():  # FRR says once more what a map of another name lets out
            assert (heard.announced, heard.withdrawn) == ([], [])
            assert len(heard.repeated) == len(set(heard.repeated))
        assert node.lives() == lives
        node.now += 100
        assert speaker.check() == Synced()


def test_one_that_was_cut_in_the_middle_goes_on(
    node: Beside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also by an agent that was not there when it began."""

    def cut(_: frr.Running) -> None:
        raise Trouble("command-timeout", "node-1", "cut")

    lives = node.lives()
    speaker, intended = renamed(node)
    with closing(speaker), monkeypatch.context() as patched:
        patched.setattr(speaker_, "removed", cut)
        with pytest.raises(Trouble, match="cut"):
            speaker.sync(intended)
        assert {OLD, NEW} == {one for one in (OLD, NEW) if one in node.node.frr.running_config()}
    another, _ = renamed(node)
    with closing(another):
        another.sync(intended)
    is_all_under_the_new_name(node, intended)
    assert node.lives() == lives


STUBBORN = """#!/bin/sh
case "$*" in
*-f*) ;;
*) exec {vtysh} "$@" ;;
esac
text=$(cat)
printf '%s\\n' "$text" | grep -v "^no ip prefix-list ferrule-prod" | {vtysh} "$@"
case "$text" in
*"no ip prefix-list ferrule-prod"*) echo "% Configuration failed." ;;
esac
"""


def test_a_list_that_frr_does_not_take_away_is_left_in_the_end(
    node: Beside, tmp_path: Path
) -> None:
    """It is of no use to anybody, and the rest goes on."""
    lives, program = node.lives(), tmp_path / "vtysh"
    program.write_text(STUBBORN.format(vtysh=shlex.join(node.place.vtysh)))
    program.chmod(0o755)
    node.place = replace(node.place, vtysh=(str(program),))
    speaker, intended = renamed(node)
    with closing(speaker):
        for _ in range(speaker_.MOST_LEFT_OVER):
            with pytest.raises(Trouble, match=r"Configuration failed.*is still to be sent"):
                speaker.sync(intended)
        speaker.sync(intended)
        config = node.node.frr.running_config()
        assert {line.split()[1] for line in config.splitlines() if OLD in line} == {"prefix-list"}
        assert frr.diff(frr.parse(config, "next"), intended).empty
        node.now += 100
        assert speaker.check() == Synced()
    assert node.lives() == lives


def test_a_name_that_comes_back(node: Beside) -> None:
    lives = node.lives()
    speaker, intended = renamed(node)
    with closing(speaker):
        speaker.sync(intended)
    with closing(node.another()) as back:
        back.sync(node.intended)
    assert NEW not in node.node.frr.running_config()
    assert node.is_as_intended()
    assert node.lives() == lives


def test_another_as_at_the_same_time_ends_the_old_one_first(node: Beside) -> None:
    assert load(node.node, "no router bgp 64512\n") == []  # and with it those of others
    node.speaker.sync(node.intended)
    speaker, intended = renamed(node, 64513)
    with closing(speaker):
        speaker.sync(intended)
    config = node.node.frr.running_config()
    assert OLD not in config
    assert "router bgp 64513\n" in config
    assert "router bgp 64512\n" not in config


def test_what_somebody_else_speaks_for_stays_his(node: Beside) -> None:
    """Another installation on the same node, which wants the same neighbors."""
    before = node.node.frr.running_config()
    speaker, intended = renamed(node)
    with closing(speaker):
        speaker._turns = replace(node.turns, cluster="next", run=Run("agent", "another", "now"))  # noqa: SLF001
        found = speaker.sync(intended)
    assert {one.code for one in found.problems} == {"already-there"}
    config = node.node.frr.running_config()
    assert all(line in config for line in before.splitlines())


def test_another_name_while_the_one_before_is_still_taken_over(
    node: Beside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a Cluster is deleted and made anew: for a moment it is called by the default."""

    def cut(_: frr.Running) -> None:
        raise Trouble("command-timeout", "node-1", "cut")

    lives = node.lives()
    speaker, intended = renamed(node)
    with closing(speaker), monkeypatch.context() as patched:
        patched.setattr(speaker_, "removed", cut)
        with pytest.raises(Trouble, match="cut"):
            speaker.sync(intended)
    with closing(node.another()) as back:  # a third name would do as well
        assert len(back.announced()) == 20
        assert back.sync(node.intended).problems == ()
    assert NEW not in node.node.frr.running_config()
    assert node.is_as_intended()
    assert node.lives() == lives
