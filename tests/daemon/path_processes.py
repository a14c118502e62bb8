"""What runs of a cluster: our controller beside the API server, our agent and kube-proxy on nodes.

Ours run as the ServiceAccounts that are shipped; kube-proxy as the user whom the API server gives
the rights of one by itself.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from charts import NAMESPACE
from fabric.fabric import Fabric

from daemon.kube import Plane, program
from daemon.path_cables import POD_NETS
from daemon.roles import kubeconfig_of_account
from ferrule.apply.claim import DIRECTORY

PROXY = "system:kube-proxy"
OWN_LOCKS = 'mount --bind "$1" "$2" && shift 2 && exec "$@"'
END_S = 30.0


class Processes:
    """All of them, from `__enter__` to `__exit__`; that none ended before is looked at there."""

    def __init__(self, fabric: Fabric, plane: Plane, lb_class: str, folder: Path) -> None:
        self._fabric, self._plane = fabric, plane
        self._class, self._folder = lb_class, folder
        self._stack = ExitStack()
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Processes:
        with ExitStack() as stack:
            if not Path(DIRECTORY).exists():
                Path(DIRECTORY).mkdir()
                stack.callback(Path(DIRECTORY).rmdir)
            stack.callback(self._end)
            account = kubeconfig_of_account(self._plane, "controller")
            self._start("controller", self._ferrule("reconcile", account))
            account = kubeconfig_of_account(self._plane, "agent")
            for node in self._fabric.nodes:
                self._start(f"agent-{node}", self._agent(node, account))
                self._start(f"proxy-{node}", self._proxy(node))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        ended = [name for name, one in self._running.items() if one.poll() is not None]
        self._stack.close()
        assert not ended

    def _end(self) -> None:
        for process in self._running.values():
            process.terminate()
        for name, process in self._running.items():
            process.wait(END_S)
            print(name, self._log(name).read_text()[-3000:], sep="\n")  # noqa: T201

    def _ferrule(self, command: str, kubeconfig: Path, *options: str) -> list[str]:
        given = ["--kubeconfig", str(kubeconfig), "--namespace", NAMESPACE]
        given += ["--lb-class", self._class, "--health-port", "0", "--metrics-port", "0"]
        return [sys.executable, "-m", "ferrule.cli", command, *given, *options]

    def _agent(self, node: str, kubeconfig: Path) -> list[str]:
        """On its node's network, with locks of its own."""
        router = self._fabric.nodes[node].frr
        vtysh = router.flavour.command_in(router.name, "vtysh", "-N", router.name)
        options = ["--node-name", node, "--withdraw-on-cordon"]
        options += ["--frr-dir", str(router.flavour.directories(router.name)[1])]
        options += ["--vtysh", " ".join(f"'{one}'" for one in vtysh)]
        locks = self._folder / f"locks-{node}"
        locks.mkdir()
        argv = ["ip", "netns", "exec", router.name, "unshare", "-m", "sh", "-c", OWN_LOCKS, "sh"]
        return [*argv, str(locks), DIRECTORY, *self._ferrule("agent", kubeconfig, *options)]

    def _proxy(self, node: str) -> list[str]:
        """Its sysctls for conntrack cannot be written in a namespace; 0 leaves them alone."""
        namespace = self._fabric.nodes[node].frr.name
        argv = ["ip", "netns", "exec", namespace, str(program("kube-proxy"))]
        argv += [f"--kubeconfig={self._plane.kubeconfig_of(PROXY)}", "--proxy-mode=nftables"]
        argv += [f"--hostname-override={node}", f"--cluster-cidr={','.join(POD_NETS)}"]
        argv += ["--conntrack-max-per-core=0", "--conntrack-min=0"]
        argv += ["--conntrack-tcp-timeout-established=0s", "--conntrack-tcp-timeout-close-wait=0s"]
        return argv

    def _start(self, name: str, argv: Sequence[str]) -> None:
        with self._log(name).open("ab") as log:
            self._running[name] = subprocess.Popen(  # noqa: S603
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._fabric.workstation.environment,
            )

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}.log"
