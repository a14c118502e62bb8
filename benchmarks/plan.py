"""How long it takes to read 200 devices and plan them, beside the slowest of them read alone.

    python benchmarks/plan.py                    as root; beside Ferrule it needs sshd
    python benchmarks/plan.py --seconds 1        every device thinks that long before it answers

Every device is a real sshd at an address of its own, in a network that ends with the benchmark.
Behind it are programs that print what such a device would: a node the running-config of all its
Services, a switch its CONFIG_DB. All servers share the cores of this machine with Ferrule, which
real ones do not: so the seconds of Ferrule's own processor time are told as well, and with
`--seconds` devices are slow without keeping this machine busy.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from compile import fabric

from ferrule.apply.reach import Device, reach
from ferrule.apply.survey import PARALLEL, Outcome, survey
from ferrule.compiler import views
from ferrule.compiler.backends.sonic import bgpd
from ferrule.compiler.observed import Key, Observed
from ferrule.compiler.pipeline import Compilation, compile_network, read_inputs
from ferrule.compiler.planning import make_plan
from ferrule.compiler.source import read

ALONE = 5  # nodes, and as many switches, that are read by themselves
UNIFIED = {"frr_mgmt_framework_config": "true", "docker_routing_config_mode": "unified"}

SSHD = """\
ListenAddress {address}
HostKey {folder}/host
AuthorizedKeysFile {folder}/user.pub
PidFile none
StrictModes no
UsePAM no
UseDNS no
SetEnv PATH={folder}/bin:/usr/bin:/bin
"""
# What a device prints lies in a folder named after its address, the third word sshd tells.
PROGRAM = """\
#!/bin/sh
set -- $SSH_CONNECTION "$@"
here={folder}/$3
"""
PROGRAMS = {
    "vtysh": """\
case "$*" in
*"-d bgpd"*) exec cat $here/bgpd ;;
*) [ -e $here/bgpd ] || sleep {seconds}; exec cat $here/frr ;;
esac
""",
    "sonic-cfggen": """\
