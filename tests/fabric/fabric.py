"""The devices of one spec, cabled, reachable and empty, and a workstation that runs ferrule.

    with Fabric("fabric", node="8", switch="10") as fabric:
        assert fabric.ferrule("plan", *fabric.paths).returncode == 0
        fabric.boot()
        fabric.wait_established()
        switch, node = fabric.switches["tor-a"], fabric.nodes["node-1"]
        with switch.fault("config", "die", 3), node.slow(60):
            done = fabric.ferrule("apply", "--yes", *fabric.paths)
        switch.wait_settled()
        print(switch.rows(), switch.frr.running_config(daemon="bgpd"), node.frr.running_config())
        with fabric.inside():  # for code that is called, not run
            socket.create_connection((node.addresses[0], 22))

How devices can fail is said in `device.py`, and by each program of theirs in its first lines.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

from daemon.flavour import Flavour
from daemon.lab import Lab
from daemon.need import require_flavours

from fabric.cables import WORKSTATION, Links, cables, hosts
from fabric.device import FabricDevice
from fabric.machine import CHECKOUT, Done
from fabric.need import require_programs
from fabric.switch import FabricSwitch, Rows, merged
from fabric.workstation import Workstation
from ferrule.compiler import views
from ferrule.compiler.pipeline import Compilation, compile_network, read_inputs
from ferrule.compiler.source import Document
from ferrule.observe.files import load

Data = dict[str, Any]

EXAMPLES = CHECKOUT / "examples"


class Fabric:
    """Use it in a `with` block: `paths` are then the spec with the way to every device added.

    `spec` is the name of an example, a path or the documents themselves; `node` and `switch` are
    the FRR of each kind, by its major version. Devices start empty; `boot` loads what was compiled.
    `rows` is what a switch has in CONFIG_DB of others, by its name.
    """

    def __init__(
        self,
        spec: str | Path | Sequence[Data],
        *,
        node: str = "8",
        switch: str = "10",
        rows: Mapping[str, Rows] | None = None,
    ) -> None:
        self.documents = read(EXAMPLES / spec) if isinstance(spec, str | Path) else list(spec)
        self.compilation = compiled(self.documents)
        self._flavours: Mapping[str, Flavour] = require_flavours()
        require_programs()
        self._node, self._switch = node, switch
        self._rows = rows or {}
        self._stack = ExitStack()
        self._written = 0
        self.nodes: dict[str, FabricDevice] = {}
        self.switches: dict[str, FabricSwitch] = {}

    def __enter__(self) -> Fabric:
        with ExitStack() as stack:
            self.lab = stack.enter_context(Lab(self._flavours))
            home = stack.enter_context(tempfile.TemporaryDirectory(prefix=f"{self.lab.name}-"))
            links = cables(self.compilation)
            self.workstation = self._workstation(Path(home), links)
            self._add_devices(links)
            for device in self.devices.values():
                stack.enter_context(device.running())
            self.know_devices()
            self.paths = [str(self.reachable(self.documents))]
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    @property
    def devices(self) -> dict[str, FabricDevice]:
        """Switches and nodes by name."""
        return {**self.switches, **self.nodes}

    def _workstation(self, home: Path, links: Mapping[str, Links]) -> Workstation:
        namespace, _ports = self.lab.host(WORKSTATION, links[WORKSTATION])
        workstation = Workstation(namespace, home)
        interfaces = {segment: f"eth{n}" for n, segment in enumerate(links[WORKSTATION])}
        for device, its in links.items():
            for segment, addresses in its.items() if device != WORKSTATION else ():
                for address in addresses:  # segments may overlap
                    workstation.route(address.partition("/")[0], interfaces[segment])
        return workstation

    def _add_devices(self, links: Mapping[str, Links]) -> None:
        for declared in self.compilation.inputs.spec.switches:
            its = links[declared.name]
            made = self.lab.device(declared.name, self._switch, its)
            vrfs = {one.vrf for one in declared.spec.addresses} - {"default"}
            rows: Rows = {"VRF": {vrf: {} for vrf in vrfs}} if vrfs else {}
            self.switches[declared.name] = FabricSwitch(
                made,
                self.workstation,
                *hosts(its),
                rows=merged(rows, self._rows.get(declared.name, {})),
                links=its,
            )
        for node in self.compilation.inputs.nodes:
            its = links[node.name]
            made = self.lab.device(node.name, self._node, its)
            self.nodes[node.name] = FabricDevice(made, self.workstation, *map(str, node.internal))

    def know_devices(self) -> None:
        """Trust the host keys that the devices show now."""
        self.workstation.know(
            {
                address: device.sshd.host_key
                for device in self.devices.values()
                for address in device.addresses
            }
        )

    # What tests do with it.

    def ferrule(self, *words: str, stdin: str = "", timeout_s: float = 120) -> Done:
        """Run the command line on the workstation: `returncode`, `stdout`, `stderr`."""
        return self.workstation.ferrule(*words, stdin=stdin, timeout_s=timeout_s)

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Begin the same, and leave it running."""
        return self.workstation.start(*words)

    def inside(self) -> AbstractContextManager[None]:
        """This thread is on the workstation's network, for code that is called, not run."""
        return self.workstation.inside()

    def reachable(self, documents: Iterable[Data]) -> Path:
        """A folder with these documents and the way to every device of this fabric."""
        folder = self.workstation.folder / f"spec-{self._written}"
        self._written += 1
        folder.mkdir()
        told = [self._managed(one) for one in documents if one.get("kind") != "Access"]
        for number, one in enumerate([*told, self._access()]):
            (folder / f"{number:04}.json").write_text(json.dumps(one, indent=1))
        return folder

    def _managed(self, document: Data) -> Data:
        name = document.get("metadata", {}).get("name")
        if document.get("kind") != "Switch" or name not in self.switches:
            return document
        switch = self.switches[name]
        management = {
            "host": switch.addresses[0],
            "username": switch.user,
            "hostKey": switch.sshd.host_key,
            "keyFile": str(self.workstation.key_file),
        }
        return {**document, "spec": {**document["spec"], "management": management}}

    def _access(self) -> Data:
        spec = {
            "username": FabricDevice.user,
            "keyFile": str(self.workstation.key_file),
            "knownHostsFile": str(self.workstation.known_hosts_file),
        }
        version = "ferrule.dev/v1alpha1"
        return {"apiVersion": version, "kind": "Access", "metadata": {"name": "all"}, "spec": spec}

    def rows(self, switch: str) -> Rows:
        """What was compiled for a switch."""
        path = f"switches/{switch}/config_db.json"
        rows: Rows = json.loads(views.files(self.compilation.network)[path].text)
        return rows

    def boot(self) -> None:
        """Make every device run what was compiled, saved and settled, as after an apply."""
        files = views.files(self.compilation.network, with_secrets=True)
        for name, switch in self.switches.items():
            switch.boot(self.rows(name))
        for name, node in self.nodes.items():
            node.load(files[f"nodes/{name}/frr.conf"].text)

    def wait_established(self) -> None:
        """Every session that was compiled is up."""
        for node in self.compilation.network.nodes:
            far = [str(one.node_end.neighbor) for one in node.sessions if one.switch_end]
            self.nodes[node.name].lab.wait_established(*far)


def read(path: Path) -> list[Data]:
    """The documents of a file or a folder."""
    documents, unreadable = load([str(path)])
    assert not unreadable, unreadable
    return [dict(one.data) for one in documents]


def compiled(documents: Sequence[Data]) -> Compilation:
    compilation = compile_network(read_inputs([Document(one) for one in documents]))
    assert compilation.ok, [str(one) for one in compilation.diagnostics]
    return compilation
