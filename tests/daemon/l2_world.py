"""A cluster on a real segment: nodes that announce and serve, clients that notice.

Two bridges with a trunk between them are the segment; nodes are on either side in turn. Traffic to
an announced address is translated by nft to an endpoint on the very node that it reached, as
kube-proxy does: so what a client is told is who it talked to. The agent's part is played here: who
holds a Lease, and what there is to announce.
"""

import base64
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from daemon.flavour import execute, wait_for
from daemon.l2 import ip, mac_of, neighbor, poke, require_segment
from daemon.lab import Lab
from ferrule.announce.wire import mac_text

HERE = Path(__file__).parent
VIPS = [f"192.0.2.{number}" for number in range(101, 107)]
SIXES = [f"2001:db8::1:{number:x}" for number in range(1, 4)]
SECRET = base64.b64encode(b"a secret of the tests").decode()
PORT = 7947
_DISABLED, _FORWARDING = "0", "3"  # states of a bridge's port (linux/if_bridge.h)
_NAT = """
table inet service {{
  chain before {{
    type nat hook prerouting priority dstnat
    ip daddr != {four} tcp dport 80 dnat ip to {four}:8080
    ip daddr != {four} udp dport 7 dnat ip to {four}:7007
    ip6 daddr != {six} tcp dport 80 dnat ip6 to [{six}]:8080
    ip6 daddr != {six} udp dport 7 dnat ip6 to [{six}]:7007
  }}
}}
"""

Groups = Sequence[tuple[Iterable[str], Iterable[str]]]  # candidates and addresses


