"""One node's FRR kept equal to what is intended: changes, drift, restarts, others' lines, refusals.

The daemons are real; only the clock that says when to compare again is set by hand.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from daemon.ear import Ears, Heard
from daemon.flavour import Flavour, wait_for
from daemon.lab import SESSION_S, Lab
from daemon.rig import Life, Majors, Rig, lives, load
from daemon.shop import GOLD, ONLY_A, PLAIN, SILVER, Labels, Shop, prefix
from ferrule.apply.claim import Record
from ferrule.apply.hand import Run
from ferrule.apply.local import Local
from ferrule.apply.speaker import PERIOD_S, QUIET_S, SOON_S, Place, Speaker, Synced
from ferrule.apply.target import Trouble
from ferrule.apply.vty_lines import Line, lines_of
from ferrule.apply.vty_turn import Turns
from ferrule.compiler.backends import frr

SIZE = 1_000
A, B = "tor-a", "tor-b"
AGENT = Run("agent", "ferrule agent", "2026-01-01T00:00:00Z")
FAMILY = "ipv4 unicast"

pytestmark = pytest.mark.daemon


@dataclass
class Beside:
    """A node, the speaker beside it and what it is to run; the clock stands still."""

    rig: Rig
    locks: Path
    shop: Shop
    now: float = 0.0
    lost: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.node = self.rig.nodes["node-1"]
        router = self.node.frr
        vtysh = router.flavour.command_in(router.name, "vtysh", "-N", router.name)
        self.turns = Turns("node-1", self.cluster, AGENT, self.locks)
        self.place = Place(router.flavour.directories(router.name)[1], tuple(vtysh))
        self.speaker = self.another()

    def another(self) -> Speaker:
        return Speaker(self.turns, self.place, on_loss=self.lost.set, clock=lambda: self.now)

    @property
    def cluster(self) -> str:
        return self.rig.meant.network.cluster

    @property
    def intended(self) -> frr.Running:
        return frr.intend(self.rig.meant.model("node-1"), self.cluster)

    def running(self) -> frr.Running:
        return frr.parse(self.node.frr.running_config(), self.cluster)

    def mean(self, shop: Shop) -> dict[Line, str | None]:
        """Intend something else; the lines that differ."""
        before = lines_of(self.intended)
        self.shop, self.rig.meant = shop, shop.compiled()
        after = lines_of(self.intended)
        gone = dict.fromkeys(before.keys() - after.keys())
        return {**gone, **dict(after.items() - before.items())}

    def later(self, seconds: float = PERIOD_S + 0.1) -> Synced:
        self.now += seconds
        return self.speaker.check()

    def is_as_intended(self) -> bool:
        return frr.diff(self.running(), self.intended).empty

    def lives(self) -> dict[str, dict[str, Life]]:
        return {far: lives(device) for far, device in self.rig.far.items()}

    def come_back(self) -> Synced:
        """As the agent: at once, and again until FRR is there."""
        wait_for(self.lost.is_set, 5, "the end of a daemon is noticed")
        done: list[Synced] = []

        def try_() -> bool:
            with suppress(Trouble):  # until it is there
                done.append(self.speaker.check())
            return bool(done)

        wait_for(try_, SESSION_S, "FRR is there again")
        self.lost.clear()
        return done[0]


@contextmanager
def beside(flavours: dict[str, Flavour], flavour: str, locks: Path, size: int) -> Iterator[Beside]:
    shop = Shop.of(size)
    with Lab(flavours) as lab:
        rig = Rig(lab, Majors(flavour, flavour), shop.compiled())
        for name, device in rig.far.items():
            assert load(device, rig.meant.far_text(name)) == []
        one = Beside(rig, locks, shop)
        try:
            yield one
        finally:
            one.speaker.close()


@pytest.fixture(scope="module")
def node(
    flavours: dict[str, Flavour], flavour: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Beside]:
    with beside(flavours, flavour, tmp_path_factory.mktemp("run"), SIZE) as one:
        done = one.speaker.sync(one.intended)
        assert one.is_as_intended()
        assert len([c for c in done.changes if c.path[-1].startswith("network ")]) == SIZE
        assert (done.drift, done.problems) == ((), ())
        one.rig.wait()
        yield one


@pytest.fixture
def steady(node: Beside) -> Iterator[Beside]:
    """No session notices any of it."""
    before = node.lives()
    yield node
    assert node.lives() == before


def test_what_is_as_intended_is_left_alone(steady: Beside) -> None:
    with closing(steady.another()) as another:
        assert another.sync(steady.intended) == Synced()
    assert steady.later() == Synced()


CHANGES: tuple[tuple[str, int, Labels | None, str, str], ...] = (
    ("one more", SIZE, PLAIN, "new", "new"),
    ("one less", SIZE, None, "end", "end"),
    ("one more for tor-a alone", SIZE + 1, ONLY_A, "new", ""),
    ("to another class", 50, GOLD, "new", "new"),
    ("away from tor-b", 51, ONLY_A, "new", "end"),
)


def test_a_change_is_one_update_to_whom_it_concerns(steady: Beside) -> None:
    ears = Ears(steady.rig.far)
    said: dict[str, list[tuple[str, str]]] = {A: [], B: []}
    for what, number, labels, *hears in CHANGES:
        shop = steady.shop
        lines = steady.mean(shop.drop(number) if labels is None else shop.put(number, labels))
        assert len(lines) == 1, what
        done = steady.speaker.change(lines)
        assert (len(done.changes), done.drift) == (1, ()), what
        assert steady.is_as_intended(), what
        for far, kind in zip((A, B), hears, strict=True):
            said[far] += [(kind, prefix(number))] if kind else []
        ears.wait({far: len(told) for far, told in said.items()})
    ears.wait_quiet()
    for far, heard in ears.heard().items():
        new, end = ([one for kind, one in said[far] if kind == k] for k in ("new", "end"))
        assert heard == Heard(len(said[far]), new, [], end)
    assert steady.later() == Synced()


def test_a_new_class_goes_with_its_first_line(steady: Beside) -> None:
    steady.mean(steady.shop.put(SIZE + 2, SILVER))
    done = steady.speaker.sync(steady.intended)
    assert {one.path[0].split(" ")[0] for one in done.changes} == {"route-map", "router"}
    assert steady.is_as_intended()
    assert steady.turns.record() is None


DRIFT = {
    "a line of ours goes": f"router bgp 64512\naddress-family {FAMILY}\nno network {prefix(7)}",
    "a line of ours becomes another": (
        f"router bgp 64512\naddress-family {FAMILY}\nnetwork {prefix(8)} route-map ferrule-prod_in"
    ),
    "a map of ours goes": "no route-map ferrule-prod_out_tor-a_ipv4",
    "a neighbor of ours loses its map": (
        "router bgp 64512\naddress-family ipv4 unicast\n"
        "no neighbor 198.51.100.1 route-map ferrule-prod_in in"
    ),
}
FOREIGN = """\
route-map theirs permit 10
 set metric 5