case "$*" in
*build_version) sleep {seconds}; echo 202511.1 ;;
*) exec cat $here/rows ;;
esac
""",
    "docker": "echo 'frrcfgd   RUNNING   pid 1, uptime 0:01:00'\n",
}


def documents(nodes: int, switches: int, services: int, folder: Path) -> Iterator[object]:
    """The input, with the way to every device."""
    host_key = " ".join((folder / "host.pub").read_text().split()[:2])
    login = {"username": "root", "keyFile": str(folder / "user")}
    for one in fabric(nodes, switches, services):
        if one["kind"] == "Switch":
            spec = one["spec"]
            assert isinstance(spec, dict)
            spec["management"] = {"host": spec["routerID"], "hostKey": host_key, **login}
        yield one
    yield {
        "apiVersion": "ferrule.dev/v1alpha1",
        "kind": "Access",
        "metadata": {"name": "all"},
        "spec": {**login, "knownHostsFile": str(folder / "known_hosts")},
    }


def compiled(wanted: argparse.Namespace, folder: Path) -> Compilation:
    """The input, compiled."""
    items = [*documents(wanted.nodes, wanted.switches, wanted.services, folder)]
    dump = json.dumps({"kind": "List", "apiVersion": "v1", "items": items})
    compilation = compile_network(read_inputs(read(dump, "dump.json")))
    assert compilation.ok, compilation.diagnostics[:3]
    return compilation


def populate(compilation: Compilation, devices: Sequence[Device], folder: Path) -> None:
    """Let every device say that it runs what is intended, nodes all but one prefix of it."""
    files = views.files(compilation.network, with_secrets=True)
    sessions = {one.name: one.sessions for one in compilation.network.nodes}
    for device in devices:
        kind, name = device.key
        here = folder / address(device)
        here.mkdir()
        own = json.dumps({"eth0": {"ipAddresses": [{"address": f"{address(device)}/24"}]}})
        if kind == "node":
            config = _all_but_one(files[f"nodes/{name}/frr.conf"].text)
            peers = json.dumps(
                {"default": {str(one.node_end.neighbor): UP for one in sessions[name]}}
            )
            (here / "frr").write_text(f"frr version 10.3\n{config}end\n{own}{peers}[]")
        else:
            rows = json.loads(files[f"switches/{name}/config_db.json"].text)
            runs = json.dumps({**rows, "DEVICE_METADATA": {"localhost": UNIFIED}})
            (here / "rows").write_text(runs)
            lines = "\n".join(bgpd.lines(rows))
            (here / "bgpd").write_text(f"frr version 10.4.1\n{lines}\nend\n{{}}")
            (here / "frr").write_text(f"{own}[]")


# A session as FRR 10.3 tells it is some 5 kB.
UP = {"bgpState": "Established", "bgpTimerUpMsec": 1000, **{f"fact{n}": n for n in range(350)}}


def _all_but_one(config: str) -> str:
    lines = config.splitlines(keepends=True)
    last = max(number for number, line in enumerate(lines) if line.startswith("  network "))
    return "".join([*lines[:last], *lines[last + 1 :]])


def address(device: Device) -> str:
    """Where a device is reached."""
    assert device.login is not None
    return device.login.host


def keys(folder: Path) -> None:
    """One host key for all servers, and one key that all let in."""
    for name in ("host", "user"):
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name))
    (folder / "known_hosts").write_text("* " + (folder / "host.pub").read_text())


def serve(devices: Sequence[Device], folder: Path, seconds: float, stack: ExitStack) -> None:
    """Start an sshd for each device; they end with the stack."""
    (folder / "bin").mkdir()
    for name, what in PROGRAMS.items():
        program = folder / "bin" / name
        text = (PROGRAM + what).replace("{folder}", str(folder))
        program.write_text(text.replace("{seconds}", f"{seconds:g}"))
        program.chmod(0o755)
    Path("/run/sshd").mkdir(exist_ok=True)
    run("ip", "link", "set", "lo", "up")
    for device in devices:
        at = address(device)
        run("ip", "address", "add", f"{at}/32", "dev", "lo")
        config = folder / f"{at}.conf"
        config.write_text(SSHD.format(address=at, folder=folder))
        sshd = subprocess.Popen(  # noqa: S603
            ["/usr/sbin/sshd", "-D", "-f", str(config)], stderr=subprocess.DEVNULL
        )
        stack.callback(sshd.wait)
        stack.callback(sshd.terminate)
    while any(listening(device) != b"SSH-" for device in devices):
        time.sleep(0.1)


def listening(device: Device) -> bytes:
    """The first bytes that a server says."""
    try:
        with socket.create_connection((address(device), 22), 1) as connection:
            return connection.recv(4)
    except ConnectionError:
        return b""


def run(*argv: str) -> None:
    """Run a command that must not fail."""
    subprocess.run(argv, check=True)  # noqa: S603


def took(devices: Sequence[Device], parallel: int) -> tuple[float, float, dict[Key, Observed]]:
    """Seconds, seconds of our own processor time, and what was found."""
    since, used = time.perf_counter(), time.process_time()
    found = survey(devices, parallel=parallel)
    seconds, used = time.perf_counter() - since, time.process_time() - used
    return seconds, used, {key: _seen(one) for key, one in found.items()}


def _seen(outcome: Outcome) -> Observed:
    assert isinstance(outcome, Observed), f"{outcome.device}: {outcome.message}"
    return outcome


def slowest(devices: Sequence[Device]) -> float:
    """The seconds that the slowest of some devices takes alone, each at its best of three."""
    some = [
        one
        for kind in ("node", "switch")
        for one in [each for each in devices if each.key[0] == kind][:ALONE]
    ]
    return max(min(took([one], 1)[0] for _ in range(3)) for one in some)


def measure(wanted: argparse.Namespace, folder: Path, stack: ExitStack) -> None:
    """Everything, in one run."""
    keys(folder)
    since = time.perf_counter()
    compilation = compiled(wanted, folder)
    print(f"compiled in {time.perf_counter() - since:.1f} s")
    devices = reach(compilation).devices
    populate(compilation, devices, folder)
    serve(devices, folder, wanted.seconds, stack)
    one = slowest(devices)
    print(f"the slowest device alone: {one:.2f} s")
    for parallel in sorted({wanted.parallel, PARALLEL, len(devices)}):
        seconds, used, found = took(devices, parallel)
        print(
            f"{len(devices)} devices, {parallel} at a time: {seconds:.2f} s, "
            f"{seconds / one:.1f} times the slowest; {used:.2f} s of it on Ferrule's processor",
            flush=True,
        )
    since = time.perf_counter()
    plan = make_plan(compilation, found)
    changed = sum(not each.diff.empty for each in plan.devices)
    print(f"planned in {time.perf_counter() - since:.2f} s: {changed} devices change")


def main() -> None:
    """Enter namespaces of our own, and measure in there."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--nodes", type=int, default=188)
    parser.add_argument("--switches", type=int, default=12)
    parser.add_argument("--services", type=int, default=10_000)
    parser.add_argument("--parallel", type=int, default=PARALLEL)
    parser.add_argument("--seconds", type=float, default=0.0)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if not wanted.inside:
        enter = ["unshare", "--net", "--mount", sys.executable, *sys.argv, "--inside"]
        sys.exit(subprocess.run(enter, check=False).returncode)  # noqa: S603
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        # The shell that sshd starts is to be a bare one, whatever root's own does first.
        (folder / "passwd").write_text(
            f"root:x:0:0::{name}:/bin/sh\nsshd:x:100:65534::/:/bin/false\n"
        )
        run("mount", "--bind", str(folder / "passwd"), "/etc/passwd")
        os.environ["HOME"] = name
        measure(wanted, folder, stack)
        run("umount", "/etc/passwd")


if __name__ == "__main__":
    main()
