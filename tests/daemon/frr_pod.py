"""The agent's Pod without a container runtime: two containers that share the manifest's volumes.

Each is a process with mounts of its own, the folders that it shares bound where the manifest mounts
them; both may begin and end in any order. `test_deploy_frr` says what differs from the real thing,
and tests rights and scripts of FRR's container alone.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daemon.flavour import Flavour
from daemon.test_deploy_frr import POD, SCRIPTS, Running, bounding, here

VOLUMES = ("frr-etc", "frr-run", "frr-lib", "frr-tmp", "vtysh", "lock")
END_S = 20.0

# ROOT VOLUMES COMMAND...: FRR's container, and the one that prepares it.
OF_FRR = """
set -e
root=$1 volumes=$2
shift 2
if [ "$root" != / ]; then
    mount --bind "$root" "$root"
    mount -t overlay usr -o "lowerdir=$root/usr:/usr" "$root/usr"
    mount --rbind /proc "$root/proc"
    mount --rbind /dev "$root/dev"
fi
mount -t tmpfs -o mode=0777 tmpfs "$root/var/tmp"
mkdir -m 0777 "$root/var/tmp/frr" "$root/var/tmp/vtysh"
cp -r "$volumes/frr-start" "$root/var/tmp/start"
bound() { mount --bind "$volumes/$1" "$root/$2"; }
bound frr-tmp var/tmp/frr
bound vtysh var/tmp/vtysh
bound frr-etc etc/frr
bound frr-lib var/lib/frr
[ -d "$root/run/frr" ] || mkdir "$root/run/frr"
bound frr-run run/frr
mount -t tmpfs -o mode=0777 tmpfs "$root/tmp"
mount -o remount,bind,ro "$root"
exec chroot "$root" "$@"
"""
# VOLUMES COMMAND...: the agent's. What is its image in a cluster is this machine.
OF_AGENT = """
set -e
volumes=$1
shift
mount --bind "$volumes/frr-run" /run/frr
mount --bind "$volumes/lock" /run/ferrule
mount -t tmpfs tmpfs /etc/frr
cp "$volumes/frr-start/vtysh.conf" /etc/frr/
mount -t tmpfs tmpfs /var/tmp
mkdir /var/tmp/vtysh
mount --bind "$volumes/vtysh" /var/tmp/vtysh
exec "$@"
"""


@dataclass
class Pod:
    """The containers of one node, whose network is a namespace that is there already."""

    flavour: Flavour
    network: str
    folder: Path
    _running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _stack: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        for name in VOLUMES:
            (self.folder / name).mkdir()
            (self.folder / name).chmod(0o777)
        (self.folder / "frr-start").mkdir(mode=0o755)
        for name, text in SCRIPTS.items():
            (self.folder / "frr-start" / name).write_text(here(text))
        for needed in (Path("/run/frr"), Path("/run/ferrule")):
            if not needed.exists():
                needed.mkdir()
                self._stack.callback(shutil.rmtree, needed, ignore_errors=True)

    def end(self) -> None:
        """Of all of it."""
        for name in list(self._running):
            self.kill(name)
        self._stack.close()

    # FRR.

    @property
    def group(self) -> str:
        return Running(self.flavour, 0).group

    def prepare(self, *mode: str) -> None:
        """As the container that comes before all others; `bundled` or nothing."""
        uid, gid = map(str, self.flavour.owner)
        rights = ["setpriv", "--reuid", uid, "--regid", gid, "--groups", self.group]
        rights += ["--bounding-set=-all", "--no-new-privs", "env", f"VTY_GROUP={self.group}"]
        argv = [*rights, "/bin/sh", "/var/tmp/start/prepare", *mode]  # noqa: S108
        self._start("prepare", self._of_frr(argv))
        assert self._running.pop("prepare").wait(END_S) == 0, self.log("prepare")

    def host_files(self) -> None:
        """What a host's FRR is set up with, by whoever did that."""
        for name, text in {**SCRIPTS, "frr.conf": ""}.items():
            if name in ("daemons", "vtysh.conf", "frr.conf"):
                file = self.folder / "frr-etc" / name
                file.write_text(text)
                os.chown(file, *self.flavour.owner)
        os.chown(self.folder / "frr-etc", *self.flavour.owner)

    def start_frr(self) -> None:
        rights = ["setpriv", "--groups", self.group, f"--bounding-set={bounding('frr')}"]
        argv = [*rights, "--no-new-privs", "/bin/sh", "/var/tmp/start/start"]  # noqa: S108
        self._start("frr", self._of_frr(argv))

    def _of_frr(self, argv: Sequence[str]) -> list[str]:
        new = ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        given = [str(self.flavour.root), str(self.folder), *argv]
        enter = ["ip", "netns", "exec", self.network]
        return [*enter, "unshare", *new, "sh", "-c", OF_FRR, "sh", *given]

    def bgpd(self) -> int:
        """Its process; 0 while there is none."""
        pid = self._running["frr"].pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return Running(self.flavour, int(children[0])).bgpd() if children else 0

    @property
    def frr_conf(self) -> str:
        """What FRR would start with."""
        return (self.folder / "frr-etc/frr.conf").read_text()

    # The agent.

    def start_agent(self, *options: str) -> None:
        """With the arguments of the manifest, but for what `options` say."""
        rights = ["--groups", self.group, f"--bounding-set={bounding('agent')}", "--no-new-privs"]
        given = [here(one) for one in POD["agent"]["args"] if not one.startswith("--heartbeat-key")]
        ports = ["--health-port=0", "--metrics-port=0"]
        command = [sys.executable, "-m", "ferrule.cli", *given, *ports, *options]
        argv = ["setpriv", *rights, "env", "VTYSH_HISTFILE=/dev/null", *command]
        self._start("agent", ["unshare", "-m", "sh", "-c", OF_AGENT, "sh", str(self.folder), *argv])

    def said(self) -> list[dict[str, Any]]:
        """What the agent has logged."""
        return [json.loads(one) for one in self.log("agent").splitlines() if one.startswith("{")]

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    # Both.

    def _start(self, name: str, argv: Sequence[str]) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(  # noqa: S603
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def kill(self, name: str) -> None:
        """Without a word, and everything in it."""
        process = self._running.pop(name)
        process.kill()
        process.wait(END_S)

    def stop(self, name: str) -> None:
        """As a kubelet asks for it."""
        process = self._running.pop(name)
        process.terminate()
        process.wait(END_S)
