"""Real daemons in the wild: whatever others have on a node and whatever we want of it.

Each world is walked on a fresh FRR: what others have, the first of ours, more of others, the second
of ours (now and then with a load that is cut), back to what was read before, and away. What others
have is read without any help of ours.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

import pytest
from backends.frr_worlds import World, worlds
from daemon.flavour import Flavour
from daemon.lab import Device, Lab
from daemon.need import refuse, require_flavours
from hypothesis import HealthCheck, Phase, given, reject, settings

from ferrule.compiler.backends import frr
from ferrule.compiler.backends.base import Diff
from ferrule.compiler.backends.frr.model import Model
from ferrule.compiler.backends.frr.router import GLOBALS
from ferrule.compiler.errors import has_errors

pytestmark = pytest.mark.daemon

LINKS = {"rack": ["10.1.0.10/24", "2001:db8:a::10/64"]}
NOTHING = Model()
TAKEN = (
    "Graceful restart configuration changed, reset this peer to take effect",
    "% Echo mode works correctly for IPv4, but only works when the peer is also FRR for IPv6.",
    " Warning: Reset BGP session for tcp-mss value to take effect",
)

Path = tuple[str, ...]


def paths(text: str) -> list[Path]:
    """Every line that says something, with the blocks around it, by indentation alone.

    What others have is told from ours by this, and by nothing that is tested.
    """
    found: list[Path] = []
    around: list[tuple[int, str]] = []
    for line in text.splitlines():
        said = line.strip()
        if said in ("", "!", "end") or said.startswith("exit"):
            continue
        indent = len(line) - len(line.lstrip(" "))
        while around and around[-1][0] >= indent:
            around.pop()
        found.append((*(text for _, text in around), said))
        around.append((indent, said))
    return found


def canonical(name: str) -> str:
    try:
        return str(ip_network(name) if "/" in name else ip_address(name))
    except ValueError:
        return name


def neighbors(*models: Model) -> set[str]:
    return {str(one.name) for model in models for i in model.instances for one in i.neighbors}


def prefixes(*models: Model) -> set[str]:
    return {
        str(line.prefix)
        for model in models
        for instance in model.instances
        for family in instance.families
        for line in family.networks.lines
    }


def about(path: Path) -> str:
    """The neighbor or the prefix that a line is about."""
    words = path[-1].removeprefix("no ").split(" ")
    return canonical(words[1]) if words[0] in ("neighbor", "network") else ""


def is_empty(path: Path) -> bool:
    return path[-1] == "bfd" or path[-1].startswith("address-family ")


def is_global(path: Path) -> bool:
    return path[0].startswith("router bgp") and (len(path) == 1 or path[1].startswith(GLOBALS))


@dataclass
class Walk:
    """One node, and what has been said to it."""

    world: World
    device: Device
    said: list[str] = field(default_factory=list)
    theirs: set[Path] = field(default_factory=set)

    def text(self) -> str:
        return self.device.frr.running_config()

    def running(self) -> frr.Running:
        return frr.parse(self.text(), self.world.cluster)

    def stranger(self, text: str) -> None:
        """What others say; that FRR takes only some of it does not matter."""
        if self.world.notation and self.device.frr.flavour.major != "8":
            header = f"router bgp {self.world.asn}"
            text = text.replace(f"{header}\n", f"{header} as-notation {self.world.notation}\n")
        before = set(paths(self.text()))
        self.device.frr.load(text)
        self.said.append(f"--- others ---\n{text}")
        now = set(paths(self.text()))
        ours = (self.world.first, self.world.second)
        mine = neighbors(*ours) | prefixes(*ours)
        added = {one for one in now - before if about(one) not in mine}
        self.theirs = (self.theirs & now) | added

    def load(self, script: str) -> None:
        answer = self.device.frr.load(script)
        self.said.append(f"--- ours ---\n{script}")
        said = [line for line in answer.lines if line not in TAKEN]
        assert (answer.code, said) == (0, []), (answer.code, said)

    def go_to(
        self,
        goal: Model | frr.Running,
        running: frr.Running | None = None,
        adopt: Collection[str] = (),
    ) -> Diff:
        running = running or self.running()
        diff = frr.diff(running, goal, adopt=adopt)
        if self.text().count("  import vrf ") and {"other-asn"} & {o.code for o in diff.problems}:
            reject()  # others' VRF has made FRR a default instance, of their AS: that is refused
        assert not has_errors(diff.problems), diff.problems
        self.load(frr.script(diff.commands))
        again = frr.diff(self.running(), goal, adopt=self.world.names)
        assert again.changes == (), again.changes
        assert again.empty
        other = frr.diff(self.running(), frr.future(running, diff)).changes
        assert other == (), f"unforeseen: {other}"
        missing = {one for one in self.theirs - set(paths(self.text())) if not is_empty(one)}
        assert not missing, missing
        return diff

    def begin(self, goal: Model, adopt: Collection[str] = ()) -> frr.Running:
        """A load that ends too soon; what was begun is told from the rest by the open run."""
        script = frr.script(frr.diff(self.running(), goal, adopt=adopt).commands)
        lines = script.splitlines(keepends=True)
        self.load("".join(lines[: int(len(lines) * self.world.cut)]))
        want = frr.intend(goal, self.world.cluster)
        return frr.parse(self.text(), self.world.cluster, want, open_run=True)

    def take_over(self) -> None:
        """What others have in the place of ours becomes ours, goes back, and becomes ours."""
        self.stranger(self.world.held)
        before, earlier = self.text(), self.running()
        refused = has_errors(frr.diff(earlier, self.world.first).problems)
        adopted = self.go_to(self.world.first, adopt=self.world.names).adopted
        assert refused == bool(adopted)
        if adopted:
            assert frr.diff(self.running(), self.world.first).changes == ()
            self.go_to(earlier, adopt=adopted)
            self.is_as(before)
            begun = self.begin(self.world.first, adopted)
            self.go_to(earlier if self.world.back else self.world.first, begun, adopted)
            if self.world.back:
                self.is_as(before)
            self.go_to(self.world.first, adopt=adopted)

    def is_as(self, before: str) -> None:
        now, then = (
            sorted(one for one in paths(text) if not is_empty(one))
            for text in (self.text(), before)
        )
        assert now == then, sorted(set(now) ^ set(then))

    def walk(self) -> None:
        self.theirs = set(paths(self.text()))
        self.stranger(self.world.before)
        self.take_over()
        self.stranger(self.world.between)
        self.go_to(self.world.first)
        before, earlier = self.text(), self.running()
        self.go_to(self.world.second)
        self.go_to(earlier)
        self.is_as(before)
        begun = self.begin(self.world.second)
        self.go_to(earlier if self.world.back else self.world.second, begun)
        if self.world.back:
            self.is_as(before)
        self.go_to(NOTHING)
        left = {one for one in set(paths(self.text())) - self.theirs if not is_empty(one)}
        left = {one for one in left if not is_global(one)}
        assert not left, left


@pytest.fixture(scope="module", params=["8", "10"])
def flavour(request: pytest.FixtureRequest) -> Flavour:
    flavours = require_flavours()
    if request.param not in flavours:
        refuse(f"no FRR {request.param} installed")
    return flavours[request.param]


def walked(flavour: Flavour, world: World) -> None:
    with Lab({flavour.major: flavour}) as lab:
        device = lab.device("node", flavour.major, LINKS, f"frr defaults {world.profile}\n")
        walk = Walk(world, device)
        try:
            walk.walk()
        except AssertionError as failure:
            failure.add_note(f"FRR {flavour.version}, cluster {world.cluster}, {world.profile}")
            for said in walk.said:
                failure.add_note(said)
            failure.add_note(f"--- runs ---\n{walk.text()}")
            raise


@settings(max_examples=5, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(worlds())
def test_any_world_is_walked(flavour: Flavour, world: World) -> None:
    walked(flavour, world)


@pytest.mark.soak
@settings(max_examples=300, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(worlds())
def test_many_worlds_are_walked(flavour: Flavour, world: World) -> None:
    walked(flavour, world)