class Agent:
    """One process in a namespace, spoken to as the agent does."""

    def __init__(self, world: "World", name: str, *first: str) -> None:
        self.world, self.name, self.namespace = world, name, world.namespaces[name]
        self.mac = mac_text(mac_of(self.namespace))
        enter = ("ip", "netns", "exec", self.namespace)
        self.process = subprocess.Popen(  # noqa: S603
            [*enter, *first, sys.executable, "-m", "ferrule.announce.process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self.process.stdout is not None
        os.set_blocking(self.process.stdout.fileno(), False)
        self.status: dict[str, object] = {}
        self.events: list[dict[str, object]] = []
        self._rest = b""

    def set_up(self, **changes: object) -> None:
        """The first line; until it is told who is there, it only listens."""
        setup = {
            "node": self.name, "cluster": "prod", "bind": self.world.where[self.name], "port": PORT,
            "secrets": self.world.secrets, "interfaces": ["eth0"],
        }  # fmt: skip
        self.say(kind="setup", **(setup | changes))

    def begin(self, **changes: object) -> None:
        """As an agent that has just read everything."""
        self.set_up(**changes)
        self.roster()
        self.own(*self.world.groups)

    def roster(self, members: Iterable[str] | None = None, *, fresh: bool = True) -> None:
        names = self.world.names if members is None else members
        where = {name: self.world.where[name] for name in names}
        self.say(kind="members", members=where, fresh=fresh)

    def own(self, *groups: tuple[Iterable[str], Iterable[str]], gone: Iterable[str] = ()) -> None:
        said = [
            {
                "scores": dict.fromkeys(names, 0),
                "addresses": [{"address": one} for one in addresses],
            }
            for names, addresses in groups
        ]
        self.say(kind="own", groups=said, gone=list(gone))

    def say(self, **message: object) -> None:
        self.write(json.dumps(message).encode() + b"\n")

    def write(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def hear(self) -> dict[str, object]:
        """What it said; returns its newest status."""
        assert self.process.stdout is not None
        *lines, self._rest = (self._rest + (self.process.stdout.read() or b"")).split(b"\n")
        for one in lines:
            said = json.loads(one)
            if said["kind"] == "status":
                self.status = said
            else:
                self.events.append(said)
        return self.status

    def owned(self) -> dict[str, list[str]]:
        owned = self.hear().get("owned", {})
        assert isinstance(owned, dict)
        return owned

    def happened(self, *what: str) -> list[dict[str, object]]:
        self.hear()
        return [one for one in self.events if one["what"] in what]

    def send(self, number: signal.Signals) -> None:
        os.kill(self.process.pid, number)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


@dataclass(frozen=True)
class Measured:
    """What a client saw: when it asked, and who answered; the empty string is nobody."""

    asked: list[tuple[float, str]]

    @property
    def lost(self) -> int:
        return sum(not who for _, who in self.asked)

    @property
    def outage_ms(self) -> float:
        """The longest time from a question that was answered to the next that was."""
        answered = [at for at, who in self.asked if who]
        gaps = ((later - at) * 1000 for at, later in pairwise(answered))
        return max(gaps, default=float("inf"))

    @property
    def order(self) -> list[str]:
        """Who answered, one after another."""
        names = [who for _, who in self.asked if who]
        return names[:1] + [later for one, later in pairwise(names) if one != later]


class World:
    """`agents` by name; `client` and `far` are the namespaces of clients on either side."""

    def __init__(self, lab: Lab, stack: ExitStack, size: int) -> None:
        self.lab, self.stack = lab, stack
        self.names = tuple(f"node-{number}" for number in range(1, size + 1))
        self.four = {name: f"192.0.2.{number}" for number, name in enumerate(self.names, 1)}
        self.six = {name: f"2001:db8::{number}" for number, name in enumerate(self.names, 1)}
        self.where = self.four  # by which addresses nodes know each other
        self.secrets = [SECRET]
        self.first: tuple[str, ...] = ()  # what processes are started through
        self.groups: Groups = [(self.names, [*VIPS, *SIXES])]
        self.namespaces: dict[str, str] = {}
        self.ports: dict[str, str] = {}
        self.agents: dict[str, Agent] = {}
        for number, name in enumerate(self.names):
            self._node(name, f"side{number % 2}")
        self.client, _ = lab.host("client", {"side0": ["192.0.2.200/24", "2001:db8::c8/64"]})
        self.far, _ = lab.host("far", {"side1": ["192.0.2.201/24", "2001:db8::c9/64"]})
        ip(lab.name, "link", "add", "trunk0", "type", "veth", "peer", "name", "trunk1")
        for number in (0, 1):
            bridge = f"bridge{number}"
            ip(lab.name, "link", "set", f"trunk{number}", "master", bridge, "up")

    def _node(self, name: str, side: str) -> None:
        addresses = [f"{self.four[name]}/24", f"{self.six[name]}/64"]
        self.namespaces[name], ports = self.lab.host(name, {side: addresses})
        self.ports[name] = ports[side]
        rules = _NAT.format(four=self.four[name], six=self.six[name])
        self.run_in(self.namespaces[name], "nft", "-f", "-", stdin=rules)

    def start(self, *names: str, **setup: object) -> None:
        """Run processes on these nodes, or on all, and wait for nothing."""
        for name in names or self.names:
            self.agents[name] = Agent(self, name)
            self.stack.callback(self.agents[name].end)
        for name in names or self.names:
            self.agents[name].begin(**setup)

    def start_together(self, **setup: object) -> None:
        """All at one moment, so that nobody is there before others and none has to settle."""
        for name in self.names:
            self.agents[name] = Agent(self, name, *self.first)
            self.stack.callback(self.agents[name].end)
            self.agents[name].set_up(**setup)
        everyone = self.agents.values()
        wait_for(lambda: all(one.hear() for one in everyone), 20, "all processes run")
        for one in everyone:
            one.roster()
        for one in everyone:
            one.own(*self.groups)
        self.wait_owned()

    def serve(self) -> None:
        """An endpoint on every node."""
        for name in self.names:
            program = self._program(self.namespaces[name], "l2_backend.py", name)
            assert program.stdout is not None
            assert program.stdout.readline() == b"ready\n"

    def _program(self, namespace: str, script: str, *argv: str) -> subprocess.Popen[bytes]:
        program = subprocess.Popen(  # noqa: S603
            ["ip", "netns", "exec", namespace, sys.executable, str(HERE / script), *argv],  # noqa: S607
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.stack.callback(_ended, program)
        return program

    def run_in(self, namespace: str, *argv: str, stdin: str = "") -> str:
        done = subprocess.run(  # noqa: S603
            ["ip", "netns", "exec", namespace, *argv],  # noqa: S607
            input=stdin, text=True, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
        return done.stdout

    def run_on(self, name: str, *argv: str) -> str:
        """A program of the host on a node: what it printed."""
        return self.run_in(self.namespaces[name], *argv)

    # What is so.

    def owners(self, *addresses: str) -> dict[str, list[str]]:
        """Who says that it owns what, of these or of all."""
        found: dict[str, list[str]] = {
            one: [] for one in addresses or [a for _, each in self.groups for a in each]
        }
        for name, agent in self.agents.items():
            if agent.process.poll() is None:
                for address in agent.owned():
                    if address in found:
                        found[address].append(name)
        return found

    def wait_owned(self, seconds: float = 40, by: Iterable[str] | None = None) -> None:
        """Every address has one owner, of these nodes or of all, and these are ready."""
        good = set(self.names if by is None else by)

        def so() -> bool:
            owners = self.owners()
            states = [self.agents[name].hear().get("state") for name in good]
            single = all(len(each) == 1 and each[0] in good for each in owners.values())
            return single and set(states) == {"ready"}

        wait_for(so, seconds, "every address has one owner")

    def owner(self, address: str) -> Agent:
        (name,) = self.owners(address)[address]
        return self.agents[name]

    def known(self, address: str, client: str = "") -> str:
        """The MAC in a client's own table; a client that has none asks."""
        namespace = client or self.client
        if not (mac := neighbor(namespace, address)):
            poke(namespace, address)
        return mac

    def curl(self, address: str, client: str = "") -> str:
        """Which node answers over HTTP."""
        host = f"[{address}]" if ":" in address else address
        where = ("ip", "netns", "exec", client or self.client)
        return execute([*where, "curl", "-s", "-m", "5", f"http://{host}/"]).stdout

    # What happens to it.

    def pass_frames(self, port: str, *, so: bool) -> None:
        """Let a bridge's port forward, or not: its carrier stays either way."""
        state = _FORWARDING if so else _DISABLED
        done = execute(["bridge", "-n", self.lab.name, "link", "set", "dev", port, "state", state])
        assert done.returncode == 0, done.stdout

    @contextmanager
    def measured(self, address: str, client: str = "") -> Iterator[Callable[[], Measured]]:
        """A client that counts; what is given ends it, once."""
        program = self._program(client or self.client, "l2_meter.py", address)
        assert program.stdout is not None
        assert program.stdout.readline() == b"ready\n"

        def end() -> Measured:
            said, _ = program.communicate()
            return Measured([(at, who) for at, who in json.loads(said)])

        yield end


def _ended(program: subprocess.Popen[bytes]) -> None:
    program.kill()
    program.wait()
    for pipe in (program.stdin, program.stdout):
        if pipe is not None:
            pipe.close()


@contextmanager
def world(size: int = 3, *, serving: bool = False) -> Iterator[World]:
    """Nodes on which nothing runs yet; `serving` ones have endpoints."""
    require_segment()
    with Lab({}) as lab, ExitStack() as stack:
        one = World(lab, stack, size)
        if serving:
            one.serve()
        yield one