exit
ip prefix-list theirs seq 5 permit 192.0.2.0/24
router bgp 64512
 neighbor 198.51.100.99 remote-as 64999
 address-family ipv4 unicast
  network 203.0.113.0/24 route-map theirs
 exit-address-family
exit
"""
AWAY = """\
router bgp 64512
 no neighbor 198.51.100.99
 address-family ipv4 unicast
  no network 203.0.113.0/24
 exit-address-family
exit
no route-map theirs
no ip prefix-list theirs
"""


@pytest.mark.parametrize("what", DRIFT)
def test_drift_in_what_is_ours_is_mended_and_told(steady: Beside, what: str) -> None:
    assert steady.node.frr.load(DRIFT[what] + "\n").code == 0
    assert not steady.is_as_intended()
    done = steady.later()
    assert done.drift
    assert done.changes == done.drift
    assert steady.is_as_intended()
    assert steady.later() == Synced()


def test_a_change_that_somebody_takes_back_is_mended(steady: Beside) -> None:
    """Then the node says again exactly what it said before the change."""
    assert steady.later().changes == ()
    number = SIZE + 7
    assert steady.speaker.change(steady.mean(steady.shop.put(number))).changes
    block = f"router bgp 64512\naddress-family {FAMILY}\n"
    assert load(steady.node, f"{block}no network {prefix(number)}\n") == []
    assert [one.path[-1] for one in steady.later().drift] == [f"network {prefix(number)}"]
    assert steady.is_as_intended()


def test_lines_of_others_stay(steady: Beside) -> None:
    before = steady.node.frr.running_config()
    assert load(steady.node, FOREIGN) == []
    theirs = steady.node.frr.running_config()
    assert steady.later().changes == ()
    assert steady.speaker.change(steady.mean(steady.shop.put(SIZE + 3))).changes
    assert steady.speaker.change(steady.mean(steady.shop.drop(SIZE + 3))).changes
    assert steady.later().changes == ()
    assert steady.node.frr.running_config() == theirs
    assert load(steady.node, AWAY) == []
    assert steady.node.frr.running_config() == before
    assert steady.later().changes == ()


def test_a_prefix_that_others_have_is_told_and_the_rest_goes_on(steady: Beside) -> None:
    taken, free = prefix(SIZE + 4), prefix(SIZE + 5)
    block = f"router bgp 64512\naddress-family {FAMILY}\n"
    assert load(steady.node, f"{block}network {taken}\n") == []
    steady.later()
    done = steady.speaker.change(steady.mean(steady.shop.put(SIZE + 4).put(SIZE + 5)))
    assert [one.path[-1] for one in done.changes] == [f"network {free}"]
    assert [(one.code, taken in one.message) for one in done.problems] == [("already-there", True)]
    assert steady.later().problems == done.problems
    assert load(steady.node, f"{block}no network {taken}\n") == []
    assert [one.path[-1] for one in steady.later().changes] == [f"network {taken}"]
    assert steady.is_as_intended()


@pytest.mark.parametrize(
    "hostile",
    [
        "192.0.2.300/32",
        f"{prefix(3)} backdoor",
        f"{prefix(3)}\nno router bgp 64512\nnetwork {prefix(3)}",
    ],
)
def test_a_line_that_is_refused_is_quoted_and_all_others_are_in_order(
    steady: Beside, hostile: str
) -> None:
    value = lines_of(steady.intended)["", FAMILY, prefix(20)]
    good = {("", FAMILY, prefix(SIZE + 20 + one)): value for one in range(10)}
    lines = {**dict([*good.items()][:5]), ("", FAMILY, hostile): value, **good}
    with pytest.raises(Trouble) as caught:
        steady.speaker.change(lines)
    assert caught.value.code == "command-failed"
    assert hostile.splitlines()[0] in caught.value.message
    assert caught.value.message.isprintable()
    assert good.keys() <= lines_of(steady.running()).keys()
    assert steady.speaker.sync(steady.intended).changes  # the ten go again
    assert steady.is_as_intended()


def test_while_a_run_has_the_lock_nothing_is_changed(steady: Beside) -> None:
    more = steady.mean(steady.shop.put(SIZE + 6))
    for name in ("lock", "work"):
        file = os.open(steady.locks / name, os.O_RDWR | os.O_CREAT)
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(Trouble) as caught:
            steady.speaker.change(more)
        os.close(file)
        assert caught.value.code == "locked"
        assert ("", FAMILY, prefix(SIZE + 6)) not in lines_of(steady.running())
    assert steady.speaker.change(more).changes
    assert steady.is_as_intended()


def test_a_run_that_waits_to_be_confirmed_is_waited_for(steady: Beside) -> None:
    armed = steady.locks / steady.cluster / "confirm" / "armed"
    armed.parent.mkdir(parents=True)
    armed.write_text("run-7")
    with pytest.raises(Trouble, match="run-7") as caught:
        steady.speaker.sync(steady.intended)
    assert caught.value.code == "unconfirmed"
    armed.unlink()
    assert steady.speaker.sync(steady.intended) == Synced()


def test_sessions_and_what_they_count(node: Beside) -> None:
    by_name = {one.state.neighbor: one for one in node.speaker.sessions()}
    assert by_name.keys() == {"198.51.100.1", "203.0.113.1"}
    shown = node.node.frr.show_json("show bgp neighbors")
    for name, one in by_name.items():
        assert one.state.established
        assert one.port == shown[name]["portForeign"]
        assert one.state.sent["ipv4"] == len(node.rig.heard(A if name.startswith("198") else B))
        stats = shown[name]["messageStats"]
        assert one.messages.opens_sent == stats["opensSent"] == 1
        assert one.messages.updates_sent == stats["updatesSent"] > 0
        assert one.messages.route_refresh_received == stats["routeRefreshRecv"]
        assert 0 < one.messages.keepalives_received <= stats["keepalivesRecv"]
        assert 0 < one.messages.total_sent <= stats["totalSent"]
        assert one.bfd is None


@pytest.mark.parametrize(
    ("daemon", "how"),
    [("bgpd", "killed"), ("bgpd", "stopped"), ("bfdd", "killed"), ("zebra", "killed")],
)
def test_a_daemon_that_starts_anew_is_loaded_again(node: Beside, daemon: str, how: str) -> None:
    node.node.frr.stop(daemon, hard=how == "killed")
    wait_for(node.lost.is_set, 5, f"the end of {daemon} is noticed")
    with pytest.raises(Trouble, match=daemon) as caught:
        node.speaker.sync(node.intended)
    assert caught.value.code == "frr-not-running"
    node.node.frr.start(daemon)
    done = node.come_back()
    assert bool(done.changes) == (daemon == "bgpd")
    assert done.drift == ()
    assert node.is_as_intended()
    node.rig.wait()
    assert node.later(SOON_S + 0.1) == Synced()


def test_a_load_that_was_cut_is_finished(node: Beside) -> None:
    """A neighbor without its maps is ours while the record of a load is open."""
    before = Record(AGENT, node.node.frr.running_config()).text()
    record = node.locks / node.cluster / "run.json"
    record.write_text(before)
    cut = "router bgp 64512\nno neighbor 203.0.113.1\nneighbor 203.0.113.1 remote-as 65002\n"
    assert load(node.node, cut) == []
    with closing(node.another()) as another:
        done = another.sync(node.intended)
    assert done.problems == ()
    assert node.is_as_intended()
    assert not record.exists()
    node.rig.wait()
    node.later()


def test_all_is_taken_back_in_one_go(node: Beside) -> None:
    before = node.lives()
    theirs = f"router bgp 64512\naddress-family {FAMILY}\nnetwork 203.0.113.0/24\n"
    assert load(node.node, theirs) == []
    own = lines_of(node.running())
    done = node.speaker.withdraw()
    assert {one.path[-1] for one in done.changes} == {f"network {one[2]}" for one in own}
    for far in (A, B):
        node.rig.wait_heard(far, {})
    assert node.lives() == before
    running = node.running()
    assert lines_of(running) == {}
    assert running.instances[""].taken == {FAMILY: {"203.0.113.0/24": ""}}
    assert running.instances[""].neighbors == node.intended.instances[""].neighbors
    assert load(node.node, theirs.replace("network", "no network")) == []
    assert len(node.speaker.sync(node.intended).changes) == len(own)
    node.rig.wait()


# A node of its own for each.


@pytest.fixture
def fresh(flavours: dict[str, Flavour], flavour: str, tmp_path: Path) -> Iterator[Beside]:
    with beside(flavours, flavour, tmp_path, 20) as one:
        yield one


def test_another_as_is_one_trouble_and_nothing_is_sent(fresh: Beside) -> None:
    node = fresh
    assert load(node.node, "router bgp 64999\n neighbor 198.51.100.99 remote-as 64998\n") == []
    before = node.node.frr.running_config()
    with pytest.raises(Trouble, match="64999") as caught:
        node.speaker.sync(node.intended)
    assert caught.value.code == "other-asn"
    assert node.node.frr.running_config() == before


@pytest.mark.parametrize("save", [True, False], ids=["saved", "not saved"])
def test_what_frr_starts_with_is_what_was_saved(fresh: Beside, save: bool) -> None:  # noqa: FBT001
    """As on a host, where FRR starts before the agent does."""
    node, router = fresh, fresh.node.frr
    file = router.flavour.directories(router.name)[0] / "frr.conf"
    file.touch()
    os.chown(file, *router.flavour.owner)
    node.place = replace(node.place, save=save)
    with closing(node.another()) as first:
        first.sync(node.intended)
        first.change(node.mean(node.shop.put(30, GOLD)))
        node.now += PERIOD_S + QUIET_S
        first.check()
    router.stop("bgpd", hard=True)
    router.start("bgpd")
    boot = Local(node.node.name).run((*node.place.vtysh, "-b"))
    assert boot.code == 0, boot
    assert node.is_as_intended() == save
    with closing(node.another()) as second:
        assert bool(second.sync(node.intended).changes) != save
    assert node.is_as_intended()


def test_a_password_is_in_no_message(fresh: Beside) -> None:
    """One that is too long for FRR (80 characters), so that it is refused."""
    node = fresh
    secret = "hunter2" * 20
    line = " neighbor 198.51.100.1 remote-as 65001\n"
    text = node.rig.meant.text("node-1")
    assert line in text
    text = text.replace(line, f"{line} neighbor 198.51.100.1 password {secret}\n")
    with pytest.raises(Trouble, match="password") as caught:
        node.speaker.sync(frr.parse(text, node.cluster))
    assert "hunter2" not in caught.value.message
    done = node.speaker.sync(node.intended)
    assert "hunter2" not in repr((done, node.speaker))
    assert node.is_as_intended()


def test_nothing_of_it_is_left_behind(fresh: Beside) -> None:
    node = fresh
    before, threads = held(), threading.active_count()
    speaker = node.another()
    speaker.sync(node.intended)
    speaker.change(node.mean(node.shop.put(30, GOLD)))
    speaker.close()
    wait_for(lambda: threading.active_count() == threads, 5, "the thread ends")
    assert held() == before


def held() -> tuple[set[str], int]:
    """The processes and the number of files that are ours."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return {*children}, len([*Path("/proc/self/fd").iterdir()])
