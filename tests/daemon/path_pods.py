"""What is in a Pod: a real haproxy on each TCP port of its containers, and something over UDP.

haproxy answers with the address that it sees the client at and with the Pod's name; on a port
whose name says so, by TLS. QUIC is not in every distribution's haproxy: on a UDP port answers
path_client.py.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daemon.flavour import execute, wait_for
from daemon.path_cables import PodNet, bare, ip

ANSWERS_S = 20.0
NAME = "shop.example.net"  # in the certificate
TLS = ("https", "secure")
LISTENING = "0A"  # in /proc/net/tcp
Json = Mapping[str, Any]

_GLOBAL = """\
global
  nbthread 1
  maxconn 200
defaults
  mode http
  option httpclose
  timeout connect 5s
  timeout client 10s
  timeout server 10s
"""
_FRONTEND = """\
frontend {name}
  bind 0.0.0.0:{port} {tls}
  bind [::]:{port} v6only {tls}
  http-request return status 200 content-type text/plain lf-string "%[src] {pod}\\n"
"""


def certificate(folder: Path) -> Path:
    """A key with its certificate, for haproxy and for who trusts it."""
    key, file = folder / "tls.key", folder / "tls.pem"
    options = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={NAME}"]
    options += ["-addext", f"subjectAltName=DNS:{NAME}", "-keyout", str(key), "-out", str(file)]
    done = execute(["openssl", "req", *options])
    assert done.returncode == 0, done.stdout
    file.write_text(file.read_text() + key.read_text())
    key.unlink()
    return file


@dataclass
class Container:
    """All processes of one Pod, in its namespace, from `start` to `stop`."""

    pod: Json
    net: PodNet
    host: int  # the number of its addresses
    folder: Path
    _processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The Pod's."""
        return str(self.pod["metadata"]["name"])

    @property
    def namespace(self) -> str:
        """The network it is in."""
        return f"{self.net.node}-{self.host}"

    @property
    def addresses(self) -> list[str]:
        """As a kubelet reports them."""
        return [bare(one) for one in self.net.addresses(self.host)]

    def start(self, pem: Path) -> None:
        """Until every port answers."""
        self.net.plug(self.namespace, self.host)
        ports: dict[str, dict[int, str]] = {"TCP": {}, "UDP": {}}
        for container in self.pod["spec"]["containers"]:
            for one in container["ports"]:
                ports[one["protocol"]][one["containerPort"]] = one["name"]
        if ports["TCP"]:
            file = self.folder / f"{self.name}.cfg"
            file.write_text(_configuration(self.name, ports["TCP"], pem))
            self._run("haproxy", "-db", "-f", str(file))
        for port in ports["UDP"]:
            program = Path(__file__).with_name("path_client.py")
            self._run(sys.executable, str(program), "answer", str(port), self.name)
        wait_for(lambda: self._answers(ports), ANSWERS_S, f"{self.name} answers on {ports}")

    def _run(self, *argv: str) -> None:
        with (self.folder / f"{self.name}.log").open("ab") as log:
            process = subprocess.Popen(  # noqa: S603
                ["ip", "netns", "exec", self.namespace, *argv],  # noqa: S607
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._processes.append(process)

    def _answers(self, ports: Mapping[str, Iterable[int]]) -> bool:
        said = (self.folder / f"{self.name}.log").read_text()
        ended = [one.args for one in self._processes if one.poll() is not None]
        assert not ended, f"{ended}: {said}"
        proc = Path(f"/proc/{self._processes[0].pid}/net")
        there = {
            protocol: {port for file in files for port in _open(proc / file)}
            for protocol, files in (("TCP", ("tcp", "tcp6")), ("UDP", ("udp", "udp6")))
        }
        return all({*ports[of]} <= open_ for of, open_ in there.items())

    def stop(self) -> None:
        """End them, and its network."""
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.wait()
        ip("netns", "del", self.namespace)


def _configuration(pod: str, ports: Mapping[int, str], pem: Path) -> str:
    each = (
        _FRONTEND.format(name=name, port=port, pod=pod, tls=_tls(name, pem))
        for port, name in ports.items()
    )
    return _GLOBAL + "".join(each)


def _tls(name: str, pem: Path) -> str:
    return f"ssl crt {pem}" if any(one in name for one in TLS) else ""


def _open(file: Path) -> set[int]:
    """The ports of a network on which somebody listens; of UDP, that are bound."""
    found = set()
    for line in file.read_text().splitlines()[1:]:
        _, local, _, state, *_ = line.split()
        if state == LISTENING or file.name.startswith("udp"):
            found.add(int(local.rpartition(":")[2], 16))
    return found
