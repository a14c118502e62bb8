"""The process on three nodes of a real segment: who answers, and how fast another follows."""

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from daemon.flavour import wait_for
from daemon.l2 import ip, mac_of, neighbor, poke, require_segment
from daemon.lab import Lab
from ferrule.announce.wire import mac_text

NAMES = ("node-1", "node-2", "node-3")
WHERE = {name: f"192.0.2.{number}" for number, name in enumerate(NAMES, 1)}
VIPS = [f"192.0.2.{number}" for number in range(101, 107)]
SECRET = base64.b64encode(b"a secret of the tests").decode()


class Agent:
    """One process in a namespace, spoken to as the agent does."""

    def __init__(self, name: str, namespace: str) -> None:
        self.name, self.namespace = name, namespace
        self.mac = mac_text(mac_of(namespace))
        self.process = subprocess.Popen(  # noqa: S603
            ["ip", "netns", "exec", namespace, sys.executable, "-m", "ferrule.announce.process"],  # noqa: S607
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self.process.stdout is not None
        os.set_blocking(self.process.stdout.fileno(), False)
        self.status: dict[str, object] = {}
        self.events: list[dict[str, object]] = []
        self._rest = b""
        self.say(
            kind="setup", node=name, cluster="prod", bind=WHERE[name], port=7947,
            secrets=[SECRET], interfaces=["eth0"],
        )  # fmt: skip
        self.say(kind="members", members=WHERE, fresh=True)
        self.say(
            kind="own",
            groups=[
                {"scores": dict.fromkeys(NAMES, 0), "addresses": [{"address": v} for v in VIPS]}
            ],
        )

    def say(self, **message: object) -> None:
        self.write(json.dumps(message).encode() + b"\n")

    def write(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def hear(self) -> dict[str, object]:
        assert self.process.stdout is not None
        *lines, self._rest = (self._rest + (self.process.stdout.read() or b"")).split(b"\n")
        for one in lines:
            said = json.loads(one)
            if said["kind"] == "status":
                self.status = said
            else:
                self.events.append(said)
        return self.status

    def owned(self) -> set[str]:
        owned = self.hear().get("owned", {})
        assert isinstance(owned, dict)
        return set(owned)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


@contextmanager
def cluster() -> Iterator[tuple[Lab, dict[str, Agent], str]]:
    require_segment()
    with Lab({}) as lab, ExitStack() as stack:
        namespaces = {name: lab.host(name, {"lan": [f"{WHERE[name]}/24"]})[0] for name in NAMES}
        client, _ = lab.host("client", {"lan": ["192.0.2.200/24"]})
        agents = {}
        for name in NAMES:
            agents[name] = Agent(name, namespaces[name])
            stack.callback(agents[name].end)
        wait_for(lambda: sum(len(one.owned()) for one in agents.values()) == len(VIPS), 20,
                 "every address is owned")  # fmt: skip
        yield lab, agents, client


def known(client: str, vip: str) -> str:
    if not (mac := neighbor(client, vip)):
        poke(client, vip)
    return mac


def moved(client: str, vip: str, old: str, happen: Callable[[], object]) -> float:
    """Seconds until the client's own table has another MAC."""
    start = time.monotonic()
    happen()
    while (mac := known(client, vip)) in ("", old):
        assert time.monotonic() - start < 10, mac
    return time.monotonic() - start


@pytest.mark.parametrize("how", ["leave", "kill -9", "SIGSTOP", "link down"])
def test_another_node_follows(how: str) -> None:
    with cluster() as (_, agents, client):
        vip = VIPS[0]
        wait_for(lambda: known(client, vip), 10, "the client resolves the address")
        mac = known(client, vip)
        victim = next(one for one in agents.values() if one.mac == mac)
        pid = victim.process.pid
        deeds: dict[str, Callable[[], object]] = {
            "leave": lambda: victim.say(kind="leave"),
            "kill -9": lambda: os.kill(pid, signal.SIGKILL),
            "SIGSTOP": lambda: os.kill(pid, signal.SIGSTOP),
            "link down": lambda: ip(victim.namespace, "link", "set", "eth0", "down"),
        }
        took = moved(client, vip, mac, deeds[how])
        assert took < (0.5 if how == "leave" else 1.5), took
        if how == "leave":
            assert victim.process.wait(5) == 0


def test_an_agent_that_does_not_read_delays_nothing() -> None:
    with cluster() as (_, agents, client):
        for one in agents.values():
            one.say(kind="members", members=WHERE, fresh=False)
        vip = VIPS[0]
        for _ in range(20):
            ip(client, "neigh", "flush", "dev", "eth0")
            wait_for(lambda: known(client, vip), 5, "an answer")
        assert all(one.process.poll() is None for one in agents.values())


def test_what_is_no_message_is_counted_and_the_secret_is_in_nothing_that_is_said() -> None:
    with cluster() as (_, agents, _client):
        one = agents["node-1"]
        for line in (
            {"kind": "setup", "secrets": [SECRET]},
            {"kind": "own", "groups": [{"scores": {"node-1": "x"}, "addresses": []}]},
            {"kind": "own", "gone": ["192.0.2.999"]},
            {"kind": SECRET},
            {"kind": "members", "members": {"x" * 300: ""}, "fresh": True},
            {"kind": "members", "members": "y" * 3_000_000, "fresh": True},
        ):
            one.say(**line)
        one.write(b"[" * 100_000 + b"\n")
        wait_for(lambda: one.hear().get("badLines") == 7, 5, "all are counted")
        assert one.process.poll() is None
        assert SECRET not in str(one.status) + str(one.events)
        assert [said["what"] for said in one.events].count("badLine") == 7


@pytest.mark.parametrize("first", [b"", b"no JSON\n", b'{"kind":"leave"}\n', b"x" * 3_000_000])
def test_a_first_line_that_sets_nothing_up_ends_it(first: bytes) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ferrule.announce.process"],
        input=first,
        capture_output=True,
        check=False,
        timeout=20,
    )
    assert (done.returncode, done.stdout) == (64, b"")
    assert done.stderr.startswith(b"the announcer was not set up: ")
    assert done.stderr.count(b"\n") == 1
